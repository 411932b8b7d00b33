package translate

import (
	"github.com/sluicegate/sluice/runtime/strictjson"
)

// responsesReader reads the events of a stream. Of texts it takes the pieces; what repeats them is passed over.
type responsesReader struct {
	over  bool
	calls []responsesCall
}

type responsesCall struct {
	item int64 // output_index
	said bool  // pieces of its arguments came
}

func (r *responsesReader) read(data []byte, root strictjson.Value, take func(delta) error) error {
	if data != nil { // some servers end with it as well
		if !r.over {
			return errOrder
		}
		return nil
	}
	switch string(root.Get("type").Bytes()) {
	case "response.created":
		v := root.Get("response")
		created, _ := v.Get("created_at").Int64()
		return take(delta{happening: begins, id: v.Get("id").Bytes(), model: v.Get("model").Bytes(), created: created})
	case "response.output_item.added":
		return r.added(root, take)
	case "response.output_text.delta":
		return taken(take, says, root.Get("delta").Bytes())
	case "response.refusal.delta":
		return taken(take, refuses, root.Get("delta").Bytes())
	case "response.reasoning_summary_text.delta", "response.reasoning_text.delta":
		return taken(take, thinks, root.Get("delta").Bytes())
	case "response.reasoning_summary_part.added":
		if n, _ := root.Get("summary_index").Int64(); n > 0 {
			return take(delta{happening: thinks, text: []byte("\n\n")})
		}
		return nil
	case "response.function_call_arguments.delta":
		return r.argue(root, root.Get("delta").Bytes(), take)
	case "response.output_item.done":
		return r.done(root, take)
	case "response.completed", "response.incomplete":
		return r.end(root.Get("response"), take)
	case "response.failed", "error":
		return errFailed
	default:
		return nil // what repeats, and what the API may add
	}
}

func (r *responsesReader) added(root strictjson.Value, take func(delta) error) error {
	item := root.Get("item")
	switch string(item.Get("type").Bytes()) {
	case "message", "reasoning":
		return nil
	case "function_call":
	default:
		return errContent
	}
	at, _ := root.Get("output_index").Int64()
	r.calls = append(r.calls, responsesCall{item: at})
	err := take(delta{
		happening: calls, call: len(r.calls) - 1, id: callID(item.Get("call_id").Bytes()), name: item.Get("name").Bytes(),
	})
	if err != nil {
		return err
	}
	return r.argue(root, item.Get("arguments").Bytes(), take)
}

// argue takes a piece of the arguments of the call that the event names.
func (r *responsesReader) argue(root strictjson.Value, text []byte, take func(delta) error) error {
	if len(text) == 0 {
		return nil
	}
	at, _ := root.Get("output_index").Int64()
	for n := range r.calls {
		if r.calls[n].item == at {
			r.calls[n].said = true
			return take(delta{happening: argues, call: n, text: text})
		}
	}
	return errOrder
}

// done takes what only the end of an item tells: the signature of reasoning, and arguments that did not come in pieces.
func (r *responsesReader) done(root strictjson.Value, take func(delta) error) error {
	item := root.Get("item")
	if string(item.Get("type").Bytes()) == "reasoning" {
		return taken(take, signs, item.Get("encrypted_content").Bytes())
	}
	at, _ := root.Get("output_index").Int64()
	for n := range r.calls {
		if r.calls[n].item != at || r.calls[n].said {
			continue
		}
		text := item.Get("arguments").Bytes()
		if len(text) == 0 {
			text = emptyObject
		}
		return r.argue(root, text, take)
	}
	return nil
}

func (r *responsesReader) end(v strictjson.Value, take func(delta) error) error {
	r.over = true
	f := responseFinish(v, len(r.calls) > 0)
	if f == failed {
		return errFailed
	}
	if err := take(delta{happening: ends, finish: f}); err != nil {
		return err
	}
	if u := readResponseUsage(v.Get("usage")); u.known {
		if err := take(delta{happening: reports, usage: u}); err != nil {
			return err
		}
	}
	return take(delta{happening: terminates})
}

