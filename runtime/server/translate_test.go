package server_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/sluicegate/sluice/runtime/internal/gateway"
	"github.com/sluicegate/sluice/runtime/internal/modelserver"
)

// dialects are the APIs that endpoints may speak, each with what a config says of such an endpoint and with what its model
// server answers: the text "mail [EMAIL_1] or bob@corp.example" and a call of f with the address as its argument.
var dialects = []struct {
	name, endpoint, path string
	answer               modelserver.Step
}{
	{"chat", "provider: openai", "/v1/chat/completions", scripted(chatWhole, chatSteps, false)},
	{"responses", "provider: openai, apis: [responses]", "/v1/responses", scripted(responseWhole, responseSteps, true)},
	{"messages", "provider: anthropic", "/v1/messages", scripted(messageWhole, messageSteps, true)},
	{"gemini", "provider: gemini", "/v1/models/model-a:", modelserver.Gemini(
		`{"candidates":[{"content":{"role":"model","parts":[`+geminiText+`,`+geminiCall+`]},"finishReason":"STOP"}],`+geminiUsage+`}`,
		`{"candidates":[{"content":{"role":"model","parts":[`+geminiText+`]}}]}`,
		`{"candidates":[{"content":{"role":"model","parts":[`+geminiCall+`]},"finishReason":"STOP"}],`+geminiUsage+`}`)},
	{"bedrock", "provider: bedrock", "/v1/model/model-a/converse", modelserver.Converse(
		`{"output":{"message":{"role":"assistant","content":[{"text":"mail [EMAIL_1] or bob@corp.example"},{"toolUse":{"toolUseId":"tooluse_1","name":"f","input":{"to":"[EMAIL_1]"}}}]}},"stopReason":"tool_use",`+converseUsage+`}`,
		"messageStart", `{"role":"assistant"}`,
		"contentBlockDelta", `{"contentBlockIndex":0,"delta":{"text":"mail [EMA"}}`,
		"contentBlockDelta", `{"contentBlockIndex":0,"delta":{"text":"IL_1] or bob@corp.example"}}`,
		"contentBlockStop", `{"contentBlockIndex":0}`,
		"contentBlockStart", `{"contentBlockIndex":1,"start":{"toolUse":{"toolUseId":"tooluse_1","name":"f"}}}`,
		"contentBlockDelta", `{"contentBlockIndex":1,"delta":{"toolUse":{"input":"{\"to\":\"[EM"}}}`,
		"contentBlockDelta", `{"contentBlockIndex":1,"delta":{"toolUse":{"input":"AIL_1]\"}"}}}`,
		"contentBlockStop", `{"contentBlockIndex":1}`, "messageStop", `{"stopReason":"tool_use"}`, "metadata", `{`+converseUsage+`}`)},
}

const (
	geminiText = `{"text":"mail [EMAIL_1] or bob@corp.example"}`
	geminiCall = `{"functionCall":{"id":"call_1","name":"f","args":{"to":"[EMAIL_1]"}}}`
)

const chatWhole = `{"id":"chatcmpl-1","object":"chat.completion","created":1700000000,"model":"gpt","choices":[{"index":0,"message":{"role":"assistant",` +
	`"content":"mail [EMAIL_1] or bob@corp.example","tool_calls":[{"id":"call_1","type":"function","function":{"name":"f","arguments":"{\"to\":\"[EMAIL_1]\"}"}}]},` +
	`"finish_reason":"tool_calls"}],"usage":{"prompt_tokens":8,"completion_tokens":7,"total_tokens":15}}`

var chatSteps = []string{
	modelserver.Delta("mail [EMA"), modelserver.Delta("IL_1] or bob@corp"), modelserver.Delta(".example"),
	`{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"m","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"name":"f","arguments":"{\"to\":\"[EM"}}]},"finish_reason":null}]}`,
	`{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"m","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"AIL_1]\"}"}}]},"finish_reason":null}]}`,
	`{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}`,
	`{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"m","choices":[],"usage":{"prompt_tokens":8,"completion_tokens":7,"total_tokens":15}}`,
	"[DONE]",
}

