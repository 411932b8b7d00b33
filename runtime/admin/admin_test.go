package admin_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"go.uber.org/goleak"

	"github.com/sluicegate/sluice/runtime/admin"
	"github.com/sluicegate/sluice/runtime/audit"
	"github.com/sluicegate/sluice/runtime/internal/gateway"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const config = `listen: 127.0.0.1:0
admin: {listen: "127.0.0.1:0", token: ephemeral}
models:
  - name: model-a
    endpoints: [{name: one, provider: demo}]
` + gateway.Callers + gateway.Rest

// listener is a gateway with its admin listener.
type listener struct {
	*gateway.Gateway
	t      *testing.T
	url    string
	client *http.Client
}

// start runs a gateway with an admin listener on loopback that also goes by the name of gate.internal.
func start(t *testing.T) *listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return serve(t, l, admin.Options{Hosts: []string{"localhost", "gate.internal"}}, &http.Transport{})
}

// startSocket runs a gateway with an admin listener on a unix socket.
func startSocket(t *testing.T) *listener {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sluice.sock")
	l, err := admin.ListenSocket(path)
	if err != nil {
		t.Fatal(err)
	}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}
	return serve(t, l, admin.Options{Socket: true}, &http.Transport{DialContext: dial})
}

func serve(t *testing.T, l net.Listener, o admin.Options, tr *http.Transport) *listener {
	t.Helper()
	return serveWith(t, gateway.Start(t, config), l, o, tr)
}

// serveWith runs the admin listener of a gateway.
func serveWith(t *testing.T, g *gateway.Gateway, l net.Listener, o admin.Options, tr *http.Transport) *listener {
	t.Helper()
	o.Controller, o.Logger = g.Control, g.Control.Logger()
	s := admin.New(o)
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		tr.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	url := "http://" + l.Addr().String()
	if o.Socket {
		url = "http://localhost"
	}
	return &listener{Gateway: g, t: t, url: url, client: &http.Client{Transport: tr}}
}

// with changes a request.
type with func(*http.Request)

func host(name string) with { return func(r *http.Request) { r.Host = name } }

func header(name, value string) with { return func(r *http.Request) { r.Header.Set(name, value) } }

// token is the listener's own.
func (l *listener) token() with { return header("Authorization", "Bearer "+l.Control.AdminToken()) }

// ask calls a page: "POST /reload", or "/livez" for GET.
func (l *listener) ask(page string, changes ...with) gateway.Reply {
	l.t.Helper()
	method, path, ok := strings.Cut(page, " ")
	if !ok {
		method, path = http.MethodGet, page
	}
	req, err := http.NewRequestWithContext(l.t.Context(), method, l.url+path, nil)
	if err != nil {
		l.t.Fatal(err)
	}
	for _, change := range changes {
		change(req)
	}
	resp, err := l.client.Do(req)
	if err != nil {
		l.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		l.t.Fatal(err)
	}
	return gateway.Reply{Status: resp.StatusCode, Header: resp.Header, Body: string(body)}
}

var private = []string{
	"/metrics", "/generation", "/filters", "/coverage", "/decisions/none", "POST /reload", "POST /filters/redact/deploy", "POST /filters/redact/rollback",
	"POST /filters/redact/promote", "POST /filters/redact/remove", "/debug/pprof/", "/debug/pprof/heap", "/debug/pprof/profile?seconds=60",
	"/debug/pprof/trace", "/debug/pprof/cmdline", "/", "/nothing", "//livez", "/livez/", "/%6civez/..",
}

