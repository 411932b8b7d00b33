package translate

import (
	"crypto/rand"
	"strconv"
	"time"

	"github.com/sluicegate/sluice/runtime/strictjson"
)

// readResponse reads a whole answer.
func readResponse(root strictjson.Value, a *answer) error {
	a.id, a.model = root.Get("id").Bytes(), root.Get("model").Bytes()
	a.created, _ = root.Get("created_at").Int64()
	a.usage = readResponseUsage(root.Get("usage"))
	var err error
	root.Get("output").Elements(func(_ int, item strictjson.Value) bool {
		err = readOutputOf(item, a)
		return err == nil
	})
	if err != nil {
		return err
	}
	a.finish = responseFinish(root, has(a.parts, call))
	if a.finish == failed {
		return errFailed
	}
	return nil
}

func readOutputOf(item strictjson.Value, a *answer) error {
	switch string(item.Get("type").Bytes()) {
	case "message":
		var err error
		item.Get("content").Elements(func(_ int, v strictjson.Value) bool {
			switch string(v.Get("type").Bytes()) {
			case "output_text":
				a.parts = append(a.parts, part{text: v.Get("text").Bytes()})
			case "refusal":
				a.parts = append(a.parts, part{kind: refusal, text: v.Get("refusal").Bytes()})
			default:
				err = errContent
			}
			return err == nil
		})
		return err
	case "function_call":
		a.parts = append(a.parts, part{
			kind: call, id: callID(item.Get("call_id").Bytes()), name: item.Get("name").Bytes(), text: item.Get("arguments").Bytes(),
		})
	case "reasoning":
		p := part{kind: reasoning, text: reasoningText(item), signature: item.Get("encrypted_content").Bytes()}
		if len(p.text) > 0 || len(p.signature) > 0 {
			a.parts = append(a.parts, p)
		}
	default:
		return errContent
	}
	return nil
}

// reasoningText is the text of a reasoning item: its summary, or what it is made of.
func reasoningText(item strictjson.Value) (out []byte) {
	for _, key := range [...]string{"summary", "content"} {
		item.Get(key).Elements(func(_ int, v strictjson.Value) bool {
			if out != nil {
				out = append(out, "\n\n"...)
			}
			out = append(out, v.Get("text").Bytes()...)
			return true
		})
	}
	return out
}

// responseFinish is why a response ended.
func responseFinish(root strictjson.Value, calling bool) finish {
	if root.Get("error").Kind() == strictjson.Object {
		return failed
	}
	switch string(root.Get("status").Bytes()) {
	case "failed", "cancelled":
		return failed
	case "incomplete":
		if string(root.Get("incomplete_details", "reason").Bytes()) == "content_filter" {
			return filtered
		}
		return length
	}
	if calling {
		return called
	}
	return done
}

func readResponseUsage(v strictjson.Value) (u usage) {
	if v.Kind() != strictjson.Object {
		return u
	}
	u.known = true
	u.input, _ = v.Get("input_tokens").Int64()
	u.output, _ = v.Get("output_tokens").Int64()
	u.cached, _ = v.Get("input_tokens_details", "cached_tokens").Int64()
	u.written, _ = v.Get("input_tokens_details", "cache_write_tokens").Int64()
	u.reasoning, _ = v.Get("output_tokens_details", "reasoning_tokens").Int64()
	return u
}

// writeResponse appends a whole answer.
func writeResponse(dst []byte, a *answer) ([]byte, error) {
	r := response{id: a.id, model: a.model, created: a.created}
	r.complete()
	var items []byte
	items = append(items, '[')
	for i, n := 0, 0; i < len(a.parts); n++ {
		end := i + 1
		for isSaid(&a.parts[i]) && end < len(a.parts) && isSaid(&a.parts[end]) {
			end++
		}
		items = r.item(comma(items), a.parts[i:end], n, "completed")
		i = end
	}
	return r.write(dst, a.finish, append(items, ']'), &a.usage), nil
}

