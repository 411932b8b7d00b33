package policy

import (
	"net/textproto"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// node is one node of a plan: the part of the input that an entry point can read. Nodes above a get are objects of
// fixed fields; below it, kids name the paths that are read of a value whose shape is only known at run time.
type node struct {
	key    string
	term   *ast.Term // the key
	header string    // the key as a canonical header name, where it can be one
	get    func(*view) val
	whole  bool
	moving bool // the models: built and hashed once for all requests that see the same facts
	kids   []*node
}

// child gives the kid of that name, made if need be. Kids stay sorted.
func (n *node) child(key string) *node {
	i, ok := slices.BinarySearchFunc(n.kids, key, func(k *node, key string) int { return strings.Compare(k.key, key) })
	if !ok {
		kid := &node{key: key, term: ast.StringTerm(key)}
		if key == strings.ToLower(key) {
			kid.header = textproto.CanonicalMIMEHeaderKey(key)
		}
		n.kids = slices.Insert(n.kids, i, kid)
	}
	return n.kids[i]
}

// newPlan makes the plan of reading those paths. An empty path reads the whole input.
func newPlan(paths [][]string, late, text bool) *node {
	root := treeOf(paths)
	root.bind(inputFields, late, text)
	return root
}

// treeOf makes nodes of paths. What is read as a whole has no kids.
func treeOf(paths [][]string) *node {
	root := &node{}
	for _, path := range paths {
		n := root
		for _, key := range path {
			n = n.child(key)
		}
		n.whole = true
	}
	root.prune()
	return root
}

func (n *node) prune() {
	if n.whole {
		n.kids = nil
	}
	for _, kid := range n.kids {
		kid.prune()
	}
}

// bind ties the nodes to the fields of the input. Names that are no field, or not granted, are left out: for the policy
// they are undefined whatever the request.
func (n *node) bind(fields []field, late, text bool) {
	var kept []*node
	for i := range fields {
		f := &fields[i]
		if f.late && !late || f.text && !text {
			continue
		}
		if !n.whole && !slices.ContainsFunc(n.kids, func(k *node) bool { return k.key == f.name }) {
			continue
		}
		kid := n.child(f.name)
		kid.whole = kid.whole || n.whole
		kid.get, kid.moving = f.get, f.name == "models"
		switch {
		case f.fields != nil:
			kid.bind(f.fields, late, text)
		case kid.whole:
			kid.kids = nil
		}
		kept = append(kept, kid)
	}
	n.kids = kept
}

// paths lists what the plan reads below ref, as Rego spells it.
func (n *node) paths(ref ast.Ref) []string {
	if len(n.kids) == 0 && n.whole {
		return []string{ref.String()}
	}
	var out []string
	for _, kid := range n.kids {
		out = append(out, kid.paths(ref.Append(kid.term))...)
	}
	return out
}

// reads tells whether the plan has anything at a path of fields.
func (n *node) reads(path ...string) bool {
	for _, key := range path {
		if n = n.find(key); n == nil {
			return false
		}
	}
	return true
}

// find gives the kid of that name, or nil.
func (n *node) find(key string) *node {
	for _, kid := range n.kids {
		if kid.key == key {
			return kid
		}
	}
	return nil
}
