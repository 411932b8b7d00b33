package rules

import (
	"fmt"

	"github.com/open-policy-agent/opa/v1/ast"
)

// step tries what is left of a body from one place on, with all variables bound that stand before it. False ends the search:
// enough was found, or the run failed.
type step func(r *run, f frame) bool

// link puts a step before another one.
type link func(next step) step

// scope is one rule while closures are made of it: which variables it has, and which of them are bound at the place that is
// being looked at. The compiler has put the expressions in an order, so that is known before anything is evaluated.
type scope struct {
	*builder
	slots map[ast.Var]int
	bound map[ast.Var]bool
	sums  *int
	loc   *ast.Location
}

func (b *builder) scope(r *ast.Rule) *scope {
	sums := 1 // the first is the rule's own
	return &scope{builder: b, slots: map[ast.Var]int{}, bound: map[ast.Var]bool{}, sums: &sums, loc: r.Location}
}

// size is how many variables and sums a frame has.
func (s *scope) size() (vars, sums int) { return len(s.slots), *s.sums }

// slot is where a variable's value is kept.
func (s *scope) slot(v ast.Var) int {
	i, ok := s.slots[v]
	if !ok {
		i = len(s.slots)
		s.slots[v] = i
	}
	return i
}

// hidden is a slot of a variable that has no name.
func (s *scope) hidden() int {
	return s.slot(ast.Var(fmt.Sprintf("hidden %d", len(s.slots))))
}

// sum is a new sum's position.
func (s *scope) sum() int {
	*s.sums++
	return *s.sums - 1
}

// inner is the scope of what stands inside an expression: what is bound there is not bound after it.
func (s *scope) inner() *scope {
	bound := make(map[ast.Var]bool, len(s.bound))
	for v := range s.bound {
		bound[v] = true
	}
	return &scope{builder: s.builder, slots: s.slots, bound: bound, sums: s.sums, loc: s.loc}
}

// body makes the steps of a body. last is asked for the final one when all variables of the body are bound.
func (s *scope) body(body ast.Body, last func() step) step {
	links := make([]link, 0, len(body))
	for _, e := range body {
		if s.refusal != nil {
			return nil
		}
		links = append(links, s.expr(e))
	}
	next := last()
	if s.refusal != nil {
		return nil
	}
	for i := len(links) - 1; i >= 0; i-- {
		next = links[i](next)
	}
	return next
}

// expr makes one expression.
func (s *scope) expr(e *ast.Expr) link {
	if e.Location != nil {
		s.loc = e.Location
	}
	if len(e.With) > 0 {
		s.refuse(s.loc, "with")
		return nil
	}
	if e.Negated {
		return s.not(e)
	}
	switch t := e.Terms.(type) {
	case *ast.Term:
		return s.produce(t, func(_ *run, _ frame, v *ast.Term) bool { return v.Value != no })
	case []*ast.Term:
		switch {
		case e.IsEquality():
			return s.unify(t[1], t[2])
		case e.IsCall():
			return s.call(t)
		}
	case *ast.Every:
		return s.every(t)
	}
	s.refuse(s.loc, "an expression of the kind %T", e.Terms)
	return nil
}

var no ast.Value = ast.Boolean(false)

// holds makes a search that is true of a frame if what it searches for is there at least once.
func (s *scope) holds(search func(in *scope, last func() step) step) func(r *run, f frame) bool {
	i, risks := s.sum(), s.risks
	first := search(s.inner(), func() step {
		once := s.risks == risks
		return func(_ *run, f frame) bool {
			f.sums[i].found = true
			return !once
		}
	})
	return func(r *run, f frame) bool {
		f.sums[i].found = false
		first(r, f)
		return f.sums[i].found
	}
}

// not goes on if the expression does not hold.
func (s *scope) not(e *ast.Expr) link {
	positive := *e
	positive.Negated = false
	holds := s.holds(func(in *scope, last func() step) step { return in.body(ast.Body{&positive}, last) })
	return func(next step) step {
		return func(r *run, f frame) bool {
			held := holds(r, f)
			return !r.failed && (held || next(r, f))
		}
	}
}

