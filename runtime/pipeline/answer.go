package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluicegate/sluice/runtime/cache"
	"github.com/sluicegate/sluice/runtime/exchange"
	"github.com/sluicegate/sluice/runtime/upstream"
	"github.com/sluicegate/sluice/runtime/wire"
)

// source is an answer to be read: a cache entry, or a flight that may still be under way.
type source interface {
	Head(ctx context.Context) (cache.Head, error)
	Next(ctx context.Context, dst []cache.Frame) ([]cache.Frame, error)
	Usage() wire.Usage
	Close()
}

// answer finds the answer: in the cache, in a flight under way, or at a model server.
func (r *run) answer(ctx context.Context) (source, error) {
	defer r.clock.lap(exchange.StageForward)
	r.x.Cache = r.cacheable()
	if r.x.Cache == exchange.CacheBypass {
		return r.alone(ctx)
	}
	key := r.key()
	if e := r.snap.Cache.Get(key); e != nil && r.allows(e.Model, e.Endpoint) {
		r.x.Cache = exchange.CacheHit
		return e.Open(), nil
	}
	flight, reader, lead := r.snap.Cache.Join(ctx, key.At(r.snap.Generation))
	if lead {
		return r.lead(ctx, key, flight, reader)
	}
	head, err := reader.Head(ctx)
	if err != nil {
		reader.Close()
		e := exchange.AsError(exchange.StageCache, err)
		if e.Stage == exchange.StageRoute {
			return r.alone(ctx) // the leader's own decision left it no endpoint; this one's may
		}
		return nil, e
	}
	if !r.allows(head.Model, head.Endpoint) {
		reader.Close()
		return r.alone(ctx)
	}
	r.x.Cache = exchange.CacheCoalesced
	return reader, nil
}

func (r *run) alone(ctx context.Context) (source, error) {
	flight, reader := r.snap.Cache.Alone(ctx)
	return r.lead(ctx, cache.Key{}, flight, reader)
}

// cacheable tells whether the cache may be used: by the decision, and by a caller who asks for a fresh answer
// (Cache-Control: no-cache or no-store, RFC 9111 5.2.1). What depends on more than the request, or has effects at the
// model server, is never answered from it; nor is a count of usage tokens, which is a model server's own and costs nothing.
func (r *run) cacheable() exchange.CacheStatus {
	if r.x.Decision.Cache.Mode == exchange.CacheOff || len(r.x.Request.Reach) > 0 || r.x.Operation == wire.CountTokens {
		return exchange.CacheBypass
	}
	for _, v := range r.x.Client.Headers["Cache-Control"] {
		if v = strings.ToLower(v); strings.Contains(v, "no-cache") || strings.Contains(v, "no-store") {
			return exchange.CacheBypass
		}
	}
	return exchange.CacheMiss
}

// key names all that the answer may depend on. It is looked up under the first allowed model.
func (r *run) key() cache.Key {
	x := r.x
	// No tenant's name reads like a principal's scope: names may come from a token's claims and hold anything.
	scope := "tenant " + x.Principal.Tenant
	if x.Decision.Cache.Scope == exchange.ScopePrincipal {
		scope = "principal " + strconv.Itoa(len(x.Principal.Tenant)) + " " + x.Principal.Tenant + x.Principal.ID
	}
	r.out = x.Request.Format.Render(r.out[:0], x.Request, wire.Rendering{OmitStream: true})
	return cache.Parts{
		Scope: scope, Operation: string(x.Operation), Model: r.snap.Models[x.Decision.Models[0]].Digest,
		Filters: r.pass.CacheKey(), Body: r.out,
	}.Key()
}

// constraint is what an endpoint must meet: the decision's labels, and filters that really ran.
func (r *run) constraint() upstream.Constraint {
	return upstream.Constraint{Labels: r.x.Decision.Endpoints, Ran: func(name string) bool {
		return slices.ContainsFunc(r.x.Filters, func(f exchange.FilterRun) bool { return f.Name == name })
	}}
}

// allows tells whether this caller's own decision lets it have an answer that the endpoint made.
func (r *run) allows(model, endpoint string) bool {
	m := r.snap.Models[model]
	return m != nil && r.takes(m) && slices.Contains(r.x.Decision.Models, model) && m.Pool.Allows(endpoint, r.constraint())
}

// takes tells whether the model may get the request's content.
func (r *run) takes(m *Model) bool {
	return m.Opaque || len(r.x.Request.Opaque) == 0 || !r.pass.Required()
}

