package meter

import (
	"iter"
	"math/bits"
)

// Marks tell which parts of the memory may have been written since they were last cleared. The memory is cut into
// granules of 1 << Info.MarkShift bytes; granule g has bit g % 64, so that marks fit any size of memory. A write marks
// the granule of its first byte; it may reach up to overhang bytes into the next one.
type Marks uint64

// AllMarks marks all of the memory.
const AllMarks Marks = 1<<64 - 1

// overhang is how far the longest store, of 16 bytes, reaches beyond its first byte.
const overhang = 15

// leastShift makes a granule 1 KiB at least: below, more is lost in small copies than is won.
const leastShift = 10

// markShift returns the smallest shift by which 64 granules cover a memory of so many pages.
func markShift(pages uint32) uint {
	return uint(max(leastShift, bits.Len64(max(uint64(pages), 1)<<16-1)-6))
}

// Mark returns the marks of a write by the host: n bytes at ptr.
func (i *Info) Mark(ptr, n uint32) Marks {
	if n == 0 {
		return 0
	}
	first := uint64(ptr) >> i.MarkShift
	count := (uint64(ptr)+uint64(n)-1)>>i.MarkShift - first + 1
	if count >= 64 {
		return AllMarks
	}
	return Marks(bits.RotateLeft64(1<<count-1, int(first%64)))
}

// Written gives the ranges of bytes, in ascending order and apart from each other, that may have been written in a
// memory of size bytes.
func (i *Info) Written(m Marks, size int) iter.Seq2[int, int] {
	return func(yield func(from, to int) bool) {
		granules := (size + 1<<i.MarkShift - 1) >> i.MarkShift
		for from := m.next(0, granules); from < granules; {
			to := (^m).next(from, granules)
			if !yield(from<<i.MarkShift, min(to<<i.MarkShift+overhang, size)) {
				return
			}
			from = m.next(to, granules)
		}
	}
}

// next is the first marked granule of those from g on, each of which has the mark of its number modulo 64; end if there is
// none before it.
func (m Marks) next(g, end int) int {
	if m == 0 {
		return end
	}
	return min(g+bits.TrailingZeros64(bits.RotateLeft64(uint64(m), -g)), end)
}

// storeOf returns the type of the value that an operation stores, or 0 if it stores none.
func storeOf(op uint16) ValueType {
	switch op {
	case opI32Store, opI32Store8, opI32Store16:
		return I32
	case opI64Store, opI64Store8, opI64Store16, opI64Store32:
		return I64
	case opF32Store:
		return F32
	case opF64Store:
		return F64
	case opV128Store, opV128Store8Lane, opV128Store16Lane, opV128Store32Lane, opV128Store64Lane:
		return V128
	}
	return 0
}

// writesMemory tells whether a bulk operation writes to the memory.
func writesMemory(op uint16) bool {
	return op == opMemoryInit || op == opMemoryCopy || op == opMemoryFill
}

// stored are the types that can be stored, in the order of the locals that keep a value while its address is read.
var stored = [...]ValueType{I32, I64, F32, F64, V128}

// scratch are the locals that marking needs.
type scratch struct {
	address uint32
	values  [len(stored)]uint32
}

// declareScratch returns the declarations of the locals that a function needs for marking, and how many groups they
// are. The first of them has index next.
func (w *writer) declareScratch(t traits, next uint32) (extra []byte, n int) {
	declare := func(v ValueType) uint32 {
		extra = append(extra, 1, byte(v))
		n++
		next++
		return next - 1
	}
	if t.stores != 0 {
		w.scratch.address = declare(I32)
	}
	for i, v := range stored {
		if t.stores>>i&1 != 0 {
			w.scratch.values[i] = declare(v)
		}
	}
	return extra, n
}

// markStore writes a store and what marks its granule. The store comes first: where it traps, the instance is worth
// nothing more, and where it does not, address and offset together fit 32 bits.
func (w *writer) markStore(in instruction, kind ValueType) {
	value := w.scratch.values[storedIndex(kind)]
	w.indexed(opLocalSet, value)
	w.indexed(opLocalTee, w.scratch.address)
	w.indexed(opLocalGet, value)
	w.copy(in)
	w.indexed(opGlobalGet, w.marks())
	w.i64(1)
	w.indexed(opLocalGet, w.scratch.address)
	if in.index != 0 {
		w.i32(in.index)
		w.op(opI32Add)
	}
	w.i32(uint32(w.info.MarkShift))
	w.op(opI32ShrU, opI64ExtendI32U, opI64Shl, opI64Or)
	w.indexed(opGlobalSet, w.marks())
}

// markBulk writes memory.init, memory.copy or memory.fill and what marks the bytes written. Their length is in the
// local for it; on the stack are the address, another i32, and the length.
func (w *writer) markBulk(in instruction) {
	other := w.scratch.values[storedIndex(I32)]
	w.op(opDrop)
	w.indexed(opLocalSet, other)
	w.indexed(opLocalTee, w.scratch.address)
	w.indexed(opLocalGet, other)
	w.indexed(opLocalGet, w.length)
	w.copy(in)
	w.indexed(opLocalGet, w.scratch.address)
	w.indexed(opLocalGet, w.length)
	w.indexed(opCall, w.marker())
}

func storedIndex(v ValueType) int {
	for i := range stored {
		if stored[i] == v {
			return i
		}
	}
	return 0
}

// markerBody is the code of the added function (address i32, length i32) -> () that marks the bytes of bulk
// operations, as Info.Mark does.
func (m *module) markerBody() []byte {
	const address, length, first, count = 0, 1, 2, 3
	w := writer{space: space{module: m}}
	extended := func(local uint32) {
		w.indexed(opLocalGet, local)
		w.op(opI64ExtendI32U)
	}
	shifted := func() {
		w.i64(int64(m.info.MarkShift))
		w.op(opI64ShrU)
	}
	w.op(1, 2, byte(I64)) // locals
	w.indexed(opLocalGet, length)
	w.op(opI32Eqz, opIf, blockEmpty, opReturn, opEnd)
	extended(address)
	shifted()
	w.indexed(opLocalSet, first)
	extended(address)
	extended(length)
	w.op(opI64Add)
	w.i64(1)
	w.op(opI64Sub)
	shifted()
	w.indexed(opLocalGet, first)
	w.op(opI64Sub)
	w.i64(1)
	w.op(opI64Add)
	w.indexed(opLocalSet, count)
	w.indexed(opGlobalGet, m.marks())
	w.i64(-1)
	w.i64(1)
	w.indexed(opLocalGet, count)
	w.op(opI64Shl)
	w.i64(1)
	w.op(opI64Sub)
	w.indexed(opLocalGet, first)
	w.op(opI64Rotl)
	w.indexed(opLocalGet, count)
	w.i64(64)
	w.op(opI64GeU, opSelect, opI64Or)
	w.indexed(opGlobalSet, m.marks())
	w.op(opEnd)
	return w.out
}
