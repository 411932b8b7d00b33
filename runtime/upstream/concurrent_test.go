package upstream_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluicegate/sluice/runtime/internal/modelserver"
	"github.com/sluicegate/sluice/runtime/upstream"
)

// Many calls at once, some given up at any moment: every answer is the caller's own, whole.
func TestTransportConcurrent(t *testing.T) {
	over(t, func(t *testing.T, start func(upstream.TransportOptions, ...modelserver.Step) (*modelserver.Server, *upstream.Transport)) {
		_, tr := start(upstream.TransportOptions{MaxIdle: 4}, func(w http.ResponseWriter, _ *http.Request, body []byte) {
			half := len(body) / 2
			_, _ = w.Write(body[:half])
			if len(body)%3 == 0 {
				_ = http.NewResponseController(w).Flush() // chunked
			}
			_, _ = w.Write(body[half:])
		})
		var wg sync.WaitGroup
		for worker := range 8 {
			wg.Go(func() {
				for i := range 40 {
					body := []byte(strings.Repeat(fmt.Sprintf("%d-%d ", worker, i), 1+i*7))
					ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
					if i%5 == 4 {
						time.AfterFunc(time.Duration(i)*20*time.Microsecond, cancel)
					}
					_, got, err := get(ctx, tr, &upstream.Request{Path: "/x", Body: body})
					if err == nil && !bytes.Equal(got, body) {
						t.Errorf("worker %d, call %d: got another answer: %.40q, want %.40q", worker, i, got, body)
					}
					if err != nil && ctx.Err() == nil {
						t.Errorf("worker %d, call %d: %v", worker, i, err)
					}
					cancel()
				}
			})
		}
		wg.Wait()
	})
}

// A server that closes idle connections under load costs no request.
func TestTransportConcurrentCuts(t *testing.T) {
	l := modelserver.New(t, func(w http.ResponseWriter, _ *http.Request, _ []byte) {
		w.Header().Set("Connection", "close")
		_, _ = w.Write([]byte(`{}`))
	})
	tr, err := upstream.NewTransport(upstream.TransportOptions{URL: l.URL()})
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	for range 50 {
		if _, _, err := get(t.Context(), tr, chat(`{}`)); err != nil {
			t.Fatal(err)
		}
	}
	remotes := map[string]bool{}
	for _, r := range l.Requests() {
		remotes[r.Remote] = true
	}
	if len(remotes) != 50 {
		t.Errorf("%d connections for 50 answers that closed theirs", len(remotes))
	}
}
