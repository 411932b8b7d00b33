package upstream_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluicegate/sluice/runtime/upstream"
)

// An endpoint that fails every other call never fails three times in a row, and is no good all the same.
func TestCircuitByErrorRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		es, s := endpoints(1)
		e := es[0]
		run := func(calls int, every int, pause time.Duration) {
			for i := range calls {
				s.next = []outcome{{}}
				if i%every == 0 {
					s.next = []outcome{{err: wrong}}
				}
				_, _, _ = forward(t.Context(), []upstream.Target{{Endpoint: e}}, build, ignore)
				time.Sleep(pause)
			}
		}
		want := func(circuit upstream.Circuit, health upstream.Health) {
			t.Helper()
			if got := e.State(time.Now()); got.Circuit != circuit || got.Health != health {
				t.Errorf("got %+v, want circuit %s, health %s", got, circuit, health)
			}
		}
		run(60, 3, 10*time.Millisecond)
		want(upstream.CircuitClosed, upstream.Healthy)
		time.Sleep(30 * time.Second) // those are forgotten
		run(10, 2, time.Millisecond)
		want(upstream.CircuitClosed, upstream.Healthy) // too few to tell
		run(10, 2, 0)
		s.next = []outcome{{err: wrong}}
		_, _, _ = forward(t.Context(), []upstream.Target{{Endpoint: e}}, build, ignore)
		want(upstream.CircuitOpen, upstream.Down)
		time.Sleep(2 * time.Second)
		want(upstream.CircuitHalfOpen, upstream.Down)
		pools := []*upstream.Pool{balanced("", "m", e)}
		plan := upstream.Plan(pools, upstream.Constraint{})
		want(upstream.CircuitHalfOpen, upstream.Down) // the probe is under way
		_, _, _ = forward(t.Context(), plan, build, ignore)
		want(upstream.CircuitClosed, upstream.Healthy)
	})
}

// A hundred calls that fail together open the circuit once, not a hundred times as long.
func TestCircuitOpensOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		es, s := endpoints(1)
		s.next = slices.Repeat([]outcome{{err: wrong, after: time.Second}}, 100)
		done := make(chan struct{})
		for range 100 {
			go func() {
				_, _, _ = forward(t.Context(), []upstream.Target{{Endpoint: es[0]}}, build, ignore)
				done <- struct{}{}
			}()
		}
		for range 100 {
			<-done
		}
		if got := es[0].State(time.Now()); got.Circuit != upstream.CircuitOpen || time.Until(got.Until) != 2*time.Second {
			t.Errorf("the circuit is %s for %v, want open for 2 s", got.Circuit, time.Until(got.Until))
		}
	})
}

// However many plans are made, one call probes at a time, and only at an endpoint that comes first.
func TestOneProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		es, s := endpoints(1, 1, 1)
		pools := []*upstream.Pool{balanced("", "m", es[:2]...), balanced("", "n", es[2])}
		for _, e := range es {
			fails(e, s, wrong, 3)
		}
		time.Sleep(3 * time.Second)
		first := map[string]int{}
		for range 30 {
			for _, target := range upstream.Plan(pools, upstream.Constraint{})[:1] {
				if target.Endpoint.State(time.Now()).Circuit == upstream.CircuitHalfOpen {
					first[target.Endpoint.Name()]++
				}
			}
		}
		if len(first) != 2 || first["c"] != 0 {
			t.Errorf("probes came first at %v, want both of the first model's endpoints and not the second model's", first)
		}
	})
}

// An endpoint is judged as its configuration says.
func TestBreakerSettings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{}
		fails := func(b upstream.Breaker, calls int, well ...int) (e *upstream.Endpoint) {
			e = upstream.NewEndpoint(upstream.EndpointOptions{Name: "e", Weight: 1, Caller: s, Breaker: b})
			for i := range calls {
				s.next = []outcome{{err: wrong}}
				if slices.Contains(well, i) {
					s.next = []outcome{{}}
				}
				_, _, _ = forward(t.Context(), upstream.Plan([]*upstream.Pool{balanced("", "m", e)}, upstream.Constraint{}), build, ignore)
			}
			return e
		}
		f := func(e *upstream.Endpoint, want time.Duration) {
			t.Helper()
			if got := e.State(time.Now()); (got.Circuit == upstream.CircuitOpen) != (want > 0) || want > 0 && time.Until(got.Until) != want {
				t.Errorf("the circuit is %s for %v, want open for %v", got.Circuit, time.Until(got.Until), want)
			}
		}
		f(fails(upstream.Breaker{Failures: 1}, 1), 2*time.Second)
		f(fails(upstream.Breaker{Failures: 5}, 4), 0)
		f(fails(upstream.Breaker{Failures: 5, Ejection: 7 * time.Second}, 5), 7*time.Second)
		f(fails(upstream.Breaker{MinCalls: 4, ErrorRate: 0.75}, 4, 2), 2*time.Second)
		f(fails(upstream.Breaker{MinCalls: 4, ErrorRate: 0.8}, 4, 2), 0)
		f(fails(upstream.Breaker{Failures: 1, Ejection: 5 * time.Second, MaxEjection: 5 * time.Second}, 1), 5*time.Second)
		e := fails(upstream.Breaker{Failures: 1, Ejection: 3 * time.Second, MaxEjection: 5 * time.Second}, 1)
		time.Sleep(3 * time.Second)
		s.next = []outcome{{err: wrong}}
		_, _, _ = forward(t.Context(), upstream.Plan([]*upstream.Pool{balanced("", "m", e)}, upstream.Constraint{}), build, ignore)
		f(e, 5*time.Second) // not six
	})
}
