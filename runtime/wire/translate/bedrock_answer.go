package translate

import (
	"crypto/rand"

	"github.com/sluicegate/sluice/runtime/strictjson"
)

// converseID is the id of an answer, which this API gives none.
func converseID() []byte { return []byte("msg_" + rand.Text()) }

// readConverse reads a whole answer.
func readConverse(root strictjson.Value, a *answer) error {
	a.id, a.usage = converseID(), readConverseUsage(root.Get("usage"))
	var err error
	root.Get("output", "message", "content").Elements(func(_ int, b strictjson.Value) bool {
		var p part
		switch {
		case b.Get("text").Kind() == strictjson.String:
			p.text = b.Get("text").Bytes()
		case b.Get("toolUse").Kind() == strictjson.Object:
			u := b.Get("toolUse")
			p = part{kind: call, id: callID(u.Get("toolUseId").Bytes()), name: u.Get("name").Bytes(), text: u.Get("input").Append(nil)}
		case b.Get("reasoningContent", "reasoningText").Kind() == strictjson.Object:
			t := b.Get("reasoningContent", "reasoningText")
			p = part{kind: reasoning, text: t.Get("text").Bytes(), signature: t.Get("signature").Bytes()}
		case b.Get("reasoningContent").Kind() == strictjson.Object:
			return true // nobody but its model can read it
		default:
			err = errContent
			return false
		}
		a.parts = append(a.parts, p)
		return true
	})
	if a.finish = converseFinish(root.Get("stopReason")); a.finish == failed {
		return errFailed
	}
	return err
}

func converseFinish(v strictjson.Value) finish {
	switch string(v.Bytes()) {
	case "guardrail_intervened", "content_filtered":
		return filtered
	case "malformed_model_output", "malformed_tool_use":
		return failed
	default:
		return messagesFinish(v) // the other words are those of Anthropic's API
	}
}

func readConverseUsage(v strictjson.Value) (u usage) {
	if v.Kind() != strictjson.Object {
		return u
	}
	u.known = true
	u.input, _ = v.Get("inputTokens").Int64()
	u.output, _ = v.Get("outputTokens").Int64()
	u.cached, _ = v.Get("cacheReadInputTokens").Int64()
	u.written, _ = v.Get("cacheWriteInputTokens").Int64()
	u.input += u.cached + u.written // it counts them apart
	return u
}

// converseReader reads the events of a stream: an object with one member, the event's type. The dialect gives [DONE]
// behind the last one.
type converseReader struct {
	calls []int64 // the blocks that are calls, by their numbers
	mute  bool    // of the last call no arguments came yet
	usage usage
}

func (r *converseReader) read(data []byte, root strictjson.Value, take func(delta) error) error {
	if data != nil {
		if r.usage.known {
			if err := take(delta{happening: reports, usage: r.usage}); err != nil {
				return err
			}
		}
		return take(delta{happening: terminates})
	}
	var err error
	root.Members(func(name string, v strictjson.Value) bool {
		err = r.event(name, v, take)
		return err == nil
	})
	return err
}

func (r *converseReader) event(name string, v strictjson.Value, take func(delta) error) error {
	switch name {
	case "messageStart":
		return take(delta{happening: begins, id: converseID()})
	case "contentBlockStart":
		use := v.Get("start", "toolUse")
		if use.Kind() != strictjson.Object {
			return nil
		}
		at, _ := v.Get("contentBlockIndex").Int64()
		r.calls, r.mute = append(r.calls, at), true
		return take(delta{happening: calls, call: len(r.calls) - 1, id: callID(use.Get("toolUseId").Bytes()), name: use.Get("name").Bytes()})
	case "contentBlockDelta":
		return r.delta(v, take)
	case "contentBlockStop":
		if !r.mute {
			return nil
		}
		r.mute = false
		return take(delta{happening: argues, call: len(r.calls) - 1, text: emptyObject})
	case "messageStop":
		f := converseFinish(v.Get("stopReason"))
		if f == failed {
			return errFailed
		}
		return take(delta{happening: ends, finish: f})
	case "metadata":
		r.usage = readConverseUsage(v.Get("usage"))
	}
	return nil // what the API may add
}

func (r *converseReader) delta(v strictjson.Value, take func(delta) error) error {
	d := v.Get("delta")
	if in := d.Get("toolUse", "input"); in.Kind() == strictjson.String {
		if len(in.Bytes()) == 0 {
			return nil
		}
		at, _ := v.Get("contentBlockIndex").Int64()
		for n, block := range r.calls {
			if block == at {
				r.mute = false
				return take(delta{happening: argues, call: n, text: in.Bytes()})
			}
		}
		return errOrder
	}
	if err := taken(take, thinks, d.Get("reasoningContent", "text").Bytes()); err != nil {
		return err
	}
	if err := taken(take, signs, d.Get("reasoningContent", "signature").Bytes()); err != nil {
		return err
	}
	return taken(take, says, d.Get("text").Bytes())
}
