package server_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sluicegate/sluice/runtime/internal/gateway"
	"github.com/sluicegate/sluice/runtime/internal/modelserver"
)

// at is a gateway before a model server of one dialect, with no cache.
func at(t *testing.T, m *modelserver.Server, endpoint string) *siege {
	t.Helper()
	return besiegeWith(t, m, gateway.Callers+fmt.Sprintf("models:\n  - name: model-a\n    endpoints: [{name: one, %s, requires: [redact]}]\n", endpoint)+
		strings.Replace(gateway.Rest, "cache: {size: 16MiB, ttl: 10m}\n", "", 1), nil)
}

// Operations other than chats reach models of other APIs: what leaves is redacted, what comes back restored or masked, and
// what the model server does not count is recorded as an estimate. Where an API has no such operation the caller is told.
func TestAnyOperationToAnyModel(t *testing.T) {
	alone(t)
	m := modelserver.New(t)
	root := strings.TrimSuffix(m.URL(), "/v1")
	f := func(endpoint, path, body string, answer modelserver.Step, sent, says, usage string) {
		t.Helper()
		m.Script(answer)
		had := len(m.Requests())
		s := at(t, m, endpoint)
		r := s.Post("red", path, body)
		if mask(r.Body) != r.Body && !strings.Contains(says, "***") || !strings.Contains(mask(r.Body), says) {
			t.Errorf("%s at %s: %d %s", path, endpoint, r.Status, r.Body)
		}
		rec := s.Records(1)[0]
		if got := fmt.Sprint(rec["usage"]); usage != "" && got != usage {
			t.Errorf("%s at %s: recorded %s", path, endpoint, got)
		}
		all := m.Requests()[had:]
		if sent == "" {
			if len(all) != 0 || r.Status != 400 {
				t.Errorf("%s at %s: %d, %d requests", path, endpoint, r.Status, len(all))
			}
			return
		}
		has := func(r modelserver.Request) bool { return strings.Contains(string(r.Body), sent) }
		if !slices.ContainsFunc(all, has) || r.Status != 200 { // of texts that go side by side, any may come first
			t.Errorf("%s at %s: %d, sent %s", path, endpoint, r.Status, all)
		}
	}
	gemini := fmt.Sprintf("provider: gemini, url: %q", root+"/v1beta")
	bedrock := func(model string) string {
		return fmt.Sprintf("provider: bedrock, url: %q, model: %q", root, model)
	}
	anthropic, openai := fmt.Sprintf("provider: anthropic, url: %q", root), fmt.Sprintf("provider: openai, url: %q", m.URL())

	const prompt = `{"model":"model-a","prompt":"mail ana@example.com","max_tokens":64%s}`
	message := scripted(textMessage, textMessageSteps, true)
	f(anthropic, "/v1/completions", fmt.Sprintf(prompt, ""), message, `"content":"mail [EMAIL_1]"`, `"text":"mail ana@example.com or ***","logprobs":null,"finish_reason":"stop"`, "map[input:8 output:7]")
	f(anthropic, "/v1/completions", fmt.Sprintf(prompt, `,"stream":true,"stream_options":{"include_usage":true}`), message, `"stream":true`, `"text":"ana@example.com or "`, "map[cached:5 input:8 output:7]")
	f(anthropic, "/v1/completions", fmt.Sprintf(prompt, `,"echo":true`), message, "", `"param":"echo"`, "")

	const count = `{"model":"model-a","messages":[{"role":"user","content":"mail ana@example.com"}]}`
	f(gemini, "/v1/messages/count_tokens", count, modelserver.JSON(`{"totalTokens":31}`), "mail [EMAIL_1]", `{"input_tokens":31}`, "")
	f(bedrock("m"), "/v1/messages/count_tokens", count, modelserver.JSON(`{"inputTokens":31}`), "mail [EMAIL_1]", `{"input_tokens":31}`, "")
	f(openai, "/v1/messages/count_tokens", count, modelserver.JSON(`{}`), "", `"code":"unsupported_operation"`, "")

	const input = `{"model":"model-a","input":["mail ana@example.com","x"]%s}`
	f(gemini, "/v1/embeddings", fmt.Sprintf(input, `,"encoding_format":"base64"`), modelserver.JSON(`{"embeddings":[{"values":[1]},{"values":[2]}]}`),
		`"text":"mail [EMAIL_1]"`, `"index":1,"embedding":"AAAAQA=="}]`, "map[estimated:true input:4]")
	f(bedrock("amazon.titan-embed-text-v2:0"), "/v1/embeddings", fmt.Sprintf(input, ""), modelserver.JSON(`{"embedding":[0.5],"inputTextTokenCount":3}`),
		`"inputText":"mail [EMAIL_1]"`, `"prompt_tokens":6`, "map[input:6]")
	f(anthropic, "/v1/embeddings", fmt.Sprintf(input, ""), modelserver.JSON(`{}`), "", `"code":"unsupported_operation"`, "")

	const documents = `{"model":"model-a","query":"who is ana@example.com?","documents":["bob@corp.example","x"],"top_n":1,"return_documents":true}`
	f(fmt.Sprintf("provider: nim, url: %q", m.URL()), "/v1/rerank", documents, modelserver.JSON(`{"rankings":[{"index":0,"logit":0},{"index":1,"logit":-9}]}`),
		`"passages":[{"text":"[EMAIL_2]"},{"text":"x"}]`, `"results":[{"index":0,"relevance_score":0.5,"document":{"text":"bob@corp.example"}}]`, "")
	f(bedrock("cohere.rerank-v3-5:0"), "/v1/ranking", `{"model":"model-a","query":{"text":"q"},"passages":[{"text":"ana@example.com"}]}`,
		modelserver.JSON(`{"results":[{"index":0,"relevance_score":0.5}]}`), `"documents":["[EMAIL_1]"]`, `{"rankings":[{"index":0,"logit":0}]}`, "")
}

