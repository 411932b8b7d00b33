package rules

import (
	"context"
	"fmt"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// builder makes closures of rules. The first thing that it does not know is its refusal; what it gives from then on is of no
// use.
type builder struct {
	compiler  *ast.Compiler
	data      *ast.Term
	documents map[string]*document
	functions map[string]*function
	docs      int
	inputs    map[string]int // positions in paths
	paths     []ast.Ref

	risks   int // places that may fail, so far
	reads   int // places that read input, so far
	refusal error
}

func (b *builder) refuse(loc *ast.Location, format string, args ...any) {
	if b.refusal != nil {
		return
	}
	what := fmt.Sprintf(format, args...)
	if loc != nil {
		what = fmt.Sprintf("%s:%d:%d: %s", loc.File, loc.Row, loc.Col, what)
	}
	b.refusal = fmt.Errorf("%s", what)
}

// getter gives a term's value; nil where it is undefined, or the run failed.
type getter func(r *run, f frame) *ast.Term

// document is a rule without operands: a complete one, or a set.
type document struct {
	id       int
	eval     func(*run) *ast.Term
	constant *lookup // its value, where it does not depend on input
	risky    bool    // it may fail
	reads    bool    // it reads input
}

// value evaluates the document, once in a run.
func (d *document) value(r *run) *ast.Term {
	if d.constant != nil {
		return d.constant.value
	}
	l := &r.docs[d.id]
	if !l.done {
		v := d.eval(r)
		if r.failed {
			return nil
		}
		*l = lookup{v, true}
	}
	return l.value
}

// document makes one of the rules at a node of the rule tree.
func (b *builder) document(ref ast.Ref, node *ast.TreeNode, loc *ast.Location) *document {
	name := ref.String()
	d := b.documents[name]
	if d == nil {
		d = b.newDocument(ref, node, loc)
		b.documents[name] = d
	}
	if d.risky {
		b.risks++
	}
	if d.reads {
		b.reads++
	}
	return d
}

func (b *builder) newDocument(ref ast.Ref, node *ast.TreeNode, loc *ast.Location) *document {
	d := &document{id: b.docs}
	b.docs++
	if len(node.Values) == 0 || len(node.Children) > 0 || node.External != nil || node.Hide {
		b.refuse(loc, "%v is no single rule", ref)
		return d
	}
	risks, reads := b.risks, b.reads
	b.risks, b.reads = 0, 0
	kind := kindOf(node.Values[0], ref)
	for _, r := range node.Values {
		if kind == otherDocument || kindOf(r, ref) != kind {
			b.refuse(r.Location, "%v is made of rules of several kinds", ref)
			return d
		}
	}
	switch kind {
	case setDocument:
		d.eval = b.set(node.Values)
	case objectDocument:
		d.eval = b.objectOf(node.Values)
	default:
		value := b.value(node.Values)
		d.eval = func(r *run) *ast.Term { return value(r, nil) }
	}
	d.risky, d.reads = b.risks > 0, b.reads > 0
	b.risks, b.reads = risks, reads
	if !d.reads && b.refusal == nil {
		d.constant = b.constant(d)
	}
	return d
}

// constantTime bounds the evaluation of one constant.
const constantTime = 100 * time.Millisecond

// constant evaluates what does not depend on input; nil where that fails.
func (b *builder) constant(d *document) *lookup {
	r := newRun(b.docs, nil)
	cancel := topdown.NewCancel()
	defer time.AfterFunc(constantTime, cancel.Cancel).Stop()
	r.cancel, r.outside.Cancel, r.outside.Context = cancel, cancel, context.Background()
	v := d.eval(r)
	if r.failed {
		return nil
	}
	d.risky = false
	return &lookup{v, true}
}

// documentKind is what the rules of a document make.
type documentKind int

const (
	otherDocument documentKind = iota
	valueDocument
	setDocument
	objectDocument // of one level
)

func kindOf(r *ast.Rule, ref ast.Ref) documentKind {
	own := r.Ref()
	switch {
	case len(r.Head.Args) > 0:
		return otherDocument
	case r.Head.RuleKind() == ast.MultiValue && own.Equal(ref):
		return setDocument
	case r.Head.RuleKind() == ast.SingleValue && own.Equal(ref):
		return valueDocument
	case r.Head.RuleKind() == ast.SingleValue && len(own) == len(ref)+1 && own.HasPrefix(ref):
		return objectDocument
	}
	return otherDocument
}

// objectOf makes an object of the members that the rules give.
func (b *builder) objectOf(rules []*ast.Rule) func(*run) *ast.Term {
	var parts []func(*run, ast.Object)
	b.risks++ // two values for a key
	for _, r := range rules {
		parts = append(parts, b.entry(r))
	}
	return func(r *run) *ast.Term {
		o := ast.NewObject()
		for _, part := range parts {
			if part(r, o); r.failed {
				return nil
			}
		}
		return ast.NewTerm(o)
	}
}

// entry makes one rule of an object, which adds to the object.
func (b *builder) entry(rule *ast.Rule) func(*run, ast.Object) {
	if rule.Else != nil || rule.Default {
		b.refuse(rule.Location, "an object with else or default")
		return nil
	}
	s := b.scope(rule)
	body := s.body(rule.Body, func() step {
		to := s.toObject(rule.Head.Reference[len(rule.Head.Reference)-1], rule.Head.Value)
		return func(r *run, f frame) bool { return to.add(r, f, &f.sums[0]) }
	})
	return func(r *run, o ast.Object) {
		f, m := r.frame(s.size())
		f.sums[0].object = o
		body(r, f)
		r.release(m)
	}
}

// set makes the union of what the rules contain.
func (b *builder) set(rules []*ast.Rule) func(*run) *ast.Term {
	var parts []func(*run, ast.Set) ast.Set
	for _, r := range rules {
		parts = append(parts, b.member(r))
	}
	return func(r *run) *ast.Term {
		var set ast.Set
		for _, part := range parts {
			if set = part(r, set); r.failed {
				return nil
			}
		}
		if set == nil {
			return ast.InternedEmptySet
		}
		return ast.NewTerm(set)
	}
}

// member makes one rule of a set, which adds to the set.
func (b *builder) member(rule *ast.Rule) func(*run, ast.Set) ast.Set {
	if rule.Else != nil || rule.Default {
		b.refuse(rule.Location, "a set with else or default")
		return nil
	}
	s := b.scope(rule)
	constant := ast.IsConstant(rule.Head.Key.Value)
	risks := b.risks
	var key getter
	var once bool
	body := s.body(rule.Body, func() step {
		key = s.term(rule.Head.Key)
		once = constant && b.risks == risks
		return func(r *run, f frame) bool {
			k := key(r, f)
			if k == nil {
				return r.fail()
			}
			if f.sums[0].set == nil {
				f.sums[0].set = ast.NewSet(k)
			} else {
				f.sums[0].set.Add(k)
			}
			return !once
		}
	})
	return func(r *run, set ast.Set) ast.Set {
		f, m := r.frame(s.size())
		f.sums[0].set = set
		body(r, f)
		set = f.sums[0].set
		r.release(m)
		return set
	}
}

// evaluation evaluates rules with operands; none for documents.
type evaluation func(r *run, operands []*ast.Term) *ast.Term

// value makes the one value that rules have, of which the default stands for none.
func (b *builder) value(rules []*ast.Rule) evaluation {
	var chains []evaluation
	var fallback evaluation
	risks := b.risks
	same := agree(rules)
	for _, r := range rules {
		if r.Default {
			fallback = b.chain(r, true)
			continue
		}
		chains = append(chains, b.chain(r, same))
	}
	if !same {
		b.risks++ // two values
	}
	once := b.risks == risks
	return func(r *run, operands []*ast.Term) *ast.Term {
		var value *ast.Term
		for _, chain := range chains {
			v := chain(r, operands)
			switch {
			case r.failed:
				return nil
			case v == nil:
			case value == nil:
				if value = v; once {
					return value
				}
			case !value.Equal(v):
				r.fail()
				return nil
			}
		}
		if value == nil && fallback != nil {
			return fallback(r, operands)
		}
		return value
	}
}

// agree tells whether all rules, and what else they have, can give but one and the same value.
func agree(rules []*ast.Rule) bool {
	var value *ast.Term
	for _, r := range rules {
		if r.Default {
			continue
		}
		for ; r != nil; r = r.Else {
			v := r.Head.Value
			if v == nil || !ast.IsConstant(v.Value) || value != nil && !value.Equal(v) {
				return false
			}
			value = v
		}
	}
	return true
}

// chain makes a rule with what else it has: the first that holds.
func (b *builder) chain(rule *ast.Rule, same bool) evaluation {
	first := b.one(rule, same)
	if rule.Else == nil {
		return first
	}
	rest := b.chain(rule.Else, same)
	return func(r *run, operands []*ast.Term) *ast.Term {
		if v := first(r, operands); v != nil || r.failed {
			return v
		}
		return rest(r, operands)
	}
}

// one makes a single rule. same: it has but one value, so that the first time its body holds is enough.
func (b *builder) one(rule *ast.Rule, same bool) evaluation {
	s := b.scope(rule)
	risks := b.risks
	args := make([]matcher, len(rule.Head.Args))
	for i, a := range rule.Head.Args {
		args[i] = s.pattern(a)
	}
	body := s.body(rule.Body, func() step {
		value := s.term(rule.Head.Value)
		once := same && b.risks == risks
		return func(r *run, f frame) bool {
			v, got := value(r, f), &f.sums[0].value
			switch {
			case v == nil:
				return r.fail()
			case *got == nil:
				*got = v
			case !(*got).Equal(v):
				return r.fail()
			}
			return !once
		}
	})
	return func(r *run, operands []*ast.Term) *ast.Term {
		if !r.goes() {
			return nil
		}
		f, m := r.frame(s.size())
		for i, match := range args {
			if !match(r, f, operands[i]) {
				r.release(m)
				return nil
			}
		}
		body(r, f)
		v := f.sums[0].value
		r.release(m)
		if r.failed {
			return nil
		}
		return v
	}
}

// function is a rule with operands.
type function struct {
	eval  evaluation
	arity int
	risky bool
	reads bool
}

// function makes a function of the rules at a reference; nil where it can't.
func (b *builder) function(ref ast.Ref, loc *ast.Location) *function {
	name := ref.String()
	fn := b.functions[name]
	if fn == nil {
		node := b.compiler.RuleTree.Find(ref)
		if node == nil || len(node.Values) == 0 || node.External != nil {
			b.refuse(loc, "there is no function %v", ref)
			return nil
		}
		risks, reads := b.risks, b.reads
		b.risks, b.reads = 0, 0
		fn = &function{arity: len(node.Values[0].Head.Args)}
		for _, r := range node.Values {
			if len(r.Head.Args) != fn.arity || fn.arity == 0 || r.Head.RuleKind() != ast.SingleValue || !r.Ref().Equal(ref) {
				b.refuse(r.Location, "%v is no common function", ref)
				return nil
			}
		}
		fn.eval = b.value(node.Values)
		fn.risky, fn.reads = b.risks > 0, b.reads > 0
		b.risks, b.reads = risks, reads
		b.functions[name] = fn
	}
	if fn.risky {
		b.risks++
	}
	if fn.reads {
		b.reads++
	}
	return fn
}
