package meter_test

import (
	"bytes"
	"context"
	"crypto/rand"
	_ "embed"
	"fmt"
	mathrand "math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"github.com/sluicegate/sluice/runtime/filter/meter"
)

//go:embed testdata/scan.wasm
var scan []byte

// guest is a running module and what it spent.
type guest struct {
	api.Module
	info    meter.Info
	slice   int64 // units for each refill
	granted int64
	refills int
	most    int // refills after which the guest is stopped; 0: never
}

// start runs a module, metered by slices, or as it is if slice is 0.
func start(t testing.TB, module []byte, slice int64) *guest {
	t.Helper()
	ctx := context.Background()
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().WithCoreFeatures(suiteFeatures))
	t.Cleanup(func() { r.Close(ctx) })
	g := &guest{slice: slice}
	if slice > 0 {
		addRefill(t, r, func(debt int64) int64 {
			g.granted += debt + g.slice
			if g.refills++; g.refills == g.most {
				panic("out of fuel")
			}
			return g.slice
		})
		var err error
		if module, g.info, err = meter.Rewrite(module, meter.Options{}); err != nil {
			t.Fatal(err)
		}
	}
	m, err := r.Instantiate(ctx, module)
	if err != nil {
		t.Fatal(err)
	}
	g.Module = m
	return g
}

// spent returns the units used so far, as the package's contract says.
func (g *guest) spent() int64 {
	return g.granted - int64(g.ExportedGlobal(g.info.FuelGlobalExport).Get())
}

// call returns the results of a function with the first line of its error.
func (g *guest) call(name string, args ...uint64) string {
	results, err := g.ExportedFunction(name).Call(context.Background(), args...)
	return fmt.Sprint(results, cause(err))
}

// calls is what the tests have the C guest do.
func calls(g *guest, text []byte) (out []string) {
	at, _ := g.ExportedFunction("buffer").Call(context.Background())
	g.Memory().Write(uint32(at[0]), text)
	n := uint64(len(text))
	return append(out,
		g.call("emails", n), g.call("luhn", n), g.call("crc", n), g.call("fib", 15), g.call("copies", n, 20),
		g.call("states", n), g.call("divide", 1e18, 7), g.call("halve", 0x40f86a0000000000, 100),
		g.call("divide", 1, 0), g.call("grow", 1), g.call("grow", 1<<32-1), g.call("crc", 1<<30),
	)
}

func texts() [][]byte {
	noise := make([]byte, 5000)
	rng := mathrand.NewChaCha8([32]byte{1})
	_, _ = rng.Read(noise) // it never fails
	random := make([]byte, 1000)
	rand.Read(random)
	return [][]byte{
		[]byte(strings.Repeat("Write to ana@example.com about 4111 1111 1111 1111. ", 40)),
		bytes.Repeat([]byte{'@'}, 2000), noise, random, []byte("x"),
	}
}

func TestGuestDoesTheSame(t *testing.T) {
	for i, text := range texts() {
		want := calls(start(t, scan, 0), text)
		for _, slice := range []int64{1, 7, 1000, 1 << 40} {
			if got := calls(start(t, scan, slice), text); !reflect.DeepEqual(got, want) {
				t.Errorf("text %d, slices of %d:\ngot  %q\nwant %q", i, slice, got, want)
			}
		}
	}
}

// TestUnitsDoNotDependOnSlices checks the sum that the host is told to make.
func TestUnitsDoNotDependOnSlices(t *testing.T) {
	text := texts()[0]
	f := func(name string, args ...uint64) {
		t.Helper()
		var want int64
		for i, slice := range []int64{1 << 40, 1, 100, 12345} {
			g := start(t, scan, slice)
			at, _ := g.ExportedFunction("buffer").Call(t.Context())
			g.Memory().Write(uint32(at[0]), text)
			before := g.spent()
			g.call(name, args...)
			got := g.spent() - before
			if i == 0 {
				want = got
			}
			if got != want || got <= 0 {
				t.Errorf("%s: %d units in slices of %d, %d in one", name, got, slice, want)
			}
		}
		t.Logf("%s: %d units", name, want)
	}
	n := uint64(len(text))
	f("emails", n)
	f("crc", n)
	f("fib", 12)
	f("copies", n, 3)
	f("states", n)
}

