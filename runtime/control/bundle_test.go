package control_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sluicegate/sluice/runtime/internal/bundles"
	"github.com/sluicegate/sluice/runtime/internal/gateway"
)

// bundleConfig is a gateway whose policy is the bundle gateway of a server.
func bundleConfig(url, more, bundle string) string {
	return gateway.Callers + fmt.Sprintf(`
models: [{name: model-a, endpoints: [{name: one, provider: demo}]}]
policy: {bundle: gateway, timeout: 5s}
audit: {path: audit.jsonl}
opa:
  services: {acme: {url: %q, response_header_timeout_seconds: 5}}
  bundles:
    gateway: {resource: bundles/gateway.tar.gz, polling: {min_delay_seconds: 1, max_delay_seconds: 1}%s}
%s`, url, bundle, more)
}

// rules is a small policy with a test, that denies with a reason or allows.
func rules(allowed bool, reason string) map[string]string {
	return map[string]string{
		"main.rego":      fmt.Sprintf("package sluice\n\ndecision := {\"allowed\": %v, \"reasons\": {%q}, \"models\": [\"model-a\"]}\n", allowed, reason),
		"main_test.rego": fmt.Sprintf("package sluice_test\n\ntest_it if data.sluice.decision.allowed == %v\n", allowed),
	}
}

const question = `{"model_name":"model-a","inputs":"hello"}`

// wait waits for something to become true.
func wait(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within a minute: %s", what)
		}
	}
}

// A bundle is fetched at the start, checked, and swapped for another; one that is at fault is not taken.
func TestBundle(t *testing.T) {
	t.Parallel()
	s := bundles.Serve(t)
	s.Put(bundles.Bundle{Files: rules(true, "first"), Revision: "r1"}.Archive(t))
	g := gateway.Start(t, bundleConfig(s.URL, "", ""))
	if st := g.Control.Status(); !st.Ready() || st.Policy != "r1" || st.Bundles[0].Fault != "" {
		t.Fatalf("%+v %+v\n%s", st, st.Bundles, g.Log)
	}
	if r := g.Post("red", "/inference", question); r.Status != 200 {
		t.Fatal(r)
	}
	s.Put(bundles.Bundle{Files: rules(false, "second"), Revision: "r2"}.Archive(t))
	wait(t, "the second bundle", func() bool { return g.Control.Status().Policy == "r2" })
	if r := g.Post("red", "/inference", question); r.Status != 403 || !strings.Contains(r.Body, "second") {
		t.Fatal(r)
	}
	bad := rules(true, "third")
	bad["main_test.rego"] = "package sluice_test\n\ntest_it if false\n"
	s.Put(bundles.Bundle{Files: bad, Revision: "r3"}.Archive(t))
	wait(t, "the fault", func() bool { return g.Control.Status().Bundles[0].Fault != "" })
	if st := g.Control.Status(); !st.Ready() || st.Policy != "r2" || st.Bundles[0].Stage != "tests" {
		t.Fatalf("%+v %+v", st, st.Bundles)
	}
	if r := g.Post("red", "/inference", question); r.Status != 403 {
		t.Fatal(r)
	}
}
