package provider_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/sluicegate/sluice/runtime/internal/modelserver"
	"github.com/sluicegate/sluice/runtime/provider"
	"github.com/sluicegate/sluice/runtime/upstream"
	"github.com/sluicegate/sluice/runtime/wire"
)

// service stands in for the Inference service: its control API, and whatever its endpoints say, by path.
type service struct {
	*modelserver.Server
	mu    sync.Mutex
	lists bool // the control API may be read
	says  map[string]modelserver.Step
}

func inferenceService(t *testing.T) *service {
	s := &service{lists: true, says: map[string]modelserver.Step{}}
	s.Server = modelserver.New(t, func(w http.ResponseWriter, r *http.Request, body []byte) {
		s.mu.Lock()
		lists, says := s.lists, s.says[r.URL.Path]
		s.mu.Unlock()
		switch {
		case r.URL.Path == "/api/v1alpha1/listEndpoints" && lists:
			s.list(w, r, body)
		case says != nil:
			says(w, r, body)
		default:
			modelserver.Status(http.StatusNotFound, `<html>no such endpoint</html>`, "Content-Type", "text/html")(w, r, body)
		}
	})
	return s
}

// list answers as the control API does, for the namespace asked for.
func (s *service) list(w http.ResponseWriter, _ *http.Request, body []byte) {
	var asked struct{ Namespace string }
	_ = json.Unmarshal(body, &asked)
	var all []map[string]any
	for name, path := range map[string]string{
		"llama": "v1/chat/completions", "mistral": "openai/v1/chat/completions", "wine": "v2/models/3azn-tmqe/infer", "odd": "grpc",
	} {
		all = append(all, map[string]any{
			"namespace": asked.Namespace, "name": name, "state": "Loaded", "model_name": map[bool]string{true: "3azn-tmqe", false: "meta/" + name}[name == "wine"],
			"url": "https://ml.example/namespaces/" + asked.Namespace + "/endpoints/" + name + "/" + path,
		})
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"endpoints": all})
}

// set says what a path answers.
func (s *service) set(path string, step modelserver.Step) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.says[path] = step
}

// close keeps callers from the control API.
func (s *service) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lists = false
}

// endpoint is the dialect for the endpoint of that name.
func (s *service) endpoint(t *testing.T, name, model string) upstream.Caller {
	t.Helper()
	c, err := provider.New("cloudera", provider.Options{
		URL: strings.TrimSuffix(s.URL(), "/v1") + "/namespaces/serving-default/endpoints/" + name, Model: model,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.(io.Closer).Close() })
	return c
}

// named asks a dialect, behind what translates for it, for its model's name.
func named(t *testing.T, c upstream.Caller) string {
	t.Helper()
	for {
		if n, ok := c.(upstream.Namer); ok {
			name, err := n.Name(t.Context())
			if err != nil {
				return err.Error()
			}
			return name
		}
		c = c.(interface{ Unwrap() upstream.Caller }).Unwrap()
	}
}

func chat(model string) *upstream.Call {
	return &upstream.Call{Operation: wire.ChatCompletions, Format: "openai.chat", Model: model, RequestID: "r", Body: []byte(fmt.Sprintf(`{"model":%q}`, model))}
}

