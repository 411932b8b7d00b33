package filters_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"unicode/utf8"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"github.com/sluicegate/sluice/filters"
)

// span is one finding, in offsets of the whole text. Edited spans carry their replacement as With.
type span struct {
	Kind       string
	Start, End int
	With       string
}

// host is the smallest host of the native ABI: it checks what a filter says instead of acting on it.
type host struct {
	t       testing.TB
	module  api.Module
	alloc   api.Function
	onText  api.Function
	logs    []string
	sets    []string
	labels  []string
	verdict string
	facts   map[string]string

	// The text at hand: where the buffer begins in it, and what the filter has said.
	base, left, size int
	spans            []span
	open             bool
	state            uint64
}

// compiled is shared by all hosts: each module is compiled once.
var compiled = wazero.NewCompilationCache()

func newHost(t testing.TB, module []byte) *host {
	t.Helper()
	ctx := context.Background()
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().WithCompilationCache(compiled))
	t.Cleanup(func() { _ = r.Close(ctx) })
	h := &host{t: t}
	wasi_snapshot_preview1.MustInstantiate(ctx, r)
	if _, err := h.imports(r).Instantiate(ctx); err != nil {
		t.Fatal(err)
	}
	m, err := r.InstantiateWithConfig(ctx, module, wazero.NewModuleConfig().WithStartFunctions("_initialize"))
	if err != nil {
		t.Fatal(err)
	}
	h.module, h.alloc, h.onText = m, m.ExportedFunction("alloc"), m.ExportedFunction("on_text")
	return h
}

// bytes copies n bytes at p of the guest's memory.
func (h *host) bytes(p, n uint32) string {
	b, ok := h.module.Memory().Read(p, n)
	if !ok {
		h.t.Errorf("the guest points at %d+%d, outside its memory", p, n)
	}
	return string(b)
}

func (h *host) imports(r wazero.Runtime) wazero.HostModuleBuilder {
	b := r.NewHostModuleBuilder("sluice")
	export := func(name string, f any) { b.NewFunctionBuilder().WithFunc(f).Export(name) }
	export("redact", func(start, end, p, n uint32) int32 {
		return h.add(span{Kind: h.bytes(p, n), Start: int(start), End: int(end)})
	})
	export("redact_open", func(start, p, n uint32) int32 {
		result := h.add(span{Kind: h.bytes(p, n), Start: int(start), End: int(start)})
		h.open = true
		return result
	})
	export("redact_close", func(end uint32) int32 {
		if !h.open {
			h.t.Error("redact_close without redact_open")
		}
		h.open = false
		h.spans[len(h.spans)-1].End = h.base + int(end)
		return 0
	})
	export("replace", func(start, end, p, n uint32) int32 {
		return h.add(span{Kind: "replace", Start: int(start), End: int(end), With: h.bytes(p, n)})
	})
	export("next_state", func(s uint64) int32 { h.state = s; return 0 })
	export("log", func(_, p, n uint32) int32 { h.logs = append(h.logs, h.bytes(p, n)); return 0 })
	export("set", func(p, n, q, m uint32) int32 { h.sets = append(h.sets, h.bytes(p, n)+"="+h.bytes(q, m)); return 0 })
	export("message", func(where, role, p, n uint32) int32 {
		h.sets = append(h.sets, fmt.Sprintf("message %d %d %s", where, role, h.bytes(p, n)))
		return 0
	})
	export("label", func(p, n, q, m uint32) int32 { h.labels = append(h.labels, h.bytes(p, n)+"="+h.bytes(q, m)); return 0 })
	export("reject", func(p, n, q, m uint32) int32 { h.verdict = h.bytes(p, n) + ": " + h.bytes(q, m); return 0 })
	export("get", func(p, n, buf, size uint32) int32 {
		value, ok := h.facts[h.bytes(p, n)]
		if !ok {
			return -1
		}
		h.module.Memory().Write(buf, []byte(value[:min(len(value), int(size))]))
		return int32(len(value))
	})
	return b
}

// add checks a span as a host must, and keeps it in offsets of the whole text.
func (h *host) add(s span) int32 {
	last := h.left
	if n := len(h.spans); n > 0 {
		last = max(last, h.spans[n-1].End-h.base)
	}
	if h.open || s.Start < last || s.End < s.Start || s.End > h.size {
		h.t.Errorf("bad span %+v: left %d, last %d, size %d, open %v", s, h.left, last, h.size, h.open)
	}
	s.Start, s.End = s.Start+h.base, s.End+h.base
	h.spans = append(h.spans, s)
	return 0
}

