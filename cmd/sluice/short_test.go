package main

import (
	"testing"
	"time"
)

func TestShort(t *testing.T) {
	f := func(d time.Duration, want string) {
		t.Helper()
		if got := short(d).String(); got != want {
			t.Errorf("%d ns: %s, want %s", d, got, want)
		}
	}
	f(0, "0s")
	f(837, "837ns")
	f(56_949, "56.95µs")
	f(11_258_311, "11.26ms")
	f(2_711_720_886, "2.712s")
}
