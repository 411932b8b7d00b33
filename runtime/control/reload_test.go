package control_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluicegate/sluice/runtime/control"
	"github.com/sluicegate/sluice/runtime/internal/gateway"
	"github.com/sluicegate/sluice/runtime/internal/modelserver"
)

// chat is a streamed request.
func chat(text string) string {
	return fmt.Sprintf(`{"model":"model-a","stream":true,"messages":[{"role":"user","content":%q}]}`, text)
}

func at(url string) string {
	return strings.Replace(smallest, "{name: one, provider: demo}", fmt.Sprintf("{name: one, provider: openai, url: %q}", url), 1)
}

// Under load, with streams open, reloading fails no request, and every record names exactly one generation, under whose
// policy it was decided.
func TestReloadUnderLoad(t *testing.T) {
	const callers, each, reloads = 8, 60, 20
	m := modelserver.New(t, modelserver.SlowStream(time.Millisecond, "one ", "two ", "three ", "four ", "five"))
	policy := func(n int) string {
		return strings.Replace(allow, `"models"`, fmt.Sprintf(`"annotations": {"version": "%d"}, "models"`, n), 1)
	}
	all := files(t)
	all["policies/main.rego"] = policy(1)
	g := gateway.StartWith(t, at(m.URL()), all)
	var load sync.WaitGroup
	var done atomic.Bool
	for c := range callers {
		load.Go(func() {
			for i := 0; i < each || !done.Load(); i++ {
				r := g.Post("red", "/v1/chat/completions", chat(fmt.Sprint("caller ", c, " question ", i)))
				if r.Status != http.StatusOK || !strings.HasSuffix(r.Body, "data: [DONE]\n\n") || strings.Contains(r.Body, `"error"`) {
					t.Errorf("%d %s", r.Status, r.Body)
				}
			}
		})
	}
	for n := range reloads {
		g.Write("policies/main.rego", policy(n+2))
		if err := g.Control.Reload(t.Context(), "test"); err != nil {
			t.Error(err)
		}
	}
	done.Store(true)
	load.Wait()
	recs := g.Records(callers * each)
	seen := map[float64]int{}
	for _, rec := range recs {
		n, _ := rec["generation"].(float64)
		notes, _ := rec["notes"].(map[string]any)
		if rec["outcome"] != "complete" || n < 1 || n > reloads+1 || notes["version"] != fmt.Sprint(n) {
			t.Fatalf("record %v", rec)
		}
		seen[n]++
	}
	if len(seen) < 3 {
		t.Errorf("the load saw %d generations only: %v", len(seen), seen)
	}
	if n := g.Control.Pipeline().Expire(time.Hour); n != 0 {
		t.Errorf("%d retired generations are still held", n)
	}
}

// A stream keeps its generation to its end; the generation closes after it.
func TestStreamOutlivesItsGeneration(t *testing.T) {
	release := make(chan struct{})
	m := modelserver.New(t, func(w http.ResponseWriter, r *http.Request, body []byte) {
		modelserver.Events(0, modelserver.Delta("first "))(w, r, body)
		<-release
		modelserver.Stream("last")(w, r, body)
	})
	g := gateway.StartWith(t, at(m.URL()), files(t))
	resp := g.Open(t.Context(), "red", "/v1/chat/completions", chat("hi"))
	defer func() { _ = resp.Body.Close() }()
	if _, err := resp.Body.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	g.Write("policies/main.rego", strings.Replace(allow, "true", "false", 1))
	if err := g.Control.Reload(t.Context(), "test"); err != nil {
		t.Fatal(err)
	}
	if n := g.Control.Pipeline().Expire(time.Hour); n != 1 {
		t.Errorf("%d retired generations, want the stream's", n)
	}
	if r := g.Post("red", "/v1/chat/completions", chat("hi")); r.Status != http.StatusForbidden {
		t.Errorf("a new request: %d, want the new policy's 403", r.Status)
	}
	close(release)
	rest, err := io.ReadAll(resp.Body)
	if err != nil || !strings.HasSuffix(string(rest), "data: [DONE]\n\n") {
		t.Errorf("%q, %v", rest, err)
	}
	until(t, "closing", func() bool { return g.Control.Pipeline().Expire(time.Hour) == 0 })
}

