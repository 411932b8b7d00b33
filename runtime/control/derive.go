package control

import (
	"slices"
	"time"

	"github.com/sluicegate/sluice/runtime/pipeline"
)

// derive makes a generation that has all that this one has. Its slots and its state are its own, to be changed before it
// begins. Nothing is held until then.
func (g *generation) derive() *generation {
	n := &generation{
		config: g.config, live: g.live, candidate: g.candidate, policies: g.policies, addresses: g.addresses, token: g.token,
		state: g.state.clone(), feed: g.feed, base: g.base,
	}
	if n.base == nil {
		n.base = g
	}
	for _, s := range g.slots {
		n.slots = append(n.slots, copyOf(s))
	}
	return n
}

// begin makes a derived generation one that can be installed. What was built with the generation that it goes back to is
// closed when all of those have closed.
func (g *generation) begin(c *Controller, was *generation, number uint64) {
	g.base.more.Add(1)
	g.closer = append(g.closer, g.base.close)
	if h := g.candidate.hold; h != nil {
		c.take(h)
		g.closer = append(g.closer, func() error { c.give(h); return nil })
	}
	now, s := time.Now(), was.snap
	g.snap = &pipeline.Snapshot{
		Generation: number, Auth: s.Auth, Cache: s.Cache, Audit: s.Audit, Decisions: s.Decisions, Policy: s.Policy, Shadow: g.candidate.shadow, Models: s.Models,
		Names: s.Names, Limits: s.Limits, Created: now, IDs: s.IDs,
	}
	status := *was.status
	status.Generation, status.Since = number, now
	status.Models = slices.Clone(status.Models)
	g.status = &status
	g.chain()
}
