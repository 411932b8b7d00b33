package policy

import (
	"encoding/binary"
	"encoding/json"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/sluicegate/sluice/runtime/exchange"
)

// The tags of the key's encoding. Every value starts with one and ends by itself, so two inputs have the same encoding
// only if the policy reads the same from both.
const (
	tagUndefined byte = 'u' // the path stops here
	tagPart      byte = 'o' // an object of which only the plan's kids follow
	tagNull      byte = '0'
	tagBool      byte = 'b'
	tagNumber    byte = 'n'
	tagString    byte = 's'
	tagArray     byte = 'a'
	tagObject    byte = 'm'
)

// appendPlan appends what the plan reads of v.
func (v *view) appendPlan(dst []byte, n *node, models []byte) []byte {
	for _, kid := range n.kids {
		switch {
		case kid.moving:
			dst = append(dst, models...)
		case kid.get == nil:
			dst = v.appendPlan(dst, kid, models)
		default:
			dst = v.appendPart(dst, kid.get(v), kid)
		}
	}
	return dst
}

// appendPart appends what n reads of a value. A path that stops at something that is no object is encoded as that thing.
func (v *view) appendPart(dst []byte, a val, n *node) []byte {
	if a.kind == undefined {
		return append(dst, tagUndefined)
	}
	if n.whole {
		return v.appendWhole(dst, a)
	}
	start := len(dst)
	dst = append(dst, tagPart)
	for _, kid := range n.kids {
		m, ok := a.member(kid)
		if !ok {
			return v.appendWhole(dst[:start], a)
		}
		dst = v.appendPart(dst, m, kid)
	}
	return dst
}

func (v *view) appendWhole(dst []byte, a val) []byte {
	switch a.kind {
	case boolKind:
		return append(dst, tagBool, byte(a.num))
	case intKind:
		return appendInt(dst, a.num)
	case numberKind:
		v.beyond = v.beyond || beyond(a.str)
		return appendTagged(dst, tagNumber, a.str)
	case stringKind:
		return appendTagged(dst, tagString, a.str)
	case stringsKind:
		dst = appendCount(dst, tagArray, len(a.list))
		for _, s := range a.list {
			dst = appendTagged(dst, tagString, s)
		}
		return dst
	case ipKind:
		return appendIP(dst, a.ip)
	case headersKind:
		return v.appendAny(dst, visibleHeaders(a.any.(map[string][]string)))
	case labelsKind:
		return appendMap(v, dst, a.any.(exchange.Labels), func(dst []byte, _ string, m map[string]any) []byte {
			return v.appendAny(dst, m)
		})
	case countsKind:
		return appendMap(v, dst, a.any.(map[string]int), func(dst []byte, _ string, n int) []byte {
			return appendInt(dst, int64(n))
		})
	default:
		return v.appendAny(dst, a.any)
	}
}

// appendAny appends a JSON value. Whatever build makes of a Go type, this encodes the same.
func (v *view) appendAny(dst []byte, a any) []byte {
	switch a := a.(type) {
	case nil:
		return append(dst, tagNull)
	case bool:
		return append(dst, tagBool, byte(bit(a)))
	case string:
		return appendTagged(dst, tagString, a)
	case json.Number:
		v.beyond = v.beyond || beyond(string(a))
		return appendTagged(dst, tagNumber, string(a))
	case int64:
		return appendInt(dst, a)
	case int:
		return appendInt(dst, int64(a))
	case []any:
		dst = appendCount(dst, tagArray, len(a))
		for _, e := range a {
			dst = v.appendAny(dst, e)
		}
		return dst
	case map[string]any:
		return appendMap(v, dst, a, func(dst []byte, _ string, e any) []byte { return v.appendAny(dst, e) })
	default:
		return v.appendAny(dst, plain(a))
	}
}

// appendMap appends a map in the order of its keys.
func appendMap[M ~map[string]V, V any](v *view, dst []byte, m M, value func([]byte, string, V) []byte) []byte {
	start := len(v.names)
	for k := range m {
		v.names = append(v.names, k)
	}
	slices.Sort(v.names[start:])
	end := len(v.names)
	dst = appendCount(dst, tagObject, end-start)
	for i := start; i < end; i++ {
		dst = value(appendTagged(dst, tagString, v.names[i]), v.names[i], m[v.names[i]])
	}
	v.names = v.names[:start]
	return dst
}

func appendCount(dst []byte, tag byte, n int) []byte {
	return binary.AppendUvarint(append(dst, tag), uint64(n))
}

func appendTagged(dst []byte, tag byte, s string) []byte {
	return append(appendCount(dst, tag, len(s)), s...)
}

func appendInt(dst []byte, n int64) []byte {
	var digits [20]byte
	d := strconv.AppendInt(digits[:0], n, 10)
	return append(appendCount(dst, tagNumber, len(d)), d...)
}

func appendIP(dst []byte, ip netip.Addr) []byte {
	if !ip.IsValid() {
		return appendTagged(dst, tagString, "")
	}
	var text [64]byte
	t := ip.AppendTo(text[:0])
	return append(appendCount(dst, tagString, len(t)), t...)
}

// plain turns Go values that JSON decoders do not make into those that they do: what a JWT library gives as a time is a
// NumericDate (RFC 7519, section 2) again, other types take the way through encoding/json. What can't is null.
func plain(a any) any {
	switch a := a.(type) {
	case float64:
		return floatNumber(a)
	case []string:
		out := make([]any, len(a))
		for i, s := range a {
			out[i] = s
		}
		return out
	case time.Time:
		return a.Unix()
	}
	b, err := json.Marshal(a)
	if err != nil {
		return nil
	}
	out, err := decodeJSON(b)
	if err != nil {
		return nil
	}
	return out
}

// floatNumber spells a float as encoding/json does; NaN and the infinities, which JSON lacks, are null.
func floatNumber(f float64) any {
	b, err := json.Marshal(f)
	if err != nil {
		return nil
	}
	return json.Number(b)
}
