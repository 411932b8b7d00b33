package filter

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

// Under either isolation a guest that remembers never has another tenant's text; under tenant it may have its own's.
func TestIsolation(t *testing.T) {
	f := func(isolation string, want ...bool) {
		t.Helper()
		s := hostile(t)
		s.Isolation = isolation
		h := load(t, s)
		for i, tenant := range []string{"red", "red", "blue", "blue", "red", "", ""} {
			x := ask(t, tenant, "!M the text of "+tenant)
			p := begin(t, x, h)
			if err := p.Request(context.Background()); err != nil {
				t.Fatal(err)
			}
			p.Close()
			if _, got := x.Labels["hostile"]["remembered"]; got != want[i] {
				t.Errorf("%q: exchange %d, of %q: remembers %v, want %v", isolation, i, tenant, got, want[i])
			}
		}
		for _, in := range h.pool.idle {
			view, _ := in.mem.Read(0, in.mem.Size())
			for _, other := range []string{"red", "blue"} {
				if in.owner.tenant != other && strings.Contains(string(view), "the text of "+other) {
					t.Errorf("%q: an instance of %+v holds text of %s", isolation, in.owner, other)
				}
			}
		}
		if got := h.Stats().Created; got != 1 {
			t.Errorf("%q: %d instances made", isolation, got)
		}
	}
	f("", false, false, false, false, false, false, false)
	f(IsolateExchange, false, false, false, false, false, false, false)
	f(IsolateTenant, false, true, false, true, false, false, false)
}

// Two tenants' exchanges that overlap under tenant isolation get an instance each, and keep it.
func TestIsolationOverlap(t *testing.T) {
	s := hostile(t)
	s.Isolation = IsolateTenant
	h := load(t, s)
	var labels int
	for range 3 {
		var open []*Pass
		for _, tenant := range []string{"red", "blue"} {
			x := ask(t, tenant, "!M of "+tenant)
			p := begin(t, x, h)
			if err := p.Request(context.Background()); err != nil {
				t.Fatal(err)
			}
			if open = append(open, p); x.Labels["hostile"]["remembered"] != nil {
				labels++
			}
		}
		for _, p := range open {
			p.Close()
		}
	}
	if labels > 4 {
		t.Errorf("%d of 6 exchanges remember one before, want at most 4", labels)
	}
	if _, err := engine(t, Options{}).Load(context.Background(), Spec{Name: "x", Request: true, Isolation: "none"}); err == nil || !strings.Contains(err.Error(), "want exchange or tenant") {
		t.Errorf("an unknown isolation: %v", err)
	}
	a, b := load(t, hostile(t)), load(t, s)
	if a.Key() == b.Key() {
		t.Error("filters that are isolated differently have one key")
	}
}

// one takes one exchange through a filter.
func one(t *testing.T, f *Filter) {
	t.Helper()
	p := begin(t, ask(t, "red", "mail ana@x.org"), f)
	if err := p.Request(context.Background()); err != nil {
		t.Fatal(err)
	}
	p.Close()
}

// Idle instances are given back one after another, down to none; the next call makes one, which knows its configuration.
func TestScaleToZero(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, err := NewEngine(Options{TenantCalls: 8})
		if err != nil {
			t.Fatal(err)
		}
		s := words(t)
		s.Limits.Idle = time.Minute
		w, err := e.Load(context.Background(), s)
		if err != nil {
			t.Fatal(err)
		}
		f := func(after time.Duration, alive, reclaimed, cold int64) {
			t.Helper()
			time.Sleep(after)
			synctest.Wait()
			st := w.Stats()
			if st.Instances != alive || st.Idle != alive || st.Reclaimed != reclaimed || st.ColdStarts != cold {
				t.Errorf("%d instances, %d idle, %d reclaimed, %d cold starts; want %d, %d, %d, %d",
					st.Instances, st.Idle, st.Reclaimed, st.ColdStarts, alive, alive, reclaimed, cold)
			}
			if alive == 0 && st.Memory != int64(len(w.mod.snap.memory)) {
				t.Errorf("%d bytes of memory without an instance", st.Memory)
			}
		}
		f(0, 1, 0, 0)
		f(59*time.Second, 1, 0, 0)
		f(time.Second, 0, 1, 0)
		one(t, w)
		f(time.Second, 1, 1, 1)
		burst(t, w, 3)
		f(0, 3, 1, 1)
		for range 130 { // one instance is enough, and the others go
			one(t, w)
			time.Sleep(time.Second)
		}
		f(0, 1, 3, 1)
		f(time.Minute, 0, 4, 1)
		if err := w.Close(context.Background()); err != nil {
			t.Error(err)
		}
		if err := e.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

// burst has n calls of a filter at once.
func burst(t *testing.T, f *Filter, n int) {
	t.Helper()
	var open []holding
	for range n {
		p := begin(t, ask(t, "red", "hi"), f)
		h, err := p.runs[0].hold(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, h)
	}
	if st := f.Stats(); st.Instances != int64(n) || st.Idle != 0 {
		t.Errorf("%d calls at once: %d instances, %d idle", n, st.Instances, st.Idle)
	}
	for _, h := range open {
		h.release()
	}
}

// What waits for an instance waits as long as its exchange may, and is counted.
func TestWaitForAnInstance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, err := NewEngine(Options{TenantCalls: 8})
		if err != nil {
			t.Fatal(err)
		}
		s := words(t)
		s.Limits.Instances, s.Limits.Idle = 1, time.Hour
		w, err := e.Load(context.Background(), s)
		if err != nil {
			t.Fatal(err)
		}
		p := begin(t, ask(t, "red", "hi"), w)
		h, err := p.runs[0].hold(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		late, served := make(chan error, 1), make(chan error, 1)
		go func() {
			_, err := begin(t, ask(t, "red", "hi"), w).runs[0].hold(ctx)
			late <- err
		}()
		synctest.Wait()
		if st := w.Stats(); st.Waiting != 1 || st.Waits != 1 {
			t.Errorf("%d wait, %d waited", st.Waiting, st.Waits)
		}
		if err := <-late; !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "waited for one of its 1 instances") {
			t.Errorf("beyond the deadline: %v", err)
		}
		go func() {
			h, err := begin(t, ask(t, "red", "hi"), w).runs[0].hold(context.Background())
			if err == nil {
				h.release()
			}
			served <- err
		}()
		synctest.Wait()
		time.Sleep(2 * time.Hour) // what is in use is not given back
		h.release()
		if err := <-served; err != nil {
			t.Error(err)
		}
		if st := w.Stats(); st.Waiting != 0 || st.Waits != 2 || st.Created != 1 || st.Instances != 1 {
			t.Errorf("%+v", st)
		}
		if err := errors.Join(w.Close(context.Background()), e.Close(context.Background())); err != nil {
			t.Error(err)
		}
	})
}

