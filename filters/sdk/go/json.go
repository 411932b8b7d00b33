package sluice

// JSON reads small JSON, such as a filter's configuration, strictly and without reflection: encoding/json would make a
// filter 1.4 MB larger. It is a cursor: each method takes one thing, or notes what was expected; after an error all of
// them give zero values, so that callers may look once, at the end.
//
//	j := sluice.ReadJSON(text)
//	for key := ""; j.Member(&key); {
//		...read or skip the value...
//	}
//	if err := j.End(); err != nil { ... }
//
// Grammar: RFC 8259, nested 16 deep at most. The other SDKs have the same reader with the same errors.
type JSON struct {
	text  []byte
	at    int
	depth int
	first bool // just behind an opening bracket: no comma yet
	err   jsonError
}

const (
	jsonDepth = 16
	jsonKey   = 64 // bytes of a key, at most
)

// jsonError says what was expected.
type jsonError string

func (e jsonError) Error() string { return string(e) }

// ReadJSON begins to read. The text is not copied.
func ReadJSON(text []byte) *JSON { return &JSON{text: text} }

// Object enters an object, whose members Member steps through.
func (j *JSON) Object() { j.open('{', "an object is expected") }

// Array enters an array, whose elements Element steps through.
func (j *JSON) Array() { j.open('[', "an array is expected") }

// Member steps to the next member of an object and sets key, of 64 bytes at most; false behind the last.
func (j *JSON) Member(key *string) bool {
	if !j.more('}') {
		return false
	}
	*key = j.String(jsonKey)
	return j.colon()
}

// Element steps to the next element of an array; false behind the last.
func (j *JSON) Element() bool { return j.more(']') }

// String reads a string of at most limit bytes.
func (j *JSON) String(limit int) string {
	if j.err != "" || j.peek() != '"' {
		j.fail("a string is expected")
		return ""
	}
	var out []byte
	for j.at++; j.at < len(j.text); {
		c := j.text[j.at]
		j.at++
		if c == '"' {
			return string(out)
		}
		from := len(out)
		switch {
		case c < 0x20:
			j.fail("a control character stands in a string")
			return ""
		case c == '\\':
			if out = j.escape(out); j.err != "" {
				return ""
			}
		default:
			out = append(out, c)
		}
		if from < len(out) && len(out) > limit {
			j.fail("a string is too long")
			return ""
		}
	}
	j.fail("a string is not closed")
	return ""
}

// Bool reads true or false.
func (j *JSON) Bool() bool {
	if j.err == "" {
		j.peek()
		if j.word("true") {
			return true
		}
		if j.word("false") {
			return false
		}
	}
	return j.fail("true or false is expected")
}

// Skip passes over one value of any kind and gives it as it stands.
func (j *JSON) Skip() []byte {
	if j.err != "" {
		return nil
	}
	c := j.peek()
	from := j.at
	j.skip(c)
	if j.err != "" {
		return nil
	}
	return j.text[from:j.at]
}

// End gives the first error; text behind the value is one.
func (j *JSON) End() error {
	if j.err == "" {
		if j.peek(); j.at < len(j.text) {
			j.fail("text follows the value")
		}
	}
	if j.err == "" {
		return nil
	}
	return j.err
}

// fail notes the first error. It is false, for its callers' sake.
func (j *JSON) fail(what jsonError) bool {
	if j.err == "" {
		j.err = what
	}
	return false
}

// peek passes white space and gives the byte behind it, 0 at the end.
func (j *JSON) peek() byte {
	for ; j.at < len(j.text); j.at++ {
		if c := j.text[j.at]; c != ' ' && c != '\n' && c != '\r' && c != '\t' {
			return c
		}
	}
	return 0
}

func (j *JSON) open(bracket byte, what jsonError) {
	if j.err != "" || j.peek() != bracket {
		j.fail(what)
		return
	}
	if j.depth++; j.depth > jsonDepth {
		j.fail("nested too deep")
		return
	}
	j.at++
	j.first = true
}

