package upstream

import (
	"context"
	"errors"
	"hash/fnv"
	"io"
	"sync/atomic"
	"time"
)

// EndpointOptions describe one dialable model server as a model's configuration names it.
type EndpointOptions struct {
	Name     string
	URL      string            // part of the identity: another URL starts with a clean record; may be empty
	Model    string            // the model's name at the model server; goes into the body
	Labels   map[string]string // what a decision's endpoint labels are compared with
	Requires []string          // filters that must have run on what is sent here
	Weight   int               // share among the model's endpoints; 0: a spare, tried when the others failed
	Cost     float64           // USD per million usage tokens, input and output added; what balance by cost orders by
	WarmUp   time.Duration     // how long its share grows after it has come (back); 0: none
	Drain    bool              // gets no new calls; those under way end normally

	MaxInFlight int // calls under way at once, streams included; 0: no limit

	Breaker Breaker

	Health *HealthCheck // for a Watcher; nil: its calls alone tell how it is
	Load   *LoadCheck   // for a Watcher; nil: its load is not known

	Caller   Caller
	Registry *Registry // keeps the record across reloads; nil: the endpoint's own
}

// Endpoint is one dialable model server. It is immutable but for its record (health, latency, calls in flight), which it
// shares with the endpoint of the same name, URL and model in other generations of the configuration.
type Endpoint struct {
	o      EndpointOptions
	hash   uint64 // of its identity, for balance by conversation
	record *record
	namer  Namer                  // the Caller's; nil: the configured name holds
	found  atomic.Pointer[string] // the model's name, as its Namer gave it last
}

// Namer is a Caller that asks its server what the model is called there. It remembers: Name is called before each attempt.
type Namer interface {
	// Name gives the name, or "" where the configured one holds. Errors are *Failure.
	Name(ctx context.Context) (string, error)
}

// NewEndpoint makes an Endpoint; Close frees it.
func NewEndpoint(o EndpointOptions) *Endpoint {
	o.Breaker = o.Breaker.withDefaults()
	e := &Endpoint{o: o}
	e.namer, _ = as[Namer](o.Caller)
	h := fnv.New64a()
	_, _ = io.WriteString(h, e.key()) // a hash takes everything
	e.hash = h.Sum64()
	if o.Registry == nil {
		e.record = newRecord()
	} else {
		e.record = o.Registry.acquire(e.key())
	}
	return e
}

func (e *Endpoint) key() string { return e.o.Name + "\x00" + e.o.URL + "\x00" + e.o.Model }

// Name is the configured name.
func (e *Endpoint) Name() string { return e.o.Name }

// Model is the model's name at the model server, as configured or as a Namer found out.
func (e *Endpoint) Model() string {
	if name := e.found.Load(); name != nil {
		return *name
	}
	return e.o.Model
}

// name asks a Namer for the model's name.
func (e *Endpoint) name(ctx context.Context) *Failure {
	if e.namer == nil {
		return nil
	}
	name, err := e.namer.Name(ctx)
	if err != nil {
		return e.failed(ctx, err)
	}
	if name != "" && name != e.Model() {
		e.found.Store(&name)
	}
	return nil
}

// Health is how the endpoint has behaved lately.
func (e *Endpoint) Health() Health { return e.record.health(time.Now()) }

// Latency is the class of its smoothed time to answer.
func (e *Endpoint) Latency() Latency { return e.record.latencyClass() }

// InFlight is the number of calls under way, streams included.
func (e *Endpoint) InFlight() int { return int(e.record.inFlight.Load()) }

// Waiting is the number of callers that wait because as many calls are under way as may be.
func (e *Endpoint) Waiting() int { return int(e.record.waiting.Load()) }

// enter counts a tenant's call if there is room for it, leave that it has ended.
func (e *Endpoint) enter(tenant string) bool { return e.record.enter(tenant, e.o.MaxInFlight) }

func (e *Endpoint) leave(tenant string) { e.record.leave(tenant, e.o.MaxInFlight) }

// Probe asks the model server, without any caller's text, whether it can be reached and takes the credential. A Caller
// that has no method Probe(ctx) error is taken at its word. Errors are *Failure; the record does not hear of them.
func (e *Endpoint) Probe(ctx context.Context) error {
	p, ok := as[interface {
		Probe(ctx context.Context) error
	}](e.o.Caller)
	if !ok {
		return nil
	}
	return p.Probe(ctx)
}

