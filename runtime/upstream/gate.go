package upstream

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// gate counts the calls under way at an endpoint and keeps the callers that wait for one to end. It survives reloads with
// the endpoint's record; the limit is the caller's own generation's.
//
// A free place goes to the tenant that has the fewest calls under way, among equals in turns, within a tenant to who came
// first. So a tenant with a hundred callers in the queue puts another's one off by less than a call, not by a hundred.
type gate struct {
	inFlight atomic.Int64
	waiting  atomic.Int64 // in all lines
	refused  atomic.Int64 // callers for whom there was no room in the queue

	mu      sync.Mutex
	lines   []*line        // of tenants with callers that wait; among equals the first has the next turn
	tenants map[string]int // calls under way by tenant, where there is a limit
}

// line is one tenant's waiting callers, the first to come first. It is never empty.
type line struct {
	tenant  string
	waiters []seat
}

// seat is a caller's place in one gate's queue.
type seat struct {
	w     *waiter
	limit int // of calls under way, as the caller's generation has it
	index int // of the target, for the caller
}

// waiter is a caller that waits at the gates of one or more endpoints, for whichever is free first.
type waiter struct {
	seats  atomic.Int64 // places in queues it still has
	over   atomic.Bool  // it was let in, pushed out or has gone: whoever sets this says which
	result chan int     // the index of the seat's target, or pushedOut; for one
}

const pushedOut = -1

// enter counts a tenant's call if fewer than limit are under way and nobody waits. A limit of 0 is none.
func (g *gate) enter(tenant string, limit int) bool {
	if limit <= 0 {
		g.inFlight.Add(1)
		return true
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.waiting.Load() > 0 || g.inFlight.Load() >= int64(limit) {
		return false
	}
	g.count(tenant)
	return true
}

// count counts a tenant's call. The lock is held.
func (g *gate) count(tenant string) {
	g.inFlight.Add(1)
	if g.tenants == nil {
		g.tenants = map[string]int{}
	}
	g.tenants[tenant]++
}

// leave counts a call less, of those that entered with that limit. Its place goes to whoever is next.
func (g *gate) leave(tenant string, limit int) {
	g.inFlight.Add(-1)
	if limit <= 0 && g.waiting.Load() == 0 {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if limit > 0 {
		if g.tenants[tenant]--; g.tenants[tenant] <= 0 {
			delete(g.tenants, tenant)
		}
	}
	g.serve()
}

// join puts a caller into the queue, which holds size. In a full one the tenant with the most callers, those with a call
// under way included, makes room: the one that came last of them is pushed out, unless the new one's own tenant would have
// as many.
func (g *gate) join(s seat, tenant string, size int) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if int(g.waiting.Load()) >= size && (size <= 0 || !g.makeRoom(tenant)) {
		g.refused.Add(1)
		return false
	}
	i := g.lineOf(tenant)
	if i < 0 {
		g.lines = append(g.lines, &line{tenant: tenant})
		i = len(g.lines) - 1
	}
	g.lines[i].waiters = append(g.lines[i].waiters, s)
	g.waiting.Add(1)
	s.w.seats.Add(1)
	g.serve()
	return true
}

// lineOf is the index of a tenant's line; -1: none of its callers waits. The lock is held.
func (g *gate) lineOf(tenant string) int {
	return slices.IndexFunc(g.lines, func(l *line) bool { return l.tenant == tenant })
}

// has is how many callers of a tenant are here, their calls under way or not. The lock is held.
func (g *gate) has(tenant string) int {
	n := g.tenants[tenant]
	if i := g.lineOf(tenant); i >= 0 {
		n += len(g.lines[i].waiters)
	}
	return n
}

// makeRoom pushes out the last of the tenant that has the most, if that is more than the new one's with it. The lock is held.
func (g *gate) makeRoom(tenant string) bool {
	most, n := 0, 0
	for i, l := range g.lines {
		if has := len(l.waiters) + g.tenants[l.tenant]; has > n {
			most, n = i, has
		}
	}
	if n <= g.has(tenant)+1 {
		return false
	}
	l := g.lines[most]
	last := len(l.waiters) - 1
	w := l.waiters[last].w
	if l.waiters = l.waiters[:last]; last == 0 {
		g.lines = slices.Delete(g.lines, most, most+1)
	}
	g.waiting.Add(-1)
	g.refused.Add(1)
	if w.seats.Add(-1) == 0 && w.over.CompareAndSwap(false, true) {
		w.result <- pushedOut
	}
	return true
}

// serve lets in whoever is next while there is room. The lock is held.
func (g *gate) serve() {
	for len(g.lines) > 0 {
		next := 0
		for i, l := range g.lines {
			if g.tenants[l.tenant] < g.tenants[g.lines[next].tenant] {
				next = i
			}
		}
		l := g.lines[next]
		s := l.waiters[0]
		gone := s.w.over.Load()
		if !gone && g.inFlight.Load() >= int64(s.limit) {
			return
		}
		g.pop(next)
		if !gone && s.w.over.CompareAndSwap(false, true) {
			g.count(l.tenant)
			s.w.result <- s.index
		}
	}
}

// pop takes the first out of a line, which goes behind the others. The lock is held.
func (g *gate) pop(i int) {
	l := g.lines[i]
	g.lines = slices.Delete(g.lines, i, i+1)
	l.waiters[0] = seat{}
	if l.waiters = l.waiters[1:]; len(l.waiters) > 0 {
		g.lines = append(g.lines, l)
	}
	g.waiting.Add(-1)
}

// quit takes a caller out of the queue, if it is still there.
func (g *gate) quit(w *waiter) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, l := range g.lines {
		at := slices.IndexFunc(l.waiters, func(s seat) bool { return s.w == w })
		if at < 0 {
			continue
		}
		if l.waiters = slices.Delete(l.waiters, at, at+1); len(l.waiters) == 0 {
			g.lines = slices.Delete(g.lines, i, i+1)
		}
		g.waiting.Add(-1)
		break
	}
	g.serve() // who stands behind may have another limit
}

// wait waits until a gate that the caller stood in line at lets it in, and gives the index of its target. It is not let in
// when it was pushed out of every queue, when timeout has passed, or when ctx ends.
func (w *waiter) wait(ctx context.Context, timeout time.Duration) (int, bool) {
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case i := <-w.result:
		return i, i != pushedOut
	case <-timer.C:
	case <-ctx.Done():
	}
	if w.over.CompareAndSwap(false, true) {
		return 0, false
	}
	i := <-w.result // at the very moment; whoever has no use for the place gives it back
	return i, i != pushedOut
}
