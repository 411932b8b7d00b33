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

// perSlot is how many requests a second an endpoint can do for each that it takes at once: each takes 100 to 120 ms.
const perSlot = 1 / 0.11

// offer sends requests for some minutes at these rates a second, for each slot, however many are still under way, to an endpoint
// that takes so many at once. The time is the test's own, so that the figures are of the queue and not of the machine.
func offer(t *testing.T, slots, minutes int, rates map[string]float64) (l load) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		l = load{took: map[string][]time.Duration{}}
		work := callerFunc(func(context.Context, *upstream.Call) (*upstream.Reply, error) {
			time.Sleep(100*time.Millisecond + rand.N(20*time.Millisecond))
			return &upstream.Reply{Status: 200, Body: []byte("ok")}, nil
		})
		pools := limited(t, slots, upstream.Queue{Size: -1}, work)
		var wg sync.WaitGroup
		var mu sync.Mutex
		for tenant, rate := range rates {
			wg.Go(func() {
				for end := time.Now().Add(time.Duration(minutes) * time.Minute); time.Now().Before(end); {
					time.Sleep(time.Duration(rand.ExpFloat64() / (rate * float64(slots)) * float64(time.Second)))
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

// At three times what an endpoint can do, what is admitted takes at most twice as long as at two thirds of it, and the rest is
// told at once.
func TestOverload(t *testing.T) {
	for _, slots := range []int{2, 4, 8, 32} {
		minutes := max(1, 8/slots)
		calm := offer(t, slots, minutes, map[string]float64{"a": perSlot * 2 / 3})
		full := offer(t, slots, minutes, map[string]float64{"a": perSlot * 3})
		t.Logf("%d slots: p99 at two thirds of what can be done: %v, at three times that: %v; %d of %d refused, the slowest refusal after %v",
			slots, calm.p99("a"), full.p99("a"), full.refused, full.refused+len(full.took["a"]), full.slowest)
		if full.p99("a") > 2*calm.p99("a") {
			t.Errorf("%d slots: admitted requests' p99 went from %v to %v", slots, calm.p99("a"), full.p99("a"))
		}
		if n, can := len(full.took["a"]), perSlot*float64(slots*60*minutes); float64(n) < 0.95*can || full.refused == 0 {
			t.Errorf("%d slots: %d requests were answered, want the %.0f that the endpoint can do", slots, n, can)
		}
		if full.slowest > 50*time.Millisecond {
			t.Errorf("%d slots: a refusal took %v", slots, full.slowest)
		}
	}
}

// A tenant that asks for twice what there is moves another's p99 by less than a fifth, and takes none of its answers.
func TestNoisyNeighbour(t *testing.T) {
	for _, slots := range []int{8, 32} {
		minutes := max(3, 80/slots)
		calm := offer(t, slots, minutes, map[string]float64{"quiet": perSlot * 0.14, "other": perSlot * 0.55})
		noisy := offer(t, slots, minutes, map[string]float64{"quiet": perSlot * 0.14, "noisy": perSlot * 2})
		t.Logf("%d slots: the quiet tenant's p99: %v beside a calm one, %v beside a noisy one", slots, calm.p99("quiet"), noisy.p99("quiet"))
		if was, is := calm.p99("quiet"), noisy.p99("quiet"); float64(is) > 1.2*float64(was) {
			t.Errorf("%d slots: the quiet tenant's p99 went from %v to %v", slots, was, is)
		}
		if was, is := len(calm.took["quiet"]), len(noisy.took["quiet"]); float64(is) < 0.8*float64(was) {
			t.Errorf("%d slots: only %d of the quiet tenant's requests were answered, %d beside a calm one", slots, is, was)
		}
	}
}

// Where there is one place, and one to wait for it, a tenant that asks all the time leaves both to others in turn.
func TestNoisyNeighbourOfOne(t *testing.T) {
	calm := offer(t, 1, 10, map[string]float64{"quiet": perSlot * 0.14, "other": perSlot * 0.2})
	noisy := offer(t, 1, 10, map[string]float64{"quiet": perSlot * 0.14, "noisy": perSlot * 2})
	if was, is := len(calm.took["quiet"]), len(noisy.took["quiet"]); float64(is) < 0.8*float64(was) {
		t.Errorf("%d of the quiet tenant's requests were answered, %d beside a calm one", is, was)
	}
}
