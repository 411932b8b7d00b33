package translate

import (
	"time"

	"github.com/sluicegate/sluice/runtime/strictjson"
)

// chatReader reads the events of a stream.
type chatReader struct {
	begun bool
	calls []chatCalling
}

// chatCalling is a call of which pieces came.
type chatCalling struct {
	index int64  // as the server counts
	id    string // "" until it came
	named bool
	held  []byte // arguments that came before the name
}

func (r *chatReader) read(data []byte, root strictjson.Value, take func(delta) error) error {
	if data != nil {
		return take(delta{happening: terminates})
	}
	if k := root.Get("error").Kind(); k == strictjson.Object || k == strictjson.String {
		return errFailed
	}
	if err := r.begin(root, take); err != nil {
		return err
	}
	choices := root.Get("choices")
	if choices.Len() > 1 {
		return errChoices
	}
	if choices.Len() == 1 {
		if err := r.choice(choices.Index(0), take); err != nil {
			return err
		}
	}
	if u := readChatUsage(root.Get("usage")); u.known {
		return take(delta{happening: reports, usage: u})
	}
	return nil
}

func (r *chatReader) begin(root strictjson.Value, take func(delta) error) error {
	if r.begun {
		return nil
	}
	r.begun = true
	created, _ := root.Get("created").Int64()
	return take(delta{happening: begins, id: root.Get("id").Bytes(), model: root.Get("model").Bytes(), created: created})
}

func (r *chatReader) choice(v strictjson.Value, take func(delta) error) error {
	if n, ok := v.Get("index").Int64(); ok && n != 0 {
		return errChoices
	}
	d := v.Get("delta")
	for _, t := range [...]struct {
		happening happening
		text      []byte
	}{
		{thinks, reasoningOf(d)},
		{signs, d.Get("reasoning_signature").Bytes()},
		{says, d.Get("content").Bytes()},
		{refuses, d.Get("refusal").Bytes()},
	} {
		if len(t.text) == 0 {
			continue
		}
		if err := take(delta{happening: t.happening, text: t.text}); err != nil {
			return err
		}
	}
	if k := d.Get("content").Kind(); k == strictjson.Array || k == strictjson.Object || d.Get("audio").Kind() == strictjson.Object {
		return errContent
	}
	var err error
	d.Get("tool_calls").Elements(func(i int, c strictjson.Value) bool {
		err = r.call(i, c, take)
		return err == nil
	})
	if err != nil {
		return err
	}
	if f, stop := chatFinish(v); f == failed {
		return errFailed
	} else if f != unfinished {
		return take(delta{happening: ends, finish: f, text: stop})
	}
	return nil
}

// call takes a piece of a call. Servers that leave out the index, or number every call 0, give each its own id.
func (r *chatReader) call(i int, v strictjson.Value, take func(delta) error) error {
	index, ok := v.Get("index").Int64()
	if !ok {
		index = int64(i)
	}
	id, f := v.Get("id").Bytes(), v.Get("function")
	n := len(r.calls) - 1
	for n >= 0 && (r.calls[n].index != index || len(id) > 0 && r.calls[n].id != "" && r.calls[n].id != string(id)) {
		n--
	}
	if n < 0 {
		n = len(r.calls)
		r.calls = append(r.calls, chatCalling{index: index})
	}
	c := &r.calls[n]
	if c.id == "" && len(id) > 0 {
		c.id = string(id)
	}
	text := argumentText(f.Get("arguments"))
	if name := f.Get("name").Bytes(); !c.named {
		if len(name) == 0 {
			c.held = append(c.held, text...)
			return nil
		}
		c.named = true
		if c.id == "" {
			c.id = string(callID(nil))
		}
		if err := take(delta{happening: calls, call: n, id: []byte(c.id), name: name}); err != nil {
			return err
		}
		text = append(c.held, text...)
	}
	if len(text) == 0 {
		return nil
	}
	return take(delta{happening: argues, call: n, text: text})
}

// chatWriter writes the events of a stream.
type chatWriter struct {
	repeated
	ended bool // why was said
	usage usage
}

// repeated is what every event of a stream repeats.
type repeated struct {
	id, model []byte
	created   int64
}

func (n *repeated) begin(d *delta) {
	n.id, n.model, n.created = append(n.id, d.id...), append(n.model, d.model...), d.created
	if n.created == 0 {
		n.created = time.Now().Unix()
	}
}

func (w *chatWriter) write(q *queue, d delta) error {
	switch d.happening {
	case begins:
		w.begin(&d)
		w.chunk(q, `"role":"assistant","content":""`, "")
	case says:
		w.text(q, `"content":`, d.text)
	case thinks:
		w.text(q, `"reasoning_content":`, d.text)
	case refuses:
		w.text(q, `"refusal":`, d.text)
	case signs:
		w.text(q, `"reasoning_signature":`, d.text)
	case calls:
		q.data = append(w.head(q.data), `"tool_calls":[{"index":`...)
		q.data = memberString(appendInt(q.data, int64(d.call)), "id", d.id)
		q.data = strictjson.AppendString(append(q.data, `,"type":"function","function":{"name":`...), d.name)
		q.data = append(q.data, `,"arguments":""}}]},"finish_reason":null}]}`...)
		q.end()
	case argues:
		q.data = append(w.head(q.data), `"tool_calls":[{"index":`...)
		q.data = append(appendInt(q.data, int64(d.call)), `,"function":{"arguments":`...)
		q.data = append(strictjson.AppendString(q.data, d.text), `}}]},"finish_reason":null}]}`...)
		q.end()
	case ends:
		if !w.ended {
			w.ended = true
			w.chunk(q, "", chatFinishWords[d.finish])
		}
	case reports:
		w.usage = d.usage
	case terminates:
		w.terminate(q)
	}
	return nil
}

// head appends a chunk up to the members of its delta.
func (w *chatWriter) head(dst []byte) []byte {
	return append(writeChatHead(dst, "chat.completion.chunk", w.id, w.model, w.created), `{"index":0,"delta":{`...)
}

func (w *chatWriter) text(q *queue, key string, text []byte) {
	q.data = strictjson.AppendString(append(w.head(q.data), key...), text)
	q.data = append(q.data, `},"finish_reason":null}]}`...)
	q.end()
}

func (w *chatWriter) chunk(q *queue, delta, finish string) {
	q.data = append(append(w.head(q.data), delta...), `},"finish_reason":`...)
	if finish == "" {
		q.data = append(q.data, "null"...)
	} else {
		q.data = strictjson.AppendString(q.data, finish)
	}
	q.data = append(q.data, "}]}"...)
	q.end()
}

// terminate gives the usage and the word that ends the stream.
func (w *chatWriter) terminate(q *queue) {
	if w.usage.known {
		q.data = append(writeChatHead(q.data, "chat.completion.chunk", w.id, w.model, w.created), ']')
		q.data = append(writeChatUsage(q.data, &w.usage), '}')
		q.end()
	}
	q.data = append(q.data, "[DONE]"...)
	q.end()
}
