package server_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/sluicegate/sluice/runtime/internal/gateway"
	"github.com/sluicegate/sluice/runtime/internal/modelserver"
)

// uttered is what the model says in the tests of /inference: a text that was redacted on its way there, and one of its own.
const uttered = "mail [EMAIL_1] or bob@corp.example"

// vendors are the dialects, each with what a config says of such an endpoint, where it is asked, and how its model server
// utters it, with 8 usage tokens read and 7 written where it counts them.
var vendors = []struct {
	name, endpoint, url, path string // the url is under the model server's root
	counts                    bool
	answer                    modelserver.Step
}{
	{"openai", "provider: openai", "/v1", "/v1/chat/completions", true, vendorChat},
	{"azure", "provider: azure", "", "/openai/v1/chat/completions", true, vendorChat},
	{"nim", "provider: nim", "/v1", "/v1/chat/completions", true, vendorChat},
	{"cloudera", "provider: cloudera", "/namespaces/n/endpoints/llama", "/namespaces/n/endpoints/llama/v1/chat/completions", true, vendorCloudera},
	{"workbench", "provider: workbench", "/model", "/model", false, modelserver.Workbench(credential, uttered)},
	{"responses", "provider: openai, apis: [responses]", "/v1", "/v1/responses", true, scripted(textResponse, textResponseSteps, true)},
	{"anthropic", "provider: anthropic", "", "/v1/messages", true, scripted(textMessage, textMessageSteps, true)},
	{"gemini", "provider: gemini", "/v1beta", "/v1beta/models/model-a:", true, modelserver.Gemini(
		`{"candidates":[{"content":{"role":"model","parts":[{"text":"`+uttered+`"}]},"finishReason":"STOP"}],`+geminiUsage+`}`,
		`{"candidates":[{"content":{"role":"model","parts":[{"text":"mail [EMA"}]}}]}`,
		`{"candidates":[{"content":{"role":"model","parts":[{"text":"IL_1] or bob@corp.example"}]},"finishReason":"STOP"}],`+geminiUsage+`}`)},
	{"bedrock", "provider: bedrock", "", "/model/model-a/converse", true, modelserver.Converse(
		`{"output":{"message":{"role":"assistant","content":[{"text":"`+uttered+`"}]}},"stopReason":"end_turn",`+converseUsage+`}`,
		"messageStart", `{"role":"assistant"}`,
		"contentBlockDelta", `{"contentBlockIndex":0,"delta":{"text":"mail [EMA"}}`,
		"contentBlockDelta", `{"contentBlockIndex":0,"delta":{"text":"IL_1] or bob@corp.example"}}`,
		"contentBlockStop", `{"contentBlockIndex":0}`, "messageStop", `{"stopReason":"end_turn"}`, "metadata", `{`+converseUsage+`}`)},
}

const (
	geminiUsage   = `"usageMetadata":{"promptTokenCount":8,"candidatesTokenCount":7,"totalTokenCount":15},"modelVersion":"gemini","responseId":"r1"`
	converseUsage = `"usage":{"inputTokens":3,"cacheReadInputTokens":5,"outputTokens":7,"totalTokens":15},"metrics":{"latencyMs":9}`
	textMessage   = `{"id":"msg_1","type":"message","role":"assistant","model":"claude","content":[{"type":"text","text":"` + uttered + `"}],"stop_reason":"end_turn","usage":{"input_tokens":8,"output_tokens":7}}`
	textResponse  = `{"id":"resp_1","object":"response","created_at":1700000000,"status":"completed","model":"gpt","output":[{"id":"msg_1","type":"message","status":"completed","role":"assistant",` +
		`"content":[{"type":"output_text","text":"` + uttered + `","annotations":[]}]}],"usage":{"input_tokens":8,"output_tokens":7,"total_tokens":15}}`
	textChat = `{"id":"c","object":"chat.completion","created":1700000000,"model":"gpt","choices":[{"index":0,"message":{"role":"assistant","content":"` + uttered + `"},"finish_reason":"stop"}],` +
		`"usage":{"prompt_tokens":8,"completion_tokens":7,"total_tokens":15}}`
)

var (
	vendorChat = scripted(textChat, []string{
		modelserver.Delta("mail [EMA"), modelserver.Delta("IL_1] or bob@corp.example"),
		`{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`, chatSteps[6], "[DONE]",
	}, false)
	textMessageSteps  = []string{messageSteps[0], messageSteps[1], messageSteps[2], modelserver.TextDelta(0, "IL_1] or bob@corp.example"), messageSteps[5], strings.Replace(messageSteps[10], "tool_use", "end_turn", 1), messageSteps[11]}
	textResponseSteps = append(responseSteps[:6:6], `{"type":"response.completed","sequence_number":6,"response":`+textResponse+`}`)
)

