package policy

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/metrics"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/open-policy-agent/opa/v1/topdown"
	"github.com/open-policy-agent/opa/v1/types"

	"github.com/sluicegate/sluice/runtime/exchange"
	"github.com/sluicegate/sluice/runtime/policy/rules"
)

// The entry points, all in package sluice.
var (
	decisionRef = ast.MustParseRef("data.sluice.decision")
	admitRef    = ast.MustParseRef("data.sluice.admit")
)

// Compile makes a Policy of a source. The error is Faults when the text is at fault: all that can be found at once. The
// source's tests are parsed but not run; see Source.Test.
func Compile(ctx context.Context, s Source, o Options) (*Policy, error) {
	l, faults := load(s, o, false)
	if len(faults) > 0 {
		return nil, faults.sorted()
	}
	b := &builder{ctx: ctx, loaded: l, options: o}
	if grantsOf(o).reachesOut() {
		b.transport = newTransport()
	}
	p := &Policy{revision: s.Revision(), names: namesOf(o)}
	if len(l.compiler.GetRules(admitRef)) > 0 {
		p.admit = newEntry(b, admitRef, exchange.StageAdmit, p.names.admission)
	}
	p.decide = newEntry(b, decisionRef, exchange.StageDecide, p.names.decision)
	p.logs.prepare(b)
	p.log.text = p.decide.plan.reads("prompt", "text") || p.decide.plan.reads("prompt", "messages")
	p.log.origin = originOf(o, s)
	_, _ = rand.Read(p.log.salt[:]) // it never fails
	if len(b.faults) > 0 {
		return nil, b.faults.of(StageSchema).sorted()
	}
	return p, b.err
}

// loaded is a source compiled.
type loaded struct {
	compiler *ast.Compiler
	store    storage.Store
	base     ast.Value              // what the store holds
	modules  map[string]*ast.Module // as parsed
}

// load parses and compiles a source and checks all that needs no entry point. With tests, the _test.rego files are
// part of it.
func load(s Source, o Options, tests bool) (*loaded, Faults) {
	if len(s.files) == 0 {
		return nil, Faults{{Message: errNoSource.Error()}}
	}
	if faults := grantsOf(o).faults(); len(faults) > 0 {
		return nil, faults
	}
	data, faults := s.data(o.Data)
	modules, more := s.parse()
	faults = append(faults, more...).of(StageParse)
	if len(more) > 0 {
		return nil, faults // what the compiler would say of the rest is mostly about what could not be read
	}
	if !tests {
		for name := range modules {
			if isTest(name) {
				delete(modules, name)
			}
		}
	}
	anyInput(modules)
	c := newCompiler(o, data, tests)
	c.Compile(modules)
	if c.Failed() {
		faults = append(faults, faultsOf(s.name, c.Errors)...).of(StageCompile)
	}
	faults = append(faults, s.checks(c, data, modules)...)
	store, base, err := newStore(data)
	if err != nil {
		faults = append(faults, Fault{Stage: StageParse, Message: err.Error()})
	}
	return &loaded{c, store, base, modules}, faults
}

// parse reads every module, tests included.
func (s Source) parse() (map[string]*ast.Module, Faults) {
	options := parserOptions()
	modules := map[string]*ast.Module{}
	var faults Faults
	for _, f := range s.files {
		if !isModule(f.path) {
			continue
		}
		name := s.show(f)
		m, err := ast.ParseModuleWithOpts(name, string(f.body), options)
		switch {
		case err != nil:
			faults = append(faults, faultsOf(name, err)...)
		case m == nil:
			faults = append(faults, Fault{File: name, Line: 1, Col: 1, Message: "the module is empty; give it a package or remove the file"})
		default:
			modules[name] = m
		}
	}
	return modules, faults
}

func newCompiler(o Options, data map[string]any, test bool) *ast.Compiler {
	schemas := ast.NewSchemaSet()
	schemas.Put(ast.SchemaRootRef, inputSchema(o.ReadsText))
	return strictCompiler(grantsOf(o).capabilities(test)).
		WithSchemas(schemas).
		WithUseTypeCheckAnnotations(true). // those of anyInput: there are no others
		WithPathConflictsCheck(func(path []string) (bool, error) { return has(data, path), nil })
}

