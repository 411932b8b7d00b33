package filter

import (
	"errors"
	"fmt"
	"strings"

	"github.com/sluicegate/sluice/runtime/filter/meter"
)

// rebuild is what to do with a filter that was built for another host.
const rebuild = "rebuild it with a Sluice SDK (sluice filter new) or for the http-wasm handler ABI"

// foreignABI is one contract that the gateway knows by sight and does not run.
type foreignABI struct {
	is      func(m *meter.Info) bool
	name    string
	instead string
}

// foreignTable is looked through in order: the narrow signs first.
var foreignTable = [...]foreignABI{
	{exportsPrefix("proxy_abi_version_"), "a proxy-wasm filter", rebuild},
	{importsNamed("env", "proxy_"), "a proxy-wasm filter", rebuild},
	{importsModule("extism:host/"), "an Extism plug-in", rebuild},
	{importsNamed("env", "extism_"), "an Extism plug-in", rebuild},
	{importsNamed("wapc", ""), "a waPC guest", rebuild},
	{exportsPrefix("__guest_call"), "a waPC guest", rebuild},
	{exportsPrefix("opa_eval"), "a compiled Rego policy", "put its .rego files where policy.path points"},
	{importsModule("wasi:"), "the inside of a component", "build a core module instead (Rust: target wasm32-unknown-unknown or wasm32-wasip1, not wasm32-wasip2)"},
	{importsModule("wasmbus:"), "a wasmCloud actor", rebuild},
}

// foreign says which other ABI a module has, and what to do.
func foreign(info *meter.Info) error {
	for i := range foreignTable {
		if f := &foreignTable[i]; f.is(info) {
			return fmt.Errorf("it is %s, which the gateway does not run: %s", f.name, f.instead)
		}
	}
	for _, ex := range info.Exports {
		if strings.HasPrefix(ex.Name, "sluice_abi_v") {
			return fmt.Errorf("it exports %s: this gateway knows version 1 only", ex.Name)
		}
	}
	if exportsFunc(info, "_start") {
		return errors.New("it is a program (it exports _start and no " + abiExport + "): build it as a library, with Go by -buildmode=c-shared, and " + rebuild)
	}
	return errors.New("it does not export " + abiExport + ": it is no Sluice filter; " + rebuild)
}

// exportsPrefix tells whether an export's name begins so.
func exportsPrefix(prefix string) func(*meter.Info) bool {
	return func(m *meter.Info) bool {
		for _, ex := range m.Exports {
			if strings.HasPrefix(ex.Name, prefix) {
				return true
			}
		}
		return false
	}
}

// importsModule tells whether something is imported from a module whose name begins so.
func importsModule(prefix string) func(*meter.Info) bool {
	return func(m *meter.Info) bool {
		for _, im := range m.Imports {
			if strings.HasPrefix(im.Module, prefix) {
				return true
			}
		}
		return false
	}
}

// importsNamed tells whether something whose name begins so is imported from a module.
func importsNamed(module, prefix string) func(*meter.Info) bool {
	return func(m *meter.Info) bool {
		for _, im := range m.Imports {
			if im.Module == module && strings.HasPrefix(im.Name, prefix) {
				return true
			}
		}
		return false
	}
}
