package control

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/sluicegate/sluice/runtime/auth"
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
	for i := range cfg.JWT {
		b.issuer(i, &o)
	}
	a, err := auth.New(o)
	if err != nil {
		b.authFaults(err)
		return
	}
	b.gen.snap.Auth = a
}

func (b *builder) issuer(i int, o *auth.Options) {
	j := &b.cfg.Auth.JWT[i]
	is := auth.Issuer{
		Issuer: j.Issuer, Audience: j.Audience, Algorithms: j.Algorithms, JWKS: j.JWKS, SubjectClaim: j.SubjectClaim,
		TenantClaim: j.TenantClaim, Tenant: j.Tenant, RolesClaim: j.RolesClaim, Roles: j.Roles, Leeway: j.Leeway, Refresh: j.Refresh,
	}
	if !strings.Contains(is.JWKS, "://") {
		is.JWKS = b.cfg.Path(is.JWKS)
	}
	if j.CAFile != "" {
		pem, err := os.ReadFile(b.cfg.Path(j.CAFile))
		if err != nil {
			b.fault(fmt.Sprintf("auth.jwt[%d].ca_file", i), "cannot read the certificates: %v; name a PEM file", err)
			return
		}
		is.RootCAs = pem
	}
	o.Issuers = append(o.Issuers, is)
}

func (b *builder) authFaults(err error) {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		b.fault("auth", "%v", err)
		return
	}
	for _, err := range joined.Unwrap() {
		path := "auth"
		if is := (*auth.IssuerError)(nil); errors.As(err, &is) {
			path = fmt.Sprintf("auth.jwt[%d]", is.Index)
		}
		b.fault(path, "%v", err)
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
