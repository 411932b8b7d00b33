package control_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sluicegate/sluice/runtime/internal/gateway"
	"github.com/sluicegate/sluice/runtime/policy"
)

// logging is smallest with a decision log.
var logging = strings.Replace(smallest, "policy: {path: policies}", "policy: {path: policies, timeout: 10s, decisions: {path: decisions.jsonl}}", 1)

// startLogging runs a gateway with a decision log and further modules of policy.
func startLogging(t *testing.T, modules map[string]string) *gateway.Gateway {
	t.Helper()
	all := files(t)
	for name, text := range modules {
		all["policies/"+name] = text
	}
	return gateway.StartWith(t, logging, all)
}

// decisions waits for the decision log to have so many events.
func decisions(t *testing.T, g *gateway.Gateway, n int) []map[string]any {
	t.Helper()
	var out []map[string]any
	until(t, "the decision log", func() bool {
		text, _ := os.ReadFile(filepath.Join(g.Dir, "decisions.jsonl")) // it comes with the first event
		out = nil
		for line := range strings.Lines(string(text)) {
			var e map[string]any
			if json.Unmarshal([]byte(line), &e) == nil { // the last may be cut
				out = append(out, e)
			}
		}
		return len(out) >= n
	})
	return out
}

// What data.system.log masks or drops does not get to the log; the audit log has it all the same.
func TestDecisionLogIsMasked(t *testing.T) {
	g := startLogging(t, map[string]string{"log.rego": `package system.log

mask contains "/input/client/ip"

mask contains {"op": "upsert", "path": "/input/principal/id", "value": "someone"}

mask contains "/input/params" if 7 / input.input.params.seed > 0

drop if input.input.stream
`})
	post := func(body string) {
		t.Helper()
		if r := g.Post("red", "/v1/chat/completions", body); r.Status != 200 {
			t.Fatalf("%d %s", r.Status, r.Body)
		}
	}
	post(`{"model":"model-a","seed":7,"messages":[{"role":"user","content":"one"}]}`)
	post(`{"model":"model-a","stream":true,"messages":[{"role":"user","content":"two"}]}`)
	post(`{"model":"model-a","seed":0,"messages":[{"role":"user","content":"three"}]}`)
	post(`{"model":"model-a","messages":[{"role":"user","content":"four"}]}`)
	events := decisions(t, g, 2)
	until(t, "the metrics", func() bool {
		return metric(t, g.Control, `sluice_decisions_withheld_total{reason="dropped"}`) == "1" &&
			metric(t, g.Control, `sluice_decisions_withheld_total{reason="failed"}`) == "1" &&
			metric(t, g.Control, "sluice_decisions_written_total") == "2"
	})
	if len(events) != 2 {
		t.Fatalf("%d events", len(events))
	}
	text, _ := json.Marshal(events)
	if s := string(text); strings.Contains(s, "127.0.0.1") || strings.Contains(s, "ephemeral:red") || strings.Contains(s, `"seed":7`) {
		t.Error(s)
	}
	erased, _ := events[0]["erased"].([]any)
	if !slices.Equal(erased, []any{"/input/client/ip", "/input/params"}) {
		t.Errorf("erased %v", erased)
	}
	if recs := g.Records(4); recs[1]["outcome"] != "complete" || recs[2]["outcome"] != "complete" {
		t.Error("the audit log lacks them")
	}
}

// How well decisions are remembered, and why not, is in the metrics and in the status.
func TestMemoIsShown(t *testing.T) {
	g := start(t)
	for range 4 {
		serves(t, g, "hello")
	}
	f := func(series, want string) {
		t.Helper()
		if got := metric(t, g.Control, series); got != want {
			t.Errorf("%s is %s, want %s", series, got, want)
		}
	}
	f(`sluice_policy_memo_total{result="hit",rule="decision"}`, "3")
	f(`sluice_policy_memo_total{result="miss",rule="decision"}`, "1")
	f(`sluice_policy_memo_hit_ratio{rule="decision"}`, "0.75")
	f(`sluice_policy_not_memoised{reason="builtin",rule="decision"}`, "0")
	rules := g.Control.Status().Rules
	if len(rules) != 1 || rules[0].Rule != "decision" || rules[0].Hits != 3 || rules[0].HitRatio != 0.75 || rules[0].NotMemoised != nil {
		t.Errorf("status %+v", rules)
	}
	g.Write("policies/main.rego", "package sluice\n\ndecision := {\"allowed\": time.now_ns() > 0, \"annotations\": {\"n\": sprintf(\"%d\", [count(input)])}}\n")
	if err := g.Control.Reload(t.Context(), "test"); err != nil {
		t.Fatal(err)
	}
	f(`sluice_policy_not_memoised{reason="builtin",rule="decision"}`, "1")
	f(`sluice_policy_not_memoised{reason="input",rule="decision"}`, "1")
	f(`sluice_policy_not_memoised{reason="mock",rule="decision"}`, "0")
	rules = g.Control.Status().Rules
	if len(rules) != 1 || len(rules[0].NotMemoised) != 2 || !strings.Contains(rules[0].NotMemoised[0]+rules[0].NotMemoised[1], "policies/main.rego:3:") {
		t.Errorf("status %+v", rules)
	}
}