const messageWhole = `{"id":"msg_1","type":"message","role":"assistant","model":"claude","content":[{"type":"text","text":"mail [EMAIL_1] or bob@corp.example"},` +
	`{"type":"tool_use","id":"toolu_1","name":"f","input":{"to":"[EMAIL_1]"}}],"stop_reason":"tool_use","stop_sequence":null,"usage":{"input_tokens":3,"cache_read_input_tokens":5,"output_tokens":7}}`

var messageSteps = []string{
	modelserver.MessageStart, `{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}`,
	modelserver.TextDelta(0, "mail [EMA"), modelserver.TextDelta(0, "IL_1] or bob@corp"), modelserver.TextDelta(0, ".example"),
	`{"type":"content_block_stop","index":0}`, `{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"toolu_1","name":"f","input":{}}}`,
	`{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"to\":\"[EM"}}`,
	`{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"AIL_1]\"}"}}`, `{"type":"content_block_stop","index":1}`,
	`{"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"output_tokens":7}}`, `{"type":"message_stop"}`,
}

const responseItems = `{"id":"msg_1","type":"message","status":"completed","role":"assistant","content":[{"type":"output_text","text":"mail [EMAIL_1] or bob@corp.example","annotations":[]}]},` +
	`{"id":"fc_1","type":"function_call","status":"completed","arguments":"{\"to\":\"[EMAIL_1]\"}","call_id":"call_1","name":"f"}`

const responseWhole = `{"id":"resp_1","object":"response","created_at":1700000000,"status":"completed","error":null,"incomplete_details":null,"model":"gpt",` +
	`"output":[` + responseItems + `],"usage":{"input_tokens":8,"output_tokens":7,"total_tokens":15}}`

var responseSteps = []string{
	`{"type":"response.created","sequence_number":0,"response":{"id":"resp_1","object":"response","created_at":1700000000,"status":"in_progress","model":"gpt","output":[]}}`,
	`{"type":"response.output_item.added","sequence_number":1,"output_index":0,"item":{"id":"msg_1","type":"message","status":"in_progress","role":"assistant","content":[]}}`,
	`{"type":"response.content_part.added","sequence_number":2,"item_id":"msg_1","output_index":0,"content_index":0,"part":{"type":"output_text","text":"","annotations":[]}}`,
	`{"type":"response.output_text.delta","sequence_number":3,"item_id":"msg_1","output_index":0,"content_index":0,"delta":"mail [EMA"}`,
	`{"type":"response.output_text.delta","sequence_number":4,"item_id":"msg_1","output_index":0,"content_index":0,"delta":"IL_1] or bob@corp.example"}`,
	`{"type":"response.output_text.done","sequence_number":5,"item_id":"msg_1","output_index":0,"content_index":0,"text":"mail [EMAIL_1] or bob@corp.example"}`,
	`{"type":"response.output_item.added","sequence_number":6,"output_index":1,"item":{"id":"fc_1","type":"function_call","status":"in_progress","arguments":"","call_id":"call_1","name":"f"}}`,
	`{"type":"response.function_call_arguments.delta","sequence_number":7,"item_id":"fc_1","output_index":1,"delta":"{\"to\":\"[EMAIL_1]\"}"}`,
	`{"type":"response.function_call_arguments.done","sequence_number":8,"item_id":"fc_1","output_index":1,"arguments":"{\"to\":\"[EMAIL_1]\"}"}`,
	`{"type":"response.completed","sequence_number":9,"response":` + responseWhole + `}`,
}

// scripted answers whole or as a stream, as the request asks.
func scripted(whole string, events []string, named bool) modelserver.Step {
	return func(w http.ResponseWriter, r *http.Request, body []byte) {
		var req struct{ Stream bool }
		_ = json.Unmarshal(body, &req)
		switch {
		case !req.Stream:
			modelserver.JSON(whole)(w, r, body)
		case named:
			modelserver.NamedEvents(events...)(w, r, body)
		default:
			modelserver.Events(0, events...)(w, r, body)
		}
	}
}

