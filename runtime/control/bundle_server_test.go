package control_test

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluicegate/sluice/runtime/internal/bundles"
	"github.com/sluicegate/sluice/runtime/internal/gateway"
	"github.com/sluicegate/sluice/runtime/internal/pki"
)

// serverConfig is bundleConfig with a service and a polling of one's own.
func serverConfig(url, service, polling string) string {
	return gateway.Callers + fmt.Sprintf(`
models: [{name: model-a, endpoints: [{name: one, provider: demo}]}]
policy: {bundle: gateway, timeout: 5s}
audit: {path: audit.jsonl}
opa:
  services: {acme: {url: %q%s}}
  bundles: {gateway: {resource: gateway.tar.gz, polling: {%s}}}
`, url, service, polling)
}

const eachSecond = "min_delay_seconds: 1, max_delay_seconds: 1"

// revision makes a bundle that passes.
func revision(t *testing.T, name string) []byte {
	return bundles.Bundle{Files: rules(true, name), Revision: name}.Archive(t)
}

// A server that holds requests until there is something new is asked without a pause, may take longer than its header is
// waited for, and one that ends a wait without news is asked again.
func TestLongPoll(t *testing.T) {
	t.Parallel()
	s := bundles.Serve(t)
	s.LongPoll()
	s.Put(revision(t, "r1"))
	g := gateway.Start(t, serverConfig(s.URL, ", response_header_timeout_seconds: 1",
		"min_delay_seconds: 3600, max_delay_seconds: 3600, long_polling_timeout_seconds: 2"))
	wait(t, "the first", func() bool { return g.Control.Status().Policy == "r1" })
	wait(t, "waits that end without news", func() bool { n, _ := s.Asked(); return n >= 3 })
	if _, h := s.Asked(); h.Get("Prefer") != "modes=snapshot,delta;wait=2" || h.Get("If-None-Match") == "" {
		t.Error(h)
	}
	if b := g.Control.Status().Bundles[0]; b.Fault != "" {
		t.Error(b.Fault)
	}
	s.Put(revision(t, "r2"))
	wait(t, "the second", func() bool { return g.Control.Status().Policy == "r2" })
}

// A server that does not say that it takes long polls is asked with pauses.
func TestNoLongPoll(t *testing.T) {
	t.Parallel()
	s := bundles.Serve(t)
	s.Put(revision(t, "r1"))
	g := gateway.Start(t, serverConfig(s.URL, "", eachSecond+", long_polling_timeout_seconds: 600"))
	s.Put(revision(t, "r2"))
	wait(t, "the second", func() bool { return g.Control.Status().Policy == "r2" })
	if _, h := s.Asked(); h.Get("Prefer") != "modes=snapshot,delta" {
		t.Error(h)
	}
}

