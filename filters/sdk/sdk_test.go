package sdk_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sluicegate/sluice/filters/sdk"
)

func TestNew(t *testing.T) {
	f := func(lang string, want ...string) {
		t.Helper()
		dir := filepath.Join(t.TempDir(), "deep", "x")
		got, err := sdk.New(dir, "x-1", lang)
		if err != nil {
			t.Error(err)
			return
		}
		want = append(want, "README.md", "sluice/ABI.md", "sluice/README.md", "x-1.vectors.json")
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", lang, got, want)
		}
		for _, name := range got {
			if text := string(read(t, filepath.Join(dir, name))); strings.Contains(text, "../") {
				t.Errorf("%s: %s points out of the folder", lang, name)
			}
		}
	}
	f("go", "x-1.go", "go.mod", "sluice/doc.go", "sluice/json.go", "sluice/text.go", "sluice/try.go", "sluice/wasm.go")
	f("rust", "x-1.rs", "sluice/sluice.rs", "sluice/json.rs")
	f("assemblyscript", "x-1.ts", "package.json", "tsconfig.json", "sluice/sluice.ts", "sluice/json.ts")
	f("c", "x-1.c", "sluice/sluice.h", "sluice/json.h", "sluice/memory.c")
}

func TestNewRefuses(t *testing.T) {
	f := func(name, lang, want string) {
		t.Helper()
		dir := filepath.Join(t.TempDir(), "x")
		if _, err := sdk.New(dir, name, lang); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q, %q: %v, want %q", name, lang, err, want)
		}
		if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%q, %q: something was written", name, lang)
		}
	}
	f("", "go", "is no name for a filter")
	f("-a", "go", "is no name for a filter")
	f("a b", "go", "is no name for a filter")
	f("é", "go", "is no name for a filter")
	f("a/b", "go", "is no name for a filter")
	f(strings.Repeat("a", 65), "go", "is no name for a filter")
	f("sluice", "go", "is no name for a filter")
	f("a", "", "there are kits for go, rust, assemblyscript, c")
	f("a", "Go", "there are kits for")
}

// TestNothingIsOverwritten: one file in the way, even a link to nowhere, and nothing at all is written.
func TestNothingIsOverwritten(t *testing.T) {
	for _, at := range []string{"x.go", "go.mod", "sluice/text.go", "README.md"} {
		dir := t.TempDir()
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(at)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink("nowhere", filepath.Join(dir, at)); err != nil {
			t.Skip(err) // a system without links
		}
		if _, err := sdk.New(dir, "x", "go"); err == nil || !strings.Contains(err.Error(), filepath.FromSlash(at)+" is there already") {
			t.Errorf("%s: %v", at, err)
		}
		found := 0
		_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, _ error) error {
			if !d.IsDir() {
				found++
			}
			return nil
		})
		if found != 1 {
			t.Errorf("%s: %d files after a refusal", at, found)
		}
	}
}

// TestMissingCompiler: what is missing is named, with the command that installs it.
func TestMissingCompiler(t *testing.T) {
	for lang, want := range map[string]string{
		"go":             "apt-get install -y golang-go",
		"rust":           "apt-get install -y rustc libstd-rust-dev-wasm32 lld",
		"assemblyscript": "apt-get install -y nodejs npm",
		"c":              "apt-get install -y clang lld",
	} {
		dir := t.TempDir()
		if _, err := sdk.New(dir, "x", lang); err != nil {
			t.Fatal(err)
		}
		t.Setenv("PATH", t.TempDir())
		if _, err := sdk.Build(t.Context(), dir); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", lang, err, want)
		}
	}
}
