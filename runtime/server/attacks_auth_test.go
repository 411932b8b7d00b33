package server_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sluicegate/sluice/runtime/internal/gateway"
	"github.com/sluicegate/sluice/runtime/internal/modelserver"
)

// Which credential decides, and what is none.
func TestAttackCredentials(t *testing.T) {
	const secret, old = "slk_correct-horse-battery", "slk_expired-horse-battery"
	digest := func(s string) string { d := sha256.Sum256([]byte(s)); return hex.EncodeToString(d[:]) }
	m := modelserver.New(t)
	s := besiegeWith(t, m, fmt.Sprintf(`
auth:
  keys:
    - {id: good, tenant: red, roles: [developer], sha256: %s}
    - {id: old, tenant: red, roles: [developer], sha256: %s, expires: 2020-01-01}
  ephemeral:
    - {id: red, tenant: red, roles: [developer]}
`, digest(secret), digest(old))+model(m)+gateway.Rest, nil)
	f := func(name string, status int, header ...string) {
		t.Run(name, func(t *testing.T) {
			req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+chatPath, strings.NewReader(ask("hi")))
			for i := 0; i < len(header); i += 2 {
				req.Header[header[i]] = append(req.Header[header[i]], header[i+1])
			}
			had := len(m.Requests())
			r := s.do(req)
			if r.Status != status || (status == 401) != (r.Code() == "unauthenticated") || strings.Contains(r.Body, "horse") {
				t.Errorf("%d %s", r.Status, r.Body)
			}
			if status == 401 && (r.Header.Get("Www-Authenticate") == "" || len(m.Requests()) > had) {
				t.Errorf("%v, or the model server was asked", r.Header)
			}
		})
	}
	const key, api, bearer = "X-Api-Key", "Api-Key", "Authorization"
	f("key", 200, key, secret)
	f("key, another way", 200, api, secret)
	f("bearer", 200, bearer, "Bearer "+secret)
	f("bearer in another case", 200, bearer, "bEaReR "+secret)
	f("ephemeral", 200, key, s.Key("red"))
	f("the first present decides", 200, key, secret, api, "wrong", bearer, "Bearer wrong")
	f("no falling through", 401, key, "wrong", api, secret, bearer, "Bearer "+secret)
	f("no falling through an empty one", 401, key, "", api, secret)
	f("no falling through the second", 401, api, "wrong", bearer, "Bearer "+secret)
	f("two values", 401, key, secret, key, secret)
	f("two values, one wrong", 401, key, "wrong", key, secret)
	f("two bearers", 401, bearer, "Bearer "+secret, bearer, "Bearer "+secret)
	f("a list", 401, key, secret+","+secret)
	f("none", 401)
	f("empty", 401, bearer, "")
	f("bearer of nothing", 401, bearer, "Bearer ")
	f("no scheme", 401, bearer, secret)
	f("basic", 401, bearer, "Basic "+base64.StdEncoding.EncodeToString([]byte("x:"+secret)))
	f("bearer twice", 401, bearer, "Bearer Bearer "+secret)
	f("bearer in a key", 401, key, "Bearer "+secret)
	f("a part of the key", 401, key, secret[:len(secret)-1])
	f("more than the key", 401, key, secret+"x")
	f("another case", 401, key, strings.ToUpper(secret))
	f("the digest", 401, key, digest(secret))
	f("the id", 401, key, "good")
	f("expired", 401, key, old)
	f("a huge key", 401, key, strings.Repeat("k", 32<<10))
	f("an underscore alias", 401, "X_Api_Key", secret)
	f("a cookie", 401, "Cookie", "x-api-key="+secret)
	f("ephemeral through a proxy", 401, key, s.Key("red"), "X-Forwarded-For", "127.0.0.1")
	f("ephemeral through a proxy that says Forwarded", 401, key, s.Key("red"), "Forwarded", "for=127.0.0.1")
	f("a user the platform names", 401, "Remote-User", "good")
	f("sluice's own headers", 401, "X-Sluice-Principal", "good", "X-Sluice-Tenant", "red")
	f("a hop-by-hop key", 200, key, secret, "Connection", "x-api-key")
	if r := s.Post("", chatPath+"?x-api-key="+secret+"&api_key="+secret, ask("hi")); r.Status != 401 {
		t.Errorf("a key in the query: %d", r.Status)
	}
}

