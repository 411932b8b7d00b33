//go:build unix

package filters_test

import (
	"strings"
	"testing"
	"time"
)

// TestGuardAdversarial: whatever the text, four times of it take about four times as long.
func TestGuardAdversarial(t *testing.T) {
	if raceDetector {
		t.Skip("under the race detector")
	}
	var phrases []string
	for _, a := range "abcdefghijklmn" {
		for _, b := range "abcdefghijklmnop" {
			phrases = append(phrases, `"how `+string(a)+string(b)+`q`+string(b)+string(a)+` build"`)
		}
	}
	h := newGuard(t, `{"lists": [{"name": "x", "phrases": [`+strings.Join(phrases, ",")+`], "patterns": ["aaaaaaaaaaaaaaaaaaab", "..............x", "\\s\\w"]}]}`)
	least := func(text string) time.Duration {
		best := time.Hour
		for range 2 {
			start := cpuTime(t)
			look(h, text, userText)
			best = min(best, cpuTime(t)-start)
		}
		return best
	}
	for _, unit := range []string{"how ", "how build ", "a", "a ", "a-", "abqba ", "ignore all ", "<|im_", "\u200b", "b0mb1 ", "111a ", "用", "howtobuilda ", "é", "x.", strings.Repeat("to", 20) + " "} {
		short, long := least(strings.Repeat(unit, 1<<15/len(unit))), least(strings.Repeat(unit, 1<<17/len(unit)))
		if long > 8*short+20*time.Millisecond {
			t.Errorf("%q...: 32 KiB in %v, 128 KiB in %v", unit, short, long)
		}
		if perByte := long / (1 << 17); perByte > 2*time.Microsecond {
			t.Logf("%q...: %v a byte", unit, perByte)
		}
	}
}
