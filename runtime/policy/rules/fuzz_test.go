package rules_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/open-policy-agent/opa/v1/topdown"

	"github.com/sluicegate/sluice/runtime/policy/rules"
)

// The differential test: generated rules over generated data and inputs must give with closures what they give with OPA,
// wherever closures answer.

// sources are values, some of them undefined, some of the wrong type for what is done with them. id hides a type from the
// compiler, which would refuse most of what is generated.
var sources = []string{
	"input.a", "input.b", "input.c", "input.a.x", "input.b[0]", "input.b[1].x", "input.c[input.k]", "input.k", "input.n",
	"data.d", "data.d.x", "data.e", "data.e[0]", "data.d[input.k]", "data.e[input.n]", "data.none", "data.d.y.x", "data.e[\"0\"]",
	"id(map0)", "map0[input.k]", "id(set0)", "id(set1)", "id(one0)", "id(one1)", "id(data.p.set0)", "f(input.a)", "f(data.d)", "g(input.k, input.c)", "h(input.n)",
	"id(1)", "id(\"x\")", "id([1, \"x\"])", "id({\"x\": 1})", "id({1, 2})", "id(null)", "id(false)", "id([input.k, input.n])", "id({\"x\": input.n})", "id(0.5)",
}

// conditions are parts of bodies; S is a source, $ makes variables their own, and o$ is what may be used after it.
var conditions = []string{
	`o$ := S`, `o$ := S; o$`, `o$ = S; o$ != S`, `o$ := S; S == o$`, `o$ := S[k$]`, `some k$, o$ in S`, `some o$ in S`, `o$ := S[_]`,
	`o$ := S; o$ in S`, `o$ := S; not S`, `o$ := S; not o$ in S`, `o$ := S; not S[o$]`, `o$ := [x$ | some x$ in S]`, `o$ := {x$ | some x$ in S; x$ != S}`,
	`o$ := {k$: x$ | some k$, x$ in S}`, `o$ := [x$ | x$ := S[_]; y$ := S[_]; x$ == y$]`, `[o$, u$] = S`, `[o$, o$] = S`, `{"x": o$} = S`, `[a$, [o$, u$]] = S`,
	`o$ := count(S)`, `o$ := S + S`, `o$ := object.get(S, "x", S)`, `o$ := object.get(S, ["y", "x"], S)`, `o$ := sprintf("%v", [S])`, `o$ := S | S`,
	`o$ := S; every x$ in S { x$ != o$ }`, `o$ := S; every k$, x$ in S { S[k$] == x$ }`, `o$ := S; not f(o$)`, `o$ := f(S)`, `o$ := g(S, S)`, `o$ := h(S)`,
	`o$ := S > S`, `o$ := S; o$ >= S`, `o$ := S; o$ < S`, `x$ := S; y$ := x$[z$]; o$ := [z$, y$]`, `o$ := S; data.d[o$]`, `o$ := S; S[o$] == S`,
	`o$ := S; startswith(o$, "x")`, `o$ := concat(",", S)`, `o$ := sort(S)`, `o$ := max(S)`, `o$ := S; glob.match("x*", null, o$)`, `o$ := type_name(S)`,
	`o$ := {x$ | x$ := set0[_]}; set0[o$]`, `set1[o$]`, `map0[o$]`, `o$ := map0[k$]; set0[k$]`, `set0[["x", o$]]`, `o$ := S; set1[o$]`, `o$ := data.e[i$]; data.e[i$] != S`, `o$ := S; not not1(o$)`, `o$ := [S, S]`, `o$ := to_number(S)`, `walk(S, [_, o$])`, `o$ := S with input.k as "x"`, `o$ := json.unmarshal(json.marshal(S))`,
	`o$ := {S, S}`, `o$ := json.marshal(S)`, `some o$; S[o$] == S`, `o$ := array.concat(S, S)`, `o$ := S; is_string(o$)`, `o$ := S; x$ := [z$ | z$ := o$[_]]; count(x$) > 0`,
}

