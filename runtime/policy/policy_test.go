package policy_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sluicegate/sluice/policies"
	"github.com/sluicegate/sluice/runtime/exchange"
	"github.com/sluicegate/sluice/runtime/policy"
	"github.com/sluicegate/sluice/runtime/wire"
)

// slow keeps a loaded machine from turning a test into a timeout.
const slow = 30 * time.Second

func TestDecisionIsReadWhole(t *testing.T) {
	p := compile(t, `package sluice
decision := {
	"allowed": true, "reasons": {"b", "a"}, "message": "fine", "http_status": 451, "models": ["model-b", "model-a"],
	"endpoints": {"labels": {"region": "eu"}}, "cache": {"mode": "read", "scope": "tenant", "ttl_seconds": 60},
	"allow": {"web_search", "file_id:f:1", "mcp"},
	"restore": {"tools": ["send_mail"]}, "headers": {"x-note": "1"}, "annotations": {"class": "public"}, "debug": true,
}`, policy.Options{Models: threeModels, Timeout: slow})
	d, err := p.Decide(context.Background(), exchangeOf("developer", "model-a"), policy.Facts{})
	if err != nil {
		t.Fatal(err)
	}
	if id, err := uuid.Parse(d.ID); err != nil || id.Version() != 4 {
		t.Errorf("ID %q is no UUID of version 4", d.ID)
	}
	want := exchange.Decision{
		ID: d.ID, Revision: p.Revision(), Allowed: true, Reasons: []string{"a", "b"}, Message: "fine", HTTPStatus: 451,
		Models: []string{"model-b", "model-a"}, Endpoints: map[string]string{"region": "eu"},
		Cache:   exchange.CachePolicy{Mode: exchange.CacheRead, Scope: exchange.ScopeTenant, TTL: time.Minute},
		Allow:   []string{"file_id:f:1", "mcp", "web_search"},
		Restore: []string{"send_mail"}, Headers: map[string]string{"x-note": "1"}, Annotations: map[string]string{"class": "public"}, Debug: true,
	}
	if !reflect.DeepEqual(d, want) {
		t.Errorf("got  %+v\nwant %+v", d, want)
	}
}

func TestDenialIsAValue(t *testing.T) {
	p := compile(t, `package sluice
decision := {"allowed": false, "reasons": ["z", "a", "z"], "http_status": 451, "message": "no"}`, policy.Options{Timeout: slow})
	d, err := p.Decide(context.Background(), exchangeOf("developer", ""), policy.Facts{})
	if err != nil || d.Allowed || d.HTTPStatus != 451 || d.Message != "no" || !reflect.DeepEqual(d.Reasons, []string{"a", "z"}) {
		t.Errorf("got %+v, %v", d, err)
	}
}

