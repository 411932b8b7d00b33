package filter

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluicegate/sluice/runtime/wire"
)

// A guest that is heavy, and sees that others wait, leaves the processor for as long as its share takes.
func TestPause(t *testing.T) {
	f := func(ran time.Duration, n, procs int, want time.Duration) {
		t.Helper()
		if got := pause(ran, n, procs); got != want {
			t.Errorf("%d heavy guests on %d processors, after %v: %v, want %v", n, procs, ran, got, want)
		}
	}
	f(100*time.Microsecond, 1, 2, 900*time.Microsecond) // a tenth of one is a twentieth of two
	f(100*time.Microsecond, 2, 2, 1900*time.Microsecond)
	f(200*time.Microsecond, 1, 1, 3800*time.Microsecond)
	f(100*time.Microsecond, 1, 20, 0)
	f(100*time.Microsecond, 1, 64, 0)
	f(100*time.Microsecond, 1000, 1, longestPause)
}

// Only calls beyond what usual texts take are paced, and they are counted for as long as they run.
func TestHeavy(t *testing.T) {
	var crowd atomic.Int32
	f := func(before, used time.Duration, busy, want bool) {
		t.Helper()
		var k clock
		k.start(MaxGuestTime)
		k.crowd, k.before, k.used = &crowd, before, used
		if busy {
			k.busy = now() + time.Hour
		}
		k.yield = k.mark - time.Millisecond
		from := now()
		k.rest()
		rested := k.mark - from
		if k.heavy != want || crowd.Load() != map[bool]int32{true: 1}[want] {
			t.Errorf("%v, then %v: heavy %t, %d counted, want %t", before, used, k.heavy, crowd.Load(), want)
		}
		if want && busy && rested < pause(time.Millisecond, 1, 20) {
			t.Errorf("a heavy guest rested %v", rested)
		}
		if k.yield != k.mark {
			t.Error("the time of the rest is the guest's")
		}
		if k.stop(); crowd.Load() != 0 {
			t.Errorf("%d counted after the call", crowd.Load())
		}
	}
	f(0, heavyAfter, true, false)
	f(0, heavyAfter+1, true, true)
	f(heavyAfter, 1, true, true)
	f(heavyAfter, 1, false, true)
	h := load(t, hostile(t))
	if _, _, err := pass(t, "!s", h); err == nil {
		t.Error("it spun and succeeded")
	}
	if got := h.engine.heavy.Load(); got != 0 {
		t.Errorf("%d heavy guests are counted, and none runs", got)
	}
}

// The budget of a text grows with its new bytes alone, however many deltas it comes in: not with what is shown again,
// because it was held back or as left context.
func TestBudgetCountsNewBytes(t *testing.T) {
	s := words(t)
	s.Limits.Base, s.Limits.PerByte = 200*time.Millisecond, time.Microsecond
	w := load(t, s)
	f := func(text string, size, counted int) {
		t.Helper()
		p := begin(t, ask(t, "red", "hi"), w)
		fd := feed{r: &p.runs[0], t: newProgress(OnAnswer, wire.RoleAssistant, false, true)}
		calls := w.Stats().Calls
		for i := 0; i < len(text); i += size {
			if _, err := fd.push(context.Background(), nil, []byte(text[i:min(i+size, len(text))]), false); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := fd.push(context.Background(), nil, nil, true); err != nil {
			t.Fatal(err)
		}
		r := &p.runs[0]
		if r.bytes[OnAnswer] != counted {
			t.Errorf("%d bytes in pieces of %d: %d earn guest time, want %d", len(text), size, r.bytes[OnAnswer], counted)
		}
		l := w.spec.Limits
		if got, want := r.left(OnAnswer), min(l.Base+time.Duration(counted)*l.PerByte, l.Total)-r.spent[OnAnswer]; got != want {
			t.Errorf("guest time left: %v, want %v", got, want)
		}
		if calls = w.Stats().Calls - calls; calls < int64(len(text)/size/2) {
			t.Errorf("%d calls", calls)
		}
		if r.spent[OnAnswer] <= 0 || r.spent[OnRequest] != 0 || p.spent[OnAnswer] != r.spent[OnAnswer] {
			t.Errorf("spent %v of the filter, %v of the exchange", r.spent, p.spent)
		}
	}
	f(strings.Repeat("a", 1_000), 5, 1_000)       // held back to its end
	f(strings.Repeat("a word ", 500), 1, 3_500)   // each shown as left context
	f("<<"+strings.Repeat("x", 3_000), 10, 3_002) // a span that is never closed
}

// What the calls of an exchange may use together is bounded: a guest that spins for a part of it in each delta gets no
// more than one that spins at once.
func TestBudgetIsDrawnDown(t *testing.T) {
	s := hostile(t)
	s.Limits.Base, s.Limits.PerByte = 20*time.Millisecond, time.Nanosecond
	h := load(t, s)
	p := begin(t, ask(t, "red", "hi"), h)
	r := &p.runs[0]
	var spent time.Duration
	fd := feed{r: r, t: newProgress(OnAnswer, wire.RoleAssistant, false, true)}
	for i := 0; ; i++ {
		if _, err := fd.push(context.Background(), nil, []byte("!n"), false); err != nil {
			if code(err) != "filter_failed" || !strings.Contains(err.Error(), "budget") {
				t.Fatal(err)
			}
			break
		}
		if r.spent[OnAnswer] < spent || i > 100_000 {
			t.Fatalf("after %d calls %v are spent, %v before", i, r.spent[OnAnswer], spent)
		}
		spent = r.spent[OnAnswer]
	}
	if got := r.spent[OnAnswer]; got < 20*time.Millisecond || got > 100*time.Millisecond {
		t.Errorf("spent %v of 20 ms", got)
	}
	if got := p.spent[OnRequest]; got != 0 {
		t.Errorf("the request is charged %v for its answer", got)
	}
	if err := p.Request(context.Background()); err != nil {
		t.Errorf("the other direction: %v", err)
	}
}

// A tenant whose calls take up all of its share waits, and others do not.
func TestTenantCap(t *testing.T) {
	e := engine(t, Options{TenantCalls: 1})
	w := loadWith(t, e, words(t))
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	g, err := e.tenants.enter(context.Background(), "red", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := begin(t, ask(t, "red", "ana@x.org"), w).Request(ctx); code(err) != "filter_failed" || w.Stats().Calls != 0 {
		t.Errorf("a second call of the tenant: %v, %d calls", err, w.Stats().Calls)
	}
	if err := begin(t, ask(t, "blue", "ana@x.org"), w).Request(context.Background()); err != nil || w.Stats().Calls != 1 {
		t.Errorf("another tenant's call: %v, %d calls", err, w.Stats().Calls)
	}
	e.tenants.leave(g)
	if err := begin(t, ask(t, "red", "ana@x.org"), w).Request(context.Background()); err != nil {
		t.Errorf("the tenant's next call: %v", err)
	}
}
