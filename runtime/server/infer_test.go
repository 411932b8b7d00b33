package server_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/sluicegate/sluice/runtime/internal/gateway"
	"github.com/sluicegate/sluice/runtime/internal/modelserver"
)

// A predictive model gets tensors by its own protocol, at the path of its name and version there; text in them is redacted
// both ways, and numbers go only to a model that says that it takes what no filter reads.
func TestInfer(t *testing.T) {
	alone(t)
	m := modelserver.New(t)
	models := fmt.Sprintf(`
models:
  - name: topics
    endpoints: [{name: one, provider: oip, url: %q, model: topic model/versions/3, requires: [redact]}]
  - name: churn
    opaque: allow
    endpoints: [{name: one, provider: oip, url: %q, requires: [redact]}]
`, strings.TrimSuffix(m.URL(), "/v1")+"/v2", strings.TrimSuffix(m.URL(), "/v1")+"/v2")
	s := besiegeWith(t, m, gateway.Callers+models+gateway.Rest, nil)
	const text = `{"inputs":[{"name":"t","shape":[1],"datatype":"BYTES","data":["mail ana@example.com"]}]}`
	const numbers = `{"inputs":[{"name":"t","shape":[2],"datatype":"FP32","data":[1.5,2]}]}`
	f := func(path, body, answer string, status int, says string) {
		t.Helper()
		m.Script(modelserver.JSON(answer))
		if r := s.Post("red", path, body); r.Status != status || !strings.Contains(r.Body, says) {
			t.Errorf("%s: %d %s, want %d and %s", path, r.Status, r.Body, status, says)
		}
	}
	f("/v2/models/topics/infer", text, `{"model_name":"topic model","outputs":[{"name":"o","shape":[1],"datatype":"BYTES","data":["[EMAIL_1] and bob@corp.example"]}]}`,
		200, `"ana@example.com and ***"`)
	if got := m.Requests()[0]; got.Path != "/v2/models/topic%20model/versions/3/infer" || !strings.Contains(string(got.Body), "[EMAIL_1]") {
		t.Errorf("%s %s", got.Path, got.Body)
	}
	f("/v2/models/churn/infer", numbers, `{"outputs":[{"name":"o","shape":[1],"datatype":"FP32","data":[0.25]}]}`, 200, `"data":[0.25]`)
	f("/v2/models/topics/infer", numbers, `{}`, 400, `"code":"opaque_content"`)
	f("/v2/models/none/infer", text, `{}`, 400, `"code":"unknown_model"`)
	known := func(path string, status int, says string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Api-Key", s.Key("red"))
		req.Close = true
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		if body, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != status || !strings.Contains(string(body), says) {
			t.Errorf("%s: %d %s %v, want %d and %s", path, resp.StatusCode, body, err, status, says)
		}
	}
	known("/v2", 200, `"name":"sluice"`)
	known("/v2/health/ready", 200, `{"ready":true}`)
	known("/v2/models/churn", 200, `{"name":"churn","versions":[]`)
	known("/v2/models/churn/ready", 200, `{"name":"churn","ready":true}`)
	known("/v2/models/none/ready", 404, `"code":"unknown_model"`)
	f("/v2/models//infer", text, `{}`, 404, `"code":"not_found"`)
	f("/v2/models/churn/infer", `{"inputs":7}`, `{}`, 400, `{"error":"inputs: must be an array of tensors"`)
	f("/v1/chat/completions", `{"model":"churn","messages":[{"role":"user","content":"hi"}]}`, `{}`, 400, `"code":"unsupported_operation"`)
	f("/v2/models/churn/infer", strings.Replace(numbers, "1.5", "2.5", 1), `{"error":"SECRET upstream text"}`, 502, `"code":"upstream_error"`)
}

// Rerankers are asked at the path of the API that the caller speaks.
func TestRerank(t *testing.T) {
	m := modelserver.New(t)
	apis := strings.Replace(model(m), "requires:", "apis: [rerank, ranking], requires:", 1)
	s := besiegeWith(t, m, gateway.Callers+apis+gateway.Rest, nil)
	f := func(path, body, answer, sent, says string) {
		t.Helper()
		m.Script(modelserver.JSON(answer))
		r := s.Post("red", path, body)
		got := m.Requests()[len(m.Requests())-1]
		if r.Status != 200 || got.Path != path || !strings.Contains(string(got.Body), sent) || !strings.Contains(r.Body, says) {
			t.Errorf("%s: %s %s, then %d %s", path, got.Path, got.Body, r.Status, r.Body)
		}
	}
	f("/v1/rerank", `{"model":"model-a","query":"who is ana@example.com?","documents":["bob@corp.example","x"]}`,
		`{"results":[{"index":0,"relevance_score":0.75,"document":{"text":"[EMAIL_2]"}}]}`, `"documents":["[EMAIL_2]","x"]`, `"text":"bob@corp.example"`)
	f("/v1/ranking", `{"model":"model-a","query":{"text":"who?"},"passages":[{"text":"ana@example.com"}]}`,
		`{"rankings":[{"index":0,"logit":1.5}]}`, `"passages":[{"text":"[EMAIL_1]"}]`, `"logit":1.5`)
}