// callers are the APIs that callers speak: a request to "mail ana@example.com" with a tool f, with room for more, and what
// a client makes of an answer.
var callers = []struct {
	path, request string
	whole, stream func(t *testing.T, body string) taken
}{
	{"/v1/chat/completions", `{"model":"model-a","messages":[{"role":"user","content":"mail ana@example.com"}],"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}]%s}`, wholeChat, streamedChat},
	{"/v1/messages", `{"model":"model-a","max_tokens":64,"messages":[{"role":"user","content":"mail ana@example.com"}],"tools":[{"name":"f","input_schema":{"type":"object"}}]%s}`, wholeMessage, streamedMessage},
	{"/v1/responses", `{"model":"model-a","input":"mail ana@example.com","tools":[{"type":"function","name":"f","parameters":{"type":"object"}}]%s}`, wholeResponse, streamedResponse},
}

// taken is what a client makes of an answer.
type taken struct{ text, id, name, arguments, finish string }

func wholeChat(t *testing.T, body string) taken {
	var a struct {
		Choices []struct {
			Finish  string `json:"finish_reason"`
			Message struct {
				Content string
				Calls   []struct {
					ID       string
					Function struct{ Name, Arguments string }
				} `json:"tool_calls"`
			}
		}
	}
	if err := json.Unmarshal([]byte(body), &a); err != nil || len(a.Choices) != 1 || len(a.Choices[0].Message.Calls) != 1 {
		t.Fatalf("%v: %s", err, body)
	}
	c := a.Choices[0]
	call := c.Message.Calls[0]
	return taken{c.Message.Content, call.ID, call.Function.Name, call.Function.Arguments, c.Finish}
}

func streamedChat(t *testing.T, body string) (h taken) {
	if !strings.HasSuffix(body, "data: [DONE]\n\n") {
		t.Errorf("the stream does not end: %s", body)
	}
	for _, data := range dataOf(body) {
		var e struct {
			Choices []struct {
				Finish string `json:"finish_reason"`
				Delta  struct {
					Content string
					Calls   []struct {
						ID       string
						Function struct{ Name, Arguments string }
					} `json:"tool_calls"`
				}
			}
		}
		if data == "[DONE]" {
			continue
		}
		if err := json.Unmarshal([]byte(data), &e); err != nil {
			t.Fatalf("%v: %s", err, data)
		}
		for _, c := range e.Choices {
			h.text += c.Delta.Content
			h.finish += c.Finish
			for _, call := range c.Delta.Calls {
				h.id, h.name, h.arguments = h.id+call.ID, h.name+call.Function.Name, h.arguments+call.Function.Arguments
			}
		}
	}
	return h
}

func wholeMessage(t *testing.T, body string) (h taken) {
	var m struct {
		Stop    string `json:"stop_reason"`
		Content []struct {
			Text, ID, Name string
			Input          json.RawMessage
		}
	}
	if err := json.Unmarshal([]byte(body), &m); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	h.finish = m.Stop
	for _, b := range m.Content {
		h.text, h.id, h.name, h.arguments = h.text+b.Text, h.id+b.ID, h.name+b.Name, h.arguments+string(b.Input)
	}
	return h
}

func streamedMessage(t *testing.T, body string) (h taken) {
	names, texts := read(t, body)
	if !strings.HasPrefix(names, "message_start content_block_start ") || !strings.HasSuffix(names, " content_block_stop message_delta message_stop ") {
		t.Errorf("events %s", names)
	}
	h.text, h.arguments = texts[0], texts[1]
	for _, data := range dataOf(body) {
		var e struct {
			Block struct{ ID, Name string } `json:"content_block"`
			Delta struct {
				Stop string `json:"stop_reason"`
			}
		}
		if err := json.Unmarshal([]byte(data), &e); err != nil {
			t.Fatalf("%v: %s", err, data)
		}
		h.id, h.name, h.finish = h.id+e.Block.ID, h.name+e.Block.Name, h.finish+e.Delta.Stop
	}
	return h
}

func wholeResponse(t *testing.T, body string) (h taken) {
	var r struct {
		Status string
		Output []struct {
			CallID          string `json:"call_id"`
			Name, Arguments string
			Content         []struct{ Text string }
		}
	}
	if err := json.Unmarshal([]byte(body), &r); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	h.finish = r.Status
	for _, item := range r.Output {
		h.id, h.name, h.arguments = h.id+item.CallID, h.name+item.Name, h.arguments+item.Arguments
		for _, c := range item.Content {
			h.text += c.Text
		}
	}
	return h
}

