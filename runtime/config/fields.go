package config

import (
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// field is one key that a struct takes.
type field struct {
	name  string
	index int
	rule  rule
}

// rule is what the jsonschema tag of a field says, so that the editor's schema and the decoder can't differ.
type rule struct {
	required bool
	enum     []string
	min, max float64
}

// fieldsOf reads a struct's tags, once for each type.
func (d *decoder) fieldsOf(t reflect.Type) []field {
	if known, ok := d.fields[t]; ok {
		return known
	}
	var known []field
	for i := range t.NumField() {
		if name := t.Field(i).Tag.Get("yaml"); name != "" {
			known = append(known, field{name, i, parseRule(t.Field(i).Tag.Get("jsonschema"))})
		}
	}
	d.fields[t] = known
	return known
}

func parseRule(tag string) rule {
	r := rule{min: math.Inf(-1), max: math.Inf(1)}
	for part := range strings.SplitSeq(tag, ",") {
		key, value, _ := strings.Cut(part, "=")
		switch key {
		case "required":
			r.required = true
		case "enum":
			r.enum = append(r.enum, value)
		case "minimum":
			r.min, _ = strconv.ParseFloat(value, 64)
		case "maximum":
			r.max, _ = strconv.ParseFloat(value, 64)
		}
	}
	return r
}

// suggest says what an unknown key may have meant.
func suggest(name string, known []field) string {
	names := make([]string, len(known))
	best, distance := "", 3
	for i, f := range known {
		names[i] = f.name
		if n := editDistance(name, f.name); n < distance && n < len(f.name) {
			best, distance = f.name, n
		}
	}
	if best != "" {
		return "did you mean " + best + "?"
	}
	slices.Sort(names)
	return "expected one of " + strings.Join(names, ", ")
}

// editDistance is the Levenshtein distance of two keys, in bytes; long strings are simply far apart.
func editDistance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return 64
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}

// kindOf names what a node is, never what it holds.
func kindOf(n ast.Node) string {
	switch n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return "a mapping"
	case *ast.SequenceNode:
		return "a list"
	case *ast.StringNode, *ast.LiteralNode:
		return "text"
	case *ast.IntegerNode, *ast.FloatNode:
		return "a number"
	case *ast.InfinityNode, *ast.NanNode:
		return "no finite number"
	case *ast.BoolNode:
		return "true or false"
	case *ast.NullNode, nil:
		return "nothing"
	default:
		return "something else"
	}
}