func TestToken(t *testing.T) {
	l := start(t)
	token := l.Control.AdminToken()
	f := func(want int, page string, changes ...with) {
		t.Helper()
		r := l.ask(page, changes...)
		if r.Status != want {
			t.Errorf("%s: %d %s, want %d", page, r.Status, r.Body, want)
		}
		if want == 401 && r.Header.Get("WWW-Authenticate") != "Bearer" {
			t.Errorf("%s: no WWW-Authenticate", page)
		}
		if strings.Contains(r.Body, token) {
			t.Errorf("%s tells the token", page)
		}
	}
	for _, page := range private {
		f(401, page)
		f(401, page, header("Authorization", "Bearer "+token+"x"))
		f(401, page, header("Authorization", "Bearer "+l.Key("red")))
	}
	f(200, "/generation", l.token())
	f(200, "/generation", header("Authorization", "bearer "+token)) // RFC 9110, section 11.1: the scheme's case is free
	for _, wrong := range []string{token, "Basic " + token, "Bearer", "Bearer ", "Bearer  " + token, "Bearer " + token[:len(token)-1]} {
		f(401, "/generation", header("Authorization", wrong))
	}
	f(401, "/generation", header("X-Api-Key", token))
	f(401, "/generation?token="+token)
	f(404, "/nothing", l.token())
	f(405, "/reload", l.token())
	f(405, "POST /generation", l.token())
	if n := l.Control.Status().Generation; n != 1 {
		t.Errorf("a call without the token made generation %d", n)
	}
	if strings.Contains(l.Log.String(), token) {
		t.Error("the token is in the log")
	}
}

// Probes come without a credential, by address; anything else needs one of the listener's names.
func TestHost(t *testing.T) {
	l := start(t)
	f := func(want int, name string) {
		t.Helper()
		for _, page := range []string{"/livez", "/readyz", "/metrics"} {
			if r := l.ask(page, host(name), l.token()); r.Status != want {
				t.Errorf("%s of %q: %d %s, want %d", page, name, r.Status, r.Body, want)
			}
		}
	}
	for _, name := range []string{"127.0.0.1", "127.0.0.1:9090", "[::1]:9090", "10.1.2.3", "localhost", "LOCALHOST:1", "gate.internal", "Gate.Internal:99"} {
		f(200, name)
	}
	for _, name := range []string{"evil.example", "localhost.evil.example", "127.0.0.1.evil.example:80", "gate.internal.", "gate", "localhost:1:2"} {
		f(421, name)
	}
}

// What a web page may send, whatever it is, is refused, with the token too.
func TestOrigin(t *testing.T) {
	for _, l := range []*listener{start(t), startSocket(t)} {
		for _, origin := range []string{"http://evil.example", "null", l.url, ""} {
			for _, page := range []string{"/livez", "/readyz", "/metrics", "POST /reload"} {
				if r := l.ask(page, header("Origin", origin), l.token()); r.Status != 403 {
					t.Errorf("%s from %q: %d", page, origin, r.Status)
				}
			}
		}
	}
}

func TestProbes(t *testing.T) {
	l := start(t)
	f := func(page string, want int, body string, changes ...with) {
		t.Helper()
		if r := l.ask(page, changes...); r.Status != want || r.Body != body {
			t.Errorf("%s: %d %q, want %d %q", page, r.Status, r.Body, want, body)
		}
	}
	f("/livez", 200, "ok\n")
	f("/readyz", 200, "ok\n")
	f("HEAD /readyz", 200, "")

	l.Write("sluice.yaml", strings.Replace(config, "cache:", "cahce:", 1))
	if err := l.Control.Reload(t.Context(), "test"); err == nil {
		t.Fatal("a misspelt config was taken")
	}
	fault := l.Control.Status().Fault
	if !strings.Contains(fault, "cahce: unknown key") {
		t.Fatal(fault)
	}
	f("/readyz", 200, "ok, but the last reload was refused\n")
	f("/readyz", 200, "ok, but the last reload was refused\n", header("Authorization", "Bearer wrong"))
	f("/readyz", 200, "ok, but the last reload was refused:\n"+fault+"\n", l.token())

	l.Control.Stopping()
	f("/readyz", 503, "stopping\n")
	f("/livez", 200, "ok\n")
}

func TestMetrics(t *testing.T) {
	l := start(t)
	for range 2 {
		if r := l.Post("red", "/inference", `{"model_name":"model-a","inputs":"Write to ana@example.com"}`); r.Status != 200 {
			t.Fatal(r.Status, r.Body)
		}
	}
	r := l.ask("/metrics", l.token())
	if r.Status != 200 || !strings.HasPrefix(r.Header.Get("Content-Type"), "text/plain; version=0.0.4") {
		t.Fatal(r.Status, r.Header)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(r.Body))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{
		"gen_ai_client_token_usage", "gen_ai_server_request_duration_seconds", "sluice_exchanges_running", "sluice_cache_entries",
		"sluice_filter_calls_total", "sluice_audit_written_total", "go_goroutines",
	} {
		if families[name] == nil {
			t.Errorf("no %s in\n%s", name, r.Body)
		}
	}
	if strings.Contains(r.Body, "ana@") || strings.Contains(r.Body, l.Key("red")) {
		t.Error("the metrics tell what was asked, or the key")
	}
}

