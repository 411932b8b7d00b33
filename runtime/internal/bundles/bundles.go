// Package bundles makes OPA bundles for tests, with OPA's own writer and signer, and is a server of them that can be told
// to fail in every way.
package bundles

import (
	"bytes"
	"compress/gzip"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/bundle"
)

// Bundle is what goes into one.
type Bundle struct {
	Files    map[string]string // modules and data.json files by path
	Revision string
	Roots    []string                // nil: all
	Delta    []bundle.PatchOperation // makes it a delta, without files
	Key      *Key                    // signs it; nil leaves it unsigned
	Claims   map[string]any          // of the signature, such as scope and exp
}

// Key is a pair of keys for signatures.
type Key struct {
	Public, private string // PEM
}

// NewKey makes one for ES256.
func NewKey(t testing.TB) *Key {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(&k.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	text := func(kind string, body []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: body}))
	}
	return &Key{Public: text("PUBLIC KEY", public), private: text("PRIVATE KEY", private)}
}

// Archive writes the bundle.
func (b Bundle) Archive(t testing.TB) []byte {
	t.Helper()
	made := b.bundle(t)
	var out bytes.Buffer
	if err := bundle.NewWriter(&out).DisableFormat(true).Write(made); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// Signatures are the signatures that a folder with the files has, as opa sign writes them.
func (b Bundle) Signatures(t testing.TB) string {
	t.Helper()
	text, err := json.Marshal(b.bundle(t).Signatures)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func (b Bundle) bundle(t testing.TB) bundle.Bundle {
	t.Helper()
	out := bundle.Bundle{Manifest: bundle.Manifest{Revision: b.Revision}, Data: map[string]any{}, Patch: bundle.Patch{Data: b.Delta}}
	if b.Roots != nil {
		out.Manifest.Roots = &b.Roots
	}
	out.Manifest.Init()
	for name, text := range b.Files {
		if path.Ext(name) == bundle.RegoExt {
			m, err := ast.ParseModule(name, text)
			if err != nil {
				m = &ast.Module{Package: ast.MustParsePackage("package broken")}
			}
			out.Modules = append(out.Modules, bundle.ModuleFile{URL: "/" + name, Path: "/" + name, RelativePath: "/" + name, Raw: []byte(text), Parsed: m})
			continue
		}
		var doc map[string]any
		if err := json.Unmarshal([]byte(text), &doc); err != nil {
			t.Fatal(err)
		}
		at := out.Data
		for dir := range strings.SplitSeq(strings.Trim(path.Dir(name), "."), "/") {
			if dir != "" {
				next, _ := at[dir].(map[string]any)
				if next == nil {
					next = map[string]any{}
				}
				at[dir], at = next, next
			}
		}
		for k, v := range doc {
			at[k] = v
		}
	}
	if b.Key != nil {
		b.sign(t, &out)
	}
	return out
}

func (b Bundle) sign(t testing.TB, out *bundle.Bundle) {
	t.Helper()
	claims := ""
	if b.Claims != nil {
		text, err := json.Marshal(b.Claims)
		if err != nil {
			t.Fatal(err)
		}
		claims = filepath.Join(t.TempDir(), "claims.json")
		if err := os.WriteFile(claims, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := out.GenerateSignature(bundle.NewSigningConfig(b.Key.private, "ES256", claims), "", false); err != nil {
		t.Fatal(err)
	}
}

// Server serves one bundle, and takes status reports and decisions.
type Server struct {
	URL string

	http  *httptest.Server
	other http.HandlerFunc // instead of it all
	mu    sync.Mutex
	body  []byte
	etag  string
	from  string // what the delta is against
	diff  []byte
	held  chan struct{} // closed when what is served changes; nil: no long polls
	fail  http.HandlerFunc
	want  func(*http.Request) bool // what it takes to be answered
	asks  []*http.Request
	sent  map[string][]string // what was sent to a path
}

// Serve starts a server. It ends with the test.
func Serve(t testing.TB) *Server {
	t.Helper()
	return serve(t, nil)
}

// ServeTLS is Serve over TLS.
func ServeTLS(t testing.TB, c *tls.Config) *Server {
	t.Helper()
	return serve(t, c)
}

// ServeHandler is ServeTLS of something else, such as tokens.
func ServeHandler(t testing.TB, c *tls.Config, h http.HandlerFunc) *Server {
	t.Helper()
	s := serve(t, c)
	s.other = h
	return s
}

func serve(t testing.TB, c *tls.Config) *Server {
	s := &Server{sent: map[string][]string{}}
	s.http = httptest.NewUnstartedServer(s)
	s.http.Config.ErrorLog = log.New(io.Discard, "", 0)
	if s.http.TLS = c; c == nil {
		s.http.Start()
	} else {
		s.http.StartTLS()
	}
	s.URL = s.http.URL
	t.Cleanup(s.Stop)
	return s
}

// Stop ends the server: nothing listens there any more.
func (s *Server) Stop() {
	s.http.CloseClientConnections()
	s.http.Close()
}

// Put makes it serve an archive.
func (s *Server) Put(body []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sum := sha256.Sum256(body)
	s.body, s.etag, s.diff, s.fail = body, `"`+hex.EncodeToString(sum[:8])+`"`, nil, nil
	if s.held != nil {
		close(s.held)
		s.held = make(chan struct{})
	}
}

// PutDelta is Put, with a delta for those who have what was served before and take deltas.
func (s *Server) PutDelta(delta, whole []byte) {
	s.mu.Lock()
	was := s.etag
	s.mu.Unlock()
	s.Put(whole)
	s.mu.Lock()
	s.from, s.diff = was, delta
	s.mu.Unlock()
}

// Demand makes it refuse requests without a credential.
func (s *Server) Demand(ok func(*http.Request) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.want = ok
}

// LongPoll makes it hold requests of those who have what it serves, for as long as they want to wait, until the next Put.
func (s *Server) LongPoll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held = make(chan struct{})
}

// holds waits for a change, as the request wants it.
func (s *Server) holds(r *http.Request) {
	s.mu.Lock()
	held, same := s.held, s.etag != "" && r.Header.Get("If-None-Match") == s.etag
	s.mu.Unlock()
	_, seconds, ok := strings.Cut(r.Header.Get("Prefer"), "wait=")
	if wait, err := strconv.Atoi(seconds); ok && err == nil && same && held != nil {
		select {
		case <-held:
		case <-time.After(time.Duration(wait) * time.Second):
		case <-r.Context().Done():
		}
	}
}

// Fail makes it answer otherwise, until the next Put.
func (s *Server) Fail(h http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = h
}

// Asked is how often it was asked for the bundle, and the last time with which headers.
func (s *Server) Asked() (int, http.Header) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.asks) == 0 {
		return 0, nil
	}
	return len(s.asks), s.asks[len(s.asks)-1].Header
}

// Sent is what was sent to a path so far.
func (s *Server) Sent(to string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string{}, s.sent[to]...)
}

