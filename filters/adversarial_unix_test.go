//go:build unix

package filters_test

import (
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestRedactAdversarial: whatever the text, four times of it take about four times as long; a scan that looks back over
// what it has seen would take sixteen times.
func TestRedactAdversarial(t *testing.T) {
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
	for _, unit := range []string{"4111 ", "a@", "eyJ-", "-----BEGIN ", "token=a1", "1.", "1:", "a b.c@d.", "+1 ", "41 ", "tel 0 ", "GB82 ", "sk-a-", "%41", "a@" + strings.Repeat("b.", 120) + " ", "4111111111111111-", "a@b.co-", "\\u0041", "用@"} {
		short, long := least(strings.Repeat(unit, 1<<17/len(unit))), least(strings.Repeat(unit, 1<<19/len(unit)))
		if long > 8*short+20*time.Millisecond {
			t.Errorf("%q...: 128 KiB in %v, 512 KiB in %v", unit, short, long)
		}
	}
}

// cpuTime is what the process has used, so that a busy machine does not fail the test.
func cpuTime(t *testing.T) time.Duration {
	t.Helper()
	var use syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &use); err != nil {
		t.Fatal(err)
	}
	return time.Duration(use.Utime.Nano() + use.Stime.Nano())
}
