package translate

import (
	"github.com/sluicegate/sluice/runtime/strictjson"
	"github.com/sluicegate/sluice/runtime/wire"
)

// completions is the OpenAI API's completions of a prompt, which becomes the one message of a user. No chat becomes one:
// how a model puts a chat into one text is its own matter. Source: the API reference.
var completions = &format{
	name: "openai.completions", operation: wire.Completions,
	read: readCompletion, writeAnswer: writeCompletion, writer: func(*Asked) eventWriter { return new(completionWriter) },
}

// readCompletion reads a request.
func readCompletion(root strictjson.Node, c *conversation) *wire.Fault {
	return object(root, func(key []byte, v strictjson.Node) *wire.Fault {
		if fault, ok := readSampling(c, key, v); ok {
			return under(fault, string(key))
		}
		fault, known := readCompletionField(c, string(key), v)
		if !known {
			return unknown(key)
		}
		return under(fault, string(key))
	})
}

// readCompletionField reads one member; known is false for one that is not of the format.
func readCompletionField(c *conversation, key string, v strictjson.Node) (fault *wire.Fault, known bool) {
	switch key {
	case "prompt":
		return readPrompt(c, v), true
	case "suffix":
		return unless(zero(v)), true
	case "logprobs": // 0 asks for those of the text itself
		return unless(v.Kind() == strictjson.Bool && zero(v)), true
	case "model", "stream", "stream_options", "max_tokens", "stop", "response_format":
		return readChatField(c, key, v)
	case "user", "n", "best_of", "store", "logit_bias", "min_tokens", "min_p", "ignore_eos", "echo", "background", "repetition_penalty",
		"length_penalty", "service_tier":
		return readChatRest(c, key, v)
	default:
		return nil, false
	}
}

// readPrompt reads the prompt: a text, or a list of one.
func readPrompt(c *conversation, v strictjson.Node) *wire.Fault {
	if v.Kind() == strictjson.Array && v.Len() == 1 {
		return list(v, func(v strictjson.Node) *wire.Fault { return readPrompt(c, v) })
	}
	if v.Kind() != strictjson.String {
		return refuse("") // several, or usage tokens
	}
	c.add(user)
	c.put(part{text: v.Bytes()})
	return unless(!c.blank() || c.can(empties))
}

// writeCompletion appends a whole answer. What the model thought has no place in it.
func writeCompletion(dst []byte, a *answer) ([]byte, error) {
	if has(a.parts, call) {
		return nil, errContent
	}
	dst = writeChatHead(dst, "text_completion", a.id, a.model, a.created)
	dst = append(dst, `{"index":0,"text":"`...)
	for i := range a.parts {
		if isSaid(&a.parts[i]) {
			dst = appendInner(dst, a.parts[i].text)
		}
	}
	dst = memberString(append(dst, `","logprobs":null`...), "finish_reason", chatFinishWords[a.finish])
	dst = append(dst, "}]"...)
	if a.usage.known {
		dst = writeChatUsage(dst, &a.usage)
	}
	return append(dst, '}'), nil
}

// completionWriter writes the events of a stream.
type completionWriter struct {
	repeated
	ended bool // why was said
	usage usage
}

func (w *completionWriter) write(q *queue, d delta) error {
	switch d.happening {
	case begins:
		w.begin(&d)
	case says, refuses:
		w.chunk(q, d.text, "")
	case calls, argues:
		return errContent
	case ends:
		if !w.ended {
			w.ended = true
			w.chunk(q, nil, chatFinishWords[d.finish])
		}
	case reports:
		w.usage = d.usage
	case terminates:
		if w.usage.known {
			q.data = append(writeChatHead(q.data, "text_completion", w.id, w.model, w.created), ']')
			q.data = append(writeChatUsage(q.data, &w.usage), '}')
			q.end()
		}
		q.data = append(q.data, "[DONE]"...)
		q.end()
	}
	return nil
}

func (w *completionWriter) chunk(q *queue, text []byte, finish string) {
	q.data = writeChatHead(q.data, "text_completion", w.id, w.model, w.created)
	q.data = strictjson.AppendString(append(q.data, `{"index":0,"text":`...), text)
	q.data = append(q.data, `,"logprobs":null,"finish_reason":`...)
	if finish == "" {
		q.data = append(q.data, "null}]}"...)
	} else {
		q.data = append(strictjson.AppendString(q.data, finish), "}]}"...)
	}
	q.end()
}
