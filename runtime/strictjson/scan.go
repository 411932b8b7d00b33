package strictjson

import (
	"bytes"
	"fmt"
	"unicode/utf8"
)

// Kind is the type of a JSON value.
type Kind uint8

// The kinds. Invalid, the zero value, is the kind of an absent value.
const (
	Invalid Kind = iota
	Null
	Bool
	Number
	String
	Array
	Object
)

var kindNames = [...]string{"absent", "null", "boolean", "number", "string", "array", "object"}

// String is the kind's name as JSON Schema spells it; "absent" for Invalid.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "absent"
}

// entry is one value, or one key, of the index ("tape"). Entries stand in document order: a container is followed by
// its contents, a key by its value.
type entry struct {
	start, end uint32 // the bytes it covers, quotes and brackets included
	next       uint32 // the first entry after it and its contents
	kind       Kind
	flags      uint8
}

const (
	flagEscaped uint8 = 1 << iota // a string with a backslash in it
	flagKey                       // a member's key
	flagEdited                    // a string that a Text has edited
)

// scanner is one pass over a body by recursive descent. Its methods take the offset to read at and return the offset
// after what they read, or -1 with err set; keeping the offset out of memory is what makes the pass fast.
type scanner struct {
	b       []byte
	tape    []entry
	keys    *keySet
	limit   int  // of depth
	lenient bool // take what fastjson takes of numbers and control characters
	deepest int
	ugly    bool // something was taken that the strict grammar does not have
	err     *Error
}

// fail records the first fault and returns the offset that means failure.
func (s *scanner) fail(code Code, at int, message string) int {
	s.err = &Error{Code: code, Offset: at, Message: message}
	return -1
}

// document reads the whole body: one value and nothing after it.
func (s *scanner) document() *Error {
	if !s.lenient && !utf8.Valid(s.b) { // else it was put right
		s.fail(InvalidUTF8, firstInvalid(s.b), "the body is not UTF-8")
		return s.err
	}
	if i := s.value(skipSpace(s.b, 0), 0); i >= 0 {
		if i = skipSpace(s.b, i); i < len(s.b) {
			s.fail(InvalidJSON, i, "unexpected content after the end of the value")
		}
	}
	return s.err
}

// value reads the value that begins at i; depth is how many containers it stands in.
func (s *scanner) value(i, depth int) int {
	if i >= len(s.b) {
		return s.unexpected(i, "a value")
	}
	switch c := s.b[i]; c {
	case '"':
		return s.str(i, 0)
	case '{':
		return s.object(i, depth+1)
	case '[':
		return s.array(i, depth+1)
	case 't':
		return s.literal(i, Bool, "true")
	case 'f':
		return s.literal(i, Bool, "false")
	case 'n':
		if !s.lenient || bytes.HasPrefix(s.b[i:], []byte("null")) {
			return s.literal(i, Null, "null")
		}
		return s.lenientNumber(i)
	default:
		if s.lenient {
			return s.lenientNumber(i)
		}
		if c == '-' || isDigit(c) {
			return s.number(i)
		}
		return s.unexpected(i, "a value")
	}
}

// open adds the entry of a container and checks the depth; close completes the entry.
func (s *scanner) open(i, depth int, kind Kind) (self int, ok bool) {
	if depth > s.limit {
		s.fail(TooDeep, i, fmt.Sprintf("values are nested more than %d deep", s.limit))
		return 0, false
	}
	s.deepest = max(s.deepest, depth)
	self = len(s.tape)
	s.tape = append(s.tape, entry{start: uint32(i), kind: kind})
	return self, true
}

func (s *scanner) close(self, end int) int {
	e := &s.tape[self]
	e.end, e.next = uint32(end), uint32(len(s.tape))
	return end
}

// array reads an array whose bracket stands at i.
func (s *scanner) array(i, depth int) int {
	self, ok := s.open(i, depth, Array)
	if !ok {
		return -1
	}
	b := s.b
	i = skipSpace(b, i+1)
	if i < len(b) && b[i] == ']' {
		return s.close(self, i+1)
	}
	for {
		if i = s.value(i, depth); i < 0 {
			return -1
		}
		i = skipSpace(b, i)
		switch {
		case i < len(b) && b[i] == ',':
			i = skipSpace(b, i+1)
		case i < len(b) && b[i] == ']':
			return s.close(self, i+1)
		default:
			return s.unexpected(i, "',' or ']'")
		}
	}
}

// object reads an object whose brace stands at i and refuses a key that it names twice.
func (s *scanner) object(i, depth int) int {
	self, ok := s.open(i, depth, Object)
	if !ok {
		return -1
	}
	b := s.b
	var seen keyFilter
	i = skipSpace(b, i+1)
	if i < len(b) && b[i] == '}' {
		return s.close(self, i+1)
	}
	for {
		if i = s.member(i, depth, &seen); i < 0 {
			return -1
		}
		i = skipSpace(b, i)
		switch {
		case i < len(b) && b[i] == ',':
			i = skipSpace(b, i+1)
		case i < len(b) && b[i] == '}':
			return s.endObject(self, i+1, &seen)
		default:
			return s.unexpected(i, "',' or '}'")
		}
	}
}

