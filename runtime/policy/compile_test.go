package policy_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluicegate/sluice/runtime/policy"
)

const good = "package sluice\n\ndecision := {\"allowed\": true}\n"

// faultsOf compiles files that must be at fault and gives the lines.
func faultsOf(t *testing.T, files map[string]string, o policy.Options) []string {
	t.Helper()
	_, err := policy.Compile(context.Background(), sourceOf(t, files), o)
	var faults policy.Faults
	if !errors.As(err, &faults) {
		t.Fatalf("got %v, want faults in %v", err, files)
	}
	return strings.Split(faults.Error(), "\n")
}

func TestFaults(t *testing.T) {
	f := func(module, want string) {
		t.Helper()
		lines := faultsOf(t, map[string]string{"main.rego": module}, policy.Options{})
		if len(lines) != 1 || !strings.HasPrefix(lines[0], want) {
			t.Errorf("%s\ngot  %s\nwant %s", module, strings.Join(lines, "\n     "), want)
		}
	}
	f("package sluice\n\nallow := true\n", `p: there is no rule decision in package sluice; add one`)
	f("package sluice\n\ndecision := {\"allowed\": input.principl.id == \"a\"}\n", `p/main.rego:3:25: rego_type_error: undefined ref: input.principl.id; input has no "principl" (did you mean "principal"?): it has client, `)
	f("package sluice\n\ndecision := {\"allowed\": data.sluice.alow}\n\nallow := true\n", `p/main.rego:3:25: data.sluice.alow: package sluice has no rule "alow" (did you mean "allow"?); define it or correct the name`)
	f("package sluice\n\ndecision := {\"allowed\": true}}\n", `p/main.rego:3:30: rego_parse_error:`)
	f("package sluice\n\ndecision := {\"alowed\": true}\n", `p/main.rego:3:1: decision has no field "alowed" (did you mean "allowed"?); it has allow, allowed, annotations,`)
	f("package sluice\n\ndecision contains 1\n", `p/main.rego:3:1: decision is set`)
	f("package sluice\n\ndecision := true\n", `p/main.rego:3:1: decision is boolean, but it must be an object`)
	f("package sluice\n\ndecision := {\"allowed\": http.send({\"method\": \"get\", \"url\": \"http://a\"}).status_code == 200}\n", `p/main.rego:3:25: rego_type_error: undefined function http.send; it is not available to policies`)
	f("package sluice\n\ndecision := {\"allowed\": net.lookup_ip_addr(\"a\") != set()}\n", `p/main.rego:3:25: rego_type_error: undefined function net.lookup_ip_addr; it is not available`)
	f("package sluice\n\ndecision := {\"allowed\": opa.runtime().env.HOME != \"\"}\n", `p/main.rego:3:25: rego_type_error: undefined function opa.runtime; it is not available`)
	f("package sluice\n\ndecision := {\"allowed\": trace(\"a\")}\n", `p/main.rego:3:25: rego_type_error: undefined function trace; it is not available`)
	f("package sluice\n\ndecision := {\"allowed\": true} if print(input.model)\n\ndefault decision := {\"allowed\": false}\n", `p/main.rego:3:34: print is not available to policies`)
	f("package sluice\n\ndecision := {\"allowed\": true} if input.prompt.text == \"a\"\n", `p/main.rego:3:34: rego_type_error: undefined ref: input.prompt.text; prompt text is only given to policies that the configuration grants it`)
	f("package sluice\n\ndecision := {\"allowed\": true}\n\nadmit := {\"allowed\": input.labels.a.b}\n", `p/main.rego:5:22: admit reads input.labels, which is not known before the filters ran; judge it in decision`)
	f("package sluice\n\ndecision := {\"allowed\": true} if {\n\tsome m in input.models\n\tm.cots.input > 1\n}\n\ndefault decision := {\"allowed\": false}\n", `p/main.rego:5:2: input.models[_].cots: a model has no field "cots" (did you mean "cost"?); it has labels`)
	f("package sluice\n\nimport data.sluice.lib\n\ndecision := {\"allowed\": true}\n", `p/main.rego:3:1: rego_compile_error: import data.sluice.lib unused`)
	f("package sluice\n\ndecision := {\"allowed\": decision.allowed}\n", `p/main.rego:3:1: rego_recursion_error:`)
}

func TestAllFaultsAtOnce(t *testing.T) {
	lines := faultsOf(t, map[string]string{
		"a.rego":         "package sluice\n\na if input.modle == \"\"\n\nb if data.sluice.c\n\nd if print(1)\n",
		"data.json":      "{\"roles\": {},\n \"roles\": {}}",
		"x/data.yaml":    "a: 1\na: 2\n",
		"lib/data.json":  "[]",
		"more/data.json": "{\"k\": 1}",
		"more/z.json":    "{\"k\": 2}",
	}, policy.Options{})
	want := []string{
		"p: there is no rule decision",
		"p/a.rego:3:6: rego_type_error: undefined ref: input.modle",
		`p/a.rego:5:6: data.sluice.c: package sluice has no rule "c"`,
		"p/a.rego:7:6: print is not available",
		"p/data.json:2:2: not JSON:",
		"p/lib/data.json:1:1: a data file must hold an object; its keys become data.lib.<key>",
		"p/more/z.json: data.more.k is given by another file too",
		"p/x/data.yaml:2:1: not YAML:",
	}
	if len(lines) != len(want) {
		t.Fatalf("got %d faults, want %d:\n%s", len(lines), len(want), strings.Join(lines, "\n"))
	}
	for i := range want {
		if !strings.HasPrefix(lines[i], want[i]) {
			t.Errorf("fault %d: got %q, want %q", i, lines[i], want[i])
		}
	}
}

