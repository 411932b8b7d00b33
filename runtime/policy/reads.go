package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// reads is what an entry point can read, found by walking the compiled rules that it can reach. It errs on the side of
// too much: a value that is read is always there, one that is there may not be read.
type reads struct {
	paths    map[string]read // by the path's spelling
	blockers []blocker       // why answers must not be remembered
	faults   Faults          // fields of models that do not exist
}

// blocker is one place because of which answers must not be remembered.
type blocker struct {
	reason string // one of BlockReasons
	text   string // with the position
}

// Why a rule's answers are not remembered.
const (
	BlockBuiltin = "builtin" // a built-in function that is not on the list of deterministic ones
	BlockMock    = "mock"    // with replaces something else than a part of input
	BlockInput   = "input"   // the whole of input is read, so hardly two requests would be alike
)

// BlockReasons lists them.
var BlockReasons = []string{BlockBuiltin, BlockMock, BlockInput}

// read is one path below input, with the first place that reads it. An empty path is the whole input.
type read struct {
	path []string
	loc  *ast.Location
}

// list gives the paths alone.
func (r reads) list() [][]string {
	out := make([][]string, 0, len(r.paths))
	for _, p := range r.paths {
		out = append(out, p.path)
	}
	return out
}

// analyse walks what ref can reach.
func analyse(c *ast.Compiler, ref ast.Ref) reads {
	a := &analysis{compiler: c, seen: map[*ast.Rule]bool{}, reads: reads{paths: map[string]read{}}}
	a.reach(ref)
	for len(a.queue) > 0 {
		r := a.queue[len(a.queue)-1]
		a.queue = a.queue[:len(a.queue)-1]
		a.rule(r)
	}
	return a.reads
}

type analysis struct {
	compiler *ast.Compiler
	seen     map[*ast.Rule]bool
	queue    []*ast.Rule
	reads    reads
}

// reach queues every rule that a reference into data may evaluate.
func (a *analysis) reach(ref ast.Ref) {
	all := ast.RulesOptions{IncludeHiddenModules: true}
	// Neither list holds the other: the first stops at a rule that has rules below it, the second looks through it.
	for _, r := range slices.Concat(a.compiler.GetRules(ref.ConstantPrefix()), a.compiler.GetRulesDynamicWithOpts(ref, all)) {
		if !a.seen[r] {
			a.seen[r] = true
			a.queue = append(a.queue, r)
		}
	}
}

// rule walks one rule with its else branches. The compiler names local variables once per module, so the aliases of one
// rule are found in that rule.
func (a *analysis) rule(r *ast.Rule) {
	s := &scope{analysis: a, aliases: findAliases(r), loc: r.Location}
	ast.NewGenericVisitor(s.visit).Walk(r)
}

// scope walks the terms of one rule.
type scope struct {
	*analysis
	aliases aliases
	loc     *ast.Location // of the nearest expression
}

// visit handles one part of the rule; true means that its parts are dealt with.
func (s *scope) visit(x any) bool {
	switch x := x.(type) {
	case *ast.Expr:
		if x.Location != nil {
			s.loc = x.Location
		}
		return s.expr(x)
	case *ast.Term:
		if x.Location != nil && x.Location.Row > 0 {
			s.loc = x.Location
		}
		return s.term(x.Value)
	case ast.Ref:
		s.ref(x)
		return true
	case *ast.Head:
		s.operands(x.Reference)
	}
	return false
}

func (s *scope) expr(x *ast.Expr) bool {
	for _, w := range x.With {
		s.with(w)
	}
	terms, ok := x.Terms.([]*ast.Term)
	if !ok {
		return s.without(x)
	}
	if v, ref, ok := aliasOf(x); ok && s.aliases.holds(v) {
		s.operands(ref)
		return true
	}
	s.call(terms)
	return s.without(x)
}

// without walks an expression's terms and the values of its with modifiers, but not the modifiers' targets.
func (s *scope) without(x *ast.Expr) bool {
	walk := ast.NewGenericVisitor(s.visit)
	switch t := x.Terms.(type) {
	case []*ast.Term:
		from := 0
		if narrowed(t) != nil {
			from = 3 // operator, object and key are done
		}
		for _, e := range t[from:] {
			walk.Walk(e)
		}
	default:
		walk.Walk(t)
	}
	for _, w := range x.With {
		walk.Walk(w.Value)
	}
	return true
}

// with handles a modifier. Below a replaced part of input the rules read the replacement; how it is put in place
// depends on what stands above, so the path is read as well. Mocks of functions and data are beyond the analysis.
func (s *scope) with(w *ast.With) {
	ref, ok := w.Target.Value.(ast.Ref)
	if ok && ref.HasPrefix(ast.InputRootRef) {
		if len(ref) > 1 {
			s.input(ref)
		}
		return
	}
	s.block(BlockMock, w.Location, fmt.Sprintf("with replaces %v; only parts of input may be replaced", w.Target))
}

