package rules

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// What is used of OPA's built-ins gives one value, that its operands decide.
func TestBuiltins(t *testing.T) {
	for name := range builtins {
		b := ast.BuiltinMap[name]
		switch {
		case b == nil || topdown.GetBuiltin(name) == nil:
			t.Errorf("there is no %s", name)
		case b.Nondeterministic || b.Relation || b.Decl.Result() == nil || b.Decl.NamedFuncArgs().Variadic != nil:
			t.Errorf("%s is not of the kind that can be used", name)
		}
	}
	for name := range harmless {
		if !builtins[name] {
			t.Errorf("%s is not used at all", name)
		}
	}
}

func TestUsualNumbers(t *testing.T) {
	f := func(want bool, literals ...string) {
		t.Helper()
		for _, s := range literals {
			if usualNumber(s) != want {
				t.Errorf("%s: %v", s, !want)
			}
		}
	}
	f(true, "0", "1", "-1", "1024", "12345678901234567890123", "0.5", "-0.5", "0.0001", "999999.5", "0.30000000000000004")
	f(false, "-0", "01", "1.0", "1.50", "-0.0", "1e3", "1E3", "1.5e+06", "0.00001", "1234567.5", "", "-", "1.", ".5", "+1", "NaN")
}

// program compiles a module's rule result.
func program(t *testing.T, module, data string) (*Program, error) {
	t.Helper()
	c, err := ast.CompileModules(map[string]string{"p.rego": "package p\n\n" + module})
	if err != nil {
		t.Fatal(err)
	}
	return Compile(c, ast.MustParseTerm(data).Value, ast.MustParseRef("data.p.result"), nil)
}

// What is not known is left to OPA, with its place.
func TestLeftToOPA(t *testing.T) {
	f := func(module, data, want string) {
		t.Helper()
		if _, err := program(t, module, data); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\ngot  %v\nwant %s", module, err, want)
		}
	}
	f("other := 1", `{}`, "there is no rule data.p.result")
	f("result if input.a with input.a as 1", `{}`, "p.rego:3:11: with")
	f("result if time.now_ns() > input.a", `{}`, "p.rego:3:11: time.now_ns is left to OPA")
	f("result := [x | walk(input, x)]", `{}`, "walk is left to OPA")
	f("result := data.q\n\nq := 1", `{"q": 1.0}`, "data has a number that is spelled in an unusual way")
	f("result.a := 1\n\nresult.b := 2", `{}`, "data.p.result is no single rule")
	f("result := 1.0 + input.a", `{}`, "a number that is spelled in an unusual way")
}

// A rule that is not known is asked of OPA by itself, if it can be; what fails there has no answer here.
func TestAskedOfOPA(t *testing.T) {
	c, err := ast.CompileModules(map[string]string{"p.rego": "package p\n\nresult := [x, other, f(1)] if x := input.a\n\nother := count(deep)\n\ndeep := [x | walk(input, x)]\n\nf(x) := x + count(deep)"})
	if err != nil {
		t.Fatal(err)
	}
	asked, fails := 0, error(nil)
	opa := func(ref ast.Ref) Ask {
		if ref.String() != "data.p.deep" {
			return nil
		}
		return func(context.Context, ast.Value, topdown.Cancel) (*ast.Term, error) {
			asked++
			return ast.MustParseTerm("[1, 2]"), fails
		}
	}
	p, err := Compile(c, ast.NewObject(), ast.MustParseRef("data.p.result"), opa)
	if err != nil {
		t.Fatal(err)
	}
	if left := p.Left(); len(left) != 1 || left[0] != "data.p.deep: p.rego:7:14: walk is left to OPA" {
		t.Error(left)
	}
	input := ast.MustParseTerm(`{"a": 7}`).Value
	if v, ok := p.Eval(context.Background(), input, nil); !ok || v.String() != "[7, 2, 3]" || asked != 1 {
		t.Errorf("got %v, asked %d times", v, asked)
	}
	fails = errors.New("failed")
	if v, ok := p.Eval(context.Background(), input, nil); ok {
		t.Errorf("got %v", v)
	}
	none := func(ast.Ref) Ask { return nil }
	if _, err := Compile(c, ast.NewObject(), ast.MustParseRef("data.p.result"), none); err == nil || !strings.Contains(err.Error(), "walk is left to OPA") {
		t.Errorf("got %v", err)
	}
}

// No answer is given where OPA has more to say than a value.
func TestNoAnswer(t *testing.T) {
	f := func(module, input string) {
		t.Helper()
		p, err := program(t, module, `{"list": [1, 2], "object": {"1": 1}}`)
		if err != nil {
			t.Fatal(err)
		}
		if v, ok := p.Eval(context.Background(), ast.MustParseTerm(input).Value, nil); ok {
			t.Errorf("%s: got %v", module, v)
		}
	}
	f("result := count(input.a)", `{"a": 1}`)                                                           // a built-in fails
	f("result := 1 if input.a\n\nresult := 2 if input.b", `{"a": 1, "b": 1}`)                           // two values
	f("result := x if some x in input.a", `{"a": [1, 2]}`)                                              // two values of one rule
	f("result := {1: x | some x in input.a}", `{"a": [1, 2]}`)                                          // two values for a key
	f("result[x] := y if some x, y in input.a\n\nresult[x] := 7 if some x, _ in input.a", `{"a": [1]}`) // as above
	f("result := input.a", `{"a": 1.0}`)                                                                // 1 or 1.0
	f("result := data.list[input.a]", `{"a": "0"}`)                                                     // the storage's own idea of keys
	f("result := data.object[input.a]", `{"a": 1}`)                                                     // as above
}

// A Program is asked by many at once, and a run's memory is nobody else's.
func TestConcurrent(t *testing.T) {
	p, err := program(t, "result := {x: y | some x in input.a; y := f(x)}\n\nf(x) := [x, z] if z := [w | some w in input.a; w != x]", `{}`)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for n := range 8 {
		wg.Go(func() {
			input := ast.MustParseTerm(fmt.Sprintf(`{"a": [%d, %d]}`, n, n+100)).Value
			want := fmt.Sprintf(`{%d: [%d, [%d]], %d: [%d, [%d]]}`, n, n, n+100, n+100, n+100, n)
			for range 200 {
				if v, ok := p.Eval(context.Background(), input, nil); !ok || v.String() != want {
					t.Errorf("got %v, want %s", v, want)
					return
				}
			}
		})
	}
	wg.Wait()
}
