// Package cache answers identical prompts from memory and lets identical requests in flight share one upstream call.
//
// It stands between decide and route: a hit was authorised like a miss. What it keeps has passed the answer filters
// and still holds the reversible tokens in place, so of what the chain redacts nothing rests here. Entries are bounded
// in bytes, expire lazily, and are found only under a key that names the scope (see Parts), so no caller can be served
// from another scope. It holds no goroutine and no timer.
package cache

import (
	"math"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/sluicegate/sluice/runtime/wire"
)

// shards is the number of independently locked parts; the LRU's lookups take an exclusive lock.
const shards = 16

// Bytes counted beside the frames' data: for each entry its key, list element and headers, for each frame its place.
const (
	entryOverhead = 512
	frameOverhead = 32
)

// Options bound a Cache. The zero value stores nothing but still coalesces.
type Options struct {
	Bytes    int64         // budget over all entries; 0 stores nothing
	TTL      time.Duration // how long an entry is served; 0 means 10 minutes
	MaxEntry int           // bytes of the largest entry, and of the history that a joiner may still read; 0 means 1 MiB
}

// Entry is one complete, successful answer. It is immutable once stored.
type Entry struct {
	Model    string // the model and endpoint that made it
	Endpoint string
	Stream   bool    // Frames are a stream's events; else there is one frame, the whole answer
	Frames   []Frame // in the request's format, reversible tokens in place
	Usage    wire.Usage
	Expires  time.Time // zero: set from Options.TTL
	Slack    int       // bytes of memory between and behind the frames' data, beyond their capacity
	size     int64
}

// Frame is one event of a stream, or one whole answer. It is shared and never changed.
type Frame struct {
	Data  []byte // JSON
	Usage bool   // an event that only reports usage, which not every caller asked for
}

// Cache is safe for concurrent use.
type Cache struct {
	opts    Options
	parts   []*shard
	flights flights
}

type shard struct {
	mu     sync.Mutex
	lru    *simplelru.LRU[Key, *Entry]
	budget int64
	used   int64
}

// New makes a Cache.
func New(o Options) *Cache {
	if o.TTL == 0 {
		o.TTL = 10 * time.Minute
	}
	if o.MaxEntry == 0 {
		o.MaxEntry = 1 << 20
	}
	c := &Cache{opts: o, flights: flights{running: map[Key]*Flight{}}}
	n := shards
	for n > 1 && o.Bytes/int64(n) < 2*int64(o.MaxEntry) {
		n /= 2 // every shard must have room for a few of the largest entries
	}
	for range n {
		s := &shard{budget: o.Bytes / int64(n)}
		// The count is not the bound, the bytes are; NewLRU fails only for a size below one.
		s.lru, _ = simplelru.NewLRU(math.MaxInt, func(_ Key, e *Entry) { s.used -= e.size })
		c.parts = append(c.parts, s)
	}
	return c
}

func (c *Cache) shard(k Key) *shard { return c.parts[int(k[0])%len(c.parts)] }

// Get finds the live entry of a key, or nil.
func (c *Cache) Get(k Key) *Entry {
	s := c.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.lru.Get(k)
	if !ok {
		return nil
	}
	if !time.Now().Before(e.Expires) {
		s.lru.Remove(k)
		return nil
	}
	return e
}

// Put stores an entry unless a live one stands under the key already, or its data is larger than MaxEntry.
// It tells whether it was stored. The entry and its frames belong to the cache from then on.
func (c *Cache) Put(k Key, e *Entry) bool {
	now := time.Now()
	if e.Expires.IsZero() {
		e.Expires = now.Add(c.opts.TTL)
	}
	data := 0
	e.size = int64(entryOverhead + frameOverhead*cap(e.Frames) + e.Slack)
	for _, f := range e.Frames {
		data += len(f.Data)
		e.size += int64(cap(f.Data))
	}
	s := c.shard(k)
	if data > c.opts.MaxEntry || e.size > s.budget {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if old, ok := s.lru.Peek(k); ok {
		if now.Before(old.Expires) {
			return false
		}
		s.lru.Remove(k)
	}
	s.lru.Add(k, e)
	s.used += e.size
	for s.used > s.budget {
		s.lru.RemoveOldest()
	}
	return true
}

// Stats are a Cache's sizes.
type Stats struct {
	Entries int
	Bytes   int64
	Flights int
}

// Stats counts what the cache holds now.
func (c *Cache) Stats() Stats {
	var st Stats
	for _, s := range c.parts {
		s.mu.Lock()
		st.Entries += s.lru.Len()
		st.Bytes += s.used
		s.mu.Unlock()
	}
	st.Flights = c.flights.len()
	return st
}

// Purge forgets every entry.
func (c *Cache) Purge() {
	for _, s := range c.parts {
		s.mu.Lock()
		s.lru.Purge()
		s.mu.Unlock()
	}
}
