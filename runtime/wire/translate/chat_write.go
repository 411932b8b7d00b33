package translate

import (
	"github.com/sluicegate/sluice/runtime/strictjson"
)

// writeChat appends a request.
func writeChat(dst []byte, c *conversation, o Options) []byte {
	dst = strictjson.AppendString(append(dst, `{"model":`...), c.model)
	dst = append(dst, `,"messages":[`...)
	for _, t := range c.turns {
		dst = writeChatTurn(dst, c.parts[t.from:t.to], t.role)
	}
	dst = append(dst, ']')
	dst = writeChatTools(dst, c)
	dst = writeChatForm(dst, &c.form)
	if o.CompletionLimit {
		dst = memberRaw(dst, "max_completion_tokens", c.maxOutput)
	} else {
		dst = memberRaw(dst, "max_tokens", c.maxOutput)
	}
	for i, name := range sampleNames {
		dst = memberRaw(dst, name, c.sampling[i])
	}
	if len(c.stop) > 0 {
		dst = append(writeStrings(append(member(dst, "stop"), '['), c.stop), ']')
	}
	for _, m := range [...]struct {
		key string
		v   []byte
	}{{"user", c.user}, {"service_tier", c.tier}, {"reasoning_effort", c.effort}, {"verbosity", c.verbosity}, {"prompt_cache_key", c.cacheKey}} {
		if m.v != nil {
			dst = memberString(dst, m.key, m.v)
		}
	}
	dst = memberRaw(dst, "metadata", c.metadata)
	if c.stream {
		dst = append(dst, `,"stream":true,"stream_options":{"include_usage":true}`...)
	}
	return append(dst, '}')
}

// writeStrings appends the elements of an array that has none yet.
func writeStrings(dst []byte, all [][]byte) []byte {
	for _, s := range all {
		dst = strictjson.AppendString(comma(dst), s)
	}
	return dst
}

// writeChatTurn appends a turn's messages: of a user's, one for each result of a tool and one for the rest.
func writeChatTurn(dst []byte, parts []part, r role) []byte {
	switch r {
	case system:
		return append(writeChatContent(append(comma(dst), `{"role":"system","content":`...), parts), '}')
	case assistant:
		return writeChatAssistant(dst, parts)
	}
	for len(parts) > 0 {
		p := &parts[0]
		n := 1
		if p.kind == result {
			n += p.size
			dst = memberString(append(comma(dst), `{"role":"tool"`...), "tool_call_id", p.id)
			dst = writeResultText(member(dst, "content"), p, parts[1:n])
		} else {
			for n < len(parts) && parts[n].kind != result {
				n++
			}
			dst = writeChatContent(append(comma(dst), `{"role":"user","content":`...), parts[:n])
		}
		dst = append(dst, '}')
		parts = parts[n:]
	}
	return dst
}

// failedResult stands before the text of a result that is an error, for formats that have no field to say so.
const failedResult = "Error: "

// writeResultText appends the content of a tool's result.
func writeResultText(dst []byte, p *part, parts []part) []byte {
	if len(parts) == 0 && !p.failed {
		return append(dst, `""`...)
	}
	if !p.failed {
		return writeChatContent(dst, parts)
	}
	dst = strictjson.AppendString(append(dst, `[{"type":"text","text":`...), failedResult)
	dst = append(dst, '}')
	for i := range parts {
		dst = writeChatPart(dst, &parts[i])
	}
	return append(dst, ']')
}

// writeChatContent appends a content: a string where it is one text.
func writeChatContent(dst []byte, parts []part) []byte {
	if len(parts) == 0 {
		return append(dst, `""`...)
	}
	if len(parts) == 1 && parts[0].kind == text {
		return strictjson.AppendString(dst, parts[0].text)
	}
	dst = append(dst, '[')
	for i := range parts {
		dst = writeChatPart(dst, &parts[i])
	}
	return append(dst, ']')
}

func writeChatPart(dst []byte, p *part) []byte {
	dst = comma(dst)
	switch p.kind {
	case image:
		dst = writeDataURL(append(dst, `{"type":"image_url","image_url":{"url":`...), p)
		if p.detail != nil {
			dst = memberString(dst, "detail", p.detail)
		}
		return append(dst, "}}"...)
	case file:
		dst = writeDataURL(append(dst, `{"type":"file","file":{"file_data":`...), p)
		if p.name != nil {
			dst = memberString(dst, "filename", p.name)
		}
		return append(dst, "}}"...)
	default:
		return append(strictjson.AppendString(append(dst, `{"type":"text","text":`...), p.text), '}')
	}
}

// writeDataURL appends an address as a string: its own, or one that holds the content.
func writeDataURL(dst []byte, p *part) []byte {
	if p.url != nil {
		return strictjson.AppendString(dst, p.url)
	}
	dst = appendInner(append(dst, `"data:`...), p.media)
	dst = appendInner(append(dst, `;base64,`...), p.text)
	return append(dst, '"')
}

// appendInner appends the inside of a JSON string.
func appendInner(dst, s []byte) []byte {
	at := len(dst)
	dst = strictjson.AppendString(dst, s)
	copy(dst[at:], dst[at+1:len(dst)-1])
	return dst[:len(dst)-2]
}

// writeChatAssistant appends what the model said.
func writeChatAssistant(dst []byte, parts []part) []byte {
	dst = append(writeChatSaid(append(comma(dst), `{"role":"assistant"`...), parts, false), '}')
	return dst
}

