package meter_test

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"slices"

	"github.com/sluicegate/sluice/runtime/filter/meter"
)

// Guests made at random: always valid, and they always end. Loops have a counter of their own, functions call those
// before them. What random bytes never become, these are: large modules with every kind of instruction in every place.

// kinds are the value types that generated code works with.
var kinds = []meter.ValueType{meter.I32, meter.I64, meter.F32, meter.F64}

// generator writes one function.
type generator struct {
	rng    *rand.Rand
	out    []byte
	locals []meter.ValueType // parameters first
	frozen int               // locals from here on count loops: only those write them
	below  []signature       // the functions that it may call
	labels int               // blocks without a result around here, not counting the function's own
	budget int               // how much more it may write
}

type signature struct {
	params []meter.ValueType
	result meter.ValueType
}

// generated is the module of a seed. It exports "memory", its functions as f0, f1, ... and its globals as g0, ...
func generated(seed uint64) []byte {
	rng := rand.New(rand.NewPCG(seed, 7))
	var signatures []signature
	var types, bodies, exports [][]byte
	for i := range 2 + rng.IntN(5) {
		s := signature{result: kinds[rng.IntN(len(kinds))]}
		for range rng.IntN(4) {
			s.params = append(s.params, kinds[rng.IntN(len(kinds))])
		}
		types = append(types, append(append([]byte{0x60, byte(len(s.params))}, codes(s.params)...), 1, byte(s.result)))
		g := generator{rng: rng, locals: slices.Clone(s.params), below: signatures, budget: 300 + rng.IntN(1500)}
		bodies = append(bodies, g.function(s))
		signatures = append(signatures, s)
		exports = append(exports, append(uleb(2), 'f', byte('0'+i), 0, byte(i)))
	}
	var globals [][]byte
	for i, k := range kinds {
		globals = append(globals, append([]byte{byte(k), 1}, append(constant(rng, k), 0x0b)...))
		exports = append(exports, []byte{2, 'g', byte('0' + i), 3, byte(i)})
	}
	exports = append(exports, []byte("\x06memory\x02\x00"))
	n := len(bodies)
	indexes := make([]byte, n)
	for i := range indexes {
		indexes[i] = byte(i)
	}
	data := append([]byte{0, 0x41, 60, 0x0b, 5}, "data."...)
	return module(
		section(1, n, bytes.Join(types, nil)...), section(3, n, indexes...),
		section(4, 1, 0x70, 1, 8, 64), section(5, 1, 1, 1, 3),
		section(6, len(globals), bytes.Join(globals, nil)...), section(7, len(exports), bytes.Join(exports, nil)...),
		section(9, 2, slices.Concat([]byte{0, 0x41, 0, 0x0b, byte(n)}, indexes, []byte{1, 0, byte(n)}, indexes)...),
		[]byte{12, 1, 2},
		section(10, n, withSizes(bodies)...),
		section(11, 2, append(data, append([]byte{1, 7}, "passive"...)...)...),
	)
}

// withSizes puts each body's size in front of it.
func withSizes(bodies [][]byte) (b []byte) {
	for _, body := range bodies {
		b = append(append(b, uleb(uint64(len(body)))...), body...)
	}
	return b
}

func codes(ts []meter.ValueType) (b []byte) {
	for _, t := range ts {
		b = append(b, byte(t))
	}
	return b
}

// constant pushes a value.
func constant(rng *rand.Rand, t meter.ValueType) []byte {
	switch t {
	case meter.I32:
		return append([]byte{0x41}, leb(int64(int32(rng.Uint32())>>rng.IntN(32)))...)
	case meter.I64:
		return append([]byte{0x42}, leb(int64(rng.Uint64())>>rng.IntN(64))...)
	case meter.F32:
		return binary.LittleEndian.AppendUint32([]byte{0x43}, rng.Uint32())
	}
	return binary.LittleEndian.AppendUint64([]byte{0x44}, rng.Uint64())
}

// function is the body of one function: locals, statements, and its result.
func (g *generator) function(s signature) []byte {
	declared := 0
	for range 2 + g.rng.IntN(4) {
		g.locals = append(g.locals, kinds[g.rng.IntN(len(kinds))])
		declared++
	}
	g.frozen = len(g.locals)
	for range 1 + g.rng.IntN(6) {
		g.statement(4, s.result)
	}
	g.value(s.result, 4)
	groups := uleb(uint64(len(g.locals) - g.frozen + declared))
	for _, t := range g.locals[g.frozen-declared:] {
		groups = append(groups, 1, byte(t))
	}
	return append(append(groups, g.out...), 0x0b)
}

func (g *generator) op(b ...byte) { g.out = append(g.out, b...); g.budget -= len(b) }

func (g *generator) indexed(op byte, i int) { g.op(append([]byte{op}, uleb(uint64(i))...)...) }

