package auth

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jwk"
	"github.com/lestrrat-go/jwx/v3/jws"

	"github.com/sluicegate/sluice/runtime/wire"
)

// signer is one key of a made-up issuer.
type signer struct {
	kid     string
	private any
}

func newRSA(t testing.TB, kid string, bits int) signer {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return signer{kid, k}
}

func newEC(t testing.TB, kid string, curve elliptic.Curve) signer {
	t.Helper()
	k, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return signer{kid, k}
}

func newEd(t testing.TB, kid string) signer {
	t.Helper()
	_, k, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return signer{kid, k}
}

// key makes the JWK of a signer, private or public.
func (s signer) key(t testing.TB, public bool, more map[string]any) jwk.Key {
	t.Helper()
	k, err := jwk.Import(s.private)
	if err == nil && public {
		k, err = jwk.PublicKeyOf(k)
	}
	if err != nil {
		t.Fatal(err)
	}
	if s.kid != "" {
		_ = k.Set("kid", s.kid)
	}
	for name, v := range more {
		if err := k.Set(name, v); err != nil {
			t.Fatal(err)
		}
	}
	return k
}

// document makes a JWKS document.
func document(t testing.TB, keys ...jwk.Key) []byte {
	t.Helper()
	set := jwk.NewSet()
	for _, k := range keys {
		if err := set.AddKey(k); err != nil {
			t.Fatal(err)
		}
	}
	text, err := json.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// claims makes good claims, changed by others; nil takes one away.
func claimSet(others map[string]any) map[string]any {
	c := map[string]any{
		"iss": "https://idp.example.com/", "aud": "sluice", "sub": "alice", "tenant": "search",
		"roles": []string{"developer"}, "exp": time.Now().Add(time.Hour).Unix(),
	}
	maps.Copy(c, others)
	maps.DeleteFunc(c, func(_ string, v any) bool { return v == nil })
	return c
}

// sign makes a token.
func (s signer) sign(t testing.TB, alg string, claims map[string]any, headers map[string]any) string {
	t.Helper()
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	h := jws.NewHeaders()
	if s.kid != "" {
		_ = h.Set("kid", s.kid)
	}
	for name, v := range headers {
		if err := h.Set(name, v); err != nil {
			t.Fatal(err)
		}
	}
	a, _ := jwa.LookupSignatureAlgorithm(alg)
	token, err := jws.Sign(payload, jws.WithKey(a, s.private, jws.WithProtectedHeaders(h)))
	if err != nil {
		t.Fatal(err)
	}
	return string(token)
}

// testIssuer is the issuer of claimSet's tokens, its keys in a file.
func testIssuer(t testing.TB, doc []byte) Issuer {
	t.Helper()
	file := filepath.Join(t.TempDir(), "keys.json")
	if err := os.WriteFile(file, doc, 0o600); err != nil {
		t.Fatal(err)
	}
	return Issuer{
		Issuer: "https://idp.example.com/", Audience: []string{"sluice", "other"}, Algorithms: []string{"RS256", "PS256", "ES256", "ES384", "EdDSA"},
		JWKS: file, TenantClaim: "tenant", RolesClaim: "roles", Leeway: 30 * time.Second,
	}
}

func newSources(t testing.TB) *Sources {
	s := NewSources(quiet)
	t.Cleanup(s.Close)
	return s
}

func bearer(token string) map[string][]string { return header("Authorization", "Bearer "+token) }

func TestToken(t *testing.T) {
	rs, es, ed := newRSA(t, "r", 2048), newEC(t, "e", elliptic.P256()), newEd(t, "d")
	pinned, enc := newRSA(t, "p", 2048), newRSA(t, "x", 2048)
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	doc := document(t, rs.key(t, true, nil), es.key(t, true, nil), ed.key(t, true, nil),
		pinned.key(t, true, map[string]any{"alg": "PS256"}), enc.key(t, true, map[string]any{"use": "enc"}))
	doc = append(doc[:len(doc)-2], fmt.Sprintf(`,{"kty":"RSA","kid":"w","e":"AQAB","n":%q}]}`, base64.RawURLEncoding.EncodeToString(weak.N.Bytes()))...)
	a := mustNew(t, Options{Issuers: []Issuer{testIssuer(t, doc)}, Sources: newSources(t)})
	f := func(token, message string) {
		t.Helper()
		for range 2 { // the second time from memory, if at all
			p, err := a.Authenticate(t.Context(), bearer(token), otherAddr)
			if message != "" {
				refusal(t, err, wire.Unauthenticated, message, token)
			} else if err != nil || p.ID != "jwt:https://idp.example.com/|alice" || p.Tenant != "search" || p.Method != "jwt" {
				t.Errorf("got %+v, %v", p, err)
			}
		}
	}
	good := claimSet(nil)
	f(rs.sign(t, "RS256", good, nil), "")
	f(rs.sign(t, "PS256", good, nil), "")
	f(es.sign(t, "ES256", good, nil), "")
	f(ed.sign(t, "EdDSA", good, nil), "")
	f(pinned.sign(t, "PS256", good, nil), "")
	f(rs.sign(t, "RS256", claimSet(map[string]any{"aud": []string{"x", "other"}}), nil), "")
	f(rs.sign(t, "RS256", claimSet(map[string]any{"exp": time.Now().Add(-20 * time.Second).Unix()}), nil), "")

	f(rs.sign(t, "RS384", good, nil), "algorithm")
	f(pinned.sign(t, "RS256", good, nil), "not among")
	f(enc.sign(t, "RS256", good, nil), "not among")
	f(signer{"w", rs.private}.sign(t, "RS256", good, nil), "not among")
	f(signer{"e", rs.private}.sign(t, "RS256", good, nil), "not among")
	f(signer{"p", rs.private}.sign(t, "PS256", good, nil), "signature")
	f(signer{"", rs.private}.sign(t, "PS256", good, nil), "not among") // two keys could be meant
	f(signer{"", es.private}.sign(t, "ES256", good, nil), "")
	f(rs.sign(t, "RS256", good, map[string]any{"crit": []string{"exp"}}), "critical")
	f(rs.sign(t, "RS256", claimSet(map[string]any{"iss": "https://idp.example.com"}), nil), "issuer")
	f(rs.sign(t, "RS256", claimSet(map[string]any{"iss": nil}), nil), "issuer")
	f(rs.sign(t, "RS256", claimSet(map[string]any{"aud": "sluice-2"}), nil), "audience")
	f(rs.sign(t, "RS256", claimSet(map[string]any{"aud": nil}), nil), "audience")
	f(rs.sign(t, "RS256", claimSet(map[string]any{"exp": time.Now().Add(-time.Minute).Unix()}), nil), "expired")
	f(rs.sign(t, "RS256", claimSet(map[string]any{"exp": nil}), nil), "exp")
	f(rs.sign(t, "RS256", claimSet(map[string]any{"exp": "never"}), nil), "claims")
	f(rs.sign(t, "RS256", claimSet(map[string]any{"nbf": time.Now().Add(time.Minute).Unix()}), nil), "not valid now")
	f(rs.sign(t, "RS256", claimSet(map[string]any{"sub": nil}), nil), "who it is")
	f(rs.sign(t, "RS256", claimSet(map[string]any{"tenant": nil}), nil), "no tenant")
	f(rs.sign(t, "RS256", claimSet(map[string]any{"tenant": " "}), nil), "no tenant")
	f(rs.sign(t, "RS256", claimSet(map[string]any{"tenant": 7}), nil), "no tenant")
	f(rs.sign(t, "RS256", claimSet(map[string]any{"pad": strings.Repeat("x", maxTokenBytes)}), nil), "too long")
	f("a.b.c", "neither")
	f("..", "neither")
}

// Tokens made without the issuer's private key: the classic forgeries.
func TestTokenForged(t *testing.T) {
	rs := newRSA(t, "r", 2048)
	doc := document(t, rs.key(t, true, nil))
	a := mustNew(t, Options{Issuers: []Issuer{testIssuer(t, doc)}, Sources: newSources(t)})
	good := rs.sign(t, "RS256", claimSet(nil), nil)
	if _, err := a.Authenticate(t.Context(), bearer(good), otherAddr); err != nil {
		t.Fatal(err)
	}
	part := func(v any) string {
		text, _ := json.Marshal(v)
		return base64.RawURLEncoding.EncodeToString(text)
	}
	parts := strings.Split(good, ".")
	f := func(token string) {
		t.Helper()
		_, err := a.Authenticate(t.Context(), bearer(token), otherAddr)
		refusal(t, err, wire.Unauthenticated, "", token)
	}
	f(part(map[string]any{"alg": "none"}) + "." + parts[1] + ".")
	f(part(map[string]any{"alg": "None", "kid": "r"}) + "." + parts[1] + "." + parts[2])
	f(signer{"r", doc}.sign(t, "HS256", claimSet(nil), nil)) // the public key as a shared secret
	f(parts[0] + "." + part(claimSet(map[string]any{"sub": "root"})) + "." + parts[2])
	f(parts[0] + "." + parts[1] + ".")
	// Known by all of it: the same but for the last bytes is another token.
	f(good[:len(good)-4] + "AAAA")
	f(good[:len(good)-1])
	own := newRSA(t, "r", 2048)
	f(own.sign(t, "RS256", claimSet(nil), nil))
	f(own.sign(t, "RS256", claimSet(nil), map[string]any{"jwk": own.key(t, true, nil)}))
	f(own.sign(t, "RS256", claimSet(nil), map[string]any{"jku": "https://attacker.example.com/keys"}))
}

func TestClaims(t *testing.T) {
	rs := newEC(t, "", elliptic.P256())
	base := testIssuer(t, document(t, rs.key(t, true, nil)))
	f := func(change func(*Issuer), claims map[string]any, tenant string, roles []string) {
		t.Helper()
		is := base
		change(&is)
		a := mustNew(t, Options{Issuers: []Issuer{is}, Sources: newSources(t)})
		p, err := a.Authenticate(t.Context(), bearer(rs.sign(t, "ES256", claimSet(claims), nil)), otherAddr)
		if err != nil || p.Tenant != tenant || !reflect.DeepEqual(p.Roles, roles) {
			t.Errorf("got %+v, %v; want tenant %s, roles %v", p, err, tenant, roles)
		}
	}
	none := func(*Issuer) {}
	f(none, nil, "search", []string{"developer"})
	f(none, map[string]any{"roles": "a b  c"}, "search", []string{"a", "b", "c"})
	f(none, map[string]any{"roles": []any{"a", 7, ""}}, "search", []string{"a"})
	f(none, map[string]any{"roles": nil}, "search", nil)
	f(func(i *Issuer) { i.RolesClaim, i.Roles = "", []string{"fixed"} }, nil, "search", []string{"fixed"})
	f(func(i *Issuer) { i.TenantClaim, i.Tenant = "", "lab" }, nil, "lab", []string{"developer"})
	nested := map[string]any{"org": map[string]any{"id": "deep"}, "realm_access": map[string]any{"roles": []string{"r"}}}
	f(func(i *Issuer) { i.TenantClaim, i.RolesClaim = "org.id", "realm_access.roles" }, nested, "deep", []string{"r"})
	urls := map[string]any{"https://example.com/tenant": "by-url"}
	f(func(i *Issuer) { i.TenantClaim = "https://example.com/tenant" }, urls, "by-url", []string{"developer"})
	f(func(i *Issuer) { i.SubjectClaim = "email" }, map[string]any{"email": "a@example.com", "sub": nil}, "search", []string{"developer"})

	a := mustNew(t, Options{Issuers: []Issuer{base}, Sources: newSources(t)})
	p, err := a.Authenticate(t.Context(), bearer(rs.sign(t, "ES256", claimSet(map[string]any{"level": 12345678901234567}), nil)), otherAddr)
	if err != nil || p.Claims["level"] != json.Number("12345678901234567") || p.Expires.IsZero() {
		t.Errorf("got %+v, %v", p, err)
	}
}

func TestValidToken(t *testing.T) {
	rs := newEC(t, "", elliptic.P256())
	is := testIssuer(t, document(t, rs.key(t, true, nil)))
	sources := newSources(t)
	p, err := mustNew(t, Options{Issuers: []Issuer{is}, Sources: sources}).Authenticate(t.Context(), bearer(rs.sign(t, "ES256", claimSet(nil), nil)), otherAddr)
	if err != nil {
		t.Fatal(err)
	}
	f := func(what string, want bool, issuers ...Issuer) {
		t.Helper()
		if got := mustNew(t, Options{Issuers: issuers, Sources: sources}).Valid(p); got != want {
			t.Errorf("%s: valid is %v", what, got)
		}
	}
	f("unchanged", true, is)
	f("removed", false)
	is.TenantClaim = "sub"
	f("of another tenant", false, is)
	is.TenantClaim, is.Tenant = "", "lab"
	f("of a fixed tenant", false, is)
}

func TestIssuerRefused(t *testing.T) {
	rs := newEC(t, "", elliptic.P256())
	base := testIssuer(t, document(t, rs.key(t, true, nil)))
	sources := newSources(t)
	f := func(change func(*Issuer), want string) {
		t.Helper()
		is := base
		change(&is)
		_, err := New(Options{Issuers: []Issuer{base, is}, Sources: sources})
		var at *IssuerError
		if err == nil || !strings.Contains(err.Error(), want) || !asIssuer(err, &at) || at.Index != 1 {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	f(func(i *Issuer) { i.Issuer = "" }, "name")
	f(func(i *Issuer) { i.Audience = nil }, "audience")
	f(func(i *Issuer) { i.Audience = []string{""} }, "audience")
	f(func(i *Issuer) { i.TenantClaim = "" }, "tenant")
	f(func(i *Issuer) { i.Tenant = "both" }, "tenant")
	f(func(i *Issuer) { i.Algorithms = nil }, "algorithms")
	f(func(i *Issuer) { i.Algorithms = []string{"RS256", "HS256"} }, `"HS256" is not taken`)
	f(func(i *Issuer) { i.Algorithms = []string{"none"} }, `"none" is not taken`)
	f(func(i *Issuer) { i.JWKS = "nowhere.json" }, "open the JWKS file")
	f(func(i *Issuer) { i.JWKS = "http://idp.example.com/keys" }, "https")
	f(func(i *Issuer) { i.JWKS = "ftp://127.0.0.1/keys" }, "https")
	f(func(i *Issuer) { i.JWKS = "https://user:pw@idp.example.com/keys" }, "cannot be read")
	f(func(i *Issuer) { i.JWKS, i.RootCAs = "https://127.0.0.1:1/keys", []byte("x") }, "PEM")
	for text, want := range map[string]string{
		"<html>sign in</html>": "not a JSON Web Key Set", "": "not a JSON Web Key Set", `{"keys":[]}`: "no key",
		`{"keys":[{"kty":"oct","k":"c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0"}]}`: "no key", `{"keys":[{"kty":"new"}]}`: "no key",
	} {
		f(func(i *Issuer) { i.JWKS = testIssuer(t, []byte(text)).JWKS }, want)
	}
	f(func(i *Issuer) { i.JWKS = testIssuer(t, make([]byte, maxSetBytes+1)).JWKS }, "larger")
}

func BenchmarkToken(b *testing.B) {
	es := newEC(b, "e", elliptic.P256())
	a, err := New(Options{Issuers: []Issuer{testIssuer(b, document(b, es.key(b, true, nil)))}, Sources: newSources(b)})
	if err != nil {
		b.Fatal(err)
	}
	h, ctx := bearer(es.sign(b, "ES256", claimSet(nil), nil)), b.Context()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := a.Authenticate(ctx, h, otherAddr); err != nil {
			b.Fatal(err)
		}
	}
}
