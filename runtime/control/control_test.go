package control_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sluicegate/sluice/filters"
	"github.com/sluicegate/sluice/runtime/config"
	"github.com/sluicegate/sluice/runtime/control"
	"github.com/sluicegate/sluice/runtime/internal/gateway"
	"github.com/sluicegate/sluice/runtime/internal/modelserver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// smallest is a config with the demo model. Its policy, filter and secret are files, for tests to change.
const smallest = `auth:
  ephemeral:
    - {id: red, tenant: red, roles: [developer]}
models:
  - name: model-a
    endpoints: [{name: one, provider: demo}]
filters:
  - {name: redact, module: redact.wasm, config: {request: {default: token}}}
policy: {path: policies}
cache: {size: 1MiB}
audit: {path: audit.jsonl}
`

const allow = `package sluice

decision := {"allowed": true, "models": ["model-a"], "cache": {"mode": "read-write"}}
`

// files stand beside smallest.
func files(t *testing.T) map[string]string {
	t.Helper()
	module, ok := filters.Builtin("redact")
	if !ok {
		t.Fatal("no built-in filter redact")
	}
	return map[string]string{"policies/main.rego": allow, "redact.wasm": string(module)}
}

func start(t *testing.T) *gateway.Gateway {
	t.Helper()
	return gateway.StartWith(t, smallest, files(t))
}

// until waits for something that happens by itself.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within 10 s", what)
		}
	}
}

// metric is one line of the metrics, its figure.
func metric(t *testing.T, c *control.Controller, series string) string {
	t.Helper()
	var text strings.Builder
	if err := c.Metrics().WriteText(&text); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(text.String()) {
		if figure, ok := strings.CutPrefix(line, series+" "); ok {
			return strings.TrimSpace(figure)
		}
	}
	return ""
}

// serves asks the gateway a question, which must be answered, and gives the generation that answered.
func serves(t *testing.T, g *gateway.Gateway, text string) {
	t.Helper()
	if r := g.Post("red", "/inference", fmt.Sprintf(`{"model_name":"model-a","inputs":%q}`, text)); r.Status != 200 {
		t.Fatalf("%d %s", r.Status, r.Body)
	}
}

// fault is one thing wrong with a config or its files: what is changed, and what must be said of it.
type fault struct {
	name   string
	file   string // changed; "" is none
	text   string
	config func(string) string
	want   []string // %s is the folder
}

func replace(old, with string) func(string) string {
	return func(s string) string {
		if !strings.Contains(s, old) {
			panic("not in the config: " + old)
		}
		return strings.Replace(s, old, with, 1)
	}
}

