package openai

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/sluicegate/sluice/runtime/strictjson"
	"github.com/sluicegate/sluice/runtime/wire"
)

// Carry makes an event that holds text for one lane; see wire.Format. Its number is given when it is sent.
func (f responses) Carry(like *wire.Event, lane wire.Lane, text []byte) (*wire.Event, error) {
	if lane.Choice < 0 || streamed[lane.Field].whole == "" {
		return nil, &wire.Fault{Code: wire.Internal, Message: "text of no known place can't be carried"}
	}
	item, _, _ := placeOf(lane.Choice)
	var id strictjson.Value
	if like != nil && like.Doc != nil {
		root := like.Doc.Root()
		for _, v := range []strictjson.Value{root.Get("item_id"), root.Get("item", "id"), root.Get("response", "output").Index(item).Get("id")} {
			if id.Kind() != strictjson.String {
				id = v
			}
		}
	}
	b := appendPlaced(nil, lane, "delta", id)
	b = append(b, `,"delta":`...)
	return f.Event(append(strictjson.AppendString(b, text), '}'))
}

// appendPlaced begins an event about the text of a lane.
func appendPlaced(dst []byte, lane wire.Lane, ending string, id strictjson.Value) []byte {
	item, s, part := placeOf(lane.Choice)
	dst = append(append(dst, `{"type":"response.`...), lane.Field...)
	dst = append(append(append(dst, '.'), ending...), `","sequence_number":0,"output_index":`...)
	dst = strconv.AppendInt(dst, int64(item), 10)
	dst = appendID(dst, "item_id", id)
	switch s {
	case inContent:
		dst = strconv.AppendInt(append(dst, `,"content_index":`...), int64(part), 10)
	case inSummary:
		dst = strconv.AppendInt(append(dst, `,"summary_index":`...), int64(part), 10)
	}
	if lane.Field == "output_text" {
		dst = append(dst, `,"logprobs":[]`...)
	}
	return dst
}

func appendID(dst []byte, name string, id strictjson.Value) []byte {
	if id.Kind() != strictjson.String {
		return dst
	}
	return id.Append(append(append(append(dst, `,"`...), name...), `":`...))
}

// Join makes the whole answer of a complete stream's events: the one that the last event has; see wire.Format. Where a
// model server leaves its output out, the items are those that were done.
func (f responses) Join(events []*wire.Event) (*wire.Answer, error) {
	var whole strictjson.Value
	items := map[int]strictjson.Value{}
	for _, ev := range events {
		if ev.Error {
			return nil, misread("the model server's stream reports a failure")
		}
		if ev.Doc == nil {
			continue
		}
		root := ev.Doc.Root()
		switch {
		case ev.Last:
			whole = root.Get("response")
		case string(root.Get("type").Bytes()) == "response.output_item.done":
			items[number(root.Get("output_index"))] = root.Get("item")
		}
	}
	if whole.Kind() != strictjson.Object {
		return nil, misread("the model server's stream has no end")
	}
	return f.Answer(appendWhole(nil, whole, items))
}

// appendWhole appends the answer, with the items where it has none of its own.
func appendWhole(dst []byte, whole strictjson.Value, items map[int]strictjson.Value) []byte {
	if whole.Get("output").Len() > 0 || len(items) == 0 {
		return whole.Append(dst)
	}
	dst = append(dst, '{')
	whole.Members(func(key string, v strictjson.Value) bool {
		if key != "output" {
			dst = append(strictjson.AppendString(dst, key), ':')
			dst = append(v.Append(dst), ',')
		}
		return true
	})
	dst = append(dst, `"output":[`...)
	for n, i := range slices.Sorted(maps.Keys(items)) {
		if n > 0 {
			dst = append(dst, ',')
		}
		dst = items[i].Append(dst)
	}
	return append(dst, "]}"...)
}

// Split makes the events of a stream of a whole answer; see wire.Format. Each text comes in one delta.
func (f responses) Split(a *wire.Answer) ([]*wire.Event, error) {
	s := splitResponse{root: a.Doc.Root()}
	s.frame("created", true)
	s.frame("in_progress", true)
	s.root.Get("output").Elements(func(i int, item strictjson.Value) bool {
		s.item(i, item)
		return s.err == nil
	})
	last := "completed"
	if string(s.root.Get("status").Bytes()) == "incomplete" {
		last = "incomplete"
	}
	s.frame(last, false)
	return s.events, s.err
}

// splitResponse makes events.
type splitResponse struct {
	root   strictjson.Value
	events []*wire.Event
	err    error
}

func (s *splitResponse) add(b []byte) {
	if s.err != nil {
		return
	}
	ev, err := Responses.Event(b)
	if err != nil {
		s.err = err
		return
	}
	responses{}.Number(ev, len(s.events))
	s.events = append(s.events, ev)
}

