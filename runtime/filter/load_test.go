package filter

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestLoad(t *testing.T) {
	e := engine(t, Options{})
	f := loadWith(t, e, Spec{Name: "minimal", Module: minimal().bytes(), Request: true})
	if got, _, err := pass(t, "as it was", f); err != nil || got != "as it was" {
		t.Errorf("got %q, %v", got, err)
	}
	if got := strings.Join(f.Hooks(), " "); got != "request.text" || !f.Required() || f.Name() != "minimal" {
		t.Errorf("hooks %q, required %t", got, f.Required())
	}
	if ok, why := f.Restorable(); !ok || why != nil {
		t.Errorf("not restorable: %v", why)
	}
	h := loadWith(t, e, hostile(t))
	if got := strings.Join(h.Hooks(), " "); got != "request.text answer.text on_request on_response" {
		t.Errorf("hooks %q", got)
	}
	s := hostile(t)
	s.Answer = false
	if got := strings.Join(loadWith(t, e, s).Hooks(), " "); got != "request.text on_request" {
		t.Errorf("hooks %q", got)
	}
	free := loadWith(t, e, Spec{Name: "any", Module: minimal().bytes(), Any: true})
	if got := strings.Join(free.Hooks(), " "); got != "request.text" {
		t.Errorf("hooks %q", got)
	}
}

// What can't be loaded is refused with the filter's name, the reason and what to do.
func TestLoadRefuses(t *testing.T) {
	e := engine(t, Options{})
	good := minimal().bytes()
	spec := func(change func(*Spec), want string) {
		t.Helper()
		s := Spec{Name: "x", Module: good, Request: true, Limits: Limits{Load: 30 * time.Millisecond}}
		change(&s)
		got, err := e.Load(context.Background(), s)
		switch {
		case err == nil:
			_ = got.Close(context.Background())
			t.Errorf("loaded; want an error with %q", want)
		case !strings.Contains(err.Error(), want), !strings.HasPrefix(err.Error(), "filter "), strings.Contains(err.Error(), "\n"):
			t.Errorf("got %q, want %q", err, want)
		}
	}
	module := func(code []byte, want string) {
		t.Helper()
		spec(func(s *Spec) { s.Module = code }, want)
	}
	other := func(a *asm) []byte { return a.memory().bytes() }

	spec(func(s *Spec) { s.Name = "No Name" }, "a name is")
	spec(func(s *Spec) { s.Name = "sluice" }, "own name for labels")
	spec(func(s *Spec) { s.Request = false }, "neither on requests nor on answers")
	spec(func(s *Spec) { s.Answer = true }, "wanted on answers, but has hooks only for: request.text")
	spec(func(s *Spec) { s.Whole = "maybe" }, `stream is "maybe"`)
	spec(func(s *Spec) { s.Grants = []string{"principal.tenant", "password"} }, `grants has "password"`)
	spec(func(s *Spec) { s.Limits.ModuleBytes = 10 }, "over the limit of 10")
	spec(func(s *Spec) { s.Limits.MemoryPages = 2 }, "can't be metered")
	spec(func(s *Spec) { s.Config = []byte(`{"a":1}`) }, "takes no configuration")
	spec(func(s *Spec) { s.Actions.Request = map[string]Action{"email": "eat"} }, `the action for email on requests is "eat"`)
	spec(func(s *Spec) { s.Actions.Answer = map[string]Action{"email": Token} }, "token, which exists for requests only")
	spec(func(s *Spec) { s.Actions.DefaultAnswer = Token }, "token, which exists for requests only")
	spec(func(s *Spec) { s.Actions.DefaultRequest = HMAC }, "no HMAC key")
	spec(func(s *Spec) { s.Actions.Request = map[string]Action{"E-Mail": Mask} }, "a kind is")

	module(nil, "empty")
	module([]byte("#!/bin/sh"), "not WebAssembly")
	module([]byte("\x00asm"), "cut off")
	module([]byte("\x00asm\x0d\x00\x01\x00"), "a component")
	module([]byte("\x00asm\x02\x00\x00\x00"), "version is 02000000")
	module(good[:len(good)-3], "can't be metered")
	module(new(asm).fn("sluice_abi_v1", ":i", i32(1)...).fn("alloc", "i:i", i32(1)...).bytes(), `its memory as "memory"`)
	module(other(new(asm).fn("sluice_abi_v1", ":i", i32(1)...)), "does not export alloc (i32) -> (i32)")
	module(other(new(asm).fn("sluice_abi_v1", ":I", 0x42, 1).fn("alloc", "i:i", i32(1)...)), "sluice_abi_v1 is () -> (i64), want () -> (i32)")
	module(other(new(asm).fn("sluice_abi_v1", ":i", i32(1)...).fn("alloc", "i:i", i32(1)...)), "announces on_text")
	module(other(new(asm).fn("sluice_abi_v1", ":i", i32(17)...).fn("alloc", "i:i", i32(1)...)), "hooks of a later version (bits 0x10)")
	module(new(asm).imp("sluice", "redact", "ii:i").base().bytes(), "the import sluice.redact is (i32, i32) -> (i32), want (i32, i32, i32, i32) -> (i32)")
	module(new(asm).imp("sluice", "fetch", "ii:i").base().bytes(), "the import sluice.fetch (func) is none")
	module(new(asm).imp("env", "abort", ":").base().bytes(), "the import env.abort (func) is none")
	module(new(asm).imp(wasiModule, "launch", "i:i").base().bytes(), "the import wasi_snapshot_preview1.launch (func) is none")
	module(minimal().fn("on_config", "ii:i", i32(3)...).bytes(), "refuses the configuration (3)")
	module(minimal().fn("_initialize", ":", 0x00).bytes(), "_initialize: start: it trapped")
	module(minimal().fn("_initialize", ":", 0x03, 0x40, 0x0c, 0, 0x0b).bytes(), "_initialize: start: its budget") // loop br 0 end

	bad := hostile(t)
	spec(func(s *Spec) { *s = bad; s.Config = []byte("!no") }, "refuses the configuration: no such setting  ERROR forged")
	spec(func(s *Spec) { *s = bad; s.Config = []byte("!spin"); s.Limits.Load = 20 * time.Millisecond }, "budget")
	spec(func(s *Spec) { *s = bad; s.Whole = "" }, "on_response needs the whole answer")
}

