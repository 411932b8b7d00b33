package meter_test

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/tetratelabs/wazero/api"

	"github.com/sluicegate/sluice/runtime/filter/meter"
)

// watch compares a module's memory with its marks.
type watch struct {
	memory api.Memory
	marks  api.MutableGlobal
	info   meter.Info
	before []byte
	writes int // checks that found bytes changed
}

// newWatch begins with cleared marks.
func newWatch(m api.Module, info meter.Info) *watch {
	w := &watch{memory: m.Memory(), marks: m.ExportedGlobal(info.MarkGlobalExport).(api.MutableGlobal), info: info}
	if w.memory == nil { // it is not exported
		w.memory = m.ExportedMemory("memory")
	}
	w.clear()
	return w
}

func (w *watch) clear() {
	w.marks.Set(0)
	if w.memory != nil {
		w.before = append(w.before[:0], w.view()...)
	}
}

func (w *watch) view() []byte {
	b, _ := w.memory.Read(0, w.memory.Size())
	return b
}

// check puts back what the marks tell and reports what that misses.
func (w *watch) check(t testing.TB, line int) {
	t.Helper()
	if w.memory == nil {
		return
	}
	now := bytes.Clone(w.view())
	w.before = append(w.before, make([]byte, len(now)-len(w.before))...) // it grew
	if bytes.Equal(now, w.before) {
		return
	}
	w.writes++
	for from, to := range w.info.Written(meter.Marks(w.marks.Get()), len(now)) {
		copy(now[from:to], w.before[from:to])
	}
	if !bytes.Equal(now, w.before) {
		t.Errorf("line %d: bytes changed and are not marked", line)
	}
	w.clear()
}

// storing is a module of one function that stores a value of a type at an address with an offset.
func storing(pages byte, op []byte, constant []byte, address int32, offset uint32) []byte {
	do := slices.Concat([]byte{0x41}, leb(int64(address)), constant, op, uleb(uint64(offset)))
	if op[0] == 0xfd && op[1] > 11 {
		do = append(do, 0) // its lane
	}
	return module(types(), funcs(1), section(5, 1, 1, pages, 16), section(7, 2, 1, 'f', 0, 0, 6, 'm', 'e', 'm', 'o', 'r', 'y', 2, 0), code(body(do...)))
}

// leb is a signed, uleb an unsigned LEB128 number.
func leb(v int64) (b []byte) {
	for ; v < -64 || v > 63; v >>= 7 {
		b = append(b, byte(v&0x7f)|0x80)
	}
	return append(b, byte(v&0x7f))
}

func uleb(v uint64) (b []byte) {
	for ; v > 127; v >>= 7 {
		b = append(b, byte(v)|0x80)
	}
	return append(b, byte(v))
}

// TestStoresAreMarked stores with every instruction there is, next to the ends of granules.
func TestStoresAreMarked(t *testing.T) {
	word, long := []byte{0x41, 0x7f}, []byte{0x42, 0x7f}
	single, double := []byte{0x43, 1, 2, 3, 4}, []byte{0x44, 1, 2, 3, 4, 5, 6, 7, 8}
	vector := append([]byte{0xfd, 12}, bytes.Repeat([]byte{7}, 16)...)
	stores := []struct{ op, constant []byte }{
		{[]byte{0x36, 0}, word},
		{[]byte{0x3a, 0}, word},
		{[]byte{0x3b, 0}, word},
		{[]byte{0x37, 0}, long},
		{[]byte{0x3c, 0}, long},
		{[]byte{0x3d, 0}, long},
		{[]byte{0x3e, 0}, long},
		{[]byte{0x38, 0}, single},
		{[]byte{0x39, 0}, double},
		{[]byte{0xfd, 11, 0}, vector},
		{[]byte{0xfd, 88, 0}, vector},
		{[]byte{0xfd, 89, 0}, vector},
		{[]byte{0xfd, 90, 0}, vector},
		{[]byte{0xfd, 91, 0}, vector},
	}
	for _, s := range stores {
		for _, at := range []int64{0, 1, 1023, 1024, 2047, 4090, 65_000, 3*65_536 - 16} {
			for _, offset := range []int64{0, 1, 5000} {
				if offset > at {
					continue
				}
				g := start(t, storing(3, s.op, s.constant, int32(at-offset), uint32(offset)), 100)
				w := newWatch(g.Module, g.info)
				if got := g.call("f"); got != "[]" {
					t.Fatalf("store %x: %s", s.op, got)
				}
				if bytes.Equal(w.view(), w.before) {
					t.Fatalf("store %x wrote nothing", s.op)
				}
				if n := size(w); n > 4096+16 {
					t.Errorf("store %x at %d: %d bytes are marked", s.op, at, n)
				}
				w.check(t, int(at))
			}
		}
	}
}

