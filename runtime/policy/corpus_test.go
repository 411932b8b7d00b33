package policy_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluicegate/sluice/runtime/policy"
)

// recorded writes files and reads them as recorded inputs; with one of them, that file, else the folder.
func recorded(t *testing.T, files map[string]string) (*policy.Corpus, string, error) {
	t.Helper()
	dir := t.TempDir()
	name := dir
	for file, text := range files {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if filepath.Ext(file) == ".jsonl" {
			name = filepath.Join(dir, file)
		}
	}
	r, err := policy.ReadCorpus(name)
	return r, dir, err
}

// tried tries a policy with recorded inputs and gives the error's lines without the folder.
func tried(t *testing.T, p *policy.Policy, files map[string]string) (policy.CorpusReport, string) {
	t.Helper()
	r, dir, err := recorded(t, files)
	if err != nil {
		t.Fatal(err)
	}
	report, err := p.Try(context.Background(), r)
	if err == nil {
		return report, ""
	}
	return report, strings.ReplaceAll(err.Error(), dir+"/", "")
}

func TestTry(t *testing.T) {
	const module = `package sluice

decision := {"allowed": input.stream} if input.model == "typed"

decision := {"allowed": true} if input.model == "known"

decision := {"allowed": true, "models": [m]} if some m in input.params.want

decision := {"allowed": to_number(input.principal.id) > 0} if input.model == "broken"

decision := {"allowed": input.params.missing}
`
	f := func(files map[string]string, asked int, want ...string) {
		t.Helper()
		report, got := tried(t, compile(t, module, policy.Options{Models: threeModels}), files)
		if report.Asked != asked || got != strings.Join(want, "\n") {
			t.Errorf("%v\nasked %d, got\n%s", files, report.Asked, got)
		}
	}
	one := func(text string) map[string]string { return map[string]string{"r.jsonl": text} }
	f(one(`{"input":{"model":"known"}}`), 1)
	f(one(`{"decision_id":"d1","path":"sluice/decision","input":{"model":"other"}}`), 1,
		`r.jsonl:1:1: recorded input d1: decision is undefined for it; give it a default`)
	f(one("\n"+`{"input":{"model":"typed","stream":"s3cret"}}`), 1,
		`r.jsonl:2:1: recorded input without a decision_id: decision.allowed: is string, not true or false`)
	f(one(`{"decision_id":"d2","input":{"model":"broken","principal":{"id":"s3cret"}}}`), 1,
		`r.jsonl:1:1: recorded input d2: decision: p/main.rego:9:25: eval_builtin_error: to_number failed on its operands; guard it or give it others`)
	// Models: of now, of then, and neither.
	f(one(`{"decision_id":"d3","input":{"params":{"want":["model-a"]}}}`), 1)
	f(one(`{"decision_id":"d4","input":{"params":{"want":["gone"]},"models":{"gone":{}}}}`), 1)
	f(one(`{"decision_id":"d5","input":{"params":{"want":["gone"]}}}`), 1,
		`r.jsonl:1:1: recorded input d5: decision.models[0]: names no model that is configured now or was then`)
	f(one(`{"input":7}`), 1, `r.jsonl:1:1: no event of the decision log: input must be an object`)
	f(one(`nothing`), 1, `r.jsonl:1:1: no event of the decision log: invalid_json at byte 0: expected a value`)
	// A folder, in the order of its files.
	f(map[string]string{
		"b.json": "{\n\"decision_id\": \"b\",\n\"input\": {}}", "a.json": `{"input":{"model":"known"}}`, "README.md": "no event",
	}, 2, `b.json:1:1: recorded input b: decision is undefined for it; give it a default`)
	// What cannot be asked is passed over, but something must be left.
	masked := `{"input":{},"masked":["/input/principal"]}` + "\n" + `{"input":{},"erased":["/input/labels"]}` + "\n" + `{"path":"other/allow","input":{}}` + "\n"
	f(one(masked+`{"input":{"model":"known"}}`), 1)
	f(one(masked), 0, `r.jsonl:1:1: none of the 3 recorded inputs can be decided on: 1 not_ours, 1 erased, 1 masked; record some that can`)
	// Faults are told up to a bound.
	_, got := tried(t, compile(t, module, policy.Options{Models: threeModels}), one(strings.Repeat(`{"input":{}}`+"\n", 25)))
	if lines := strings.Split(got, "\n"); len(lines) != 10 || !strings.HasSuffix(lines[9], "(and 15 more recorded inputs fail)") {
		t.Errorf("got\n%s", got)
	}
}

