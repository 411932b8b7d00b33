package openai

import (
	"bytes"
	"strconv"
	"strings"
	"sync"

	"github.com/sluicegate/sluice/runtime/strictjson"
	"github.com/sluicegate/sluice/runtime/wire"
)

// said gathers what an answer or event says, by its rules: every string that the rules do not name as something else
// is a piece.
type said struct {
	pieces   []wire.Piece
	copies   []wire.Copy
	keys     []wire.Copy
	finished []int
	finish   []string
	partial  bool // of an event, where elements say their index themselves
	more     bool // a choice holds something beside texts that are pieces

	choice int    // the one being read; -1 outside the choices
	path   []byte // from the choice, or from what it says, to here
	number int    // the innermost element's own, from 1; 0 where it has none
	tool   string // the called tool's name
}

// readers keeps saids for the room of their paths.
var readers = sync.Pool{New: func() any { return &said{path: make([]byte, 0, 64)} }}

// newSaid is a said with room of the caller's for what it gathers. done gives it back.
func newSaid(pieces []wire.Piece, finished []int, finish []string, partial bool) *said {
	s := readers.Get().(*said)
	*s = said{pieces: pieces, finished: finished, finish: finish, partial: partial, choice: -1, path: s.path[:0]}
	return s
}

func (s *said) done() {
	*s = said{path: s.path}
	readers.Put(s)
}

// object reads an object's members. growing says that the strings in it grow from event to event.
func (s *said) object(v strictjson.Value, r *rule, growing bool) {
	v.Members(func(key string, m strictjson.Value) bool {
		s.member(v, key, m, r, growing)
		return true
	})
}

func (s *said) member(owner strictjson.Value, key string, v strictjson.Value, r *rule, growing bool) {
	m := find(r, key)
	if m == nil {
		m = r.other
		if !identifier(key) {
			s.keys = append(s.keys, wire.Copy{Choice: s.choice, Owner: owner, Key: key})
		}
	}
	switch {
	case m.class == own || v.Kind() == strictjson.Null:
		return
	case m.class == skip:
		s.more = s.more || s.choice >= 0
		return
	case m.class == copied:
		s.copies = append(s.copies, wire.Copy{Choice: s.choice, Owner: owner, Key: m.key})
		return
	case m.key == "choices" && s.choice < 0:
		s.choices(v, m)
		return
	}
	mark := len(s.path)
	if !(m.scope == grows && v.Kind() == strictjson.Object) && !m.wraps() {
		s.path = appendName(s.path, key)
	}
	s.value(v, m, m.scope == grows || growing && m.scope != settled)
	s.path = s.path[:mark]
}

// wraps tells whether the place is left out of the names of lanes: the function object of a tool call.
func (r *rule) wraps() bool { return r.class == call && r.key == "function" }

// choices reads the choices. Their fields start a path of their own.
func (s *said) choices(v strictjson.Value, r *rule) {
	v.Elements(func(i int, c strictjson.Value) bool {
		s.choice = position(c, i)
		if reason := c.Get("finish_reason"); reason.Kind() == strictjson.String {
			s.more = true
			s.finished = append(s.finished, s.choice)
			s.finish = append(s.finish, finishReason(reason.Bytes()))
		}
		s.object(c, r.items, false)
		return true
	})
	s.choice = -1
}

// position is an element's own index, or else its place in the array.
func position(v strictjson.Value, i int) int {
	if n, ok := v.Get("index").Int64(); ok && n >= 0 && n <= 1<<20 {
		return int(n)
	}
	return i
}

// numbered is position, and the element's own number from 1, 0 where it has none.
func numbered(v strictjson.Value, i int) (at, own int) {
	if at = position(v, i); v.Get("index").Kind() == strictjson.Number {
		own = at + 1
	}
	return at, own
}

// finishReason is the reason as a string, without a copy where the API knows it.
func finishReason(b []byte) string {
	switch string(b) {
	case "stop":
		return "stop"
	case "length":
		return "length"
	case "tool_calls":
		return "tool_calls"
	case "content_filter":
		return "content_filter"
	}
	return string(b)
}

