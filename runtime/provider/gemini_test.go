package provider_test

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/sluicegate/sluice/runtime/internal/modelserver"
	"github.com/sluicegate/sluice/runtime/provider"
	"github.com/sluicegate/sluice/runtime/upstream"
	"github.com/sluicegate/sluice/runtime/wire"
)

// The conformance of the dialect: payloads in the form of the Gemini API's reference (v1beta), by way of a chat.

const geminiAnswer = `{"candidates":[{"content":{"parts":[{"text":"Hello."}],"role":"model"},"finishReason":"STOP","index":0}],` +
	`"usageMetadata":{"promptTokenCount":4,"candidatesTokenCount":2,"totalTokenCount":9,"thoughtsTokenCount":3},"modelVersion":"gemini-2.5-flash","responseId":"r1"}`

func dialGemini(t *testing.T, s *modelserver.Server, secret string) upstream.Caller {
	t.Helper()
	c, err := provider.New("gemini", provider.Options{URL: s.URL() + "beta", Credential: fixed(secret)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.(io.Closer).Close() })
	return c
}

func geminiCall(stream bool) *upstream.Call {
	body := `{"model":"gemini-2.5-flash","messages":[{"role":"user","content":"Hi"}]}`
	if stream {
		body = strings.TrimSuffix(body, "}") + `,"stream":true}`
	}
	return &upstream.Call{Operation: wire.ChatCompletions, Format: "openai.chat", Model: "gemini-2.5-flash", Stream: stream, Body: []byte(body)}
}

func TestGeminiRequest(t *testing.T) {
	s := modelserver.New(t, modelserver.JSON(geminiAnswer))
	f := func(secret, key, bearer string) {
		t.Helper()
		reply, err := dialGemini(t, s, secret).Call(t.Context(), geminiCall(false))
		if err != nil {
			t.Fatal(err)
		}
		seen := s.Requests()
		got := seen[len(seen)-1]
		if got.Path != "/v1beta/models/gemini-2.5-flash:generateContent" || got.Header.Get("X-Goog-Api-Key") != key || got.Header.Get("Authorization") != bearer ||
			string(got.Body) != `{"contents":[{"role":"user","parts":[{"text":"Hi"}]}],"generationConfig":{}}` {
			t.Errorf("%s %v %s", got.Path, got.Header, got.Body)
		}
		if body := string(reply.Body); !strings.Contains(body, `"content":"Hello."`) || !strings.Contains(body, `"usage":{"prompt_tokens":4,"completion_tokens":5`) {
			t.Errorf("got %s", body)
		}
	}
	f("AIza-key", "AIza-key", "")
	f("ya29.token", "", "Bearer ya29.token")
	c := dialGemini(t, s, "k")
	_, err := c.Call(t.Context(), &upstream.Call{Operation: wire.Rerank, Format: "openai.rerank"})
	if got := failure(t, err); got.Code != wire.UnsupportedOp || got.BodySent {
		t.Errorf("got %+v", got)
	}
	s.Script(modelserver.Status(400, `{"error":{"code":400,"message":"SECRET","status":"INVALID_ARGUMENT"}}`))
	_, err = c.Call(t.Context(), geminiCall(false))
	if got := failure(t, err); got.Code != wire.UpstreamRejected || strings.Contains(err.Error(), "SECRET") {
		t.Errorf("got %+v", got)
	}
}

