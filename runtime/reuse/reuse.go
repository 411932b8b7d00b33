// Package reuse keeps memory that was used once for the next who needs the like: sync.Pool, with a type, and with a count
// of what is out, so that a test can tell whether all of it was given back. Everything that the stages take from a pool is
// taken from one of these.
//
// Counting is off but for tests; then a Get and a Put cost no more than those of sync.Pool. While it is on, a buffer that is given
// back is overwritten, so that whoever uses it still is found out: its next owner may be another tenant's.
package reuse

import (
	"bytes"
	"maps"
	"sync"
	"sync/atomic"
)

// Pool keeps things of one kind. It is safe for concurrent use and must not be copied.
type Pool[T any] struct {
	Name string
	New  func() *T // makes one where none is there

	pool sync.Pool
}

// Get gives one, which is the caller's until Put or Drop. It holds what its last owner left in it.
func (p *Pool[T]) Get() *T {
	if counting.Load() {
		count(p.Name, 1)
	}
	if x, ok := p.pool.Get().(*T); ok {
		return x
	}
	return p.New()
}

// Put gives one back. Nobody may use it any more.
func (p *Pool[T]) Put(x *T) {
	p.Drop()
	if counting.Load() {
		if b, ok := any(x).(*[]byte); ok {
			spoil((*b)[:cap(*b)])
		}
	}
	p.pool.Put(x)
}

// Drop tells that one is left to the garbage collector, because it grew too large to be kept.
func (p *Pool[T]) Drop() {
	if counting.Load() {
		count(p.Name, -1)
	}
}

var junk = bytes.Repeat([]byte("given back "), 100)

func spoil(b []byte) {
	for len(b) > 0 {
		b = b[copy(b, junk):]
	}
}

var (
	counting atomic.Bool
	mu       sync.Mutex
	out      map[string]int // by Pool.Name, those that are not zero
)

func count(name string, by int) {
	mu.Lock()
	defer mu.Unlock()
	if out[name] += by; out[name] == 0 {
		delete(out, name)
	}
}

// Count begins to count what is out, from nothing. Call it while nothing is.
func Count() {
	mu.Lock()
	defer mu.Unlock()
	out = map[string]int{}
	counting.Store(true)
}

// Out is how many things of each kind were taken and not given back since Count, without those of which none is out. A
// number below zero was given back twice.
func Out() map[string]int {
	mu.Lock()
	defer mu.Unlock()
	return maps.Clone(out)
}
