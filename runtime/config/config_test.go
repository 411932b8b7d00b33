package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares got with the file, or writes it.
func golden(t *testing.T, file string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, got, 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs; got:\n%s\nwant:\n%s", file, got, want)
	}
}

func testFiles(t *testing.T, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", pattern))
	if err != nil || len(files) == 0 {
		t.Fatalf("no test data for %s: %v", pattern, err)
	}
	return files
}

func TestGood(t *testing.T) {
	for _, file := range testFiles(t, "*.good.yaml") {
		c, err := Load(file)
		if err != nil {
			t.Errorf("%s:\n%v", file, err)
			continue
		}
		got, err := json.MarshalIndent(c, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		golden(t, strings.TrimSuffix(file, ".yaml")+".json", append(got, '\n'))
	}
}

func TestBad(t *testing.T) {
	for _, file := range testFiles(t, "*.bad.yaml") {
		c, err := Load(file)
		if c != nil || err == nil {
			t.Errorf("%s: accepted", file)
			continue
		}
		golden(t, strings.TrimSuffix(file, ".yaml")+".txt", []byte(err.Error()+"\n"))
		if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: a fault shows a secret:\n%v", file, err)
		}
	}
}

// The five faults of one file come as five lines, sorted by position.
func TestFaultsAreErrors(t *testing.T) {
	_, err := Parse("dir/sluice.yaml", []byte("listen: x\nauth: {}\nmodels: 1\npolicy: {path: p, timeout: 5}\nlgo: {}\n"))
	var faults Faults
	if !errors.As(err, &faults) || len(faults) != 5 {
		t.Fatalf("got %d faults: %v", len(faults), err)
	}
	for i, f := range faults {
		if f.File != "dir/sluice.yaml" || f.Line != i+1 {
			t.Errorf("fault %d is at %v", i, f.Position)
		}
	}
	var one *Fault
	if !errors.As(err, &one) || one != faults[0] {
		t.Errorf("errors.As gives %v", one)
	}
}

func TestPositions(t *testing.T) {
	c, err := Load("testdata/full.good.yaml")
	if err != nil {
		t.Fatal(err)
	}
	f := func(path string, line, col int) {
		t.Helper()
		want := Position{File: "testdata/full.good.yaml", Line: line, Col: col}
		if got := c.At(path); got != want {
			t.Errorf("At(%q) = %v, want %v", path, got, want)
		}
	}
	f("listen", 2, 9)
	f("admin.token", 5, 33)
	f("auth.keys[1].tenant", 10, 15)
	f("auth.keys[1]", 9, 7)
	f("models", 30, 1)
	f("models[0].endpoints[1].url", 36, 14)
	f("models[0].endpoints[1].model", 34, 9) // not there: its endpoint
	f("models[0].endpoints[7].url", 32, 5)
	f("filters[0].config.request.card", 64, 37)
	f("nothing.at.all", 2, 1)
	if got := c.Fault("filters[0].module", "no such %s", "file").Error(); got != "testdata/full.good.yaml:61:13: filters[0].module: no such file" {
		t.Errorf("got %q", got)
	}
}

func TestPath(t *testing.T) {
	c, err := Load("testdata/smallest.good.yaml")
	if err != nil {
		t.Fatal(err)
	}
	f := func(path, want string) {
		t.Helper()
		if got := c.Path(path); got != want {
			t.Errorf("Path(%q) = %q, want %q", path, got, want)
		}
	}
	f("policies/", "testdata/policies")
	f("/etc/policies", "/etc/policies")
	f("", "")
}

func TestLoadMissing(t *testing.T) {
	_, err := Load("testdata/none.yaml")
	if err == nil || err.Error() != "testdata/none.yaml: cannot be opened: no such file or directory; check the path" {
		t.Errorf("got %v", err)
	}
}

