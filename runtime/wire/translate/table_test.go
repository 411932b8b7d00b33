package translate_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/sluicegate/sluice/runtime/wire"
	"github.com/sluicegate/sluice/runtime/wire/translate"
)

// order is that of the table's columns.
var order = []string{"chat", "responses", "messages", "gemini", "bedrock"}

// minimal is the rest of a request in each format, into which an example's members go.
var minimal = map[string]struct{ open, turns, close string }{
	"chat":      {`{"model":"m","messages":[`, `{"role":"user","content":"x"}`, `]`},
	"responses": {`{"model":"m","input":[`, `{"role":"user","content":"x"}`, `]`},
	"messages":  {`{"model":"m","max_tokens":9,"messages":[`, `{"role":"user","content":"x"}`, `]`},
}

// featured is a row of the table: how a request says something in each format, and what of it must be in the request
// that it becomes.
type featured struct {
	name string
	// says has the members of a request by format; one that begins with a brace is turns, the last of which the request
	// ends with.
	says map[string]string
	// evidence has by format what a request that says it must hold; a format without must refuse.
	evidence map[string]string
	hint     bool // it changes no answer, and is left out where the format has no such thing
}

// tools is a definition in each format.
var tools = map[string]string{
	"chat":      `"tools":[{"type":"function","function":{"name":"f","description":"DESC","parameters":{"type":"object"}%s}}]`,
	"responses": `"tools":[{"type":"function","name":"f","description":"DESC","parameters":{"type":"object"}%s}]`,
	"messages":  `"tools":[{"name":"f","description":"DESC","input_schema":{"type":"object"}%s}]`,
}

func tooled(inside string, after map[string]string) map[string]string {
	out := map[string]string{}
	for f, t := range tools {
		out[f] = fmt.Sprintf(t, inside)
		if a, ok := after[f]; ok {
			out[f] += "," + a
		} else if after != nil {
			delete(out, f)
		}
	}
	return out
}

type by = map[string]string

// inGemini is the evidence of what Gemini's format can say, by the rows' names.
var inGemini = by{
	"system prompt":                  `"systemInstruction":{"parts":[{"text":"SYS"}]}`,
	"system message later on":        `SYS`,
	"image, base64":                  `"inlineData":{"mimeType":"image/png","data":"iVBO"}`,
	"PDF, base64":                    `"mimeType":"application/pdf"`,
	"other file, base64":             `"mimeType":"text/csv"`,
	"document of plain text":         `DOC`,
	"tools":                          `DESC`,
	"tool calls and results":         `"functionResponse":{"name":"f","response":{"output":"RES"}}`,
	"result that is an error":        `{"error":"RES"}`,
	"tool choice: none":              `"NONE"`,
	"tool choice: any":               `"ANY"`,
	"tool choice: one by name":       `"allowedFunctionNames":["f"]`,
	"tool choice: some of them":      `"allowedFunctionNames":["f"]`,
	"limit of the answer":            `"maxOutputTokens":77`,
	"temperature to 1, top_p":        `"temperature":0.5,"topP":0.25`,
	"temperature over 1":             `"temperature":1.5`,
	"top_k":                          `"topK":40`,
	"frequency and presence penalty": `"frequencyPenalty":0.5`,
	"seed":                           `"seed":7`,
	"stop sequences":                 `"stopSequences":["END"]`,
	"answer of any JSON object":      `"responseMimeType":"application/json"`,
	"answer by a JSON Schema":        `{"title":"T"}`,
	"how much to think":              `"thinkingBudget":24576`,
	"a budget to think":              `"thinkingBudget":8192`,
	"not to think":                   `"thinkingBudget":0`,
	"streams, with usage":            `"contents"`,
}

