// Package layering holds the direction rule: which package may import which. The rule is the text below, and the test
// holds the code against it, as go/build's deps_test.go does for the standard library.
package layering

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/sluicegate/sluice/"

// rules lists every package with all it may import of this module. A package that is not here fails the test, and so
// does an edge that nothing uses any more.
const rules = `
	runtime/reuse            :
	runtime/strictjson       : reuse
	runtime/sse              : reuse
	runtime/filter/meter     :
	runtime/filter/token     :
	runtime/config           :
	runtime/credential       :
	runtime/certificate      :
	runtime/socket           :
	runtime/http1            : reuse socket
	runtime/wire             : strictjson
	runtime/exchange         : strictjson wire
	runtime/wire/walk        : strictjson wire reuse
	runtime/wire/openai      : strictjson sse wire exchange wire/walk
	runtime/wire/oip         : strictjson wire exchange wire/walk
	runtime/wire/anthropic   : strictjson sse wire exchange wire/walk
	runtime/wire/inference   : strictjson wire exchange wire/openai wire/walk
	runtime/wire/translate   : reuse strictjson wire
	runtime/auth             : wire exchange
	runtime/artifact         : strictjson
	runtime/filter           : strictjson wire exchange filter/meter filter/token
	runtime/policy           : strictjson wire exchange policy/rules
	runtime/policy/rules     :
	runtime/bundle           :
	runtime/cache            : wire reuse
	runtime/audit            : wire exchange
	runtime/metrics          : wire exchange
	runtime/upstream         : reuse socket wire exchange
	runtime/provider         : strictjson sse wire upstream wire/translate wire/anthropic wire/openai
	runtime/pipeline         : reuse strictjson wire exchange auth filter policy cache upstream audit metrics
	runtime/server           : http1 reuse socket wire exchange pipeline wire/openai wire/inference wire/oip wire/anthropic
	runtime/control          : config credential certificate strictjson wire exchange auth artifact bundle filter policy cache upstream provider audit metrics pipeline /policies /filters
	runtime/admin            : artifact control
	cmd/sluice               : artifact config wire exchange auth filter policy pipeline control admin server /filters /filters/sdk /policies
	policies                 :
	filters                  :
	filters/abi              :
	filters/sdk              : /filters/abi
`

// owners lists third-party modules that one package alone may import, and net/http with those that may.
var owners = map[string][]string{
	"github.com/valyala/fastjson":           {"runtime/strictjson"},
	"github.com/tetratelabs/wazero":         {"runtime/filter"},
	"github.com/open-policy-agent/opa":      {"runtime/policy", "runtime/policy/rules", "runtime/bundle"},
	"github.com/hashicorp/golang-lru":       {"runtime/cache"},
	"github.com/lestrrat-go/jwx":            {"runtime/auth"},
	"github.com/goccy/go-yaml":              {"runtime/config", "runtime/policy"},
	"github.com/prometheus":                 {"runtime/metrics"},
	"github.com/fsnotify/fsnotify":          {"runtime/control"},
	"golang.org/x/mod":                      {"runtime/artifact"},
	"net/http":                              {"runtime/http1", "runtime/server", "runtime/admin", "runtime/credential", "runtime/upstream", "runtime/provider", "runtime/auth", "runtime/artifact", "runtime/bundle", "runtime/control", "runtime/policy", "cmd/sluice"},
	"github.com/aws":                        {"runtime/provider"},
	"oras.land/oras-go":                     {"runtime/artifact"},
	"github.com/opencontainers":             {"runtime/artifact"},
	"github.com/spf13/cobra":                {"cmd/sluice"},
	"github.com/open-policy-agent/opa/cmd":  {},
	"github.com/open-policy-agent/opa/test": {},
}

type pkg struct {
	ImportPath string
	Imports    []string
}

// list is every package of the module with what its code, tests apart, imports.
func list(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", "./...")
	cmd.Dir = "../../.."
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var pkgs []pkg
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return pkgs
		} else if err != nil {
			t.Fatal(err)
		}
		pkgs = append(pkgs, p)
	}
}

// allowed reads rules.
func allowed() map[string][]string {
	out := map[string][]string{}
	for line := range strings.Lines(strings.TrimSpace(rules)) {
		name, deps, _ := strings.Cut(line, ":")
		name = strings.TrimSpace(name)
		out[name] = []string{}
		for _, d := range strings.Fields(deps) {
			if top, ok := strings.CutPrefix(d, "/"); ok {
				out[name] = append(out[name], top)
			} else {
				out[name] = append(out[name], "runtime/"+d)
			}
		}
	}
	return out
}

// exempt are packages that no rule binds: test-only parts and guests, which are programs of their own.
func exempt(name string) bool {
	return strings.HasPrefix(name, "runtime/internal/") || strings.HasPrefix(name, "filters/sdk/") ||
		strings.HasPrefix(name, "examples/") || strings.Contains(name, "/testdata/")
}

func TestDirection(t *testing.T) {
	rule := allowed()
	for _, p := range list(t) {
		name := strings.TrimPrefix(p.ImportPath, module)
		if exempt(name) {
			continue
		}
		may, ok := rule[name]
		if !ok {
			t.Errorf("%s is not in the rules: add its line, and say in CONTRIBUTING.md where it stands", name)
			continue
		}
		used := map[string]bool{}
		for _, imp := range p.Imports {
			dep, ours := strings.CutPrefix(imp, module)
			if !ours {
				continue
			}
			used[dep] = true
			if !slices.Contains(may, dep) {
				t.Errorf("%s imports %s, which its rule does not allow", name, dep)
			}
		}
		for _, dep := range may {
			if !used[dep] {
				t.Errorf("%s may import %s and does not: take the edge out of its rule", name, dep)
			}
		}
		delete(rule, name)
	}
	for name := range rule {
		t.Errorf("the rules name %s, which is not there", name)
	}
}

func TestThirdPartiesHaveOneOwner(t *testing.T) {
	for _, p := range list(t) {
		name := strings.TrimPrefix(p.ImportPath, module)
		if exempt(name) {
			continue
		}
		for _, imp := range p.Imports {
			for path, may := range owners {
				if (imp == path || strings.HasPrefix(imp, path+"/")) && !slices.Contains(may, name) {
					t.Errorf("%s imports %s, which only %v may", name, imp, may)
				}
			}
		}
	}
}

// The filter SDK and the ABI's constants are compiled into guests: nothing but the standard library.
func TestGuestsImportTheStandardLibraryOnly(t *testing.T) {
	for _, p := range list(t) {
		name := strings.TrimPrefix(p.ImportPath, module)
		if !strings.HasPrefix(name, "filters/sdk/") && name != "filters/abi" {
			continue
		}
		for _, imp := range p.Imports {
			if first, _, _ := strings.Cut(imp, "/"); strings.Contains(first, ".") && !strings.HasPrefix(imp, module+"filters/") {
				t.Errorf("%s imports %s", name, imp)
			}
		}
	}
}