func TestGenerationAndFilters(t *testing.T) {
	l := start(t)
	if r := l.Post("red", "/inference", `{"model_name":"model-a","inputs":"hi"}`); r.Status != 200 {
		t.Fatal(r.Status, r.Body)
	}
	var st struct {
		Generation  int
		Since       time.Time
		Policy      string
		PolicyPath  string `json:"policy_path"`
		Models      []struct{ Name string }
		StatusFault *string `json:"fault"`
	}
	read(t, l.ask("/generation", l.token()), &st)
	if st.Generation != 1 || st.Since.IsZero() || st.Policy == "" || st.PolicyPath != "builtin:default" || st.Models[0].Name != "model-a" || st.StatusFault != nil {
		t.Errorf("%+v", st)
	}
	var filters []struct {
		Name, Module, Digest string
		Hooks                []string
		Required             bool
		Calls, Failures      int
		Seconds              float64
		Units                int
		Instances            struct {
			Alive, Idle, Created int
			Memory               int `json:"memory_bytes"`
		}
		Spans []struct {
			Kind    string
			Request int
		}
		CallTime struct {
			Bounds []float64
			Counts []int
		} `json:"call_seconds"`
	}
	read(t, l.ask("/filters", l.token()), &filters)
	if len(filters) != 1 || filters[0].Name != "redact" || len(filters[0].Digest) != 64 || len(filters[0].Hooks) != 2 || !filters[0].Required {
		t.Fatalf("%+v", filters)
	}
	f := filters[0]
	if f.Calls < 1 || f.Seconds <= 0 || f.Failures != 0 || f.Units <= 0 || f.Instances.Alive != 1 || f.Instances.Memory < 2<<16 {
		t.Errorf("counters after a request: %+v", f)
	}
	if f.Spans == nil || len(f.CallTime.Counts) != len(f.CallTime.Bounds)+1 || len(f.CallTime.Bounds) == 0 {
		t.Errorf("findings and times: %+v", f)
	}
	page := l.ask("/metrics", l.token()).Body
	for _, series := range []string{"sluice_filter_instances{", "sluice_filter_units_total{", "sluice_filter_call_seconds_bucket{", "sluice_filter_call_units_sum{", "sluice_filter_held_bytes{"} {
		if !strings.Contains(page, series+`filter="redact",version="`) {
			t.Errorf("/metrics has no %s", series)
		}
	}
}

// What the page says of a few kinds of strings; cmd/sluice has the whole table.
func TestCoverage(t *testing.T) {
	l := start(t)
	var c struct {
		Filters []string
		Rows    []struct {
			Operation, In, Strings, Nature string
			Places, Sees                   []string
		}
	}
	read(t, l.ask("/coverage", l.token()), &c)
	f := func(operation, in, place, want string) {
		t.Helper()
		for _, r := range c.Rows {
			if r.Operation == operation && r.In == in && slices.Contains(r.Places, place) {
				if len(r.Sees) != 1 || r.Nature+" "+r.Sees[0] != want {
					t.Errorf("%s, %s of %s: %s %v, want %s", place, in, operation, r.Nature, r.Sees, want)
				}
				return
			}
		}
		t.Errorf("nothing on %s in the %s of %s", place, in, operation)
	}
	if !slices.Equal(c.Filters, []string{"redact"}) {
		t.Errorf("%q", c.Filters)
	}
	f("chat_completions", "request", "messages[].content[].text", "text yes")
	f("chat_completions", "request", "messages[].tool_calls[].function.arguments", "arguments yes")
	f("chat_completions", "request", "messages[].content[].image_url.url", "opaque refused")
	f("chat_completions", "request", "store", "banned refused")
	f("chat_completions", "request", "tool_choice", "word no")
	f("chat_completions", "answer", "choices[].message.content", "text yes")
	f("chat_completions", "stream", "choices[].delta.content", "text yes")
	f("chat_completions", "stream", "choices[].logprobs", "copied dropped")
	f("completions", "stream", "choices[].text", "text yes")
	f("embeddings", "request", "input", "text yes")
	f("embeddings", "answer", "data[].embedding", "own no")
	f("inference", "request", "inputs", "text yes")
}

