package server_test

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluicegate/sluice/runtime/internal/gateway"
	"github.com/sluicegate/sluice/runtime/internal/modelserver"
)

// hostile starts a gateway whose chain holds the filter that does what texts tell it to ("!" and a letter), behind
// redact. settings are more of its config.
func hostile(t *testing.T, settings string) *siege {
	wasm, err := os.ReadFile(filepath.Join("..", "filter", "testdata", "hostile.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	m := modelserver.New(t)
	rest := strings.Replace(gateway.Rest, "policy:", "  - {name: hostile, module: hostile.wasm, stream: buffer, limits: {time: 50ms}, config: {request: {default: mask}, response: {default: mask}}"+settings+"}\npolicy:", 1)
	return besiegeWith(t, m, gateway.Callers+model(m)+rest, map[string]string{"hostile.wasm": string(wasm)})
}

// what a hostile filter can do at a text, by letter; see hostile.c.
var misdeeds = map[string]string{
	"s": "spins", "t": "traps", "o": "overflows its stack", "f": "fills memory without end",
	"h": "calls the host without end", "r": "names a span out of range", "l": "names overlapping spans", "v": "names a span that ends before it begins",
	"d": "names spans out of order", "+": "settles more than there is", "-": "settles less than all", "O": "leaves a span open", "C": "closes what is not open",
	"k": "names no kind", "B": "writes without end", "b": "writes what is no text", "K": "sets a label that is none", "G": "asks for what it may not",
	"x": "adds a message at the wrong time", "P": "logs from nowhere",
}

// A filter that fails in a request stops it before the model server; in an answer, nothing of what follows gets out.
func TestAttackFilterFails(t *testing.T) {
	alone(t)
	s := hostile(t, "")
	failed := func(name, where, body string, step modelserver.Step, calls int) {
		t.Helper()
		s.m.Script(step)
		had := len(s.m.Requests())
		r := s.Post("red", chatPath, body, "Cache-Control", "no-store")
		if !strings.Contains(r.Body, `"filter_failed"`) || strings.Contains(r.Body, "answer-word") || strings.Contains(r.Body, "[DONE]") || len(s.m.Requests()) != had+calls {
			t.Errorf("it %s in %s: %d %s", name, where, r.Status, r.Body)
		}
		s.want++
	}
	for letter, name := range misdeeds {
		text := "!" + letter + " prompt-word answer-word"
		failed(name, "a request", ask(text), modelserver.Answer("fine"), 0)
		failed(name, "an answer", ask("hi"), modelserver.Answer(text), 1)
		failed(name, "a stream", streamed(ask("hi")), modelserver.Stream(text, "answer-word"), 1)
	}
	failed("traps", "a system message", talk(`{"role":"system","content":"!t prompt-word"},{"role":"user","content":"hi"}`), modelserver.Answer("fine"), 0)
	failed("traps", "a tool's schema", talk(`{"role":"user","content":"hi"}`, `,"x":{"!t":1}`), modelserver.Answer("fine"), 0)
	failed("gives up", "on_request", ask("hi !6"), modelserver.Answer("fine"), 0)
	failed("sets the model", "on_request", ask("hi !4"), modelserver.Answer("fine"), 0)
	if r := s.Post("red", chatPath, ask("fine")); r.Status != 200 {
		t.Errorf("after all that: %d %s", r.Status, r.Body)
	}
	s.want++
}

// A verdict on a whole answer is a verdict; one on a stream comes before its end.
func TestAttackFilterRejects(t *testing.T) {
	s := hostile(t, "")
	f := func(body string, step modelserver.Step) {
		t.Helper()
		s.m.Script(step)
		r := s.Post("red", chatPath, body)
		if !strings.Contains(r.Body, `"rejected_by_filter"`) || strings.Contains(r.Body, "answer-word") || strings.Contains(r.Body, "[DONE]") {
			t.Errorf("%d %s", r.Status, r.Body)
		}
	}
	f(ask("!R prompt-word"), modelserver.Answer("fine"))
	f(ask("hi"), modelserver.Answer("!R answer-word"))
	f(ask("hi"), modelserver.Answer("hm !9 answer-word"))
	f(streamed(ask("hi")), modelserver.Stream("!R answer-word"))
}

// What is blocked in the middle of a stream stops it there: what was settled is out, nothing else is.
func TestAttackFilterStopsStreams(t *testing.T) {
	words, err := os.ReadFile(filepath.Join("..", "filter", "testdata", "words.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	m := modelserver.New(t)
	rest := strings.Replace(gateway.Rest, "policy:", "  - {name: words, module: words.wasm, config: {response: {email: block, pin: block, default: mask}}}\npolicy:", 1)
	s := besiegeWith(t, m, gateway.Callers+model(m)+strings.Replace(rest, "{default: mask}}\n  -", "{default: mask, card: block}}\n  -", 1), map[string]string{"words.wasm": string(words)})
	f := func(deltas ...string) {
		t.Helper()
		m.Script(modelserver.Stream(deltas...))
		r := s.Post("red", chatPath, streamed(ask("hi")), "Cache-Control", "no-store")
		if !strings.Contains(r.Body, `"rejected_by_filter"`) || !strings.HasPrefix(says(r.Body), "all is well") || shows(r.Body, "answer-word", "[DONE]", "reject!", "1234", "4111 1111") != "" {
			t.Errorf("%q: %d %s", deltas, r.Status, r.Body)
		}
	}
	f("all is well. ", "!rej", "ect! answer-word", "answer-word")
	f("all is well. pi", "n 12", "34 answer-word", "answer-word")
	f("all is well. pi", "n 12", "34")
	f("all is well. ", "4111 ", "1111 1111 ", "1111 answer-word", "answer-word")
}

// A filter that may fail open is skipped, which keeps the answer out of the cache.
func TestAttackFilterFailsOpen(t *testing.T) {
	s := hostile(t, ", required: false, fail: open")
	for range 2 {
		r := s.Post("red", chatPath, ask("!t to ana@example.com"))
		if r.Status != 200 || r.Cache() == "hit" || shows(s.last(0), "ana@") != "" {
			t.Errorf("%d %s %s; sent %s", r.Status, r.Cache(), r.Body, s.last(0))
		}
	}
}

// Nothing that one exchange left in a filter is there for the next.
func TestAttackFilterRemembers(t *testing.T) {
	s := hostile(t, "")
	for range 3 {
		if r := s.Post("red", chatPath, ask("!M prompt-word"), "Cache-Control", "no-store"); r.Status != 200 {
			t.Errorf("%d %s", r.Status, r.Body)
		}
	}
}

// Whatever a filter does to one exchange, its neighbour of the same moment is served through the same filter.
func TestAttackFilterNeighbour(t *testing.T) {
	s := hostile(t, "")
	s.m.Script(modelserver.Answer("to [EMAIL_1]"))
	for letter, name := range misdeeds {
		var wg sync.WaitGroup
		wg.Go(func() {
			if r := s.Post("red", chatPath, ask("!"+letter+" prompt-word")); r.Status != 502 || !strings.Contains(r.Body, `"filter_failed"`) {
				t.Errorf("it %s: %d %s", name, r.Status, r.Body)
			}
		})
		wg.Go(func() {
			for range 3 {
				if r := s.Post("blue", chatPath, ask("for ana@example.com"), "Cache-Control", "no-store"); r.Status != 200 || says(r.Body) != "to ana@example.com" {
					t.Errorf("while it %s, its neighbour: %d %s", name, r.Status, r.Body)
				}
			}
		})
		wg.Wait()
		s.want += 4
	}
}

// While one filter spins, others are served and garbage is collected.
func TestAttackFilterSpins(t *testing.T) {
	s := hostile(t, "")
	stop := make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-stop:
				return
			default:
				s.Post("red", chatPath, ask("!s"))
			}
		}
	}()
	until(t, "it spins", func() bool { return s.Control.Pipeline().Running() > 0 })
	begun := time.Now()
	for range 5 {
		runtime.GC()
		if r := s.Post("blue", chatPath, ask("hi"), "Cache-Control", "no-store"); r.Status != 200 {
			t.Errorf("%d %s", r.Status, r.Body)
		}
	}
	if took := time.Since(begun); took > 2*time.Second {
		t.Errorf("five requests and collections took %s", took)
	}
	close(stop)
	<-ended
}
