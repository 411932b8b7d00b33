package meter

import "fmt"

// constant reads a constant expression and appends it to b with its functions
// renumbered.
func (m *module) constant(r *reader, b []byte) []byte {
	w := writer{space: space{module: m, depth: 1}, out: b}
	for r.err == nil {
		in := r.instruction(w.space)
		switch in.op {
		case opEnd:
			w.copy(in)
			return w.out
		case opI32Const, opI64Const, opF32Const, opF64Const, opV128Const, opGlobalGet, opRefNull, opRefFunc:
		case 0x6a, 0x6b, 0x6c, 0x7c, 0x7d, 0x7e: // add, sub, mul of i32 and i64: extended constants
		default:
			r.fail("instruction 0x%02x in a constant expression", in.op)
		}
		w.copy(in)
	}
	return nil
}

// Flags of an element segment (WebAssembly core 5.5.12).
const (
	segmentPassive  = 1 // or, with segmentExplicit, declarative
	segmentExplicit = 2 // a table index follows, if it is active
	segmentExprs    = 4 // expressions instead of function indexes
)

func (m *module) readElements(r *reader) []byte {
	return r.each(func() []byte {
		flags := r.u32()
		if flags > 7 {
			r.fail("element segment flags 0x%x are unknown", flags)
			return nil
		}
		b := appendU32(nil, flags)
		if flags&segmentPassive == 0 {
			if flags&segmentExplicit != 0 {
				b = appendU32(b, r.index("table", len(m.tables)))
			}
			b = m.constant(r, b)
		}
		if flags&(segmentPassive|segmentExplicit) != 0 {
			b = append(b, r.elementKind(flags))
		}
		return append(b, r.each(func() []byte {
			if flags&segmentExprs != 0 {
				return m.constant(r, nil)
			}
			return appendU32(nil, m.shift(r.index("function", len(m.funcs))))
		})...)
	})
}

// elementKind reads the type of a segment's elements.
func (r *reader) elementKind(flags uint32) byte {
	if flags&segmentExprs != 0 {
		return byte(r.refType())
	}
	kind := r.byte()
	if kind != 0 {
		r.fail("element kind 0x%02x is unknown", kind)
	}
	return kind
}

func (m *module) readData(r *reader) []byte {
	return r.each(func() []byte {
		flags := r.u32()
		b := appendU32(nil, flags)
		switch flags {
		case 0:
			b = m.constant(r, b)
		case 1:
		case 2:
			if r.u32() != 0 {
				r.fail("more than one memory (multi-memory) can't be metered")
			}
			b = m.constant(r, append(b, 0))
		default:
			r.fail("data segment flags 0x%x are unknown", flags)
		}
		content := r.take(r.count())
		return appendVector(b, len(content), content)
	})
}

func (m *module) readCode(r *reader) []byte {
	next := 0
	v := r.each(func() []byte {
		size := r.count()
		if next >= m.defined() {
			r.fail("more code than the %d functions declared", m.defined())
		}
		if r.err != nil {
			return nil
		}
		i := m.importedFuncs + next
		next++
		in := &reader{b: r.b[:r.pos+size], pos: r.pos, where: fmt.Sprintf("code section, function %d", i)}
		body := m.function(in, m.types[m.funcs[i]])
		r.pos, r.err = len(in.b), in.err
		return appendVector(nil, len(body), body)
	})
	if next < m.defined() {
		r.fail("code of %d functions, %d are declared", next, m.defined())
	}
	return v
}