type generator struct {
	*rand.Rand
	n       int
	without []string // rules that may not be used yet
}

func (g *generator) pick(list []string) string {
	for {
		one := list[g.IntN(len(list))]
		if !slices.ContainsFunc(g.without, func(rule string) bool { return strings.Contains(one, rule) }) {
			return one
		}
	}
}

// body writes some conditions, and names what they give.
func (g *generator) body() (text, out string) {
	var parts, outs []string
	for range 1 + g.IntN(3) {
		g.n++
		c := strings.ReplaceAll(g.pick(conditions), "$", fmt.Sprint(g.n))
		for strings.Contains(c, "S") {
			source := g.pick(sources)
			if len(outs) > 0 && g.IntN(3) == 0 {
				source = g.pick(outs)
			}
			c = strings.Replace(c, "S", source, 1)
		}
		parts = append(parts, strings.ReplaceAll(c, "; ", "\n\t"))
		if name := fmt.Sprintf("o%d", g.n); strings.Contains(c, name) {
			outs = append(outs, name)
		}
	}
	return strings.Join(parts, "\n\t"), g.pick(outs)
}

func (g *generator) rule(b *strings.Builder, head, value string) {
	text, out := g.body()
	if value == "" {
		value = out
	}
	fmt.Fprintf(b, head+" if {\n\t%s\n}\n\n", value, text)
}

const functions = `package p

id(x) := x

not1(x) if x != 1

f(x) := x.x

f(x) := x[0] if is_array(x)

default h(_) := "none"

h(x) := x + 1 if x > 0

g("x", o) := o.x

g(k, o) := v if {
	k != "x"
	v := o[k]
}

else := k

`

// module writes rules, each of which may use those before it.
func (g *generator) module() string {
	var b strings.Builder
	b.WriteString(functions)
	names := []string{"map0", "set0", "set1", "one0", "one1"}
	for i, name := range names {
		g.without = names[i:]
		for range 1 + g.IntN(3) {
			switch {
			case i == 0:
				g.rule(&b, name+"[%s] := "+g.pick([]string{"1", "input.n"}), "")
			case i < 3:
				g.rule(&b, name+" contains %s", "")
			default:
				g.rule(&b, name+" := %s", g.pick([]string{"", "1", "\"x\""}))
			}
		}
		if name == "one0" {
			b.WriteString("default one0 := \"default\"\n\n")
		}
	}
	g.without = nil
	g.rule(&b, "last contains [0, %s]", "")
	g.rule(&b, "last contains [1, %s]", "")
	text, _ := g.body()
	fmt.Fprintf(&b, "yes if {\n\t%s\n}\n\nelse := 2 if count(set0) > 1\n\n", text)
	b.WriteString("result := [map0, set0, set1, last, [x | x := one0], [x | x := one1], [x | x := yes]]\n")
	return b.String()
}

func (g *generator) value(depth int) any {
	switch n := g.IntN(10); {
	case n < 3 && depth > 0:
		out := map[string]any{}
		for _, k := range []string{"x", "y", "0"} {
			if g.IntN(3) > 0 {
				out[k] = g.value(depth - 1)
			}
		}
		return out
	case n < 6 && depth > 0:
		out := make([]any, g.IntN(3))
		for i := range out {
			out[i] = g.value(depth - 1)
		}
		return out
	default:
		return []any{"x", "y", json.Number("1"), json.Number("0"), json.Number("2"), true, false, nil, json.Number("0.5"), "0"}[g.IntN(10)]
	}
}

func (g *generator) document(keys ...string) map[string]any {
	out := map[string]any{}
	for _, k := range keys {
		if g.IntN(8) > 0 {
			out[k] = g.value(3)
		}
	}
	return out
}

