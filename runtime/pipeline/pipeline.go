// Package pipeline takes one request the whole way, in one straight line:
//
//	                    ┌───────────────────── one Snapshot ─────────────────────┐
//	caller ─► authenticate ─► parse ─► admit ─► filter ─► decide ─► cache ─► route ─► forward ─► model endpoint
//	             401           400     Rego     WASM      Rego    hit│        │ retry, failover      │
//	caller ◄─ reply ◄─ restore ◄─────────────── fill cache ◄─ filter (as it streams) ◄───────────────┘
//	              └── audit: one Record for every Exchange ──┘
//
// flow, below, reads like the picture. Every stage is a method of run in the file named after it: intake.go
// (authenticate to decide), answer.go (cache to forward), produce.go (filter and fill), reply.go (restore and reply),
// record.go (audit, metrics, log).
//
// The data plane only reads the Snapshot; Install swaps it (snapshot.go). What survives a swap is in Pipeline itself.
// The guarantees: a denied exchange never reaches a model server, nothing fails open, one audit record is written for
// each exchange however it ends, and a caller who goes away ends the upstream call.
package pipeline

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/sluicegate/sluice/runtime/audit"
	"github.com/sluicegate/sluice/runtime/exchange"
	"github.com/sluicegate/sluice/runtime/filter"
	"github.com/sluicegate/sluice/runtime/metrics"
	"github.com/sluicegate/sluice/runtime/reuse"
	"github.com/sluicegate/sluice/runtime/upstream"
	"github.com/sluicegate/sluice/runtime/wire"
)

// Options are the parts that live longer than any Snapshot. Metrics and Logger are required.
type Options struct {
	Metrics *metrics.Metrics
	Logger  *slog.Logger
	Access  bool // log a line for each exchange
}

// Pipeline is safe for concurrent use. It serves nothing before the first Install.
type Pipeline struct {
	Options
	current atomic.Pointer[Snapshot]
	running running
}

// New makes a Pipeline.
func New(o Options) *Pipeline {
	return &Pipeline{Options: o, running: running{runs: map[*run]struct{}{}}}
}

// Caller is the other end of an exchange: the request is read from it, the answer written to it. All methods are called
// from the goroutine that called Serve.
type Caller interface {
	// Client tells who calls, from where and with which headers.
	Client() exchange.Client
	// Body reads the request's body, at most limit bytes. Errors are *wire.Fault. The bytes are valid until Serve returns.
	Body(limit int) ([]byte, error)
	// Reply sends a whole answer.
	Reply(status int, headers []Header, body []byte) error
	// Begin sends the head of a stream.
	Begin(headers []Header) error
	// Send sends a piece of the stream at once.
	Send(p []byte) error
	// End sends the last piece of the stream, which may be empty.
	End(p []byte) error
	// Abort is called when the caller went away before its answer was complete. A caller that closed only its sending
	// half may still read, and is not to take what it gets for an answer.
	Abort()
}

// Header is one header of an answer. The name is canonical, as net/textproto has it.
type Header struct{ Name, Value string }

// run is one exchange under way.
type run struct {
	caller     Caller
	surface    exchange.Surface
	x          *exchange.Exchange
	out        []byte     // the reply under construction
	room       *[]byte    // that out lies in; from buffers, nil between the events of a stream
	speaking   sync.Mutex // held while the caller is written to
	begun      bool       // bytes of an answer were sent
	told       bool       // how it ended: nothing more is sent
	p          *Pipeline
	snap       *Snapshot
	pass       *filter.Pass
	slot       audit.Slot
	reserved   bool
	pin        *place // the endpoint that keeps what the request names; nil: any
	minted     map[minted][]byte
	cancel     context.CancelCauseFunc
	producer   *producer     // of the answer that this exchange asked a model server for; nil before it has begun
	produced   chan struct{} // closed when the stream that the model server sends has ended; nil if there is none
	leave      func() bool   // stops watching for the caller's going away; nil before there is an upstream call
	principal  atomic.Pointer[exchange.Principal]
	returned   []upstream.Field // of the model server's answer, for the caller; none on a hit
	clock      clock
	considered []exchange.Candidate // for a model server; nil where there was no choice
}

// buffers holds reply buffers. One that grew beyond keepBuffer is left to the collector.
var buffers = reuse.Pool[[]byte]{Name: "answers", New: func() *[]byte { b := make([]byte, 0, 4<<10); return &b }}

