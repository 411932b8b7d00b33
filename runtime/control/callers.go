package control

import (
	"crypto/x509"
	"errors"
	"fmt"
	"strings"

	"github.com/sluicegate/sluice/runtime/auth"
	"github.com/sluicegate/sluice/runtime/config"
)

// auth makes what knows the callers.
func (b *builder) auth() {
	cfg := &b.cfg.Auth
	o := auth.Options{Secrets: b.c.ephemeral, Sources: b.c.sources}
	for _, k := range cfg.Keys {
		o.Keys = append(o.Keys, auth.Key{ID: k.ID, Tenant: k.Tenant, Roles: k.Roles, SHA256: k.SHA256, Expires: k.Expires})
	}
	for _, k := range cfg.Ephemeral {
		o.Ephemeral = append(o.Ephemeral, auth.Key{ID: k.ID, Tenant: k.Tenant, Roles: k.Roles})
	}
	var places []int // in the config, of each of o.Issuers
	for i := range cfg.JWT {
		if is, ok := b.issuer(i); ok {
			o.Issuers, places = append(o.Issuers, is), append(places, i)
		}
	}
	if m := cfg.MTLS; m != nil {
		var ok bool
		if o.Certificates, ok = b.byCertificate(m); !ok {
			return
		}
	}
	a, err := auth.New(o)
	if err != nil {
		b.authFaults(err, places)
		return
	}
	b.gen.snap.Auth = a
}

// byCertificate are the clients known by a certificate.
func (b *builder) byCertificate(m *config.MTLS) (*auth.ByCertificate, bool) {
	pem, ok := b.certificates("auth.mtls.ca_file", m.CAFile)
	if ok && !x509.NewCertPool().AppendCertsFromPEM(pem) {
		b.fault("auth.mtls.ca_file", "no certificate in this file; name a PEM file with the authorities of clients")
		return nil, false
	}
	out := &auth.ByCertificate{Roots: pem}
	for _, k := range m.Clients {
		out.Clients = append(out.Clients, auth.CertificateClient{
			ID: k.ID, Tenant: k.Tenant, Roles: k.Roles, URI: k.URI, DNS: k.DNS, Email: k.Email, Subject: k.Subject,
		})
	}
	return out, ok
}

func (b *builder) issuer(i int) (is auth.Issuer, ok bool) {
	j := &b.cfg.Auth.JWT[i]
	is = auth.Issuer{
		Issuer: j.Issuer, Audience: j.Audience, Algorithms: j.Algorithms, JWKS: j.JWKS, SubjectClaim: j.SubjectClaim,
		TenantClaim: j.TenantClaim, Tenant: j.Tenant, RolesClaim: j.RolesClaim, Roles: j.Roles, Leeway: j.Leeway, Refresh: j.Refresh,
	}
	if !strings.Contains(is.JWKS, "://") {
		is.JWKS = b.cfg.Path(is.JWKS)
	}
	is.RootCAs, ok = b.certificates(fmt.Sprintf("auth.jwt[%d].ca_file", i), j.CAFile)
	return is, ok
}

// authFaults notes each issuer's fault at the field that says where its keys are, and all others at auth.
func (b *builder) authFaults(err error, places []int) {
	list := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		list = joined.Unwrap()
	}
	for _, err := range list {
		path := "auth"
		if is := (*auth.IssuerError)(nil); errors.As(err, &is) {
			path = fmt.Sprintf("auth.jwt[%d].jwks", places[is.Index])
		}
		b.fault(path, "%s", strings.TrimPrefix(err.Error(), "auth: "))
	}
}

// EphemeralKey is a key made at random at the start, for printing.
type EphemeralKey struct{ ID, Tenant, Secret string }

// EphemeralKeys are those of the current generation.
func (c *Controller) EphemeralKeys() []EphemeralKey {
	cfg := c.Config()
	if cfg == nil {
		return nil
	}
	var out []EphemeralKey
	for _, k := range cfg.Auth.Ephemeral {
		out = append(out, EphemeralKey{ID: k.ID, Tenant: k.Tenant, Secret: c.ephemeral.Secret(k.ID)})
	}
	return out
}
