package meter_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"

	"github.com/sluicegate/sluice/runtime/filter/meter"
)

// FuzzRewrite checks any bytes; see checkRewrite.
func FuzzRewrite(f *testing.F) {
	f.Add(scan)
	f.Add(oneFunction(0x03, 0x40, 0x41, 1, 0x0d, 0, 0x0b))
	f.Add(oneFunction(0x41, 0, 0x41, 0, 0x41, 0x7f, 0xfc, 14, 0, 0))
	f.Add(oneFunction(0x02, 0x40, 0x41, 1, 0x04, 0x40, 0x0c, 1, 0x05, 0x0f, 0x0b, 0x00, 0x0b, 0x10, 0))
	f.Add(oneFunction(0xfd, 0x0c, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x1a))
	f.Add(callTree(3))
	f.Fuzz(checkRewrite)
}

// TestMutatedSuite checks the specification suite's modules with a few bytes
// changed, which come closer to valid than what a fuzzer finds in short.
func TestMutatedSuite(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles thousands of modules")
	}
	files, err := filepath.Glob(filepath.Join(suiteRoot(t), "*", "testdata", "*.wasm"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no modules: %v", err)
	}
	rng := rand.New(rand.NewPCG(3, 4))
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			m := slices.Clone(b)
			for range 1 + rng.IntN(3) {
				if len(m) > 8 {
					m[8+rng.IntN(len(m)-8)] = byte(rng.Uint32())
				}
			}
			checkRewrite(t, m)
		}
		if t.Failed() {
			t.Fatal(file)
		}
	}
}

// checkRewrite checks that bytes do not make the rewrite panic, that what it
// returns is valid when, and only when, what it got was, and that its result is
// not taken twice.
func checkRewrite(t *testing.T, in []byte) {
	out, info, err := meter.Rewrite(in, meter.Options{})
	if err != nil {
		if located := (*meter.Error)(nil); !errors.As(err, &located) {
			t.Fatalf("error without a place: %v", err)
		}
		return
	}
	if len(in) > 1<<16 || info.MemoryMin > 2000 {
		return // costs the runtime too much
	}
	before, after := compiles(in), compiles(out)
	if before != nil && (strings.Contains(before.Error(), "custom") || strings.Contains(before.Error(), "misc instruction")) {
		return // wazero refuses broken names and opcodes in longer forms, which are valid
	}
	if (before == nil) != (after == nil) {
		t.Fatalf("as it is: %v\nrewritten: %v", before, after)
	}
	if _, _, err := meter.Rewrite(out, meter.Options{}); err == nil {
		t.Fatal("rewritten twice: the guest could grant itself fuel")
	}
}

// compiles returns why the runtime does not take a module.
func compiles(module []byte) error {
	ctx := context.Background()
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter().WithCoreFeatures(suiteFeatures))
	defer r.Close(ctx)
	_, err := r.CompileModule(ctx, module)
	return err
}
