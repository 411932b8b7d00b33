package server_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"flag"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluicegate/sluice/runtime/internal/gateway"
	"github.com/sluicegate/sluice/runtime/internal/modelserver"
	"github.com/sluicegate/sluice/runtime/reuse"
)

// The faults: what a model server can do wrong, each as a whole answer and as a stream, with the cache and without. What
// the caller gets, how many calls were made and what the record says stands in testdata/faults.golden, which is read like
// a table. Nobody waits without an end, and no part of an answer passes for the whole.

var update = flag.Bool("update", false, "write the golden files anew")

// allFaults tells whether every fault is tried; else a part of them is.
func allFaults() bool { return os.Getenv("SLUICE_FAULTS") == "all" }

// fault is one thing that goes wrong.
type fault struct {
	name  string
	whole modelserver.Step // what the model server does where a whole answer is asked for
	flow  modelserver.Step // and where a stream is; nil: the same
	url   string           // where there is no model server of the test's
	ca    string           // the certificate file of the endpoint
	slow  bool             // a timeout is to end it
	loose bool             // what comes of it depends on how busy the machine is: a filter's guest time may be spent
}

// mode is one way to ask.
type mode struct {
	stream, cache bool
}

// seen is what came of it.
type seen struct {
	id     string // the exchange's
	caller string // status and code; for a stream that began: how it ended
	calls  int    // that reached the model server
	record string
	took   time.Duration
	again  string // the cache status of the same request once more
}

func TestFaults(t *testing.T) {
	if raceDetector && !allFaults() {
		t.Skip("nothing is concurrent in it that the attacks do not try")
	}
	pems := certificates(t)
	faults := faultsOf(pems)
	if len(faults) < 60 {
		t.Errorf("%d faults", len(faults))
	}
	var models strings.Builder
	servers := map[string]*modelserver.Server{}
	modes := []mode{{false, false}, {false, true}, {true, false}, {true, true}}
	var tried []fault
	for i, f := range faults {
		if !allFaults() && i%6 != 0 {
			continue
		}
		tried = append(tried, f)
		for k, m := range modes {
			name, url, ca, patience := fmt.Sprintf("m%d-%d", len(tried)-1, k), f.url, "", "10s"
			if url == "" {
				s := modelserver.New(t, f.step(m))
				servers[name], url = s, s.URL()
			}
			if f.slow {
				patience = "1s"
			}
			if f.ca != "" {
				ca = ", ca_file: " + f.ca
			}
			fmt.Fprintf(&models, "  - name: %s\n    endpoints: [{name: one, provider: openai, url: %q, requires: [redact], timeouts: {first_byte: %s, idle: %s}%s}]\n", name, url, patience, patience, ca)
		}
	}
	files := map[string]string{}
	for name, p := range pems.files {
		files[name] = p
	}
	g := gateway.StartWith(t, gateway.Callers+"models:\n"+models.String()+"limits: {exchanges: 1000}\n"+gateway.Rest, files)
	warm := g.Post("red", chatPath, `{"model":"nobody","messages":[]}`) // connections of the test's own
	if warm.Status != 400 {
		t.Fatalf("%d %s", warm.Status, warm.Body)
	}
	goroutines, open := runtime.NumGoroutine(), descriptors(t)
	noneOut(t)
	got := make([][4]seen, len(tried))
	gate := make(chan struct{}, 12)
	var wg sync.WaitGroup
	for i := range tried {
		for k, m := range modes {
			wg.Go(func() {
				gate <- struct{}{}
				defer func() { <-gate }()
				name := fmt.Sprintf("m%d-%d", i, k)
				got[i][k] = provoke(t, g, name, m, servers[name])
			})
		}
	}
	wg.Wait()
	records(t, g, got)
	report(t, tried, got)
	for _, s := range servers {
		s.Close()
	}
	until(t, "goroutines and descriptors are given back", func() bool {
		runtime.GC()
		return runtime.NumGoroutine() <= goroutines+16 && descriptors(t) <= open+16
	})
	noneOut(t)
}

// noneOut waits until every buffer that was taken from a pool was given back, once.
func noneOut(t *testing.T) {
	t.Helper()
	defer func() {
		if t.Failed() {
			t.Logf("buffers that are out: %v", reuse.Out())
		}
	}()
	until(t, "buffers are given back", func() bool { return len(reuse.Out()) == 0 })
}

func (f *fault) step(m mode) modelserver.Step {
	if m.stream && f.flow != nil {
		return f.flow
	}
	return f.whole
}

// provoke asks once, and once more to see whether the answer was kept.
func provoke(t *testing.T, g *gateway.Gateway, model string, m mode, server *modelserver.Server) seen {
	body := fmt.Sprintf(`{"model":%q,"messages":[{"role":"user","content":"hi"}]}`, model)
	if m.stream {
		body = streamed(body)
	}
	var header []string
	if !m.cache {
		header = []string{"Cache-Control", "no-store"}
	}
	start := time.Now()
	r := g.Post("red", chatPath, body, header...)
	s := seen{id: r.Header.Get("X-Request-Id"), caller: ended(r, m), took: time.Since(start)}
	if server != nil {
		s.calls = len(server.Requests())
	}
	if leak := shows(r.Body, "SECRET"); leak != "" {
		t.Errorf("%s: the caller reads the model server's own words: %s", model, leak)
	}
	if m.cache {
		s.again = g.Post("red", chatPath, body).Cache()
	}
	return s
}

