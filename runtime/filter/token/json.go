package token

import (
	"bytes"
	"strconv"
)

// jsonPlace is where in a JSON text a byte stands (RFC 8259, 7).
type jsonPlace struct {
	inString bool
	escaped  bool // behind a backslash
	hex      int  // digits of a \u escape still to come
	char     rune // what they give so far
}

// inText tells whether a character of a string may stand here.
func (p *jsonPlace) inText() bool { return p.inString && !p.escaped && p.hex == 0 }

// readJSON takes note of one byte of a JSON text. The context reads what its
// strings mean, not how they are spelled, each from its beginning.
func (r *Restorer) readJSON(b byte) {
	p := &r.json
	switch {
	case !p.inString:
		if b == '"' {
			p.inString = true
			r.context = context{}
		}
	case p.hex > 0:
		r.readHex(b)
	case p.escaped:
		p.escaped = false
		if b == 'u' {
			p.hex, p.char = 4, 0
			return
		}
		r.context.step(unescape(b))
	case b == '\\':
		p.escaped = true
	case b == '"':
		p.inString = false
	default:
		r.context.step(b)
	}
}

// readHex reads a digit of a \u escape. Characters beyond ASCII mean nothing to
// the context, whichever they are.
func (r *Restorer) readHex(b byte) {
	p := &r.json
	digit := rune(b - '0')
	if isLetter(b) {
		digit = rune(b|0x20-'a') + 10
	}
	p.char = p.char<<4 | digit&0xf
	if p.hex--; p.hex == 0 {
		r.context.step(byte(min(p.char, 0x80)))
	}
}

// unescape returns the character of a two-character escape.
func unescape(b byte) byte {
	switch b {
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	}
	return b
}

// appendEscaped appends s as it stands inside a JSON string.
func appendEscaped(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	for i := range len(s) {
		switch b := s[i]; {
		case b == '"' || b == '\\':
			dst = append(dst, '\\', b)
		case b == '\n':
			dst = append(dst, '\\', 'n')
		case b == '\r':
			dst = append(dst, '\\', 'r')
		case b == '\t':
			dst = append(dst, '\\', 't')
		case b < 0x20:
			dst = append(dst, '\\', 'u', '0', '0', hex[b>>4], hex[b&0xf])
		default:
			dst = append(dst, b)
		}
	}
	return dst
}

// FindLiteralsJSON is FindLiterals of a JSON text, in which a character may be
// spelled as an escape: whoever reads it sees a token all the same.
func FindLiteralsJSON(dst []Span, text []byte) []Span {
	if bytes.IndexByte(text, '\\') < 0 {
		return FindLiterals(dst, text)
	}
	var g grammar
	start := 0
	for i := 0; i < len(text); {
		b, n := character(text[i:])
		switch {
		case b == '[':
			g.begin()
			start = i
		case g.n == 0:
		default:
			switch g.next(b) {
			case complete:
				dst = append(dst, Span{start, i + n})
				g.n = 0
			case disproved:
				g.n = 0
			}
		}
		i += n
	}
	return dst
}

// character reads a character at the front of text that may be escaped, and how
// many bytes it takes. One that stands in no token is 0x80.
func character(text []byte) (b byte, n int) {
	switch {
	case text[0] != '\\':
		return text[0], 1
	case len(text) < 6 || text[1] != 'u':
		return 0x80, min(2, len(text))
	}
	v, err := strconv.ParseUint(string(text[2:6]), 16, 16)
	if err != nil || v >= 0x80 {
		return 0x80, 2
	}
	return byte(v), 6
}
