package server_test

import (
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/sluicegate/sluice/runtime/internal/gateway"
	"github.com/sluicegate/sluice/runtime/internal/modelserver"
)

// A model server is asked to say with its answers how busy it is, streams included; what it says is the endpoint's load, and
// is not the caller's to read, nor to ask for.
func TestLoadOfAnswers(t *testing.T) {
	var load atomic.Int64
	load.Store(7)
	m := modelserver.New(t, func(w http.ResponseWriter, r *http.Request, body []byte) {
		w.Header().Set("Endpoint-Load-Metrics", fmt.Sprintf("TEXT named_metrics.num_requests_waiting=%d.0, cpu_utilization=0.3", load.Load()))
		if load.Load() == 7 {
			modelserver.Answer("done")(w, r, body)
		} else {
			modelserver.Stream("done")(w, r, body)
		}
	})
	g := gateway.Start(t, gateway.Callers+fmt.Sprintf(`
models:
  - name: model-a
    balance: load
    endpoints: [{name: one, provider: openai, url: %q, requires: [redact], load: {answers: true, metrics: [named_metrics.num_requests_waiting]}}]
`, m.URL())+gateway.Rest)
	f := func(body string) {
		t.Helper()
		r := g.Post("red", chatPath, body, "Endpoint-Load-Metrics-Format", "JSON")
		if r.Status != 200 || says(r.Body) != "done" || r.Header.Get("Endpoint-Load-Metrics") != "" {
			t.Errorf("%d %v %s", r.Status, r.Header, r.Body)
		}
		asked := m.Requests()
		if got := asked[len(asked)-1].Header["Endpoint-Load-Metrics-Format"]; len(got) != 1 || got[0] != "TEXT" {
			t.Errorf("the model server was asked for %q", got)
		}
		if e := g.Control.Endpoints()[0]; e.Load == nil || *e.Load != float64(load.Load()) {
			t.Errorf("%+v, want a load of %d", e, load.Load())
		}
	}
	f(ask("hi"))
	load.Store(3)
	f(streamed(ask("hello")))
}
