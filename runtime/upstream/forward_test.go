package upstream_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluicegate/sluice/runtime/exchange"
	"github.com/sluicegate/sluice/runtime/upstream"
	"github.com/sluicegate/sluice/runtime/wire"
)

// outcome is what one call of a scripted endpoint comes to.
type outcome struct {
	err    *upstream.Failure
	after  time.Duration
	events []string // a stream of these
	cut    error    // how the stream ends; nil: io.EOF
}

// scripted is a Caller that follows a script; behind its end it answers.
type scripted struct {
	mu     sync.Mutex
	next   []outcome
	bodies []string
	at     []time.Time
	closed int
}

func (s *scripted) Call(ctx context.Context, c *upstream.Call) (*upstream.Reply, error) {
	s.mu.Lock()
	s.bodies = append(s.bodies, string(c.Body))
	s.at = append(s.at, time.Now())
	var o outcome
	if len(s.next) > 0 {
		o, s.next = s.next[0], s.next[1:]
	}
	s.mu.Unlock()
	select {
	case <-time.After(o.after):
	case <-ctx.Done():
		return nil, fmt.Errorf("gone: %w", ctx.Err())
	}
	if o.err != nil {
		return nil, o.err
	}
	if o.events != nil || o.cut != nil {
		return &upstream.Reply{Status: 200, Events: &scriptedEvents{s: s, rest: o.events, end: o.cut}}, nil
	}
	return &upstream.Reply{Status: 200, Body: []byte("ok")}, nil
}

func (s *scripted) Close() error {
	s.closed++
	return nil
}

type scriptedEvents struct {
	s    *scripted
	rest []string
	end  error
}

func (e *scriptedEvents) Next() ([]byte, error) {
	if len(e.rest) > 0 {
		data := e.rest[0]
		e.rest = e.rest[1:]
		return []byte(data), nil
	}
	if e.end != nil {
		return nil, e.end
	}
	return nil, io.EOF
}

func (e *scriptedEvents) Ready() bool { return false }

func (e *scriptedEvents) Close() error { return e.s.Close() }

func build(dst []byte, t upstream.Target) *upstream.Call {
	return &upstream.Call{Operation: wire.ChatCompletions, Body: append(dst, "for "+t.Endpoint.Model()...)}
}

func ignore(exchange.Attempt) {}

// forward is Forward of an errand of nobody's.
func forward(ctx context.Context, targets []upstream.Target, call func([]byte, upstream.Target) *upstream.Call, attempted func(exchange.Attempt),
) (*upstream.Reply, upstream.Target, error) {
	return upstream.Forward(ctx, upstream.Errand{Targets: targets}, call, attempted)
}

var (
	reset    = &upstream.Failure{Code: wire.UpstreamError, Retry: upstream.RetryAnywhere}
	wrong    = &upstream.Failure{Code: wire.UpstreamError, Status: 404, Retry: upstream.RetryElsewhere}
	refused  = &upstream.Failure{Code: wire.UpstreamRejected, Status: 400}
	busy     = &upstream.Failure{Code: wire.RateLimited, Status: 429, RetryAfter: 3 * time.Second, Retry: upstream.RetryAnywhere}
	veryBusy = &upstream.Failure{Code: wire.RateLimited, Status: 429, RetryAfter: time.Hour, Retry: upstream.RetryAnywhere}
)