func strictCompiler(c *ast.Capabilities) *ast.Compiler {
	return ast.NewCompiler().WithCapabilities(c).WithStrict(true).WithDefaultRegoVersion(ast.RegoV1).SetErrorLimit(0)
}

// newStore gives data as the evaluator reads it, and all of it as one value.
func newStore(data map[string]any) (storage.Store, ast.Value, error) {
	store := inmem.NewFromObjectWithOpts(data, inmem.OptReturnASTValuesOnRead(true), inmem.OptRoundTripOnWrite(false))
	all, err := storage.ReadOne(context.Background(), store, storage.Path{})
	if err != nil {
		return nil, nil, fmt.Errorf("reading data: %w", err)
	}
	base, ok := all.(ast.Value)
	if !ok {
		return nil, nil, fmt.Errorf("reading data: got %T", all)
	}
	return store, base, nil
}

// parserOptions is how modules are read.
func parserOptions() ast.ParserOptions {
	return ast.ParserOptions{Capabilities: capabilities(), ProcessAnnotation: true, RegoVersion: ast.RegoV1}
}

// has tells whether data holds something at the path.
func has(data map[string]any, path []string) bool {
	for i, key := range path {
		v, ok := data[key]
		if !ok {
			return false
		}
		if i == len(path)-1 {
			return true
		}
		if data, ok = v.(map[string]any); !ok {
			return false
		}
	}
	return true
}

// checks finds what the compiler lets pass: printing, references to rules that do not exist, a missing decision.
func (s Source) checks(c *ast.Compiler, data map[string]any, modules map[string]*ast.Module) Faults {
	var faults Faults
	for name, m := range modules {
		if !isTest(name) {
			faults = append(faults, prints(m)...).of(StageCompile)
		}
	}
	if c.RuleTree == nil {
		return faults
	}
	faults = append(faults, missingRules(c, data)...).of(StageRules)
	rules := c.GetRules(decisionRef)
	if len(rules) == 0 {
		message := "there is no rule decision in package sluice; add one, such as: decision := {\"allowed\": false}"
		return append(faults, Fault{Stage: StageEntry, File: s.name, Message: message})
	}
	if !c.Failed() {
		faults = append(faults, noDefault(rules, modules).of(StageEntry)...)
		faults = append(faults, resultType(c, decisionRef, decisionFields)...)
		faults = append(faults, resultType(c, admitRef, admissionFields)...).of(StageSchema)
	}
	return faults
}

// prints finds calls of print. The compiler would drop them silently.
func prints(m *ast.Module) Faults {
	var faults Faults
	ast.WalkExprs(m, func(e *ast.Expr) bool {
		if e.IsCall() && e.Operator().String() == ast.Print.Name {
			faults = append(faults, faultAt(e.Location, "print is not available to policies, as it could write prompt text to a log; remove it"))
		}
		return false
	})
	return faults
}

// missingRules finds references into packages of the source that name neither a rule nor data.
func missingRules(c *ast.Compiler, data map[string]any) Faults {
	var packages []ast.Ref
	for _, m := range c.Modules {
		packages = append(packages, m.Package.Path)
	}
	var faults Faults
	for _, m := range c.Modules {
		var loc *ast.Location
		ast.NewGenericVisitor(func(x any) bool {
			switch x := x.(type) {
			case *ast.Package, *ast.Import:
				return true
			case *ast.Expr:
				loc = x.Location
			case *ast.Term:
				if x.Location != nil && x.Location.Row > 0 {
					loc = x.Location
				}
			case ast.Ref:
				if f, missing := missingRule(c, data, packages, x); missing {
					faults = append(faults, faultAt(loc, "%s", f))
				}
			}
			return false
		}).Walk(m)
	}
	return faults
}

func missingRule(c *ast.Compiler, data map[string]any, packages []ast.Ref, ref ast.Ref) (string, bool) {
	n := 0
	for _, p := range packages {
		if ref.HasPrefix(p) {
			n = max(n, len(p))
		}
	}
	if n == 0 || len(ref) <= n {
		return "", false
	}
	name, ok := ref[n].Value.(ast.String)
	if !ok {
		return "", false
	}
	full := ref[:n+1]
	if len(c.GetRulesWithPrefix(full)) > 0 || slices.ContainsFunc(packages, func(p ast.Ref) bool { return p.HasPrefix(full) }) {
		return "", false
	}
	path := make([]string, 0, n)
	for _, t := range full[1:] {
		path = append(path, string(t.Value.(ast.String)))
	}
	if has(data, path) {
		return "", false
	}
	message := fmt.Sprintf("%v: package %s has no rule %q%s", full, strings.TrimPrefix(full[:n].String(), "data."), string(name), didYouMean(string(name), ruleNames(c, full[:n])))
	return message + "; define it or correct the name", true
}

