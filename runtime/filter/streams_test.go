package filter

import (
	"context"
	"runtime"
	"strings"
	"testing"
)

// openStreams opens n streams of the shipped redactor, each behind a request with a finding and amid a text of which
// it holds something back. close ends them.
func openStreams(t testing.TB, f *Filter, n int) (closeAll func()) {
	t.Helper()
	ctx := context.Background()
	chain := NewChain(f)
	var open []*Pass
	var streams []*Stream
	for range n {
		p, err := chain.Begin(ask(t, "red", "write to ana@example.com"), nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Request(ctx); err != nil {
			t.Fatal(err)
		}
		s := p.Stream()
		for _, d := range []string{"Some words that are let go at once, ", "and then ", strings.Repeat("bob.", 40), "who"} {
			if _, err := s.Event(ctx, (delta{field: "content", text: d}).event(t)); err != nil {
				t.Fatal(err)
			}
		}
		open, streams = append(open, p), append(streams, s)
	}
	return func() {
		for i, p := range open {
			if streams[i].held == 0 {
				t.Error("a stream holds nothing back")
			}
			p.Close()
		}
	}
}

// heapOf is how much more of the heap is in use after do, everything collected.
func heapOf(do func()) int {
	used := func() int {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int(m.HeapAlloc)
	}
	before := used()
	do()
	return used() - before
}

// A thousand streams that are open at once need little memory over none: they share a few instances.
func TestThousandStreams(t *testing.T) {
	alone(t)
	f := redactor(t)
	openStreams(t, f, 10)()
	var closeAll func()
	bytes := heapOf(func() { closeAll = openStreams(t, f, 1000) })
	if bytes > 64<<20 || bytes < 1000*160 {
		t.Errorf("1,000 streams need %d bytes", bytes)
	}
	if st := f.Stats(); st.Instances > int64(f.spec.Limits.Instances) {
		t.Errorf("%d instances, the limit is %d", st.Instances, f.spec.Limits.Instances)
	}
	closeAll()
	t.Logf("%d bytes for each of 1,000 open streams", bytes/1000)
}

// BenchmarkThousandStreams tells what a thousand open streams need over none, their requests included.
func BenchmarkThousandStreams(b *testing.B) {
	f := redactor(b)
	total := 0
	for b.Loop() {
		var closeAll func()
		total += heapOf(func() { closeAll = openStreams(b, f, 1000) })
		closeAll()
	}
	b.ReportMetric(float64(total)/float64(b.N)/1000, "bytes/stream")
	b.ReportMetric(float64(total)/float64(b.N)/(1<<20), "MiB/1000-streams")
}
