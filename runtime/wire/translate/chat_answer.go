package translate

import (
	"errors"
	"time"

	"github.com/sluicegate/sluice/runtime/strictjson"
)

// What an answer can be wrong in. No word of it is the model server's.
var (
	errChoices   = errors.New("the answer has not exactly one choice")
	errContent   = errors.New("the answer holds content that the caller's API cannot say")
	errArguments = errors.New("the arguments of a tool call are not a JSON object")
	errFailed    = errors.New("the model server reports a failure")
	errOrder     = errors.New("the stream's events are not in an order that can be read")
)

// readChatAnswer reads a whole answer.
func readChatAnswer(root strictjson.Value, a *answer) error {
	choices := root.Get("choices")
	if choices.Len() != 1 {
		return errChoices
	}
	a.id, a.model = root.Get("id").Bytes(), root.Get("model").Bytes()
	a.created, _ = root.Get("created").Int64()
	a.usage = readChatUsage(root.Get("usage"))
	first := choices.Index(0)
	m := first.Get("message")
	if thought := reasoningOf(m); len(thought) > 0 {
		a.parts = append(a.parts, part{kind: reasoning, text: thought, signature: m.Get("reasoning_signature").Bytes()})
	}
	if err := readSaid(m.Get("content"), a); err != nil {
		return err
	}
	if refused := m.Get("refusal").Bytes(); len(refused) > 0 {
		a.parts = append(a.parts, part{kind: refusal, text: refused})
	}
	if m.Get("audio").Kind() == strictjson.Object || m.Get("function_call").Kind() == strictjson.Object {
		return errContent
	}
	if err := readSaidCalls(m.Get("tool_calls"), a); err != nil {
		return err
	}
	a.finish, a.stop = chatFinish(first)
	if a.finish == failed {
		return errFailed
	}
	return nil
}

// reasoningOf is the reasoning beside a content, by either of the names that servers give it.
func reasoningOf(v strictjson.Value) []byte {
	if b := v.Get("reasoning_content").Bytes(); b != nil {
		return b
	}
	return v.Get("reasoning").Bytes()
}

// readSaid reads the content of an answer: a string, or parts of text.
func readSaid(v strictjson.Value, a *answer) error {
	switch v.Kind() {
	case strictjson.Invalid, strictjson.Null:
		return nil
	case strictjson.String:
		if b := v.Bytes(); len(b) > 0 {
			a.parts = append(a.parts, part{text: b})
		}
		return nil
	case strictjson.Array:
	default:
		return errContent
	}
	var err error
	v.Elements(func(_ int, p strictjson.Value) bool {
		b := p.Get("text").Bytes()
		if b == nil {
			err = errContent
			return false
		}
		a.parts = append(a.parts, part{text: b})
		return true
	})
	return err
}

func readSaidCalls(v strictjson.Value, a *answer) error {
	var err error
	v.Elements(func(_ int, c strictjson.Value) bool {
		f := c.Get("function")
		if f.Kind() != strictjson.Object {
			err = errContent
			return false
		}
		a.parts = append(a.parts, part{
			kind: call, id: callID(c.Get("id").Bytes()), name: f.Get("name").Bytes(), text: argumentText(f.Get("arguments")),
		})
		return true
	})
	return err
}

// argumentText is the text of arguments, which some servers give as the object itself.
func argumentText(v strictjson.Value) []byte {
	if v.Kind() == strictjson.Object {
		return v.Append(nil)
	}
	return v.Bytes()
}

// chatFinishes are the finish reasons, and what others than OpenAI's servers say in their place.
var chatFinishes = map[string]finish{
	"stop": done, "length": length, "tool_calls": called, "function_call": called, "content_filter": filtered,
	"error": failed, "abort": failed,
}

// chatFinish is why a choice ended. Some servers tell which stop sequence it was.
func chatFinish(choice strictjson.Value) (f finish, stop []byte) {
	word := choice.Get("finish_reason")
	if word.Kind() != strictjson.String {
		return unfinished, nil
	}
	f, ok := chatFinishes[string(word.Bytes())]
	if !ok {
		f = done
	}
	if stop = choice.Get("stop_reason").Bytes(); f == done && len(stop) > 0 {
		f = stopped
	}
	return f, stop
}

// chatFinishWords are the finish reasons by why an answer ended.
var chatFinishWords = [finishesCount]string{
	unfinished: "stop", done: "stop", length: "length", called: "tool_calls", stopped: "stop", filtered: "content_filter",
	full: "length", paused: "stop", failed: "stop",
}

func readChatUsage(v strictjson.Value) (u usage) {
	if v.Kind() != strictjson.Object {
		return u
	}
	u.known = true
	u.input, _ = v.Get("prompt_tokens").Int64()
	u.output, _ = v.Get("completion_tokens").Int64()
	u.cached, _ = v.Get("prompt_tokens_details", "cached_tokens").Int64()
	u.written, _ = v.Get("prompt_tokens_details", "cache_write_tokens").Int64()
	u.reasoning, _ = v.Get("completion_tokens_details", "reasoning_tokens").Int64()
	return u
}

// writeChatAnswer appends a whole answer.
func writeChatAnswer(dst []byte, a *answer) ([]byte, error) {
	dst = writeChatHead(dst, "chat.completion", a.id, a.model, a.created)
	dst = writeChatSaid(append(dst, `{"index":0,"message":{"role":"assistant"`...), a.parts, true)
	dst = append(dst, `},"logprobs":null`...)
	dst = memberString(dst, "finish_reason", chatFinishWords[a.finish])
	dst = append(dst, "}]"...)
	if a.usage.known {
		dst = writeChatUsage(dst, &a.usage)
	}
	return append(dst, '}'), nil
}

// writeChatHead appends an answer or chunk up to its choices.
func writeChatHead(dst []byte, object string, id, model []byte, created int64) []byte {
	dst = strictjson.AppendString(append(dst, `{"id":`...), id)
	dst = memberString(dst, "object", object)
	if created == 0 {
		created = time.Now().Unix()
	}
	dst = memberInt(dst, "created", created)
	dst = memberString(dst, "model", model)
	return append(dst, `,"choices":[`...)
}

func writeChatUsage(dst []byte, u *usage) []byte {
	dst = append(dst, `,"usage":{"prompt_tokens":`...)
	dst = appendInt(dst, u.input)
	dst = memberInt(dst, "completion_tokens", u.output)
	dst = memberInt(dst, "total_tokens", u.input+u.output)
	dst = append(dst, `,"prompt_tokens_details":{"cached_tokens":`...)
	dst = appendInt(dst, u.cached)
	if u.written > 0 {
		dst = memberInt(dst, "cache_write_tokens", u.written)
	}
	dst = append(dst, `},"completion_tokens_details":{"reasoning_tokens":`...)
	return append(appendInt(dst, u.reasoning), "}}"...)
}
