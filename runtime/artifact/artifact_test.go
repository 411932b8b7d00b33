package artifact

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// put writes files into a new folder and returns it.
func put(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestRead(t *testing.T) {
	manifest := `{"name":"x","version":"1.0.0","abi":1,"grants":["model","operation"],"module":"sha256:` + hexSum([]byte("code")) + `"}`
	dir := put(t, map[string]string{"x.wasm": "code", "x.vectors.json": "[]", "x.filter.json": manifest, "bare.wasm": "code"})
	a, err := Read(filepath.Join(dir, "x.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	if string(a.Module) != "code" || string(a.Vectors) != "[]" || a.Version() != "1.0.0" || a.Manifest.Name != "x" || len(a.Manifest.Grants) != 2 {
		t.Errorf("read %+v", a)
	}
	bare, err := Read(filepath.Join(dir, "bare.wasm"))
	if err != nil || bare.Vectors != nil || bare.Manifest != nil || bare.Version() != "" || bare.VectorsDigest() != "" {
		t.Errorf("read %+v, %v", bare, err)
	}
	if Name("/a/b.c/x.wasm") != "x" {
		t.Errorf("the name is %q", Name("/a/b.c/x.wasm"))
	}
}

func TestReadRefuses(t *testing.T) {
	big := strings.Repeat(" ", MaxManifest+1)
	f := func(files map[string]string, want string) {
		t.Helper()
		_, err := Read(filepath.Join(put(t, files), "x.wasm"))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	f(nil, "x.wasm: no such file")
	f(map[string]string{"x.wasm": "c", "x.filter.json": big}, "x.filter.json: too large: at most 65536")
	f(map[string]string{"x.wasm": strings.Repeat("c", MaxModule+1)}, "x.wasm: too large: at most 16777216")
	f(map[string]string{"x.wasm": "c", "x.filter.json": "{"}, "x.wasm: the manifest: ")
	if _, err := Read(t.TempDir()); err == nil || !strings.Contains(err.Error(), "no regular file") {
		t.Errorf("a folder: %v", err)
	}
	if _, err := New("here", make([]byte, MaxModule+1), nil, nil); !errors.Is(err, ErrTooLarge) || !strings.Contains(err.Error(), "here: too large: the module has 16777217") {
		t.Errorf("a large module: %v", err)
	}
	if _, err := New("here", nil, make([]byte, MaxVectors+1), nil); !errors.Is(err, ErrTooLarge) {
		t.Errorf("large vectors: %v", err)
	}
}

// A key's files are what openssl writes, too.
func TestKeys(t *testing.T) {
	const (
		private = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n"
		public  = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n"
	) // of RFC 8410, section 10
	dir := put(t, map[string]string{"k.pem": private, "k.pub": public, "line.pub": "ed25519:Gb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n", "junk": "junk"})
	at := func(name string) string { return filepath.Join(dir, name) }
	key, err := ReadKey(at("k.pem"))
	if err != nil {
		t.Fatal(err)
	}
	want, _ := key.Public().(ed25519.PublicKey)
	for _, name := range []string{"k.pub", "line.pub"} {
		if got, err := ReadPublicKey(at(name)); err != nil || !got.Equal(want) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	for _, name := range []string{"junk", "k.pub", "none"} {
		if _, err := ReadKey(at(name)); err == nil {
			t.Errorf("%s was taken for a private key", name)
		}
	}
	for _, name := range []string{"junk", "k.pem", "none"} {
		if _, err := ReadPublicKey(at(name)); err == nil {
			t.Errorf("%s was taken for a public key", name)
		}
	}
	for _, s := range []string{"", "ed25519:", "ed25519:AAAA", strings.TrimPrefix(KeyText(want), "ed25519:"), KeyText(want) + "\n"} {
		if _, err := ParseKey(s); err == nil {
			t.Errorf("%q was taken for a key", s)
		}
	}
	fresh, text, err := NewKey()
	if err != nil || WriteKey(at("new.pem"), text) != nil {
		t.Fatal(err)
	}
	if back, err := ReadKey(at("new.pem")); err != nil || !back.Equal(fresh) {
		t.Errorf("a new key: %v", err)
	}
	if info, err := os.Stat(at("new.pem")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("its file: %v, %v", info.Mode(), err)
	}
	if WriteKey(at("new.pem"), text) == nil {
		t.Error("a key was overwritten")
	}
}

// keys are two, each public half beside its private one.
func keys(t *testing.T) (a, b ed25519.PrivateKey, pa, pb ed25519.PublicKey) {
	t.Helper()
	a, b = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{1}, 32)), ed25519.NewKeyFromSeed(bytes.Repeat([]byte{2}, 32))
	pa, _ = a.Public().(ed25519.PublicKey)
	pb, _ = b.Public().(ed25519.PublicKey)
	return a, b, pa, pb
}

func TestSignAndVerify(t *testing.T) {
	mine, _, public, other := keys(t)
	trust := Trust{Keys: []ed25519.PublicKey{other, public}, Required: true}
	f := func(change func(*Artifact), t2 Trust, want string) {
		t.Helper()
		a := &Artifact{Source: "x.wasm", Module: []byte("code"), Vectors: []byte("[]")}
		if err := a.Sign(Manifest{Name: "x", Version: "1.2.0", Grants: []string{"operation", "model"}}, mine); err != nil {
			t.Fatal(err)
		}
		change(a)
		key, err := a.Verify(t2)
		switch {
		case want == "" && err != nil, want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("got %v, want %q", err, want)
		case err != nil && key != nil:
			t.Error("a key beside an error")
		}
	}
	loose := Trust{}
	keep := func(*Artifact) {}
	f(keep, trust, "")
	f(keep, loose, "")
	f(keep, Trust{Keys: trust.Keys}, "")
	f(keep, Trust{Keys: trust.Keys[:1]}, "signed with the key "+KeyID(public)+", which is not trusted; trusted are: "+KeyID(other))
	f(keep, Trust{Required: true}, "trusted are: none")
	f(func(a *Artifact) { a.Module = []byte("Code") }, loose, "of another module")
	f(func(a *Artifact) { a.Vectors = []byte("[1]") }, loose, "of other vectors")
	f(func(a *Artifact) { a.Vectors = nil }, loose, "here there are none")
	f(func(a *Artifact) { a.Manifest.Signature = nil }, loose, "")
	f(func(a *Artifact) { a.Manifest.Signature = nil }, trust, "not signed")
	f(func(a *Artifact) { a.Manifest = nil }, loose, "")
	f(func(a *Artifact) { a.Manifest = nil }, trust, "not signed: it has no manifest")
	const bad = "is bad: the manifest was changed"
	f(func(a *Artifact) { a.Manifest.Signature.Ed25519[7] ^= 1 }, trust, bad)
	f(func(a *Artifact) { a.Manifest.Name = "y" }, trust, bad)
	f(func(a *Artifact) { a.Manifest.Version = "1.2.1" }, trust, bad)
	f(func(a *Artifact) { a.Manifest.Grants = []string{"model"} }, trust, bad)
	f(func(a *Artifact) { a.Manifest.Grants = nil }, Trust{Keys: trust.Keys}, bad)
	a := &Artifact{Module: []byte("code")}
	if err := a.Sign(Manifest{Name: "No Name", Version: "1.0.0"}, mine); err == nil || a.Manifest != nil {
		t.Errorf("a manifest that cannot be read was signed: %v", err)
	}
}

// What is signed is this text, so that others can sign and check without this program.
func TestStatement(t *testing.T) {
	m := Manifest{Name: "ticket", Version: "1.2.0", ABI: 1, Grants: []string{"stream", "model"}, Module: strings.Repeat("a", 64)}
	want := "sluice filter v1\nname: ticket\nversion: 1.2.0\nabi: 1\ngrants: model,stream\nmodule: sha256:" + m.Module + "\nvectors: none\n"
	if got := string(m.Statement()); got != want {
		t.Errorf("got %q", got)
	}
	m.Grants, m.Vectors = nil, strings.Repeat("b", 64)
	if got := string(m.Statement()); !strings.HasSuffix(got, "grants: \nmodule: sha256:"+m.Module+"\nvectors: sha256:"+m.Vectors+"\n") {
		t.Errorf("got %q", got)
	}
}

func TestVersions(t *testing.T) {
	order := []string{"0.0.1", "0.9.0", "0.10.0", "1.0.0-alpha", "1.0.0-alpha.2", "1.0.0-alpha.10", "1.0.0-rc.1", "1.0.0", "1.0.1", "10.0.0"}
	for i, v := range order {
		if !ValidVersion(v) {
			t.Errorf("%s is none", v)
		}
		for j, w := range order {
			if got := Compare(v, w); got != min(max(i-j, -1), 1) {
				t.Errorf("%s and %s: %d", v, w, got)
			}
		}
	}
	for _, v := range []string{"", "1", "1.2", "v1.2.3", "1.2.3+build", "01.2.3", "1.2.3-", "1.2.3-01", "1.2.3\n", "latest", "1.2.3-" + strings.Repeat("a", 64)} {
		if ValidVersion(v) {
			t.Errorf("%q is a version", v)
		}
	}
	if Compare("", "0.0.1") >= 0 {
		t.Error("no version is not lower than a version")
	}
}
