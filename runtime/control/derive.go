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
		state: g.state.clone(),
	}
	for _, s := range g.slots {
		n.slots = append(n.slots, copyOf(s))
	}
	return n
}

// begin makes a derived generation one that can be installed. What the generation was has is closed when both have.
func (g *generation) begin(was *generation, number uint64) {
	was.more.Add(1)
	g.closer = append(g.closer, was.close)
	now, s := time.Now(), was.snap
	g.snap = &pipeline.Snapshot{
		Generation: number, Auth: s.Auth, Cache: s.Cache, Audit: s.Audit, Decisions: s.Decisions, Policy: s.Policy, Shadow: s.Shadow, Models: s.Models,
		Names: s.Names, Limits: s.Limits, Created: now,
	}
	status := *was.status
	status.Generation, status.Since = number, now
	status.Models = slices.Clone(status.Models)
	g.status = &status
	g.chain()
}