func TestTextByGrantOnly(t *testing.T) {
	module := "package sluice\n\ndecision := {\"allowed\": input.prompt.text == \"\", \"annotations\": {\"m\": json.marshal(input.prompt.messages)}}\n"
	p := compile(t, module, policy.Options{ReadsText: true, Timeout: slow})
	d, err := p.Decide(context.Background(), exchangeOf("developer", "model-a"), policy.Facts{})
	if err != nil || !d.Allowed || d.Annotations["m"] != "[]" {
		t.Errorf("got %+v, %v", d, err)
	}
}

func TestDataOfFoldersAndOptions(t *testing.T) {
	s := sourceOf(t, map[string]string{
		"main.rego":         "package sluice\n\ndecision := {\"allowed\": true, \"annotations\": {\"a\": json.marshal([data.top, data.eu, data.host])}}\n",
		"data.json":         `{"top": 1.50}`,
		"eu/data.yaml":      "limit: 3\nnames: [x, y]\n",
		"schemas/some.json": `{"top": 2}`,
		".hidden/data.json": `{"top": 3}`,
	})
	p, err := policy.Compile(context.Background(), s, policy.Options{Data: map[string]any{"host": map[string]any{"n": 2}}, Timeout: slow})
	if err != nil {
		t.Fatal(err)
	}
	d, err := p.Decide(context.Background(), exchangeOf("developer", "model-a"), policy.Facts{})
	if want := `[1.50,{"limit":3,"names":["x","y"]},{"n":2}]`; err != nil || d.Annotations["a"] != want {
		t.Errorf("got %s, %v, want %s", d.Annotations["a"], err, want)
	}
	if _, err := policy.Compile(context.Background(), s, policy.Options{Data: map[string]any{"top": 1}}); err == nil || !strings.Contains(err.Error(), "data.top is given by the configuration too") {
		t.Errorf("a key of both: got %v", err)
	}
}

func TestReadDir(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	// As Kubernetes mounts a ConfigMap: links into a hidden folder that is swapped as a whole.
	write("..2026/main.rego", good)
	write("..2026/data.json", `{}`)
	for _, name := range []string{"main.rego", "data.json"} {
		if err := os.Symlink("..2026/"+name, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	first, err := policy.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := policy.Compile(context.Background(), first, policy.Options{}); err != nil {
		t.Error(err)
	}
	write("..2026/data.json", `{"a": 1}`)
	second, err := policy.ReadDir(dir)
	if err != nil || second.Revision() == first.Revision() || len(first.Revision()) != 12 {
		t.Errorf("revisions %s and %s, %v: want two of 12 digits", first.Revision(), second.Revision(), err)
	}
	write(".manifest", `{"revision": "v7"}`)
	if third, err := policy.ReadDir(dir); err != nil || third.Revision() != "v7" {
		t.Errorf("revision %s, %v, want the manifest's", third.Revision(), err)
	}

	f := func(dir, want string) {
		t.Helper()
		if _, err := policy.ReadDir(dir); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", dir, err, want)
		}
	}
	f(filepath.Join(dir, "none"), "no such file")
	f(filepath.Join(dir, "data.json"), "is not a directory")
	f(t.TempDir(), "no .rego file in it")
}

func TestOwnTests(t *testing.T) {
	s := sourceOf(t, map[string]string{
		"main.rego":      good + "\nunused := 1\n",
		"main_test.rego": "package sluice_test\n\nimport data.sluice\n\ntest_yes if sluice.decision.allowed\n\ntest_no if not sluice.decision.allowed\n\ntodo_test_later if false\n\ntest_error if to_number(sluice.decision.x)\n",
	})
	r, err := s.Test(context.Background(), policy.Options{})
	var faults policy.Faults
	if !errors.As(err, &faults) {
		t.Fatalf("a test that names an unknown field of the decision: got %+v, %v", r, err)
	}
	s = sourceOf(t, map[string]string{
		"main.rego":      good + "\nunused := 1 if input.model == \"x\"\n",
		"main_test.rego": "package sluice_test\n\nimport data.sluice\n\ntest_yes if sluice.decision.allowed\n\ntest_no if not sluice.decision.allowed\n\ntodo_test_later if false\n\ntest_error if to_number(input.model) with input.model as \"x\"\n",
	})
	r, err = s.Test(context.Background(), policy.Options{})
	if err != nil || r.Passed != 1 || r.Failed != 2 || r.Skipped != 1 || len(r.Results) != 4 {
		t.Fatalf("got %+v, %v", r, err)
	}
	if no := r.Results[1]; no.Name != "data.sluice_test.test_no" || no.File != "p/main_test.rego" || no.Line != 7 || no.Passed || no.Message == "" {
		t.Errorf("got %+v", no)
	}
	if r.Coverage <= 0 || r.Coverage >= 100 {
		t.Errorf("coverage is %v, but a rule is never run", r.Coverage)
	}
}
