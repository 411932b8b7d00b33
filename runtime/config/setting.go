package config

import (
	"os"

	"github.com/goccy/go-yaml/ast"
)

// Setting is text, written out or as {env: NAME}: the value of an environment variable when the config is read. It is for
// what differs from one place of running to the next and is no secret; secrets are a Ref.
type Setting string

func (s *Setting) decode(d *decoder, p *place) {
	if _, ok := pairs(p.node); !ok {
		if text, ok := d.text(p); ok {
			*s = Setting(text)
		}
		return
	}
	var name string
	d.mapping(p, func(key string, member *place, m *ast.MappingValueNode) {
		if key != "env" {
			member.pos = at(d.file, m.Key.GetToken())
			d.fault(member, "unknown key; expected text, or {env: NAME}")
			return
		}
		name, _ = d.text(member)
	})
	switch value := os.Getenv(name); {
	case name == "":
	case !envName.MatchString(name):
		d.fault(p, "env is not the name of a variable; write the name, not the value")
	case value == "":
		d.fault(p, "environment variable %s is not set; set it", name)
	default:
		*s = Setting(value)
	}
}
