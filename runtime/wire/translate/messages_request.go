package translate

import (
	"github.com/sluicegate/sluice/runtime/strictjson"
	"github.com/sluicegate/sluice/runtime/wire"
)

// messages is Anthropic's Messages API. Source: its reference and the request types of its Go SDK (v1.84).
var messages = &format{
	name: "anthropic.messages", operation: wire.Messages,
	says: imageURLs | files | fileURLs | signed | richResults | prefill | stops | topKs | strictness | users | effortOff | thinking | schemas | uncalled | choices | standard | serial,
	read: readMessages, write: writeMessages, readAnswer: readMessagesAnswer, writeAnswer: writeMessagesAnswer,
	reader: func() eventReader { return new(messagesReader) }, writer: func(asked *Asked) eventWriter { return &messagesWriter{prompt: asked.prompt} },
}

// readMessages reads a request.
func readMessages(root strictjson.Node, c *conversation) *wire.Fault {
	if s := root.Get("system"); !zero(s) {
		c.add(system)
		if fault := readMessagesContent(c, s); fault != nil {
			return under(fault, "system")
		}
	}
	return object(root, func(key []byte, v strictjson.Node) *wire.Fault {
		switch string(key) {
		case "temperature", "top_p", "top_k":
			fault, _ := readSampling(c, key, v)
			return under(fault, string(key))
		}
		fault, known := readMessagesField(c, string(key), v)
		if !known {
			return unknown(key)
		}
		return under(fault, string(key))
	})
}

func readMessagesField(c *conversation, key string, v strictjson.Node) (fault *wire.Fault, known bool) {
	switch key {
	case "system":
		return nil, true // read before all others
	case "cache_control":
		return rawObject(v, new([]byte)), true // a hint: see TABLE.md
	case "model":
		return str(v, &c.model), true
	case "messages":
		i, last := 0, v.Len()-1
		return list(v, func(m strictjson.Node) *wire.Fault {
			i++
			return readMessage(c, m, i > last)
		}), true
	case "stream":
		c.stream, _ = v.Bool()
		return nil, true
	case "max_tokens":
		return num(v, &c.maxOutput), true
	case "stop_sequences":
		return readStop(c, v), true
	case "tools":
		return list(v, func(t strictjson.Node) *wire.Fault { return readMessagesTool(c, t) }), true
	case "tool_choice":
		return readMessagesChoice(c, v), true
	case "metadata":
		return object(v, func(key []byte, v strictjson.Node) *wire.Fault {
			if string(key) != "user_id" {
				return unknown(key)
			}
			return under(readUser(c, v), "user_id")
		}), true
	case "thinking":
		return readThinking(c, v), true
	case "output_config":
		return readOutputConfig(c, v), true
	case "service_tier":
		return readMessagesTier(c, v), true
	case "speed":
		return unless(v.Is("standard")), true
	default:
		return nil, false
	}
}

func readMessagesTier(c *conversation, v strictjson.Node) *wire.Fault {
	switch {
	case v.Is("auto"):
		c.tier = []byte("auto")
	case v.Is("standard_only"):
		c.tier = []byte("default")
		return unless(c.can(standard))
	default:
		return refuse("")
	}
	return nil
}

// The budgets of thinking tokens under which the effort is low or medium.
const (
	lowBudget    = 4096
	mediumBudget = 16384
)

// readThinking reads whether and how much to think. An effort that is named counts for more than a budget.
func readThinking(c *conversation, v strictjson.Node) *wire.Fault {
	effort := ""
	switch t := v.Get("type"); {
	case t.Is("adaptive"): // it decides by itself, as models of other APIs do unasked
	case t.Is("disabled"):
		effort = "none"
	case t.Is("enabled"):
		budget, ok := v.Get("budget_tokens").Int64()
		switch {
		case !ok:
			return invalid("budget_tokens", "must be a number")
		case budget < lowBudget:
			effort = "low"
		case budget < mediumBudget:
			effort = "medium"
		default:
			effort = "high"
		}
	default:
		return refuse("type")
	}
	if c.effort == nil && effort != "" {
		c.effort = []byte(effort)
	}
	if effort != "" && !c.can(thinking) || effort == "none" && !c.can(effortOff) {
		return refuse("type")
	}
	return object(v, func(key []byte, v strictjson.Node) *wire.Fault {
		switch string(key) {
		case "type", "budget_tokens":
			return nil
		case "display":
			return under(unless(v.Is("summarized")), "display")
		default:
			return unknown(key)
		}
	})
}

