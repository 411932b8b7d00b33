package policy

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/test/cases"

	"github.com/sluicegate/sluice/runtime/exchange"
	"github.com/sluicegate/sluice/runtime/policy/rules"
	"github.com/sluicegate/sluice/runtime/strictjson"
	"github.com/sluicegate/sluice/runtime/wire"
)

// The least of OPA's conformance cases that the closures must have answered: if most were left to OPA, that they agree would
// prove nothing.
const (
	minDirect   = 1300
	minAnswered = 2400
)

// What closures made of rules answer is what OPA answers, to OPA's own conformance cases: to each with its own input, with more in
// it, with less, and with none.
func TestDirectAgainstOPA(t *testing.T) {
	if testing.Short() || raceDetector {
		t.Skip("one at a time, and some seconds long")
	}
	var ran, direct, answered int
	why := map[string]int{}
	for _, tc := range cases.MustLoad(filepath.Join(moduleDir(t), "v1/test/cases/testdata/v1")).Sorted().Cases {
		compiler, skip := compileCase(&tc)
		ref, ok := queriedRef(&tc)
		if skip != "" || !ok || len(tc.Env) > 0 {
			continue
		}
		ran++
		d, err := newDirectCase(t, &tc, compiler, ref)
		if err != nil {
			_, what, found := strings.Cut(err.Error(), ".rego:")
			if _, rest, ok := strings.Cut(what, ": "); found && ok {
				what = rest
			}
			why[what]++
			continue
		}
		direct++
		for _, input := range inputsOf(t, &tc) {
			if d.agrees(t, input) {
				answered++
			}
		}
	}
	t.Logf("of %d cases %d could be made closures of, which answered %d times", ran, direct, answered)
	for what, n := range why {
		if n >= 10 {
			t.Logf("%d left to OPA: %s", n, what)
		}
	}
	if direct < minDirect || answered < minAnswered {
		t.Errorf("%d cases and %d answers; want at least %d and %d", direct, answered, minDirect, minAnswered)
	}
}

// directCase is one case both ways.
type directCase struct {
	name    string
	program *rules.Program
	query   rego.PreparedEvalQuery
}

func newDirectCase(t *testing.T, tc *cases.TestCase, c *ast.Compiler, ref ast.Ref) (directCase, error) {
	t.Helper()
	data := map[string]any{}
	if tc.Data != nil {
		data = *tc.Data
	}
	store, base, err := newStore(data)
	if err != nil {
		t.Fatal(err)
	}
	b := &builder{ctx: t.Context(), loaded: &loaded{compiler: c, store: store}}
	p, err := rules.Compile(c, base, ref, b.asking)
	if err != nil {
		return directCase{}, err
	}
	q := b.query(ref)
	if b.err != nil {
		t.Fatalf("%s: %v", tc.Note, b.err)
	}
	return directCase{filepath.Base(tc.Filename) + " " + tc.Note, p, q}, nil
}

// agrees compares the answers, if there is one.
func (d directCase) agrees(t *testing.T, input ast.Value) bool {
	t.Helper()
	got, ok := d.program.Eval(context.Background(), input, nil)
	if !ok {
		return false
	}
	ctx, stop := context.WithTimeout(context.Background(), caseTime)
	defer stop()
	var options []rego.EvalOption
	if input != nil {
		options = append(options, rego.EvalParsedInput(input))
	}
	rs, err := d.query.Eval(ctx, options...)
	var want ast.Value
	if len(rs) > 0 {
		want = rs[0].Expressions[0].Value.(ast.Value)
	}
	if err != nil || (got == nil) != (want == nil) || got != nil && (got.Compare(want) != 0 || got.String() != want.String()) {
		t.Errorf("%s: input %v: got %v, OPA says %v, %v", d.name, input, got, want, err)
	}
	return true
}

// inputsOf are the case's own input and others made of it.
func inputsOf(t *testing.T, tc *cases.TestCase) []ast.Value {
	t.Helper()
	own, err := inputOf(tc)
	if err != nil {
		t.Fatal(err)
	}
	out := []ast.Value{own, nil}
	if text, ok := richerInput(tc); ok {
		doc, err := strictjson.Parse(text, recordedLimits)
		if err != nil {
			t.Fatal(err)
		}
		defer doc.Release()
		out = append(out, nodeTerm(doc.Root()).Value)
	}
	if o, ok := own.(ast.Object); ok {
		for _, k := range slices.Clone(o.Keys()) {
			less, _ := o.Map(func(key, v *ast.Term) (*ast.Term, *ast.Term, error) {
				if key.Equal(k) {
					return key, ast.InternedNullTerm, nil
				}
				return key, v, nil
			})
			out = append(out, less)
		}
	}
	return out
}

// OPA is asked for one rule of several, but not where it and others must see one clock.
func TestLeftToOPA(t *testing.T) {
	f := func(rules string, want ...string) {
		t.Helper()
		_, p := compiled(t, rules)
		if got := p.Entries()[0].LeftToOPA; !slices.Equal(got, want) {
			t.Errorf("%s\ngot  %q\nwant %q", rules, got, want)
		}
		x := &exchange.Exchange{Principal: &exchange.Principal{Roles: []string{"a"}}, Request: &wire.Request{Model: "m"}}
		if d, err := p.Decide(t.Context(), x, Facts{}); err != nil || !d.Allowed {
			t.Errorf("%s\n%+v, %v", rules, d, err)
		}
	}
	f(`decision := {"allowed": input.model == "m"}`)
	f("decision := {\"allowed\": mocked == [\"m\", \"x\"]}\n\nmocked := [input.model, x] if x := plain with input.model as \"x\"\n\nplain := input.model", "data.sluice.mocked: p/m.rego:5:31: with")
	f("decision := {\"allowed\": late}\n\nlate if time.now_ns() > 5", "data.sluice.decision: p/m.rego:5:9: time.now_ns is left to OPA")
}
