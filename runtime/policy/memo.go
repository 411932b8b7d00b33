package policy

import (
	"crypto/sha256"
	"sync"
	"sync/atomic"
)

// memo remembers answers by the hash of what the policy read. It holds two generations: when the young one is full it
// becomes the old one and what was old is forgotten, so memory is bounded, anything used lately stays, and no order of
// use needs to be kept. The values read are never stored.
type memo[T any] struct {
	limit        int // entries in one generation
	hits, misses atomic.Uint64

	mu         sync.Mutex
	young, old map[memoKey]T
}

// memoKey is a SHA-256: prompts and claims are the callers' to choose, so the hash must stand against attack.
type memoKey [sha256.Size]byte

// newMemo makes a memo of at most size answers.
func newMemo[T any](size int) *memo[T] {
	return &memo[T]{limit: max(size/2, 1), young: map[memoKey]T{}}
}

func (m *memo[T]) get(k memoKey) (T, bool) {
	m.mu.Lock()
	t, ok := m.young[k]
	if !ok {
		if t, ok = m.old[k]; ok {
			m.add(k, t)
		}
	}
	m.mu.Unlock()
	if ok {
		m.hits.Add(1)
	} else {
		m.misses.Add(1)
	}
	return t, ok
}

func (m *memo[T]) put(k memoKey, t T) {
	m.mu.Lock()
	m.add(k, t)
	m.mu.Unlock()
}

func (m *memo[T]) add(k memoKey, t T) {
	if len(m.young) >= m.limit {
		m.old, m.young = m.young, make(map[memoKey]T, m.limit)
	}
	m.young[k] = t
}

// len is the number of answers held.
func (m *memo[T]) len() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.young) + len(m.old)
}
