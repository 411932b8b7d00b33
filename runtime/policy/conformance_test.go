package policy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/test/cases"
	"github.com/open-policy-agent/opa/v1/topdown"
	"github.com/open-policy-agent/opa/v1/util"

	"github.com/sluicegate/sluice/runtime/strictjson"
)

// OPA's conformance cases, which come with its module, through the settings that policies have here: the same parser,
// strictness, capabilities, store and evaluation. Those that cannot run are counted by why.
const (
	skipParse     = "text that is not Rego version 1, or an experiment"
	skipWithheld  = "built-ins that policies do not have"
	skipStrict    = "text that a strict compiler refuses"
	skipStrictErr = "failures of built-ins, which are undefined in OPA and an error here"
)

// The least that must have run: a change that made most cases be skipped would prove nothing.
const (
	minConform = 2200
	minPruned  = 200
)

func TestConformance(t *testing.T) {
	if testing.Short() || raceDetector {
		t.Skip("one at a time, and some seconds long")
	}
	c := conformance{t: t, skipped: map[string]int{}}
	for _, tc := range cases.MustLoad(filepath.Join(moduleDir(t), "v1/test/cases/testdata/v1")).Sorted().Cases {
		c.run(&tc)
	}
	t.Logf("%d cases ran, %d of them also with more in their input, of which %d read less than all", c.ran, c.pruned, c.less)
	for _, why := range slices.Sorted(maps.Keys(c.skipped)) {
		t.Logf("%d left out: %s", c.skipped[why], why)
	}
	if c.ran < minConform || c.less < minPruned {
		t.Errorf("%d cases ran and %d with pruned input; want at least %d and %d", c.ran, c.less, minConform, minPruned)
	}
}

// moduleDir is where OPA's module is.
func moduleDir(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/open-policy-agent/opa").Output()
	dir := strings.TrimSpace(string(out))
	if _, stat := os.Stat(dir); err != nil || dir == "" || stat != nil {
		t.Fatalf("OPA's module is not in the module cache: %v", errors.Join(err, stat))
	}
	return dir
}

// conformance runs cases and counts.
type conformance struct {
	t                 *testing.T
	ran, pruned, less int
	skipped           map[string]int
}

func (c *conformance) run(tc *cases.TestCase) {
	for k, v := range tc.Env {
		c.t.Setenv(k, v)
	}
	compiler, why := compileCase(tc)
	if why != "" {
		c.skipped[why]++
		return
	}
	input, err := inputOf(tc)
	if err != nil {
		c.t.Fatalf("%s: %v", tc.Note, err)
	}
	q := prepareCase(c.t, tc, compiler)
	got := ask(q, tc, input)
	if e := (*topdown.Error)(nil); tc.WantError == nil && tc.WantErrorCode == nil && errors.As(got.err, &e) && e.Code != topdown.ConflictErr {
		c.skipped[skipStrictErr]++
		return
	}
	c.ran++
	if fault := got.against(tc); fault != "" {
		c.t.Errorf("%s (%s): %s", tc.Note, filepath.Base(tc.Filename), fault)
		return
	}
	c.prune(tc, compiler, q)
}

// prune asks twice more, about an input with more in it: once with all of it, and once with nothing but what the query can
// read, which is what decisions are remembered by.
func (c *conformance) prune(tc *cases.TestCase, compiler *ast.Compiler, q rego.PreparedEvalQuery) {
	ref, ok := queriedRef(tc)
	text, object := richerInput(tc)
	if !ok || !object {
		return
	}
	r := analyse(compiler, ref)
	if len(r.blockers) > 0 {
		return
	}
	doc, err := strictjson.Parse(text, recordedLimits)
	if err != nil {
		c.t.Fatalf("%s: %v", tc.Note, err)
	}
	defer doc.Release()
	var rec recording
	input, full := rec.input(treeOf(r.list()), doc.Root()).Value, nodeTerm(doc.Root()).Value
	c.pruned++
	if full.Compare(input) != 0 {
		c.less++
	}
	if got, want := ask(q, tc, input), ask(q, tc, full); !got.same(want) {
		c.t.Errorf("%s: with what is read of its input alone, %v, it gives %v instead of %v", tc.Note, slices.Sorted(maps.Keys(r.paths)), got, want)
	}
}

// richerInput is an input that is a JSON object, with further members in each object.
func richerInput(tc *cases.TestCase) ([]byte, bool) {
	if tc.Input == nil || tc.InputTerm != nil {
		return nil, false
	}
	o, ok := enriched(*tc.Input).(map[string]any)
	b, err := json.Marshal(o)
	return b, ok && err == nil
}

func enriched(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{"zz-more": "more", "zz-most": []any{map[string]any{"a": 1}}}
		for k, e := range v {
			out[k] = enriched(e)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = enriched(v[i])
		}
		return out
	default:
		return v
	}
}

