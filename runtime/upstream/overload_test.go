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

// minutes is how long a load lasts, in the test's own time.
const minutes = 2

// load is what callers saw of an endpoint under a load, by tenant: how long admitted requests took, sorted.
type load struct {
	took    map[string][]time.Duration
	refused int
	slowest time.Duration // of the refusals
}

func (l *load) p99(tenant string) time.Duration {
	return l.took[tenant][len(l.took[tenant])*99/100]
}

// offer sends requests for some minutes at these rates a second, however many are still under way, to an endpoint that takes 16
// at once and 100 to 120 ms for each: some 145 a second. The time is the test's own, so that the figures are of the queue and
// not of the machine.
func offer(t *testing.T, rates map[string]float64) (l load) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		l = load{took: map[string][]time.Duration{}}
		work := callerFunc(func(context.Context, *upstream.Call) (*upstream.Reply, error) {
			time.Sleep(100*time.Millisecond + rand.N(20*time.Millisecond))
			return &upstream.Reply{Status: 200, Body: []byte("ok")}, nil
		})
		pools := limited(t, 16, upstream.Queue{Size: -1}, work)
		var wg sync.WaitGroup
		var mu sync.Mutex
		for tenant, rate := range rates {
			wg.Go(func() {
				for end := time.Now().Add(minutes * time.Minute); time.Now().Before(end); {
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
	calm, full := offer(t, map[string]float64{"a": 100}), offer(t, map[string]float64{"a": 435})
	t.Logf("p99 at 100 a second: %v, at 435: %v; %d of %d refused, the slowest refusal after %v",
		calm.p99("a"), full.p99("a"), full.refused, full.refused+len(full.took["a"]), full.slowest)
	if full.p99("a") > 2*calm.p99("a") {
		t.Errorf("admitted requests' p99 went from %v to %v", calm.p99("a"), full.p99("a"))
	}
	if n := len(full.took["a"]); n < minutes*60*140 || full.refused == 0 {
		t.Errorf("%d requests were answered, want what the endpoint can do", n)
	}
	if full.slowest > 50*time.Millisecond {
		t.Errorf("a refusal took %v", full.slowest)
	}
}

// A tenant that asks for three times what there is moves another's p99 by less than a fifth, and takes none of its answers.
func TestNoisyNeighbour(t *testing.T) {
	calm := offer(t, map[string]float64{"quiet": 20, "other": 80})
	noisy := offer(t, map[string]float64{"quiet": 20, "noisy": 435})
	t.Logf("the quiet tenant's p99: %v beside a calm one, %v beside a noisy one", calm.p99("quiet"), noisy.p99("quiet"))
	if was, is := calm.p99("quiet"), noisy.p99("quiet"); float64(is) > 1.2*float64(was) {
		t.Errorf("the quiet tenant's p99 went from %v to %v", was, is)
	}
	if n := len(noisy.took["quiet"]); n < minutes*60*20*8/10 {
		t.Errorf("only %d of the quiet tenant's requests were answered", n)
	}
}
