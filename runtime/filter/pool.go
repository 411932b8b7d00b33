package filter

import (
	"context"
	"errors"
	"sync"
)

var errClosed = errors.New("the filter is closed")

// pool keeps a filter's instances. An instance that goes to another exchange is put back to the snapshot first, so no
// guest sees text of an exchange that is not its own; where that can't be done, it is thrown away.
type pool struct {
	f      *Filter
	slots  chan struct{} // one for each instance that may be out
	mu     sync.Mutex
	idle   []*instance
	closed bool
	done   chan struct{} // closed when closed is set

	closing sync.Mutex // serialises close
	drained int        // slots that close has taken for good
}

func newPool(f *Filter, limit int) *pool {
	return &pool{f: f, slots: make(chan struct{}, limit), done: make(chan struct{})}
}

// get waits for an instance that is clean, or holds nothing but the owner's text.
func (p *pool) get(ctx context.Context, owner uint64) (*instance, error) {
	select {
	case p.slots <- struct{}{}:
	default:
		select {
		case p.slots <- struct{}{}:
		case <-p.done:
			return nil, errClosed
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	in, err := p.pick(ctx, owner)
	if err != nil {
		<-p.slots
		return nil, err
	}
	in.owner = owner
	return in, nil
}

// pick takes an idle instance and readies it for the owner, or makes one.
func (p *pool) pick(ctx context.Context, owner uint64) (*instance, error) {
	for {
		in, err := p.take(owner)
		if err != nil {
			return nil, err
		}
		if in == nil {
			return p.f.instance(ctx)
		}
		if in.owner == owner || in.owner == 0 || p.reset(in) {
			return in, nil
		}
		p.discard(in)
	}
}

// take removes an idle instance: the owner's own, else a clean one, else the one longest idle; nil if there is none.
func (p *pool) take(owner uint64) (*instance, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, errClosed
	}
	best := -1
	for i := len(p.idle) - 1; i >= 0; i-- {
		if p.idle[i].owner == owner {
			best = i
			break
		}
		if p.idle[i].owner == 0 && best < 0 {
			best = i
		}
	}
	if best < 0 {
		if len(p.idle) == 0 {
			return nil, nil
		}
		best = 0
	}
	return p.remove(best), nil
}

// remove takes one instance out of the idle ones. Called with mu held.
func (p *pool) remove(i int) *instance {
	in := p.idle[i]
	p.idle = append(p.idle[:i], p.idle[i+1:]...)
	return in
}

// put gives an instance back. It may still hold its owner's text: wipe ends that, or the next owner's get.
func (p *pool) put(in *instance) {
	in.call.forget()
	p.mu.Lock()
	keep := !in.broken
	if keep {
		p.idle = append(p.idle, in)
	}
	p.mu.Unlock()
	if !keep {
		p.discard(in)
	}
	<-p.slots
}

// wipe puts the idle instances that hold the owner's text back to the snapshot. Done at the exchange's end, it keeps
// the reset out of the next one's way. It needs a slot, as everything that takes an instance out does: there are never
// more instances than slots.
func (p *pool) wipe(owner uint64) {
	select {
	case p.slots <- struct{}{}:
	case <-p.done:
		return // close frees them all
	}
	defer func() { <-p.slots }()
	for {
		in := p.takeDirty(owner)
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

func (p *pool) takeDirty(owner uint64) *instance {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, in := range p.idle {
		if in.owner == owner {
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

func (p *pool) discard(in *instance) {
	in.close()
	p.f.stats.discarded.Add(1)
}

// close waits for the instances that are out and frees all. Where ctx ends the wait, it may be called again.
func (p *pool) close(ctx context.Context) error {
	p.closing.Lock()
	defer p.closing.Unlock()
	p.mu.Lock()
	if !p.closed {
		p.closed = true
		close(p.done)
	}
	p.mu.Unlock()
	for ; p.drained < cap(p.slots); p.drained++ {
		select {
		case p.slots <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	for _, in := range p.idle {
		in.close()
	}
	p.idle = nil
	return nil
}
