package control_test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/sluicegate/sluice/runtime/control"
	"github.com/sluicegate/sluice/runtime/internal/gateway"
	"github.com/sluicegate/sluice/runtime/policy"
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

// promoting is a configuration with a candidate and a folder to keep what was promoted.
var promoting = beside + "deploy: {path: filters.d}\n"

func promotingFiles(t *testing.T) map[string]string {
	t.Helper()
	all := withNext(t, deny)
	all["filters.d/README"] = ""
	return all
}

// answers asks and expects a status.
func answers(t *testing.T, g *gateway.Gateway, want int) {
	t.Helper()
	if r := g.Post("red", "/inference", `{"model_name":"model-a","inputs":"hi"}`); r.Status != want {
		t.Errorf("%d %s, want %d", r.Status, r.Body, want)
	}
}

// The candidate becomes the policy, over restarts, until the configuration changes; and goes again.
func TestPromotePolicy(t *testing.T) {
	g := gateway.StartWith(t, promoting, promotingFiles(t))
	first := g.Control.Policy()
	st, err := g.Control.PromotePolicy(t.Context())
	if err != nil || !st.Pinned || st.From != "next" || st.Previous != first.Revision || st.Shadow != nil {
		t.Fatalf("%+v %v", st, err)
	}
	answers(t, g, http.StatusForbidden)
	if _, err := g.Control.PromotePolicy(t.Context()); !errors.Is(err, control.ErrNoCandidatePolicy) {
		t.Errorf("once more: %v", err)
	}
	if err := g.Control.Reload(t.Context(), "test"); err != nil || g.Control.Policy().Revision != st.Revision {
		t.Errorf("after a reload: %+v %v", g.Control.Policy(), err)
	}
	if now := restarted(t, g); now.Revision != st.Revision || !now.Pinned || now.Previous != first.Revision {
		t.Errorf("after a restart: %+v", now)
	}

	st, err = g.Control.RollbackPolicy(t.Context())
	if err != nil || st.Pinned || st.Revision != first.Revision || st.Shadow == nil {
		t.Fatalf("back: %+v %v", st, err)
	}
	answers(t, g, http.StatusOK)
	if _, err := g.Control.RollbackPolicy(t.Context()); !errors.Is(err, control.ErrNoPreviousPolicy) {
		t.Errorf("back once more: %v", err)
	}
	if now := restarted(t, g); now.Revision != first.Revision || now.Pinned {
		t.Errorf("after another restart: %+v", now)
	}

	if _, err := g.Control.PromotePolicy(t.Context()); err != nil {
		t.Fatal(err)
	}
	g.Write("policies/main.rego", strings.Replace(allow, "true", "true, \"debug\": true", 1))
	if err := g.Control.Reload(t.Context(), "test"); err != nil || g.Control.Policy().Pinned {
		t.Errorf("the configuration's own does not win: %+v %v", g.Control.Policy(), err)
	}
	answers(t, g, http.StatusOK)
	if st, err = g.Control.RollbackPolicy(t.Context()); err != nil || !st.Pinned {
		t.Errorf("back to what was promoted: %+v %v", st, err)
	}
	answers(t, g, http.StatusForbidden)
}

// restarted opens the configuration once more, as a new process would.
func restarted(t *testing.T, g *gateway.Gateway) control.PolicyStatus {
	t.Helper()
	var log strings.Builder
	c, err := control.Open(t.Context(), options(g.Dir, &log))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := c.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	return c.Policy()
}

