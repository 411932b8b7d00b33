package filter

import (
	"context"
	"strings"
	"testing"
	"time"
)

// handlerModuleOf is the least handler: it imports one function, goes on, and does nothing with the answer.
func handlerOf(a *asm) *asm {
	return a.memory().fn(handleRequest, ":I", 0x42, 1).fn(handleResponse, "ii:")
}

func TestHandlerLoads(t *testing.T) {
	e := engine(t, Options{})
	f := func(s Spec, hooks, features string) {
		t.Helper()
		h := loadWith(t, e, s)
		if h.ABI() != "http-wasm handler" || strings.Join(h.Hooks(), " ") != hooks || strings.Join(h.Features(), " ") != features {
			t.Errorf("%q, %v, %v", h.ABI(), h.Hooks(), h.Features())
		}
	}
	f(handler(t, "nothing"), "handle_request", "")
	f(handler(t, "nothing/nothing"), "handle_request handle_response", "")
	f(handler(t, "asks"), "handle_request", "buffer_request buffer_response")
	f(Spec{Name: "x", Module: handlerOf(new(asm)).bytes(), Request: true, Answer: true}, "handle_request handle_response", "")
	f(Spec{Name: "x", Module: handlerOf(new(asm).imp(handlerModule, "log", "iii:")).fn("_start", ":").bytes(), Request: true}, "handle_request", "")
	f(Spec{Name: "x", Module: handlerOf(new(asm).imp(wasiModule, "fd_write", "iiii:i")).bytes(), Request: true}, "handle_request", "")

	if w := loadWith(t, e, words(t)); w.ABI() != "sluice 1" || w.Features() != nil {
		t.Errorf("a native filter: %q, %v", w.ABI(), w.Features())
	}
	// A handler that traps on the sample request of the warm-up may serve others.
	h := loadWith(t, e, handler(t, "trap"))
	if h.Stats().Instances != 1 {
		t.Errorf("%+v", h.Stats())
	}
	if _, err := handled(t, e, handler(t, "trap"), called(t, "hi")); code(err) != "filter_failed" {
		t.Errorf("%v", err)
	}
}

// What is wrong with a handler, or with what is asked of it, is said when it is loaded.
func TestHandlerRefused(t *testing.T) {
	e := engine(t, Options{})
	spec := func(s Spec, want string) {
		t.Helper()
		s.Limits.Load = 50 * time.Millisecond
		f, err := e.Load(context.Background(), s)
		if err == nil {
			_ = f.Close(context.Background())
			t.Errorf("loaded; want an error with %q", want)
		} else if !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("got %q, want %q", err, want)
		}
	}
	module := func(a *asm, want string) {
		t.Helper()
		spec(Spec{Name: "x", Module: a.bytes(), Request: true}, want)
	}
	module(new(asm).memory().imp(handlerModule, "log", "iii:").fn(handleRequest, ":I", 0x42, 1), "it does not export handle_response")
	module(new(asm).memory().fn(handleRequest, ":I", 0x42, 1).fn(handleResponse, "i:"), "its export handle_response is (i32) -> (), want (i32, i32) -> ()")
	module(new(asm).memory().fn(handleRequest, ":i", i32(1)...).fn(handleResponse, "ii:"), "its export handle_request is () -> (i32), want () -> (i64)")
	module(new(asm).fn(handleRequest, ":I", 0x42, 1).fn(handleResponse, "ii:"), "it does not export memory")
	module(handlerOf(new(asm).imp(handlerModule, "get_uri", "i:i")), "its import http_handler.get_uri is (i32) -> (i32), want (i32, i32) -> (i32)")
	module(handlerOf(new(asm).imp(handlerModule, "get_body", "i:i")), "its import http_handler.get_body (func) is none")
	module(handlerOf(new(asm).imp("env", "abort", ":")), "its import env.abort (func) is none")
	module(handlerOf(new(asm).imp("sluice", "log", "iii:i")), "its import sluice.log (func) is none")

	s := handler(t, "nothing/nothing")
	s.Request = false
	spec(s, "on: [request] or on: [request, response]")
	s = handler(t, "nothing")
	s.Grants = []string{"model"}
	spec(s, "remove grants")
	s = handler(t, "nothing")
	s.Actions.DefaultRequest = Mask
	spec(s, "finds nothing by kinds")
	s = handler(t, "nothing")
	s.View = "some"
	spec(s, `view is "some": want synthetic or full`)
	spec(handler(t, "early"), "get_method is called in start")
	spec(handler(t, "start_trap"), "_initialize: start: it trapped")
	spec(handler(t, "start_spin"), "_initialize: start: its budget")
	s = words(t)
	s.View = ViewFull
	spec(s, "view: full is for http-wasm handlers")

	// A module whose state can't be put back can't have what handle_request left either.
	a := handlerOf(new(asm))
	a.table = true
	a.fn("drop", ":", 0x41, 0, 0xd0, 0x70, 0x26, 0) // i32.const 0; ref.null func; table.set 0
	spec(Spec{Name: "x", Module: a.bytes(), Request: true, Answer: true}, "keep it off answers with on: [request]")
	f := loadWith(t, e, Spec{Name: "x", Module: a.bytes(), Request: true})
	if got, err := f.Restorable(); got || len(err) == 0 {
		t.Error("a module that writes a table is taken for one that can be put back")
	}
}

// A handler's vectors are bodies of requests, and what is checked is its verdict.
func TestHandlerSelfTest(t *testing.T) {
	f := func(vector string, want string) {
		t.Helper()
		s := Spec{Name: "handler", Module: guest(t, "handler")}
		r, got := selfTest(t, s, `[{"name":"v",`+vector+`}]`)
		if (r.Err() == nil) != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%s: got %s, %v; want %q", vector, got, r.Err(), want)
		}
	}
	f(`"config":"403","body":{"messages":[]},"reject":"status_403"`, "")
	f(`"config":"asks/mail","body":{"messages":[]}`, "")
	f(`"config":"403","body":{"messages":[]}`, `reject: want "", got "status_403"`)
	f(`"config":"trap","body":{"messages":[]}`, "it trapped")
	f(`"config":"nothing","text":"hi"`, "the module has only handle_request")
	f(`"config":"nothing","body":{},"set":{"n":1}`, "the module has only handle_request")
}
