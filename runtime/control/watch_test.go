package control_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluicegate/sluice/filters"
	"github.com/sluicegate/sluice/runtime/internal/gateway"
	"github.com/sluicegate/sluice/runtime/internal/guest"
	"github.com/sluicegate/sluice/runtime/internal/modelserver"
)

// watch runs the watcher until the test ends.
func watch(t *testing.T, g *gateway.Gateway) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); g.Control.Watch(ctx) }()
	t.Cleanup(func() { cancel(); <-ended })
}

func generation(g *gateway.Gateway) uint64 { return g.Control.Status().Generation }

// Each kind of file that a generation is made of makes a new one when it changes, and only then.
func TestWatch(t *testing.T) {
	g := start(t)
	watch(t, g)
	f := func(what string, change func()) {
		t.Helper()
		before := generation(g)
		change()
		until(t, what, func() bool { return generation(g) == before+1 })
		if st := g.Control.Status(); st.Fault != "" {
			t.Errorf("%s: %s", what, st.Fault)
		}
	}
	f("config", func() { g.Write("sluice.yaml", smallest+"limits: {depth: 64}\n") })
	g.Write("new.key", strings.Repeat("new-key-", 4))
	g.Write("old.key", strings.Repeat("old-key-", 4))
	f("config with state keys", func() {
		g.Write("sluice.yaml", smallest+"limits: {depth: 64}\nstate_key: [{file: new.key}, {file: old.key}]\n")
	})
	f("state key that was there before", func() { g.Write("old.key", strings.Repeat("its-key-", 4)) })
	f("policy", func() { g.Write("policies/main.rego", allow+"# changed\n") })
	f("policy's data", func() { g.Write("policies/data.json", `{"a":1}`) })
	f("policy in a new folder", func() { g.Write("policies/more/x.rego", "package more\n") })
	f("policy file gone", func() { _ = os.Remove(filepath.Join(g.Dir, "policies/more/x.rego")) })
	module, _ := filters.Builtin("redact")
	module = append(slices.Clone(module), 0, 2, 1, 'x') // a custom section named x, which does nothing
	f("filter", func() { g.Write("redact.wasm", string(module)) })
	digest := sha256.Sum256(module)
	if st := g.Control.Status(); st.Filters[0].Digest != hex.EncodeToString(digest[:]) {
		t.Errorf("%+v", st.Filters)
	}
	serves(t, g, "after all that")
}

// A file written anew as it was, files of others, and the audit log change nothing.
func TestWatchLeavesWhatIsUnchanged(t *testing.T) {
	g := start(t)
	watch(t, g)
	g.Write("policies/main.rego", allow)
	g.Write("policies/README.md", "not part of a policy")
	g.Write("policies/.hidden.rego", "nor this")
	g.Write("other.txt", "x")
	for i := range 20 {
		serves(t, g, fmt.Sprint("question ", i))
	}
	g.Write("policies/main.rego", allow+"# changed\n")
	until(t, "the real change", func() bool { return generation(g) > 1 })
	if n := generation(g); n != 2 {
		t.Errorf("%d generations for one change", n)
	}
}

// The same size and the same times hide nothing.
func TestWatchComparesContents(t *testing.T) {
	g := start(t)
	watch(t, g)
	path := filepath.Join(g.Dir, "policies/main.rego")
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	g.Write("policies/next", strings.Replace(allow, "decision := {", "decision :={ ", 1))
	if err := os.Chtimes(filepath.Join(g.Dir, "policies/next"), info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(g.Dir, "policies/next"), path); err != nil {
		t.Fatal(err)
	}
	until(t, "the exchanged file", func() bool { return generation(g) == 2 })
}

// While files are still being written nothing is taken: the whole set must have come to rest.
func TestWatchWaitsForTheWholeSet(t *testing.T) {
	g := start(t)
	watch(t, g)
	for i := range 30 { // a policy in pieces: broken until the last one
		g.Write("policies/main.rego", allow[:10+i])
		g.Write("policies/data.json", fmt.Sprintf(`{"n":%d}`, i))
		time.Sleep(20 * time.Millisecond)
	}
	g.Write("policies/main.rego", allow+"# whole\n")
	until(t, "the change", func() bool { return generation(g) == 2 })
	if strings.Contains(g.Log.String(), "reload refused") {
		t.Errorf("half a set was taken:\n%s", g.Log.String())
	}
}

// kubernetes makes a folder as the kubelet does: names are links into ..data, which is a link to a folder of that
// moment, and an update swaps ..data alone.
type kubernetes struct {
	t   *testing.T
	dir string
	n   int
}

func (k *kubernetes) update(files map[string]string) {
	k.t.Helper()
	k.n++
	moment := fmt.Sprintf("..2026_%d", k.n)
	for name, text := range files {
		write(k.t, filepath.Join(k.dir, moment, name), text)
		if k.n == 1 {
			k.link(filepath.Join("..data", name), name)
		}
	}
	k.link(moment, "..data_tmp")
	if err := os.Rename(filepath.Join(k.dir, "..data_tmp"), filepath.Join(k.dir, "..data")); err != nil {
		k.t.Fatal(err)
	}
}

