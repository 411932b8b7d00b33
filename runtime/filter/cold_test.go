package filter

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/sluicegate/sluice/filters"
)

// What a filter's first call costs when none of its instances is alive, and when the process has just begun and finds the
// compiled code on disk. The first is what scaling to zero costs a caller.

func BenchmarkColdC(b *testing.B)      { benchmarkCold(b, shipped(b)) }
func BenchmarkColdGo(b *testing.B)     { benchmarkCold(b, goGuest(b)) }
func BenchmarkFromDiskC(b *testing.B)  { benchmarkFromDisk(b, shipped(b)) }
func BenchmarkFromDiskGo(b *testing.B) { benchmarkFromDisk(b, goGuest(b)) }

func shipped(b *testing.B) Spec {
	b.Helper()
	code, _ := filters.Builtin("redact")
	return Spec{Name: "redact", Module: code, Request: true}
}

// goGuest builds the Go SDK's example with the stock toolchain.
func goGuest(b *testing.B) Spec {
	b.Helper()
	out := filepath.Join(b.TempDir(), "example.wasm")
	cmd := exec.Command("go", "build", "-buildmode=c-shared", "-ldflags=-s -w", "-o", out, "../../filters/sdk/go/example")
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(e string) bool { return e == "GOFLAGS=-race" }), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0")
	if said, err := cmd.CombinedOutput(); err != nil {
		b.Skipf("no Go toolchain: %v\n%s", err, said)
	}
	code, err := os.ReadFile(out)
	if err != nil {
		b.Fatal(err)
	}
	return Spec{Name: "go", Module: code, Request: true}
}

func exchangeThrough(b *testing.B, f *Filter) {
	p, err := NewChain(f).Begin(ask(b, "red", prose), nil)
	if err != nil {
		b.Fatal(err)
	}
	if err := p.Request(context.Background()); err != nil {
		b.Fatal(err)
	}
	p.Close()
}

func benchmarkCold(b *testing.B, s Spec) {
	f := load(b, s)
	for b.Loop() {
		f.pool.reap(now() + f.spec.Limits.Idle)
		exchangeThrough(b, f)
	}
	if st := f.Stats(); st.ColdStarts == 0 || st.ColdStarts != st.Reclaimed {
		b.Errorf("%d cold starts, %d reclaimed", st.ColdStarts, st.Reclaimed)
	}
	b.ReportMetric(float64(len(f.mod.snap.memory)), "snapshot-B")
}

func benchmarkFromDisk(b *testing.B, s Spec) {
	dir := filepath.Join(b.TempDir(), "cache")
	loadOnce := func() {
		e, err := NewEngine(Options{CacheDir: dir})
		if err != nil {
			b.Fatal(err)
		}
		f, err := e.Load(context.Background(), s)
		if err != nil {
			b.Fatal(err)
		}
		exchangeThrough(b, f)
		_ = f.Close(context.Background())
		_ = e.Close(context.Background())
	}
	loadOnce()
	for b.Loop() {
		loadOnce()
	}
}
