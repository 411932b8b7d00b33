package translate

import (
	"encoding/hex"
	"strconv"

	"github.com/sluicegate/sluice/runtime/strictjson"
)

// defaultMaxOutput is the limit of an answer where neither the request nor the configuration says one: this API wants it.
const defaultMaxOutput = 4096

// writeMessages appends a request.
func writeMessages(dst []byte, c *conversation, o Options) []byte {
	dst = strictjson.AppendString(append(dst, `{"model":`...), c.model)
	dst = append(dst, `,"max_tokens":`...)
	switch {
	case c.maxOutput != nil:
		dst = append(dst, c.maxOutput...)
	case o.MaxOutput > 0:
		dst = strconv.AppendInt(dst, o.MaxOutput, 10)
	default:
		dst = strconv.AppendInt(dst, defaultMaxOutput, 10)
	}
	dst = writeMessagesSystem(dst, c)
	dst = append(dst, `,"messages":[`...)
	dst = append(writeMessagesTurns(dst, c), ']')
	dst = writeMessagesTools(dst, c)
	for _, i := range [...]int{temperature, topP, topK} {
		dst = memberRaw(dst, sampleNames[i], c.sampling[i])
	}
	if len(c.stop) > 0 {
		dst = append(writeStrings(append(member(dst, "stop_sequences"), '['), c.stop), ']')
	}
	if c.user != nil {
		dst = append(strictjson.AppendString(append(dst, `,"metadata":{"user_id":`...), c.user), '}')
	}
	if string(c.tier) == "default" {
		dst = append(dst, `,"service_tier":"standard_only"`...)
	}
	dst = writeOutputConfig(dst, c)
	if c.stream {
		dst = append(dst, `,"stream":true`...)
	}
	return append(dst, '}')
}

// writeMessagesSystem appends the system prompt: all system messages, wherever they stood, for this API has one place.
func writeMessagesSystem(dst []byte, c *conversation) []byte {
	n, only := 0, -1
	for _, t := range c.turns {
		if t.role == system {
			n += t.to - t.from
			only = t.from
		}
	}
	if n == 1 && c.parts[only].cache == nil {
		return memberString(dst, "system", c.parts[only].text)
	}
	if n == 0 {
		return dst
	}
	dst = append(member(dst, "system"), '[')
	for _, t := range c.turns {
		if t.role == system {
			dst = writeBlocks(dst, c.parts[t.from:t.to])
		}
	}
	return append(dst, ']')
}

// writeMessagesTurns appends the messages. Turns of one role that follow each other are one message, as this API wants
// it; in a user's, the results of tools come first.
func writeMessagesTurns(dst []byte, c *conversation) []byte {
	for i := 0; i < len(c.turns); {
		r := c.turns[i].role
		if r == system {
			i++
			continue
		}
		end := i + 1
		for end < len(c.turns) && (c.turns[end].role == r || c.turns[end].role == system) {
			end++
		}
		dst = writeMessage(dst, c, c.turns[i:end], r)
		i = end
	}
	return dst
}

func writeMessage(dst []byte, c *conversation, turns []turn, r role) []byte {
	from := len(dst)
	dst = append(comma(dst), `{"role":"`...)
	if r == assistant {
		dst = append(dst, `assistant","content":`...)
	} else {
		dst = append(dst, `user","content":`...)
	}
	if first := c.parts[turns[0].from:turns[0].to]; len(turns) == 1 && len(first) == 1 && first[0].kind == text &&
		first[0].cache == nil && len(first[0].text) > 0 {
		return append(strictjson.AppendString(dst, first[0].text), '}')
	}
	dst = append(dst, '[')
	begin := len(dst)
	for _, t := range turns {
		if t.role == user {
			dst = writeResults(dst, c.parts[t.from:t.to])
		}
	}
	for _, t := range turns {
		if t.role == r {
			dst = writeBlocks(dst, c.parts[t.from:t.to])
		}
	}
	if len(dst) == begin { // the answer is to continue an empty text: nothing
		return dst[:from]
	}
	return append(dst, "]}"...)
}

// writeResults appends the results of tools among the parts.
func writeResults(dst []byte, parts []part) []byte {
	for i := 0; i < len(parts); i++ {
		p := &parts[i]
		if p.kind != result {
			continue
		}
		dst = append(comma(dst), `{"type":"tool_result","tool_use_id":`...)
		dst = writeID(dst, p.id)
		if p.size > 0 {
			dst = append(member(dst, "content"), '[')
			dst = append(writeBlocks(dst, parts[i+1:i+1+p.size]), ']')
		}
		if p.failed {
			dst = append(dst, `,"is_error":true`...)
		}
		dst = append(memberRaw(dst, "cache_control", p.cache), '}')
		i += p.size
	}
	return dst
}

