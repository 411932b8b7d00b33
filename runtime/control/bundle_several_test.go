package control_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/bundle"

	"github.com/sluicegate/sluice/runtime/internal/bundles"
	"github.com/sluicegate/sluice/runtime/internal/gateway"
)

// twoBundles is a gateway whose policy is a bundle of rules and one of data, each with a server.
func twoBundles(rules, tenants *bundles.Server, more string) string {
	return gateway.Callers + fmt.Sprintf(`
models: [{name: model-a, endpoints: [{name: one, provider: demo}]}]
policy: {bundle: [rules, tenants], timeout: 5s, decisions: {path: decisions.jsonl}}
audit: {path: audit.jsonl}
opa:
  services: {one: {url: %q}, two: {url: %q}}
  bundles:
    rules: {service: one, polling: {min_delay_seconds: 1, max_delay_seconds: 1}%s}
    tenants: {service: two, polling: {min_delay_seconds: 1, max_delay_seconds: 1}%s}
`, rules.URL, tenants.URL, more, more)
}

// tenantRules lets those in whose tenant is listed under a name of the data, and has a test that says so of red.
func tenantRules(list, revision string) bundles.Bundle {
	return bundles.Bundle{Revision: revision, Roots: []string{"sluice", "sluice_test"}, Files: map[string]string{
		"main.rego":      "package sluice\n\ndefault decision := {\"allowed\": false}\n\ndecision := {\"allowed\": true, \"models\": [\"model-a\"]} if input.principal.tenant in data.tenants." + list + "\n",
		"main_test.rego": "package sluice_test\n\ntest_red if data.sluice.decision.allowed with input as {\"principal\": {\"tenant\": \"red\"}}\n",
	}}
}

func tenantData(list, revision, tenants string) bundles.Bundle {
	return bundles.Bundle{Revision: revision, Roots: []string{"tenants"}, Files: map[string]string{
		"tenants/data.json": fmt.Sprintf(`{%q: [%s], "big": 12345678901234567890}`, list, tenants),
	}}
}

// Several bundles are one policy: it waits for all of them, takes up those that belong together although they come one
// after the other, and says of each what is wrong with it.
func TestSeveralBundles(t *testing.T) {
	t.Parallel()
	one, two := bundles.Serve(t), bundles.Serve(t)
	one.Put(tenantRules("all", "r1").Archive(t))
	g := gateway.Start(t, twoBundles(one, two, ""))
	if st := g.Control.Status(); st.Ready() || st.Bundles[0].Stage != "wait" || !strings.Contains(st.Bundles[0].Fault, "tenants has not come yet") || st.Bundles[1].Stage != "download" {
		t.Fatalf("%+v\n%s", st, g.Log)
	}
	f := func(what, policy, rules, tenants string, ask int) {
		t.Helper()
		wait(t, what, func() bool {
			st := g.Control.Status()
			return st.Policy == policy && strings.Contains(st.Bundles[0].Fault, rules) && strings.Contains(st.Bundles[1].Fault, tenants) &&
				(rules == "") == (st.Bundles[0].Fault == "") && (tenants == "") == (st.Bundles[1].Fault == "")
		})
		if r := g.Post("red", "/inference", question); r.Status != ask {
			t.Error(what, r)
		}
	}
	two.Put(tenantData("all", "t1", `"red"`).Archive(t))
	f("both", "rules=r1 tenants=t1", "", "", 200)
	one.Put(tenantRules("known", "r2").Archive(t))
	f("rules before their data", "rules=r1 tenants=t1", "main_test.rego", "", 200)
	two.Put(tenantData("known", "t2", `"red"`).Archive(t))
	f("both anew", "rules=r2 tenants=t2", "", "", 200)
	two.Put(tenantData("known", "t3", `"blue"`).Archive(t))
	f("data that the rules' test fails with", "rules=r2 tenants=t2", "", "main_test.rego", 200)
	one.Put(bundles.Bundle{Revision: "r3", Files: rules(true, "x")}.Archive(t))
	f("roots that overlap", "rules=r2 tenants=t2", "the bundles rules and tenants both own data.tenants", "main_test.rego", 200)
	one.Put(tenantRules("known", "r2").Archive(t))
	outside := tenantData("known", "t4", `"red"`)
	outside.Files["data.json"] = `{"sluice": {"allow": true}}`
	outside.Roots = []string{"tenants"}
	two.Put(outside.Archive(t))
	f("data outside of the roots", "rules=r2 tenants=t2", "", "data.sluice is outside of the roots in .manifest", 200)
	two.Stop()
	f("a server down", "rules=r2 tenants=t2", "", "cannot be reached", 200)

	var event struct {
		Bundles map[string]struct{ Revision string }
	}
	wait(t, "the decision log", func() bool {
		text, err := os.ReadFile(filepath.Join(g.Dir, "decisions.jsonl"))
		lines := strings.Split(strings.TrimSpace(string(text)), "\n")
		return err == nil && strings.Contains(lines[len(lines)-1], "t2") && json.Unmarshal([]byte(lines[len(lines)-1]), &event) == nil
	})
	if event.Bundles["rules"].Revision != "r2" || event.Bundles["tenants"].Revision != "t2" {
		t.Errorf("%+v", event)
	}
	var figures strings.Builder
	if err := g.Control.Metrics().WriteText(&figures); err != nil || !strings.Contains(figures.String(), `sluice_bundle_failures_total{bundle="tenants",stage="download"}`) {
		t.Error(err, figures.String())
	}
}

