package translate

import (
	"github.com/sluicegate/sluice/runtime/strictjson"
)

// messagesReader reads the events of a stream.
type messagesReader struct {
	calls []int64 // the blocks that are calls, by their numbers
	mute  bool    // of the last call no arguments came yet
	usage usage
}

func (r *messagesReader) read(data []byte, root strictjson.Value, take func(delta) error) error {
	if data != nil {
		return errOrder
	}
	switch string(root.Get("type").Bytes()) {
	case "message_start":
		return r.start(root.Get("message"), take)
	case "content_block_start":
		return r.block(root, take)
	case "content_block_delta":
		return r.delta(root, take)
	case "content_block_stop":
		if !r.mute {
			return nil
		}
		r.mute = false
		return take(delta{happening: argues, call: len(r.calls) - 1, text: emptyObject})
	case "message_delta":
		r.usage = readMessagesUsage(root.Get("usage"), r.usage)
		d := root.Get("delta")
		if f := messagesFinish(d.Get("stop_reason")); f != unfinished {
			return take(delta{happening: ends, finish: f, text: d.Get("stop_sequence").Bytes()})
		}
		return nil
	case "message_stop":
		if r.usage.known {
			if err := take(delta{happening: reports, usage: r.usage}); err != nil {
				return err
			}
		}
		return take(delta{happening: terminates})
	case "error":
		return errFailed
	default:
		return nil // ping, and what the API may add
	}
}

func (r *messagesReader) start(m strictjson.Value, take func(delta) error) error {
	r.usage = readMessagesUsage(m.Get("usage"), usage{})
	return take(delta{happening: begins, id: m.Get("id").Bytes(), model: m.Get("model").Bytes(), usage: r.usage})
}

// block takes the beginning of a block, in which there may be some of its content.
func (r *messagesReader) block(root strictjson.Value, take func(delta) error) error {
	b := root.Get("content_block")
	switch string(b.Get("type").Bytes()) {
	case "text":
		return taken(take, says, b.Get("text").Bytes())
	case "thinking":
		if err := taken(take, thinks, b.Get("thinking").Bytes()); err != nil {
			return err
		}
		return taken(take, signs, b.Get("signature").Bytes())
	case "redacted_thinking":
		return nil // nobody but its model can read it
	case "tool_use":
		index, _ := root.Get("index").Int64()
		n := len(r.calls)
		r.calls, r.mute = append(r.calls, index), true
		if err := take(delta{happening: calls, call: n, id: callID(b.Get("id").Bytes()), name: b.Get("name").Bytes()}); err != nil {
			return err
		}
		if in := b.Get("input"); in.Len() > 0 {
			r.mute = false
			return take(delta{happening: argues, call: n, text: in.Append(nil)})
		}
		return nil
	default:
		return errContent
	}
}

// taken takes a text unless it is empty.
func taken(take func(delta) error, h happening, text []byte) error {
	if len(text) == 0 {
		return nil
	}
	return take(delta{happening: h, text: text})
}

func (r *messagesReader) delta(root strictjson.Value, take func(delta) error) error {
	d := root.Get("delta")
	switch string(d.Get("type").Bytes()) {
	case "text_delta":
		return taken(take, says, d.Get("text").Bytes())
	case "thinking_delta":
		return taken(take, thinks, d.Get("thinking").Bytes())
	case "signature_delta":
		return taken(take, signs, d.Get("signature").Bytes())
	case "input_json_delta":
		text := d.Get("partial_json").Bytes()
		if len(text) == 0 {
			return nil
		}
		index, _ := root.Get("index").Int64()
		for n, at := range r.calls {
			if at == index {
				r.mute = false
				return take(delta{happening: argues, call: n, text: text})
			}
		}
		return errOrder
	default:
		return nil // citations, and what the API may add
	}
}

// messagesWriter writes the events of a stream: blocks one after the other, each begun and ended.
type messagesWriter struct {
	block    int // the number of the open block, or of the next one
	open     bool
	kind     kind // of the open block
	call     int  // of the open block
	calling  bool // there was a call
	refusing bool
	finish   finish
	stop     []byte
	usage    usage
	prompt   int // bytes of text that is answered
	said     int // bytes of text so far
}