// A stream is complete where it says why it ended, and cut where it does not.
func TestGeminiStream(t *testing.T) {
	const piece = `{"candidates":[{"content":{"parts":[{"text":"Hel"}],"role":"model"},"index":0}],"usageMetadata":{"promptTokenCount":4},"modelVersion":"g","responseId":"r1"}`
	s := modelserver.New(t, modelserver.Events(0, piece, geminiAnswer))
	c := dialGemini(t, s, "k")
	read := func() (last string, err error) {
		reply, err := c.Call(t.Context(), geminiCall(true))
		if err != nil {
			t.Fatal(err)
		}
		defer reply.Close()
		for {
			data, err := reply.Events.Next()
			if err != nil {
				return last, err
			}
			last = string(data)
		}
	}
	if last, err := read(); !errors.Is(err, io.EOF) || last != "[DONE]" {
		t.Errorf("got %s %v", last, err)
	}
	if got := s.Requests()[0]; got.Path != "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse" {
		t.Errorf("asked at %s", got.Path)
	}
	s.Script(modelserver.Events(0, piece, piece))
	if last, err := read(); failure(t, err).Code != wire.StreamInterrupted || last == "[DONE]" {
		t.Errorf("got %s %v", last, err)
	}
}

// Counts and embeddings go to the paths of either of Google's APIs, each in its own form.
func TestGeminiOperations(t *testing.T) {
	s := modelserver.New(t)
	f := func(base string, call *upstream.Call, answer, path, sent, want string) {
		t.Helper()
		c, err := provider.New("gemini", provider.Options{URL: strings.TrimSuffix(s.URL(), "/v1") + base, Credential: fixed("k")})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.(io.Closer).Close() }()
		s.Script(modelserver.JSON(answer))
		reply, err := c.Call(t.Context(), call)
		if err != nil {
			t.Fatal(err)
		}
		seen := s.Requests()
		if got := seen[len(seen)-1]; got.Path != base+path || string(got.Body) != sent {
			t.Errorf("asked at %s for %s", got.Path, got.Body)
		}
		if string(reply.Body) != want {
			t.Errorf("got %s", reply.Body)
		}
	}
	const vertex = "/v1/projects/p/locations/l/publishers/google"
	count := &upstream.Call{Operation: wire.CountTokens, Format: "anthropic.count_tokens", Model: "g", Body: []byte(`{"model":"g","messages":[{"role":"user","content":"Hi"}]}`)}
	f("/v1beta", count, `{"totalTokens":4}`, "/models/g:countTokens",
		`{"generateContentRequest":{"model":"models/g","contents":[{"role":"user","parts":[{"text":"Hi"}]}],"generationConfig":{}}}`, `{"input_tokens":4}`)
	f(vertex, count, `{"totalTokens":4}`, "/models/g:countTokens", `{"contents":[{"role":"user","parts":[{"text":"Hi"}]}],"generationConfig":{}}`, `{"input_tokens":4}`)
	embed := &upstream.Call{Operation: wire.Embeddings, Format: "openai.embeddings", Model: "models/g", Body: []byte(`{"model":"models/g","input":"Hi"}`)}
	const vectors = `{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.5]}],"model":"models/g","usage":{"prompt_tokens":2,"total_tokens":2}}`
	f("/v1beta", embed, `{"embeddings":[{"values":[0.5]}],"usageMetadata":{"promptTokenCount":2}}`, "/models/g:batchEmbedContents",
		`{"requests":[{"model":"models/g","content":{"parts":[{"text":"Hi"}]}}]}`, vectors)
	later := &upstream.Call{Operation: wire.Embeddings, Format: "openai.embeddings", Model: "gemini-embedding-2", Body: []byte(`{"model":"gemini-embedding-2","input":"Hi","input_type":"query","dimensions":8,"truncate":"END"}`)}
	f(vertex, later, `{"embedding":{"values":[0.5]},"usageMetadata":{"promptTokenCount":2},"truncated":false}`, "/models/gemini-embedding-2:embedContent",
		`{"content":{"parts":[{"text":"Hi"}]},"embedContentConfig":{"taskType":"RETRIEVAL_QUERY","outputDimensionality":8,"autoTruncate":true}}`,
		strings.Replace(vectors, "models/g", "gemini-embedding-2", 1))
	f(vertex, embed, `{"predictions":[{"embeddings":{"values":[0.5],"statistics":{"token_count":2}}}]}`, "/models/g:predict",
		`{"instances":[{"content":"Hi"}],"parameters":{}}`, vectors)
}
