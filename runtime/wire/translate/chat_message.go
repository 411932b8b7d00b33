package translate

import (
	"github.com/sluicegate/sluice/runtime/strictjson"
	"github.com/sluicegate/sluice/runtime/wire"
)

// chatMessage is a message's members.
type chatMessage struct{ content, refusal, reasoning, signature, calls, callID strictjson.Node }

// readChatMessage reads one message; last is the request's last one.
func readChatMessage(c *conversation, n strictjson.Node, last bool) *wire.Fault {
	var m chatMessage
	role := n.Get("role")
	fault := object(n, func(key []byte, v strictjson.Node) *wire.Fault {
		switch string(key) {
		case "role":
		case "content":
			m.content = v
		case "refusal":
			m.refusal = v
		case "reasoning_content":
			m.reasoning = v
		case "reasoning_signature":
			m.signature = v
		case "tool_calls":
			m.calls = v
		case "tool_call_id":
			m.callID = v
		case "name":
			if !role.Is("tool") { // there it repeats the name in the call
				return refuse("name")
			}
		case "annotations", "audio", "function_call": // what an answer may say of itself when it has none
			return under(unless(zero(v)), string(key))
		default:
			return unknown(key)
		}
		return nil
	})
	if fault != nil {
		return fault
	}
	switch {
	case role.Is("system"), role.Is("developer"):
		c.add(system)
		return m.only(c, readChatContent(c, m.content))
	case role.Is("user"):
		c.add(user)
		return m.only(c, readChatContent(c, m.content))
	case role.Is("tool"):
		return m.result(c)
	case role.Is("assistant"):
		return m.assistant(c, last)
	default:
		return refuse("role")
	}
}

// only refuses what messages of other roles than the assistant's do not have, and content that is empty.
func (m *chatMessage) only(c *conversation, fault *wire.Fault) *wire.Fault {
	switch {
	case fault != nil:
		return under(fault, "content")
	case m.calls.Kind() != strictjson.Invalid:
		return refuse("tool_calls")
	case m.refusal.Kind() != strictjson.Invalid:
		return refuse("refusal")
	case m.reasoning.Kind() != strictjson.Invalid:
		return refuse("reasoning_content")
	case c.blank():
		return under(unless(c.can(empties)), "content")
	default:
		return nil
	}
}

// blank tells whether the last turn says nothing.
func (c *conversation) blank() bool {
	t := c.turns[len(c.turns)-1]
	for _, p := range c.parts[t.from:t.to] {
		if p.kind != text || len(p.text) > 0 {
			return false
		}
	}
	return true
}

// result reads the result of a tool call.
func (m *chatMessage) result(c *conversation) *wire.Fault {
	p := part{kind: result}
	if fault := str(m.callID, &p.id); fault != nil {
		return under(fault, "tool_call_id")
	}
	c.add(user)
	c.put(p)
	at := len(c.parts) - 1
	if fault := readChatContent(c, m.content); fault != nil {
		return under(fault, "content")
	}
	c.parts[at].size = len(c.parts) - at - 1
	return nil
}

// assistant reads what the model said.
func (m *chatMessage) assistant(c *conversation, last bool) *wire.Fault {
	c.add(assistant)
	if fault := m.thought(c); fault != nil {
		return fault
	}
	if fault := readChatContent(c, m.content); fault != nil {
		return under(fault, "content")
	}
	if m.refusal.Kind() != strictjson.Invalid {
		p := part{kind: refusal}
		if fault := str(m.refusal, &p.text); fault != nil {
			return under(fault, "refusal")
		}
		c.put(p)
	}
	if m.calls.Kind() != strictjson.Invalid {
		if fault := list(m.calls, func(v strictjson.Node) *wire.Fault { return readChatCall(c, v) }); fault != nil {
			return under(fault, "tool_calls")
		}
	}
	if c.blank() && !c.can(empties) && !last {
		return refuse("content")
	}
	return nil
}

// thought reads the reasoning before an answer, which a format that wants it signed takes with its signature only.
func (m *chatMessage) thought(c *conversation) *wire.Fault {
	if zero(m.reasoning) {
		return nil
	}
	p := part{kind: reasoning}
	if fault := str(m.reasoning, &p.text); fault != nil {
		return under(fault, "reasoning_content")
	}
	if m.signature.Kind() == strictjson.String {
		p.signature = m.signature.Bytes()
	}
	c.put(p)
	return under(unless(c.can(reasons) || c.can(signed) && len(p.signature) > 0), "reasoning_content")
}

