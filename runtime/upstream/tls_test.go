package upstream_test

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluicegate/sluice/runtime/internal/modelserver"
	"github.com/sluicegate/sluice/runtime/internal/pki"
	"github.com/sluicegate/sluice/runtime/upstream"
	"github.com/sluicegate/sluice/runtime/wire"
)

// A model server may want to see a certificate, whose files may change, and is trusted by its own authority alone.
func TestClientCert(t *testing.T) {
	ca, clients, strange := pki.New(t, "servers"), pki.New(t, "clients"), pki.New(t, "servers")
	cert, key := ca.Server("model")
	pair := must(tls.X509KeyPair([]byte(cert), []byte(key)))
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM([]byte(clients.PEM))
	var seen atomic.Value
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen.Store(r.Proto + " " + r.TLS.PeerCertificates[0].Subject.CommonName)
		_, _ = io.WriteString(w, "{}")
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.EnableHTTP2 = true
	s.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool, MinVersion: tls.VersionTLS12}
	s.StartTLS()
	defer s.Close()
	f := func(roots string, o *upstream.ClientCert, want string) {
		t.Helper()
		seen.Store("")
		tr, err := upstream.NewTransport(upstream.TransportOptions{URL: s.URL, RootCAs: []byte(roots), ClientCert: o})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = tr.Close() }()
		resp, err := tr.Do(t.Context(), &upstream.Request{Path: "/x", Body: []byte("{}")})
		if err == nil {
			_, err = resp.ReadAll()
			_ = resp.Close()
		}
		if got := seen.Load().(string); got != want || (err == nil) != (want != "") {
			t.Errorf("seen %q, %v; want %q", got, err, want)
		}
	}
	show := func(by *pki.Authority, name string) *upstream.ClientCert {
		cert, key := by.Client(name)
		pair := must(tls.X509KeyPair([]byte(cert), []byte(key)))
		return &upstream.ClientCert{Name: name, Get: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }}
	}
	f(ca.PEM, show(clients, "gateway"), "HTTP/2.0 gateway")
	f(ca.PEM, nil, "")
	f(ca.PEM, show(strange, "gateway"), "")
	f(strange.PEM, show(clients, "gateway"), "")
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// A handshake that hangs has the time of connecting, and not that of the first byte too.
func TestHandshakeHangs(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	tr, err := upstream.NewTransport(upstream.TransportOptions{
		URL: "https://" + l.Addr().String(), Timeouts: upstream.Timeouts{Connect: 50 * time.Millisecond, FirstByte: time.Hour},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tr.Close() }()
	_, err = tr.Do(t.Context(), &upstream.Request{Path: "/x"})
	if f := wantFailure(t, err, wire.UpstreamUnreachable, upstream.RetryAnywhere); f.BodySent {
		t.Errorf("%+v", f)
	}
}

// The first byte has its own time from when the connection stands, and connecting adds none to it.
func TestFirstByteHasItsOwnTime(t *testing.T) {
	s := modelserver.NewTLS(t, true, modelserver.Hang(nil))
	tr, err := upstream.NewTransport(upstream.TransportOptions{
		URL: s.URL(), RootCAs: s.Certificate(), Timeouts: upstream.Timeouts{Connect: time.Hour, FirstByte: 50 * time.Millisecond},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tr.Close() }()
	_, err = tr.Do(t.Context(), &upstream.Request{Path: "/x", Body: []byte("{}")}) // with Connect counted in, it would hang
	if f := wantFailure(t, err, wire.UpstreamTimeout, upstream.RetryElsewhere); !f.BodySent {
		t.Errorf("%+v", f)
	}
}
