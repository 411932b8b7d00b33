package anthropic

import (
	"bytes"
	"strconv"

	"github.com/sluicegate/sluice/runtime/strictjson"
	"github.com/sluicegate/sluice/runtime/wire"
	"github.com/sluicegate/sluice/runtime/wire/walk"
)

// answer is an Answer with room for the pieces that most have.
type answer struct {
	wire.Answer
	room   [2]wire.Piece
	finish [1]string
}

// Answer reads a whole answer leniently; see wire.Format. Each content block is a choice.
func (f *format) Answer(body []byte) (*wire.Answer, error) {
	doc, err := strictjson.ReadReply(body)
	if err != nil {
		return nil, walk.Misread("the model server's answer is not JSON that can be read without doubt")
	}
	a := &answer{}
	a.Answer = wire.Answer{Format: f, Doc: doc}
	s := walk.NewSaid(a.room[:0], nil, a.finish[:0], false)
	defer s.Done()
	root := doc.Root()
	if f.streams {
		err = a.message(root, s)
	} else {
		err = a.count(root, s)
	}
	if err != nil {
		doc.Release()
		return nil, err
	}
	a.Pieces, a.Copies, a.Keys, a.Finish = s.Pieces, s.Copies, s.Keys, s.Finish
	return &a.Answer, nil
}

// count reads the answer of a count.
func (a *answer) count(root strictjson.Value, s *walk.Said) error {
	if root.Get("input_tokens").Kind() != strictjson.Number {
		return walk.Misread("the model server's answer has no input_tokens")
	}
	s.Object(root, countRule, false)
	return nil
}

// message reads a message.
func (a *answer) message(root strictjson.Value, s *walk.Said) error {
	content := root.Get("content")
	if content.Kind() != strictjson.Array || string(root.Get("type").Bytes()) == "error" {
		return walk.Misread("the model server's answer has no content")
	}
	a.Model = string(root.Get("model").Bytes())
	a.Usage = readUsage(root.Get("usage"))
	s.Object(root, headRule, false)
	reason(s, root.Get("stop_reason"))
	sound, last := true, -1
	content.Elements(func(i int, block strictjson.Value) bool {
		sound = sound && block.Kind() == strictjson.Object
		s.Of(choice(i), string(block.Get("name").Bytes()))
		had := len(s.Pieces)
		s.Object(block, saidRule, false)
		last = link(s.Pieces, had, last)
		return sound
	})
	if !sound {
		return walk.Misread("the model server's answer has a content block that is none")
	}
	return nil
}

// choice is the choice that a block's texts are of, but for its text in a stream: that of all blocks is choice 0.
func choice(index int) int { return index + 1 }

// link finds the text among the pieces of a block, which are those from had on, and makes it go on that of the block
// before it, at last. It gives the place of the block's text, or -1.
func link(pieces []wire.Piece, had, last int) int {
	for i := had; i < len(pieces); i++ {
		if pieces[i].Lane.Field == "text" {
			if last >= 0 {
				pieces[last].Next = i
			}
			return i
		}
	}
	return -1
}

func reason(s *walk.Said, v strictjson.Value) {
	if v.Kind() == strictjson.String {
		s.Finish = append(s.Finish, stopReason(v.Bytes()))
	}
}

// stopReason is the reason as a string, without a copy where the API knows it.
func stopReason(b []byte) string {
	switch string(b) {
	case "end_turn":
		return "end_turn"
	case "max_tokens":
		return "max_tokens"
	case "stop_sequence":
		return "stop_sequence"
	case "tool_use":
		return "tool_use"
	}
	return string(b)
}

// readUsage reads a usage object; what is none is not Known, nor is one that package translate estimated. The API counts
// what it read from its cache and wrote to it beside the other input.
func readUsage(u strictjson.Value) wire.Usage {
	if u.Kind() != strictjson.Object {
		return wire.Usage{}
	}
	cached := number(u.Get("cache_read_input_tokens"))
	estimated, _ := u.Get("estimated").Bool()
	return wire.Usage{
		Input:  number(u.Get("input_tokens")) + cached + number(u.Get("cache_creation_input_tokens")),
		Output: number(u.Get("output_tokens")),
		Cached: cached,
		Known:  !estimated, Estimated: estimated,
	}
}