// compileCase compiles the modules as a policy's; why tells for what reason they can't be.
func compileCase(tc *cases.TestCase) (c *ast.Compiler, why string) {
	modules := map[string]*ast.Module{}
	options := parserOptions()
	for i, text := range tc.Modules {
		name := fmt.Sprintf("test-%d.rego", i)
		m, err := ast.ParseModuleWithOpts(name, text, options)
		if err != nil {
			return nil, skipParse
		}
		modules[name] = m
	}
	c = strictCompiler(capabilities())
	c.Compile(modules)
	if !c.Failed() {
		_, err := c.QueryCompiler().Compile(ast.MustParseBody(tc.Query))
		if err == nil {
			return c, ""
		}
		return nil, whyOf(err)
	}
	return nil, whyOf(c.Errors)
}

func whyOf(err error) string {
	for _, f := range faultsOf("", err) {
		if _, name, ok := strings.Cut(f.Message, "undefined function "); ok {
			if name, _, _ = strings.Cut(name, ";"); withheld(name) {
				return skipWithheld
			}
		}
	}
	return skipStrict
}

func inputOf(tc *cases.TestCase) (ast.Value, error) {
	switch {
	case tc.InputTerm != nil:
		t, err := ast.ParseTerm(*tc.InputTerm)
		if err != nil {
			return nil, err
		}
		return t.Value, nil
	case tc.Input != nil:
		return ast.InterfaceToValue(*tc.Input)
	default:
		return nil, nil
	}
}

// queriedRef is what a query such as data.generated.p = x asks for.
func queriedRef(tc *cases.TestCase) (ast.Ref, bool) {
	body, err := ast.ParseBody(tc.Query)
	if err != nil || len(body) != 1 || !body[0].IsEquality() {
		return nil, false
	}
	ref, ok := body[0].Operand(0).Value.(ast.Ref)
	_, free := body[0].Operand(1).Value.(ast.Var)
	return ref, ok && free && ref.HasPrefix(ast.DefaultRootRef) && ref.IsGround()
}

func prepareCase(t *testing.T, tc *cases.TestCase, c *ast.Compiler) rego.PreparedEvalQuery {
	t.Helper()
	data := map[string]any{}
	if tc.Data != nil {
		data = *tc.Data
	}
	store, _, err := newStore(data)
	if err != nil {
		t.Fatalf("%s: %v", tc.Note, err)
	}
	q, err := rego.New(
		rego.ParsedQuery(ast.MustParseBody(tc.Query)), rego.Compiler(c), rego.Store(store), rego.StrictBuiltinErrors(true),
	).PrepareForEval(context.Background())
	if err != nil {
		t.Fatalf("%s: %v", tc.Note, err)
	}
	return q
}

// given is what a query gave.
type given struct {
	bindings ast.Set
	err      error
}

// caseTime is long enough for a busy machine.
const caseTime = time.Minute

func ask(q rego.PreparedEvalQuery, tc *cases.TestCase, input ast.Value) given {
	ctx, stop := context.WithTimeout(context.Background(), caseTime)
	defer stop()
	var options []rego.EvalOption
	if input != nil {
		options = append(options, rego.EvalParsedInput(input))
	}
	rs, err := q.Eval(ctx, options...)
	got := given{bindings: ast.NewSet(), err: err}
	for _, r := range rs {
		got.bindings.Add(ast.NewTerm(bound(r.Bindings, tc)))
	}
	return got
}

// bound is one set of bindings as an object.
func bound(vars map[string]any, tc *cases.TestCase) ast.Value {
	o := ast.NewObject()
	for k, v := range vars {
		if list, ok := v.([]any); ok && tc.SortBindings {
			list = slices.Clone(list)
			slices.SortFunc(list, util.Compare)
			v = list
		}
		if !tc.IgnoreGeneratedVars || !strings.HasPrefix(k, "__localq") {
			o.Insert(ast.StringTerm(k), ast.NewTerm(ast.MustInterfaceToValue(v)))
		}
	}
	return o
}

func (a given) same(b given) bool {
	return (a.err == nil) == (b.err == nil) && a.bindings.Compare(b.bindings) == 0
}

func (a given) String() string { return fmt.Sprint(a.bindings, " ", a.err) }

// against holds an answer against what the case wants.
func (a given) against(tc *cases.TestCase) string {
	e := (*topdown.Error)(nil)
	switch {
	case tc.WantErrorCode != nil && (!errors.As(a.err, &e) || e.Code != *tc.WantErrorCode):
		return fmt.Sprintf("got %v, want an error of code %s", a, *tc.WantErrorCode)
	case tc.WantError != nil && (a.err == nil || !strings.Contains(a.err.Error(), *tc.WantError)):
		return fmt.Sprintf("got %v, want the error %s", a, *tc.WantError)
	case tc.WantError != nil || tc.WantErrorCode != nil || tc.WantResult == nil:
		return ""
	}
	want := ast.NewSet()
	for _, r := range *tc.WantResult {
		want.Add(ast.NewTerm(bound(r, tc)))
	}
	if a.err != nil || want.Compare(a.bindings) != 0 {
		return fmt.Sprintf("got %v, want %v", a, want)
	}
	return ""
}
