package meter_test

import (
	"bytes"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/sluicegate/sluice/runtime/filter/meter"
)

// TestSafepoints runs guests that never end: each must be stopped by a refill,
// and the first must come within a few units of the slice's end.
func TestSafepoints(t *testing.T) {
	f := func(name string, m []byte) {
		t.Helper()
		g := start(t, m, 1000)
		g.most = 50
		if got := g.call("f"); !strings.Contains(got, "out of fuel") && !strings.Contains(got, "stack overflow") {
			t.Errorf("%s ended: %s", name, got)
		}
		if mean := g.granted / int64(max(g.refills, 1)); mean > 1000+3500 {
			t.Errorf("%s: %d units between refills", name, mean)
		}
	}
	f("loop", oneFunction(0x03, 0x40, 0x0c, 0, 0x0b))
	f("conditional loop", oneFunction(0x03, 0x40, 0x41, 1, 0x0d, 0, 0x0b))
	f("table loop", oneFunction(0x03, 0x40, 0x41, 1, 0x0e, 1, 0, 0, 0x0b))
	f("nested loops", oneFunction(0x03, 0x40, 0x03, 0x40, 0x41, 0, 0x0d, 0, 0x0c, 1, 0x0b, 0x0b))
	f("loop with a long way out", oneFunction(0x03, 0x40, 0x02, 0x40, 0x41, 1, 0x0d, 0, 0x41, 1, 0x1a, 0x0b, 0x0c, 0, 0x0b))
	f("tail call", oneFunction(0x12, 0))
	f("indirect tail call", oneFunction(0x41, 0, 0x13, 0, 0))
	f("recursion", oneFunction(0x10, 0))
	f("indirect recursion", oneFunction(0x41, 0, 0x11, 0, 0))
	f("fills", oneFunction(0x03, 0x40, 0x41, 0, 0x41, 0, 0x41, 0xff, 0xff, 3, 0xfc, 11, 0, 0x0c, 0, 0x0b))
	f("call tree", callTree(40))
	f("tree of long leaves", longLeaves())
}

// callTree returns 2^depth calls, without a loop.
func callTree(depth byte) []byte {
	bodies := [][]byte{body()}
	for i := range depth {
		bodies = append(bodies, body(0x10, i, 0x10, i))
	}
	return module(types(), funcs(len(bodies)), section(7, 1, 1, 'f', 0, depth), code(bodies...))
}

// longLeaves has a function of 30,000 instructions without a loop, called for
// ever.
func longLeaves() []byte {
	leaf := body(bytes.Repeat([]byte{0x41, 0, 0x1a}, 15_000)...)
	return module(types(), funcs(2), section(7, 1, 1, 'f', 0, 1), code(leaf, body(0x03, 0x40, 0x10, 0, 0x0c, 0, 0x0b)))
}

// TestBulkIsChargedByLength checks the units that an operation's length costs.
func TestBulkIsChargedByLength(t *testing.T) {
	f := func(name string, least, most int64, instructions ...byte) {
		t.Helper()
		g := start(t, oneFunction(instructions...), 1)
		result := g.call("f")
		if got := g.spent(); got < least || got > most {
			t.Errorf("%s (%s): %d units, want %d to %d", name, result, got, least, most)
		}
	}
	f("fill", 3000, 3100, 0x41, 0, 0x41, 0, 0x41, 0x80, 0xf7, 2, 0xfc, 11, 0) // 48,000 bytes
	f("copy", 3000, 3100, 0x41, 0, 0x41, 0, 0x41, 0x80, 0xf7, 2, 0xfc, 10, 0, 0)
	f("grow", 2*4096, 2*4096+200, 0x41, 2, 0x40, 0, 0x1a)
	f("grow -1", 16*4096, 16*4096+200, 0x41, 0x7f, 0x40, 0, 0x1a) // its limit of 16 pages
	f("table.copy", 0, 200, 0x41, 0, 0x41, 0, 0x41, 4, 0xfc, 14, 0, 0)
	f("table.copy of -1", 1<<31-1, 1<<31+200, 0x41, 0, 0x41, 0, 0x41, 0x7f, 0xfc, 14, 0, 0)
	f("table.grow", 500, 700, 0xd0, 0x70, 0x41, 0xe8, 7, 0xfc, 15, 0, 0x1a)
	f("table.grow -1", 1<<19, 1<<19+200, 0xd0, 0x70, 0x41, 0x7f, 0xfc, 15, 0, 0x1a)
}