// TestHostGrantsFirst sets the counter before the call, as an engine does.
func TestHostGrantsFirst(t *testing.T) {
	g := start(t, scan, 1000)
	fuel := g.ExportedGlobal(g.info.FuelGlobalExport).(api.MutableGlobal)
	fuel.Set(1 << 30)
	g.call("fib", 15)
	if g.refills != 0 || fuel.Get() >= 1<<30 {
		t.Errorf("%d refills, %d left", g.refills, fuel.Get())
	}
}

// TestGoGuestDoesTheSame runs a whole Go program, with its runtime.
func TestGoGuestDoesTheSame(t *testing.T) {
	if testing.Short() || raceDetector {
		t.Skip("builds and compiles a large guest")
	}
	file := filepath.Join(t.TempDir(), "guest.wasm")
	build := exec.Command("go", "build", "-o", file, "./testdata/goguest")
	build.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "GOFLAGS=")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	module, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want, got := program(t, module, 0), program(t, module, 5000)
	if want != got || !strings.Contains(got, "index out of range") {
		t.Errorf("as it is:  %s\nrewritten: %s", want, got)
	}
}

// TestCachedGuestsDoTheSame runs the guests that wazero tests itself with.
func TestCachedGuestsDoTheSame(t *testing.T) {
	if testing.Short() || raceDetector {
		t.Skip("compiles large guests")
	}
	root := filepath.Join(suiteRoot(t), "..", "..", "..")
	for _, name := range []string{
		"cmd/wazero/testdata/cat/cat-tinygo.wasm", "imports/wasi_snapshot_preview1/testdata/cargo-wasi/wasi.wasm",
		"imports/wasi_snapshot_preview1/testdata/zig-cc/wasi.wasm", "imports/wasi_snapshot_preview1/testdata/zig/wasi.wasm",
		"imports/wasi_snapshot_preview1/testdata/tinygo/wasi.wasm", "imports/wasi_snapshot_preview1/example/testdata/zig-cc/cat.wasm",
		"internal/testing/dwarftestdata/testdata/tinygo/main.wasm",
	} {
		module, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Logf("not there: %v", err)
			continue
		}
		for _, arg := range []string{"ls", "stat", "args", "/a.txt"} {
			if want, got := program(t, module, 0, arg), program(t, module, 50, arg); want != got {
				t.Errorf("%s %s:\nas it is:  %s\nrewritten: %s", name, arg, want, got)
			}
		}
	}
}

// program runs a WASI command and returns all that it wrote and how it ended.
func program(t *testing.T, module []byte, slice int64, args ...string) string {
	t.Helper()
	ctx := t.Context()
	r := wazero.NewRuntime(ctx)
	defer r.Close(context.Background())
	wasi_snapshot_preview1.MustInstantiate(ctx, r)
	if slice > 0 {
		addRefill(t, r, func(int64) int64 { return slice })
		var err error
		if module, _, err = meter.Rewrite(module, meter.Options{}); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.txt"), []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	_, err := r.InstantiateWithConfig(ctx, module, wazero.NewModuleConfig().WithStdout(&out).WithStderr(&out).
		WithArgs(append([]string{"guest"}, args...)...).WithFSConfig(wazero.NewFSConfig().WithDirMount(dir, "/")))
	text, _, _ := strings.Cut(out.String(), "goroutine ") // what follows are addresses
	return text + cause(err)
}

// BenchmarkGuest compares the C guest as it is and metered, refills granting
// 50,000 units, on 1 KB of text.
func BenchmarkGuest(b *testing.B) {
	text := texts()[0][:1024]
	for _, name := range []string{"emails", "luhn", "crc", "states"} {
		for kind, slice := range map[string]int64{"plain": 0, "metered": 50_000} {
			b.Run(name+"/"+kind, func(b *testing.B) {
				g := start(b, scan, slice)
				at, _ := g.ExportedFunction("buffer").Call(b.Context())
				g.Memory().Write(uint32(at[0]), text)
				fn, stack := g.ExportedFunction(name), make([]uint64, 1)
				b.ReportAllocs()
				for b.Loop() {
					stack[0] = uint64(len(text))
					if err := fn.CallWithStack(context.Background(), stack); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkRewrite measures the rewrite itself.
func BenchmarkRewrite(b *testing.B) {
	b.SetBytes(int64(len(scan)))
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := meter.Rewrite(scan, meter.Options{}); err != nil {
			b.Fatal(err)
		}
	}
}