// inBedrock is the same of Bedrock's.
var inBedrock = by{
	"system prompt":                             `"system":[{"text":"SYS"}]`,
	"system message later on":                   `SYS`,
	"image, base64":                             `"image":{"format":"png","source":{"bytes":"iVBO"}}`,
	"PDF, base64":                               `"document":{"format":"pdf","name":"a-pdf"`,
	"document of plain text":                    `DOC`,
	"tools":                                     `DESC`,
	"tool calls and results":                    `"toolResult":{"toolUseId":"call_1","content":[{"text":"RES"}]`,
	"result that is an error":                   `"status":"error"`,
	"strict tools":                              `"strict":true`,
	"answer by a JSON Schema":                   `"schema":"{\"title\":\"T\"}"`,
	"service tier: default":                     `"serviceTier":{"type":"default"}`,
	"service tier: others":                      `"serviceTier":{"type":"flex"}`,
	"metadata":                                  `"requestMetadata":{"k":"v"}`,
	"tool choice: any":                          `{"any":{}}`,
	"tool choice: one by name":                  `{"tool":{"name":"f"}}`,
	"limit of the answer":                       `"maxTokens":77`,
	"temperature to 1, top_p":                   `"temperature":0.5,"topP":0.25`,
	"stop sequences":                            `"stopSequences":["END"]`,
	"earlier reasoning with its signature":      `"signature":"SIG"`,
	"a last message for the answer to continue": `PRE`,
	"streams, with usage":                       `"messages"`,
}

// all is evidence that is the same in every format.
func all(s string) by { return by{"chat": s, "responses": s, "messages": s} }

