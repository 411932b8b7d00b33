package filter

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/sluicegate/sluice/filters"
)

func TestInspect(t *testing.T) {
	e := engine(t, Options{})
	in := e.Inspect(context.Background(), Spec{Name: "words", Module: guest(t, "words")})
	if in.Refused != nil || in.ABI != "sluice 1" || !slices.Equal(in.Hooks, []string{"request.text", "answer.text"}) || !in.Restorable {
		t.Errorf("%+v", in)
	}
	if !slices.Contains(in.Imports, "sluice.redact (i32, i32, i32, i32) -> (i32)") || !slices.Contains(in.Exports, "memory memory") || in.MinPages == 0 || in.MaxPages != 256 {
		t.Errorf("sections: %+v", in)
	}
	if len(in.Digest) != 64 || in.Size != len(guest(t, "words")) || in.Memory == 0 || in.Snapshot == 0 {
		t.Errorf("sizes: %+v", in)
	}
	if in.Inert == nil || *in.Inert == 0 {
		t.Errorf("byte classes: %v", in.Inert)
	}
	code, _ := filters.Builtin("prompt")
	if in := e.Inspect(context.Background(), Spec{Name: "prompt", Module: code}); in.Refused == nil || in.Refused.Stage != StageConfig || !slices.Equal(in.Hooks, []string{"on_request"}) {
		t.Errorf("prompt: %+v", in)
	}
}

func TestInspectRefused(t *testing.T) {
	e := engine(t, Options{})
	f := func(s Spec, stage, reason, advice string) {
		t.Helper()
		s.Name = "x"
		in := e.Inspect(context.Background(), s)
		if r := in.Refused; r == nil || r.Stage != stage || !strings.Contains(r.Reason, reason) || !strings.Contains(r.Advice, advice) {
			t.Errorf("got %+v, want %s: %s", r, stage, reason)
		}
	}
	f(Spec{Module: []byte("text")}, StageABI, "not WebAssembly", "sluice filter new")
	f(Spec{Module: []byte("\x00asm\x0d\x00\x01\x00")}, StageABI, "component", "filters/abi")
	f(Spec{Module: guest(t, "words"), Limits: Limits{ModuleBytes: 10}}, StageSize, "over the limit of 10", "smaller")
	f(Spec{Module: guest(t, "hostile"), Config: []byte("!xx")}, StageConfig, "no such setting", "--config")
	foreign := new(asm).fn("proxy_abi_version_0_2_1", ":").bytes()
	f(Spec{Module: foreign}, StageABI, "proxy-wasm", "sluice filter new")
	if in := e.Inspect(context.Background(), Spec{Name: "x", Module: foreign}); len(in.Exports) == 0 || in.ABI != "" {
		t.Errorf("what is refused by its ABI is described all the same: %+v", in)
	}
}
