package auth

import (
	"bytes"
	"crypto/elliptic"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluicegate/sluice/runtime/wire"
)

func asIssuer(err error, at **IssuerError) bool { return errors.As(err, at) }

// idp is an issuer's key server with a script.
type idp struct {
	mu     sync.Mutex
	doc    []byte
	status int
	err    error
	asked  atomic.Int64
}

func (s *idp) set(doc []byte, status int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.doc, s.status, s.err = doc, status, err
}

func (s *idp) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	s.asked.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.status/100 == 3 {
		w.Header().Set("Location", "/elsewhere")
	}
	w.WriteHeader(s.status)
	_, _ = w.Write(s.doc)
}

// RoundTrip answers without a network, so that time can be faked.
func (s *idp) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked.Add(1)
	if s.err != nil {
		return nil, s.err
	}
	return &http.Response{StatusCode: s.status, Body: io.NopCloser(bytes.NewReader(s.doc)), Request: r}, nil
}

func TestFetch(t *testing.T) {
	rs := newEC(t, "r", elliptic.P256())
	doc := document(t, rs.key(t, true, nil))
	token := rs.sign(t, "ES256", claimSet(nil), nil)
	f := func(s *idp, tls bool, code wire.Code) {
		t.Helper()
		server := httptest.NewUnstartedServer(s)
		server.Config.ErrorLog = log.New(io.Discard, "", 0)
		if tls {
			server.StartTLS()
		} else {
			server.Start()
		}
		defer server.Close()
		is := testIssuer(t, doc)
		is.JWKS = server.URL + "/keys"
		sources := NewSources(quiet)
		defer sources.Close()
		a := mustNew(t, Options{Issuers: []Issuer{is}, Sources: sources})
		p, err := a.Authenticate(t.Context(), bearer(token), otherAddr)
		if code != "" {
			refusal(t, err, code, "try again", token)
			if fault := (*wire.Fault)(nil); errors.As(err, &fault) && strings.Contains(fault.Error(), server.URL) {
				t.Errorf("the caller is told where the keys are: %v", fault)
			}
		} else if err != nil || p.Tenant != "search" {
			t.Errorf("got %+v, %v", p, err)
		}
		if n := s.asked.Load(); n > 1 {
			t.Errorf("asked %d times", n)
		}
	}
	f(&idp{doc: doc, status: 200}, false, "")
	f(&idp{doc: doc, status: 200}, true, wire.Overloaded) // a certificate nobody vouches for
	f(&idp{doc: doc, status: 302}, false, wire.Overloaded)
	f(&idp{doc: doc, status: 500}, false, wire.Overloaded)
	f(&idp{doc: doc, status: 404}, false, wire.Overloaded)
	f(&idp{doc: []byte("<html>sign in</html>"), status: 200}, false, wire.Overloaded)
	f(&idp{doc: append(doc, bytes.Repeat([]byte(" "), maxSetBytes)...), status: 200}, false, wire.Overloaded)
}

// An issuer that is down is 503, and never keeps the gateway from starting.
func TestFetchUnreachable(t *testing.T) {
	rs := newEC(t, "r", elliptic.P256())
	is := testIssuer(t, document(t, rs.key(t, true, nil)))
	server := httptest.NewServer(http.NotFoundHandler())
	is.JWKS = server.URL
	server.Close()
	a := mustNew(t, Options{Issuers: []Issuer{is}, Sources: newSources(t)})
	_, err := a.Authenticate(t.Context(), bearer(rs.sign(t, "ES256", claimSet(nil), nil)), otherAddr)
	refusal(t, err, wire.Overloaded, "try again")
	var fault *wire.Fault
	if !errors.As(err, &fault) || fault.HTTPStatus() != 503 || fault.RetryAfter == 0 {
		t.Errorf("got %+v", fault)
	}
}

// faked makes an Authenticator whose issuer answers without a network. It is for synctest.
func faked(t *testing.T, s *idp, doc []byte) (*Authenticator, *Sources) {
	is := testIssuer(t, doc)
	is.JWKS, is.Refresh = "https://idp.example.com/keys", 10*time.Minute
	sources := NewSources(quiet)
	src, err := sources.remote(is.JWKS, nil)
	if err != nil {
		t.Fatal(err)
	}
	src.client.Transport = s
	return mustNew(t, Options{Issuers: []Issuer{is}, Sources: sources}), sources
}