// do sends a request as it is.
func (s *siege) do(req *http.Request) gateway.Reply {
	s.t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, _ := io.ReadAll(resp.Body)
	return gateway.Reply{Status: resp.StatusCode, Header: resp.Header, Body: string(body)}
}

// mint is an issuer of tokens with its key set on loopback.
type mint struct {
	key *ecdsa.PrivateKey
	url string
	set string
}

func newMint(t *testing.T) *mint {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, _ := key.PublicKey.Bytes() // 4, x, y
	i := &mint{key: key}
	i.set = fmt.Sprintf(`{"keys":[{"kty":"EC","crv":"P-256","kid":"k1","alg":"ES256","use":"sig","x":%q,"y":%q}]}`, b64(point[1:33]), b64(point[33:]))
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, i.set) }))
	t.Cleanup(srv.Close)
	i.url = srv.URL
	return i
}

func b64[T ~string | ~[]byte](b T) string { return base64.RawURLEncoding.EncodeToString([]byte(b)) }

// sign makes a token of a header and claims, as they are.
func (i *mint) sign(header, claims string) string {
	input := b64(header) + "." + b64(claims)
	digest := sha256.Sum256([]byte(input))
	r, s, _ := ecdsa.Sign(rand.Reader, i.key, digest[:])
	return input + "." + b64(append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...))
}

const es256 = `{"alg":"ES256","kid":"k1","typ":"JWT"}`

// claims are good ones, changed; a nil takes a claim out.
func claims(change map[string]any) string {
	c := map[string]any{"iss": "https://issuer.example", "aud": "sluice", "sub": "ana", "tenant": "red", "exp": time.Now().Add(time.Hour).Unix(), "roles": []string{"developer"}}
	for k, v := range change {
		c[k] = v
		if v == nil {
			delete(c, k)
		}
	}
	b, _ := json.Marshal(c)
	return string(b)
}

// tokens starts a gateway that takes the mint's tokens too.
func tokens(t *testing.T, i *mint, files map[string]string, steps ...modelserver.Step) *siege {
	m := modelserver.New(t, steps...)
	rest := gateway.Rest
	if files != nil {
		rest = strings.Replace(rest, "builtin:default", "policies", 1)
	}
	return besiegeWith(t, m, gateway.Callers+fmt.Sprintf(`
  jwt:
    - {issuer: "https://issuer.example", audience: [sluice], algorithms: [ES256], jwks: %q, tenant_claim: tenant, roles_claim: roles}
`, i.url)+model(m)+rest, files)
}

