package config

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/goccy/go-yaml/ast"
)

// maxRawDepth bounds how deep a filter's own settings may be nested.
const maxRawDepth = 32

// actionNames are what may be done with a finding.
var actionNames = []string{"token", "mask", "hmac", "block", "report"}

// decode splits a filter's config block: request and response are the host's, the rest is the guest's, as JSON. A text is
// the guest's alone.
func (c *FilterConfig) decode(d *decoder, p *place) {
	switch p.node.(type) {
	case *ast.StringNode, *ast.LiteralNode:
		c.Text, _ = d.text(p)
		return
	}
	guest := []byte{'{'}
	d.mapping(p, func(name string, member *place, _ *ast.MappingValueNode) {
		switch name {
		case "request":
			c.Request = d.actions(member, actionNames)
		case "response":
			// A token is put back from the caller's own table, which only its request can fill.
			c.Response = d.actions(member, actionNames[1:])
		default:
			guest = d.appendMember(guest, name, member, 1)
		}
	})
	if len(guest) > 1 {
		c.Guest = append(guest, '}')
	}
}

// actions decodes kinds and what is done with them.
func (d *decoder) actions(p *place, names []string) Actions {
	if !d.plain(p) {
		return nil
	}
	out := Actions{}
	d.mapping(p, func(kind string, member *place, _ *ast.MappingValueNode) {
		if !d.plain(member) {
			return
		}
		action, ok := d.text(member)
		switch {
		case !ok:
		case action == "token" && !slices.Contains(names, action):
			d.fault(member, "an answer has no tokens, for nothing could put them back; write mask or hmac")
		case d.allowed(member, action, rule{enum: names}):
			out[kind] = action
		}
	})
	return out
}

// appendMember appends a comma where one is due, the name and the value as JSON.
func (d *decoder) appendMember(dst []byte, name string, p *place, depth int) []byte {
	if dst[len(dst)-1] != '{' {
		dst = append(dst, ',')
	}
	dst = append(appendText(dst, name), ':')
	return d.appendJSON(dst, p, depth)
}

// appendJSON appends a value as JSON. What JSON can't say is a fault, and null in its place.
func (d *decoder) appendJSON(dst []byte, p *place, depth int) []byte {
	if depth > maxRawDepth {
		d.fault(p, "nested deeper than %d; make it flatter", maxRawDepth)
		return append(dst, "null"...)
	}
	switch n := p.node.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		dst = append(dst, '{')
		d.mapping(p, func(name string, member *place, _ *ast.MappingValueNode) {
			dst = d.appendMember(dst, name, member, depth+1)
		})
		return append(dst, '}')
	case *ast.SequenceNode:
		dst = append(dst, '[')
		for i, el := range n.Values {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = d.appendJSON(dst, &place{parent: p, index: i, node: el, pos: start(d.file, el)}, depth+1)
		}
		return append(dst, ']')
	case *ast.NullNode:
		return append(dst, "null"...)
	}
	return d.appendScalar(dst, p)
}

func (d *decoder) appendScalar(dst []byte, p *place) []byte {
	switch n := p.node.(type) {
	case *ast.StringNode:
		return appendText(dst, n.Value)
	case *ast.LiteralNode:
		return appendText(dst, n.Value.Value)
	case *ast.BoolNode:
		return strconv.AppendBool(dst, n.Value)
	case *ast.IntegerNode:
		return fmt.Append(dst, n.Value)
	case *ast.FloatNode:
		if !math.IsInf(n.Value, 0) && !math.IsNaN(n.Value) {
			return strconv.AppendFloat(dst, n.Value, 'g', -1, 64)
		}
	}
	if d.plain(p) {
		d.fault(p, "a filter's settings are JSON, which has no such value; write it in quotes")
	}
	return append(dst, "null"...)
}

// appendText appends a JSON string.
func appendText(dst []byte, s string) []byte {
	text, _ := json.Marshal(s)
	return append(dst, text...)
}
