// Package gateway starts a whole Sluice inside a test: real filters, real Rego, a real listener on loopback.
package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sluicegate/sluice/runtime/config"
	"github.com/sluicegate/sluice/runtime/control"
	"github.com/sluicegate/sluice/runtime/reuse"
	"github.com/sluicegate/sluice/runtime/server"
)

// Gateway is a running Sluice. It is stopped when its test ends.
type Gateway struct {
	URL     string
	Dir     string // of the config file; audit.jsonl is there
	Control *control.Controller
	Server  *server.Server
	Log     *Log
	t       testing.TB
	keys    map[string]string
	client  *http.Client
}

// Log keeps what the gateway logged.
type Log struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write adds to the log.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

// String is all that was logged.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// Main is the TestMain of packages whose tests start gateways: no goroutine is left behind, and every buffer that the stages
// took from a pool was given back, once.
func Main(m *testing.M) {
	reuse.Count()
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		if out := reuse.Out(); code == 0 && len(out) > 0 {
			fmt.Fprintf(os.Stderr, "taken from pools and not given back: %v\n", out)
			code = 1
		}
		os.Exit(code)
	}))
}

// Callers is the auth section that Key's ids come from: two principals of tenant red, one of tenant blue.
const Callers = `
auth:
  ephemeral:
    - {id: red, tenant: red, roles: [developer]}
    - {id: red2, tenant: red, roles: [developer]}
    - {id: blue, tenant: blue, roles: [developer]}
`

// Rest is what most tests need beside auth and models: redaction both ways, the shipped policy with time enough for a busy
// machine, a cache, an audit log.
const Rest = `
filters:
  - name: redact
    module: builtin:redact
    on: [request, response]
    required: true
    config: {request: {default: token}, response: {default: mask}}
policy: {path: "builtin:default", timeout: 5s}
cache: {size: 16MiB, ttl: 10m}
audit: {path: audit.jsonl, on_full: refuse}
`

// Model is a models section with model-a at one OpenAI endpoint.
func Model(url string) string {
	return fmt.Sprintf("models:\n  - name: model-a\n    endpoints: [{name: one, provider: openai, url: %q, requires: [redact]}]\n", url)
}

// Start runs a gateway on a config, to which it adds a listen address.
func Start(t testing.TB, text string) *Gateway {
	t.Helper()
	return StartWith(t, text, nil)
}