// What is read as a whole is there as a whole, also where a part of it is read besides.
func TestTryGivesWholes(t *testing.T) {
	p := compile(t, "package sluice\n\ndecision := {\"allowed\": true} if {\n\tcount(input.principal.claims.org) == 3\n\tinput.principal.claims.org.unit == \"a\"\n}\n\ndefault decision := {\"allowed\": false}\n", policy.Options{})
	report, got := tried(t, p, map[string]string{"r.jsonl": `{"input":{"model":"m","principal":{"claims":{"org":{"unit":"a","x":1,"y":2}}}}}`})
	if got != "" || report.Asked != 1 {
		t.Errorf("%+v %s", report, got)
	}
}

// How many answers would come from the memo shows how well a policy's answers can be remembered.
func TestTryTellsWhatIsAlike(t *testing.T) {
	f := func(decision string, want int) {
		t.Helper()
		p := compile(t, "package sluice\n\ndecision := "+decision+"\n", policy.Options{})
		report, got := tried(t, p, map[string]string{"r.jsonl": `{"input":{"model":"a","sizes":{"body":1}}}
{"input":{"model":"a","sizes":{"body":2}}}
{"input":{"model":"b","sizes":{"body":3}}}
{"input":{"model":"a","sizes":{"body":1}}}
`})
		if got != "" || report.Asked != 4 || report.Alike != want {
			t.Errorf("%s: %+v %s", decision, report, got)
		}
	}
	f(`{"allowed": input.model != ""}`, 2)
	f(`{"allowed": input.sizes.body > 0}`, 1)
	f(`{"allowed": time.now_ns() > 0}`, 0)
}

// admit is asked first, as the gateway does; what it denied then says nothing of decision.
func TestTryAdmit(t *testing.T) {
	p := compile(t, `package sluice

admit := {"allowed": input.stream} if input.model == "judged"

decision := {"allowed": input.labels.found}
`, policy.Options{})
	report, got := tried(t, p, map[string]string{"r.jsonl": `{"path":"sluice/admit","input":{"model":"judged","stream":false}}
{"path":"sluice/admit","input":{"model":"judged","stream":true}}
{"path":"sluice/decision","input":{"model":"judged","stream":false}}
{"decision_id":"x","path":"sluice/decision","input":{"model":"judged","stream":true}}
{"decision_id":"y","path":"sluice/admit","input":{"model":"judged","stream":3}}
`})
	want := "r.jsonl:4:1: recorded input x: decision is undefined for it; give it a default\n" +
		"r.jsonl:5:1: recorded input y: admit.allowed: is number, not true or false"
	if got != want || report.Asked != 4 || report.Skipped[policy.SkipDenied] != 1 {
		t.Errorf("%+v\n%s", report, got)
	}
}

// A policy that reads text is asked about events that have it only.
func TestTryText(t *testing.T) {
	p := compile(t, `package sluice

decision := {"allowed": contains(input.prompt.text, "a")}
`, policy.Options{ReadsText: true})
	report, got := tried(t, p, map[string]string{"r.jsonl": `{"input":{"model":"m","prompt":{"chars":1}},"erased":["/input/prompt/text"]}
{"input":{"model":"m","prompt":{"text":"a"}}}
`})
	if got != "" || report.Asked != 1 || report.Skipped[policy.SkipErased] != 1 {
		t.Errorf("%+v\n%s", report, got)
	}
}

func TestCorpusFaults(t *testing.T) {
	f := func(files map[string]string, want string) {
		t.Helper()
		if _, _, err := recorded(t, files); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	f(map[string]string{"r.jsonl": "\n\n"}, "has none; give a file of decision log events, or a folder of them, *.json")
	f(map[string]string{"readme.txt": "x"}, "has none; give a file")
	f(map[string]string{"r.jsonl": strings.Repeat("{}\n", 10_001)}, "10001, over the bound of 10000; keep a sample of them")
	if _, err := policy.ReadCorpus(filepath.Join(t.TempDir(), "gone")); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Error(err)
	}
	a, _, _ := recorded(t, map[string]string{"r.jsonl": `{"input":{}}`})
	b, _, _ := recorded(t, map[string]string{"r.jsonl": `{"input":{ }}`})
	if a.Digest() == b.Digest() || len(a.Digest()) != 64 || (*policy.Corpus)(nil).Digest() != "" {
		t.Error(fmt.Sprint(a.Digest(), b.Digest()))
	}
}
