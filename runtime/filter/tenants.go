package filter

import (
	"context"
	"sync"
)

// maxIdleTenants bounds how many tenants without a running call are remembered.
const maxIdleTenants = 1024

// tenants caps how many calls of one tenant run in filters at once, so that one tenant's heavy texts can't take every
// core from the others.
type tenants struct {
	limit int
	mu    sync.Mutex
	gates map[string]*gate
}

// gate is one tenant's cap; tenants.mu guards it.
type gate struct {
	places
	swept bool // the tenant is not remembered any more: its next call makes another
}

// enter waits for a place of the tenant's; leave gives it back. g is the gate that the tenant's last call went through, which
// saves looking for it; it may be nil.
func (t *tenants) enter(ctx context.Context, tenant string, g *gate) (*gate, error) {
	t.mu.Lock()
	if g == nil || g.swept {
		g = t.gate(tenant)
	}
	if g.take(t.limit) {
		t.mu.Unlock()
		return g, nil
	}
	turn := g.wait()
	t.mu.Unlock()
	select {
	case <-turn:
		return g, nil
	case <-ctx.Done():
		t.mu.Lock()
		g.leaveLine(turn)
		t.mu.Unlock()
		return nil, ctx.Err()
	}
}

func (t *tenants) leave(g *gate) {
	t.mu.Lock()
	g.leave()
	t.mu.Unlock()
}

// gate finds the tenant's gate, or makes it. Called with mu held.
func (t *tenants) gate(tenant string) *gate {
	g := t.gates[tenant]
	if g == nil {
		if t.gates == nil {
			t.gates = map[string]*gate{}
		}
		if len(t.gates) >= maxIdleTenants {
			t.sweep()
		}
		g = new(gate)
		t.gates[tenant] = g
	}
	return g
}

// sweep drops the tenants that have no call now. Called with mu held.
func (t *tenants) sweep() {
	for name, g := range t.gates {
		if g.taken == 0 {
			g.swept = true
			delete(t.gates, name)
		}
	}
}
