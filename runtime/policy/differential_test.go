package policy_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/rego"

	"github.com/sluicegate/sluice/runtime/exchange"
	"github.com/sluicegate/sluice/runtime/policy"
)

// The differential test: generated policies, asked about generated exchanges, must answer with memo as without, and as
// OPA itself answers when it is given the whole input. The last catches a plan that reads too little, which the first
// comparison alone would not see.

// objects are paths whose shape is only known at run time; leaves are any paths.
var (
	objects = []string{"input.principal.claims", "input.principal.claims.org", "input.params", "input.labels", "input.labels.redact", "input.client.headers", "input.prompt.opaque", "input.prompt.reach", "input.models", "input.models[\"model-a\"]"}
	leaves  = []string{"input.principal.id", "input.principal.roles", "input.principal.claims.org.unit", "input.params.seed", "input.model", "input.stream", "input.labels.redact.n", "input.client.headers[\"x-team\"]", "input.client.ip", "input.models[\"model-a\"].cost.input", "input.sizes.body", "input.time.weekday", "input.prompt.tools"}
	keys    = []string{"org", "unit", "seed", "redact", "n", "x-team", "model-a", "cost", "image"}
)

// bodies are the ways to read input; O is an object, P any path, K a key, R an earlier rule.
var bodies = []string{
	`v := P`,
	`x := O; v := x[K]`,
	`x := O; y := x[K]; v := y[K]`,
	`x = O; x[K] = v`,
	`x := O; x; v := "defined"`,
	`v := object.get(O, K, "none")`,
	`v := object.get(O, [K, K], "none")`,
	`x := O; v := object.get(x, K, 7)`,
	`x := O; y := object.get(x, K, {}); v := object.get(y, K, P)`,
	`not P; v := "absent"`,
	`not O[K]; v := "absent"`,
	`P == P; v := "same"`,
	`x := O; x == O; v := "equal"`,
	`x := O; x[K] == P; v := x`,
	`v := [z | some z in O]`,
	`v := {k: z | some k, z in O}`,
	`v := [k | O[k] == P]`,
	`v := [x[K] | x := O]`,
	`v := helper(O)`,
	`v := second(O, P)`,
	`v := P with input.principal.claims.org as {"unit": "mocked"}`,
	`v := R with input.principal.claims.org.unit as "mocked"`,
	`v := R with input as {"model": P}`,
	`v := R`,
	`x := data.sluice[RN]; v := x`,
	`every z in O { z != P }; v := "every"`,
	`v := sprintf("%v", [P])`,
	`v := [p | walk(O, [p, _])]`,
	`v := O[input.model]`,
	`v := input.principal[input.model]`,
	`v := json.marshal(input)`,
	`some z in input.principal.roles; z == "developer"; v := P`,
	`v := count(O)`,
	`v := to_number(P)`,
	`x := input.principal; y := x.claims; v := y[K]`,
	`x := input; y := x.params; v := y.seed`,
	`f := input.models[_]; v := f.cost`,
	`v := {"a": P, "b": [O]}`,
	`P in {"developer", "model-a", 1}; v := 1`,
	`O[K]; v := 2`,
	`x := O; v := [x[K], x]`,
	`x := O; y := x[K]; x == O; v := y`,
	`x := O; some k; x[k] == x[K]; v := {k: 1}`,
	`x := O; v := [object.get(x, K, 0), object.get(x, K, 1)]`,
	`x := O; v := [object.get(x, K, 0), x]`,
	`x := O; x = y; v := [x[K], y]`,
	`x := O; v := helper(x)`,
	`x := input.principal; v := [x.roles, x.claims[K]]`,
	`x := O; not x[K]; v := count(x)`,
	`v := [y | x := O; y := x[K]; z := x]`,
}

