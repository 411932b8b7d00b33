package pipeline

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluicegate/sluice/runtime/cache"
)

// comment is a heartbeat: a comment, which every reader of event streams skips (WHATWG HTML, 9.2.6).
var comment = []byte(": ping\n\n")

// pulse wakes the reader of a stream at intervals, so that a caller, and whatever stands between, sees that a model server
// which thinks, or a filter which holds text back, is not a connection that broke.
//
// It begins with the answer and not before: until its first event is there a stream can still become an answer of another
// endpoint, or an error with its own status, and a heartbeat would be the end of that.
type pulse struct {
	timer  *time.Timer
	every  atomic.Int64                 // nanoseconds
	reader atomic.Pointer[cache.Reader] // nil while it is nobody's
}

// pulses holds those that are nobody's. One that goes off late wakes its next owner once too early, which costs nothing.
var pulses = sync.Pool{New: func() any {
	p := new(pulse)
	p.timer = time.AfterFunc(time.Hour, p.beat)
	return p
}}

func (p *pulse) beat() {
	if r := p.reader.Load(); r != nil {
		r.Wake()
		p.timer.Reset(time.Duration(p.every.Load()))
	}
}

// heartbeat begins the heartbeats of a stream that may be silent: one that is still coming in. It may be nil.
func (r *run) heartbeat(src source) *pulse {
	reader, ok := src.(*cache.Reader)
	if !ok || r.snap.Heartbeat <= 0 {
		return nil
	}
	p := pulses.Get().(*pulse)
	p.every.Store(int64(r.snap.Heartbeat))
	p.reader.Store(reader)
	p.timer.Reset(time.Duration(p.every.Load()))
	return p
}

func (p *pulse) stop() {
	if p == nil {
		return
	}
	p.reader.Store(nil)
	p.timer.Stop()
	pulses.Put(p)
}

// beat sends a heartbeat if the stream has begun and nothing was sent since the last one was due.
func (r *run) beat(ctx context.Context) error {
	silent := r.begun && !r.sent
	r.sent = false
	if !silent {
		return nil
	}
	if err := r.caller.Send(comment); err != nil {
		return r.gone(ctx, err)
	}
	return nil
}