// every goes on if the body holds for all elements.
func (s *scope) every(e *ast.Every) link {
	domain := s.term(e.Domain)
	var key, value int
	holds := s.holds(func(in *scope, last func() step) step {
		key, value = in.fresh(e.Key), in.fresh(e.Value)
		return in.body(e.Body, last)
	})
	return func(next step) step {
		return func(r *run, f frame) bool {
			all := true
			iterable := each(r, domain(r, f), func(k, v *ast.Term) bool {
				f.vars[key], f.vars[value] = k, v
				all = holds(r, f)
				return all && !r.failed
			})
			return !r.failed && (!iterable || !all || next(r, f))
		}
	}
}

// fresh binds a variable that must not be bound yet.
func (s *scope) fresh(t *ast.Term) int {
	if t == nil {
		return s.hidden()
	}
	v, ok := t.Value.(ast.Var)
	if !ok || s.bound[v] {
		s.refuse(s.loc, "%v is no new variable", t)
		return 0
	}
	s.bound[v] = true
	return s.slot(v)
}

// each calls for the elements of a collection until f is false; false if it is none.
func each(r *run, t *ast.Term, f func(k, v *ast.Term) bool) bool {
	switch v := t.Value.(type) {
	case *ast.Array:
		for i := range v.Len() {
			if !r.goes() || !f(ast.InternedTerm(i), v.Elem(i)) {
				break
			}
		}
	case ast.Object:
		keys := v.KeysIterator()
		for k, more := keys.Next(); more; k, more = keys.Next() {
			if !r.goes() || !f(k, v.Get(k)) {
				break
			}
		}
	case ast.Set:
		for _, e := range v.Slice() {
			if !r.goes() || !f(e, e) {
				break
			}
		}
	default:
		return false
	}
	return true
}

// unify makes both sides equal, binding what is not bound yet.
func (s *scope) unify(a, b *ast.Term) link {
	switch {
	case s.produced(a):
		if s.produced(b) {
			i := s.hidden()
			keep := s.produce(a, func(_ *run, f frame, v *ast.Term) bool {
				f.vars[i] = v
				return true
			})
			same := s.produce(b, func(_ *run, f frame, v *ast.Term) bool { return f.vars[i].Equal(v) })
			return func(next step) step { return keep(same(next)) }
		}
		return s.produceTo(a, b)
	case s.produced(b):
		return s.produceTo(b, a)
	case s.known(a):
		return s.match(s.term(a), b)
	case s.known(b):
		return s.match(s.term(b), a)
	}
	s.refuse(s.loc, "two sides that are both open")
	return nil
}

// match goes on where the value has the pattern.
func (s *scope) match(value getter, pattern *ast.Term) link {
	match := s.pattern(pattern)
	return func(next step) step {
		return func(r *run, f frame) bool {
			v := value(r, f)
			if v == nil {
				return r.fail()
			}
			return !match(r, f, v) || next(r, f)
		}
	}
}

// produced tells whether a term's value has to be searched for.
func (s *scope) produced(t *ast.Term) bool {
	switch t.Value.(type) {
	case ast.Ref, *ast.ArrayComprehension, *ast.SetComprehension, *ast.ObjectComprehension:
		return true
	}
	return false
}

// produceTo goes on for each value that has the pattern. The pattern may use what the search binds.
func (s *scope) produceTo(t, pattern *ast.Term) link {
	var match matcher
	l := s.produce(t, func(r *run, f frame, v *ast.Term) bool { return match(r, f, v) })
	match = s.pattern(pattern)
	return l
}

// produce goes on for each of the term's values that take accepts.
func (s *scope) produce(t *ast.Term, take matcher) link {
	var value getter
	switch v := t.Value.(type) {
	case ast.Ref:
		return s.ref(v, take)
	case *ast.ArrayComprehension:
		value = s.gather(t, v.Body, func(in *scope) gatherer { return in.toList(v.Term) })
	case *ast.SetComprehension:
		value = s.gather(t, v.Body, func(in *scope) gatherer { return in.toSet(v.Term) })
	case *ast.ObjectComprehension:
		value = s.gather(t, v.Body, func(in *scope) gatherer { return in.toObject(v.Key, v.Value) })
	default:
		value = s.term(t)
	}
	return func(next step) step {
		return func(r *run, f frame) bool {
			v := value(r, f)
			if v == nil {
				return r.fail()
			}
			return !take(r, f, v) || next(r, f)
		}
	}
}
