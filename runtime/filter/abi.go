package filter

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/sluicegate/sluice/runtime/filter/meter"
)

// The native ABI, version 1 (filters/abi).
const (
	abiExport   = "sluice_abi_v1"
	classExport = "byte_classes"
	arenaExport = "arena"
	hostModule  = "sluice"
	wasiModule  = "wasi_snapshot_preview1"

	windowSize = 64 << 10 // new bytes presented at once
	leftSize   = 64       // bytes of left context in front of them, at most
)

// hookTable ties the bits of sluice_abi_v1 to exports.
var hookTable = [...]struct {
	hook   hooks
	export string
}{
	{hookRequestText, "on_text"},
	{hookAnswerText, "on_text"},
	{hookRequest, "on_request"},
	{hookResponse, "on_response"},
}

// signatures of the exports, in the notation of sig.
var exportTable = map[string]string{
	abiExport:     ":i",
	"alloc":       "i:i",
	"on_config":   "ii:i",
	"on_text":     "iiiI:I",
	"on_request":  "ii:i",
	"on_response": "ii:i",
	"_initialize": ":",
	classExport:   ":i",
	arenaExport:   ":I",
}

// sig writes a signature short: i for i32, I for i64, a colon before the results.
func sig(s meter.Signature) string {
	var b strings.Builder
	letters := func(types []meter.ValueType) {
		for _, t := range types {
			switch t {
			case meter.I32:
				b.WriteByte('i')
			case meter.I64:
				b.WriteByte('I')
			default:
				b.WriteString(t.String())
			}
		}
	}
	letters(s.Params)
	b.WriteByte(':')
	letters(s.Results)
	return b.String()
}

// spell writes such a signature out: "(i32, i64) -> (i32)".
func spell(short string) string {
	var s meter.Signature
	to := &s.Params
	for _, c := range short {
		switch c {
		case 'i':
			*to = append(*to, meter.I32)
		case 'I':
			*to = append(*to, meter.I64)
		case ':':
			to = &s.Results
		}
	}
	return s.String()
}

// checkHeader tells core modules from components and from what is no WebAssembly at all.
func checkHeader(code []byte) error {
	switch {
	case len(code) == 0:
		return errors.New("the module is empty")
	case !bytes.HasPrefix(code, []byte("\x00asm")):
		return errors.New("the file is not WebAssembly: it does not begin with \\0asm")
	case len(code) < 8:
		return errors.New("the module is cut off in its header")
	case bytes.Equal(code[4:8], []byte{0x0d, 0, 1, 0}):
		return errors.New("it is a component: build a core module instead (Rust: target wasm32-unknown-unknown or wasm32-wasip1, not wasm32-wasip2)")
	case !bytes.Equal(code[4:8], []byte{1, 0, 0, 0}):
		return fmt.Errorf("its WebAssembly version is %x, want 1", code[4:8])
	}
	return nil
}

// checkABI recognises the ABI and checks imports and exports against it.
func checkABI(info *meter.Info) error {
	if !exportsFunc(info, abiExport) {
		if isHandler(info) {
			return checkHandler(info)
		}
		return foreign(info)
	}
	for _, im := range info.Imports {
		if err := checkImport(im); err != nil {
			return err
		}
	}
	hasMemory := false
	for _, ex := range info.Exports {
		hasMemory = hasMemory || ex.Name == "memory" && ex.Kind == meter.Memory
		want, ok := exportTable[ex.Name]
		if !ok {
			continue
		}
		if ex.Kind != meter.Func {
			return fmt.Errorf("the export %s is a %s, want a func %s", ex.Name, ex.Kind, spell(want))
		}
		if sig(ex.Func) != want {
			return fmt.Errorf("the export %s is %s, want %s", ex.Name, ex.Func, spell(want))
		}
	}
	if !hasMemory {
		return errors.New("the module does not export its memory as \"memory\"")
	}
	if !exportsFunc(info, "alloc") {
		return errors.New("the module does not export alloc (i32) -> (i32)")
	}
	return nil
}

// checkImport holds one import against what the host has.
func checkImport(im meter.Import) error {
	name := fmt.Sprintf("%s.%s", im.Module, im.Name)
	switch im.Module {
	case hostModule:
		for i := range hostTable {
			if h := &hostTable[i]; im.Kind == meter.Func && h.name == im.Name {
				if sig(im.Func) != h.sig {
					return fmt.Errorf("the import %s is %s, want %s", name, im.Func, spell(h.sig))
				}
				return nil
			}
		}
	case wasiModule:
		if im.Kind == meter.Func && wasiKnows(im.Name, sig(im.Func)) {
			return nil
		}
	}
	return fmt.Errorf("the import %s (%s) is none that the gateway has: it has the functions of module %q and those of WASI preview 1", name, im.Kind, hostModule)
}

func exportsFunc(info *meter.Info, name string) bool {
	for _, ex := range info.Exports {
		if ex.Name == name && ex.Kind == meter.Func {
			return true
		}
	}
	return false
}
