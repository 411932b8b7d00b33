package rules

import "github.com/open-policy-agent/opa/v1/ast"

// ref goes on for each value of a reference that take accepts.
func (s *scope) ref(ref ast.Ref, take matcher) link {
	root, path, stored := s.root(ref)
	if s.refusal != nil {
		return nil
	}
	hops := make([]func(matcher) matcher, 0, len(path))
	for _, t := range path {
		hops = append(hops, s.hop(t, stored))
	}
	return func(next step) step {
		visit := func(r *run, f frame, v *ast.Term) bool { return !take(r, f, v) || next(r, f) }
		for i := len(hops) - 1; i >= 0; i-- {
			visit = hops[i](visit)
		}
		return func(r *run, f frame) bool {
			v := root(r, f)
			switch {
			case r.failed:
				return false
			case v == nil:
				return true
			}
			return visit(r, f, v)
		}
	}
}

// root gives what a reference starts from, and the path that is left. stored: the path is one into the base document.
func (s *scope) root(ref ast.Ref) (root getter, path ast.Ref, stored bool) {
	head := ref[0]
	switch {
	case head.Equal(ast.InputRootDocument):
		root, path = s.input(ref)
		return root, path, false
	case head.Equal(ast.DefaultRootDocument):
		return s.dataRoot(ref)
	}
	if v, ok := head.Value.(ast.Var); !ok || !s.bound[v] {
		s.refuse(s.loc, "a reference into something else than input, data and variables")
		return nil, nil, false
	}
	return s.term(head), ref[1:], false
}

// input reads the constant part of a path once in a run.
func (s *scope) input(ref ast.Ref) (getter, ast.Ref) {
	s.reads++
	n := 1
	for n < len(ref) && ast.IsConstant(ref[n].Value) {
		if !usual(ref[n]) {
			s.refuse(s.loc, "a number that is spelled in an unusual way")
		}
		n++
	}
	name := ref[:n].String()
	i, ok := s.inputs[name]
	if !ok {
		i = len(s.paths)
		s.inputs[name] = i
		s.paths = append(s.paths, ref[1:n])
	}
	return func(r *run, _ frame) *ast.Term {
		if l := r.inputs[i]; l.done {
			return l.value
		}
		return r.find(i)
	}, ref[n:]
}

func (r *run) find(i int) *ast.Term {
	l := &r.inputs[i]
	l.done = true
	if r.input == nil {
		return nil
	}
	if v, err := r.input.Find(r.paths[i]); err == nil && v != nil {
		l.value = ast.NewTerm(v)
	}
	return l.value
}

// dataRoot finds out whether a reference leads to a rule or into the base document.
func (s *scope) dataRoot(ref ast.Ref) (root getter, path ast.Ref, stored bool) {
	node := s.compiler.RuleTree.Child(ref[0].Value)
	value := s.data
	for n := 1; n < len(ref); n++ {
		key, ok := ref[n].Value.(ast.String)
		if ok && node != nil {
			if node = node.Child(key); node != nil && len(node.Values) > 0 {
				d := s.document(ref[:n+1], node, s.loc)
				return func(r *run, _ frame) *ast.Term { return d.value(r) }, ref[n+1:], false
			}
		}
		object, is := value.Value.(ast.Object)
		switch {
		case node != nil && !ok:
			s.refuse(s.loc, "%v may be any rule", ref)
			return nil, nil, false
		case !ok || !is:
			if node != nil {
				value = ast.InternedEmptyObject // nothing there but rules
				continue
			}
			return constant(value), ref[n:], true
		}
		if value = object.Get(ref[n]); value == nil {
			if node == nil {
				return constant(nil), ref[n+1:], true
			}
			value = ast.InternedEmptyObject
		}
	}
	if node != nil {
		s.refuse(s.loc, "%v is read as a whole, rules and data", ref)
	}
	return constant(value), nil, true
}

func constant(t *ast.Term) getter { return func(*run, frame) *ast.Term { return t } }

// hop goes from a value into it: by a key that is known, or by all keys, to which the variable is bound in turn.
func (s *scope) hop(t *ast.Term, stored bool) func(matcher) matcher {
	if !s.known(t) {
		if v, ok := t.Value.(ast.Var); ok {
			s.bound[v] = true
			return hopAll(s.slot(v))
		}
		return hopPattern(s.pattern(t))
	}
	key := s.term(t)
	return func(visit matcher) matcher {
		return func(r *run, f frame, v *ast.Term) bool {
			k := key(r, f)
			if stored && !storable(v, k) {
				return r.fail()
			}
			e := element(v, k)
			return e == nil || visit(r, f, e)
		}
	}
}

func hopAll(i int) func(matcher) matcher {
	return func(visit matcher) matcher {
		return func(r *run, f frame, v *ast.Term) bool {
			more := true
			each(r, v, func(k, e *ast.Term) bool {
				f.vars[i] = k
				more = visit(r, f, e)
				return more
			})
			return more && !r.failed
		}
	}
}

// hopPattern goes by all keys of an object, and elements of a set, that have a pattern. No index of an array has one.
func hopPattern(match matcher) func(matcher) matcher {
	return func(visit matcher) matcher {
		return func(r *run, f frame, v *ast.Term) bool {
			if _, ok := v.Value.(*ast.Array); ok {
				return true
			}
			more := true
			each(r, v, func(k, e *ast.Term) bool {
				more = !match(r, f, k) || visit(r, f, e)
				return more
			})
			return more && !r.failed
		}
	}
}

// storable tells whether a key is of the kind that its collection has. Of others the storage has its own idea: there the key
// 1 of an object is that of "1".
func storable(v, k *ast.Term) bool {
	switch v.Value.(type) {
	case ast.Object:
		_, ok := k.Value.(ast.String)
		return ok
	case *ast.Array:
		_, ok := k.Value.(ast.Number)
		return ok
	}
	return true
}

// element is what a collection has at a key; nil where it has nothing.
func element(v, k *ast.Term) *ast.Term {
	switch c := v.Value.(type) {
	case ast.Object:
		return c.Get(k)
	case *ast.Array:
		return c.Get(k)
	case ast.Set:
		if c.Contains(k) {
			return k
		}
	}
	return nil
}
