package upstream

import (
	"math/rand/v2"
	"time"
)

// Constraint says which endpoints a request may go to.
type Constraint struct {
	Labels map[string]string        // an endpoint must carry all of them
	Ran    func(filter string) bool // whether a filter ran on what would be sent; nil: none did

	// Conversation is the same for all requests of one conversation, for pools that keep one at one endpoint (see
	// Pool.Sticky); 0: not known. It excludes nothing.
	Conversation uint64
}

// Target is one endpoint to try, for the model of that name.
type Target struct {
	Model    string
	Endpoint *Endpoint
	pool     *Pool // nil: no queue, and no bound on retries
}

// rank is an endpoint's place in a plan, above all that its pool's Balancer says.
type rank struct {
	tier  tier
	group group
}

// group orders the endpoints of one tier of a pool.
type group uint8

const (
	groupProbe  group = iota // due for the one call that tells whether it is well again
	groupFull                // in the Balancer's order
	groupCold                // just back: it takes part in some plans only, here it does not
	groupSpare               // of no weight: tried when the others failed
	groupsInAll = iota
)

// Plan orders the endpoints that may serve a request, given the pools of the models that the decision allows, in its order
// of preference. First come the models in that order, each with its ready endpoints in its Balancer's order; then the
// endpoints that asked for a pause, then those out of the rotation, so that a request is never refused for the
// record of the only endpoint it could go to. Endpoints that the constraint excludes, and those that drain, are left
// out. An endpoint that is due for a probe comes first in its pool, for one plan at a time.
func Plan(pools []*Pool, c Constraint) []Target {
	var room [16]rank
	ranks, now, claim, n := room[:0], time.Now(), true, 0
	for _, p := range pools {
		for _, e := range p.endpoints {
			r := e.rank(&c, now, claim && n == 0) // a probe further back in the plan might never be made
			ranks = append(ranks, r)
			claim = claim && r.group != groupProbe
		}
		for _, r := range ranks[len(ranks)-len(p.endpoints):] {
			if r.tier != tierNone {
				n++
			}
		}
	}
	out := make([]Target, 0, n)
	for t := tierReady; t < tierNone; t++ {
		rest := ranks
		for _, p := range pools {
			out = p.appendTier(out, rest, t, c.Conversation)
			rest = rest[len(p.endpoints):]
		}
	}
	return out
}

// rank gives the endpoint's place. With claim, the probe that is due may be the caller's.
func (e *Endpoint) rank(c *Constraint, now time.Time, claim bool) rank {
	if e.o.Drain || !e.may(c) {
		return rank{tierNone, groupSpare} // not groupProbe, which is zero: the probe that is due is for another
	}
	t, probe, back := e.record.rank(now, claim)
	switch {
	case probe:
		return rank{t, groupProbe}
	case e.o.Weight <= 0:
		return rank{t, groupSpare}
	case e.o.WarmUp > 0 && cold(now.Sub(back), e.o.WarmUp):
		return rank{t, groupCold}
	default:
		return rank{t, groupFull}
	}
}

// cold tells, at random, whether an endpoint that has been back for a time stays behind the others this once: nearly
// always at first, never when it is warm.
func cold(since, warmUp time.Duration) bool {
	return since < warmUp && rand.Float64() > max(float64(since)/float64(warmUp), leastShare) //nolint:gosec // it spreads load and guards no secret
}

// leastShare is the part of its full share that an endpoint gets from the first moment.
const leastShare = 0.1

// appendTier appends the pool's endpoints of one tier, in order.
func (p *Pool) appendTier(out []Target, ranks []rank, t tier, conversation uint64) []Target {
	for g := group(0); g < groupsInAll; g++ {
		start := len(out)
		for i, e := range p.endpoints {
			if ranks[i] == (rank{t, g}) {
				out = append(out, Target{p.o.Model, e, p})
			}
		}
		if len(out)-start < 2 {
			continue
		}
		if g == groupSpare {
			shuffle(out[start:])
		} else {
			p.balance.Order(out[start:], conversation)
		}
	}
	return out
}

func shuffle(ts []Target) {
	rand.Shuffle(len(ts), func(i, j int) { ts[i], ts[j] = ts[j], ts[i] }) //nolint:gosec // it spreads load and guards no secret
}