func (w *messagesWriter) write(q *queue, d delta) error {
	switch d.happening {
	case begins:
		w.start(q, &d)
	case says:
		w.text(q, text, `{"type":"text","text":""}`, `{"type":"text_delta","text":`, d.text)
	case refuses:
		w.refusing = true
		w.text(q, text, `{"type":"text","text":""}`, `{"type":"text_delta","text":`, d.text)
	case thinks:
		w.text(q, reasoning, `{"type":"thinking","thinking":"","signature":""}`, `{"type":"thinking_delta","thinking":`, d.text)
	case signs:
		w.text(q, reasoning, `{"type":"thinking","thinking":"","signature":""}`, `{"type":"signature_delta","signature":`, d.text)
	case calls:
		w.close(q)
		w.kind, w.call, w.calling = call, d.call, true
		w.openBlock(q, nil, &d)
	case argues:
		if !w.open || w.kind != call || w.call != d.call {
			return errOrder // a call that has ended goes on: its block is closed
		}
		w.piece(q, `{"type":"input_json_delta","partial_json":`, d.text)
	case ends:
		w.close(q)
		w.finish, w.stop = d.finish, append(w.stop[:0], d.text...)
	case reports:
		w.usage = d.usage
	case terminates:
		w.terminate(q)
	}
	return nil
}

// start gives the head. Clients read numbers in it that other APIs tell at the end: until then they are estimates.
func (w *messagesWriter) start(q *queue, d *delta) {
	u := d.usage.orEstimate(w.prompt, 0)
	q.data = writeMessageHead(append(q.data, `{"type":"message_start","message":`...), d.id, d.model)
	q.data = writeMessagesUsage(append(q.data, `],"stop_reason":null,"stop_sequence":null,"usage":{`...), &u)
	q.data = append(q.data, "}}}"...)
	q.end()
}

// text adds to a block of that kind, which is opened if another or none is open.
func (w *messagesWriter) text(q *queue, k kind, begin, piece string, text []byte) {
	if !w.open || w.kind != k {
		w.close(q)
		w.kind = k
		w.openBlock(q, []byte(begin), nil)
	}
	w.piece(q, piece, text)
}

// openBlock begins a block: that of a call, or the one given.
func (w *messagesWriter) openBlock(q *queue, block []byte, d *delta) {
	w.open = true
	q.data = appendInt(append(q.data, `{"type":"content_block_start","index":`...), int64(w.block))
	q.data = append(q.data, `,"content_block":`...)
	if block != nil {
		q.data = append(q.data, block...)
	} else {
		q.data = strictjson.AppendString(append(q.data, `{"type":"tool_use","id":`...), d.id)
		q.data = append(memberString(q.data, "name", d.name), `,"input":{}}`...)
	}
	q.data = append(q.data, '}')
	q.end()
}

func (w *messagesWriter) piece(q *queue, begin string, text []byte) {
	w.said += len(text)
	q.data = appendInt(append(q.data, `{"type":"content_block_delta","index":`...), int64(w.block))
	q.data = append(append(q.data, `,"delta":`...), begin...)
	q.data = append(strictjson.AppendString(q.data, text), "}}"...)
	q.end()
}

func (w *messagesWriter) close(q *queue) {
	if !w.open {
		return
	}
	q.data = appendInt(append(q.data, `{"type":"content_block_stop","index":`...), int64(w.block))
	q.data = append(q.data, '}')
	q.end()
	w.open = false
	w.block++
}

// terminate gives why the answer ended, the usage, and the event that ends the stream.
func (w *messagesWriter) terminate(q *queue) {
	w.close(q)
	f := messagesStop(w.finish, w.calling, w.refusing)
	q.data = writeMessagesFinish(append(q.data, `{"type":"message_delta","delta":{`...), f, w.stop)
	u := w.usage.orEstimate(w.prompt, w.said)
	q.data = writeMessagesUsage(append(q.data, `},"usage":{`...), &u)
	q.data = append(q.data, "}}"...)
	q.end()
	q.data = append(q.data, `{"type":"message_stop"}`...)
	q.end()
}
