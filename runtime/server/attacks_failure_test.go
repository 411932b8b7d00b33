package server_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sluicegate/sluice/runtime/internal/gateway"
	"github.com/sluicegate/sluice/runtime/internal/modelserver"
)

// A model server that dies, at each moment of its answer: never a silent end, never half an answer as a whole one,
// always one record.
func TestAttackUpstreamDeath(t *testing.T) {
	s := besiege(t)
	f := func(name, body string, step modelserver.Step, status int, code string) {
		t.Run(name, func(t *testing.T) {
			s.m.Script(step)
			had := s.want
			s.want++
			r := s.Post("red", chatPath, body)
			if r.Status != status || !strings.Contains(r.Body, `"`+code+`"`) || strings.Contains(r.Body, "[DONE]") {
				t.Errorf("%d %q, want %d %s", r.Status, r.Body, status, code)
			}
			if rec := s.Records(s.want)[had]; rec["code"] != code {
				t.Errorf("record: %v", rec)
			}
			if again := s.Post("red", chatPath, body, "Cache-Control", "only-if-cached"); again.Cache() == "hit" {
				t.Error("it was cached")
			}
			s.want++
		})
	}
	whole, stream := ask("hi"), streamed(ask("hi"))
	const head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
	one := "data: " + chunk(0, `"content":"hello there "`) + "\n\n"
	f("at once", whole, modelserver.Raw(), 502, "upstream_error")
	f("at once, stream", stream, modelserver.Raw(), 502, "upstream_error")
	f("in the status line", whole, modelserver.Raw("HTTP/1.1 20"), 502, "upstream_error")
	f("in the headers", whole, modelserver.Raw("HTTP/1.1 200 OK\r\nConte"), 502, "upstream_error")
	f("before the body", whole, modelserver.Raw(head), 502, "upstream_error")
	f("in the body", whole, modelserver.Raw(head, `{"choices":[{"message":{"content":"hel`), 502, "upstream_error")
	f("in a body of unknown length", whole, modelserver.Raw("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n", `{"choices":[{"message":{"content":"hel`), 502, "upstream_error")
	f("in a chunk", whole, modelserver.Raw("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n", "ff\r\n{\"cho"), 502, "upstream_error")
	f("before the first event", stream, modelserver.Raw(streamHead), 502, "upstream_error")
	f("after a comment", stream, modelserver.Raw(streamHead, ": wait\n\n"), 502, "upstream_error")
	f("in the first event", stream, modelserver.Raw(streamHead, one[:40]), 502, "upstream_error")
	f("after an event", stream, modelserver.Raw(streamHead, one), 200, "stream_interrupted")
	f("in an event", stream, modelserver.Raw(streamHead, one, one[:40]), 200, "stream_interrupted")
	f("after the finish", stream, modelserver.Raw(streamHead, one, "data: "+stop(0)+"\n\n"), 200, "stream_interrupted")
	f("in [DONE]", stream, modelserver.Raw(streamHead, one, "data: "+stop(0)+"\n\ndata: [DO"), 200, "stream_interrupted")
	f("reset in the stream", stream, modelserver.Die(modelserver.Events(0, chunk(0, `"content":"hello there "`))), 200, "stream_interrupted")
}

// pool is model-a at two endpoints.
func pool(a, b *modelserver.Server) string {
	return fmt.Sprintf(`
models:
  - name: model-a
    endpoints:
      - {name: one, provider: openai, url: %q, requires: [redact], weight: 1}
      - {name: two, provider: openai, url: %q, requires: [redact], weight: 1}
`, a.URL(), b.URL())
}

// Before the first byte another endpoint is tried; after it, nothing is.
func TestAttackRetries(t *testing.T) {
	f := func(name, body string, step modelserver.Step, again bool) {
		t.Run(name, func(t *testing.T) {
			a, b := modelserver.New(t, step), modelserver.New(t, step)
			s := besiegeWith(t, a, gateway.Callers+pool(a, b)+gateway.Rest, nil)
			r := s.Post("red", chatPath, body)
			if n := len(a.Requests()) + len(b.Requests()); n > 1 != again || n > 4 || strings.Contains(r.Body, "[DONE]") {
				t.Errorf("%d calls: %d %s", n, r.Status, r.Body)
			}
			s.want = 1
		})
	}
	f("500", ask("hi"), modelserver.Status(500, "{}"), true)
	f("refused", ask("hi"), modelserver.Status(400, "{}"), false)
	f("dead after an event", streamed(ask("hi")), modelserver.Die(modelserver.Events(0, chunk(0, `"content":"hello there "`))), false)
	f("dead after an event that says nothing", streamed(ask("hi")), modelserver.Die(modelserver.Events(0, chunk(0, `"role":"assistant"`))), false)
	f("an error after an event", streamed(ask("hi")), modelserver.Events(0, chunk(0, `"content":"hello there "`), `{"error":{}}`), false)
	f("dead in a whole answer", ask("hi"), modelserver.Raw("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", `{"cho`), true) // the caller has nothing of it yet
}

