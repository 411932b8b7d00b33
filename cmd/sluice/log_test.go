package main

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		b := newBatch(&out)
		f := func(what, want string) {
			t.Helper()
			synctest.Wait()
			b.mu.Lock() // as the timer does
			defer b.mu.Unlock()
			defer out.Reset()
			if got := out.String(); got != want {
				t.Errorf("%s: %d bytes written, want %d", what, len(got), len(want))
			}
		}
		for _, line := range []string{"one\n", "two\n"} {
			if n, err := b.Write([]byte(line)); n != len(line) || err != nil {
				t.Errorf("Write: %d, %v", n, err)
			}
		}
		f("at once", "")
		time.Sleep(logDelay)
		f("after the delay", "one\ntwo\n")
		long := strings.Repeat("x", logBytes)
		_, _ = b.Write([]byte(long))
		f("much at once", long)
		_, _ = b.Write([]byte("last\n"))
		_ = b.Close()
		f("closed", "last\n")
	})
}
