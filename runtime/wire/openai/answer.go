package openai

import (
	"strconv"
	"strings"

	"github.com/sluicegate/sluice/runtime/strictjson"
	"github.com/sluicegate/sluice/runtime/wire"
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
	s := newSaid(a.room[:0], nil, a.finish[:0], false)
	s.object(root, f.answer, false)
	a.Pieces, a.Copies, a.Keys, a.Finish = s.pieces, s.copies, s.keys, s.finish
	s.done()
	link(a.Pieces)
	return &a.Answer, nil
}

// near is how many pieces behind a text its continuation is looked for: a part has few strings beside its text.
const near = 64

// link finds, for the text of a part of a content, that of the part behind it: a value may be split over both.
func link(pieces []wire.Piece) {
	for i := range pieces {
		run, n, ok := partOf(pieces[i].Lane.Field)
		if !ok {
			continue
		}
		for j := i + 1; j < min(len(pieces), i+near); j++ {
			next, m, ok := partOf(pieces[j].Lane.Field)
			if ok && m == n+1 && next == run && pieces[j].Lane.Choice == pieces[i].Lane.Choice {
				pieces[i].Next = j
				break
			}
		}
	}
}

// partOf takes the path of a part's text apart: content.1.text, or content.1 where the part is a string, is part 1 of
// content.
func partOf(path string) (content string, part int, ok bool) {
	rest, object := strings.CutSuffix(path, ".text")
	dot := strings.LastIndexByte(rest, '.')
	if dot < 0 || !object && rest[:dot] != "content" {
		return "", 0, false
	}
	part, err := strconv.Atoi(rest[dot+1:])
	return rest[:dot], part, err == nil
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
	s := newSaid(ev.room[:0], ev.finished[:0], ev.finish[:0], true)
	s.object(root, f.answer, false)
	ev.Pieces, ev.Copies, ev.Keys, ev.Finished, ev.Finish = s.pieces, s.copies, s.keys, s.finished, s.finish
	if u := readUsage(root.Get("usage")); u.Known {
		ev.Usage = &u
	}
	choices := root.Get("choices").Len()
	ev.UsageEnd = choices == 0 && ev.Usage != nil
	ev.Bare = choices > 0 && !s.more && ev.Usage == nil
	s.done()
}

// failed tells whether the object is a model server's report of a failure: {"error": ...}, or vLLM's older
// {"object": "error", ...}.
func failed(root strictjson.Value) bool {
	k := root.Get("error").Kind()
	return k != strictjson.Invalid && k != strictjson.Null || string(root.Get("object").Bytes()) == "error"
}

// misread is the fault of an answer that can't be taken for what it should be.
func misread(message string) *wire.Fault {
	return &wire.Fault{Code: wire.UpstreamError, Message: message}
}

// readUsage reads a usage object; what is none is not Known.
func readUsage(u strictjson.Value) wire.Usage {
	if u.Kind() != strictjson.Object {
		return wire.Usage{}
	}
	return wire.Usage{
		Input:  count(u.Get("prompt_tokens")),
		Output: count(u.Get("completion_tokens")),
		Cached: count(u.Get("prompt_tokens_details", "cached_tokens")),
		Known:  true,
	}
}

func count(v strictjson.Value) int64 {
	n, _ := v.Int64()
	return max(n, 0)
}
