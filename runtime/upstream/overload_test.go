package upstream_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluicegate/sluice/runtime/upstream"
)

// load is what callers saw of an endpoint under a load, by tenant: how long admitted requests took, sorted.
type load struct {
	took    map[string][]time.Duration
	refused int
	slowest time.Duration // of the refusals
}

func (l *load) p99(tenant string) time.Duration {
	return l.took[tenant][len(l.took[tenant])*99/100]
}

// offer sends requests for some minutes at these rates a second, however many are still under way, to an endpoint that takes 32
// at once and 100 to 120 ms for each: some 290 a second. The time is the test's own, so that the figures are of the queue and
// not of the machine.
func offer(t *testing.T, minutes int, rates map[string]float64) (l load) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		l = load{took: map[string][]time.Duration{}}
		work := callerFunc(func(context.Context, *upstream.Call) (*upstream.Reply, error) {
			time.Sleep(100*time.Millisecond + rand.N(20*time.Millisecond))
			return &upstream.Reply{Status: 200, Body: []byte("ok")}, nil
		})
		pools := limited(t, 32, upstream.Queue{Size: -1}, work)
		var wg sync.WaitGroup
		var mu sync.Mutex
		for tenant, rate := range rates {
			wg.Go(func() {
				for end := time.Now().Add(time.Duration(minutes) * time.Minute); time.Now().Before(end); {
					time.Sleep(time.Duration(rand.ExpFloat64() / rate * float64(time.Second)))
					wg.Go(func() {
						began := time.Now()
						_, err := ask(t.Context(), pools, tenant)
						mu.Lock()
						defer mu.Unlock()
						if took := time.Since(began); err == nil {
							l.took[tenant] = append(l.took[tenant], took)
						} else {
							l.refused++
							l.slowest = max(l.slowest, took)
						}
					})
				}
			})
		}
		wg.Wait()
	})
	for _, took := range l.took {
		slices.Sort(took)
	}
	return l
}

// At three times what an endpoint can do, what is admitted takes at most twice as long, and the rest is told at once.
func TestOverload(t *testing.T) {
	calm, full := offer(t, 1, map[string]float64{"a": 200}), offer(t, 1, map[string]float64{"a": 870})
	t.Logf("p99 at 200 a second: %v, at 870: %v; %d of %d refused, the slowest refusal after %v",
		calm.p99("a"), full.p99("a"), full.refused, full.refused+len(full.took["a"]), full.slowest)
	if full.p99("a") > 2*calm.p99("a") {
		t.Errorf("admitted requests' p99 went from %v to %v", calm.p99("a"), full.p99("a"))
	}
	if n := len(full.took["a"]); n < 60*280 || full.refused == 0 {
		t.Errorf("%d requests were answered, want what the endpoint can do", n)
	}
	if full.slowest > 50*time.Millisecond {
		t.Errorf("a refusal took %v", full.slowest)
	}
}

// A tenant that asks for twice what there is moves another's p99 by less than a fifth, and takes none of its answers.
func TestNoisyNeighbour(t *testing.T) {
	const minutes = 3
	calm := offer(t, minutes, map[string]float64{"quiet": 40, "other": 160})
	noisy := offer(t, minutes, map[string]float64{"quiet": 40, "noisy": 580})
	t.Logf("the quiet tenant's p99: %v beside a calm one, %v beside a noisy one", calm.p99("quiet"), noisy.p99("quiet"))
	if was, is := calm.p99("quiet"), noisy.p99("quiet"); float64(is) > 1.2*float64(was) {
		t.Errorf("the quiet tenant's p99 went from %v to %v", was, is)
	}
	if n := len(noisy.took["quiet"]); n < minutes*60*40*8/10 {
		t.Errorf("only %d of the quiet tenant's requests were answered", n)
	}
}
