package upstream_test

import (
	"context"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluicegate/sluice/runtime/upstream"
	"github.com/sluicegate/sluice/runtime/wire"
)

func balanced(balance, model string, endpoints ...*upstream.Endpoint) *upstream.Pool {
	p, err := upstream.NewPool(upstream.PoolOptions{Model: model, Endpoints: endpoints, Balance: balance})
	if err != nil {
		panic(err)
	}
	return p
}

func pool(model string, endpoints ...upstream.EndpointOptions) *upstream.Pool {
	var out []*upstream.Endpoint
	for _, o := range endpoints {
		out = append(out, upstream.NewEndpoint(o))
	}
	return balanced("", model, out...)
}

func names(targets []upstream.Target) string {
	var out []string
	for _, t := range targets {
		out = append(out, t.Model+"/"+t.Endpoint.Name())
	}
	return strings.Join(out, " ")
}

func TestPlanConstraint(t *testing.T) {
	type o = upstream.EndpointOptions
	pools := []*upstream.Pool{
		pool("a", o{Name: "eu", Weight: 1, Labels: map[string]string{"region": "eu", "tier": "1"}}),
		pool("b", o{Name: "us", Weight: 1, Labels: map[string]string{"region": "us"}}),
		pool("c", o{Name: "red", Weight: 1, Labels: map[string]string{"region": "eu"}, Requires: []string{"redact", "prompt"}}),
		pool("d"),
	}
	f := func(labels map[string]string, ran []string, want string) {
		t.Helper()
		c := upstream.Constraint{Labels: labels}
		if ran != nil {
			c.Ran = func(name string) bool { return slices.Contains(ran, name) }
		}
		if got := names(upstream.Plan(pools, c)); got != want {
			t.Errorf("labels %v, filters %v: got %q, want %q", labels, ran, got, want)
		}
		for _, p := range pools {
			for _, e := range p.Endpoints() {
				planned := strings.Contains(want, p.Model()+"/"+e.Name())
				if p.Allows(e.Name(), c) != planned {
					t.Errorf("labels %v, filters %v: Allows(%s) is %v", labels, ran, e.Name(), !planned)
				}
			}
			if p.Allows("none", c) {
				t.Error("Allows an endpoint that is not there")
			}
		}
	}
	f(nil, nil, "a/eu b/us")
	f(nil, []string{"redact"}, "a/eu b/us")
	f(nil, []string{"prompt", "redact"}, "a/eu b/us c/red")
	f(map[string]string{"region": "eu"}, nil, "a/eu")
	f(map[string]string{"region": "eu"}, []string{"redact", "prompt"}, "a/eu c/red")
	f(map[string]string{"region": "us", "tier": "1"}, nil, "")
	f(map[string]string{"none": ""}, nil, "")
}

func TestPlanWeights(t *testing.T) {
	p := []*upstream.Pool{pool("m", upstream.EndpointOptions{Name: "big", Weight: 3}, upstream.EndpointOptions{Name: "small", Weight: 1},
		upstream.EndpointOptions{Name: "spare"})}
	const n = 20_000
	first := map[string]int{}
	for range n {
		plan := upstream.Plan(p, upstream.Constraint{})
		if len(plan) != 3 || plan[2].Endpoint.Name() != "spare" {
			t.Fatalf("got %s", names(plan))
		}
		first[plan[0].Endpoint.Name()]++
	}
	// 0.75 +- 5 standard deviations
	if share := float64(first["big"]) / n; math.Abs(share-0.75) > 5*math.Sqrt(0.75*0.25/n) {
		t.Errorf("the endpoint of weight 3 beside 1 came first in %.3f of the plans", share)
	}
}

// fails makes an endpoint's record: n attempts that end with that failure.
func fails(e *upstream.Endpoint, s *scripted, f *upstream.Failure, n int) {
	s.next = slices.Repeat([]outcome{{err: f}}, n)
	for range n {
		_, _, _ = forward(context.Background(), []upstream.Target{{Model: "m", Endpoint: e}}, build, ignore)
	}
	s.next = nil
}

func TestHealth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{}
		p := pool("m", upstream.EndpointOptions{Name: "bad", Weight: 1, Caller: s}, upstream.EndpointOptions{Name: "good", Weight: 1})
		pools, bad := []*upstream.Pool{p}, p.Endpoints()[0]
		want := func(endpoint, model upstream.Health, firsts ...string) {
			t.Helper()
			if bad.Health() != endpoint || p.Health() != model {
				t.Errorf("got endpoint %s, model %s, want %s, %s", bad.Health(), p.Health(), endpoint, model)
			}
			seen := map[string]bool{}
			for range 50 {
				seen[upstream.Plan(pools, upstream.Constraint{})[0].Endpoint.Name()] = true
			}
			if len(seen) != len(firsts) || !seen[firsts[0]] {
				t.Errorf("first in plans: %v, want %v", seen, firsts)
			}
		}
		broken := &upstream.Failure{Code: wire.UpstreamError, Retry: upstream.RetryElsewhere}
		want(upstream.Healthy, upstream.Healthy, "bad", "good")
		fails(bad, s, broken, 1)
		want(upstream.Degraded, upstream.Degraded, "bad", "good")
		fails(bad, s, broken, 2)
		want(upstream.Down, upstream.Degraded, "good")
		for _, wait := range []time.Duration{2, 4, 8, 16, 32, 60, 60} {
			time.Sleep(wait*time.Second - time.Millisecond)
			want(upstream.Down, upstream.Degraded, "good")
			time.Sleep(2 * time.Millisecond)
			if got := names(upstream.Plan(pools, upstream.Constraint{})); got != "m/bad m/good" {
				t.Errorf("after %d s the plan is %s, want a probe first", wait, got)
			}
			want(upstream.Down, upstream.Degraded, "good") // one probe at a time
			fails(bad, s, broken, 1)
		}
		time.Sleep(61 * time.Second)
		fails(bad, s, nil, 1) // it answers
		want(upstream.Healthy, upstream.Healthy, "bad", "good")
	})
}