// frame makes an event that has the whole answer; one that is only begun has no output and no usage.
func (s *splitResponse) frame(kind string, begun bool) {
	b := append([]byte(`{"type":"response.`), kind...)
	b = append(b, `","sequence_number":0,"response":{`...)
	first := true
	s.root.Members(func(key string, v strictjson.Value) bool {
		if !first {
			b = append(b, ',')
		}
		first = false
		b = append(strictjson.AppendString(b, key), ':')
		switch {
		case begun && key == "output":
			b = append(b, "[]"...)
		case begun && key == "status":
			b = append(b, `"in_progress"`...)
		case begun && (key == "usage" || key == "completed_at" || key == "incomplete_details"):
			b = append(b, "null"...)
		default:
			b = v.Append(b)
		}
		return true
	})
	s.add(append(b, "}}"...))
}

// item makes the events of an item.
func (s *splitResponse) item(i int, item strictjson.Value) {
	s.about("output_item.added", i, item, "item", -1, -1, true)
	for sh, member := range []string{"content", "summary"} {
		item.Get(member).Elements(func(j int, part strictjson.Value) bool {
			s.part(i, shelf(sh), j, item, part)
			return s.err == nil
		})
	}
	for _, member := range []string{"arguments", "input", "code"} {
		s.text(wire.Lane{Choice: choiceOf(i, inItem, 0), Field: itemField(member, item)}, item.Get(member), item)
	}
	s.about("output_item.done", i, item, "item", -1, -1, false)
}

// part makes the events of a part of an item.
func (s *splitResponse) part(i int, sh shelf, j int, item, part strictjson.Value) {
	content, summary, name := j, -1, "content_part"
	if sh == inSummary {
		content, summary, name = -1, j, "reasoning_summary_part"
	}
	of := withID{item.Get("id"), part}
	s.aboutPart(name+".added", i, of, content, summary, true)
	for _, member := range []string{"text", "refusal"} {
		s.text(wire.Lane{Choice: choiceOf(i, sh, j), Field: partField(sh, member, part)}, part.Get(member), item)
	}
	s.aboutPart(name+".done", i, of, content, summary, false)
}

// withID is a part with its item's id.
type withID struct{ id, part strictjson.Value }

func (s *splitResponse) aboutPart(kind string, i int, of withID, content, summary int, begun bool) {
	s.about(kind, i, of.part, "part", content, summary, begun, of.id)
}

// about makes an event that has an item or a part; of one that is only begun the texts are yet to come.
func (s *splitResponse) about(kind string, i int, v strictjson.Value, member string, content, summary int, begun bool, id ...strictjson.Value) {
	b := append(append([]byte(`{"type":"response.`), kind...), `","sequence_number":0,"output_index":`...)
	b = strconv.AppendInt(b, int64(i), 10)
	if len(id) > 0 {
		b = appendID(b, "item_id", id[0])
	}
	if content >= 0 {
		b = strconv.AppendInt(append(b, `,"content_index":`...), int64(content), 10)
	}
	if summary >= 0 {
		b = strconv.AppendInt(append(b, `,"summary_index":`...), int64(summary), 10)
	}
	b = append(append(append(b, `,"`...), member...), `":`...)
	if begun {
		b = appendBegun(b, v, member == "item")
	} else {
		b = v.Append(b)
	}
	s.add(append(b, '}'))
}

// appendBegun appends an item or part without what its events give piece by piece.
func appendBegun(dst []byte, v strictjson.Value, item bool) []byte {
	dst = append(dst, '{')
	first := true
	v.Members(func(key string, m strictjson.Value) bool {
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(strictjson.AppendString(dst, key), ':')
		switch {
		case m.Kind() == strictjson.String && strings.Contains(" text refusal arguments input code ", " "+key+" "):
			dst = append(dst, `""`...)
		case m.Kind() == strictjson.Array && strings.Contains(" content summary annotations logprobs ", " "+key+" "):
			dst = append(dst, "[]"...)
		case item && key == "status":
			dst = append(dst, `"in_progress"`...)
		default:
			dst = m.Append(dst)
		}
		return true
	})
	return append(dst, '}')
}

// text makes the two events of a text: all of it in one piece, and that it is done.
func (s *splitResponse) text(lane wire.Lane, v, item strictjson.Value) {
	field := streamed[lane.Field]
	if v.Kind() != strictjson.String || lane.Choice < 0 || field.whole == "" {
		return
	}
	for _, end := range []struct{ kind, member string }{{"delta", "delta"}, {"done", field.whole}} {
		b := appendPlaced(nil, lane, end.kind, item.Get("id"))
		if end.kind == "done" && item.Get("name").Kind() == strictjson.String {
			b = item.Get("name").Append(append(b, `,"name":`...))
		}
		b = append(append(append(b, `,"`...), end.member...), `":`...)
		s.add(append(v.Append(b), '}'))
	}
}

// Number gives an event of a stream its number; see wire.Numbered.
func (responses) Number(ev *wire.Event, n int) {
	if ev.Doc == nil {
		return
	}
	root := ev.Doc.Root()
	if have, ok := root.Get("sequence_number").Int64(); ok && have == int64(n) {
		return
	}
	_ = root.Set("sequence_number", strconv.AppendInt(nil, int64(n), 10)) // a number, and an object
}
