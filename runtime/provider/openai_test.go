package provider_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluicegate/sluice/runtime/internal/modelserver"
	"github.com/sluicegate/sluice/runtime/provider"
	"github.com/sluicegate/sluice/runtime/upstream"
	"github.com/sluicegate/sluice/runtime/wire"
)

func dial(t testing.TB, s *modelserver.Server, o provider.Options) upstream.Caller {
	t.Helper()
	o.URL = s.URL()
	if strings.HasPrefix(o.URL, "https") {
		o.RootCAs = s.Certificate()
	}
	c, err := provider.New("openai", o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.(io.Closer).Close() })
	return c
}

func failure(t *testing.T, err error) *upstream.Failure {
	t.Helper()
	var f *upstream.Failure
	if !errors.As(err, &f) {
		t.Fatalf("got %v, want a failure", err)
	}
	if strings.Contains(err.Error(), "SECRET") {
		t.Errorf("the failure shows the model server's text: %v", err)
	}
	return f
}

// collect reads a stream to its end.
func collect(r *upstream.Reply) (data []string, err error) {
	defer r.Close()
	for {
		d, err := r.Events.Next()
		if errors.Is(err, io.EOF) {
			return data, nil
		}
		if err != nil {
			return data, err
		}
		data = append(data, string(d))
	}
}

func TestOpenAIOperations(t *testing.T) {
	s := modelserver.New(t, modelserver.JSON(`{"id":"1","choices":[]}`))
	c := dial(t, s, provider.Options{Credential: &secret{now: "key"}})
	f := func(op wire.Operation, path string) {
		t.Helper()
		reply, err := c.Call(t.Context(), &upstream.Call{Operation: op, Body: []byte(`{"a":1}`), RequestID: "r"})
		if err != nil {
			t.Fatal(err)
		}
		seen := s.Requests()
		last := seen[len(seen)-1]
		if last.Path != path || last.Header.Get("Authorization") != "Bearer key" || string(last.Body) != `{"a":1}` || last.Header.Get("X-Request-Id") != "r" {
			t.Errorf("%s: sent %s %s %v", op, last.Path, last.Body, last.Header)
		}
		if reply.Status != 200 || string(reply.Body) != `{"id":"1","choices":[]}` || reply.Events != nil {
			t.Errorf("%s: got %+v", op, reply)
		}
	}
	f(wire.ChatCompletions, "/v1/chat/completions")
	f(wire.Inference, "/v1/chat/completions")
	f(wire.Completions, "/v1/completions")
	f(wire.Embeddings, "/v1/embeddings")
	if _, err := c.Call(t.Context(), &upstream.Call{Operation: wire.ListModels}); failure(t, err).BodySent {
		t.Error("an operation that the API does not have was sent")
	}
}

func TestOpenAIStream(t *testing.T) {
	for _, start := range []func() *modelserver.Server{
		func() *modelserver.Server { return modelserver.New(t, modelserver.Answer("one two three")) },
		func() *modelserver.Server { return modelserver.NewTLS(t, true, modelserver.Answer("one two three")) },
	} {
		s := start()
		c := dial(t, s, provider.Options{})
		for range 2 {
			reply, err := c.Call(t.Context(), &upstream.Call{Operation: wire.ChatCompletions, Stream: true, Body: []byte(`{"stream":true}`)})
			if err != nil {
				t.Fatal(err)
			}
			got, err := collect(reply)
			want := []string{modelserver.Delta("one "), modelserver.Delta("two "), modelserver.Delta("three"), modelserver.Finish, "[DONE]"}
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("got %q %v, want %q", got, err, want)
			}
		}
		seen := s.Requests()
		if seen[0].Header.Get("Accept") != "text/event-stream" || seen[0].Remote != seen[1].Remote {
			t.Errorf("got Accept %q, connections %s, %s", seen[0].Header.Get("Accept"), seen[0].Remote, seen[1].Remote)
		}
	}
}

