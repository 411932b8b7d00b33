package policy_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/sluicegate/sluice/runtime/policy"
)

// masking compiles rules about the log, beside a policy that decides.
func masking(t *testing.T, rules string) *policy.Policy {
	t.Helper()
	s := sourceOf(t, map[string]string{"main.rego": good, "log.rego": "package system.log\n\n" + rules})
	p, err := policy.Compile(t.Context(), s, policy.Options{Timeout: slow})
	if err != nil {
		t.Fatalf("%v\nin:\n%s", err, rules)
	}
	return p
}

const someEvent = `{"decision_id":"d1","path":"sluice/decision","erased":["/input/prompt/text"],` +
	`"input":{"model":"m","principal":{"id":"key:ana","roles":["a","b","c"],"claims":{"a b":1,"n":1.50}},"list":[[1,2],{"x":"<y>"}]},` +
	`"result":{"allowed":true,"reasons":["r"]},"custom":{"request_id":"q"}}`

func TestMaskEvent(t *testing.T) {
	f := func(rules, want string) {
		t.Helper()
		p := masking(t, rules)
		got := string(p.MaskEvent([]byte(someEvent)))
		var a, b any
		if err := json.Unmarshal([]byte(want), &b); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(got), &a); err != nil {
			t.Fatalf("%s\n%v: %q", rules, err, got)
		}
		x, _ := json.Marshal(a)
		y, _ := json.Marshal(b)
		if string(x) != string(y) || !p.MasksEvents() {
			t.Errorf("%s\ngot  %s\nwant %s", rules, x, y)
		}
	}
	changed := func(pairs ...string) string { return strings.NewReplacer(pairs...).Replace(someEvent) }
	f(`mask contains "/input/nothing"`, someEvent)
	f(`mask contains "/input/principal/id/deeper"`, someEvent)
	f(`mask contains "/input/principal/id" if input.input.principal.id == "other"`, someEvent)
	f(`mask contains "/input/principal/id" if startswith(input.input.principal.id, "key:")`,
		changed(`"id":"key:ana",`, "", `text"],`, `text","/input/principal/id"],`))
	f(`mask contains {"op": "remove", "path": "/input/principal/roles/1"}`, changed(`"a","b","c"`, `"a","c"`, `text"],`, `text","/input/principal/roles/1"],`))
	f(`mask contains "/input/list/0/1"`, changed(`[1,2]`, `[1]`, `text"],`, `text","/input/list/0/1"],`))
	f(`mask contains "/input/list/7"`, someEvent)
	f(`mask contains "/input/list/-1"`, someEvent)
	f(`mask contains "/input/principal/claims/a%20b"`, changed(`"a b":1,`, "", `text"],`, `text","/input/principal/claims/a%20b"],`))
	f(`mask contains {"op": "upsert", "path": "/input/principal/id", "value": "**"}`, changed(`key:ana`, `**`, `"custom"`, `"masked":["/input/principal/id"],"custom"`))
	f(`mask contains {"op": "upsert", "path": "/input/new/a", "value": {"n": [1]}}`, changed(`"model":"m",`, `"model":"m","new":{"a":{"n":[1]}},`, `"custom"`, `"masked":["/input/new/a"],"custom"`))
	f(`mask contains {"op": "upsert", "path": "/input/list/1/x", "value": null}`, changed(`"<y>"`, `null`, `"custom"`, `"masked":["/input/list/1/x"],"custom"`))
	f(`mask contains {"op": "upsert", "path": "/input/list/9", "value": 1}`, someEvent)
	f(`mask contains {"op": "upsert", "path": "/input/model/a", "value": 1}`, someEvent)
	f(`mask contains {"op": "upsert", "path": "/nd_builtin_cache/a", "value": 1}`, someEvent)
	f("mask contains \"/result\"\n\nmask contains \"/input/principal\"",
		changed(`"result":{"allowed":true,"reasons":["r"]},`, "", `"principal":{"id":"key:ana","roles":["a","b","c"],"claims":{"a b":1,"n":1.50}},`, "", `text"],`, `text","/input/principal","/result"],`))
	f(`mask := ["/input/model", {"op": "upsert", "path": "/result", "value": {}}]`, changed(`"model":"m",`, "", `{"allowed":true,"reasons":["r"]}`, `{}`, `text"],`, `text","/input/model"],`, `"custom"`, `"masked":["/result"],"custom"`))
	f(`drop := input.input.model == "other"`, someEvent)
	f("drop if input.result.allowed == false\n\nmask contains \"/input/model\"", changed(`"model":"m",`, "", `text"],`, `text","/input/model"],`))
}

