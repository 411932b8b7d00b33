package filter

import (
	"math/bits"
	"slices"
	"sync/atomic"
	"time"
)

// Stats is what a filter has done since it was loaded, and what it has now.
type Stats struct {
	Calls      int64         // hooks called
	Time       time.Duration // guest time
	Units      int64         // units of fuel
	Failures   int64         // exchanges and directions that failed in it: trap, budget, bad span, ...
	Traps      int64         // those of them in which the guest trapped
	FailedOpen int64         // exchanges that went on without the filter
	Rejections int64         // verdicts
	Skipped    int64         // bytes of streams that passed without a call, as all of their byte classes are inert
	Held       int64         // bytes that streams hold back now
	HeldMost   int64         // the most that one text of a stream held back

	Instances  int64 // alive now
	Idle       int64 // those of them that no call uses
	Waiting    int64 // calls that wait for an instance now
	Memory     int64 // bytes of linear memory of the instances, and of the snapshot they are put back to
	Created    int64 // instances made
	ColdStarts int64 // those of them made for a call when none was alive
	Reclaimed  int64 // instances given back after they were idle
	Discarded  int64 // instances thrown away: trapped, grown, or not restorable
	Waits      int64 // calls that had to wait for an instance

	Spans     []KindCount // what it found, at most 256 kinds, in the order in which they came up
	CallTime  Histogram   // guest time of the calls, in seconds
	CallUnits Histogram   // fuel of the calls, in units
}

// KindCount counts the findings of one kind.
type KindCount struct {
	Kind            string
	Request, Answer int64
}

// Histogram counts values by size.
type Histogram struct {
	Bounds []float64 // upper bounds of the buckets but the last, which has none; shared, not to be changed
	Counts []uint64  // of each bucket alone, one more than Bounds
	Sum    float64
}

// counters are what no instance is at hand for, and what is rare.
type counters struct {
	failures, traps, open, rejections, skipped, held, heldMost atomic.Int64

	memory int // the largest linear memory seen, in self-tests
}

// Buckets double from 512 ns on, and from 256 units on by four: both end a little over what limits allow.
const (
	timeBuckets = 20
	unitBuckets = 11
)

// tally is what calls add to. Each instance has its own, which only its call touches; the pool takes it over when the
// instance is given back, under the lock that it holds then anyway.
type tally struct {
	calls, nanos, units int64
	buckets             [allBuckets]uint64 // of times, then of units
	dirty               uint64             // which of them are not 0
}

// allBuckets has one more of each, for what is over the last bound.
const allBuckets = timeBuckets + 1 + unitBuckets + 1

// call adds one call.
func (t *tally) call(took time.Duration, units int64) {
	t.calls++
	t.nanos += int64(took)
	t.units += units
	i, j := timeBucket(took), timeBuckets+1+unitBucket(units)
	t.buckets[i]++
	t.buckets[j]++
	t.dirty |= 1<<i | 1<<j
}

// take adds another's counts and leaves it empty.
func (t *tally) take(from *tally) {
	t.calls += from.calls
	t.nanos += from.nanos
	t.units += from.units
	for ; from.dirty != 0; from.dirty &= from.dirty - 1 {
		i := bits.TrailingZeros64(from.dirty)
		t.buckets[i] += from.buckets[i]
		from.buckets[i] = 0
	}
	from.calls, from.nanos, from.units = 0, 0, 0
}

// times and fuels are its histograms.
func (t *tally) times() Histogram {
	return Histogram{timeBounds, slices.Clone(t.buckets[:timeBuckets+1]), time.Duration(t.nanos).Seconds()}
}

func (t *tally) fuels() Histogram {
	return Histogram{unitBounds, slices.Clone(t.buckets[timeBuckets+1:]), float64(t.units)}
}

// timeBucket is the bucket of 512 ns << i, for times up to it.
func timeBucket(took time.Duration) int {
	return min(bits.Len64(uint64(max(took-1, 0))>>9), timeBuckets)
}

// unitBucket is the bucket of 256 << 2i units.
func unitBucket(units int64) int {
	return min((bits.Len64(uint64(max(units-1, 0))>>8)+1)/2, unitBuckets)
}

var timeBounds, unitBounds = bounds()

func bounds() (times, units []float64) {
	for i := range timeBuckets {
		times = append(times, (512 * time.Nanosecond << i).Seconds())
	}
	for i := range unitBuckets {
		units = append(units, float64(int64(256)<<(2*i)))
	}
	return times, units
}

// Stats reads the filter's counters. What a call did is in them once its instance is given back.
func (f *Filter) Stats() Stats {
	c, p := &f.stats, f.pool
	p.mu.Lock()
	t, n, idle, waiting := p.tally, p.figures, len(p.idle), len(p.busy.line)
	p.mu.Unlock()
	s := Stats{
		Calls: t.calls, Time: time.Duration(t.nanos), Units: t.units,
		Failures: c.failures.Load(), Traps: c.traps.Load(), FailedOpen: c.open.Load(), Rejections: c.rejections.Load(),
		Skipped: c.skipped.Load(), Held: c.held.Load(), HeldMost: c.heldMost.Load(),
		Instances: n.alive, Idle: int64(idle), Waiting: int64(waiting), Memory: n.memory, Created: n.created,
		ColdStarts: n.cold, Reclaimed: n.reclaimed, Discarded: n.discarded, Waits: n.waits,
		Spans: f.kinds.counts(), CallTime: t.times(), CallUnits: t.fuels(),
	}
	if f.mod.snap != nil {
		s.Memory += int64(len(f.mod.snap.memory))
	}
	return s
}

// counts are the findings of all kinds so far.
func (k *kinds) counts() []KindCount {
	k.mu.RLock()
	out := make([]KindCount, len(k.byName))
	for name, kind := range k.byName {
		out[kind.place] = KindCount{name, kind.found[OnRequest].Load(), kind.found[OnAnswer].Load()}
	}
	k.mu.RUnlock()
	return out
}

// holds notes how many bytes a text of a stream holds back, and how many it did before.
func (r *run) holds(n, was int) {
	if n == was {
		return
	}
	r.held += n - was
	c := &r.f.stats
	c.held.Add(int64(n - was))
	for most := c.heldMost.Load(); int64(n) > most && !c.heldMost.CompareAndSwap(most, int64(n)); {
		most = c.heldMost.Load()
	}
}
