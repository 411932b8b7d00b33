package auth

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jws"
	"github.com/lestrrat-go/jwx/v3/jwt"

	"github.com/sluicegate/sluice/runtime/exchange"
	"github.com/sluicegate/sluice/runtime/wire"
)

// Issuer is one issuer of JSON Web Tokens. Either Tenant or TenantClaim is required.
type Issuer struct {
	Issuer       string   // the exact claim iss
	Audience     []string // the claim aud must hold one of these
	Algorithms   []string // of RS, PS and ES with 256, 384, 512, and EdDSA
	JWKS         string   // https URL (http on loopback only), or path of a file
	RootCAs      []byte   // PEM, trusted besides the system's when fetching JWKS; may be nil
	SubjectClaim string   // "" means sub
	TenantClaim  string
	Tenant       string // of every token
	RolesClaim   string // "" means none
	Roles        []string
	Leeway       time.Duration // how far clocks may differ
	Refresh      time.Duration // how old the keys may get; 0 means 15 minutes
}

// IssuerError says which issuer can't be used, and why.
type IssuerError struct {
	Index int // in Options.Issuers
	Err   error
}

// Error gives the cause.
func (e *IssuerError) Error() string { return e.Err.Error() }

// Unwrap gives the cause.
func (e *IssuerError) Unwrap() error { return e.Err }

// issuer is an Issuer ready to check tokens.
type issuer struct {
	Issuer
	algorithms map[string]jwa.SignatureAlgorithm
	source     *source
}

func newIssuer(i *Issuer, sources *Sources) (*issuer, error) {
	is := &issuer{Issuer: *i, algorithms: map[string]jwa.SignatureAlgorithm{}}
	switch {
	case i.Issuer == "" || len(i.Audience) == 0 || slices.Contains(i.Audience, ""):
		return nil, errors.New("an issuer needs its name and an audience")
	case (i.Tenant == "") == (i.TenantClaim == ""):
		return nil, errors.New("an issuer needs one of tenant and the claim that holds it")
	case len(i.Algorithms) == 0:
		return nil, errors.New("an issuer needs its algorithms")
	case sources == nil:
		return nil, errors.New("no place to keep an issuer's keys")
	}
	for _, name := range i.Algorithms {
		alg, ok := jwa.LookupSignatureAlgorithm(name)
		if _, usable := keyKinds[name]; !ok || !usable {
			return nil, fmt.Errorf("the algorithm %q is not taken; use RS256, PS256, ES256 or EdDSA", name)
		}
		is.algorithms[name] = alg
	}
	if is.SubjectClaim == "" {
		is.SubjectClaim = "sub"
	}
	if is.Refresh <= 0 {
		is.Refresh = 15 * time.Minute
	}
	var err error
	is.source, err = sources.open(i.JWKS, i.RootCAs)
	return is, err
}

// maxTokenBytes is the longest token that is looked at.
const maxTokenBytes = 16 << 10

// looksLikeToken tells the compact form of RFC 7515: three parts.
func looksLikeToken(s string) bool { return strings.Count(s, ".") == 2 }

// token gives the Principal of a token. One that was verified before is not verified again while its issuer's keys are
// the same; it is known by the SHA-256 of all of it, never by a part.
func (a *Authenticator) token(ctx context.Context, token string) (*exchange.Principal, error) {
	if len(token) > maxTokenBytes {
		return nil, denied("the token is too long", nil)
	}
	digest := sha256.Sum256([]byte(token))
	now := time.Now()
	if v, ok := a.recent.get(digest); ok && v.set == v.issuer.source.current() && now.Before(v.until) {
		v.issuer.source.freshen(v.issuer.Refresh)
		return v.principal, nil
	}
	v, err := a.verify(ctx, token)
	if err != nil {
		return nil, err
	}
	a.recent.put(digest, v, now)
	return v.principal, nil
}

// head is what of a token's header is looked at before its signature.
type head struct {
	Alg  string          `json:"alg"`
	Kid  string          `json:"kid"`
	Crit json.RawMessage `json:"crit"`
}

// verify checks a token's signature with its issuer's keys, then its claims. The issuer it names is believed only so
// far as to choose the keys.
func (a *Authenticator) verify(ctx context.Context, token string) (*verified, error) {
	parts := strings.Split(token, ".")
	var h head
	var claimed struct {
		Issuer string `json:"iss"`
	}
	if !decodePart(parts[0], &h) || !decodePart(parts[1], &claimed) {
		return nil, denied("the credential is neither a known key nor a token that can be read", nil)
	}
	is := a.issuers[claimed.Issuer]
	if is == nil {
		return nil, denied("the token's issuer is not accepted", nil)
	}
	alg, ok := is.algorithms[h.Alg]
	if !ok || h.Crit != nil {
		return nil, denied("the token's algorithm, or an extension it calls critical, is not accepted", nil)
	}
	key, set, err := is.source.key(ctx, h.Kid, h.Alg, is.Refresh)
	if err != nil {
		return nil, keyFault(err)
	}
	payload, err := jws.Verify([]byte(token), jws.WithKey(alg, key))
	if err != nil {
		return nil, denied("the token's signature is not valid", nil)
	}
	return is.accept(payload, set)
}