// ruleNames lists the names right below a package.
func ruleNames(c *ast.Compiler, pkg ast.Ref) []string {
	node := c.RuleTree
	for _, t := range pkg {
		if node = node.Child(t.Value); node == nil {
			return nil
		}
	}
	var names []string
	for _, child := range node.Children {
		if s, ok := child.Key.(ast.String); ok {
			names = append(names, string(s))
		}
	}
	return names
}

// resultType checks what the compiler knows of a rule's value: that it is an object, and that its fields exist.
func resultType(c *ast.Compiler, ref ast.Ref, fields []string) Faults {
	rules := c.GetRules(ref)
	if len(rules) == 0 {
		return nil
	}
	name := ref[len(ref)-1].Value.(ast.String)
	var faults Faults
	for _, t := range alternatives(c.TypeEnv.GetByRef(ref)) {
		object, ok := t.(*types.Object)
		if !ok {
			if _, open := t.(types.Any); !open && t != nil {
				faults = append(faults, faultAt(placeOf(rules), "%s is %s, but it must be an object such as {\"allowed\": true}", string(name), types.Sprint(t)))
			}
			continue
		}
		for _, p := range object.StaticProperties() {
			if key, ok := p.Key.(string); !ok || !slices.Contains(fields, key) {
				faults = append(faults, faultAt(placeOf(rules), "%s has no field %q%s; it has %s", string(name), fmt.Sprint(p.Key), didYouMean(fmt.Sprint(p.Key), fields), strings.Join(fields, ", ")))
			} else if want := fieldKinds[key]; !fits(p.Value, want) {
				faults = append(faults, faultAt(placeOf(rules), "%s.%s is %s; give %s", string(name), key, types.Sprint(p.Value), want))
			}
		}
	}
	return faults
}

// placeOf is where the first of some rules stands. The compiler has them in no order.
func placeOf(rules []*ast.Rule) *ast.Location {
	return slices.MinFunc(rules, func(a, b *ast.Rule) int { return a.Location.Compare(b.Location) }).Location
}

// fieldKinds are the types of a result's fields, as messages say them.
var fieldKinds = map[string]string{
	"allowed": "a boolean", "debug": "a boolean", "message": "a string", "http_status": "a number", "models": "an array",
	"reasons": "a set or an array", "filters": "a set or an array", "allow": "a set or an array",
	"endpoints": "an object", "cache": "an object", "restore": "an object", "headers": "an object", "annotations": "an object",
}

// fits tells whether what the compiler knows of a value may be of a kind.
func fits(t types.Type, kind string) bool {
	for _, a := range alternatives(t) {
		switch a.(type) {
		case types.Boolean:
			if kind == "a boolean" {
				return true
			}
		case types.String:
			if kind == "a string" {
				return true
			}
		case types.Number:
			if kind == "a number" {
				return true
			}
		case *types.Array:
			if strings.HasSuffix(kind, "array") {
				return true
			}
		case *types.Set:
			if kind == "a set or an array" {
				return true
			}
		case *types.Object:
			if kind == "an object" {
				return true
			}
		case types.Null:
		default: // not known
			return true
		}
	}
	return false
}

// noDefault finds a decision that is undefined where none of its conditions holds. One with a default, or with a value that has
// no condition, is well.
func noDefault(rules []*ast.Rule, modules map[string]*ast.Module) Faults {
	for _, m := range modules {
		for _, r := range m.Rules {
			if r.Ref().Equal(decisionRef) && (r.Default || r.Body.Equal(always)) {
				return nil
			}
		}
	}
	return Faults{faultAt(placeOf(rules), "decision has no default: where none of its conditions holds it is undefined, which denies with policy_failed and no reason; write one: default decision := {\"allowed\": false}")}
}