func number(v strictjson.Value) int64 {
	n, _ := v.Int64()
	return max(n, 0)
}

// kind is what an event is.
type kind uint8

const (
	unknown kind = iota
	messageStart
	blockStart
	blockDelta
	blockStop
	messageDelta
	messageStop
	ping
	failure
)

var kinds = [...]string{
	messageStart: "message_start", blockStart: "content_block_start", blockDelta: "content_block_delta", blockStop: "content_block_stop",
	messageDelta: "message_delta", messageStop: "message_stop", ping: "ping", failure: "error",
}

func kindOf(name []byte) kind {
	for k, s := range kinds {
		if s != "" && s == string(name) {
			return kind(k)
		}
	}
	return unknown
}

// Type is the type of an event by its data, which is also its name in the stream; "" for one that the API does not have.
func Type(data []byte) string {
	if rest, ok := bytes.CutPrefix(data, []byte(`{"type":"`)); ok {
		if name, _, ok := bytes.Cut(rest[:min(len(rest), 64)], []byte(`"`)); ok && kindOf(name) != unknown {
			return kinds[kindOf(name)]
		}
	}
	doc, err := strictjson.ReadReply(data)
	if err != nil {
		return ""
	}
	defer doc.Release()
	return kinds[kindOf(doc.Root().Get("type").Bytes())]
}

// event is an Event with room for what most have: one allocation instead of four.
type event struct {
	wire.Event
	room     [2]wire.Piece
	finished [1]int
	finish   [1]string
}

// Event reads the data of one event; see wire.Format.
func (f *format) Event(data []byte) (*wire.Event, error) {
	if err := f.streaming(); err != nil {
		return nil, err
	}
	doc, err := strictjson.ReadReply(data)
	if err != nil {
		return nil, walk.Misread("an event of the model server's stream is not JSON that can be read without doubt")
	}
	root := doc.Root()
	k := kindOf(root.Get("type").Bytes())
	switch k {
	case messageStop:
		doc.Release()
		return &wire.Event{Format: f, Done: true}, nil
	case failure:
		return &wire.Event{Format: f, Doc: doc, Error: true}, nil
	}
	ev := &event{}
	ev.Event = wire.Event{Format: f, Doc: doc}
	if fault := ev.read(root, k); fault != nil {
		doc.Release()
		return nil, fault
	}
	return &ev.Event, nil
}

// read gathers what an event says, whatever its type says that it may hold.
func (ev *event) read(root strictjson.Value, k kind) *wire.Fault {
	if k == unknown {
		return walk.Misread("the model server's stream has an event of a type that the API does not have")
	}
	index, ok := root.Get("index").Int64()
	if block := k == blockStart || k == blockDelta || k == blockStop; block && (!ok || index < 0 || index > 1<<20) {
		return walk.Misread("an event of the model server's stream has no index")
	}
	s := walk.NewSaid(ev.room[:0], ev.finished[:0], ev.finish[:0], true)
	defer s.Done()
	s.Object(root, eventRule, false)
	if fault := ev.message(root, s); fault != nil {
		return fault
	}
	if fault := ev.block(root, s, int(index)); fault != nil {
		return fault
	}
	if fault := ev.delta(root, s, int(index), k); fault != nil {
		return fault
	}
	for i := range s.Pieces {
		s.Pieces[i].Summed = s.Pieces[i].Lane.Field == "thinking"
		part(&s.Pieces[i], int(index))
	}
	switch k {
	case blockStart:
		ev.Breaks = string(root.Get("content_block", "type").Bytes()) != "text"
	case blockStop:
		s.Finished = append(s.Finished, choice(int(index)))
		ev.Pause = true
	case messageDelta:
		ev.Breaks = true
	case ping:
		ev.Idle = true
	}
	ev.Pieces, ev.Copies, ev.Keys, ev.Finished, ev.Finish = s.Pieces, s.Copies, s.Keys, s.Finished, s.Finish
	return nil
}

// textFields are the lanes of the texts of most blocks.
var textFields = func() (names [16]string) {
	for i := range names {
		names[i] = textField(i)
	}
	return names
}()

