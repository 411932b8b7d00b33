package pipeline_test

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/sluicegate/sluice/runtime/exchange"
	"github.com/sluicegate/sluice/runtime/internal/gateway"
	"github.com/sluicegate/sluice/runtime/internal/modelserver"
	"github.com/sluicegate/sluice/runtime/strictjson"
	"github.com/sluicegate/sluice/runtime/wire"
	"github.com/sluicegate/sluice/runtime/wire/openai"
)

// defective is the chat surface with a format that panics when it reads an answer.
type defective struct{ exchange.Surface }

func (d defective) Parse(body []byte, l strictjson.Limits) (*wire.Request, error) {
	req, err := d.Surface.Parse(body, l)
	if err == nil {
		req.Format = panics{req.Format}
	}
	return req, err
}

type panics struct{ wire.Format }

func (panics) Answer([]byte) (*wire.Answer, error) { panic("a defect of the gateway") }

// A panic ends one exchange with 500 and a record, and nobody who joined is left waiting for the answer it would have
// made.
func TestPanicEndsTheExchangeAndItsFlight(t *testing.T) {
	release := make(chan struct{})
	m := modelserver.New(t, func(w http.ResponseWriter, r *http.Request, body []byte) {
		<-release
		modelserver.Answer("ok")(w, r, body)
	})
	g := gateway.Start(t, gateway.Callers+gateway.Model(m.URL())+gateway.Rest)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second) // those left waiting end here, as cancelled
	defer cancel()
	var callers sync.WaitGroup
	serve := func() {
		d := &desk{headers: map[string][]string{"X-Api-Key": {g.Key("red")}}, body: []byte(chat("model-a", "hi", false))}
		callers.Go(func() {
			g.Control.Pipeline().Serve(ctx, defective{openai.ChatSurface()}, d)
			if d.status != 500 {
				t.Errorf("status %d, want 500", d.status)
			}
		})
	}
	serve()
	for len(m.Requests()) == 0 {
		time.Sleep(time.Millisecond)
	}
	for range 3 {
		serve()
	}
	for g.Control.Pipeline().Running() < 4 {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(50 * time.Millisecond) // all have joined by then, or else lead flights of their own, which end alike
	close(release)
	callers.Wait()
	for _, rec := range g.Records(4) {
		if rec["outcome"] != "failed" || rec["code"] != "internal" {
			t.Errorf("record: %v", rec)
		}
	}
}