// The engine's one goroutine ends with it, also when its filters were closed before, and when there was none.
func TestJanitorEnds(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	for filters := range 3 {
		e, err := NewEngine(Options{})
		if err != nil {
			t.Fatal(err)
		}
		for range filters {
			f, err := e.Load(context.Background(), words(t))
			if err != nil {
				t.Fatal(err)
			}
			one(t, f)
			if err := f.Close(context.Background()); err != nil {
				t.Error(err)
			}
		}
		for range 2 {
			if err := e.Close(context.Background()); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestStats(t *testing.T) {
	w := load(t, words(t))
	x := ask(t, "red", "mail ana@x.org, bob@x.org and pin 1234")
	p := begin(t, x, w)
	if err := p.Request(context.Background()); err != nil {
		t.Fatal(err)
	}
	s := p.Stream()
	if _, err := s.Event(context.Background(), delta{field: "content", text: "mail ana@x"}.event(t)); err != nil {
		t.Fatal(err)
	}
	st := w.Stats()
	if st.Held != int64(len("ana@x")) || st.HeldMost != st.Held {
		t.Errorf("%d bytes held back, at most %d", st.Held, st.HeldMost)
	}
	p.Close() // the caller has gone: nothing is held any more
	st = w.Stats()
	if st.Held != 0 || st.Calls != 2 || st.Units <= 0 || st.Time <= 0 {
		t.Errorf("%+v", st)
	}
	if len(st.Spans) < 2 || !slices.Contains(st.Spans, KindCount{"email", 2, 0}) {
		t.Errorf("spans %+v", st.Spans)
	}
	for _, h := range []Histogram{st.CallTime, st.CallUnits} {
		var n uint64
		for _, c := range h.Counts {
			n += c
		}
		if len(h.Counts) != len(h.Bounds)+1 || n != 2 || h.Sum <= 0 {
			t.Errorf("%+v", h)
		}
	}
}

func TestBuckets(t *testing.T) {
	for i, bound := range unitBounds {
		if got := unitBucket(int64(bound)); got != i {
			t.Errorf("%v units are in bucket %d, want %d", bound, got, i)
		}
		if got := unitBucket(int64(bound) + 1); got != i+1 {
			t.Errorf("%v units and one are in bucket %d, want %d", bound, got, i+1)
		}
	}
	for i := range timeBounds {
		d := 512 * time.Nanosecond << i
		if got := timeBucket(d); got != i {
			t.Errorf("%v is in bucket %d, want %d", d, got, i)
		}
		if got := timeBucket(d + 1); got != i+1 {
			t.Errorf("%v and 1 ns is in bucket %d, want %d", d, got, i+1)
		}
	}
	if timeBucket(-1) != 0 || unitBucket(-1) != 0 || timeBucket(time.Hour) != timeBuckets || unitBucket(math.MaxInt64) != unitBuckets {
		t.Error("values beyond the bounds are in no outer bucket")
	}
	for _, v := range [][2]float64{{timeBounds[timeBuckets-1], MaxGuestTime.Seconds()}, {unitBounds[unitBuckets-1], 100e6}} {
		if v[0] < v[1] {
			t.Errorf("the last bound is %v, under %v", v[0], v[1])
		}
	}
}

// Instances are taken, put back, looked at and given back at once; none is used after it was given back.
func TestReapWhileBusy(t *testing.T) {
	s := hostile(t)
	s.Limits.Instances = 2
	h := loadWith(t, engine(t, Options{TenantCalls: 8}), s)
	stop, gone := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(gone)
		for {
			select {
			case <-stop:
				return
			default:
				h.pool.reap(now() + h.spec.Limits.Idle)
				if st := h.Stats(); st.Instances > 2 || st.Idle > st.Instances {
					t.Errorf("%d instances, %d idle, at most 2", st.Instances, st.Idle)
				}
			}
		}
	}()
	var calls sync.WaitGroup
	for i := range 4 {
		calls.Go(func() {
			for range 50 {
				x := ask(t, "red", "!M and more")
				p := begin(t, x, h)
				if err := p.Request(context.Background()); err != nil {
					t.Error(err)
				}
				p.Close()
				if x.Labels["hostile"]["remembered"] != nil {
					t.Errorf("caller %d: an instance remembers", i)
				}
			}
		})
	}
	calls.Wait()
	close(stop)
	<-gone
	h.pool.reap(now() + h.spec.Limits.Idle)
	st := h.Stats()
	if st.Calls < 200 || st.Instances != 0 || st.Created != st.Reclaimed+st.Discarded || st.Memory != int64(len(h.mod.snap.memory)) {
		t.Errorf("%+v", st)
	}
}
