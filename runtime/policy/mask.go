package policy

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// What stands in the decision log is the policy's to say, too, by OPA's own contract: data.system.log.drop is true for
// events that are not to be kept, and data.system.log.mask is a set of what is to go, each a path such as
// /input/client/ip, or an object {"op": "remove" or "upsert", "path": ..., "value": ...}. What was removed is listed in the
// event's `erased`, what was replaced in `masked`.

// mask is one change of an event.
type mask struct {
	path   []string // its first is input, result or nd_builtin_cache
	upsert bool
	value  any // of an upsert, as JSON decodes it
}

var maskable = []string{"input", "result", "nd_builtin_cache"}

// name is the path as the event lists it.
func (m *mask) name() string {
	var b strings.Builder
	for _, part := range m.path {
		b.WriteByte('/')
		b.WriteString(url.PathEscape(part))
	}
	return b.String()
}

// masksOf reads the value of the rule mask. Errors hold none of its values.
func masksOf(v ast.Value) ([]mask, error) {
	list, ok := v.(*ast.Array)
	if set, is := v.(ast.Set); is {
		list, ok = set.Sorted(), true
	}
	if !ok {
		return nil, fmt.Errorf(": is %s, not a set of paths", ast.ValueName(v))
	}
	out := make([]mask, 0, list.Len())
	for i := range list.Len() {
		m, err := maskOf(list.Elem(i).Value)
		if err != nil {
			return nil, fmt.Errorf("[%d]: %w", i, err)
		}
		out = append(out, m)
	}
	return out, nil
}

func maskOf(v ast.Value) (m mask, err error) {
	path, ok := v.(ast.String)
	if o, is := v.(ast.Object); is {
		if path, ok = member[ast.String](o, "path"); !ok {
			return m, errors.New("has no path")
		}
		switch op, _ := member[ast.String](o, "op"); op {
		case "remove":
		case "upsert":
			m.upsert = true
		default:
			return m, errors.New("op must be remove or upsert")
		}
		if t := o.Get(ast.InternedTerm("value")); t != nil {
			if m.value, err = ast.JSON(t.Value); err != nil {
				return m, errors.New("value is no JSON")
			}
		}
	}
	if !ok {
		return m, fmt.Errorf("is %s, not a path or an object with op and path", ast.ValueName(v))
	}
	m.path, err = maskPath(string(path))
	return m, err
}

func member[T ast.Value](o ast.Object, key string) (out T, ok bool) {
	if t := o.Get(ast.InternedTerm(key)); t != nil {
		out, ok = t.Value.(T)
	}
	return out, ok
}

func maskPath(path string) ([]string, error) {
	if !strings.HasPrefix(path, "/") {
		return nil, errors.New("must begin with a slash, such as /input/client/ip")
	}
	parts := strings.Split(path[1:], "/")
	if !slices.Contains(maskable, parts[0]) {
		return nil, errors.New("must begin with one of /" + strings.Join(maskable, ", /"))
	}
	for i, part := range parts {
		plain, err := url.PathUnescape(part)
		if err != nil {
			return nil, errors.New("is not percent-encoded rightly")
		}
		parts[i] = plain
	}
	return parts, nil
}

// apply changes the event. What is not there is not removed, nor listed.
func (m *mask) apply(event map[string]any) {
	if event[m.path[0]] == nil {
		return
	}
	list, done := "erased", false
	if m.upsert {
		list, done = "masked", upsert(event, m.path, m.value)
	} else {
		done = remove(event, m.path)
	}
	if done {
		names, _ := event[list].([]any)
		event[list] = append(names, m.name())
	}
}

// remove takes out what stands at the path below an object.
func remove(in map[string]any, path []string) bool {
	put := func(any) {}
	var node any = in
	for _, key := range path[:len(path)-1] {
		child, ok := childOf(node, key)
		if !ok {
			return false
		}
		put, node = setter(node, key), child
	}
	key := path[len(path)-1]
	if _, ok := childOf(node, key); !ok {
		return false
	}
	switch v := node.(type) {
	case map[string]any:
		delete(v, key)
	case []any:
		i, _ := strconv.Atoi(key) // as childOf has read it
		put(slices.Delete(v, i, i+1))
	}
	return true
}

// upsert puts a value at the path below an object, with the objects above it that are missing. A list does not grow.
func upsert(in map[string]any, path []string, value any) bool {
	var node any = in
	for _, key := range path[:len(path)-1] {
		child, ok := childOf(node, key)
		if m, object := node.(map[string]any); !ok && object {
			child, ok = map[string]any{}, true
			m[key] = child
		}
		if !ok {
			return false
		}
		node = child
	}
	key := path[len(path)-1]
	if m, ok := node.(map[string]any); ok {
		m[key] = value
		return true
	}
	if _, ok := childOf(node, key); !ok {
		return false
	}
	setter(node, key)(value)
	return true
}

func childOf(node any, key string) (any, bool) {
	switch v := node.(type) {
	case map[string]any:
		child, ok := v[key]
		return child, ok
	case []any:
		i, err := strconv.Atoi(key)
		if err != nil || i < 0 || i >= len(v) {
			return nil, false
		}
		return v[i], true
	default:
		return nil, false
	}
}

// setter sets what childOf gives.
func setter(node any, key string) func(any) {
	if m, ok := node.(map[string]any); ok {
		return func(v any) { m[key] = v }
	}
	list, _ := node.([]any)
	i, _ := strconv.Atoi(key) // as childOf has read it
	return func(v any) { list[i] = v }
}
