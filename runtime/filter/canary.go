package filter

import (
	"crypto/sha256"
	"encoding/binary"
	"sync"
	"sync/atomic"

	"github.com/sluicegate/sluice/runtime/exchange"
)

// CanaryOptions say who gets a new version, and when it is taken back.
type CanaryOptions struct {
	// Share is the percentage of principals that get it, 0 to 100.
	Share int
	// MaxFailures is the percentage of exchanges that may fail in it. Beyond, it is switched off. 0: none may.
	MaxFailures float64
	// MinCalls is how many exchanges the percentage is at least taken of, so that the first failure of a few does not
	// weigh too much; at least 1.
	MinCalls int
	// Tripped is called once, when it was switched off for its failures. It must not block. nil calls nothing.
	Tripped func()
}

// Canary is a new version of a filter, which serves some principals while all others get the one before. Who gets it is
// decided by a digest of the principal's id and the filter's name: a caller stays on one version, and another filter's
// canary has other callers. When too many exchanges fail in it, it switches itself off, at once and for good. It is safe
// for concurrent use, and several chains may share it.
type Canary struct {
	f   *Filter
	o   CanaryOptions
	off atomic.Bool

	mu              sync.Mutex
	calls, failures int // of the window
}

// NewCanary makes a canary of a loaded filter.
func NewCanary(f *Filter, o CanaryOptions) *Canary {
	o.MinCalls = max(o.MinCalls, 1)
	return &Canary{f: f, o: o}
}

// Filter is the new version.
func (c *Canary) Filter() *Filter { return c.f }

// Off tells whether it was switched off: nobody gets it any more.
func (c *Canary) Off() bool { return c.off.Load() }

// SwitchOff takes it from everybody. Exchanges under way finish with it.
func (c *Canary) SwitchOff() { c.off.Store(true) }

// Counts are the exchanges it took part in and those that failed in it, over the window that counts: the last ones, ten
// to twenty times MinCalls.
func (c *Canary) Counts() (calls, failures int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.calls, c.failures
}

// takes tells whether a principal gets the new version. Who is not known does not.
func (c *Canary) takes(p *exchange.Principal) bool {
	return p != nil && !c.Off() && portion(p.ID, c.f.Name()) < uint64(c.o.Share)
}

// portion is a principal's place among all, 0 to 99, as one filter divides them. It is the same in every process.
func portion(principal, filter string) uint64 {
	b := make([]byte, 0, 256)
	b = append(append(append(b, filter...), 0), principal...)
	sum := sha256.Sum256(b)
	return binary.BigEndian.Uint64(sum[:]) % 100
}

// called counts an exchange that it takes part in.
func (c *Canary) called() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.calls++; c.calls >= 20*c.o.MinCalls { // what was long ago weighs less and less
		c.calls, c.failures = c.calls/2, c.failures/2
	}
}

// failed counts an exchange that failed in it, once, and switches it off when they are too many. Failures are held
// against MinCalls exchanges even before there were as many: what is over the limit already can only stay so.
func (c *Canary) failed() {
	c.mu.Lock()
	c.failures++
	failures, calls := c.failures, max(c.calls, c.o.MinCalls)
	over := float64(failures)*100 > c.o.MaxFailures*float64(calls)
	c.mu.Unlock()
	if over && c.off.CompareAndSwap(false, true) {
		c.f.engine.log.Error("canary switched off, its callers are back on the version before", "filter", c.f.Name(),
			"version", c.f.Version(), "digest", c.f.Digest(), "failures", failures, "calls", calls)
		if c.o.Tripped != nil {
			c.o.Tripped()
		}
	}
}