var requestFeatures = []featured{
	{name: "system prompt", says: by{"chat": `{"role":"system","content":"SYS"},{"role":"user","content":"x"}`, "responses": `"instructions":"SYS"`, "messages": `"system":"SYS"`}, evidence: all("SYS")},
	{name: "system message later on", says: by{"chat": `{"role":"user","content":"x"},{"role":"system","content":"SYS"},{"role":"user","content":"x"}`, "responses": `{"role":"user","content":"x"},{"role":"developer","content":"SYS"},{"role":"user","content":"x"}`, "messages": `{"role":"user","content":"x"},{"role":"system","content":"SYS"},{"role":"user","content":"y"}`}, evidence: by{"chat": "SYS", "responses": "SYS", "messages": `"system":"SYS"`}},
	{name: "image, base64", says: by{"chat": `{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBO"}}]}`, "responses": `{"role":"user","content":[{"type":"input_image","image_url":"data:image/png;base64,iVBO"}]}`, "messages": `{"role":"user","content":[{"type":"image","source":{"type":"base64","media_type":"image/png","data":"iVBO"}}]}`}, evidence: by{"chat": "data:image/png;base64,iVBO", "responses": "data:image/png;base64,iVBO", "messages": `"data":"iVBO"`}},
	{name: "image, by address", says: by{"chat": `{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://e.com/i"}}]}`, "responses": `{"role":"user","content":[{"type":"input_image","image_url":"https://e.com/i"}]}`, "messages": `{"role":"user","content":[{"type":"image","source":{"type":"url","url":"https://e.com/i"}}]}`}, evidence: all("https://e.com/i")},
	{name: "image detail", says: by{"chat": `{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://e.com/i","detail":"low"}}]}`, "responses": `{"role":"user","content":[{"type":"input_image","image_url":"https://e.com/i","detail":"low"}]}`}, evidence: by{"chat": `"detail":"low"`, "responses": `"detail":"low"`}},
	{name: "PDF, base64", says: by{"chat": `{"role":"user","content":[{"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,JVBE"}}]}`, "responses": `{"role":"user","content":[{"type":"input_file","filename":"a.pdf","file_data":"data:application/pdf;base64,JVBE"}]}`, "messages": `{"role":"user","content":[{"type":"document","title":"a.pdf","source":{"type":"base64","media_type":"application/pdf","data":"JVBE"}}]}`}, evidence: by{"chat": `"filename":"a.pdf"`, "responses": `"filename":"a.pdf"`, "messages": `"title":"a.pdf"`}},
	{name: "other file, base64", says: by{"chat": `{"role":"user","content":[{"type":"file","file":{"file_data":"data:text/csv;base64,YQ=="}}]}`, "responses": `{"role":"user","content":[{"type":"input_file","file_data":"data:text/csv;base64,YQ=="}]}`}, evidence: by{"chat": "text/csv;base64,YQ==", "responses": "text/csv;base64,YQ=="}},
	{name: "PDF, by address", says: by{"responses": `{"role":"user","content":[{"type":"input_file","file_url":"https://e.com/f"}]}`, "messages": `{"role":"user","content":[{"type":"document","source":{"type":"url","url":"https://e.com/f"}}]}`}, evidence: by{"responses": "https://e.com/f", "messages": "https://e.com/f"}},
	{name: "document of plain text", says: by{"messages": `{"role":"user","content":[{"type":"document","source":{"type":"text","media_type":"text/plain","data":"DOC"}}]}`}, evidence: all("DOC")},
	{name: "audio", says: by{"chat": `{"role":"user","content":[{"type":"input_audio","input_audio":{"data":"AA","format":"wav"}}]}`}},
	{name: "id of a stored file", says: by{"chat": `{"role":"user","content":[{"type":"file","file":{"file_id":"file-1"}}]}`, "responses": `{"role":"user","content":[{"type":"input_file","file_id":"file-1"}]}`, "messages": `{"role":"user","content":[{"type":"document","source":{"type":"file","file_id":"f"}}]}`}},
	{name: "tools", says: tooled("", nil), evidence: all("DESC")},
	{name: "strict tools", says: tooled(`,"strict":true`, nil), evidence: all(`"strict":true`)},
	{name: "custom tools (free text)", says: by{"chat": `"tools":[{"type":"custom","custom":{"name":"f"}}]`, "responses": `"tools":[{"type":"custom","name":"f"}]`}},
	{name: "tools that the vendor runs", says: by{"responses": `"tools":[{"type":"web_search"}]`, "messages": `"tools":[{"type":"web_search_20250305","name":"web_search"}]`}},
	{name: "tool calls and results", says: by{"chat": `{"role":"user","content":"x"},{"role":"assistant","tool_calls":[{"id":"call_1","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}}]},{"role":"tool","tool_call_id":"call_1","content":"RES"}`, "responses": `{"role":"user","content":"x"},{"type":"function_call","call_id":"call_1","name":"f","arguments":"{\"a\":1}"},{"type":"function_call_output","call_id":"call_1","output":"RES"}`, "messages": `{"role":"user","content":"x"},{"role":"assistant","content":[{"type":"tool_use","id":"call_1","name":"f","input":{"a":1}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"call_1","content":"RES"}]}`}, evidence: by{"chat": `"tool_call_id":"call_1","content":"RES"`, "responses": `"call_id":"call_1","output":"RES"`, "messages": `"tool_use_id":"call_1"`}},
	{name: "result that is an error", says: by{"messages": `{"role":"user","content":[{"type":"tool_result","tool_use_id":"c","content":"RES","is_error":true}]}`}, evidence: by{"chat": "Error: ", "responses": "Error: "}},
	{name: "image in a result", says: by{"responses": `{"type":"function_call_output","call_id":"c","output":[{"type":"input_image","image_url":"https://e.com/i"}]}`, "messages": `{"role":"user","content":[{"type":"tool_result","tool_use_id":"c","content":[{"type":"image","source":{"type":"url","url":"https://e.com/i"}}]}]}`}, evidence: by{"responses": "https://e.com/i", "messages": "https://e.com/i"}},
	{name: "tool choice: none", says: tooled("", by{"chat": `"tool_choice":"none"`, "responses": `"tool_choice":"none"`, "messages": `"tool_choice":{"type":"none"}`}), evidence: by{"chat": `"tool_choice":"none"`, "responses": `"tool_choice":"none"`, "messages": `{"type":"none"}`}},
	{name: "tool choice: any", says: tooled("", by{"chat": `"tool_choice":"required"`, "responses": `"tool_choice":"required"`, "messages": `"tool_choice":{"type":"any"}`}), evidence: by{"chat": `"required"`, "responses": `"required"`, "messages": `{"type":"any"}`}},
	{name: "tool choice: one by name", says: tooled("", by{"chat": `"tool_choice":{"type":"function","function":{"name":"f"}}`, "responses": `"tool_choice":{"type":"function","name":"f"}`, "messages": `"tool_choice":{"type":"tool","name":"f"}`}), evidence: by{"chat": `"tool_choice":{"type":"function","function":{"name":"f"}}`, "responses": `"tool_choice":{"type":"function","name":"f"}`, "messages": `{"type":"tool","name":"f"}`}},
	{name: "tool choice: some of them", says: tooled("", by{"chat": `"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"required","tools":[{"type":"function","function":{"name":"f"}}]}}`, "responses": `"tool_choice":{"type":"allowed_tools","mode":"required","tools":[{"type":"function","name":"f"}]}`}), evidence: by{"chat": `"allowed_tools":{"mode":"required"`, "responses": `"allowed_tools","mode":"required"`}},
	{name: "one tool call at a time", says: tooled("", by{"chat": `"parallel_tool_calls":false`, "responses": `"parallel_tool_calls":false`, "messages": `"tool_choice":{"type":"auto","disable_parallel_tool_use":true}`}), evidence: by{"chat": `"parallel_tool_calls":false`, "responses": `"parallel_tool_calls":false`, "messages": `"disable_parallel_tool_use":true`}},
	{name: "functions (legacy)", says: by{"chat": `"functions":[{"name":"f"}]`}},
	{name: "limit of the answer", says: by{"chat": `"max_completion_tokens":77`, "responses": `"max_output_tokens":77`, "messages": `"max_tokens":77`}, evidence: by{"chat": `"max_tokens":77`, "responses": `"max_output_tokens":77`, "messages": `"max_tokens":77`}},
	{name: "temperature to 1, top_p", says: all(`"temperature":0.5,"top_p":0.25`), evidence: all(`"temperature":0.5,"top_p":0.25`)},
	{name: "temperature over 1", says: by{"chat": `"temperature":1.5`, "responses": `"temperature":1.5`}, evidence: by{"chat": `"temperature":1.5`, "responses": `"temperature":1.5`}},
	{name: "top_k", says: by{"chat": `"top_k":40`, "messages": `"top_k":40`}, evidence: by{"chat": `"top_k":40`, "messages": `"top_k":40`}},
	{name: "frequency and presence penalty", says: by{"chat": `"frequency_penalty":0.5`}},
	{name: "seed", says: by{"chat": `"seed":7`}},
	{name: "logit bias", says: by{"chat": `"logit_bias":{"5":1}`}},
	{name: "log probabilities", says: by{"chat": `"logprobs":true`, "responses": `"include":["message.output_text.logprobs"]`}},
	{name: "several choices (n)", says: by{"chat": `"n":2`}},
	{name: "stop sequences", says: by{"chat": `"stop":["END"]`, "messages": `"stop_sequences":["END"]`}, evidence: by{"chat": `"stop":["END"]`, "messages": `"stop_sequences":["END"]`}},
	{name: "answer of any JSON object", says: by{"chat": `"response_format":{"type":"json_object"}`, "responses": `"text":{"format":{"type":"json_object"}}`}, evidence: by{"chat": "json_object", "responses": "json_object"}},
	{name: "answer by a JSON Schema", says: by{"chat": `"response_format":{"type":"json_schema","json_schema":{"name":"n","strict":true,"schema":{"title":"T"}}}`, "responses": `"text":{"format":{"type":"json_schema","name":"n","strict":true,"schema":{"title":"T"}}}`, "messages": `"output_config":{"format":{"type":"json_schema","schema":{"title":"T"}}}`}, evidence: all(`{"title":"T"}`)},
	{name: "how much to think", says: by{"chat": `"reasoning_effort":"high"`, "responses": `"reasoning":{"effort":"high"}`, "messages": `"output_config":{"effort":"high"}`}, evidence: by{"chat": `"reasoning_effort":"high"`, "responses": `"effort":"high"`, "messages": `"effort":"high"`}},
	{name: "a budget to think", says: by{"messages": `"thinking":{"type":"enabled","budget_tokens":5000}`}, evidence: by{"chat": `"reasoning_effort":"medium"`, "responses": `"effort":"medium"`}},
	{name: "not to think", says: by{"chat": `"reasoning_effort":"none"`, "responses": `"reasoning":{"effort":"none"}`, "messages": `"thinking":{"type":"disabled"}`}, evidence: by{"chat": `"none"`, "responses": `"none"`, "messages": `"disabled"`}},
	{name: "earlier reasoning", says: by{"chat": `{"role":"assistant","content":"y","reasoning_content":"WHY"},{"role":"user","content":"x"}`, "responses": `{"type":"reasoning","id":"r","summary":[{"type":"summary_text","text":"WHY"}]},{"role":"user","content":"x"}`, "messages": `{"role":"assistant","content":[{"type":"thinking","thinking":"WHY","signature":""}]},{"role":"user","content":"x"}`}, evidence: by{"chat": `"reasoning_content":"WHY"`, "responses": "WHY"}},
	{name: "earlier reasoning with its signature", says: by{"chat": `{"role":"assistant","content":"y","reasoning_content":"WHY","reasoning_signature":"SIG"},{"role":"user","content":"x"}`, "responses": `{"type":"reasoning","id":"r","summary":[{"type":"summary_text","text":"WHY"}],"encrypted_content":"SIG"},{"role":"user","content":"x"}`, "messages": `{"role":"assistant","content":[{"type":"thinking","thinking":"WHY","signature":"SIG"}]},{"role":"user","content":"x"}`}, evidence: by{"responses": `"encrypted_content":"SIG"`, "messages": `"signature":"SIG"`}},
	{name: "a last message for the answer to continue", says: by{"messages": `{"role":"user","content":"x"},{"role":"assistant","content":"PRE"}`}},
	{name: "author's name", says: by{"chat": `{"role":"user","name":"ann","content":"x"}`}},
	{name: "id of the end user", says: by{"chat": `"user":"u1"`, "responses": `"safety_identifier":"u1"`, "messages": `"metadata":{"user_id":"u1"}`}, evidence: by{"chat": `"user":"u1"`, "responses": `"user":"u1"`, "messages": `"user_id":"u1"`}},
	{name: "metadata", says: by{"chat": `"metadata":{"k":"v"}`, "responses": `"metadata":{"k":"v"}`}, evidence: by{"chat": `{"k":"v"}`, "responses": `{"k":"v"}`}},
	{name: "service tier: default", says: by{"chat": `"service_tier":"default"`, "responses": `"service_tier":"default"`, "messages": `"service_tier":"standard_only"`}, evidence: by{"chat": `"default"`, "responses": `"default"`, "messages": `"standard_only"`}},
	{name: "service tier: others", says: by{"chat": `"service_tier":"flex"`, "responses": `"service_tier":"flex"`}, evidence: by{"chat": `"flex"`, "responses": `"flex"`}},
	{name: "verbosity", says: by{"chat": `"verbosity":"low"`, "responses": `"text":{"verbosity":"low"}`}, evidence: by{"chat": `"verbosity":"low"`, "responses": `"verbosity":"low"`}},
	{name: "key of the prompt cache", says: by{"chat": `"prompt_cache_key":"k"`, "responses": `"prompt_cache_key":"k"`}, evidence: by{"chat": `"prompt_cache_key":"k"`, "responses": `"prompt_cache_key":"k"`}},
	{name: "cache_control", hint: true, says: by{"chat": `{"role":"user","content":[{"type":"text","text":"x","cache_control":{"type":"ephemeral"}}]}`, "messages": `{"role":"user","content":[{"type":"text","text":"x","cache_control":{"type":"ephemeral"}}]}`}, evidence: by{"messages": `"cache_control":{"type":"ephemeral"}`}},
	{name: "streams, with usage", says: all(`"stream":true`), evidence: by{"chat": `"stream":true,"stream_options":{"include_usage":true}`, "responses": `"stream":true`, "messages": `"stream":true`}},
	{name: "state at the model server", says: by{"responses": `"previous_response_id":"resp_1"`, "messages": `"container":"c"`}},
	{name: "fields that are not known", says: all(`"guided_json":{}`)},
}