// member reads key, colon and value.
func (s *scanner) member(i, depth int, seen *keyFilter) int {
	b := s.b
	if i >= len(b) || b[i] != '"' {
		return s.unexpected(i, "a key in double quotes")
	}
	key := len(s.tape)
	if i = s.str(i, flagKey); i < 0 {
		return -1
	}
	seen.add(b, s.tape[key])
	if i = skipSpace(b, i); i >= len(b) || b[i] != ':' {
		return s.unexpected(i, "':' after a key")
	}
	return s.value(skipSpace(b, i+1), depth)
}

// endObject completes an object; its keys are compared only where the filter could not tell them apart.
func (s *scanner) endObject(self, end int, seen *keyFilter) int {
	s.close(self, end)
	if seen.suspect {
		if twin := s.keys.duplicate(s.b, s.tape, self, seen); twin >= 0 {
			return s.fail(DuplicateKey, int(s.tape[twin].start), "an object names this key twice")
		}
	}
	return end
}

// str reads a string whose opening quote stands at i.
func (s *scanner) str(i int, flags uint8) int {
	b, start := s.b, i
	i++
	for {
		i = plainEnd(b, i)
		if i >= len(b) {
			return s.fail(InvalidJSON, i, "the body ends inside a string")
		}
		switch b[i] {
		case '"':
			next := uint32(len(s.tape)) + 1
			s.tape = append(s.tape, entry{start: uint32(start), end: uint32(i) + 1, next: next, kind: String, flags: flags})
			return i + 1
		case '\\':
			flags |= flagEscaped
			if i = s.escape(i); i < 0 {
				return -1
			}
		default:
			if s.lenient {
				s.ugly = true
				i++
				continue
			}
			return s.fail(InvalidJSON, i, "a raw control character in a string; write it as an escape")
		}
	}
}

// escape reads the escape whose backslash stands at i.
func (s *scanner) escape(i int) int {
	n, _, ok := readEscape(s.b[i:])
	switch {
	case ok:
		return i + n
	case n == 0:
		return s.fail(InvalidJSON, i, "an escape that JSON does not have")
	default:
		return s.fail(LoneSurrogate, i, `a \u escape of half a surrogate pair`)
	}
}

// literal reads true, false or null.
func (s *scanner) literal(i int, kind Kind, word string) int {
	end := i + len(word)
	if end > len(s.b) || string(s.b[i:end]) != word {
		return s.unexpected(i, "a value")
	}
	s.scalar(i, end, kind)
	return end
}

// number reads a number of RFC 8259's grammar (section 6).
func (s *scanner) number(i int) int {
	end, ok := numberEnd(s.b, i)
	if !ok {
		return s.fail(InvalidNumber, end, "a number that JSON's grammar does not have")
	}
	s.scalar(i, end, Number)
	return end
}

// lenientNumber reads what fastjson reads as a number: any run of digits, signs, points and exponent letters, or an
// infinity or NaN.
func (s *scanner) lenientNumber(i int) int {
	if end, ok := numberEnd(s.b, i); ok && (end == len(s.b) || !isNumeric(s.b[end])) {
		s.scalar(i, end, Number)
		return end
	}
	s.ugly = true
	end := i
	if c := s.b[i]; c == '-' || c == '+' {
		end++
	}
	if word := s.b[end:min(end+3, len(s.b))]; bytes.EqualFold(word, []byte("nan")) || bytes.EqualFold(word, []byte("inf")) {
		s.scalar(i, end+3, Number)
		return end + 3
	}
	signed := end
	for end < len(s.b) && isNumeric(s.b[end]) {
		end++
	}
	if end == signed {
		return s.unexpected(i, "a value")
	}
	s.scalar(i, end, Number)
	return end
}

func isNumeric(c byte) bool {
	return isDigit(c) || c == '.' || c == '-' || c == '+' || c|0x20 == 'e'
}

func (s *scanner) scalar(start, end int, kind Kind) {
	s.tape = append(s.tape, entry{start: uint32(start), end: uint32(end), next: uint32(len(s.tape)) + 1, kind: kind})
}

// unexpected says what was expected at i.
func (s *scanner) unexpected(i int, want string) int {
	if i >= len(s.b) {
		return s.fail(InvalidJSON, len(s.b), "the body ends where "+want+" was expected")
	}
	return s.fail(InvalidJSON, i, "expected "+want)
}

// numberEnd returns where the number at i ends, or where it leaves the grammar.
func numberEnd(b []byte, i int) (end int, ok bool) {
	if i < len(b) && b[i] == '-' {
		i++
	}
	whole := i
	if i = digitsEnd(b, i); i == whole || b[whole] == '0' && i > whole+1 {
		return whole, false
	}
	if i < len(b) && b[i] == '.' {
		fraction := i + 1
		if i = digitsEnd(b, fraction); i == fraction {
			return i, false
		}
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		exponent := i
		if i = digitsEnd(b, exponent); i == exponent {
			return i, false
		}
	}
	return i, true
}

func digitsEnd(b []byte, i int) int {
	for i < len(b) && isDigit(b[i]) {
		i++
	}
	return i
}

func isDigit(c byte) bool { return c-'0' <= 9 }

// skipSpace returns the offset of the first byte at or after i that is not white space.
func skipSpace(b []byte, i int) int {
	for i < len(b) && b[i] <= ' ' && (b[i] == ' ' || b[i] == '\n' || b[i] == '\r' || b[i] == '\t') {
		i++
	}
	return i
}

// firstInvalid is the offset of the first byte that is not part of valid UTF-8.
func firstInvalid(b []byte) int {
	i := 0
	for i < len(b) {
		r, size := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && size == 1 {
			break
		}
		i += size
	}
	return i
}
