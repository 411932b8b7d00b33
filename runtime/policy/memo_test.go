package policy

import (
	"context"
	"crypto/sha256"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/dependencies"

	"github.com/sluicegate/sluice/runtime/exchange"
	"github.com/sluicegate/sluice/runtime/wire"
)

// compiled compiles rules, with a default for the decision where they have none.
func compiled(t *testing.T, rules string) (Source, *Policy) {
	t.Helper()
	if !strings.Contains(rules, "default decision") {
		rules += "\n\ndefault decision := {\"allowed\": false}\n"
	}
	s, err := ReadFS(fstest.MapFS{"m.rego": {Data: []byte("package sluice\n\n" + rules)}}, "p")
	if err != nil {
		t.Fatal(err)
	}
	p, err := Compile(context.Background(), s, Options{Timeout: time.Minute})
	if err != nil {
		t.Fatalf("%v\nin:\n%s", err, rules)
	}
	return s, p
}

// What a policy reads, as far down as the compiled rules allow to say. OPA's own dependency analysis, which is coarser,
// must name a prefix of every path.
func TestReads(t *testing.T) {
	f := func(rules string, want ...string) {
		t.Helper()
		s, p := compiled(t, rules)
		if got := p.decide.describe().Reads; !slices.Equal(got, want) {
			t.Errorf("%s\ngot  %v\nwant %v", rules, got, want)
		}
		l, _ := load(s, Options{}, false)
		base, err := dependencies.Base(l.compiler, ast.NewTerm(decisionRef))
		if err != nil {
			t.Fatal(err)
		}
		for _, ref := range base {
			if !ref.HasPrefix(ast.InputRootRef) {
				continue
			}
			if !slices.ContainsFunc(want, func(path string) bool {
				return ast.MustParseRef(path).HasPrefix(ref) || ref.HasPrefix(ast.MustParseRef(path))
			}) {
				t.Errorf("%s\nOPA names %v, which is not among %v", rules, ref, want)
			}
		}
	}
	f(`decision := {"allowed": true}`)
	f(`decision := {"allowed": input.model == "a"}`, "input.model")
	f(`decision := {"allowed": u.id == "a"} if u := input.principal`, "input.principal.id")
	f("decision := {\"allowed\": true} if {\n\tu := input.principal\n\tu.id == \"a\"\n\tcount(u) > 0\n}", "input.principal.id", "input.principal.tenant", "input.principal.roles", "input.principal.claims", "input.principal.auth")
	f("decision := {\"allowed\": true} if {\n\tu := input.principal\n\tc := u.claims\n\tc.org.unit == \"a\"\n}", "input.principal.claims.org.unit")
	f(`decision := {"allowed": object.get(input.params, "seed", 0) == 0}`, "input.params.seed")
	f(`decision := {"allowed": object.get(input.principal.claims, ["a", "b"], 0) == 0}`, "input.principal.claims.a.b")
	f("decision := {\"allowed\": true} if {\n\tp := input.params\n\tobject.get(p, \"seed\", 0) == 0\n}", "input.params.seed")
	f(`decision := {"allowed": input.params[input.model] == 1}`, "input.model", "input.params")
	f(`decision := {"allowed": input.principal.roles[0] == "a"}`, "input.principal.roles")
	f(`decision := {"allowed": input.models["a"].health == "healthy"}`, "input.models.a.health")
	f("decision := {\"allowed\": data.sluice[\"help\"]}\n\nhelp if input.stream\n\nother if input.model", "input.stream")
	f("decision := {\"allowed\": f(input.model)}\n\nf(m) := m == input.operation", "input.operation", "input.model")
	f("decision := {\"allowed\": x}\n\nx := true if input.stream\n\nelse := input.time.hour > 3", "input.stream", "input.time.hour")
	f(`decision := {"allowed": count(input) == 0} if false`,
		"input.principal.id", "input.principal.tenant", "input.principal.roles", "input.principal.claims", "input.principal.auth", "input.operation",
		"input.model", "input.stream", "input.params", "input.sizes.body", "input.sizes.messages", "input.sizes.chars", "input.client.ip",
		"input.client.headers", "input.time.hour", "input.time.weekday", "input.labels", "input.prompt.chars", "input.prompt.tokens_estimate",
		"input.prompt.tokens_bucket", "input.prompt.tools", "input.prompt.opaque", "input.prompt.reach", "input.models")
}

func TestNotMemoised(t *testing.T) {
	f := func(rules, want string) {
		t.Helper()
		_, p := compiled(t, rules)
		got := strings.Join(p.Entries()[0].NotMemoised, "\n")
		if got != want || (p.decide.memo == nil) != (want != "") {
			t.Errorf("%s\ngot  %q (memo %v)\nwant %q", rules, got, p.decide.memo != nil, want)
		}
	}
	f(`decision := {"allowed": input.model == "a"}`, "")
	f("decision := {\"allowed\": data.sluice.unused}\n\nunused := true\n\nclock := time.now_ns()", "")
	f(`decision := {"allowed": time.now_ns() > 5}`, "p/m.rego:3:25: time.now_ns may give another value for the same operands")
	f("decision := {\"allowed\": lucky}\n\nlucky := rand.intn(input.model, 2) == 0", "p/m.rego:5:10: rand.intn may give another value for the same operands")
	f(`decision := {"allowed": crypto.x509.parse_and_verify_certificates(input.model)[0]}`, "p/m.rego:3:25: crypto.x509.parse_and_verify_certificates may give another value for the same operands")
	f(`decision := {"allowed": count(input) > 0}`, "p/m.rego:3:31: the whole of input is read, so hardly two requests are alike; name the parts that count")
	f(`decision := {"allowed": input[input.model] == ""}`, "p/m.rego:3:25: the whole of input is read, so hardly two requests are alike; name the parts that count")
	f("decision := {\"allowed\": true} if {\n\tx := input\n\tx.model == \"a\"\n}", "")
	f("decision := {\"allowed\": data.roles.a} if data.roles.a with data.roles as {}", "p/m.rego:3:55: with replaces data.roles; only parts of input may be replaced")
	f("decision := {\"allowed\": f(1)} if f(1) with f as g\n\nf(_) := true\n\ng(_) := true", "p/m.rego:3:39: with replaces data.sluice.f; only parts of input may be replaced")
}

