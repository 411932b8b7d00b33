package meter_test

import (
	"bytes"
	"context"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/tetratelabs/wazero/api"
)

// FuzzGenerated holds generated guests to what they do as they are.
func FuzzGenerated(f *testing.F) {
	for seed := range uint64(5) {
		f.Add(seed)
	}
	f.Fuzz(checkGenerated)
}

func TestGenerated(t *testing.T) {
	n := uint64(150)
	if testing.Short() || raceDetector {
		n = 20
	}
	called, trapped = 0, 0
	for seed := range n {
		if checkGenerated(t, seed); t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	if trapped == 0 || trapped > called/2 {
		t.Errorf("%d of %d calls trapped: the guests do too little", trapped, called)
	}
	t.Logf("%d calls, %d of them trapped", called, trapped)
}

// called and trapped count what generated guests did.
var called, trapped int

// checkGenerated checks that a generated guest is valid, rewritten too; that it does the same, whatever the slices; that
// it uses the same units whatever the slices; and that all it writes is marked.
func checkGenerated(t *testing.T, seed uint64) {
	code := generated(seed)
	if err := compiles(code); err != nil {
		t.Fatalf("the generator made an invalid module of %d: %v", seed, err)
	}
	checkRewrite(t, code)
	want := behaviour(t, code, 0)
	var units []int64
	for _, slice := range []int64{1 << 40, 1, 50} {
		got := behaviour(t, code, slice)
		if units == nil {
			units = got.units
		}
		if !slices.Equal(got.did, want.did) {
			t.Fatalf("slices of %d:\ngot  %q\nwant %q", slice, got.did, want.did)
		}
		if !slices.Equal(got.units, units) {
			t.Fatalf("units in slices of %d: %v, in one %v", slice, got.units, units)
		}
	}
}

// done is what a guest did, and the units of each call that returned.
type done struct {
	did   []string
	units []int64
}

// behaviour calls each function with a few arguments.
func behaviour(t *testing.T, code []byte, slice int64) (d done) {
	g := start(t, code, slice)
	defer g.Close(context.Background())
	var w *watch
	if slice > 0 {
		w = newWatch(g.Module, g.info)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for i := 0; g.ExportedFunction(fmt.Sprint("f", i)) != nil; i++ {
		name := fmt.Sprint("f", i)
		for range 3 {
			args := make([]uint64, len(g.ExportedFunction(name).Definition().ParamTypes()))
			for j, p := range g.ExportedFunction(name).Definition().ParamTypes() {
				if args[j] = rng.Uint64() >> rng.IntN(64); p == api.ValueTypeI32 || p == api.ValueTypeF32 {
					args[j] = uint64(uint32(args[j]))
				}
			}
			var before int64
			if slice > 0 {
				before = g.spent()
			}
			said := g.call(name, args...)
			ended := !bytes.HasPrefix([]byte(said), []byte("[]"))
			if slice > 0 && ended {
				d.units = append(d.units, g.spent()-before)
			}
			if slice == 0 {
				if called++; !ended {
					trapped++
				}
			}
			d.did = append(d.did, said+state(g))
			if w != nil && ended {
				w.check(t, i)
			}
			if !ended {
				return d // what a trap leaves is never used
			}
		}
	}
	return d
}

// state is what a guest's globals and memory hold.
func state(g *guest) string {
	var b bytes.Buffer
	for i := range kinds {
		fmt.Fprintf(&b, " %x", g.ExportedGlobal(fmt.Sprint("g", i)).Get())
	}
	view, _ := g.Memory().Read(0, g.Memory().Size())
	return fmt.Sprintf("%s %d %x", &b, len(view), crc32.ChecksumIEEE(view))
}
