package translate

import (
	"bytes"

	"github.com/sluicegate/sluice/runtime/strictjson"
	"github.com/sluicegate/sluice/runtime/wire"
)

// gemini is Google's generateContent, which endpoints speak and callers do not. The model and whether to stream are in
// its path. Source: the Gemini API reference (v1beta).
var gemini = &format{
	name: "gemini.generate", operation: wire.ChatCompletions,
	says:  files | anyFiles | stops | topKs | penalties | seeds | hot | objects | subset | effortOff | thinking | schemas | uncalled | choices,
	write: writeGemini, readAnswer: readGeminiAnswer, reader: func() eventReader { return new(geminiReader) },
}

// writeGemini appends a request.
func writeGemini(dst []byte, c *conversation, _ Options) []byte {
	dst = writeGeminiTools(writeGeminiSaid(append(dst, '{'), c), c)
	return append(writeGeminiConfig(dst, c), '}')
}

// writeGeminiSaid appends the members that hold what was said.
func writeGeminiSaid(dst []byte, c *conversation) []byte {
	dst = append(dst, `"contents":[`...)
	for i := 0; i < len(c.turns); {
		r, end := c.turns[i].role, i+1
		for end < len(c.turns) && (c.turns[end].role == r || c.turns[end].role == system) {
			end++
		}
		if r != system {
			dst = writeGeminiContent(dst, c, c.turns[i:end], r)
			i = end
		} else {
			i++
		}
	}
	return writeGeminiSystem(append(dst, ']'), c)
}

// writeGeminiSystem appends the system prompt: all system messages, for this API has one place.
func writeGeminiSystem(dst []byte, c *conversation) []byte {
	begun := false
	for _, t := range c.turns {
		if t.role != system {
			continue
		}
		if !begun {
			dst = append(dst, `,"systemInstruction":{"parts":[`...)
			begun = true
		}
		for i := t.from; i < t.to; i++ {
			dst = writeGeminiPart(dst, c, &c.parts[i])
		}
	}
	if begun {
		dst = append(dst, "]}"...)
	}
	return dst
}

// writeGeminiContent appends turns of one role as one content, the results of tools first.
func writeGeminiContent(dst []byte, c *conversation, turns []turn, r role) []byte {
	from := len(dst)
	if r == assistant {
		dst = append(comma(dst), `{"role":"model","parts":[`...)
	} else {
		dst = append(comma(dst), `{"role":"user","parts":[`...)
	}
	begin := len(dst)
	for _, results := range [...]bool{true, false} {
		for _, t := range turns {
			for i := t.from; t.role == r && i < t.to; i++ {
				p := &c.parts[i]
				switch {
				case p.kind == result && results:
					dst = writeGeminiResult(dst, c, p, c.parts[i+1:i+1+p.size])
				case p.kind != result && !results:
					dst = writeGeminiPart(dst, c, p)
				}
				if p.kind == result {
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

// foreignThought is what the API's reference says to send in place of the signature of a thought that another model, or
// nobody, had before a call.
const foreignThought = "skip_thought_signature_validator"

func writeGeminiPart(dst []byte, _ *conversation, p *part) []byte {
	switch p.kind {
	case image, file:
		dst = strictjson.AppendString(append(comma(dst), `{"inlineData":{"mimeType":`...), p.media)
		return append(memberString(dst, "data", p.text), "}}"...)
	case call:
		dst = strictjson.AppendString(append(comma(dst), `{"functionCall":{"name":`...), p.name)
		dst = append(memberRaw(dst, "args", argumentsOf(p)), '}')
		return append(memberString(dst, "thoughtSignature", foreignThought), '}')
	default:
		if len(p.text) == 0 {
			return dst
		}
		return append(strictjson.AppendString(append(comma(dst), `{"text":`...), p.text), '}')
	}
}

// writeGeminiResult appends what a tool gave, under the name of the call that it answers.
func writeGeminiResult(dst []byte, c *conversation, p *part, parts []part) []byte {
	name := p.id
	for i := range c.parts {
		if c.parts[i].kind == call && bytes.Equal(c.parts[i].id, p.id) {
			name = c.parts[i].name
		}
	}
	key := "output"
	if p.failed {
		key = "error"
	}
	dst = strictjson.AppendString(append(comma(dst), `{"functionResponse":{"name":`...), name)
	dst = append(append(append(dst, `,"response":{"`...), key...), `":`...)
	return append(writeJoined(dst, parts, text), "}}}"...)
}

// writeGeminiFunctions appends the tools.
func writeGeminiFunctions(dst []byte, c *conversation) []byte {
	if len(c.tools) == 0 {
		return dst
	}
	dst = append(dst, `,"tools":[{"functionDeclarations":[`...)
	for i := range c.tools {
		t := &c.tools[i]
		dst = strictjson.AppendString(append(comma(dst), `{"name":`...), t.name)
		if t.description != nil {
			dst = memberString(dst, "description", t.description)
		}
		dst = append(memberRaw(dst, "parametersJsonSchema", t.schema), '}')
	}
	return append(dst, "]}]"...)
}

// writeGeminiTools appends the tools and which of them to call.
func writeGeminiTools(dst []byte, c *conversation) []byte {
	dst = writeGeminiFunctions(dst, c)
	if len(c.tools) == 0 {
		return dst
	}
	mode := ""
	switch c.choice.how {
	case none:
		mode = "NONE"
	case required, named:
		mode = "ANY"
	case auto:
		mode = "AUTO"
	default:
		return dst
	}
	allowed := c.choice.allowed
	if c.choice.how == named {
		allowed = [][]byte{c.choice.name}
	}
	if allowed != nil && mode == "AUTO" {
		mode = "VALIDATED" // of these, or none
	}
	dst = append(append(append(dst, `,"toolConfig":{"functionCallingConfig":{"mode":"`...), mode...), '"')
	if allowed != nil {
		dst = append(writeStrings(append(member(dst, "allowedFunctionNames"), '['), allowed), ']')
	}
	return append(dst, "}}"...)
}

// geminiSampling are the names of the sampling parameters.
var geminiSampling = [numSampling]string{"temperature", "topP", "topK", "frequencyPenalty", "presencePenalty", "seed"}

// thinkingBudget is how many usage tokens an effort is (the API's own mapping for OpenAI's clients).
func thinkingBudget(effort string) int64 {
	switch effort {
	case "none":
		return 0
	case "minimal", "low":
		return 1024
	case "medium":
		return 8192
	default:
		return 24576
	}
}

// writeGeminiConfig appends generationConfig.
func writeGeminiConfig(dst []byte, c *conversation) []byte {
	dst = append(dst, `,"generationConfig":{`...)
	put := func(key string, raw []byte) {
		if raw != nil {
			dst = append(append(append(append(comma(dst), '"'), key...), `":`...), raw...)
		}
	}
	put("maxOutputTokens", c.maxOutput)
	for i, name := range geminiSampling {
		put(name, c.sampling[i])
	}
	if len(c.stop) > 0 {
		dst = append(writeStrings(append(comma(dst), `"stopSequences":[`...), c.stop), ']')
	}
	if c.form.shape != free {
		dst = append(comma(dst), `"responseMimeType":"application/json"`...)
		put("responseJsonSchema", c.form.schema)
	}
	if c.effort != nil {
		budget := thinkingBudget(string(c.effort))
		dst = appendInt(append(comma(dst), `"thinkingConfig":{"thinkingBudget":`...), budget)
		if budget > 0 {
			dst = append(dst, `,"includeThoughts":true`...)
		}
		dst = append(dst, '}')
	}
	return append(dst, '}')
}
