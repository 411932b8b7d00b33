package config

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// OPA is the configuration of OPA's own plugins, in OPA's own form (openpolicyagent.org, "Configuration"): services,
// bundles, keys, decision_logs, status, labels and persistence_directory. Keys that OPA would pass over are faults here,
// for a misspelt signing would be no signature at all.
//
// Secrets stand in it as elsewhere, {env: NAME} or {file: path}, or as OPA's ${NAME}. The key of a signature, which is
// public, may be written out.
type OPA struct {
	doc map[string]any // mappings, lists, texts, numbers, booleans; opaRef in the place of a referenced text
}

// opaRef is a text that stands elsewhere.
type opaRef struct {
	Ref
	whole bool // the text as it is: a key in PEM has lines
}

// Bundles are the names of the bundles, sorted.
func (o *OPA) Bundles() []string { return o.names("bundles") }

// Labels are what tells this gateway from others in decisions and status; nil without any.
func (o *OPA) Labels() map[string]string {
	if o == nil {
		return nil
	}
	labels, _ := o.doc["labels"].(map[string]any)
	out := make(map[string]string, len(labels))
	for name, value := range labels {
		out[name], _ = value.(string)
	}
	return out
}

// Has tells whether a section is there.
func (o *OPA) Has(section string) bool {
	if o == nil {
		return false
	}
	_, ok := o.doc[section]
	return ok
}

func (o *OPA) names(section string) []string {
	if o == nil {
		return nil
	}
	members, _ := o.doc[section].(map[string]any)
	return slices.Sorted(maps.Keys(members))
}

// MarshalJSON gives the section as it was written, with places in place of secrets.
func (o *OPA) MarshalJSON() ([]byte, error) { return json.Marshal(o.doc) }

// Files are the files it names, as written: secrets, keys, certificates.
func (o *OPA) Files() []string {
	var out []string
	if o != nil {
		eachLeaf(o.doc, opaForm, func(v any, r *opaRule) {
			switch v := v.(type) {
			case opaRef:
				if v.File != "" {
					out = append(out, v.File)
				}
			case string:
				if r.path && !r.folder {
					out = append(out, v)
				}
			}
		})
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// eachLeaf visits every value that is no mapping and no list.
func eachLeaf(v any, r *opaRule, visit func(any, *opaRule)) {
	switch v := v.(type) {
	case map[string]any:
		for name, m := range v {
			eachLeaf(m, r.member(name), visit)
		}
	case []any:
		for _, m := range v {
			eachLeaf(m, r.element(), visit)
		}
	default:
		visit(v, r)
	}
}

// Resolve gives the configuration as JSON, with secrets in their places and paths made absolute; files are relative to
// dir. The error says where a secret was looked for, never what was found.
func (o *OPA) Resolve(dir string) ([]byte, error) {
	doc, err := resolveOPA(o.doc, opaForm, dir, "opa")
	if err != nil {
		return nil, err
	}
	return json.Marshal(doc)
}

func resolveOPA(v any, r *opaRule, dir, path string) (any, error) {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for name, m := range v {
			var err error
			if out[name], err = resolveOPA(m, r.member(name), dir, path+"."+name); err != nil {
				return nil, err
			}
		}
		return out, nil
	case []any:
		out := make([]any, len(v))
		for i, m := range v {
			var err error
			if out[i], err = resolveOPA(m, r.element(), dir, indexed(path, i)); err != nil {
				return nil, err
			}
		}
		return out, nil
	case opaRef:
		s, err := v.resolve(dir)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		return s, nil
	case string:
		return expand(v, r, dir, path)
	}
	return v, nil
}

func (r opaRef) resolve(dir string) (string, error) {
	if !r.whole {
		return r.Ref.Resolve(dir)
	}
	s, err := r.read(dir)
	if err == nil && strings.TrimSpace(s) == "" {
		err = fmt.Errorf("%s is empty; put the key there", r.Ref)
	}
	return s, err
}

// variable is OPA's own form of a reference to the environment.
var variable = regexp.MustCompile(`\$\{([A-Za-z_][A-Za-z0-9_]*)\}`)

// expand puts variables into a text, and makes a path one that can be opened.
func expand(s string, r *opaRule, dir, path string) (string, error) {
	var missing string
	s = variable.ReplaceAllStringFunc(s, func(ref string) string {
		value, ok := os.LookupEnv(ref[2 : len(ref)-1])
		if (!ok || value == "") && missing == "" {
			missing = ref[2 : len(ref)-1]
		}
		return value
	})
	if missing != "" {
		return "", fmt.Errorf("%s: environment variable %s is not set; set it", path, missing)
	}
	if r.path && !filepath.IsAbs(s) {
		s = filepath.Join(dir, s)
	}
	if r.path { // OPA would read it relative to where the program was started
		return filepath.Abs(s)
	}
	return s, nil
}

// decode reads the section and reports what OPA would pass over.
func (o *OPA) decode(d *decoder, p *place) {
	o.doc, _ = d.opa(p, opaForm, 0).(map[string]any)
}

// opa decodes one value.
func (d *decoder) opa(p *place, r *opaRule, depth int) any {
	if r.refused != "" {
		d.fault(p, "%s", r.refused)
		return nil
	}
	if !d.plain(p) {
		return nil
	}
	if depth > maxRawDepth {
		d.fault(p, "nested deeper than %d; make it flatter", maxRawDepth)
		return nil
	}
	switch n := p.node.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		if r.takesRef() {
			return d.opaReference(p, r)
		}
		return d.opaMapping(p, r, depth)
	case *ast.SequenceNode:
		if !r.lists() {
			d.fault(p, "expected %s, found a list", r.wants())
			return nil
		}
		out := make([]any, len(n.Values))
		for i, el := range n.Values {
			out[i] = d.opa(&place{parent: p, index: i, node: el, pos: start(d.file, el)}, r.element(), depth+1)
		}
		return out
	}
	return d.opaScalar(p, r)
}

