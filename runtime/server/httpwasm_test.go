package server_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluicegate/sluice/runtime/internal/gateway"
	"github.com/sluicegate/sluice/runtime/internal/modelserver"
)

// handling starts a gateway whose chain is redact and, behind it, the http-wasm handler of the filters' tests with these
// settings.
func handling(t *testing.T, settings string) *siege {
	wasm, err := os.ReadFile(filepath.Join("..", "filter", "testdata", "handler.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	m := modelserver.New(t)
	rest := strings.Replace(gateway.Rest, "policy:", "  - {name: handler, module: handler.wasm, "+settings+"}\npolicy:", 1)
	config := gateway.Callers + strings.Replace(model(m), "name: model-a", "name: m", 1) + rest // the handler's requests are for "m"
	return besiegeWith(t, m, config, map[string]string{"handler.wasm": string(wasm)})
}

// toM is a request for the model "m".
func toM(text string) string { return strings.Replace(ask(text), `"model-a"`, `"m"`, 1) }

// What a handler writes into a request is redacted before the model server gets it, although redact stands before it.
func TestHandlerRequest(t *testing.T) {
	alone(t)
	f := func(config, body string, step modelserver.Step) {
		t.Helper()
		s := handling(t, `on: [request], config: `+config)
		s.m.Script(step)
		r := s.Post("red", chatPath, body)
		if sent := s.last(0); r.Status != 200 || !strings.Contains(sent, "[EMAIL_1] pin 1234") || strings.Contains(sent, "ana@") || says(r.Body) != "fine" {
			t.Errorf("%d %s; sent %s", r.Status, r.Body, sent)
		}
		s.want = 1
		if rec := s.Records(1)[0]; !strings.Contains(fmt.Sprint(rec["filters"]), "handler") {
			t.Errorf("recorded: %v", rec)
		}
	}
	f("write", toM("hi"), modelserver.Answer("fine"))
	f("write_stream", streamed(toM("hi")), modelserver.Stream("fi", "ne"))
}

// What a handler sees of a caller by default tells nothing of who that is; only one that is trusted sees it all.
func TestHandlerViews(t *testing.T) {
	alone(t)
	f := func(view, path string, header []string, want ...string) {
		t.Helper()
		s := handling(t, `on: [request], view: `+view+`, config: secrets`)
		s.m.Script(modelserver.Answer("fine"))
		if r := s.Post("red", path, toM("hi"), header...); r.Status != 200 {
			t.Fatalf("%d %s", r.Status, r.Body)
		}
		for _, w := range want {
			if sent := s.last(0); !strings.Contains(sent, strings.ReplaceAll(w, "KEY", s.Key("red"))) {
				t.Errorf("%s: sent %s, want %s", view, sent, w)
			}
		}
	}
	secrets := []string{"Cookie", "session=1"}
	f("synthetic", chatPath, secrets, `"content":"`+strings.Repeat("0 0 ", 5)+`"`)
	f("full", chatPath, secrets, "session=1;", "127.0.0.1:", ";1 57 KEY;")
}

// On a stream that is held back for a handler, redact works on what the handler wrote, and the caller gets a stream.
func TestHandlerStream(t *testing.T) {
	s := handling(t, `on: [request, response], stream: buffer, config: asks/mail`)
	s.m.Script(modelserver.Stream("all", " is well"))
	r := s.Post("red", chatPath, streamed(toM("hi")))
	if r.Status != 200 || !strings.Contains(r.Header.Get("Content-Type"), "event-stream") || !strings.Contains(r.Body, "[DONE]") ||
		strings.Contains(r.Body, "ana@") || strings.Contains(r.Body, "well") || says(r.Body) == "" {
		t.Errorf("%d %s", r.Status, r.Body)
	}
}

// A handler that wants nothing of the answer leaves the stream as it comes.
func TestHandlerStreamsFreely(t *testing.T) {
	alone(t)
	for _, on := range []string{"on: [request]", "on: [request, response]"} {
		s := handling(t, on+`, config: nothing/nothing`)
		s.m.Script(modelserver.Stream("all", " is", " well"))
		if r := s.Post("red", chatPath, streamed(toM("hi"))); r.Status != 200 || says(r.Body) != "all is well" || strings.Count(r.Body, `"content"`) < 3 {
			t.Errorf("%s: %d %s", on, r.Status, r.Body)
		}
	}
}

func TestHandlerStreamRefused(t *testing.T) {
	alone(t)
	s := handling(t, `on: [request, response], stream: refuse, config: asks/mail`)
	if r := s.Post("red", chatPath, streamed(toM("hi"))); r.Status != 400 || !strings.Contains(r.Body, "needs the whole answer: ask without stream") {
		t.Errorf("%d %s", r.Status, r.Body)
	}
}

// A verdict is the caller's answer; a breakage stops the request before the model server, an answer before the caller.
func TestHandlerEnds(t *testing.T) {
	alone(t)
	f := func(config string, status int, sent int, words ...string) {
		t.Helper()
		s := handling(t, `on: [request, response], stream: buffer, config: `+config)
		s.m.Script(modelserver.Answer("answer-word"))
		r := s.Post("red", chatPath, toM("prompt-word"))
		if r.Status != status || len(s.m.Requests()) != sent || shows(r.Body, "answer-word", "prompt-word", "trap") != "" {
			t.Errorf("%s: %d %s, %d sent", config, r.Status, r.Body, len(s.m.Requests()))
		}
		for _, w := range words {
			if !strings.Contains(r.Body, w) {
				t.Errorf("%s: %s, want %s", config, r.Body, w)
			}
		}
		s.want = 1
	}
	f(`"403"`, 403, 0, "rejected_by_filter", "not at this hour")
	f(`"413"`, 413, 0, "rejected_by_filter")
	f(`echo`, 400, 0, "rejected_by_filter")
	f(`trap`, 502, 0, "filter_failed")
	f(`uri_change`, 502, 0, "filter_failed")
	f(`model`, 502, 0, "filter_failed")
	f(`asks/403`, 403, 1, "rejected_by_filter")
	f(`asks/trap`, 502, 1, "filter_failed")
}

// An answer that a handler had a part in is found again by requests that look alike to the handler.
func TestHandlerCache(t *testing.T) {
	s := handling(t, `on: [request, response], stream: buffer, config: asks/mail`)
	s.m.Script(modelserver.Answer("one"), modelserver.Answer("two"))
	f := func(agent, want string) {
		t.Helper()
		if r := s.Post("red", chatPath, toM("hi"), "User-Agent", agent); r.Status != 200 || r.Cache() != want {
			t.Errorf("%s: %d %s, want %s", agent, r.Status, r.Cache(), want)
		}
	}
	f("a/1", "miss")
	f("a/1", "hit")
	f("b/1", "miss")
}

// The example's handler refuses what is too long for it, and nothing else.
func TestHandlerExample(t *testing.T) {
	wasm, err := os.ReadFile(filepath.Join("..", "..", "examples", "http-wasm", "limit.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	m := modelserver.New(t, modelserver.Answer("fine"))
	rest := strings.Replace(gateway.Rest, "policy:", "  - {name: limit, module: limit.wasm, on: [request], config: \"2000\"}\npolicy:", 1)
	s := besiegeWith(t, m, gateway.Callers+model(m)+rest, map[string]string{"limit.wasm": string(wasm)})
	if r := s.Post("red", chatPath, ask("hi")); r.Status != 200 || says(r.Body) != "fine" {
		t.Errorf("%d %s", r.Status, r.Body)
	}
	if r := s.Post("red", chatPath, ask(strings.Repeat("x", 3000))); r.Status != 413 || !strings.Contains(r.Body, "the request is too long") || r.Code() != "rejected_by_filter" {
		t.Errorf("%d %s", r.Status, r.Body)
	}
}
