package control_test

import (
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluicegate/sluice/runtime/internal/bundles"
	"github.com/sluicegate/sluice/runtime/internal/gateway"
)

// signedBundle is the configuration of a bundle that must be signed with the key.
func signedBundle(k *bundles.Key, more string) (section, bundle string) {
	return fmt.Sprintf("  keys: {ours: {algorithm: ES256, key: %q}}\n", k.Public) + more, ", signing: {keyid: ours, scope: gateway}, size_limit_bytes: 20000"
}

// Whatever is wrong with a bundle or its server is said in its own words, and the last good policy goes on.
func TestBundleFaults(t *testing.T) {
	t.Parallel()
	s, k := bundles.Serve(t), bundles.NewKey(t)
	more, signing := signedBundle(k, "")
	claims := map[string]any{"scope": "gateway"}
	bundle := func(change func(*bundles.Bundle)) []byte {
		b := bundles.Bundle{Files: rules(true, "x"), Revision: "r2", Key: k, Claims: claims}
		change(&b)
		return b.Archive(t)
	}
	s.Put(bundle(func(b *bundles.Bundle) { b.Revision = "r1" }))
	g := gateway.Start(t, strings.Replace(bundleConfig(s.URL, more, signing), "timeout_seconds: 5", "timeout_seconds: 2", 1))
	if st := g.Control.Status(); st.Policy != "r1" {
		t.Fatalf("%+v %+v\n%s", st, st.Bundles, g.Log)
	}
	f := func(name string, spoil func(), stage, want string) {
		t.Run(name, func(t *testing.T) {
			t.Helper()
			spoil()
			matches := func() bool {
				b := g.Control.Status().Bundles[0]
				return b.Stage == stage && strings.Contains(b.Fault, want)
			}
			for end := time.Now().Add(30 * time.Second); !matches(); time.Sleep(10 * time.Millisecond) {
				if time.Now().After(end) {
					t.Fatalf("%+v", g.Control.Status().Bundles[0])
				}
			}
			if st := g.Control.Status(); !st.Ready() || st.Policy != "r1" {
				t.Errorf("%+v", st)
			}
			wait(t, "in the log: "+want, func() bool { return strings.Contains(strings.ReplaceAll(g.Log.String(), `\"`, `"`), want) })
			if r := g.Post("red", "/inference", question); r.Status != 200 {
				t.Error(r)
			}
		})
	}
	put := func(change func(*bundles.Bundle)) func() { return func() { s.Put(bundle(change)) } }
	answer := func(h http.HandlerFunc) func() { return func() { s.Fail(h) } }
	status := func(code int) func() {
		return answer(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "s3cret", code) })
	}
	with := func(name, text string) func() {
		return put(func(b *bundles.Bundle) { b.Files = maps.Clone(b.Files); b.Files[name] = text })
	}
	whole := bundle(func(*bundles.Bundle) {})
	body := func(b []byte) func() {
		return answer(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(b) })
	}

	f("not there", status(404), "download", "the server has nothing at bundles/gateway.tar.gz (status 404); correct opa.bundles.gateway.resource")
	f("no credential", status(401), "download", "the server refuses the credential (status 401); set opa.services.")
	f("down behind", status(502), "download", "the server answers with status 502")
	f("a page", answer(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<!DOCTYPE html><html>Log in") }), "download", "answers with a page of HTML")
	f("something else", body([]byte("{}")), "read", "it is no gzipped tar archive")
	f("nothing", body(nil), "read", "the answer is empty")
	f("cut off", body(whole[:len(whole)/2]), "read", "it is cut off")
	f("hung up", answer(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100000")
		_, _ = w.Write(whole)
	}), "download", "the answer was cut off")
	f("slow", answer(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }), "download", "does not answer in time")
	f("too large", with("data.json", `{"a":"`+strings.Repeat("x", 20_000)+`"}`), "size", "it is larger than 20000 bytes, packed or unpacked")
	f("unsigned", put(func(b *bundles.Bundle) { b.Key = nil }), "signature", "it is not signed")
	f("signed by another", put(func(b *bundles.Bundle) { b.Key = bundles.NewKey(t) }), "signature", "not of the key that signing names")
	f("for another scope", put(func(b *bundles.Bundle) { b.Claims = map[string]any{"scope": "other"} }), "signature", "made for another scope")
	f("expired", put(func(b *bundles.Bundle) { b.Claims = map[string]any{"scope": "gateway", "exp": 1_700_000_000} }), "signature", "the signature has expired at 2023-11-14T22:13:20Z")
	f("no Rego", with("main.rego", "package sluice\n\ndecision :="), "parse", "main.rego:3")
	f("not strict", with("main.rego", "package sluice\n\ndecision := {\"allowed\": true} if { x := 1 }"), "compile", "bundle:gateway/main.rego:3:")
	f("reaches out", with("main.rego", "package sluice\n\ndecision := {\"allowed\": true} if http.send({})"), "compile", "http.send")
	f("a typo of input", with("main.rego", "package sluice\n\ndecision := {\"allowed\": input.principl == \"a\"}"), "schema", "principl")
	f("no decision", with("main.rego", "package sluice\n\ndecide := {\"allowed\": true}"), "entry", "there is no rule decision in package sluice")
	f("no default", with("main.rego", "package sluice\n\ndecision := {\"allowed\": true} if input.stream"), "entry", `write one: default decision := {"allowed": false}`)
	f("a rule that is not", with("main.rego", "package sluice\n\ndecision := {\"allowed\": data.sluice.alow}\n\nallow := true"), "rules", `(did you mean "allow"?)`)
	f("a test that fails", with("main_test.rego", "package sluice_test\n\ntest_it if false"), "tests", "the policy's own test data.sluice_test.test_it fails")
	f("no test", put(func(b *bundles.Bundle) { b.Files = maps.Clone(b.Files); delete(b.Files, "main_test.rego") }), "tests", "it has no test of its own")
	f("down", s.Stop, "download", "the server cannot be reached")
	if strings.Contains(g.Log.String(), "s3cret") {
		t.Error("what a server said is in the log")
	}
}

