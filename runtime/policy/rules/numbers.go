package rules

import (
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// usual tells whether all numbers of a value are spelled in the one usual way. Numbers are equal however they are spelled,
// but sprintf tells 1 from 1.0, and which of the two a function is first asked about decides what OPA remembers of it. Where
// each number has but one spelling, none of this can be seen.
func usual(t *ast.Term) bool {
	switch v := t.Value.(type) {
	case ast.Number:
		return usualNumber(string(v))
	case *ast.Array:
		return !v.Until(func(t *ast.Term) bool { return !usual(t) })
	case ast.Set:
		return !v.Until(func(t *ast.Term) bool { return !usual(t) })
	case ast.Object:
		return !v.Until(func(k, t *ast.Term) bool { return !usual(k) || !usual(t) })
	}
	return true
}

// usualNumber knows the spelling that arithmetic gives, too: digits for whole numbers, and for others digits with a point
// where there are at most six before it and not four zeros after it.
func usualNumber(s string) bool {
	plain := strings.TrimPrefix(s, "-")
	whole, part, fraction := strings.Cut(plain, ".")
	if !digits(whole) || whole[0] == '0' && len(whole) > 1 || s == "-0" {
		return false
	}
	if !fraction {
		return true
	}
	return digits(part) && len(whole) <= 6 && part[len(part)-1] != '0' && !(whole == "0" && strings.HasPrefix(part, "0000"))
}

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}
