package filter

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"
	"time"
)

// How fuel is granted. Slices adapt to time because a unit's cost varies a thousandfold with the guest's code: a slice
// that ends too early costs refills, one that ends too late keeps the garbage collector, and with it every goroutine,
// waiting.
const (
	firstSlice = 20_000  // units at the start of each call
	leastSlice = 500     // units
	mostSlice  = 400_000 // units: at most about 50 ms of the dearest code known (a chain of cache misses)
	shortSlice = 100 * time.Microsecond
	longSlice  = 200 * time.Microsecond
	yieldAfter = 100 * time.Microsecond // Gosched costs 1 to 10 us where a processor is idle
)

// What guest time is charged at most for work that is known, so that a guest does not pay for a processor that the
// operating system gave to others, or that a container's quota took away, in the middle of its call.
const (
	dearestUnit = 125 * time.Nanosecond // a unit of fuel in the dearest code known
	hostCall    = 5 * time.Microsecond  // a host function, apart from the bytes that it fills
	hostByte    = 4 * time.Nanosecond   // a byte that a host function fills
)

var (
	errBudget = errors.New("its budget of guest time is spent")
	errUnits  = errors.New("its budget of fuel is spent")
)

// epoch makes the monotonic clock an int64 of nanoseconds.
var epoch = time.Now()

func now() time.Duration { return time.Since(epoch) }

// How heavy guests are paced: what they may take of the processors while others wait for one.
const (
	heavyAfter   = 10 * time.Millisecond // guest time of an exchange and direction, over all its filters
	heavyShare   = 20                    // all heavy guests together get one part in so many of the processors
	waitedFor    = 20 * time.Microsecond // a yield that takes so long tells that others wait
	busyFor      = 10 * time.Millisecond // and that they do for so long from then on
	longestPause = 20 * time.Millisecond
)

// clock measures one call's guest time and hands out its fuel.
type clock struct {
	limit time.Duration // guest time that this call may use
	used  time.Duration // guest time so far
	mark  time.Duration // up to when the guest time is added up
	begun time.Duration // when the running slice began
	yield time.Duration // when the call last yielded
	slice int64         // units granted last
	owed  time.Duration // what may still be charged for the work known of
	given int64         // units granted to the export that runs, and its debts
	units int64         // units that the call's exports used
	most  int64         // units that the call may use; 0: as many as there is time for

	before time.Duration // guest time of the exchange and direction before this call
	crowd  *atomic.Int32 // counts the heavy guests that run in the engine; nil: the call is not paced
	heavy  bool          // this is one of them
	busy   time.Duration // until when others are taken to wait
}

// start begins a call that may use limit of guest time.
func (k *clock) start(limit time.Duration) {
	t := now()
	*k = clock{limit: limit, mark: t, begun: t, yield: t, slice: firstSlice, owed: firstSlice*dearestUnit + hostCall}
}

// enter notes that an export begins, with the first slice; leave that it ended with so much of its fuel left.
func (k *clock) enter()           { k.given = firstSlice }
func (k *clock) leave(left int64) { k.units, k.given = k.units+k.given-left, 0 }

// stop ends the call and returns its guest time.
func (k *clock) stop() time.Duration {
	k.charge(now())
	if k.heavy {
		k.crowd.Add(-1)
		k.heavy = false
	}
	return k.used
}

// charge adds up the guest time until t.
func (k *clock) charge(t time.Duration) {
	took := min(t-k.mark, k.owed)
	k.used += took
	k.owed -= took
	k.mark = t
}

// refill grants the next slice. It is the guest's safepoint: here the call is ended when its budget or its exchange is
// over, and other goroutines get their turn. debt is what the guest will have used beyond its last slice when it has
// done what it is about to do.
func (k *clock) refill(ctx context.Context, debt int64) (int64, error) {
	if err := k.check(ctx); err != nil {
		return 0, err
	}
	k.slice = nextSlice(k.slice, k.mark-k.begun)
	k.given += debt
	if k.most > 0 {
		left := k.most - k.units - k.given
		if left <= 0 {
			return 0, errUnits
		}
		k.slice = min(k.slice, left)
	}
	k.given += k.slice
	k.owed = time.Duration(k.slice+min(debt, mostDebt)) * dearestUnit
	if k.mark-k.yield >= yieldAfter {
		k.rest()
	}
	k.begun = k.mark
	return k.slice, nil
}

// rest lets others run. What they do meanwhile is not the guest's time. A fair turn for each goroutine would give a guest
// that spins half a processor, so a guest that is heavy, and sees that others wait, sleeps as long as its share takes.
func (k *clock) rest() {
	ran := k.mark - k.yield
	runtime.Gosched()
	t := now()
	if k.crowd != nil && k.before+k.used > heavyAfter {
		if !k.heavy {
			k.heavy = true
			k.crowd.Add(1)
		}
		waited := t - k.mark
		if waited > waitedFor {
			k.busy = t + busyFor
		}
		if t < k.busy {
			time.Sleep(pause(ran, int(k.crowd.Load()), runtime.GOMAXPROCS(0)) - waited)
			t = now()
		}
	}
	k.mark, k.yield = t, t
}

// pause is how long one of n heavy guests rests after it ran, so that together they keep to their share of procs
// processors.
func pause(ran time.Duration, n, procs int) time.Duration {
	return min(max(ran*time.Duration(heavyShare*n)/time.Duration(procs)-ran, 0), longestPause)
}

// mostDebt keeps a debt's time from overflowing. It is over 30 seconds.
const mostDebt = 1 << 28

// check adds up the guest time and tells whether the budget or the exchange is over.
func (k *clock) check(ctx context.Context) error {
	k.charge(now())
	if k.used > k.limit {
		return errBudget
	}
	return ctx.Err()
}

// nextSlice sizes a slice by how long the last one took.
func nextSlice(slice int64, took time.Duration) int64 {
	switch {
	case took < shortSlice:
		slice *= 2
	case took > longSlice:
		fit := slice * int64((shortSlice+longSlice)/2) / int64(took)
		slice = max(fit, slice/16)
	}
	return min(max(slice, leastSlice), mostSlice)
}
