package filter

import (
	"sync"
	"time"
)

// janitor gives the idle instances of an engine's filters back. Its one goroutine belongs to the engine: it begins with
// the first filter, and stop ends it and waits for it.
type janitor struct {
	mu      sync.Mutex
	pools   map[*pool]bool
	wake    chan struct{} // nil until it runs; holds one word: there is a new pool
	quit    chan struct{}
	gone    chan struct{}
	stopped bool
}

// leastPause is how long the janitor sleeps at least, so that instances that end one after another are taken together.
const leastPause = 50 * time.Millisecond

// add has a pool looked after.
func (j *janitor) add(p *pool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.pools == nil {
		j.pools = map[*pool]bool{}
	}
	j.pools[p] = true
	switch {
	case j.stopped:
	case j.wake == nil:
		j.wake, j.quit, j.gone = make(chan struct{}, 1), make(chan struct{}), make(chan struct{})
		go j.run()
	default:
		select {
		case j.wake <- struct{}{}:
		default:
		}
	}
}

// remove ends that. The pool may be looked at once more.
func (j *janitor) remove(p *pool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	delete(j.pools, p)
}

// stop ends the goroutine and waits for it. It may be called more than once.
func (j *janitor) stop() {
	j.mu.Lock()
	if j.wake != nil && !j.stopped {
		close(j.quit)
	}
	j.stopped = true
	gone := j.gone
	j.mu.Unlock()
	if gone != nil {
		<-gone
	}
}

func (j *janitor) run() {
	defer close(j.gone)
	t := time.NewTimer(j.sweep())
	defer t.Stop()
	for {
		select {
		case <-j.quit:
			return
		case <-j.wake:
		case <-t.C:
		}
		t.Reset(j.sweep())
	}
}

// sweep looks at every pool and returns when to look again.
func (j *janitor) sweep() time.Duration {
	j.mu.Lock()
	pools := make([]*pool, 0, len(j.pools))
	for p := range j.pools {
		pools = append(pools, p)
	}
	j.mu.Unlock()
	next := time.Hour
	for _, p := range pools {
		next = min(next, p.reap(now()))
	}
	return max(next, leastPause)
}
