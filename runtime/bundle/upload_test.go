package bundle

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

// receiver counts the decisions that are uploaded to it.
type receiver struct {
	*httptest.Server
	mu   sync.Mutex
	seen map[string]int // by decision_id
}

func receive(t testing.TB) *receiver {
	t.Helper()
	r := &receiver{seen: map[string]int{}}
	r.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, q *http.Request) {
		z, err := gzip.NewReader(q.Body)
		if err != nil {
			t.Error(err)
			return
		}
		var events []struct {
			ID string `json:"decision_id"`
		}
		if err := json.NewDecoder(z).Decode(&events); err != nil {
			t.Error(err)
			return
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, e := range events {
			r.seen[e.ID]++
		}
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.seen)
}

// uploading is a Client that only uploads decisions, each second.
func uploading(t testing.TB, r *receiver) *Client {
	t.Helper()
	c, err := New(Options{Logger: slog.New(slog.DiscardHandler), Config: fmt.Appendf(nil,
		`{"services":{"a":{"url":%q}},"decision_logs":{"service":"a","reporting":{"min_delay_seconds":1,"max_delay_seconds":1}}}`, r.URL)})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	return c
}

// decision is a line of the log as a request of a chat gives it, 1 KB.
func decision(i int) []byte {
	return fmt.Appendf(nil, `{"labels":{"id":"gateway"},"decision_id":"d%d","trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","path":"sluice/decision","requested_by":"192.0.2.7","timestamp":"2026-03-02T14:30:00.123456789Z","bundles":{"gateway":{"revision":"r1"}},`+
		`"input":{"principal":{"id":"key:search-app","tenant":"search","roles":["developer"],"claims":{},"auth":"key"},"operation":"chat_completions","model":"model-a","stream":true,"params":{"temperature":0.2,"max_tokens":512},"sizes":{"body":1024,"messages":2,"chars":800},"client":{"ip":"192.0.2.7","headers":{"user-agent":"OpenAI/Python 1.99.0"}},"time":{"hour":14,"weekday":"Monday"},"labels":{"sluice":{"redacted.email":1}},"prompt":{"chars":800,"tokens_estimate":200,"tokens_bucket":256,"tools":[],"opaque":{},"reach":[]},`+
		`"models":{"model-a":{"labels":{"region":"on-prem"},"cost":{"input":0.4,"output":1.6},"context":8192,"health":"healthy","latency_bucket":"fast"}}},`+
		`"result":{"allowed":true,"models":["model-a"],"cache":{"mode":"read-write","scope":"principal","ttl_seconds":600},"allow":[],"restore":{"tools":[]}},"metrics":{"timer_decide_ns":21000}}`, i)
}

// What finds a place is uploaded, each decision once, also what waits at the end.
func TestUploadLosesNothing(t *testing.T) {
	r := receive(t)
	c := uploading(t, r)
	const n, atEnd = maxQueue / 2, maxQueue / 8 // the end has a bound in time, so not all is left to it
	for i := range n {
		if i == n-atEnd {
			for end := time.Now().Add(time.Minute); r.count() < i; time.Sleep(10 * time.Millisecond) {
				if time.Now().After(end) {
					t.Fatalf("%d of the first %d decisions have come", r.count(), i)
				}
			}
		}
		c.Log(decision(i))
	}
	c.Close(context.Background())
	if got := r.count(); got != n || c.Dropped() > 0 {
		t.Errorf("%d of %d decisions came, %d were dropped", got, n, c.Dropped())
	}
	for id, times := range r.seen {
		if times != 1 {
			t.Errorf("%s came %d times", id, times)
		}
	}
}

// BenchmarkUpload hands decisions on at 2,000 a second. The aim is that none is lost.
func BenchmarkUpload(b *testing.B) {
	r := receive(b)
	c := uploading(b, r)
	const each = 500 * time.Microsecond
	begun := time.Now()
	for i := range b.N {
		if wait := time.Until(begun.Add(time.Duration(i) * each)); wait > 0 {
			time.Sleep(wait)
		}
		c.Log(decision(i))
	}
	took := time.Since(begun)
	c.Close(context.Background())
	b.ReportMetric(float64(b.N)/took.Seconds(), "decisions/s")
	b.ReportMetric(float64(b.N-r.count()), "lost")
	b.ReportMetric(float64(c.Dropped()), "dropped")
}

// BenchmarkHand is what one decision costs on its way to OPA's buffer, by one goroutine.
func BenchmarkHand(b *testing.B) {
	r := receive(b)
	c := uploading(b, r)
	line := decision(1)
	b.ReportAllocs()
	for b.Loop() {
		c.upload.hand(line)
	}
	b.StopTimer()
	c.Close(context.Background())
}
