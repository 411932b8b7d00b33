package config

import (
	"reflect"

	"github.com/goccy/go-yaml/ast"
)

// Names are one or several, written as a word or as a list.
type Names []string

// decode reads a word, or a list of them.
func (n *Names) decode(d *decoder, p *place) {
	if _, list := p.node.(*ast.SequenceNode); list {
		d.list(p, reflect.ValueOf((*[]string)(n)).Elem(), rule{required: true})
		return
	}
	if s, ok := d.text(p); ok {
		*n = Names{s}
	}
}
