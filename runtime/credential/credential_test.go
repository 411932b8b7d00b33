package credential_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/sluicegate/sluice/runtime/credential"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// teller is a Fetch that gives what it is told, in order, the last one for ever, and counts.
type teller struct {
	mu    sync.Mutex
	tell  []any // credential.Token, string or error
	calls int
	delay time.Duration
}

func (f *teller) fetch(ctx context.Context) (credential.Token, error) {
	f.mu.Lock()
	next := f.tell[min(f.calls, len(f.tell)-1)]
	f.calls++
	f.mu.Unlock()
	select {
	case <-time.After(f.delay):
	case <-ctx.Done():
		return credential.Token{}, ctx.Err()
	}
	switch next := next.(type) {
	case error:
		return credential.Token{}, next
	case string:
		return credential.Token{Secret: next}, nil
	default:
		return next.(credential.Token), nil
	}
}

// journal is a log that may be read while it is written.
type journal struct {
	mu   sync.Mutex
	text strings.Builder
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

func (f *teller) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls
}

// jwt is a token that ends then; nobody signs it.
func jwt(end time.Time) string {
	return "eyJhbGciOiJub25lIn0." + base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, `{"exp":%d}`, end.Unix())) + ".x"
}

func gets(t *testing.T, s *credential.Source, want string) {
	t.Helper()
	if got, err := s.Secret(t.Context()); got != want || (err == nil) != (want != "") {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
}

// in runs a test of a Source with a clock of its own.
func in(t *testing.T, f *teller, test func(t *testing.T, s *credential.Source, log *journal)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var log journal
		s := credential.New(credential.Options{Name: "one", Fetch: f.fetch, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		test(t, s, &log)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if strings.Contains(log.String(), "s3cr3t") {
			t.Errorf("a secret is in the log: %s", log.String())
		}
	})
}

// However many wait, one fetch is made; and none while the secret is good.
func TestOneFetch(t *testing.T) {
	f := &teller{tell: []any{"s3cr3t"}, delay: time.Second}
	in(t, f, func(t *testing.T, s *credential.Source, _ *journal) {
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() { gets(t, s, "s3cr3t") })
		}
		all.Wait()
		time.Sleep(time.Hour)
		gets(t, s, "s3cr3t")
		if n := f.count(); n != 1 {
			t.Errorf("%d fetches", n)
		}
	})
}

// A caller who does not wait any longer ends no fetch that others wait for.
func TestImpatientCaller(t *testing.T) {
	f := &teller{tell: []any{"s3cr3t"}, delay: 2 * time.Second}
	in(t, f, func(t *testing.T, s *credential.Source, _ *journal) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := s.Secret(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
		gets(t, s, "s3cr3t")
		if n := f.count(); n != 1 {
			t.Errorf("%d fetches", n)
		}
	})
}

// A token is renewed before it expires, beside the calls; when that fails it is used to its end.
func TestRenewal(t *testing.T) {
	f := &teller{delay: 5 * time.Second}
	in(t, f, func(t *testing.T, s *credential.Source, log *journal) {
		f.tell = []any{jwt(time.Now().Add(10 * time.Minute)), errors.New("it is down"), errors.New("it is down"), "second"}
		first := f.tell[0].(string)
		gets(t, s, first)
		time.Sleep(8 * time.Minute)
		gets(t, s, first)
		if n := f.count(); n != 1 {
			t.Errorf("%d fetches long before the end", n)
		}
		time.Sleep(time.Minute) // less than one is left
		at := time.Now()
		gets(t, s, first)
		if !time.Now().Equal(at) {
			t.Error("a call waited although the token is good")
		}
		time.Sleep(30 * time.Second)
		gets(t, s, first)
		synctest.Wait()
		if n := f.count(); n != 3 || strings.Count(log.String(), "cannot be renewed") != 1 {
			t.Errorf("%d fetches: %s", n, log.String())
		}
		time.Sleep(24 * time.Second)
		gets(t, s, first) // a second before its end
		time.Sleep(2 * time.Second)
		gets(t, s, "second") // now it waits
	})
}

