package filter

import (
	"context"
	"errors"
	"strings"
	"testing"
)

// A filter of another ABI is refused by that name, with what to do, at the stage abi.
func TestForeign(t *testing.T) {
	e := engine(t, Options{})
	f := func(code []byte, want ...string) {
		t.Helper()
		got, err := e.Load(context.Background(), Spec{Name: "x", Module: code, Request: true})
		if err == nil {
			_ = got.Close(context.Background())
			t.Fatalf("loaded; want an error with %q", want)
		}
		var stage *StageError
		if !errors.As(err, &stage) || stage.Stage != StageABI || strings.Contains(err.Error(), "\n") {
			t.Errorf("got %q at %+v", err, stage)
		}
		for _, w := range want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("got %q, want %q", err, w)
			}
		}
	}
	ret := i32(0)
	const sdk = "sluice filter new"
	module := func(a *asm, want ...string) { t.Helper(); f(a.memory().bytes(), want...) }

	for _, version := range []string{"0_1_0", "0_2_0", "0_2_1"} {
		module(new(asm).imp("env", "proxy_log", "iii:i").fn("proxy_abi_version_"+version, ":").
			fn("proxy_on_memory_allocate", "i:i", ret...).fn("proxy_on_request_headers", "iii:i", ret...).fn("_start", ":"), "a proxy-wasm filter", sdk)
	}
	module(new(asm).imp("env", "proxy_get_buffer_bytes", "iiiii:i").fn("proxy_on_vm_start", "ii:i", ret...), "a proxy-wasm filter", sdk)
	module(new(asm).imp("extism:host/env", "input_length", ":I").fn("count_vowels", ":i", ret...), "an Extism plug-in", sdk)
	module(new(asm).imp("extism:host/user", "hello", "I:I").fn("run", ":i", ret...), "an Extism plug-in", sdk)
	module(new(asm).imp("env", "extism_input_length", ":I").fn("run", ":i", ret...), "an Extism plug-in", sdk)
	module(new(asm).imp("wapc", "__guest_request", "ii:").imp("wapc", "__guest_response", "ii:").fn("__guest_call", "ii:i", ret...), "a waPC guest", sdk)
	module(new(asm).fn("__guest_call", "ii:i", ret...), "a waPC guest", sdk)
	module(new(asm).fn("opa_eval", "iiiiiii:i", ret...), "a compiled Rego policy", "policy.path")
	module(new(asm).imp("wasi:http/types@0.2.0", "drop", "i:").fn("run", ":"), "the inside of a component", "wasm32-wasip1")
	module(new(asm).imp(wasiModule, "fd_write", "iiii:i").imp(wasiModule, "proc_exit", "i:").fn("_start", ":"), "a program", "-buildmode=c-shared")
	module(new(asm).fn("sluice_abi_v2", ":i", i32(2)...), "sluice_abi_v2", "version 1 only")
	module(new(asm).fn("add", "ii:i", 0x20, 0, 0x20, 1, 0x6a), "no Sluice filter", sdk)
	// A component: its header, and a core module inside.
	core := new(asm).memory().fn("run", ":").bytes()
	f(append(append([]byte("\x00asm\x0d\x00\x01\x00\x01"), leb(len(core))...), core...), "a component", "wasm32-wasip2")
}
