package walk

import (
	"bytes"

	"github.com/sluicegate/sluice/runtime/reuse"
	"github.com/sluicegate/sluice/runtime/strictjson"
	"github.com/sluicegate/sluice/runtime/wire"
)

// Said gathers what an answer or event says, by its rules: every string that the rules do not name as something else
// is a piece.
type Said struct {
	Pieces   []wire.Piece
	Copies   []wire.Copy
	Keys     []wire.Copy
	Finished []int
	Finish   []string
	More     bool // a choice holds something beside texts that are pieces

	// Lane, where it is set, gives the lane of a text by the way to it from the root, and by the member of an object that
	// it stands in; else lanes are those of choices.
	Lane func(path []byte, owner strictjson.Value) (lane wire.Lane, repeats bool)

	owner   strictjson.Value // the innermost object
	partial bool             // of an event, where elements say their index themselves
	choice  int              // the one being read; -1 outside the choices
	path    []byte           // from the choice, or from what it says, to here
	number  int              // the innermost element's own, from 1; 0 where it has none
	tool    string           // the called tool's name
	called  bool             // what is read is what a tool is called with
}

// readers keeps Saids for the room of their paths.
var readers = reuse.Pool[Said]{Name: "readers of answers", New: func() *Said { return &Said{path: make([]byte, 0, 64)} }}

// NewSaid is a Said with room of the caller's for what it gathers, of a whole answer or of an event, which is partial.
// Done gives it back.
func NewSaid(pieces []wire.Piece, finished []int, finish []string, partial bool) *Said {
	s := readers.Get()
	*s = Said{Pieces: pieces, Finished: finished, Finish: finish, partial: partial, choice: -1, path: s.path[:0]}
	return s
}

// Done gives the Said back. What it gathered is the caller's.
func (s *Said) Done() {
	*s = Said{path: s.path}
	readers.Put(s)
}

// Of says which choice is read from now on, -1 for none, and which tool it calls, "" for none.
func (s *Said) Of(choice int, tool string) { s.choice, s.tool = choice, tool }

// Object reads an object's members. growing says that the strings in it grow from event to event.
func (s *Said) Object(v strictjson.Value, r *Rule, growing bool) {
	v.Members(func(key string, m strictjson.Value) bool {
		s.member(v, key, m, r, growing)
		return true
	})
}

func (s *Said) member(owner strictjson.Value, key string, v strictjson.Value, r *Rule, growing bool) {
	m := Find(r, key)
	if m == nil {
		m = r.Other
		if !Identifier(key) {
			s.Keys = append(s.Keys, wire.Copy{Choice: s.of(owner), Owner: owner, Key: key})
		}
	}
	switch {
	case m.Class == Own || v.Kind() == strictjson.Null:
		return
	case m.Class == Skip:
		s.More = s.More || s.choice >= 0
		return
	case m.Class == Copied:
		s.Copies = append(s.Copies, wire.Copy{Choice: s.of(owner), Owner: owner, Key: m.Key, List: v.Kind() == strictjson.Array && m.list()})
		return
	case m.Class == Sum && v.Kind() == strictjson.String:
		if len(v.Bytes()) > 0 {
			s.Copies = append(s.Copies, wire.Copy{Choice: s.choice, Owner: owner, Key: m.Key, Sum: true})
		}
		return
	case m.Key == "choices" && s.choice < 0:
		s.choices(v, m)
		return
	}
	if m.Class == Offsets && v.Len() > 0 {
		s.Copies = append(s.Copies, wire.Copy{Choice: s.of(owner), Owner: owner, Key: m.Key, List: m.list()})
	}
	mark, called, outer := len(s.path), s.called, s.owner
	s.owner = owner
	if !(m.Scope == Grows && v.Kind() == strictjson.Object) && !m.wraps() {
		s.path = appendName(s.path, key)
	}
	s.called = called || m.Scope == Input
	s.value(v, m, m.Scope == Grows || growing && m.Scope != Settled)
	s.path, s.called, s.owner = s.path[:mark], called, outer
}

