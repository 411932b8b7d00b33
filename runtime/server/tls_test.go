package server_test

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sluicegate/sluice/runtime/internal/gateway"
	"github.com/sluicegate/sluice/runtime/internal/modelserver"
	"github.com/sluicegate/sluice/runtime/internal/pki"
)

// secured is a gateway that speaks TLS, and who its clients may be.
type secured struct {
	*siege
	ca, clients *pki.Authority
}

const mtls = `auth:
  ephemeral: [{id: red, tenant: red, roles: [developer]}]
  mtls:
    ca_file: clients.pem
    clients:
      - {id: search, tenant: search, roles: [developer], uri: "spiffe://corp/search"}
      - {id: build, tenant: ci, roles: [developer], subject: "CN=build,O=corp"}
      - {id: other, tenant: ci, roles: [developer], uri: "spiffe://corp/other"}
`

func secure(t *testing.T, auth, more string) *secured {
	t.Helper()
	ca, clients, m := pki.New(t, "servers"), pki.New(t, "clients"), modelserver.New(t)
	cert, key := ca.Server("first")
	s := besiegeWith(t, m, auth+model(m)+gateway.Rest+"tls: {cert: tls/server.pem, key: tls/server.key"+more+"}\n",
		map[string]string{"tls/server.pem": cert, "tls/server.key": key, "clients.pem": clients.PEM})
	return &secured{s, ca, clients}
}

// client is a client that shows a certificate; "" is none.
func (s *secured) client(cert, key string, set func(*tls.Config)) *http.Client {
	s.t.Helper()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(s.ca.PEM))
	c := &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS10} // what is too old is for the gateway to refuse
	if cert != "" {
		pair, err := tls.X509KeyPair([]byte(cert), []byte(key))
		if err != nil {
			s.t.Fatal(err)
		}
		// Whatever authorities the gateway names: an attacker does not keep to them.
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
	}
	if set != nil {
		set(c)
	}
	tr := &http.Transport{TLSClientConfig: c, ForceAttemptHTTP2: c.NextProtos == nil}
	s.t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

// asks asks for a chat with a key, "" for none, and gives the status and the code, or what the handshake said.
func (s *secured) asks(c *http.Client, key string) string {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.URL+chatPath, strings.NewReader(ask("hi")))
	if err != nil {
		s.t.Fatal(err)
	}
	if key != "" {
		req.Header.Set("X-Api-Key", key)
	}
	resp, err := c.Do(req)
	if err != nil {
		return "no answer"
	}
	body, _ := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	return strings.TrimSpace(fmt.Sprint(resp.Proto, " ", resp.StatusCode, " ", code(string(body))))
}

func TestTLS(t *testing.T) {
	s := secure(t, gateway.Callers, "")
	f := func(want string, set func(*tls.Config)) {
		t.Helper()
		if got := s.asks(s.client("", "", set), s.Key("red")); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	f("HTTP/2.0 200", nil)
	f("HTTP/2.0 200", func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 })
	f("HTTP/1.1 200", func(c *tls.Config) { c.NextProtos = []string{"http/1.1"} })
	f("no answer", func(c *tls.Config) { c.MaxVersion = tls.VersionTLS11 })
	plain := &http.Client{Transport: &http.Transport{}}
	defer plain.CloseIdleConnections()
	if resp, err := plain.Get(strings.Replace(s.URL, "https", "http", 1) + "/ping"); err != nil || resp.StatusCode != 400 {
		t.Errorf("cleartext: %v %v", resp, err)
	} else {
		_ = resp.Body.Close()
	}
}