// Whatever is no valid decision must fail closed, with a cause that says where.
func TestInvalidDecisionsFail(t *testing.T) {
	f := func(decision, cause string) {
		t.Helper()
		// Built from input, so that the compiler cannot see the value beforehand.
		p := compile(t, "package sluice\ndecision := object.union("+decision+", object.filter(input.params, []))", policy.Options{Models: threeModels, Timeout: slow})
		d, err := p.Decide(context.Background(), exchangeOf("developer", "model-a"), policy.Facts{})
		var e *exchange.Error
		if !errors.As(err, &e) || e.Fault.Code != wire.PolicyFailed || e.Stage != exchange.StageDecide || d.Allowed || d.ID != "" {
			t.Errorf("%s: got %+v, %v", decision, d, err)
			return
		}
		if !strings.Contains(e.Cause.Error(), cause) {
			t.Errorf("%s: cause is %q, want %q in it", decision, e.Cause, cause)
		}
		if strings.Contains(e.Cause.Error(), "s3cret") {
			t.Errorf("%s: the cause %q tells a value", decision, e.Cause)
		}
	}
	f(`{}`, "decision.allowed: is missing")
	f(`{"allowed": "s3cret"}`, "decision.allowed: is string")
	f(`{"allowed": true, "alow": "s3cret"}`, "decision: has a field that does not exist; the fields are allow, allowed,")
	f(`{"allowed": true, "reasons": "a"}`, "decision.reasons: is string, not an array or set")
	f(`{"allowed": false, "reasons": ["has s3cret"]}`, "decision.reasons: must hold codes")
	f(`{"allowed": false, "reasons": [1]}`, "decision.reasons[0]: is not a string")
	f(`{"allowed": false, "message": 1}`, "decision.message: is number, not a string")
	f(`{"allowed": false, "http_status": 401}`, "decision.http_status: must be 400 to 499 but not 401")
	f(`{"allowed": false, "http_status": 429}`, "decision.http_status: must be")
	f(`{"allowed": false, "http_status": 500}`, "decision.http_status: is not an integer from 400 to 499")
	f(`{"allowed": false, "http_status": 403.5}`, "decision.http_status: is not an integer")
	f(`{"allowed": true, "models": ["s3cret"]}`, "decision.models[0]: names no configured model; there are: model-a")
	f(`{"allowed": true, "models": {"model-a"}}`, "decision.models: is a set")
	f(`{"allowed": true, "models": []}`, "decision.models: is empty")
	f(`{"allowed": true, "models": ["model-a", "model-a"]}`, "decision.models[1]: names the same again")
	f(`{"allowed": true, "endpoints": {"label": {}}}`, "decision.endpoints: has a field that does not exist")
	f(`{"allowed": true, "endpoints": {"labels": {"a": 1}}}`, "decision.endpoints.labels: must hold strings")
	f(`{"allowed": true, "endpoints": []}`, "decision.endpoints: is array, not an object")
	f(`{"allowed": true, "cache": {"scope": "tenant"}}`, "decision.cache.mode: must be read-write, read or off")
	f(`{"allowed": true, "cache": {"mode": "write"}}`, "decision.cache.mode: must be")
	f(`{"allowed": true, "cache": {"mode": "read", "scope": "all"}}`, "decision.cache.scope: must be")
	f(`{"allowed": true, "cache": {"mode": "read", "ttl_seconds": -1}}`, "decision.cache.ttl_seconds: is not an integer")
	f(`{"allowed": true, "headers": {"x-sluice-model": "a"}}`, "decision.headers: may not set")
	f(`{"allowed": true, "headers": {"set-cookie": "a"}}`, "decision.headers: may not set")
	f(`{"allowed": true, "headers": {"x-a": "b\r\nx-c: s3cret"}}`, "decision.headers: must hold header names and values")
	f(`{"allowed": true, "annotations": []}`, "decision.annotations: is array")
	f(`{"allowed": true, "allow": ["s3cret"]}`, "decision.allow[0]: must be a kind")
	f(`{"allowed": true, "allow": ["file_id:"]}`, "decision.allow[0]: must be a kind")
	f(`{"allowed": true, "allow": "store"}`, "decision.allow: is string")
	f(`{"allowed": true, "debug": 1}`, "decision.debug: is number")
}