// StartWith is Start with further files in Dir, by name.
func StartWith(t testing.TB, text string, files map[string]string) *Gateway {
	t.Helper()
	g := &Gateway{Dir: t.TempDir(), Log: new(Log), t: t, keys: map[string]string{}, client: &http.Client{Transport: &http.Transport{}}}
	g.Write("sluice.yaml", text)
	for name, text := range files {
		g.Write(name, text)
	}
	log := slog.New(slog.NewTextHandler(g.Log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	c, err := control.Open(t.Context(), control.Options{
		Config: filepath.Join(g.Dir, "sluice.yaml"), CacheDir: cacheDir(t), Shapes: server.Shapes(), Tested: &tested,
		Logger: func(config.Log) *slog.Logger { return log },
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range c.EphemeralKeys() {
		g.keys[k.ID] = k.Secret
	}
	g.Control = c
	g.serve(log)
	return g
}

// tested spares every gateway but the first the tests of a policy that many have.
var tested control.Tested

// cacheDir is one folder for compiled filters over all tests of a package, so that each module is compiled once.
func cacheDir(t testing.TB) string {
	dir := filepath.Join(os.TempDir(), fmt.Sprintf("sluice-test-%d", os.Getuid()))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

func (g *Gateway) serve(log *slog.Logger) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		g.t.Fatal(err)
	}
	g.URL = "http://" + l.Addr().String()
	cfg := g.Control.Config()
	o := server.Options{
		Pipeline: g.Control.Pipeline(), Logger: log, TLS: g.Control.TLS(), HTTP1Only: !cfg.HTTP2,
		Connections: cfg.Limits.Connections, Streams: cfg.Limits.Streams, Inflation: cfg.Limits.Inflation,
	}
	if o.TLS != nil {
		g.URL = "https://" + l.Addr().String()
	}
	g.Server = server.New(o)
	done := make(chan error, 1)
	go func() { done <- g.Server.Serve(l) }()
	g.t.Cleanup(func() {
		g.client.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := g.Server.Shutdown(ctx); err != nil {
			g.t.Errorf("shutdown: %v", err)
		}
		if err := <-done; err != nil {
			g.t.Errorf("serve: %v", err)
		}
		if err := g.Control.Close(ctx); err != nil {
			g.t.Errorf("close: %v", err)
		}
	})
}

// Write puts a file into Dir. The config gets a listen address if it has none.
func (g *Gateway) Write(name, text string) {
	g.t.Helper()
	if name == "sluice.yaml" && !strings.Contains(text, "listen:") {
		text = "listen: 127.0.0.1:0\n" + text
	}
	if err := os.MkdirAll(filepath.Dir(filepath.Join(g.Dir, name)), 0o755); err != nil {
		g.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(g.Dir, name), []byte(text), 0o600); err != nil {
		g.t.Fatal(err)
	}
}

// Key is the secret of an ephemeral key.
func (g *Gateway) Key(id string) string { return g.keys[id] }

// Reply is an answer.
type Reply struct {
	Status int
	Header http.Header
	Body   string
}

// Code is the error code in the body, of any surface.
func (r Reply) Code() string {
	var b struct {
		Code  string
		Error struct{ Code string }
	}
	_ = json.Unmarshal([]byte(r.Body), &b)
	return b.Code + b.Error.Code
}

// Cache is what the cache did.
func (r Reply) Cache() string { return r.Header.Get("X-Sluice-Cache") }

// Post sends a body as the caller of that key id ("" sends no credential). header is name, value, ...
func (g *Gateway) Post(id, path, body string, header ...string) Reply {
	g.t.Helper()
	return g.Do(id, http.MethodPost, path, body, header...)
}

// Do is Post with another method.
func (g *Gateway) Do(id, method, path, body string, header ...string) Reply {
	g.t.Helper()
	resp := g.open(g.t.Context(), id, method, path, body, header...)
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil && resp.StatusCode == http.StatusOK && !strings.Contains(resp.Header.Get("Content-Type"), "event-stream") {
		g.t.Fatal(err)
	}
	return Reply{resp.StatusCode, resp.Header, string(text)}
}

// Open sends a body and returns the response with its body unread.
func (g *Gateway) Open(ctx context.Context, id, path, body string, header ...string) *http.Response {
	g.t.Helper()
	return g.open(ctx, id, http.MethodPost, path, body, header...)
}

func (g *Gateway) open(ctx context.Context, id, method, path, body string, header ...string) *http.Response {
	g.t.Helper()
	req, err := http.NewRequestWithContext(ctx, method, g.URL+path, strings.NewReader(body))
	if err != nil {
		g.t.Fatal(err)
	}
	if id != "" {
		req.Header.Set("X-Api-Key", g.keys[id])
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := g.client.Do(req)
	if err != nil {
		g.t.Fatal(err)
	}
	return resp
}

// Records are the audit log's records so far. It waits until there are at least n.
func (g *Gateway) Records(n int) []map[string]any {
	g.t.Helper()
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		var out []map[string]any
		text, _ := os.ReadFile(filepath.Join(g.Dir, "audit.jsonl"))
		for line := range bytes.Lines(text[:bytes.LastIndexByte(text, '\n')+1]) { // the last may not be whole yet
			var rec map[string]any
			if err := json.Unmarshal(line, &rec); err != nil {
				g.t.Fatalf("audit line %q: %v", line, err)
			}
			out = append(out, rec)
		}
		if len(out) >= n {
			return out
		}
		if time.Now().After(end) {
			g.t.Fatalf("%d audit records, want %d", len(out), n)
		}
	}
}
