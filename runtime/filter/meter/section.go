package meter

// The functions here read the content of one section each and return the new
// one, in which functions are renumbered and limits lowered.

// each calls read for every element of the vector that r stands at, and returns
// the vector as read left it: read returns the element's new encoding, or nil to
// keep its bytes.
func (r *reader) each(read func() []byte) []byte {
	n := r.count()
	var elements []byte
	for range n {
		start := r.pos
		element := read()
		if r.err != nil {
			return nil
		}
		if element == nil {
			element = r.b[start:r.pos]
		}
		elements = append(elements, element...)
	}
	return appendVector(nil, n, elements)
}

func (m *module) readTypes(r *reader) []byte {
	return r.each(func() []byte {
		switch form := r.byte(); form {
		case 0x60:
		case 0x4d, 0x4e, 0x4f, 0x50, 0x5e, 0x5f:
			r.fail("garbage-collected types can't be metered")
		default:
			r.fail("type form 0x%02x is unknown", form)
		}
		m.types = append(m.types, Signature{r.valueTypes(), r.valueTypes()})
		return nil
	})
}

func (m *module) readImports(r *reader) []byte {
	v := r.each(func() []byte {
		i := Import{Module: r.name(), Name: r.name(), Kind: Kind(r.byte())}
		if i.Module == m.RefillModule {
			r.fail("the module imports %q from %q, which is kept for the host's metering", i.Name, i.Module)
		}
		switch i.Kind {
		case Func:
			t := r.index("type", len(m.types))
			if r.err == nil {
				i.Func = m.types[t]
			}
			m.funcs = append(m.funcs, t)
		case Table:
			m.tables = append(m.tables, r.table())
		case Memory:
			m.addMemory(r, r.limits())
			m.unrestorable["imported memory"] = true
		case GlobalKind:
			m.addGlobal(r.globalType(), true)
		default:
			r.importKind(i.Kind)
		}
		m.info.Imports = append(m.info.Imports, i)
		return nil
	})
	m.importedFuncs = len(m.funcs)
	return v
}

func (r *reader) importKind(k Kind) {
	if k == 4 {
		r.fail("exceptions can't be metered")
	}
	r.fail("kind 0x%02x of import or export is unknown", byte(k))
}

func (m *module) readFunctions(r *reader) []byte {
	return r.each(func() []byte {
		m.funcs = append(m.funcs, r.index("type", len(m.types)))
		return nil
	})
}

// table reads a table's type. Its initial value, if there is one, belongs to
// typed function references.
func (r *reader) table() limits {
	r.refType()
	return r.limits()
}

func (m *module) readTables(r *reader) []byte {
	return r.each(func() []byte {
		kind := r.refType()
		l := r.cap(r.limits(), m.MaxTable, "table elements")
		m.tables = append(m.tables, l)
		return l.append([]byte{byte(kind)})
	})
}

func (m *module) readMemories(r *reader) []byte {
	return r.each(func() []byte {
		l := r.limits()
		if l.min > maxPages || l.hasMax && l.max > maxPages {
			r.fail("memory of more than %d pages", maxPages)
		}
		if m.MaxPages < maxPages { // otherwise an absent maximum stays absent
			l = r.cap(l, m.MaxPages, "memory pages")
		}
		m.addMemory(r, l)
		return l.append(nil)
	})
}

func (m *module) addMemory(r *reader, l limits) {
	m.memories = append(m.memories, l)
	if len(m.memories) > 1 {
		r.fail("more than one memory (multi-memory) can't be metered")
	}
	m.info.MemoryMin, m.info.MemoryMax = l.min, maxPages
	if l.hasMax {
		m.info.MemoryMax = l.max
	}
	m.info.MarkShift = markShift(l.min)
}

// cap lowers the maximum of l to most. There is nothing to lower if most is all
// that a 32-bit number can say.
func (r *reader) cap(l limits, most uint32, what string) limits {
	if l.min > most {
		r.fail("%d %s at least, allowed are %d", l.min, what, most)
	}
	if most == 1<<32-1 || l.hasMax && l.max <= most {
		return l
	}
	return limits{l.min, most, true}
}

func (l limits) append(b []byte) []byte {
	if !l.hasMax {
		return appendU32(append(b, 0), l.min)
	}
	return appendU32(appendU32(append(b, 1), l.min), l.max)
}

func (r *reader) globalType() globalType {
	g := globalType{ValueType: r.valueType()}
	switch b := r.byte(); b {
	case 0:
	case 1:
		g.mutable = true
	default:
		r.fail("mutability 0x%02x is unknown", b)
	}
	return g
}

func (m *module) addGlobal(g globalType, imported bool) {
	g.imported = imported
	m.globals = append(m.globals, g)
	switch {
	case !g.mutable:
	case imported:
		m.unrestorable["imported mutable global"] = true
	case g.ValueType < F64:
		m.unrestorable["mutable "+g.ValueType.String()+" global"] = true
	}
}

func (m *module) readGlobals(r *reader) []byte {
	return r.each(func() []byte {
		start := r.pos
		g := r.globalType()
		if r.err != nil {
			return nil
		}
		b := append([]byte(nil), r.b[start:r.pos]...)
		b = m.constant(r, b)
		m.addGlobal(g, false)
		return b
	})
}

func (m *module) readExports(r *reader) []byte {
	return r.each(func() []byte {
		e := Export{Name: r.name(), Kind: Kind(r.byte())}
		spaces := [...]int{Func: len(m.funcs), Table: len(m.tables), Memory: len(m.memories), GlobalKind: len(m.globals)}
		if int(e.Kind) >= len(spaces) {
			r.importKind(e.Kind)
			return nil
		}
		i := r.index(e.Kind.String(), spaces[e.Kind])
		if r.err != nil {
			return nil
		}
		if e.Kind == Func {
			e.Func = m.types[m.funcs[i]]
			i = m.shift(i)
		}
		m.exported = append(m.exported, e.Name)
		m.info.Exports = append(m.info.Exports, e)
		return appendU32(append(appendName(nil, e.Name), byte(e.Kind)), i)
	})
}

func (m *module) readStart(r *reader) []byte {
	m.info.HasStart = true
	return appendU32(nil, m.shift(r.index("function", len(m.funcs))))
}

func (m *module) readDataCount(r *reader) []byte {
	return appendU32(nil, r.u32())
}