func TestHealthIgnoresTheCaller(t *testing.T) {
	s := &scripted{}
	p := pool("m", upstream.EndpointOptions{Name: "e", Caller: s})
	for _, code := range []wire.Code{wire.ClientClosed, wire.UpstreamRejected, wire.UpstreamTimeout} {
		fails(p.Endpoints()[0], s, &upstream.Failure{Code: code}, 10)
		if h := p.Health(); h != upstream.Healthy {
			t.Errorf("after %s the model is %s", code, h)
		}
	}
}

func TestHealthPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{}
		p := pool("m", upstream.EndpointOptions{Name: "busy", Weight: 1, Caller: s}, upstream.EndpointOptions{Name: "free", Weight: 1})
		fails(p.Endpoints()[0], s, &upstream.Failure{Code: wire.RateLimited, RetryAfter: 20 * time.Second, Retry: upstream.RetryAnywhere}, 1)
		for range 50 {
			if got := names(upstream.Plan([]*upstream.Pool{p}, upstream.Constraint{})); got != "m/free m/busy" {
				t.Fatalf("the plan is %s", got)
			}
		}
		if p.Endpoints()[0].Health() != upstream.Degraded {
			t.Error("a busy endpoint is not degraded")
		}
		time.Sleep(20 * time.Second)
		if p.Health() != upstream.Healthy {
			t.Error("the pause did not end")
		}
	})
}

func TestPoolHealthAndLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		if h := pool("m").Health(); h != upstream.Down {
			t.Errorf("a model with no endpoint is %s", h)
		}
		s := &scripted{}
		p := pool("m", upstream.EndpointOptions{Name: "e", Caller: s})
		f := func(took time.Duration, want upstream.Latency) {
			t.Helper()
			s.next = slices.Repeat([]outcome{{after: took}}, 30)
			for range 30 {
				if _, _, err := forward(t.Context(), upstream.Plan([]*upstream.Pool{p}, upstream.Constraint{}), build, ignore); err != nil {
					t.Fatal(err)
				}
			}
			if got := p.Latency(); got != want || p.Endpoints()[0].Latency() != want {
				t.Errorf("after answers in %v: got %s, want %s", took, got, want)
			}
		}
		if got := p.Latency(); got != upstream.LatencyUnknown {
			t.Errorf("got %s", got)
		}
		f(100*time.Millisecond, upstream.LatencyFast)
		f(3*time.Second, upstream.LatencyMedium)
		f(9*time.Second, upstream.LatencySlow)
		f(time.Millisecond, upstream.LatencyFast)
	})
}

func TestRegistryKeepsRecords(t *testing.T) {
	s := &scripted{}
	var registry upstream.Registry
	endpoint := func(url string) *upstream.Endpoint {
		return upstream.NewEndpoint(upstream.EndpointOptions{Name: "e", URL: url, Caller: s, Registry: &registry})
	}
	old := endpoint("http://a")
	fails(old, s, &upstream.Failure{Code: wire.UpstreamError}, 3)
	next := endpoint("http://a")
	if next.Health() != upstream.Down {
		t.Error("the record was lost in a reload")
	}
	if other := endpoint("http://b"); other.Health() != upstream.Healthy {
		t.Error("another url has the same record")
	}
	old.Close()
	if again := endpoint("http://a"); again.Health() != upstream.Down {
		t.Error("the record was lost although an endpoint uses it")
	} else {
		again.Close()
	}
	next.Close()
	if again := endpoint("http://a"); again.Health() != upstream.Healthy {
		t.Error("the record of no endpoint was kept")
	}
	if s.closed != 3 {
		t.Errorf("the caller was closed %d times, want 3", s.closed)
	}
}

func BenchmarkPlan(b *testing.B) {
	p := []*upstream.Pool{pool("a", upstream.EndpointOptions{Name: "1", Weight: 1}, upstream.EndpointOptions{Name: "2", Weight: 1}), pool("b", upstream.EndpointOptions{Name: "3", Weight: 1})}
	b.ReportAllocs()
	for b.Loop() {
		upstream.Plan(p, upstream.Constraint{})
	}
}
