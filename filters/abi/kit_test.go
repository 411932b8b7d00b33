package abi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sluicegate/sluice/filters/sdk"
	"github.com/sluicegate/sluice/runtime/exchange"
	"github.com/sluicegate/sluice/runtime/filter"
	"github.com/sluicegate/sluice/runtime/strictjson"
	"github.com/sluicegate/sluice/runtime/wire/openai"
)

const kit = "conformance"

// testCase is one entry of conformance/cases.json: a guest, and what a right host does with it.
type testCase struct {
	Guest   string
	Refused string // the stage of loading at which it is refused; "": it is taken
	Why     string
	Config  json.RawMessage
	Stream  string
	// Vectors must pass. Of each vector in Failing the exchange must fail, by no verdict.
	Vectors, Failing json.RawMessage
}

func read(t *testing.T, parts ...string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(append([]string{kit}, parts...)...))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func cases(t *testing.T) []testCase {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(string(read(t, "cases.json"))))
	d.DisallowUnknownFields()
	var out []testCase
	if err := d.Decode(&out); err != nil {
		t.Fatal(err)
	}
	return out
}

func engine(t *testing.T) *filter.Engine {
	t.Helper()
	e, err := filter.NewEngine(filter.Options{CacheDir: filepath.Join(t.TempDir(), "wasm")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close(context.Background()) })
	return e
}

// selfTest runs vectors, each whole and at every split.
func selfTest(t *testing.T, e *filter.Engine, module, vectors []byte, whole string) filter.TestReport {
	t.Helper()
	vs, err := filter.ParseVectors(vectors)
	if err != nil {
		t.Fatal(err)
	}
	r, err := e.SelfTest(t.Context(), filter.Spec{Name: "guest", Module: module, Whole: whole}, vs)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestHost: the gateway's engine does with each guest of the kit what a right host does.
func TestHost(t *testing.T) {
	e := engine(t)
	for _, c := range cases(t) {
		t.Run(strings.TrimSuffix(c.Guest, ".wasm"), func(t *testing.T) {
			module := read(t, "guests", c.Guest)
			if c.Refused != "" {
				loaded, err := e.Load(t.Context(), filter.Spec{Name: "guest", Module: module, Request: true, Config: c.Config})
				if err == nil {
					_ = loaded.Close(t.Context())
					t.Fatalf("it is taken: %s", c.Why)
				}
				if got := filter.StageOf(err); got != c.Refused {
					t.Errorf("refused at %q, want %q: %v", got, c.Refused, err)
				}
				return
			}
			if c.Vectors != nil {
				r := selfTest(t, e, module, c.Vectors, c.Stream)
				if err := r.Err(); err != nil {
					t.Error(err)
				}
			}
			if c.Failing == nil {
				return
			}
			r := selfTest(t, e, module, c.Failing, c.Stream)
			for i := range r.Vectors {
				v := &r.Vectors[i]
				if len(v.Differences) == 0 || v.Differences[0].What != "failed" {
					t.Errorf("%s, on %s, did not fail: %v", v.Name, v.On, v.Differences)
				}
			}
		})
	}
}

// TestLongTexts: vectors are shorter than a window, so window.wasm also sees texts of several.
func TestLongTexts(t *testing.T) {
	e := engine(t)
	loaded, err := e.Load(t.Context(), filter.Spec{Name: "window", Module: read(t, "guests", "window.wasm"), Request: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = loaded.Close(t.Context()) }()
	for _, unit := range []string{"a", "aé用😀", "😀", "xx用"} {
		body := `{"model":"m","messages":[{"role":"user","content":"` + strings.Repeat(unit, 200_000/len(unit)) + `"}]}`
		request, err := openai.Chat.Request([]byte(body), strictjson.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		pass, err := filter.NewChain(loaded).Begin(&exchange.Exchange{Request: request, Principal: &exchange.Principal{Tenant: "t"}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		before := loaded.Stats().Calls
		if err := pass.Request(t.Context()); err != nil {
			t.Errorf("%s: %v", unit, err)
		}
		if calls := loaded.Stats().Calls - before; calls < 4 {
			t.Errorf("%s: %d calls for four windows", unit, calls)
		}
		pass.Close()
	}
}

// TestEveryGuestHasACase, and every case its guest.
func TestEveryGuestHasACase(t *testing.T) {
	entries, err := filepath.Glob(filepath.Join(kit, "guests", "*.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{"echo.wasm": true, "ticket.wasm": true} // they have vectors of their own
	for _, c := range cases(t) {
		if want[c.Guest] {
			t.Errorf("%s has two cases", c.Guest)
		}
		want[c.Guest] = true
	}
	for _, path := range entries {
		if name := filepath.Base(path); !want[name] {
			t.Errorf("%s has no case", name)
		}
		delete(want, filepath.Base(path))
	}
	if len(want) > 0 {
		t.Errorf("there are no guests for the cases %v", want)
	}
}

// TestGuests: echo and ticket as the kit ships them pass the vectors that an SDK's must pass.
func TestGuests(t *testing.T) {
	e := engine(t)
	passes(t, e, read(t, "guests", "echo.wasm"), read(t, "echo.vectors.json"), read(t, "echo.faults.json"))
	ticket := filepath.Join("..", "..", "sdk")
	passes(t, e, read(t, "guests", "ticket.wasm"), read(t, ticket, "ticket.vectors.json"), read(t, ticket, "ticket.faults.json"))
}

// TestSDKs: the echo filter of every language passes them, too.
func TestSDKs(t *testing.T) {
	for _, lang := range sdk.Languages() {
		t.Run(lang, func(t *testing.T) {
			if raceDetector && lang == "go" {
				t.Skip("under the race detector")
			}
			passes(t, engine(t), echo(t, lang), read(t, "echo.vectors.json"), read(t, "echo.faults.json"))
		})
	}
}

// echo builds the echo filter in the folder of a new filter, in place of the example. Without the compiler the test is
// skipped, unless SLUICE_TOOLCHAINS says that all of them are here.
func echo(t *testing.T, lang string) []byte {
	t.Helper()
	dir := t.TempDir()
	files, err := sdk.New(dir, "echo", lang)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(files, func(f string) bool { return strings.HasPrefix(f, "echo.") && f != "echo.vectors.json" })
	source := bytes.Replace(read(t, "echo", files[i]), []byte("github.com/sluicegate/sluice/filters/sdk/go"), []byte("sluice.local/echo/sluice"), 1)
	if err := os.WriteFile(filepath.Join(dir, files[i]), source, 0o600); err != nil {
		t.Fatal(err)
	}
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
	return module
}

// passes runs a module over vectors, and over configurations that it must refuse for the reason given.
func passes(t *testing.T, e *filter.Engine, module, vectors, faults []byte) {
	t.Helper()
	r := selfTest(t, e, module, vectors, "")
	if err := r.Err(); err != nil {
		t.Error(err)
	}
	var refused []struct{ Config, Want string }
	if err := json.Unmarshal(faults, &refused); err != nil || len(refused) == 0 {
		t.Fatalf("%d faults, %v", len(refused), err)
	}
	for _, f := range refused {
		loaded, err := e.Load(t.Context(), filter.Spec{Name: "guest", Module: module, Request: true, Config: []byte(f.Config)})
		if err == nil {
			t.Errorf("%.80s is taken, want %q", f.Config, f.Want)
			_ = loaded.Close(t.Context())
		} else if !strings.HasSuffix(err.Error(), "refuses the configuration: "+f.Want) {
			t.Errorf("%.80s: got %v, want %s", f.Config, err, f.Want)
		}
	}
}
