package auth

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/sluicegate/sluice/runtime/exchange"
	"github.com/sluicegate/sluice/runtime/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	loopbackAddr = netip.MustParseAddr("127.0.0.1")
	otherAddr    = netip.MustParseAddr("192.0.2.7")
	quiet        = slog.New(slog.DiscardHandler)
)

// header makes request headers of names and values in turn.
func header(pairs ...string) map[string][]string {
	h := map[string][]string{}
	for i := 0; i < len(pairs); i += 2 {
		h[pairs[i]] = append(h[pairs[i]], pairs[i+1])
	}
	return h
}

func newKey(id, tenant, secret string) Key {
	return Key{ID: id, Tenant: tenant, SHA256: sha256.Sum256([]byte(secret))}
}

func mustNew(t *testing.T, o Options) *Authenticator {
	t.Helper()
	a, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// refusal checks an error's code and that it shows nothing of a credential.
func refusal(t *testing.T, err error, code wire.Code, message string, secrets ...string) {
	t.Helper()
	var e *exchange.Error
	if !errors.As(err, &e) || e.Fault.Code != code || e.Stage != exchange.StageAuthenticate {
		t.Errorf("got %v, want code %s", err, code)
		return
	}
	if !strings.Contains(e.Fault.Message, message) {
		t.Errorf("got message %q, want %q", e.Fault.Message, message)
	}
	for _, s := range secrets {
		if s != "" && strings.Contains(err.Error(), s) {
			t.Errorf("the error shows a credential: %v", err)
		}
	}
}

func TestPrecedence(t *testing.T) {
	a := mustNew(t, Options{Keys: []Key{newKey("one", "t1", "secret-1"), newKey("two", "t2", "secret-2")}})
	f := func(h map[string][]string, want, message string) {
		t.Helper()
		p, err := a.Authenticate(t.Context(), h, otherAddr)
		if want == "" {
			refusal(t, err, wire.Unauthenticated, message, "secret-1", "secret-2", "wrong")
			return
		}
		if err != nil || p.ID != want || p.Method != "key" {
			t.Errorf("%v: got %+v, %v; want %s", h, p, err, want)
		}
	}
	f(header("X-Api-Key", "secret-1"), "key:one", "")
	f(header("Api-Key", "secret-2"), "key:two", "")
	f(header("Authorization", "Bearer secret-1"), "key:one", "")
	f(header("Authorization", "bearer  secret-1 "), "key:one", "")
	f(header("X-Api-Key", " secret-1\t"), "key:one", "")
	f(header("X-Api-Key", "secret-1", "Api-Key", "secret-2", "Authorization", "Bearer secret-2"), "key:one", "")
	f(header("Api-Key", "secret-2", "Authorization", "Bearer secret-1"), "key:two", "")

	// No falling through: what is present first decides, good or not.
	f(header("X-Api-Key", "wrong", "Api-Key", "secret-2"), "", "not accepted")
	f(header("X-Api-Key", "", "Api-Key", "secret-2"), "", "empty")
	f(header("Api-Key", "wrong", "Authorization", "Bearer secret-1"), "", "not accepted")
	f(header("X-Api-Key", "secret-1", "X-Api-Key", "secret-1"), "", "more than once")
	f(header("Authorization", "Bearer secret-1", "Authorization", "Bearer secret-1"), "", "more than once")
	f(header("Authorization", "Basic c2VjcmV0LTE6"), "", "must be Bearer")
	f(header("Authorization", "secret-1"), "", "must be Bearer")
	f(header("Authorization", "Bearer "), "", "Bearer")
	f(header("Authorization", "Bearer"), "", "empty")
	f(header(), "", "no credential")
	f(header("Cookie", "secret-1"), "", "no credential")
	f(header("X-Api-Key", "secret-1\x00"), "", "not accepted")
	f(header("X-Api-Key", "secret-"), "", "not accepted")
	f(header("X-Api-Key", strings.Repeat("s", 1<<20)), "", "not accepted")
	f(header("X-Api-Key", "a.b.c"), "", "not accepted")
	digest := sha256.Sum256([]byte("secret-1"))
	f(header("X-Api-Key", hex.EncodeToString(digest[:])), "", "not accepted")
}

func TestKeyExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKey("one", "t", "secret-1")
		k.Expires = time.Now().Add(time.Hour)
		a := mustNew(t, Options{Keys: []Key{k}})
		p, err := a.Authenticate(t.Context(), header("X-Api-Key", "secret-1"), otherAddr)
		if err != nil || !p.Expires.Equal(k.Expires) {
			t.Fatalf("got %+v, %v", p, err)
		}
		time.Sleep(time.Hour)
		_, err = a.Authenticate(t.Context(), header("X-Api-Key", "secret-1"), otherAddr)
		refusal(t, err, wire.Unauthenticated, "expired")
		if !a.Valid(p) {
			t.Error("expiry ends a running exchange")
		}
		k.Expires = time.Now().Add(-time.Minute)
		if mustNew(t, Options{Keys: []Key{k}}).Valid(p) {
			t.Error("an expiry set to the past leaves running exchanges")
		}
		k.Expires = time.Now().Add(time.Minute)
		if !mustNew(t, Options{Keys: []Key{k}}).Valid(p) {
			t.Error("an expiry moved into the future ends running exchanges")
		}
	})
}

