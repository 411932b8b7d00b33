package policy

import "github.com/open-policy-agent/opa/v1/ast"

// aliases are the variables of one rule that only stand for a reference: x in "x = input.principal", where x is used as
// x.id and in no other way. Reading x.id then is reading input.principal.id, and nothing else of the principal.
//
// A variable that also occurs by itself is no alias: it may be compared or passed on as a whole, so what it was bound to
// counts as read as a whole.
type aliases map[ast.Var]ast.Ref

// findAliases finds them in a rule.
func findAliases(r *ast.Rule) aliases {
	c := &census{bare: map[ast.Var]int{}, used: map[ast.Var]bool{}, bound: aliases{}}
	ast.NewGenericVisitor(c.visit).Walk(r)
	for v := range c.bound {
		// The one bare occurrence is the binding itself. Without any use, the reference is read for being defined.
		if c.bare[v] != 1 || !c.used[v] {
			delete(c.bound, v)
		}
	}
	return c.bound
}

// census counts how the variables of a rule occur.
type census struct {
	bare  map[ast.Var]int
	used  map[ast.Var]bool // as the head of a longer reference
	bound aliases
}

func (c *census) visit(x any) bool {
	switch x := x.(type) {
	case *ast.Expr:
		if v, ref, ok := aliasOf(x); ok {
			c.bound[v] = ref
		}
		if terms, ok := x.Terms.([]*ast.Term); ok {
			c.call(terms)
		}
	case *ast.Head:
		// Names of rules and of arguments stand here beside terms.
		c.head(x)
		return true
	case *ast.Term:
		if call, ok := x.Value.(ast.Call); ok {
			c.call(call)
		}
		if v, ok := x.Value.(ast.Var); ok {
			c.bare[v]++
		}
	case ast.Ref:
		c.ref(x)
		return true
	}
	return false
}

func (c *census) ref(ref ast.Ref) {
	v, ok := ref[0].Value.(ast.Var)
	switch {
	case ok && len(ref) > 1:
		c.used[v] = true
	default:
		ast.NewGenericVisitor(c.visit).Walk(ref[0])
	}
	for _, t := range ref[1:] {
		ast.NewGenericVisitor(c.visit).Walk(t)
	}
}

// call uncounts the object of object.get with a constant key: it is used like the head of a reference.
func (c *census) call(terms []*ast.Term) {
	if ref := narrowed(terms); ref != nil {
		if v, ok := terms[1].Value.(ast.Var); ok {
			c.bare[v]--
			c.used[v] = true
		}
	}
}

func (c *census) head(h *ast.Head) {
	walk := ast.NewGenericVisitor(c.visit)
	for _, t := range h.Reference[min(1, len(h.Reference)):] {
		walk.Walk(t)
	}
	for _, t := range h.Args {
		walk.Walk(t)
	}
	for _, t := range []*ast.Term{h.Key, h.Value} {
		if t != nil {
			walk.Walk(t)
		}
	}
}

// aliasOf gives variable and reference of "x = ref" or "ref = x". Under not or with, nothing is an alias.
func aliasOf(x *ast.Expr) (ast.Var, ast.Ref, bool) {
	if x.Negated || len(x.With) > 0 || !x.IsEquality() {
		return "", nil, false
	}
	a, b := x.Operand(0), x.Operand(1)
	if _, ok := a.Value.(ast.Ref); ok {
		a, b = b, a
	}
	v, ok1 := a.Value.(ast.Var)
	ref, ok2 := b.Value.(ast.Ref)
	return v, ref, ok1 && ok2
}

func (a aliases) holds(v ast.Var) bool {
	_, ok := a[v]
	return ok
}

// expand replaces an alias at the head of ref, again and again; nil if that does not end.
func (a aliases) expand(ref ast.Ref) ast.Ref {
	for range len(a) + 1 {
		v, ok := ref[0].Value.(ast.Var)
		if !ok {
			return ref
		}
		to, ok := a[v]
		if !ok {
			return ref
		}
		ref = to.Concat(ref[1:])
	}
	return nil
}