// address pushes an address that mostly lies in the memory.
func (g *generator) address(depth int) {
	g.value(meter.I32, depth)
	if g.rng.IntN(50) > 0 {
		g.op(append([]byte{0x41}, append(leb(0x7fff), 0x71)...)...)
	}
}

// local finds a local of a type, -1 if there is none.
func (g *generator) local(t meter.ValueType, from int) int {
	for i := range from {
		if at := (i + g.rng.IntN(from)) % from; g.locals[at] == t {
			return at
		}
	}
	return -1
}

var (
	unary     = map[meter.ValueType][]byte{meter.I32: {0x67, 0x68, 0x69, 0x45, 0xc0, 0xc1}, meter.I64: {0x79, 0x7a, 0x7b, 0xc2, 0xc3, 0xc4}, meter.F32: {0x8b, 0x8c, 0x8d, 0x8e, 0x8f, 0x90, 0x91}, meter.F64: {0x99, 0x9a, 0x9b, 0x9c, 0x9d, 0x9e, 0x9f}}
	binaryOps = map[meter.ValueType][]byte{
		meter.I32: {0x46, 0x47, 0x48, 0x49, 0x4e, 0x4f, 0x6a, 0x6b, 0x6c, 0x6d, 0x6e, 0x6f, 0x70, 0x71, 0x72, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78},
		meter.I64: {0x7c, 0x7d, 0x7e, 0x7f, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a},
		meter.F32: {0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98}, meter.F64: {0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6},
	}
	loads  = map[meter.ValueType][]byte{meter.I32: {0x28, 0x2c, 0x2d, 0x2e, 0x2f}, meter.I64: {0x29, 0x30, 0x31, 0x32, 0x33, 0x34, 0x35}, meter.F32: {0x2a}, meter.F64: {0x2b}}
	stores = map[meter.ValueType][]byte{meter.I32: {0x36, 0x3a, 0x3b}, meter.I64: {0x37, 0x3c, 0x3d, 0x3e}, meter.F32: {0x38}, meter.F64: {0x39}}
)

func (g *generator) pick(ops []byte) byte { return ops[g.rng.IntN(len(ops))] }

// value pushes a value of a type.
func (g *generator) value(t meter.ValueType, depth int) {
	if depth <= 0 || g.budget < 0 {
		if at := g.local(t, len(g.locals)); at >= 0 && g.rng.IntN(3) > 0 {
			g.indexed(0x20, at)
		} else {
			g.op(constant(g.rng, t)...)
		}
		return
	}
	depth--
	switch g.rng.IntN(12) {
	case 0:
		g.value(t, depth)
		g.op(g.pick(unary[t]))
	case 1, 2, 3:
		g.value(t, depth)
		g.value(t, depth)
		op := g.pick(binaryOps[t])
		switch { // hardly ever by zero
		case op >= 0x6d && op <= 0x70:
			g.op(0x41, 1, 0x72)
		case op >= 0x7f && op <= 0x82:
			g.op(0x42, 1, 0x84)
		}
		g.op(op)
	case 4:
		g.address(depth)
		g.op(g.pick(loads[t]), 0)
		g.op(uleb(uint64(g.rng.IntN(200)))...)
	case 5:
		g.call(t, depth)
	case 6: // if with a result
		g.value(meter.I32, depth)
		g.op(0x04, byte(t))
		g.labels++ // its label takes a value: branches stay below it
		g.within(func() { g.value(t, depth) })
		g.op(0x05)
		g.within(func() { g.value(t, depth) })
		g.labels--
		g.op(0x0b)
	case 7: // a block that is left early with its value, or not
		g.op(0x02, byte(t))
		g.value(t, depth)
		g.value(meter.I32, depth)
		g.op(0x0d, 0, 0x1a)
		g.value(t, depth)
		g.op(0x0b)
	case 8:
		g.value(t, depth)
		g.value(t, depth)
		g.value(meter.I32, depth)
		g.op(0x1b)
	case 9:
		g.indexed(0x23, slices.Index(kinds, t))
	case 10:
		g.convert(t, depth)
	default:
		g.value(t, 0)
	}
}

// within writes code in which no branch leaves a block that needs a value.
func (g *generator) within(write func()) {
	was := g.labels
	g.labels = 0
	write()
	g.labels = was
}

// convert pushes a value made of one of another type.
func (g *generator) convert(t meter.ValueType, depth int) {
	from, op := meter.I32, []byte{}
	switch t {
	case meter.I32:
		from, op = meter.F64, []byte{0xfc, 2} // saturating
	case meter.I64:
		op = []byte{0xac}
	case meter.F32:
		from, op = meter.F64, []byte{0xb6}
	case meter.F64:
		from, op = meter.I64, []byte{0xb9}
	}
	g.value(from, depth)
	g.op(op...)
}

