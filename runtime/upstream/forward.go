package upstream

import (
	"context"
	"errors"
	"io"
	"slices"
	"time"

	"github.com/sluicegate/sluice/runtime/exchange"
	"github.com/sluicegate/sluice/runtime/reuse"
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
var bodies = reuse.Pool[[]byte]{Name: "forwarded bodies", New: func() *[]byte { b := make([]byte, 0, 4<<10); return &b }}

// Errand is where a request may go, and whose it is.
type Errand struct {
	Targets []Target // as Plan made them
	Tenant  string   // tenants take turns where they wait for an endpoint
}

// Forward tries the targets in order until one answers, and gives its answer and which it was.
//
// A target that has as many calls under way as it may is passed over for those behind it; when all have, the request waits
// in their queues for the first that is free. After a failure that may be repeated it goes on to the next target at once;
// when all have been tried it starts again after a pause (exponential, with jitter, at least the Retry-After asked for) with
// those that may recover. It gives up when the attempts or the model's budget of retries are used up, when the pause would
// outlast ctx, and at a failure that says to. A streamed answer is given once its first event is there, so that a death
// before it is repeated too. A call with effects at the model server (Call.Once) is repeated only while no byte of it was
// written.
//
// attempt makes the call for a target, its body appended to dst, which is valid until the attempt is over. onAttempt
// hears of every attempt. Errors are *Failure: the last one.
func Forward(ctx context.Context, e Errand, attempt func(dst []byte, t Target) *Call, onAttempt func(exchange.Attempt),
) (*Reply, Target, error) {
	buf := bodies.Get()
	defer bodies.Put(buf)
	r := route{targets: e.Targets, tenant: e.Tenant}
	var last *Failure
	var at Target
	for r.tries < maxAttempts {
		if r.tries > 0 && !r.mayRepeat(last) {
			break
		}
		t, f := r.pick(ctx)
		if f != nil {
			if r.tries == 0 {
				last = f
			}
			break
		}
		at = t
		r.began()
		reply, once, f := r.try(ctx, t, buf, attempt, onAttempt)
		if f == nil {
			return reply, t, nil
		}
		last = f
		if last.Retry == RetryNo || once && last.BodySent {
			break
		}
		r.failed(last)
	}
	return nil, at, last
}

// try makes one attempt at a target whose gate has let it in. It tells whether the call was one to be made once.
func (r *route) try(ctx context.Context, t Target, buf *[]byte, attempt func([]byte, Target) *Call, onAttempt func(exchange.Attempt),
) (reply *Reply, once bool, f *Failure) {
	told := false
	defer func() {
		switch {
		case reply == nil || reply.Events == nil:
			t.Endpoint.leave(r.tenant)
		case !told: // there was a panic, and nobody has the stream
			_ = reply.Close()
		}
	}()
	start := time.Now()
	if f = t.Endpoint.name(ctx); f == nil {
		call := attempt((*buf)[:0], t)
		once, start = call.Once, time.Now()
		reply, f = t.Endpoint.call(ctx, r.tenant, call)
		keepRoom(buf, len(call.Body))
	}
	a := exchange.Attempt{Model: t.Model, Endpoint: t.Endpoint.Name(), Duration: time.Since(start)}
	if f == nil {
		a.Status = reply.Status
	} else {
		a.Code, a.Status = f.Code, f.Status
	}
	onAttempt(a)
	told = true
	return reply, once, f
}

// keepRoom makes the pooled buffer large enough for bodies like the last one, which the buffer itself may not hold: what
// attempt returned may be memory of the caller's.
func keepRoom(buf *[]byte, n int) {
	if n > cap(*buf) && n <= maxPooledBody {
		*buf = make([]byte, 0, n+n/4)
	}
}

// call makes one attempt and notes it in the endpoint's record. A streamed answer comes with its first event read.
func (e *Endpoint) call(ctx context.Context, tenant string, c *Call) (*Reply, *Failure) {
	if e.tells() {
		c.Header = append(slices.Clip(c.Header), Field{loadFormat, loadText})
	}
	c.at, c.tenant = e, tenant
	start := time.Now()
	reply, err := e.o.Caller.Call(ctx, c)
	if err == nil {
		reply.Header = e.heard(reply.Header)
	}
	if err == nil && reply.Events != nil {
		reply.Events, err = e.watch(ctx, tenant, reply.Events)
	}
	if err != nil {
		return nil, e.failed(ctx, err)
	}
	now := time.Now()
	e.record.succeeded(now.Sub(start), &e.o.Breaker, now)
	return reply, nil
}

// failed notes a failed attempt.
func (e *Endpoint) failed(ctx context.Context, err error) *Failure {
	f := asFailure(err)
	if gone := abandoned(ctx, f.BodySent); gone != nil {
		f = gone
	}
	e.record.failed(f, &e.o.Breaker, time.Now())
	return f
}

// watch reads the first event and gives a stream that begins with it and whose end is noted in the record.
func (e *Endpoint) watch(ctx context.Context, tenant string, events Events) (Events, error) {
	begun := false
	defer func() {
		if !begun {
			_ = events.Close()
		}
	}()
	first, err := events.Next()
	if begun = err == nil; begun {
		return &watched{events: events, first: first, peeked: true, endpoint: e, tenant: tenant, ctx: ctx}, nil
	}
	if errors.Is(err, io.EOF) {
		err = Interrupted(io.ErrUnexpectedEOF) // a stream of no events is no answer
	}
	return nil, unbegun(err)
}

// watched is a stream whose first event has been read ahead. It belongs to one request, hence the context in it.
type watched struct {
	events   Events
	peeked   bool
	closed   bool
	first    []byte
	endpoint *Endpoint
	tenant   string // whose call it is
	ctx      context.Context
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
	w.endpoint.record.failed(f, &w.endpoint.o.Breaker, time.Now())
	return nil, f
}

func (w *watched) Ready() bool { return w.peeked || w.events.Ready() }

func (w *watched) Close() error {
	if w.closed {
		return nil
	}
	w.closed = true
	w.endpoint.leave(w.tenant)
	return w.events.Close()
}
