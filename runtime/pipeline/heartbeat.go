package pipeline

import (
	"context"
	"sync"
	"time"

	"github.com/sluicegate/sluice/runtime/cache"
	"github.com/sluicegate/sluice/runtime/reuse"
)

// comment is a heartbeat: a comment, which every reader of event streams skips (WHATWG HTML, 9.2.6).
var comment = []byte(": ping\n\n")

// pulse sends a comment where nothing else was sent for so long, so that a caller, and whatever stands between, sees that a
// model server which thinks, or a filter which holds text back, is not a connection that broke.
//
// It begins with the answer and not before: until its first event is there a stream can still become an answer of another
// endpoint, or an error with its own status, and a heartbeat would be the end of that.
type pulse struct {
	mu    sync.Mutex // held for a beat, and while the run sends
	timer *time.Timer
	every time.Duration
	run   *run // nil while it is nobody's
	sent  bool // something, since the last beat was due
	err   error
}

// pulses holds those that are nobody's. One that goes off late beats too early for its next owner, which costs nothing.
var pulses = reuse.Pool[pulse]{Name: "heartbeats", New: func() *pulse {
	p := new(pulse)
	p.timer = time.AfterFunc(time.Hour, p.beat)
	return p
}}

// heartbeat begins the heartbeats of a stream. It may be nil, which does nothing.
func (r *run) heartbeat(src source) *pulse {
	if _, stored := src.(*cache.EntryReader); stored || r.snap.Heartbeat <= 0 {
		return nil
	}
	p := pulses.Get()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.run, p.every, p.sent, p.err = r, r.snap.Heartbeat, false, nil
	p.timer.Reset(p.every)
	return p
}

// beat sends a heartbeat if the stream has begun and is silent. A caller that cannot be written to is gone.
func (p *pulse) beat() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.run == nil {
		return
	}
	if !p.sent {
		if p.err = p.run.ping(); p.err != nil {
			p.run.cancel(p.err)
			return
		}
	}
	p.sent = false
	p.timer.Reset(p.every)
}

// ping sends a comment in a stream that has begun.
func (r *run) ping() error {
	r.speaking.Lock()
	defer r.speaking.Unlock()
	if !r.begun || r.told {
		return nil
	}
	return r.caller.Send(comment)
}

// send sends what the run has made, between two beats. It may be the last.
func (p *pulse) send(ctx context.Context, r *run, last bool) error {
	if p == nil {
		return r.send(ctx, last)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return r.gone(ctx, p.err)
	}
	p.sent = p.sent || len(r.out) > 0
	return r.send(ctx, last)
}

func (p *pulse) stop() {
	if p == nil {
		return
	}
	p.mu.Lock()
	p.run = nil
	p.mu.Unlock()
	p.timer.Stop()
	pulses.Put(p)
}
