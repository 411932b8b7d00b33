package filter

import (
	"context"
	"errors"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sluicegate/sluice/runtime/exchange"
	"github.com/sluicegate/sluice/runtime/wire/openai"
)

// limits are what a foe has: 10 ms of guest time, 1 MiB.
var limits = Limits{Base: 10 * time.Millisecond, PerByte: time.Nanosecond, Load: 100 * time.Millisecond, Instances: 2, MemoryPages: 16}

// over is how much more guest time than its budget an exchange may use.
const over = 20 * time.Millisecond

// Every module of the corpus is refused with a clear error that names its stage, or fails its exchange alone, with a
// stable code, within its budget and 20 ms of guest time. The next exchange finds the filter as it was.
func TestHostileCorpus(t *testing.T) {
	all := corpus()
	if len(all) < 40 {
		t.Errorf("only %d modules", len(all))
	}
	e := engine(t, Options{})
	names := map[string]bool{}
	for _, f := range all {
		if names[f.name] {
			t.Errorf("%s is there twice", f.name)
		}
		names[f.name] = true
		t.Run(f.name, func(t *testing.T) { f.meet(t, e, 1, true) })
	}
	t.Logf("%d modules", len(all))
}

// meet loads a foe and sets it off so many times. timed: each time must be within its budget.
func (f *foe) meet(t *testing.T, e *Engine, times int, timed bool) {
	t.Helper()
	s := Spec{Name: "foe", Module: f.module, Request: f.hook == "", Answer: f.hook != "", Grants: []string{"operation"}, Whole: WholeBuffer, Limits: limits}
	filter, err := e.Load(context.Background(), s)
	if f.stage != "" {
		f.refused(t, filter, err)
		return
	}
	if err != nil {
		t.Fatalf("it does not load: %v", err)
	}
	defer func() {
		if err := filter.Close(context.Background()); err != nil || filter.Stats().Instances != 0 {
			t.Errorf("closed: %v, %d instances left", err, filter.Stats().Instances)
		}
	}()
	for range times {
		if spent := f.setOff(t, filter); timed {
			f.inTime(t, filter, spent)
		}
		f.harmless(t, filter)
	}
}

// refused checks how a module is refused.
func (f *foe) refused(t *testing.T, filter *Filter, err error) {
	t.Helper()
	if err == nil {
		_ = filter.Close(context.Background())
		t.Fatal("it loads")
	}
	if got := StageOf(err); got != f.stage || !strings.Contains(err.Error(), f.want) || strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), `"foe"`) {
		t.Errorf("refused at %q: %v\nwant at %q: %s", got, err, f.stage, f.want)
	}
}

// exchange takes a text through the filter.
func (f *foe) exchange(t *testing.T, filter *Filter, text string) (*Pass, error) {
	t.Helper()
	p, err := NewChain(filter).Begin(ask(t, "red", text), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if f.hook == "" {
		return p, p.Request(context.Background())
	}
	a, err := openai.Chat.Answer(answer(text))
	if err != nil {
		t.Fatal(err)
	}
	return p, p.Answer(context.Background(), a)
}

// setOff has the foe do its worst, and tells what guest time that took.
func (f *foe) setOff(t *testing.T, filter *Filter) time.Duration {
	t.Helper()
	text, d := f.text, OnRequest
	if text == "" {
		text = hurt
	}
	if f.hook != "" {
		text, d = prose, OnAnswer
	}
	failures := filter.Stats().Failures
	p, err := f.exchange(t, filter, text)
	f.judge(t, err)
	if got := filter.Stats().Failures - failures; (got == 1) != (f.code == "") {
		t.Errorf("%d failures counted", got)
	}
	if own := p.x.Labels[ownLabels]; len(own) > 0 {
		t.Errorf("it has set labels of the host: %v", own)
	}
	return p.spent[d]
}

// inTime checks that an exchange was over within its budget and what is allowed beyond. A busy machine gets many tries:
// time that the operating system gives to others in the middle of a slice looks like the guest's.
func (f *foe) inTime(t *testing.T, filter *Filter, spent time.Duration) {
	t.Helper()
	for range 30 {
		if spent <= limits.Base+over {
			return
		}
		spent = min(spent, f.setOff(t, filter))
	}
	t.Errorf("%v of guest time, its budget is %v", spent, limits.Base)
}

// judge checks how an exchange ended.
func (f *foe) judge(t *testing.T, err error) {
	t.Helper()
	if f.code == "ok" {
		if err != nil {
			t.Errorf("the exchange failed: %v", err)
		}
		return
	}
	if code(err) != "filter_failed" || !strings.Contains(err.Error(), f.want) || strings.Contains(err.Error(), "\n") {
		t.Errorf("got %v; want filter_failed: %s", err, f.want)
	}
	var e *exchange.Error
	if errors.As(err, &e) && (!strings.Contains(e.Fault.Message, `the filter "foe" failed`) || strings.Contains(e.Fault.Message, f.want)) {
		t.Errorf("the caller is told %q", e.Fault.Message)
	}
}

// harmless checks that the next exchange is as if nothing had been, and the pool whole.
func (f *foe) harmless(t *testing.T, filter *Filter) {
	t.Helper()
	p, err := f.exchange(t, filter, "fine")
	if err != nil {
		t.Errorf("the next exchange: %v", err)
	}
	if got := sent(t, p.x.Request); got != "fine" {
		t.Errorf("the next text is %q", got)
	}
	allBack(t, filter)
	if st := filter.Stats(); st.Instances > 2 {
		t.Errorf("%d instances, the limit is 2", st.Instances)
	}
	if filter.mod.snap != nil {
		restored(t, filter, f.name)
	}
}

// allBack checks that no instance is out. Whoever gives back idle ones may hold a slot for a moment.
func allBack(t *testing.T, f *Filter) {
	t.Helper()
	for begun := time.Now(); f.pool.out() > 0; runtime.Gosched() {
		if time.Since(begun) > 10*time.Second {
			t.Fatalf("%d instances are out", f.pool.out())
		}
	}
}

// The corpus, met again and again, leaves no memory behind, neither in the heap nor in the process.
func TestHostileCorpusMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("meets the corpus several times")
	}
	alone(t)
	e, err := NewEngine(Options{}) // that compiles each time
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = e.Close(context.Background()) }()
	round := func() (heap, process int) {
		for _, f := range corpus() {
			f.meet(t, e, 3, false)
		}
		debug.FreeOSMemory()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int(m.HeapAlloc), resident()
	}
	round()
	heap, process := round()
	heapAfter, processAfter := round()
	if heapAfter > heap+4<<20 || processAfter > process+32<<20 {
		t.Errorf("the heap has %d bytes, a round before %d; the process %d, a round before %d", heapAfter, heap, processAfter, process)
	}
	t.Logf("heap %d, then %d bytes; process %d, then %d", heap, heapAfter, process, processAfter)
}

// resident is how many bytes the process has in memory; 0 where Linux does not tell.
func resident() int {
	b, err := os.ReadFile("/proc/self/statm")
	fields := strings.Fields(string(b))
	if err != nil || len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.Atoi(fields[1])
	return pages * os.Getpagesize()
}