var faults = []fault{
	{name: "broken yaml", config: replace("cache: {size", "cache: [size"), want: []string{"%s/sluice.yaml:12:"}},
	{name: "unknown keys", config: replace("cache:", "cahce:"), want: []string{"%s/sluice.yaml:11:1: cahce: unknown key"}},
	{name: "missing module", config: replace("redact.wasm", "gone.wasm"), want: []string{
		"%s/sluice.yaml:9:28: filters[0].module: gone.wasm: read: cannot read the filter: no such file",
	}},
	{name: "broken module", file: "redact.wasm", text: "\x00asm\x01\x00\x00\x00junk", want: []string{
		"%s/sluice.yaml:9:28: filters[0].module: redact.wasm: ",
	}},
	{name: "no module at all", file: "redact.wasm", text: "hello", want: []string{"filters[0].module: redact.wasm: "}},
	{name: "no such builtin", config: replace("redact.wasm", "builtin:magic"), want: []string{`no built-in filter "magic"; there are: `}},
	{name: "filter that refuses its config", config: replace("config: {", "config: {nonsense: 1, "), want: []string{"filters[0].module: redact.wasm: "}},
	{name: "rego that does not compile", file: "policies/main.rego", text: "package sluice\n\ndecision := {\"allowed\": true\n", want: []string{
		"%s/policies/main.rego:", "rego_parse_error",
	}},
	{name: "rego with a typo", file: "policies/main.rego", text: "package sluice\n\ndecision := {\"allowed\": true} if input.principl.id\n", want: []string{
		"%s/policies/main.rego:3:", "principl",
	}},
	{name: "a decision of the wrong type", file: "policies/main.rego", text: "package sluice\n\ndecision := {\"allowed\": \"yes\"}\n", want: []string{
		"%s/policies/main.rego:3:1: ", "decision.allowed is string; give a boolean",
	}},
	{name: "a rule that does not exist", file: "policies/main.rego", text: "package sluice\n\ndecision := {\"allowed\": data.sluice.alow}\n", want: []string{
		"%s/policies/main.rego:3:25: ", `package sluice has no rule "alow"`,
	}},
	{name: "policy without decision", file: "policies/main.rego", text: "package sluice\n\nadmit := {\"allowed\": true}\n", want: []string{
		"%s/policies", "decision",
	}},
	{name: "policy that fails its own test", file: "policies/main_test.rego", text: "package sluice_test\n\nimport data.sluice\n\ntest_denies if not sluice.decision.allowed\n", want: []string{
		"%s/policies/main_test.rego:5:1: policy: the policy's own test data.sluice_test.test_denies fails",
	}},
	{name: "recorded inputs that are not there", config: replace("path: policies", "path: policies, recorded: gone.jsonl"), want: []string{
		"%s/sluice.yaml:10:36: policy.recorded: reading the recorded inputs: ", "gone.jsonl: no such file",
	}},
	// The policy of these tests names model-a, which the second input's time did not have, but there is one now; the third
	// is no object.
	{
		name: "a recorded input that is none", config: replace("path: policies", "path: policies, recorded: r.jsonl"),
		file: "r.jsonl", text: `{"decision_id":"a","input":{"model":"model-a"}}` + "\n" + `{"input":{"model":"","models":{}}}` + "\n\n" + `{"input":[]}` + "\n",
		want: []string{"%s/r.jsonl:4:1: policy: no event of the decision log: input must be an object"},
	},
	{name: "no policy folder", config: replace("path: policies", "path: nowhere"), want: []string{"%s/sluice.yaml:10:16: policy.path: ", "%s/nowhere"}},
	{name: "secrets that do not resolve", config: replace("[{name: one, provider: demo}]",
		"\n      - {name: one, provider: openai, url: http://127.0.0.1:1/v1, credential: {env: SLUICE_TEST_UNSET}}"+
			"\n      - {name: two, provider: openai, url: http://127.0.0.1:1/v1, credential: {file: gone.txt}}"), want: []string{
		"%s/sluice.yaml:8:67: models[0].endpoints[0].credential: environment variable SLUICE_TEST_UNSET is not set; set it",
		"%s/sluice.yaml:9:67: models[0].endpoints[1].credential: file gone.txt cannot be opened",
	}},
	{name: "certificates that cannot be read", config: replace("[{name: one, provider: demo}]",
		"\n      - {name: one, provider: openai, url: https://127.0.0.1:1/v1, ca_file: gone.pem}"), want: []string{
		"%s/sluice.yaml:8:77: models[0].endpoints[0].ca_file: cannot read the certificates",
	}},
	// The second issuer's keys are at fault too: it must not be told of the third.
	{name: "issuers", config: replace("models:\n", "  jwt:\n"+
		"    - {issuer: a, audience: [x], algorithms: [RS256], jwks: \"https://127.0.0.1:1/k\", ca_file: gone.pem, tenant: t}\n"+
		"    - {issuer: b, audience: [x], algorithms: [RS256], jwks: gone.json, tenant: t}\n"+
		"    - {issuer: c, audience: [x], algorithms: [RS256], jwks: \"https://127.0.0.1:1/k\", tenant: t}\nmodels:\n"), want: []string{
		"%s/sluice.yaml:6:95: auth.jwt[0].ca_file: cannot read the certificates",
		"%s/sluice.yaml:7:61: auth.jwt[1].jwks: ",
	}},
	{name: "admin token", config: func(s string) string {
		return s + "admin: {listen: 127.0.0.1:0, token: {env: SLUICE_TEST_UNSET}}\n"
	}, want: []string{
		"%s/sluice.yaml:13:30: admin.token: environment variable SLUICE_TEST_UNSET is not set; set it",
	}},
	{name: "audit log in no folder", config: replace("audit.jsonl", "gone/audit.jsonl"), want: []string{"%s/sluice.yaml:12:15: audit.path: "}},
}

