package filter

import (
	"bytes"
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluicegate/sluice/runtime/exchange"
	"github.com/sluicegate/sluice/runtime/wire/openai"
)

// Each breach fails its exchange with a stable code and a cause that says what was wrong, the instance is thrown away,
// and the next exchange finds the filter as it was.
func TestHostile(t *testing.T) {
	h := load(t, hostile(t))
	f := func(text, cause string) {
		t.Helper()
		_, p, err := pass(t, text, h)
		p.Close()
		if code(err) != "filter_failed" || !strings.Contains(err.Error(), cause) {
			t.Errorf("%q: got %v; want filter_failed, %s", text, err, cause)
		}
		if spent := p.spent[OnRequest]; spent > MaxGuestTime {
			t.Errorf("%q took %v of guest time", text, spent)
		}
		var e *exchange.Error
		if errors.As(err, &e) && (strings.Contains(e.Fault.Message, "wasm") || strings.Contains(err.Error(), "\n")) {
			t.Errorf("%q: the message tells of the inside: %q", text, err)
		}
		if got, q, err := pass(t, "fine", h); err != nil || got != "fine" {
			t.Errorf("after %q: %q, %v", text, got, err)
		} else {
			q.Close()
		}
	}
	f("!s", "budget")
	f("!t", "unreachable")
	f("!o", "on_text")
	f("!f", "budget")
	f("!h", "budget")
	f("!w", "budget")
	f("!r", "outside the window")
	f("!l..", "overlap")
	f("!v.", "ends before it starts")
	f("!d..", "ascending")
	f("!e", "empty span")
	f("!p", "beyond what is settled")
	f("!uü", "UTF-8")
	f("!Uü", "settle all")
	f("!+", "outside the window")
	f("!-", "settle all")
	f("!O", "left open")
	f("!C", "no span is open")
	f("!D", "while a span is open")
	f("!k", "a kind is not")
	f("!B", "more bytes")
	f("!b", "UTF-8")
	f("!K", "label")
	f("!G", "does not grant")
	f("!x", "message is called in on_text")
	f("!P", "outside the memory")
	if got := h.Stats(); got.Instances > 2 || got.Failures != 26 || got.Discarded != 26 {
		t.Errorf("stats: %+v", got)
	}
}

func TestHostileAlloc(t *testing.T) {
	h := load(t, hostile(t))
	f := func(what, cause string) {
		t.Helper()
		x := exchangeOf(t, "red", []byte(`{"model":"m","messages":[{"role":"user","content":"!a`+what+`"},{"role":"user","content":"next"}]}`))
		p := begin(t, x, h)
		err := p.Request(context.Background())
		if code(err) != "filter_failed" || !strings.Contains(err.Error(), cause) {
			t.Errorf("%s: got %v, want %s", what, err, cause)
		}
	}
	f("1", "no memory")
	f("2", "outside the memory")
	f("3", "log is called in alloc")
}

// A guest that keeps text of one exchange finds none of it in the next, however the instances are shared.
func TestNoLeak(t *testing.T) {
	s := hostile(t)
	s.Limits.Instances = 2
	h := load(t, s)
	f := func(closeFirst bool) {
		t.Helper()
		var open []*Pass
		for _, tenant := range []string{"red", "blue", "red", "green", "blue", "red"} {
			p := begin(t, ask(t, tenant, "!M the secret of "+tenant), h)
			if err := p.Request(context.Background()); err != nil {
				t.Fatal(err)
			}
			if got := p.x.Labels["hostile"]["remembered"]; got != nil {
				t.Errorf("tenant %s: the guest remembers the exchange before", tenant)
			}
			if open = append(open, p); closeFirst {
				p.Close()
			}
		}
		for _, p := range open {
			p.Close()
		}
		for _, in := range h.pool.idle {
			view, _ := in.mem.Read(0, in.mem.Size())
			if in.owner != (owner{}) || strings.Contains(string(view), "secret of") {
				t.Error("an idle instance holds text")
			}
		}
	}
	f(true)
	f(false)
	if got := h.Stats(); got.Discarded != 0 || got.Instances > 2 {
		t.Errorf("stats: %+v", got)
	}
}

// Within one exchange the guest may remember: that shows that TestNoLeak's guest tries.
func TestRemembersWithin(t *testing.T) {
	h := load(t, hostile(t))
	x := exchangeOf(t, "red", []byte(`{"model":"m","messages":[{"role":"user","content":"!M one"},{"role":"user","content":"!M two"}]}`))
	p := begin(t, x, h)
	if err := p.Request(context.Background()); err != nil || x.Labels["hostile"]["remembered"] != true {
		t.Errorf("labels %v, %v", x.Labels, err)
	}
}

