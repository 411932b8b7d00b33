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
