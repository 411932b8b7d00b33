//go:build unix

package admin_test

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/sluicegate/sluice/runtime/admin"
)

func listenSocket(t *testing.T, path string) net.Listener {
	t.Helper()
	l, err := admin.ListenSocket(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if mode := info.Mode(); mode.Perm() != 0o600 || mode&os.ModeSocket == 0 {
		t.Errorf("mode %v, want a socket with 0600", mode)
	}
	return l
}

func TestListenSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sluice.sock")
	l := listenSocket(t, path)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("a closed listener leaves its socket: %v", err)
	}
	listenSocket(t, path)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm()&0o044 == 0 {
		t.Errorf("the process's mask was not put back: %v %v", info.Mode(), err)
	}
}

// What a killed process left is replaced.
func TestStaleSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sluice.sock")
	l := listenSocket(t, path)
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(path); err != nil {
		t.Fatal(err)
	}
	listenSocket(t, path)
}

func TestListenSocketRefuses(t *testing.T) {
	f := func(path, want string) {
		t.Helper()
		l, err := admin.ListenSocket(path)
		if err == nil {
			_ = l.Close()
			t.Fatalf("%s: taken", path)
		}
		if !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	dir := t.TempDir()
	live := filepath.Join(dir, "live.sock")
	var accepting sync.WaitGroup
	l := listenSocket(t, live)
	accepting.Go(func() {
		if c, err := l.Accept(); err == nil {
			_ = c.Close()
		}
	})
	f(live, "another process listens on")
	accepting.Wait()

	precious := filepath.Join(dir, "precious.txt")
	if err := os.WriteFile(precious, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	f(precious, "is there and is no socket; name another path")
	if text, err := os.ReadFile(precious); err != nil || string(text) != "precious" {
		t.Errorf("%q %v", text, err)
	}
	link := filepath.Join(dir, "link.sock")
	if err := os.Symlink(precious, link); err != nil {
		t.Fatal(err)
	}
	f(link, "is no socket")
	f(filepath.Join(dir, "no/such/folder.sock"), "no such file or directory")
	f(filepath.Join(dir, strings.Repeat("x", 200)), "invalid argument")
}