// An instance whose memory grew can't be put back, and is thrown away.
func TestGrownIsDiscarded(t *testing.T) {
	s := hostile(t)
	s.Limits.Base, s.Limits.MemoryPages = MaxGuestTime, 32
	h := load(t, s)
	for _, text := range []string{"!m", "!g"} {
		_, p, err := pass(t, text, h)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		}
		p.Close()
	}
	if got := h.Stats(); got.Discarded != 2 || got.Instances != 0 {
		t.Errorf("stats: %+v", got)
	}
}

func TestFailOpen(t *testing.T) {
	s := hostile(t)
	s.FailOpen = true
	e := engine(t, Options{})
	h, w := loadWith(t, e, s), loadWith(t, e, words(t))
	got, p, err := pass(t, "!t ana@x.org", h, w)
	if err != nil || got != "!t [EMAIL_1]" {
		t.Errorf("got %q, %v", got, err)
	}
	if open := p.FailedOpen(); len(open) != 1 || open[0] != "hostile" {
		t.Errorf("failed open: %v", open)
	}
	if len(p.x.Filters) != 1 || p.x.Filters[0].Name != "words" {
		t.Errorf("filters: %v", p.x.Filters)
	}
	if st := h.Stats(); st.FailedOpen != 1 || st.Failures != 1 {
		t.Errorf("stats: %+v", st)
	}
	if _, _, err := pass(t, "!q", h); code(err) != "rejected_by_filter no" {
		t.Errorf("a verdict of a filter that fails open: %v", err)
	}
}

// While a guest spins, a garbage collection runs to its end and other exchanges go on, and the spinning exchange ends
// within its budget and 20 ms of guest time. All on one processor; a busy machine gets a few tries.
func TestSpinning(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	e := engine(t, Options{})
	s := hostile(t)
	s.Limits.Base, s.Limits.PerByte = 200*time.Millisecond, 1
	h, w := loadWith(t, e, s), loadWith(t, e, words(t))
	var gc, spent time.Duration
	var others int
	for range 10 {
		gc, spent, others = besideSpinning(t, h, w)
		if others > 10 && spent >= 200*time.Millisecond && spent < 220*time.Millisecond {
			t.Logf("collection %v, %d other exchanges, guest time %v", gc, others, spent)
			return
		}
	}
	t.Errorf("beside a guest spinning for 200 ms: a garbage collection took %v, %d other exchanges, guest time %v", gc, others, spent)
}

// besideSpinning starts a spinning exchange and, while it spins, one collection and then as many others as there is time
// for: none if the collection had to wait for the spinning to end.
func besideSpinning(t *testing.T, h, w *Filter) (gc, spent time.Duration, others int) {
	t.Helper()
	var wg sync.WaitGroup
	spin := begin(t, ask(t, "red", "!s"), h)
	wg.Go(func() {
		if got := code(spin.Request(context.Background())); got != "filter_failed" {
			t.Errorf("the spinning exchange: %q", got)
		}
	})
	for h.pool.out() == 0 {
		runtime.Gosched()
	}
	start := time.Now()
	runtime.GC()
	gc = time.Since(start)
	for h.pool.out() > 0 {
		p := begin(t, ask(t, "blue", "mail ana@x.org"), w)
		if err := p.Request(context.Background()); err != nil {
			t.Error(err)
		}
		p.Close()
		others++
		runtime.Gosched()
	}
	wg.Wait()
	return gc, spin.spent[OnRequest], others
}

// out is how many instances are out.
func (p *pool) out() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.busy.taken
}

// The time of a chain's filters adds up to the bound of the exchange and direction.
func TestBudgetOfChain(t *testing.T) {
	e := engine(t, Options{})
	s := hostile(t)
	s.FailOpen = true
	s.Limits.Base = 180 * time.Millisecond
	a := loadWith(t, e, s)
	s.Name = "second"
	b := loadWith(t, e, s)
	_, p, err := pass(t, "!s", a, b)
	if err != nil || len(p.FailedOpen()) != 2 {
		t.Errorf("failed open %v, %v", p.FailedOpen(), err)
	}
	if spent := p.spent[OnRequest]; spent < MaxGuestTime || spent > MaxGuestTime+100*time.Millisecond {
		t.Errorf("two spinning filters had %v, want about %v", spent, MaxGuestTime)
	}
}

