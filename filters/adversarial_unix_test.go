//go:build unix

package filters_test

import (
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestRedactAdversarial: a mebibyte of anything takes under a second of processor time.
func TestRedactAdversarial(t *testing.T) {
	h := newHost(t, builtin(t, "redact"))
	for _, unit := range []string{"4111 ", "a@", "eyJ-", "-----BEGIN ", "token=a1", "1.", "1:", "a b.c@d.", "+1 ", "41 ", "tel 0 ", "GB82 ", "sk-a-", "%41", "a@" + strings.Repeat("b.", 120) + " ", "4111111111111111-", "a@b.co-", "\\u0041", "用@"} {
		text := strings.Repeat(unit, 1<<20/len(unit))
		start := cpuTime(t)
		h.find(text, 0)
		if took := cpuTime(t) - start; took > time.Second {
			t.Errorf("%q...: %v", unit, took)
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
