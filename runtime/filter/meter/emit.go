package meter

import "encoding/binary"

// appendU32 appends v as unsigned LEB128.
func appendU32[T int | uint32](b []byte, v T) []byte {
	return binary.AppendUvarint(b, uint64(v))
}

// appendS64 appends v as signed LEB128.
func appendS64(b []byte, v int64) []byte {
	for {
		low := byte(v & 0x7f)
		v >>= 7
		if v == 0 && low&0x40 == 0 || v == -1 && low&0x40 != 0 {
			return append(b, low)
		}
		b = append(b, low|0x80)
	}
}

func appendName(b []byte, s string) []byte {
	return append(appendU32(b, len(s)), s...)
}

// appendVector appends n elements, which are encoded in elements.
func appendVector(b []byte, n int, elements []byte) []byte {
	return append(appendU32(b, n), elements...)
}

// addToVector returns an encoded vector with n more elements at its end.
func addToVector(vector []byte, n int, elements []byte) []byte {
	old, size := binary.Uvarint(vector)
	if size <= 0 {
		return appendVector(nil, n, elements)
	}
	b := appendVector(make([]byte, 0, len(vector)+len(elements)+1), int(old)+n, vector[size:])
	return append(b, elements...)
}

// copy writes an instruction as it is, but for its function index.
func (w *writer) copy(in instruction) {
	switch in.op {
	case opCall, opReturnCall, opRefFunc:
		w.out = append(w.out, byte(in.op))
		w.out = appendU32(w.out, w.shift(in.index))
	default:
		w.out = append(w.out, in.raw...)
	}
}

func (w *writer) op(ops ...byte) { w.out = append(w.out, ops...) }

func (w *writer) indexed(op byte, index uint32) {
	w.out = appendU32(append(w.out, op), index)
}

func (w *writer) i64(v int64) { w.out = appendS64(append(w.out, opI64Const), v) }

func (w *writer) i32(v uint32) {
	w.out = appendS64(append(w.out, opI32Const), int64(int32(v)))
}

// load pushes the counter.
func (w *writer) load() {
	if w.cached {
		w.indexed(opLocalGet, w.counter)
	} else {
		w.indexed(opGlobalGet, w.fuel())
	}
}

// store pops the counter.
func (w *writer) store() {
	if w.cached {
		w.indexed(opLocalSet, w.counter)
	} else {
		w.indexed(opGlobalSet, w.fuel())
	}
}

// flush puts the counter where other functions look for it.
func (w *writer) flush() {
	if w.cached {
		w.indexed(opLocalGet, w.counter)
		w.indexed(opGlobalSet, w.fuel())
	}
}

// reload gets the counter after others may have changed it.
func (w *writer) reload() {
	if w.cached {
		w.indexed(opGlobalGet, w.fuel())
		w.indexed(opLocalSet, w.counter)
	}
}

// assemble returns the code with the segments' charges put in.
func (w *writer) assemble() []byte {
	code := w.out
	w.out = make([]byte, 0, len(code)+16*len(w.segments))
	done := 0
	for _, s := range w.segments {
		w.out = append(w.out, code[done:s.at]...)
		done = s.at
		w.charge(s.units)
		if s.check {
			w.check()
		}
	}
	return append(w.out, code[done:]...)
}

// charge takes units off the counter.
func (w *writer) charge(units uint64) {
	if units == 0 {
		return
	}
	w.load()
	w.i64(int64(units))
	w.op(opI64Sub)
	w.store()
}

// check asks the host for the next slice if the counter is below zero. The call stands in the else: wazero's register
// allocator takes over, where two ways join, what the first of them has in registers, and behind a call that is nothing.
func (w *writer) check() {
	w.load()
	w.i64(0)
	w.op(opI64GeS, opIf, blockEmpty, opElse)
	w.flush()
	w.indexed(opCall, w.helper())
	w.reload()
	w.op(opEnd)
}

// blockEmpty is the type of a block without parameters and results.
const blockEmpty = 0x40

// chargeLength takes what b's length costs off the counter and checks it, before
// the operation runs. The length, on top of the stack, is
// left there.
func (w *writer) chargeLength(b bulk, limit uint32) {
	w.indexed(opLocalSet, w.length)
	w.load()
	w.indexed(opLocalGet, w.length)
	if b.grow {
		w.i32(limit)
		w.indexed(opLocalGet, w.length)
		w.i32(limit)
		w.op(opI32LeU, opSelect)
	}
	w.op(opI64ExtendI32U)
	if b.scale != 0 {
		w.i64(int64(b.scale))
		w.op(opI64Mul)
	} else {
		w.i64(int64(b.shift))
		w.op(opI64ShrU)
	}
	w.op(opI64Sub)
	w.store()
	w.check()
	w.indexed(opLocalGet, w.length)
}

// helperBody is the code of the added function () -> () that every check calls:
// counter = refill(-counter).
func (m *module) helperBody() []byte {
	w := writer{space: space{module: m}}
	w.op(0) // no locals
	w.i64(0)
	w.load()
	w.op(opI64Sub)
	w.indexed(opCall, uint32(m.importedFuncs))
	w.store()
	w.op(opEnd)
	return w.out
}