// A certificate is taken up when its files change, connections that stand live on, and what cannot be used is told.
func TestTLSReload(t *testing.T) {
	s := secure(t, gateway.Callers, "")
	old := s.client("", "", nil)
	serial := func(c *http.Client) string {
		resp, err := c.Get(s.URL + "/ping")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		return resp.TLS.PeerCertificates[0].Subject.CommonName
	}
	fresh := func() string { return serial(s.client("", "", nil)) }
	if got := serial(old); got != "first" {
		t.Fatal(got)
	}
	cert, key := s.ca.Server("second")
	s.Write("tls/server.pem", cert) // half of the way, the pair is none
	until(t, "the fault", func() bool { return fresh() == "first" && s.Control.Status().Certificates[0].Fault != "" })
	if st := s.Control.Status().Certificates[0]; st.By != "listen" || !strings.Contains(st.Fault, "no certificate with its key") || !strings.Contains(st.Subject, "first") {
		t.Errorf("%+v", st)
	}
	s.Write("tls/server.key", key)
	until(t, "the new certificate", func() bool { return fresh() == "second" })
	if st := s.Control.Status(); st.Certificates[0].Fault != "" || st.Generation != 1 {
		t.Errorf("%+v", st)
	}
	if got := serial(old); got != "first" {
		t.Errorf("a connection that stood was lost: %s", got)
	}
	if n := strings.Count(s.Log.String(), "cannot be used"); n != 1 || strings.Contains(s.Log.String(), "PRIVATE") {
		t.Errorf("the fault was logged %d times", n)
	}
}

// Whose certificate it is is who asks, where the request carries no other credential.
func TestMTLS(t *testing.T) {
	s := secure(t, mtls, "")
	strange := pki.New(t, "clients") // the right name and the wrong key
	f := func(want, key string, cert, private string) {
		t.Helper()
		if got := s.asks(s.client(cert, private, nil), key); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	cert, private := s.clients.Client("search", "spiffe://corp/search")
	f("HTTP/2.0 200", "", cert, private)
	f("HTTP/2.0 200", s.Key("red"), cert, private)
	f("HTTP/2.0 401 unauthenticated", "wrong", cert, private) // the first credential that is there decides
	f("HTTP/2.0 401 unauthenticated", "", "", "")
	cert, private = s.clients.Sign(&x509.Certificate{
		Subject: pkix.Name{CommonName: "build", Organization: []string{"corp"}}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	f("HTTP/2.0 200", "", cert, private)
	cert, private = s.clients.Client("build") // CN=build alone
	f("HTTP/2.0 401 unauthenticated", "", cert, private)
	f("HTTP/2.0 200", s.Key("red"), cert, private)
	cert, private = s.clients.Client("both", "spiffe://corp/search", "spiffe://corp/other")
	f("HTTP/2.0 401 unauthenticated", "", cert, private)
	cert, private = s.clients.Client("longer", "spiffe://corp/search/x")
	f("HTTP/2.0 401 unauthenticated", "", cert, private)
	cert, private = strange.Client("search", "spiffe://corp/search")
	f("HTTP/2.0 401 unauthenticated", "", cert, private)
	f("HTTP/2.0 200", s.Key("red"), cert, private)
	cert, private = s.clients.Sign(&x509.Certificate{
		Subject: pkix.Name{CommonName: "old"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, DNSNames: []string{"old"},
		NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(-time.Hour),
	})
	f("HTTP/2.0 401 unauthenticated", "", cert, private)
	cert, private = s.ca.Server("search") // a server's, of another authority
	f("HTTP/2.0 401 unauthenticated", "", cert, private)
	if rec := s.Records(2)[0]; !strings.Contains(fmt.Sprint(rec), "mtls:search") {
		t.Errorf("recorded as %v", rec)
	}
}

// Where a certificate is required, who has none does not come as far as a request.
func TestMTLSRequired(t *testing.T) {
	s := secure(t, mtls, ", client_auth: require")
	f := func(want, cert, private string) {
		t.Helper()
		if got := s.asks(s.client(cert, private, nil), s.Key("red")); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	f("no answer", "", "")
	cert, private := pki.New(t, "clients").Client("search", "spiffe://corp/search")
	f("no answer", cert, private)
	cert, private = s.clients.Client("nobody")
	f("HTTP/2.0 200", cert, private)
}

// A client that is taken out of the configuration is nobody from then on, also on a connection that stands.
func TestMTLSRevoked(t *testing.T) {
	s := secure(t, mtls, "")
	cert, private := s.clients.Client("search", "spiffe://corp/search")
	c := s.client(cert, private, nil)
	if got := s.asks(c, ""); got != "HTTP/2.0 200" {
		t.Fatal(got)
	}
	s.Write("clients.pem", pki.New(t, "clients").PEM)
	if err := s.Control.Reload(t.Context(), "test"); err != nil {
		t.Fatal(err)
	}
	if got := s.asks(c, ""); got != "HTTP/2.0 401 unauthenticated" {
		t.Errorf("another authority's: %s", got)
	}
}