// ended says how an answer ended for the caller.
func ended(r gateway.Reply, m mode) string {
	code := r.Code()
	for line := range strings.Lines(r.Body) {
		if strings.Contains(line, `"error":{`) && strings.HasPrefix(line, "data:") {
			code = (gateway.Reply{Body: strings.TrimPrefix(line, "data:")}).Code()
		}
	}
	done := strings.HasSuffix(r.Body, "data: [DONE]\n\n")
	switch {
	case r.Status == 200 && !m.stream:
		return "200 " + quote(says(r.Body))
	case r.Status == 200 && done && code == "":
		return "200 " + quote(says(r.Body))
	case r.Status == 200 && !done && code != "":
		return "200, then " + code
	case r.Status == 200:
		return "200 WITHOUT AN END"
	default:
		return fmt.Sprintf("%d %s", r.Status, code)
	}
}

// records fills in what the audit log says of each exchange, and holds it against what the caller saw.
func records(t *testing.T, g *gateway.Gateway, got [][4]seen) {
	t.Helper()
	n := 1 + 6*len(got) // with the second requests, and the one that warmed up
	first := 0
	for _, rec := range g.Records(n) { // an answer's end comes before its record, so the second request's may stand first
		var i, k int
		model, _ := rec["model_asked"].(string)
		if _, err := fmt.Sscanf(model, "m%d-%d", &i, &k); err != nil || rec["id"] != got[i][k].id {
			continue
		}
		first++
		attempts, _ := rec["attempts"].([]any)
		got[i][k].record = fmt.Sprintf("attempts: %d  %v", len(attempts), rec["outcome"])
		if got[i][k].calls > len(attempts) || len(attempts) > 4 {
			t.Errorf("%s: %d calls, %d attempts", model, got[i][k].calls, len(attempts))
		}
		if code, _ := rec["code"].(string); code != "" && !strings.HasSuffix(got[i][k].caller, code) {
			t.Errorf("%s: the caller saw %q, the record says %q", model, got[i][k].caller, code)
		}
	}
	if first != 4*len(got) {
		t.Errorf("%d exchanges have records, want %d", first, 4*len(got))
	}
}

// report holds what was seen against the golden table, with the cache and without alike.
func report(t *testing.T, tried []fault, got [][4]seen) {
	t.Helper()
	var blocks []string
	for i, f := range tried {
		for k, s := range got[i] {
			if s.took > 30*time.Second {
				t.Errorf("%s: took %v", f.name, s.took)
			}
			if s.again == "hit" && !strings.HasPrefix(s.caller, `200 "`) {
				t.Errorf("%s: an answer that failed was kept", f.name)
			}
			if k%2 == 1 && !f.loose && got[i][k-1].line() != s.line() {
				t.Errorf("%s: without the cache %s, with it %s", f.name, got[i][k-1].line(), s.line())
			}
		}
		if f.loose {
			continue
		}
		blocks = append(blocks, fmt.Sprintf("%s\n    whole   %s\n    stream  %s\n", f.name, got[i][0].line(), got[i][2].line()))
	}
	const golden = "testdata/faults.golden"
	if *update && allFaults() {
		if err := os.WriteFile(golden, []byte(strings.Join(blocks, "")), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range blocks {
		if !strings.Contains("\n"+string(want), "\n"+block) {
			t.Errorf("not in %s:\n%s", golden, block)
		}
	}
}

func (s *seen) line() string {
	return strings.TrimSpace(fmt.Sprintf("%-40s %s", s.caller, s.record))
}

// descriptors is the number of open files of this process; 0 where that cannot be told.
func descriptors(t *testing.T) int {
	t.Helper()
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(files)
}

// pemFiles are certificates that TLS endpoints are tried with, and the servers that show them.
type pemFiles struct {
	files map[string]string
	urls  map[string]string
}

// certificates starts TLS servers: one whose certificate has expired, one whose is another host's, one that nobody vouches
// for.
func certificates(t *testing.T) pemFiles {
	t.Helper()
	p := pemFiles{files: map[string]string{}, urls: map[string]string{}}
	f := func(name string, until time.Time, hosts ...string) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		c := &x509.Certificate{
			SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: until,
			IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature, DNSNames: hosts,
		}
		if len(hosts) == 0 {
			c.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
		}
		der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
		if err != nil {
			t.Fatal(err)
		}
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			modelserver.Answer("SECRET")(w, r, nil)
		}))
		s.Config.ErrorLog = log.New(io.Discard, "", 0)
		s.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: tls.VersionTLS12}
		s.StartTLS()
		t.Cleanup(s.Close)
		p.urls[name] = s.URL + "/v1"
		p.files[filepath.Base(name)+".pem"] = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	}
	f("expired", time.Now().Add(-time.Hour))
	f("otherhost", time.Now().Add(time.Hour), "model.example")
	f("good", time.Now().Add(time.Hour))
	p.urls["plain"] = "https" + strings.TrimPrefix(modelserver.New(t).URL(), "http")
	return p
}