// streamedResponse puts the pieces together, which have to be what the last event repeats.
func streamedResponse(t *testing.T, body string) (h taken) {
	var last taken
	for _, data := range dataOf(body) {
		var e struct {
			Type, Delta string
			Response    json.RawMessage
			Item        struct {
				CallID string `json:"call_id"`
				Name   string
			}
		}
		if err := json.Unmarshal([]byte(data), &e); err != nil {
			t.Fatalf("%v: %s", err, data)
		}
		switch e.Type {
		case "response.output_item.added":
			h.id, h.name = h.id+e.Item.CallID, h.name+e.Item.Name
		case "response.output_text.delta":
			h.text += e.Delta
		case "response.function_call_arguments.delta":
			h.arguments += e.Delta
		case "response.completed":
			last = wholeResponse(t, string(e.Response))
			h.finish = last.finish
		}
	}
	if h != last {
		t.Errorf("the stream says %+v and repeats %+v", h, last)
	}
	return h
}

// dataOf is the data of each event.
func dataOf(body string) (out []string) {
	for line := range strings.Lines(body) {
		if data, ok := strings.CutPrefix(line, "data: "); ok {
			out = append(out, strings.TrimSpace(data))
		}
	}
	return out
}

// finishes are the words for an answer that ends with the call of a tool.
var finishes = map[string]bool{"tool_calls": true, "tool_use": true, "completed": true}

// Every surface reaches a model of every API, whole and streamed: redacted on the way out, restored and masked on the way
// in, the tool call in its place, usage known.
func TestAnySurfaceToAnyModel(t *testing.T) {
	alone(t)
	for _, api := range dialects {
		t.Run(api.name, func(t *testing.T) {
			m := modelserver.New(t, api.answer)
			s := besiegeWith(t, m, gateway.Callers+fmt.Sprintf("models:\n  - name: model-a\n    endpoints: [{name: one, %s, url: %q, requires: [redact]}]\n", api.endpoint, m.URL())+
				strings.Replace(gateway.Rest, "cache: {size: 16MiB, ttl: 10m}\n", "", 1), nil)
			n := 0
			for _, c := range callers {
				for _, stream := range []bool{false, true} {
					hear, more := c.whole, ""
					if stream {
						hear, more = c.stream, `,"stream":true`
					}
					r := s.Post("red", c.path, fmt.Sprintf(c.request, more))
					n++
					if r.Status != http.StatusOK {
						t.Errorf("%s, stream %v: %d %s", c.path, stream, r.Status, r.Body)
						continue
					}
					h := hear(t, r.Body)
					if mask(h.text) != "mail ana@example.com or ***" || h.name != "f" || !strings.HasSuffix(h.id, "_1") || !finishes[h.finish] ||
						!sameJSON(h.arguments, `{"to":"[EMAIL_1]"}`) && !sameJSON(h.arguments, `{"to":"ana@example.com"}`) {
						t.Errorf("%s, stream %v: %+v", c.path, stream, h)
					}
					sent := m.Requests()[len(m.Requests())-1]
					if !strings.HasPrefix(sent.Path, api.path) || strings.Contains(string(sent.Body), "ana@") || !strings.Contains(string(sent.Body), "[EMAIL_1]") {
						t.Errorf("%s, stream %v: the model server gets %s %s", c.path, stream, sent.Path, sent.Body)
					}
				}
			}
			for i, rec := range s.Records(n) {
				usage, _ := rec["usage"].(map[string]any)
				if rec["code"] != nil || usage["input"] != 8.0 || usage["output"] != 7.0 {
					t.Errorf("record %d: %v", i, rec)
				}
			}
		})
	}
}

func sameJSON(a, b string) bool {
	var x, y any
	if json.Unmarshal([]byte(a), &x) != nil || json.Unmarshal([]byte(b), &y) != nil {
		return false
	}
	return fmt.Sprint(x) == fmt.Sprint(y)
}

