package provider_test

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/sluicegate/sluice/runtime/internal/modelserver"
	"github.com/sluicegate/sluice/runtime/provider"
	"github.com/sluicegate/sluice/runtime/upstream"
	"github.com/sluicegate/sluice/runtime/wire"
)

// The conformance of the dialect: payloads as the Anthropic API's reference (version 2023-06-01, as of 2026-10) shows
// them, and requests held against what it asks for.

// fixed is a credential that never changes.
type fixed string

func (s fixed) Secret(context.Context) (string, error)       { return string(s), nil }
func (s fixed) Version() uint64                              { return 1 }
func (s fixed) Refused(context.Context, uint64) (found bool) { return false }

func dialAnthropic(t testing.TB, s *modelserver.Server, o provider.Options) upstream.Caller {
	t.Helper()
	o.URL, o.Credential = s.URL(), fixed("sk-ant-key")
	c, err := provider.New("anthropic", o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.(io.Closer).Close() })
	return c
}

const helloMessage = `{"id":"msg_01XFDUDYJgAACzvnptvVoYEL","type":"message","role":"assistant","model":"claude-opus-4-1","content":[{"type":"text",` +
	`"text":"Hello!"}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":12,"output_tokens":6}}`

// A request goes to the API's path under the url, with or without the version in it, with the key and the version where
// the API wants them, and with no field of the OpenAI API's.
func TestAnthropicRequest(t *testing.T) {
	s := modelserver.New(t, modelserver.JSON(helloMessage))
	f := func(op wire.Operation, path, version, betas string, header ...upstream.Field) {
		t.Helper()
		c := dialAnthropic(t, s, provider.Options{Betas: []string{"a-2025-01-01", "b-2025-02-02"}})
		body := `{"model":"claude-opus-4-1","max_tokens":5,"messages":[{"role":"user","content":"Hi"}]}`
		if _, err := c.Call(t.Context(), &upstream.Call{Operation: op, Body: []byte(body), RequestID: "id-1", Header: header}); err != nil {
			t.Fatal(err)
		}
		seen := s.Requests()
		got := seen[len(seen)-1]
		if got.Path != path || string(got.Body) != body || got.Header.Get("X-Api-Key") != "sk-ant-key" || got.Header.Get("Authorization") != "" ||
			got.Header.Get("Anthropic-Version") != version || got.Header.Get("Anthropic-Beta") != betas || got.Header.Get("X-Request-Id") != "id-1" {
			t.Errorf("%s %v", got.Path, got.Header)
		}
	}
	f(wire.Messages, "/v1/messages", "2023-06-01", "")
	f(wire.CountTokens, "/v1/messages/count_tokens", "2023-06-01", "")
	f(wire.Messages, "/v1/messages", "2023-01-01", "", upstream.Field{Name: "Anthropic-Version", Value: "2023-01-01"})
	f(wire.Messages, "/v1/messages", "2023-06-01", "", upstream.Field{Name: "Anthropic-Version", Value: "no date"})
	f(wire.Messages, "/v1/messages", "2023-06-01", "b-2025-02-02,a-2025-01-01", upstream.Field{Name: "Anthropic-Beta", Value: "b-2025-02-02,a-2025-01-01"})
	c := dialAnthropic(t, s, provider.Options{Betas: []string{"a-2025-01-01"}})
	had := len(s.Requests())
	_, err := c.Call(t.Context(), &upstream.Call{Operation: wire.Messages, Header: []upstream.Field{{Name: "Anthropic-Beta", Value: "a-2025-01-01, c-2025-03-03"}}})
	if got := failure(t, err); got.Code != wire.UnsupportedField || got.Param != "anthropic-beta" || got.Retry != upstream.RetryElsewhere || len(s.Requests()) != had {
		t.Errorf("got %+v", got)
	}
	_, err = c.Call(t.Context(), &upstream.Call{Operation: wire.Embeddings})
	if got := failure(t, err); got.Code != wire.UnsupportedOp || got.BodySent {
		t.Errorf("got %+v", got)
	}
}

