package meter

import (
	"maps"
	"slices"
)

// Names of the refill import unless Options says otherwise.
const (
	DefaultModule = "sluice_meter"
	DefaultName   = "refill"
)

// Options adjust a rewrite. The zero value is ready for use.
type Options struct {
	// RefillModule and RefillName name the import by which the guest asks for
	// fuel. Empty means DefaultModule and DefaultName.
	RefillModule, RefillName string

	// MaxPages caps the module's memory, in pages of 64 KiB: a larger or absent
	// maximum is lowered to it, a larger minimum is refused. 0 means 65,536,
	// the most there can be.
	MaxPages uint32

	// MaxTable caps each table's elements in the same way; runtimes have no
	// limit of their own for what table.grow takes from the host. 0 means
	// 1,048,576.
	MaxTable uint32
}

// Info tells what the host needs to know of a rewritten module. Indexes and
// lists are those of the original module: what the rewrite added is not in
// Imports or Exports.
type Info struct {
	RefillModule, RefillName string   // the added import
	FuelGlobalExport         string   // export name of the fuel counter, a mutable i64
	MarkGlobalExport         string   // export name of the marks of what was written, a mutable i64: Marks
	MarkShift                uint     // a granule of the marks is 1 << MarkShift bytes
	Globals                  []Global // the module's own mutable number globals
	Unrestorable             []string // what a snapshot would miss, sorted; empty: nothing
	Imports                  []Import
	Exports                  []Export
	MemoryMin, MemoryMax     uint32 // pages; both 0 without a memory, MemoryMax after MaxPages
	HasStart                 bool   // code runs at instantiation
	Functions                int    // functions defined in the module
}

// Global is a mutable global that the rewrite exported for snapshots.
type Global struct {
	Name string // export name, fresh
	Type ValueType
}

// Import is one import of the original module.
type Import struct {
	Module, Name string
	Kind         Kind
	Func         Signature // of a Func only
}

// Export is one export of the original module.
type Export struct {
	Name string
	Kind Kind
	Func Signature // of a Func only
}

// Rewrite returns module with metering added, and what the host needs to run
// it. It keeps no reference to module. A module that is malformed, or that uses
// a feature that can't be metered, is refused with an *Error.
func Rewrite(module []byte, o Options) (out []byte, info Info, err error) {
	m := newModule(o)
	if err := m.read(module); err != nil {
		return nil, Info{}, err
	}
	out = m.finish()
	m.info.RefillModule, m.info.RefillName = m.RefillModule, m.RefillName
	m.info.Functions = m.defined()
	m.info.Unrestorable = slices.Sorted(maps.Keys(m.unrestorable))
	return out, m.info, nil
}

// newModule returns a module to read, with the defaults of o filled in.
func newModule(o Options) *module {
	if o.RefillModule == "" {
		o.RefillModule = DefaultModule
	}
	if o.RefillName == "" {
		o.RefillName = DefaultName
	}
	if o.MaxPages == 0 {
		o.MaxPages = maxPages
	}
	if o.MaxTable == 0 {
		o.MaxTable = 1 << 20
	}
	return &module{Options: o, unrestorable: map[string]bool{}}
}