// Whatever goes wrong while a policy is asked denies, and tells the log where and why without the values at hand.
func TestEvaluationFailuresFailClosed(t *testing.T) {
	f := func(rules string, timeout time.Duration, cause string) {
		t.Helper()
		p := compile(t, "package sluice\n"+rules, policy.Options{Models: threeModels, Timeout: timeout})
		d, err := p.Decide(context.Background(), exchangeOf("s3cret", "model-a"), policy.Facts{})
		var e *exchange.Error
		if !errors.As(err, &e) || e.Fault.Code != wire.PolicyFailed || !strings.Contains(e.Cause.Error(), cause) || strings.Contains(err.Error(), "s3cret") || d.Allowed {
			t.Errorf("%s: got %v, want %q", rules, err, cause)
		}
	}
	f(`decision := {"allowed": input.params.missing}`, slow, "decision: undefined for this input; give it a default")
	f(`decision := {"allowed": to_number(input.principal.roles[0]) > 0}`, slow, "decision: p/main.rego:2:25: eval_builtin_error: to_number failed on its operands")
	f(`decision := {"allowed": 1 / (input.sizes.body - 1024) > 0}`, slow, "eval_builtin_error: div failed on its operands")
	f("decision := {\"allowed\": true} if input.model == \"model-a\"\ndecision := {\"allowed\": false} if input.stream == false\ndefault decision := {\"allowed\": false}", slow, "decision: p/main.rego:3:1: eval_conflict_error: two rules give")
	f("decision := {\"allowed\": true, \"annotations\": {k: v | some v in [\"a\", \"b\"]; k := input.model}}", slow, "eval_conflict_error: two rules give")
	// Its time is 50 ms where nothing else is said. What would take hours does not end in it.
	f(`decision := {"allowed": count([1 | some i in numbers.range(1, 3000); some j in numbers.range(1, 3000); some k in numbers.range(1, 3000); i + j + k == input.sizes.body]) > 0}`, -1, "decision: not decided within 50ms")
	f(`decision := {"allowed": count(numbers.range(1, 1000000000 + input.sizes.body)) > 0}`, -1, "decision: not decided within 50ms")
	// Depth: of functions that call each other; of what is made by a built-in.
	f(deepCalls(400, "to_number(x)"), slow, "eval_builtin_error: to_number")
	f(`decision := {"allowed": json.unmarshal(concat("", [x | some _ in numbers.range(1, 12000); x := "["])) == input.model}`, slow, "eval_builtin_error: json.unmarshal failed")
	// Giant outputs.
	f(`decision := {"allowed": false, "reasons": {x | some i in numbers.range(1, 33); x := sprintf("r%d", [i])}}`, slow, "decision.reasons: has more than 32 elements")
	f(`decision := {"allowed": true, "models": [x | some i in numbers.range(1, 257); x := sprintf("m%d", [i])]}`, slow, "decision.models: has more than 256 elements")
	f(`decision := {"allowed": true, "headers": {x: x | some i in numbers.range(1, 65); x := sprintf("h%d", [i])}}`, slow, "decision.headers: has more than 64 entries")
	f(`decision := {"allowed": true, "annotations": {"a": concat("", [x | some _ in numbers.range(1, 5000); x := "s3cret"])}}`, slow, "decision.annotations: must hold strings of at most 4096 bytes")
	f(`decision := {"allowed": false, "message": concat("", [x | some _ in numbers.range(1, 5000); x := "s3cret"])}`, slow, "decision.message: is longer than 4096 bytes")
}

// deepCalls is a decision by functions that call each other, n deep.
func deepCalls(n int, last string) string {
	var b strings.Builder
	b.WriteString("decision := {\"allowed\": f0(input.model) == 1}\n")
	for i := range n {
		fmt.Fprintf(&b, "f%d(x) := f%d(x)\n", i, i+1)
	}
	fmt.Fprintf(&b, "f%d(x) := %s\n", n, last)
	return b.String()
}

// A number of a few bytes must not cost minutes: the evaluator computes with any, and is not to be stopped in between.
func TestNumbersBeyondAnyUse(t *testing.T) {
	p := compile(t, "package sluice\n\ndecision := {\"allowed\": input.params.n > 1, \"annotations\": {\"other\": sprintf(\"%v\", [input.principal.claims.deep])}}", policy.Options{Timeout: slow})
	plain := compile(t, "package sluice\n\ndecision := {\"allowed\": input.params.n > rand.intn(\"x\", 1)}", policy.Options{Timeout: slow})
	f := func(number string, ok bool) {
		t.Helper()
		x := exchangeOf("developer", "model-a")
		x.Principal.Claims = map[string]any{"deep": 1}
		x.Request.Params = map[string]any{"n": json.Number(number)}
		for _, p := range []*policy.Policy{p, plain} {
			_, err := p.Decide(context.Background(), x, policy.Facts{})
			if (err == nil) != ok || err != nil && !strings.Contains(exchange.AsError("", err).Cause.Error(), "a number beyond 1e400") {
				t.Errorf("%.20s: %v", number, err)
			}
		}
	}
	f("1e400", true)
	f("2.5", true)
	f("-1.5E+0300", true)
	f(strings.Repeat("9", 400), true)
	f("1e401", false)
	f("1e999999999", false)
	f("-1E-999999999", false)
	f("1.0e+0000401", false)
	f(strings.Repeat("9", 401), false)
	x := exchangeOf("developer", "model-a")
	x.Principal.Claims = map[string]any{"deep": []any{map[string]any{"x": json.Number("1e999999999")}}}
	x.Request.Params = map[string]any{"n": json.Number("1")}
	if _, err := p.Decide(context.Background(), x, policy.Facts{}); err == nil {
		t.Error("a claim within a claim is taken")
	}
	// What no rule reads does not matter.
	y := exchangeOf("developer", "model-a")
	y.Request.Params = map[string]any{"n": json.Number("1"), "other": json.Number("1e999999999")}
	if _, err := plain.Decide(context.Background(), y, policy.Facts{}); err != nil {
		t.Error(err)
	}
	// Nor do events with such a number come to an evaluator.
	line := `{"decision_id":"d","path":"sluice/decision","input":{"model":"m","x":"1e9\"","params":{"n":1e999999999}},"result":{"allowed":true}}` + "\n"
	r := policy.NewReplay(p)
	if err := r.Event(t.Context(), []byte(line)); err != nil || r.Report().Skipped[policy.SkipMalformed] != 1 {
		t.Errorf("%+v, %v", r.Report(), err)
	}
	if _, _, _, err := p.ExplainEvent(t.Context(), []byte(line)); err == nil {
		t.Error("it is explained")
	}
	if masking(t, `mask contains "/input" if input.input.params.n > 1`).MaskEvent([]byte(line)) != nil {
		t.Error("it is written")
	}
}

