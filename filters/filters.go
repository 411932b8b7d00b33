// Package filters holds the filters that ship inside the binary, built from the C sources beside it by build.sh.
//
// A configuration names them `builtin:redact`, `builtin:guard` and `builtin:prompt`; the engine in runtime/filter
// loads their bytes like any other module. The contract they are written to stands in abi/README.md, kits to write more in
// sdk/.
package filters

import (
	"embed"
	"maps"
	"slices"
)

//go:embed guard/guard.wasm
var guard []byte

//go:embed redact/redact.wasm
var redact []byte

//go:embed prompt/prompt.wasm
var prompt []byte

// vectors are the self-tests of those that have some: NAME/NAME.vectors.json.
//
//go:embed */*.json
var vectors embed.FS

// builtin is the table of shipped filters: name to module.
var builtin = map[string][]byte{
	"guard":  guard,
	"redact": redact,
	"prompt": prompt,
}

// Builtin returns the module of a shipped filter by its name without the `builtin:` prefix. The bytes must not be
// changed. It is safe for concurrent use.
func Builtin(name string) ([]byte, bool) {
	module, ok := builtin[name]
	return module, ok
}

// Vectors returns the self-test vectors of a shipped filter, the JSON that runtime/filter's ParseVectors reads. It is safe
// for concurrent use.
func Vectors(name string) ([]byte, bool) {
	b, err := vectors.ReadFile(name + "/" + name + ".vectors.json")
	return b, err == nil
}

// Builtins returns the names of the shipped filters, sorted.
func Builtins() []string {
	return slices.Sorted(maps.Keys(builtin))
}
