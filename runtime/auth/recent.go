package auth

import (
	"crypto/sha256"
	"sync"
	"time"

	"github.com/sluicegate/sluice/runtime/exchange"
)

// maxRecent bounds how many verified tokens are remembered.
const maxRecent = 1024

// verified is a token that was found good.
type verified struct {
	principal *exchange.Principal
	issuer    *issuer
	set       *keySet // the keys it was checked with; with others it is checked anew
	until     time.Time
}

// recent remembers verified tokens by the SHA-256 of the whole token. The zero value is ready.
type recent struct {
	mu     sync.RWMutex
	tokens map[[sha256.Size]byte]*verified
}

func (r *recent) get(digest [sha256.Size]byte) (*verified, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	v, ok := r.tokens[digest]
	return v, ok
}

// put remembers a token. When there is no room, expired ones go, and if there are none, any one.
func (r *recent) put(digest [sha256.Size]byte, v *verified, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.tokens == nil {
		r.tokens = map[[sha256.Size]byte]*verified{}
	}
	if len(r.tokens) >= maxRecent {
		r.evict(now)
	}
	r.tokens[digest] = v
}

func (r *recent) evict(now time.Time) {
	for digest, v := range r.tokens {
		if !now.Before(v.until) {
			delete(r.tokens, digest)
		}
	}
	for digest := range r.tokens {
		if len(r.tokens) < maxRecent {
			return
		}
		delete(r.tokens, digest)
	}
}
