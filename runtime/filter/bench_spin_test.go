package filter

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// What a guest that never ends does to everything else. Run one at a time, on a quiet machine:
//
//	go test ./runtime/filter -run '^$' -bench BesideSpinning -benchtime 10x

// spinning is the guest that spins until its budget is spent, with all the budget there is.
func spinning(t testing.TB, e *Engine) *Filter {
	t.Helper()
	s := hostile(t)
	s.Limits.Base, s.Limits.PerByte = MaxGuestTime, 1
	return loadWith(t, e, s)
}

// spin keeps one exchange of a tenant spinning until stop is called: one begins when the last one has used up its
// budget. stop returns how many there were and their guest time.
func spin(t testing.TB, h *Filter) (stop func() (int, time.Duration)) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	var n int
	before := h.Stats().Time
	wg.Go(func() {
		for ctx.Err() == nil {
			p, err := NewChain(h).Begin(ask(t, "red", "!s"), nil)
			if err != nil {
				t.Error(err)
				return
			}
			if err := p.Request(ctx); err == nil {
				t.Error("a spinning exchange succeeded")
			}
			p.Close()
			n++
		}
	})
	for h.pool.out() == 0 {
		runtime.Gosched()
	}
	return func() (int, time.Duration) {
		cancel()
		wg.Wait()
		return n, h.Stats().Time - before
	}
}

// BenchmarkGCBesideSpinning is how long a garbage collection takes on one processor while a guest spins on it.
func BenchmarkGCBesideSpinning(b *testing.B) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	stop := spin(b, spinning(b, engine(b, Options{})))
	var worst time.Duration
	for b.Loop() {
		start := time.Now()
		runtime.GC()
		worst = max(worst, time.Since(start))
	}
	b.StopTimer()
	stop()
	b.ReportMetric(float64(worst.Microseconds())/1e3, "worst-ms")
}

// BenchmarkTimerBesideSpinning is how late a timer of 1 ms is on one processor while a guest spins on it.
func BenchmarkTimerBesideSpinning(b *testing.B) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	h := spinning(b, engine(b, Options{}))
	var idle, late []time.Duration
	for b.Loop() {
		idle = timers(idle)
		stop := spin(b, h)
		late = timers(late)
		stop()
	}
	p99 := func(all []time.Duration) float64 {
		slices.Sort(all)
		return float64(all[len(all)*99/100].Microseconds()) / 1e3
	}
	b.ReportMetric(p99(late), "p99-ms")
	b.ReportMetric(p99(idle), "idle-p99-ms")
}

// timers notes how late a hundred timers are.
func timers(late []time.Duration) []time.Duration {
	for range 100 {
		start := time.Now()
		time.Sleep(time.Millisecond)
		late = append(late, time.Since(start)-time.Millisecond)
	}
	return late
}

// BenchmarkOthersBesideSpinning is by how much the throughput of other requests falls on two processors while one
// exchange of another tenant spins all the time. The others keep both processors busy: eight at once, each waiting for
// another goroutine between its request and its answer, as for a model server. Rounds without and with the spinning
// exchange take turns.
func BenchmarkOthersBesideSpinning(b *testing.B) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	e := engine(b, Options{})
	h, w := spinning(b, e), loadWith(b, e, words(b))
	const round = 600 * time.Millisecond // more than the budget
	busy(b, w, round)
	var alone, beside, spent time.Duration // per request; of the guest
	var falls []float64
	for b.Loop() {
		a := busy(b, w, round)
		stop := spin(b, h)
		s := busy(b, w, round)
		_, used := stop()
		alone, beside, spent = alone+a, beside+s, spent+used
		falls = append(falls, 100*(1-float64(a)/float64(s)))
	}
	slices.Sort(falls)
	b.ReportMetric(falls[len(falls)/2], "fall-%")
	b.ReportMetric(100*float64(spent)/float64(round)/float64(b.N), "spinning-%-of-one")
	b.ReportMetric(float64(alone.Nanoseconds())/float64(b.N), "ns/request")
	b.ReportMetric(float64(beside.Nanoseconds())/float64(b.N), "ns/request-beside")
}

// busy makes requests of eight callers for a while and returns the time per request.
func busy(b *testing.B, w *Filter, d time.Duration) time.Duration {
	b.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	var done atomic.Int64
	var wg sync.WaitGroup
	start := time.Now()
	chain := NewChain(w)
	for range 8 {
		wg.Go(func() {
			call, answer := make(chan struct{}), make(chan struct{})
			wg.Go(func() {
				for range call {
					answer <- struct{}{}
				}
			})
			defer close(call)
			x := ask(b, "blue", prose)
			for ctx.Err() == nil {
				x.Filters = x.Filters[:0]
				p, err := chain.Begin(x, nil)
				if err == nil {
					err = p.Request(context.Background())
				}
				if err != nil {
					b.Error(err)
					return
				}
				call <- struct{}{}
				<-answer
				p.Close()
				done.Add(1)
			}
		})
	}
	wg.Wait()
	return time.Since(start) / time.Duration(max(done.Load(), 1))
}
