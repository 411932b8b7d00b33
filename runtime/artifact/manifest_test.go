package artifact

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

const good = `{"name":"ticket","version":"1.2.0","abi":1,"grants":["principal.tenant"],"module":"sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",` +
	`"vectors":"sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb","signature":{"key":"0123456789abcdef",` +
	`"ed25519":"AAECAwQFBgcICQoLDA0ODwABAgMEBQYHCAkKCwwNDg8AAQIDBAUGBwgJCgsMDQ4PAAECAwQFBgcICQoLDA0ODw=="}}`

func TestManifest(t *testing.T) {
	m, err := ParseManifest([]byte(good))
	if err != nil {
		t.Fatal(err)
	}
	if m.Name != "ticket" || m.Version != "1.2.0" || m.ABI != 1 || m.Vectors[0] != 'b' || m.Signature.Ed25519[63] != 15 {
		t.Errorf("read %+v", m)
	}
	back, err := ParseManifest(m.JSON())
	if err != nil || !reflect.DeepEqual(back, m) {
		t.Errorf("written and read: %+v, %v", back, err)
	}
	least, err := ParseManifest([]byte(`{"name":"a","version":"0.1.0","abi":1,"module":"sha256:` + m.Module + `"}`))
	if err != nil || least.Signature != nil || least.Vectors != "" || least.Grants != nil {
		t.Errorf("the least: %+v, %v", least, err)
	}
}

func TestManifestRefuses(t *testing.T) {
	f := func(old, with, want string) {
		t.Helper()
		if !strings.Contains(good, old) {
			t.Fatalf("not in the manifest: %s", old)
		}
		_, err := ParseManifest([]byte(strings.Replace(good, old, with, 1)))
		if err == nil || !strings.Contains(err.Error(), want) || len(err.Error()) > 300 {
			t.Errorf("%s for %s: got %v, want %q", with, old, err, want)
		}
	}
	f(good, "", "")
	f(good, "[]", "JSON object")
	f(good, "null", "name: missing")
	f(good, good+"x", "")
	f(`"name":"ticket",`, ``, "name: missing")
	f(`"ticket"`, `"Ticket"`, "name: expected 1 to 64")
	f(`"ticket"`, `"a\nversion: 9"`, "name: expected")
	f(`"ticket"`, `"a\n"`, "name: expected")
	f(`"name":`, `"Name":`, "name: missing")
	f(`"1.2.0"`, `"1.2"`, "version: expected")
	f(`"1.2.0"`, `1.2`, "version: expected")
	f(`"abi":1`, `"abi":2`, "abi: expected 1")
	f(`"abi":1`, `"abi":"1"`, "abi: expected 1")
	f(`["principal.tenant"]`, `["principal.tenant","principal.tenant"]`, "grants: a fact comes twice")
	f(`["principal.tenant"]`, `["a,b"]`, "grants: expected")
	f(`["principal.tenant"]`, `null`, "grants: expected")
	f(`["principal.tenant"]`, `["`+strings.Repeat(`a","`, 40)+`"]`, "grants: expected")
	f(`sha256:aa`, `sha256:AA`, "module: expected sha256")
	f(`sha256:aa`, `sha512:aa`, "module: expected sha256")
	f(`sha256:bb`, `sha256:b`, "vectors: expected sha256")
	f(`"0123456789abcdef"`, `"0123"`, "signature: key: expected 16")
	f(`AAECAw`, `AAEC`, "signature: ed25519: expected 64 bytes")
	f(`AAECAw`, `\nAAECAw`, "signature: ed25519: expected 64 bytes")
	f(`"key":`, `"kid":`, "signature: key: missing")
	f(`{"key"`, `{"alg":"none","key"`, "signature: expected an object")
	f(`"abi":1`, `"abi":1,"abi":1`, "duplicate_key")
	f(`"abi":1`, `"abi":1,"run":"rm"`, `"run": unknown key`)
	f(`"abi":1`, `"abi":1,"`+strings.Repeat("k", 500)+`":1`, `unknown key`)
	f(`"abi":1`, `"abi":1,"x":[[[[[[1]]]]]]`, "")
}

// Whatever is accepted, is read back as the same, has a statement of seven lines, and is JSON to others too.
func FuzzManifest(f *testing.F) {
	f.Add([]byte(good))
	f.Add([]byte(`{"name":"a","version":"0.1.0-rc.1","abi":1,"grants":[],"module":"sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}`))
	f.Add([]byte(`{"name":"a\u000aabi: 2","Name":"b"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := ParseManifest(b)
		if err != nil {
			if m != nil {
				t.Fatal("a manifest beside an error")
			}
			return
		}
		if n := strings.Count(string(m.Statement()), "\n"); n != 7 {
			t.Fatalf("%d lines in %q", n, m.Statement())
		}
		back, err := ParseManifest(m.JSON())
		if err != nil || string(back.Statement()) != string(m.Statement()) || !json.Valid(b) {
			t.Fatalf("%q becomes %q: %v", b, m.JSON(), err)
		}
	})
}
