package meter

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// Section numbers (WebAssembly core 5.5.2).
const (
	customSection = iota
	typeSection
	importSection
	functionSection
	tableSection
	memorySection
	globalSection
	exportSection
	startSection
	elementSection
	codeSection
	dataSection
	dataCountSection
	tagSection
)

// order is that of the sections in a module. A custom section may stand anywhere;
// the one that is written, the names, comes last.
var order = []byte{
	typeSection, importSection, functionSection, tableSection, memorySection, globalSection,
	exportSection, startSection, elementSection, dataCountSection, codeSection, dataSection, customSection,
}

var sectionNames = []string{
	"custom", "type", "import", "function", "table", "memory", "global",
	"export", "start", "element", "code", "data", "data count", "tag",
}

// header is the magic number and version 1 of a core module.
var header = []byte{0, 'a', 's', 'm', 1, 0, 0, 0}

// maxPages is the most that a 32-bit memory can have.
const maxPages = 65_536

// module is what has been read of a module so far, and the sections of the
// rewritten one.
type module struct {
	Options
	types         []Signature
	funcs         []uint32 // types of the functions, imported ones first
	importedFuncs int
	globals       []globalType // imported ones first
	tables        []limits     // imported ones first
	memories      []limits     // imported ones first
	exported      []string     // names
	unrestorable  map[string]bool
	info          Info
	out           [tagSection][]byte // new sections by number, nil if absent
}

// globalType is the type of a global.
type globalType struct {
	ValueType
	mutable, imported bool
}

// shift returns the new index of function i: behind the imported functions one
// more was put in.
func (m *module) shift(i uint32) uint32 {
	if int(i) >= m.importedFuncs {
		return i + 1
	}
	return i
}

// fuel is the index of the added global.
func (m *module) fuel() uint32 { return uint32(len(m.globals)) }

// helper is the new index of the added function that calls for fuel.
func (m *module) helper() uint32 { return uint32(len(m.funcs)) + 1 }

// marks is the index of the added global that tells what has been written.
func (m *module) marks() uint32 { return m.fuel() + 1 }

// marker is the new index of the added function that marks a range.
func (m *module) marker() uint32 { return m.helper() + 1 }

// read reads all sections of b and rewrites each as it goes: what a section
// refers to stands before it.
func (m *module) read(b []byte) error {
	r := &reader{b: b, where: "header"}
	if !bytes.Equal(r.take(min(len(header), len(b))), header) {
		r.pos = 0
		r.fail("not a WebAssembly 1.0 core module")
	}
	last := -1
	for r.err == nil && r.left() > 0 {
		last = m.section(r, last)
	}
	if r.err == nil && m.out[codeSection] == nil && m.defined() > 0 {
		r.where = "end of the module"
		r.fail("%d functions are declared and there is no code section", m.defined())
	}
	return r.err
}

// section reads one section that must stand behind the last one in order.
func (m *module) section(r *reader, last int) int {
	r.where = "section header"
	id := r.byte()
	if int(id) >= len(sectionNames) {
		r.fail("section %d is unknown", id)
		return last
	}
	name := sectionNames[id] + " section"
	size := r.count()
	if r.err != nil {
		return last
	}
	at := bytes.IndexByte(order, id)
	in := &reader{b: r.b[:r.pos+size], pos: r.pos, where: name}
	switch {
	case id == tagSection:
		in.fail("exceptions can't be metered")
	case id == customSection:
		m.custom(in)
		at = last
	case at <= last:
		in.fail("section stands twice or in the wrong order")
	default:
		m.out[id] = m.readers()[id](in)
	}
	if in.err == nil && in.left() > 0 {
		in.fail("%d bytes left over", in.left())
	}
	r.pos, r.err = len(in.b), in.err
	return at
}

// custom reads a custom section. Of what it holds only names are kept: debug
// information, for one, would no longer fit.
func (m *module) custom(r *reader) {
	if r.name() == "name" && r.err == nil {
		content := *r
		m.out[customSection] = m.names(&content)
	}
	r.pos = len(r.b)
}

// readers returns what reads and rewrites each section's content.
func (m *module) readers() [tagSection]func(*reader) []byte {
	return [tagSection]func(*reader) []byte{
		typeSection:      m.readTypes,
		importSection:    m.readImports,
		functionSection:  m.readFunctions,
		tableSection:     m.readTables,
		memorySection:    m.readMemories,
		globalSection:    m.readGlobals,
		exportSection:    m.readExports,
		startSection:     m.readStart,
		elementSection:   m.readElements,
		dataCountSection: m.readDataCount,
		codeSection:      m.readCode,
		dataSection:      m.readData,
	}
}

func (m *module) defined() int { return len(m.funcs) - m.importedFuncs }

// finish adds to the sections what metering needs and returns the module.
func (m *module) finish() []byte {
	m.name()
	m.add(typeSection, 3, []byte{0x60, 1, byte(I64), 1, byte(I64), 0x60, 0, 0, 0x60, 2, byte(I32), byte(I32), 0})
	refill := appendName(appendName(nil, m.RefillModule), m.RefillName)
	m.add(importSection, 1, appendU32(append(refill, byte(Func)), len(m.types)))
	m.add(functionSection, 2, appendU32(appendU32(nil, len(m.types)+1), len(m.types)+2))
	m.add(globalSection, 2, []byte{byte(I64), 1, opI64Const, 0, opEnd, byte(I64), 1, opI64Const, 0, opEnd})
	for _, body := range [][]byte{m.helperBody(), m.markerBody()} {
		m.add(codeSection, 1, appendVector(nil, len(body), body))
	}
	out := bytes.Clone(header)
	for _, id := range order {
		if content := m.out[id]; content != nil {
			out = append(out, id)
			out = append(appendU32(out, len(content)), content...)
		}
	}
	return out
}

func (m *module) add(section byte, n int, elements []byte) {
	m.out[section] = addToVector(m.out[section], n, elements)
}

// name exports the counter and the module's mutable number globals under fresh
// names.
func (m *module) name() {
	prefix := "sluice_meter"
	for m.taken(prefix) {
		prefix += "_"
	}
	m.info.FuelGlobalExport = prefix + ".fuel"
	m.export(m.info.FuelGlobalExport, m.fuel())
	m.info.MarkGlobalExport = prefix + ".marks"
	m.export(m.info.MarkGlobalExport, m.marks())
	for i, g := range m.globals {
		if !g.mutable || g.imported || g.ValueType < F64 {
			continue
		}
		name := fmt.Sprintf("%s.global.%d", prefix, i)
		m.info.Globals = append(m.info.Globals, Global{name, g.ValueType})
		m.export(name, uint32(i))
	}
}

func (m *module) taken(prefix string) bool {
	for _, name := range m.exported {
		if len(name) >= len(prefix) && name[:len(prefix)] == prefix {
			return true
		}
	}
	return false
}

func (m *module) export(name string, global uint32) {
	m.add(exportSection, 1, binary.AppendUvarint(append(appendName(nil, name), byte(GlobalKind)), uint64(global)))
}