// body makes a request of a row's words.
func body(format, says string) string {
	m := minimal[format]
	if strings.HasPrefix(says, "{") {
		return m.open + says + m.close + "}"
	}
	if format == "messages" && strings.Contains(says, `"max_tokens"`) {
		m.open = strings.Replace(m.open, `"max_tokens":9,`, "", 1)
	}
	return m.open + m.turns + m.close + "," + says + "}"
}

// cell says what becomes of a row on one way, and holds it against the row's evidence.
func cell(t *testing.T, f *featured, from, to string) string {
	says, ok := f.says[from]
	switch {
	case !ok:
		return ""
	case from == to:
		return "carried"
	}
	out, err := request(between(t, from, to), []byte(body(from, says)), translate.Options{})
	want, ok := f.evidence[to]
	if to == "gemini" {
		want, ok = inGemini[f.name]
	}
	if to == "bedrock" {
		want, ok = inBedrock[f.name]
	}
	var fault *wire.Fault
	if errors.As(err, &fault) {
		if fault.Code != wire.UnsupportedField || fault.Param == "" {
			t.Errorf("%s, %s to %s: %v", f.name, from, to, err)
		}
		if ok && !f.hint {
			t.Errorf("%s, %s to %s is refused: %v", f.name, from, to, err)
		}
		return "refused: `" + fault.Param + "`"
	}
	switch {
	case !ok && f.hint:
		return "left out"
	case !ok:
		t.Errorf("%s, %s to %s is not refused, and nothing shows that it was said: %s", f.name, from, to, out)
	case !strings.Contains(string(out), want):
		t.Errorf("%s, %s to %s: %s is not in %s", f.name, from, to, want, out)
	}
	return "translated"
}

