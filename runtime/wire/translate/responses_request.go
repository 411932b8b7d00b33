package translate

import (
	"bytes"

	"github.com/sluicegate/sluice/runtime/strictjson"
	"github.com/sluicegate/sluice/runtime/wire"
)

// responses is the OpenAI API's responses. Source: the API reference and the request types of its Go SDK (v3.96).
var responses = &format{
	name: "openai.responses", operation: wire.Responses,
	says: imageURLs | imageDetail | files | anyFiles | fileURLs | reasons | signed | richResults | hot | objects | described |
		subset | strictness | metadatas | users | verbosities | cacheKeys | tiers | effortOff | thinking | schemas | uncalled | choices | standard | serial | empties,
	read: readResponses, write: writeResponses, readAnswer: readResponse, writeAnswer: writeResponse,
	reader: func() eventReader { return new(responsesReader) }, writer: func(*Asked) eventWriter { return new(responsesWriter) },
}

// readResponses reads a request.
func readResponses(root strictjson.Node, c *conversation) *wire.Fault {
	if s := root.Get("instructions"); s.Kind() != strictjson.Invalid && s.Kind() != strictjson.Null {
		c.add(system)
		var p part
		if fault := str(s, &p.text); fault != nil {
			return under(fault, "instructions")
		}
		c.put(p)
	}
	return object(root, func(key []byte, v strictjson.Node) *wire.Fault {
		switch string(key) {
		case "temperature", "top_p":
			fault, _ := readSampling(c, key, v)
			return under(fault, string(key))
		}
		fault, known := readResponsesField(c, string(key), v)
		if !known {
			return unknown(key)
		}
		return under(fault, string(key))
	})
}

func readResponsesField(c *conversation, key string, v strictjson.Node) (fault *wire.Fault, known bool) {
	switch key {
	case "instructions":
		return nil, true // read before all others
	case "model":
		return str(v, &c.model), true
	case "input":
		return readInput(c, v), true
	case "stream":
		c.stream, _ = v.Bool()
		return nil, true
	case "stream_options":
		return object(v, func(key []byte, _ strictjson.Node) *wire.Fault {
			if string(key) == "include_obfuscation" {
				return nil // whoever answers the caller sees to it
			}
			return unknown(key)
		}), true
	case "max_output_tokens":
		return readLimit(c, v), true
	case "tools":
		return list(v, func(t strictjson.Node) *wire.Fault { return readResponsesTool(c, t) }), true
	case "tool_choice":
		return readResponsesChoice(c, v), true
	case "parallel_tool_calls":
		return readSerial(c, v), true
	case "text":
		return readTextConfig(c, v), true
	case "reasoning":
		return readReasoningConfig(c, v), true
	case "include":
		return list(v, func(s strictjson.Node) *wire.Fault {
			return unless(s.Is("reasoning.encrypted_content")) // it comes where there is any
		}), true
	case "truncation":
		return unless(v.Is("disabled")), true
	case "store", "background", "top_logprobs":
		return unless(zero(v)), true
	case "user", "safety_identifier", "metadata", "service_tier", "prompt_cache_key":
		return readChatRest(c, key, v)
	default:
		return nil, false
	}
}

func readTextConfig(c *conversation, v strictjson.Node) *wire.Fault {
	return object(v, func(key []byte, v strictjson.Node) *wire.Fault {
		switch string(key) {
		case "verbosity":
			return under(readVerbosity(c, v), "verbosity")
		case "format":
			return under(readResponsesForm(c, v), "format")
		default:
			return unknown(key)
		}
	})
}

func readResponsesForm(c *conversation, v strictjson.Node) *wire.Fault {
	if v.Get("type").Is("json_schema") {
		return readSchema(c, v)
	}
	return readChatForm(c, v)
}

func readReasoningConfig(c *conversation, v strictjson.Node) *wire.Fault {
	return object(v, func(key []byte, v strictjson.Node) *wire.Fault {
		switch string(key) {
		case "effort":
			return under(readEffort(c, v), "effort")
		case "summary":
			return under(unless(v.Is("auto")), "summary") // reasoning comes where there is any
		default:
			return unknown(key)
		}
	})
}

