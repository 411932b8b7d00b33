package openai

import (
	"strings"

	"github.com/sluicegate/sluice/runtime/strictjson"
	"github.com/sluicegate/sluice/runtime/wire"
	"github.com/sluicegate/sluice/runtime/wire/walk"
)

// Answer reads a whole answer leniently; see wire.Format.
func (f responses) Answer(body []byte) (*wire.Answer, error) {
	doc, err := strictjson.ReadReply(body)
	if err != nil {
		return nil, misread("the model server's answer is not JSON that can be read without doubt")
	}
	root := doc.Root()
	if root.Kind() != strictjson.Object || root.Get("output").Kind() != strictjson.Array || failed(root) {
		doc.Release()
		return nil, misread("the model server's answer has no output")
	}
	a := &answer{}
	a.Answer = wire.Answer{Format: f, Doc: doc, Model: string(root.Get("model").Bytes())}
	a.Usage = responseUsage(root.Get("usage"))
	s := walk.NewSaid(a.room[:0], nil, a.finish[:0], false)
	s.Lane = outputLane
	s.Object(root, responseAnswer, false)
	a.Pieces, a.Copies, a.Keys = s.Pieces, s.Copies, s.Keys
	s.Done()
	linkParts(a.Pieces)
	a.Finish = append(a.finish[:0], ending(root))
	a.IDs = stateIDs(root)
	return &a.Answer, nil
}

// linkParts finds, for the text of a part of a content, that of the part behind it: readers join them, so that a value may
// be split over both. The parts of a summary are paragraphs.
func linkParts(pieces []wire.Piece) {
	for i := range pieces {
		if !inContentPart(&pieces[i]) {
			continue
		}
		for j := i + 1; j < min(len(pieces), i+near); j++ {
			if pieces[j].Lane.Choice == pieces[i].Lane.Choice+1 && pieces[j].Lane.Field == pieces[i].Lane.Field {
				pieces[i].Next = j
				break
			}
		}
	}
}

// stateIDs are the ids of state in an answer.
func stateIDs(response strictjson.Value) (out []wire.ID) {
	add := func(kind string, v strictjson.Value) {
		if v.Kind() == strictjson.String {
			out = append(out, wire.ID{Kind: kind, Node: v})
		}
	}
	add("previous_response", response.Get("id"))
	add("previous_response", response.Get("previous_response_id"))
	add("conversation", response.Get("conversation", "id"))
	response.Get("output").Elements(func(_ int, item strictjson.Value) bool {
		out = itemIDs(out, item)
		return true
	})
	return out
}

// itemIDs appends the ids of items that an item has: its own, and that of the item whose approval it is about.
func itemIDs(ids []wire.ID, item strictjson.Value) []wire.ID {
	for _, key := range [...]string{"id", "approval_request_id"} {
		if id := item.Get(key); id.Kind() == strictjson.String {
			ids = append(ids, wire.ID{Kind: "item_reference", Node: id})
		}
	}
	return ids
}

// ending is why an answer ended, in the words of chats.
func ending(response strictjson.Value) string {
	switch string(response.Get("status").Bytes()) {
	case "incomplete":
		if string(response.Get("incomplete_details", "reason").Bytes()) == "content_filter" {
			return "content_filter"
		}
		return "length"
	case "completed":
		calls := false
		response.Get("output").Elements(func(_ int, item strictjson.Value) bool {
			t := string(item.Get("type").Bytes())
			calls = calls || t == "function_call" || t == "custom_tool_call"
			return !calls
		})
		if calls {
			return "tool_calls"
		}
	}
	return "stop"
}

// responseUsage reads a usage object; what is none is not Known.
func responseUsage(u strictjson.Value) wire.Usage {
	if u.Kind() != strictjson.Object {
		return wire.Usage{}
	}
	return wire.Usage{
		Input:  count(u.Get("input_tokens")),
		Output: count(u.Get("output_tokens")),
		Cached: count(u.Get("input_tokens_details", "cached_tokens")),
		Known:  true,
	}
}

// Event reads the data of one event; see wire.Format.
func (f responses) Event(data []byte) (*wire.Event, error) {
	if string(data) == "[DONE]" {
		return &wire.Event{Format: f, Done: true}, nil
	}
	doc, err := strictjson.ReadReply(data)
	if err != nil {
		return nil, misread("an event of the model server's stream is not JSON that can be read without doubt")
	}
	root := doc.Root()
	kind, ok := strings.CutPrefix(string(root.Get("type").Bytes()), "response.")
	ok = ok || kind == "keepalive"
	ev := &placedEvent{}
	ev.Event = wire.Event{Format: f, Doc: doc, Error: failed(root) || kind == "error" || kind == "failed"}
	switch {
	case ev.Error:
		return &ev.Event, nil
	case !ok || root.Kind() != strictjson.Object || !ev.response(root, kind):
		doc.Release()
		return nil, misread("an event of the model server's stream is of no type, or has no place")
	}
	return &ev.Event, nil
}

// placedEvent is an event with its place and room for its ids: one allocation instead of three.
type placedEvent struct {
	event
	at  spot
	ids [1]wire.ID
}

// response reads an event of a type. It tells whether the event has the place that it needs.
func (ev *placedEvent) response(root strictjson.Value, kind string) bool {
	at := &ev.at
	if !at.read(root, kind) {
		return false
	}
	s := walk.NewSaid(ev.room[:0], ev.finished[:0], ev.finish[:0], true)
	defer s.Done()
	s.Lane = at.lane
	s.Of(-1, string(root.Get("name").Bytes()))
	s.Object(root, responseEvent, strings.HasSuffix(kind, ".added"))
	ev.Pieces, ev.Copies, ev.Keys = s.Pieces, s.Copies, s.Keys
	for i := range ev.Pieces {
		ev.Pieces[i].Called = ev.Pieces[i].Called || ev.Pieces[i].Lane.Field == "custom_tool_call_input"
	}
	ev.Bare = at.member == "delta"
	if kind == "output_text.annotation.added" {
		ev.Needs = "annotation"
	}
	ev.end(root.Get("response"), kind)
	ev.IDs = eventIDs(ev.ids[:0], root)
	if strings.HasSuffix(kind, ".done") || ev.Last {
		ev.ends(ev.Pieces)
		linkParts(ev.Pieces)
	}
	ev.Closes = at.closes && len(ev.Finished) == 1
	return true
}

// eventIDs appends the ids of state in an event.
func eventIDs(out []wire.ID, root strictjson.Value) []wire.ID {
	if id := root.Get("item_id"); id.Kind() == strictjson.String {
		out = append(out, wire.ID{Kind: "item_reference", Node: id})
	}
	out = itemIDs(out, root.Get("item"))
	if r := root.Get("response"); r.Kind() == strictjson.Object {
		out = append(out, stateIDs(r)...)
	}
	return out
}

// end reads what the last event says of the whole.
func (ev *event) end(response strictjson.Value, kind string) {
	if response.Kind() != strictjson.Object || kind != "completed" && kind != "incomplete" {
		return
	}
	ev.Last = true
	ev.Finish = append(ev.finish[:0], ending(response))
	if u := responseUsage(response.Get("usage")); u.Known {
		ev.Usage = &u
	}
}

// ends says that the lanes of the pieces end with the event.
func (ev *event) ends(pieces []wire.Piece) {
	ev.Finished = ev.finished[:0]
	for i := range pieces {
		if pieces[i].Repeats {
			ev.Finished = append(ev.Finished, pieces[i].Lane.Choice)
		}
	}
}
