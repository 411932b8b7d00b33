package meter

// maxLocals is the most locals a function may have, as web engines agree on it
// (WebAssembly JavaScript interface, implementation limits). Without it a few
// bytes make a compiler allocate gigabytes.
const maxLocals = 50_000

// maxNested is how deep blocks may stand in one another. The time that wazero takes to compile them grows with the square
// of it, to some seconds here. Go's compiler, which nests most, makes some hundreds in large functions.
const maxNested = 5_000

// maxStraight is how many units of code without loops may pass unchecked: some
// microseconds.
const maxStraight = 2048

// maxAhead is how many units may be charged for code that is then jumped over.
// It trades the precision of units for speed: most branches are short.
const maxAhead = 64

// traits are what the rewrite must know of a function before it begins.
type traits struct {
	loops, calls, bulk bool
	stores             byte // a bit for each type in stored
}

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
	return w.assemble()
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
		if s.depth > maxNested {
			r.fail("blocks that stand more than %d deep in one another can't be metered", maxNested)
		}
		if _, ok := bulkOf(in.op); ok {
			t.bulk = true
		}
		if kind := storeOf(in.op); kind != 0 {
			t.stores |= 1 << storedIndex(kind)
		} else if writesMemory(in.op) {
			t.stores |= 1 << storedIndex(I32)
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
	loop  bool // branches to it go to its beginning
	join  bool // its end is reached in more than one way
	dead  bool // it began in code that is never reached
	begun int  // segments begun before it
}

// segment is a part of the code that is charged at its beginning. Whatever way
// control takes, it enters by the beginning and pays for all of the segment, up
// to maxAhead units more than it uses.
type segment struct {
	at    int // where in the code it begins
	units uint64
	check bool // also ask for fuel if there is none
}

// writer writes one function with metering.
//
// In a function with loops the counter lives in a local; the global holds it
// whenever other code may look: at calls, returns and branches out of the
// function. Whether it is used up is checked at the entry of functions that
// call, at the head of loops, before bulk operations and after maxStraight
// units. A path between two checks is therefore no longer than the code of a
// function without loops and those it calls that call nothing.
type writer struct {
	space
	out      []byte // the code, without the charges of segments
	frames   []frame
	segments []segment
	branched bool   // the current segment can be left before its end
	ahead    uint64 // its units behind the first such place
	straight uint64 // units since the last check, in the order of the code
	dead     bool   // this code is never reached
	cached   bool   // the counter is in a local
	counter  uint32 // that local
	length   uint32 // a local for the length of bulk operations
	scratch  scratch
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
	more, m := w.declareScratch(t, uint32(w.locals+n))
	w.out = addToVector(groups, n+m, append(extra, more...))
	w.reload()
	w.begin(t.calls)
	w.pay(1 + uint64(declared)/8)
}

// begin begins a segment here.
func (w *writer) begin(check bool) {
	w.segments = append(w.segments, segment{at: len(w.out), check: check})
	w.branched, w.ahead = false, 0
	if check {
		w.straight = 0
	}
}

// pay adds units to the current segment.
func (w *writer) pay(units uint64) {
	w.segments[len(w.segments)-1].units += units
	w.straight += units
	if w.branched {
		w.ahead += units
	}
}

// step writes one instruction and what metering it takes.
func (w *writer) step(in instruction) {
	if w.dead {
		w.skip(in)
		return
	}
	if w.straight > maxStraight {
		w.begin(true)
	} else if w.ahead > maxAhead {
		w.begin(false)
	}
	w.pay(uint64(in.cost))
	switch in.op {
	case opBlock:
		w.open(in, frame{})
	case opLoop:
		w.open(in, frame{loop: true})
		w.begin(true)
	case opIf:
		w.open(in, frame{join: true})
		w.branched = true
	case opElse, opEnd:
		w.close(in)
	case opBr, opBrIf, opBrTable:
		w.branch(in)
	case opReturn, opReturnCall, opReturnCallIndirect, opUnreachable:
		w.flush()
		w.copy(in)
		w.dead = true
	case opCall, opCallIndirect:
		w.flush()
		w.copy(in)
		w.reload()
	default:
		if b, ok := bulkOf(in.op); ok {
			w.chargeLength(b, w.limit(in))
		}
		w.write(in)
	}
}

// write writes an instruction and, where it writes to the memory, the marks for that.
func (w *writer) write(in instruction) {
	switch kind := storeOf(in.op); {
	case kind != 0:
		w.markStore(in, kind)
	case writesMemory(in.op):
		w.markBulk(in)
	default:
		w.copy(in)
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

func (w *writer) open(in instruction, f frame) {
	f.begun = len(w.segments)
	w.frames = append(w.frames, f)
	w.copy(in)
}

// close writes an else or end. Where ways join that may have paid for different
// segments, or a loop is left, a new segment begins.
func (w *writer) close(in instruction) {
	f := w.frames[len(w.frames)-1]
	if in.op == opEnd {
		w.frames = w.frames[:len(w.frames)-1]
	}
	if !w.dead && len(w.frames) == 0 {
		w.flush()
	}
	w.copy(in)
	if f.join {
		w.dead = f.dead
	}
	if f.loop || f.join && f.begun != len(w.segments) {
		w.begin(false)
	}
}

// branch writes a br, br_if or br_table.
func (w *writer) branch(in instruction) {
	target := len(w.frames) - 1 - int(in.index)
	if target == 0 {
		w.flush()
	}
	w.frames[target].join = true
	if in.op == opBrTable {
		for i := target; i < len(w.frames); i++ {
			w.frames[i].join = true
		}
	}
	w.copy(in)
	w.branched = true
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