// Every name on the list of deterministic functions must exist, or a misspelled one would silently turn memoising off.
func TestDeterministicFunctionsExist(t *testing.T) {
	for name := range deterministic {
		if ast.BuiltinMap[name] == nil {
			t.Errorf("there is no function %s", name)
		}
	}
	for _, b := range ast.Builtins {
		if b.Nondeterministic && deterministic[b.Name] {
			t.Errorf("OPA says that %s is not deterministic", b.Name)
		}
	}
}

func TestHitsHaveTheirOwnID(t *testing.T) {
	_, p := compiled(t, `decision := {"allowed": input.principal.id == "a"}`)
	x := &exchange.Exchange{Principal: &exchange.Principal{ID: "a"}, Request: &wire.Request{Model: "m"}}
	first, err := p.Decide(context.Background(), x, Facts{})
	if err != nil {
		t.Fatal(err)
	}
	second, err := p.Decide(context.Background(), x, Facts{})
	if err != nil || first.ID == second.ID {
		t.Errorf("IDs %s and %s, %v", first.ID, second.ID, err)
	}
	second.ID = first.ID
	if e := p.Entries()[0]; !reflect.DeepEqual(first, second) || e.Hits != 1 || e.Misses != 1 {
		t.Errorf("got %+v and %+v, %+v", first, second, e)
	}
}

func TestFailuresAreNotRemembered(t *testing.T) {
	f := func(rules string) {
		t.Helper()
		s, err := ReadFS(fstest.MapFS{"m.rego": {Data: []byte("package sluice\n\n" + rules)}}, "p")
		if err != nil {
			t.Fatal(err)
		}
		p, err := Compile(context.Background(), s, Options{Timeout: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		x := &exchange.Exchange{Principal: &exchange.Principal{ID: "a"}, Request: &wire.Request{Model: "m"}}
		for range 2 {
			if _, err := p.Decide(context.Background(), x, Facts{}); err == nil {
				t.Errorf("%s: no error", rules)
			}
		}
		if n := p.decide.memo.len(); n != 0 {
			t.Errorf("%s: %d answers are remembered", rules, n)
		}
	}
	f(`decision := {"allowed": to_number(input.principal.id) > 0}`)
	f(`decision := {"allowed": input.params.missing > 0}`)
}

func TestMemoIsBoundedAndKeepsWhatIsUsed(t *testing.T) {
	m := newMemo[int](100)
	key := func(i int) memoKey { return sha256.Sum256([]byte(fmt.Sprint(i))) }
	m.put(key(-1), -1)
	for i := range 1000 {
		m.put(key(i), i)
		if v, ok := m.get(key(-1)); !ok || v != -1 {
			t.Fatalf("an answer in constant use was forgotten at %d", i)
		}
		if n := m.len(); n > 101 {
			t.Fatalf("%d answers, want at most 100 and what moves between generations", n)
		}
	}
	if _, ok := m.get(key(0)); ok {
		t.Error("the oldest answer is still there")
	}
}

// Hits stay within the budget of allocations.
func TestAllocationsOfAHit(t *testing.T) {
	_, p := compiled(t, `decision := {"allowed": true} if {
	"r" in input.principal.roles
	input.client.ip != ""
	input.models[input.model].cost.input < 1
	input.labels.sluice["redacted.email"] == 0
}

default decision := {"allowed": false}`)
	x := &exchange.Exchange{Principal: &exchange.Principal{Roles: []string{"a", "r"}}, Request: &wire.Request{Model: "m"}}
	x.Labels.Set("sluice", "redacted.email", int64(0))
	facts := Facts{Models: []ModelFacts{{Name: "m", Labels: map[string]string{"region": "eu"}}}}
	n := testing.AllocsPerRun(200, func() {
		if _, err := p.Decide(context.Background(), x, facts); err != nil {
			t.Fatal(err)
		}
	})
	if n > 3 {
		t.Errorf("%v allocations, want at most 3", n)
	}
}

// Different inputs must never have the same key, even where their texts run together.
func TestKeysDiffer(t *testing.T) {
	root := &node{key: "v", whole: true}
	seen := map[string]string{}
	for _, a := range []any{nil, false, true, "", "a", "ab", int64(1), "1", []any{}, []any{"a", "b"}, []any{"ab"}, []any{[]any{"a"}, "b"}, []any{[]any{"a", "b"}}, map[string]any{}, map[string]any{"a": "b"}, map[string]any{"ab": nil}, map[string]any{"a": map[string]any{"b": nil}}} {
		var v view
		key := string(v.appendPart(nil, val{kind: anyKind, any: a}, root))
		if other, ok := seen[key]; ok {
			t.Errorf("%#v has the key of %s", a, other)
		}
		seen[key] = fmt.Sprintf("%#v", a)
	}
}
