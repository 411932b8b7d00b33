package auth

import (
	"crypto/x509"
	"encoding/pem"
	"testing"

	"github.com/sluicegate/sluice/runtime/exchange"
	"github.com/sluicegate/sluice/runtime/internal/pki"
)

func parsed(t *testing.T, text string) *x509.Certificate {
	t.Helper()
	block, _ := pem.Decode([]byte(text))
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// A principal by certificate is valid for as long as the same name, tenant and authority are configured.
func TestCertificateValid(t *testing.T) {
	ca := pki.New(t, "clients")
	cert, _ := ca.Client("a", "spiffe://corp/a")
	one := CertificateClient{ID: "a", Tenant: "red", URI: "spiffe://corp/a"}
	now := mustNew(t, Options{Certificates: &ByCertificate{Roots: []byte(ca.PEM), Clients: []CertificateClient{one}}})
	p, err := now.Identify(t.Context(), &exchange.Client{Certificates: []*x509.Certificate{parsed(t, cert)}})
	if err != nil || p.ID != "mtls:a" || p.Method != "mtls" || p.Tenant != "red" || p.Expires.IsZero() {
		t.Fatalf("%+v %v", p, err)
	}
	f := func(what string, c *ByCertificate, want bool) {
		t.Helper()
		if got := mustNew(t, Options{Certificates: c}).Valid(p); got != want {
			t.Errorf("%s: %v", what, got)
		}
	}
	with := func(roots string, change func(*CertificateClient)) *ByCertificate {
		c := one
		change(&c)
		return &ByCertificate{Roots: []byte(roots), Clients: []CertificateClient{c}}
	}
	f("as it was", with(ca.PEM, func(*CertificateClient) {}), true)
	f("other roles", with(ca.PEM, func(c *CertificateClient) { c.Roles = []string{"x"} }), true)
	f("another tenant", with(ca.PEM, func(c *CertificateClient) { c.Tenant = "blue" }), false)
	f("another name", with(ca.PEM, func(c *CertificateClient) { c.URI = "spiffe://corp/b" }), false)
	f("another kind of name", with(ca.PEM, func(c *CertificateClient) { c.URI, c.DNS = "", "spiffe://corp/a" }), false)
	f("another authority", with(pki.New(t, "clients").PEM, func(*CertificateClient) {}), false)
	f("nobody", nil, false)
}

// What would know two clients by one name, or one by none, is refused.
func TestBadCertificateClients(t *testing.T) {
	ca := pki.New(t, "clients")
	f := func(roots string, clients ...CertificateClient) {
		t.Helper()
		if _, err := New(Options{Certificates: &ByCertificate{Roots: []byte(roots), Clients: clients}}); err == nil {
			t.Errorf("%+v is taken", clients)
		}
	}
	f("no PEM")
	f(ca.PEM, CertificateClient{ID: "a", Tenant: "t"})
	f(ca.PEM, CertificateClient{ID: "a", DNS: "a"})
	f(ca.PEM, CertificateClient{Tenant: "t", DNS: "a"})
	f(ca.PEM, CertificateClient{ID: "a", Tenant: "t", DNS: "a"}, CertificateClient{ID: "b", Tenant: "t", DNS: "a"})
	f(ca.PEM, CertificateClient{ID: "a", Tenant: "t", DNS: "a"}, CertificateClient{ID: "a", Tenant: "t", DNS: "b"})
}

// Certificates that were found good are remembered, up to a bound.
func TestCertificatesRemembered(t *testing.T) {
	ca := pki.New(t, "clients")
	cert, _ := ca.Client("a", "spiffe://corp/a")
	a := mustNew(t, Options{Certificates: &ByCertificate{Roots: []byte(ca.PEM), Clients: []CertificateClient{{ID: "a", Tenant: "t", URI: "spiffe://corp/a"}}}})
	c := &exchange.Client{Certificates: []*x509.Certificate{parsed(t, cert)}}
	first, err := a.Identify(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if again, _ := a.Identify(t.Context(), c); again != first {
		t.Error("checked anew")
	}
	for i := range 3 * maxCertificates {
		a.certs.remember([32]byte{byte(i), byte(i >> 8), 1}, first)
	}
	if n := len(a.certs.recent); n > maxCertificates {
		t.Errorf("%d certificates are remembered", n)
	}
	ctx := t.Context()
	if n := testing.AllocsPerRun(100, func() { _, _ = a.Identify(ctx, c) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
