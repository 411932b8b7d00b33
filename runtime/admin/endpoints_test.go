package admin_test

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sluicegate/sluice/runtime/admin"
	"github.com/sluicegate/sluice/runtime/control"
	"github.com/sluicegate/sluice/runtime/internal/gateway"
	"github.com/sluicegate/sluice/runtime/internal/modelserver"
)

// What the endpoints are asked at intervals, and what came of it, is on the control listener.
func TestEndpoints(t *testing.T) {
	answer := modelserver.Answer("hello")
	m := modelserver.New(t, func(w http.ResponseWriter, r *http.Request, body []byte) {
		switch r.URL.Path {
		case "/metrics":
			modelserver.Status(200, "waiting{x=\"y\"} 7\n")(w, r, body)
		case "/sick":
			modelserver.Status(503, "")(w, r, body)
		default:
			answer(w, r, body)
		}
	})
	t.Setenv("MODEL_KEY", "model-key-1")
	base := strings.TrimSuffix(m.URL(), "/v1")
	g := gateway.Start(t, gateway.Callers+fmt.Sprintf(`
listen: 127.0.0.1:0
admin: {listen: "127.0.0.1:0", token: ephemeral}
models:
  - name: model-a
    balance: load
    endpoints:
      - {name: good, provider: openai, url: %q, credential: {env: MODEL_KEY}, requires: [redact], max_in_flight: 3, health: {path: /health}, load: {url: %q, metrics: [waiting]}}
      - {name: bad, provider: openai, url: %q, model: other, requires: [redact], health: {path: /sick, unhealthy: 1}}
      - {name: leaving, provider: openai, url: %q, model: third, requires: [redact], drain: true}
`, m.URL(), base+"/metrics", m.URL(), m.URL())+gateway.Rest)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	a := serveWith(t, g, l, admin.Options{}, &http.Transport{})
	if r := a.ask("/endpoints"); r.Status != 401 {
		t.Errorf("without the token: %d", r.Status)
	}
	var got []control.EndpointState
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		r := a.ask("/endpoints", a.token())
		if err := json.Unmarshal([]byte(r.Body), &got); err != nil || r.Status != 200 {
			t.Fatal(r.Status, r.Body, err)
		}
		if got[0].Load != nil && got[0].Checked == "well" && got[1].Checked == "sick" {
			break
		}
	}
	if len(got) != 3 || got[0].Load == nil || *got[0].Load != 7 || got[0].Checked != "well" || got[0].Limit != 3 || got[0].Circuit != "closed" ||
		got[1].Checked != "sick" || got[1].Health != "down" || got[2].Checked != "" || !got[2].Draining {
		t.Errorf("the endpoints are %+v", got)
	}
	text := a.ask("/metrics", a.token()).Body
	for _, line := range []string{
		`sluice_endpoint_healthy{endpoint="bad",model="model-a"} 0`, `sluice_endpoint_load{endpoint="good",model="model-a"} 7`,
		`sluice_endpoint_circuit{endpoint="leaving",model="model-a"} 0`, `sluice_retries_refused_total{model="model-a"} 0`,
	} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("the metrics have no %s", line)
		}
	}
	if r := g.Post("red", "/inference", `{"model_name":"model-a","inputs":"hi"}`); r.Status != 200 {
		t.Errorf("got %d %s", r.Status, r.Body)
	}
	for _, r := range m.Requests() {
		if r.Method == http.MethodGet && (len(r.Body) > 0 || (r.Header.Get("Authorization") == "Bearer model-key-1") != (r.Path != "/sick")) {
			t.Errorf("GET %s went out with %q and a body of %d bytes", r.Path, r.Header.Get("Authorization"), len(r.Body))
		}
	}
}
