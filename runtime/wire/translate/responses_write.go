package translate

import (
	"strconv"

	"github.com/sluicegate/sluice/runtime/strictjson"
)

// writeResponses appends a request. Nothing is to be stored at the model server.
func writeResponses(dst []byte, c *conversation, _ Options) []byte {
	dst = strictjson.AppendString(append(dst, `{"model":`...), c.model)
	dst = append(dst, `,"store":false,"input":[`...)
	for _, t := range c.turns {
		dst = writeItems(dst, c.parts[t.from:t.to], t.role)
	}
	dst = append(dst, ']')
	dst = writeResponsesTools(dst, c)
	dst = writeTextConfig(dst, c)
	if c.effort != nil {
		dst = append(strictjson.AppendString(append(dst, `,"reasoning":{"effort":`...), c.effort), '}')
		if string(c.effort) != "none" {
			dst = append(dst, `,"include":["reasoning.encrypted_content"]`...)
		}
	}
	dst = memberRaw(dst, "max_output_tokens", c.maxOutput)
	for _, i := range [...]int{temperature, topP} {
		dst = memberRaw(dst, sampleNames[i], c.sampling[i])
	}
	for _, m := range [...]struct {
		key string
		v   []byte
	}{{"user", c.user}, {"service_tier", c.tier}, {"prompt_cache_key", c.cacheKey}} {
		if m.v != nil {
			dst = memberString(dst, m.key, m.v)
		}
	}
	dst = memberRaw(dst, "metadata", c.metadata)
	if c.stream {
		dst = append(dst, `,"stream":true`...)
	}
	return append(dst, '}')
}

// writeItems appends the items that a turn is.
func writeItems(dst []byte, parts []part, r role) []byte {
	for i := 0; i < len(parts); {
		p := &parts[i]
		n := 1
		switch p.kind {
		case call:
			dst = strictjson.AppendString(append(comma(dst), `{"type":"function_call","call_id":`...), p.id)
			dst = memberString(dst, "name", p.name)
			dst = append(memberString(dst, "arguments", argumentsOf(p)), '}')
		case result:
			n += p.size
			dst = writeOutputItem(dst, p, parts[i+1:i+n])
		case reasoning:
			dst = writeReasoningItem(dst, p, i)
		default:
			for i+n < len(parts) && parts[i+n].kind != call && parts[i+n].kind != result && parts[i+n].kind != reasoning {
				n++
			}
			dst = writeMessageItem(dst, parts[i:i+n], r)
		}
		i += n
	}
	return dst
}

var itemRoles = [...]string{system: "system", user: "user", assistant: "assistant"}

func writeMessageItem(dst []byte, parts []part, r role) []byte {
	dst = append(append(comma(dst), `{"type":"message","role":"`...), itemRoles[r]...)
	dst = append(dst, `","content":`...)
	if len(parts) == 1 && parts[0].kind == text {
		return append(strictjson.AppendString(dst, parts[0].text), '}')
	}
	return append(writeItemParts(dst, parts, r == assistant), '}')
}

func writeItemParts(dst []byte, parts []part, said bool) []byte {
	dst = append(dst, '[')
	for i := range parts {
		p := &parts[i]
		dst = comma(dst)
		switch {
		case p.kind == image:
			dst = writeDataURL(append(dst, `{"type":"input_image","image_url":`...), p)
			if p.detail != nil {
				dst = memberString(dst, "detail", p.detail)
			} else {
				dst = append(dst, `,"detail":"auto"`...)
			}
		case p.kind == file && p.url != nil:
			dst = strictjson.AppendString(append(dst, `{"type":"input_file","file_url":`...), p.url)
		case p.kind == file:
			dst = writeDataURL(append(dst, `{"type":"input_file","file_data":`...), p)
		case p.kind == refusal:
			dst = strictjson.AppendString(append(dst, `{"type":"refusal","refusal":`...), p.text)
		case said:
			dst = append(strictjson.AppendString(append(dst, `{"type":"output_text","text":`...), p.text), `,"annotations":[]`...)
		default:
			dst = strictjson.AppendString(append(dst, `{"type":"input_text","text":`...), p.text)
		}
		if p.kind == file && p.name != nil {
			dst = memberString(dst, "filename", p.name)
		}
		dst = append(dst, '}')
	}
	return append(dst, ']')
}

func writeOutputItem(dst []byte, p *part, parts []part) []byte {
	dst = strictjson.AppendString(append(comma(dst), `{"type":"function_call_output","call_id":`...), p.id)
	dst = member(dst, "output")
	switch {
	case p.failed:
		all := append([]part{{text: []byte(failedResult)}}, parts...)
		dst = writeItemParts(dst, all, false)
	case len(parts) == 0:
		dst = append(dst, `""`...)
	case len(parts) == 1 && parts[0].kind == text:
		dst = strictjson.AppendString(dst, parts[0].text)
	default:
		dst = writeItemParts(dst, parts, false)
	}
	return append(dst, '}')
}

// writeReasoningItem appends earlier reasoning: a summary of what only its model can read, or the text itself.
func writeReasoningItem(dst []byte, p *part, i int) []byte {
	dst = strconv.AppendInt(append(comma(dst), `{"type":"reasoning","id":"rs_`...), int64(i), 10)
	if len(p.signature) == 0 {
		dst = append(dst, `","summary":[],"content":[{"type":"reasoning_text","text":`...)
		return append(strictjson.AppendString(dst, p.text), "}]}"...)
	}
	dst = append(dst, `","summary":[`...)
	if len(p.text) > 0 {
		dst = append(strictjson.AppendString(append(dst, `{"type":"summary_text","text":`...), p.text), '}')
	}
	return append(memberString(append(dst, ']'), "encrypted_content", p.signature), '}')
}

func writeResponsesTools(dst []byte, c *conversation) []byte {
	if len(c.tools) == 0 {
		return dst
	}
	dst = append(dst, `,"tools":[`...)
	for i := range c.tools {
		t := c.tools[i]
		if t.strict == unsaid {
			t.strict = no // unsaid, it would be yes in this format
		}
		if t.schema == nil {
			t.schema = noSchema
		}
		dst = append(writeFunction(append(comma(dst), `{"type":"function",`...), &t), '}')
	}
	dst = append(dst, ']')
	dst = memberBool(dst, "parallel_tool_calls", c.parallel)
	switch {
	case c.choice.allowed != nil:
		dst = append(append(dst, `,"tool_choice":{"type":"allowed_tools","mode":"`...), c.choice.how.word()...)
		dst = append(dst, `","tools":[`...)
		for _, name := range c.choice.allowed {
			dst = append(strictjson.AppendString(append(comma(dst), `{"type":"function","name":`...), name), '}')
		}
		return append(dst, "]}"...)
	case c.choice.how == named:
		return append(strictjson.AppendString(append(dst, `,"tool_choice":{"type":"function","name":`...), c.choice.name), '}')
	case c.choice.how != unchosen:
		return memberString(dst, "tool_choice", c.choice.how.word())
	default:
		return dst
	}
}

func writeTextConfig(dst []byte, c *conversation) []byte {
	if c.verbosity == nil && c.form.shape == free {
		return dst
	}
	dst = append(dst, `,"text":{`...)
	if c.verbosity != nil {
		dst = strictjson.AppendString(append(dst, `"verbosity":`...), c.verbosity)
	}
	switch c.form.shape {
	case jsonObject:
		dst = append(comma(dst), `"format":{"type":"json_object"}`...)
	case jsonSchema:
		dst = append(writeSchema(append(comma(dst), `"format":{"type":"json_schema",`...), &c.form), '}')
	}
	return append(dst, '}')
}
