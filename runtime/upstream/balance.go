package upstream

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// Balancer says in which order a pool's endpoints are tried: an order and nothing else. Retries belong to Forward, health
// to the record; what a Balancer is given are endpoints that may serve the request, are as healthy as each other, and
// have weight. It is safe for concurrent use.
type Balancer interface {
	// Order sorts ts in place. conversation is the same for all requests of one conversation, 0 where it is not known.
	Order(ts []Target, conversation uint64)
}

// balancers is THE table of strategies.
var balancers = map[string]func() Balancer{
	"weighted":        func() Balancer { return weighted{} },
	"round_robin":     func() Balancer { return new(roundRobin) },
	"least_in_flight": func() Balancer { return leastInFlight{} },
	"latency":         func() Balancer { return fastest{} },
	"cost":            func() Balancer { return cheapest{} },
	"load":            func() Balancer { return leastLoaded{} },
	"sticky":          func() Balancer { return sticky{} },
}

// Balancers lists the names that PoolOptions.Balance takes, sorted.
func Balancers() []string { return slices.Sorted(maps.Keys(balancers)) }

func newBalancer(name string) (Balancer, error) {
	if name == "" {
		return weighted{}, nil
	}
	build, ok := balancers[name]
	if !ok {
		return nil, fmt.Errorf("unknown balance %q: want one of %s", name, strings.Join(Balancers(), ", "))
	}
	return build(), nil
}

// weighted draws endpoints at random, each with its weight as its share.
type weighted struct{}

func (weighted) Order(ts []Target, _ uint64) {
	total := 0
	for i := range ts {
		total += ts[i].Endpoint.o.Weight
	}
	for ; len(ts) > 1 && total > 0; ts = ts[1:] {
		n := rand.IntN(total) //nolint:gosec // it spreads load and guards no secret
		for i := range ts {
			w := ts[i].Endpoint.o.Weight
			if n -= w; n < 0 {
				ts[0], ts[i] = ts[i], ts[0]
				total -= w
				break
			}
		}
	}
}

// roundRobin takes turns: of each round, an endpoint gets as many turns as its weight says, spread over the round.
type roundRobin struct{ turns atomic.Uint64 }

func (r *roundRobin) Order(ts []Target, _ uint64) {
	if len(ts) < 2 {
		return
	}
	unit, total := 0, 0
	for i := range ts {
		unit = gcd(ts[i].Endpoint.o.Weight, unit)
		total += ts[i].Endpoint.o.Weight
	}
	total /= unit
	turn := uint64(total)
	turn = (r.turns.Add(1) - 1) % turn * stride(turn) % turn
	first := 0
	for n := int(turn); n >= ts[first].Endpoint.o.Weight/unit; first++ {
		n -= ts[first].Endpoint.o.Weight / unit
	}
	rotate(ts, first)
}

// stride is a step that visits every number below n once before it comes back, far from the last one each time: near
// n times the golden section.
func stride(n uint64) uint64 {
	s := max(uint64(float64(n)*0.618), 1)
	for gcd(s, n) != 1 {
		s++
	}
	return s
}