// All that can be granted can be written in the configuration.
func TestGrantsAreConfigured(t *testing.T) {
	grants := "policy: {path: policies, grants: [" + strings.Join(policy.Grantable, ", ") + "], hosts: [idp.example.com]}"
	g := gateway.StartWith(t, strings.Replace(smallest, "policy: {path: policies}", grants, 1), files(t))
	g.Write("policies/main.rego", "package sluice\n\ndecision := {\"allowed\": net.cidr_contains(\"127.0.0.0/8\", input.client.ip)}\n")
	if err := g.Control.Reload(t.Context(), "test"); err != nil {
		t.Fatal(err)
	}
	serves(t, g, "by its address")
}

// Each field of the input that a policy may read is there, with what is true of the request, and each field of the decision
// does what it says.
func TestInputAndDecisionAreComplete(t *testing.T) {
	config := strings.NewReplacer(
		"policy: {path: policies}", "policy: {path: policies, timeout: 10s, decisions: {path: decisions.jsonl}}",
		"  - name: model-a\n    endpoints: [{name: one, provider: demo}]",
		"  - {name: model-a, cost: {input: 0.5, output: 2}, context: 8192, labels: {tier: small}, endpoints: [{name: one, provider: demo, labels: {region: eu}}, {name: two, provider: demo, labels: {region: us}}]}\n"+
			"  - {name: model-b, endpoints: [{name: three, provider: demo}]}",
	).Replace(smallest)
	g := gateway.StartWith(t, config, map[string]string{"redact.wasm": files(t)["redact.wasm"], "policies/main.rego": `package sluice

admit := {"allowed": false, "reasons": {"closed"}, "message": "Closed today.", "http_status": 451} if input.params.seed == 13

default decision := {"allowed": false, "reasons": {"b", "a"}, "message": "Not this one."}

decision := {
	"allowed": true, "models": ["model-a"], "endpoints": {"labels": {"region": "us"}}, "debug": true,
	"cache": {"mode": "read-write", "scope": "tenant", "ttl_seconds": 60}, "headers": {"X-Team": "red"}, "annotations": {"class": "low"},
} if {
	input.labels.sluice["redacted.email"] == 1
	input.models[input.model].labels.tier == "small"
}
`})
	ask := func(text string, seed int) gateway.Reply {
		t.Helper()
		body, _ := json.Marshal(map[string]any{
			"model": "model-a", "seed": seed, "messages": []any{map[string]any{"role": "user", "content": text}},
			"tools": []any{map[string]any{"type": "function", "function": map[string]any{"name": "find"}}},
		})
		return g.Post("red", "/v1/chat/completions", string(body))
	}
	allowed, again, denied, closed := ask("write to ana@example.com", 7), ask("write to ana@example.com", 7), ask("hello", 7), ask("hello", 13)
	if allowed.Status != 200 || allowed.Header.Get("X-Team") != "red" || allowed.Header.Get("x-sluice-endpoint") != "two" || again.Cache() != "hit" {
		t.Errorf("allowed: %d %v %s, then %s", allowed.Status, allowed.Header, allowed.Body, again.Cache())
	}
	if denied.Status != 403 || !strings.Contains(denied.Body, "Not this one.") || !strings.Contains(denied.Body, "a,b") || denied.Header.Get("x-sluice-decision-id") == "" || denied.Header.Get("x-sluice-endpoint") != "" {
		t.Errorf("denied: %d %v %s", denied.Status, denied.Header, denied.Body)
	}
	if closed.Status != 451 || !strings.Contains(closed.Body, "Closed today.") || !strings.Contains(closed.Body, "closed") {
		t.Errorf("closed: %d %s", closed.Status, closed.Body)
	}
	if notes, _ := g.Records(4)[0]["notes"].(map[string]any); notes["class"] != "low" {
		t.Errorf("notes %v", notes)
	}
	events := decisions(t, g, 4)
	wantLeaves(t, events[0]["input"], "client.headers.accept-encoding client.headers.content-length client.headers.user-agent client.ip labels.sluice.redacted.email "+
		"model models.model-a.context models.model-a.cost.input models.model-a.cost.output models.model-a.health models.model-a.labels.tier models.model-a.latency_bucket "+
		"models.model-b.context models.model-b.cost.input models.model-b.cost.output models.model-b.health models.model-b.labels models.model-b.latency_bucket operation params.seed "+
		"principal.auth principal.claims principal.id principal.roles principal.tenant prompt.chars prompt.opaque prompt.reach prompt.tokens_bucket prompt.tokens_estimate prompt.tools "+
		"sizes.body sizes.chars sizes.messages stream time.hour time.weekday")
	wantLeaves(t, events[3]["input"], "client.headers.accept-encoding client.headers.content-length client.headers.user-agent client.ip model operation params.seed "+
		"principal.auth principal.claims principal.id principal.roles principal.tenant sizes.body sizes.chars sizes.messages stream time.hour time.weekday")
}

// wantLeaves holds the paths of an input against those that it must have.
func wantLeaves(t *testing.T, input any, want string) {
	t.Helper()
	var leaves func(v any, path string) []string
	leaves = func(v any, path string) []string {
		m, ok := v.(map[string]any)
		if !ok || len(m) == 0 {
			return []string{path}
		}
		var out []string
		for k, e := range m {
			out = append(out, leaves(e, strings.TrimPrefix(path+"."+k, "."))...)
		}
		return out
	}
	got := leaves(input, "")
	slices.Sort(got)
	if s := strings.Join(got, " "); s != want {
		t.Errorf("got  %s\nwant %s", s, want)
	}
}
