package policy_test

import (
	"strings"
	"testing"

	"github.com/sluicegate/sluice/runtime/policy"
)

// Every way to write a policy badly has its own message: where it is, what is wrong and what to do.
func TestBadInput(t *testing.T) {
	f := func(name, module string, want ...string) {
		t.Helper()
		got := faultsOf(t, map[string]string{"main.rego": "package sluice\n\n" + module + "\n"}, policy.Options{})
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("%s:\n%s\ngot  %s\nwant %s", name, module, strings.Join(got, "\n     "), strings.Join(want, "\n     "))
		}
	}
	f("syntax", `decision := {"allowed": true}}`, `p/main.rego:3:30: rego_parse_error: unexpected } token; correct the text here, or before it`)
	f("the syntax of before", `allow { true }`, "p/main.rego:3:1: rego_parse_error: `if` keyword is required before rule body; correct the text here, or before it")
	f("types that never match", `decision := {"allowed": true} if input.sizes.body = "large"`,
		`p/main.rego:3:34: rego_type_error: match error (left  : number; right : string); compare values of one type`)
	f("a built-in given what it does not take", `decision := {"allowed": startswith(input.sizes.body, "1")}`,
		`p/main.rego:3:25: rego_type_error: startswith: invalid argument(s) (have: (number, string, ???); want: (search: string, base: string, result: boolean)); give it what it takes`)
	f("a typo in input", `decision := {"allowed": input.principal.rols[0] == "a"}`,
		`p/main.rego:3:25: rego_type_error: undefined ref: input.principal.rols[0]; input.principal has no "rols" (did you mean "roles"?): it has auth, claims, id, roles, tenant`)
	f("an unknown field", `decision := {"allowed": true, "reason": "x"}`,
		`p/main.rego:3:1: decision has no field "reason" (did you mean "reasons"?); it has allow, allowed, annotations, cache, debug, endpoints, headers, http_status, message, models, reasons, restore`)
	f("a field of the wrong type", `decision := {"allowed": "yes"}`, `p/main.rego:3:1: decision.allowed is string; give a boolean`)
	f("a list that is a word", `decision := {"allowed": true, "models": "model-a"}`, `p/main.rego:3:1: decision.models is string; give an array`)
	f("a decision of the wrong type", `decision := input.model`, `p/main.rego:3:1: decision is string, but it must be an object such as {"allowed": true}`)
	f("rules that conflict", "decision := {\"allowed\": true}\n\ndecision contains \"x\"",
		`p/main.rego:3:1: rego_type_error: conflicting rules data.sluice.decision found; a name is one value or a set of them; rename or remove one of the rules`)
	f("no default", "decision := {\"allowed\": true} if input.stream\n\ndecision := {\"allowed\": false} if input.model == \"x\"",
		`p/main.rego:3:1: decision has no default: where none of its conditions holds it is undefined, which denies with policy_failed and no reason; write one: default decision := {"allowed": false}`)
	f("two defaults", "default decision := {\"allowed\": true}\n\ndefault decision := {\"allowed\": false}",
		`p/main.rego:1:1: rego_type_error: multiple default rules data.sluice.decision found at p/main.rego:3, p/main.rego:5; keep one of them`)
	f("no entry point", `allow := true`, `p: there is no rule decision in package sluice; add one, such as: decision := {"allowed": false}`)
	f("a rule that does not exist", "decision := {\"allowed\": data.sluice.alow}\n\nallow := true",
		`p/main.rego:3:25: data.sluice.alow: package sluice has no rule "alow" (did you mean "allow"?); define it or correct the name`)
	f("a variable without a value", `decision := {"allowed": x}`, `p/main.rego:3:25: rego_unsafe_var_error: var x is unsafe; give it a value in the same body, or correct its name`)
	f("what is not used", "import data.roles\n\ndecision := {\"allowed\": true}", `p/main.rego:3:1: rego_compile_error: import data.roles unused; use it or remove it`)
	f("a circle", `decision := {"allowed": decision.allowed}`,
		`p/main.rego:3:1: rego_recursion_error: rule data.sluice.decision is recursive: data.sluice.decision -> data.sluice.decision; a rule must not depend on itself`)
	f("what policies do not have", `decision := {"allowed": http.send({}).status_code == 200}`,
		`p/main.rego:3:25: rego_type_error: undefined function http.send; it is not available to policies unless the configuration grants it: policy.grants`)
}
