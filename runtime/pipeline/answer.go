package pipeline

import (
	"context"
	"errors"
	"slices"
	"strings"

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
	principal := ""
	if x.Decision.Cache.Scope == exchange.ScopePrincipal {
		principal = x.Principal.ID
	}
	r.out = x.Request.Format.Render(r.out[:0], x.Request, wire.Rendering{OmitStream: true})
	return cache.Parts{
		Tenant: x.Principal.Tenant, Principal: principal, Operation: string(x.Operation), Model: r.snap.Models[x.Decision.Models[0]].Digest,
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

// lead makes the flight's answer: a whole one here, a stream as it is read.
func (r *run) lead(ctx context.Context, key cache.Key, f *cache.Flight, reader *cache.Reader) (_ source, err error) {
	r.leave = context.AfterFunc(ctx, reader.Close) // the last reader to leave ends the call
	p := &producer{r: r, flight: f, key: key}
	defer func() {
		defect := recover()
		if defect != nil { // whoever has joined must not wait for an answer that nobody makes
			p.finish(errDefect)
			if p.reply != nil {
				_ = p.reply.Close() // a stream that nobody makes
			}
		}
		if r.produced == nil {
			f.Close()
		}
		if defect != nil {
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
	r.returned, r.producer = reply.Header, p
	p.reply, p.head = reply, cache.Head{Model: target.Model, Endpoint: target.Endpoint.Name(), Stream: reply.Events != nil}
	if reply.Events == nil {
		return reader, p.whole()
	}
	return p.stream(ctx, reader), nil
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

// upstreamFault is the fault behind a failed forward.
func upstreamFault(err error) error {
	if f := (*upstream.Failure)(nil); errors.As(err, &f) {
		return &exchange.Error{Stage: exchange.StageForward, Fault: f.Fault(), Cause: err}
	}
	return exchange.AsError(exchange.StageForward, err)
}