// generated writes a policy of four rules.
func generated(r *rand.Rand) string {
	var b strings.Builder
	b.WriteString("package sluice\n\nhelper(o) := o.org\n\nhelper(o) := o.n if not o.org\n\nsecond(o, p) := [object.get(o, \"seed\", 0), p]\n\nr_base := input.model\n\n")
	pick := func(list []string) string { return list[r.IntN(len(list))] }
	earlier := []string{"r_base"}
	fill := func(body string) string {
		body = strings.ReplaceAll(body, "RN", "\"r_base\"")
		for _, hole := range []struct {
			mark string
			list []string
		}{{"O", objects}, {"P", leaves}, {"R", earlier}} {
			for strings.Contains(body, hole.mark) {
				body = strings.Replace(body, hole.mark, pick(hole.list), 1)
			}
		}
		for strings.Contains(body, "K") {
			body = strings.Replace(body, "K", "\""+pick(keys)+"\"", 1)
		}
		return strings.ReplaceAll(body, "; ", "\n\t")
	}
	for i := range 4 {
		name := fmt.Sprintf("r%d", i)
		switch r.IntN(4) {
		case 0:
			fmt.Fprintf(&b, "%s := v if {\n\t%s\n}\n\nelse := v if {\n\t%s\n}\n\n", name, fill(pick(bodies)), fill(pick(bodies)))
		case 1:
			fmt.Fprintf(&b, "%s contains v if {\n\t%s\n}\n\n%s contains v if {\n\t%s\n}\n\n", name, fill(pick(bodies)), name, fill(pick(bodies)))
		case 2:
			fmt.Fprintf(&b, "%s[input.model] := v if {\n\t%s\n}\n\n", name, fill(pick(bodies)))
		default:
			fmt.Fprintf(&b, "default %s := \"default\"\n\n%s := v if {\n\t%s\n}\n\n", name, name, fill(pick(bodies)))
		}
		earlier = append(earlier, name)
	}
	b.WriteString("decision := {\"allowed\": true, \"annotations\": {k: json.marshal(z) | some k, z in {\"0\": r0, \"1\": r1, \"2\": r2, \"3\": r3}}}\n\n")
	b.WriteString("default decision := {\"allowed\": false}\n")
	return b.String()
}

// generatedExchange draws from few values, so that memo keys repeat and near-equal inputs meet.
func generatedExchange(r *rand.Rand) (*exchange.Exchange, policy.Facts) {
	scalar := func() any {
		return []any{json.Number("1"), json.Number("1.0"), json.Number("1e0"), "1", true, nil, "developer", int64(1)}[r.IntN(8)]
	}
	x := exchangeOf([]string{"developer", "admin"}[r.IntN(2)], []string{"model-a", "n", "id", ""}[r.IntN(3)])
	x.Request.Params = map[string]any{}
	some := func() map[string]any {
		m := map[string]any{}
		for _, k := range keys {
			if r.IntN(3) == 0 {
				m[k] = scalar()
			}
		}
		return m
	}
	if r.IntN(2) == 0 {
		x.Request.Params = some()
	}
	x.Principal.Claims = []map[string]any{nil, {"org": scalar()}, {"org": map[string]any{}}, {"org": some(), "n": scalar()}, {"org": []any{scalar()}}, some()}[r.IntN(6)]
	switch r.IntN(3) {
	case 0:
		x.Labels = exchange.Labels{"redact": {}}
	case 1:
		x.Labels.Set("redact", "n", int64(r.IntN(2)))
		x.Labels.Set("redact", "seed", "developer")
	}
	if r.IntN(2) == 0 {
		x.Client.Headers = nil
	}
	if r.IntN(2) == 0 {
		x.Request.Opaque, x.Request.Tools = map[string]int{"image": 1}, []string{"developer"}
	}
	facts := threeFacts()[r.IntN(2):]
	facts[0].Input = float64(r.IntN(2))
	return x, policy.Facts{Models: facts}
}

