// Package rules evaluates compiled Rego rules as Go closures, some twenty times as fast as the evaluator of OPA, which
// stays the one that says what Rego means.
//
// A Program is made of the rules that one entry point reaches. A rule that uses what this package does not know is asked of
// OPA, by itself where its value is all that the others need of it; else there is no Program. Where an evaluation meets
// anything out of the common (an error of a built-in, two values for one rule, a number spelled in an unusual way, its time
// over), it gives no answer, and OPA is to be asked.
//
// What it does answer is what OPA answers. The rules are those that OPA's compiler has made safe and put in order, values
// are OPA's, compared by OPA, and so are the built-ins. And it is never lazier: OPA passes over rules that its index rules
// out and stops at the first of equal values, so it may not meet an error that lies behind; this package evaluates
// all that OPA evaluates and more, so what is free of errors here is so there. It stops early only where nothing that is
// left could fail.
package rules

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// Program is one entry point's rules, ready to run. It is safe for concurrent use.
type Program struct {
	root   *document
	docs   int       // documents that an evaluation may meet
	inputs []ast.Ref // the parts of input that are read by constant paths
	runs   sync.Pool
	left   []string
	models atomic.Pointer[ast.Term] // input.models when last looked at: big, and the same for many inputs
}

// Ask evaluates a rule with OPA. It gives nil where the rule is undefined.
type Ask func(ctx context.Context, input ast.Value, cancel topdown.Cancel) (*ast.Term, error)

// Compile makes a Program of the complete or partial rule at ref. data is the base document, which must not change from then
// on. opa gives the way to ask OPA for a rule; nil where its value may differ from one asking to the next, or there is no way.
// The error says where and why OPA has to be asked instead.
func Compile(c *ast.Compiler, data ast.Value, ref ast.Ref, opa func(ast.Ref) Ask) (p *Program, err error) {
	defer func() {
		if v := recover(); v != nil {
			p, err = nil, fmt.Errorf("making closures of the rules panicked (%T)", v)
		}
	}()
	b := &builder{compiler: c, opa: opa, data: ast.NewTerm(data), documents: map[string]*document{}, functions: map[string]*function{}, inputs: map[string]int{}}
	if !usual(b.data) {
		return nil, errors.New("data has a number that is spelled in an unusual way, such as 1.0 for 1")
	}
	node := b.compiler.RuleTree
	for _, t := range ref {
		if node = node.Child(t.Value); node == nil {
			return nil, fmt.Errorf("there is no rule %v", ref)
		}
	}
	root := b.newDocument(ref, node, nil)
	if b.refusal != nil {
		return nil, b.refusal
	}
	return &Program{root: root, docs: b.docs, inputs: b.paths, left: b.left}, nil
}

// Left tells which rules are asked of OPA, and why.
func (p *Program) Left() []string { return p.left }

// Eval gives the rule's value for an input; nil where it is undefined. Without ok there is no answer, and OPA is to be asked.
// cancel ends it before its time.
func (p *Program) Eval(ctx context.Context, input ast.Value, cancel topdown.Cancel) (value ast.Value, ok bool) {
	if !p.usual(input) {
		return nil, false
	}
	r := p.run()
	defer func() {
		if recover() != nil {
			value, ok = nil, false
			return
		}
		p.put(r)
	}()
	r.input, r.cancel = input, cancel
	r.outside.Context, r.outside.Cancel = ctx, cancel
	v := p.root.value(r)
	switch {
	case r.failed:
		return nil, false
	case v == nil:
		return nil, true
	}
	return v.Value, true
}

// usual tells whether all numbers of an input are spelled as usual.
func (p *Program) usual(input ast.Value) bool {
	o, ok := input.(ast.Object)
	if !ok {
		return usual(ast.NewTerm(input))
	}
	return !o.Until(func(k, v *ast.Term) bool {
		if k.Value != models {
			return !usual(v)
		}
		if p.models.Load() == v {
			return false
		}
		if !usual(v) {
			return true
		}
		p.models.Store(v)
		return false
	})
}