// ServeHTTP answers.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.other != nil {
		s.other(w, r)
		return
	}
	if r.Method == http.MethodPost {
		s.take(r)
		return
	}
	s.mu.Lock()
	s.asks = append(s.asks, r)
	s.mu.Unlock()
	s.holds(r)
	s.mu.Lock()
	body, etag, fail, want := s.body, s.etag, s.fail, s.want
	if s.diff != nil && r.Header.Get("If-None-Match") == s.from && strings.Contains(r.Header.Get("Prefer"), "delta") {
		body = s.diff
	}
	kind := "application/gzip"
	if s.held != nil {
		kind = "application/vnd.openpolicyagent.bundles"
	}
	s.mu.Unlock()
	switch {
	case want != nil && !want(r):
		w.WriteHeader(http.StatusUnauthorized)
	case fail != nil:
		fail(w, r)
	case body == nil:
		http.NotFound(w, r)
	case r.Header.Get("If-None-Match") == etag:
		w.WriteHeader(http.StatusNotModified)
	default:
		w.Header().Set("Etag", etag)
		w.Header().Set("Content-Type", kind)
		_, _ = w.Write(body)
	}
}

// take keeps what was sent.
func (s *Server) take(r *http.Request) {
	var body io.Reader = r.Body
	if r.Header.Get("Content-Encoding") == "gzip" {
		unzipped, err := gzip.NewReader(r.Body)
		if err != nil {
			return
		}
		body = unzipped
	}
	text, err := io.ReadAll(body)
	if err != nil {
		text = fmt.Appendf(nil, "cut off: %v", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent[r.URL.Path] = append(s.sent[r.URL.Path], string(text))
}
