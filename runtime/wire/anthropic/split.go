package anthropic

import (
	"strconv"

	"github.com/sluicegate/sluice/runtime/strictjson"
	"github.com/sluicegate/sluice/runtime/wire"
)

// Split makes the events of a stream, message_stop not among them, of a whole answer; see wire.Format. Each content
// block begins, has what it says in one event for each text, and ends.
func (f *format) Split(a *wire.Answer) ([]*wire.Event, error) {
	if err := f.streaming(); err != nil {
		return nil, err
	}
	s := split{format: f}
	root := a.Doc.Root()
	s.start(root)
	root.Get("content").Elements(func(i int, block strictjson.Value) bool {
		s.block(block, i)
		return s.err == nil
	})
	s.end(root)
	return s.events, s.err
}

// split makes events.
type split struct {
	format *format
	events []*wire.Event
	err    error
}

func (s *split) add(data []byte) {
	if s.err != nil {
		return
	}
	ev, err := s.format.Event(data)
	if err != nil {
		s.err = err
		return
	}
	s.events = append(s.events, ev)
}

// ending are the members of a message that come at its end.
func ending(key string) bool {
	return key == "stop_reason" || key == "stop_sequence" || key == "stop_details"
}

// start makes the event that the stream begins with: the message without content and end.
func (s *split) start(root strictjson.Value) {
	o := object{dst: []byte(`{"type":"message_start","message":{`)}
	root.Members(func(key string, v strictjson.Value) bool {
		switch {
		case key == "content":
			o.member(key, []byte("[]"))
		case ending(key):
			o.member(key, []byte("null"))
		default:
			o.member(key, v.Append(nil))
		}
		return true
	})
	s.add(append(o.dst, "}}"...))
}

// end makes the event that says why the message ended, and the usage once more.
func (s *split) end(root strictjson.Value) {
	o := object{dst: []byte(`{"type":"message_delta","delta":{`)}
	root.Members(func(key string, v strictjson.Value) bool {
		if ending(key) {
			o.member(key, v.Append(nil))
		}
		return true
	})
	b := append(o.dst, '}')
	if usage := root.Get("usage"); usage.Kind() == strictjson.Object {
		b = usage.Append(append(b, `,"usage":`...))
	}
	s.add(append(b, '}'))
}

// block makes the events of one content block.
func (s *split) block(block strictjson.Value, index int) {
	i := strconv.Itoa(index)
	o := object{dst: []byte(`{"type":"content_block_start","index":` + i + `,"content_block":{`)}
	block.Members(func(key string, v strictjson.Value) bool {
		o.member(key, begun(key, v))
		return true
	})
	s.add(append(o.dst, "}}"...))
	block.Get("citations").Elements(func(_ int, v strictjson.Value) bool {
		s.add(append(v.Append(appendDelta(nil, index, "citation")), "}}"...))
		return true
	})
	for _, key := range []string{"text", "thinking", "signature"} {
		if text := block.Get(key).Bytes(); len(text) > 0 {
			s.add(append(strictjson.AppendString(appendDelta(nil, index, key), text), "}}"...))
		}
	}
	if input := block.Get("input"); input.Kind() == strictjson.Object {
		s.add(append(strictjson.AppendString(appendDelta(nil, index, "partial_json"), input.Append(nil)), "}}"...))
	}
	s.add([]byte(`{"type":"content_block_stop","index":` + i + `}`))
}

// begun is what a member of a block is when the block begins.
func begun(key string, v strictjson.Value) []byte {
	switch {
	case v.Kind() == strictjson.String && (key == "text" || key == "thinking" || key == "signature"):
		return []byte(`""`)
	case v.Kind() == strictjson.Object && key == "input":
		return []byte("{}")
	case v.Kind() == strictjson.Array && key == "citations":
		return []byte("[]")
	}
	return v.Append(nil)
}
