package filter

import (
	"context"
	"strings"
	"testing"
)

// arenaOf is the body of a guest's arena: the address and the size.
func arenaOf(address, size int) []byte {
	return cat(num(size), []byte{0xad, 0x42, 32, 0x86}, num(address), []byte{0xad, 0x84})
}

// A text that fits in the arena is written there without a call of alloc, and put back like any other; a longer one goes
// where alloc says.
func TestArena(t *testing.T) {
	const address, size = 120_000, 40
	within := cat(get(0), num(address), []byte{0x46})
	stale := cat(num(address+20), []byte{0x2d, 0, 0}, get(1), num(2), []byte{0x46, 0x71}) // a text of 2 bytes finds a byte behind it
	body := cat(when(within, str("kkk"), str("true"), callTo(0), drop), when(stale, num(0), num(4), str("kkk"), callTo(1), drop), settleAll)
	f := load(t, Spec{Name: "x", Module: builder("sluice.label", "sluice.redact").fn("sluice_abi_v1", ":i", i32(1)...).
		fn("alloc", "i:i", i32(16)...).fn("arena", ":I", arenaOf(address, size)...).fn("on_text", "iiiI:I", body...).bytes(), Request: true})
	for _, text := range []string{strings.Repeat("s", size), "hi", strings.Repeat("s", size+1), "hi"} {
		x := ask(t, "red", text)
		p := begin(t, x, f)
		if err := p.Request(context.Background()); err != nil {
			t.Fatalf("%d bytes: %v", len(text), err)
		}
		if p.Redactions(OnRequest)["kkk"] != 0 {
			t.Error("a text finds the one of the exchange before it")
		}
		p.Close()
		if got := x.Labels["x"]["kkk"] == true; got != (len(text) <= size) {
			t.Errorf("%d bytes were written to the arena of %d: %v", len(text), size, got)
		}
	}
}

// With an arena of a whole window alloc is asked for nothing.
func TestArenaSavesAlloc(t *testing.T) {
	f := load(t, Spec{Name: "x", Module: builder().fn("sluice_abi_v1", ":i", i32(1)...).fn("alloc", "i:i", 0x00).
		fn("arena", ":I", arenaOf(64, windowSize+leftSize)...).fn("on_text", "iiiI:I", settleAll...).bytes(), Request: true})
	p := begin(t, ask(t, "red", strings.Repeat("word ", 30_000)), f)
	if err := p.Request(context.Background()); err != nil {
		t.Fatal(err)
	}
	p.Close()
}

// An arena that a guest makes when it is asked is there in every instance that comes from the snapshot. An instance that does
// not come from it has none.
func TestArenaIsMade(t *testing.T) {
	for _, fresh := range []bool{false, true} {
		seen := cat(get(0), []byte{0x2d, 0, 0}, num('D'), []byte{0x46, 0x1a}, get(1), []byte{0xad}) // it reads the text, or traps
		a := new(asm).memory().fn("sluice_abi_v1", ":i", i32(1)...).fn("alloc", "i:i", i32(16)...).fn("on_text", "iiiI:I", seen...).
			fn("arena", ":I", cat([]byte{0x41, 1, 0x40, 0}, drop, arenaOf(3<<16, 1<<16))...) // memory.grow by a page
		if a.table = fresh; fresh {
			a.fn("grow", ":i", 0xd0, 0x70, 0x41, 1, 0xfc, 0x0f, 0) // ref.null func; i32.const 1; table.grow 0
		}
		f := load(t, Spec{Name: "x", Module: a.bytes(), Request: true})
		if ok, _ := f.Restorable(); ok == fresh {
			t.Fatalf("restorable: %v, want %v", ok, !fresh)
		}
		for range 2 {
			_, p, err := pass(t, "text", f)
			if err != nil {
				t.Fatalf("restorable %v: %v", !fresh, err)
			}
			p.Close()
		}
	}
}

// An arena that is no buffer of the guest's is refused at load.
func TestArenaRefused(t *testing.T) {
	e := engine(t, Options{})
	f := func(want string, body ...byte) {
		t.Helper()
		_, err := e.Load(context.Background(), Spec{Name: "x", Module: minimal().fn("arena", ":I", body...).bytes(), Request: true})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	f("arena returns the address 0 and the size 64", arenaOf(0, 64)...)
	f("arena returns the address 100004 and the size 64", arenaOf(100_004, 64)...)
	f("arena returns the address 196600 and the size 16: want an address in the memory, which has 196608 bytes", arenaOf(196_600, 16)...)
	f("arena returns the address 64 and the size 2000000000", arenaOf(64, 2_000_000_000)...)
	f("arena: start: it trapped", 0x00)
	_, err := e.Load(context.Background(), Spec{Name: "x", Module: minimal().fn("arena", ":i", i32(16)...).bytes(), Request: true})
	if err == nil || !strings.Contains(err.Error(), "the export arena is () -> (i32), want () -> (i64)") {
		t.Errorf("a wrong signature: %v", err)
	}
}

// Calm text that redact sees is all that is written to its memory, and all that is put back for the next exchange.
func TestArenaOfCalmText(t *testing.T) {
	f := redactor(t)
	for _, text := range []string{"Nothing in here begins anything, nor in t1795738842664900123 words.", "hi", "", "a shorter one"} {
		p := begin(t, ask(t, "red", text), f)
		if err := p.Request(context.Background()); err != nil {
			t.Fatal(err)
		}
		in := f.pool.idle[len(f.pool.idle)-1]
		if got := in.marks.Get(); got != 0 || in.call.marks != 0 || int(in.call.filled) > len(text) {
			t.Errorf("%q: marks %x and %x, %d bytes of the arena", text, got, in.call.marks, in.call.filled)
		}
		p.Close()
		if where := f.pool.unclean(); where != "" {
			t.Errorf("%q leaves %s", text, where)
		}
	}
}
