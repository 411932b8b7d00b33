package upstream_test

import (
	"testing"

	"github.com/sluicegate/sluice/runtime/exchange"
	"github.com/sluicegate/sluice/runtime/upstream"
	"github.com/sluicegate/sluice/runtime/wire"
)

// What has effects at the model server is sent again only while no byte of it was written.
func TestOnce(t *testing.T) {
	f := func(name string, once bool, first *upstream.Failure, attempts int) {
		t.Helper()
		var targets []upstream.Target
		for _, script := range [][]outcome{{{err: first}}, nil} {
			targets = append(targets, upstream.Target{Model: "m", Endpoint: upstream.NewEndpoint(
				upstream.EndpointOptions{Name: "e", Model: "m", Caller: &scripted{next: script}})})
		}
		n := 0
		_, _, err := forward(t.Context(), targets, func(dst []byte, t upstream.Target) *upstream.Call {
			c := build(dst, t)
			c.Once = once
			return c
		}, func(exchange.Attempt) { n++ })
		if n != attempts || (err == nil) != (attempts == 2) {
			t.Errorf("%s: %d attempts, %v; want %d", name, n, err, attempts)
		}
	}
	unreachable := &upstream.Failure{Code: wire.UpstreamUnreachable, Retry: upstream.RetryAnywhere}
	cut := upstream.Interrupted(nil)
	f("no connection", true, unreachable, 2)
	f("cut off", true, cut, 1)
	f("refused for now", true, upstream.FromStatus(503, 0), 1)
	f("without effects", false, cut, 2)
}