func TestInfo(t *testing.T) {
	m := module(
		section(1, 2, 0x60, 0, 0, 0x60, 2, 0x7f, 0x7e, 1, 0x7d),
		section(2, 2, 1, 'a', 1, 'f', 0, 1, 1, 'a', 1, 'g', 3, 0x7f, 0),
		funcs(1), section(5, 1, 0, 2),
		section(6, 4, 0x7f, 1, 0x41, 7, 0x0b, 0x7e, 0, 0x42, 7, 0x0b, 0x7c, 1, 0x44, 0, 0, 0, 0, 0, 0, 0, 0, 0x0b, 0x70, 1, 0xd2, 1, 0x0b),
		section(7, 3, 1, 'f', 0, 1, 1, 'm', 2, 0, 13, 's', 'l', 'u', 'i', 'c', 'e', '_', 'm', 'e', 't', 'e', 'r', '.', 3, 1),
		[]byte{8, 1, 1},
		code(body(0xfc, 13, 0)),
	)
	_, got, err := meter.Rewrite(m, meter.Options{RefillModule: "m", RefillName: "n", MaxPages: 5})
	if err != nil {
		t.Fatal(err)
	}
	want := meter.Info{
		RefillModule: "m", RefillName: "n", FuelGlobalExport: "sluice_meter_.fuel", MarkGlobalExport: "sluice_meter_.marks", MarkShift: 11,
		Globals:      []meter.Global{{Name: "sluice_meter_.global.1", Type: meter.I32}, {Name: "sluice_meter_.global.3", Type: meter.F64}},
		Unrestorable: []string{"elem.drop", "mutable funcref global"},
		Imports: []meter.Import{
			{Module: "a", Name: "f", Func: meter.Signature{Params: []meter.ValueType{meter.I32, meter.I64}, Results: []meter.ValueType{meter.F32}}},
			{Module: "a", Name: "g", Kind: meter.GlobalKind},
		},
		Exports:   []meter.Export{{Name: "f"}, {Name: "m", Kind: meter.Memory}, {Name: "sluice_meter.", Kind: meter.GlobalKind}},
		MemoryMin: 2, MemoryMax: 5, HasStart: true, Functions: 1,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v\nwant\n%+v", got, want)
	}
	if s := got.Imports[0].Func.String(); s != "(i32, i64) -> (f32)" {
		t.Errorf("signature %s", s)
	}
}

// TestGlobalsAreExported puts a guest's globals back through their fresh names.
func TestGlobalsAreExported(t *testing.T) {
	count := []byte{0x23, 0, 0x41, 1, 0x6a, 0x24, 0}
	m := module(types(), funcs(1), section(6, 1, 0x7f, 1, 0x41, 5, 0x0b), section(7, 1, 1, 'f', 0, 0), code(body(count...)))
	g := start(t, m, 100)
	if len(g.info.Unrestorable) != 0 || len(g.info.Globals) != 1 {
		t.Fatalf("%+v", g.info)
	}
	global := g.ExportedGlobal(g.info.Globals[0].Name).(api.MutableGlobal)
	g.call("f")
	if got := global.Get(); got != 6 {
		t.Errorf("the global is %d", got)
	}
	global.Set(5)
	g.call("f")
	if got := global.Get(); got != 6 {
		t.Errorf("put back, the global is %d", got)
	}
}

// TestNamesSurvive checks that a trap still tells the function's name.
func TestNamesSurvive(t *testing.T) {
	name := []byte("\x04name\x00\x02\x01M\x01\x05\x01\x00\x02fn\x02\x01\x00")
	m := slices.Concat(oneFunction(0x00), []byte{0, byte(len(name))}, name)
	g := start(t, m, 100)
	_, err := g.ExportedFunction("f").Call(t.Context())
	if err == nil || !strings.Contains(err.Error(), "M.fn(") {
		t.Errorf("the trace is %v", err)
	}
	broken := slices.Concat(oneFunction(0x00), []byte{0, byte(len(name))}, bytes.Replace(name, []byte("fn"), []byte{0xff, 0xff}, 1))
	if g := start(t, broken, 100); !strings.Contains(g.call("f"), "unreachable") {
		t.Error("a broken name section changes the module")
	}
}