// A fallback goes nowhere that the decision did not allow: not to other models, not to endpoints without the labels,
// not to those whose required filter did not run.
func TestAttackFallback(t *testing.T) {
	bad := modelserver.New(t, modelserver.Status(500, `{"error":{"message":"SECRET"}}`))
	good := modelserver.New(t, modelserver.Answer("from a fallback"))
	trap := modelserver.New(t)
	s := besiegeWith(t, bad, gateway.Callers+fmt.Sprintf(`
models:
  - name: first
    endpoints:
      - {name: f1, provider: openai, url: %[1]q, labels: {region: eu}}
      - {name: f2, provider: openai, url: %[3]q, labels: {region: us}}
      - {name: f3, provider: openai, url: %[3]q}
  - name: second
    endpoints:
      - {name: s1, provider: openai, url: %[2]q, labels: {region: eu}}
      - {name: s2, provider: openai, url: %[3]q, labels: {region: eu}, requires: [other]}
  - {name: third, endpoints: [{name: t1, provider: openai, url: %[3]q, labels: {region: eu}}]}
`, bad.URL(), good.URL(), trap.URL())+strings.NewReplacer("builtin:default", "policies", "policy:", `  - {name: other, module: "builtin:redact", on: [request], required: false, config: {request: {default: mask}}}
policy:`).Replace(gateway.Rest), map[string]string{"policies/main.rego": `package sluice
admit := {"allowed": true, "filters": ["redact"]}
decision := {"allowed": true, "models": models, "endpoints": {"labels": {"region": "eu"}}, "debug": true}
default models := ["first"]
models := ["first", "second"] if input.params.seed == 2
`})
	f := func(body string, status int, model, endpoint string) {
		t.Helper()
		r := s.Post("red", chatPath, body)
		if r.Status != status || r.Header.Get("X-Sluice-Model") != model || r.Header.Get("X-Sluice-Endpoint") != endpoint {
			t.Errorf("%d %v %s, want %d by %s at %s", r.Status, r.Header, r.Body, status, model, endpoint)
		}
	}
	named := func(model, more string) string {
		return `{"model":"` + model + `",` + more + `"messages":[{"role":"user","content":"hi"}]}`
	}
	f(named("first", `"seed":2,`), 200, "second", "s1")
	f(named("third", `"seed":2,`), 200, "second", "s1") // the one asked for is not among those allowed
	f(named("first", ""), 502, "", "")
	f(named("first", `"models":["third"],"fallbacks":["third"],`), 502, "", "")
	f(named("auto", `"seed":2,"route":"fallback",`), 200, "second", "s1")
	if n := len(trap.Requests()); n > 0 {
		t.Errorf("%d requests went where the decision does not lead", n)
	}
}

// Whatever the policy gives that is no decision denies, and is no caller's business.
func TestAttackPolicies(t *testing.T) {
	alone(t)
	m := modelserver.New(t)
	// As a text, so that the compiler does not see their types, which it would refuse.
	const cases = `{"allowed": true, "models": ["model-a"]},
		{"allowed": "true"}, {"allowed": 1}, {}, {"allow": true}, {"allowed": null},
		{"allowed": true, "models": ["ghost"]}, {"allowed": true, "models": "model-a"}, {"allowed": true, "models": {"a": "model-a"}}, {"allowed": true, "models": []},
		{"allowed": false, "http_status": 200}, {"allowed": false, "reasons": ["SECRET answer-word"]}`
	s := besiegeWith(t, m, gateway.Callers+model(m)+strings.Replace(gateway.Rest, "builtin:default", "policies", 1), map[string]string{"policies/main.rego": `package sluice
decision := cases[input.params.seed]
decision := {"allowed": true} if input.params.seed == 12
decision := {"allowed": false} if input.params.seed == 12
decision := {"allowed": true, "message": concat("", [sprintf("%d", [x]) | some x in numbers.range(1, 30000); some y in numbers.range(1, 30000); x + y < 0])} if input.params.seed == 13
cases := json.unmarshal("[` + strings.NewReplacer(`"`, `\"`, "\n", "", "\t", "").Replace(cases) + `]")
`})
	f := func(seed, status int, code string) {
		t.Helper()
		r := s.Post("red", chatPath, strings.Replace(ask("hi"), "{", fmt.Sprintf(`{"seed":%d,`, seed), 1))
		if r.Status != status || r.Code() != code || strings.Contains(r.Body, "ghost") || strings.Contains(r.Body, "SECRET") {
			t.Errorf("seed %d: %d %s, want %d %s", seed, r.Status, r.Body, status, code)
		}
	}
	f(0, 200, "")
	for seed := 1; seed <= 14; seed++ { // 14 is undefined
		f(seed, 500, "policy_failed")
	}
	if r := s.Post("red", chatPath, ask("hi")); r.Code() != "policy_failed" {
		t.Errorf("undefined: %d %s", r.Status, r.Body)
	}
	if n := len(m.Requests()); n != 1 {
		t.Errorf("%d requests reached the model server, want the one that was allowed", n)
	}
}

