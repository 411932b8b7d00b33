package policy_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/sluicegate/sluice/runtime/exchange"
	"github.com/sluicegate/sluice/runtime/policy"
	"github.com/sluicegate/sluice/runtime/wire"
)

// directory is a server that policies may ask, and how often it was asked.
func directory(t *testing.T, answer http.HandlerFunc) (url string, asked *atomic.Int64) {
	t.Helper()
	asked = &atomic.Int64{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		answer(w, r)
	}))
	t.Cleanup(s.Close)
	return s.URL, asked
}

func says(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, text)
	}
}

// sending is a policy that asks a server.
func sending(url string) string {
	return fmt.Sprintf("package sluice\n\ndecision := {\"allowed\": http.send({\"method\": \"get\", \"url\": %q}).body.ok}\n", url)
}

var sendGrants = policy.Options{Grants: []string{"http.send"}, Hosts: []string{"127.0.0.1"}, Timeout: slow, KeepCalls: true}

func decide(t *testing.T, p *policy.Policy) (exchange.Decision, error) {
	t.Helper()
	return p.Decide(context.Background(), exchangeOf("developer", "model-a"), policy.Facts{})
}

// Granted, a call goes out for each decision: it is not remembered, and what it gave stands in the log.
func TestGrantedSend(t *testing.T) {
	url, asked := directory(t, says(`{"ok": true}`))
	p := compile(t, sending(url), sendGrants)
	for range 2 {
		if d, err := decide(t, p); err != nil || !d.Allowed {
			t.Fatalf("%+v, %v", d, err)
		}
	}
	e := p.Entries()[0]
	if asked.Load() != 2 || len(e.NotMemoised) != 1 || e.NotMemoised[0] != "p/main.rego:3:25: http.send may give another value for the same operands" {
		t.Errorf("asked %d times; %v", asked.Load(), e.NotMemoised)
	}
	x := exchangeOf("developer", "model-a")
	line := logged(t, p, x, policy.Facts{})
	var event struct {
		Calls map[string]map[string]struct {
			Status int `json:"status_code"`
		} `json:"nd_builtin_cache"`
	}
	if err := json.Unmarshal(line, &event); err != nil || len(event.Calls["http.send"]) != 1 {
		t.Fatalf("%v: %s", err, line)
	}
	for operands, answer := range event.Calls["http.send"] {
		if want := fmt.Sprintf(`[{"method":"get","url":%q}]`, url); operands != want || answer.Status != 200 {
			t.Errorf("%s: %+v", operands, answer)
		}
	}
	o := sendGrants
	o.KeepCalls = false
	if line := logged(t, compile(t, sending(url), o), x, policy.Facts{}); strings.Contains(string(line), "nd_builtin_cache") {
		t.Errorf("%s", line)
	}
}

// What the clock or chance gave is in the log as well.
func TestCallsOfTheClock(t *testing.T) {
	p := compile(t, "package sluice\n\ndecision := {\"allowed\": time.now_ns() > 5}\n", policy.Options{KeepCalls: true, Timeout: slow})
	if line := logged(t, p, exchangeOf("developer", "model-a"), policy.Facts{}); !strings.Contains(string(line), `"nd_builtin_cache":{"time.now_ns":{"[]":`) {
		t.Errorf("%s", line)
	}
}

// Whatever http.send is not to reach fails the decision, without a word of it to the caller.
func TestSendIsBounded(t *testing.T) {
	ok, _ := directory(t, says(`{"ok": true}`))
	f := func(module, cause string) {
		t.Helper()
		d, err := decide(t, compile(t, module, sendGrants))
		var e *exchange.Error
		if !errors.As(err, &e) || e.Fault.Code != wire.PolicyFailed || d.Allowed || !strings.Contains(e.Cause.Error(), cause) {
			t.Errorf("%s\ngot %+v, %v", module, d, err)
		}
	}
	const failed = "eval_builtin_error: http.send failed on its operands"
	f(sending(strings.Replace(ok, "127.0.0.1", "localhost", 1)), failed) // another host
	f(strings.Replace(sending(ok), `"method"`, `"tls_insecure_skip_verify": true, "method"`, 1), failed)
	f(strings.Replace(sending(ok), `"method"`, `"headers": {"Host": "other.example.com"}, "method"`, 1), failed)

	socket := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	local := &httptest.Server{Listener: l, Config: &http.Server{Handler: says(`{"ok": true}`), ReadHeaderTimeout: time.Second}}
	local.Start()
	defer local.Close()
	f(sending("unix://127.0.0.1/x?socket="+socket), failed)

	elsewhere, _ := directory(t, http.RedirectHandler(strings.Replace(ok, "127.0.0.1", "localhost", 1), http.StatusFound).ServeHTTP)
	f(strings.Replace(sending(elsewhere), `"method"`, `"enable_redirect": true, "method"`, 1), failed)

	large, _ := directory(t, says(`{"ok": true, "x": "`+strings.Repeat("x", 2<<20)+`"}`))
	f(sending(large), failed)
}

// An answer that does not come does not hold the decision up beyond its time.
func TestSendKeepsToTheTime(t *testing.T) {
	release := make(chan struct{})
	url, _ := directory(t, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})
	defer close(release)
	o := sendGrants
	o.Timeout = 200 * time.Millisecond
	_, err := decide(t, compile(t, sending(url), o))
	var e *exchange.Error
	if !errors.As(err, &e) || e.Fault.Code != wire.PolicyFailed || !strings.Contains(e.Cause.Error(), "decision: not decided within 200ms") {
		t.Errorf("got %v", err)
	}
}