// writeBlocks appends the blocks that the parts are, but for results of tools.
func writeBlocks(dst []byte, parts []part) []byte {
	for i := 0; i < len(parts); i++ {
		p := &parts[i]
		if p.kind == result {
			i += p.size
			continue
		}
		dst = writeBlock(dst, p)
	}
	return dst
}

// writeBlock appends one block; a text that is empty is none, since this API refuses it.
func writeBlock(dst []byte, p *part) []byte {
	switch p.kind {
	case text, refusal:
		if len(p.text) == 0 {
			return dst
		}
		dst = strictjson.AppendString(append(comma(dst), `{"type":"text","text":`...), p.text)
	case image:
		dst = writeSource(append(comma(dst), `{"type":"image"`...), p)
	case file:
		dst = writeSource(append(comma(dst), `{"type":"document"`...), p)
		if p.name != nil {
			dst = memberString(dst, "title", p.name)
		}
	case reasoning:
		dst = strictjson.AppendString(append(comma(dst), `{"type":"thinking","thinking":`...), p.text)
		dst = memberString(dst, "signature", p.signature)
	case call:
		dst = writeID(append(comma(dst), `{"type":"tool_use","id":`...), p.id)
		dst = memberString(dst, "name", p.name)
		dst = memberRaw(dst, "input", argumentsOf(p))
	}
	return append(memberRaw(dst, "cache_control", p.cache), '}')
}

func writeSource(dst []byte, p *part) []byte {
	if p.url != nil {
		return append(strictjson.AppendString(append(dst, `,"source":{"type":"url","url":`...), p.url), '}')
	}
	dst = strictjson.AppendString(append(dst, `,"source":{"type":"base64","media_type":`...), p.media)
	return append(memberString(dst, "data", p.text), '}')
}

// writeID appends the id of a call. This API takes letters, digits, _ and - only; an id with others is written in hex,
// the same at the call and at its result. Answers make ids of their own, so none ever has to be read back.
func writeID(dst, id []byte) []byte {
	for _, b := range id {
		if b != '_' && b != '-' && (b < '0' || b > '9') && (b < 'a' || b > 'z') && (b < 'A' || b > 'Z') {
			dst = hex.AppendEncode(append(dst, `"id_`...), id)
			return append(dst, '"')
		}
	}
	return strictjson.AppendString(dst, id)
}

// noSchema is the schema of a tool that takes no arguments: this API wants one.
var noSchema = []byte(`{"type":"object","properties":{}}`)

func writeMessagesTools(dst []byte, c *conversation) []byte {
	if len(c.tools) == 0 {
		return dst
	}
	dst = append(dst, `,"tools":[`...)
	for i := range c.tools {
		t := &c.tools[i]
		dst = strictjson.AppendString(append(comma(dst), `{"name":`...), t.name)
		if t.description != nil {
			dst = memberString(dst, "description", t.description)
		}
		schema := t.schema
		if schema == nil {
			schema = noSchema
		}
		dst = memberRaw(dst, "input_schema", schema)
		if t.strict == yes {
			dst = append(dst, `,"strict":true`...)
		}
		dst = append(memberRaw(dst, "cache_control", t.cache), '}')
	}
	return writeMessagesChoice(append(dst, ']'), c)
}

func writeMessagesChoice(dst []byte, c *conversation) []byte {
	serial := c.parallel == no && c.choice.how != none
	if c.choice.how == unchosen && !serial {
		return dst
	}
	dst = append(dst, `,"tool_choice":{"type":"`...)
	switch c.choice.how {
	case none:
		dst = append(dst, `none"`...)
	case required:
		dst = append(dst, `any"`...)
	case named:
		dst = memberString(append(dst, `tool"`...), "name", c.choice.name)
	default:
		dst = append(dst, `auto"`...)
	}
	if serial {
		dst = append(dst, `,"disable_parallel_tool_use":true`...)
	}
	return append(dst, '}')
}

// writeOutputConfig appends how much to think and what form the answer takes.
func writeOutputConfig(dst []byte, c *conversation) []byte {
	effort := string(c.effort)
	switch effort {
	case "":
	case "none":
		dst = append(dst, `,"thinking":{"type":"disabled"}`...)
		effort = ""
	case "minimal":
		effort = "low"
		fallthrough
	default:
		dst = append(dst, `,"thinking":{"type":"adaptive"}`...)
	}
	if effort == "" && c.form.shape != jsonSchema {
		return dst
	}
	dst = append(dst, `,"output_config":{`...)
	if effort != "" {
		dst = strictjson.AppendString(append(dst, `"effort":`...), effort)
	}
	if c.form.shape == jsonSchema {
		dst = append(append(comma(dst), `"format":{"type":"json_schema","schema":`...), c.form.schema...)
		dst = append(dst, '}')
	}
	return append(dst, '}')
}
