package filter

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

var errClosed = errors.New("the filter is closed")

// owner is whose text an instance may hold. The zero value is nobody's.
type owner struct {
	pass   uint64
	tenant string // IsolateTenant: in place of the pass
}

// pool keeps a filter's instances. An instance that goes to another owner is put back to the snapshot first, so no
// guest sees text of an exchange, or of a tenant, that is not its own; where that can't be done, it is thrown away.
// Instances are made as calls need them, up to a limit, and given back when they were idle for long.
type pool struct {
	f     *Filter
	limit int // of instances that may be out

	mu      sync.Mutex
	busy    places // one for each instance that is out
	idle    []*instance
	tally   tally
	figures poolFigures
	closed  bool
	done    chan struct{} // closed when closed is set
	empty   chan struct{} // closed when none is out any more after that

	closing sync.Mutex // serialises close
}

// poolFigures are what a pool has done, and has; guarded by its mutex.
type poolFigures struct {
	alive     int64
	memory    int64 // bytes of linear memory of those alive
	created   int64
	reclaimed int64
	discarded int64
	cold      int64
	waits     int64
}

func newPool(f *Filter, limit int) *pool {
	return &pool{f: f, limit: limit, done: make(chan struct{}), empty: make(chan struct{})}
}

// get waits for an instance that is clean, or holds nothing but the owner's text.
func (p *pool) get(ctx context.Context, o owner) (*instance, error) {
	p.mu.Lock()
	if err := p.enter(ctx); err != nil {
		p.mu.Unlock()
		return nil, err
	}
	in := p.take(o)
	p.mu.Unlock()
	for in != nil && in.owner != o && in.owner != (owner{}) && !p.reset(in) {
		p.discard(in)
		p.mu.Lock()
		in = p.take(o)
		p.mu.Unlock()
	}
	if in == nil {
		var err error
		if in, err = p.create(ctx); err != nil {
			p.leave()
			return nil, err
		}
	}
	in.owner = o
	return in, nil
}

// enter takes a place, and may wait for it. Called with mu held, which is given up meanwhile.
func (p *pool) enter(ctx context.Context) error {
	switch {
	case p.closed:
		return errClosed
	case p.busy.take(p.limit):
		return nil
	}
	p.figures.waits++
	turn := p.busy.wait()
	p.mu.Unlock()
	var err error
	select {
	case <-turn:
	case <-p.done:
		err = errClosed
	case <-ctx.Done():
		err = fmt.Errorf("waited for one of its %d instances: %w", p.limit, ctx.Err())
	}
	p.mu.Lock()
	if err == nil && p.closed {
		err = errClosed
	}
	if err != nil {
		p.busy.leaveLine(turn)
		p.ended()
	}
	return err
}

// leave gives a place back.
func (p *pool) leave() {
	p.mu.Lock()
	p.busy.leave()
	p.ended()
	p.mu.Unlock()
}

// ended tells close that none is out any more. Called with mu held, when a place was given back.
func (p *pool) ended() {
	if p.closed && p.busy.taken == 0 {
		close(p.empty)
	}
}

// create makes an instance. It is a cold start where none was alive.
func (p *pool) create(ctx context.Context) (*instance, error) {
	p.mu.Lock()
	cold := p.figures.alive == 0
	p.mu.Unlock()
	in, err := p.f.instance(ctx)
	if err == nil && cold {
		p.mu.Lock()
		p.figures.cold++
		p.mu.Unlock()
	}
	return in, err
}

// take removes an idle instance: the owner's own, else the clean one used last, else the one longest idle; nil where there
// is none. Called with mu held.
func (p *pool) take(o owner) *instance {
	best := -1
	for i := len(p.idle) - 1; i >= 0; i-- {
		if p.idle[i].owner == o {
			return p.remove(i)
		}
		if best < 0 && p.idle[i].owner == (owner{}) {
			best = i
		}
	}
	if len(p.idle) == 0 {
		return nil
	}
	return p.remove(max(best, 0))
}

// remove takes one instance out of the idle ones. Called with mu held.
func (p *pool) remove(i int) *instance {
	in := p.idle[i]
	p.idle = slices.Delete(p.idle, i, i+1)
	return in
}

// put gives an instance back. It may still hold its owner's text: wipe ends that, or the next owner's get.
func (p *pool) put(in *instance) {
	in.call.forget()
	in.since = in.call.clock.mark
	size := int64(in.mem.Size())
	p.mu.Lock()
	p.tally.take(&in.tally)
	p.figures.memory += size - in.size
	in.size = size
	if in.broken { // it is gone before another has its place
		p.mu.Unlock()
		p.discard(in)
		p.mu.Lock()
	} else {
		p.idle = append(p.idle, in)
	}
	p.busy.leave()
	p.ended()
	p.mu.Unlock()
}