// check holds an error against what must be said.
func (f *fault) check(t *testing.T, dir string, err error) {
	t.Helper()
	if err == nil {
		t.Fatalf("%s: taken", f.name)
	}
	for _, w := range f.want {
		if w = strings.ReplaceAll(w, "%s", dir); !strings.Contains(err.Error(), w) {
			t.Errorf("%s:\n%v\nwant %s", f.name, err, w)
		}
	}
	if n := len(strings.Split(err.Error(), "\n")); f.name == "issuers" && n != 2 {
		t.Errorf("%d faults:\n%v", n, err)
	}
}

// apply makes the fault in a folder.
func (f *fault) apply(t *testing.T, dir string) {
	t.Helper()
	if f.config != nil {
		write(t, filepath.Join(dir, "sluice.yaml"), "listen: 127.0.0.1:0\n"+f.config(smallest))
	}
	if f.file != "" {
		write(t, filepath.Join(dir, f.file), f.text)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func options(dir string, log *strings.Builder) control.Options {
	return control.Options{
		Config: filepath.Join(dir, "sluice.yaml"), CacheDir: filepath.Join(os.TempDir(), fmt.Sprintf("sluice-test-%d", os.Getuid())),
		Logger: func(config.Log) *slog.Logger { return slog.New(slog.NewTextHandler(log, nil)) },
	}
}

// What is wrong with a config or its files is refused at the start, by Open and by Check, with place and reason.
func TestFaultsAtTheStart(t *testing.T) {
	good := files(t)
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, text := range good {
				write(t, filepath.Join(dir, name), text)
			}
			write(t, filepath.Join(dir, "sluice.yaml"), "listen: 127.0.0.1:0\n"+smallest)
			f.apply(t, dir)
			var log strings.Builder
			_, err := control.Open(t.Context(), options(dir, &log))
			f.check(t, dir, err)
			_, err = control.Check(t.Context(), options(dir, &log), false)
			f.check(t, dir, err)
			if strings.Contains(log.String(), "reload refused") {
				t.Errorf("the faults are logged besides: %s", log.String())
			}
		})
	}
}

// On reload the last good generation goes on serving, and the fault is shown, counted and logged, once.
func TestFaultsOnReload(t *testing.T) {
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			g := start(t)
			f.apply(t, g.Dir)
			err := g.Control.Reload(t.Context(), "test")
			f.check(t, g.Dir, err)
			st := g.Control.Status()
			if st.Generation != 1 || !st.Ready() || st.Fault != err.Error() || st.FaultSince.IsZero() {
				t.Errorf("status %+v", st)
			}
			serves(t, g, "after the fault")
			if n := metric(t, g.Control, `sluice_reloads_total{result="refused"}`); n != "1" {
				t.Errorf("refused reloads counted: %q", n)
			}
			if n := strings.Count(g.Log.String(), "reload refused, the last good generation stays"); n != 1 {
				t.Errorf("%d lines in the log:\n%s", n, g.Log.String())
			}
			g.Write("sluice.yaml", smallest)
			for name, text := range files(t) {
				g.Write(name, text)
			}
			_ = os.Remove(filepath.Join(g.Dir, "policies/main_test.rego"))
			if err := g.Control.Reload(t.Context(), "test"); err != nil {
				t.Fatal(err)
			}
			if st := g.Control.Status(); st.Fault != "" || st.Generation != 2 {
				t.Errorf("after the repair: %+v", st)
			}
		})
	}
}

