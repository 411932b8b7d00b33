package strictjson

import (
	"bytes"
	"unicode/utf8"
)

// appendTidy appends b with the two kinds of ugliness settled that fastjson would read in ways of its own: bytes that
// are not UTF-8, and escapes that stand for no character. It looks at no structure: a backslash outside a string is
// no JSON before and after.
func appendTidy(dst, b []byte) []byte {
	if bytes.IndexByte(b, '\\') >= 0 {
		dst = appendTidyEscapes(dst, b)
	} else {
		dst = append(dst, b...)
	}
	if !utf8.Valid(dst) {
		dst = appendValid(make([]byte, 0, 2*len(dst)), dst)
	}
	return dst
}

// appendTidyEscapes doubles the backslash of an escape that JSON does not have and writes half a surrogate pair as
// U+FFFD.
func appendTidyEscapes(dst, b []byte) []byte {
	for {
		plain := bytes.IndexByte(b, '\\')
		if plain < 0 {
			return append(dst, b...)
		}
		dst = append(dst, b[:plain]...)
		b = b[plain:]
		n, _, ok := readEscape(b)
		switch {
		case ok:
			dst = append(dst, b[:n]...)
		case n > 0:
			dst = append(dst, `\ufffd`...)
		default:
			dst, n = append(dst, `\\`...), 1
		}
		b = b[n:]
	}
}

// appendValid appends b with each byte that is not UTF-8 as U+FFFD, as encoding/json has it.
func appendValid(dst, b []byte) []byte {
	if utf8.Valid(b) {
		return append(dst, b...)
	}
	for len(b) > 0 {
		r, size := utf8.DecodeRune(b)
		dst = utf8.AppendRune(dst, r)
		b = b[size:]
	}
	return dst
}
