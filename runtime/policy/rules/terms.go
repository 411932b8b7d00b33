package rules

import "github.com/open-policy-agent/opa/v1/ast"

// matcher tells whether a value has a pattern, and binds the pattern's variables.
type matcher func(r *run, f frame, v *ast.Term) bool

// known tells whether all variables of a term are bound.
func (s *scope) known(t *ast.Term) bool {
	switch v := t.Value.(type) {
	case ast.Var:
		return s.bound[v]
	case *ast.Array:
		return !v.Until(func(t *ast.Term) bool { return !s.known(t) })
	case ast.Set:
		return !v.Until(func(t *ast.Term) bool { return !s.known(t) })
	case ast.Object:
		return !v.Until(func(k, t *ast.Term) bool { return !s.known(k) || !s.known(t) })
	default:
		return ast.IsConstant(t.Value)
	}
}

// term makes a value of a term whose variables are all bound. It is never undefined.
func (s *scope) term(t *ast.Term) getter {
	if ast.IsConstant(t.Value) {
		if !usual(t) {
			s.refuse(s.loc, "a number that is spelled in an unusual way")
		}
		return func(*run, frame) *ast.Term { return t }
	}
	switch v := t.Value.(type) {
	case ast.Var:
		if !s.bound[v] {
			break
		}
		i := s.slot(v)
		return func(_ *run, f frame) *ast.Term { return f.vars[i] }
	case *ast.Array:
		parts := make([]getter, v.Len())
		for i := range parts {
			parts[i] = s.term(v.Elem(i))
		}
		return func(r *run, f frame) *ast.Term { return ast.ArrayTerm(all(r, f, parts)...) }
	case ast.Set:
		var parts []getter
		v.Foreach(func(e *ast.Term) { parts = append(parts, s.term(e)) })
		return func(r *run, f frame) *ast.Term { return ast.SetTerm(all(r, f, parts)...) }
	case ast.Object:
		return s.object(v)
	}
	s.refuse(s.loc, "%v stands where a value is expected", t)
	return nil
}

func all(r *run, f frame, parts []getter) []*ast.Term {
	out := make([]*ast.Term, len(parts))
	for i, part := range parts {
		out[i] = part(r, f)
	}
	return out
}

// members are an object's constant keys, and what becomes of their values.
func members[T any](s *scope, o ast.Object, of func(*ast.Term) T) (keys []*ast.Term, parts []T) {
	o.Foreach(func(k, v *ast.Term) {
		if !ast.IsConstant(k.Value) || !usual(k) {
			s.refuse(s.loc, "an object with keys that are not constant")
		}
		keys, parts = append(keys, k), append(parts, of(v))
	})
	return keys, parts
}

// object makes an object with constant keys.
func (s *scope) object(o ast.Object) getter {
	keys, parts := members(s, o, s.term)
	return func(r *run, f frame) *ast.Term {
		items := make([][2]*ast.Term, len(keys))
		for i, k := range keys {
			items[i] = ast.Item(k, parts[i](r, f))
		}
		return ast.ObjectTerm(items...)
	}
}

// pattern makes a matcher, and counts the variables in it as bound from now on.
func (s *scope) pattern(t *ast.Term) matcher {
	switch v := t.Value.(type) {
	case ast.Var:
		if !s.bound[v] {
			s.bound[v] = true
			i := s.slot(v)
			return func(_ *run, f frame, v *ast.Term) bool {
				f.vars[i] = v
				return true
			}
		}
	case *ast.Array:
		if !s.known(t) {
			return s.arrayPattern(v)
		}
	case ast.Object:
		if !s.known(t) {
			return s.objectPattern(v)
		}
	}
	value := s.term(t)
	return func(r *run, f frame, v *ast.Term) bool { return value(r, f).Equal(v) }
}

func (s *scope) arrayPattern(a *ast.Array) matcher {
	parts := make([]matcher, a.Len())
	for i := range parts {
		parts[i] = s.pattern(a.Elem(i))
	}
	return func(r *run, f frame, v *ast.Term) bool {
		a, ok := v.Value.(*ast.Array)
		if !ok || a.Len() != len(parts) {
			return false
		}
		for i, part := range parts {
			if !part(r, f, a.Elem(i)) {
				return false
			}
		}
		return true
	}
}

func (s *scope) objectPattern(o ast.Object) matcher {
	keys, parts := members(s, o, s.pattern)
	return func(r *run, f frame, v *ast.Term) bool {
		o, ok := v.Value.(ast.Object)
		if !ok || o.Len() != len(parts) {
			return false
		}
		for i, part := range parts {
			if e := o.Get(keys[i]); e == nil || !part(r, f, e) {
				return false
			}
		}
		return true
	}
}