const keepBuffer = 256 << 10

// keep gives a buffer back.
func keep(b *[]byte) {
	if cap(*b) > keepBuffer {
		buffers.Drop()
		return
	}
	buffers.Put(b)
}

// take takes room for the reply, and lay gives it back.
func (r *run) take() {
	r.room = buffers.Get()
	r.out = (*r.room)[:0]
}

func (r *run) lay() {
	if r.room == nil {
		return
	}
	*r.room = r.out
	keep(r.room)
	r.out, r.room = nil, nil
}

// Serve takes one request from its head to the last byte of its answer. It returns when the exchange has ended and its
// record is on its way.
func (p *Pipeline) Serve(ctx context.Context, s exchange.Surface, c Caller) {
	p.exchange(ctx, s, c, (*run).flow)
}

// List answers with the models the caller may use, as render writes their names. It is an exchange like any other: known
// caller, record and all, but nothing is parsed, filtered or forwarded.
func (p *Pipeline) List(ctx context.Context, s exchange.Surface, c Caller, render func(names []string, since time.Time) []byte) {
	p.exchange(ctx, s, c, func(r *run, ctx context.Context) error { return r.list(ctx, render) })
}

// Model answers with one model, if the caller may use it; as List does else. One that the caller may not use is as one that
// does not exist.
func (p *Pipeline) Model(ctx context.Context, s exchange.Surface, c Caller, name string, render func(names []string, since time.Time) []byte) {
	p.exchange(ctx, s, c, func(r *run, ctx context.Context) error { return r.model(ctx, name, render) })
}

// exchange runs one exchange between its beginning and its record, whatever happens between.
func (p *Pipeline) exchange(ctx context.Context, s exchange.Surface, c Caller, flow func(*run, context.Context) error) {
	snap := p.acquire()
	if snap == nil {
		notReady(s, c)
		return
	}
	r := p.begin(snap, s, c)
	ctx, r.cancel = context.WithCancelCause(ctx)
	p.running.add(r)
	defer func() {
		if r.caught(recover()) {
			r.fail(ctx, exchange.Fail(exchange.StageReply, wire.Internal, "internal error", nil))
		}
		if r.leave != nil {
			r.leave()
		}
		r.cancel(nil)
		defer snap.release()
		defer p.running.remove(r) // after the record: Drain waits for it too
		r.finish()
	}()
	if err := flow(r, ctx); err != nil {
		r.fail(ctx, err)
	}
}

// caught tells whether there was a panic, and logs it. What it is to be called with is recover().
func (r *run) caught(defect any) bool {
	if defect == nil {
		return false
	}
	r.p.Logger.Error("exchange panicked", "id", r.x.ID, "panic", fmt.Sprint(defect), "stack", string(debug.Stack()))
	return true
}

// flow is the way of a request.
func (r *run) flow(ctx context.Context) error {
	if err := r.authenticate(ctx); err != nil {
		return err
	}
	if err := r.parse(); err != nil {
		return err
	}
	if err := r.admit(ctx); err != nil {
		return err
	}
	if err := r.filter(ctx); err != nil {
		return err
	}
	if err := r.decide(ctx); err != nil {
		return err
	}
	if err := r.permit(); err != nil {
		return err
	}
	ctx, done, err := r.within(ctx) // from here on there may be a deadline
	if err != nil {
		return err
	}
	defer done()
	source, err := r.answer(ctx) // cache, else route, forward, filter and fill
	if err != nil {
		return late(ctx, err)
	}
	return late(ctx, r.reply(ctx, source)) // restore and reply
}

func (p *Pipeline) begin(snap *Snapshot, s exchange.Surface, c Caller) *run {
	now := time.Now()
	r := &run{p: p, snap: snap, surface: s, caller: c}
	r.take()
	r.clock.start(now)
	r.x = &exchange.Exchange{
		ID: uuid.NewString(), Start: now, Generation: snap.Generation, Operation: s.Operation(), Client: c.Client(),
	}
	return r
}

// Drain waits for the running exchanges; when ctx ends, those that are left are ended.
func (p *Pipeline) Drain(ctx context.Context) { p.running.drain(ctx) }

// Running is the number of exchanges under way.
func (p *Pipeline) Running() int { return p.running.len() }

// Expire ends exchanges on generations retired longer than maxAge and returns the number of retired generations that
// still have exchanges.
func (p *Pipeline) Expire(maxAge time.Duration) int { return p.running.expire(maxAge) }
