package meter

// immediate tells what follows an opcode in the code.
type immediate byte

const (
	absent     immediate = iota // no such instruction
	none                        // nothing
	block                       // a block type
	label                       // a label index
	labels                      // a vector of label indexes and a default
	function                    // a function index
	indirect                    // a type index and a table index
	local                       // a local index
	global                      // a global index
	table                       // a table index
	twoTables                   // two table indexes
	memarg                      // alignment and offset
	memargLane                  // alignment, offset and a lane
	lane                        // one byte
	mem                         // a memory index
	twoMems                     // two memory indexes
	dataMem                     // a data index and a memory index
	data                        // a data index
	elem                        // an element index
	elemTable                   // an element index and a table index
	const32                     // a signed LEB128 number of 32 bits
	const64                     // the same of 64 bits
	bytes4                      // 4 bytes
	bytes8                      // 8 bytes
	bytes16                     // 16 bytes
	refType                     // a reference type
	valueTypes                  // a vector of one value type
)

// opcode is an entry of the tables below: its immediates and its cost in units.
type opcode struct {
	imm  immediate
	cost byte
}

// The opcodes that the rewrite treats one by one. Those behind a prefix byte
// have it in their upper half.
const (
	opUnreachable        = 0x00
	opBlock              = 0x02
	opLoop               = 0x03
	opIf                 = 0x04
	opElse               = 0x05
	opEnd                = 0x0b
	opBr                 = 0x0c
	opBrIf               = 0x0d
	opBrTable            = 0x0e
	opReturn             = 0x0f
	opCall               = 0x10
	opCallIndirect       = 0x11
	opReturnCall         = 0x12
	opReturnCallIndirect = 0x13
	opDrop               = 0x1a
	opSelect             = 0x1b
	opLocalGet           = 0x20
	opLocalSet           = 0x21
	opLocalTee           = 0x22
	opGlobalGet          = 0x23
	opGlobalSet          = 0x24
	opTableSet           = 0x26
	opI32Store           = 0x36
	opI64Store           = 0x37
	opF32Store           = 0x38
	opF64Store           = 0x39
	opI32Store8          = 0x3a
	opI32Store16         = 0x3b
	opI64Store8          = 0x3c
	opI64Store16         = 0x3d
	opI64Store32         = 0x3e
	opMemoryGrow         = 0x40
	opI32Const           = 0x41
	opI64Const           = 0x42
	opF32Const           = 0x43
	opF64Const           = 0x44
	opI32Eqz             = 0x45
	opI32LeU             = 0x4d
	opI64GeS             = 0x59
	opI64GeU             = 0x5a
	opI32Add             = 0x6a
	opI32ShrU            = 0x76
	opI64Add             = 0x7c
	opI64Sub             = 0x7d
	opI64Mul             = 0x7e
	opI64Or              = 0x84
	opI64Shl             = 0x86
	opI64ShrU            = 0x88
	opI64Rotl            = 0x89
	opI64ExtendI32U      = 0xad
	opRefNull            = 0xd0
	opRefFunc            = 0xd2

	prefixMisc   = 0xfc
	prefixVector = 0xfd

	opMemoryInit = 0xfc08
	opDataDrop   = 0xfc09
	opMemoryCopy = 0xfc0a
	opMemoryFill = 0xfc0b
	opTableInit  = 0xfc0c
	opElemDrop   = 0xfc0d
	opTableCopy  = 0xfc0e
	opTableGrow  = 0xfc0f
	opTableFill  = 0xfc11

	opV128Store       = 0xfd0b
	opV128Const       = 0xfd0c
	opV128Store8Lane  = 0xfd58
	opV128Store16Lane = 0xfd59
	opV128Store32Lane = 0xfd5a
	opV128Store64Lane = 0xfd5b
)

// run is a run of opcodes that are alike.
type run struct {
	from, to byte
	opcode
}

