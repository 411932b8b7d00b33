package config

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// decoder fills structs from a YAML tree and gathers every fault on the way.
type decoder struct {
	file   string
	root   ast.Node
	faults Faults
	fields map[reflect.Type][]field
}

// place is a value on its way into the config: the node, where it is, and its path, spelled out only for faults.
type place struct {
	parent *place
	name   string // the field, or "" for an element
	index  int
	node   ast.Node
	pos    Position
}

// path is such as models[0].name.
func (p *place) path() string {
	switch {
	case p.parent == nil:
		return ""
	case p.name == "":
		return p.parent.path() + "[" + strconv.Itoa(p.index) + "]"
	case p.parent.parent == nil:
		return p.name
	default:
		return p.parent.path() + "." + p.name
	}
}

// fault records what is wrong with the value at p.
func (d *decoder) fault(p *place, format string, args ...any) {
	d.faults = append(d.faults, &Fault{Position: p.pos, Path: p.path(), Message: fmt.Sprintf(format, args...)})
}

// faultAt records what is wrong with the field at path, found by the checks after decoding.
func (d *decoder) faultAt(path, format string, args ...any) {
	pos := locate(d.file, d.root, path)
	d.faults = append(d.faults, &Fault{Position: pos, Path: path, Message: fmt.Sprintf(format, args...)})
}

// config decodes the whole document.
func (d *decoder) config(c *Config) {
	d.fields = map[reflect.Type][]field{}
	c.setDefaults()
	d.value(&place{node: d.root, pos: start(d.file, d.root)}, reflect.ValueOf(c).Elem(), rule{})
}

// member makes the place of one member of a mapping.
func (d *decoder) member(parent *place, name string, m *ast.MappingValueNode) *place {
	p := &place{parent: parent, name: name, node: m.Value, pos: at(d.file, m.Key.GetToken())}
	if _, scalar := m.Value.(ast.ScalarNode); scalar {
		p.pos = at(d.file, m.Value.GetToken())
	}
	return p
}

// nodeDecoder is a type with a form of its own.
type nodeDecoder interface {
	decode(d *decoder, p *place)
}

// value decodes p into v, which holds the defaults.
func (d *decoder) value(p *place, v reflect.Value, r rule) {
	if !d.plain(p) {
		return
	}
	if v.Kind() == reflect.Pointer {
		fresh := reflect.New(v.Type().Elem())
		if def, ok := fresh.Interface().(defaulter); ok {
			def.setDefaults()
		}
		v.Set(fresh)
		v = v.Elem()
	}
	if own, ok := v.Addr().Interface().(nodeDecoder); ok {
		own.decode(d, p)
		return
	}
	switch x := v.Addr().Interface().(type) {
	case *time.Duration:
		setScalar(d, p, x, parseDuration)
	case *Size:
		setScalar(d, p, x, parseSize)
	case *Digest:
		setScalar(d, p, x, parseDigest)
	case *PublicKey:
		if _, mapping := pairs(p.node); mapping { // within [ ], the colon makes it one
			d.fault(p, "expected %s; write it in quotes", notation[PublicKey]())
			return
		}
		setScalar(d, p, x, parsePublicKey)
	case *time.Time:
		setScalar(d, p, x, parseExpiry)
	default:
		d.kind(p, v, r)
	}
}

// kind decodes by the kind of the Go type.
func (d *decoder) kind(p *place, v reflect.Value, r rule) {
	switch v.Kind() {
	case reflect.Struct:
		d.structure(p, v)
	case reflect.Slice:
		d.list(p, v, r)
	case reflect.Map:
		v.Set(reflect.ValueOf(d.words(p)).Convert(v.Type()))
	case reflect.String:
		if s, ok := d.text(p); ok && d.allowed(p, s, r) {
			v.SetString(s)
		}
	case reflect.Bool:
		d.boolean(p, v)
	case reflect.Int:
		d.integer(p, v, r)
	case reflect.Float64:
		d.number(p, v, r)
	}
}

// plain refuses what a config is not written in, and values left empty.
func (d *decoder) plain(p *place) bool {
	switch p.node.(type) {
	case *ast.AnchorNode, *ast.AliasNode:
		d.fault(p, "anchors and aliases are not taken; write the value out")
	case *ast.TagNode:
		d.fault(p, "tags are not taken; remove it")
	case *ast.NullNode, nil:
		d.fault(p, "empty; write a value or remove the key")
	default:
		return true
	}
	return false
}

// mapping gives the members of a mapping by name, each key once, in order.
func (d *decoder) mapping(p *place, f func(name string, member *place, m *ast.MappingValueNode)) bool {
	members, ok := pairs(p.node)
	if !ok {
		d.fault(p, "expected a mapping (key: value), found %s", kindOf(p.node))
		return false
	}
	seen := make(map[string]bool, len(members))
	for _, m := range members {
		name, ok := keyName(m.Key)
		if !ok {
			d.fault(&place{parent: p, name: "?", pos: at(d.file, m.Key.GetToken())}, "a key must be a word; write it out")
			continue
		}
		if seen[name] {
			d.fault(&place{parent: p, name: name, pos: at(d.file, m.Key.GetToken())}, "the key is given twice; keep one")
			continue
		}
		seen[name] = true
		f(name, d.member(p, name, m), m)
	}
	return true
}