// Bundles that are kept serve a start without their servers, although neither passes without the other.
func TestSeveralBundlesAreKept(t *testing.T) {
	t.Parallel()
	one, two, dir := bundles.Serve(t), bundles.Serve(t), t.TempDir()
	one.Put(tenantRules("all", "r1").Archive(t))
	two.Put(tenantData("all", "t1", `"red"`).Archive(t))
	config := twoBundles(one, two, ", persist: true") + fmt.Sprintf("  persistence_directory: %q\n", dir)
	t.Run("with servers", func(t *testing.T) {
		gateway.Start(t, config)
		for _, name := range []string{"rules", "tenants"} {
			kept := filepath.Join(dir, "bundles", name, "bundle.tar.gz")
			wait(t, kept, func() bool { _, err := os.Stat(kept); return err == nil })
		}
	})
	one.Stop()
	two.Stop()
	g := gateway.Start(t, config)
	wait(t, "what was kept", func() bool { return g.Control.Status().Policy == "rules=r1 tenants=t1" })
	if r := g.Post("red", "/inference", question); r.Status != 200 {
		t.Error(r)
	}
}

// A delta changes the data of the bundle before; the whole is judged. Where it cannot be applied or is refused, a whole
// bundle is asked for.
func TestDeltas(t *testing.T) {
	t.Parallel()
	one, two := bundles.Serve(t), bundles.Serve(t)
	one.Put(tenantRules("all", "r1").Archive(t))
	two.Put(tenantData("all", "t1", `"red"`).Archive(t))
	g := gateway.Start(t, twoBundles(one, two, ""))
	wait(t, "both", func() bool { return g.Control.Status().Policy == "rules=r1 tenants=t1" })
	wait(t, "an ETag", func() bool { _, h := two.Asked(); return h.Get("If-None-Match") != "" })
	f := func(revision, path string, value any, want string) {
		t.Helper()
		delta := bundles.Bundle{Revision: revision, Roots: []string{"tenants"}, Delta: []bundle.PatchOperation{{Op: "upsert", Path: path, Value: value}}}
		two.PutDelta(delta.Archive(t), tenantData("all", "whole-"+revision, `"red"`).Archive(t))
		wait(t, want, func() bool { return g.Control.Status().Policy == "rules=r1 tenants="+want })
		if r := g.Post("red", "/inference", question); r.Status != 200 {
			t.Error(r)
		}
	}
	blue := func(want int) {
		t.Helper()
		if r := g.Post("blue", "/inference", question); r.Status != want {
			t.Error(r)
		}
	}
	blue(403)
	f("t2", "/tenants/all/-", "blue", "t2")
	blue(200)
	f("t3", "/tenants/all/-", "green", "t3") // upon the delta before
	blue(200)
	f("t4", "/tenants/all/9", "green", "whole-t4")         // there are but three
	f("t5", "/tenants/all", []string{"green"}, "whole-t5") // a test fails
	f("t6", "/sluice/all", []string{"green"}, "whole-t6")  // outside of the roots
	f("t61", "/", 1, "whole-t61")                          // OPA's code panics
	f("t7", "/tenants/more", map[string]any{"a": 1}, "t7") // and on
	if st := g.Control.Status(); st.Bundles[1].Fault != "" {
		t.Error(st.Bundles[1].Fault)
	}
}