// Exchanges of many goroutines share few instances.
func TestConcurrent(t *testing.T) {
	s := words(t)
	s.Limits.Instances = 2
	w := load(t, s)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 50 {
				p, err := NewChain(w).Begin(ask(t, strings.Repeat("t", i+1), "mail ana@x.org <<x>>"), nil)
				if err != nil {
					t.Error(err)
					return
				}
				if err := p.Request(context.Background()); err != nil {
					t.Error(err)
				}
				if got := sent(t, p.x.Request); got != "mail [EMAIL_1] [BLOCK_1]" {
					t.Errorf("got %q", got)
				}
				p.Close()
			}
		})
	}
	wg.Wait()
	if st := w.Stats(); st.Instances > 2 || st.Discarded != 0 {
		t.Errorf("stats: %+v", st)
	}
}

func TestTenants(t *testing.T) {
	var ts tenants
	ts.limit = 1
	g, err := ts.enter(context.Background(), "red", nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Millisecond)
	defer cancel()
	if _, err := ts.enter(ctx, "red", nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a second call of the tenant got in: %v", err)
	}
	other, err := ts.enter(context.Background(), "blue", nil)
	if err != nil {
		t.Errorf("another tenant waits: %v", err)
	}
	ts.leave(other)
	ts.leave(g)
	if g, err = ts.enter(context.Background(), "red", nil); err != nil {
		t.Errorf("the slot was not given back: %v", err)
	}
	for i := range 3 * maxIdleTenants {
		g, _ := ts.enter(context.Background(), strings.Repeat("x", i), nil)
		ts.leave(g)
	}
	if len(ts.gates) > maxIdleTenants+1 || ts.gates["red"] != g {
		t.Errorf("%d tenants remembered; the one with a running call: %v", len(ts.gates), ts.gates["red"])
	}
	if again, _ := ts.enter(context.Background(), "blue", other); again == other || again != ts.gates["blue"] {
		t.Error("a call went through a gate that is no more its tenant's")
	}
}

// Who waits for a place gets one in turn, and one who goes while it gets one passes it on.
func TestPlaces(t *testing.T) {
	var s places
	taken := func(turn chan struct{}) bool {
		select {
		case <-turn:
			return true
		default:
			return false
		}
	}
	if !s.take(1) || s.take(1) {
		t.Fatal("one place is not one")
	}
	first, second, third := s.wait(), s.wait(), s.wait()
	s.leaveLine(second)
	s.leave()
	if !taken(first) || taken(third) || s.take(1) {
		t.Error("the place did not go to who waited longest")
	}
	s.leaveLine(first) // it had gone when its turn came
	if !taken(third) || taken(second) || s.take(1) {
		t.Error("the place was not passed on")
	}
	if s.leave(); s.taken != 0 || !s.take(1) {
		t.Error("the place was not given back")
	}
}

func TestClosed(t *testing.T) {
	e := engine(t, Options{})
	w := loadWith(t, e, words(t))
	p := begin(t, ask(t, "red", "x"), w)
	if err := w.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := p.Request(context.Background()); code(err) != "filter_failed" || !strings.Contains(err.Error(), "closed") {
		t.Errorf("got %v", err)
	}
}

// restored checks that idle instances are the snapshot, byte for byte and global for global.
func restored(t *testing.T, f *Filter, after string) {
	t.Helper()
	s := f.mod.snap
	for _, in := range f.pool.idle {
		if in.owner != (owner{}) {
			t.Errorf("%s after %q: an idle instance still has an owner", f.Name(), after)
		}
		if view, _ := in.mem.Read(0, in.mem.Size()); !bytes.Equal(view, s.memory) {
			t.Errorf("%s after %q: the memory is not the snapshot's", f.Name(), after)
		}
		for i, g := range in.globals {
			if g.Get() != s.globals[i] {
				t.Errorf("%s after %q: global %d is not the snapshot's", f.Name(), after, i)
			}
		}
	}
}

