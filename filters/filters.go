// Package filters holds the filters that ship inside the binary, built from the C sources beside it by build.sh.
//
// A configuration names them `builtin:redact` and `builtin:prompt`; the engine in runtime/filter loads their bytes like
// any other module. The contract they are written to stands in abi/README.md, kits to write more in sdk/.
package filters

import (
	_ "embed"
	"maps"
	"slices"
)

//go:embed redact/redact.wasm
var redact []byte

//go:embed prompt/prompt.wasm
var prompt []byte

// builtin is the table of shipped filters: name to module.
var builtin = map[string][]byte{
	"redact": redact,
	"prompt": prompt,
}

// Builtin returns the module of a shipped filter by its name without the `builtin:` prefix. The bytes must not be
// changed. It is safe for concurrent use.
func Builtin(name string) ([]byte, bool) {
	module, ok := builtin[name]
	return module, ok
}

// Builtins returns the names of the shipped filters, sorted.
func Builtins() []string {
	return slices.Sorted(maps.Keys(builtin))
}