func TestForward(t *testing.T) {
	// f runs the scripts of endpoints a, b, ... and wants the attempts ("a b" with the codes that failed), who answered ("" none)
	// and a pause within bounds.
	f := func(name string, scripts [][]*upstream.Failure, attempts, by string, least, most time.Duration) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			var targets []upstream.Target
			for i, script := range scripts {
				s := &scripted{}
				for _, f := range script {
					s.next = append(s.next, outcome{err: f})
				}
				id := string(rune('a' + i))
				targets = append(targets, upstream.Target{Model: "m", Endpoint: upstream.NewEndpoint(
					upstream.EndpointOptions{Name: id, Model: "model-" + id, Caller: s})})
			}
			var got []string
			began := time.Now()
			reply, target, err := forward(t.Context(), targets, build, func(a exchange.Attempt) {
				got = append(got, strings.TrimSuffix(a.Endpoint+":"+string(a.Code), ":"))
			})
			took := time.Since(began)
			if strings.Join(got, " ") != attempts {
				t.Errorf("%s: got attempts %q, want %q", name, got, attempts)
			}
			if took < least || took > most {
				t.Errorf("%s: it took %v, want %v to %v", name, took, least, most)
			}
			var failure *upstream.Failure
			if by == "" && (!errors.As(err, &failure) || reply != nil) {
				t.Errorf("%s: got %v, %v, want a failure", name, reply, err)
			}
			if by != "" && (err != nil || target.Endpoint.Name() != by || string(reply.Body) != "ok") {
				t.Errorf("%s: got %v of %v, %v, want %s", name, reply, target, err, by)
			}
		})
	}
	type fs = []*upstream.Failure
	const ms = time.Millisecond
	f("at once", []fs{{}}, "a", "a", 0, 0)
	f("failover needs no pause", []fs{{reset}, {}}, "a:upstream_error b", "b", 0, 0)
	f("misconfigured", []fs{{wrong}, {wrong}, {}}, "a:upstream_error b:upstream_error c", "c", 0, 0)
	f("a second round after a pause", []fs{{reset}}, "a:upstream_error a", "a", 50*ms, 100*ms)
	f("a third round", []fs{{reset, reset}}, "a:upstream_error a:upstream_error a", "a", 150*ms, 300*ms)
	f("no fourth", []fs{{reset, reset, reset}}, "a:upstream_error a:upstream_error a:upstream_error", "", 150*ms, 300*ms)
	f("the wrong one is not asked again", []fs{{reset}, {wrong}}, "a:upstream_error b:upstream_error a", "a", 50*ms, 100*ms)
	f("all wrong", []fs{{wrong}, {wrong}}, "a:upstream_error b:upstream_error", "", 0, 0)
	f("four attempts in all", []fs{{reset, reset}, {reset, reset}, {reset}}, "a:upstream_error b:upstream_error c:upstream_error a:upstream_error", "", 50*ms, 100*ms)
	f("a refusal is final", []fs{{refused}, {}}, "a:upstream_rejected", "", 0, 0)
	f("busy, another is free", []fs{{busy}, {}}, "a:rate_limited b", "b", 0, 0)
	f("busy, waited for", []fs{{busy}}, "a:rate_limited a", "a", 3*time.Second, 3*time.Second)
	f("too busy to wait for", []fs{{veryBusy}}, "a:rate_limited", "", 0, 0)
	f("nobody", nil, "", "", 0, 0)
}

func TestForwardEjectedIsAskedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{next: slices.Repeat([]outcome{{err: reset}}, 100)}
		p := []*upstream.Pool{pool("m", upstream.EndpointOptions{Name: "a", Caller: s})}
		for _, want := range []int{3, 4, 5} { // three attempts eject it; then one attempt a request
			_, _, err := forward(t.Context(), upstream.Plan(p, upstream.Constraint{}), build, ignore)
			_ = wantFailure(t, err, wire.UpstreamError, upstream.RetryAnywhere)
			if len(s.bodies) != want {
				t.Errorf("got %d attempts in all, want %d", len(s.bodies), want)
			}
		}
	})
}

func TestForwardDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{next: []outcome{{err: busy}}}
		targets := []upstream.Target{{Model: "m", Endpoint: upstream.NewEndpoint(upstream.EndpointOptions{Caller: s})}}
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		began := time.Now()
		_, _, err := forward(ctx, targets, build, ignore)
		f := wantFailure(t, err, wire.RateLimited, upstream.RetryAnywhere)
		if time.Since(began) != 0 || f.Fault().RetryAfter != 3 {
			t.Errorf("it waited %v for a deadline that the pause outlasts; the fault says %+v", time.Since(began), f.Fault())
		}
	})
}

func TestForwardCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{next: []outcome{{after: time.Hour}, {err: reset}}}
		e := upstream.NewEndpoint(upstream.EndpointOptions{Name: "a", Caller: s})
		for range 2 { // in the attempt, and in the pause after it
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			stop := time.AfterFunc(20*time.Millisecond, cancel)
			var attempts int
			_, _, err := forward(ctx, []upstream.Target{{Model: "m", Endpoint: e}}, build, func(exchange.Attempt) { attempts++ })
			if err == nil || attempts != 1 {
				t.Errorf("got %v after %d attempts", err, attempts)
			}
			if e.InFlight() != 0 {
				t.Errorf("%d calls are in flight", e.InFlight())
			}
			stop.Stop()
			cancel()
		}
	})
}

func TestForwardStream(t *testing.T) {
	s := &scripted{next: []outcome{
		{cut: upstream.Interrupted(io.ErrUnexpectedEOF)},
		{events: []string{}},
		{events: []string{"1", "2"}, cut: upstream.Interrupted(io.ErrUnexpectedEOF)},
	}}
	e := upstream.NewEndpoint(upstream.EndpointOptions{Name: "a", Caller: s})
	targets := []upstream.Target{{Model: "m", Endpoint: e}}
	var codes []wire.Code
	reply, _, err := forward(t.Context(), targets, build, func(a exchange.Attempt) { codes = append(codes, a.Code) })
	if err != nil {
		t.Fatal(err)
	}
	if want := []wire.Code{wire.UpstreamError, wire.UpstreamError, ""}; !slices.Equal(codes, want) {
		t.Errorf("got attempts %v, want %v: a death before the first event is repeated", codes, want)
	}
	if s.closed != 2 || e.InFlight() != 1 {
		t.Errorf("%d streams closed, %d in flight", s.closed, e.InFlight())
	}
	for _, want := range []string{"1", "2"} {
		if data, err := reply.Events.Next(); string(data) != want || err != nil {
			t.Errorf("got %q %v, want %q", data, err, want)
		}
	}
	_, err = reply.Events.Next()
	_ = wantFailure(t, err, wire.StreamInterrupted, upstream.RetryAnywhere)
	for range 2 {
		reply.Close()
	}
	if s.closed != 3 || e.InFlight() != 0 || e.Health() != upstream.Degraded {
		t.Errorf("%d streams closed, %d in flight, %s", s.closed, e.InFlight(), e.Health())
	}
}

func TestForwardCleanStream(t *testing.T) {
	s := &scripted{next: []outcome{{events: []string{"1"}}}}
	e := upstream.NewEndpoint(upstream.EndpointOptions{Caller: s})
	reply, _, err := forward(t.Context(), []upstream.Target{{Model: "m", Endpoint: e}}, build, ignore)
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Close()
	if data, err := reply.Events.Next(); string(data) != "1" || err != nil {
		t.Errorf("got %q %v", data, err)
	}
	if _, err := reply.Events.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("got %v, want io.EOF", err)
	}
}

// Bodies are built anew for each target, into memory that grows with what it has seen and is never another request's.
func TestForwardBodies(t *testing.T) {
	s := &scripted{next: []outcome{{err: wrong}}}
	targets := []upstream.Target{
		{Model: "m", Endpoint: upstream.NewEndpoint(upstream.EndpointOptions{Model: "one", Caller: s})},
		{Model: "m", Endpoint: upstream.NewEndpoint(upstream.EndpointOptions{Model: "two", Caller: s})},
	}
	own := []byte(strings.Repeat("own", 10_000))
	large := func([]byte, upstream.Target) *upstream.Call { return &upstream.Call{Body: own} }
	for _, attempt := range []func([]byte, upstream.Target) *upstream.Call{build, large, build} {
		if _, _, err := forward(t.Context(), targets, attempt, ignore); err != nil {
			t.Fatal(err)
		}
	}
	if string(own) != strings.Repeat("own", 10_000) {
		t.Error("a body that was not built in the buffer was written over")
	}
	want := []string{"for one", "for two", string(own), "for one"}
	if !slices.Equal(s.bodies, want) {
		t.Errorf("got %.40q", s.bodies)
	}
}