func TestCallerGoneIsNoFailureOfThePolicy(t *testing.T) {
	p := compile(t, `package sluice
decision := {"allowed": count([1 | some i in numbers.range(1, 5000); some j in numbers.range(1, 5000); i + j == input.sizes.body]) > 0}`, policy.Options{Timeout: slow})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := p.Decide(ctx, exchangeOf("developer", "model-a"), policy.Facts{})
	if e := exchange.AsError("", err); e.Fault.Code != wire.ClientClosed {
		t.Errorf("got %v, want client_closed", err)
	}
}

func TestAdmit(t *testing.T) {
	f := func(rules string, want exchange.Admission, cause string) {
		t.Helper()
		p := compile(t, "package sluice\ndecision := {\"allowed\": true}\n"+rules, policy.Options{Filters: []string{"redact", "prompt"}, Timeout: slow})
		a, err := p.Admit(context.Background(), exchangeOf("developer", "model-a"), time.Now())
		var e *exchange.Error
		errors.As(err, &e)
		switch {
		case cause == "" && (err != nil || !reflect.DeepEqual(a, want)):
			t.Errorf("%s: got %+v, %v, want %+v", rules, a, err, want)
		case cause != "" && (e == nil || e.Stage != exchange.StageAdmit || !strings.Contains(e.Cause.Error(), cause)):
			t.Errorf("%s: got %v, want %q", rules, err, cause)
		}
	}
	f(``, exchange.Admission{Allowed: true}, "")
	f(`admit := {"allowed": false} if input.model == "other"`, exchange.Admission{Allowed: true}, "")
	f(`admit := {"allowed": true, "filters": ["redact"]}`, exchange.Admission{Allowed: true, Filters: []string{"redact"}}, "")
	f(`admit := {"allowed": true, "filters": []}`, exchange.Admission{Allowed: true, Filters: []string{}}, "")
	f(`admit := {"allowed": false, "reasons": {"quota"}, "http_status": 402, "message": "m"}`, exchange.Admission{Reasons: []string{"quota"}, HTTPStatus: 402, Message: "m"}, "")
	f(`admit := {"allowed": true, "filters": ["redakt"]}`, exchange.Admission{}, "admit.filters[0]: names no configured filter; there are: redact, prompt")
}

func TestPolicyPicksOrFails(t *testing.T) {
	p := compile(t, `package sluice
decision := {"allowed": true}`, policy.Options{Models: threeModels, Timeout: slow})
	if _, err := p.Decide(context.Background(), exchangeOf("developer", ""), policy.Facts{}); err == nil || !strings.Contains(err.Error(), "picked none") {
		t.Errorf("no model asked for, none picked: got %v", err)
	}
	x := exchangeOf("developer", "")
	x.Operation, x.Request = wire.ListModels, nil
	d, err := shippedSlow(t).Decide(context.Background(), x, policy.Facts{Models: threeFacts()})
	if err != nil || fmt.Sprint(d.Models) != "[model-b model-a]" {
		t.Errorf("listing models: got %v, %v", d.Models, err)
	}
}

func shippedSlow(t testing.TB) *policy.Policy { return shipped(t, 0) }