// The service says where an endpoint's API is and what its model is called; the endpoint's own list does where the
// service's may not be read.
func TestClouderaFindsTheModel(t *testing.T) {
	s := inferenceService(t)
	const under = "/namespaces/serving-default/endpoints/"
	models := modelserver.JSON(`{"object":"list","data":[{"id":"own/name"}]}`)
	f := func(name, model, want, path string) {
		t.Helper()
		c := s.endpoint(t, name, model)
		s.set(under+path, modelserver.Answer("hello"))
		if got := named(t, c); got != want {
			t.Errorf("%s: the model is %q, want %q", name, got, want)
		}
		had := len(s.Requests())
		if _, err := c.Call(t.Context(), chat(want)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got := s.Requests()[had:]; len(got) != 1 || got[0].Path != under+path {
			t.Errorf("%s: asked at %v, want %s", name, got, path)
		}
	}
	f("llama", "", "meta/llama", "llama/v1/chat/completions")
	f("mistral", "", "meta/mistral", "mistral/openai/v1/chat/completions")
	f("mistral", "configured", "configured", "mistral/openai/v1/chat/completions")
	s.close()
	s.set(under+"llama/v1/models", models)
	s.set(under+"mistral/openai/v1/models", models)
	f("llama", "", "own/name", "llama/v1/chat/completions")
	f("mistral", "", "own/name", "mistral/openai/v1/chat/completions")
}

// Predictive models are asked by the Open Inference Protocol, and only so.
func TestClouderaPredicts(t *testing.T) {
	s := inferenceService(t)
	c := s.endpoint(t, "wine", "")
	s.set("/namespaces/serving-default/endpoints/wine/v2/models/3azn-tmqe/infer", modelserver.JSON(`{"outputs":[]}`))
	if got := named(t, c); got != "3azn-tmqe" {
		t.Fatalf("the model is %q", got)
	}
	call := &upstream.Call{Operation: wire.Infer, Format: "oip.infer", Model: "3azn-tmqe", Body: []byte(`{"inputs":[]}`)}
	if r, err := c.Call(t.Context(), call); err != nil || string(r.Body) != `{"outputs":[]}` {
		t.Errorf("%v", err)
	}
	if _, err := c.Call(t.Context(), chat("3azn-tmqe")); err == nil {
		t.Error("a chat was sent to a predictive model")
	}
	if _, err := s.endpoint(t, "llama", "").Call(t.Context(), call); err == nil {
		t.Error("tensors were sent to a chat model")
	}
}

// An endpoint that is scaled to zero is warming and not broken; one that is gone is looked for again.
func TestClouderaStates(t *testing.T) {
	s := inferenceService(t)
	const path = "/namespaces/serving-default/endpoints/llama/v1/chat/completions"
	c := s.endpoint(t, "llama", "")
	f := func(step modelserver.Step, code wire.Code, wait int, asked int) {
		t.Helper()
		s.set(path, step)
		had := len(s.Requests())
		_, err := c.Call(t.Context(), chat("m"))
		var got *upstream.Failure
		if code != "" && (!errors.As(err, &got) || got.Code != code || got.Fault().RetryAfter != wait) || code == "" && err != nil {
			t.Errorf("got %v, want %s after %d s", err, code, wait)
		}
		if n := len(s.Requests()) - had; n != asked {
			t.Errorf("%s: %d requests, want %d", code, n, asked)
		}
	}
	f(modelserver.Answer("hello"), "", 0, 2)
	f(modelserver.Status(503, `no healthy upstream`), wire.ModelWarming, 20, 1)
	f(modelserver.Status(503, `{}`, "Retry-After", "7"), wire.ModelWarming, 7, 1)
	f(modelserver.Status(504, ``), wire.ModelWarming, 20, 1)
	f(modelserver.Status(302, ``, "Location", "/login"), wire.UpstreamError, 0, 1)
	f(modelserver.Status(200, `<html>log in</html>`, "Content-Type", "text/html"), wire.UpstreamError, 0, 1)
	f(modelserver.Status(404, `{}`), wire.UpstreamError, 0, 1)
	f(modelserver.Answer("hello"), "", 0, 2) // asked for anew
}

func TestClouderaRefusals(t *testing.T) {
	f := func(url string) {
		t.Helper()
		if _, err := provider.New("cloudera", provider.Options{URL: url}); err == nil || !strings.Contains(err.Error(), "/namespaces/NAMESPACE/endpoints/NAME") {
			t.Errorf("%s: %v", url, err)
		}
	}
	f("https://ml.example")
	f("https://ml.example/v1")
	f("https://ml.example/namespaces//endpoints/x")
	s := inferenceService(t)
	if got := named(t, s.endpoint(t, "odd", "")); !strings.Contains(got, "upstream_error") {
		t.Errorf("an endpoint without an HTTP API: %s", got)
	}
}

// What a Workbench model gives back becomes a chat completion, whole or streamed; the access key goes into the body.
func TestWorkbench(t *testing.T) {
	m := modelserver.New(t)
	c, err := provider.New("workbench", provider.Options{URL: strings.TrimSuffix(m.URL(), "/v1") + "/model", Credential: &secret{now: `key"1`}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.(io.Closer).Close() })
	f := func(response, want string, stream bool) {
		t.Helper()
		m.Script(modelserver.JSON(response))
		call := chat("m")
		call.Stream = stream
		r, err := c.Call(t.Context(), call)
		if err != nil {
			t.Errorf("%s: %v", response, err)
			return
		}
		got := string(r.Body)
		for r.Events != nil {
			data, err := r.Events.Next()
			if err != nil {
				break
			}
			got += string(data) + "\n"
		}
		if !strings.Contains(got, want) || stream && !strings.HasSuffix(got, "[DONE]\n") {
			t.Errorf("%s: got %s, want %s", response, got, want)
		}
	}
	f(`{"success":true,"response":"hi"}`, `"content":"hi"`, false)
	f(`{"response":{"output":"hi"}}`, `"content":"hi"`, false)
	f(`{"response":{"prediction":"hi"}}`, `"content":"hi"`, true)
	f(`{"response":{"id":"x","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}]}}`, `{"id":"x","choices"`, false)
	f(`{"response":{"id":"x","choices":[{"index":0,"message":{"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]},"finish_reason":"tool_calls"}]}}`,
		`"name":"f"`, true)
	if got := string(m.Requests()[0].Body); got != `{"accessKey":"key\"1","request":{"model":"m"}}` {
		t.Errorf("sent %s", got)
	}
	for _, bad := range []string{`{"success":false,"errors":"x"}`, `{"response":7}`, `{"response":{"score":1}}`} {
		m.Script(modelserver.JSON(bad))
		if _, err := c.Call(t.Context(), chat("m")); err == nil {
			t.Errorf("%s is taken for an answer", bad)
		}
	}
	m.Script(modelserver.Status(429, `{"error":"model.busy"}`))
	_, err = c.Call(t.Context(), chat("m"))
	if busy := (*upstream.Failure)(nil); !errors.As(err, &busy) || busy.Code != wire.RateLimited || busy.Retry != upstream.RetryAnywhere {
		t.Errorf("a busy model: %v", err)
	}
}

// A NIM says itself whether its model is loaded.
func TestNIMProbe(t *testing.T) {
	f := func(ok bool, steps ...modelserver.Step) {
		t.Helper()
		m := modelserver.New(t, steps...)
		c, err := provider.New("nim", provider.Options{URL: m.URL()})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.(io.Closer).Close() })
		err = c.(interface{ Probe(context.Context) error }).Probe(t.Context())
		if (err == nil) != ok || m.Requests()[0].Path != "/v1/health/ready" {
			t.Errorf("%v at %s", err, m.Requests()[0].Path)
		}
	}
	f(true, modelserver.JSON(`{"object":"health.response","message":"ready","status":"ready"}`))
	f(false, modelserver.Status(503, `{"message":"loading"}`))
	f(true, modelserver.Status(404, ``), modelserver.JSON(`{"data":[]}`))
}