// size is how many bytes are marked.
func size(w *watch) (n int) {
	for from, to := range w.info.Written(meter.Marks(w.marks.Get()), int(w.memory.Size())) {
		n += to - from
	}
	return n
}

// TestBulkIsMarked fills and copies ranges of all lengths.
func TestBulkIsMarked(t *testing.T) {
	f := func(pages byte, at, n int64) {
		t.Helper()
		for _, op := range [][]byte{{0xfc, 11, 0}, {0xfc, 10, 0, 0}} {
			from := []byte{0x41, 0} // of a fill the byte, of a copy where it is from
			do := slices.Concat([]byte{0x41}, leb(at), from, []byte{0x41}, leb(n), op)
			g := start(t, module(types(), funcs(1), section(5, 1, 1, pages, 127), section(7, 2, 1, 'f', 0, 0, 6, 'm', 'e', 'm', 'o', 'r', 'y', 2, 0), code(body(do...))), 1<<30)
			g.Memory().Grow(3)
			w := newWatch(g.Module, g.info)
			for view, i := w.view(), 0; i < len(view); i++ {
				view[i] = byte(i * 7)
			}
			w.clear()
			if got := g.call("f"); got != "[]" {
				t.Fatal(got)
			}
			if got, want := meter.Marks(w.marks.Get()), g.info.Mark(uint32(at), uint32(n)); got != want {
				t.Errorf("%d bytes at %d: marks %x, Info.Mark says %x", n, at, got, want)
			}
			w.check(t, int(n))
		}
	}
	for _, at := range []int64{0, 5, 1023, 4096, 60_000} {
		for _, n := range []int64{0, 1, 2, 1024, 5000} {
			f(1, at, n)
			f(3, at, n)
		}
	}
	f(1, 0, 65_536)
	f(3, 0, 3*65_536)
	f(3, 1, 3*65_536-1)
	f(100, 1<<22, 1<<20)
	f(1, 63<<10, 2<<10) // across where the marks go round
	f(1, 63<<10|1, 60<<10)
	f(1, 3<<16, 1<<16)
}

// TestMarksOfGrownMemory checks that marks go round where the memory grew beyond what its granules cover.
func TestMarksOfGrownMemory(t *testing.T) {
	_, info, err := meter.Rewrite(oneFunction(), meter.Options{})
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	const memory = 5<<16 + 1
	for range 10_000 {
		ptr := rng.Uint32N(memory)
		n := rng.Uint32N(min(memory-ptr, 1<<rng.UintN(17))) + 1
		var ranges [][2]int
		last := -1
		for from, to := range info.Written(info.Mark(ptr, n), memory) {
			if from <= last || to <= from || to > memory {
				t.Fatalf("ranges %v, then %d to %d", ranges, from, to)
			}
			last = to
			ranges = append(ranges, [2]int{from, to})
		}
		if !slices.ContainsFunc(ranges, func(r [2]int) bool { return r[0] <= int(ptr) && int(ptr+n) <= r[1] }) {
			t.Fatalf("%d bytes at %d: %v", n, ptr, ranges)
		}
	}
}

// The ranges hold each granule that is marked, none touches the next, and they end with the memory.
func TestWritten(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	info := meter.Info{MarkShift: 12}
	for range 2000 {
		m := meter.Marks(random.Uint64() & random.Uint64() & random.Uint64())
		switch random.IntN(4) {
		case 0:
			m = ^m
		case 1:
			m = []meter.Marks{0, meter.AllMarks, 1, 1 << 63, 1<<63 | 1}[random.IntN(5)]
		}
		size := random.IntN(200 << 12)
		last := -1
		got := make([]bool, size>>12+1)
		for from, to := range info.Written(m, size) {
			if from <= last || to <= from || to > size {
				t.Fatalf("%x, %d bytes: %d to %d, after %d", m, size, from, to, last)
			}
			last = to
			for g := from >> 12; g<<12 < to-15 && g < len(got); g++ {
				got[g] = true
			}
		}
		for g := range got {
			if want := m>>(g%64)&1 != 0 && g<<12 < size; want != got[g] && g<<12 < size-15 {
				t.Fatalf("%x, %d bytes: granule %d is %v, want %v", m, size, g, got[g], want)
			}
		}
	}
}
