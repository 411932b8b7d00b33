package bundle

import (
	"slices"
	"strconv"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// marks is what the policy of masks reads, and puts back what it is to erase.
func (e *event) marks() (ast.Value, error) {
	erased, masked := []any{}, []any{}
	for _, path := range e.Erased {
		if root, rest := e.root(path); root != nil {
			if *root == nil {
				*root = new(any)
			}
			**root = restore(**root, rest)
			erased = append(erased, path)
		}
	}
	for _, path := range e.Masked {
		root, rest := e.root(path)
		if root == nil || *root == nil {
			continue
		}
		if v, ok := lookUp(**root, rest); ok {
			masked = append(masked, map[string]any{"path": path, "value": v})
		}
	}
	return ast.InterfaceToValue(map[string]any{"erased": erased, "masked": masked})
}

// root is the document that a path begins in.
func (e *event) root(path string) (root **any, rest []string) {
	parts := strings.Split(strings.TrimPrefix(path, "/"), "/")
	switch parts[0] {
	case "input":
		return &e.Input, parts[1:]
	case "result":
		return &e.Result, parts[1:]
	case "nd_builtin_cache":
		return &e.Cache, parts[1:]
	}
	return nil, nil
}

// restore puts null where a value was erased.
func restore(v any, path []string) any {
	if len(path) == 0 {
		return nil
	}
	if list, ok := v.([]any); ok {
		i, err := strconv.Atoi(path[0])
		switch {
		case err != nil || i < 0 || i > len(list):
			return v
		case len(path) == 1:
			return slices.Insert(list, i, any(nil))
		case i < len(list):
			list[i] = restore(list[i], path[1:])
		}
		return list
	}
	object, ok := v.(map[string]any)
	if !ok {
		object = map[string]any{}
	}
	object[path[0]] = restore(object[path[0]], path[1:])
	return object
}

// lookUp finds the value at a path.
func lookUp(v any, path []string) (any, bool) {
	for _, p := range path {
		switch at := v.(type) {
		case map[string]any:
			next, ok := at[p]
			if !ok {
				return nil, false
			}
			v = next
		case []any:
			i, err := strconv.Atoi(p)
			if err != nil || i < 0 || i >= len(at) {
				return nil, false
			}
			v = at[i]
		default:
			return nil, false
		}
	}
	return v, true
}