// A caller who leaves, at each moment: the call ends within 100 ms, and there is one record.
func TestAttackCallerGone(t *testing.T) {
	begun := modelserver.Events(0, chunk(0, `"content":"hello there "`))
	f := func(name, body string, step modelserver.Step) {
		t.Run(name, func(t *testing.T) {
			s := besiege(t, modelserver.Hang(step))
			ctx, leave := context.WithCancel(t.Context())
			req, _ := http.NewRequestWithContext(ctx, http.MethodPost, s.URL+chatPath, strings.NewReader(body))
			req.Header.Set("X-Api-Key", s.Key("red"))
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				if resp, err := http.DefaultTransport.RoundTrip(req); err == nil {
					_, _ = io.Copy(io.Discard, resp.Body)
					_ = resp.Body.Close()
				}
			}()
			until(t, "the model server is asked", func() bool { return len(s.m.Requests()) == 1 })
			if step != nil {
				time.Sleep(20 * time.Millisecond) // the first bytes travel
			}
			left := time.Now()
			leave()
			<-s.m.Gone()
			if took := time.Since(left); took > 100*time.Millisecond {
				t.Errorf("the model server noticed after %s", took)
			}
			<-ended
			if rec := s.Records(1)[0]; rec["outcome"] != "cancelled" || rec["code"] != "client_closed" {
				t.Errorf("record: %v", rec)
			}
			s.want = 1
		})
	}
	f("before the head", ask("hi"), nil)
	f("before the head of a stream", streamed(ask("hi")), nil)
	f("in a whole answer", ask("hi"), modelserver.Status(200, `{"choices":[`))
	f("after the head of a stream", streamed(ask("hi")), modelserver.Events(0))
	f("in a stream", streamed(ask("hi")), begun)
	f("between the last event and [DONE]", streamed(ask("hi")), modelserver.Events(0, chunk(0, `"content":"x"`), stop(0)))
}

// One who leaves while sending, or closes only the sending half, gets no answer that looks like one.
func TestAttackHalfClosed(t *testing.T) {
	s := besiege(t, modelserver.Hang(nil))
	f := func(announced int, body string) {
		t.Helper()
		conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		_, _ = fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nX-Api-Key: %s\r\nContent-Length: %d\r\n\r\n%s", chatPath, s.Key("red"), announced, body)
		_ = conn.(*net.TCPConn).CloseWrite()
		_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
		if got, _ := io.ReadAll(conn); strings.Contains(string(got), " 200 ") {
			t.Errorf("the answer is %q", got)
		}
		s.want++
		s.Records(s.want)
	}
	f(1000, ask("hi"))
	f(1000, "")
	f(len(ask("hi")), ask("hi"))
	f(len(streamed(ask("hi"))), streamed(ask("hi")))
}

// A follower who leaves takes nobody along, nor does the leader.
func TestAttackFollowerGone(t *testing.T) {
	release := make(chan struct{})
	s := besiege(t, func(w http.ResponseWriter, r *http.Request, body []byte) {
		<-release
		modelserver.Answer("shared")(w, r, body)
	})
	first, leaveFirst := context.WithCancel(t.Context())
	second, leaveSecond := context.WithCancel(t.Context())
	done := make(chan string, 3)
	call := func(ctx context.Context, running int) {
		go func() {
			req, _ := http.NewRequestWithContext(ctx, http.MethodPost, s.URL+chatPath, strings.NewReader(ask("hi")))
			req.Header.Set("X-Api-Key", s.Key("red"))
			resp, err := http.DefaultTransport.RoundTrip(req)
			if err != nil {
				done <- "gone"
				return
			}
			b, _ := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			done <- says(string(b))
		}()
		until(t, "it runs", func() bool { return s.Control.Pipeline().Running() == running && len(s.m.Requests()) == 1 })
	}
	call(first, 1)
	call(second, 2)
	call(t.Context(), 3)
	leaveSecond()
	leaveFirst()
	if a, b := <-done, <-done; a != "gone" || b != "gone" {
		t.Errorf("those who left got %q, %q", a, b)
	}
	close(release)
	if got := <-done; got != "shared" {
		t.Errorf("the one who stayed reads %q", got)
	}
	s.quiet()
	s.want = 3
}