func TestFailureIsAFault(t *testing.T) {
	f := func(status int, code wire.Code, retry upstream.Retry, answered int) {
		t.Helper()
		got := upstream.FromStatus(status, 1500*time.Millisecond)
		var fault *wire.Fault
		if got.Code != code || got.Retry != retry || !errors.As(error(got), &fault) || fault.HTTPStatus() != answered || fault.RetryAfter != 2 {
			t.Errorf("status %d: got %v (retry %d), fault %+v", status, got, got.Retry, fault)
		}
	}
	f(400, wire.UpstreamRejected, upstream.RetryNo, 400)
	f(413, wire.UpstreamRejected, upstream.RetryNo, 413)
	f(422, wire.UpstreamRejected, upstream.RetryNo, 422)
	for _, misconfigured := range []int{301, 302, 307, 401, 403, 404, 405} {
		f(misconfigured, wire.UpstreamError, upstream.RetryElsewhere, 502)
	}
	f(408, wire.UpstreamTimeout, upstream.RetryAnywhere, 504)
	f(409, wire.UpstreamError, upstream.RetryAnywhere, 502)
	f(429, wire.RateLimited, upstream.RetryAnywhere, 429)
	f(500, wire.UpstreamError, upstream.RetryAnywhere, 502)
	f(503, wire.UpstreamError, upstream.RetryAnywhere, 502)
	f(504, wire.UpstreamTimeout, upstream.RetryAnywhere, 504)

	e := exchange.AsError(exchange.StageForward, &upstream.Failure{Code: wire.NoEndpoint, Cause: io.ErrUnexpectedEOF})
	if e.Fault.Code != wire.NoEndpoint || strings.Contains(e.Fault.Message, "EOF") {
		t.Errorf("got %v", e)
	}
}

func ExampleForward() {
	s := &scripted{next: []outcome{{err: wrong}}} // the first call fails, the next ones answer
	p, err := upstream.NewPool(upstream.PoolOptions{Model: "model-a", Endpoints: []*upstream.Endpoint{
		upstream.NewEndpoint(upstream.EndpointOptions{Name: "onprem-1", Model: "llama", Weight: 1, Caller: s}),
		upstream.NewEndpoint(upstream.EndpointOptions{Name: "cloud-1", Model: "llama", Caller: s}),
	}})
	if err != nil {
		panic(err)
	}
	targets := upstream.Plan([]*upstream.Pool{p}, upstream.Constraint{})
	reply, target, err := upstream.Forward(context.Background(), upstream.Errand{Targets: targets},
		func(dst []byte, t upstream.Target) *upstream.Call {
			return &upstream.Call{Operation: wire.ChatCompletions, Body: append(dst, `{"model":"`+t.Endpoint.Model()+`"}`...)}
		},
		func(a exchange.Attempt) { fmt.Printf("tried %s %q\n", a.Endpoint, a.Code) })
	fmt.Println(target.Endpoint.Name(), string(reply.Body), err)
	// Output:
	// tried onprem-1 "upstream_error"
	// tried cloud-1 ""
	// cloud-1 ok <nil>
}

func BenchmarkForward(b *testing.B) {
	targets := []upstream.Target{{Model: "m", Endpoint: upstream.NewEndpoint(upstream.EndpointOptions{Caller: instant{}})}}
	call := &upstream.Call{}
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := upstream.Forward(b.Context(), upstream.Errand{Targets: targets}, func([]byte, upstream.Target) *upstream.Call { return call }, ignore); err != nil {
			b.Fatal(err)
		}
	}
}

type instant struct{}

func (instant) Call(context.Context, *upstream.Call) (*upstream.Reply, error) {
	return &upstream.Reply{Status: 200}, nil
}
