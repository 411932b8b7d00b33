package strictjson

import "github.com/valyala/fastjson"

// emit appends a value as JSON. It stands in for fastjson's MarshalTo, which quotes strings as Go does (\x00, \a,
// \U0001f600) and passes on any number it took.
func (r *Reply) emit(dst []byte, v *fastjson.Value) []byte {
	switch v.Type() {
	case fastjson.TypeObject:
		return r.emitObject(dst, v.GetObject())
	case fastjson.TypeArray:
		dst = append(dst, '[')
		for i, element := range v.GetArray() {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = r.emit(dst, element)
		}
		return append(dst, ']')
	case fastjson.TypeString:
		return appendLiteral(dst, r.text(v))
	case fastjson.TypeNumber:
		return appendNumber(dst, v)
	case fastjson.TypeTrue:
		return append(dst, "true"...)
	case fastjson.TypeFalse:
		return append(dst, "false"...)
	default:
		return append(dst, "null"...)
	}
}

func (r *Reply) emitObject(dst []byte, o *fastjson.Object) []byte {
	dst = append(dst, '{')
	first := true
	o.Visit(func(key []byte, v *fastjson.Value) {
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(appendLiteral(dst, key), ':')
		dst = r.emit(dst, v)
	})
	return append(dst, '}')
}

// appendNumber appends a number as it came if it is of JSON's grammar, and else in the nearest form that is: null
// for what says no number.
func appendNumber(dst []byte, v *fastjson.Value) []byte {
	start := len(dst)
	dst = v.MarshalTo(dst) // of a number: its digits as they came
	raw := dst[start:]
	if end, ok := numberEnd(raw, 0); ok && end == len(raw) {
		return dst
	}
	tidied, ok := tidyNumber(string(raw))
	if !ok {
		tidied = "null"
	}
	return append(dst[:start], tidied...)
}

// number is a number as it leaves, valid until the next call.
func (r *Reply) number(v *fastjson.Value) []byte {
	r.digits = appendNumber(r.digits[:0], v)
	return r.digits
}

// tidyNumber writes a number without superfluous plus and zeros, and with digits on both sides of its point.
func tidyNumber(raw string) (string, bool) {
	sign := ""
	if raw != "" && (raw[0] == '-' || raw[0] == '+') {
		if raw[0] == '-' {
			sign = "-"
		}
		raw = raw[1:]
	}
	b := []byte(raw)
	whole := digitsEnd(b, 0)
	rest := raw[whole:]
	digits := whole
	if rest != "" && rest[0] == '.' {
		fraction := digitsEnd(b, whole+1)
		digits += fraction - whole - 1
		if rest = raw[whole:fraction]; rest == "." {
			rest = ""
		}
		rest += raw[fraction:]
	}
	if digits == 0 {
		return "", false
	}
	zeros := 0
	for zeros < whole-1 && raw[zeros] == '0' {
		zeros++
	}
	integer := raw[zeros:whole]
	if integer == "" {
		integer = "0"
	}
	tidied := sign + integer + rest
	end, ok := numberEnd([]byte(tidied), 0)
	return tidied, ok && end == len(tidied)
}