func gcd[N int | uint64](a, b N) N {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// rotate brings the element at n to the front and keeps the circle's order.
func rotate(ts []Target, n int) {
	slices.Reverse(ts[:n])
	slices.Reverse(ts[n:])
	slices.Reverse(ts)
}

// leastInFlight prefers the endpoint with the fewest calls under way for its weight; equals are drawn.
type leastInFlight struct{}

func (leastInFlight) Order(ts []Target, _ uint64) {
	byScore(ts, func(e *Endpoint) float64 { return float64(e.InFlight()+1) / float64(e.o.Weight) })
}

// fastest compares two endpoints drawn at random and prefers the one that would answer sooner: the power of two choices
// (Mitzenmacher, 2001) over the smoothed latency, times the calls under way. It does not herd to the one that is best
// at the moment, as taking the best of all does.
type fastest struct{}

func (fastest) Order(ts []Target, _ uint64) {
	if len(ts) < 2 {
		return
	}
	weighted{}.Order(ts, 0)
	now := time.Now()
	for i := range len(ts) - 1 {
		if ts[i+1].Endpoint.expected(now) < ts[i].Endpoint.expected(now) {
			ts[i], ts[i+1] = ts[i+1], ts[i]
		}
	}
}

const (
	// forget is how fast an endpoint's latency is forgotten while it gets no calls: by half in that time, so that one that
	// was slow is tried again.
	forget = 10 * time.Second

	// leastLatency stands for an endpoint's of which nothing is known, so that its calls under way count all the same.
	leastLatency = float64(time.Millisecond)
)

// expected is how long an answer would take, in nanoseconds, by what is known.
func (e *Endpoint) expected(now time.Time) float64 {
	latency, at := e.record.smoothedAt()
	age := math.Exp2(-float64(now.Sub(at)) / float64(forget))
	return max(float64(latency)*age, leastLatency) * float64(e.InFlight()+1)
}

// cheapest prefers the lowest price, input and output added; equals are drawn.
type cheapest struct{}

func (cheapest) Order(ts []Target, _ uint64) {
	byScore(ts, func(e *Endpoint) float64 { return e.o.Cost })
}

// leastLoaded prefers the endpoint that reports the least load. What this gateway has under way there counts with it,
// because a report is some seconds old. One that has not reported lately comes behind those that have, but where it reports
// with its answers: then it has had nothing to answer.
type leastLoaded struct{}

func (leastLoaded) Order(ts []Target, _ uint64) {
	now := time.Now()
	byScore(ts, func(e *Endpoint) float64 {
		load, ok := e.record.loadAt(now)
		if !ok && !e.tells() {
			load = unreported
		} else if !ok {
			load = 0
		}
		return (load + float64(e.InFlight())) / float64(e.o.Weight)
	})
}

// unreported is the load of an endpoint that does not say: more than any that does.
const unreported = 1e12

// sticky sends the requests of one conversation to one endpoint, whose cache of prompts then has what they begin with:
// weighted rendezvous hashing, so that an endpoint that comes or goes moves only its own conversations. An endpoint that
// has far more calls under way than its fellows is passed over until it has caught up (after Mirrokni, Thorup and
// Zadimoghaddam, "Consistent Hashing with Bounded Loads", 2016). Without a conversation it is weighted.
type sticky struct{}

func (sticky) Order(ts []Target, conversation uint64) {
	if conversation == 0 || len(ts) < 2 {
		weighted{}.Order(ts, 0)
		return
	}
	running := 0
	for i := range ts {
		running += ts[i].Endpoint.InFlight()
	}
	most := math.Ceil(boundedLoad * float64(running+1) / float64(len(ts)))
	sortBy(ts, func(e *Endpoint) float64 {
		u := (float64(mix(conversation^e.hash)>>11) + 0.5) / (1 << 53) // in (0, 1)
		score := -math.Log(u) / float64(e.o.Weight)
		if float64(e.InFlight()) >= most {
			score += overloaded
		}
		return score
	})
}

const (
	boundedLoad = 1.25 // times the mean of calls under way that a conversation's own endpoint may have
	overloaded  = 1e6  // more than any score without it: -log(2^-54) is 37
)

// mix spreads the bits of x (the finalizer of SplitMix64: Steele, Lea and Flood, 2014).
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// byScore sorts by ascending score; equals are in weighted random order.
func byScore(ts []Target, score func(*Endpoint) float64) {
	if len(ts) < 2 {
		return
	}
	weighted{}.Order(ts, 0)
	sortBy(ts, score)
}

// sortBy sorts by ascending score and keeps equals as they are. The scores are read once: they change under way.
func sortBy(ts []Target, score func(*Endpoint) float64) {
	var room [16]float64
	scores := room[:0]
	for i, t := range ts {
		s := score(t.Endpoint)
		at := i
		for ; at > 0 && scores[at-1] > s; at-- {
			ts[at] = ts[at-1]
		}
		ts[at] = t
		scores = slices.Insert(scores, at, s)
	}
}
