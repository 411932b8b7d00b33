// Package guest makes small filters of the native ABI (filters/abi) for tests: modules that differ in their bytes, work,
// fail to start, or trap when a text tells them to.
package guest

import "slices"

// Options say what a module does. The zero value settles every text of a request as it is.
type Options struct {
	Tag     string // makes the bytes differ
	Trap    byte   // a text that ends in this byte makes it trap; 0: none does
	Refuses bool   // on_config refuses every configuration
	NoABI   bool   // it does not export sluice_abi_v1
}

// Module is the module's bytes.
func Module(o Options) []byte {
	const i32, i64 = 0x7f, 0x7e
	types := vec(
		[]byte{0x60, 0, 1, i32},                     // 0: () -> i32
		[]byte{0x60, 1, i32, 1, i32},                // 1: (i32) -> i32
		[]byte{0x60, 2, i32, i32, 1, i32},           // 2: (i32, i32) -> i32
		[]byte{0x60, 4, i32, i32, i32, i64, 1, i64}, // 3: (i32, i32, i32, i64) -> i64
	)
	config := byte(0)
	if o.Refuses {
		config = 1
	}
	text := []byte{0x20, 1, 0xad, 0x0b} // local.get 1; i64.extend_i32_u
	if o.Trap != 0 {
		// if memory[ptr+len-1] == trap then unreachable, where there is a text
		text = slices.Concat(
			[]byte{0x20, 1, 0x04, 0x40, 0x20, 0, 0x20, 1, 0x6a, 0x41, 1, 0x6b, 0x2d, 0, 0, 0x41}, sleb(o.Trap),
			[]byte{0x46, 0x04, 0x40, 0x00, 0x0b, 0x0b}, text)
	}
	abi := "sluice_abi_v1"
	if o.NoABI {
		abi = "something_else"
	}
	return slices.Concat(
		[]byte("\x00asm\x01\x00\x00\x00"),
		section(0, append(name("tag"), o.Tag...)),
		section(1, types),
		section(3, []byte{4, 0, 1, 2, 3}),
		section(5, []byte{1, 0, 3}), // a memory of 3 pages
		section(7, vec(
			append(name("memory"), 2, 0), append(name(abi), 0, 0), append(name("alloc"), 0, 1), append(name("on_config"), 0, 2),
			append(name("on_text"), 0, 3),
		)),
		section(10, vec(
			body(0x41, 1, 0x0b), body(0x41, 16, 0x0b), body(0x41, config, 0x0b), body(text...),
		)),
	)
}

func section(id byte, content []byte) []byte {
	return append(append([]byte{id}, uleb(len(content))...), content...)
}

func vec(items ...[]byte) []byte { return append(uleb(len(items)), slices.Concat(items...)...) }

func name(s string) []byte { return append(uleb(len(s)), s...) }

// body is a function's code without locals of its own.
func body(code ...byte) []byte { return append(uleb(len(code)+1), append([]byte{0}, code...)...) }

// uleb is unsigned LEB128.
func uleb(n int) []byte {
	var out []byte
	for ; n >= 0x80; n >>= 7 {
		out = append(out, byte(n)|0x80)
	}
	return append(out, byte(n))
}

// sleb is signed LEB128 of a byte.
func sleb(b byte) []byte {
	if b < 0x40 {
		return []byte{b}
	}
	return []byte{b | 0x80, b >> 7}
}