// route makes the list of endpoints to try, in order; nothing the decision did not allow is on it.
func (r *run) route() ([]upstream.Target, error) {
	pools, c := make([]*upstream.Pool, 0, 4), r.constraint()
	for _, name := range r.x.Decision.Models {
		if m := r.snap.Models[name]; m != nil && r.takes(m) {
			pools = append(pools, m.Pool)
			if c.Conversation == 0 && m.Pool.Sticky() {
				c.Conversation = conversation(r.x)
			}
		}
	}
	targets := r.pinned(upstream.Plan(pools, c))
	r.consider(pools, c, targets)
	if len(targets) == 0 {
		return nil, exchange.Fail(exchange.StageRoute, wire.NoEndpoint, "no endpoint that this request may go to is available", nil)
	}
	return targets, nil
}

// consider notes how the candidates stood, where there was more than one, or none to try: what came of a single one says its
// attempt.
func (r *run) consider(pools []*upstream.Pool, c upstream.Constraint, plan []upstream.Target) {
	if len(plan) == 1 && len(pools) == 1 && len(r.x.Decision.Models) == 1 && len(pools[0].Endpoints()) == 1 {
		return
	}
	r.considered = upstream.Considered(pools, c, plan)
	for _, name := range r.x.Decision.Models {
		if m := r.snap.Models[name]; m != nil && !r.takes(m) {
			r.considered = append(r.considered, exchange.Candidate{Model: name, State: exchange.PassedOpaque})
		}
	}
}

// lead makes the flight's answer. A whole answer is made here; a stream is followed by a goroutine of its own, so that
// the answer comes in at the model server's pace however slow this caller is, and goes on for others when it leaves.
func (r *run) lead(ctx context.Context, key cache.Key, f *cache.Flight, reader *cache.Reader) (source, error) {
	r.leave = context.AfterFunc(ctx, reader.Close) // the last reader to leave ends the call
	defer func() {
		if defect := recover(); defect != nil { // whoever has joined must not wait for an answer that nobody makes
			f.Finish(exchange.Fail(exchange.StageAnswer, wire.Internal, "internal error", nil), wire.Usage{}, key, nil)
			panic(defect)
		}
	}()
	targets, err := r.route()
	if err != nil {
		f.Finish(err, wire.Usage{}, key, nil)
		return nil, err
	}
	reply, target, err := upstream.Forward(f.Context(), upstream.Errand{Targets: targets, Tenant: r.x.Principal.Tenant}, r.call, r.attempted)
	if err != nil {
		r.unanswered(target, err)
		err = upstreamFault(err)
		f.Finish(err, wire.Usage{}, key, nil)
		return nil, err
	}
	r.returned = reply.Header
	p := &producer{r: r, flight: f, reply: reply, key: key, head: cache.Head{
		Model: target.Model, Endpoint: target.Endpoint.Name(), Stream: reply.Events != nil,
	}}
	r.producer = p
	if reply.Events == nil {
		return reader, p.whole()
	}
	r.produced = make(chan struct{})
	go p.follow(r.produced)
	return reader, nil
}

// call makes the request for one endpoint.
func (r *run) call(dst []byte, t upstream.Target) *upstream.Call {
	req := r.x.Request
	return &upstream.Call{
		Operation: req.Operation, Format: req.Format.Name(), Model: t.Endpoint.Model(), Stream: req.Stream,
		RequestID: r.x.ID, Header: upstream.Forwardable(r.x.Client.Headers),
		Once: len(req.Reach) > 0,
		Body: req.Format.Render(dst, req, wire.Rendering{Model: t.Endpoint.Model(), Usage: req.Stream}),
	}
}

func (r *run) attempted(a exchange.Attempt) {
	r.x.Attempts = append(r.x.Attempts, a)
	r.p.Metrics.Attempt(a)
}

// producer turns one upstream reply into the frames of a flight: read, filtered, not yet restored.
type producer struct {
	r      *run
	flight *cache.Flight
	reply  *upstream.Reply
	head   cache.Head
	key    cache.Key
	usage  wire.Usage
	sent   int // events so far
	said   int // bytes of text that came
}

// whole produces a whole answer.
func (p *producer) whole() error {
	defer p.close()
	frame, err := p.filtered()
	if err == nil {
		p.flight.Begin(p.head)
		err = p.flight.Write(cache.Frame{Data: frame})
	}
	p.finish(err)
	if err != nil {
		return exchange.AsError(exchange.StageAnswer, err)
	}
	return nil
}

