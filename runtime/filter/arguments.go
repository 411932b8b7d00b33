package filter

import (
	"bytes"
	"encoding/json"
)

// jsonText follows a text that is JSON, the arguments of a tool call, byte by byte (RFC 8259, 7), so that edits leave
// JSON behind. A tool that gets none fails, and its error would tell the model nothing of why.
type jsonText struct {
	active  bool // the text is arguments
	begun   bool // something other than white space has come
	plain   bool // it is no object and no array: edited as any text
	str     bool // inside a string
	escape  int8 // inside an escape: how many bytes of it are to come, -1 behind the backslash
	scalar  bool // inside a number or a word outside of strings
	digit   bool // the last byte was a digit
	swallow bool // what is left of that number or word is dropped
}

// is tells whether the text, which goes on with next, is JSON.
func (j *jsonText) is(next []byte) bool {
	if !j.active {
		return false
	}
	at := *j
	for i := 0; !at.begun && i < len(next); i++ {
		at.step(next[i])
	}
	return at.begun && !at.plain
}

// step takes note of one byte.
func (j *jsonText) step(b byte) {
	switch {
	case !j.begun:
		j.begun = !isSpace(b)
		j.plain = j.begun && b != '{' && b != '['
	case j.escape < 0 && b == 'u':
		j.escape = 4
	case j.escape != 0:
		j.escape = max(j.escape, 1) - 1
	case j.str && b == '\\':
		j.escape = -1
	case b == '"':
		j.str = !j.str
	}
	j.scalar, j.digit = !j.str && isScalar(b), b >= '0' && b <= '9'
	j.swallow = j.swallow && j.scalar
}

// skip takes note of bytes that leave as they are, or not at all.
func (j *jsonText) skip(b []byte) {
	if !j.active || j.plain {
		return
	}
	for _, c := range b {
		j.step(c)
	}
}

// pass appends bytes as they are, but for what is to be dropped of them.
func (j *jsonText) pass(dst, b []byte) []byte {
	if j.active {
		n := j.rest(b)
		j.skip(b)
		b = b[n:]
	}
	return append(dst, b...)
}

// rest is how many bytes at the front of b are to be dropped.
func (j *jsonText) rest(b []byte) (n int) {
	for j.swallow && n < len(b) && isScalar(b[n]) {
		n++
	}
	return n
}

func isSpace(b byte) bool { return b == ' ' || b == '\t' || b == '\n' || b == '\r' }

// isScalar tells whether a byte outside of strings belongs to a number or a word.
func isScalar(b byte) bool { return !isSpace(b) && bytes.IndexByte([]byte(`{}[]:,"`), b) < 0 }

// part is what the front of a finding is to JSON.
type part uint8

const (
	structure part = iota // stays: braces, commas, quotes, the pieces of an escape that is cut
	inString
	inScalar
)

// next tells how many bytes at the front of a finding belong together, and what they are.
func (j *jsonText) next(value []byte) (int, part) {
	at := *j
	if !at.str {
		n := 0
		for n < len(value) && isScalar(value[n]) {
			n++
		}
		if n == 0 || at.swallow {
			return max(n, 1), structure
		}
		return n, inScalar
	}
	if at.escape != 0 || value[0] == '"' {
		return 1, structure
	}
	whole := 0 // without an escape that is cut at the end
	for n, b := range value {
		if at.step(b); !at.str {
			return n, inString
		}
		if at.escape == 0 {
			whole = n + 1
		}
	}
	if whole == 0 {
		return len(value), structure
	}
	return whole, inString
}

// redact renders a finding of any length. In arguments each string, number or word in it is one of its own: what gives
// the JSON its structure stays, and what stands for a number becomes a string.
func (h holding) redact(dst []byte, t *progress, k *kind, value []byte) ([]byte, error) {
	if !t.json.is(value) || k.action[t.dir] == Report {
		left := value[t.json.rest(value):]
		t.json.skip(value)
		return h.finding(dst, t, k, left)
	}
	if len(value) > h.r.f.spec.Limits.Open {
		return dst, errOpen
	}
	var err error
	for len(value) > 0 && err == nil {
		n, what := t.json.next(value)
		switch what {
		case structure:
			dst = t.json.pass(dst, value[:n])
		case inString:
			t.json.skip(value[:n])
			dst, err = h.r.render(dst, t.dir, k, unescaped(value[:n]))
		case inScalar:
			dst, err = h.scalar(dst, t, k, value[:n])
		}
		value = value[n:]
	}
	return dst, err
}

// scalar renders a finding that is all of a number or word, or a part of it, and drops the rest. Where the beginning of a
// number has left already, no string can follow: it ends there, with a digit.
func (h holding) scalar(dst []byte, t *progress, k *kind, value []byte) ([]byte, error) {
	begun, digit, from := t.json.scalar, t.json.digit, len(dst)
	t.json.skip(value)
	t.json.swallow = true
	dst, err := h.r.render(append(dst, '"'), t.dir, k, value)
	switch {
	case err != nil || begun && digit:
		return dst[:from], err
	case begun:
		return append(dst[:from], '0'), nil
	}
	return append(dst, '"'), nil
}

// unescaped is the text that a part of a JSON string means: the same value gets the same token wherever it stands.
func unescaped(b []byte) []byte {
	var s string
	if bytes.IndexByte(b, '\\') < 0 || json.Unmarshal(append(append([]byte{'"'}, b...), '"'), &s) != nil {
		return b
	}
	return []byte(s)
}