// A field that says which API the caller speaks goes to no other.
func TestAnthropicFieldsStay(t *testing.T) {
	s := modelserver.New(t)
	header := upstream.Forwardable(map[string][]string{"Anthropic-Version": {"2023-06-01"}, "Anthropic-Beta": {"a", "b"}, "X-Api-Key": {"k"}})
	if len(header) != 2 || header[1].Value != "a,b" {
		t.Errorf("%v", header)
	}
	if _, err := dial(t, s, provider.Options{}).Call(t.Context(), &upstream.Call{Operation: wire.ChatCompletions, Header: header}); err != nil {
		t.Fatal(err)
	}
	for name := range s.Requests()[0].Header {
		if strings.HasPrefix(name, "Anthropic") {
			t.Errorf("%s is sent", name)
		}
	}
}

func TestAnthropicErrors(t *testing.T) {
	s := modelserver.New(t)
	c := dialAnthropic(t, s, provider.Options{})
	fails := func(status int, kind, message string, code wire.Code, retry upstream.Retry, param string, header ...string) *upstream.Failure {
		t.Helper()
		s.Script(modelserver.Status(status, modelserver.MessagesError(kind, message), header...))
		_, err := c.Call(t.Context(), &upstream.Call{Operation: wire.Messages, Body: []byte(`{}`)})
		got := failure(t, err)
		if got.Code != code || got.Retry != retry || got.Status != status || got.Param != param {
			t.Errorf("%d %s: got %+v", status, kind, got)
		}
		return got
	}
	f := func(status int, kind, message string, code wire.Code, retry upstream.Retry, param string) {
		t.Helper()
		_ = fails(status, kind, message, code, retry, param)
	}
	f(400, "invalid_request_error", "messages: Field required SECRET", wire.UpstreamRejected, upstream.RetryNo, "messages")
	f(400, "invalid_request_error", "messages.0.content.1.source.media_type: Input should be SECRET", wire.UpstreamRejected, upstream.RetryNo, "messages.0.content.1.source.media_type")
	f(400, "invalid_request_error", "max_tokens: 100000 > 64000, which is the maximum allowed number SECRET", wire.UpstreamRejected, upstream.RetryNo, "max_tokens")
	f(400, "invalid_request_error", "prompt is too long: 205000 tokens > 200000 maximum SECRET", wire.UpstreamRejected, upstream.RetryNo, "")
	f(400, "invalid_request_error", "SECRET: x", wire.UpstreamRejected, upstream.RetryNo, "")
	f(401, "authentication_error", "invalid x-api-key", wire.UpstreamError, upstream.RetryElsewhere, "")
	f(403, "permission_error", "SECRET", wire.UpstreamError, upstream.RetryElsewhere, "")
	f(404, "not_found_error", "model: SECRET", wire.UpstreamError, upstream.RetryElsewhere, "model")
	f(413, "request_too_large", "SECRET", wire.UpstreamRejected, upstream.RetryNo, "")
	f(500, "api_error", "Internal server error", wire.UpstreamError, upstream.RetryAnywhere, "")
	f(504, "timeout_error", "SECRET", wire.UpstreamTimeout, upstream.RetryAnywhere, "")
	f(529, "overloaded_error", "Overloaded", wire.Overloaded, upstream.RetryAnywhere, "")
	if got := fails(429, "rate_limit_error", "SECRET", wire.RateLimited, upstream.RetryAnywhere, "", "Retry-After", "7"); got.RetryAfter != 7*time.Second {
		t.Errorf("got %v", got.RetryAfter)
	}
	// The limit that is used up says when it is full again, where the answer does not say how long to wait.
	reset := func(seconds int) string {
		return time.Now().Add(time.Duration(seconds) * time.Second).UTC().Format(time.RFC3339)
	}
	got := fails(429, "rate_limit_error", "SECRET", wire.RateLimited, upstream.RetryAnywhere, "",
		"Anthropic-Ratelimit-Requests-Limit", "50", "Anthropic-Ratelimit-Requests-Remaining", "49", "Anthropic-Ratelimit-Requests-Reset", reset(500),
		"Anthropic-Ratelimit-Input-Tokens-Limit", "10000", "Anthropic-Ratelimit-Input-Tokens-Remaining", "0", "Anthropic-Ratelimit-Input-Tokens-Reset", reset(60))
	if got.RetryAfter < 50*time.Second || got.RetryAfter > 70*time.Second {
		t.Errorf("got %v", got.RetryAfter)
	}
	// A good status, and an error all the same.
	s.Script(modelserver.JSON(modelserver.MessagesError("overloaded_error", "Overloaded")))
	if _, err := c.Call(t.Context(), &upstream.Call{Operation: wire.Messages}); failure(t, err).Retry != upstream.RetryAnywhere {
		t.Errorf("got %v", err)
	}
}