// certificate is one of an authority as servers take it.
func certificate(t *testing.T, pem, key string) tls.Certificate {
	t.Helper()
	c, err := tls.X509KeyPair([]byte(pem), []byte(key))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// A bundle server with a certificate of a private authority is trusted where the configuration says so, is shown a
// certificate where it wants one, and is refused when its own has expired.
func TestBundleServerTLS(t *testing.T) {
	t.Parallel()
	ca := pki.New(t, "ca")
	pem, key := ca.Server("bundles")
	cert, certKey := ca.Client("gateway")
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM([]byte(ca.PEM))
	open := &tls.Config{Certificates: []tls.Certificate{certificate(t, pem, key)}, MinVersion: tls.VersionTLS12}
	closed := open.Clone()
	closed.ClientCAs, closed.ClientAuth = pool, tls.RequireAndVerifyClientCert
	old := open.Clone()
	pem, key = ca.Sign(&x509.Certificate{
		Subject: pkix.Name{CommonName: "old"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(-time.Hour),
	})
	old.Certificates = []tls.Certificate{certificate(t, pem, key)}
	other := open.Clone()
	pem, key = ca.Sign(&x509.Certificate{Subject: pkix.Name{CommonName: "other"}, DNSNames: []string{"bundles.example.com"}})
	other.Certificates = []tls.Certificate{certificate(t, pem, key)}
	files := map[string]string{"ca.pem": ca.PEM, "cert.pem": cert, "key.pem": certKey}

	f := func(name string, c *tls.Config, service, want string) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := bundles.ServeTLS(t, c)
			s.Put(revision(t, "r1"))
			g := gateway.StartWith(t, serverConfig(s.URL, service, eachSecond), files)
			wait(t, "word of the bundle", func() bool {
				st := g.Control.Status()
				return want == "" && st.Policy == "r1" || want != "" && st.Bundles[0].Stage == "download"
			})
			if b := g.Control.Status().Bundles[0]; !strings.Contains(b.Fault, want) || want == "" && b.Fault != "" {
				t.Errorf("%s, want %s", b.Fault, want)
			}
		})
	}
	const trusts, shows = ", tls: {ca_cert: ca.pem}", ", credentials: {client_tls: {cert: cert.pem, private_key: key.pem}}"
	f("not trusted", open, "", "the server's certificate is not trusted")
	f("trusted", open, trusts, "")
	f("shown none", closed, trusts, "the server ends the handshake: tls: certificate required; where it wants a certificate, write credentials")
	f("shown one", closed, trusts+shows, "")
	f("expired", old, trusts, "the server's certificate has expired")
	f("of another host", other, trusts, "the server's certificate is for another name: x509: cannot validate certificate for 127.0.0.1")
}

// A token is fetched from a token server, again when it is about to expire, and what that server says when it has none to
// give is told to nobody.
func TestBundleServerOAuth2(t *testing.T) {
	t.Parallel()
	ca := pki.New(t, "ca")
	pem, key := ca.Server("bundles")
	c := &tls.Config{Certificates: []tls.Certificate{certificate(t, pem, key)}, MinVersion: tls.VersionTLS12}
	s := bundles.ServeTLS(t, c)
	var issued atomic.Int64
	var secret atomic.Value
	secret.Store("op3n")
	tokens := bundles.ServeHandler(t, c, func(w http.ResponseWriter, r *http.Request) {
		id, given, _ := r.BasicAuth()
		if id != "gateway" || given != secret.Load() || r.FormValue("grant_type") != "client_credentials" || r.FormValue("scope") != "read" {
			http.Error(w, "s3cret", http.StatusUnauthorized)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"access_token":"token-%d","token_type":"Bearer","expires_in":11}`, issued.Add(1)) // OPA wants ten seconds left
	})
	s.Demand(func(r *http.Request) bool {
		return r.Header.Get("Authorization") == fmt.Sprintf("Bearer token-%d", issued.Load())
	})
	s.Put(revision(t, "r1"))
	config := serverConfig(s.URL, fmt.Sprintf(`, tls: {ca_cert: ca.pem}, credentials: {oauth2: {token_url: %q, client_id: gateway, client_secret: {file: secret}, scopes: [read]}}`, tokens.URL+"/token"), eachSecond)
	g := gateway.StartWith(t, config, map[string]string{"ca.pem": ca.PEM, "secret": "op3n"})
	wait(t, "the first", func() bool { return g.Control.Status().Policy == "r1" })
	wait(t, "a new token", func() bool { return issued.Load() > 2 })
	s.Put(revision(t, "r2"))
	wait(t, "the second", func() bool { return g.Control.Status().Policy == "r2" })
	fault := func(want string) {
		t.Helper()
		wait(t, want, func() bool { return strings.Contains(g.Control.Status().Bundles[0].Fault, want) })
		if st := g.Control.Status(); !st.Ready() || st.Policy != "r2" || st.Bundles[0].Stage != "download" {
			t.Errorf("%+v", st)
		}
	}
	secret.Store("another")
	fault("there is no credential for the server, for where it comes from gave none: its answer is not shown here")
	tokens.Stop()
	fault("gave none: the server cannot be reached")
	if log := g.Log.String(); strings.Contains(log, "s3cret") || strings.Contains(log, "token-") || strings.Contains(log, "op3n") {
		t.Error(log)
	}
}