// readChatCall reads one call of a tool.
func readChatCall(c *conversation, n strictjson.Node) *wire.Fault {
	p := part{kind: call}
	return object(n, func(key []byte, v strictjson.Node) *wire.Fault {
		switch string(key) {
		case "type":
			return under(unless(v.Is("function")), "type")
		case "index":
			return nil
		case "id":
			return under(str(v, &p.id), "id")
		case "function":
			if fault := readCallee(v, &p); fault != nil {
				return under(fault, "function")
			}
			p.id = n.Get("id").Bytes() // it may stand behind
			c.put(p)
			return nil
		default:
			return unknown(key)
		}
	})
}

// readCallee reads the name and the arguments of a call: the text of a JSON object.
func readCallee(n strictjson.Node, p *part) *wire.Fault {
	return object(n, func(key []byte, v strictjson.Node) *wire.Fault {
		switch string(key) {
		case "name":
			return under(str(v, &p.name), "name")
		case "arguments":
			return under(readArguments(v, p), "arguments")
		default:
			return unknown(key)
		}
	})
}

func readArguments(v strictjson.Node, p *part) *wire.Fault {
	if fault := str(v, &p.text); fault != nil {
		return fault
	}
	if len(p.text) > 0 && !isObject(p.text) {
		return invalid("", "must be the text of a JSON object")
	}
	return nil
}

// readChatContent reads a message's content: a string or parts.
func readChatContent(c *conversation, n strictjson.Node) *wire.Fault {
	switch n.Kind() {
	case strictjson.Invalid, strictjson.Null:
		return nil
	case strictjson.String:
		c.put(part{text: n.Bytes()})
		return nil
	default:
		return list(n, func(v strictjson.Node) *wire.Fault { return readChatPart(c, v) })
	}
}

// readChatPart reads one part of a content.
func readChatPart(c *conversation, n strictjson.Node) *wire.Fault {
	var p part
	fault := object(n, func(key []byte, v strictjson.Node) *wire.Fault {
		switch string(key) {
		case "type":
			return under(unless(v.Is("text") || v.Is("image_url") || v.Is("file") || v.Is("refusal")), "type")
		case "text":
			return under(str(v, &p.text), "text")
		case "refusal":
			p.kind = refusal
			return under(str(v, &p.text), "refusal")
		case "image_url":
			p.kind = image
			return under(readChatImage(c, v, &p), "image_url")
		case "file":
			p.kind = file
			return under(readChatFile(c, v, &p), "file")
		case "cache_control":
			return under(rawObject(v, &p.cache), "cache_control")
		default:
			return unknown(key)
		}
	})
	c.put(p)
	return fault
}

func readChatImage(c *conversation, n strictjson.Node, p *part) *wire.Fault {
	return object(n, func(key []byte, v strictjson.Node) *wire.Fault {
		switch string(key) {
		case "url":
			var u []byte
			if fault := str(v, &u); fault != nil {
				return under(fault, "url")
			}
			return under(c.readImage(u, p), "url")
		case "detail":
			return under(c.readDetail(v, p), "detail")
		default:
			return unknown(key)
		}
	})
}

// readImage reads an image's address, which may hold the image itself.
func (c *conversation) readImage(u []byte, p *part) *wire.Fault {
	var ok bool
	if p.media, p.text, ok = dataURL(u); ok {
		return nil
	}
	p.url = u
	return unless(c.can(imageURLs))
}

func (c *conversation) readDetail(v strictjson.Node, p *part) *wire.Fault {
	if v.Is("auto") {
		return nil
	}
	if fault := str(v, &p.detail); fault != nil {
		return fault
	}
	return unless(c.can(imageDetail))
}

func readChatFile(c *conversation, n strictjson.Node, p *part) *wire.Fault {
	fault := object(n, func(key []byte, v strictjson.Node) *wire.Fault {
		switch string(key) {
		case "filename":
			return under(str(v, &p.name), "filename")
		case "file_data":
			var u []byte
			if fault := str(v, &u); fault != nil {
				return under(fault, "file_data")
			}
			return under(c.readFile(u, p), "file_data")
		default:
			return unknown(key)
		}
	})
	if fault == nil && p.text == nil {
		return refuse("")
	}
	return fault
}

// readFile reads a file: a data URL.
func (c *conversation) readFile(u []byte, p *part) *wire.Fault {
	var ok bool
	if p.media, p.text, ok = dataURL(u); !ok {
		return invalid("", "must be a data URL with base64 content")
	}
	return unless(c.can(files) && (c.can(anyFiles) || string(p.media) == "application/pdf"))
}