// readResponsesTool reads one of the tools.
func readResponsesTool(c *conversation, n strictjson.Node) *wire.Fault {
	if !n.Get("type").Is("function") {
		return refuse("type")
	}
	var t tool
	fault := object(n, func(key []byte, v strictjson.Node) *wire.Fault {
		switch string(key) {
		case "type":
			return nil
		case "name":
			return under(str(v, &t.name), "name")
		case "description":
			return under(str(v, &t.description), "description")
		case "parameters":
			return under(rawObject(v, &t.schema), "parameters")
		case "strict":
			if on, _ := v.Bool(); !on {
				return nil // as where nothing is said, in other formats
			}
			t.strict = yes
			return under(unless(c.can(strictness)), "strict")
		case "async", "defer_loading", "output_schema":
			return under(unless(zero(v)), string(key))
		default:
			return unknown(key)
		}
	})
	c.tools = append(c.tools, t)
	return fault
}

func readResponsesChoice(c *conversation, v strictjson.Node) *wire.Fault {
	if v.Kind() == strictjson.String {
		return readMode(c, v)
	}
	switch t := v.Get("type"); {
	case t.Is("function"):
		c.choice.how = named
		return under(str(v.Get("name"), &c.choice.name), "name")
	case t.Is("allowed_tools"):
		return readAllowed(c, v, "")
	default:
		return refuse("type")
	}
}

// readInput reads the input: a text or items.
func readInput(c *conversation, v strictjson.Node) *wire.Fault {
	if v.Kind() == strictjson.String {
		c.add(user)
		c.put(part{text: v.Bytes()})
		return unless(len(v.Bytes()) > 0 || c.can(empties))
	}
	return list(v, func(item strictjson.Node) *wire.Fault { return readItem(c, item) })
}

func readItem(c *conversation, n strictjson.Node) *wire.Fault {
	switch t := n.Get("type"); {
	case t.Is("message"), t.Kind() == strictjson.Invalid && n.Get("role").Kind() == strictjson.String:
		return readMessageItem(c, n)
	case t.Is("function_call"):
		c.turnOf(assistant)
		return readCallItem(c, n)
	case t.Is("function_call_output"):
		c.add(user)
		return readOutputItem(c, n)
	case t.Is("reasoning"):
		c.turnOf(assistant)
		return readReasoningItem(c, n)
	default:
		return refuse("type")
	}
}

// turnOf goes on with the last turn if it is of that role, and begins one otherwise: what the model said in one answer
// is several items of this format.
func (c *conversation) turnOf(r role) {
	if len(c.turns) == 0 || c.turns[len(c.turns)-1].role != r {
		c.add(r)
	}
}

func readMessageItem(c *conversation, n strictjson.Node) *wire.Fault {
	switch r := n.Get("role"); {
	case r.Is("user"):
		c.add(user)
	case r.Is("assistant"):
		c.turnOf(assistant)
	case r.Is("system"), r.Is("developer"):
		c.add(system)
	default:
		return refuse("role")
	}
	fault := object(n, func(key []byte, v strictjson.Node) *wire.Fault {
		switch string(key) {
		case "type", "role", "id", "status":
			return nil
		case "content":
			return under(readItemContent(c, v), "content")
		default:
			return unknown(key)
		}
	})
	if fault == nil && c.blank() {
		return under(unless(c.can(empties)), "content")
	}
	return fault
}

func readItemContent(c *conversation, v strictjson.Node) *wire.Fault {
	if v.Kind() == strictjson.String {
		c.put(part{text: v.Bytes()})
		return nil
	}
	return list(v, func(p strictjson.Node) *wire.Fault { return readItemPart(c, p) })
}