// read takes a JSON page that may be read, apart.
func read(t *testing.T, r gateway.Reply, into any) {
	t.Helper()
	if r.Status != 200 || r.Header.Get("Content-Type") != "application/json" {
		t.Fatalf("%d %s %s", r.Status, r.Header.Get("Content-Type"), r.Body)
	}
	if err := json.Unmarshal([]byte(r.Body), into); err != nil {
		t.Fatalf("%v in %s", err, r.Body)
	}
}

func TestReload(t *testing.T) {
	l := start(t)
	var st struct {
		Generation int
		Models     []struct{ Name string }
	}
	l.Write("sluice.yaml", strings.Replace(config, "name: model-a", "name: model-b", 1))
	read(t, l.ask("POST /reload", l.token()), &st)
	if st.Generation != 2 || st.Models[0].Name != "model-b" {
		t.Fatalf("%+v", st)
	}
	l.Write("sluice.yaml", strings.NewReplacer("name: model-a", "name: auto", "builtin:redact", "gone.wasm", "1", "one").Replace(config))
	var refusal struct{ Code, Detail string }
	r := l.ask("POST /reload", l.token())
	if err := json.Unmarshal([]byte(r.Body), &refusal); err != nil || r.Status != 422 || refusal.Code != "reload_refused" {
		t.Fatalf("%d %s", r.Status, r.Body)
	}
	if faults := strings.Count(refusal.Detail, "sluice.yaml:"); faults < 3 {
		t.Errorf("%d faults told:\n%s", faults, refusal.Detail)
	}
	if r := l.Post("red", "/inference", `{"model_name":"model-b","inputs":"hi"}`); r.Status != 200 {
		t.Errorf("after a refused reload: %d %s", r.Status, r.Body)
	}
	if r := l.ask("/generation", l.token()); !strings.Contains(r.Body, `"generation": 2`) || !strings.Contains(r.Body, `"fault"`) {
		t.Error(r.Body)
	}
}

// Control calls leave records, refused ones too; health and metrics none.
func TestAudit(t *testing.T) {
	l := start(t)
	for _, page := range []string{"/livez", "/readyz", "/metrics"} {
		l.ask(page, l.token())
	}
	l.ask("/generation", l.token())
	l.ask("/filters", l.token())
	l.ask("POST /reload", l.token())
	l.Write("sluice.yaml", "nonsense")
	l.ask("POST /reload", l.token())
	l.ask("/debug/pprof/heap", l.token())
	l.ask("POST /reload")
	l.ask("/livez", host("evil.example"))
	l.ask("/livez", header("Origin", "http://evil.example"))
	var got []string
	for _, rec := range l.Records(8) {
		notes, _ := rec["notes"].(map[string]any)
		if rec["kind"] != "control" || notes["from"] != "127.0.0.1" {
			t.Errorf("%v", rec)
		}
		got = append(got, fmt.Sprint(notes["action"], " ", rec["outcome"], " ", rec["status"]))
	}
	want := []string{
		"generation complete 200",
		"filters complete 200",
		"reload complete 200",
		"reload failed 422",
		"profile complete 200",
		"refused rejected 401",
		"refused rejected 421",
		"refused rejected 403",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%d records:\n%s", len(got), strings.Join(got, "\n"))
	}
}

func TestProfiles(t *testing.T) {
	l := start(t)
	gzip := []byte{0x1f, 0x8b}
	for _, page := range []string{"heap", "goroutine", "allocs", "profile?seconds=1"} {
		r := l.ask("/debug/pprof/"+page, l.token())
		if r.Status != 200 || !bytes.HasPrefix([]byte(r.Body), gzip) {
			t.Errorf("%s: %d %.40q", page, r.Status, r.Body)
		}
	}
	if r := l.ask("/debug/pprof/trace?seconds=0.1", l.token()); r.Status != 200 || !strings.HasPrefix(r.Body, "go 1.") {
		t.Errorf("trace: %d %.40q", r.Status, r.Body)
	}
	if r := l.ask("/debug/pprof/", l.token()); r.Status != 200 || !strings.Contains(r.Body, "goroutine") {
		t.Errorf("index: %d %.40q", r.Status, r.Body)
	}
	if r := l.ask("/debug/pprof/cmdline", l.token()); r.Status != 404 {
		t.Errorf("cmdline: %d", r.Status)
	}
}