var always = ast.NewBody(ast.NewExpr(ast.BooleanTerm(true)))

func alternatives(t types.Type) []types.Type {
	if a, ok := t.(types.Any); ok && len(a) > 0 {
		return a
	}
	return []types.Type{t}
}

// builder collects what goes wrong while the entry points are made.
type builder struct {
	*loaded
	ctx       context.Context
	options   Options
	transport *http.Transport // nil: nothing reaches out
	faults    Faults
	err       error
}

// newEntry prepares one entry point: its query, the plan of its input, its memo.
func newEntry[T any](b *builder, ref ast.Ref, stage exchange.Stage, result func(ast.Value) (T, error)) *entry[T] {
	late := stage == exchange.StageDecide
	e := prepare(b, ref, stage, result)
	e.reads = analyse(b.compiler, ref)
	b.faults = append(b.faults, e.reads.faults...)
	if !late {
		b.faults = append(b.faults, tooLate(e.reads)...)
	}
	e.plan = newPlan(e.reads.list(), late, b.options.ReadsText)
	e.models = e.plan.find("models")
	if b.options.Memo >= 0 && len(e.reads.blockers) == 0 {
		size := b.options.Memo
		if size == 0 {
			size = DefaultMemo
		}
		e.memo = newMemo[T](size)
	}
	return e
}

// prepare makes an entry that can be evaluated.
func prepare[T any](b *builder, ref ast.Ref, stage exchange.Stage, result func(ast.Value) (T, error)) *entry[T] {
	e := &entry[T]{
		rule: string(ref[len(ref)-1].Value.(ast.String)), stage: stage, timeout: b.options.Timeout, result: result,
		transport: b.transport, keeps: b.options.KeepCalls,
	}
	switch {
	case b.options.Recorded:
		e.timeout = explainTime // nobody waits, and the machine may be busy
	case e.timeout <= 0:
		e.timeout = DefaultTimeout
	}
	e.query = b.query(ref)
	var err error
	if e.direct, err = rules.Compile(b.compiler, b.base, ref, b.asking); err != nil {
		e.left = []string{fmt.Sprintf("%v: %v", ref, err)}
	} else {
		e.left = e.direct.Left()
	}
	return e
}

// query prepares the one-line query of a rule. The parts are compiled already; the caller's time counts for it, not the
// evaluation's.
func (b *builder) query(ref ast.Ref) rego.PreparedEvalQuery {
	query, err := rego.New(
		rego.ParsedQuery(ast.NewBody(ast.NewExpr(ast.NewTerm(ref)))),
		rego.Compiler(b.compiler),
		rego.Store(b.store),
		rego.StrictBuiltinErrors(true),
		rego.Runtime(runtimeInfo()),
		rego.GenerateJSON(func(t *ast.Term, _ *rego.EvalContext) (any, error) { return t.Value, nil }),
	).PrepareForEval(b.ctx)
	if err != nil && b.err == nil {
		b.err = fmt.Errorf("preparing the query of %v: %w", ref, err)
	}
	return query
}

// asking gives the way to ask OPA for one rule of several that make a decision; nil where two askings may differ, as the
// clock does, which must be one for all of a decision.
func (b *builder) asking(ref ast.Ref) rules.Ask {
	if slices.ContainsFunc(analyse(b.compiler, ref).blockers, func(k blocker) bool { return k.reason == BlockBuiltin }) {
		return nil
	}
	query := b.query(ref)
	return func(ctx context.Context, input ast.Value, cancel topdown.Cancel) (*ast.Term, error) {
		value, err := valueOf(query.Eval(ctx, rego.EvalParsedInput(input), rego.EvalExternalCancel(cancel), rego.EvalMetrics(metrics.NoOp())))
		if value == nil {
			return nil, err
		}
		return ast.NewTerm(value), err
	}
}

// tooLate finds what admit reads though it is only known after the filters.
func tooLate(r reads) Faults {
	var faults Faults
	for _, p := range r.paths {
		if len(p.path) == 0 {
			continue
		}
		for i := range inputFields {
			if f := &inputFields[i]; f.late && f.name == p.path[0] {
				faults = append(faults, faultAt(p.loc, "admit reads input.%s, which is not known before the filters ran; judge it in decision", f.name))
			}
		}
	}
	return faults
}
