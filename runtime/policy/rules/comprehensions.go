package rules

import "github.com/open-policy-agent/opa/v1/ast"

// gatherer adds to a comprehension's sum when its body holds, and makes a value of the sum at the end.
type gatherer struct {
	add  func(r *run, f frame, s *sum) bool
	made func(s *sum) *ast.Term
}

// gather makes a comprehension.
func (s *scope) gather(t *ast.Term, body ast.Body, to func(in *scope) gatherer) getter {
	i, risks := s.sum(), s.risks
	in := s.inner()
	var g gatherer
	search := in.body(body, func() step {
		g = to(in)
		return func(r *run, f frame) bool { return g.add(r, f, &f.sums[i]) }
	})
	if s.compiler.ComprehensionIndex(t) != nil && s.risks != risks {
		s.refuse(s.loc, "a comprehension that is evaluated for all keys at once")
	}
	return func(r *run, f frame) *ast.Term {
		f.sums[i] = sum{}
		if search(r, f); r.failed {
			return nil
		}
		return g.made(&f.sums[i])
	}
}

func (s *scope) toList(t *ast.Term) gatherer {
	value := s.term(t)
	return gatherer{
		add: func(r *run, f frame, s *sum) bool {
			v := value(r, f)
			if v == nil {
				return r.fail()
			}
			s.list = append(s.list, v)
			return true
		},
		made: func(s *sum) *ast.Term {
			if s.list == nil {
				return ast.InternedEmptyArray
			}
			return ast.ArrayTerm(s.list...)
		},
	}
}

func (s *scope) toSet(t *ast.Term) gatherer {
	value := s.term(t)
	return gatherer{
		add: func(r *run, f frame, s *sum) bool {
			v := value(r, f)
			switch {
			case v == nil:
				return r.fail()
			case s.set == nil:
				s.set = ast.NewSet(v)
			default:
				s.set.Add(v)
			}
			return true
		},
		made: func(s *sum) *ast.Term {
			if s.set == nil {
				return ast.InternedEmptySet
			}
			return ast.NewTerm(s.set)
		},
	}
}

func (s *scope) toObject(k, v *ast.Term) gatherer {
	key, value := s.term(k), s.term(v)
	s.risks++ // two values for a key
	return gatherer{
		add: func(r *run, f frame, s *sum) bool {
			k, v := key(r, f), value(r, f)
			if k == nil || v == nil {
				return r.fail()
			}
			if s.object == nil {
				s.object = ast.NewObject(ast.Item(k, v))
				return true
			}
			if old := s.object.Get(k); old != nil && !old.Equal(v) {
				return r.fail()
			}
			s.object.Insert(k, v)
			return true
		},
		made: func(s *sum) *ast.Term {
			if s.object == nil {
				return ast.InternedEmptyObject
			}
			return ast.NewTerm(s.object)
		},
	}
}
