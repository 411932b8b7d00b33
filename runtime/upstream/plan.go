package upstream

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// Constraint says which endpoints a request may go to.
type Constraint struct {
	Labels map[string]string        // an endpoint must carry all of them
	Ran    func(filter string) bool // whether a filter ran on what would be sent; nil: none did
}

// Target is one endpoint to try, for the model of that name.
type Target struct {
	Model    string
	Endpoint *Endpoint
}

// candidate is a target with what orders it.
type candidate struct {
	Target
	tier tier
	pool int
	draw float64
}

// Plan orders the endpoints that may serve a request, given the pools of the models that the decision allows, in its order
// of preference. First come the models in that order, each with its ready endpoints in a weighted random order; then
// the endpoints that asked for a pause, then those out of the rotation, so that a request is never refused for the
// record of the only endpoint it could go to. Endpoints that the constraint excludes are left out. An endpoint that is
// due for a probe comes first in its pool, for one plan at a time.
func Plan(pools []*Pool, c Constraint) []Target {
	var room [8]candidate
	all, now, claim := room[:0], time.Now(), true
	for i, p := range pools {
		for _, e := range p.endpoints {
			if !e.may(&c) {
				continue
			}
			t, probe := e.record.rank(now, claim)
			all = append(all, candidate{Target{p.model, e}, t, i, draw(e.o.Weight, probe)})
		}
		claim = claim && len(all) == 0 // a probe further back in the plan might never be made
	}
	if len(all) > 1 {
		slices.SortFunc(all, before)
	}
	out := make([]Target, len(all))
	for i := range all {
		out[i] = all[i].Target
	}
	return out
}

// draw places an endpoint in its pool: a probe first, then by weight, spares last. Ascending exponential draws with the
// weights as rates are a weighted order (Efraimidis and Spirakis, 2006).
func draw(weight int, probe bool) float64 {
	switch {
	case probe:
		return -1
	case weight <= 0:
		return math.MaxFloat64/2 + rand.Float64()*math.MaxFloat64/4 //nolint:gosec // it spreads load and guards no secret
	default:
		return rand.ExpFloat64() / float64(weight) //nolint:gosec // the same
	}
}

func before(a, b candidate) int {
	return cmp.Or(cmp.Compare(a.tier, b.tier), cmp.Compare(a.pool, b.pool), cmp.Compare(a.draw, b.draw))
}
