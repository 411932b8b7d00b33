package filter

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sluicegate/sluice/filters/sdk"
	"github.com/sluicegate/sluice/runtime/filter/meter"
)

// What it costs to put an instance back. The SDKs' example in each language, as far as its compiler is here, and the
// shipped redactor:
//
//	go test ./runtime/filter -run '^$' -bench Reset

// BenchmarkReset takes a text of 1 KB through on_text and puts the instance back, in turns: what was marked as written
// (marks), and all of the memory (full). call-ns is the call alone; of each the fastest turn counts.
func BenchmarkReset(b *testing.B) {
	for _, language := range []string{"redact", "c", "rust", "assemblyscript", "go"} {
		b.Run(language, func(b *testing.B) {
			s := shipped(b)
			if language != "redact" {
				s.Module = example(b, language)
			}
			f := load(b, s)
			in, err := f.pool.get(context.Background(), owner{pass: 1})
			if err != nil {
				b.Fatal(err)
			}
			defer f.pool.put(in)
			benchmarkReset(b, f, in)
		})
	}
}

// example builds the SDK's example in a language.
func example(b *testing.B, language string) []byte {
	b.Helper()
	dir := filepath.Join(b.TempDir(), language)
	if _, err := sdk.New(dir, "ticket", language); err != nil {
		b.Fatal(err)
	}
	built, err := sdk.Build(context.Background(), dir)
	if err != nil {
		b.Skip(err)
	}
	code, err := os.ReadFile(built.Module)
	if err != nil {
		b.Fatal(err)
	}
	return code
}

func benchmarkReset(b *testing.B, f *Filter, in *instance) {
	b.Helper()
	text := []byte(prose)
	call := func() {
		in.call.begin(text, 0)
		if _, err := in.invoke(context.Background(), inText, text, MaxGuestTime, flagEnd, 0); err != nil {
			b.Fatal(err)
		}
	}
	restore := func(marks meter.Marks) func() {
		return func() {
			call()
			in.call.marks |= marks
			if !in.restore(f.mod.snap) {
				b.Fatal("the instance can't be put back")
			}
		}
	}
	call()
	var written int
	for from, to := range f.mod.info.Written(meter.Marks(in.marks.Get())|in.call.marks, len(f.mod.snap.memory)) {
		written += to - from
	}
	best := turns(b, map[string]func(){"call": call, "marks": restore(0), "full": restore(meter.AllMarks)})
	for name, took := range best {
		b.ReportMetric(float64(took.Nanoseconds()), name+"-ns")
	}
	b.ReportMetric(float64(len(f.mod.snap.memory))/1024, "memory-KiB")
	b.ReportMetric(float64(written)/1024, "put-back-KiB")
}

// turns runs each way for a while, one after the other, and tells the fastest turn of each.
func turns(b *testing.B, way map[string]func()) map[string]time.Duration {
	b.Helper()
	const calls, rounds = 20, 100
	best := map[string]time.Duration{}
	for b.Loop() {
		for range rounds {
			for name, do := range way {
				start := time.Now()
				for range calls {
					do()
				}
				if took := time.Since(start) / calls; best[name] == 0 || took < best[name] {
					best[name] = took
				}
			}
		}
	}
	b.ReportMetric(0, "ns/op")
	return best
}