// plain are the opcodes of one byte (WebAssembly core 2.0, 5.4; sign extension,
// reference types and tail calls included). Costs are in rough proportion to
// machine time: 1 for what is one machine instruction or none, more for calls
// and divisions, nothing for what only shapes the code.
var plain = spread([]run{
	{0x00, 0x00, opcode{none, 1}},     // unreachable
	{0x01, 0x01, opcode{none, 0}},     // nop
	{0x02, 0x03, opcode{block, 0}},    // block, loop
	{0x04, 0x04, opcode{block, 1}},    // if
	{0x05, 0x05, opcode{none, 0}},     // else
	{0x0b, 0x0b, opcode{none, 0}},     // end
	{0x0c, 0x0d, opcode{label, 1}},    // br, br_if
	{0x0e, 0x0e, opcode{labels, 3}},   // br_table
	{0x0f, 0x0f, opcode{none, 1}},     // return
	{0x10, 0x10, opcode{function, 4}}, // call
	{0x11, 0x11, opcode{indirect, 8}}, // call_indirect
	{0x12, 0x12, opcode{function, 4}}, // return_call
	{0x13, 0x13, opcode{indirect, 8}}, // return_call_indirect
	{0x1a, 0x1b, opcode{none, 1}},     // drop, select
	{0x1c, 0x1c, opcode{valueTypes, 1}},
	{0x20, 0x22, opcode{local, 1}},   // local.get, local.set, local.tee
	{0x23, 0x24, opcode{global, 1}},  // global.get, global.set
	{0x25, 0x26, opcode{table, 4}},   // table.get, table.set
	{0x28, 0x35, opcode{memarg, 1}},  // loads
	{0x36, 0x3e, opcode{memarg, 2}},  // stores, and their marks
	{0x3f, 0x3f, opcode{mem, 1}},     // memory.size
	{0x40, 0x40, opcode{mem, 64}},    // memory.grow, and its pages
	{0x41, 0x41, opcode{const32, 1}}, // i32.const
	{0x42, 0x42, opcode{const64, 1}}, // i64.const
	{0x43, 0x43, opcode{bytes4, 1}},  // f32.const
	{0x44, 0x44, opcode{bytes8, 1}},  // f64.const
	{0x45, 0x6c, opcode{none, 1}},    // comparisons, i32 up to mul
	{0x6d, 0x70, opcode{none, 8}},    // i32.div, i32.rem
	{0x71, 0x7e, opcode{none, 1}},    // i32 bits, i64 up to mul
	{0x7f, 0x82, opcode{none, 8}},    // i64.div, i64.rem
	{0x83, 0x90, opcode{none, 1}},    // i64 bits, f32 abs to nearest
	{0x91, 0x91, opcode{none, 6}},    // f32.sqrt
	{0x92, 0x94, opcode{none, 1}},    // f32 add, sub, mul
	{0x95, 0x95, opcode{none, 6}},    // f32.div
	{0x96, 0x9e, opcode{none, 1}},    // f32 min to copysign, f64 abs to nearest
	{0x9f, 0x9f, opcode{none, 8}},    // f64.sqrt
	{0xa0, 0xa2, opcode{none, 1}},    // f64 add, sub, mul
	{0xa3, 0xa3, opcode{none, 8}},    // f64.div
	{0xa4, 0xc4, opcode{none, 1}},    // f64 min to copysign, conversions, sign extension
	{0xd0, 0xd0, opcode{refType, 1}}, // ref.null
	{0xd1, 0xd1, opcode{none, 1}},    // ref.is_null
	{0xd2, 0xd2, opcode{function, 4}},
})

// misc are the opcodes behind the byte 0xfc. Bulk operations cost their length
// in addition; see bulk.
var misc = spread([]run{
	{0x00, 0x07, opcode{none, 2}},       // saturating conversions
	{0x08, 0x08, opcode{dataMem, 16}},   // memory.init
	{0x09, 0x09, opcode{data, 4}},       // data.drop
	{0x0a, 0x0a, opcode{twoMems, 16}},   // memory.copy
	{0x0b, 0x0b, opcode{mem, 16}},       // memory.fill
	{0x0c, 0x0c, opcode{elemTable, 16}}, // table.init
	{0x0d, 0x0d, opcode{elem, 4}},       // elem.drop
	{0x0e, 0x0e, opcode{twoTables, 16}}, // table.copy
	{0x0f, 0x0f, opcode{table, 64}},     // table.grow
	{0x10, 0x10, opcode{table, 1}},      // table.size
	{0x11, 0x11, opcode{table, 16}},     // table.fill
})