// structure decodes a mapping with a fixed set of keys.
func (d *decoder) structure(p *place, v reflect.Value) {
	known := d.fieldsOf(v.Type())
	given := map[string]bool{}
	ok := d.mapping(p, func(name string, member *place, m *ast.MappingValueNode) {
		i := slices.IndexFunc(known, func(f field) bool { return f.name == name })
		if i < 0 {
			member.pos = at(d.file, m.Key.GetToken())
			d.fault(member, "unknown key; %s", suggest(name, known))
			return
		}
		given[name] = true
		d.value(member, v.Field(known[i].index), known[i].rule)
	})
	for _, f := range known {
		if ok && f.rule.required && !given[f.name] {
			d.fault(&place{parent: p, name: f.name, pos: p.pos}, "missing; it is required")
		}
	}
}

// list decodes a sequence.
func (d *decoder) list(p *place, v reflect.Value, r rule) {
	seq, ok := p.node.(*ast.SequenceNode)
	if !ok {
		d.fault(p, "expected a list, found %s; write [...] or lines that begin with -", kindOf(p.node))
		return
	}
	if len(seq.Values) == 0 && r.required {
		d.fault(p, "an empty list; write at least one element")
	}
	r.required = false
	out := reflect.MakeSlice(v.Type(), len(seq.Values), len(seq.Values))
	for i, n := range seq.Values {
		el := out.Index(i)
		if def, ok := el.Addr().Interface().(defaulter); ok {
			def.setDefaults()
		}
		d.value(&place{parent: p, index: i, node: n, pos: start(d.file, n)}, el, r)
	}
	v.Set(out)
}

// words decodes a mapping of words to words.
func (d *decoder) words(p *place) map[string]string {
	out := map[string]string{}
	d.mapping(p, func(name string, member *place, _ *ast.MappingValueNode) {
		if !d.plain(member) {
			return
		}
		if s, ok := d.text(member); ok {
			out[name] = s
		}
	})
	return out
}

// text decodes a string. A number or boolean is refused, so that 007 or 1.10 never loses digits unseen.
func (d *decoder) text(p *place) (string, bool) {
	var s string
	switch n := p.node.(type) {
	case *ast.StringNode:
		s = n.Value
	case *ast.LiteralNode:
		s = n.Value.Value
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		d.fault(p, "expected text, found %s; write it in quotes", kindOf(p.node))
		return "", false
	default:
		d.fault(p, "expected text, found %s", kindOf(p.node))
		return "", false
	}
	if s == "" {
		d.fault(p, "empty; write a value or remove the key")
		return "", false
	}
	return s, true
}

// allowed checks a word against its closed set.
func (d *decoder) allowed(p *place, s string, r rule) bool {
	if len(r.enum) == 0 || slices.Contains(r.enum, s) {
		return true
	}
	d.fault(p, "expected one of %s", strings.Join(r.enum, ", "))
	return false
}

func (d *decoder) boolean(p *place, v reflect.Value) {
	n, ok := p.node.(*ast.BoolNode)
	if !ok {
		d.fault(p, "expected true or false, found %s", kindOf(p.node))
		return
	}
	v.SetBool(n.Value)
}

func (d *decoder) integer(p *place, v reflect.Value, r rule) {
	n, ok := p.node.(*ast.IntegerNode)
	if !ok {
		d.fault(p, "expected a whole number, found %s", kindOf(p.node))
		return
	}
	var i int64
	switch x := n.Value.(type) {
	case int64:
		i = x
	case uint64:
		i = int64(min(x, math.MaxInt64))
	}
	if d.within(p, float64(i), r) {
		v.SetInt(i)
	}
}

func (d *decoder) number(p *place, v reflect.Value, r rule) {
	var f float64
	switch n := p.node.(type) {
	case *ast.FloatNode:
		f = n.Value
	case *ast.IntegerNode:
		f, _ = strconv.ParseFloat(fmt.Sprint(n.Value), 64)
	default:
		d.fault(p, "expected a number, found %s", kindOf(p.node))
		return
	}
	if d.within(p, f, r) {
		v.SetFloat(f)
	}
}

// within checks a number's range.
func (d *decoder) within(p *place, f float64, r rule) bool {
	switch {
	case f < r.min && math.IsInf(r.max, 1):
		d.fault(p, "expected a number of at least %v", r.min)
	case f < r.min || f > r.max:
		d.fault(p, "expected a number from %.0f to %.0f", r.min, r.max)
	default:
		return true
	}
	return false
}