// writeChatSaid appends the members of an assistant's message but for its role. The message of an answer has all that
// clients look for.
func writeChatSaid(dst []byte, parts []part, answer bool) []byte {
	texts, only, calling := 0, 0, false
	for i := range parts {
		if parts[i].kind == text {
			texts, only = texts+1, i
		}
		calling = calling || parts[i].kind == call
	}
	dst = member(dst, "content")
	switch {
	case texts == 0 && (calling || answer):
		dst = append(dst, "null"...)
	case texts == 0:
		dst = append(dst, `""`...)
	case texts == 1:
		dst = strictjson.AppendString(dst, parts[only].text)
	case answer: // one string, as the API answers
		dst = writeJoined(dst, parts, text)
	default:
		dst = append(dst, '[')
		for i := range parts {
			if parts[i].kind == text {
				dst = writeChatPart(dst, &parts[i])
			}
		}
		dst = append(dst, ']')
	}
	dst = writeChatAside(dst, parts, answer)
	if calling {
		dst = writeChatCalls(dst, parts)
	}
	return dst
}

// writeJoined appends the texts of one kind as one string.
func writeJoined(dst []byte, parts []part, k kind) []byte {
	dst = append(dst, '"')
	for i := range parts {
		if parts[i].kind == k {
			dst = appendInner(dst, parts[i].text)
		}
	}
	return append(dst, '"')
}

// has tells whether there is a part of that kind.
func has(parts []part, k kind) bool {
	for i := range parts {
		if parts[i].kind == k {
			return true
		}
	}
	return false
}

// writeChatAside appends what stands beside the content: a refusal and reasoning.
func writeChatAside(dst []byte, parts []part, answer bool) []byte {
	if has(parts, refusal) {
		dst = writeJoined(member(dst, "refusal"), parts, refusal)
	} else if answer {
		dst = append(dst, `,"refusal":null`...)
	}
	if !has(parts, reasoning) {
		return dst
	}
	dst = writeJoined(member(dst, "reasoning_content"), parts, reasoning)
	for i := range parts {
		if answer && len(parts[i].signature) > 0 {
			return memberString(dst, "reasoning_signature", parts[i].signature)
		}
	}
	return dst
}

func writeChatCalls(dst []byte, parts []part) []byte {
	dst = append(dst, `,"tool_calls":[`...)
	for i := range parts {
		p := &parts[i]
		if p.kind != call {
			continue
		}
		dst = strictjson.AppendString(append(comma(dst), `{"id":`...), p.id)
		dst = strictjson.AppendString(append(dst, `,"type":"function","function":{"name":`...), p.name)
		dst = append(memberString(dst, "arguments", argumentsOf(p)), "}}"...)
	}
	return append(dst, ']')
}

var emptyObject = []byte("{}")

// argumentsOf is the text of a call's arguments, which is never empty.
func argumentsOf(p *part) []byte {
	if len(p.text) == 0 {
		return emptyObject
	}
	return p.text
}

// writeChatTools appends the tools and which of them to call.
func writeChatTools(dst []byte, c *conversation) []byte {
	if len(c.tools) == 0 {
		return dst
	}
	dst = append(dst, `,"tools":[`...)
	for i := range c.tools {
		dst = append(writeFunction(append(comma(dst), `{"type":"function","function":{`...), &c.tools[i]), "}}"...)
	}
	dst = append(dst, ']')
	dst = memberBool(dst, "parallel_tool_calls", c.parallel)
	switch {
	case c.choice.allowed != nil:
		dst = append(dst, `,"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"`...)
		dst = append(dst, c.choice.how.word()...)
		dst = append(dst, `","tools":[`...)
		for _, name := range c.choice.allowed {
			dst = strictjson.AppendString(append(comma(dst), `{"type":"function","function":{"name":`...), name)
			dst = append(dst, "}}"...)
		}
		return append(dst, "]}}"...)
	case c.choice.how == named:
		dst = strictjson.AppendString(append(dst, `,"tool_choice":{"type":"function","function":{"name":`...), c.choice.name)
		return append(dst, "}}"...)
	case c.choice.how != unchosen:
		return memberString(dst, "tool_choice", c.choice.how.word())
	default:
		return dst
	}
}

// word is how in OpenAI's words.
func (h how) word() string {
	switch h {
	case none:
		return "none"
	case required:
		return "required"
	default:
		return "auto"
	}
}

// writeFunction appends the members of a function's definition.
func writeFunction(dst []byte, t *tool) []byte {
	dst = strictjson.AppendString(append(dst, `"name":`...), t.name)
	if t.description != nil {
		dst = memberString(dst, "description", t.description)
	}
	dst = memberRaw(dst, "parameters", t.schema)
	return memberBool(dst, "strict", t.strict)
}

// formName is the name of a response format that has none; the API wants one.
const formName = "answer"

func writeChatForm(dst []byte, f *form) []byte {
	switch f.shape {
	case jsonObject:
		return append(dst, `,"response_format":{"type":"json_object"}`...)
	case jsonSchema:
		dst = append(dst, `,"response_format":{"type":"json_schema","json_schema":{`...)
		return append(writeSchema(dst, f), "}}"...)
	default:
		return dst
	}
}

// writeSchema appends the members of a response format.
func writeSchema(dst []byte, f *form) []byte {
	if f.name != nil {
		dst = strictjson.AppendString(append(dst, `"name":`...), f.name)
	} else {
		dst = strictjson.AppendString(append(dst, `"name":`...), formName)
	}
	if f.description != nil {
		dst = memberString(dst, "description", f.description)
	}
	dst = memberRaw(dst, "schema", f.schema)
	return memberBool(dst, "strict", f.strict)
}