// responsesWriter writes the events of a stream: items one after the other, each begun, told in pieces, and repeated
// whole at its end.
type responsesWriter struct {
	response
	sequence int64
	items    []byte // those that have ended
	n        int    // how many
	open     bool
	parts    []part // of the open item; the last one grows
	call     int
	finish   finish
	usage    usage
}

func (w *responsesWriter) write(q *queue, d delta) error {
	switch d.happening {
	case begins:
		w.begin(q, &d)
	case says:
		w.say(q, text, "response.output_text.delta", d.text)
	case refuses:
		w.say(q, refusal, "response.refusal.delta", d.text)
	case thinks:
		w.say(q, reasoning, "response.reasoning_summary_text.delta", d.text)
	case signs:
		if !w.open || w.parts[0].kind != reasoning {
			w.start(q, part{kind: reasoning})
		}
		w.parts[0].signature = append(w.parts[0].signature, d.text...)
	case calls:
		w.call = d.call
		w.start(q, part{kind: call, id: append([]byte(nil), d.id...), name: append([]byte(nil), d.name...)})
	case argues:
		if !w.open || w.parts[0].kind != call || w.call != d.call {
			return errOrder // a call that has ended goes on: its item is closed
		}
		w.piece(q, "response.function_call_arguments.delta", d.text)
	case ends:
		w.close(q)
		w.finish = d.finish
	case reports:
		w.usage = d.usage
	case terminates:
		w.terminate(q)
	}
	return nil
}

func (w *responsesWriter) begin(q *queue, d *delta) {
	w.id, w.model, w.created = append([]byte(nil), d.id...), append([]byte(nil), d.model...), d.created
	w.complete()
	w.items = append(w.items, '[')
	for _, name := range [...]string{"response.created", "response.in_progress"} {
		q.data = append(w.event(q.data, name), `,"response":`...)
		q.data = append(w.response.write(q.data, unfinished, []byte("[]"), &usage{}), '}')
		q.end()
	}
}

// event appends an event up to what it tells.
func (w *responsesWriter) event(dst []byte, name string) []byte {
	dst = append(append(append(dst, `{"type":"`...), name...), '"')
	dst = memberInt(dst, "sequence_number", w.sequence)
	w.sequence++
	return dst
}

// at appends an event about the open item, up to what it tells.
func (w *responsesWriter) at(dst []byte, name string) []byte {
	dst = w.itemID(member(w.event(dst, name), "item_id"), w.parts[0].kind, w.n)
	return memberInt(dst, "output_index", int64(w.n))
}

// start begins an item.
func (w *responsesWriter) start(q *queue, p part) {
	w.close(q)
	w.open = true
	w.parts = append(w.parts[:0], p)
	q.data = memberInt(w.event(q.data, "response.output_item.added"), "output_index", int64(w.n))
	q.data = append(q.data, `,"item":`...)
	if isSaid(&p) {
		q.data = w.itemID(append(q.data, `{"id":`...), p.kind, w.n)
		q.data = append(q.data, `,"type":"message","status":"in_progress","role":"assistant","content":[]}`...)
	} else {
		q.data = w.item(q.data, w.parts, w.n, "in_progress")
	}
	q.data = append(q.data, '}')
	q.end()
	w.part(q, "added")
}

// part tells that the last part of the open item begins or ends, where its kind has parts.
func (w *responsesWriter) part(q *queue, what string) {
	last := len(w.parts) - 1
	switch w.parts[0].kind {
	case call:
		return
	case reasoning:
		q.data = append(w.at(q.data, "response.reasoning_summary_part."+what), `,"summary_index":0,"part":`...)
		q.data = append(strictjson.AppendString(append(q.data, `{"type":"summary_text","text":`...), w.parts[0].text), "}}"...)
	default:
		q.data = memberInt(w.at(q.data, "response.content_part."+what), "content_index", int64(last))
		from := len(q.data)
		q.data = append(writeItemParts(append(q.data, `,"part":`...), w.parts[last:], true), '}')
		q.data = unwrap(q.data, from+len(`,"part":`))
	}
	q.end()
}

