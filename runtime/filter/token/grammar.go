package token

import "bytes"

// maxToken is the length of the longest text in token grammar: a kind of 32
// bytes and a number of 13 digits, which no exchange reaches.
const maxToken = 48

// grammar reads what may be a token byte by byte, behind its "[".
type grammar struct {
	n      int    // bytes read, the "[" included; 0: none begun
	number number // how far the number at the end has come
}

// number is the state of the digits behind the last "_".
type number byte

const (
	noNumber number = iota
	underscore
	digits
)

// verdict is what one more byte makes of a candidate.
type verdict byte

const (
	disproved verdict = iota
	undecided
	complete
)

// begin starts a candidate with its "[".
func (g *grammar) begin() { *g = grammar{n: 1} }

// next reads one more byte of the candidate.
func (g *grammar) next(b byte) verdict {
	g.n++
	switch {
	case b == ']':
		if g.number == digits {
			return complete
		}
		return disproved
	case g.n >= maxToken:
		return disproved
	case 'A' <= b && b <= 'Z':
		g.number = noNumber
	case g.n == 2:
		return disproved
	case b == '_':
		g.number = underscore
	case '1' <= b && b <= '9', b == '0' && g.number != underscore:
		if g.number == underscore {
			g.number = digits
		}
	case b == '0':
		g.number = noNumber
	default:
		return disproved
	}
	return undecided
}

// Span is a half-open range of bytes.
type Span struct{ Start, End int }

// FindLiterals appends to dst the spans of text that are in token grammar,
// whatever their kind, ascending and not overlapping.
func FindLiterals(dst []Span, text []byte) []Span {
	if bytes.IndexByte(text, '[') < 0 {
		return dst // nearly every text, and many times quicker than the walk below
	}
	var g grammar
	for i, b := range text {
		if b == '[' {
			g.begin()
			continue
		}
		if g.n == 0 {
			continue
		}
		switch n := g.n; g.next(b) {
		case complete:
			dst = append(dst, Span{i - n, i + 1})
			g.n = 0
		case disproved:
			g.n = 0
		}
	}
	return dst
}