// A reload that is given up says nothing about the configuration.
func TestReloadGivenUp(t *testing.T) {
	g := start(t)
	g.Write("policies/main.rego", allow+"# changed\n")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_ = g.Control.Reload(ctx, "test") // it may have come through
	if st := g.Control.Status(); st.Fault != "" {
		t.Errorf("fault: %s", st.Fault)
	}
}

func TestCheck(t *testing.T) {
	m := modelserver.New(t, modelserver.JSON(`{"object":"list","data":[]}`))
	dir := t.TempDir()
	for name, text := range files(t) {
		write(t, filepath.Join(dir, name), text)
	}
	write(t, filepath.Join(dir, "policies/main_test.rego"),
		"package sluice_test\n\nimport data.sluice\n\ntest_allows if sluice.decision.allowed\n")
	two := replace("[{name: one, provider: demo}]", fmt.Sprintf(
		"[{name: one, provider: demo}, {name: two, provider: openai, url: %q}, {name: gone, provider: openai, url: \"http://127.0.0.1:1/v1\"}]", m.URL()))
	write(t, filepath.Join(dir, "sluice.yaml"), "listen: 127.0.0.1:0\n"+two(smallest))
	var log strings.Builder
	r, err := control.Check(t.Context(), options(dir, &log), true)
	if err != nil {
		t.Fatal(err)
	}
	if r.Tests.Passed != 1 || len(r.Status.Models) != 1 || len(r.Status.Filters) != 1 || r.Status.Policy == "" {
		t.Errorf("%+v", r)
	}
	var probes []string
	for _, p := range r.Probes {
		probes = append(probes, fmt.Sprint(p.Endpoint, " ", p.Err == nil))
	}
	if got := strings.Join(probes, ", "); got != "one true, two true, gone false" {
		t.Errorf("probes: %s", got)
	}
	if _, err := os.Stat(filepath.Join(dir, "audit.jsonl")); !os.IsNotExist(err) {
		t.Errorf("checking wrote an audit log: %v", err)
	}
}

// What is said of an endpoint that cannot be used tells what to look at, and nothing of what the model server said.
func TestProbe(t *testing.T) {
	f := func(step modelserver.Step, want string) {
		t.Helper()
		dir := t.TempDir()
		for name, text := range files(t) {
			write(t, filepath.Join(dir, name), text)
		}
		openai := replace("provider: demo", fmt.Sprintf("provider: openai, url: %q", modelserver.New(t, step).URL()))
		write(t, filepath.Join(dir, "sluice.yaml"), "listen: 127.0.0.1:0\n"+openai(smallest))
		var log strings.Builder
		r, err := control.Check(t.Context(), options(dir, &log), true)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Probes[0].Err; err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%v, want %s", err, want)
		}
	}
	f(modelserver.Status(401, "SECRET"), "refuses the credential (status 401); set the endpoint's credential")
	f(modelserver.Status(403, "SECRET"), "refuses the credential (status 403); ")
	f(modelserver.Status(302, "SECRET"), "answers with status 302; check that the endpoint's url")
	f(modelserver.Status(500, "SECRET"), "answers with status 500; ")
}

func ExampleOpen() {
	dir, err := os.MkdirTemp("", "sluice")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(dir) }()
	text := strings.NewReplacer("redact.wasm", "builtin:redact", "path: policies", "path: builtin:default").Replace(smallest)
	_ = os.WriteFile(filepath.Join(dir, "sluice.yaml"), []byte("listen: 127.0.0.1:8080\n"+text), 0o600)
	c, err := control.Open(context.Background(), control.Options{
		Config: filepath.Join(dir, "sluice.yaml"), CacheDir: filepath.Join(dir, "wasm"),
		Logger: func(config.Log) *slog.Logger { return slog.New(slog.DiscardHandler) },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	st := c.Status()
	fmt.Println(st.Generation, st.Models[0].Name, st.Filters[0].Module, st.PolicyPath, c.Addresses())
	fmt.Println(c.Close(context.Background()))
	// Output:
	// 1 model-a builtin:redact builtin:default [127.0.0.1:8080]
	// <nil>
}
