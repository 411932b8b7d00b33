package upstream

import (
	"time"

	"github.com/sluicegate/sluice/runtime/exchange"
)

// Considered tells for the endpoints of pools how they stood when a plan was made: those on it in its order, then those that
// the constraint or a drain excludes. It claims no probe.
func Considered(pools []*Pool, c Constraint, plan []Target) []exchange.Candidate {
	n, now := 0, time.Now()
	for _, p := range pools {
		n += len(p.endpoints)
	}
	out := make([]exchange.Candidate, 0, n)
	for i, t := range plan {
		out = append(out, exchange.Candidate{Model: t.Model, Endpoint: t.Endpoint.Name(), State: t.Endpoint.standing(now, i == 0)})
	}
	for _, p := range pools {
		for _, e := range p.endpoints {
			if why := e.passed(&c); why != "" {
				out = append(out, exchange.Candidate{Model: p.o.Model, Endpoint: e.Name(), State: why})
			}
		}
	}
	return out
}

// passed is why the endpoint is never tried under the constraint; "" if it may be.
func (e *Endpoint) passed(c *Constraint) exchange.Standing {
	switch {
	case e.o.Drain:
		return exchange.PassedDrains
	case e.may(c):
		return ""
	case e.may(&Constraint{Ran: c.Ran}):
		return exchange.PassedLabels
	default:
		return exchange.PassedRequires
	}
}

// standing is how an endpoint stands that may be tried. One that is out and stands first in a plan is there for its probe.
func (e *Endpoint) standing(now time.Time, first bool) exchange.Standing {
	t, _, _ := e.record.rank(now, false)
	switch {
	case t == tierOut && first:
		return exchange.StandingProbe
	case t == tierOut:
		return exchange.StandingOut
	case t == tierPaused:
		return exchange.StandingPaused
	case e.o.Weight <= 0:
		return exchange.StandingSpare
	default:
		return exchange.StandingReady
	}
}