// vendorCloudera lists its endpoint, and answers as that.
func vendorCloudera(w http.ResponseWriter, r *http.Request, body []byte) {
	if strings.HasSuffix(r.URL.Path, "/listEndpoints") {
		modelserver.JSON(`{"endpoints":[{"namespace":"n","name":"llama","model_name":"model-a","url":"https://ml.example/namespaces/n/endpoints/llama/v1/chat/completions"}]}`)(w, r, body)
		return
	}
	vendorChat(w, r, body)
}

// inferences are the forms of /inference, with room for more members.
var inferences = []struct {
	name, body string
	picked     bool // the policy picked the model, and the answer names it
}{
	{"named", `{"model_name":"model-a","inputs":"mail ana@example.com","parameters":{"max_tokens":64}%s}`, false},
	{"unnamed", `{"inputs":"mail ana@example.com","max_tokens":64%s}`, true},
	{"auto", `{"model":"auto","inputs":"mail ana@example.com","max_tokens":64%s}`, true},
	{"messages", `{"model_name":"model-a","messages":[{"role":"system","content":"be brief"},{"role":"user","content":"mail ana@example.com"}],"parameters":{"max_tokens":64}%s}`, false},
}

// /inference reaches a model of every dialect, in each of its forms, whole and streamed.
func TestInferenceToAnyModel(t *testing.T) {
	alone(t)
	for _, v := range vendors {
		t.Run(v.name, func(t *testing.T) {
			m := modelserver.New(t, v.answer)
			endpoint := fmt.Sprintf("{name: one, %s, url: %q, credential: {env: SLUICE_TEST_UPSTREAM}, requires: [redact]}", v.endpoint, strings.TrimSuffix(m.URL(), "/v1")+v.url)
			s := besiegeWith(t, m, gateway.Callers+"models:\n  - name: model-a\n    endpoints: ["+endpoint+"]\n"+
				strings.Replace(gateway.Rest, "cache: {size: 16MiB, ttl: 10m}\n", "", 1), nil)
			n := 0
			for _, form := range inferences {
				for _, more := range []string{"", `,"stream":true`} {
					r := s.Post("red", "/inference", fmt.Sprintf(form.body, more))
					n++
					text, model := inferred(t, r.Body, more != "")
					if r.Status != 200 || mask(text) != "mail ana@example.com or ***" || (model == "model-a") != (form.picked && more == "") {
						t.Errorf("%s%s: %d %s", form.name, more, r.Status, r.Body)
					}
					sent := m.Requests()[len(m.Requests())-1]
					if !strings.HasPrefix(sent.Path, v.path) || strings.Contains(string(sent.Body), "ana@") || !strings.Contains(string(sent.Body), "mail [EMAIL_1]") || !strings.Contains(string(sent.Body), "64") {
						t.Errorf("%s%s: the model server gets %s %s", form.name, more, sent.Path, sent.Body)
					}
				}
			}
			for i, rec := range s.Records(n) {
				usage, _ := rec["usage"].(map[string]any)
				if rec["code"] != nil || rec["operation"] != "inference" || v.counts && (usage["input"] != 8.0 || usage["output"] != 7.0) || !v.counts && usage["estimated"] != true {
					t.Errorf("record %d: %v", i, rec)
				}
			}
		})
	}
}

// inferred is what an answer of /inference says, and the model that it names.
func inferred(t *testing.T, body string, streamed bool) (text, model string) {
	t.Helper()
	var a struct{ Output, Model string }
	if !streamed {
		if err := json.Unmarshal([]byte(body), &a); err != nil {
			t.Fatalf("%v: %s", err, body)
		}
		return a.Output, a.Model
	}
	if !strings.HasSuffix(body, "data: [DONE]\n\n") {
		t.Errorf("the stream does not end: %s", body)
	}
	for _, data := range dataOf(body) {
		if data == "[DONE]" {
			break
		}
		if err := json.Unmarshal([]byte(data), &a); err != nil {
			t.Fatalf("%v: %s", err, data)
		}
		text += a.Output
	}
	return text, a.Model
}

// A model of tensors takes no text: /inference is refused in its own shape, whole and streamed, and nothing leaves.
func TestInferenceToTensors(t *testing.T) {
	alone(t)
	m := modelserver.New(t, modelserver.JSON(`{"outputs":[]}`))
	s := besiegeWith(t, m, gateway.Callers+fmt.Sprintf("models:\n  - name: model-a\n    endpoints: [{name: one, provider: oip, url: %q, requires: [redact]}]\n", strings.TrimSuffix(m.URL(), "/v1")+"/v2")+gateway.Rest, nil)
	for _, more := range []string{"", `,"stream":true`} {
		r := s.Post("red", "/inference", fmt.Sprintf(inferences[0].body, more))
		if r.Status != 400 || r.Code() != "unsupported_operation" || !strings.HasPrefix(r.Body, `{"detail":`) || len(m.Requests()) != 0 {
			t.Errorf("%d %s, %d requests", r.Status, r.Body, len(m.Requests()))
		}
	}
}
