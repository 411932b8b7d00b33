package meter

import (
	"bytes"
	"encoding/binary"
)

// instruction is one instruction as it stands in the code.
type instruction struct {
	op    uint16 // with the prefix in the upper half
	cost  byte
	raw   []byte // the whole instruction
	index uint32 // the function or table, the largest of the labels, or the offset from an address
}

// space is what indexes of an instruction may name.
type space struct {
	*module
	locals int // parameters included
	depth  int // enclosing labels, the function's own included
}

// instruction reads the next instruction and checks its indexes. It matters that
// each index names something of the original module: the rewrite puts its own
// types, functions, globals and locals behind them.
func (r *reader) instruction(s space) instruction {
	start := r.pos
	op, entry := r.opcode()
	in := instruction{op: op, cost: entry.cost}
	switch entry.imm {
	case block:
		r.blockType(len(s.types))
	case label:
		in.index = r.index("label", s.depth)
	case labels:
		for range r.count() + 1 {
			in.index = max(in.index, r.index("label", s.depth))
		}
	case function:
		in.index = r.index("function", len(s.funcs))
	case local:
		r.index("local", s.locals)
	case table:
		in.index = r.index("table", len(s.tables))
	case memarg:
		in.index = r.memarg()
	case memargLane:
		in.index = r.memarg()
		r.byte()
	default:
		r.operands(entry.imm, s.module)
	}
	if r.err == nil {
		in.raw = shortest(op, r.b[start:r.pos])
	}
	return in
}

// shortest returns an instruction with the number behind its prefix in the
// shortest form: not every runtime reads longer ones.
func shortest(op uint16, raw []byte) []byte {
	if op <= 0xff {
		return raw
	}
	short := appendU32([]byte{byte(op >> 8)}, uint32(byte(op)))
	if bytes.HasPrefix(raw, short) {
		return raw
	}
	_, size := binary.Uvarint(raw[1:])
	return append(short, raw[1+size:]...)
}

// opcode reads an opcode and finds its entry.
func (r *reader) opcode() (uint16, opcode) {
	first := r.byte()
	if first != prefixMisc && first != prefixVector {
		if plain[first].imm == absent {
			r.pos--
			r.refuse(first)
		}
		return uint16(first), plain[first]
	}
	start := r.pos - 1
	sub := r.u32()
	entries := misc
	if first == prefixVector {
		entries = vector
	}
	if sub > 0xff || entries[byte(sub)].imm == absent {
		r.pos = start
		r.fail("instruction 0x%02x %d is unknown and can't be metered", first, sub)
		return 0, opcode{}
	}
	if first == prefixVector && r.pos-start != 1+len(appendU32(nil, sub)) {
		r.pos = start
		r.fail("vector opcode is not in its shortest form, which runtimes read in different ways")
	}
	return uint16(first)<<8 | uint16(sub), entries[byte(sub)]
}

func (r *reader) refuse(op byte) {
	reason := refusedOpcode(op)
	if reason == "" {
		reason = "the opcode is unknown"
	}
	r.fail("instruction 0x%02x: %s", op, reason)
}

// operands reads the immediates that are no labels, functions or locals.
func (r *reader) operands(imm immediate, m *module) {
	switch imm {
	case indirect:
		r.index("type", len(m.types))
		r.index("table", len(m.tables))
	case global:
		r.index("global", len(m.globals))
	case twoTables:
		r.index("table", len(m.tables))
		r.index("table", len(m.tables))
	case elemTable:
		r.u32()
		r.index("table", len(m.tables))
	case elem, data:
		r.u32()
	case dataMem:
		r.u32()
		r.memory()
	case mem:
		r.memory()
	case twoMems:
		r.memory()
		r.memory()
	default:
		r.constant(imm)
	}
}

// constant reads immediates that are values or types.
func (r *reader) constant(imm immediate) {
	switch imm {
	case lane:
		r.byte()
	case const32:
		r.signed(32)
	case const64:
		r.signed(64)
	case bytes4:
		r.take(4)
	case bytes8:
		r.take(8)
	case bytes16:
		r.take(16)
	case refType:
		r.refType()
	case valueTypes:
		if n := r.byte(); n != 1 {
			r.fail("select with %d types instead of 1", n)
		}
		r.valueType()
	}
}

// blockType reads "no result", one value type, or the index of a function type.
func (r *reader) blockType(types int) {
	switch v := r.signed(33); {
	case v == -64:
	case v < -64:
		r.fail("invalid block type %d", v)
	case v < 0:
		if reason := refusedType(ValueType(v & 0x7f)); reason != "" {
			r.fail("%s", reason)
		}
	case v >= int64(types):
		r.fail("type %d does not exist, there are %d", v, types)
	}
}

// memarg reads alignment and offset, and returns the offset. Bit 6 of the alignment announces a memory
// index.
func (r *reader) memarg() uint32 {
	align := r.u32()
	if align >= 64 && align < 128 {
		r.fail("more than one memory (multi-memory) can't be metered")
	} else if align >= 32 {
		r.fail("alignment 2^%d is too large", align)
	}
	return r.u32()
}