// TestTable holds TABLE.md against what the code does.
func TestTable(t *testing.T) {
	var b strings.Builder
	b.WriteString(tableIntroduction)
	for _, from := range order[:3] {
		fmt.Fprintf(&b, "\n## From %s\n\n| a request says | %s |\n|---|%s\n", surfaces[from], strings.Join(titles(), " | "), strings.Repeat("---|", len(order)))
		for i := range requestFeatures {
			f := &requestFeatures[i]
			if _, ok := f.says[from]; !ok {
				continue
			}
			fmt.Fprintf(&b, "| %s |", f.name)
			for _, to := range order {
				fmt.Fprintf(&b, " %s |", cell(t, f, from, to))
			}
			b.WriteByte('\n')
		}
	}
	for i := range sections {
		sections[i].write(t, &b)
	}
	b.WriteString(tableEnd)
	if *update {
		if err := os.WriteFile("TABLE.md", []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile("TABLE.md")
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != b.String() {
		t.Error("TABLE.md is not what the code does: go test ./runtime/wire/translate -run Table -update")
	}
}

var surfaces = map[string]string{
	"chat":      "`/v1/chat/completions` and `/inference`",
	"responses": "`/v1/responses`",
	"messages":  "`/v1/messages`",
}

// titles are the columns' heads: what an endpoint speaks.
func titles() []string {
	heads := map[string]string{
		"chat": "chat completions", "responses": "responses", "messages": "Anthropic messages", "gemini": "Gemini", "bedrock": "Bedrock",
	}
	out := make([]string, len(order))
	for i, f := range order {
		out[i] = heads[f]
	}
	return out
}

const tableIntroduction = `# What reaches which model

A request goes to an endpoint as it came where the endpoint speaks the caller's format: *carried*. Elsewhere it is
translated. What the endpoint's format cannot say is refused with code ` + "`unsupported_field`" + ` and the field's path in
` + "`param`" + `, before anything is sent; another endpoint of the model may still serve it. Nothing is dropped unsaid: a field that
asks for nothing (` + "`null`, `\"n\": 1`, `\"logprobs\": false`" + `, a default) is let be, and any other that the translation does not know
is refused. *Left out* are hints that change no answer. What a policy has to allow first (state at the model server, tools
that the vendor runs, addresses to fetch) is carried only where it does.

Which formats an endpoint speaks follows from its ` + "`provider`" + `, for ` + "`openai`" + ` from its ` + "`apis`" + `, and for ` + "`bedrock`" + ` from the model's name or, where that does
not tell (the ARN of an inference profile of one's own, of provisioned throughput), its ` + "`family`" + `.
`

const tableEnd = `
## How things are said

| what | how |
|---|---|
| system and developer messages | Anthropic's, Google's and Amazon's APIs have one place for them: all are joined there in order, also those that stood later on |
| turns of one role in a row | one message for Anthropic, Google and Amazon, in which results of tools come first |
| ids of tool calls | kept; one with signs that Anthropic does not take is written ` + "`id_`" + ` and its bytes in hex, at the call and at its result |
| limit of the answer | Anthropic wants one: the request's, else the model's ` + "`max_output`" + `, else 4096. A chat's is ` + "`max_tokens`" + `, for OpenAI's own hosts ` + "`max_completion_tokens`" + ` |
| how much to think | for Anthropic adaptive thinking with that effort (minimal is low); a budget is low under 4096, medium under 16384, else high. For Gemini a budget: 0, 1024 (to low), 8192 (medium), 24576 |
| a result that is an error | where there is no field for it, its text begins with ` + "`Error: `" + ` |
| JSON Schema of the answer | Anthropic's has no name: ` + "`answer`" + ` |
| reasoning | ` + "`reasoning_content`" + ` of a chat, ` + "`thinking`" + ` of messages, a summary of responses. What only its model can read travels as ` + "`reasoning_signature`, `signature`, `encrypted_content`" + ` and is taken back by the model's own format only |
| usage | Anthropic's input leaves out what was read from or written to a cache; all others' has it in it. Messages and embeddings have to say numbers: where the model server says none, or not yet at a stream's beginning, they are the gateway's estimate (a usage token for four bytes of text), with ` + "`\"estimated\": true`" + ` beside them, and so they are recorded |
| finish | stop, end_turn, completed; length, max_tokens, incomplete (max_output_tokens); tool_calls, tool_use; content_filter, refusal, incomplete (content_filter); a context that is full counts as length |
| Claude at Bedrock and Vertex AI | messages go there as they came, by InvokeModel and rawPredict; what callers of other APIs say becomes messages. Counts at Bedrock, and its other models, have the formats of the columns for Bedrock |
| Gemini | a result goes under the name of the call it answers; an earlier call goes without the thought before it, as the API has it for calls of other models; its answers' thoughts come as reasoning |
| streams | event by event. A stream that is cut, reports an error, or tells pieces of a tool call after that call ended is cut for the caller, too, with the error of its own API |
| a completion's prompt | the one message of a user; the answer's text is what the model said, or its refusal, without what it thought |
| several texts to embed | in one request to Gemini up to 100, to Cohere 96, to Titan and Vertex AI one: more become up to 128 requests, four at a time where max_in_flight has room, and the caller has one answer or one error |
| vectors | as they came, or in base64 as 32-bit floats, whatever the model server writes |
| input type | ` + "`query`, `passage`, `classification`, `clustering`, and Cohere's `search_query`, `search_document`" + `. Cohere has to be told: passages, where nothing is said |
| dimensions | Titan V1 and Cohere 3 have none and refuse them themselves |
| relevance | a score from 0 to 1 becomes NIM's logit, ` + "`ln(p/(1-p))`" + `, at most 20.7 either way, and a logit the score ` + "`1/(1+e^-x)`" + `; the order stays |
| top_n, documents in the answer | the model server is asked for all places without texts; the gateway leaves out those beyond, and adds the texts that it sent |
| counts | what the answer is to be counts where the vendor's API counts it. Endpoints of other APIs have no counts: ` + "`unsupported_operation`" + ` |
| answers of several choices, with audio, or with what the vendor's own tools gave | fail: the caller's format cannot say them |

This page is written by ` + "`go test ./runtime/wire/translate -run Table -update`" + `.
`
