package openai

import (
	"github.com/sluicegate/sluice/runtime/strictjson"
	"github.com/sluicegate/sluice/runtime/wire"
	"github.com/sluicegate/sluice/runtime/wire/walk"
)

// Answer reads a whole answer leniently; see wire.Format.
func (f *format) Answer(body []byte) (*wire.Answer, error) {
	doc, err := strictjson.ReadReply(body)
	if err != nil {
		return nil, misread("the model server's answer is not JSON that can be read without doubt")
	}
	root := doc.Root()
	if root.Kind() != strictjson.Object || root.Get(f.items).Kind() != strictjson.Array || failed(root) {
		doc.Release()
		return nil, misread("the model server's answer has no " + f.items)
	}
	a := &answer{}
	a.Answer = wire.Answer{Format: f, Doc: doc, Model: string(root.Get("model").Bytes())}
	a.Usage = readUsage(root.Get("usage"))
	s := walk.NewSaid(a.room[:0], nil, a.finish[:0], false)
	s.Object(root, f.answer, false)
	a.Pieces, a.Copies, a.Keys, a.Finish = s.Pieces, s.Copies, s.Keys, s.Finish
	s.Done()
	link(a.Pieces)
	return &a.Answer, nil
}

// near is how many pieces behind a text its continuation is looked for: a part has few strings beside its text.
const near = 64

// link finds, for the text of a part of a content, that of the part behind it: a value may be split over both.
func link(pieces []wire.Piece) {
	for i := range pieces {
		run, n, ok := walk.PartOf(pieces[i].Lane.Field)
		if !ok {
			continue
		}
		for j := i + 1; j < min(len(pieces), i+near); j++ {
			next, m, ok := walk.PartOf(pieces[j].Lane.Field)
			if ok && m == n+1 && next == run && pieces[j].Lane.Choice == pieces[i].Lane.Choice {
				pieces[i].Next = j
				break
			}
		}
	}
}

// answer is an Answer with room for the pieces that most have.
type answer struct {
	wire.Answer
	room   [2]wire.Piece
	finish [1]string
}

// Event reads the data of one event; see wire.Format.
func (f *format) Event(data []byte) (*wire.Event, error) {
	if err := f.streams(); err != nil {
		return nil, err
	}
	if string(data) == "[DONE]" {
		return &wire.Event{Format: f, Done: true}, nil
	}
	doc, err := strictjson.ReadReply(data)
	if err != nil {
		return nil, misread("an event of the model server's stream is not JSON that can be read without doubt")
	}
	root := doc.Root()
	if root.Kind() != strictjson.Object {
		doc.Release()
		return nil, misread("an event of the model server's stream is not an object")
	}
	ev := &event{}
	ev.Event = wire.Event{Format: f, Doc: doc, Error: failed(root)}
	if !ev.Error {
		ev.read(root, f)
	}
	return &ev.Event, nil
}

// event is an Event with room for what most have: one allocation instead of four.
type event struct {
	wire.Event
	room     [2]wire.Piece
	finished [1]int
	finish   [1]string
}

func (ev *event) read(root strictjson.Value, f *format) {
	s := walk.NewSaid(ev.room[:0], ev.finished[:0], ev.finish[:0], true)
	s.Object(root, f.answer, false)
	ev.Pieces, ev.Copies, ev.Keys, ev.Finished, ev.Finish = s.Pieces, s.Copies, s.Keys, s.Finished, s.Finish
	if u := readUsage(root.Get("usage")); u.Known {
		ev.Usage = &u
	}
	choices := root.Get("choices").Len()
	ev.UsageEnd = choices == 0 && ev.Usage != nil
	ev.Bare = choices > 0 && !s.More && ev.Usage == nil
	s.Done()
}

// failed tells whether the object is a model server's report of a failure: {"error": ...}, or vLLM's older
// {"object": "error", ...}.
func failed(root strictjson.Value) bool {
	k := root.Get("error").Kind()
	return k != strictjson.Invalid && k != strictjson.Null || string(root.Get("object").Bytes()) == "error"
}

// readUsage reads a usage object; what is none is not Known, nor is one that package translate estimated.
func readUsage(u strictjson.Value) wire.Usage {
	if u.Kind() != strictjson.Object {
		return wire.Usage{}
	}
	estimated, _ := u.Get("estimated").Bool()
	return wire.Usage{
		Input:  count(u.Get("prompt_tokens")),
		Output: count(u.Get("completion_tokens")),
		Cached: count(u.Get("prompt_tokens_details", "cached_tokens")),
		Known:  !estimated, Estimated: estimated,
	}
}

func count(v strictjson.Value) int64 {
	n, _ := v.Int64()
	return max(n, 0)
}