func TestScalars(t *testing.T) {
	size := func(s string, want Size, ok bool) {
		t.Helper()
		if got, err := parseSize(s); got != want || (err == nil) != ok {
			t.Errorf("parseSize(%q) = %v, %v", s, got, err)
		}
	}
	size("1B", 1, true)
	size("64KiB", 64*KiB, true)
	size("64 KiB", 64*KiB, true)
	size("2GiB", 2*GiB, true)
	size("2GB", 0, false)
	size("1.5GiB", 0, false)
	size("64kib", 0, false)
	size("9223372036854775807GiB", 0, false)
	size("", 0, false)
	expiry := func(s, want string) {
		t.Helper()
		got, err := parseExpiry(s)
		if err != nil || got.UTC().Format(time.RFC3339) != want {
			t.Errorf("parseExpiry(%q) = %v, %v", s, got, err)
		}
	}
	expiry("2027-06-30", "2027-07-01T00:00:00Z")
	expiry("2027-06-30T12:00:00+02:00", "2027-06-30T10:00:00Z")
	text := func(s Size, want string) {
		t.Helper()
		if s.String() != want {
			t.Errorf("%d is %q, want %q", int64(s), s.String(), want)
		}
	}
	text(8*MiB, "8MiB")
	text(1000, "1000B")
	text(0, "0B")
}

// A digest that happens to be of digits alone is a number to YAML, yet the same text.
func TestDigestOfDigits(t *testing.T) {
	digits := strings.Repeat("0123456789", 7)[:64]
	c, err := Parse("f", []byte("auth: {keys: [{id: a, tenant: t, sha256: "+digits+"}]}\nmodels: [{name: m, endpoints: [{name: e, provider: demo}]}]\npolicy: {path: p}"))
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Auth.Keys[0].SHA256.String(); got != digits {
		t.Errorf("got %s", got)
	}
}

func TestAddresses(t *testing.T) {
	f := func(config string, environ []string, want []string, fault string) {
		t.Helper()
		rest := "\nmodels: [{name: m, endpoints: [{name: e, provider: demo}]}]\npolicy: {path: p}\n"
		c, err := Parse("sluice.yaml", []byte(config+rest))
		if err != nil {
			t.Fatal(err)
		}
		got, err := c.Addresses(environ)
		if err != nil && !strings.Contains(err.Error(), fault) || (err == nil) != (fault == "") {
			t.Errorf("%s, %v: fault %v, want %q", config, environ, err, fault)
		}
		if err == nil && !reflect.DeepEqual(got, want) {
			t.Errorf("%s, %v: got %v, want %v", config, environ, got, want)
		}
	}
	jwt := "auth: {jwt: [{issuer: i, audience: [a], algorithms: [RS256], jwks: k.json, tenant: t}]}"
	ephemeral := "auth: {ephemeral: [{id: a, tenant: t}]}"
	ports := []string{"CDSW_READONLY_PORT=8081", "CDSW_APP_PORT=8080", "HOME=/"}
	f(jwt+"\nlisten: '127.0.0.1:0'", ports, []string{"127.0.0.1:0"}, "")
	f(jwt, ports, []string{"127.0.0.1:8080", "127.0.0.1:8081"}, "")
	f(jwt, ports[:1], []string{"127.0.0.1:8081"}, "")
	f(jwt, nil, nil, "sluice.yaml:1:1: listen: missing")
	f(jwt, []string{"CDSW_APP_PORT="}, nil, "listen: missing")
	f(jwt, []string{"CDSW_APP_PORT=http"}, nil, "CDSW_APP_PORT is not a port")
	f(jwt, []string{"CDSW_APP_PORT=70000"}, nil, "CDSW_APP_PORT is not a port")
	f(ephemeral+"\nlisten: '127.0.0.1:8080'", nil, []string{"127.0.0.1:8080"}, "")
	f(ephemeral+"\nlisten: '[::1]:8080'", []string{"CDSW_PROJECT="}, []string{"[::1]:8080"}, "")
	f(ephemeral+"\nlisten: '127.0.0.1:8080'", []string{"CDSW_PROJECT=x"}, nil, "sluice.yaml:1:8: auth.ephemeral: refused")
}

func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"*.good.yaml", "*.bad.yaml"} {
		files, _ := filepath.Glob(filepath.Join("testdata", pattern))
		for _, file := range files {
			text, _ := os.ReadFile(file)
			f.Add(text)
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := Parse("f", text)
		if (c == nil) == (err == nil) {
			t.Fatalf("config %v, error %v", c, err)
		}
		if err == nil {
			c.At("models[0].endpoints[0].url")
			for i := range c.Filters {
				if g := c.Filters[i].Config.Guest; g != nil && !json.Valid(g) {
					t.Fatalf("guest settings are not JSON: %q", g)
				}
			}
		}
	})
}