// Without a bundle, all is refused until one is there.
func TestNoBundleYet(t *testing.T) {
	t.Parallel()
	s := bundles.Serve(t)
	g := gateway.Start(t, bundleConfig(s.URL, "", ""))
	if st := g.Control.Status(); st.Ready() || st.NoPolicy == "" || st.Bundles[0].Stage != "download" {
		t.Fatalf("%+v %+v", st, st.Bundles)
	}
	if r := g.Post("red", "/inference", question); r.Status != 503 || r.Code() != "policy_failed" {
		t.Fatal(r)
	}
	s.Put(bundles.Bundle{Files: rules(true, "x"), Revision: "r1"}.Archive(t))
	wait(t, "the bundle", func() bool { return g.Control.Status().Ready() })
	if r := g.Post("red", "/inference", question); r.Status != 200 {
		t.Fatal(r)
	}
}

// A bundle that is kept serves a start without its server, if it still passes; and no server is asked twice for the same.
func TestBundleIsKept(t *testing.T) {
	t.Parallel()
	s, dir := bundles.Serve(t), t.TempDir()
	s.Put(bundles.Bundle{Files: rules(true, "x"), Revision: "r1"}.Archive(t))
	config := bundleConfig(s.URL, fmt.Sprintf("  persistence_directory: %q\n", dir), ", persist: true")
	t.Run("with a server", func(t *testing.T) {
		g := gateway.Start(t, config)
		if st := g.Control.Status(); st.Policy != "r1" {
			t.Fatalf("%+v", st.Bundles)
		}
		kept := filepath.Join(dir, "bundles", "gateway", "bundle.tar.gz")
		wait(t, "the file", func() bool { _, err := os.Stat(kept); return err == nil })
		wait(t, "an ETag", func() bool { _, h := s.Asked(); return h.Get("If-None-Match") != "" })
		if _, h := s.Asked(); h.Get("Prefer") != "modes=snapshot" { // OPA keeps no delta
			t.Error(h)
		}
	})
	s.Stop()
	g := gateway.Start(t, config)
	wait(t, "the kept bundle", func() bool { return g.Control.Status().Policy == "r1" })
	wait(t, "the fault", func() bool { return g.Control.Status().Bundles[0].Fault != "" })
	if r := g.Post("red", "/inference", question); r.Status != 200 {
		t.Fatal(r)
	}
}

// A reload keeps the bundle's policy, tried with the new configuration; another server takes over when it has one.
func TestReloadWithABundle(t *testing.T) {
	t.Parallel()
	s, other := bundles.Serve(t), bundles.Serve(t)
	s.Put(bundles.Bundle{Files: rules(true, "x"), Revision: "r1"}.Archive(t))
	g := gateway.Start(t, bundleConfig(s.URL, "", ""))
	f := func(config, policy string, ok bool) {
		t.Helper()
		g.Write("sluice.yaml", config)
		if err := g.Control.Reload(t.Context(), "test"); (err == nil) != ok {
			t.Fatal(err)
		}
		wait(t, policy, func() bool { return g.Control.Status().Policy == policy })
		if r := g.Post("red", "/inference", question); r.Status != 200 {
			t.Fatal(r)
		}
	}
	f(bundleConfig(s.URL, "  labels: {app: x}\n", ""), "r1", true)
	f(bundleConfig(other.URL, "", ""), "r1", true)
	other.Put(bundles.Bundle{Files: rules(true, "y"), Revision: "r2"}.Archive(t))
	wait(t, "the other's", func() bool { return g.Control.Status().Policy == "r2" })
	f(strings.Replace(bundleConfig(other.URL, "", ""), "bundle: gateway", "bundle: gatewy", 1), "r2", false)
}