func textField(index int) string { return textRun + "." + strconv.Itoa(index) + ".text" }

// textRun is what the texts of all blocks are parts of: readers put those of adjacent blocks end to end.
const textRun = "content"

// part makes a block's text a part of the content.
func part(p *wire.Piece, index int) {
	if p.Lane.Field != "text" || p.Whole {
		return
	}
	p.Lane.Choice, p.Run, p.Part = 0, len(textRun), index+1
	if index < len(textFields) {
		p.Lane.Field = textFields[index]
	} else {
		p.Lane.Field = textField(index)
	}
}

// message reads the message that a stream begins with. It has no content yet.
func (ev *event) message(root strictjson.Value, s *walk.Said) *wire.Fault {
	m := root.Get("message")
	switch {
	case m.Kind() == strictjson.Invalid || m.Kind() == strictjson.Null:
		return nil
	case m.Kind() != strictjson.Object, m.Get("content").Len() > 0 || m.Get("content").Kind() == strictjson.String:
		return walk.Misread("the model server's stream begins with what is no empty message")
	}
	s.Object(m, headRule, false)
	ev.use(m.Get("usage"))
	return nil
}

// block reads a content block as it begins.
func (ev *event) block(root strictjson.Value, s *walk.Said, index int) *wire.Fault {
	block := root.Get("content_block")
	switch block.Kind() {
	case strictjson.Invalid, strictjson.Null:
		return nil
	case strictjson.Object:
	default:
		return walk.Misread("the model server's stream has a content block that is none")
	}
	tool := string(block.Get("name").Bytes())
	s.Of(choice(index), tool)
	s.Object(block, saidRule, false)
	if input := block.Get("input"); input.Kind() == strictjson.Object {
		// The input comes as text of its own. What is read here says which tool it is for, and has no text yet.
		s.Pieces = append(s.Pieces, wire.Piece{Node: input, Lane: inputLane(index), Called: true, Tool: tool})
	}
	for i := range s.Copies {
		s.Copies[i].Sum = false // of a text that is yet to come: it can't be its signature
	}
	return nil
}

func inputLane(index int) wire.Lane {
	return wire.Lane{Choice: choice(index), Field: "partial_json", Arguments: true}
}

// deltas are the types of what an event may add to a content block, by the member that holds it.
var deltas = map[string]string{
	"text": "text_delta", "thinking": "thinking_delta", "partial_json": "input_json_delta", "signature": "signature_delta",
	"citation": "citations_delta", "content": "compaction_delta", "encrypted_content": "compaction_delta",
}

func deltaType(name []byte) bool {
	for _, d := range deltas {
		if d == string(name) {
			return true
		}
	}
	return false
}

// delta reads what an event adds to a content block, or to the message at its end.
func (ev *event) delta(root strictjson.Value, s *walk.Said, index int, k kind) *wire.Fault {
	ev.use(root.Get("usage"))
	d := root.Get("delta")
	switch {
	case d.Kind() == strictjson.Invalid || d.Kind() == strictjson.Null:
		return nil
	case d.Kind() != strictjson.Object:
		return walk.Misread("the model server's stream has a delta that is none")
	case k == messageDelta:
		s.Of(-1, "")
		s.Object(d, headRule, false)
		reason(s, d.Get("stop_reason"))
		if d.Get("content").Kind() != strictjson.Invalid {
			return walk.Misread("the model server's stream has content outside of content blocks")
		}
		return nil
	case k != blockDelta || !deltaType(d.Get("type").Bytes()):
		return walk.Misread("the model server's stream has a delta of a type that the API does not have")
	}
	s.Of(choice(index), "")
	s.More = false
	had := len(s.Pieces)
	s.Object(d, deltaRule, true)
	ev.Bare = !s.More
	for _, p := range s.Pieces[had:] {
		if !p.Whole && deltas[p.Lane.Field] == "" {
			return walk.Misread("the model server's stream has a delta with text that the API does not have")
		}
	}
	return nil
}

// use takes a report of usage.
func (ev *event) use(v strictjson.Value) {
	if u := readUsage(v); u.Known || u.Estimated {
		ev.Usage = &u
	}
}
