//go:build unix

package filters_test

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestRedactAdversarial: whatever the text, four times of it take about four times as long; a scan that looks back over
// what it has seen would take sixteen times.
func TestRedactAdversarial(t *testing.T) {
	if raceDetector {
		t.Skip("under the race detector")
	}
	h := newHost(t, builtin(t, "redact"))
	least := func(text string) time.Duration {
		best := time.Hour
		for range 2 {
			start := cpuTime(t)
			h.find(text, 0)
			best = min(best, cpuTime(t)-start)
		}
		return best
	}
	for _, unit := range adversarial {
		short, long := least(strings.Repeat(unit, 1<<17/len(unit))), least(strings.Repeat(unit, 1<<19/len(unit)))
		if long > 8*short+20*time.Millisecond {
			t.Errorf("%q...: 128 KiB in %v, 512 KiB in %v", unit, short, long)
		}
	}
}

// cpuTime is what the process has used, so that a busy machine does not fail the test.
func cpuTime(t testing.TB) time.Duration {
	t.Helper()
	var use syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &use); err != nil {
		t.Fatal(err)
	}
	return time.Duration(use.Utime.Nano() + use.Stime.Nano())
}

// adversarial are the texts, repeated, that ask most of the filter that we know of: beginnings of findings of every kind.
var adversarial = []string{
	"4111 ", "a@", "eyJ-", "-----BEGIN ", "token=a1", "1.", "1:", "a b.c@d.", "+1 ", "41 ", "tel 0 ", "GB82 ", "sk-a-", "%41",
	"a@" + strings.Repeat("b.", 120) + " ", "4111111111111111-", "a@b.co-", "\\u0041", "用@", "Ab1/", "YW5hQGV4YW1w", "YW5hQGV4YW1wbGUuY29t ",
	"1a1a1a1a1a1a1a1a1a1a1a1a1a ", "id 123456782 ", "1 2 3 4 5 6 7 8 9 0 ", "1-2-3-4-", "AB 12 34 56 ", "00:1b:44:", "１", "\u200b1", "²a",
	"eyJhbGciOiJub25lIn0", "password: A1!a", "bc1qqqqqqqqqqqqqqqqqq", "A1B2C3D4E5F6G7H8 ", "a@b.co a@b.co@c.de ", "𝟒@",
}

// BenchmarkRedactAdversarial shows a MiB of each, and the processor's time for it, which other programs disturb less.
func BenchmarkRedactAdversarial(b *testing.B) {
	for _, unit := range adversarial {
		b.Run(fmt.Sprintf("%.12q", unit), func(b *testing.B) {
			h, text := newHost(b, builtin(b, "redact")), strings.Repeat(unit, 1<<20/len(unit))
			b.SetBytes(int64(len(text)))
			start := cpuTime(b)
			for b.Loop() {
				h.find(text, 0)
			}
			b.ReportMetric(float64((cpuTime(b)-start).Milliseconds())/float64(b.N), "cpu-ms/op")
		})
	}
}