// Numbers keep their spelling, and what HTML would escape is not.
func TestMaskKeepsWhatItLeaves(t *testing.T) {
	p := masking(t, `mask contains "/input/model"`)
	if got := string(p.MaskEvent([]byte(someEvent))); !strings.Contains(got, `"n":1.50`) || !strings.Contains(got, `"<y>"`) || strings.Count(got, "\n") != 1 || !strings.HasSuffix(got, "\n") {
		t.Error(got)
	}
	if masking(t, `unrelated := input.input.model`).MasksEvents() {
		t.Error("there is nothing to mask")
	}
}

// The caller's address stands in the event twice; no mask can name the other place, so it goes along.
func TestMaskOfTheAddress(t *testing.T) {
	const event = `{"input":{"client":{"ip":"192.0.2.7"},"model":"m"},"requested_by":"192.0.2.7"}`
	f := func(path string, kept bool) {
		t.Helper()
		got := masking(t, `mask contains "`+path+`"`).MaskEvent([]byte(event))
		if strings.Contains(string(got), `"requested_by":"192.0.2.7"`) != kept {
			t.Errorf("%s: %s", path, got)
		}
	}
	f("/input/model", true)
	f("/input/client/ip", false)
	f("/input/client", false)
	f("/input", false)
}

// What the rules drop, or fail to judge, is not written: nothing of it unmasked.
func TestMaskFailsClosed(t *testing.T) {
	f := func(rules string, want policy.LogStats) {
		t.Helper()
		p := masking(t, rules)
		if got := p.MaskEvent([]byte(someEvent)); got != nil || p.LogStats() != want {
			t.Errorf("%s\ngot %s, %+v", rules, got, p.LogStats())
		}
	}
	dropped, failed := policy.LogStats{Dropped: 1}, policy.LogStats{Failed: 1}
	f(`drop if input.path == "sluice/decision"`, dropped)
	f("drop := true\n\nmask contains to_number(input.input.model)", dropped)
	f(`drop := input.input.model`, failed)
	f(`drop if to_number(input.input.model) > 0`, failed)
	f("drop := true if input.path\n\ndrop := false if input.input", failed)
	f(`mask := {"/input/model": true} if input.path`, failed)
	f(`mask contains input.input.principal`, failed)
	f(`mask contains 7`, failed)
	f(`mask contains "input/model"`, failed)
	f(`mask contains "/custom/request_id"`, failed)
	f(`mask contains "/input/%zz"`, failed)
	f(`mask contains {"op": "delete", "path": "/input/model"}`, failed)
	f(`mask contains {"path": "/input/model"}`, failed)
	f(`mask contains {"op": "remove"}`, failed)
	f(`mask contains "/input/model" if to_number(input.input.model) > 0`, failed)
}

// The rules about the log are checked like all others, but against no schema; theirs does not loosen the decision's.
func TestLogPolicyIsChecked(t *testing.T) {
	f := func(files map[string]string, want string) {
		t.Helper()
		if lines := faultsOf(t, files, policy.Options{}); len(lines) != 1 || !strings.HasPrefix(lines[0], want) {
			t.Errorf("got %s, want %s", strings.Join(lines, "\n"), want)
		}
	}
	log := func(rules string) map[string]string {
		return map[string]string{"main.rego": good, "log.rego": "package system.log\n\n" + rules}
	}
	f(log("mask contains \"/input\" if http.send({})\n"), "p/log.rego:3:27: rego_type_error: undefined function http.send")
	f(log("mask contains data.system.log.maks\n"), `p/log.rego:3:15: data.system.log.maks: package system.log has no rule "maks" (did you mean "mask"?)`)
	f(log("mask contains \"/input\" if print(input)\n"), "p/log.rego:3:27: print is not available")
	const loose = "# METADATA\n# scope: package\n# schemas:\n# - input: {}\npackage sluice\n\n# METADATA\n# scope: rule\n# schemas:\n# - input: {}\ndecision := {\"allowed\": input.principl.id == \"a\"}\n"
	f(map[string]string{"main.rego": loose}, "p/main.rego:11:25: rego_type_error: undefined ref: input.principl.id")
}

// Rules about the log have tests of their own, beside the others.
func TestLogPolicyIsTested(t *testing.T) {
	s := sourceOf(t, map[string]string{
		"main.rego":     good,
		"log.rego":      "# METADATA\n# scope: package\n# title: What the log leaves out\npackage system.log\n\nmask contains \"/input/client/ip\" if input.input.client.ip\n",
		"more.rego":     "package system.log\n\ndrop if input.input.operation == \"models\"\n",
		"log_test.rego": "package system.log_test\n\nimport data.system.log\n\ntest_ip if \"/input/client/ip\" in log.mask with input as {\"input\": {\"client\": {\"ip\": \"192.0.2.1\"}}}\n\ntest_drop if log.drop with input.input.operation as \"models\"\n",
	})
	r, err := s.Test(t.Context(), policy.Options{})
	if err != nil || r.Passed != 2 || r.Failed != 0 {
		t.Errorf("%+v, %v", r, err)
	}
}
