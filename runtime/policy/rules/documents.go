package rules

import (
	"context"
	"fmt"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// builder makes closures of rules. The first thing that it does not know is its refusal; what it gives from then on is of no
// use, up to a document that OPA can be asked for as a whole.
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

	opa  func(ast.Ref) Ask
	left []string // what OPA is asked for, and why
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

// document makes one of the rules at a node of the rule tree, or has OPA asked for it.
func (b *builder) document(ref ast.Ref, node *ast.TreeNode, loc *ast.Location) *document {
	name := ref.String()
	d := b.documents[name]
	if d == nil && b.refusal == nil {
		left := len(b.left)
		if d = b.newDocument(ref, node, loc); b.refusal != nil && b.opa != nil {
			if ask := b.opa(ref); ask != nil {
				b.left = b.left[:left] // what is in it is asked for with it
				d = b.asked(d, name, ask)
			}
		}
		if b.refusal == nil {
			b.documents[name] = d
		}
	}
	if d == nil || d.risky {
		b.risks++
	}
	if d == nil || d.reads {
		b.reads++
	}
	return d
}

// asked makes a document that OPA is asked for out of one that was refused.
func (b *builder) asked(d *document, name string, ask Ask) *document {
	b.left = append(b.left, fmt.Sprintf("%s: %v", name, b.refusal))
	b.refusal = nil
	return &document{id: d.id, risky: true, reads: true, eval: func(r *run) *ast.Term {
		v, err := ask(r.outside.Context, r.input, r.cancel)
		if err != nil {
			r.fail()
			return nil
		}
		return v
	}}
}

func (b *builder) newDocument(ref ast.Ref, node *ast.TreeNode, loc *ast.Location) *document {
	d := &document{id: b.docs}
	b.docs++
	risks, reads := b.risks, b.reads
	defer func() { b.risks, b.reads = risks, reads }()
	if len(node.Values) == 0 || len(node.Children) > 0 || node.External != nil || node.Hide {
		b.refuse(loc, "%v is no single rule", ref)
		return d
	}
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
