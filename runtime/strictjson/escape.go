package strictjson

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

const (
	everyByte = 0x0101010101010101
	highBits  = 0x8080808080808080
)

// plainEnd returns the offset of the first byte at or after i that ends or interrupts a string: a quote, a backslash
// or a control character; len(b) if there is none. It looks at eight bytes at a time: for a byte x below 0x80, x-1
// borrows into the high bit only if x was zero, so xor with the wanted byte finds it, and x-0x20 borrows only below
// 0x20. A borrow can mark bytes after a true hit, never before it, so the lowest mark is exact.
func plainEnd(b []byte, i int) int {
	for i+8 <= len(b) {
		w := binary.LittleEndian.Uint64(b[i:])
		quote := w ^ everyByte*'"'
		slash := w ^ everyByte*'\\'
		hit := ((quote-everyByte)&^quote | (slash-everyByte)&^slash | (w-everyByte*0x20)&^w) & highBits
		if hit != 0 {
			return i + bits.TrailingZeros64(hit)/8
		}
		i += 8
	}
	for i < len(b) && b[i] >= 0x20 && b[i] != '"' && b[i] != '\\' {
		i++
	}
	return i
}

// verbatim tells whether text stands in a string literal as it is: it is UTF-8, and nothing of it needs an escape. Plain
// ASCII it finds out in one go over eight bytes at a time, the last eight overlapping those before.
func verbatim(text []byte) bool {
	n := len(text)
	if n < 8 {
		for _, c := range text {
			if !safe[c] {
				return plainEnd(text, 0) == n && utf8.Valid(text)
			}
		}
		return true
	}
	hit := special(text[n-8:])
	for rest := text; len(rest) > 8; rest = rest[8:] {
		hit |= special(rest)
	}
	return hit&highBits == 0 || plainEnd(text, 0) == n && utf8.Valid(text)
}

// special marks in the high bits, among the eight bytes that b begins with, what is not ASCII or needs an escape. It marks
// no other unless it marks one of those; see plainEnd.
func special(b []byte) uint64 {
	w := binary.LittleEndian.Uint64(b)
	quote := w ^ everyByte*'"'
	slash := w ^ everyByte*'\\'
	return (quote - everyByte) | (slash - everyByte) | (w - everyByte*0x20) | w
}

// readEscape reads the escape that b begins with: its length in bytes (a surrogate pair is one escape of twelve) and
// the character it stands for. Where ok is false, n is 0 for an escape that JSON does not have and 6 for half a
// surrogate pair.
func readEscape(b []byte) (n int, r rune, ok bool) {
	if len(b) < 2 {
		return 0, 0, false
	}
	if b[1] != 'u' {
		c := plainEscape(b[1])
		if c == 0 {
			return 0, 0, false
		}
		return 2, rune(c), true
	}
	r, ok = readHex(b)
	if !ok {
		return 0, 0, false
	}
	if !utf16.IsSurrogate(r) {
		return 6, r, true
	}
	if len(b) >= 12 && b[6] == '\\' && b[7] == 'u' {
		if low, ok := readHex(b[6:]); ok {
			if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
				return 12, pair, true
			}
		}
	}
	return 6, utf8.RuneError, false
}

// plainEscape is the character that a backslash and c stand for, or 0.
func plainEscape(c byte) byte {
	switch c {
	case '"', '\\', '/':
		return c
	case 'n':
		return '\n'
	case 't':
		return '\t'
	case 'r':
		return '\r'
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	}
	return 0
}

// readHex reads the four digits of the \u escape that b begins with.
func readHex(b []byte) (rune, bool) {
	if len(b) < 6 {
		return 0, false
	}
	var r rune
	for _, c := range b[2:6] {
		switch {
		case isDigit(c):
			c -= '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// appendUnescaped appends the text of a string's content, which the scanner has found valid.
func appendUnescaped(dst, content []byte) []byte {
	for {
		plain := bytes.IndexByte(content, '\\')
		if plain < 0 {
			return append(dst, content...)
		}
		dst = append(dst, content[:plain]...)
		n, r, _ := readEscape(content[plain:])
		dst = utf8.AppendRune(dst, r)
		content = content[plain+max(n, 1):]
	}
}

// safe marks the bytes that stand in a string literal as they are.
var safe = func() (t [256]bool) {
	for c := 0x20; c < utf8.RuneSelf; c++ {
		t[c] = c != '"' && c != '\\'
	}
	return t
}()

// AppendString appends s as a JSON string literal, quotes included. Bytes that are not UTF-8 become U+FFFD, one for
// each, as encoding/json has it.
func AppendString[T ~string | ~[]byte](dst []byte, s T) []byte {
	dst = append(dst, '"')
	start := len(dst)
	if dst = append(dst, s...); verbatim(dst[start:]) {
		return append(dst, '"')
	}
	dst = dst[:start]
	done := 0
	for i := 0; i < len(s); {
		c := s[i]
		if safe[c] {
			i++
			continue
		}
		if c < utf8.RuneSelf {
			dst = append(dst, s[done:i]...)
			dst = appendEscape(dst, c)
			i++
			done = i
			continue
		}
		// A conversion of at most four bytes needs no allocation.
		r, size := utf8.DecodeRuneInString(string(s[i:min(i+utf8.UTFMax, len(s))]))
		if r == utf8.RuneError && size == 1 {
			dst = append(dst, s[done:i]...)
			dst = append(dst, "\uFFFD"...)
			done = i + 1
		}
		i += size
	}
	dst = append(dst, s[done:]...)
	return append(dst, '"')
}

// appendLiteral is AppendString for text known to be UTF-8, which needs a look at eight bytes at a time only.
func appendLiteral(dst, text []byte) []byte {
	dst = append(dst, '"')
	dst = appendContent(dst, text)
	return append(dst, '"')
}

// appendContent appends text known to be UTF-8 as the content of a string literal.
func appendContent(dst, text []byte) []byte {
	done := 0
	for {
		i := plainEnd(text, done)
		dst = append(dst, text[done:i]...)
		if i == len(text) {
			return dst
		}
		dst = appendEscape(dst, text[i])
		done = i + 1
	}
}

// appendEscape appends the escape of a quote, a backslash or a control character.
func appendEscape(dst []byte, c byte) []byte {
	const digits = "0123456789abcdef"
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	}
	return append(dst, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
}

// rawText finds the place in a string's content, as it is written, that belongs to an offset in its text. It goes
// forward only.
type rawText struct {
	content  []byte
	raw, txt int
}

// seek returns where the byte at offset to of the text is written; to is the boundary of a character.
func (r *rawText) seek(to int) int {
	for r.txt < to {
		plain := bytes.IndexByte(r.content[r.raw:], '\\')
		if plain < 0 || plain >= to-r.txt {
			r.raw += to - r.txt
			r.txt = to
			break
		}
		n, c, _ := readEscape(r.content[r.raw+plain:])
		r.raw += plain + max(n, 1)
		r.txt += plain + utf8.RuneLen(c)
	}
	return r.raw
}

// len is the length of the whole text.
func (r rawText) len() int {
	n := 0
	for {
		plain := bytes.IndexByte(r.content[r.raw:], '\\')
		if plain < 0 {
			return n + len(r.content) - r.raw
		}
		size, c, _ := readEscape(r.content[r.raw+plain:])
		r.raw += plain + max(size, 1)
		n += plain + utf8.RuneLen(c)
	}
}