// A stream ends with message_stop, whatever comes after, and with nothing else.
func TestAnthropicStream(t *testing.T) {
	s := modelserver.New(t)
	c := dialAnthropic(t, s, provider.Options{})
	call := &upstream.Call{Operation: wire.Messages, Stream: true}
	f := func(step modelserver.Step, n int, code wire.Code) {
		t.Helper()
		s.Script(step)
		r, err := c.Call(t.Context(), call)
		if err != nil {
			t.Fatal(err)
		}
		data, err := collect(r)
		if len(data) != n || (err == nil) != (code == "") {
			t.Errorf("%d events, %v", len(data), err)
		}
		if err != nil && failure(t, err).Code != code {
			t.Errorf("got %v", err)
		}
	}
	events := modelserver.MessageEvents("Hello", "!")
	f(modelserver.NamedEvents(events...), len(events), "")
	f(modelserver.NamedEvents(append(events, `{"type":"ping"}`)...), len(events), "")
	f(modelserver.Events(0, events...), len(events), "") // no names
	f(modelserver.Events(0, strings.ReplaceAll(events[0], `{"type"`, "{ \"type\"")), 1, wire.StreamInterrupted)
	f(modelserver.NamedEvents(events[:5]...), 5, wire.StreamInterrupted)
	f(modelserver.Die(modelserver.NamedEvents(events[:5]...)), 5, wire.StreamInterrupted)
	failed := modelserver.MessagesError("overloaded_error", "Overloaded SECRET")
	f(modelserver.NamedEvents(append(append([]string(nil), events[:4]...), failed)...), 4, wire.StreamInterrupted)
	f(modelserver.NamedEvents(failed), 0, wire.Overloaded)
	f(modelserver.NamedEvents(modelserver.MessagesError("invalid_request_error", "messages: SECRET")), 0, wire.UpstreamRejected)
	s.Script(modelserver.JSON(helloMessage))
	if _, err := c.Call(t.Context(), call); failure(t, err).Code != wire.UpstreamError {
		t.Errorf("got %v", err)
	}
}

func TestAnthropicProbe(t *testing.T) {
	s := modelserver.New(t)
	c := dialAnthropic(t, s, provider.Options{}).(interface{ Probe(context.Context) error })
	f := func(step modelserver.Step, status int) {
		t.Helper()
		s.Script(step)
		err := c.Probe(t.Context())
		if status == 0 {
			if err != nil {
				t.Error(err)
			}
			return
		}
		if got := failure(t, err); got.Status != status {
			t.Errorf("got %+v", got)
		}
	}
	f(modelserver.JSON(`{"data":[{"type":"model","id":"claude-opus-4-1","display_name":"Claude Opus 4.1","created_at":"2025-08-05T00:00:00Z"}],"has_more":false}`), 0)
	if got := s.Requests()[0]; got.Method != "GET" || got.Path != "/v1/models" || got.Header.Get("X-Api-Key") != "sk-ant-key" || got.Header.Get("Anthropic-Version") != "2023-06-01" {
		t.Errorf("%+v", got)
	}
	f(modelserver.Status(404, modelserver.MessagesError("not_found_error", "x")), 0)
	f(modelserver.Status(401, modelserver.MessagesError("authentication_error", "x")), 401)
}