// What the endpoint's API cannot say is refused by its path, and no byte of it leaves; another endpoint that can is asked.
func TestWhatCannotBeTranslated(t *testing.T) {
	alone(t)
	m := modelserver.New(t, modelserver.Messages("x"))
	other := modelserver.New(t, modelserver.Answer("from the other"))
	model := func(more string) string {
		return fmt.Sprintf("models:\n  - name: model-a\n    endpoints:\n      - {name: one, provider: anthropic, url: %q, requires: [redact]}\n%s", m.URL(), more)
	}
	const body = `{"model":"model-a","seed":7,"messages":[{"role":"user","content":"hi"}]}`
	one := besiegeWith(t, m, gateway.Callers+model("")+gateway.Rest, nil)
	r := one.Post("red", "/v1/chat/completions", body)
	if r.Status != 400 || r.Code() != "unsupported_field" || !strings.Contains(r.Body, `"param":"seed"`) || r.Header.Get("X-Should-Retry") != "false" || len(m.Requests()) != 0 {
		t.Errorf("%d %s, %d requests", r.Status, r.Body, len(m.Requests()))
	}
	two := besiegeWith(t, other, gateway.Callers+model(fmt.Sprintf("      - {name: two, provider: openai, url: %q, requires: [redact]}\n", other.URL()))+gateway.Rest, nil)
	for range 4 {
		r = two.Post("red", "/v1/chat/completions", body, "Cache-Control", "no-store")
		if r.Status != 200 || !strings.Contains(r.Body, "from the other") {
			t.Errorf("%d %s", r.Status, r.Body)
		}
	}
	if len(m.Requests()) != 0 {
		t.Errorf("%d requests left", len(m.Requests()))
	}
}

// A translated stream that is cut, or in which the model server reports a failure, ends as a failure: in the words of the
// caller's own API, without the end that a complete answer has.
func TestTranslatedStreamsThatBreak(t *testing.T) {
	alone(t)
	f := func(name, endpoint, path, body string, broken modelserver.Step, end string) {
		t.Helper()
		m := modelserver.New(t, broken)
		s := besiegeWith(t, m, gateway.Callers+fmt.Sprintf("models:\n  - name: model-a\n    endpoints: [{name: one, %s, url: %q, requires: [redact]}]\n", endpoint, m.URL())+gateway.Rest, nil)
		resp := s.Open(t.Context(), "red", path, body)
		defer func() { _ = resp.Body.Close() }()
		text, _ := io.ReadAll(resp.Body)
		if got := string(text); !strings.Contains(got, "hello") || !strings.Contains(got, "stream_interrupted") || strings.Contains(got, end) || strings.Contains(got, "SECRET") {
			t.Errorf("%s: %s", name, got)
		}
		if rec := s.Records(1)[0]; rec["code"] != "stream_interrupted" {
			t.Errorf("%s: %v", name, rec)
		}
	}
	chat := `{"model":"model-a","stream":true,"messages":[{"role":"user","content":"x"}]}`
	message := `{"model":"model-a","max_tokens":5,"stream":true,"messages":[{"role":"user","content":"x"}]}`
	begun := modelserver.MessageEvents("hello there, ", "you")[:5]
	f("cut messages", "provider: anthropic", "/v1/chat/completions", chat, modelserver.NamedEvents(begun...), "[DONE]")
	f("dead messages", "provider: anthropic", "/v1/chat/completions", chat, modelserver.Die(modelserver.NamedEvents(begun...)), "[DONE]")
	f("failed messages", "provider: anthropic", "/v1/chat/completions", chat, modelserver.NamedEvents(append(begun, `{"type":"error","error":{"type":"overloaded_error","message":"SECRET"}}`)...), "[DONE]")
	f("cut messages to responses", "provider: anthropic", "/v1/responses", `{"model":"model-a","stream":true,"input":"x"}`, modelserver.NamedEvents(begun...), "response.completed")
	f("cut responses", "provider: openai, apis: [responses]", "/v1/messages", message, modelserver.NamedEvents(strings.ReplaceAll(responseSteps[0], "mail", "hello"), responseSteps[1], responseSteps[2], strings.ReplaceAll(responseSteps[3], "mail", "hello there, "), responseSteps[4]), "message_stop")
	f("cut chat", "provider: openai", "/v1/messages", message, modelserver.Events(0, modelserver.Delta("hello there, "), modelserver.Delta("you")), "message_stop")
	f("failed chat", "provider: openai", "/v1/messages", message, modelserver.Events(0, modelserver.Delta("hello there, "), modelserver.Delta("you"), `{"error":{"message":"SECRET"}}`), "message_stop")
}