// Callers of messages have numbers in the usage of a model server that says none, whole and streamed: the gateway's
// estimate, which says that it is one, to them and in the record.
func TestMessagesUsageEstimated(t *testing.T) {
	alone(t)
	m := modelserver.New(t, scripted(
		`{"choices":[{"index":0,"message":{"role":"assistant","content":"hello"},"finish_reason":"stop"}]}`,
		[]string{`{"choices":[{"index":0,"delta":{"content":"hel"}}]}`, `{"choices":[{"index":0,"delta":{"content":"lo"},"finish_reason":"stop"}]}`, "[DONE]"}, false))
	s := at(t, m, fmt.Sprintf("provider: openai, url: %q", m.URL()))
	const usage = `"usage":{"input_tokens":3,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":%d,"estimated":true}`
	for _, more := range []string{"", `,"stream":true`} {
		r := s.Post("red", "/v1/messages", `{"model":"model-a","max_tokens":9,"messages":[{"role":"user","content":"twelve bytes"}]`+more+`}`)
		if r.Status != 200 || !strings.Contains(r.Body, fmt.Sprintf(usage, 2)) || more != "" && !strings.Contains(r.Body, fmt.Sprintf(usage, 0)) {
			t.Errorf("%d %s", r.Status, r.Body)
		}
	}
	for _, rec := range s.Records(2) {
		if got := fmt.Sprint(rec["usage"]); got != "map[estimated:true input:3 output:2]" {
			t.Errorf("recorded %s", got)
		}
	}
}

// Messages reach Claude at Bedrock as they are, and come back as they are, whole and streamed.
func TestMessagesToClaudeAtBedrock(t *testing.T) {
	alone(t)
	ended := append(messageSteps[:11:11], `{"type":"message_stop","amazon-bedrock-invocationMetrics":{"inputTokenCount":8,"outputTokenCount":7,"invocationLatency":99,"firstByteLatency":9}}`)
	m := modelserver.New(t, modelserver.Claude(messageWhole, ended...))
	s := at(t, m, fmt.Sprintf("provider: bedrock, model: us.anthropic.claude-v1, url: %q", strings.TrimSuffix(m.URL(), "/v1")))
	const body = `{"model":"model-a","max_tokens":9,"top_k":5,"metadata":{"user_id":"u"},"messages":[{"role":"user","content":"mail ana@example.com"}]%s}`
	whole := wholeMessage(t, s.Post("red", "/v1/messages", fmt.Sprintf(body, "")).Body)
	streamed := streamedMessage(t, s.Post("red", "/v1/messages", fmt.Sprintf(body, `,"stream":true`)).Body)
	for i, h := range []taken{whole, streamed} {
		if mask(h.text) != "mail ana@example.com or ***" || h.id != "toolu_1" || h.name != "f" || h.finish != "tool_use" {
			t.Errorf("%d: %+v", i, h)
		}
	}
	for i, path := range []string{"/model/us.anthropic.claude-v1/invoke", "/model/us.anthropic.claude-v1/invoke-with-response-stream"} {
		if got := m.Requests()[i]; got.Path != path || !strings.Contains(string(got.Body), `"mail [EMAIL_1]"`) || !strings.Contains(string(got.Body), `"anthropic_version":"bedrock-2023-05-31"`) {
			t.Errorf("asked at %s for %s", got.Path, got.Body)
		}
	}
	for _, rec := range s.Records(2) {
		if got := fmt.Sprint(rec["usage"]); got != "map[cached:5 input:8 output:7]" {
			t.Errorf("recorded %s", got)
		}
	}
}
