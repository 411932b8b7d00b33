package reuse_test

import (
	"maps"
	"testing"

	"github.com/sluicegate/sluice/runtime/reuse"
)

// What is out is counted, by kind, once counting has begun.
func TestOut(t *testing.T) {
	pool := reuse.Pool[[]byte]{Name: "texts", New: func() *[]byte { b := make([]byte, 0, 8); return &b }}
	f := func(want int) {
		t.Helper()
		if got := reuse.Out(); got["texts"] != want || want == 0 && len(got) > 0 {
			t.Errorf("%v, want %d", got, want)
		}
	}
	early := pool.Get()
	f(0)
	pool.Put(early)
	reuse.Count()
	a, b := pool.Get(), pool.Get()
	f(2)
	if len(*a) != 0 || cap(*b) < 8 {
		t.Error(a, b)
	}
	text := append(*a, "a secret"...)
	pool.Put(a)
	if string(text) != "given ba" {
		t.Errorf("a buffer that was given back still holds %q", text)
	}
	pool.Drop()
	f(0)
	pool.Put(b)
	f(-1)
	if maps.Equal(reuse.Out(), map[string]int{}) {
		t.Error("given back twice, and not told")
	}
}
