package provider_test

import (
	"context"
	"io"
	"strings"
	"testing"

	"github.com/sluicegate/sluice/runtime/internal/modelserver"
	"github.com/sluicegate/sluice/runtime/provider"
	"github.com/sluicegate/sluice/runtime/upstream"
	"github.com/sluicegate/sluice/runtime/wire"
)

// The conformance of the dialect: payloads in the form of the Azure OpenAI reference (v1 and 2024-10-21).

const azureChat = `{"choices":[{"content_filter_results":{"hate":{"filtered":false,"severity":"safe"},"violence":{"filtered":false,"severity":"safe"}},` +
	`"finish_reason":"stop","index":0,"logprobs":null,"message":{"content":"Hello.","refusal":null,"role":"assistant"}}],"created":1731628653,` +
	`"id":"chatcmpl-ATj","model":"gpt-4o-2024-05-13","object":"chat.completion","prompt_filter_results":[{"prompt_index":0,"content_filter_results":` +
	`{"jailbreak":{"filtered":false,"detected":false}}}],"system_fingerprint":"fp_1","usage":{"completion_tokens":3,"prompt_tokens":7,"total_tokens":10}}`

func dialAzure(t *testing.T, url, secret, version string) upstream.Caller {
	t.Helper()
	c, err := provider.New("azure", provider.Options{URL: url, Credential: fixed(secret), APIVersion: version})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.(io.Closer).Close() })
	return c
}

func TestAzureRequest(t *testing.T) {
	s := modelserver.New(t, modelserver.JSON(azureChat))
	root := strings.TrimSuffix(s.URL(), "/v1")
	f := func(url, secret, version string, op wire.Operation, path, key, bearer string) {
		t.Helper()
		c := dialAzure(t, url, secret, version)
		reply, err := c.Call(t.Context(), &upstream.Call{Operation: op, Model: "my gpt", Body: []byte(`{"model":"my gpt"}`)})
		if err != nil || string(reply.Body) != azureChat {
			t.Fatal(err)
		}
		seen := s.Requests()
		got := seen[len(seen)-1]
		if got.Path != path || got.Header.Get("Api-Key") != key || got.Header.Get("Authorization") != bearer {
			t.Errorf("%s %v", got.Path, got.Header)
		}
	}
	const token = "eyJ0eXAi.eyJhdWQi.c2ln"
	for _, url := range []string{root, root + "/", root + "/openai", root + "/openai/v1/"} {
		f(url, "k1", "", wire.ChatCompletions, "/openai/v1/chat/completions", "k1", "")
	}
	f(root, token, "", wire.Responses, "/openai/v1/responses", "", "Bearer "+token)
	f(root, "k1", "2024-10-21", wire.Embeddings, "/openai/deployments/my%20gpt/embeddings?api-version=2024-10-21", "k1", "")
	c := dialAzure(t, root, "k1", "2024-10-21")
	_, err := c.Call(t.Context(), &upstream.Call{Operation: wire.Responses})
	if got := failure(t, err); got.Code != wire.UnsupportedOp {
		t.Errorf("got %+v", got)
	}
	if err := c.(interface {
		Probe(ctx context.Context) error
	}).Probe(t.Context()); err != nil {
		t.Error(err)
	}
	if seen := s.Requests(); seen[len(seen)-1].Path != "/openai/models?api-version=2024-10-21" {
		t.Errorf("probed at %s", seen[len(seen)-1].Path)
	}
}

// A stream begins with what the filters say of the prompt; a prompt that they refuse is the caller's fault, by its field.
func TestAzureAnswers(t *testing.T) {
	events := []string{
		`{"choices":[],"created":0,"id":"","model":"","object":"","prompt_filter_results":[{"prompt_index":0,"content_filter_results":{"hate":{"filtered":false,"severity":"safe"}}}]}`,
		`{"choices":[{"content_filter_results":{},"delta":{"content":"","role":"assistant"},"finish_reason":null,"index":0,"logprobs":null}],"created":1,"id":"c","model":"g","object":"chat.completion.chunk"}`,
		`{"choices":[{"content_filter_results":{},"delta":{},"finish_reason":"stop","index":0,"logprobs":null}],"created":1,"id":"c","model":"g","object":"chat.completion.chunk"}`,
		"[DONE]",
	}
	s := modelserver.New(t, modelserver.Events(0, events...))
	c := dialAzure(t, s.URL(), "k", "")
	reply, err := c.Call(t.Context(), &upstream.Call{Operation: wire.ChatCompletions, Stream: true, Body: []byte("{}")})
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Close()
	for _, want := range events {
		if got, err := reply.Events.Next(); err != nil || string(got) != want {
			t.Errorf("got %s %v, want %s", got, err, want)
		}
	}
	s.Script(modelserver.Status(400, `{"error":{"message":"SECRET","type":null,"param":"prompt","code":"content_filter","status":400,"innererror":{"code":"ResponsibleAIPolicyViolation","content_filter_result":{"jailbreak":{"filtered":true,"detected":true}}}}}`))
	_, err = c.Call(t.Context(), &upstream.Call{Operation: wire.ChatCompletions, Body: []byte("{}")})
	if got := failure(t, err); got.Code != wire.UpstreamRejected || got.Param != "prompt" || strings.Contains(err.Error(), "SECRET") {
		t.Errorf("got %+v", got)
	}
}
