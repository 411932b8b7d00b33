package auth

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jwk"
)

// fetchPause is the least time between two fetches: tokens with made-up key ids can't make the gateway hammer an issuer.
const fetchPause = time.Minute

// errNoKey says that an issuer has no such key.
var errNoKey = errors.New("auth: the issuer has no such key")

// source is one JWKS document and its keys.
type source struct {
	sources *Sources
	where   string
	client  *http.Client // nil: a file
	set     atomic.Pointer[keySet]

	mu      sync.Mutex
	tried   time.Time     // when the last fetch began
	lastErr error         // of the last fetch
	running chan struct{} // closed when the fetch under way ends; nil if there is none
}

// keySet are the keys of one document. It is immutable; a new fetch of the same keys keeps it.
type keySet struct {
	keys  []publicKey
	fresh atomic.Int64 // Unix nanoseconds of the fetch that last found these keys
}

// publicKey is one key, for signatures only.
type publicKey struct {
	jwk.Key
	id, kind, alg string
}

// keyKinds tells which kind of key each accepted algorithm needs (RFC 7518, RFC 8037). Symmetric algorithms and none
// are not here: whoever can read the keys could sign.
var keyKinds = map[string]string{
	"RS256": "RSA", "RS384": "RSA", "RS512": "RSA", "PS256": "RSA", "PS384": "RSA", "PS512": "RSA",
	"ES256": "P-256", "ES384": "P-384", "ES512": "P-521", "EdDSA": "Ed25519",
}

// current is the set of keys at hand; nil if there never was one.
func (s *source) current() *keySet { return s.set.Load() }

// freshen starts a fetch when the keys are older than maxAge; they serve until it ends, and on if it fails.
func (s *source) freshen(maxAge time.Duration) {
	set := s.current()
	if set == nil || time.Since(time.Unix(0, set.fresh.Load())) < maxAge {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.begin()
}

// begin starts a fetch unless one is running or the last one began within the pause. It needs s.mu.
func (s *source) begin() {
	if s.running != nil || !s.tried.IsZero() && time.Since(s.tried) < fetchPause {
		return
	}
	done := make(chan struct{})
	if !s.sources.goFetch(func(ctx context.Context) {
		err := s.fetch(ctx)
		if err != nil {
			s.sources.log.Warn("an issuer's keys cannot be had", "jwks", s.where, "error", err)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.running = nil
		close(done)
	}) {
		s.lastErr = context.Canceled
		return
	}
	s.tried, s.running = time.Now(), done
}

// fetch reads the document and takes over its keys.
func (s *source) fetch(ctx context.Context) error {
	text, err := s.read(ctx)
	var set *keySet
	if err == nil {
		set, err = parseSet(text)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lastErr = err; err != nil {
		return err
	}
	if old := s.current(); old != nil && old.equal(set) {
		set = old
	}
	set.fresh.Store(time.Now().UnixNano())
	s.set.Store(set)
	return nil
}

// key finds the key of a token. A key that is not there makes a fetch, at most one in fetchPause, and waits for it.
// The error is errNoKey only where the document is at hand and has no such key.
func (s *source) key(ctx context.Context, id, alg string, maxAge time.Duration) (jwk.Key, *keySet, error) {
	s.freshen(maxAge)
	if set := s.current(); set != nil {
		if k, err := set.find(id, alg); err == nil {
			return k, set, nil
		}
	}
	s.mu.Lock()
	s.begin()
	running := s.running
	s.mu.Unlock()
	if running != nil {
		select {
		case <-running:
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		}
	}
	s.mu.Lock()
	err := s.lastErr
	s.mu.Unlock()
	if err != nil {
		return nil, nil, err
	}
	set := s.current()
	k, err := set.find(id, alg)
	return k, set, err
}

// find gives the key with an id that fits the algorithm. A token without a key id fits if only one key does.
func (s *keySet) find(id, alg string) (jwk.Key, error) {
	var found jwk.Key
	for _, k := range s.keys {
		if k.kind != keyKinds[alg] || k.alg != "" && k.alg != alg || id != "" && k.id != id {
			continue
		}
		if found != nil {
			return nil, errNoKey
		}
		found = k.Key
	}
	if found == nil {
		return nil, errNoKey
	}
	return found, nil
}

// equal tells whether two sets hold the same keys in the same order.
func (s *keySet) equal(o *keySet) bool {
	if len(s.keys) != len(o.keys) {
		return false
	}
	for i, k := range s.keys {
		if k.id != o.keys[i].id || k.alg != o.keys[i].alg || !jwk.Equal(k.Key, o.keys[i].Key) {
			return false
		}
	}
	return true
}

// parseSet reads a JWKS document and keeps the keys that can check signatures. Keys of unknown kinds are passed over
// (RFC 7517, section 5), as are symmetric and weak ones.
func parseSet(text []byte) (*keySet, error) {
	doc, err := jwk.Parse(text, jwk.WithIgnoreParseError(true))
	if err != nil {
		return nil, errors.New("the JWKS is not a JSON Web Key Set")
	}
	set := &keySet{}
	for i := range doc.Len() {
		if k, ok := doc.Key(i); ok {
			if p, ok := usable(k); ok {
				set.keys = append(set.keys, p)
			}
		}
	}
	if len(set.keys) == 0 {
		return nil, errors.New("the JWKS holds no key that can check signatures")
	}
	return set, nil
}

// usable makes a publicKey of a key that is for signatures.
func usable(k jwk.Key) (publicKey, bool) {
	if use, ok := k.KeyUsage(); ok && use != "sig" {
		return publicKey{}, false
	}
	p := publicKey{}
	switch typed := k.(type) {
	case jwk.RSAPrivateKey, jwk.RSAPublicKey:
		p.kind = "RSA"
	case interface {
		Crv() (jwa.EllipticCurveAlgorithm, bool)
	}:
		crv, _ := typed.Crv()
		p.kind = crv.String()
	default:
		return p, false
	}
	pub, err := jwk.PublicKeyOf(k)
	if err != nil {
		return p, false
	}
	p.Key = pub
	p.id, _ = k.KeyID()
	if alg, ok := k.Algorithm(); ok {
		p.alg = alg.String()
	}
	return p, true
}