func (k *kubernetes) link(to, name string) {
	k.t.Helper()
	if err := os.Symlink(to, filepath.Join(k.dir, name)); err != nil {
		k.t.Fatal(err)
	}
}

func TestWatchKubernetesVolumes(t *testing.T) {
	g := start(t)
	k := &kubernetes{t: t, dir: filepath.Join(g.Dir, "volume")}
	k.update(map[string]string{"main.rego": allow})
	g.Write("sluice.yaml", strings.Replace(smallest, "path: policies", "path: volume", 1))
	if err := g.Control.Reload(t.Context(), "test"); err != nil {
		t.Fatal(err)
	}
	watch(t, g)
	deny := strings.Replace(allow, "true", "false", 1)
	for i, text := range []string{deny, allow, deny} {
		k.update(map[string]string{"main.rego": text})
		until(t, "the swap", func() bool { return generation(g) == uint64(3+i) })
		r := g.Post("red", "/inference", `{"model_name":"model-a","inputs":"hi"}`)
		if want := map[bool]int{true: 200, false: 403}[text == allow]; r.Status != want {
			t.Errorf("after swap %d: %d, want %d", i, r.Status, want)
		}
	}
}

// Files that links lead to elsewhere give no event in any folder that is watched: looking finds them.
func TestWatchWithoutEvents(t *testing.T) {
	g := start(t)
	elsewhere := filepath.Join(t.TempDir(), "real.rego")
	write(t, elsewhere, allow)
	link := filepath.Join(g.Dir, "policies/main.rego")
	if err := os.Remove(link); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(elsewhere, link); err != nil {
		t.Fatal(err)
	}
	watch(t, g)
	write(t, elsewhere, allow+"# changed\n")
	until(t, "the change", func() bool { return generation(g) == 2 })
}

// A secret in a file that is rotated is used from then on, without a restart.
func TestWatchSecrets(t *testing.T) {
	m := modelserver.New(t, modelserver.Answer("ok"))
	config := strings.Replace(smallest, "{name: one, provider: demo}",
		fmt.Sprintf("{name: one, provider: openai, url: %q, credential: {file: secret.json, json: access.token}}", m.URL()), 1)
	all := files(t)
	all["secret.json"] = `{"access":{"token":"sk-first"}}`
	g := gateway.StartWith(t, config, all)
	watch(t, g)
	serves(t, g, "one")
	g.Write("secret.json", `{"access":{"token":"sk-second"}}`)
	n := 0
	until(t, "the rotation", func() bool {
		n++
		serves(t, g, fmt.Sprint("call ", n))
		seen := m.Requests()
		return seen[len(seen)-1].Header.Get("Authorization") == "Bearer sk-second"
	})
	if got := m.Requests()[0].Header.Get("Authorization"); got != "Bearer sk-first" || generation(g) != 1 {
		t.Errorf("the model server saw %q first; generation %d", got, generation(g))
	}
	if strings.Contains(g.Log.String(), "sk-") {
		t.Error("a secret is in the log")
	}
}

// A reload that failed is tried again when the files change, and not before.
func TestWatchAfterAFault(t *testing.T) {
	g := start(t)
	watch(t, g)
	g.Write("policies/main.rego", "package sluice\n\ndecision := {")
	until(t, "the fault", func() bool { return g.Control.Status().Fault != "" })
	serves(t, g, "meanwhile")
	g.Write("policies/main.rego", allow+"# repaired\n")
	until(t, "the repair", func() bool { return g.Control.Status().Fault == "" })
	if n := strings.Count(g.Log.String(), "reload refused"); n != 1 || generation(g) != 2 {
		t.Errorf("%d refusals, generation %d", n, generation(g))
	}
}

// What is dropped into the deploy folder goes live by itself, once it is there whole; what is no filter changes nothing.
func TestWatchDeployFolder(t *testing.T) {
	g := startDeploying(t, "")
	watch(t, g)
	module := guest.Module(guest.Options{Tag: "dropped"})
	g.Write("filters.d/notes.txt", "no filter")
	g.Write("filters.d/extra.wasm", string(module))
	until(t, "the filter", func() bool { return states(g) == "ticket 1.0.0 live, extra  live" })
	g.Write("filters.d/extra.wasm", string(module[:len(module)-4])) // as a copy is that goes on
	until(t, "its fault", func() bool { return strings.Contains(g.Control.Status().Fault, "rewrite: ") })
	wantStates(t, g, "ticket 1.0.0 live, extra  live")
	serves(t, g, "all the same")
	next := guest.Module(guest.Options{Tag: "whole"})
	g.Write("filters.d/extra.wasm", string(next))
	until(t, "the next version", func() bool { return states(g) == "ticket 1.0.0 live, extra  live, extra  previous" })
	until(t, "the end of the fault", func() bool { return g.Control.Status().Fault == "" }) // told once all is in place
}
