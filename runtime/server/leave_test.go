package server_test

import (
	"testing"

	"github.com/sluicegate/sluice/runtime/internal/gateway"
	"github.com/sluicegate/sluice/runtime/internal/modelserver"
)

// A server that is about to stop answers as ever, and each connection for the last time.
func TestLeave(t *testing.T) {
	m := modelserver.New(t)
	g := gateway.Start(t, gateway.Callers+gateway.Model(m.URL())+gateway.Rest)
	f := func(body string, closes bool) {
		t.Helper()
		resp := g.Open(t.Context(), "red", "/v1/chat/completions", body)
		_ = resp.Body.Close()
		if resp.StatusCode != 200 || resp.Close != closes {
			t.Errorf("got %d, the connection is closed: %v, want %v", resp.StatusCode, resp.Close, closes)
		}
	}
	const whole = `{"model":"model-a","messages":[{"role":"user","content":"hi"}]}`
	const stream = `{"model":"model-a","stream":true,"messages":[{"role":"user","content":"hi"}]}`
	f(whole, false)
	g.Server.Leave()
	f(whole, true)
	f(stream, true)
}
