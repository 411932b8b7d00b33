package provider

import (
	"bytes"
	"context"
	"testing"

	"github.com/sluicegate/sluice/runtime/exchange"
	"github.com/sluicegate/sluice/runtime/upstream"
	"github.com/sluicegate/sluice/runtime/wire"
)

// defective is a dialect that panics at one text and lets the others wait until they are cancelled.
type defective struct{ text string }

func (d defective) Call(ctx context.Context, c *upstream.Call) (*upstream.Reply, error) {
	if bytes.Contains(c.Body, []byte(d.text)) {
		panic("a defect of the gateway")
	}
	<-ctx.Done()
	return nil, &upstream.Failure{Code: wire.ClientClosed, Cause: ctx.Err()}
}

// A panic in any of the requests is one of the goroutine that called, when all others have ended.
func TestBesidePanic(t *testing.T) {
	f := func(text string) {
		t.Helper()
		e := upstream.NewEndpoint(upstream.EndpointOptions{Name: "one", Weight: 1, Caller: &translated{native: defective{text}, formats: []string{"bedrock.embed"}}})
		defer func() {
			if recover() == nil || e.InFlight() != 0 {
				t.Errorf("%s: no panic, or %d under way at the end", text, e.InFlight())
			}
		}()
		call := func([]byte, upstream.Target) *upstream.Call {
			return &upstream.Call{
				Operation: wire.Embeddings, Format: "openai.embeddings", Model: "amazon.titan-embed-text-v2:0",
				Body: []byte(`{"model":"amazon.titan-embed-text-v2:0","input":["one","two","three","four","five"]}`),
			}
		}
		_, _, _ = upstream.Forward(t.Context(), upstream.Errand{Targets: []upstream.Target{{Model: "m", Endpoint: e}}}, call, func(exchange.Attempt) {})
	}
	f("one")
	f("three")
}
