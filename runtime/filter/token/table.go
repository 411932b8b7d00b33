package token

import (
	"fmt"
	"strconv"
)

// Literal is the kind of what a client wrote in token grammar itself.
const Literal = "literal"

// maxKind is the longest kind that enters a token.
const maxKind = 32

// Table maps the values of one exchange to tokens and back. The zero value is
// empty and ready. It is not safe for concurrent use while tokens are added;
// afterwards any number of restorers may read it.
type Table struct {
	// Numbers gives the number of a value's token, from 1, or of the first one
	// behind it that is free; and then those of tokens that were the value's in
	// earlier texts, which are looked up as it, too, unless they are another's.
	// Nil numbers values of a kind in the order of their appearance.
	Numbers func(kind, value string) []int

	tokens map[string]string // by kind, a zero byte, and value
	values map[string]string // by token
	counts map[string]int    // last number by kind, as it stands in tokens
	key    []byte            // scratch
}

// Tokenise appends to dst the token for value, a new one at its first
// appearance. kind is a word such as "email"; what is not a letter, digit or
// "_" in it becomes "_". value is copied.
func (t *Table) Tokenise(dst []byte, kind string, value []byte) []byte {
	t.key = appendKind(t.key[:0], kind)
	upper := len(t.key)
	t.key = append(append(t.key, 0), value...)
	if token, ok := t.tokens[string(t.key)]; ok {
		return append(dst, token...)
	}
	return append(dst, t.add(string(t.key[:upper]), string(t.key), string(value))...)
}

// add numbers a new value.
func (t *Table) add(kind, key, value string) string {
	if t.tokens == nil {
		t.tokens, t.values, t.counts = map[string]string{}, map[string]string{}, map[string]int{}
	}
	if t.Numbers == nil {
		t.counts[kind]++
		token := named(kind, t.counts[kind])
		t.tokens[key], t.values[token] = token, value
		return token
	}
	numbers := t.Numbers(kind, value)
	n := numbers[0]
	for !t.claim(named(kind, n), value) {
		n++
	}
	t.tokens[key] = named(kind, n)
	for _, earlier := range numbers[1:] {
		t.claim(named(kind, earlier), value)
	}
	return t.tokens[key]
}

// claim has a token stand for value, if it stands for nothing yet.
func (t *Table) claim(token, value string) bool {
	if _, taken := t.values[token]; taken {
		return false
	}
	t.values[token] = value
	return true
}

func named(kind string, n int) string { return "[" + kind + "_" + strconv.Itoa(n) + "]" }

// Lookup returns the value that token stands for.
func (t *Table) Lookup(token []byte) (value string, ok bool) {
	value, ok = t.values[string(token)]
	return value, ok
}

// Len returns how many tokens there are.
func (t *Table) Len() int {
	if t == nil {
		return 0
	}
	return len(t.values)
}

// String tells the number of tokens and no value, so that a table that ends up
// in a log gives nothing away.
func (t *Table) String() string { return fmt.Sprintf("token.Table(%d)", t.Len()) }

// GoString is String, for the verb %#v.
func (t *Table) GoString() string { return t.String() }

// appendKind appends kind as it stands in tokens.
func appendKind(dst []byte, kind string) []byte {
	most := maxKind
	if kind == "" || !isLetter(kind[0]) {
		dst = append(dst, 'X')
		most--
	}
	for i := range min(len(kind), most) {
		switch b := kind[i]; {
		case 'a' <= b && b <= 'z':
			dst = append(dst, b-'a'+'A')
		case 'A' <= b && b <= 'Z', '0' <= b && b <= '9':
			dst = append(dst, b)
		default:
			dst = append(dst, '_')
		}
	}
	return dst
}

func isLetter(b byte) bool { return 'a' <= b|0x20 && b|0x20 <= 'z' }

func isAlnum(b byte) bool { return isLetter(b) || '0' <= b && b <= '9' }