// The status that OPA reports has the gate's faults, and decisions are uploaded with labels and marks.
func TestReportsAndUploads(t *testing.T) {
	t.Parallel()
	s := bundles.Serve(t)
	files := rules(true, "x")
	files["log.rego"] = "package system.log\n\nmask contains \"/input/client/ip\"\n\nmask contains {\"op\": \"upsert\", \"path\": \"/input/principal/id\", \"value\": \"masked\"}\n"
	s.Put(bundles.Bundle{Files: files, Revision: "r1"}.Archive(t))
	more := "  labels: {region: eu}\n  status: {}\n  decision_logs: {reporting: {min_delay_seconds: 1, max_delay_seconds: 1}}\n"
	config := strings.Replace(bundleConfig(s.URL, more, ""), "timeout: 5s}", "timeout: 5s, decisions: {path: decisions.jsonl}}", 1)
	g := gateway.Start(t, config)
	if r := g.Post("red", "/inference", question); r.Status != 200 {
		t.Fatal(r, g.Control.Status().Bundles[0])
	}
	sent := func(path string, wants ...string) {
		t.Helper()
		wait(t, path, func() bool {
			all := strings.Join(s.Sent(path), "\n")
			for _, want := range wants {
				if !strings.Contains(all, want) {
					return false
				}
			}
			return true
		})
	}
	sent("/logs", `"region":"eu"`, `"gateway":{"revision":"r1"}`, `"path":"sluice/decision"`, `"erased":["/input/client/ip"]`, `"masked":["/input/principal/id"]`, `"id":"masked"`)
	sent("/status", `"active_revision":"r1"`, `"region":"eu"`)
	files["main_test.rego"] = "package sluice_test\n\ntest_it if false\n"
	s.Put(bundles.Bundle{Files: files, Revision: "r2"}.Archive(t))
	sent("/status", `tests: bundle:gateway/main_test.rego:3:1: the policy's own test`, `"code":"bundle_error"`)
}

// A folder that must be signed is read only as it was signed.
func TestSignedFolder(t *testing.T) {
	t.Parallel()
	k := bundles.NewKey(t)
	signatures := func(claims map[string]any) string {
		return bundles.Bundle{Files: rules(true, "x"), Key: k, Claims: claims}.Signatures(t)
	}
	config := gateway.Callers + fmt.Sprintf(`
models: [{name: model-a, endpoints: [{name: one, provider: demo}]}]
policy: {path: p, timeout: 5s, signing: {keyid: ours, scope: gateway, exclude_files: [.manifest]}}
audit: {path: audit.jsonl}
opa: {keys: {ours: {algorithm: ES256, key: %q}}}
`, k.Public)
	files := map[string]string{"p/.signatures.json": signatures(map[string]any{"scope": "gateway", "keyid": "ours"}), "p/data.json": "{}"}
	for name, text := range rules(true, "x") {
		files["p/"+name] = text
	}
	g := gateway.StartWith(t, config, files)
	f := func(name, text, want string) {
		t.Helper()
		g.Write(name, text)
		err := g.Control.Reload(t.Context(), "test")
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%v, want %s", err, want)
		}
		if r := g.Post("red", "/inference", question); r.Status != 200 {
			t.Error(r)
		}
	}
	f("p/more.rego", "package more\n", "p/.signatures.json: policy: file more.rego not included in bundle signature; sign the folder anew")
	if err := os.Remove(filepath.Join(g.Dir, "p/more.rego")); err != nil {
		t.Fatal(err)
	}
	f("p/.signatures.json", signatures(map[string]any{"scope": "other"}), "scope mismatch")
	f("p/.signatures.json", signatures(map[string]any{"scope": "gateway", "exp": 1}), "the signature has expired at 1970-01-01T00:00:01Z")
	f("p/.signatures.json", "{", "it is no JSON of signatures")
	f("p/.signatures.json", signatures(map[string]any{"scope": "gateway"}), "")
	f("p/main.rego", "package sluice\n\ndecision := {\"allowed\": true}\n", "main.rego: digest mismatch")
}