func readOutputConfig(c *conversation, v strictjson.Node) *wire.Fault {
	return object(v, func(key []byte, v strictjson.Node) *wire.Fault {
		switch string(key) {
		case "effort":
			return under(readEffort(c, v), "effort")
		case "format":
			if !v.Get("type").Is("json_schema") {
				return under(refuse("type"), "format")
			}
			c.form.strict = yes // what this API promises
			return under(readSchema(c, v), "format")
		default:
			return unknown(key)
		}
	})
}

// readMessagesTool reads one of the tools.
func readMessagesTool(c *conversation, n strictjson.Node) *wire.Fault {
	var t tool
	if kind := n.Get("type"); kind.Kind() == strictjson.String && !kind.Is("custom") {
		return refuse("type")
	}
	fault := object(n, func(key []byte, v strictjson.Node) *wire.Fault {
		switch string(key) {
		case "type", "eager_input_streaming": // arguments are passed on as they come in any case
			return nil
		case "name":
			return under(str(v, &t.name), "name")
		case "description":
			return under(str(v, &t.description), "description")
		case "input_schema":
			return under(rawObject(v, &t.schema), "input_schema")
		case "strict":
			if fault := boolean(v, &t.strict); fault != nil {
				return under(fault, "strict")
			}
			return under(unless(t.strict == no || c.can(strictness)), "strict")
		case "cache_control":
			return under(rawObject(v, &t.cache), "cache_control")
		case "defer_loading", "input_examples":
			return under(unless(zero(v)), string(key))
		default:
			return unknown(key)
		}
	})
	c.tools = append(c.tools, t)
	return fault
}

// readMessagesChoice reads tool_choice.
func readMessagesChoice(c *conversation, n strictjson.Node) *wire.Fault {
	return object(n, func(key []byte, v strictjson.Node) *wire.Fault {
		switch string(key) {
		case "type":
			return under(readChoiceType(c, v), "type")
		case "name":
			return under(str(v, &c.choice.name), "name")
		case "disable_parallel_tool_use":
			var off tri
			if fault := boolean(v, &off); fault != nil || off == no {
				return under(fault, "disable_parallel_tool_use")
			}
			c.parallel = no
			return under(unless(c.can(serial)), "disable_parallel_tool_use")
		default:
			return unknown(key)
		}
	})
}

func readChoiceType(c *conversation, v strictjson.Node) *wire.Fault {
	if v.Is("tool") {
		c.choice.how = named
		return unless(c.can(choices))
	}
	return readMode(c, v)
}

// readMessage reads one message; last is the request's last one.
func readMessage(c *conversation, n strictjson.Node, last bool) *wire.Fault {
	switch role := n.Get("role"); {
	case role.Is("user"):
		c.add(user)
	case role.Is("assistant"):
		c.add(assistant)
		if last && !c.can(prefill) {
			return refuse("") // the answer would have to continue it
		}
	case role.Is("system"):
		c.add(system)
	default:
		return refuse("role")
	}
	return object(n, func(key []byte, v strictjson.Node) *wire.Fault {
		switch string(key) {
		case "role":
			return nil
		case "content":
			return under(readMessagesContent(c, v), "content")
		default:
			return unknown(key)
		}
	})
}

// readMessagesContent reads a content: a string or blocks.
func readMessagesContent(c *conversation, n strictjson.Node) *wire.Fault {
	if n.Kind() == strictjson.String {
		c.put(part{text: n.Bytes()})
		return nil
	}
	return list(n, func(v strictjson.Node) *wire.Fault { return readBlock(c, v) })
}

// readBlock reads one block of a content.
func readBlock(c *conversation, n strictjson.Node) *wire.Fault {
	switch t := n.Get("type"); {
	case t.Is("text"):
		return readTextBlock(c, n)
	case t.Is("image"), t.Is("document"):
		return readSourceBlock(c, n, t.Is("image"))
	case t.Is("tool_use"):
		return readToolUse(c, n)
	case t.Is("tool_result"):
		return readToolResult(c, n)
	case t.Is("thinking"):
		return readThinkingBlock(c, n)
	default:
		return refuse("type")
	}
}

func readTextBlock(c *conversation, n strictjson.Node) *wire.Fault {
	var p part
	fault := object(n, func(key []byte, v strictjson.Node) *wire.Fault {
		switch string(key) {
		case "type":
			return nil
		case "text":
			return under(str(v, &p.text), "text")
		case "cache_control":
			return under(rawObject(v, &p.cache), "cache_control")
		case "citations":
			return under(unless(zero(v)), "citations")
		default:
			return unknown(key)
		}
	})
	c.put(p)
	return fault
}