// opa.runtime tells nothing of the process, and what computes alone can be remembered.
func TestOtherGrants(t *testing.T) {
	t.Setenv("SLUICE_TEST_SECRET", "s3cret")
	p := compile(t, "package sluice\n\ndecision := {\"allowed\": true, \"annotations\": {\"r\": json.marshal(opa.runtime())}}\n", policy.Options{Grants: []string{"opa.runtime"}, Timeout: slow})
	if d, err := decide(t, p); err != nil || !strings.HasPrefix(d.Annotations["r"], `{"version":"1.`) || strings.Contains(d.Annotations["r"], "s3cret") {
		t.Errorf("%+v, %v", d, err)
	}
	p = compile(t, "package sluice\n\ndecision := {\"allowed\": net.cidr_contains(\"192.0.2.0/24\", input.client.ip)}\n", policy.Options{Grants: []string{"net.cidr_contains"}, Timeout: slow})
	if d, err := decide(t, p); err != nil || !d.Allowed || p.Entries()[0].NotMemoised != nil {
		t.Errorf("%+v, %v, %v", d, err, p.Entries()[0].NotMemoised)
	}
	p = compile(t, "package sluice\n\ndecision := {\"allowed\": net.lookup_ip_addr(\"localhost\") != set()}\n", policy.Options{Grants: []string{"net.lookup_ip_addr"}, Hosts: []string{"example.com"}, Timeout: slow})
	if d, err := decide(t, p); err == nil || d.Allowed {
		t.Errorf("a host that is not among those: %+v", d)
	}
}

func TestGrantFaults(t *testing.T) {
	f := func(o policy.Options, want string) {
		t.Helper()
		if lines := faultsOf(t, map[string]string{"main.rego": good}, o); len(lines) != 1 || !strings.HasPrefix(lines[0], want) {
			t.Errorf("got %v, want %s", lines, want)
		}
	}
	f(policy.Options{Grants: []string{"http.sent"}}, `http.sent can't be granted (did you mean "http.send"?); what can is http.send, net.cidr_contains,`)
	f(policy.Options{Grants: []string{"print"}}, `print can't be granted`)
	f(policy.Options{Grants: []string{"http.send"}}, "http.send and net.lookup_ip_addr reach no host; name those that they may reach")
	for _, name := range policy.Grantable {
		if ast.BuiltinMap[name] == nil {
			t.Errorf("there is no %s", name)
		}
	}
}

// A policy's own tests never call out: they replace what does, or fail.
func TestOwnTestsDoNotCallOut(t *testing.T) {
	url, asked := directory(t, says(`{"ok": true}`))
	s := sourceOf(t, map[string]string{
		"main.rego": sending(url),
		"main_test.rego": "package sluice_test\n\nimport data.sluice\n\nmock(_) := {\"body\": {\"ok\": true}}\n\n" +
			"test_replaced if sluice.decision.allowed with http.send as mock\n\ntest_for_real if sluice.decision.allowed\n",
	})
	r, err := s.Test(t.Context(), sendGrants)
	if err != nil || r.Passed != 1 || r.Failed != 1 || asked.Load() != 0 {
		t.Errorf("%+v, %v; %d calls", r, err, asked.Load())
	}
}

// A replay, recorded inputs and an explanation have what the calls gave then, and make none.
func TestRecordedCalls(t *testing.T) {
	url, asked := directory(t, says(`{"ok": true}`))
	line := logged(t, compile(t, sending(url), sendGrants), exchangeOf("developer", "model-a"), policy.Facts{})
	bare := strings.Replace(string(line), "nd_builtin_cache", "something_else", 1)
	if asked.Load() != 1 || bare == string(line) {
		t.Fatalf("asked %d times: %s", asked.Load(), line)
	}
	o := sendGrants
	o.Recorded = true
	soft := strings.Replace(sending(url), `"method"`, `"raise_error": false, "method"`, 1)
	for module, want := range map[string]string{
		sending(url): "2 events, 1 replayed, 1 same, map[calls:1]",
		soft:         "2 events, 0 replayed, 0 same, map[calls:2]", // other operands; it would get an error for an answer
	} {
		r := policy.NewReplay(compile(t, module, o))
		for _, l := range []string{string(line), bare} {
			if err := r.Event(t.Context(), []byte(l)); err != nil {
				t.Fatal(err)
			}
		}
		got := r.Report()
		if s := fmt.Sprintf("%d events, %d replayed, %d same, %v", got.Events, got.Replayed, got.Same, got.Skipped); s != want {
			t.Errorf("got %s, want %s", s, want)
		}
	}
	p := compile(t, sending(url), sendGrants)
	report, fault := tried(t, p, map[string]string{"r.jsonl": string(line) + bare})
	if fault != "" || report.Asked != 1 || report.Skipped[policy.SkipCalls] != 1 {
		t.Errorf("%+v %s", report, fault)
	}
	_, _, e, err := p.ExplainEvent(t.Context(), line)
	if err != nil || string(e.Result) != `{"allowed":true}` {
		t.Errorf("%+v, %v", e, err)
	}
	if asked.Load() != 1 {
		t.Errorf("%d calls were made of records", asked.Load()-1)
	}
}
