package upstream

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/sluicegate/sluice/runtime/exchange"
	"github.com/sluicegate/sluice/runtime/wire"
)

// The bounds of one Forward.
const (
	maxAttempts = 4 // in all
	maxRounds   = 3 // at one endpoint; only the first round is without a pause before it
	firstPause  = 100 * time.Millisecond
	maxPause    = 2 * time.Second

	// maxWait is the longest Retry-After that is waited for; a caller whose model server wants more is told so.
	maxWait = 5 * time.Second

	// maxPooledBody bounds the buffers that are kept for the next request's body.
	maxPooledBody = 256 << 10
)

// bodies holds buffers for the bodies of requests, each owned by one Forward at a time.
var bodies = sync.Pool{New: func() any { b := make([]byte, 0, 4<<10); return &b }}

// Forward tries the targets in order until one answers, and gives its answer and which it was.
//
// After a failure that may be repeated it goes on to the next target at once; when all have been tried it starts again
// after a pause (exponential, with jitter, at least the Retry-After asked for) with those that may recover. It gives up
// when the attempts are used up, when the pause would outlast ctx, and at a failure that says to. A streamed answer is
// given once its first event is there, so that a death before it is repeated too. A call with effects at the model server
// (Call.Once) is repeated only while no byte of it was written.
//
// attempt makes the call for a target, its body appended to dst, which is valid until the attempt is over. onAttempt
// hears of every attempt. Errors are *Failure: the last one.
func Forward(ctx context.Context, targets []Target, attempt func(dst []byte, t Target) *Call,
	onAttempt func(exchange.Attempt),
) (*Reply, Target, error) {
	buf := bodies.Get().(*[]byte)
	defer bodies.Put(buf)
	r := route{targets: targets}
	last, at := &Failure{Code: wire.NoEndpoint}, Target{}
	for r.tries < maxAttempts {
		t, ok := r.pick(ctx)
		if !ok {
			break
		}
		at = t
		call := attempt((*buf)[:0], t)
		start := time.Now()
		reply, err := t.Endpoint.call(ctx, call)
		keepRoom(buf, len(call.Body))
		if err == nil {
			onAttempt(exchange.Attempt{Model: t.Model, Endpoint: t.Endpoint.Name(), Status: reply.Status, Duration: time.Since(start)})
			return reply, t, nil
		}
		last = err
		onAttempt(exchange.Attempt{Model: t.Model, Endpoint: t.Endpoint.Name(), Code: last.Code, Status: last.Status, Duration: time.Since(start)})
		if last.Retry == RetryNo || call.Once && last.BodySent {
			break
		}
		r.failed(last)
	}
	return nil, at, last
}

// keepRoom makes the pooled buffer large enough for bodies like the last one, which the buffer itself may not hold: what
// attempt returned may be memory of the caller's.
func keepRoom(buf *[]byte, n int) {
	if n > cap(*buf) && n <= maxPooledBody {
		*buf = make([]byte, 0, n+n/4)
	}
}

// route is the way through the targets: which is next, in which round.
type route struct {
	targets []Target
	tries   int
	next    int // index of the next target of this round
	round   int
	dead    []bool        // targets not to try again; nil until there is one
	wait    time.Duration // the shortest Retry-After heard in this round; 0: none
	alive   bool          // a target of this round may be tried again
}

// pick gives the target of the next attempt, after the pause that is due before a new round. It tells when there is none.
func (r *route) pick(ctx context.Context) (Target, bool) {
	for {
		for ; r.next < len(r.targets); r.next++ {
			t := r.targets[r.next]
			if r.dead != nil && r.dead[r.next] || r.round > 0 && t.Endpoint.record.ejected() {
				continue
			}
			r.next++
			r.tries++
			return t, true
		}
		if r.round++; r.round >= maxRounds || !r.alive || !r.rest(ctx) {
			return Target{}, false
		}
		r.next, r.alive, r.wait = 0, false, 0
	}
}

// failed notes the outcome of the attempt that pick gave last.
func (r *route) failed(f *Failure) {
	if f.Retry == RetryAnywhere {
		r.alive = true
		if f.RetryAfter > 0 && (r.wait == 0 || f.RetryAfter < r.wait) {
			r.wait = f.RetryAfter
		}
		return
	}
	if r.dead == nil {
		r.dead = make([]bool, len(r.targets))
	}
	r.dead[r.next-1] = true
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

// call makes one attempt and notes it in the endpoint's record. A streamed answer comes with its first event read.
func (e *Endpoint) call(ctx context.Context, c *Call) (*Reply, *Failure) {
	start := time.Now()
	e.record.inFlight.Add(1)
	reply, err := e.o.Caller.Call(ctx, c)
	if err == nil && reply.Events != nil {
		reply.Events, err = e.watch(ctx, reply.Events)
	}
	if err != nil {
		f := asFailure(err)
		if gone := abandoned(ctx, f.BodySent); gone != nil {
			f = gone
		}
		e.record.failed(f, time.Now())
		e.record.inFlight.Add(-1)
		return nil, f
	}
	now := time.Now()
	e.record.succeeded(now.Sub(start), now)
	if reply.Events == nil {
		e.record.inFlight.Add(-1)
	}
	return reply, nil
}

// watch reads the first event and gives a stream that begins with it and whose end is noted in the record.
func (e *Endpoint) watch(ctx context.Context, events Events) (Events, error) {
	first, err := events.Next()
	if err == nil {
		return &watched{events: events, first: first, peeked: true, record: e.record, ctx: ctx}, nil
	}
	_ = events.Close()
	if errors.Is(err, io.EOF) {
		err = Interrupted(io.ErrUnexpectedEOF) // a stream of no events is no answer
	}
	return nil, unbegun(err)
}

// watched is a stream whose first event has been read ahead. It belongs to one request, hence the context in it.
type watched struct {
	events Events
	first  []byte
	peeked bool
	closed bool
	record *record
	ctx    context.Context
}

func (w *watched) Next() ([]byte, error) {
	if w.peeked {
		first := w.first
		w.first, w.peeked = nil, false
		return first, nil
	}
	data, err := w.events.Next()
	if err == nil || errors.Is(err, io.EOF) {
		return data, err
	}
	f := asFailure(err)
	if gone := abandoned(w.ctx, true); gone != nil {
		f = gone
	}
	w.record.failed(f, time.Now())
	return nil, f
}

func (w *watched) Close() error {
	if w.closed {
		return nil
	}
	w.closed = true
	w.record.inFlight.Add(-1)
	return w.events.Close()
}
