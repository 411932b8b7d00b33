package policy

import (
	"encoding/json"
	"slices"
	"strconv"

	"github.com/sluicegate/sluice/runtime/exchange"
	"github.com/sluicegate/sluice/runtime/strictjson"
)

// appendJSON appends the whole of what the plan has of v as JSON. models is the value of input.models, written before.
func (v *view) appendJSON(dst []byte, n *node, models []byte) []byte {
	dst = append(dst, '{')
	for i, kid := range n.kids {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(strictjson.AppendString(dst, kid.key), ':')
		switch {
		case kid.moving:
			dst = append(dst, models...)
		case kid.get == nil:
			dst = v.appendJSON(dst, kid, models)
		default:
			dst = v.jsonWhole(dst, kid.get(v))
		}
	}
	return append(dst, '}')
}

func (v *view) jsonWhole(dst []byte, a val) []byte {
	switch a.kind {
	case boolKind:
		return strconv.AppendBool(dst, a.num == 1)
	case intKind:
		return strconv.AppendInt(dst, a.num, 10)
	case numberKind:
		return append(dst, a.str...)
	case stringKind:
		return strictjson.AppendString(dst, a.str)
	case stringsKind:
		dst = append(dst, '[')
		for i, s := range a.list {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = strictjson.AppendString(dst, s)
		}
		return append(dst, ']')
	case ipKind:
		if !a.ip.IsValid() {
			return append(dst, `""`...)
		}
		return append(a.ip.AppendTo(append(dst, '"')), '"')
	case headersKind:
		return v.jsonAny(dst, visibleHeaders(a.any.(map[string][]string)))
	case labelsKind:
		return jsonMap(v, dst, a.any.(exchange.Labels), func(dst []byte, m map[string]any) []byte { return v.jsonAny(dst, m) })
	case countsKind:
		return jsonMap(v, dst, a.any.(map[string]int), func(dst []byte, n int) []byte { return strconv.AppendInt(dst, int64(n), 10) })
	default:
		return v.jsonAny(dst, a.any)
	}
}

// jsonAny appends a JSON value: whatever buildAny makes of a Go type, this writes.
func (v *view) jsonAny(dst []byte, a any) []byte {
	switch a := a.(type) {
	case nil:
		return append(dst, "null"...)
	case bool:
		return strconv.AppendBool(dst, a)
	case string:
		return strictjson.AppendString(dst, a)
	case json.Number:
		return append(dst, a...)
	case int64:
		return strconv.AppendInt(dst, a, 10)
	case int:
		return strconv.AppendInt(dst, int64(a), 10)
	case []any:
		dst = append(dst, '[')
		for i, e := range a {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = v.jsonAny(dst, e)
		}
		return append(dst, ']')
	case map[string]any:
		return jsonMap(v, dst, a, v.jsonAny)
	default:
		return v.jsonAny(dst, plain(a))
	}
}

// jsonMap appends a map in the order of its keys.
func jsonMap[M ~map[string]V, V any](v *view, dst []byte, m M, value func([]byte, V) []byte) []byte {
	start := len(v.names)
	for k := range m {
		v.names = append(v.names, k)
	}
	slices.Sort(v.names[start:])
	end := len(v.names)
	dst = append(dst, '{')
	for i := start; i < end; i++ {
		if i > start {
			dst = append(dst, ',')
		}
		dst = append(strictjson.AppendString(dst, v.names[i]), ':')
		dst = value(dst, m[v.names[i]])
	}
	v.names = v.names[:start]
	return append(dst, '}')
}
