package token

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