// A candidate can be sent to a running gateway; one that does not pass the gate changes nothing.
func TestSendCandidate(t *testing.T) {
	g := gateway.StartWith(t, strings.Replace(promoting, ", shadow: {path: next, sample: 100}", "", 1), promotingFiles(t))
	send := func(text string) (control.PolicyStatus, error) {
		t.Helper()
		src, err := policy.ReadFS(fstest.MapFS{"main.rego": {Data: []byte(text)}}, "sent")
		if err != nil {
			t.Fatal(err)
		}
		archive, err := src.Archive()
		if err != nil {
			t.Fatal(err)
		}
		k, err := control.NewCandidate(archive, "sent", 100)
		if err != nil {
			t.Fatal(err)
		}
		return g.Control.ShadowPolicy(t.Context(), k)
	}
	if _, err := g.Control.StopShadow(t.Context()); !errors.Is(err, control.ErrNoCandidatePolicy) {
		t.Errorf("stopped nothing: %v", err)
	}
	if st, err := send(deny); err != nil || st.Shadow == nil || st.Shadow.Path != "sent" {
		t.Fatalf("%+v %v", st, err)
	}
	var refused *control.DeployError
	if _, err := send("package sluice\n\ndecision := {\"alowed\": true}\n"); !errors.As(err, &refused) || !strings.Contains(err.Error(), "sent/main.rego:3:1") {
		t.Errorf("%v", err)
	}
	if err := g.Control.Reload(t.Context(), "test"); err != nil {
		t.Fatal(err)
	}
	serves(t, g, "one")
	shadowed(t, g, 1)
	if now := restarted(t, g); now.Shadow == nil || now.Shadow.Path != "sent" || !now.Shadow.Kept || now.Shadow.Sample != 100 || now.Pinned {
		t.Errorf("after a restart: %+v", now)
	}
	if st, err := g.Control.StopShadow(t.Context()); err != nil || st.Shadow != nil {
		t.Errorf("%+v %v", st, err)
	}
	if _, err := send(deny); err != nil {
		t.Fatal(err)
	}
	if st, err := g.Control.PromotePolicy(t.Context()); err != nil || st.Shadow != nil || st.From != "sent" {
		t.Errorf("%+v %v", st, err)
	}
	if now := restarted(t, g); now.From != "sent" || !now.Pinned {
		t.Errorf("after a restart: %+v", now)
	}
}

// A candidate that was sent is dropped with a word where it can't be read after a restart, and where nothing is kept it says so.
func TestSentCandidateIsGone(t *testing.T) {
	candidate := func() control.Candidate {
		src, err := policy.ReadFS(fstest.MapFS{"main.rego": {Data: []byte(deny)}}, "sent")
		if err != nil {
			t.Fatal(err)
		}
		return control.Candidate{Source: src, From: "sent", Sample: 100}
	}
	alone := strings.Replace(promoting, ", shadow: {path: next, sample: 100}", "", 1)
	g := gateway.StartWith(t, alone, promotingFiles(t))
	if st, err := g.Control.ShadowPolicy(t.Context(), candidate()); err != nil || !st.Shadow.Kept {
		t.Fatalf("%+v %v", st, err)
	}
	if err := os.RemoveAll(filepath.Join(g.Dir, "filters.d", ".policies")); err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	c, err := control.Open(t.Context(), options(g.Dir, &log))
	if err != nil {
		t.Fatal(err)
	}
	if st := c.Policy(); st.Shadow != nil || !strings.Contains(log.String(), "the candidate beside the policy is dropped; send it again") {
		t.Errorf("%+v\n%s", st, log.String())
	}
	if err := c.Close(t.Context()); err != nil {
		t.Error(err)
	}
	g = gateway.StartWith(t, strings.Replace(alone, "deploy: {path: filters.d}\n", "", 1), promotingFiles(t))
	if st, err := g.Control.ShadowPolicy(t.Context(), candidate()); err != nil || st.Shadow.Kept {
		t.Errorf("%+v %v", st, err)
	}
}

// What was promoted is not replaced silently where it cannot be read.
func TestPromotedPolicyIsGone(t *testing.T) {
	g := gateway.StartWith(t, promoting, promotingFiles(t))
	if _, err := g.Control.PromotePolicy(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(g.Dir, "filters.d", ".policies")); err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	if _, err := control.Open(t.Context(), options(g.Dir, &log)); err == nil || !strings.Contains(err.Error(), "which came by hand, cannot be read") {
		t.Errorf("%v", err)
	}
}

func TestPromoteNeedsAFolder(t *testing.T) {
	g := gateway.StartWith(t, beside, withNext(t, deny))
	if _, err := g.Control.PromotePolicy(t.Context()); !errors.Is(err, control.ErrNoDeployPath) {
		t.Errorf("%v", err)
	}
	answers(t, g, http.StatusOK)
}