func TestRefused(t *testing.T) {
	f := func(m []byte, want string) {
		t.Helper()
		_, _, err := meter.Rewrite(m, meter.Options{MaxPages: 100, MaxTable: 1000})
		var located *meter.Error
		if !errors.As(err, &located) || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
	in := func(instructions ...byte) []byte { return module(types(), funcs(1), code(body(instructions...))) }
	const at = "code section, function 0, offset "
	f(nil, "header, offset 0x0: not a WebAssembly 1.0 core module")
	f([]byte{0, 'a', 's', 'm', 0x0d, 0, 1, 0}, "header, offset 0x0: not a WebAssembly 1.0 core module")
	f(module([]byte{14, 0}), "section header, offset 0x9: section 14 is unknown")
	f(module([]byte{1, 9}), "section header, offset 0xa: 9 elements announced, 0 bytes left")
	f(module(funcs(0), types()), "type section, offset 0xd: section stands twice or in the wrong order")
	f(module(types(), types()), "type section, offset 0x10: section stands twice or in the wrong order")
	f(module([]byte{1, 2, 0, 0}), "type section, offset 0xb: 1 bytes left over")
	f(module(section(1, 1, 0x5f)), "type section, offset 0xc: garbage-collected types can't be metered")
	f(module(section(1, 1, 0x60, 1, 0x64, 0x70, 0)), "type section, offset 0xe: typed function references can't be metered")
	f(module(section(13, 1, 0, 0)), "tag section, offset 0xa: exceptions can't be metered")
	f(module(section(5, 2, 0, 1, 0, 1)), "memory section, offset 0xf: more than one memory (multi-memory) can't be metered")
	f(module(section(5, 1, 3, 1, 2)), "memory section, offset 0xc: shared memory (threads) can't be metered")
	f(module(section(5, 1, 4, 1)), "memory section, offset 0xc: 64-bit memories and tables can't be metered")
	f(module(section(5, 1, 8, 1)), "memory section, offset 0xc: custom page sizes can't be metered")
	f(module(section(5, 1, 1, 2, 1)), "memory section, offset 0xe: maximum 1 is below minimum 2")
	f(module(section(5, 1, 0, 101)), "memory section, offset 0xd: 101 memory pages at least, allowed are 100")
	f(module(section(4, 1, 0x70, 0, 0xe9, 7)), "table section, offset 0xf: 1001 table elements at least, allowed are 1000")
	f(module(types(), section(2, 1, 12, 's', 'l', 'u', 'i', 'c', 'e', '_', 'm', 'e', 't', 'e', 'r', 1, 'x', 0, 0)),
		`import section, offset 0x21: the module imports "x" from "sluice_meter", which is kept for the host's metering`)
	f(module(types(), funcs(1)), "end of the module, offset 0x12: 1 functions are declared and there is no code section")
	f(module(types(), funcs(2), code(body())), "code section, offset 0x19: code of 1 functions, 2 are declared")
	f(module(types(), code(body())), "code section, offset 0x12: more code than the 0 functions declared")
	f(in(0x06, 0x40, 0x0b), at+"0x17: instruction 0x06: exceptions can't be metered")
	f(in(0x14, 0), at+"0x17: instruction 0x14: typed function references can't be metered")
	f(in(0xfb, 0, 0), at+"0x17: instruction 0xfb: garbage-collected types can't be metered")
	f(in(0xfe, 0, 0), at+"0x17: instruction 0xfe: atomic operations (threads) can't be metered")
	f(in(0xff), at+"0x17: instruction 0xff: the opcode is unknown")
	f(in(0xfc, 19), at+"0x17: instruction 0xfc 19 is unknown and can't be metered")
	f(in(0xfd, 0x80, 2), at+"0x17: instruction 0xfd 256 is unknown and can't be metered")
	f(in(0xfd, 0xa7, 0), at+"0x17: vector opcode is not in its shortest form, which runtimes read in different ways")
	f(in(0x3f, 1), at+"0x18: more than one memory (multi-memory) can't be metered")
	f(in(0x28, 0x42, 0, 0), at+"0x19: more than one memory (multi-memory) can't be metered")
	f(in(0x20, 0), at+"0x18: local 0 does not exist, there are 0")
	f(in(0x24, 0), at+"0x18: global 0 does not exist, there are 0")
	f(in(0x10, 1), at+"0x18: function 1 does not exist, there are 1")
	f(in(0x02, 1, 0x0b), at+"0x19: type 1 does not exist, there are 1")
	f(in(0x0c, 1), at+"0x18: label 1 does not exist, there are 1")
	f(in(0x0b, 0x01), at+"0x18: code after the end of the function")
	f(module(types(), funcs(1), code([]byte{0})), at+"0x17: unexpected end")
	f(module(types(), funcs(1), code([]byte{1, 0xd1, 0x86, 3, 0x7f, 0x0b})), at+"0x1b: more than 50000 locals can't be metered")
	f(in(slices.Concat(bytes.Repeat([]byte{0x02, 0x40}, 5000), bytes.Repeat([]byte{0x0b}, 5000))...), "code section, function 0, offset 0x2729: blocks that stand more than 5000 deep in one another can't be metered")
	f(module(section(6, 1, 0x7f, 1, 0x01, 0x0b)), "global section, offset 0xe: instruction 0x01 in a constant expression")
	f(module(section(9, 1, 8)), "element section, offset 0xc: element segment flags 0x8 are unknown")
	f(module(section(11, 1, 2, 1)), "data section, offset 0xd: more than one memory (multi-memory) can't be metered")
}

// TestAddedThingsAreOutOfReach has modules that name by index what the rewrite
// adds: all are refused or stay invalid.
func TestAddedThingsAreOutOfReach(t *testing.T) {
	f := func(name string, m []byte) {
		t.Helper()
		out, _, err := meter.Rewrite(m, meter.Options{})
		if err != nil {
			return
		}
		r := wazero.NewRuntimeWithConfig(t.Context(), wazero.NewRuntimeConfigInterpreter())
		defer r.Close(t.Context())
		if _, err := r.CompileModule(t.Context(), out); err == nil {
			t.Errorf("%s: the module became valid", name)
		}
	}
	f("counter by global.set", oneFunction(0x42, 1, 0x24, 0))
	f("counter exported", module(section(7, 1, 1, 'x', 3, 0)))
	f("counter in a global's value", module(section(6, 1, 0x7e, 0, 0x23, 1, 0x0b)))
	f("local counter", oneFunction(0x03, 0x40, 0x42, 1, 0x21, 0, 0x0b))
	f("helper called", oneFunction(0x10, 1))
	f("helper in a table", module(types(), funcs(1), section(4, 1, 0x70, 0, 4), section(9, 1, 0, 0x41, 0, 0x0b, 1, 1), code(body())))
	f("helper started", module(types(), funcs(1), []byte{8, 1, 1}, code(body())))
	f("refill called", module(types(), funcs(1), code(body(0x42, 1, 0x10, 2, 0x1a))))
	f("type of the refill", oneFunction(0x41, 0, 0x11, 1, 0))
}

// TestLimitsAreLowered grows a memory and a table that have no limit themselves.
func TestLimitsAreLowered(t *testing.T) {
	grow := func(instructions ...byte) []byte {
		return module(
			section(1, 1, 0x60, 0, 1, 0x7f), funcs(1), section(4, 1, 0x70, 0, 4), section(5, 1, 0, 1),
			section(7, 1, 1, 'f', 0, 0), code(body(instructions...)),
		)
	}
	f := func(want string, instructions ...byte) {
		t.Helper()
		out, _, err := meter.Rewrite(grow(instructions...), meter.Options{MaxPages: 3, MaxTable: 6})
		if err != nil {
			t.Fatal(err)
		}
		r := wazero.NewRuntime(t.Context())
		defer r.Close(t.Context())
		addRefill(t, r, func(int64) int64 { return 100 })
		m, err := r.Instantiate(t.Context(), out)
		if err != nil {
			t.Fatal(err)
		}
		if got := (&guest{Module: m}).call("f"); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	f("[1]", 0x41, 2, 0x40, 0)
	f("[4294967295]", 0x41, 3, 0x40, 0)
	f("[4]", 0xd0, 0x70, 0x41, 2, 0xfc, 15, 0)
	f("[4294967295]", 0xd0, 0x70, 0x41, 3, 0xfc, 15, 0)
}
