package openai

import (
	"slices"
	"strconv"

	"github.com/sluicegate/sluice/runtime/strictjson"
	"github.com/sluicegate/sluice/runtime/wire"
	"github.com/sluicegate/sluice/runtime/wire/walk"
)

// Split makes the events of a stream of a whole answer; see wire.Format. Each choice has one event with all it says and
// one that ends it; the usage is an event of its own.
func (f *format) Split(a *wire.Answer) ([]*wire.Event, error) {
	if err := f.streams(); err != nil {
		return nil, err
	}
	s := split{format: f, root: a.Doc.Root()}
	s.root.Get("choices").Elements(func(i int, c strictjson.Value) bool {
		s.choice(c, walk.Position(c, i))
		return s.err == nil
	})
	s.rest()
	return s.events, s.err
}

// split makes events.
type split struct {
	format *format
	root   strictjson.Value
	events []*wire.Event
	err    error
}

// add reads an event of what is appended to the frame.
func (s *split) add(tail []byte) {
	if s.err != nil {
		return
	}
	b := appendFrame([]byte{'{'}, s.root, s.format.chunk)
	ev, err := s.format.Event(append(b, tail...))
	if err != nil {
		s.err = err
		return
	}
	s.events = append(s.events, ev)
}

// choice makes the two events of a choice.
func (s *split) choice(c strictjson.Value, index int) {
	head := append([]byte(`"choices":[{"index":`), strconv.Itoa(index)...)
	b := slices.Clone(head)
	c.Members(func(key string, m strictjson.Value) bool {
		switch key {
		case "index", "finish_reason":
		case "message":
			b = appendDelta(append(b, `,"delta":`...), m)
		default:
			b = append(strictjson.AppendString(append(b, ','), key), ':')
			b = m.Append(b)
		}
		return true
	})
	s.add(append(b, `,"finish_reason":null}]}`...))
	reason := c.Get("finish_reason")
	if reason.Kind() == strictjson.Invalid || reason.Kind() == strictjson.Null {
		return
	}
	if s.format == chat {
		head = append(head, `,"delta":{}`...)
	} else {
		head = append(head, `,"text":""`...)
	}
	b = reason.Append(append(head, `,"finish_reason":`...))
	s.add(append(b, "}]}"...))
}

// appendDelta appends a message as a delta: its tool calls say their index.
func appendDelta(dst []byte, message strictjson.Value) []byte {
	if message.Kind() != strictjson.Object {
		return append(dst, "{}"...)
	}
	dst = append(dst, '{')
	first := true
	message.Members(func(key string, m strictjson.Value) bool {
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(strictjson.AppendString(dst, key), ':')
		if key == "tool_calls" && m.Kind() == strictjson.Array {
			dst = appendCalls(dst, m)
		} else {
			dst = m.Append(dst)
		}
		return true
	})
	return append(dst, '}')
}

func appendCalls(dst []byte, calls strictjson.Value) []byte {
	dst = append(dst, '[')
	calls.Elements(func(i int, call strictjson.Value) bool {
		if i > 0 {
			dst = append(dst, ',')
		}
		if call.Kind() != strictjson.Object || call.Len() == 0 || call.Get("index").Kind() != strictjson.Invalid {
			dst = call.Append(dst)
			return true
		}
		dst = strconv.AppendInt(append(dst, `{"index":`...), int64(i), 10)
		begin := len(dst)
		dst = call.Append(dst)
		dst[begin] = ',' // instead of the brace that opened it
		return true
	})
	return append(dst, ']')
}

// rest makes the event of what is left: usage and what the model server says beside the choices.
func (s *split) rest() {
	b := []byte(`"choices":[]`)
	n := len(b)
	s.root.Members(func(key string, m strictjson.Value) bool {
		if key != "choices" && !slices.Contains(frameKeys, key) && m.Kind() != strictjson.Null {
			b = append(strictjson.AppendString(append(b, ','), key), ':')
			b = m.Append(b)
		}
		return true
	})
	if len(b) > n || len(s.events) == 0 {
		s.add(append(b, '}'))
	}
}