// A stream that ends without [DONE] was cut, in good order or not.
func TestOpenAIStreamCut(t *testing.T) {
	f := func(o provider.Options, step modelserver.Step, events int, code wire.Code) {
		t.Helper()
		c := dial(t, modelserver.New(t, step), o)
		reply, err := c.Call(t.Context(), &upstream.Call{Operation: wire.ChatCompletions, Stream: true, Body: []byte(`{}`)})
		if err != nil {
			t.Fatal(err)
		}
		got, err := collect(reply)
		if failure(t, err).Code != code || len(got) != events {
			t.Errorf("got %q %v, want %d events and %s", got, err, events, code)
		}
		for range 2 { // the error stays
			if _, again := reply.Events.Next(); again == nil {
				t.Error("the stream went on after its error")
			}
		}
	}
	one := modelserver.Events(0, modelserver.Delta("x"))
	f(provider.Options{}, one, 1, wire.StreamInterrupted)
	f(provider.Options{}, modelserver.Die(one), 1, wire.StreamInterrupted)
	f(provider.Options{}, modelserver.Events(0), 0, wire.StreamInterrupted)
	f(provider.Options{}, modelserver.Die(modelserver.Status(200, "data: {\"a\":", "Content-Type", "text/event-stream")), 0, wire.StreamInterrupted)
	f(provider.Options{Timeouts: upstream.Timeouts{Idle: 30 * time.Millisecond}}, modelserver.Hang(one), 1, wire.UpstreamTimeout)
	f(provider.Options{Timeouts: upstream.Timeouts{FirstByte: 30 * time.Millisecond}},
		modelserver.Hang(modelserver.Status(200, ": soon\n\n", "Content-Type", "text/event-stream")), 0, wire.UpstreamTimeout)
	f(provider.Options{MaxEvent: 1000}, modelserver.Events(0, strings.Repeat("SECRET", 1000), "[DONE]"), 0, wire.UpstreamError)
	f(provider.Options{}, modelserver.Events(0, `{"error":{"message":"SECRET"}}`), 0, wire.UpstreamError)
	f(provider.Options{MaxAnswer: 5000}, modelserver.Events(0, slices.Repeat([]string{strings.Repeat("x", 1000)}, 10)...), 4, wire.UpstreamError)
}

func TestOpenAIFailures(t *testing.T) {
	f := func(step modelserver.Step, code wire.Code, status int, param string, retryAfter time.Duration) {
		t.Helper()
		for _, stream := range []bool{false, true} {
			c := dial(t, modelserver.New(t, step), provider.Options{})
			_, err := c.Call(t.Context(), &upstream.Call{Operation: wire.ChatCompletions, Stream: stream, Body: []byte(`{}`)})
			got := failure(t, err)
			if got.Code != code || got.Status != status || got.Param != param || got.RetryAfter != retryAfter {
				t.Errorf("stream %v: got %+v, want %s %d %q %v", stream, got, code, status, param, retryAfter)
			}
		}
	}
	f(modelserver.Error(400, "messages[0].content"), wire.UpstreamRejected, 400, "messages[0].content", 0)
	f(modelserver.Error(400, "tools.0.function.parameters"), wire.UpstreamRejected, 400, "tools.0.function.parameters", 0)
	f(modelserver.Error(422, "SECRET"), wire.UpstreamRejected, 422, "", 0)
	f(modelserver.Error(400, "messages.SECRET"), wire.UpstreamRejected, 400, "", 0)
	f(modelserver.Error(400, "0.messages"), wire.UpstreamRejected, 400, "", 0)
	f(modelserver.Status(400, `{"detail":"SECRET","param":"top_p"}`), wire.UpstreamRejected, 400, "top_p", 0)
	f(modelserver.Status(400, `SECRET`, "Content-Type", "text/html"), wire.UpstreamRejected, 400, "", 0)
	f(modelserver.Error(401, ""), wire.UpstreamError, 401, "", 0)
	f(modelserver.Error(429, "", "Retry-After", "7"), wire.RateLimited, 429, "", 7*time.Second)
	f(modelserver.Error(429, "", "Retry-After", "7", "Retry-After-Ms", "1500"), wire.RateLimited, 429, "", 1500*time.Millisecond)
	f(modelserver.Error(500, ""), wire.UpstreamError, 500, "", 0)
	f(modelserver.Status(302, "", "Location", "http://127.0.0.1:1/"), wire.UpstreamError, 302, "", 0)
	f(modelserver.Status(200, "<html>SECRET", "Content-Type", "text/html; charset=utf-8"), wire.UpstreamError, 200, "", 0)
	f(modelserver.Status(200, "SECRET"), wire.UpstreamError, 200, "", 0)
	f(modelserver.Status(200, ""), wire.UpstreamError, 200, "", 0)
	f(modelserver.Status(204, ""), wire.UpstreamError, 204, "", 0)
	f(modelserver.Error(200, ""), wire.UpstreamError, 200, "", 0)
	f(modelserver.JSON(`{"object":"error","message":"SECRET","error":null}`), wire.UpstreamError, 200, "", 0)
}

