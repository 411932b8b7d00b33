package policy_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/loader"
	"github.com/open-policy-agent/opa/v1/plugins"
	"github.com/open-policy-agent/opa/v1/plugins/logs"
	"github.com/open-policy-agent/opa/v1/server"
	"github.com/open-policy-agent/opa/v1/storage/inmem"

	"github.com/sluicegate/sluice/runtime/policy"
)

// sink is where OPA's plugin logs to.
type sink struct{ events []logs.EventV1 }

func (*sink) Start(context.Context) error      { return nil }
func (*sink) Stop(context.Context)             {}
func (*sink) Reconfigure(context.Context, any) {}

func (s *sink) Log(_ context.Context, e logs.EventV1) error {
	s.events = append(s.events, e)
	return nil
}

// loggedByOPA gives what OPA's own plugin makes of an event under rules about the log; "" where it does not log it.
func loggedByOPA(t *testing.T, rules, event string) string {
	t.Helper()
	text := "package system.log\n\n" + rules
	module, err := ast.ParseModule("log.rego", text)
	if err != nil {
		t.Fatal(err)
	}
	files := loader.Result{Modules: map[string]*loader.RegoFile{"log.rego": {Name: "log.rego", Parsed: module, Raw: []byte(text)}}}
	m, err := plugins.New([]byte(`{}`), "test", inmem.New(), plugins.InitFiles(files))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Stop(t.Context())
	if err := m.Init(t.Context()); err != nil {
		t.Fatal(err)
	}
	out := &sink{}
	m.Register("sink", out)
	cfg, err := logs.ParseConfig([]byte(`{"plugin":"sink"}`), nil, []string{"sink"})
	if err != nil {
		t.Fatal(err)
	}
	var e struct {
		Path   string `json:"path"`
		Input  any    `json:"input"`
		Result any    `json:"result"`
	}
	if err := json.Unmarshal([]byte(event), &e); err != nil {
		t.Fatal(err)
	}
	info := &server.Info{DecisionID: "d1", Path: e.Path, Input: &e.Input, Results: &e.Result, Timestamp: time.Now()}
	if err := logs.New(cfg, m).Log(t.Context(), info); err != nil {
		t.Fatal(err)
	}
	if len(out.events) == 0 {
		return ""
	}
	return maskedParts(t, out.events[0])
}

// maskedParts is what masks can change of an event, and their lists.
func maskedParts(t *testing.T, event any) string {
	t.Helper()
	b, err := json.Marshal(event)
	if err != nil {
		t.Fatal(err)
	}
	var parts struct {
		Input  any      `json:"input"`
		Result any      `json:"result"`
		Erased []string `json:"erased"`
		Masked []string `json:"masked"`
	}
	if err := json.Unmarshal(b, &parts); err != nil {
		t.Fatal(err)
	}
	out, _ := json.Marshal(parts.Input)
	result, _ := json.Marshal(parts.Result)
	return fmt.Sprintf("%s %s erased %v masked %v", out, result, parts.Erased, parts.Masked)
}

// Masks and drops do what those of OPA's own plugin do, to events that it would log as well.
func TestMasksAreOPAs(t *testing.T) {
	if policy.RaceDetector {
		t.Skip("nothing concurrent is tried")
	}
	const event = `{"path":"sluice/decision","input":{"model":"m","principal":{"id":"key:ana","roles":["a","b","c"],"claims":{"n":1.5,"deep":{"er":{"x":true}}}},` +
		`"list":[[1,2],{"x":"<y>"},[{"z":1},{"z":2}]]},"result":{"allowed":true,"reasons":["r","s"]}}`
	f := func(rules string) {
		t.Helper()
		want, got := loggedByOPA(t, rules, event), ""
		if line := masking(t, rules).MaskEvent([]byte(event)); line != nil {
			got = maskedParts(t, json.RawMessage(line))
		}
		if got != want {
			t.Errorf("%s\nhere %s\nOPA  %s", rules, got, want)
		}
	}
	paths := []string{
		"/input", "/result", "/nd_builtin_cache", "/input/model", "/input/gone", "/input/gone/too", "/input/principal/id", "/input/principal/id/x",
		"/input/principal/roles", "/input/principal/roles/0", "/input/principal/roles/2", "/input/principal/roles/3", "/input/principal/roles/-1",
		"/input/principal/roles/x", "/input/principal/claims/deep/er/x", "/input/list/0", "/input/list/0/1", "/input/list/1/x", "/input/list/2/0/z",
		"/input/list/2/1", "/input/list/7/x", "/result/allowed", "/result/reasons/1", "/result/more", "/nd_builtin_cache/http.send",
	}
	for _, path := range paths {
		f(fmt.Sprintf("mask contains %q", path))
		f(fmt.Sprintf(`mask contains {"op": "remove", "path": %q}`, path))
		f(fmt.Sprintf(`mask contains {"op": "upsert", "path": %q, "value": "**"}`, path))
		f(fmt.Sprintf(`mask contains {"op": "upsert", "path": %q, "value": {"a": [1]}}`, path))
		f(fmt.Sprintf(`mask := [%q, {"op": "upsert", "path": "/input/new/a/b", "value": null}, "/input/principal/roles/0"]`, path))
	}
	f("mask contains \"/input/list/0/0\"\n\nmask contains \"/input/list/0\"\n\nmask contains \"/input/model\" if input.input.model == \"m\"")
	f(`mask contains "/input/model" if input.input.model == "other"`)
	f(`mask contains "/custom/x"`)
	f(`mask contains "input"`)
	f(`mask contains {"op": "delete", "path": "/input"}`)
	f(`mask contains {"path": "/input"}`)
	f(`mask contains 7`)
	f(`drop if input.path == "sluice/decision"`)
	f(`drop if input.path == "other"`)
	f("drop := false\n\nmask contains \"/input/list\"")
	f("drop := true if input.path\n\ndrop := false if input.input")
}
