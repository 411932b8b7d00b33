package translate

import (
	"bytes"

	"github.com/sluicegate/sluice/runtime/strictjson"
	"github.com/sluicegate/sluice/runtime/wire"
)

// bedrock is Amazon's Converse, which endpoints speak and callers do not. The model and whether to stream are in its
// path. Source: the Amazon Bedrock API reference (Converse, ConverseStream) and the types of its Go SDK (v1.63).
var bedrock = &format{
	name: "bedrock.converse", operation: wire.ChatCompletions,
	says:  files | signed | richResults | prefill | stops | strictness | schemas | described | tiers | standard | metadatas | choices,
	write: writeConverse, readAnswer: readConverse, reader: func() eventReader { return new(converseReader) },
}

// writeConverse appends a request.
func writeConverse(dst []byte, c *conversation, _ Options) []byte {
	dst = writeConverseSaid(append(dst, '{'), c)
	dst = append(dst, `,"inferenceConfig":{`...)
	for _, m := range [...]struct {
		key string
		raw []byte
	}{{"maxTokens", c.maxOutput}, {"temperature", c.sampling[temperature]}, {"topP", c.sampling[topP]}} {
		if m.raw != nil {
			dst = append(append(append(append(comma(dst), '"'), m.key...), `":`...), m.raw...)
		}
	}
	if len(c.stop) > 0 {
		dst = append(writeStrings(append(comma(dst), `"stopSequences":[`...), c.stop), ']')
	}
	return append(writeConverseRest(append(dst, '}'), c), '}')
}

// writeConverseRest appends the members that matter less. A schema is a text there.
func writeConverseRest(dst []byte, c *conversation) []byte {
	if f := &c.form; f.shape == jsonSchema {
		dst = strictjson.AppendString(append(dst, `,"outputConfig":{"textFormat":{"type":"json_schema","structure":{"jsonSchema":{"schema":`...), f.schema)
		if f.name != nil {
			dst = memberString(dst, "name", f.name)
		}
		if f.description != nil {
			dst = memberString(dst, "description", f.description)
		}
		dst = append(dst, "}}}}"...)
	}
	if c.tier != nil && string(c.tier) != "auto" {
		dst = append(strictjson.AppendString(append(dst, `,"serviceTier":{"type":`...), c.tier), '}')
	}
	return memberRaw(dst, "requestMetadata", c.metadata)
}

// writeConverseSaid appends the members that hold what was said and the tools.
func writeConverseSaid(dst []byte, c *conversation) []byte {
	dst = append(dst, `"messages":[`...)
	for i := 0; i < len(c.turns); {
		r, end := c.turns[i].role, i+1
		for r != system && end < len(c.turns) && (c.turns[end].role == r || c.turns[end].role == system) {
			end++
		}
		if r != system {
			dst = writeConverseMessage(dst, c, c.turns[i:end], r)
		}
		i = end
	}
	dst = append(dst, ']')
	return writeConverseTools(writeConverseSystem(dst, c), c)
}

func writeConverseSystem(dst []byte, c *conversation) []byte {
	begun := false
	for _, t := range c.turns {
		if t.role != system {
			continue
		}
		if !begun {
			dst, begun = append(dst, `,"system":[`...), true
		}
		for i := t.from; i < t.to; i++ {
			dst = writeConversePart(dst, &c.parts[i])
		}
	}
	if begun {
		dst = append(dst, ']')
	}
	return dst
}

// writeConverseMessage appends turns of one role as one message, the results of tools first.
func writeConverseMessage(dst []byte, c *conversation, turns []turn, r role) []byte {
	from := len(dst)
	dst = append(append(append(comma(dst), `{"role":"`...), itemRoles[r]...), `","content":[`...)
	begin := len(dst)
	for _, results := range [...]bool{true, false} {
		for _, t := range turns {
			for i := t.from; t.role == r && i < t.to; i++ {
				p := &c.parts[i]
				if p.kind != result && !results {
					dst = writeConversePart(dst, p)
				}
				if p.kind == result {
					if results {
						dst = writeConverseResult(dst, p, c.parts[i+1:i+1+p.size])
					}
					i += p.size
				}
			}
		}
	}
	if len(dst) == begin {
		return dst[:from]
	}
	return append(dst, "]}"...)
}

func writeConverseResult(dst []byte, p *part, parts []part) []byte {
	dst = append(writeID(append(comma(dst), `{"toolResult":{"toolUseId":`...), p.id), `,"content":[`...)
	for i := range parts {
		dst = writeConversePart(dst, &parts[i])
	}
	dst = append(dst, ']')
	if p.failed {
		dst = append(dst, `,"status":"error"`...)
	}
	return append(dst, "}}"...)
}

func writeConversePart(dst []byte, p *part) []byte {
	switch p.kind {
	case image, file:
		return writeConverseSource(dst, p)
	case call:
		dst = writeID(append(comma(dst), `{"toolUse":{"toolUseId":`...), p.id)
		dst = memberString(dst, "name", p.name)
		return append(memberRaw(dst, "input", argumentsOf(p)), "}}"...)
	case reasoning:
		dst = strictjson.AppendString(append(comma(dst), `{"reasoningContent":{"reasoningText":{"text":`...), p.text)
		return append(memberString(dst, "signature", p.signature), "}}}"...)
	default:
		if len(p.text) == 0 {
			return dst
		}
		return append(strictjson.AppendString(append(comma(dst), `{"text":`...), p.text), '}')
	}
}

// writeConverseSource appends an image or a PDF, which has to have a name.
func writeConverseSource(dst []byte, p *part) []byte {
	if p.kind == image {
		dst = strictjson.AppendString(append(comma(dst), `{"image":{"format":`...), bytes.TrimPrefix(p.media, []byte("image/")))
	} else {
		dst = append(append(append(comma(dst), `{"document":{"format":"pdf","name":"`...), documentName(p.name)...), '"')
	}
	return append(strictjson.AppendString(append(dst, `,"source":{"bytes":`...), p.text), "}}}"...)
}

// documentName is a name in the signs that the API takes: letters, digits, spaces and hyphens.
func documentName(name []byte) []byte {
	if len(name) == 0 {
		return []byte("document")
	}
	return bytes.Map(func(r rune) rune {
		if r == '-' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return '-'
	}, name)
}

func writeConverseTools(dst []byte, c *conversation) []byte {
	if len(c.tools) == 0 {
		return dst
	}
	dst = append(dst, `,"toolConfig":{"tools":[`...)
	for i := range c.tools {
		t := &c.tools[i]
		dst = strictjson.AppendString(append(comma(dst), `{"toolSpec":{"name":`...), t.name)
		if t.description != nil {
			dst = memberString(dst, "description", t.description)
		}
		schema := t.schema
		if schema == nil {
			schema = noSchema
		}
		dst = append(append(append(dst, `,"inputSchema":{"json":`...), schema...), '}')
		dst = append(memberBool(dst, "strict", t.strict), "}}"...)
	}
	dst = append(dst, ']')
	switch c.choice.how {
	case auto:
		dst = append(dst, `,"toolChoice":{"auto":{}}`...)
	case required:
		dst = append(dst, `,"toolChoice":{"any":{}}`...)
	case named:
		dst = append(strictjson.AppendString(append(dst, `,"toolChoice":{"tool":{"name":`...), c.choice.name), "}}"...)
	}
	return append(dst, '}')
}