func (s *scope) term(v ast.Value) bool {
	switch v := v.(type) {
	case ast.Var:
		switch v {
		case ast.InputRootDocument.Value:
			s.input(ast.InputRootRef)
		case ast.DefaultRootDocument.Value:
			s.reach(ast.DefaultRootRef)
		}
	case ast.Call:
		s.call(v)
		if narrowed(v) != nil {
			walk := ast.NewGenericVisitor(s.visit)
			for _, e := range v[3:] {
				walk.Walk(e)
			}
			return true
		}
	}
	return false
}

// call checks the function called against the list of deterministic ones, and reads what object.get can read.
func (s *scope) call(terms []*ast.Term) {
	op, ok := terms[0].Value.(ast.Ref)
	if !ok || op.HasPrefix(ast.DefaultRootRef) {
		return // the term is a reference like any other
	}
	if name := op.String(); !deterministic[name] {
		s.block(BlockBuiltin, s.loc, name+" may give another value for the same operands")
	}
	if ref := narrowed(terms); ref != nil {
		s.ref(ref)
	}
}

// ref handles a reference and what stands in its brackets.
func (s *scope) ref(ref ast.Ref) {
	loc := s.loc
	s.operands(ref)
	s.loc = loc
	ref = s.aliases.expand(ref)
	switch {
	case ref == nil:
		s.input(ast.InputRootRef) // aliases in a circle: assume everything
	case ref.HasPrefix(ast.InputRootRef):
		s.input(ref)
	case ref.HasPrefix(ast.DefaultRootRef):
		s.reach(ref)
	default:
		if _, ok := ref[0].Value.(ast.Var); !ok {
			ast.NewGenericVisitor(s.visit).Walk(ref[0])
		}
	}
}

// operands walks what stands in a reference's brackets.
func (s *scope) operands(ref ast.Ref) {
	if len(ref) == 0 {
		return
	}
	walk := ast.NewGenericVisitor(s.visit)
	for _, t := range ref[1:] {
		walk.Walk(t)
	}
}

// input notes that a part of the input is read: as far down as the keys are constant strings.
func (s *scope) input(ref ast.Ref) {
	s.modelField(ref)
	var path []string
	for _, t := range ref[1:] {
		key, ok := t.Value.(ast.String)
		if !ok {
			break
		}
		path = append(path, string(key))
	}
	name := ref[:len(path)+1].String()
	if _, ok := s.reads.paths[name]; ok {
		return
	}
	s.reads.paths[name] = read{path, s.loc}
	if len(path) == 0 {
		s.block(BlockInput, s.loc, "the whole of input is read, so hardly two requests are alike; name the parts that count")
	}
}

// modelField checks the field named in input.models[...].field: the schema leaves the models open, since their names
// are only known to the configuration.
func (s *scope) modelField(ref ast.Ref) {
	if len(ref) < 4 || !ref[1].Equal(modelsTerm) {
		return
	}
	if name, ok := ref[3].Value.(ast.String); ok && !slices.Contains(modelFields, string(name)) {
		s.reads.faults = append(s.reads.faults, faultAt(s.loc, "input.models[_].%s: a model has no field %q%s; it has %s",
			string(name), string(name), didYouMean(string(name), modelFields), strings.Join(modelFields, ", ")))
	}
}

func (s *scope) block(reason string, loc *ast.Location, why string) {
	s.reads.blockers = append(s.reads.blockers, blocker{reason, faultAt(loc, "%s", why).String()})
}

// narrowed gives the reference that object.get with a constant key reads, such as input.params.seed for
// object.get(input.params, "seed", 0); nil for any other call.
func narrowed(terms []*ast.Term) ast.Ref {
	if len(terms) < 4 || !terms[0].Equal(objectGet) {
		return nil
	}
	var ref ast.Ref
	switch v := terms[1].Value.(type) {
	case ast.Ref:
		ref = v
	case ast.Var:
		ref = ast.Ref{terms[1]}
	default:
		return nil
	}
	switch key := terms[2].Value.(type) {
	case ast.String:
		return ref.Append(terms[2])
	case *ast.Array:
		for i := range key.Len() {
			if _, ok := key.Elem(i).Value.(ast.String); !ok {
				return nil
			}
			ref = ref.Append(key.Elem(i))
		}
		if key.Len() > 0 {
			return ref
		}
	}
	return nil
}

var (
	objectGet  = ast.NewTerm(ast.ObjectGet.Ref())
	modelsTerm = ast.StringTerm("models")
)