func readThinkingBlock(c *conversation, n strictjson.Node) *wire.Fault {
	p := part{kind: reasoning}
	fault := object(n, func(key []byte, v strictjson.Node) *wire.Fault {
		switch string(key) {
		case "type":
			return nil
		case "thinking":
			return under(str(v, &p.text), "thinking")
		case "signature":
			return under(str(v, &p.signature), "signature")
		default:
			return unknown(key)
		}
	})
	c.put(p)
	switch {
	case fault != nil:
		return fault
	case len(p.signature) > 0:
		return under(unless(c.can(signed)), "signature")
	default:
		return under(unless(c.can(reasons)), "thinking")
	}
}

// readToolUse reads the call of a tool.
func readToolUse(c *conversation, n strictjson.Node) *wire.Fault {
	p := part{kind: call}
	fault := object(n, func(key []byte, v strictjson.Node) *wire.Fault {
		switch string(key) {
		case "type":
			return nil
		case "id":
			return under(str(v, &p.id), "id")
		case "name":
			return under(str(v, &p.name), "name")
		case "input":
			return under(rawObject(v, &p.text), "input")
		case "cache_control":
			return under(rawObject(v, &p.cache), "cache_control")
		case "caller":
			return under(unless(v.Get("type").Is("direct")), "caller")
		default:
			return unknown(key)
		}
	})
	c.put(p)
	return fault
}

// readToolResult reads what a tool gave.
func readToolResult(c *conversation, n strictjson.Node) *wire.Fault {
	c.put(part{kind: result})
	before := len(c.parts)
	var id, cache []byte
	var failed tri
	fault := object(n, func(key []byte, v strictjson.Node) *wire.Fault {
		switch string(key) {
		case "type":
			return nil
		case "tool_use_id":
			return under(str(v, &id), "tool_use_id")
		case "is_error":
			return under(boolean(v, &failed), "is_error")
		case "content":
			return under(readResultContent(c, v), "content")
		case "cache_control":
			return under(rawObject(v, &cache), "cache_control")
		default:
			return unknown(key)
		}
	})
	p := &c.parts[before-1]
	p.id, p.cache, p.failed, p.size = id, cache, failed == yes, len(c.parts)-before
	return fault
}

// readResultContent reads the content of a result, in which there may be text and, for some formats, more.
func readResultContent(c *conversation, v strictjson.Node) *wire.Fault {
	if v.Kind() == strictjson.String {
		c.put(part{text: v.Bytes()})
		return nil
	}
	return list(v, func(b strictjson.Node) *wire.Fault {
		switch t := b.Get("type"); {
		case t.Is("text"), (t.Is("image") || t.Is("document")) && c.can(richResults):
			return readBlock(c, b)
		default:
			return refuse("type")
		}
	})
}

// readSourceBlock reads an image or a document.
func readSourceBlock(c *conversation, n strictjson.Node, picture bool) *wire.Fault {
	p := part{kind: file}
	if picture {
		p.kind = image
	}
	fault := object(n, func(key []byte, v strictjson.Node) *wire.Fault {
		switch string(key) {
		case "type":
			return nil
		case "source":
			return under(readSource(c, v, &p), "source")
		case "title":
			return under(str(v, &p.name), "title")
		case "cache_control":
			return under(rawObject(v, &p.cache), "cache_control")
		case "citations":
			on, _ := v.Get("enabled").Bool()
			return under(unless(!on), "citations")
		default:
			return unknown(key)
		}
	})
	if fault == nil && p.kind == text && p.name != nil {
		fault = refuse("title")
	}
	c.put(p)
	return fault
}

// readSource reads where an image or a document is. A document of plain text is text.
func readSource(c *conversation, n strictjson.Node, p *part) *wire.Fault {
	switch t := n.Get("type"); {
	case t.Is("url"):
		if p.kind == image && !c.can(imageURLs) || p.kind == file && !c.can(fileURLs) {
			return refuse("url")
		}
		return under(str(n.Get("url"), &p.url), "url")
	case t.Is("text") && p.kind == file:
		p.kind = text
		return under(str(n.Get("data"), &p.text), "data")
	case t.Is("base64"):
		if p.kind == file && !c.can(files) {
			return refuse("type")
		}
		if fault := str(n.Get("media_type"), &p.media); fault != nil {
			return under(fault, "media_type")
		}
		return under(str(n.Get("data"), &p.text), "data")
	default:
		return refuse("type")
	}
}