// Unknown keys make a fetch at most once a minute; a rotated key is found by then, and a withdrawn one is refused even
// for a token that was accepted before.
func TestRotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one, two := newEC(t, "1", elliptic.P256()), newEC(t, "2", elliptic.P256())
		first, both, second := document(t, one.key(t, true, nil)), document(t, one.key(t, true, nil), two.key(t, true, nil)), document(t, two.key(t, true, nil))
		s := &idp{doc: first, status: 200}
		a, sources := faked(t, s, first)
		defer sources.Close()
		exp := map[string]any{"exp": time.Now().Add(24 * time.Hour).Unix()}
		old, young := one.sign(t, "ES256", claimSet(exp), nil), two.sign(t, "ES256", claimSet(exp), nil)
		f := func(token string, code wire.Code, asked int64) {
			t.Helper()
			_, err := a.Authenticate(t.Context(), bearer(token), otherAddr)
			if code != "" {
				refusal(t, err, code, "")
			} else if err != nil {
				t.Error(err)
			}
			synctest.Wait()
			if n := s.asked.Load(); n != asked {
				t.Errorf("asked %d times, want %d", n, asked)
			}
		}
		f(old, "", 1)
		for range 100 {
			f(young, wire.Unauthenticated, 1)
		}
		time.Sleep(time.Minute)
		f(young, wire.Unauthenticated, 2)
		f(young, wire.Unauthenticated, 2)
		s.set(both, 200, nil)
		time.Sleep(time.Minute)
		f(young, "", 3)
		f(old, "", 3)
		s.set(second, 200, nil)
		time.Sleep(10 * time.Minute)
		f(old, "", 4) // served with the keys at hand while fresh ones come
		f(old, wire.Unauthenticated, 4)
		f(young, "", 4)
	})
}

// While the issuer is down its known keys serve on; a key that is not known can't be judged: 503.
func TestOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one, two := newEC(t, "1", elliptic.P256()), newEC(t, "2", elliptic.P256())
		doc := document(t, one.key(t, true, nil))
		s := &idp{doc: doc, status: 200}
		a, sources := faked(t, s, doc)
		defer sources.Close()
		exp := map[string]any{"exp": time.Now().Add(24 * time.Hour).Unix()}
		known, unknown := one.sign(t, "ES256", claimSet(exp), nil), two.sign(t, "ES256", claimSet(exp), nil)
		f := func(token string, code wire.Code) {
			t.Helper()
			_, err := a.Authenticate(t.Context(), bearer(token), otherAddr)
			if code != "" {
				refusal(t, err, code, "")
			} else if err != nil {
				t.Error(err)
			}
			synctest.Wait()
		}
		f(known, "")
		s.set(nil, 0, errors.New("no route"))
		time.Sleep(time.Hour)
		f(known, "")
		f(unknown, wire.Overloaded)
		time.Sleep(time.Minute)
		f(unknown, wire.Overloaded)
		f(known, "")
		s.set(doc, 200, nil)
		f(unknown, wire.Overloaded)
		time.Sleep(time.Minute)
		f(unknown, wire.Unauthenticated)
	})
}

// A reload keeps the keys: nothing is fetched again. After Close nothing is fetched at all.
func TestSourcesSurvive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one := newEC(t, "1", elliptic.P256())
		doc := document(t, one.key(t, true, nil))
		s := &idp{doc: doc, status: 200}
		a, sources := faked(t, s, doc)
		synctest.Wait()
		for range 3 {
			var is []Issuer
			for _, known := range a.issuers {
				is = append(is, known.Issuer)
			}
			a = mustNew(t, Options{Issuers: is, Sources: sources})
			if _, err := a.Authenticate(t.Context(), bearer(one.sign(t, "ES256", claimSet(nil), nil)), otherAddr); err != nil {
				t.Error(err)
			}
		}
		sources.Close()
		time.Sleep(time.Hour)
		_, err := a.Authenticate(t.Context(), bearer(newEC(t, "2", elliptic.P256()).sign(t, "ES256", claimSet(nil), nil)), otherAddr)
		refusal(t, err, wire.Overloaded, "")
		if n := s.asked.Load(); n != 1 {
			t.Errorf("asked %d times", n)
		}
	})
}

// A file of keys that changes is taken up when the keys are due, or when a token names a key it did not have.
func TestFileChanges(t *testing.T) {
	one, two := newEC(t, "1", elliptic.P256()), newEC(t, "2", elliptic.P256())
	is := testIssuer(t, document(t, one.key(t, true, nil)))
	a := mustNew(t, Options{Issuers: []Issuer{is}, Sources: newSources(t)})
	if err := os.WriteFile(is.JWKS, document(t, two.key(t, true, nil)), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := a.Authenticate(t.Context(), bearer(two.sign(t, "ES256", claimSet(nil), nil)), otherAddr)
	if err != nil || !strings.HasSuffix(p.ID, "|alice") {
		t.Errorf("got %+v, %v", p, err)
	}
}

// The memory of tokens is bounded, and expired ones go first.
func TestRecentIsBounded(t *testing.T) {
	var r recent
	now := time.Now()
	id := func(i int) (d [32]byte) {
		d[0], d[1] = byte(i), byte(i>>8)
		return d
	}
	for i := range maxRecent {
		until := now.Add(time.Hour)
		if i%2 == 0 {
			until = now.Add(-time.Hour)
		}
		r.put(id(i), &verified{until: until}, now)
	}
	r.put(id(maxRecent), &verified{until: now.Add(time.Hour)}, now)
	if n := len(r.tokens); n != maxRecent/2+1 {
		t.Errorf("%d tokens", n)
	}
	if _, ok := r.get(id(1)); !ok {
		t.Error("a live token went before an expired one")
	}
	for i := range 3 * maxRecent {
		r.put(id(i), &verified{until: now.Add(time.Hour)}, now)
	}
	if n := len(r.tokens); n > maxRecent {
		t.Errorf("%d tokens", n)
	}
}
