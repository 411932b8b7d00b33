package strictjson

import (
	"bytes"
	"encoding/json"
	"testing"
)

// The tests compare readings as the trees that encoding/json makes: nil, bool, json.Number, string, []any and
// map[string]any.

// nodeTree is a Node as a tree.
func nodeTree(n Node) any {
	switch n.Kind() {
	case Bool:
		b, _ := n.Bool()
		return b
	case Number:
		return json.Number(n.Raw())
	case String:
		return n.Str()
	case Array:
		out := []any{}
		for e := range n.Elements() {
			out = append(out, nodeTree(e))
		}
		return out
	case Object:
		out := map[string]any{}
		for k, v := range n.Members() {
			out[k.Str()] = nodeTree(v)
		}
		return out
	default:
		return nil
	}
}

// valueTree is a Value as a tree.
func valueTree(v Value) any {
	switch v.Kind() {
	case Bool:
		b, _ := v.Bool()
		return b
	case Number:
		return json.Number(v.Append(nil))
	case String:
		return string(v.Bytes())
	case Array:
		out := []any{}
		v.Elements(func(_ int, e Value) bool {
			out = append(out, valueTree(e))
			return true
		})
		return out
	case Object:
		out := map[string]any{}
		v.Members(func(key string, m Value) bool {
			out[key] = valueTree(m)
			return true
		})
		return out
	default:
		return nil
	}
}

// standardTree is JSON as encoding/json reads it.
func standardTree(t testing.TB, b []byte) any {
	t.Helper()
	if !json.Valid(b) {
		t.Fatalf("encoding/json does not take %q", b)
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	var tree any
	if err := dec.Decode(&tree); err != nil {
		t.Fatalf("encoding/json does not take %q: %v", b, err)
	}
	return tree
}

func mustParse(t testing.TB, body string) *Doc {
	t.Helper()
	d, err := Parse([]byte(body), Limits{})
	if err != nil {
		t.Fatalf("%q: %v", body, err)
	}
	return d
}

func mustRead(t testing.TB, body string) *Reply {
	t.Helper()
	r, err := ReadReply([]byte(body))
	if err != nil {
		t.Fatalf("%q: %v", body, err)
	}
	return r
}