// call calls a function of the result, by its index or through the table.
func (g *generator) call(t meter.ValueType, depth int) {
	var fit []int
	for i, s := range g.below {
		if s.result == t {
			fit = append(fit, i)
		}
	}
	if len(fit) == 0 {
		g.value(t, 0)
		return
	}
	i := fit[g.rng.IntN(len(fit))]
	for _, p := range g.below[i].params {
		g.value(p, depth)
	}
	if g.rng.IntN(4) > 0 {
		g.indexed(0x10, i)
		return
	}
	g.op(append([]byte{0x41}, leb(int64(i))...)...)
	g.indexed(0x11, i)
	g.op(0)
}

// statement leaves the stack as it was.
func (g *generator) statement(depth int, result meter.ValueType) {
	if depth <= 0 || g.budget < 0 {
		g.op(0x01)
		return
	}
	depth--
	t := kinds[g.rng.IntN(len(kinds))]
	switch g.rng.IntN(13) {
	case 0, 1:
		if at := g.local(t, g.frozen); at >= 0 {
			g.value(t, depth)
			g.indexed(0x21, at)
		}
	case 2:
		g.value(t, depth)
		g.indexed(0x24, slices.Index(kinds, t))
	case 3, 4:
		g.address(depth)
		g.value(t, depth)
		g.op(g.pick(stores[t]), 0)
		g.op(uleb(uint64(g.rng.IntN(200)))...)
	case 5:
		g.bulk(depth)
	case 6:
		g.block([]byte{0x04, 0x40}, depth, result, true)
	case 7:
		g.block([]byte{0x02, 0x40}, depth, result, false)
	case 8, 9:
		g.loop(depth, result)
	case 10:
		g.leave(depth, result)
	case 11:
		g.value(t, depth)
		g.op(0x1a)
	default:
		g.statement(depth, result)
		g.statement(depth, result)
	}
}

// block writes an if or a block of statements.
func (g *generator) block(begin []byte, depth int, result meter.ValueType, branches bool) {
	if branches {
		g.value(meter.I32, depth)
	}
	g.op(begin...)
	g.labels++
	g.statement(depth, result)
	if branches && g.rng.IntN(2) == 0 {
		g.op(0x05)
		g.statement(depth, result)
	}
	g.labels--
	g.op(0x0b)
}

// loop repeats statements a few times. No branch in it goes to its head but its own.
func (g *generator) loop(depth int, result meter.ValueType) {
	g.locals = append(g.locals, meter.I32)
	count := len(g.locals) - 1
	g.op(append([]byte{0x41}, leb(int64(1+g.rng.IntN(6)))...)...)
	g.indexed(0x21, count)
	g.op(0x03, 0x40)
	g.within(func() { g.statement(depth, result) })
	g.indexed(0x20, count)
	g.op(0x41, 1, 0x6b)
	g.indexed(0x22, count)
	g.op(0x0d, 0, 0x0b)
}

// leave branches out of blocks, returns or traps, or does so on a condition.
func (g *generator) leave(depth int, result meter.ValueType) {
	if g.labels == 0 || g.rng.IntN(4) == 0 {
		g.value(meter.I32, depth)
		g.op(0x04, 0x40)
		if g.rng.IntN(5) == 0 {
			g.op(0x00)
		} else {
			g.value(result, depth)
			g.op(0x0f)
		}
		g.op(0x0b)
		return
	}
	g.value(meter.I32, depth)
	switch to := g.rng.IntN(g.labels); g.rng.IntN(3) {
	case 0: // a table, in a block of its own that ends in dead code
		g.op(0x0e, 2, 0, byte(to), byte(g.rng.IntN(g.labels)))
	case 1:
		g.indexed(0x0d, to)
	default:
		g.op(0x1a)
		g.indexed(0x0c, to)
	}
}

// bulk writes an operation on a range, on the table, or on the segments.
func (g *generator) bulk(depth int) {
	small := func() {
		g.value(meter.I32, depth)
		g.op(append([]byte{0x41}, append(leb(0xfff), 0x71)...)...)
	}
	few := func() {
		g.value(meter.I32, depth)
		g.op(0x41, 3, 0x71)
	}
	switch g.rng.IntN(9) {
	case 0, 1:
		g.address(depth)
		g.value(meter.I32, depth)
		small()
		g.op(0xfc, 11, 0)
	case 2, 3:
		g.address(depth)
		g.address(depth)
		small()
		g.op(0xfc, 10, 0, 0)
	case 4:
		g.address(depth)
		few()
		few()
		g.op(0xfc, 8, 1, 0)
	case 5:
		few()
		g.op(0x40, 0, 0x1a)
	case 6:
		g.op(0xd0, 0x70)
		few()
		g.op(0xfc, 15, 0, 0x1a)
	case 7:
		few()
		few()
		few()
		g.op(0xfc, 14, 0, 0)
	default:
		few()
		g.op(0xd0, 0x70)
		few()
		g.op(0xfc, 17, 0)
	}
}