func TestAttackTokens(t *testing.T) {
	i := newMint(t)
	other := newMint(t)
	s := tokens(t, i, nil)
	good := i.sign(es256, claims(nil))
	parts := strings.Split(good, ".")
	f := func(name, token string, status int) {
		t.Run(name, func(t *testing.T) {
			r := s.Post("", chatPath, ask("hi "+name), "Authorization", "Bearer "+token)
			if r.Status != status || status == 401 && r.Code() != "unauthenticated" || strings.Contains(r.Body, parts[2]) {
				t.Errorf("%d %s, want %d", r.Status, r.Body, status)
			}
		})
	}
	with := func(header string, change map[string]any) string { return i.sign(header, claims(change)) }
	f("good", good, 200)
	f("good, several audiences", with(es256, map[string]any{"aud": []string{"x", "sluice"}}), 200)
	f("none", b64(`{"alg":"none"}`)+"."+parts[1]+".", 401)
	f("None", b64(`{"alg":"None","kid":"k1"}`)+"."+parts[1]+".", 401)
	f("no algorithm", with(`{"kid":"k1"}`, nil), 401)
	input := b64(`{"alg":"HS256","kid":"k1"}`) + "." + parts[1]
	mac := hmac.New(sha256.New, []byte(i.set))
	mac.Write([]byte(input))
	f("HS256 with the public key", input+"."+b64(mac.Sum(nil)), 401)
	f("another key", other.sign(es256, claims(nil)), 401)
	f("its own key in the header", other.sign(`{"alg":"ES256","kid":"k1","jwk":`+strings.TrimSuffix(strings.TrimPrefix(other.set, `{"keys":[`), "]}")+`}`, claims(nil)), 401)
	f("its own key set", other.sign(`{"alg":"ES256","kid":"k1","jku":"`+other.url+`"}`, claims(nil)), 401)
	f("an unknown key", with(`{"alg":"ES256","kid":"k2"}`, nil), 401)
	f("a critical extension", with(`{"alg":"ES256","kid":"k1","crit":["x"],"x":1}`, nil), 401)
	f("no signature", parts[0]+"."+parts[1]+".", 401)
	f("other claims", parts[0]+"."+b64(claims(map[string]any{"tenant": "blue"}))+"."+parts[2], 401)
	f("wrong audience", with(es256, map[string]any{"aud": "other"}), 401)
	f("no audience", with(es256, map[string]any{"aud": nil}), 401)
	f("a longer audience", with(es256, map[string]any{"aud": "sluice2"}), 401)
	f("wrong issuer", with(es256, map[string]any{"iss": "https://issuer.example/"}), 401)
	f("expired", with(es256, map[string]any{"exp": time.Now().Add(-time.Hour).Unix()}), 401)
	f("no expiry", with(es256, map[string]any{"exp": nil}), 401)
	f("not yet", with(es256, map[string]any{"nbf": time.Now().Add(time.Hour).Unix()}), 401)
	f("no tenant", with(es256, map[string]any{"tenant": nil}), 401)
	f("empty tenant", with(es256, map[string]any{"tenant": ""}), 401)
	f("blank tenant", with(es256, map[string]any{"tenant": " "}), 401)
	f("tenant is a list", with(es256, map[string]any{"tenant": []string{"red"}}), 401)
	f("no subject", with(es256, map[string]any{"sub": nil}), 401)
	f("no roles", with(es256, map[string]any{"roles": nil}), 403)
	f("too long", with(es256, map[string]any{"x": strings.Repeat("x", 20<<10)}), 401)
	f("claims that are no JSON", i.sign(es256, "prompt-word"), 401)
	f("four parts", good+".x", 401)
	if r := s.Post("", chatPath, ask("hi"), "X-Api-Key", good); r.Status != 200 {
		t.Errorf("a token as a key: %d", r.Status)
	}
}

// Nobody gets another's cached answers by choosing a name that reads like the other's scope.
func TestAttackScopeByName(t *testing.T) {
	i := newMint(t)
	s := tokens(t, i, map[string]string{"policies/main.rego": shared})
	f := func(name, body, want string, header ...string) {
		t.Helper()
		who := ""
		if header == nil {
			who = "red"
		}
		if r := s.Post(who, chatPath, body, header...); r.Status == 200 && r.Cache() != want || r.Status != 200 && want != "refused" {
			t.Errorf("%s: %d %s, want %s", name, r.Status, r.Cache(), want)
		}
	}
	as := func(change map[string]any) []string {
		return []string{"Authorization", "Bearer " + i.sign(es256, claims(change))}
	}
	own := strings.Replace(ask("hi"), "{", `{"seed":7,`, 1)
	f("red's own", own, "miss")
	f("red's own again", own, "hit")
	// The same body under the tenant's scope, by a tenant called as red's own scope.
	s.Write("policies/main.rego", strings.Replace(shared, "== 7", "== 8", 1))
	if err := s.Control.Reload(t.Context(), "test"); err != nil {
		t.Fatal(err)
	}
	f("a tenant called so", own, "miss", as(map[string]any{"tenant": "red\x00ephemeral:red"})...)
	f("a subject called so", own, "miss", as(map[string]any{"tenant": "x", "sub": "red"})...)
}