// keyFault tells a key that does not exist from keys that can't be had.
func keyFault(err error) error {
	if errors.Is(err, errNoKey) {
		return denied("the token's key is not among its issuer's", nil)
	}
	return &exchange.Error{Stage: exchange.StageAuthenticate, Cause: err, Fault: &wire.Fault{
		Code: wire.Overloaded, Message: "the token cannot be checked now, its issuer's keys cannot be had; try again later", RetryAfter: 5,
	}}
}

func decodePart(part string, into any) bool {
	text, err := base64.RawURLEncoding.DecodeString(part)
	return err == nil && json.Unmarshal(text, into) == nil
}

// accept checks the claims of a payload whose signature is good.
func (is *issuer) accept(payload []byte, set *keySet) (*verified, error) {
	tok, err := jwt.ParseInsecure(payload)
	if err != nil {
		return nil, denied("the token's claims cannot be read", nil)
	}
	err = jwt.Validate(tok, jwt.WithIssuer(is.Issuer.Issuer), jwt.WithRequiredClaim(jwt.ExpirationKey), jwt.WithAcceptableSkew(is.Leeway))
	switch {
	case errors.Is(err, jwt.TokenExpiredError()):
		return nil, denied("the token has expired; get a new one", nil)
	case err != nil:
		return nil, denied("the token is not valid now, or lacks a claim: iss and exp are required", nil)
	}
	audience, _ := tok.Audience()
	if !slices.ContainsFunc(audience, func(s string) bool { return slices.Contains(is.Audience, s) }) {
		return nil, denied("the token is not for this gateway: its audience is another", nil)
	}
	expires, _ := tok.Expiration()
	p, err := is.principal(payload, expires)
	if err != nil {
		return nil, denied(err.Error(), nil)
	}
	return &verified{principal: p, issuer: is, set: set, until: expires.Add(is.Leeway)}, nil
}

// principal reads who it is from the claims. Its errors are safe to show.
func (is *issuer) principal(payload []byte, expires time.Time) (*exchange.Principal, error) {
	claims := map[string]any{}
	dec := json.NewDecoder(bytes.NewReader(payload))
	dec.UseNumber()
	if dec.Decode(&claims) != nil {
		return nil, errors.New("the token's claims cannot be read")
	}
	subject, _ := claim(claims, is.SubjectClaim).(string)
	if subject == "" {
		return nil, fmt.Errorf("the token does not say who it is: the claim %s is missing", is.SubjectClaim)
	}
	tenant := is.Tenant
	if is.TenantClaim != "" {
		tenant, _ = claim(claims, is.TenantClaim).(string)
	}
	if strings.TrimSpace(tenant) == "" {
		return nil, fmt.Errorf("the token names no tenant: the claim %s is missing", is.TenantClaim)
	}
	roles := is.Roles
	if is.RolesClaim != "" {
		roles = words(claim(claims, is.RolesClaim))
	}
	id := is.Issuer.Issuer + "|" + subject
	return &exchange.Principal{
		ID: "jwt:" + id, Tenant: tenant, Roles: roles, Claims: claims, Method: "jwt", Credential: id, Expires: expires,
	}, nil
}

// claim finds a claim: by its whole name, or stepping into objects at the dots.
func claim(claims map[string]any, name string) any {
	if v, ok := claims[name]; ok {
		return v
	}
	first, rest, dotted := strings.Cut(name, ".")
	if inner, ok := claims[first].(map[string]any); ok && dotted {
		return claim(inner, rest)
	}
	return nil
}

// words reads roles: a list of strings, or one string with spaces between, as scope has them (RFC 8693).
func words(v any) []string {
	switch v := v.(type) {
	case string:
		return strings.Fields(v)
	case []any:
		var out []string
		for _, one := range v {
			if s, ok := one.(string); ok && s != "" {
				out = append(out, s)
			}
		}
		return out
	}
	return nil
}

// validToken tells whether a token's Principal would still be what it is.
func (a *Authenticator) validToken(p *exchange.Principal) bool {
	name, _ := p.Claims["iss"].(string)
	is := a.issuers[name]
	if is == nil {
		return false
	}
	if is.TenantClaim == "" {
		return is.Tenant == p.Tenant
	}
	tenant, _ := claim(p.Claims, is.TenantClaim).(string)
	return tenant == p.Tenant
}