func (s *said) value(v strictjson.Value, r *rule, growing bool) {
	switch v.Kind() {
	case strictjson.String:
		s.piece(v, r, growing)
	case strictjson.Object:
		if r.class == call {
			s.tool = string(v.Get("name").Bytes())
		}
		s.object(v, r, growing)
	case strictjson.Array:
		s.array(v, r, growing)
	case strictjson.Null:
	default:
		s.more = s.more || s.choice >= 0
	}
}

func (s *said) array(v strictjson.Value, r *rule, growing bool) {
	v.Elements(func(i int, e strictjson.Value) bool {
		outer, tool := s.number, s.tool
		s.tool = ""
		if s.number = 0; s.partial && e.Kind() == strictjson.Object {
			i, s.number = numbered(e, i)
		}
		mark := len(s.path)
		s.path = appendIndex(s.path, i)
		s.value(e, r.items, growing || r.scope == settled && s.number > 0) // readers join those of one number
		s.path, s.number, s.tool = s.path[:mark], outer, tool
		return true
	})
}

func (s *said) piece(v strictjson.Value, r *rule, growing bool) {
	named, plain := false, false
	if r.class == ident {
		s.more = s.more || s.choice >= 0
		named, plain = s.partial && growing && r.scope != settled, identifier(v.Bytes())
		if plain && !named {
			return
		}
		growing = false
	}
	p := wire.Piece{Node: v, Whole: !growing, Name: named, Plain: plain}
	p.Lane = wire.Lane{Choice: s.choice, Field: field(s.path)}
	p.Lane.Arguments = r.class == arguments
	if p.Lane.Arguments || s.choice >= 0 && inCall(s.path) {
		p.Called, p.Tool = true, s.tool
	}
	if s.partial && growing && bytes.IndexByte(s.path, '.') > 0 {
		if run, _, ok := partOf(p.Lane.Field); ok {
			p.Run, p.Part = len(run), s.number
		}
	}
	s.pieces = append(s.pieces, p)
}

// inCall tells whether a path leads into the call of a tool.
func inCall(path []byte) bool {
	return bytes.HasPrefix(path, []byte("tool_calls")) || bytes.HasPrefix(path, []byte("function_call"))
}

// fields are the names of lanes that are common, so that reading an event makes no string.
var fields = commonFields()

func commonFields() map[string]string {
	m := map[string]string{}
	for name := range strings.FieldsSeq("content text refusal reasoning_content reasoning function_call.arguments") {
		m[name] = name
	}
	for i := range 16 {
		name := "tool_calls." + strconv.Itoa(i) + ".arguments"
		m[name] = name
	}
	return m
}

func field(path []byte) string {
	if name, ok := fields[string(path)]; ok {
		return name
	}
	return string(path)
}

// Paths: names and indexes joined by dots. In a name a dot is ~1 and a tilde ~0, and one that begins with a digit is
// preceded by ~2, so that a path reads back as what it was made of.

func appendName(path []byte, name string) []byte {
	if len(path) > 0 {
		path = append(path, '.')
	}
	if name == "" || '0' <= name[0] && name[0] <= '9' {
		path = append(path, "~2"...)
	}
	for i := range len(name) {
		switch c := name[i]; c {
		case '.':
			path = append(path, "~1"...)
		case '~':
			path = append(path, "~0"...)
		default:
			path = append(path, c)
		}
	}
	return path
}

func appendIndex(path []byte, i int) []byte {
	if len(path) > 0 {
		path = append(path, '.')
	}
	return strconv.AppendInt(path, int64(i), 10)
}

var unescape = strings.NewReplacer("~2", "", "~1", ".", "~0", "~")

// step reads the first name or index of a path; index is -1 for a name.
func step(path string) (name string, index int, rest string) {
	name, rest, _ = strings.Cut(path, ".")
	if name != "" && '0' <= name[0] && name[0] <= '9' {
		if n, err := strconv.Atoi(name); err == nil {
			return "", n, rest
		}
	}
	return unescape.Replace(name), -1, rest
}
