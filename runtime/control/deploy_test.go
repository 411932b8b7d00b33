package control_test

import (
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sluicegate/sluice/runtime/artifact"
	"github.com/sluicegate/sluice/runtime/control"
	"github.com/sluicegate/sluice/runtime/filter"
	"github.com/sluicegate/sluice/runtime/internal/gateway"
	"github.com/sluicegate/sluice/runtime/internal/guest"
)

// deploying is a config with a deploy folder and many callers, whose filter is listed with a module of its own.
func deploying(extra string) string {
	text := strings.Replace(smallest, "models:", many(40)+"models:", 1)
	text = strings.Replace(text, "{name: redact, module: redact.wasm, config: {request: {default: token}}}", "{name: ticket, module: ticket.wasm}", 1)
	return text + "deploy: {path: filters.d" + extra + "}\n"
}

// many are further callers.
func many(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "    - {id: c%d, tenant: red, roles: [developer]}\n", i)
	}
	return b.String()
}

// ticket is a version of the filter ticket.
func ticket(t *testing.T, version string, o guest.Options) *artifact.Artifact {
	t.Helper()
	o.Tag = version
	a, err := artifact.New("ticket.wasm", guest.Module(o), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if version != "" {
		a.Manifest = &artifact.Manifest{Name: "ticket", Version: version, ABI: 1, Module: a.Digest()}
	}
	return a
}

// startDeploying runs a gateway with a deploy folder and ticket 1.0.0 in the config.
func startDeploying(t *testing.T, extra string) *gateway.Gateway {
	t.Helper()
	first := ticket(t, "1.0.0", guest.Options{})
	return gateway.StartWith(t, deploying(extra), map[string]string{
		"policies/main.rego": allow, "ticket.wasm": string(first.Module), "ticket.filter.json": string(first.Manifest.JSON()),
		"filters.d/README": "filters go here",
	})
}

func deploy(t *testing.T, g *gateway.Gateway, d control.Deployment) control.Deployed {
	t.Helper()
	out, err := g.Control.Deploy(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// ran asks as one caller and gives the version of the filter that ran.
func ran(t *testing.T, g *gateway.Gateway, caller, text string) (version string, status int) {
	t.Helper()
	before := len(g.Records(0))
	r := g.Post(caller, "/inference", fmt.Sprintf(`{"model_name":"model-a","inputs":%q}`, text))
	rec := g.Records(before + 1)[before]
	filters, _ := rec["filters"].([]any)
	if len(filters) == 0 {
		return "", r.Status
	}
	one, _ := filters[0].(map[string]any)
	version, _ = one["version"].(string)
	return version, r.Status
}

// states are the loaded versions of the filters: name, version, state.
func states(g *gateway.Gateway) string {
	var out []string
	for _, f := range g.Control.Filters() {
		out = append(out, f.Name+" "+f.Version+" "+f.State)
	}
	return strings.Join(out, ", ")
}

func wantStates(t *testing.T, g *gateway.Gateway, want string) {
	t.Helper()
	if got := states(g); got != want {
		t.Errorf("versions: got %q, want %q", got, want)
	}
}

// A version that is deployed takes the place of the configured module, outlasts restarts, and is gone back from at once:
// nothing is loaded or read for it. That lasts over a restart as well.
func TestDeployAndRollback(t *testing.T) {
	g := startDeploying(t, "")
	wantStates(t, g, "ticket 1.0.0 live")
	out := deploy(t, g, control.Deployment{Artifact: ticket(t, "1.1.0", guest.Options{})})
	if out.Live.Version != "1.1.0" || out.Previous == nil || out.Previous.Version != "1.0.0" || out.Generation != 2 || out.Warning != "" {
		t.Errorf("deployed %+v", out)
	}
	wantStates(t, g, "ticket 1.1.0 live, ticket 1.0.0 previous")
	if v, status := ran(t, g, "red", "hi"); v != "1.1.0" || status != 200 {
		t.Errorf("%s ran, %d", v, status)
	}
	again := restart(t, g)
	if again != "ticket 1.1.0 live, ticket 1.0.0 previous" {
		t.Errorf("after a restart: %s", again)
	}
	if err := g.Control.Reload(t.Context(), "test"); err != nil {
		t.Fatal(err)
	}
	wantStates(t, g, "ticket 1.1.0 live, ticket 1.0.0 previous")

	loads := metric(t, g.Control, "sluice_filter_loads_total")
	policy := g.Control.Pipeline().Current().Policy
	g.Write("ticket.wasm", "what is on the disk does not matter")
	g.Write("sluice.yaml", "neither does this: [")
	back, err := g.Control.Rollback(t.Context(), "ticket")
	if err != nil || back.Live.Version != "1.0.0" || back.Filter.Version != "1.0.0" || back.Warning != "" {
		t.Errorf("rolled back: %+v, %v", back, err)
	}
	if n := metric(t, g.Control, "sluice_filter_loads_total"); n != loads {
		t.Errorf("%s filters loaded, before the rollback %s", n, loads)
	}
	if g.Control.Pipeline().Current().Policy != policy {
		t.Error("the policy was compiled anew")
	}
	if v, _ := ran(t, g, "red", "ho"); v != "1.0.0" {
		t.Errorf("%s ran", v)
	}
	if n := metric(t, g.Control, `sluice_filter_rollbacks_total{filter="ticket",reason="operator"}`); n != "1" {
		t.Errorf("%s rollbacks counted", n)
	}
	if _, err := g.Control.Rollback(t.Context(), "ticket"); !errors.Is(err, control.ErrNoPrevious) {
		t.Errorf("a second rollback: %v", err)
	}
	if _, err := g.Control.Rollback(t.Context(), "nobody"); !errors.Is(err, control.ErrUnknownFilter) || !strings.Contains(err.Error(), "there are: ticket") {
		t.Errorf("an unknown filter: %v", err)
	}
	g.Write("sluice.yaml", deploying(""))
	g.Write("ticket.wasm", string(ticket(t, "1.0.0", guest.Options{}).Module))
	if again := restart(t, g); again != "ticket 1.0.0 live" {
		t.Errorf("after a restart: %s", again)
	}
}

// A generation that was made for a deployment keeps the decision log, and so does the one after it.
func TestDeployKeepsTheDecisionLog(t *testing.T) {
	first := ticket(t, "1.0.0", guest.Options{})
	config := strings.Replace(deploying(""), "policy: {path: policies}", "policy: {path: policies, decisions: {path: decisions.jsonl}}", 1)
	g := gateway.StartWith(t, config, map[string]string{
		"policies/main.rego": allow, "ticket.wasm": string(first.Module), "ticket.filter.json": string(first.Manifest.JSON()), "filters.d/README": "",
	})
	deploy(t, g, control.Deployment{Artifact: ticket(t, "1.1.0", guest.Options{})})
	ran(t, g, "red", "after deploying")
	if err := g.Control.Reload(t.Context(), "test"); err != nil {
		t.Fatal(err)
	}
	ran(t, g, "red", "after reloading")
	until(t, "two events", func() bool {
		text, _ := os.ReadFile(filepath.Join(g.Dir, "decisions.jsonl")) // empty until it is there
		return strings.Count(string(text), "\n") == 2
	})
}

// restart opens the gateway's configuration once more, as a new process would, and gives its versions.
func restart(t *testing.T, g *gateway.Gateway) string {
	t.Helper()
	var log strings.Builder
	c, err := control.Open(t.Context(), options(g.Dir, &log))
	if err != nil {
		t.Fatal(err)
	}
	out := states(&gateway.Gateway{Control: c})
	if err := c.Close(t.Context()); err != nil {
		t.Error(err)
	}
	return out
}

// Whatever is wrong, the deployment says the stage, and nothing has changed: not what is live, not the disk.
func TestDeployRefuses(t *testing.T) {
	mine, theirs := key(1), key(2)
	public, _ := mine.Public().(ed25519.PublicKey)
	g := startDeploying(t, ", require_signature: false, trust: [\""+artifact.KeyText(public)+"\"]")
	deploy(t, g, control.Deployment{Artifact: signed(t, ticket(t, "1.1.0", guest.Options{}), mine)})
	before := tree(t, g)
	n := 0
	f := func(name, stage, want string, d control.Deployment) {
		t.Helper()
		_, err := g.Control.Deploy(t.Context(), d)
		var refused *control.DeployError
		if !errors.As(err, &refused) || refused.Stage != stage || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q at %q", name, err, want, stage)
		}
		if after := tree(t, g); after != before {
			t.Errorf("%s: the disk has changed:\n%s\nwas\n%s", name, after, before)
		}
		if stage == "" {
			return
		}
		n++
		if st := g.Control.Status(); !strings.Contains(st.Fault, stage+": ") || !st.Ready() {
			t.Errorf("%s: readiness says %q", name, st.Fault)
		}
		if !strings.Contains(g.Log.String(), "stage="+stage) {
			t.Errorf("%s: no such stage in the log", name)
		}
		if metric(t, g.Control, fmt.Sprintf("sluice_filter_load_failures_total{filter=%q,stage=%q}", refused.Filter, stage)) == "" {
			t.Errorf("%s: not counted", name)
		}
	}
	with := func(version string, o guest.Options, change func(*artifact.Artifact)) control.Deployment {
		a := ticket(t, version, o)
		if change != nil {
			change(a)
		}
		return control.Deployment{Artifact: a}
	}
	vectors := func(text string) func(*artifact.Artifact) {
		return func(a *artifact.Artifact) { a.Vectors, a.Manifest.Vectors = []byte(text), sum(text) }
	}
	f("signed by another", filter.StageSignature, "is not trusted", control.Deployment{Artifact: signed(t, ticket(t, "1.2.0", guest.Options{}), theirs)})
	f("changed after signing", filter.StageSignature, "is bad", func() control.Deployment {
		a := signed(t, ticket(t, "1.2.0", guest.Options{}), mine)
		a.Manifest.Version = "1.3.0"
		return control.Deployment{Artifact: a}
	}())
	f("another module", filter.StageSignature, "of another module", with("1.2.0", guest.Options{}, func(a *artifact.Artifact) { a.Module = guest.Module(guest.Options{Tag: "x"}) }))
	f("another name", filter.StageSignature, `this is the filter "ticket"`, func() control.Deployment {
		d := with("1.2.0", guest.Options{}, nil)
		d.Name = "other"
		return d
	}())
	f("a lower version", filter.StageSignature, "1.0.9 is lower than 1.1.0", with("1.0.9", guest.Options{}, nil))
	f("no version", filter.StageSignature, "it has no version, and 1.1.0", func() control.Deployment {
		d := with("", guest.Options{}, nil)
		d.Name = "ticket"
		return d
	}())
	f("a fact that is not granted", filter.StageSignature, "it wants to know model", with("1.2.0", guest.Options{}, func(a *artifact.Artifact) { a.Manifest.Grants = []string{"model"} }))
	f("no ABI", filter.StageABI, "sluice_abi_v1", with("1.2.0", guest.Options{NoABI: true}, nil))
	f("truncated", filter.StageRewrite, "metered", with("1.2.0", guest.Options{}, func(a *artifact.Artifact) {
		a.Module = a.Module[:len(a.Module)-3]
		a.Manifest.Module = a.Digest()
	}))
	f("refuses its config", filter.StageConfig, "on_config refuses", with("1.2.0", guest.Options{Refuses: true}, nil))
	f("failing vectors", filter.StageSelfTest, `vector 1 ("one")`, with("1.2.0", guest.Options{}, vectors(`[{"name":"one","text":"a","want":"b"}]`)))
	f("vectors that are none", filter.StageSelfTest, "vector", with("1.2.0", guest.Options{}, vectors(`[{"nome":"one"}]`)))
	f("a canary beside nothing", "", "nothing is there for a canary", control.Deployment{Name: "fresh", Artifact: ticket(t, "", guest.Options{}), Canary: &control.Share{Share: 10}})
	f("no name", "", "name is 1 to 64", control.Deployment{Artifact: ticket(t, "", guest.Options{})})
	f("no version at all", "", "expected a version", control.Deployment{Name: "ticket", Version: "v1", Artifact: ticket(t, "", guest.Options{})})
	wantStates(t, g, "ticket 1.1.0 live, ticket 1.0.0 previous")
	if n < 10 {
		t.Fatal("too few stages were tried")
	}
	lower := with("1.0.9", guest.Options{}, nil)
	lower.Lower = true
	deploy(t, g, lower)
	wantStates(t, g, "ticket 1.0.9 live, ticket 1.1.0 previous")
	if st := g.Control.Status(); st.Fault != "" {
		t.Errorf("readiness still says %q", st.Fault)
	}
	deploy(t, g, with("1.2.0", guest.Options{}, vectors(`[{"name":"one","text":"a","want":"a"}]`)))
	wantStates(t, g, "ticket 1.2.0 live, ticket 1.0.9 previous")
}

// Where signatures are required, nothing unsigned is live, wherever it comes from; what is inside the program is.
func TestRequireSignature(t *testing.T) {
	mine := key(1)
	public, _ := mine.Public().(ed25519.PublicKey)
	a := signed(t, ticket(t, "1.0.0", guest.Options{}), mine)
	g := gateway.StartWith(t, strings.Replace(deploying(", trust: [\""+artifact.KeyText(public)+"\"]"), "{name: ticket", "{name: redact, module: \"builtin:redact\"}\n  - {name: ticket", 1), map[string]string{
		"policies/main.rego": allow, "ticket.wasm": string(a.Module), "ticket.filter.json": string(a.Manifest.JSON()), "filters.d/README": "",
	})
	unsigned := ticket(t, "1.0.1", guest.Options{})
	if _, err := g.Control.Deploy(t.Context(), control.Deployment{Artifact: unsigned}); filter.StageOf(err) != filter.StageSignature || !strings.Contains(err.Error(), "not signed") {
		t.Errorf("deployed without a signature: %v", err)
	}
	for _, name := range []string{"ticket", "filters.d/ticket", "filters.d/other"} {
		files := map[string]string{name + ".wasm": string(unsigned.Module), name + ".filter.json": string(unsigned.Manifest.JSON())}
		for file, text := range files {
			g.Write(file, text)
		}
		if err := g.Control.Reload(t.Context(), "test"); filter.StageOf(err) != filter.StageSignature {
			t.Errorf("%s without a signature: %v", name, err)
		}
		g.Write("ticket.wasm", string(a.Module))
		g.Write("ticket.filter.json", string(a.Manifest.JSON()))
		if name != "ticket" {
			for file := range files {
				if err := os.Remove(filepath.Join(g.Dir, file)); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	if err := g.Control.Reload(t.Context(), "test"); err != nil {
		t.Error(err)
	}
}

// A file in the deploy folder is a filter, in the place of the one of its name or after those listed. Its file taken away,
// it is gone; a version that was deployed alone goes when it is removed.
func TestDrop(t *testing.T) {
	g := startDeploying(t, "")
	two, more := ticket(t, "2.0.0", guest.Options{}), ticket(t, "", guest.Options{})
	g.Write("filters.d/ticket.filter.json", string(two.Manifest.JSON()))
	g.Write("filters.d/ticket.wasm", string(two.Module))
	g.Write("filters.d/zebra.wasm", string(more.Module))
	g.Write("filters.d/apple.wasm", string(more.Module))
	reload := func(want string) {
		t.Helper()
		if err := g.Control.Reload(t.Context(), "test"); err != nil {
			t.Fatal(err)
		}
		wantStates(t, g, want)
	}
	reload("ticket 2.0.0 live, ticket 1.0.0 previous, apple  live, zebra  live")
	if _, status := ran(t, g, "red", "hi"); status != 200 {
		t.Errorf("status %d", status)
	}
	for _, name := range []string{"apple.wasm", "zebra.wasm"} {
		if err := os.Remove(filepath.Join(g.Dir, "filters.d", name)); err != nil {
			t.Fatal(err)
		}
	}
	reload("ticket 2.0.0 live, ticket 1.0.0 previous")
	deploy(t, g, control.Deployment{Name: "apple", Artifact: more})
	wantStates(t, g, "ticket 2.0.0 live, ticket 1.0.0 previous, apple  live")
	if again := restart(t, g); again != "ticket 2.0.0 live, ticket 1.0.0 previous, apple  live" {
		t.Errorf("after a restart: %s", again)
	}
	if _, err := g.Control.Remove(t.Context(), "ticket"); !errors.Is(err, control.ErrNotDeployed) {
		t.Errorf("removed what the configuration names: %v", err)
	}
	if _, err := g.Control.Remove(t.Context(), "apple"); err != nil {
		t.Error(err)
	}
	reload("ticket 2.0.0 live, ticket 1.0.0 previous")
	g.Write("filters.d/Bad Name.wasm", string(more.Module))
	if err := g.Control.Reload(t.Context(), "test"); err == nil || !strings.Contains(err.Error(), "deploy.path: Bad Name.wasm: a filter is called as its file") {
		t.Errorf("a bad name: %v", err)
	}
}

// What came last counts: a new file beats what was deployed before, and what is deployed then beats the file.
func TestLastWins(t *testing.T) {
	g := startDeploying(t, "")
	put := func(version string) {
		t.Helper()
		a := ticket(t, version, guest.Options{})
		g.Write("ticket.wasm", string(a.Module))
		g.Write("ticket.filter.json", string(a.Manifest.JSON()))
		if err := g.Control.Reload(t.Context(), "test"); err != nil {
			t.Fatal(err)
		}
	}
	deploy(t, g, control.Deployment{Artifact: ticket(t, "1.1.0", guest.Options{})})
	put("1.2.0")
	wantStates(t, g, "ticket 1.2.0 live, ticket 1.1.0 previous")
	deploy(t, g, control.Deployment{Artifact: ticket(t, "1.3.0", guest.Options{})})
	put("1.2.0") // as it was
	wantStates(t, g, "ticket 1.3.0 live, ticket 1.2.0 previous")
	if _, err := g.Control.Rollback(t.Context(), "ticket"); err != nil {
		t.Fatal(err)
	}
	put("1.2.0")
	wantStates(t, g, "ticket 1.2.0 live")
	a := ticket(t, "1.2.9", guest.Options{})
	g.Write("ticket.wasm", string(a.Module))
	g.Write("ticket.filter.json", string(a.Manifest.JSON()))
	if err := g.Control.Reload(t.Context(), "test"); filter.StageOf(err) != filter.StageSignature || !strings.Contains(err.Error(), "lower than 1.3.0") {
		t.Errorf("a lower version from a file: %v", err)
	}
}

// A canary serves its share, is promoted, and is taken back by hand or by its failures; each lasts over a restart.
func TestCanary(t *testing.T) {
	g := startDeploying(t, "")
	watch(t, g)
	half := &control.Share{Share: 50, MaxFailures: 1, MinCalls: 10}
	bad := ticket(t, "2.0.0", guest.Options{Trap: '!'})
	out := deploy(t, g, control.Deployment{Artifact: bad, Canary: half})
	if out.Filter.State != "canary" || out.Filter.Share != 50 || out.Live.Version != "1.0.0" {
		t.Errorf("deployed %+v", out)
	}
	wantStates(t, g, "ticket 1.0.0 live, ticket 2.0.0 canary")
	got := map[string][]string{}
	for n := range 40 {
		c := fmt.Sprintf("c%d", n)
		v, _ := ran(t, g, c, "hi")
		got[v] = append(got[v], c)
	}
	if len(got["1.0.0"]) < 8 || len(got["2.0.0"]) < 8 {
		t.Fatalf("callers by version: %v", got)
	}
	if again := restart(t, g); again != "ticket 1.0.0 live, ticket 2.0.0 canary" {
		t.Errorf("after a restart: %s", again)
	}
	victim := got["2.0.0"][0]
	failed := 0
	for ; failed < 20; failed++ {
		if _, status := ran(t, g, victim, "boom!"); status == 200 {
			break
		}
	}
	if failed != 1 { // 1 % of 29 calls is less than one
		t.Errorf("%d exchanges failed before the canary was off", failed)
	}
	until(t, "the canary's end", func() bool { return states(g) == "ticket 1.0.0 live" })
	if v, status := ran(t, g, victim, "boom!"); v != "1.0.0" || status != 200 {
		t.Errorf("%s ran, %d", v, status)
	}
	if n := metric(t, g.Control, `sluice_filter_rollbacks_total{filter="ticket",reason="failures"}`); n != "1" {
		t.Errorf("%s rollbacks counted", n)
	}
	if !strings.Contains(g.Log.String(), "canary switched off") {
		t.Error("the log does not say it")
	}
	if off := g.Control.Status().SwitchedOff; len(off) != 1 || off[0].Filter != "ticket" || off[0].Version != "2.0.0" {
		t.Errorf("the status says %+v", off)
	}
	if again := restart(t, g); again != "ticket 1.0.0 live" {
		t.Errorf("after a restart: %s", again)
	}

	good := ticket(t, "2.0.1", guest.Options{})
	deploy(t, g, control.Deployment{Artifact: good, Canary: half})
	if out, err := g.Control.Rollback(t.Context(), "ticket"); err != nil || out.Live.Version != "1.0.0" {
		t.Errorf("took the canary back: %+v, %v", out, err)
	}
	wantStates(t, g, "ticket 1.0.0 live")
	if _, err := g.Control.Promote(t.Context(), "ticket"); !errors.Is(err, control.ErrNoCanary) {
		t.Errorf("promoted nothing: %v", err)
	}
	deploy(t, g, control.Deployment{Artifact: good, Canary: half})
	loads := metric(t, g.Control, "sluice_filter_loads_total")
	if out, err := g.Control.Promote(t.Context(), "ticket"); err != nil || out.Live.Version != "2.0.1" || out.Previous.Version != "1.0.0" {
		t.Errorf("promoted: %+v, %v", out, err)
	}
	if n := metric(t, g.Control, "sluice_filter_loads_total"); n != loads {
		t.Error("a promotion loads the filter again")
	}
	if again := restart(t, g); again != "ticket 2.0.1 live, ticket 1.0.0 previous" {
		t.Errorf("after a restart: %s", again)
	}
	if len(g.Control.Status().SwitchedOff) != 0 {
		t.Error("the status still tells of the canary of before")
	}
}

// A canary of the configuration that failed too often does not come back with a reload, or a restart.
func TestConfiguredCanary(t *testing.T) {
	text := strings.Replace(deploying(""), "module: ticket.wasm}", "module: ticket.wasm, canary: {module: next.wasm, version: 1.1.0, share: 100, max_failures: 0, min_calls: 1}}", 1)
	g := gateway.StartWith(t, text, map[string]string{
		"policies/main.rego": allow, "ticket.wasm": string(guest.Module(guest.Options{})),
		"next.wasm": string(guest.Module(guest.Options{Trap: '!'})), "filters.d/README": "",
	})
	wantStates(t, g, "ticket  live, ticket 1.1.0 canary")
	if _, status := ran(t, g, "red", "boom!"); status == 200 {
		t.Fatal("it did not fail")
	}
	if _, status := ran(t, g, "red", "boom!"); status != 200 {
		t.Errorf("status %d with the canary off", status)
	}
	wantStates(t, g, "ticket  live, ticket 1.1.0 switched_off") // nobody has settled it here
	if err := g.Control.Reload(t.Context(), "test"); err != nil {
		t.Fatal(err)
	}
	wantStates(t, g, "ticket  live")
	if again := restart(t, g); again != "ticket  live" {
		t.Errorf("after a restart: %s", again)
	}
}

// A canary of the configuration that was promoted and gone back from does not begin anew.
func TestConfiguredCanaryGoneBackFrom(t *testing.T) {
	text := strings.Replace(deploying(""), "module: ticket.wasm}", "module: ticket.wasm, canary: {module: next.wasm, version: 1.1.0}}", 1)
	g := gateway.StartWith(t, text, map[string]string{
		"policies/main.rego": allow, "ticket.wasm": string(guest.Module(guest.Options{})),
		"next.wasm": string(guest.Module(guest.Options{Tag: "next"})), "filters.d/README": "",
	})
	wantStates(t, g, "ticket  live, ticket 1.1.0 canary")
	for _, step := range []func() (control.Deployed, error){
		func() (control.Deployed, error) { return g.Control.Promote(t.Context(), "ticket") },
		func() (control.Deployed, error) { return g.Control.Rollback(t.Context(), "ticket") },
	} {
		if _, err := step(); err != nil {
			t.Fatal(err)
		}
		if err := g.Control.Reload(t.Context(), "test"); err != nil {
			t.Fatal(err)
		}
	}
	wantStates(t, g, "ticket  live")
	if len(g.Control.Status().SwitchedOff) != 0 {
		t.Error("it counts as one that failed")
	}
}

// Deploying under load loses no request, and neither do two deployments at once.
func TestDeployUnderLoad(t *testing.T) {
	g := startDeploying(t, "")
	var load sync.WaitGroup
	var done atomic.Bool
	for c := range 4 {
		load.Go(func() {
			for i := 0; i < 40 || !done.Load(); i++ {
				r := g.Post("red", "/inference", fmt.Sprintf(`{"model_name":"model-a","inputs":"caller %d question %d"}`, c, i))
				if r.Status != 200 {
					t.Errorf("%d %s", r.Status, r.Body)
				}
			}
		})
	}
	var deploys sync.WaitGroup
	for d := range 2 {
		deploys.Go(func() {
			for n := range 4 {
				a := ticket(t, fmt.Sprintf("1.%d.%d", n+1, d), guest.Options{})
				if _, err := g.Control.Deploy(t.Context(), control.Deployment{Artifact: a, Lower: true}); err != nil {
					t.Error(err)
				}
			}
			if _, err := g.Control.Rollback(t.Context(), "ticket"); err != nil && !errors.Is(err, control.ErrNoPrevious) {
				t.Error(err)
			}
		})
	}
	deploys.Wait()
	done.Store(true)
	load.Wait()
	if left, err := os.ReadDir(filepath.Join(g.Dir, "filters.d", ".versions", "ticket")); err != nil || len(left) > 2 {
		t.Errorf("%d versions are kept, %v", len(left), err)
	}
}

// A folder that cannot be written refuses deployments; what it has serves.
func TestReadOnlyFolder(t *testing.T) {
	g := startDeploying(t, "")
	state := filepath.Join(g.Dir, "filters.d", ".state.json")
	if err := os.Remove(state); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(state, "in the way"), 0o700); err != nil {
		t.Fatal(err)
	}
	_, err := g.Control.Deploy(t.Context(), control.Deployment{Artifact: ticket(t, "1.1.0", guest.Options{})})
	if filter.StageOf(err) != filter.StageSwap || !strings.Contains(err.Error(), "deploy folder cannot be written") {
		t.Errorf("deployed: %v", err)
	}
	wantStates(t, g, "ticket 1.0.0 live")
	if left, _ := os.ReadDir(filepath.Join(g.Dir, "filters.d", ".versions", "ticket")); len(left) != 1 {
		t.Errorf("left on the disk: %v", left)
	}
	if v, _ := ran(t, g, "red", "hi"); v != "1.0.0" {
		t.Errorf("%s ran", v)
	}
}

// A state that cannot be read is a fault at the start, and so is a version whose files were changed.
func TestStateIsChecked(t *testing.T) {
	g := startDeploying(t, "")
	deploy(t, g, control.Deployment{Artifact: ticket(t, "1.1.0", guest.Options{})})
	dir := filepath.Join(g.Dir, "filters.d")
	f := func(file, text, want string) {
		t.Helper()
		old, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		write(t, file, text)
		var log strings.Builder
		if _, err := control.Check(t.Context(), options(g.Dir, &log), false); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", file, err, want)
		}
		write(t, file, string(old))
	}
	state := filepath.Join(dir, ".state.json")
	f(state, "{", "deploy.path: cannot read .state.json")
	f(state, `{"filters":{"../x":{}}}`, "never writes")
	f(state, `{"filters":{"x":null}}`, "never writes")
	f(state, `{"filters":{"x":{"live":{"id":"../../x"}}}}`, "never writes")
	f(state, `{"filters":{"x":{"highest":"9"}}}`, "never writes")
	var saved struct {
		Filters map[string]struct{ Live struct{ ID string } }
	}
	text, err := os.ReadFile(state)
	if err != nil || json.Unmarshal(text, &saved) != nil {
		t.Fatal(err)
	}
	f(filepath.Join(dir, ".versions", "ticket", saved.Filters["ticket"].Live.ID, "ticket.wasm"), "other", "read: the version 1.1.0 in "+dir+" is not what was deployed")
}

// Without a deploy folder nothing can be deployed, but what a reload brought can be gone back from while the process lives.
func TestNoDeployPath(t *testing.T) {
	first := ticket(t, "", guest.Options{})
	g := gateway.StartWith(t, strings.Replace(deploying(""), "deploy: {path: filters.d}\n", "", 1), map[string]string{"policies/main.rego": allow, "ticket.wasm": string(first.Module)})
	if _, err := g.Control.Deploy(t.Context(), control.Deployment{Artifact: ticket(t, "1.0.0", guest.Options{})}); !errors.Is(err, control.ErrNoDeployPath) {
		t.Errorf("deployed: %v", err)
	}
	g.Write("ticket.wasm", string(guest.Module(guest.Options{Tag: "second"})))
	if err := g.Control.Reload(t.Context(), "test"); err != nil {
		t.Fatal(err)
	}
	wantStates(t, g, "ticket  live, ticket  previous")
	if out, err := g.Control.Rollback(t.Context(), "ticket"); err != nil || out.Live.Digest != first.Digest() {
		t.Errorf("%+v, %v", out, err)
	}
	if err := g.Control.Reload(t.Context(), "test"); err != nil {
		t.Fatal(err)
	}
	if f := g.Control.Filters(); f[0].Digest != first.Digest() {
		t.Error("a reload brings back what was gone back from")
	}
}
