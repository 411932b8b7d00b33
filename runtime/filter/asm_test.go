package filter

import (
	"bytes"
	"strings"
)

// asm assembles small modules, for what compilers would not make.
type asm struct {
	types   []string // signatures in the notation of sig
	imports [][]byte
	nimport int // functions imported
	funcs   []asmFunc
	exports [][]byte
	table   bool // a table of one funcref
	globals [][]byte
	locals  map[string][]byte // declarations of the locals of exports that have some
	with    map[byte][]byte   // contents of further sections, or of others in the place of those made here
}

type asmFunc struct {
	name string
	typ  int
	body []byte // instructions, without the end
}

func leb(n int) []byte {
	var out []byte
	for {
		b := byte(n & 0x7f)
		if n >>= 7; n == 0 {
			return append(out, b)
		}
		out = append(out, b|0x80)
	}
}

func vec(items [][]byte) []byte { return append(leb(len(items)), bytes.Join(items, nil)...) }

func named(s string) []byte { return append(leb(len(s)), s...) }

// typ gives the index of a signature.
func (a *asm) typ(sig string) int {
	for i, s := range a.types {
		if s == sig {
			return i
		}
	}
	a.types = append(a.types, sig)
	return len(a.types) - 1
}

// imp imports a function; call it before fn.
func (a *asm) imp(module, name, sig string) *asm {
	a.imports = append(a.imports, append(append(named(module), named(name)...), append([]byte{0}, leb(a.typ(sig))...)...))
	a.nimport++
	return a
}

// fn adds a function and exports it. The body is without its end.
func (a *asm) fn(name, sig string, body ...byte) *asm {
	a.funcs = append(a.funcs, asmFunc{name, a.typ(sig), body})
	a.exports = append(a.exports, append(append(named(name), 0), leb(a.nimport+len(a.funcs)-1)...))
	return a
}

// memory exports the memory.
func (a *asm) memory() *asm {
	a.exports = append(a.exports, append(named("memory"), 2, 0))
	return a
}

// bytes is the module.
func (a *asm) bytes() []byte {
	out := []byte("\x00asm\x01\x00\x00\x00")
	section := func(id byte, body []byte) {
		if own, ok := a.with[id]; ok {
			body = own
		}
		if body != nil {
			out = append(append(append(out, id), leb(len(body))...), body...)
		}
	}
	var types, funcs, code [][]byte
	for _, s := range a.types {
		params, results, _ := strings.Cut(s, ":")
		code := strings.NewReplacer("i", "\x7f", "I", "\x7e")
		types = append(types, append(append([]byte{0x60}, named(code.Replace(params))...), named(code.Replace(results))...))
	}
	for _, f := range a.funcs {
		funcs = append(funcs, leb(f.typ))
		locals := a.locals[f.name]
		if locals == nil {
			locals = []byte{0}
		}
		body := append(append(bytes.Clone(locals), f.body...), 0x0b)
		code = append(code, append(leb(len(body)), body...))
	}
	section(1, vec(types))
	section(2, vec(a.imports))
	section(3, vec(funcs))
	if a.table {
		section(4, vec([][]byte{{0x70, 0, 1}}))
	}
	section(5, vec([][]byte{{0, 3}})) // a memory of 3 pages
	section(6, vec(a.globals))
	section(7, vec(a.exports))
	section(8, nil)
	section(9, nil)
	section(10, vec(code))
	section(11, nil)
	section(13, nil)
	return out
}

// i32 is i32.const n, for n up to 63.
func i32(n byte) []byte { return []byte{0x41, n} }

// minimal is a filter with on_text for requests that does nothing: it settles all.
func minimal() *asm {
	return new(asm).base()
}

func (a *asm) base() *asm {
	return a.memory().
		fn("sluice_abi_v1", ":i", i32(1)...).
		fn("alloc", "i:i", i32(16)...).
		fn("on_text", "iiiI:I", 0x20, 1, 0xad) // local.get 1; i64.extend_i32_u
}
