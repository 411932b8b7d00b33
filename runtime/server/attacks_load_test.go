package server_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluicegate/sluice/runtime/internal/gateway"
	"github.com/sluicegate/sluice/runtime/internal/modelserver"
)

// heap is how much memory is in use after a collection.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// endless streams events without end, as fast as they are taken, and counts their bytes.
func endless(data string, sent *atomic.Int64) modelserver.Step {
	return func(w http.ResponseWriter, r *http.Request, _ []byte) {
		w.Header().Set("Content-Type", "text/event-stream")
		event := "data: " + data + "\n\n"
		for r.Context().Err() == nil {
			n, err := io.WriteString(w, event)
			if sent.Add(int64(n)); err != nil {
				return
			}
		}
	}
}

// small is a gateway with little memory, which takes answers of that size.
func small(t *testing.T, answer string, step modelserver.Step) *siege {
	m := modelserver.New(t, step)
	rest := strings.Replace(gateway.Rest, "cache: {size: 16MiB, ttl: 10m}", "cache: {size: 4MiB, ttl: 10m, max_entry: 1MiB}\nlimits: {answer: "+answer+", event: 256KiB}", 1)
	return besiegeWith(t, m, gateway.Callers+model(m)+rest, nil)
}

// A stream without end costs no more memory than a short one, whether the caller reads or not.
func TestAttackEndlessStreams(t *testing.T) {
	var sent atomic.Int64
	s := small(t, "64MiB", endless(chunk(0, `"content":"`+strings.Repeat("word ", 800)+`"`), &sent))
	f := func(name string, read int64) {
		t.Run(name, func(t *testing.T) {
			sent.Store(0)
			before := heap()
			ctx, leave := context.WithCancel(t.Context())
			defer leave()
			resp := s.Open(ctx, "red", chatPath, streamed(ask("hi")))
			defer func() { _ = resp.Body.Close() }()
			if n, err := io.CopyN(io.Discard, resp.Body, read); err != nil {
				t.Fatal(n, err)
			}
			for last := int64(-1); last != sent.Load(); time.Sleep(50 * time.Millisecond) {
				if last = sent.Load(); sent.Load() > read+64<<20 {
					t.Fatalf("%d bytes were taken for a caller who reads %d", sent.Load(), read)
				}
				if read > 1<<20 {
					break // it goes on as long as somebody reads
				}
			}
			if after := heap(); after > before+10<<20 {
				t.Errorf("the heap grew from %d to %d MiB", before>>20, after>>20)
			}
			leave()
			s.quiet()
		})
	}
	f("read", 12<<20)
	f("not read", 1)
}

// Text that could always become a value is not held back without end.
func TestAttackEndlessCandidate(t *testing.T) {
	var sent atomic.Int64
	s := small(t, "64MiB", endless(chunk(0, `"content":"`+strings.Repeat("a", 4000)+`"`), &sent))
	ctx, leave := context.WithTimeout(t.Context(), 5*time.Second)
	defer leave()
	before := heap()
	resp := s.Open(ctx, "red", chatPath, streamed(ask("hi")))
	defer func() { _ = resp.Body.Close() }()
	n, _ := io.CopyN(io.Discard, resp.Body, 4<<20) // it flows on, or is stopped: both are bounds
	if after := heap(); after > before+24<<20 {
		t.Errorf("after %d bytes the heap grew from %d to %d MiB", n, before>>20, after>>20)
	}
	if ctx.Err() != nil {
		t.Errorf("%d bytes, and then nothing although the model server sent %d", n, sent.Load())
	}
	leave()
	s.quiet()
}