// A filter that failed to load leaves nothing behind that keeps the next one from loading.
func TestLoadAgain(t *testing.T) {
	e := engine(t, Options{CacheDir: filepath.Join(t.TempDir(), "cache")})
	for range 3 {
		if _, err := e.Load(context.Background(), Spec{Name: "x", Module: minimal().fn("_initialize", ":", 0x00).bytes(), Request: true}); err == nil {
			t.Fatal("loaded a module that traps at its start")
		}
		f, err := e.Load(context.Background(), words(t))
		if err != nil {
			t.Fatal(err)
		}
		if got, p, err := pass(t, "ana@x.org", f); got != "[EMAIL_1]" {
			t.Errorf("got %q, %v", got, err)
		} else {
			p.Close()
		}
		if err := f.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}
}

func TestCacheDir(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	e := engine(t, Options{CacheDir: dir})
	loadWith(t, e, words(t))
	info, err := os.Stat(dir)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the cache's directory: %v, %v", info.Mode(), err)
	}
	if names, _ := os.ReadDir(dir); len(names) == 0 {
		t.Error("nothing was cached")
	}
	open := t.TempDir()
	if err := os.Chmod(open, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := NewEngine(Options{CacheDir: open}); err == nil || !strings.Contains(err.Error(), "chmod 0700") {
		t.Errorf("a directory that others can read: %v", err)
	}
	file := filepath.Join(open, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := NewEngine(Options{CacheDir: file}); err == nil {
		t.Error("a file was taken for the cache's directory")
	}
}

// A module that can't be put back gets a fresh instance for each exchange.
func TestUnrestorable(t *testing.T) {
	a := minimal()
	a.table = true
	a.fn("grow", ":i", 0xd0, 0x70, 0x41, 1, 0xfc, 0x0f, 0) // ref.null func; i32.const 1; table.grow 0
	f := load(t, Spec{Name: "fresh", Module: a.bytes(), Request: true})
	if ok, why := f.Restorable(); ok || len(why) == 0 {
		t.Fatal("a module with table.grow counts as restorable")
	}
	for range 3 {
		_, p, err := pass(t, "text", f)
		if err != nil {
			t.Fatal(err)
		}
		p.Close()
	}
	if got := f.Stats(); got.Discarded != 3 || got.Instances != 0 {
		t.Errorf("stats: %+v", got)
	}
}

// The clock and the random numbers of WASI are the same in every exchange, so that nothing can be told through them.
func TestWASI(t *testing.T) {
	a := new(asm).imp(wasiModule, "random_get", "ii:i").imp(wasiModule, "clock_time_get", "iIi:i").
		imp(wasiModule, "fd_fdstat_get", "ii:i").imp(wasiModule, "proc_exit", "i:").
		imp("sluice", "replace", "iiii:i")
	a.memory().fn("sluice_abi_v1", ":i", i32(1)...).fn("alloc", "i:i", 0x41, 0x80, 0x80, 4)
	body := []byte{0x41, 0, 0x41, 8, 0x10, 0, 0x1a} // random_get(0, 8); drop
	for i := byte(0); i < 8; i++ {                  // each byte & 0x3f | 0x30: text
		body = append(body, 0x41, i, 0x41, i, 0x2d, 0, 0, 0x41, 0x0f, 0x71, 0x41, 0x30, 0x72, 0x3a, 0, 0)
	}
	body = append(body, 0x41, 0, 0x42, 0, 0x41, 16, 0x10, 1, 0x1a)                       // clock_time_get(0, 0, 16)
	body = append(body, 0x41, 0, 0x41, 24, 0x10, 2, 0x41, 52, 0x47, 0x04, 0x40, 0, 0x0b) // fd_fdstat_get must say ENOSYS
	body = append(body, 0x41, 0, 0x41, 0, 0x41, 0, 0x41, 8, 0x10, 4, 0x1a)               // replace(0, 0, 0, 8)
	body = append(body, 0x20, 1, 0xad)
	f := load(t, Spec{Name: "random", Module: a.fn("on_text", "iiiI:I", body...).bytes(), Request: true})
	var got [2]string
	for i := range got {
		text, p, err := pass(t, "x", f)
		if err != nil {
			t.Fatal(err)
		}
		p.Close()
		got[i] = text
	}
	if got[0] != got[1] || len(got[0]) != 9 || strings.Count(got[0], got[0][:1]) == 8 {
		t.Errorf("random numbers of two exchanges: %q and %q", got[0], got[1])
	}
}

func TestClean(t *testing.T) {
	f := func(s string, limit int, want string) {
		t.Helper()
		if got := clean(s, limit); got != want {
			t.Errorf("%q: got %q, want %q", s, got, want)
		}
	}
	f("plain", 10, "plain")
	f("a\r\nb\x1b[2Jc\u2028d\u202ee", 50, "a  b [2Jc d e")
	f("bad \xff byte", 50, "bad   byte")
	f("üüü", 5, "üü")
	f("", 5, "")
}
