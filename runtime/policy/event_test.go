package policy_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluicegate/sluice/policies"
	"github.com/sluicegate/sluice/runtime/exchange"
	"github.com/sluicegate/sluice/runtime/policy"
	"github.com/sluicegate/sluice/runtime/strictjson"
	"github.com/sluicegate/sluice/runtime/wire/openai"
)

// logged decides as the pipeline does and gives the event.
func logged(t testing.TB, p *policy.Policy, x *exchange.Exchange, facts policy.Facts) []byte {
	t.Helper()
	a, err := p.Admit(context.Background(), x, x.Start)
	x.Admission = a
	if err != nil || !a.Allowed {
		x.Decision.ID = "early-" + x.ID
		return p.AppendEvent(nil, policy.Logged{Exchange: x, Admit: true, Err: err})
	}
	d, err := p.Decide(context.Background(), x, facts)
	x.Decision = d
	x.Decision.ID = "d-" + x.ID
	return p.AppendEvent(nil, policy.Logged{Exchange: x, Facts: facts, Took: time.Millisecond, Err: err})
}

func shippedWith(t testing.TB, o policy.Options) *policy.Policy {
	t.Helper()
	s, err := policy.ReadFS(policies.FS, "policies")
	if err != nil {
		t.Fatal(err)
	}
	if o.Timeout == 0 {
		o.Timeout = slow
	}
	p, err := policy.Compile(context.Background(), s, o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// An event holds the input that a policy which reads all of it would get, and no text.
func TestEventInput(t *testing.T) {
	p := compile(t, "package sluice\n\ndecision := {\"allowed\": count(input) > 0, \"models\": [\"model-a\"]}", policy.Options{Models: threeModels})
	const text = "the \"secret\" of ana"
	req, err := openai.Chat.Request([]byte(`{"model":"model-a","temperature":0.20,"user":"u","messages":[{"role":"user","content":"the \"secret\" of ana"}]}`), strictjson.Limits{MaxBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	x := exchangeOf("developer", "model-a")
	x.ID, x.Request = "r1", req
	x.Labels.Set("guard", "score", int64(7))
	facts := policy.Facts{Models: threeFacts(), Now: x.Start}
	line := logged(t, p, x, facts)
	if bytes.Contains(line, []byte("secret")) || bytes.Count(line, []byte("\n")) != 1 || !bytes.HasSuffix(line, []byte("\n")) {
		t.Fatalf("%s", line)
	}
	var e struct {
		ID     string `json:"decision_id"`
		Path   string
		Input  map[string]any
		Result map[string]any
		Time   time.Time `json:"timestamp"`
		Erased []string
		Custom map[string]any
	}
	if err := json.Unmarshal(line, &e); err != nil {
		t.Fatalf("%v: %s", err, line)
	}
	explained, err := p.ExplainDecision(context.Background(), x, facts)
	if err != nil {
		t.Fatal(err)
	}
	var want map[string]any
	if err := json.Unmarshal(explained.Input, &want); err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(e.Input), fmt.Sprint(want); got != want {
		t.Errorf("input\n%s, want\n%s", got, want)
	}
	if e.ID != "d-r1" || e.Path != "sluice/decision" || !e.Time.Equal(x.Start) || e.Result["allowed"] != true || e.Erased != nil || e.Custom["request_id"] != "r1" {
		t.Errorf("%+v", e)
	}
	if keys := slices.Sorted(maps.Keys(e.Input)); len(keys) != 11 {
		t.Errorf("the input has %v", keys)
	}

	reader := compile(t, "package sluice\n\ndecision := {\"allowed\": contains(input.prompt.text, \"x\")}", policy.Options{ReadsText: true})
	line = logged(t, reader, x, facts)
	if strings.Contains(string(line), text) || !strings.Contains(string(line), `"erased":["/input/prompt/messages","/input/prompt/text"]`) ||
		!strings.Contains(string(line), `"text":{"chars":19,"hmac_sha256":"`) {
		t.Errorf("%s", line)
	}
}

// An error of the policy is an event, too, without the values at hand.
func TestEventOfAFailure(t *testing.T) {
	p := compile(t, "package sluice\n\ndecision := {\"allowed\": to_number(input.model) > 0}", policy.Options{})
	x := exchangeOf("developer", "private")
	line := string(logged(t, p, x, policy.Facts{}))
	if !strings.Contains(line, `"error":{"code":"policy_failed","message":"decision: p/main.rego:3`) || strings.Contains(line, `"result"`) {
		t.Error(line)
	}
}

// many is exchanges of all sorts.
func many() []*exchange.Exchange {
	var out []*exchange.Exchange
	for _, role := range []string{"developer", "admin", "stranger", ""} {
		for _, model := range []string{"model-a", "model-b", "model-restricted", "model-z", ""} {
			for _, tenant := range []string{"red", "blue"} {
				for _, found := range []string{"", "redacted.card", "redacted.secret"} {
					x := exchangeOf(role, model)
					x.ID = fmt.Sprintf("%s/%s/%s/%s", role, model, tenant, found)
					x.Principal.Tenant = tenant
					if role == "" {
						x.Principal.Roles = nil
					}
					if found != "" {
						x.Labels.Set("sluice", found, int64(1))
					}
					out = append(out, x)
				}
			}
		}
	}
	return out
}

// Replayed with the policy that made them, decisions are the same.
func TestReplayOfTheSamePolicy(t *testing.T) {
	p := shippedWith(t, policy.Options{Models: threeModels})
	r := policy.NewReplay(shippedWith(t, policy.Options{Recorded: true, Memo: -1}))
	n := 0
	for _, x := range many() {
		n++
		if err := r.Event(context.Background(), logged(t, p, x, policy.Facts{Models: threeFacts()})); err != nil {
			t.Fatal(err)
		}
	}
	if got := r.Report(); got.Events != n || got.Replayed != n || got.Same != n || len(got.Skipped)+len(got.Changes) != 0 || got.Cost.Then != got.Cost.Now {
		t.Errorf("%+v", got)
	}
}

func TestReplay(t *testing.T) {
	const old = `package sluice

default decision := {"allowed": false, "reasons": {"undecided"}}

decision := {"allowed": true, "models": ["model-a", "model-b"], "cache": {"mode": "read-write"}} if input.principal.tenant == "red"

decision := {"allowed": false, "reasons": {"blue"}} if input.principal.tenant == "blue"
`
	events := func(t *testing.T) (all [][]byte) {
		p := compile(t, old, policy.Options{Models: threeModels})
		for i, tenant := range []string{"red", "red", "blue"} {
			x := exchangeOf("developer", "model-a")
			x.ID, x.Principal.Tenant = fmt.Sprint(i), tenant
			x.Request.Model = ""
			all = append(all, logged(t, p, x, policy.Facts{Models: threeFacts()}))
		}
		return all
	}
	f := func(name, module string, o policy.Options, want string) {
		t.Run(name, func(t *testing.T) {
			o.Recorded, o.Memo = true, -1
			r := policy.NewReplay(compile(t, module, o))
			for _, e := range events(t) {
				if err := r.Event(context.Background(), e); err != nil {
					t.Fatal(err)
				}
			}
			got := r.Report()
			var b strings.Builder
			fmt.Fprintf(&b, "same %d", got.Same)
			for _, why := range slices.Sorted(maps.Keys(got.Skipped)) {
				fmt.Fprintf(&b, "; skipped %s %d", why, got.Skipped[why])
			}
			for _, kind := range policy.ChangeKinds {
				if c := got.Changes[kind]; c != nil {
					fmt.Fprintf(&b, "; %s %d %v %v %v", kind, c.Count, c.ByTenant, c.ByReason, c.ByRule)
				}
			}
			if b.String() != want {
				t.Errorf("got  %s\nwant %s", b.String(), want)
			}
		})
	}
	replace := func(from, to string) string { return strings.Replace(old, from, to, 1) }
	f("same", old, policy.Options{}, "same 3")
	f("denied", replace(`tenant == "red"`, `tenant == "none"`)+"\ndecision := {\"allowed\": false, \"reasons\": {\"red_too\"}} if input.principal.tenant == \"red\"\n", policy.Options{},
		`same 1; newly_denied 2 map[red:2] map[red_too:2] map[p/main.rego:9 decision := {"allowed": false, "reasons": {"red_too"}}:2]`)
	f("allowed", replace(`{"allowed": false, "reasons": {"blue"}}`, `{"allowed": true, "models": ["model-b"]}`), policy.Options{}, `same 2; newly_allowed 1 map[blue:1] map[blue:1] map[]`)
	f("other model", replace(`["model-a", "model-b"]`, `["model-b", "model-a"]`), policy.Options{}, `same 1; other_model 2 map[red:2] map[] map[]`)
	f("other fallbacks", replace(`["model-a", "model-b"]`, `["model-a"]`), policy.Options{}, `same 1; other_fallbacks 2 map[red:2] map[] map[]`)
	f("other scope", replace(`"mode": "read-write"`, `"mode": "read-write", "scope": "tenant"`), policy.Options{}, `same 1; other_cache 2 map[red:2] map[] map[]`)
	f("other endpoints", replace(`"models": [`, `"endpoints": {"labels": {"region": "eu"}}, "restore": {"tools": ["x"]}, "models": [`), policy.Options{}, `same 1; other_endpoints 2 map[red:2] map[] map[]; other_restore 2 map[red:2] map[] map[]`)
	f("other reasons", replace(`{"blue"}`, `{"azure"}`), policy.Options{}, `same 2; other_reasons 1 map[blue:1] map[azure:1] map[p/main.rego:7 decision := {"allowed": false, "reasons": {"azure"}}:1]`)
	f("failing", replace(`["model-a", "model-b"]`, `["model-gone"]`), policy.Options{}, `same 1; newly_failing 2 map[red:2] map[] map[]`)
	f("text", replace(`input.principal.tenant == "red"`, `{
	input.principal.tenant == "red"
	input.prompt.text != "x"
}`), policy.Options{ReadsText: true}, "same 0; skipped erased 3")
	f("early", old+"\nadmit := {\"allowed\": false, \"reasons\": {\"closed\"}}\n", policy.Options{}, `same 0; newly_denied 2 map[red:2] map[closed:2] map[p/main.rego:9 admit := {"allowed": false, "reasons": {"closed"}}:2]; other_reasons 1 map[blue:1] map[closed:1] map[p/main.rego:9 admit := {"allowed": false, "reasons": {"closed"}}:1]`)
}

// What cannot be replayed is counted.
func TestReplaySkips(t *testing.T) {
	early := compile(t, "package sluice\n\nadmit := {\"allowed\": false}\n\ndecision := {\"allowed\": true}", policy.Options{})
	x := exchangeOf("developer", "model-a")
	denied := logged(t, early, x, policy.Facts{})
	r := policy.NewReplay(compile(t, "package sluice\n\ndecision := {\"allowed\": true}", policy.Options{Recorded: true}))
	for _, line := range []string{
		"", "\n", "no json", `{"decision_id":"a","path":"other/allow","input":{},"result":true}`, `{"path":"sluice/decision"}`,
		`{"path":"sluice/decision","input":{"model":"m"},"result":{"allowed":true},"masked":["/input/principal/id"]}`,
		`{"path":"sluice/decision","input":{"model":"m"},"result":{"allowed":true},"erased":["/input/labels"]}`,
		string(denied),
		`{"path":"sluice/decision","input":{"model":"m"},"result":{"allowed":true},"erased":["/input/prompt/text"],"masked":["/result"]}`,
	} {
		if err := r.Event(context.Background(), []byte(line)); err != nil {
			t.Fatal(err)
		}
	}
	want := map[string]int{"malformed": 2, "not_ours": 1, "masked": 1, "erased": 1, "denied_in_advance": 1}
	if got := r.Report(); got.Events != 7 || got.Replayed != 1 || !maps.Equal(got.Skipped, want) {
		t.Errorf("%+v", got)
	}
}

func FuzzReplayEvent(f *testing.F) {
	p, err := policy.Compile(context.Background(), sourceOf(f, map[string]string{
		"main.rego": "package sluice\n\ndefault decision := {\"allowed\": false}\n\ndecision := {\"allowed\": true} if input.principal.tenant == \"red\"",
	}), policy.Options{Recorded: true, Memo: -1})
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(`{"decision_id":"a","path":"sluice/decision","input":{"model":"m","principal":{"tenant":"red"},"models":{"m":{"cost":{"input":1}}}},"result":{"allowed":true,"models":["m"],"cache":{"mode":"off"}}}`))
	f.Add([]byte(`{"path":"sluice/admit","input":[],"error":{}}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		r := policy.NewReplay(p)
		if err := r.Event(context.Background(), line); err != nil {
			t.Fatal(err)
		}
		sum := r.Report().Replayed
		for _, n := range r.Report().Skipped {
			sum += n
		}
		if sum != r.Report().Events {
			t.Errorf("%+v", r.Report())
		}
	})
}

// BenchmarkEvent is what the decision log costs a request.
func BenchmarkEvent(b *testing.B) {
	p := shippedWith(b, policy.Options{Models: threeModels})
	x := exchangeOf("developer", "model-a")
	facts := policy.Facts{Models: threeFacts(), Now: x.Start}
	line := logged(b, p, x, facts)
	b.ReportAllocs()
	for b.Loop() {
		line = p.AppendEvent(line[:0], policy.Logged{Exchange: x, Facts: facts})
	}
}
