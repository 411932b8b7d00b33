package filter

import (
	"slices"
	"strconv"
	"strings"

	"github.com/sluicegate/sluice/runtime/wire"
)

// factRole is the one fact that belongs to a text and not to the exchange.
const factRole = "message.role"

// factNames are the facts that a configuration may grant, but for factRole.
var factNames = [...]string{"principal.tenant", "principal.roles", "operation", "model", "stream"}

func knownFact(name string) bool { return name == factRole || slices.Contains(factNames[:], name) }

// fact reads a fact of the exchange, as filters get it. ok is false where it has no value.
func (p *Pass) fact(name string, role wire.Role) (value string, ok bool) {
	if p.facts != nil {
		value, ok = p.facts[name]
		return value, ok
	}
	r, who := p.x.Request, p.x.Principal
	switch name {
	case "principal.tenant":
		value = p.tenant()
	case "principal.roles":
		if who != nil {
			value = strings.Join(who.Roles, ",")
		}
	case "operation":
		value = string(p.x.Operation)
	case "model":
		if r != nil {
			value = r.Model
		}
	case "stream":
		if r != nil {
			value = strconv.FormatBool(r.Stream)
		}
	case factRole:
		value = role.String()
	}
	return value, value != ""
}

// tenant is the principal's; "" before anybody is known.
func (p *Pass) tenant() string {
	if p.x.Principal == nil {
		return ""
	}
	return p.x.Principal.Tenant
}
