package upstream_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluicegate/sluice/runtime/upstream"
)

// firsts counts which endpoint comes first in n plans.
func firsts(p *upstream.Pool, c upstream.Constraint, n int) map[string]int {
	out := map[string]int{}
	for range n {
		out[upstream.Plan([]*upstream.Pool{p}, c)[0].Endpoint.Name()]++
	}
	return out
}

// occupy opens n streams at an endpoint, which are under way until the test ends.
func occupy(t *testing.T, e *upstream.Endpoint, s *scripted, n int) {
	t.Helper()
	s.next = slices.Repeat([]outcome{{events: []string{"x"}}}, n)
	for range n {
		reply, _, err := forward(t.Context(), []upstream.Target{{Model: "m", Endpoint: e}}, build, ignore)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = reply.Close() })
	}
}

// endpoints makes endpoints a, b, ... of those weights, and the Caller behind all of them.
func endpoints(weights ...int) ([]*upstream.Endpoint, *scripted) {
	s := &scripted{}
	var out []*upstream.Endpoint
	for i, w := range weights {
		out = append(out, upstream.NewEndpoint(upstream.EndpointOptions{Name: string(rune('a' + i)), Weight: w, Caller: s}))
	}
	return out, s
}

// Whatever the strategy, a plan names each endpoint once, spares behind the others.
func TestBalancersKeepAll(t *testing.T) {
	for _, name := range append(upstream.Balancers(), "") {
		for n := range 20 {
			es, _ := endpoints(append(slices.Repeat([]int{3, 1, 7}, 7)[:n], 0, 0)...)
			p := balanced(name, "m", es...)
			for range 10 {
				plan := upstream.Plan([]*upstream.Pool{p}, upstream.Constraint{Conversation: 7})
				seen := strings.Split(strings.ReplaceAll(names(plan), "m/", ""), " ")
				spares := seen[n:]
				slices.Sort(seen)
				if len(seen) != n+2 || len(slices.Compact(seen)) != n+2 {
					t.Fatalf("balance %q of %d and two spares: the plan is %s", name, n, names(plan))
				}
				for _, s := range spares {
					if s < string(rune('a'+n)) && n > 0 && len(spares) == 2 && plan[n].Endpoint.Name() < string(rune('a'+n)) {
						t.Fatalf("balance %q: a spare comes before an endpoint of weight: %s", name, names(plan))
					}
				}
			}
		}
	}
	if _, err := upstream.NewPool(upstream.PoolOptions{Balance: "best"}); err == nil || !strings.Contains(err.Error(), "least_in_flight") {
		t.Errorf("an unknown balance: got %v, want an error that lists those there are", err)
	}
}

func TestRoundRobin(t *testing.T) {
	f := func(weights []int, want string) {
		t.Helper()
		es, _ := endpoints(weights...)
		p := balanced("round_robin", "m", es...)
		var got strings.Builder
		for range len(want) {
			got.WriteString(upstream.Plan([]*upstream.Pool{p}, upstream.Constraint{})[0].Endpoint.Name())
		}
		if got.String() != want {
			t.Errorf("weights %v: the turns are %s, want %s", weights, &got, want)
		}
	}
	f([]int{1}, "aaa")
	f([]int{1, 1}, "abab")
	f([]int{5, 5, 5}, "abcabc")
	f([]int{2, 1}, "aabaab")
	f([]int{3, 1, 1}, "abacaabaca")
	f([]int{1000000, 999999, 0}, "abab")
	es, _ := endpoints(1, 1, 1)
	p := balanced("round_robin", "m", es...)
	upstream.Plan([]*upstream.Pool{p}, upstream.Constraint{})
	if got := names(upstream.Plan([]*upstream.Pool{p}, upstream.Constraint{})); got != "m/b m/c m/a" {
		t.Errorf("the second plan is %s, want the circle from b on", got)
	}
}

func TestLeastInFlight(t *testing.T) {
	es, s := endpoints(1, 1, 2)
	p := balanced("least_in_flight", "m", es...)
	occupy(t, es[0], s, 3)
	occupy(t, es[2], s, 2)
	for range 50 { // (0+1)/1, (2+1)/2, (3+1)/1
		if got := names(upstream.Plan([]*upstream.Pool{p}, upstream.Constraint{})); got != "m/b m/c m/a" {
			t.Fatalf("the plan is %s, want b, then c of twice the weight, then a", got)
		}
	}
	occupy(t, es[1], s, 3)
	if got := firsts(p, upstream.Constraint{}, 50); got["c"] != 50 {
		t.Errorf("first in plans: %v, want c", got)
	}
}

func TestLatencyBalance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		es, s := endpoints(1, 1)
		p := balanced("latency", "m", es...)
		took := func(e *upstream.Endpoint, d time.Duration) {
			s.next = []outcome{{after: d}}
			_, _, _ = forward(t.Context(), []upstream.Target{{Endpoint: e}}, build, ignore)
		}
		took(es[0], 4*time.Second)
		took(es[1], 100*time.Millisecond)
		if got := firsts(p, upstream.Constraint{}, 50); got["b"] != 50 {
			t.Errorf("first in plans: %v, want the faster one", got)
		}
		time.Sleep(3 * time.Minute) // neither was asked for so long that what was known of it is forgotten
		if got := firsts(p, upstream.Constraint{}, 200); got["a"] == 0 {
			t.Error("an endpoint that was slow three minutes ago is never tried again")
		}
		occupy(t, es[1], s, 60) // each answers at once, and none has ended
		for range 30 {
			took(es[0], 100*time.Millisecond)
			took(es[1], 100*time.Millisecond)
		}
		if got := firsts(p, upstream.Constraint{}, 50); got["a"] != 50 {
			t.Errorf("first in plans: %v, want the one with no calls under way", got)
		}
	})
}