// Close gives back the record and closes the Caller if it can be closed. Calls under way end normally.
func (e *Endpoint) Close() error {
	if e.o.Registry != nil {
		e.o.Registry.release(e.key())
	}
	var errs []error
	if h := e.o.Health; h != nil && h.Page != nil {
		errs = append(errs, h.Page.Close())
	}
	if l := e.o.Load; l != nil && l.Page != nil {
		errs = append(errs, l.Page.Close())
	}
	if c, ok := as[io.Closer](e.o.Caller); ok {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

// as finds what else a Caller, or one behind it, can do.
func as[T any](c Caller) (found T, ok bool) {
	for {
		if found, ok = c.(T); ok {
			return found, true
		}
		behind, wraps := c.(interface{ Unwrap() Caller })
		if !wraps {
			return found, false
		}
		c = behind.Unwrap()
	}
}

// may tells whether the constraint lets a request go to the endpoint.
func (e *Endpoint) may(c *Constraint) bool {
	for k, v := range c.Labels {
		if have, ok := e.o.Labels[k]; !ok || have != v {
			return false
		}
	}
	for _, name := range e.o.Requires {
		if c.Ran == nil || !c.Ran(name) {
			return false
		}
	}
	return true
}

// PoolOptions describe a model's endpoints.
type PoolOptions struct {
	Model     string // as callers and policies name it
	Endpoints []*Endpoint
	Balance   string // one of Balancers; "": weighted
	Queue     Queue
	Retries   Retries
}

// Queue bounds the callers that wait for an endpoint with as many calls under way as it may have.
type Queue struct {
	Size    int           // at each endpoint; 0: none waits, negative: as many as its MaxInFlight
	Timeout time.Duration // the longest wait; 0 means 10 s
}

const defaultQueueTimeout = 10 * time.Second

// Pool is a model's endpoints.
type Pool struct {
	o         PoolOptions
	endpoints []*Endpoint
	balance   Balancer
	budget    *budget
}

// NewPool makes a Pool. The error tells of a balance that there is not.
func NewPool(o PoolOptions) (*Pool, error) {
	b, err := newBalancer(o.Balance)
	if err != nil {
		return nil, err
	}
	return &Pool{o: o, endpoints: o.Endpoints, balance: b, budget: newBudget(o.Retries)}, nil
}

// Sticky tells whether the pool keeps a conversation at one endpoint: only then is Constraint.Conversation of use.
func (p *Pool) Sticky() bool {
	_, ok := p.balance.(sticky)
	return ok && len(p.endpoints) > 1
}

// Model is the model's name, as callers and policies name it.
func (p *Pool) Model() string { return p.o.Model }

// Endpoints lists the endpoints; read it only.
func (p *Pool) Endpoints() []*Endpoint { return p.endpoints }

// Allows tells whether the constraint lets a request go to the endpoint of that name, such as one whose answer is at hand
// already.
func (p *Pool) Allows(endpoint string, c Constraint) bool {
	for _, e := range p.endpoints {
		if e.o.Name == endpoint {
			return e.may(&c)
		}
	}
	return false
}

// Health is Healthy where all endpoints are, Down where all are (or there are none), Warming where all that are not down
// are, else Degraded.
func (p *Pool) Health() Health {
	now := time.Now()
	var healthy, warming, down int
	for _, e := range p.endpoints {
		switch e.record.health(now) {
		case Healthy:
			healthy++
		case Warming:
			warming++
		case Down:
			down++
		}
	}
	switch len(p.endpoints) {
	case down:
		return Down
	case down + warming:
		return Warming
	case healthy:
		return Healthy
	default:
		return Degraded
	}
}

// Latency is the class of the fastest endpoint that is not down.
func (p *Pool) Latency() Latency {
	now, best := time.Now(), time.Duration(0)
	for _, e := range p.endpoints {
		if e.record.health(now) == Down {
			continue
		}
		if l := e.record.smoothed(); l > 0 && (best == 0 || l < best) {
			best = l
		}
	}
	return classOf(best)
}

// Close closes every endpoint.
func (p *Pool) Close() error {
	var first error
	for _, e := range p.endpoints {
		if err := e.Close(); err != nil && first == nil {
			first = err
		}
	}
	return first
}