// add counts a new instance, which is not yet among the idle ones.
func (p *pool) add(in *instance) {
	in.size = int64(in.mem.Size())
	p.mu.Lock()
	p.figures.alive++
	p.figures.created++
	p.figures.memory += in.size
	p.mu.Unlock()
}

// gone counts an instance that was freed.
func (p *pool) gone(in *instance) {
	p.mu.Lock()
	p.figures.alive--
	p.figures.memory -= in.size
	p.mu.Unlock()
}

// wipe puts the idle instances that hold the owner's text back to the snapshot. Done at the exchange's end, it keeps
// the reset out of the next one's way. It needs a place, as everything that takes an instance out does: there are never
// more instances than places.
func (p *pool) wipe(o owner) {
	p.mu.Lock()
	err := p.enter(context.Background())
	p.mu.Unlock()
	if err != nil {
		return // close frees them all
	}
	defer p.leave()
	for {
		in := p.takeDirty(o)
		if in == nil {
			return
		}
		if !p.reset(in) {
			p.discard(in)
			continue
		}
		p.mu.Lock()
		p.idle = append(p.idle, in)
		p.mu.Unlock()
	}
}

func (p *pool) takeDirty(o owner) *instance {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, in := range p.idle {
		if in.owner == o {
			return p.remove(i)
		}
	}
	return nil
}

// reset puts an instance back to the snapshot and reports whether that could be done.
func (p *pool) reset(in *instance) bool {
	m := p.f.mod
	return len(m.unrestorable) == 0 && in.restore(m.snap)
}

// unclean tells where an idle instance that should be the snapshot differs from it; "" where none does. Instances that
// nobody's text is in are compared byte for byte and global for global.
func (p *pool) unclean() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	snap := p.f.mod.snap
	for _, in := range p.idle {
		if in.owner != (owner{}) || snap == nil {
			continue
		}
		view, _ := in.mem.Read(0, in.mem.Size())
		if !bytes.Equal(view, snap.memory) {
			at := 0
			for at < min(len(view), len(snap.memory)) && view[at] == snap.memory[at] {
				at++
			}
			return fmt.Sprintf("memory that differs from byte %#x on", at)
		}
		for i, g := range in.globals {
			if g.Get() != snap.globals[i] {
				return fmt.Sprintf("another value in mutable global %d", i)
			}
		}
	}
	return ""
}

func (p *pool) discard(in *instance) {
	p.free(in, &p.figures.discarded)
}

// free ends an instance that is out, and counts it.
func (p *pool) free(in *instance, as *int64) {
	in.close()
	p.mu.Lock()
	*as++
	p.mu.Unlock()
}

// reap gives back the instances that were idle for limits.Idle at the time t, and returns how long it is until the next
// one can be. Where all places are taken nothing is idle for long, and there it does nothing.
func (p *pool) reap(t time.Duration) time.Duration {
	limit := p.f.spec.Limits.Idle
	p.mu.Lock()
	in := !p.closed && p.busy.take(p.limit)
	p.mu.Unlock()
	if !in {
		return limit
	}
	defer p.leave()
	for {
		in, next := p.takeOld(t, limit)
		if in == nil {
			return next
		}
		p.free(in, &p.figures.reclaimed)
	}
}

// takeOld removes an instance that was idle for the limit; nil where there is none, with the time until there may be.
func (p *pool) takeOld(t, limit time.Duration) (*instance, time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	next := limit
	for i, in := range p.idle {
		left := in.since + limit - t
		if left <= 0 && !p.closed {
			return p.remove(i), 0
		}
		next = min(next, left)
	}
	return nil, next
}

// close waits for the instances that are out and frees all. Where ctx ends the wait, it may be called again.
func (p *pool) close(ctx context.Context) error {
	p.closing.Lock()
	defer p.closing.Unlock()
	p.mu.Lock()
	if !p.closed {
		p.closed = true
		close(p.done)
		p.ended()
	}
	p.mu.Unlock()
	select {
	case <-p.empty:
	case <-ctx.Done():
		return ctx.Err()
	}
	p.mu.Lock()
	idle := p.idle
	p.idle = nil
	p.mu.Unlock()
	for _, in := range idle {
		in.close()
	}
	return nil
}
