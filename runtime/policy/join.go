package policy

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/bundle"
)

// part is one of the bundles that a Source was joined of.
type part struct {
	name     string // the bundle's
	source   string // shown before the paths of its files
	revision string
	roots    []string // what it owns of data, slash-separated; "" is all
}

// Join makes one Source of bundles by name. Each owns the roots that its manifest names, all of data where it names none,
// and no two may own the same. The error is Faults.
func Join(bundles map[string]Source) (Source, error) {
	var out Source
	var faults Faults
	var names []string
	for _, name := range slices.Sorted(maps.Keys(bundles)) {
		s := bundles[name]
		p := &part{name: name, source: s.name, revision: s.Revision(), roots: s.roots()}
		for _, other := range out.parts {
			if fault := p.overlaps(other); fault != nil {
				faults = append(faults, *fault)
			}
		}
		for _, f := range s.files {
			out.files = append(out.files, file{f.path, f.body, p})
		}
		out.parts, names = append(out.parts, p), append(names, s.name)
	}
	out.name = strings.Join(names, ", ")
	if !slices.ContainsFunc(out.files, func(f file) bool { return isModule(f.path) }) {
		faults = append(faults, Fault{Stage: StageRead, File: out.name, Message: "there is no .rego file in it"})
	}
	if len(faults) > 0 {
		return Source{}, faults
	}
	return out, nil
}

// roots are what a bundle owns.
func (s Source) roots() []string {
	m := s.manifest()
	if m.Roots == nil {
		return []string{""}
	}
	out := make([]string, len(*m.Roots))
	for i, root := range *m.Roots {
		out[i] = strings.Trim(root, "/")
	}
	return out
}

// overlaps is the fault of two bundles that own the same.
func (p *part) overlaps(other *part) *Fault {
	for _, a := range p.roots {
		for _, b := range other.roots {
			if bundle.RootPathsOverlap(a, b) {
				return &Fault{Stage: StageRoots, File: p.source + "/" + manifestFile, Message: fmt.Sprintf(
					"the bundles %s and %s both own data.%s: name roots in the %s of each, and none twice",
					other.name, p.name, cmp.Or(strings.ReplaceAll(longer(a, b), "/", "."), "*"), manifestFile)}
			}
		}
	}
	return nil
}

func longer(a, b string) string {
	if len(a) > len(b) {
		return a
	}
	return b
}

// outside is the path of something in a document below at that no root permits; "" is none.
func (p *part) outside(doc map[string]any, at string) string {
	for _, key := range slices.Sorted(maps.Keys(doc)) {
		next := strings.TrimPrefix(at+"/"+key, "/")
		if bundle.RootPathsContain(p.roots, next) {
			continue
		}
		inner, ok := doc[key].(map[string]any)
		if !ok || !slices.ContainsFunc(p.roots, func(root string) bool { return strings.HasPrefix(root, next+"/") }) {
			return next
		}
		if found := p.outside(inner, next); found != "" {
			return found
		}
	}
	return ""
}

// revisionOf names the revision of each part, that of a single one alone.
func revisionOf(parts []*part) string {
	if len(parts) == 1 {
		return parts[0].revision
	}
	words := make([]string, len(parts))
	for i, p := range parts {
		words[i] = p.name + "=" + p.revision
	}
	return strings.Join(words, " ")
}
