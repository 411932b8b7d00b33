// Package auth tells who asks: it turns the credential of a request into a Principal.
//
// It is the first stage of the pipeline and looks at headers alone, so who is not known is refused before the body is
// read. Accepted are API keys (known by their SHA-256 only), ephemeral keys (made at random at each start, loopback
// only), JSON Web Tokens (RFC 7519) of configured issuers, with pinned algorithms, and client certificates.
//
// A failure to check is not a failed check: when an issuer's keys can't be had the answer is 503, never 401. It knows
// no permissions; those are the policy's.
package auth

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/sluicegate/sluice/runtime/exchange"
	"github.com/sluicegate/sluice/runtime/wire"
)

// Options list what is accepted.
type Options struct {
	Keys      []Key
	Ephemeral []Key      // their SHA256 is not read
	Secrets   *Ephemeral // the secrets of Ephemeral; may be nil if there are none
	Issuers   []Issuer
	Sources   *Sources // where issuers' keys are kept; may be nil if there are none
	// Certificates are clients known by their certificate; nil: none are.
	Certificates *ByCertificate
}

// Key is one API key.
type Key struct {
	ID      string
	Tenant  string
	Roles   []string
	SHA256  [sha256.Size]byte
	Expires time.Time // zero: never
}

// Authenticator knows the credentials of one generation. It is immutable but for its memory of verified tokens, and
// safe for concurrent use.
type Authenticator struct {
	keys    map[[sha256.Size]byte]*key
	current map[string]*key // by Principal.Credential
	issuers map[string]*issuer
	recent  recent
	certs   *certificates // nil: none are accepted
}

// key is a Key with the Principal it stands for, made once.
type key struct {
	principal exchange.Principal
	loopback  bool // accepted from loopback only
}

// New makes an Authenticator. Each issuer at fault gives an *IssuerError, joined with the others.
func New(o Options) (*Authenticator, error) {
	a := &Authenticator{
		keys:    make(map[[sha256.Size]byte]*key, len(o.Keys)+len(o.Ephemeral)),
		current: make(map[string]*key, len(o.Keys)+len(o.Ephemeral)),
		issuers: make(map[string]*issuer, len(o.Issuers)),
	}
	var errs []error
	for i := range o.Keys {
		errs = append(errs, a.add("key", &o.Keys[i], false))
	}
	for _, k := range o.Ephemeral {
		k.SHA256 = sha256.Sum256([]byte(o.Secrets.Secret(k.ID)))
		errs = append(errs, a.add("ephemeral", &k, true))
	}
	for i := range o.Issuers {
		is, err := newIssuer(&o.Issuers[i], o.Sources)
		if err != nil {
			errs = append(errs, &IssuerError{Index: i, Err: err})
			continue
		}
		a.issuers[is.Issuer.Issuer] = is
	}
	var err error
	if a.certs, err = newCertificates(o.Certificates); err != nil {
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return a, nil
}

// add makes a key known.
func (a *Authenticator) add(method string, k *Key, loopback bool) error {
	if k.ID == "" || k.Tenant == "" {
		return fmt.Errorf("auth: key %q needs an id and a tenant", k.ID)
	}
	if a.keys[k.SHA256] != nil {
		return fmt.Errorf("auth: key %q is the same as key %q; make a key of its own", k.ID, a.keys[k.SHA256].principal.ID)
	}
	if k.SHA256 == sha256.Sum256(nil) {
		return fmt.Errorf("auth: key %q is empty", k.ID)
	}
	id := method + ":" + k.ID
	added := &key{loopback: loopback, principal: exchange.Principal{
		ID: id, Tenant: k.Tenant, Roles: k.Roles, Method: method, Expires: k.Expires,
		// The digest is part of the name: a key that is replaced under its old id is another credential.
		Credential: id + "#" + hex.EncodeToString(k.SHA256[:8]),
	}}
	a.keys[k.SHA256] = added
	a.current[added.principal.Credential] = added
	return nil
}

// maxKeyBytes is the longest credential that is looked up as an API key. Longer ones can only be tokens.
const maxKeyBytes = 256

// Identify gives the Principal of a request: of the credential in its headers where there is one, be it good or bad, else of
// the certificate that its connection came with. A connection may be shared, by a proxy or a pool, and whoever puts a
// credential into a request means that one. Errors are as Authenticate's.
func (a *Authenticator) Identify(ctx context.Context, c *exchange.Client) (*exchange.Principal, error) {
	if a.certs == nil || len(c.Certificates) == 0 || carries(c.Headers) {
		return a.Authenticate(ctx, c.Headers, c.IP)
	}
	return a.certs.principal(c.Certificates, time.Now())
}

// Authenticate gives the Principal of a request's headers (canonical names) and the address they came from. The
// Principal is shared: it is not to be changed. Errors are *exchange.Error: 401 where the credential is missing or not
// accepted, 503 where it can't be checked.
func (a *Authenticator) Authenticate(ctx context.Context, header map[string][]string, from netip.Addr) (*exchange.Principal, error) {
	secret, problem := credential(header)
	if problem != "" {
		return nil, denied(problem, nil)
	}
	if len(secret) <= maxKeyBytes {
		var buf [maxKeyBytes]byte // keeps the copy that hashing needs off the heap
		if k := a.keys[sha256.Sum256(buf[:copy(buf[:], secret)])]; k != nil {
			return k.accept(header, from)
		}
	}
	if len(a.issuers) > 0 && looksLikeToken(secret) {
		return a.token(ctx, secret)
	}
	return nil, denied("the credential is not accepted; check it, or ask whoever runs the gateway for one", nil)
}

// accept checks what a known key is bound to.
func (k *key) accept(header map[string][]string, from netip.Addr) (*exchange.Principal, error) {
	if !k.principal.Expires.IsZero() && !time.Now().Before(k.principal.Expires) {
		return nil, denied("the key has expired; ask whoever runs the gateway for a new one", nil)
	}
	// A proxy on this machine makes every caller look like loopback, but says that it forwards.
	if k.loopback && (!from.Unmap().IsLoopback() || forwarded(header)) {
		return nil, denied("the key is ephemeral, which is for calls from the gateway's own machine; use a configured key", nil)
	}
	return &k.principal, nil
}

// Valid tells whether a Principal's credential is still among those configured: false when it was removed, replaced or
// given to another tenant. It does not ask for expiry, which ends no running exchange, unless the expiry was changed.
func (a *Authenticator) Valid(p *exchange.Principal) bool {
	switch p.Method {
	case "jwt":
		return a.validToken(p)
	case "mtls":
		return a.certs.valid(p)
	}
	k := a.current[p.Credential]
	if k == nil || k.principal.Tenant != p.Tenant {
		return false
	}
	expires := k.principal.Expires
	return expires.IsZero() || expires.Equal(p.Expires) || time.Now().Before(expires)
}

// denied is a 401. The message is for the caller and never holds the credential.
func denied(message string, cause error) error {
	return exchange.Fail(exchange.StageAuthenticate, wire.Unauthenticated, message, cause)
}
