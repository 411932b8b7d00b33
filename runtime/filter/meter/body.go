package meter

// maxLocals is the most locals a function may have, as web engines agree on it
// (WebAssembly JavaScript interface, implementation limits). Without it a few
// bytes make a compiler allocate gigabytes.
const maxLocals = 50_000

// maxStraight is how many units of code without loops may pass unchecked: some
// microseconds.
const maxStraight = 2048

// traits are what the rewrite must know of a function before it begins.
type traits struct{ loops, calls, bulk bool }

// function rewrites one function of the code section: r reads its locals and
// instructions, and nothing else. It returns the new ones.
func (m *module) function(r *reader, signature Signature) []byte {
	groups, declared := r.locals()
	s := space{module: m, locals: len(signature.Params) + declared, depth: 1}
	if r.err != nil {
		return nil
	}
	t := r.scan(s)
	w := writer{space: s, cached: t.loops, counter: uint32(s.locals), length: uint32(s.locals)}
	w.prologue(groups, declared, t)
	w.frames = append(w.frames, frame{})
	for r.err == nil && len(w.frames) > 0 {
		w.depth = len(w.frames)
		w.step(r.instruction(w.space))
	}
	return w.out
}

// locals reads the declarations of locals: groups of a count and a type.
func (r *reader) locals() (groups []byte, declared int) {
	n := r.count()
	start := r.pos
	for range n {
		declared += int(min(r.u32(), maxLocals+1))
		r.valueType()
		if declared > maxLocals {
			r.fail("more than %d locals can't be metered", maxLocals)
			return nil, 0
		}
	}
	if r.err != nil {
		return nil, 0
	}
	return appendVector(nil, n, r.b[start:r.pos]), declared
}

// scan reads a function ahead, without moving r. It records in the module what
// can't be put back, and in r what is wrong.
func (r *reader) scan(s space) (t traits) {
	start := r.pos
	for r.err == nil && s.depth > 0 {
		in := r.instruction(s)
		switch in.op {
		case opBlock, opIf:
			s.depth++
		case opLoop:
			s.depth++
			t.loops = true
		case opEnd:
			s.depth--
		case opCall, opCallIndirect, opReturnCall, opReturnCallIndirect:
			t.calls = true
		}
		if _, ok := bulkOf(in.op); ok {
			t.bulk = true
		}
		if name := unrestorable(in.op); name != "" {
			s.unrestorable[name] = true
		}
	}
	if r.err == nil && r.left() > 0 {
		r.fail("code after the end of the function")
	}
	r.pos = start
	return t
}

// frame is an open block, loop, if, or the function itself.
type frame struct {
	loop bool // branches to it go to its beginning
	join bool // its end is reached in more than one way
	dead bool // it began in code that is never reached
}

// writer writes one function with metering.
//
// The units of a basic block are collected in pending and taken off the counter
// where the block ends. In a function with loops the counter lives in a local;
// the global holds it whenever other code may look: before calls, returns and
// branches out of the function. Whether it is used up is checked at the entry of
// functions that call, at the head of loops, before bulk operations and after
// maxStraight units. A path between two checks is therefore no longer than
// the code of a function without loops and those it calls that call nothing.
type writer struct {
	space
	out      []byte
	frames   []frame
	pending  uint64 // units of this block, not yet taken off
	straight uint64 // units since the last check, in the order of the code
	dead     bool   // this code is never reached
	cached   bool   // the counter is in a local
	counter  uint32 // that local
	length   uint32 // a local for the length of bulk operations
}

// prologue declares the locals, loads the counter, and charges for the entry:
// more for many locals, which must be cleared.
func (w *writer) prologue(groups []byte, declared int, t traits) {
	var extra []byte
	n := 0
	if w.cached {
		extra = append(extra, 1, byte(I64))
		w.length++
		n++
	}
	if t.bulk {
		extra = append(extra, 1, byte(I32))
		n++
	}
	w.out = addToVector(groups, n, extra)
	w.reload()
	w.pending = 1 + uint64(declared)/8
	if t.calls {
		w.check()
	}
}

// step writes one instruction and what metering it takes.
func (w *writer) step(in instruction) {
	if w.dead {
		w.skip(in)
		return
	}
	w.pending += uint64(in.cost)
	w.straight += uint64(in.cost)
	switch in.op {
	case opBlock:
		w.open(in, frame{})
	case opLoop:
		w.charge()
		w.open(in, frame{loop: true})
		w.check()
	case opIf:
		w.charge()
		w.open(in, frame{join: true})
	case opElse, opEnd:
		w.close(in)
	case opBr, opBrIf, opBrTable:
		w.branch(in)
	case opReturn, opReturnCall, opReturnCallIndirect, opUnreachable:
		w.charge()
		w.flush()
		w.copy(in)
		w.dead = true
	case opCall, opCallIndirect:
		w.charge()
		w.flush()
		w.copy(in)
		w.reload()
	default:
		w.simple(in)
	}
}

// skip writes an instruction that is never reached, and charges nothing.
func (w *writer) skip(in instruction) {
	switch in.op {
	case opBlock, opLoop, opIf:
		w.open(in, frame{dead: true})
	case opElse, opEnd:
		w.close(in)
	default:
		w.copy(in)
	}
}

// simple writes an instruction after which the next one follows.
func (w *writer) simple(in instruction) {
	if b, ok := bulkOf(in.op); ok {
		w.chargeLength(b, w.limit(in))
	} else if w.straight > maxStraight {
		w.charge()
		w.check()
	}
	w.copy(in)
}

func (w *writer) open(in instruction, f frame) {
	w.frames = append(w.frames, f)
	w.copy(in)
}

// close writes an else or end.
func (w *writer) close(in instruction) {
	f := w.frames[len(w.frames)-1]
	last := len(w.frames) == 1
	if !w.dead && (f.join || last) {
		w.charge()
	}
	if !w.dead && last {
		w.flush()
	}
	if f.join {
		w.dead = f.dead
	}
	if in.op == opEnd {
		w.frames = w.frames[:len(w.frames)-1]
	}
	w.copy(in)
}

// branch writes a br, br_if or br_table.
func (w *writer) branch(in instruction) {
	w.charge()
	target := len(w.frames) - 1 - int(in.index)
	if target == 0 {
		w.flush()
	}
	w.frames[target].join = !w.frames[target].loop
	if in.op == opBrTable {
		for i := target; i < len(w.frames); i++ {
			w.frames[i].join = w.frames[i].join || !w.frames[i].loop
		}
	}
	w.copy(in)
	w.dead = in.op != opBrIf
}

// limit returns the length beyond which a growing operation fails at once.
func (w *writer) limit(in instruction) uint32 {
	switch in.op {
	case opMemoryGrow:
		if len(w.memories) > 0 && w.memories[0].hasMax {
			return w.memories[0].max
		}
		return maxPages
	case opTableGrow:
		if t := w.tables[in.index]; t.hasMax {
			return t.max
		}
	}
	return 1<<32 - 1
}
