package control_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/sluicegate/sluice/runtime/control"
	"github.com/sluicegate/sluice/runtime/internal/gateway"
)

// beside is smallest with a candidate that is asked about every decision. The time is for a busy machine.
var beside = strings.Replace(smallest, "{path: policies}", "{path: policies, timeout: 5s, shadow: {path: next, sample: 100}}", 1)

const deny = `package sluice

decision := {"allowed": false, "reasons": ["closed"]}
`

func withNext(t *testing.T, text string) map[string]string {
	t.Helper()
	all := files(t)
	all["next/main.rego"] = text
	return all
}

// shadowed waits until the candidate was asked n times.
func shadowed(t *testing.T, g *gateway.Gateway, n int) (st control.ShadowStatus) {
	t.Helper()
	until(t, fmt.Sprint(n, " decisions of the candidate"), func() bool {
		st, _ = g.Control.Shadow()
		return st.Asked == n
	})
	return st
}

// The candidate is asked and decides nothing; what it would do otherwise is counted, logged and in the metrics.
func TestShadow(t *testing.T) {
	g := gateway.StartWith(t, beside, withNext(t, deny))
	for i := range 3 {
		serves(t, g, fmt.Sprint("question ", i))
	}
	st := shadowed(t, g, 3)
	c := st.Changes["newly_denied"]
	if st.Path != "next" || st.Same != 0 || c == nil || c.Count != 3 || c.ByTenant["red"] != 3 || c.ByReason["closed"] != 3 || len(c.Examples) != 3 {
		t.Errorf("%+v %+v", st, c)
	}
	for series, want := range map[string]string{
		`sluice_policy_shadow_decisions_total{result="changed"}`:     "3",
		`sluice_policy_shadow_decisions_total{result="same"}`:        "0",
		`sluice_policy_shadow_changes_total{kind="newly_denied"}`:    "3",
		`sluice_policy_shadow_changes_total{kind="other_fallbacks"}`: "0",
	} {
		if got := metric(t, g.Control, series); got != want {
			t.Errorf("%s is %q, want %q", series, got, want)
		}
	}
	if log := g.Log.String(); !strings.Contains(log, "the shadow policy decides otherwise") || !strings.Contains(log, c.Examples[0].ID) {
		t.Errorf("the log has no difference:\n%s", log)
	}
}

// What was found stays over reloads that change neither policy, and begins anew when one changes.
func TestShadowOverReloads(t *testing.T) {
	g := gateway.StartWith(t, beside, withNext(t, deny))
	reload := func() {
		t.Helper()
		if err := g.Control.Reload(t.Context(), "test"); err != nil {
			t.Fatal(err)
		}
	}
	serves(t, g, "one")
	first := shadowed(t, g, 1)
	g.Write("sluice.yaml", beside+"limits: {depth: 64}\n")
	reload()
	serves(t, g, "two")
	if st := shadowed(t, g, 2); !st.Since.Equal(first.Since) {
		t.Error("the candidate began anew with another limit")
	}
	g.Write("next/main.rego", strings.Replace(deny, "closed", "shut", 1))
	reload()
	if st, ok := g.Control.Shadow(); !ok || st.Asked != 0 || st.Revision == first.Revision {
		t.Errorf("another candidate: %v %+v", ok, st)
	}
	g.Write("next/main.rego", allow)
	reload()
	if st, ok := g.Control.Shadow(); ok {
		t.Errorf("what is live is a candidate: %+v", st)
	}
	if r := g.Post("red", "/inference", `{"model_name":"model-a","inputs":"three"}`); r.Status != http.StatusOK {
		t.Errorf("%d %s", r.Status, r.Body)
	}
}

// A candidate goes through the gate, too.
func TestShadowAtTheGate(t *testing.T) {
	g := gateway.StartWith(t, beside, withNext(t, deny))
	f := func(text, want string) {
		t.Helper()
		g.Write("next/main.rego", text)
		err := g.Control.Reload(t.Context(), "test")
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
		if _, ok := g.Control.Shadow(); !ok {
			t.Error("the last good candidate is gone")
		}
	}
	f("package sluice\n\ndecision := {\"allowed\": input.principl}\n", "/next/main.rego:3:")
	f("package sluice\n", "/next: policy: there is no rule decision")
	f(deny+"\ntest_open if decision.allowed\n", "test_open")
}