func readItemPart(c *conversation, n strictjson.Node) *wire.Fault {
	var p part
	switch t := n.Get("type"); {
	case t.Is("input_text"), t.Is("output_text"), t.Is("text"):
	case t.Is("refusal"):
		p.kind = refusal
	case t.Is("input_image"):
		p.kind = image
	case t.Is("input_file"):
		p.kind = file
	default:
		return refuse("type")
	}
	fault := object(n, func(key []byte, v strictjson.Node) *wire.Fault {
		return readItemPartField(c, string(key), v, &p)
	})
	if fault == nil && (p.kind == image || p.kind == file) && p.text == nil && p.url == nil {
		return refuse("")
	}
	c.put(p)
	return fault
}

func readItemPartField(c *conversation, key string, v strictjson.Node, p *part) *wire.Fault {
	switch key {
	case "type":
		return nil
	case "text", "refusal":
		return under(str(v, &p.text), key)
	case "annotations", "logprobs":
		return nil // what an answer said of its text
	case "detail":
		return under(c.readDetail(v, p), key)
	case "filename":
		return under(str(v, &p.name), key)
	case "image_url", "file_data", "file_url":
		var u []byte
		if fault := str(v, &u); fault != nil {
			return under(fault, key)
		}
		switch key {
		case "image_url":
			return under(c.readImage(u, p), key)
		case "file_data":
			return under(c.readFile(u, p), key)
		}
		p.url = u
		return under(unless(c.can(fileURLs)), key)
	default:
		return unknown([]byte(key))
	}
}

func readCallItem(c *conversation, n strictjson.Node) *wire.Fault {
	p := part{kind: call}
	fault := object(n, func(key []byte, v strictjson.Node) *wire.Fault {
		switch string(key) {
		case "type", "id", "status":
			return nil
		case "call_id":
			return under(str(v, &p.id), "call_id")
		case "name":
			return under(str(v, &p.name), "name")
		case "arguments":
			return under(readArguments(v, &p), "arguments")
		default:
			return unknown(key)
		}
	})
	c.put(p)
	return fault
}

func readOutputItem(c *conversation, n strictjson.Node) *wire.Fault {
	at := len(c.parts)
	c.put(part{kind: result})
	var id []byte
	fault := object(n, func(key []byte, v strictjson.Node) *wire.Fault {
		switch string(key) {
		case "type", "id", "status":
			return nil
		case "call_id":
			return under(str(v, &id), "call_id")
		case "output":
			return under(readOutput(c, v), "output")
		default:
			return unknown(key)
		}
	})
	c.parts[at].id, c.parts[at].size = id, len(c.parts)-at-1
	return fault
}

func readOutput(c *conversation, v strictjson.Node) *wire.Fault {
	if v.Kind() == strictjson.String {
		c.put(part{text: v.Bytes()})
		return nil
	}
	return list(v, func(p strictjson.Node) *wire.Fault {
		if !p.Get("type").Is("input_text") && !c.can(richResults) {
			return refuse("type")
		}
		return readItemPart(c, p)
	})
}

// readReasoningItem reads earlier reasoning. An item that says nothing is none.
func readReasoningItem(c *conversation, n strictjson.Node) *wire.Fault {
	p := part{kind: reasoning}
	fault := object(n, func(key []byte, v strictjson.Node) *wire.Fault {
		switch string(key) {
		case "type", "id", "status":
			return nil
		case "summary", "content":
			return under(list(v, func(t strictjson.Node) *wire.Fault {
				var s []byte
				fault := str(t.Get("text"), &s)
				if p.text != nil {
					s = bytes.Join([][]byte{p.text, s}, []byte("\n\n"))
				}
				p.text = s
				return under(fault, "text")
			}), string(key))
		case "encrypted_content":
			if !c.can(signed) {
				return refuse("encrypted_content")
			}
			return under(str(v, &p.signature), "encrypted_content")
		default:
			return unknown(key)
		}
	})
	if fault != nil || len(p.text) == 0 && len(p.signature) == 0 {
		return fault
	}
	c.put(p)
	return under(unless(c.can(reasons) || len(p.signature) > 0), "summary")
}