// outcome is what is compared: the decision without its ID, or that there was none.
func outcome(d exchange.Decision, err error) string {
	if err != nil {
		return "failed"
	}
	b, _ := json.Marshal(d.Annotations)
	return fmt.Sprint(d.Allowed, string(b))
}

// opa is the oracle: plain OPA on the whole input.
type opa struct{ query rego.PreparedEvalQuery }

func newOPA(t *testing.T, module string) opa {
	t.Helper()
	q, err := rego.New(rego.Query("data.sluice.decision"), rego.Module("m.rego", module), rego.StrictBuiltinErrors(true)).PrepareForEval(context.Background())
	if err != nil {
		t.Fatalf("%v\nin:\n%s", err, module)
	}
	return opa{q}
}

func (o opa) outcome(input string) string {
	var doc any
	d := json.NewDecoder(strings.NewReader(input))
	d.UseNumber()
	if err := d.Decode(&doc); err != nil {
		return err.Error()
	}
	rs, err := o.query.Eval(context.Background(), rego.EvalInput(doc))
	if err != nil || len(rs) == 0 {
		return "failed"
	}
	m := rs[0].Expressions[0].Value.(map[string]any)
	b, _ := json.Marshal(m["annotations"])
	return fmt.Sprint(m["allowed"], string(b))
}

// compare asks one generated policy about many exchanges, three ways. It tells whether the policy compiled, and how many
// answers came from the memo.
func compare(t *testing.T, whole *policy.Policy, seed uint64) (compiled bool, hits uint64) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 1))
	module := generated(r)
	s := sourceOf(t, map[string]string{"m.rego": module})
	options := policy.Options{Models: threeModels, Timeout: slow}
	memo, err := policy.Compile(context.Background(), s, options)
	if err != nil {
		var faults policy.Faults
		if !errors.As(err, &faults) {
			t.Fatalf("seed %d: %v", seed, err)
		}
		return false, 0
	}
	options.Memo = -1
	plain, err := policy.Compile(context.Background(), s, options)
	if err != nil {
		t.Fatal(err)
	}
	oracle := newOPA(t, module)
	for range 60 {
		x, facts := generatedExchange(r)
		a, b := outcome(memo.Decide(context.Background(), x, facts)), outcome(plain.Decide(context.Background(), x, facts))
		input, err := whole.Decide(context.Background(), x, facts)
		if err != nil {
			t.Fatal(err)
		}
		if c := oracle.outcome(input.Annotations["input"]); a != b || b != c {
			t.Fatalf("seed %d:\nmemo   %s\nplain  %s\noracle %s\ninput  %s\nreads  %v\npolicy:\n%s", seed, a, b, c, input.Annotations["input"], memo.Entries(), module)
		}
	}
	return true, memo.Entries()[0].Hits
}

const wholeInput = "package sluice\n\ndecision := {\"allowed\": true, \"models\": [\"model-a\"], \"annotations\": {\"input\": json.marshal(input)}}\n"

func TestMemoAndPlanAgainstOPA(t *testing.T) {
	n := uint64(150)
	if testing.Short() || policy.RaceDetector {
		n = 30
	}
	whole := compile(t, wholeInput, policy.Options{Models: threeModels, Timeout: slow})
	var compiled, hits uint64
	for seed := range n {
		ok, h := compare(t, whole, seed)
		if ok {
			compiled++
			hits += h
		}
	}
	// The test proves nothing if nothing compiles or nothing is ever remembered.
	if compiled < n/3 || hits < compiled*2 {
		t.Errorf("of %d policies %d compiled; %d hits", n, compiled, hits)
	}
	t.Logf("of %d policies %d compiled; %d hits", n, compiled, hits)
}

func FuzzMemoAgainstOPA(f *testing.F) {
	f.Add(uint64(1))
	f.Fuzz(func(t *testing.T, seed uint64) {
		compare(t, compile(t, wholeInput, policy.Options{Models: threeModels, Timeout: slow}), seed)
	})
}
