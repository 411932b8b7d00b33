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

// gate is one tenant's cap. users counts those inside and those waiting; it is guarded by tenants.mu.
type gate struct {
	slots chan struct{}
	users int
}

// enter waits for a slot of the tenant's; leave gives it back.
func (t *tenants) enter(ctx context.Context, tenant string) (*gate, error) {
	g := t.gate(tenant)
	select {
	case g.slots <- struct{}{}:
		return g, nil
	default:
	}
	select {
	case g.slots <- struct{}{}:
		return g, nil
	case <-ctx.Done():
		t.forget(g)
		return nil, ctx.Err()
	}
}

func (t *tenants) leave(g *gate) {
	<-g.slots
	t.forget(g)
}

func (t *tenants) gate(tenant string) *gate {
	t.mu.Lock()
	defer t.mu.Unlock()
	g := t.gates[tenant]
	if g == nil {
		if t.gates == nil {
			t.gates = map[string]*gate{}
		}
		if len(t.gates) >= maxIdleTenants {
			t.sweep()
		}
		g = &gate{slots: make(chan struct{}, t.limit)}
		t.gates[tenant] = g
	}
	g.users++
	return g
}

func (t *tenants) forget(g *gate) {
	t.mu.Lock()
	g.users--
	t.mu.Unlock()
}

// sweep drops the tenants that nobody uses now. Called with mu held.
func (t *tenants) sweep() {
	for name, g := range t.gates {
		if g.users == 0 {
			delete(t.gates, name)
		}
	}
}