// more is true before each further element and false behind the closing bracket, which it takes.
func (j *JSON) more(closing byte) bool {
	if j.err != "" {
		return false
	}
	c := j.peek()
	switch {
	case c == closing:
		j.at++
		j.depth--
		j.first = false
		return false
	case j.first:
		j.first = false
		return true
	case c != ',':
		return j.fail("a comma or the closing bracket is expected")
	}
	j.at++
	if j.peek() == closing {
		return j.fail("a comma stands before a closing bracket")
	}
	return true
}

// colon takes what stands behind a key.
func (j *JSON) colon() bool {
	if j.err != "" || j.peek() != ':' {
		return j.fail("a colon is expected")
	}
	j.at++
	return true
}

func (j *JSON) word(w string) bool {
	if len(j.text)-j.at < len(w) || string(j.text[j.at:j.at+len(w)]) != w {
		return false
	}
	j.at += len(w)
	return true
}

func (j *JSON) skip(c byte) {
	switch c {
	case '"':
		j.String(len(j.text))
	case 't', 'f':
		j.Bool()
	case 'n':
		if !j.word("null") {
			j.fail("a value is expected")
		}
	case '[':
		for j.Array(); j.Element(); {
			j.Skip()
		}
	case '{':
		for j.Object(); j.more('}'); {
			if j.String(len(j.text)); j.colon() {
				j.Skip()
			}
		}
	default:
		j.number()
	}
}

func (j *JSON) is(c byte) bool { return j.at < len(j.text) && j.text[j.at] == c }

func (j *JSON) digits() bool {
	from := j.at
	for j.at < len(j.text) && j.text[j.at] >= '0' && j.text[j.at] <= '9' {
		j.at++
	}
	return j.at > from
}

func (j *JSON) number() {
	if j.is('-') {
		j.at++
	}
	if j.is('0') {
		j.at++
	} else if !j.digits() {
		j.fail("a value is expected")
		return
	}
	if j.is('.') {
		if j.at++; !j.digits() {
			j.fail("a number is broken")
			return
		}
	}
	if j.is('e') || j.is('E') {
		if j.at++; j.is('+') || j.is('-') {
			j.at++
		}
		if !j.digits() {
			j.fail("a number is broken")
		}
	}
}

// escape decodes what stands behind a backslash and appends it.
func (j *JSON) escape(out []byte) []byte {
	const from, to = `"\/bfnrt`, "\"\\/\b\f\n\r\t"
	var c byte
	if j.at < len(j.text) {
		c = j.text[j.at]
		j.at++
	}
	for i := range len(from) {
		if c == from[i] {
			return append(out, to[i])
		}
	}
	if c != 'u' {
		j.fail("an escape is unknown")
		return out
	}
	code := j.hex()
	switch {
	case j.err != "":
		return out
	case code-0xdc00 < 0x400:
		j.fail("a surrogate is alone")
		return out
	case code-0xd800 < 0x400:
		if !j.word(`\u`) {
			j.fail("a surrogate is alone")
			return out
		}
		low := j.hex()
		if j.err == "" && low-0xdc00 >= 0x400 {
			j.fail("a surrogate is alone")
		}
		code = 0x10000 + (code-0xd800)<<10 | (low - 0xdc00)
	}
	return append(out, string(rune(code))...)
}

func (j *JSON) hex() (code uint32) {
	if len(j.text)-j.at < 4 {
		j.fail("four hex digits are expected")
		return 0
	}
	for range 4 {
		c := j.text[j.at]
		j.at++
		switch low := c | 0x20; {
		case c >= '0' && c <= '9':
			code = code<<4 | uint32(c-'0')
		case low >= 'a' && low <= 'f':
			code = code<<4 | uint32(low-'a'+10)
		default:
			j.fail("four hex digits are expected")
			return 0
		}
	}
	return code
}
