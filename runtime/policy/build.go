package policy

import (
	"encoding/json"
	"strconv"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/sluicegate/sluice/runtime/exchange"
)

// build makes the input document that the plan reads of v. models is the value of input.models, built before.
func (v *view) build(n *node, models *ast.Term) *ast.Term {
	items := make([][2]*ast.Term, 0, len(n.kids))
	for _, kid := range n.kids {
		var t *ast.Term
		switch {
		case kid.moving:
			t = models
		case kid.get == nil:
			t = v.build(kid, models)
		default:
			t = buildPart(kid.get(v), kid)
		}
		if t != nil {
			items = append(items, ast.Item(kid.term, t))
		}
	}
	return ast.ObjectTerm(items...)
}

// buildPart makes what n reads of a value; nil where it is undefined.
func buildPart(a val, n *node) *ast.Term {
	if a.kind == undefined {
		return nil
	}
	if n.whole {
		return buildWhole(a)
	}
	items := make([][2]*ast.Term, 0, len(n.kids))
	for _, kid := range n.kids {
		m, ok := a.member(kid)
		if !ok {
			return buildWhole(a)
		}
		if t := buildPart(m, kid); t != nil {
			items = append(items, ast.Item(kid.term, t))
		}
	}
	return ast.ObjectTerm(items...)
}

func buildWhole(a val) *ast.Term {
	switch a.kind {
	case boolKind:
		return ast.InternedTerm(a.num == 1)
	case intKind:
		return ast.InternedTerm(a.num)
	case numberKind:
		return ast.NumberTerm(json.Number(a.str))
	case stringKind:
		return ast.InternedTerm(a.str)
	case stringsKind:
		terms := make([]*ast.Term, len(a.list))
		for i, s := range a.list {
			terms[i] = ast.InternedTerm(s)
		}
		return ast.ArrayTerm(terms...)
	case ipKind:
		if !a.ip.IsValid() {
			return ast.InternedEmptyString
		}
		return ast.StringTerm(a.ip.String())
	case headersKind:
		return buildAny(visibleHeaders(a.any.(map[string][]string)))
	case labelsKind:
		labels := a.any.(exchange.Labels)
		items := make([][2]*ast.Term, 0, len(labels))
		for k, m := range labels {
			items = append(items, ast.Item(ast.InternedTerm(k), buildAny(m)))
		}
		return ast.ObjectTerm(items...)
	case countsKind:
		counts := a.any.(map[string]int)
		items := make([][2]*ast.Term, 0, len(counts))
		for k, n := range counts {
			items = append(items, ast.Item(ast.InternedTerm(k), ast.InternedTerm(n)))
		}
		return ast.ObjectTerm(items...)
	default:
		return buildAny(a.any)
	}
}

// buildAny makes a JSON value. Number literals stay as they were written: 1, 1.0 and 1e0 are equal but do not print the
// same.
func buildAny(a any) *ast.Term {
	switch a := a.(type) {
	case nil:
		return ast.InternedNullTerm
	case bool:
		return ast.InternedTerm(a)
	case string:
		return ast.InternedTerm(a)
	case json.Number:
		return ast.NumberTerm(a)
	case int64:
		return ast.NumberTerm(json.Number(strconv.FormatInt(a, 10)))
	case int:
		return ast.InternedTerm(a)
	case []any:
		terms := make([]*ast.Term, len(a))
		for i, e := range a {
			terms[i] = buildAny(e)
		}
		return ast.ArrayTerm(terms...)
	case map[string]any:
		items := make([][2]*ast.Term, 0, len(a))
		for k, e := range a {
			items = append(items, ast.Item(ast.InternedTerm(k), buildAny(e)))
		}
		return ast.ObjectTerm(items...)
	default:
		return buildAny(plain(a))
	}
}