// asking asks OPA for rules.
func asking(t *testing.T, c *ast.Compiler, data map[string]any) func(ast.Ref) rules.Ask {
	store := inmem.NewFromObjectWithOpts(data, inmem.OptReturnASTValuesOnRead(true))
	return func(ref ast.Ref) rules.Ask {
		q, err := rego.New(rego.ParsedQuery(ast.NewBody(ast.NewExpr(ast.NewTerm(ref)))), rego.Compiler(c), rego.StrictBuiltinErrors(true), rego.Store(store),
			rego.GenerateJSON(func(t *ast.Term, _ *rego.EvalContext) (any, error) { return t.Value, nil })).PrepareForEval(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		return func(ctx context.Context, input ast.Value, _ topdown.Cancel) (*ast.Term, error) {
			rs, err := q.Eval(ctx, rego.EvalParsedInput(input))
			if err != nil || len(rs) == 0 {
				return nil, err
			}
			return ast.NewTerm(rs[0].Expressions[0].Value.(ast.Value)), nil
		}
	}
}

// compare evaluates one generated module over some inputs both ways.
func compare(t *testing.T, seed uint64) (compiled bool, answers int) {
	t.Helper()
	g := &generator{Rand: rand.New(rand.NewPCG(seed, 2))}
	text := g.module()
	data := g.document("d", "e")
	m, err := ast.ParseModuleWithOpts("p.rego", text, ast.ParserOptions{RegoVersion: ast.RegoV1})
	if err != nil {
		return false, 0 // such as a reference into a string
	}
	c := ast.NewCompiler()
	if c.Compile(map[string]*ast.Module{"p.rego": m}); c.Failed() {
		return false, 0
	}
	base := ast.MustInterfaceToValue(data)
	ref := ast.MustParseRef("data.p.result")
	opa := asking(t, c, data)
	p, err := rules.Compile(c, base, ref, opa)
	if err != nil {
		return false, 0
	}
	ask := opa(ref)
	for range 20 {
		doc := g.document("a", "b", "c", "k", "n")
		if g.IntN(2) == 0 {
			doc["k"], doc["n"] = g.pick([]string{"x", "y", "0"}), json.Number(fmt.Sprint(g.IntN(3)))
		}
		input := ast.MustInterfaceToValue(doc)
		got, ok := p.Eval(context.Background(), input, nil)
		if !ok {
			continue
		}
		answers++
		want, err := ask(context.Background(), input, nil)
		if err != nil || want == nil || got == nil || want.String() != got.String() {
			t.Fatalf("seed %d: input %v, data %v:\ngot  %v\nwant %v, %v\n%s", seed, input, base, got, want, err, text)
		}
	}
	return true, answers
}

func TestAgainstOPA(t *testing.T) {
	n := uint64(500)
	if testing.Short() || raceDetector {
		n = 60
	}
	compiled, answers := 0, 0
	for seed := range n {
		ok, a := compare(t, seed)
		if ok {
			compiled++
		}
		answers += a
	}
	t.Logf("of %d modules closures were made of %d, which answered %d times", n, compiled, answers)
	if compiled < int(n)/10 || answers < compiled {
		t.Errorf("of %d modules closures were made of %d, which answered %d times: that proves little", n, compiled, answers)
	}
}

func FuzzAgainstOPA(f *testing.F) {
	f.Add(uint64(1))
	f.Fuzz(func(t *testing.T, seed uint64) { compare(t, seed) })
}

// An evaluation that is cancelled gives no answer.
func TestCancel(t *testing.T) {
	c := ast.MustCompileModules(map[string]string{"p.rego": "package p\n\nresult := count([x | some x in input.a; some y in input.a; some z in input.a; x + y + z == -1])"})
	p, err := rules.Compile(c, ast.NewObject(), ast.MustParseRef("data.p.result"), nil)
	if err != nil {
		t.Fatal(err)
	}
	list := make([]*ast.Term, 10000)
	for i := range list {
		list[i] = ast.InternedTerm(i)
	}
	cancel := topdown.NewCancel()
	time.AfterFunc(10*time.Millisecond, cancel.Cancel)
	if v, ok := p.Eval(context.Background(), ast.NewObject(ast.Item(ast.StringTerm("a"), ast.ArrayTerm(list...))), cancel); ok {
		t.Errorf("got %v", v)
	}
}
