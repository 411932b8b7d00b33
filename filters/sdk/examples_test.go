package sdk_test

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/sluicegate/sluice/filters/sdk"
	"github.com/sluicegate/sluice/runtime/filter"
)

// build makes a new filter's folder and compiles it. Where a compiler is missing the test is skipped, unless
// SLUICE_TOOLCHAINS says that all of them are here.
func build(t *testing.T, lang string) []byte {
	t.Helper()
	dir := t.TempDir()
	if _, err := sdk.New(dir, "ticket", lang); err != nil {
		t.Fatal(err)
	}
	return compile(t, dir)
}

func compile(t *testing.T, dir string) []byte {
	t.Helper()
	built, err := sdk.Build(t.Context(), dir)
	if err != nil && os.Getenv("SLUICE_TOOLCHAINS") == "" && strings.Contains(err.Error(), "install") {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	module, err := os.ReadFile(built.Module)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s: %d bytes, by %s", built.Language, built.Size, built.Tool)
	return module
}

func engine(t *testing.T) *filter.Engine {
	t.Helper()
	e, err := filter.NewEngine(filter.Options{CacheDir: filepath.Join(t.TempDir(), "wasm")}) // a Go module takes seconds to compile
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close(context.Background()) })
	return e
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// selfTest runs a module through a file of vectors, whole and at every split.
func selfTest(t *testing.T, e *filter.Engine, module, file []byte) {
	t.Helper()
	vectors, err := filter.ParseVectors(file)
	if err != nil {
		t.Fatal(err)
	}
	r, err := e.SelfTest(t.Context(), filter.Spec{Name: "kit", Module: module}, vectors)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Err(); err != nil {
		t.Error(err)
	}
	if !r.Restorable {
		t.Errorf("it can't be put back: %q", r.Reasons)
	}
	memory := 0
	for i := range r.Vectors {
		memory = max(memory, r.Vectors[i].Memory)
	}
	t.Logf("%d KiB of memory", memory>>10)
}

// randomVectors are random texts of what tickets are made of, with what a plain reading of the rule finds in them.
func randomVectors(t *testing.T) []byte {
	t.Helper()
	words := regexp.MustCompile(`[-_0-9A-Za-z]+`)
	ticket := regexp.MustCompile(`^TCK-[0-9]{1,12}$`)
	bits := []string{"TCK", "TCK-", "TCK-1", "-", "1", "23456789", "x", "T", "_", " ", ", ", "\n", "é", "用", "😀"}
	random := rand.New(rand.NewPCG(1, 2))
	var out []map[string]string
	for i := range 40 {
		text := "TCK-0 "
		for len(text) < 8+random.IntN(60) {
			text += bits[random.IntN(len(bits))]
		}
		want := words.ReplaceAllStringFunc(text, func(word string) string {
			if ticket.MatchString(word) {
				return "<ticket:" + word + ">"
			}
			return word
		})
		out = append(out, map[string]string{"name": strconv.Itoa(i), "text": text, "want": want})
	}
	b, err := json.Marshal(out)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// fault is a configuration that a filter must refuse, and the reason.
type fault struct{ Config, Want string }

func refuses(t *testing.T, e *filter.Engine, module []byte, path string) {
	t.Helper()
	var faults []fault
	if err := json.Unmarshal(read(t, path), &faults); err != nil {
		t.Fatal(err)
	}
	if len(faults) == 0 {
		t.Fatal("no faults")
	}
	for _, f := range faults {
		loaded, err := e.Load(t.Context(), filter.Spec{Name: "kit", Module: module, Request: true, Config: []byte(f.Config)})
		if err == nil {
			t.Errorf("%.80s is taken, want %q", f.Config, f.Want)
			_ = loaded.Close(t.Context())
			continue
		}
		if got := err.Error(); !strings.HasSuffix(got, "refuses the configuration: "+f.Want) {
			t.Errorf("%.80s: got %s, want %s", f.Config, got, f.Want)
		}
	}
}

// TestExamples: the same example in every language finds the same tickets however a text is cut, refuses the same
// configurations for the same reasons, and can be put back between exchanges.
func TestExamples(t *testing.T) {
	for _, lang := range sdk.Languages() {
		t.Run(lang, func(t *testing.T) {
			if raceDetector && lang == "go" {
				t.Skip("under the race detector")
			}
			module, e := build(t, lang), engine(t)
			selfTest(t, e, module, read(t, "ticket.vectors.json"))
			selfTest(t, e, module, randomVectors(t))
			refuses(t, e, module, "ticket.faults.json")
		})
	}
}

// TestRepositoryExample: the example of the Go kit is a package of this module, too.
func TestRepositoryExample(t *testing.T) {
	dir := t.TempDir()
	if _, err := sdk.New(dir, "ticket", "go"); err != nil {
		t.Fatal(err)
	}
	got := string(read(t, filepath.Join(dir, "ticket.go")))
	if !strings.Contains(got, `"sluice.local/ticket/sluice"`) || strings.Contains(got, "sluicegate") {
		t.Errorf("the copy of the example does not use the copy of the kit:\n%s", got)
	}
}
