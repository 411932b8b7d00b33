package upstream

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/sluicegate/sluice/runtime/wire"
)

// route is the way through the targets: which is next, in which round.
type route struct {
	targets []Target
	tenant  string
	at      int // index of the target that pick gave last
	tries   int
	round   int
	marks   []mark        // by target; nil until one has failed
	wait    time.Duration // the shortest Retry-After heard in this round; 0: none
	alive   bool          // a target of this round may be tried again
}

// mark says why a target is not to be tried now.
type mark uint8

const (
	markTried mark = 1 << iota // in this round
	markDead                   // in no round
)

// pick gives the target of the next attempt, counted at its gate: after the pause that is due before a new round, and after
// the wait for one that is free. The failure says why there is none.
func (r *route) pick(ctx context.Context) (Target, *Failure) {
	for {
		full := false
		for i := range r.targets {
			if r.skips(i) {
				continue
			}
			if r.targets[i].Endpoint.enter(r.tenant) {
				return r.take(i), nil
			}
			full = true
		}
		if full {
			return r.queue(ctx)
		}
		if r.round++; r.round >= maxRounds || !r.alive || !r.rest(ctx) {
			return Target{}, &Failure{Code: wire.NoEndpoint}
		}
		for i := range r.marks {
			r.marks[i] &^= markTried
		}
		r.alive, r.wait = false, 0
	}
}

func (r *route) take(i int) Target {
	r.at = i
	r.tries++
	return r.targets[i]
}

// skips tells whether a target is not to be tried now.
func (r *route) skips(i int) bool {
	return r.marks != nil && r.marks[i] != 0 || r.round > 0 && r.targets[i].Endpoint.record.ejected()
}

// queue waits in the queues of all targets that may be tried, which are full, for the first free place.
func (r *route) queue(ctx context.Context) (Target, *Failure) {
	w := &waiter{result: make(chan int, 1)}
	joined := false
	for i, t := range r.targets {
		if r.skips(i) || w.over.Load() {
			continue
		}
		joined = t.Endpoint.record.join(seat{w, t.Endpoint.o.MaxInFlight, i}, r.tenant, t.queueSize()) || joined
	}
	if !joined {
		return Target{}, full()
	}
	i, in := w.wait(ctx, r.queueTimeout())
	for _, t := range r.targets {
		t.Endpoint.record.quit(w)
	}
	if gone := abandoned(ctx, false); gone != nil {
		if in {
			r.targets[i].Endpoint.leave(r.tenant)
		}
		return Target{}, gone
	}
	if !in {
		return Target{}, full()
	}
	return r.take(i), nil
}

// full is the failure of a request for which no endpoint was free in time.
func full() *Failure { return &Failure{Code: wire.Overloaded, RetryAfter: time.Second} }

// queueSize is how many may wait for the target.
func (t *Target) queueSize() int {
	switch {
	case t.pool == nil:
		return 0
	case t.pool.o.Queue.Size < 0:
		return t.Endpoint.o.MaxInFlight
	default:
		return t.pool.o.Queue.Size
	}
}

// queueTimeout is how long to wait: as long as the first target's model says.
func (r *route) queueTimeout() time.Duration {
	if p := r.targets[0].pool; p != nil && p.o.Queue.Timeout > 0 {
		return p.o.Queue.Timeout
	}
	return defaultQueueTimeout
}

// began notes an attempt: the first is a request to its model.
func (r *route) began() {
	if p := r.targets[r.at].pool; p != nil && r.tries == 1 {
		p.budget.requested()
	}
}

// mayRepeat tells whether there is a target left and the model has a retry left. An attempt that no model server has seen
// costs nobody anything.
func (r *route) mayRepeat(last *Failure) bool {
	p := r.targets[r.at].pool
	return r.left() && (p == nil || !last.BodySent || p.budget.spend(time.Now()))
}

// left tells whether a target may be tried in this round or another.
func (r *route) left() bool {
	if r.alive && r.round+1 < maxRounds {
		return true
	}
	for i := range r.targets {
		if !r.skips(i) {
			return true
		}
	}
	return false
}

// failed notes the outcome of the attempt that pick gave last.
func (r *route) failed(f *Failure) {
	if r.marks == nil {
		r.marks = make([]mark, len(r.targets))
	}
	r.marks[r.at] |= markTried
	if f.Retry != RetryAnywhere {
		r.marks[r.at] |= markDead
		return
	}
	r.alive = true
	if f.RetryAfter > 0 && (r.wait == 0 || f.RetryAfter < r.wait) {
		r.wait = f.RetryAfter
	}
}

// rest waits before a new round. It tells whether it is worth going on: not if the wait is too long or ctx ends in it.
func (r *route) rest(ctx context.Context) bool {
	pause := min(firstPause<<(r.round-1), maxPause)
	pause = pause/2 + rand.N(pause/2+1) //nolint:gosec // equal jitter, so that callers who failed together do not come back together; no secret
	pause = max(pause, r.wait)
	if pause > maxWait {
		return false
	}
	if end, ok := ctx.Deadline(); ok && time.Until(end) <= pause {
		return false
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
