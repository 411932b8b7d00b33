package pipeline_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/sluicegate/sluice/runtime/internal/gateway"
	"github.com/sluicegate/sluice/runtime/internal/modelserver"
)

// turn is a request of a conversation: what the system and the user said first, and how many turns came since.
func turn(system, first string, more int) string {
	messages := []map[string]string{{"role": "system", "content": system}, {"role": "user", "content": first}}
	for range more {
		messages = append(messages, map[string]string{"role": "assistant", "content": "yes"}, map[string]string{"role": "user", "content": fmt.Sprint("and ", more)})
	}
	b, _ := json.Marshal(map[string]any{"model": "model-a", "messages": messages})
	return string(b)
}

// Requests of one conversation go to one endpoint, those of others are spread.
func TestStickyConversations(t *testing.T) {
	a, b := modelserver.New(t), modelserver.New(t)
	g := gateway.Start(t, gateway.Callers+fmt.Sprintf(`
models:
  - name: model-a
    balance: sticky
    endpoints:
      - {name: a, provider: openai, url: %q, requires: [redact]}
      - {name: b, provider: openai, url: %q, requires: [redact]}
`, a.URL(), b.URL())+gateway.Rest)
	home := func(key, system, first string) string {
		t.Helper()
		var at string
		for more := range 4 {
			before := len(a.Requests())
			if r := g.Post(key, "/v1/chat/completions", turn(system, first, more), "Cache-Control", "no-cache"); r.Status != 200 {
				t.Fatal(r.Status, r.Body)
			}
			now := "b"
			if len(a.Requests()) > before {
				now = "a"
			}
			if at != "" && now != at {
				t.Errorf("a conversation moved from %s to %s", at, now)
			}
			at = now
		}
		return at
	}
	seen := map[string]int{}
	for i := range 20 {
		seen[home("red", "You are kind.", fmt.Sprint("question ", i))]++
	}
	if seen["a"] == 0 || seen["b"] == 0 {
		t.Errorf("twenty conversations are all at one endpoint: %v", seen)
	}
	seen = map[string]int{}
	for i := range 20 {
		seen[home("red", fmt.Sprint("System ", i), "hello")]++
	}
	if seen["a"] == 0 || seen["b"] == 0 {
		t.Errorf("conversations under twenty systems are all at one endpoint: %v", seen)
	}
}

// The price is that of the endpoint which answered.
func TestCostIsTheEndpoints(t *testing.T) {
	m := modelserver.New(t, modelserver.Answer("one two three four"))
	g := gateway.Start(t, gateway.Callers+fmt.Sprintf(`
models:
  - name: model-a
    balance: cost
    cost: {input: 1000000, output: 1000000}
    endpoints:
      - {name: dear, provider: openai, url: %q, requires: [redact]}
      - {name: cheap, provider: openai, url: %q, model: small, requires: [redact], cost: {input: 1, output: 500000}}
`, m.URL(), m.URL())+gateway.Rest)
	if r := g.Post("red", "/v1/chat/completions", chat("model-a", "hello", false)); r.Status != 200 {
		t.Fatal(r.Status, r.Body)
	}
	rec := g.Records(1)[0]
	if rec["endpoint"] != "cheap" || rec["cost_usd"] != 2.000003 {
		t.Errorf("the record says endpoint %v, cost %v, want the cheap one and its price", rec["endpoint"], rec["cost_usd"])
	}
}