func (d *decoder) opaMapping(p *place, r *opaRule, depth int) any {
	if !r.maps() {
		d.fault(p, "expected %s, found a mapping", r.wants())
		return nil
	}
	out := map[string]any{}
	d.mapping(p, func(name string, member *place, m *ast.MappingValueNode) {
		next := r.member(name)
		if next == nil {
			member.pos = at(d.file, m.Key.GetToken())
			d.fault(member, "unknown key; %s", suggest(name, r.fields()))
			return
		}
		if next.refused != "" {
			member.pos = at(d.file, m.Key.GetToken())
		}
		if v := d.opa(member, next, depth+1); v != nil {
			out[name] = v
		}
	})
	return out
}

// opaReference decodes {env: NAME} or {file: path}.
func (d *decoder) opaReference(p *place, r *opaRule) any {
	ref := opaRef{whole: r.key}
	before := len(d.faults)
	ref.Ref.decode(d, p)
	if len(d.faults) > before {
		return nil
	}
	return ref
}

// opaScalar decodes a text, a number or a boolean.
func (d *decoder) opaScalar(p *place, r *opaRule) any {
	switch n := p.node.(type) {
	case *ast.BoolNode:
		if r.boolean || r.open {
			return n.Value
		}
	case *ast.IntegerNode:
		if r.open {
			return json.Number(fmt.Sprint(n.Value))
		}
		if r.max > 0 {
			return d.opaNumber(p, r, n)
		}
	case *ast.FloatNode:
		if r.open && !math.IsInf(n.Value, 0) && !math.IsNaN(n.Value) {
			return json.Number(strconv.FormatFloat(n.Value, 'g', -1, 64))
		}
	case *ast.StringNode, *ast.LiteralNode:
		if r.text || r.open {
			return d.opaText(p, r)
		}
	}
	d.fault(p, "expected %s, found %s", r.wants(), kindOf(p.node))
	return nil
}

func (d *decoder) opaNumber(p *place, r *opaRule, n *ast.IntegerNode) any {
	v, err := strconv.ParseInt(fmt.Sprint(n.Value), 10, 64)
	if err != nil || v < r.min || v > r.max {
		d.fault(p, "expected a number from %d to %d", r.min, r.max)
		return nil
	}
	return v
}

func (d *decoder) opaText(p *place, r *opaRule) any {
	s, ok := d.text(p)
	if !ok {
		return nil
	}
	if r.secret && !variable.MatchString(s) {
		d.fault(p, "a secret written out; write {env: NAME}, {file: path} or ${NAME}, and no secret into a config")
		return nil
	}
	if len(r.enum) > 0 && !slices.Contains(r.enum, s) {
		d.fault(p, "expected one of %s", strings.Join(r.enum, ", "))
		return nil
	}
	return s
}
