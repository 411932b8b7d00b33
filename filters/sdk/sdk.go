// Package sdk is the kits for writing filters in Go, Rust, AssemblyScript and C, carried inside the binary, and what
// `sluice filter new` and `sluice filter build` do with them: it lays out the folder of a new filter, complete but for a
// compiler, and runs that compiler.
//
// A filter's folder holds the source NAME.go, .rs, .ts or .c, which begins as the kit's example; NAME.vectors.json, what
// the filter must do; the kit and the contract in sluice/; and what the toolchain wants beside them. Nothing in it needs
// the network, but for AssemblyScript's compiler.
package sdk

import (
	"embed"
	"fmt"
	"regexp"
	"strings"
)

//go:embed go/*.go go/README.md go/example/main.go
//go:embed rust/*.rs rust/README.md rust/example/ticket.rs
//go:embed assemblyscript/*.ts assemblyscript/README.md assemblyscript/example/ticket.ts
//go:embed c/*.h c/*.c c/README.md c/example/ticket.c
//go:embed ticket.vectors.json
var files embed.FS

// AssemblyScript is the version of the npm package assemblyscript that new filters name and that the kit is tested with.
const AssemblyScript = "0.28.20"

// language is all that is known of one language.
type language struct {
	name    string
	ext     string // of its sources
	example string // the example's source in the kit
	// pairs are replaced in the example, old and new by turns: it finds the kit in sluice/ instead of beside it.
	pairs []string
	// extra are files that the toolchain wants beside the source: name and text by turns.
	extra []string
	// compile builds the module from the folder.
	compile func(*job) error
}

// languages is every language that there is a kit for.
var languages = [...]language{
	{
		name: "go", ext: ".go", example: "main.go",
		pairs:   []string{`"github.com/sluicegate/sluice/filters/sdk/go"`, `"sluice.local/NAME/sluice"`, "Command example is", "Command NAME is"},
		extra:   []string{"go.mod", "module sluice.local/NAME\n\ngo 1.24\n"},
		compile: compileGo,
	},
	{
		name: "rust", ext: ".rs", example: "ticket.rs",
		pairs:   []string{`"../json.rs"`, `"sluice/json.rs"`, `"../sluice.rs"`, `"sluice/sluice.rs"`},
		compile: compileRust,
	},
	{
		name: "assemblyscript", ext: ".ts", example: "ticket.ts",
		pairs: []string{`"../json"`, `"./sluice/json"`, `"../sluice"`, `"./sluice/sluice"`},
		extra: []string{
			"package.json", "{\n  \"private\": true,\n  \"devDependencies\": {\"assemblyscript\": \"" + AssemblyScript + "\"}\n}\n",
			"tsconfig.json", "{\n  \"extends\": \"assemblyscript/std/assembly.json\",\n  \"include\": [\"./**/*.ts\"]\n}\n",
		},
		compile: compileAssemblyScript,
	},
	{name: "c", ext: ".c", example: "ticket.c", compile: compileC},
}

// Languages are the names of the languages that there is a kit for.
func Languages() []string {
	out := make([]string, len(languages))
	for i := range languages {
		out[i] = languages[i].name
	}
	return out
}

// find gives a language by its name.
func find(name string) (*language, error) {
	for i := range languages {
		if languages[i].name == name {
			return &languages[i], nil
		}
	}
	return nil, fmt.Errorf("there is no kit for %q: there are kits for %s", name, strings.Join(Languages(), ", "))
}

var filterName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,63}$`)

// CheckName holds a name against the rules for filters' names. "sluice" is the kit's folder, and the gateway's own name
// for labels.
func CheckName(name string) error {
	if !filterName.MatchString(name) || name == "sluice" {
		return fmt.Errorf("%q is no name for a filter: take 1 to 64 of a-z, 0-9, _ and -, a letter or digit first, and not \"sluice\"", name)
	}
	return nil
}