// maxKept bounds the memory of an evaluation that is kept for the next one, in terms.
const maxKept = 1 << 12

var models ast.Value = ast.String("models")

func (p *Program) run() *run {
	if r, ok := p.runs.Get().(*run); ok {
		return r
	}
	return newRun(p.docs, p.inputs)
}

func (p *Program) put(r *run) {
	if cap(r.terms) > maxKept || cap(r.sums) > maxKept {
		return
	}
	r.reset()
	p.runs.Put(r)
}

// run is one evaluation.
type run struct {
	input   ast.Value // nil: there is none
	paths   []ast.Ref
	inputs  []lookup // by path
	docs    []lookup // by document
	terms   []*ast.Term
	sums    []sum
	chunk   int // how often terms and sums were made anew
	cancel  topdown.Cancel
	outside topdown.BuiltinContext
	got     *ast.Term // what a built-in gave
	collect func(*ast.Term) error
	failed  bool // there is no answer
}

// lookup is a value that is found once.
type lookup struct {
	value *ast.Term // nil: undefined
	done  bool
}

func newRun(docs int, paths []ast.Ref) *run {
	r := &run{paths: paths, docs: make([]lookup, docs), inputs: make([]lookup, len(paths))}
	r.collect = func(t *ast.Term) error {
		r.got = t
		return nil
	}
	return r
}

// reset drops what the run points at, so that a pooled one keeps no request alive.
func (r *run) reset() {
	clear(r.docs)
	clear(r.inputs)
	clear(r.terms[:cap(r.terms)])
	clear(r.sums[:cap(r.sums)])
	r.terms, r.sums = r.terms[:0], r.sums[:0]
	r.input, r.cancel, r.got, r.failed = nil, nil, nil, false
	r.outside = topdown.BuiltinContext{}
}

// fail ends the evaluation without an answer. It is always false, as a step that ends the search.
func (r *run) fail() bool {
	r.failed = true
	return false
}

// goes tells whether the evaluation may go on. It is asked in every loop.
func (r *run) goes() bool {
	if r.failed || r.cancel != nil && r.cancel.Cancelled() {
		return r.fail()
	}
	return true
}

// frame holds the variables of one rule while it is evaluated, and what its comprehensions gather.
type frame struct {
	vars []*ast.Term
	sums []sum
}

// sum is what one search has gathered so far.
type sum struct {
	found  bool
	value  *ast.Term
	list   []*ast.Term
	set    ast.Set
	object ast.Object
}

// mark is a state of a run's memory, to come back to.
type mark struct{ terms, sums, chunk int }

// frame takes memory for a frame. What is taken after a mark is given back by release.
func (r *run) frame(vars, sums int) (frame, mark) {
	m := mark{len(r.terms), len(r.sums), r.chunk}
	return frame{r.take(vars), r.takeSums(sums)}, m
}

func (r *run) release(m mark) {
	if m.chunk == r.chunk {
		r.terms, r.sums = r.terms[:m.terms], r.sums[:m.sums]
	}
}

// take gives n cleared terms. Slices given before stay whole: where there is no room for more, they keep the old memory.
func (r *run) take(n int) []*ast.Term {
	start := len(r.terms)
	if start+n > cap(r.terms) {
		r.terms, start = make([]*ast.Term, 0, max(256, 2*cap(r.terms), n)), 0
		r.chunk++
	}
	r.terms = r.terms[:start+n]
	out := r.terms[start : start+n : start+n]
	clear(out)
	return out
}

func (r *run) takeSums(n int) []sum {
	start := len(r.sums)
	if start+n > cap(r.sums) {
		r.sums, start = make([]sum, 0, max(64, 2*cap(r.sums), n)), 0
		r.chunk++
	}
	r.sums = r.sums[:start+n]
	out := r.sums[start : start+n : start+n]
	clear(out)
	return out
}
