package strictjson

import (
	"iter"
	"strconv"
)

// Node is one value of a Doc, or one key, as it was parsed: edits do not show in it. The zero Node is absent: its
// kind is Invalid, and all its methods may be called. A Node is valid until its Doc's Release.
type Node struct {
	d *Doc
	i uint32
}

func (n Node) entry() *entry { return &n.d.tape[n.i] }

// Kind is the node's type; Invalid if it is absent.
func (n Node) Kind() Kind {
	if n.d == nil {
		return Invalid
	}
	return n.entry().kind
}

// Offset is where the node begins, in bytes from the start of the body; -1 if it is absent.
func (n Node) Offset() int {
	if n.d == nil {
		return -1
	}
	return int(n.entry().start)
}

// Raw is the node's JSON as it came. Read only.
func (n Node) Raw() []byte {
	if n.d == nil {
		return nil
	}
	return n.d.raw(n.i)
}

func (d *Doc) raw(i uint32) []byte {
	e := &d.tape[i]
	return d.b[e.start:e.end:e.end]
}

// Get is the value of an object's member; absent if there is none or the node is no object.
func (n Node) Get(key string) Node {
	if k := n.find(key); k.d != nil {
		return Node{n.d, k.i + 1}
	}
	return Node{}
}

// find is the key node of a member.
func (n Node) find(key string) Node {
	if n.Kind() != Object {
		return Node{}
	}
	tape := n.d.tape
	for i, end := n.i+1, tape[n.i].next; i < end; i = tape[i+1].next {
		if n.d.is(i, key) {
			return Node{n.d, i}
		}
	}
	return Node{}
}

// Len counts an object's members or an array's elements; 0 for all else. It takes time proportional to the count.
func (n Node) Len() int {
	count := 0
	switch n.Kind() {
	case Object:
		for range n.Members() {
			count++
		}
	case Array:
		for range n.Elements() {
			count++
		}
	}
	return count
}

// Members goes over an object's keys and values in order. It yields nothing for other kinds.
func (n Node) Members() iter.Seq2[Node, Node] {
	return func(yield func(key, value Node) bool) {
		if n.Kind() != Object {
			return
		}
		tape := n.d.tape
		for i, end := n.i+1, tape[n.i].next; i < end; i = tape[i+1].next {
			if !yield(Node{n.d, i}, Node{n.d, i + 1}) {
				return
			}
		}
	}
}

// Elements goes over an array's elements in order. It yields nothing for other kinds.
func (n Node) Elements() iter.Seq[Node] {
	return func(yield func(Node) bool) {
		if n.Kind() != Array {
			return
		}
		tape := n.d.tape
		for i, end := n.i+1, tape[n.i].next; i < end; i = tape[i].next {
			if !yield(Node{n.d, i}) {
				return
			}
		}
	}
}

// Bytes is a string's decoded text; nil for other kinds. It is the body's own memory unless the string has escapes,
// and is read only.
func (n Node) Bytes() []byte {
	if n.Kind() != String {
		return nil
	}
	return n.d.text(n.i)
}

// text is the decoded text of the string at i.
func (d *Doc) text(i uint32) []byte {
	e := d.tape[i]
	content := d.b[e.start+1 : e.end-1 : e.end-1]
	if e.flags&flagEscaped == 0 {
		return content
	}
	return appendUnescaped(d.reserve(len(content)), content)
}

// textLen is the length of the decoded text of the string at i.
func (d *Doc) textLen(i uint32) int {
	e := d.tape[i]
	written := rawText{content: d.b[e.start+1 : e.end-1]}
	if e.flags&flagEscaped == 0 {
		return len(written.content)
	}
	return written.len()
}

// Str is a copy of a string's decoded text; "" for other kinds.
func (n Node) Str() string { return string(n.Bytes()) }

// Is tells whether the node is a string with this text.
func (n Node) Is(text string) bool { return n.Kind() == String && n.d.is(n.i, text) }

// is tells whether the string at i has this text.
func (d *Doc) is(i uint32, text string) bool {
	e := d.tape[i]
	content := d.b[e.start+1 : e.end-1]
	if e.flags&flagEscaped == 0 {
		return string(content) == text
	}
	// No escape takes more than six bytes for each byte of its text.
	if len(content) < len(text) || len(content) > 6*len(text) {
		return false
	}
	var buf [64]byte
	return string(appendUnescaped(buf[:0], content)) == text
}

// Bool is a boolean's value; ok is false for other kinds.
func (n Node) Bool() (value, ok bool) {
	if n.Kind() != Bool {
		return false, false
	}
	return n.Raw()[0] == 't', true
}

// Int64 is the value of a number written without fraction and exponent; ok is false for all else and for what does
// not fit.
func (n Node) Int64() (value int64, ok bool) {
	if n.Kind() != Number {
		return 0, false
	}
	value, err := strconv.ParseInt(string(n.Raw()), 10, 64)
	return value, err == nil
}