// On the socket, who can open it may call; no token and no name is asked for.
func TestSocketCallers(t *testing.T) {
	l := startSocket(t)
	for _, page := range []string{"/livez", "/readyz", "/metrics", "/generation", "/filters", "POST /reload", "/debug/pprof/heap"} {
		if r := l.ask(page, host("anything")); r.Status != 200 {
			t.Errorf("%s: %d %s", page, r.Status, r.Body)
		}
	}
	for _, rec := range l.Records(4) {
		if notes, _ := rec["notes"].(map[string]any); notes["from"] != "socket" {
			t.Errorf("%v", rec)
		}
	}
	if n := l.Control.Status().Generation; n != 2 {
		t.Errorf("generation %d", n)
	}
}

// A configuration without a token lets nobody in by TCP, not even one who sends an empty one.
func TestNoToken(t *testing.T) {
	l := start(t)
	l.Write("sluice.yaml", strings.Replace(config, `{listen: "127.0.0.1:0", token: ephemeral}`, "{socket: a.sock}", 1))
	read(t, l.ask("POST /reload", l.token()), &struct{}{})
	for _, value := range []string{"", "Bearer", "Bearer ", "Bearer \"\""} {
		if r := l.ask("/generation", header("Authorization", value)); r.Status != 401 {
			t.Errorf("%q: %d", value, r.Status)
		}
	}
}

// A token behind a reference is read anew with each generation.
func TestTokenRotates(t *testing.T) {
	l := start(t)
	l.Write("token", "first-token-of-the-admin")
	l.Write("sluice.yaml", strings.Replace(config, "token: ephemeral", "token: {file: token}", 1))
	read(t, l.ask("POST /reload", l.token()), &struct{}{})
	old := l.token()
	l.Write("token", "second-token-of-the-admin")
	read(t, l.ask("POST /reload", old), &struct{}{})
	if r := l.ask("/generation", old); r.Status != 401 {
		t.Errorf("the old token: %d", r.Status)
	}
	read(t, l.ask("/generation", header("Authorization", "Bearer second-token-of-the-admin")), &struct{}{})
}

// A head that no probe and no tool would send is refused before it is read whole.
func TestLargeHead(t *testing.T) {
	l := start(t)
	if r := l.ask("/livez", header("X", strings.Repeat("x", 16<<10))); r.Status != 200 { // net/http grants 4 KiB more
		t.Errorf("a head of 16 KiB: %d", r.Status)
	}
	if r := l.ask("/livez", header("X", strings.Repeat("x", 64<<10))); r.Status != 431 {
		t.Errorf("a head of 64 KiB: %d", r.Status)
	}
}

func TestDecision(t *testing.T) {
	l := start(t)
	l.Write("sluice.yaml", strings.Replace(config, `"builtin:default", `, `"builtin:default", decisions: {path: decisions.jsonl}, `, 1))
	if r := l.ask("POST /reload", l.token()); r.Status != 200 {
		t.Fatal(r.Status, r.Body)
	}
	r := l.Post("red", "/inference", `{"model_name":"model-a","inputs":"hi"}`)
	id := r.Header.Get("X-Sluice-Decision-Id")
	var e struct {
		Event    struct{ Path string }
		Then     string `json:"policy_then"`
		Now      string `json:"policy_now"`
		Decision struct{ Rules []any }
	}
	for range 200 { // until the line is written
		page := l.ask("/decisions/"+id, l.token())
		if page.Status == 200 {
			if err := json.Unmarshal([]byte(page.Body), &e); err != nil {
				t.Fatal(err)
			}
			break
		}
		time.Sleep(audit.FlushEvery)
	}
	if id == "" || e.Event.Path != "sluice/decision" || e.Then != e.Now || len(e.Decision.Rules) == 0 {
		t.Errorf("%q: %+v", id, e)
	}
	if r := l.ask("/decisions/none", l.token()); r.Status != 404 || !strings.Contains(r.Body, "no such decision") {
		t.Errorf("%d %s", r.Status, r.Body)
	}
}
