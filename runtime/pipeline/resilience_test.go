package pipeline_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sluicegate/sluice/runtime/internal/gateway"
	"github.com/sluicegate/sluice/runtime/internal/modelserver"
)

// A fallback is held to the decision like the first endpoint: nothing outside it is tried, whatever fails.
func TestFallbackStaysWithinTheDecision(t *testing.T) {
	down, other, good := modelserver.New(t, modelserver.Status(503, "")), modelserver.New(t), modelserver.New(t, modelserver.Answer("from good"))
	rest := strings.NewReplacer("required: true", "required: false", "builtin:default", "policies").Replace(gateway.Rest)
	g := gateway.StartWith(t, gateway.Callers+fmt.Sprintf(`
models:
  - name: first
    endpoints:
      - {name: down, provider: openai, url: %[1]q, labels: {region: eu}}
      - {name: abroad, provider: openai, url: %[2]q, labels: {region: us}}
      - {name: bare, provider: openai, url: %[2]q, model: x, labels: {region: eu}, requires: [redact]}
  - name: second
    endpoints:
      - {name: abroad, provider: openai, url: %[2]q, model: y, labels: {region: us}}
      - {name: good, provider: openai, url: %[3]q, labels: {region: eu}}
  - {name: third, endpoints: [{name: not-allowed, provider: openai, url: %[2]q, model: z, labels: {region: eu}}]}
`, down.URL(), other.URL(), good.URL())+rest, map[string]string{"policies/main.rego": `package sluice
admit := {"allowed": true, "filters": []}
decision := {"allowed": true, "models": ["first", "second"], "endpoints": {"labels": {"region": "eu"}}}
`})
	for i := range 10 {
		r := g.Post("red", "/v1/chat/completions", chat("first", fmt.Sprint("hi ", i), i%2 == 0))
		if r.Status != 200 || reads(r.Body) != "from good" {
			t.Errorf("got %d %s", r.Status, r.Body)
		}
	}
	if n := len(other.Requests()); n != 0 || len(down.Requests()) == 0 {
		t.Errorf("%d requests went where the decision does not allow, %d to the first choice", n, len(down.Requests()))
	}
}

// A model server that begins its answer and then says nothing is passed over for another, before the stream has begun.
func TestSlowStartFailsOver(t *testing.T) {
	slow, good := modelserver.New(t, modelserver.Hang(modelserver.Events(0))), modelserver.New(t, modelserver.Answer("here"))
	g := gateway.Start(t, gateway.Callers+fmt.Sprintf(`
models:
  - name: model-a
    endpoints:
      - {name: slow, provider: openai, url: %q, requires: [redact], timeouts: {first_byte: 300ms}}
      - {name: good, provider: openai, url: %q, requires: [redact], weight: 0}
`, slow.URL(), good.URL())+gateway.Rest)
	if r := g.Post("red", "/v1/chat/completions", chat("model-a", "hi", true)); r.Status != 200 || reads(r.Body) != "here" {
		t.Errorf("got %d %s", r.Status, r.Body)
	}
	rec := g.Records(1)[0]
	if tries, _ := rec["attempts"].([]any); rec["endpoint"] != "good" || len(tries) != 2 {
		t.Errorf("the record is %v", rec)
	}
}

// Where an endpoint has as many calls as it may and the queue is full, a caller is told so at once, and when to come again.
func TestFullEndpoint(t *testing.T) {
	m := modelserver.New(t, modelserver.Hang(modelserver.Events(0, modelserver.Delta("one two "))))
	g := gateway.Start(t, gateway.Callers+fmt.Sprintf(`
models:
  - name: model-a
    queue: {size: 1, timeout: 1m}
    endpoints: [{name: one, provider: openai, url: %q, requires: [redact], max_in_flight: 1}]
`, m.URL())+gateway.Rest)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	first := g.Open(ctx, "red", "/v1/chat/completions", chat("model-a", "first", true))
	defer func() { _ = first.Body.Close() }()
	if _, err := first.Body.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	m.Script(modelserver.Answer("after"))
	waiting := make(chan gateway.Reply)
	go func() { waiting <- g.Post("red", "/v1/chat/completions", chat("model-a", "second", false)) }()
	for g.Control.Endpoints()[0].Waiting == 0 {
		time.Sleep(time.Millisecond)
	}
	r := g.Post("red", "/v1/chat/completions", chat("model-a", "third", false))
	if r.Status != 503 || r.Code() != "overloaded" || r.Header.Get("Retry-After") != "1" || r.Header.Get("X-Should-Retry") != "" {
		t.Errorf("got %d %s, %v", r.Status, r.Body, r.Header)
	}
	if n := len(m.Requests()); n != 1 {
		t.Errorf("%d requests reached a model server that takes one at a time", n)
	}
	cancel()
	if r := <-waiting; r.Status != 200 || reads(r.Body) != "after" {
		t.Errorf("the one that waited got %d %s", r.Status, r.Body)
	}
}