// Exchanges on a generation retired longer than drain.max_age are ended.
func TestDrainMaxAge(t *testing.T) {
	m := modelserver.New(t, modelserver.Hang(modelserver.Events(0, modelserver.Delta("first "))))
	g := gateway.StartWith(t, at(m.URL())+"drain: {max_age: 50ms}\n", files(t))
	watch(t, g)
	resp := g.Open(t.Context(), "red", "/v1/chat/completions", chat("hi"))
	defer func() { _ = resp.Body.Close() }()
	if _, err := resp.Body.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if err := g.Control.Reload(t.Context(), "test"); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(resp.Body)
	if err != nil || !strings.Contains(string(rest), "overloaded") || strings.Contains(string(rest), "[DONE]") {
		t.Errorf("%q, %v", rest, err)
	}
	until(t, "the metric", func() bool { return metric(t, g.Control, "sluice_generations_retired") == "0" })
}

// What did not change is taken over as it is: filters with their counters, the cache with its answers, the audit log.
func TestReloadKeeps(t *testing.T) {
	g := start(t)
	ask := func() string {
		return g.Post("red", "/inference", `{"model_name":"model-a","inputs":"Write to ana@example.com"}`).Cache()
	}
	if got := ask(); got != "miss" {
		t.Fatalf("first: %s", got)
	}
	calls := g.Control.Filters()[0].Calls
	audit := g.Control.Pipeline().Current().Audit
	policy := g.Control.Pipeline().Current().Policy
	g.Write("sluice.yaml", smallest+"limits: {depth: 64}\n")
	if err := g.Control.Reload(t.Context(), "test"); err != nil {
		t.Fatal(err)
	}
	now := g.Control.Pipeline().Current()
	if n := g.Control.Filters()[0].Calls; n != calls || n == 0 {
		t.Errorf("the filter was loaded anew: %d calls, had %d", n, calls)
	}
	if now.Audit != audit || now.Policy != policy {
		t.Error("the audit log or the policy was made anew")
	}
	if got := ask(); got != "hit" {
		t.Errorf("after the reload: %s", got)
	}
	g.Records(2)
}

// What did change is made anew, and what it replaces is closed when the last generation on it is.
func TestReloadReplaces(t *testing.T) {
	g := start(t)
	serves(t, g, "one")
	g.Write("sluice.yaml", strings.NewReplacer("audit.jsonl", "second.jsonl", "size: 1MiB", "size: 4MiB", "default: token", "default: mask").Replace(smallest))
	if err := g.Control.Reload(t.Context(), "test"); err != nil {
		t.Fatal(err)
	}
	if r := g.Post("red", "/inference", `{"model_name":"model-a","inputs":"one"}`); r.Cache() != "miss" {
		t.Errorf("the new cache: %s", r.Cache())
	}
	g.Records(1)
	until(t, "the new audit log", func() bool {
		text, _ := os.ReadFile(filepath.Join(g.Dir, "second.jsonl"))
		return strings.Count(string(text), "\n") == 1
	})
	if n := g.Control.Filters()[0].Calls; n != 2 { // of a request and of an answer
		t.Errorf("the filter has %d calls: it was not loaded anew", n)
	}
}

// Answers of one model's definition are not served under another.
func TestReloadOfAModelPartsTheCache(t *testing.T) {
	first, second := modelserver.New(t, modelserver.Answer("first")), modelserver.New(t, modelserver.Answer("second"))
	g := gateway.StartWith(t, at(first.URL()), files(t))
	f := func(cache, text string) {
		t.Helper()
		r := g.Post("red", "/inference", `{"model_name":"model-a","inputs":"hi"}`)
		if r.Cache() != cache || !strings.Contains(r.Body, text) {
			t.Errorf("%s %s, want %s %s", r.Cache(), r.Body, cache, text)
		}
	}
	f("miss", "first")
	f("hit", "first")
	g.Write("sluice.yaml", at(second.URL()))
	if err := g.Control.Reload(t.Context(), "test"); err != nil {
		t.Fatal(err)
	}
	f("miss", "second")
}

func TestRestartNeeded(t *testing.T) {
	g := start(t)
	g.Write("sluice.yaml", "listen: 127.0.0.1:1\n"+smallest+"limits: {exchanges: 7, header: 8KiB}\ntimeouts: {write: 1s}\nlog: {level: debug}\nadmin: {socket: s}\n")
	if err := g.Control.Reload(t.Context(), "test"); err != nil {
		t.Fatal(err)
	}
	for _, setting := range []string{"listen", "admin", "timeouts", "limits.header", "limits.exchanges", "log"} {
		if !strings.Contains(g.Log.String(), "setting="+setting+"\n") {
			t.Errorf("nothing is said of %s:\n%s", setting, g.Log.String())
		}
	}
}