func TestCostBalance(t *testing.T) {
	at := func(name string, cost float64) *upstream.Endpoint {
		return upstream.NewEndpoint(upstream.EndpointOptions{Name: name, Weight: 1, Cost: cost})
	}
	p := balanced("cost", "m", at("dear", 12), at("free", 0), at("cheap", 2), at("free2", 0))
	seen := map[string]bool{}
	for range 100 {
		seen[names(upstream.Plan([]*upstream.Pool{p}, upstream.Constraint{}))] = true
	}
	if len(seen) != 2 || !seen["m/free m/free2 m/cheap m/dear"] || !seen["m/free2 m/free m/cheap m/dear"] {
		t.Errorf("plans by cost: %v", seen)
	}
}

func TestSticky(t *testing.T) {
	es, s := endpoints(1, 1, 2)
	p := balanced("sticky", "m", es...)
	if !p.Sticky() || balanced("", "m", es...).Sticky() || balanced("sticky", "m", es[0]).Sticky() {
		t.Error("Sticky is wrong")
	}
	homes, share := map[uint64]string{}, map[string]int{}
	const n = 4000
	for c := uint64(1); c <= n; c++ {
		first := firsts(p, upstream.Constraint{Conversation: c}, 3)
		if len(first) != 1 {
			t.Fatalf("conversation %d is at %v", c, first)
		}
		for name := range first {
			homes[c] = name
			share[name]++
		}
	}
	if got := float64(share["c"]) / n; math.Abs(got-0.5) > 5*math.Sqrt(0.25/n) {
		t.Errorf("the endpoint of half the weight has %.3f of the conversations", got)
	}
	without := balanced("sticky", "m", es[0], es[2])
	for c := uint64(1); c <= n; c++ {
		if first := firsts(without, upstream.Constraint{Conversation: c}, 1); homes[c] != "b" && first[homes[c]] != 1 {
			t.Fatalf("conversation %d moved from %s to %v although its endpoint is still there", c, homes[c], first)
		}
	}
	if got := firsts(p, upstream.Constraint{}, 200); len(got) != 3 {
		t.Errorf("without a conversation all endpoints come first at times, got %v", got)
	}
	occupy(t, es[0], s, 5)
	for c, home := range homes {
		if first := firsts(p, upstream.Constraint{Conversation: c}, 1); home == "a" && first["a"] != 0 {
			t.Fatal("a conversation's endpoint has far more under way than its fellows, and still comes first")
		} else if home != "a" && first[home] != 1 {
			t.Fatal("a conversation moved although its endpoint is free")
		}
	}
}

func TestDrain(t *testing.T) {
	s := &scripted{}
	at := func(name string, drain bool) *upstream.Endpoint {
		return upstream.NewEndpoint(upstream.EndpointOptions{Name: name, Weight: 1, Drain: drain, Caller: s})
	}
	p := balanced("", "m", at("going", true), at("staying", false))
	for range 20 {
		if got := names(upstream.Plan([]*upstream.Pool{p}, upstream.Constraint{})); got != "m/staying" {
			t.Fatalf("the plan is %s", got)
		}
	}
	if got := upstream.Plan([]*upstream.Pool{balanced("", "m", at("going", true))}, upstream.Constraint{}); len(got) != 0 {
		t.Errorf("the only endpoint drains, and the plan is %s", names(got))
	}
	if !p.Allows("going", upstream.Constraint{}) {
		t.Error("an answer that a draining endpoint made is not allowed any more")
	}
}

func TestWarmUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{}
		back := upstream.NewEndpoint(upstream.EndpointOptions{Name: "back", Weight: 1, Caller: s, WarmUp: time.Minute})
		other := upstream.NewEndpoint(upstream.EndpointOptions{Name: "other", Weight: 1, Caller: s})
		p := balanced("", "m", back, other)
		const n = 4000
		share := func(when string, want float64) {
			t.Helper()
			got := float64(firsts(p, upstream.Constraint{}, n)["back"]) / n
			if math.Abs(got-want) > 5*math.Sqrt(0.25/n) {
				t.Errorf("%s the share is %.3f, want %.3f", when, got, want)
			}
		}
		share("new", 0.05)
		time.Sleep(30 * time.Second)
		share("half warm", 0.25)
		time.Sleep(30 * time.Second)
		share("warm", 0.5)
		fails(back, s, wrong, 3)
		share("out", 0)
		time.Sleep(2 * time.Second)
		upstream.Plan([]*upstream.Pool{p}, upstream.Constraint{}) // takes the probe
		fails(back, s, nil, 1)
		share("back", 0.05)
		time.Sleep(time.Minute)
		share("warm again", 0.5)
	})
}

func BenchmarkBalance(b *testing.B) {
	for _, name := range upstream.Balancers() {
		es, _ := endpoints(3, 1, 1, 2)
		pools := []*upstream.Pool{balanced(name, "m", es...)}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			n := uint64(0)
			for b.Loop() {
				n++
				upstream.Plan(pools, upstream.Constraint{Conversation: n})
			}
		})
	}
}

func ExampleBalancers() {
	fmt.Println(upstream.Balancers())
	// Output: [cost latency least_in_flight load round_robin sticky weighted]
}