func TestEphemeral(t *testing.T) {
	secrets := NewEphemeral()
	o := Options{Ephemeral: []Key{{ID: "red", Tenant: "red", Roles: []string{"developer"}}, {ID: "blue", Tenant: "blue"}}, Secrets: secrets}
	a := mustNew(t, o)
	red := secrets.Secret("red")
	if red == secrets.Secret("blue") || !strings.HasPrefix(red, "slk_") {
		t.Fatalf("secrets are %q and %q", red, secrets.Secret("blue"))
	}
	f := func(h map[string][]string, from string, ok bool) {
		t.Helper()
		p, err := a.Authenticate(t.Context(), h, netip.MustParseAddr(from))
		if !ok {
			refusal(t, err, wire.Unauthenticated, "own machine", red)
			return
		}
		if err != nil || p.ID != "ephemeral:red" || p.Tenant != "red" || p.Roles[0] != "developer" {
			t.Errorf("got %+v, %v", p, err)
		}
	}
	f(header("X-Api-Key", red), "127.0.0.1", true)
	f(header("X-Api-Key", red), "::1", true)
	f(header("X-Api-Key", red), "::ffff:127.0.0.1", true)
	f(header("X-Api-Key", red), "192.0.2.7", false)
	f(header("X-Api-Key", red), "::ffff:192.0.2.7", false)
	f(header("X-Api-Key", red, "X-Forwarded-For", "127.0.0.1"), "127.0.0.1", false)
	f(header("X-Api-Key", red, "Via", "1.1 proxy"), "127.0.0.1", false)
	if _, err := a.Authenticate(t.Context(), header("X-Api-Key", red), netip.Addr{}); err == nil {
		t.Error("accepted from an unknown address")
	}

	// A reload keeps the secrets; a key that is gone is no longer accepted.
	a = mustNew(t, o)
	f(header("X-Api-Key", red), "127.0.0.1", true)
	o.Ephemeral = o.Ephemeral[1:]
	a = mustNew(t, o)
	_, err := a.Authenticate(t.Context(), header("X-Api-Key", red), loopbackAddr)
	refusal(t, err, wire.Unauthenticated, "not accepted", red)
}

func TestNewRefuses(t *testing.T) {
	f := func(o Options, want string) {
		t.Helper()
		if _, err := New(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	f(Options{Keys: []Key{newKey("a", "", "s")}}, "tenant")
	f(Options{Keys: []Key{newKey("", "t", "s")}}, "id")
	f(Options{Keys: []Key{newKey("a", "t", "")}}, "empty")
	f(Options{Keys: []Key{newKey("a", "t", "s"), newKey("b", "t", "s")}}, "the same as")
}

func TestValidKey(t *testing.T) {
	one, two := newKey("one", "t", "secret-1"), newKey("two", "t", "secret-2")
	p, err := mustNew(t, Options{Keys: []Key{one, two}}).Authenticate(t.Context(), header("X-Api-Key", "secret-1"), otherAddr)
	if err != nil {
		t.Fatal(err)
	}
	f := func(what string, want bool, keys ...Key) {
		t.Helper()
		if got := mustNew(t, Options{Keys: keys}).Valid(p); got != want {
			t.Errorf("%s: valid is %v", what, got)
		}
	}
	f("unchanged", true, one, two)
	f("removed", false, two)
	f("replaced under its id", false, newKey("one", "t", "secret-3"))
	f("renamed", false, newKey("uno", "t", "secret-1"))
	f("of another tenant", false, newKey("one", "other", "secret-1"))
}

func TestNewKey(t *testing.T) {
	secret, digest := NewKey()
	other, _ := NewKey()
	sum := sha256.Sum256([]byte(secret))
	if digest != hex.EncodeToString(sum[:]) || secret == other {
		t.Errorf("got %q, %q", secret, digest)
	}
	rest, ok := strings.CutPrefix(secret, "slk_")
	if !ok || len(rest) != 52 || strings.Trim(rest, "abcdefghijklmnopqrstuvwxyz234567") != "" {
		t.Errorf("got %q", secret)
	}
}

// The way of an API key takes no memory, and the same however many keys there are.
func TestKeyAllocates(t *testing.T) {
	keys := make([]Key, 1000)
	for i := range keys {
		keys[i] = newKey(string(rune('a'+i)), "t", "secret-"+string(rune('a'+i)))
	}
	a := mustNew(t, Options{Keys: keys})
	h, ctx := header("X-Api-Key", "secret-q"), t.Context()
	if n := testing.AllocsPerRun(100, func() { _, _ = a.Authenticate(ctx, h, otherAddr) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkKey(b *testing.B) {
	secret, _ := NewKey()
	a, err := New(Options{Keys: []Key{newKey("a", "t", secret)}})
	if err != nil {
		b.Fatal(err)
	}
	h, ctx := header("X-Api-Key", secret), b.Context()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := a.Authenticate(ctx, h, otherAddr); err != nil {
			b.Fatal(err)
		}
	}
}

func FuzzAuthenticate(f *testing.F) {
	a, err := New(Options{Keys: []Key{newKey("a", "t", "secret-1")}})
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range []string{"secret-1", "Bearer secret-1", "", " ", "Bearer a.b.c", "eyJhbGciOiJub25lIn0.e30."} {
		f.Add("Authorization", s)
		f.Add("X-Api-Key", s)
	}
	f.Fuzz(func(t *testing.T, name, value string) {
		p, err := a.Authenticate(t.Context(), header(name, value), otherAddr)
		if (p == nil) == (err == nil) {
			t.Fatalf("principal %v, error %v", p, err)
		}
		if p != nil && !strings.Contains(value, "secret-1") {
			t.Fatalf("accepted %q: %q", name, value)
		}
	})
}