func TestOpenAIAnswerWithErrorMember(t *testing.T) {
	for _, body := range []string{
		`{"error":null,"choices":[]}`, `{"error":{},"choices":[]}`, `{"id":"` + strings.Repeat("x", 300) + `","error":{}}`,
		`{"object":"list","error":null,"data":[]}`,
	} {
		c := dial(t, modelserver.New(t, modelserver.JSON(body)), provider.Options{})
		if _, err := c.Call(t.Context(), &upstream.Call{Operation: wire.ChatCompletions}); err != nil {
			t.Errorf("%.60s: %v", body, err)
		}
	}
}

func TestOpenAICancelStream(t *testing.T) {
	s := modelserver.New(t, modelserver.Hang(modelserver.Events(0, modelserver.Delta("x"))))
	c := dial(t, s, provider.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	reply, err := c.Call(ctx, &upstream.Call{Operation: wire.ChatCompletions, Stream: true})
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Close()
	if _, err := reply.Events.Next(); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	cancel()
	_, err = reply.Events.Next()
	if f := failure(t, err); f.Code != wire.ClientClosed {
		t.Errorf("got %v", f)
	}
	<-s.Gone()
	if took := time.Since(began); took > 100*time.Millisecond {
		t.Errorf("the model server noticed after %v", took)
	}
}

func TestOpenAIProbe(t *testing.T) {
	f := func(step modelserver.Step, status int) {
		t.Helper()
		s := modelserver.New(t, step)
		c := dial(t, s, provider.Options{Credential: &secret{now: "key"}})
		err := upstream.NewEndpoint(upstream.EndpointOptions{Caller: c}).Probe(t.Context())
		if status == 0 && err != nil || status != 0 && failure(t, err).Status != status {
			t.Errorf("got %v, want status %d", err, status)
		}
		if got := s.Requests()[0]; got.Method != "GET" || got.Path != "/v1/models" || got.Header.Get("Authorization") != "Bearer key" || len(got.Body) > 0 {
			t.Errorf("sent %+v", got)
		}
	}
	f(modelserver.JSON(`{"object":"list","data":[]}`), 0)
	f(modelserver.Status(404, `{}`), 0)
	f(modelserver.Error(401, ""), 401)
	f(modelserver.Status(200, "<html>", "Content-Type", "text/html"), 200)
}

func TestNew(t *testing.T) {
	if _, err := provider.New("opnai", provider.Options{}); err == nil || !strings.Contains(err.Error(), "want one of "+strings.Join(provider.Kinds(), ", ")) {
		t.Errorf("got %v", err)
	}
	if _, err := provider.New("openai", provider.Options{}); err == nil {
		t.Error("an endpoint without a url was taken")
	}
}

// The same URL in two generations shares its connections.
func TestOpenAIRegistry(t *testing.T) {
	s := modelserver.New(t, modelserver.JSON(`{}`))
	var registry upstream.Registry
	for range 3 {
		c := dial(t, s, provider.Options{Registry: &registry})
		if _, err := c.Call(t.Context(), &upstream.Call{Operation: wire.ChatCompletions}); err != nil {
			t.Fatal(err)
		}
	}
	if seen := s.Requests(); seen[0].Remote != seen[2].Remote {
		t.Error("a reload made a new connection")
	}
}

func ExampleNew() {
	c, err := provider.New("demo", provider.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = c.Call(context.Background(), &upstream.Call{
		Operation: wire.ChatCompletions, Body: []byte(`{"messages":[{"role":"user","content":"hi"}]}`),
	})
	fmt.Println(err)
	// Output: <nil>
}

func BenchmarkOpenAI(b *testing.B) {
	s := modelserver.New(b, modelserver.Answer(strings.Repeat("word ", 25)))
	c := dial(b, s, provider.Options{})
	b.Run("whole", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := c.Call(b.Context(), &upstream.Call{Operation: wire.ChatCompletions, Body: []byte(`{}`)}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("stream of 25", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			reply, err := c.Call(b.Context(), &upstream.Call{Operation: wire.ChatCompletions, Stream: true, Body: []byte(`{"stream":true}`)})
			if err != nil {
				b.Fatal(err)
			}
			if _, err := collect(reply); err != nil {
				b.Fatal(err)
			}
		}
	})
}