func (p *producer) filtered() ([]byte, error) {
	a, err := p.r.x.Request.Format.Answer(p.reply.Body)
	if err != nil {
		return nil, exchange.Fail(exchange.StageAnswer, wire.UpstreamError, "the model server's answer cannot be read", err)
	}
	defer a.Doc.Release()
	p.usage = a.Usage
	p.heard(a.Pieces)
	if p.r.pass.NeedsAnswer() {
		if err := p.r.pass.Answer(p.flight.Context(), a); err != nil {
			return nil, err
		}
	}
	p.mint(a.IDs)
	return a.Doc.Append(nil), nil
}

// follow produces a stream until its end.
func (p *producer) follow(done chan<- struct{}) {
	defer close(done)
	defer p.close()
	defer func() {
		if defect := recover(); defect != nil {
			p.r.p.Logger.Error("stream panicked", "id", p.r.x.ID, "panic", fmt.Sprint(defect), "stack", string(debug.Stack()))
			p.flight.Finish(exchange.Fail(exchange.StageAnswer, wire.Internal, "internal error", nil), p.usage, p.key, nil)
		}
	}()
	p.flight.Begin(p.head)
	p.finish(p.events())
}

func (p *producer) events() error {
	ctx := p.flight.Context()
	lanes := p.r.pass.Stream()
	for {
		data, err := p.reply.Events.Next()
		if err != nil && !errors.Is(err, io.EOF) {
			return p.interrupted(err)
		}
		if err != nil {
			break
		}
		ev, err := p.r.x.Request.Format.Event(data)
		if err != nil {
			return exchange.Fail(exchange.StageAnswer, wire.StreamInterrupted, "the model server sent an event that cannot be read", err)
		}
		if ev.Error {
			return exchange.Fail(exchange.StageAnswer, wire.StreamInterrupted, "the model server reported a failure in the stream", nil)
		}
		if ev.Done {
			break
		}
		if ev.Usage != nil {
			p.usage = p.usage.Then(*ev.Usage)
		}
		p.heard(ev.Pieces)
		if err := p.write(lanes.Event(ctx, ev)); err != nil {
			return err
		}
	}
	return p.write(lanes.End(ctx))
}

func (p *producer) write(evs []*wire.Event, err error) error {
	if err != nil {
		return err
	}
	for _, ev := range evs {
		p.mint(ev.IDs)
		if f, ok := ev.Format.(wire.Numbered); ok { // some were dropped on the way, or added
			f.Number(ev, p.sent)
		}
		p.sent++
		frame := cache.Frame{Data: ev.Doc.Append(nil), Usage: ev.UsageEnd}
		ev.Doc.Release()
		if err := p.flight.Write(frame); err != nil {
			return err
		}
	}
	return nil
}

// interrupted is the fault of a stream that ended before its end.
func (p *producer) interrupted(err error) error {
	if cause := context.Cause(p.flight.Context()); cause != nil {
		return cause
	}
	return exchange.Fail(exchange.StageAnswer, wire.StreamInterrupted, "the model server's stream ended early", err)
}

// upstreamFault is the fault behind a failed forward.
func upstreamFault(err error) error {
	if f := (*upstream.Failure)(nil); errors.As(err, &f) {
		return &exchange.Error{Stage: exchange.StageForward, Fault: f.Fault(), Cause: err}
	}
	return exchange.AsError(exchange.StageForward, err)
}

// close ends the reply. That its connection could not be closed in good order changes nothing any more.
func (p *producer) close() { _ = p.reply.Close() }

// finish ends the flight and stores the answer where the decision says so. An answer of another model than the first
// allowed one is not stored: it would be found under the first one's name. Nor is one that a filter failed open on.
func (p *producer) finish(err error) {
	p.estimate(err == nil)
	d := &p.r.x.Decision
	var entry *cache.Entry
	if err == nil && d.Cache.Mode == exchange.CacheReadWrite && p.head.Model == d.Models[0] && len(p.r.pass.FailedOpen()) == 0 {
		entry = &cache.Entry{}
		if d.Cache.TTL > 0 {
			entry.Expires = time.Now().Add(d.Cache.TTL)
		}
	}
	p.flight.Finish(err, p.usage, p.key, entry)
}