// isSaid tells whether a part belongs into a message item.
func isSaid(p *part) bool { return p.kind == text || p.kind == refusal }

// response is what stays the same in a response while it is made.
type response struct {
	id, model []byte
	created   int64
}

// complete fills in what the model server did not say.
func (r *response) complete() {
	if len(r.id) == 0 {
		r.id = []byte("resp_" + rand.Text())
	}
	if r.created == 0 {
		r.created = time.Now().Unix()
	}
}

// write appends the response; unfinished is one that is under way.
func (r *response) write(dst []byte, f finish, items []byte, u *usage) []byte {
	dst = strictjson.AppendString(append(dst, `{"id":`...), r.id)
	dst = append(dst, `,"object":"response"`...)
	dst = memberInt(dst, "created_at", r.created)
	switch f {
	case length, full:
		dst = append(dst, `,"status":"incomplete","error":null,"incomplete_details":{"reason":"max_output_tokens"}`...)
	case filtered:
		dst = append(dst, `,"status":"incomplete","error":null,"incomplete_details":{"reason":"content_filter"}`...)
	case unfinished:
		dst = append(dst, `,"status":"in_progress","error":null,"incomplete_details":null`...)
	default:
		dst = append(dst, `,"status":"completed","error":null,"incomplete_details":null`...)
	}
	dst = append(dst, `,"instructions":null,"metadata":{}`...)
	dst = memberString(dst, "model", r.model)
	dst = append(append(dst, `,"output":`...), items...)
	dst = append(dst, `,"parallel_tool_calls":true,"previous_response_id":null,"store":false,"temperature":null,"tool_choice":"auto","tools":[],"top_p":null,"usage":`...)
	if !u.known {
		return append(dst, "null}"...)
	}
	dst = append(dst, `{"input_tokens":`...)
	dst = append(appendInt(dst, u.input), `,"input_tokens_details":{"cached_tokens":`...)
	dst = memberInt(appendInt(dst, u.cached), "cache_write_tokens", u.written)
	dst = memberInt(append(dst, '}'), "output_tokens", u.output)
	dst = appendInt(append(dst, `,"output_tokens_details":{"reasoning_tokens":`...), u.reasoning)
	dst = memberInt(append(dst, '}'), "total_tokens", u.input+u.output)
	return append(dst, "}}"...)
}

// itemPrefixes begin the ids of items.
var itemPrefixes = map[kind]string{text: "msg_", refusal: "msg_", call: "fc_", reasoning: "rs_"}

// itemID appends the id of the n-th item, as a string.
func (r *response) itemID(dst []byte, k kind, n int) []byte {
	dst = append(append(dst, '"'), itemPrefixes[k]...)
	dst = append(appendInner(dst, r.id), '_')
	return append(strconv.AppendInt(dst, int64(n), 10), '"')
}

// item appends the n-th item: the texts of a message, a call or reasoning.
func (r *response) item(dst []byte, parts []part, n int, status string) []byte {
	p := &parts[0]
	dst = r.itemID(append(dst, `{"id":`...), p.kind, n)
	switch p.kind {
	case call:
		arguments := p.text
		if status == "completed" {
			arguments = argumentsOf(p)
		}
		dst = memberString(append(dst, `,"type":"function_call"`...), "status", status)
		dst = memberString(dst, "arguments", arguments)
		dst = memberString(dst, "call_id", p.id)
		return append(memberString(dst, "name", p.name), '}')
	case reasoning:
		dst = append(dst, `,"type":"reasoning","summary":[`...)
		if len(p.text) > 0 {
			dst = append(strictjson.AppendString(append(dst, `{"type":"summary_text","text":`...), p.text), '}')
		}
		dst = append(dst, ']')
		if len(p.signature) > 0 {
			dst = memberString(dst, "encrypted_content", p.signature)
		}
		return append(dst, '}')
	default:
		dst = memberString(append(dst, `,"type":"message"`...), "status", status)
		dst = append(dst, `,"role":"assistant","content":`...)
		return append(writeItemParts(dst, parts, true), '}')
	}
}
