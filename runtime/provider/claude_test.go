package provider_test

import (
	"encoding/base64"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/sluicegate/sluice/runtime/internal/modelserver"
	"github.com/sluicegate/sluice/runtime/provider"
	"github.com/sluicegate/sluice/runtime/upstream"
	"github.com/sluicegate/sluice/runtime/wire"
)

// The conformance of Claude at other clouds: payloads in the form of Amazon Bedrock's and Vertex AI's references.

func claudeCall(op wire.Operation, format, model string, stream bool, betas ...string) *upstream.Call {
	c := &upstream.Call{Operation: op, Format: format, Model: model, Stream: stream}
	c.Body = []byte(`{"model":"` + model + `","max_tokens":9,"messages":[{"role":"user","content":"Hi"}],"metadata":{"user_id":"u"}`)
	if stream {
		c.Body = append(c.Body, `,"stream":true`...)
	}
	c.Body = append(c.Body, '}')
	for _, b := range betas {
		c.Header = append(c.Header, upstream.Field{Name: "Anthropic-Beta", Value: b})
	}
	return c
}

// events reads a stream to its end.
func events(t *testing.T, c upstream.Caller, call *upstream.Call) (last string, err error) {
	t.Helper()
	reply, err := c.Call(t.Context(), call)
	if err != nil {
		return "", err
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

// Claude at Bedrock takes messages as they are, with the version in the body and the betas that are allowed, and those that
// chats become; other models are spoken to by Converse.
func TestClaudeAtBedrock(t *testing.T) {
	s := modelserver.New(t, modelserver.JSON(modelserver.Message("Hello.")))
	c, err := provider.New("bedrock", provider.Options{URL: strings.TrimSuffix(s.URL(), "/v1"), Credential: fixed("k"), Betas: []string{"b-1", "b-2"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.(io.Closer).Close() })
	sent := func(path, body string) {
		t.Helper()
		seen := s.Requests()
		if got := seen[len(seen)-1]; got.Path != path || string(got.Body) != body || got.Header.Get("Anthropic-Beta") != "" {
			t.Errorf("asked at %s for %s", got.Path, got.Body)
		}
	}
	const model, rest = "eu.anthropic.claude-v1:0", `"max_tokens":9,"messages":[{"role":"user","content":"Hi"}],"metadata":{"user_id":"u"}`
	reply, err := c.Call(t.Context(), claudeCall(wire.Messages, "anthropic.messages", model, false, "b-1, b-2"))
	if err != nil || string(reply.Body) != modelserver.Message("Hello.") {
		t.Fatalf("%v %+v", err, reply)
	}
	sent("/model/"+model+"/invoke", `{`+rest+`,"anthropic_version":"bedrock-2023-05-31","anthropic_beta":["b-1","b-2"]}`)
	_, err = c.Call(t.Context(), claudeCall(wire.Messages, "anthropic.messages", model, false, "b-3"))
	if f := failure(t, err); f.Param != "anthropic-beta" || f.BodySent {
		t.Errorf("got %+v", f)
	}

	held := func(data ...string) (pairs []string) {
		for _, d := range data {
			pairs = append(pairs, "chunk", `{"bytes":"`+base64.StdEncoding.EncodeToString([]byte(d))+`","p":"abcd"}`)
		}
		return pairs
	}
	whole := modelserver.MessageEvents("Hel", "lo.")
	call := claudeCall(wire.Messages, "anthropic.messages", model, true)
	s.Script(messages(t, held(whole...)...))
	if last, err := events(t, c, call); !errors.Is(err, io.EOF) || last != whole[len(whole)-1] {
		t.Errorf("got %s %v", last, err)
	}
	sent("/model/"+model+"/invoke-with-response-stream", `{`+rest+`,"anthropic_version":"bedrock-2023-05-31"}`)
	const overloaded = `{"type":"error","error":{"type":"overloaded_error","message":"SECRET"}}`
	for _, broken := range []struct {
		step modelserver.Step
		code wire.Code
	}{
		{messages(t, held(whole[:3]...)...), wire.StreamInterrupted},
		{messages(t, held(append(whole[:3:3], overloaded)...)...), wire.StreamInterrupted},
		{messages(t, held(overloaded)...), wire.Overloaded},
		{messages(t, append(held(whole[:3]...), "modelStreamErrorException", `{"message":"SECRET"}`)...), wire.StreamInterrupted},
		{messages(t, "chunk", `{"bytes":"not base64"}`), wire.UpstreamError},
	} {
		s.Script(broken.step)
		if _, err := events(t, c, call); failure(t, err).Code != broken.code || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("got %v, want %s", err, broken.code)
		}
	}

	s.Script(modelserver.JSON(converseAnswer))
	if _, err := c.Call(t.Context(), claudeCall(wire.Messages, "anthropic.messages", "amazon.nova-v1:0", false)); failure(t, err).Param != "metadata.user_id" {
		t.Errorf("got %v", err)
	}
	chat := bedrockCall(false)
	chat.Model, chat.Body = model, []byte(`{"model":"`+model+`","messages":[{"role":"user","content":"Hi"}],"top_k":5,"user":"u"}`)
	s.Script(modelserver.JSON(modelserver.Message("Hello.")))
	if reply, err := c.Call(t.Context(), chat); err != nil || !strings.Contains(string(reply.Body), `"content":"Hello."`) {
		t.Errorf("%v %+v", err, reply)
	}
	sent("/model/"+model+"/invoke", `{"max_tokens":4096,"messages":[{"role":"user","content":"Hi"}],"top_k":5,"metadata":{"user_id":"u"},"anthropic_version":"bedrock-2023-05-31"}`)
}

// Claude at Vertex AI is at paths of its own, to which its messages, counts and streams go, with an OAuth token.
func TestClaudeAtVertex(t *testing.T) {
	s := modelserver.New(t, modelserver.JSON(modelserver.Message("Hello.")))
	const base = "/v1/projects/p/locations/l/publishers/anthropic"
	c, err := provider.New("anthropic", provider.Options{URL: strings.TrimSuffix(s.URL(), "/v1") + base, Credential: fixed("ya29.t")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.(io.Closer).Close() })
	sent := func(path, body string) {
		t.Helper()
		seen := s.Requests()
		got := seen[len(seen)-1]
		if got.Path != base+path || string(got.Body) != body || got.Header.Get("Authorization") != "Bearer ya29.t" || got.Header.Get("X-Api-Key") != "" {
			t.Errorf("asked at %s for %s with %v", got.Path, got.Body, got.Header)
		}
	}
	const rest = `"max_tokens":9,"messages":[{"role":"user","content":"Hi"}],"metadata":{"user_id":"u"}`
	if _, err := c.Call(t.Context(), claudeCall(wire.Messages, "anthropic.messages", "claude-x@1", false)); err != nil {
		t.Fatal(err)
	}
	sent("/models/claude-x@1:rawPredict", `{`+rest+`,"anthropic_version":"vertex-2023-10-16"}`)
	s.Script(modelserver.JSON(`{"input_tokens":3}`))
	if _, err := c.Call(t.Context(), claudeCall(wire.CountTokens, "anthropic.count_tokens", "claude-x@1", false)); err != nil {
		t.Fatal(err)
	}
	sent("/models/count-tokens:rawPredict", `{"model":"claude-x@1",`+rest+`,"anthropic_version":"vertex-2023-10-16"}`)
	s.Script(modelserver.NamedEvents(modelserver.MessageEvents("Hel", "lo.")...))
	if last, err := events(t, c, claudeCall(wire.Messages, "anthropic.messages", "claude-x@1", true)); !errors.Is(err, io.EOF) || !strings.Contains(last, "message_stop") {
		t.Errorf("got %s %v", last, err)
	}
	sent("/models/claude-x@1:streamRawPredict", `{`+rest+`,"stream":true,"anthropic_version":"vertex-2023-10-16"}`)
}
