package bundle

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// A server that begins an answer and does not end it is given up on.
func TestSlowToTheEnd(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}))
	defer server.Close()
	faults := make(chan *Fault, 100)
	c, err := New(Options{
		Config:   fmt.Appendf(nil, `{"services":{"a":{"url":%q}},"bundles":{"x":{"service":"a"}}}`, server.URL),
		Logger:   slog.New(slog.DiscardHandler),
		Activate: func(context.Context, string, []Bundle) error { return nil },
		Changed:  func(s Status) { faults <- s.Fault },
		Timeout:  100 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(t.Context())
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if f := <-faults; f == nil || f.Stage != StageDownload || !strings.Contains(f.Message, "no whole answer within 100ms") {
		t.Error(f)
	}
}