// What cannot be had is an error at once for as long as the pause lasts, and the pause grows.
func TestPauses(t *testing.T) {
	f := &teller{tell: []any{errors.New("it is down")}}
	in(t, f, func(t *testing.T, s *credential.Source, _ *journal) {
		for range 3600 {
			if _, err := s.Secret(t.Context()); err == nil || err.Error() != "it is down" {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
		if n := f.count(); n < 100 || n > 130 {
			t.Errorf("%d fetches in an hour, want one in 30 s", n)
		}
		f.mu.Lock()
		f.tell = []any{"s3cr3t"}
		f.mu.Unlock()
		time.Sleep(time.Minute)
		gets(t, s, "s3cr3t")
	})
}

// A refused secret is fetched anew, once, and only a new one is worth another call.
func TestRefused(t *testing.T) {
	f := &teller{tell: []any{"one", "one", "two"}, delay: time.Millisecond}
	in(t, f, func(t *testing.T, s *credential.Source, _ *journal) {
		gets(t, s, "one")
		first := s.Version()
		var again atomic.Int32
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				if s.Refused(t.Context(), first) {
					again.Add(1)
				}
			})
		}
		all.Wait()
		gets(t, s, "two") // the second of the two looks saw it
		if n := f.count(); n != 3 || again.Load() == 0 {
			t.Errorf("%d fetches, %d told to try again", n, again.Load())
		}
		if !s.Refused(t.Context(), first) {
			t.Error("who used the old secret is not told of the new one")
		}
		second := s.Version()
		for range 100 { // a model server that refuses everything
			if s.Refused(t.Context(), second) {
				t.Error("told to try the same secret again")
			}
		}
		if n := f.count(); n > 5 {
			t.Errorf("%d fetches", n)
		}
	})
	if s := credential.Static("one"); s.Refused(t.Context(), s.Version()) {
		t.Error("what never changes was renewed")
	}
}

// A token that is over when it comes is for the model server to judge: clocks differ.
func TestExpiredOnArrival(t *testing.T) {
	f := &teller{}
	in(t, f, func(t *testing.T, s *credential.Source, _ *journal) {
		old := jwt(time.Now().Add(-time.Minute))
		f.tell = []any{credential.Token{Secret: old, Look: time.Second}}
		gets(t, s, old)
		time.Sleep(2 * time.Second)
		gets(t, s, old)
		synctest.Wait()
		if n := f.count(); n != 2 {
			t.Errorf("%d fetches", n)
		}
	})
}

// What no header could carry is no secret.
func TestBadSecrets(t *testing.T) {
	f := func(secret, want string) {
		t.Helper()
		in(t, &teller{tell: []any{secret}}, func(t *testing.T, s *credential.Source, _ *journal) {
			if _, err := s.Secret(t.Context()); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cr3t") {
				t.Errorf("%v, want %s", err, want)
			}
		})
	}
	f("", "empty")
	f("s3cr3t\r\nX-A: b", "line break")
	f("s3cr3t and more", "space")
	f("s3cr3t\u00e9", "no header can carry")
	f(strings.Repeat("s3cr3t", 4000), "longer than 8192 bytes")
}

// A file is looked at again once a second, while it is used.
func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	read := func() (string, error) {
		text, err := os.ReadFile(path)
		return string(text), err
	}
	put := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Error(err)
		}
	}
	put("one")
	synctest.Test(t, func(t *testing.T) {
		s := credential.New(credential.Options{Fetch: credential.File(read)})
		gets(t, s, "one")
		put("two")
		gets(t, s, "one")
		time.Sleep(time.Second)
		gets(t, s, "one") // this call is why it is looked at
		synctest.Wait()
		gets(t, s, "two")
		_ = os.Remove(path)
		time.Sleep(time.Minute)
		gets(t, s, "two") // the last good one
		_ = s.Close()
	})
}

// Sources are shared by key and end with the last who holds them.
func TestStore(t *testing.T) {
	var store credential.Store
	f := &teller{tell: []any{"one"}}
	a, closeA := store.Open("k", credential.Options{Fetch: f.fetch})
	gets(t, a, "one")
	b, closeB := store.Open("k", credential.Options{Fetch: f.fetch})
	if a != b {
		t.Error("two sources of one key")
	}
	_ = closeA()
	gets(t, b, "one")
	_ = closeB()
	c, closeC := store.Open("k", credential.Options{Fetch: f.fetch})
	if c == a || c.Version() != 0 {
		t.Error("a closed source was given out")
	}
	_ = closeC()
	if _, err := c.Secret(t.Context()); err == nil {
		t.Error("a closed source fetches")
	}
}

func BenchmarkSecret(b *testing.B) {
	s := credential.New(credential.Options{Fetch: (&teller{tell: []any{credential.Token{Secret: "a", Expires: time.Now().Add(time.Hour)}}}).fetch})
	defer func() { _ = s.Close() }()
	ctx := context.Background()
	for b.Loop() {
		if _, err := s.Secret(ctx); err != nil {
			b.Fatal(err)
		}
	}
}
