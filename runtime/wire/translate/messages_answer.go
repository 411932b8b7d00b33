package translate

import (
	"crypto/rand"

	"github.com/sluicegate/sluice/runtime/strictjson"
)

// readMessagesAnswer reads a whole answer.
func readMessagesAnswer(root strictjson.Value, a *answer) error {
	a.id, a.model = root.Get("id").Bytes(), root.Get("model").Bytes()
	a.usage = readMessagesUsage(root.Get("usage"), usage{})
	var err error
	root.Get("content").Elements(func(_ int, b strictjson.Value) bool {
		err = readAnswerBlock(b, a)
		return err == nil
	})
	a.finish = messagesFinish(root.Get("stop_reason"))
	a.stop = root.Get("stop_sequence").Bytes()
	return err
}

func readAnswerBlock(b strictjson.Value, a *answer) error {
	var p part
	switch string(b.Get("type").Bytes()) {
	case "text":
		p.text = b.Get("text").Bytes()
	case "thinking":
		p = part{kind: reasoning, text: b.Get("thinking").Bytes(), signature: b.Get("signature").Bytes()}
	case "redacted_thinking":
		return nil // nobody but its model can read it
	case "tool_use":
		p = part{kind: call, id: callID(b.Get("id").Bytes()), name: b.Get("name").Bytes(), text: b.Get("input").Append(nil)}
	default:
		return errContent
	}
	a.parts = append(a.parts, p)
	return nil
}

// messagesFinishes are the stop reasons.
var messagesFinishes = map[string]finish{
	"end_turn": done, "max_tokens": length, "stop_sequence": stopped, "tool_use": called, "pause_turn": paused,
	"refusal": filtered, "model_context_window_exceeded": full,
}

func messagesFinish(v strictjson.Value) finish {
	if v.Kind() != strictjson.String {
		return unfinished
	}
	if f, ok := messagesFinishes[string(v.Bytes())]; ok {
		return f
	}
	return done
}

// messagesFinishWords are the stop reasons by why an answer ended.
var messagesFinishWords = [finishesCount]string{
	unfinished: "end_turn", done: "end_turn", length: "max_tokens", called: "tool_use", stopped: "stop_sequence",
	filtered: "refusal", full: "model_context_window_exceeded", paused: "pause_turn", failed: "end_turn",
}

// readMessagesUsage reads usage over what is known of it: streams tell it in pieces. This API counts what was read from
// a cache, or written to one, beside the input; the sum is what others call input.
func readMessagesUsage(v strictjson.Value, u usage) usage {
	if v.Kind() != strictjson.Object {
		return u
	}
	fresh := u.input - u.cached - u.written
	for _, f := range [...]struct {
		key string
		to  *int64
	}{
		{"input_tokens", &fresh},
		{"cache_read_input_tokens", &u.cached},
		{"cache_creation_input_tokens", &u.written},
		{"output_tokens", &u.output},
	} {
		if n, ok := v.Get(f.key).Int64(); ok {
			*f.to = n
		}
	}
	if n, ok := v.Get("output_tokens_details", "thinking_tokens").Int64(); ok {
		u.reasoning = n
	}
	u.input, u.known = fresh+u.cached+u.written, true
	return u
}

// writeMessagesUsage appends the members of usage.
func writeMessagesUsage(dst []byte, u *usage) []byte {
	dst = append(dst, `"input_tokens":`...)
	dst = appendInt(dst, max(0, u.input-u.cached-u.written))
	dst = memberInt(dst, "cache_creation_input_tokens", u.written)
	dst = memberInt(dst, "cache_read_input_tokens", u.cached)
	dst = memberInt(dst, "output_tokens", u.output)
	if u.reasoning > 0 {
		dst = append(appendInt(append(dst, `,"output_tokens_details":{"thinking_tokens":`...), u.reasoning), '}')
	}
	if u.estimated {
		dst = append(dst, `,"estimated":true`...)
	}
	return dst
}

// size counts the bytes of the answer's text.
func (a *answer) size() (n int) {
	for i := range a.parts {
		n += len(a.parts[i].text)
	}
	return n
}

// writeMessagesAnswer appends a whole answer.
func writeMessagesAnswer(dst []byte, a *answer) ([]byte, error) {
	dst = writeMessageHead(dst, a.id, a.model)
	for i := range a.parts {
		p := &a.parts[i]
		switch {
		case p.kind == call && len(p.text) > 0 && !isObject(p.text):
			return nil, errArguments
		case p.kind == call:
			dst = strictjson.AppendString(append(comma(dst), `{"type":"tool_use","id":`...), p.id)
			dst = memberString(dst, "name", p.name)
			dst = append(memberRaw(dst, "input", argumentsOf(p)), '}')
		default:
			dst = writeBlock(dst, p)
		}
	}
	dst = append(dst, "],"...)
	dst = writeMessagesFinish(dst, messagesStop(a.finish, has(a.parts, call), has(a.parts, refusal)), a.stop)
	u := a.usage.orEstimate(a.prompt, a.size())
	dst = writeMessagesUsage(append(dst, `,"usage":{`...), &u)
	return append(dst, "}}"...), nil
}

// writeMessageHead appends a message up to its content.
func writeMessageHead(dst, id, model []byte) []byte {
	dst = strictjson.AppendString(append(dst, `{"id":`...), id)
	dst = append(dst, `,"type":"message","role":"assistant"`...)
	return append(memberString(dst, "model", model), `,"content":[`...)
}

// callID is the id of a call, which every API but some servers gives.
func callID(id []byte) []byte {
	if len(id) > 0 {
		return id
	}
	return []byte("call_" + rand.Text())
}

// messagesStop is why an answer ended, in this API's sense: with calls, whatever made the model call; refused, if the
// model refused.
func messagesStop(f finish, calling, refusing bool) finish {
	switch {
	case refusing && (f == done || f == unfinished):
		return filtered
	case calling && (f == done || f == unfinished):
		return called
	default:
		return f
	}
}

func writeMessagesFinish(dst []byte, f finish, stop []byte) []byte {
	dst = strictjson.AppendString(append(dst, `"stop_reason":`...), messagesFinishWords[f])
	if f == stopped && len(stop) > 0 {
		return memberString(dst, "stop_sequence", stop)
	}
	return append(dst, `,"stop_sequence":null`...)
}
