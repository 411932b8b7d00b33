package certificate_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluicegate/sluice/runtime/certificate"
	"github.com/sluicegate/sluice/runtime/internal/pki"
)

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// A new pair is used from the next look on; half of one, a broken one and none leave the old one, and are told once.
func TestPair(t *testing.T) {
	ca, dir := pki.New(t, "ca"), t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	one, oneKey := ca.Server("one")
	two, twoKey := ca.Server("two")
	put(t, cert, one)
	put(t, key, oneKey)
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		p, err := certificate.Open(cert, key, slog.New(slog.NewTextHandler(&log, nil)))
		if err != nil {
			t.Fatal(err)
		}
		f := func(name, fault string) {
			t.Helper()
			time.Sleep(time.Second)
			for range 3 {
				c, err := p.Server(nil)
				if err != nil || c.Leaf.Subject.CommonName != name {
					t.Errorf("%v %v, want %s", c.Leaf.Subject, err, name)
				}
			}
			if st := p.Status(); fault == "" && st.Fault != "" || !strings.Contains(st.Fault, fault) || st.Subject != "CN="+name {
				t.Errorf("%+v, want %s", st, fault)
			}
		}
		f("one", "")
		put(t, cert, two)
		f("one", "are no certificate with its key")
		f("one", "are no certificate with its key")
		put(t, key, twoKey)
		f("two", "")
		put(t, key, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
		f("two", "are no certificate with its key")
		_ = os.Remove(key)
		f("two", "cannot be opened: no such file or directory")
		put(t, key, strings.Repeat("x", 2<<20))
		f("two", "larger than 1048576 bytes")
		put(t, key, oneKey)
		put(t, cert, one)
		f("one", "")
		put(t, cert, two)
		put(t, key, twoKey)
		if c, _ := p.Client(nil); c.Leaf.Subject.CommonName != "one" {
			t.Error("the files are looked at for every handshake")
		}
		f("two", "")
		if n := strings.Count(log.String(), "level=ERROR"); n != 4 || strings.Contains(log.String(), "AAAA") {
			t.Errorf("%d faults were logged: %s", n, log.String())
		}
	})
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	f := func(want string) {
		t.Helper()
		if _, err := certificate.Open(cert, key, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	f("cert.pem cannot be opened")
	put(t, cert, "x")
	f("key.pem cannot be opened")
	put(t, key, "x")
	f("are no certificate with its key")
}
