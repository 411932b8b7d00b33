package upstream

import (
	"sync"
	"sync/atomic"
	"time"
)

// Retries bound what attempts after the first may add to a model's load. The zero value is no bound.
type Retries struct {
	Share float64 // retries per request, such as 0.2
	Floor float64 // retries per second that there may be however few requests there are
}

// budget is a token bucket of retries: requests fill it, retries empty it. Where a model server fails all at once, most
// requests then fail with it instead of falling on the rest two and three times over.
type budget struct {
	fill  int64 // thousandths of a retry that a request adds; 0: no bound
	floor int64 // thousandths of a retry that a second adds, up to patience of them
	level atomic.Int64
	none  atomic.Int64 // retries there was no budget for

	mu    sync.Mutex
	since time.Time // when the floor was last added
}

const (
	patience = 10  // seconds over which the floor is averaged
	burst    = 100 // retries that requests may save up
	whole    = 1000
)

func newBudget(r Retries) *budget {
	b := &budget{fill: int64(r.Share * whole), floor: int64(r.Floor * whole), since: time.Now()}
	b.level.Store(b.floor * patience)
	return b
}

// requested notes a request.
func (b *budget) requested() {
	if b.fill > 0 && b.level.Load() < burst*whole+b.floor*patience {
		b.level.Add(b.fill)
	}
}

// spend takes a retry, if there is one left.
func (b *budget) spend(now time.Time) bool {
	if b.fill == 0 && b.floor == 0 {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	level := b.level.Load()
	if gap := b.floor*patience - level; gap > 0 {
		more := min(int64(now.Sub(b.since).Seconds()*float64(b.floor)), gap)
		b.level.Add(more)
		level += more
	}
	b.since = now
	if level < whole {
		b.none.Add(1)
		return false
	}
	b.level.Add(-whole)
	return true
}

// RetriesRefused counts the retries that were not made because the model's budget was used up.
func (p *Pool) RetriesRefused() int64 { return p.budget.none.Load() }
