package meter_test

import "encoding/binary"

// The tests put modules together from sections, as the binary format has them.

var magic = []byte{0, 'a', 's', 'm', 1, 0, 0, 0}

// module returns a module of the given sections.
func module(sections ...[]byte) []byte {
	b := append([]byte(nil), magic...)
	for _, s := range sections {
		b = append(b, s...)
	}
	return b
}

// section returns a section of n elements.
func section(id byte, n int, elements ...byte) []byte {
	content := append(binary.AppendUvarint(nil, uint64(n)), elements...)
	return append(binary.AppendUvarint([]byte{id}, uint64(len(content))), content...)
}

// types, funcs and code return the sections of functions without parameters and
// results: each argument is a function's locals and instructions.
func types() []byte { return section(1, 1, 0x60, 0, 0) }

func funcs(n int) []byte { return section(3, n, make([]byte, n)...) }

func code(bodies ...[]byte) []byte {
	var b []byte
	for _, body := range bodies {
		b = append(binary.AppendUvarint(b, uint64(len(body))), body...)
	}
	return section(10, len(bodies), b...)
}

// body returns a function without locals; the end is added.
func body(instructions ...byte) []byte {
	return append(append([]byte{0}, instructions...), 0x0b)
}

// oneFunction returns a module that exports one function as "f", with a memory
// of one page and a table of four functions, the first of them itself.
func oneFunction(instructions ...byte) []byte {
	return module(
		types(), funcs(1), section(4, 1, 0x70, 0, 4), section(5, 1, 1, 1, 16),
		section(7, 1, 1, 'f', 0, 0), section(9, 1, 0, 0x41, 0, 0x0b, 1, 0), code(body(instructions...)),
	)
}