func (h *host) call(name, text string) int32 {
	h.t.Helper()
	ctx := context.Background()
	p, err := h.alloc.Call(ctx, uint64(len(text)))
	if err != nil || p[0] == 0 {
		h.t.Fatalf("alloc(%d): %v %v", len(text), p, err)
	}
	h.module.Memory().Write(uint32(p[0]), []byte(text))
	result, err := h.module.ExportedFunction(name).Call(ctx, p[0], uint64(len(text)))
	if err != nil {
		h.t.Fatalf("%s: %v", name, err)
	}
	return int32(result[0])
}

func (h *host) configure(config string) {
	h.t.Helper()
	if code := h.call("on_config", config); code != 0 {
		h.t.Fatalf("on_config(%s) = %d %q", config, code, h.logs)
	}
}

const arguments = 1 << 5

// find shows the text as it would arrive: chunks that end at the given offsets, and the rest; windows of 64 KiB; 64 bytes of
// left context. It gives the spans and the most bytes held back.
func (h *host) find(text string, flags uint32, cuts ...int) (spans []span, held int) {
	h.t.Helper()
	h.spans, h.state, h.open = nil, 0, false
	settled := 0
	show := func(arrived int, end bool) {
		for {
			upto := min(arrived, settled+65536)
			for upto < arrived && !utf8.RuneStart(text[upto]) {
				upto--
			}
			last := end && upto == arrived
			next := h.window(text, settled, upto, flags, last)
			stuck := next == settled
			settled = next
			if upto == arrived {
				break
			}
			if stuck {
				h.t.Fatalf("nothing settled of a whole window at %d", settled)
			}
		}
		if !end {
			held = max(held, arrived-settled)
		}
	}
	for _, cut := range cuts {
		show(cut, false)
	}
	show(len(text), true)
	if settled != len(text) || h.open {
		h.t.Fatalf("at the end %d of %d bytes are settled, open %v", settled, len(text), h.open)
	}
	return h.spans, held
}

// window makes one call of on_text for text[settled:upto] and gives the new settled offset.
func (h *host) window(text string, settled, upto int, flags uint32, end bool) int {
	from := max(0, settled-64)
	for from < settled && !utf8.RuneStart(text[from]) {
		from++
	}
	h.base, h.left, h.size = from, settled-from, upto-from
	if end {
		flags |= 1
	}
	flags |= uint32(h.left) << 16
	ctx := context.Background()
	p, err := h.alloc.Call(ctx, uint64(h.size))
	if err != nil || p[0] == 0 {
		h.t.Fatalf("alloc(%d): %v %v", h.size, p, err)
	}
	h.module.Memory().Write(uint32(p[0]), []byte(text[from:upto]))
	result, err := h.onText.Call(ctx, p[0], uint64(h.size), uint64(flags), h.state)
	if err != nil {
		h.t.Fatalf("on_text: %v", err)
	}
	n := int(int64(result[0]))
	switch {
	case n < h.left || n > h.size || end && n != h.size || n < h.size && !utf8.RuneStart(text[from+n]):
		h.t.Fatalf("on_text settled %d of %d..%d (end %v)", n, h.left, h.size, end)
	case len(h.spans) > 0 && h.spans[len(h.spans)-1].End > from+n:
		h.t.Fatalf("a span ends behind what is settled: %+v, %d", h.spans[len(h.spans)-1], from+n)
	}
	return from + n
}

// mark writes the text with its findings as <kind:text>: how tests and vectors spell them.
func mark(text string, spans []span) string {
	out, at := []byte{}, 0
	for _, s := range spans {
		out = append(out, text[at:s.Start]...)
		out = append(out, "<"+s.Kind+":"+text[s.Start:s.End]+">"...)
		at = s.End
	}
	return string(append(out, text[at:]...))
}

func builtin(t testing.TB, name string) []byte {
	t.Helper()
	module, ok := filters.Builtin(name)
	if !ok {
		t.Fatalf("no builtin:%s", name)
	}
	return module
}

// buildGo compiles the example of the Go SDK with the stock toolchain.
func buildGo(t testing.TB) []byte {
	t.Helper()
	if raceDetector {
		t.Skip("under the race detector")
	}
	out := filepath.Join(t.TempDir(), "example.wasm")
	cmd := exec.Command("go", "build", "-buildmode=c-shared", "-ldflags=-s -w", "-o", out, "./sdk/go/example")
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(e string) bool { return e == "GOFLAGS=-race" }), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0")
	if b, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, b)
	}
	module, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return module
}
