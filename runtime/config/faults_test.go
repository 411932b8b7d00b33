package config

import (
	"fmt"
	"strings"
	"testing"
)

const (
	goodAuth   = "auth: {ephemeral: [{id: a, tenant: t}]}\n"
	goodModels = "models: [{name: m, endpoints: [{name: e, provider: demo}]}]\n"
	goodPolicy = "policy: {path: p}\n"
)

// Each of these is wrong in one thing; the fault says which, at its place.
func TestOneFault(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		if !strings.Contains(text, "auth:") {
			text += goodAuth
		}
		if !strings.Contains(text, "models:") {
			text += goodModels
		}
		if !strings.Contains(text, "policy:") {
			text += goodPolicy
		}
		_, err := Parse("f", []byte(text))
		if err == nil || err.Error() != want {
			t.Errorf("%s\ngot  %v\nwant %s", text, err, want)
		}
	}
	f("admin: {listen: 9090, token: ephemeral}\n", "f:1:17: admin.listen: expected text, found a number; write it in quotes")
	f("admin: {listen: here, token: ephemeral}\n", "f:1:17: admin.listen: expected host:port, such as 127.0.0.1:9090")
	f("admin: {listen: '127.0.0.1:http', token: ephemeral}\n", "f:1:17: admin.listen: expected host:port, such as 127.0.0.1:9090")
	f("admin: {listen: '127.0.0.1:9090'}\n", "f:1:1: admin: a listener needs a token; write token: {env: SLUICE_ADMIN_TOKEN} or token: ephemeral, or use socket")
	f("admin: {token: ephemeral}\n", "f:1:1: admin: expected one of listen and socket; keep one")
	f("listen: '127.0.0.1:80'\nadmin: {listen: '127.0.0.1:80', token: {env: T}}\n", "f:2:17: admin.listen: the same as listen; control has a port of its own")
	f("listen: '10.0.0.1:80'\n", "f:2:8: auth.ephemeral: ephemeral keys are for loopback only; listen on 127.0.0.1, or write keys (`sluice key new`)")
	f("listen: ':80'\n", "f:2:8: auth.ephemeral: ephemeral keys are for loopback only; listen on 127.0.0.1, or write keys (`sluice key new`)")
	f("auth: {}\n", "f:1:1: auth: no credential is accepted; write keys, ephemeral, jwt or mtls with clients")
	f("auth: {keys: [7]}\n", "f:1:15: auth.keys[0]: expected a mapping (key: value), found a number")
	f("auth: {keys: [{id: a, tenant: t, sha256: [x]}]}\n", "f:1:34: auth.keys[0].sha256: expected the key's SHA-256, 64 hexadecimal digits, found a list")
	f("auth: {keys: [{id: a, tenant: t, sha256: "+strings.Repeat("ab", 32)+", expires: 30.06.2027}]}\n",
		"f:1:117: auth.keys[0].expires: expected a day such as 2027-06-30, or a time such as 2027-06-30T12:00:00Z; write the year first")
	f("models: []\n", "f:1:1: models: an empty list; write at least one element")
	f("models: [{name: [m], endpoints: [{name: e, provider: demo}]}]\n", "f:1:11: models[0].name: expected text, found a list")
	f("models: [{name: '', endpoints: [{name: e, provider: demo}]}]\n", "f:1:17: models[0].name: empty; write a value or remove the key")
	f("models: [{name: a b, endpoints: [{name: e, provider: demo}]}]\n",
		"f:1:17: models[0].name: expected a name of at most 128 letters, digits and . _ : / @ + -, beginning with a letter or digit")
	f("models: [{name: m, endpoints: [{name: e, provider: demo, weight: 0}]}]\n", "f:1:20: models[0].endpoints: no endpoint has weight; give at least one")
	f("models: [{name: m, endpoints: [{name: e, provider: demo, labels: {a: ~}}]}]\n", "f:1:70: models[0].endpoints[0].labels.a: empty; write a value or remove the key")
	f("models: [{name: m, endpoints: [{name: e, provider: demo}], cost: {input: -1}}]\n", "f:1:74: models[0].cost.input: expected a number of at least 0")
	f("models: [{name: m, endpoints: [{name: e, provider: demo}], cost: {input: free}}]\n", "f:1:74: models[0].cost.input: expected a number, found text")
	f("models: [{name: m, endpoints: [{name: e, provider: demo}], cost: {input: .nan}}]\n", "f:1:74: models[0].cost.input: expected a number, found no finite number")
	f("models: [{name: m, endpoints: [{name: e, provider: demo}], context: 1.5}]\n", "f:1:69: models[0].context: expected a whole number, found a number")
	f("limits: {depth: 18446744073709551615}\n", "f:1:17: limits.depth: expected a number from 1 to 128")
	f("state_key: []\n", "f:1:1: state_key: an empty list; write at least one element")
	f("state_key:\n  - {env: A}\n  - {file: a}\n  - {env: A}\n", "f:4:5: state_key[2]: the same as state_key[0]; remove one")
	f("state_key: ["+strings.Repeat("{file: a}, ", 9)+"]\n", "f:1:1: state_key: a list of 9 secrets, of at most 8; take the oldest out")
	f("state_key: [{env: A}, {env: A, file: a}]\n", "f:1:23: state_key[1]: expected one of env and file; keep one")
	f("state_key: [{env: A}, hunter2hunter2hunter2]\n", "f:1:23: state_key[1]: expected a reference, found text; write {env: NAME}, {file: path} or {file: path, json: field}, and no secret into a config")
	f("state_key: [{env: A}, ~]\n", "f:1:23: state_key[1]: empty; write a value or remove the key")
	f("state_key: hunter2hunter2hunter2\n", "f:1:12: state_key: expected a reference, found text; write {env: NAME}, {file: path} or {file: path, json: field}, and no secret into a config")
	f("log: !!map {}\n", "f:1:6: log: tags are not taken; remove it")
	f("log: &x {}\n", "f:1:6: log: anchors and aliases are not taken; write the value out")
	f("<<: {a: b}\n", "f:1:1: ?: a key must be a word; write it out")
	f("7: x\n", "f:1:1: 7: unknown key; expected one of admin, audit, auth, cache, deploy, drain, filters, http2, limits, listen, log, model_registries, models, opa, policy, state_key, timeouts, tls")
	f(strings.Repeat("k", 70)+": x\n", "f:1:1: "+strings.Repeat("k", 70)+": unknown key; expected one of admin, audit, auth, cache, deploy, drain, filters, http2, limits, listen, log, model_registries, models, opa, policy, state_key, timeouts, tls")
	f("filters: [{name: a, module: b, config: {x: "+strings.Repeat("[", 40)+strings.Repeat("]", 40)+"}}]\n", "f:1:76: filters[0].config.x"+strings.Repeat("[0]", 32)+": nested deeper than 32; make it flatter")
	f("filters: [{name: a, module: b, config: {request: [x]}}]\n", "f:1:41: filters[0].config.request: expected a mapping (key: value), found a list")
	f("filters: [{name: a, module: b, config: {request: {email: 7}}}]\n", "f:1:58: filters[0].config.request.email: expected text, found a number; write it in quotes")
	f("filters: [{name: a, module: b, config: {request: {email: hide}}}]\n", "f:1:58: filters[0].config.request.email: expected one of token, mask, hmac, block, report")
}

func TestEphemeralToken(t *testing.T) {
	f := func(token string, want Token) {
		t.Helper()
		c, err := Parse("f", []byte("admin: {listen: '127.0.0.1:9090', token: "+token+"}\n"+goodAuth+goodModels+goodPolicy))
		if err != nil || *c.Admin.Token != want {
			t.Errorf("got %+v, %v", c, err)
		}
	}
	f("ephemeral", Token{Ephemeral: true})
	f("{env: T}", Token{Ref: Ref{Env: "T"}})
}

// Faults of a config with very many keys are found as in a small one.
func TestManyKeys(t *testing.T) {
	var text strings.Builder
	text.WriteString(goodModels + goodPolicy + "auth:\n  keys:\n")
	const n = 3000
	for i := range n {
		fmt.Fprintf(&text, "    - {id: k%d, tenant: t, sha256: %064x}\n", i, i+1)
	}
	c, err := Parse("f", []byte(text.String()))
	if err != nil || len(c.Auth.Keys) != n {
		t.Fatalf("got %v", err)
	}
	if got := c.At(fmt.Sprintf("auth.keys[%d].tenant", n-1)); got.Line != n+4 {
		t.Errorf("the last key is at %v", got)
	}
}
