package policy_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sluicegate/sluice/policies"
	"github.com/sluicegate/sluice/runtime/policy"
)

// lines writes an explanation's rules, one line each: fired or not, and what stopped it.
func lines(e *policy.Explanation) string {
	var b strings.Builder
	for _, r := range e.Rules {
		fmt.Fprintf(&b, "%s:%d %d/%d %s", r.File, r.Line, r.Fired, r.Asked, r.Head)
		for _, c := range r.Failed {
			fmt.Fprintf(&b, " | %d: %s x%d", c.Line, c.Text, c.Times)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func TestExplain(t *testing.T) {
	p := compile(t, `package sluice

default decision := {"allowed": false, "reasons": {"undecided"}}

decision := {"allowed": true} if count(denials) == 0

decision := {"allowed": false, "reasons": denials} if count(denials) > 0

denials contains "not_monday" if input.time.weekday != "Monday"

denials contains "role" if {
	input.model != ""
	not held
}

held if {
	some role in input.principal.roles
	role == "admin"
}
`, policy.Options{})
	x := exchangeOf("developer", "model-a")
	e, err := p.ExplainDecision(context.Background(), x, policy.Facts{})
	if err != nil {
		t.Fatal(err)
	}
	want := `p/main.rego:5 0/1 decision := {"allowed": true} | 5: count(denials) == 0 x1
p/main.rego:7 1/1 decision := {"allowed": false, "reasons": denials}
p/main.rego:9 0/1 denials contains "not_monday" | 9: input.time.weekday != "Monday" x1
p/main.rego:11 1/1 denials contains "role"
p/main.rego:16 0/1 held | 18: role == "admin" x1
`
	if got := lines(e); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := string(e.Result); got != `{"allowed":false,"reasons":["role"]}` {
		t.Errorf("result %s", got)
	}
	if got := string(e.Input); got != `{"model":"model-a","principal":{"roles":["developer"]},"time":{"weekday":"Monday"}}` {
		t.Errorf("input %s", got)
	}
	if a, err := p.ExplainAdmit(context.Background(), x, x.Start); a != nil || err != nil {
		t.Errorf("a policy without admit explains %v, %v", a, err)
	}
}

// What is explained is what is decided, and neither goes through the memo nor fills it.
func TestExplainAgrees(t *testing.T) {
	s, err := policy.ReadFS(policies.FS, "policies")
	if err != nil {
		t.Fatal(err)
	}
	p, err := policy.Compile(context.Background(), s, policy.Options{Models: threeModels, Timeout: slow})
	if err != nil {
		t.Fatal(err)
	}
	facts := policy.Facts{Models: threeFacts()}
	f := func(role, model string) {
		t.Helper()
		x := exchangeOf(role, model)
		e, err := p.ExplainDecision(context.Background(), x, facts)
		if err != nil {
			t.Fatal(err)
		}
		for _, entry := range p.Entries() {
			if entry.Rule == "decision" && entry.Hits+entry.Misses > 0 {
				t.Errorf("%s/%s: the memo was asked", role, model)
			}
		}
		var got struct {
			Allowed bool
			Models  []string
			Reasons []string
		}
		if err := json.Unmarshal(e.Result, &got); err != nil {
			t.Fatal(err)
		}
		q, err := policy.Compile(context.Background(), s, policy.Options{Models: threeModels, Timeout: slow})
		if err != nil {
			t.Fatal(err)
		}
		d, err := q.Decide(context.Background(), x, facts)
		if err != nil || d.Allowed != got.Allowed || strings.Join(d.Models, " ") != strings.Join(got.Models, " ") || strings.Join(d.Reasons, " ") != strings.Join(got.Reasons, " ") {
			t.Errorf("%s/%s: decided %+v, %v; explained %s", role, model, d, err, e.Result)
		}
	}
	f("developer", "model-a")
	f("developer", "model-restricted")
	f("stranger", "")
	f("admin", "")
}

func TestExplainFailures(t *testing.T) {
	f := func(module, want string, rules int) {
		t.Helper()
		p := compile(t, module, policy.Options{})
		e, err := p.ExplainDecision(context.Background(), exchangeOf("a", "m"), policy.Facts{Now: time.Now()})
		if err == nil || !strings.Contains(err.Error(), want) || e == nil || len(e.Rules) != rules || e.Result != nil {
			t.Errorf("%v, %+v; want %s and %d rules", err, e, want, rules)
		}
	}
	f("package sluice\n\ndecision := {\"allowed\": input.params.missing}", "undefined", 1)
	f("package sluice\n\ndecision := {\"allowed\": to_number(input.model) > 1}", "to_number failed", 1)
	f("package sluice\n\ndecision := {\"allowed\": true} if input.model\n\ndecision := {\"allowed\": false} if input.principal.roles\n\ndefault decision := {\"allowed\": false}", "two rules give different values", 2)
}