// unwrap takes away the brackets around the one element of an array that begins at from and ends before the last byte.
func unwrap(dst []byte, from int) []byte {
	end := len(dst) - 1
	copy(dst[from:], dst[from+1:end-1])
	dst[end-2] = dst[end]
	return dst[:end-1]
}

// say adds to the text of an item of that kind, which is begun where another or none is open.
func (w *responsesWriter) say(q *queue, k kind, name string, text []byte) {
	switch {
	case !w.open || (k == reasoning) != (w.parts[0].kind == reasoning) || w.parts[0].kind == call:
		w.start(q, part{kind: k})
	case w.parts[len(w.parts)-1].kind != k:
		w.endPart(q)
		w.parts = append(w.parts, part{kind: k})
		w.part(q, "added")
	}
	w.piece(q, name, text)
}

// piece adds to the last part of the open item.
func (w *responsesWriter) piece(q *queue, name string, more []byte) {
	last := len(w.parts) - 1
	p := &w.parts[last]
	p.text = append(p.text, more...)
	q.data = w.at(q.data, name)
	q.data = w.place(q.data, last)
	if p.kind == text {
		q.data = append(q.data, `,"logprobs":[]`...)
	}
	q.data = append(memberString(q.data, "delta", more), '}')
	q.end()
}

// place appends where in its item a part is.
func (w *responsesWriter) place(dst []byte, n int) []byte {
	switch w.parts[0].kind {
	case call:
		return dst
	case reasoning:
		return append(dst, `,"summary_index":0`...)
	default:
		return memberInt(dst, "content_index", int64(n))
	}
}

// doneEvents name the events that repeat a text whole, and the member that holds it.
var doneEvents = map[kind][2]string{
	text: {"response.output_text.done", "text"}, refusal: {"response.refusal.done", "refusal"},
	reasoning: {"response.reasoning_summary_text.done", "text"}, call: {"response.function_call_arguments.done", "arguments"},
}

// endPart ends the last part of the open item.
func (w *responsesWriter) endPart(q *queue) {
	last := len(w.parts) - 1
	p := &w.parts[last]
	if p.kind == call && len(p.text) == 0 {
		p.text = append(p.text, emptyObject...)
	}
	is := doneEvents[p.kind]
	q.data = w.place(w.at(q.data, is[0]), last)
	if p.kind == text {
		q.data = append(q.data, `,"logprobs":[]`...)
	}
	q.data = append(memberString(q.data, is[1], p.text), '}')
	q.end()
	w.part(q, "done")
}

func (w *responsesWriter) close(q *queue) {
	if !w.open {
		return
	}
	w.endPart(q)
	w.open = false
	begin := len(comma(w.items))
	w.items = w.item(comma(w.items), w.parts, w.n, "completed")
	q.data = memberInt(w.event(q.data, "response.output_item.done"), "output_index", int64(w.n))
	q.data = append(append(append(q.data, `,"item":`...), w.items[begin:]...), '}')
	q.end()
	w.n++
}

// terminate gives the response whole.
func (w *responsesWriter) terminate(q *queue) {
	w.close(q)
	name := "response.completed"
	if w.finish == length || w.finish == full || w.finish == filtered {
		name = "response.incomplete"
	}
	if w.finish == unfinished {
		w.finish = done
	}
	q.data = append(w.event(q.data, name), `,"response":`...)
	q.data = append(w.response.write(q.data, w.finish, append(w.items, ']'), &w.usage), '}')
	q.end()
}