// Only what is marked as written is put back. That is everything: what the guest wrote by stores and by bulk operations,
// and what the host wrote for it.
func TestRestoresAll(t *testing.T) {
	e := engine(t, Options{})
	s := hostile(t)
	s.FailOpen, s.Limits.Base = true, MaxGuestTime
	writer := Spec{Name: "writer", Module: writing().bytes(), Request: true, Grants: []string{"operation"}}
	for _, f := range []*Filter{loadWith(t, e, s), loadWith(t, e, words(t)), redactor(t), loadWith(t, e, writer)} {
		for _, text := range []string{
			"x", secrets, strings.Repeat(secrets, 300), "!M remember this", "!b", "!m", "!q", "ana@x.org <<" + strings.Repeat("k ", 40_000) + ">>",
		} {
			// Refusals are as good as anything here; instances that broke are thrown away.
			_, p, _ := pass(t, text, f)
			if a, err := openai.Chat.Answer(answer(text)); err == nil {
				_ = p.Answer(context.Background(), a)
			}
			p.Close()
			restored(t, f, text)
			if !slices.ContainsFunc(f.pool.idle, func(in *instance) bool { return !in.broken }) && f.Name() != "hostile" {
				t.Errorf("%s after %q: no instance was put back", f.Name(), text)
			}
		}
	}
}

// writing is a guest that has memory written by every host function that writes, each in a granule of its own.
func writing() *asm {
	a := new(asm).imp(wasiModule, "random_get", "ii:i").imp(wasiModule, "clock_time_get", "iIi:i").
		imp(wasiModule, "args_sizes_get", "ii:i").imp(wasiModule, "fd_write", "iiii:i").imp("sluice", "get", "iiii:i")
	a.memory().fn("sluice_abi_v1", ":i", i32(1)...).fn("alloc", "i:i", address(65_536)...)
	const name = 24_576
	body := slices.Concat(
		address(3_072), address(5_120), []byte{0x10, 0, 0x1a}, // random_get
		i32(0), []byte{0x42, 0}, address(14_328), []byte{0x10, 1, 0x1a}, // clock_time_get
		address(16_384), address(20_480), []byte{0x10, 2, 0x1a}, // args_sizes_get
		i32(1), i32(0), i32(0), address(32_768), []byte{0x10, 3, 0x1a}, // fd_write
	)
	for i, c := range []byte("operation") {
		body = slices.Concat(body, address(name+i), address(int(c)), []byte{0x3a, 0, 0}) // i32.store8
	}
	body = slices.Concat(body, address(name), i32(9), address(40_960), i32(60), []byte{0x10, 4, 0x1a}) // get
	return a.fn("on_text", "iiiI:I", append(body, 0x20, 1, 0xad)...)
}

// address is i32.const n in five bytes.
func address(n int) []byte {
	return []byte{0x41, byte(n) | 0x80, byte(n>>7) | 0x80, byte(n>>14) | 0x80, byte(n>>21) | 0x80, byte(n >> 28)}
}

// A guest pays for what it does, not for what the operating system does meanwhile.
func TestStolenTime(t *testing.T) {
	var k clock
	ctx := context.Background()
	k.start(MaxGuestTime)
	k.mark -= time.Minute // the processor was given away for that long
	if err := k.check(ctx); err != nil || k.used > firstSlice*dearestUnit+hostCall {
		t.Errorf("used %v, %v", k.used, err)
	}
	if k.mark -= time.Minute; k.check(ctx) != nil || k.used > firstSlice*dearestUnit+hostCall {
		t.Errorf("the same work was charged twice: %v", k.used)
	}
	if _, err := k.refill(ctx, 1<<40); err != nil {
		t.Fatal(err)
	}
	if k.mark -= time.Minute; !errors.Is(k.check(ctx), errBudget) {
		t.Errorf("an hour of bulk operations is free: %v", k.used)
	}
	var spinner clock
	spinner.start(MaxGuestTime)
	slices := 0
	for ; slices < 10_000; slices++ {
		spinner.mark, spinner.begun = spinner.mark-150*time.Microsecond, spinner.begun-150*time.Microsecond
		if _, err := spinner.refill(ctx, 1); err != nil {
			break
		}
	}
	if want := int(MaxGuestTime / (150 * time.Microsecond)); slices < want/2 || slices > want+1 {
		t.Errorf("a spinning guest got %d slices of 150 us, the budget is for %d", slices, want)
	}
}

func TestNextSlice(t *testing.T) {
	f := func(slice int64, took time.Duration, want int64) {
		t.Helper()
		if got := nextSlice(slice, took); got != want {
			t.Errorf("%d units in %v: next %d, want %d", slice, took, got, want)
		}
	}
	f(20_000, 10*time.Microsecond, 40_000)
	f(20_000, 150*time.Microsecond, 20_000)
	f(20_000, 300*time.Microsecond, 10_000)
	f(20_000, time.Second, 1250)
	f(300_000, time.Microsecond, mostSlice)
	f(600, time.Second, leastSlice)
}