// of is the choice that the members of an object are read for.
func (s *Said) of(owner strictjson.Value) int {
	if s.Lane == nil {
		return s.choice
	}
	lane, _ := s.Lane(s.path, owner)
	return lane.Choice
}

// list tells whether an empty list stays where copies of the text are taken out.
func (r *Rule) list() bool { return len(r.words) > 0 && r.words[0] == "[]" }

// wraps tells whether the place is left out of the names of lanes: the function object of a tool call.
func (r *Rule) wraps() bool { return r.Class == Call && r.Key == "function" }

// choices reads the choices. Their fields start a path of their own.
func (s *Said) choices(v strictjson.Value, r *Rule) {
	v.Elements(func(i int, c strictjson.Value) bool {
		s.choice = Position(c, i)
		if reason := c.Get("finish_reason"); reason.Kind() == strictjson.String {
			s.More = true
			s.Finished = append(s.Finished, s.choice)
			s.Finish = append(s.Finish, finishReason(reason.Bytes()))
		}
		s.Object(c, r.Items, false)
		return true
	})
	s.choice = -1
}

// Position is an element's own index, or else its place in the array.
func Position(v strictjson.Value, i int) int {
	if n, ok := v.Get("index").Int64(); ok && n >= 0 && n <= 1<<20 {
		return int(n)
	}
	return i
}

// numbered is position, and the element's own number from 1, 0 where it has none.
func numbered(v strictjson.Value, i int) (at, own int) {
	if at = Position(v, i); v.Get("index").Kind() == strictjson.Number {
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

func (s *Said) value(v strictjson.Value, r *Rule, growing bool) {
	switch v.Kind() {
	case strictjson.String:
		s.piece(v, r, growing)
	case strictjson.Object:
		if r.Class == Call {
			s.tool = string(v.Get("name").Bytes())
		}
		s.Object(v, r, growing)
	case strictjson.Array:
		s.array(v, r, growing)
	case strictjson.Null:
	default:
		s.More = s.More || s.choice >= 0
	}
}

func (s *Said) array(v strictjson.Value, r *Rule, growing bool) {
	v.Elements(func(i int, e strictjson.Value) bool {
		outer, tool := s.number, s.tool
		if !s.called {
			s.tool = ""
		}
		if s.number = 0; s.partial && e.Kind() == strictjson.Object {
			i, s.number = numbered(e, i)
		}
		mark := len(s.path)
		s.path = appendIndex(s.path, i)
		s.value(e, r.Items, growing || r.Scope == Settled && s.number > 0) // readers join those of one number
		s.path, s.number, s.tool = s.path[:mark], outer, tool
		return true
	})
}

func (s *Said) piece(v strictjson.Value, r *Rule, growing bool) {
	lane, repeats := wire.Lane{Choice: s.choice}, false
	if s.Lane != nil {
		lane, repeats = s.Lane(s.path, s.owner)
		growing = growing && repeats
	} else {
		lane.Field = field(s.path)
	}
	named, plain := false, false
	if r.Class == Ident {
		s.More = s.More || s.choice >= 0
		named, plain = s.partial && growing && r.Scope != Settled, Identifier(v.Bytes())
		if plain && !named {
			return
		}
		growing = false
	}
	p := wire.Piece{Lane: lane, Node: v, Whole: !growing, Repeats: repeats, Name: named, Plain: plain}
	p.Lane.Arguments = p.Lane.Arguments || r.Class == Arguments
	if p.Lane.Arguments || s.called || s.Lane == nil && s.choice >= 0 && inCall(s.path) {
		p.Called, p.Tool = true, s.tool
	}
	if s.Lane == nil && s.partial && growing && bytes.IndexByte(s.path, '.') > 0 {
		if run, _, ok := PartOf(p.Lane.Field); ok {
			p.Run, p.Part = len(run), s.number
		}
	}
	s.Pieces = append(s.Pieces, p)
}

// inCall tells whether a path leads into the call of a tool.
func inCall(path []byte) bool {
	return bytes.HasPrefix(path, []byte("tool_calls")) || bytes.HasPrefix(path, []byte("function_call"))
}