// vector are the opcodes behind the byte 0xfd: SIMD without its relaxed part.
// The gaps are opcodes that the specification leaves out.
var vector = spread([]run{
	{0x00, 0x0b, opcode{memarg, 2}},  // v128.load, its forms, v128.store
	{0x0c, 0x0c, opcode{bytes16, 1}}, // v128.const
	{0x0d, 0x0d, opcode{bytes16, 2}}, // i8x16.shuffle
	{0x0e, 0x14, opcode{none, 2}},    // swizzle, splats
	{0x15, 0x22, opcode{lane, 2}},    // extract and replace lanes
	{0x23, 0x53, opcode{none, 2}},    // comparisons, bits
	{0x54, 0x5b, opcode{memargLane, 2}},
	{0x5c, 0x5d, opcode{memarg, 2}}, // v128.load32_zero, v128.load64_zero
	{0x5e, 0x99, opcode{none, 2}},
	{0x9b, 0xa1, opcode{none, 2}},
	{0xa3, 0xa4, opcode{none, 2}},
	{0xa7, 0xae, opcode{none, 2}},
	{0xb1, 0xb1, opcode{none, 2}},
	{0xb5, 0xba, opcode{none, 2}},
	{0xbc, 0xc1, opcode{none, 2}},
	{0xc3, 0xc4, opcode{none, 2}},
	{0xc7, 0xce, opcode{none, 2}},
	{0xd1, 0xd1, opcode{none, 2}},
	{0xd5, 0xe1, opcode{none, 2}},
	{0xe3, 0xe6, opcode{none, 2}},  // f32x4 sqrt, add, sub, mul
	{0xe7, 0xe7, opcode{none, 8}},  // f32x4.div
	{0xe8, 0xed, opcode{none, 2}},  // f32x4 min to pmax, f64x2 abs, neg
	{0xef, 0xef, opcode{none, 12}}, // f64x2.sqrt
	{0xf0, 0xf2, opcode{none, 2}},  // f64x2 add, sub, mul
	{0xf3, 0xf3, opcode{none, 12}}, // f64x2.div
	{0xf4, 0xff, opcode{none, 2}},
})

// spread lays runs out in a table that an opcode's last byte indexes.
func spread(runs []run) *[256]opcode {
	var t [256]opcode
	for _, r := range runs {
		for op := int(r.from); op <= int(r.to); op++ {
			t[op] = r.opcode
		}
	}
	return &t
}

// refusedOpcode explains an opcode of one byte that the tables leave out.
func refusedOpcode(op byte) string {
	switch op {
	case 0x06, 0x07, 0x08, 0x09, 0x0a, 0x18, 0x19, 0x1f:
		return "exceptions can't be metered"
	case 0x14, 0x15, 0xd4, 0xd5, 0xd6:
		return "typed function references can't be metered"
	case 0xd3, 0xfb:
		return "garbage-collected types can't be metered"
	case 0xfe:
		return "atomic operations (threads) can't be metered"
	case 0xe0, 0xe1, 0xe2, 0xe3, 0xe4, 0xe5, 0xe6:
		return "stack switching can't be metered"
	}
	return ""
}

// bulk is how an operation is charged by its length, the i32 on top of the stack.
type bulk struct {
	shift uint   // length >> shift units
	scale uint32 // or, if not 0, length * scale units
	grow  bool   // length beyond the limit fails at once: charged as the limit
}

// bulkOf returns how op is charged by its length.
func bulkOf(op uint16) (b bulk, ok bool) {
	switch op {
	case opMemoryInit, opMemoryCopy, opMemoryFill:
		return bulk{shift: 4}, true // 16 bytes
	case opTableInit, opTableCopy, opTableFill:
		return bulk{shift: 1}, true // 2 references of 8 bytes
	case opTableGrow:
		return bulk{shift: 1, grow: true}, true
	case opMemoryGrow:
		return bulk{scale: 4096, grow: true}, true // 64 KiB of 16 bytes
	}
	return bulk{}, false
}

// unrestorable returns the name of an operation whose effect a snapshot of
// memory and globals does not put back, or nothing.
func unrestorable(op uint16) string {
	switch op {
	case opTableSet:
		return "table.set"
	case opTableInit:
		return "table.init"
	case opTableCopy:
		return "table.copy"
	case opTableGrow:
		return "table.grow"
	case opTableFill:
		return "table.fill"
	case opElemDrop:
		return "elem.drop"
	case opDataDrop:
		return "data.drop"
	}
	return ""
}