func TestShippedPolicyOnAQuickstart(t *testing.T) {
	p := shippedSlow(t)
	f := func(role, model string, allowed bool, want string) {
		t.Helper()
		d, err := p.Decide(context.Background(), exchangeOf(role, model), policy.Facts{Models: threeFacts()})
		if err != nil || d.Allowed != allowed || fmt.Sprint(d.Models, d.Reasons) != want {
			t.Errorf("%s asks for %q: got %v %v %v, %v", role, model, d.Allowed, d.Models, d.Reasons, err)
		}
	}
	f("developer", "model-a", true, "[model-a] []")
	f("developer", "", true, "[model-b model-a] []")
	f("developer", "model-restricted", false, "[] [model_not_allowed]")
	f("admin", "model-restricted", true, "[model-restricted] []")
	f("admin", "", true, "[model-b model-a model-restricted] []")
	f("guest", "model-a", false, "[] [no_role]")
}

// The input, as a policy sees all of it.
func TestInputDocument(t *testing.T) {
	module := `package sluice
decision := {"allowed": true, "annotations": {"input": json.marshal(input)}}`
	x := exchangeOf("developer", "model-a")
	x.Principal.Claims = map[string]any{"exp": x.Start, "n": json.Number("1e0"), "groups": []string{"g"}}
	x.Request.Params = map[string]any{"temperature": json.Number("0.70"), "user": "u", "logprobs": true}
	x.Request.Tools, x.Request.Opaque = []string{"search"}, map[string]int{"image": 2}
	x.Request.Reach = []wire.Reach{{Kind: "web_search"}, {Kind: "mcp"}, {Kind: "web_search"}}
	x.Labels.Set("sluice", "redacted.email", int64(2))
	p := compile(t, module, policy.Options{Timeout: slow})
	d, err := p.Decide(context.Background(), x, policy.Facts{Models: threeFacts()[:1]})
	if err != nil {
		t.Fatal(err)
	}
	want := `{"client":{"headers":{"x-team":"red, blue"},"ip":"192.0.2.7"},"labels":{"sluice":{"redacted.email":2}},"model":"model-a",` +
		`"models":{"model-a":{"context":8192,"cost":{"input":0.4,"output":1.6},"health":"healthy","labels":{"region":"on-prem"},"latency_bucket":"fast"}},` +
		`"operation":"chat_completions","params":{"logprobs":true,"temperature":0.70,"user":"u"},` +
		`"principal":{"auth":"key","claims":{"exp":1772461800,"groups":["g"],"n":1e0},"id":"key:app","roles":["developer"],"tenant":"search"},` +
		`"prompt":{"chars":0,"opaque":{"image":2},"reach":["mcp","web_search"],"tokens_bucket":0,"tokens_estimate":0,"tools":["search"]},` +
		`"sizes":{"body":1024,"chars":0,"messages":2},"stream":false,"time":{"hour":14,"weekday":"Monday"}}`
	if got := d.Annotations["input"]; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestConcurrentUse(t *testing.T) {
	for _, memo := range []int{0, -1} {
		p := shipped(t, memo)
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				for j := range 40 {
					facts := threeFacts()
					facts[0].Health = []string{"healthy", "degraded"}[(i+j)%2]
					d, err := p.Decide(context.Background(), exchangeOf("developer", ""), policy.Facts{Models: facts})
					if err != nil || fmt.Sprint(d.Models) != "[model-b model-a]" {
						t.Errorf("got %v, %v", d.Models, err)
					}
				}
			})
		}
		wg.Wait()
	}
}

func ExamplePolicy_Decide() {
	s, err := policy.ReadFS(policies.FS, "policies")
	if err != nil {
		fmt.Println(err)
		return
	}
	p, err := policy.Compile(context.Background(), s, policy.Options{Models: []string{"model-a", "model-restricted"}, Timeout: time.Second})
	if err != nil {
		fmt.Println(err)
		return
	}
	x := &exchange.Exchange{
		Principal: &exchange.Principal{ID: "key:search", Tenant: "search", Roles: []string{"developer"}},
		Request:   &wire.Request{Model: "model-restricted"},
	}
	d, err := p.Decide(context.Background(), x, policy.Facts{Models: []policy.ModelFacts{{Name: "model-a"}, {Name: "model-restricted"}}})
	fmt.Println(d.Allowed, d.Reasons, d.Message, err)
	// Output: false [model_not_allowed] Your roles do not allow this model. <nil>
}