// Answers, events and comments that are too large, however they are sent, are failures.
func TestAttackGiantAnswers(t *testing.T) {
	s := small(t, "1MiB", nil)
	flood := func(contentType, front, more string) modelserver.Step {
		return func(w http.ResponseWriter, _ *http.Request, _ []byte) {
			w.Header().Set("Content-Type", contentType)
			_, _ = io.WriteString(w, front)
			for range 64 << 20 / len(more) {
				if _, err := io.WriteString(w, more); err != nil {
					return
				}
			}
		}
	}
	f := func(name, body string, step modelserver.Step) {
		t.Run(name, func(t *testing.T) {
			s.m.Script(step)
			before := heap()
			r := s.Post("red", chatPath, body)
			if r.Status != 502 || r.Code() == "" {
				t.Errorf("%d %.200s", r.Status, r.Body)
			}
			if after := heap(); after > before+8<<20 {
				t.Errorf("the heap grew from %d to %d MiB", before>>20, after>>20)
			}
		})
	}
	a := strings.Repeat("a", 64<<10)
	f("body", ask("hi"), flood("application/json", `{"choices":[{"message":{"content":"`, a))
	f("announced length", ask("hi"), modelserver.Raw("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99999999999\r\n\r\n{"))
	f("event", streamed(ask("hi")), flood("text/event-stream", `data: {"choices":[{"delta":{"content":"`, a))
	f("event of many lines", streamed(ask("hi")), flood("text/event-stream", "", strings.Repeat("data: a\n", 8<<10)))
	f("comment", streamed(ask("hi")), flood("text/event-stream", ":", a))
	f("headers", ask("hi"), modelserver.Raw("HTTP/1.1 200 OK\r\n"+strings.Repeat("X-A: "+strings.Repeat("a", 1000)+"\r\n", 4000)+"\r\n{}"))
	f("error body", ask("hi"), func(w http.ResponseWriter, r *http.Request, b []byte) {
		w.WriteHeader(500)
		flood("application/json", `{"error":{"message":"`, a)(w, r, b)
	})
}

// 200 callers of every kind go on while the gateway is reloaded ten times: nobody fails, nobody gets another's values,
// and every exchange has its record.
func TestAttackReloadsUnderLoad(t *testing.T) {
	s := besiege(t, func(w http.ResponseWriter, r *http.Request, body []byte) {
		if strings.HasSuffix(r.URL.Path, "/embeddings") {
			modelserver.JSON(`{"object":"list","data":[{"index":0,"embedding":[0.1]}],"usage":{"prompt_tokens":1,"total_tokens":1}}`)(w, r, body)
			return
		}
		echo(w, r, body)
	})
	var callers sync.WaitGroup
	var asked atomic.Int64
	gate := make(chan struct{}, 32)
	call := func(i int) {
		gate <- struct{}{}
		defer func() { <-gate }()
		who := []string{"red", "red2", "blue"}[i%3]
		text := fmt.Sprintf("write to u%d@example.com, not [EMAIL_1]", rand.IntN(20))
		path, body := chatPath, ask(text)
		switch i % 5 {
		case 1, 2:
			body = streamed(body)
		case 3:
			path, body = "/inference", `{"inputs":`+quote(text)+`}`
		case 4:
			path, body, text = "/v1/embeddings", `{"model":"model-a","input":`+quote(text)+`}`, ""
		}
		asked.Add(1)
		if r := s.Post(who, path, body); r.Status != 200 || says(r.Body) != text {
			t.Errorf("%s %s: %d %s, want %q", who, path, r.Status, r.Body, text)
		}
	}
	for i := range 200 {
		callers.Go(func() {
			call(i)
			call(i + 1)
		})
	}
	for i := range 10 {
		mask := []string{"mask", "block"}[i%2]
		s.Write("sluice.yaml", gateway.Callers+model(s.m)+strings.Replace(gateway.Rest, "{default: mask}", "{default: "+mask+", card: mask}", 1)+fmt.Sprintf("drain: {timeout: %ds}\n", 5+i))
		if err := s.Control.Reload(t.Context(), "test"); err != nil {
			t.Error(err)
		}
	}
	callers.Wait()
	s.quiet()
	s.want = int(asked.Load())
	if n := s.Control.Pipeline().Expire(time.Hour); n > 1 {
		t.Errorf("%d old generations are still there", n)
	}
}