func TestFiguresAreInTheMetrics(t *testing.T) {
	g := start(t)
	serves(t, g, "one")
	serves(t, g, "one")
	g.Records(2)
	until(t, "written records", func() bool { return metric(t, g.Control, "sluice_audit_written_total") == "2" })
	f := func(series, want string) {
		t.Helper()
		if got := metric(t, g.Control, series); got != want {
			t.Errorf("%s is %q, want %q", series, got, want)
		}
	}
	f("sluice_generation", "1")
	f("sluice_exchanges_running", "0")
	f("sluice_cache_entries", "1")
	f("sluice_cache_flights", "0")
	f("sluice_audit_dropped_total", "0")
	f("sluice_audit_broken", "0")
	f("sluice_audit_free", "4096")
	version := g.Control.Filters()[0].Digest[:12]                              // it has no other
	f(`sluice_filter_calls_total{filter="redact",version="`+version+`"}`, "3") // two requests, and the answer of the one that was no hit
	f(`sluice_filter_failed_open_total{filter="redact",version="`+version+`"}`, "0")
	if metric(t, g.Control, "sluice_cache_bytes") == "0" {
		t.Error("the cache has no bytes")
	}
}

// Control calls are recorded, also when the log's queue is full; refused ones as those of unknown callers.
func TestControlled(t *testing.T) {
	g := start(t)
	f := func(call control.Call, want map[string]any) {
		t.Helper()
		call.Start = time.Now()
		g.Control.Controlled(call)
		recs := g.Records(1)
		until(t, "the record", func() bool { recs = g.Records(1); return recs[len(recs)-1]["status"] == float64(call.Status) })
		last := recs[len(recs)-1]
		for k, v := range want {
			if fmt.Sprint(last[k]) != fmt.Sprint(v) {
				t.Errorf("%s is %v, want %v", k, last[k], v)
			}
		}
	}
	f(control.Call{Action: "reload", From: "127.0.0.1", Status: 200, Known: true}, map[string]any{
		"kind": "control", "outcome": "complete", "generation": 1, "notes": map[string]any{"action": "reload", "from": "127.0.0.1"},
	})
	f(control.Call{Action: "reload", From: "socket", Status: 422, Known: true}, map[string]any{"outcome": "failed"})
	f(control.Call{Action: "refused", From: "192.0.2.1", Status: 401}, map[string]any{"outcome": "rejected", "code": "control_refused"})
}

// ReopenAudit is for rotation.
func TestReopenAudit(t *testing.T) {
	g := start(t)
	serves(t, g, "one")
	g.Records(1)
	if err := os.Rename(filepath.Join(g.Dir, "audit.jsonl"), filepath.Join(g.Dir, "old.jsonl")); err != nil {
		t.Fatal(err)
	}
	if err := g.Control.ReopenAudit(); err != nil {
		t.Fatal(err)
	}
	serves(t, g, "two")
	if n := len(g.Records(1)); n != 1 {
		t.Errorf("%d records in the new file", n)
	}
}

// The status holds no secret and reads as JSON.
func TestStatus(t *testing.T) {
	g := start(t)
	b, err := json.Marshal(g.Control.Status())
	if err != nil || strings.Contains(string(b), g.Key("red")) || !strings.Contains(string(b), `"generation":1`) {
		t.Errorf("%s, %v", b, err)
	}
	g.Control.Stopping()
	if st := g.Control.Status(); st.Ready() {
		t.Error("ready although stopping")
	}
}

// After Close nothing is built any more, and nothing panics.
func TestAfterClose(t *testing.T) {
	g := start(t)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := g.Server.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	if err := g.Control.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if err := g.Control.Reload(ctx, "test"); err == nil {
		t.Error("reloaded")
	}
	if err := g.Control.ReopenAudit(); err == nil {
		t.Error("reopened")
	}
	g.Control.Controlled(control.Call{})
	if g.Control.Config() != nil || g.Control.Filters() != nil || g.Control.AdminToken() != "" || g.Control.Addresses() != nil || g.Control.EphemeralKeys() != nil {
		t.Error("something is left")
	}
	if metric(t, g.Control, "sluice_cache_entries") != "0" || metric(t, g.Control, "sluice_audit_free") != "0" {
		t.Error("figures of nothing")
	}
}
