// Package credential keeps the secrets that are sent to model servers: it reads each from where the configuration says
// it is, and again when it changes, is about to expire, or is refused.
//
// A Source is one secret. It is asked for every call of a model server, so what it has is given at once; what is to be
// renewed is renewed in a goroutine of the Source's own, one at a time, however many calls wait for it. A renewal that
// fails leaves the secret as it is for as long as it is good, and is tried again after a pause that doubles.
//
// It promises that a secret stands in no error and no log: of what a command writes and a token endpoint answers, nothing
// is repeated but the status and the error codes of RFC 6749. It holds no secret of callers; those are package auth's.
package credential

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// Token is what a Fetch got.
type Token struct {
	Secret  string
	Expires time.Time     // when it ends; zero: not known, unless it is a JSON Web Token, whose exp counts
	Look    time.Duration // how old it may get before it is fetched anew; 0: until it expires
}

// Fetch gets a secret. Errors say what was tried and what to do, never what was found.
type Fetch func(ctx context.Context) (Token, error)

// Options describe a Source.
type Options struct {
	Name    string        // says in logs and errors which secret it is: "models[0].endpoints[1].credential"
	Fetch   Fetch         // required
	Timeout time.Duration // of one Fetch; 0 means 10 s
	Logger  *slog.Logger  // hears of renewals that fail; nil: nobody does
}

// The pauses around a Fetch.
const (
	fetchTimeout = 10 * time.Second
	firstPause   = time.Second      // after the first failure
	longestPause = 30 * time.Second // after many

	// early is how long before its end a secret is renewed; of a short life, a quarter.
	early = time.Minute

	// forced is how often a refused secret may be the reason to fetch: a model server that refuses every secret must not
	// make each call one of a token endpoint.
	forced = time.Second
)

// Source is one secret. It is safe for concurrent use.
type Source struct {
	o       Options
	current atomic.Pointer[value]
	ctx     context.Context // ends with Close; fetches live in it, not in the call that happens to wait
	stop    context.CancelFunc
	wait    sync.WaitGroup

	mu       sync.Mutex
	call     *call // under way
	failures int   // in a row
	err      error // of the last one
	next     time.Time
	force    time.Time
}

// value is a secret that was fetched.
type value struct {
	secret  string
	version uint64
	renew   time.Time // zero: never
	expires time.Time // zero: not known
}

// call is a Fetch under way. err may be read once done is closed.
type call struct {
	done chan struct{}
	err  error
}

// Static is a secret that never changes.
func Static(secret string) *Source {
	s := &Source{}
	s.current.Store(&value{secret: secret})
	return s
}

// New makes a Source that has nothing yet: the first Secret waits for its first Fetch. Close ends it.
func New(o Options) *Source {
	if o.Timeout == 0 {
		o.Timeout = fetchTimeout
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Source{o: o}
	s.ctx, s.stop = context.WithCancel(context.Background())
	return s
}

// Offer gives the Source a secret that was read already, as if its Fetch had got it.
func (s *Source) Offer(t Token) { s.store(t) }

// Close ends a Fetch under way and waits for it.
func (s *Source) Close() error {
	if s.stop != nil {
		s.mu.Lock() // begin adds to the group under it
		s.stop()
		s.mu.Unlock()
		s.wait.Wait()
	}
	return nil
}

// Secret gives the secret to send now. It waits, no longer than ctx lasts, only where there is none that is still good.
func (s *Source) Secret(ctx context.Context) (string, error) {
	v := s.current.Load()
	if v != nil && (v.renew.IsZero() || time.Now().Before(v.renew)) {
		return v.secret, nil
	}
	if v.good(time.Now()) {
		_, _ = s.begin() // that it fails is logged, and nobody waits for it
		return v.secret, nil
	}
	c, err := s.begin()
	if c != nil {
		err = c.outcome(ctx)
	}
	if v := s.current.Load(); err == nil || v.good(time.Now()) {
		return v.secret, nil
	}
	return "", err
}

// good tells whether there is a secret that has not expired.
func (v *value) good(now time.Time) bool {
	return v != nil && (v.expires.IsZero() || now.Before(v.expires))
}

// Version tells secrets apart: it changes with the secret.
func (s *Source) Version() uint64 {
	if v := s.current.Load(); v != nil {
		return v.version
	}
	return 0
}

// Refused hears that a model server did not take the secret of that version, fetches it anew, and tells whether there is
// another by now.
func (s *Source) Refused(ctx context.Context, version uint64) bool {
	if s.Version() != version {
		return true
	}
	if s.stop == nil || !s.mayForce(time.Now()) {
		return false
	}
	for range 2 { // one that was under way may have read before the secret changed
		c, _ := s.begin()
		if c == nil || c.outcome(ctx) != nil {
			return false
		}
		if s.Version() != version {
			s.o.Logger.Info("a model server refused a credential, which has been renewed", "credential", s.o.Name)
			return true
		}
	}
	return false
}

func (s *Source) mayForce(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.Before(s.force) {
		return false
	}
	s.force = now.Add(forced)
	return true
}

// outcome waits for a call.
func (c *call) outcome(ctx context.Context) error {
	select {
	case <-c.done:
		return c.err
	case <-ctx.Done():
		return fmt.Errorf("the credential did not come in time: %w", context.Cause(ctx))
	}
}

// errClosed is the error of a Source that was closed.
var errClosed = errors.New("the credential is not kept any more")

// begin starts a Fetch, or joins the one under way. In the pause after a failure it gives that failure.
func (s *Source) begin() (*call, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.call != nil:
		return s.call, nil
	case s.ctx.Err() != nil:
		return nil, errClosed
	case time.Now().Before(s.next):
		return nil, s.err
	}
	c := &call{done: make(chan struct{})}
	s.call = c
	s.wait.Go(func() { s.run(c) })
	return c, nil
}

// run makes one Fetch.
func (s *Source) run(c *call) {
	ctx, cancel := context.WithTimeout(s.ctx, s.o.Timeout)
	defer cancel()
	t, err := s.o.Fetch(ctx)
	if err == nil {
		err = check(t.Secret)
	}
	if err == nil {
		s.store(t)
	}
	s.ended(c, err)
}

// ended notes how a call went, and lets those who wait for it go on.
func (s *Source) ended(c *call, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.err, s.err, s.call = err, err, nil
	close(c.done)
	if err == nil {
		s.failures = 0
		return
	}
	pause := min(firstPause<<min(s.failures, 10), longestPause)
	s.failures++
	s.next = time.Now().Add(pause)
	if s.ctx.Err() == nil {
		s.o.Logger.Warn("a credential cannot be renewed", "credential", s.o.Name, "again_in", pause, "error", err)
	}
}

// store takes a secret that was fetched.
func (s *Source) store(t Token) {
	now := time.Now()
	v := &value{secret: t.Secret, expires: t.Expires, version: 1}
	if v.expires.IsZero() {
		v.expires = expiry(t.Secret)
	}
	if !v.expires.IsZero() && !now.Before(v.expires) {
		v.expires = time.Time{} // the clocks may differ: whether it is too old is for the model server to say
	}
	if !v.expires.IsZero() {
		left := v.expires.Sub(now)
		v.renew = v.expires.Add(-min(early, left/4))
	}
	if look := now.Add(t.Look); t.Look > 0 && (v.renew.IsZero() || look.Before(v.renew)) {
		v.renew = look
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if was := s.current.Load(); was != nil {
		v.version = was.version
		if was.secret != v.secret {
			v.version++
		}
	}
	s.current.Store(v)
}

// maxSecret is the longest secret: more is not sent in one header.
const maxSecret = 8 << 10

// check refuses what no header could carry.
func check(secret string) error {
	if secret == "" {
		return errors.New("the secret is empty")
	}
	if len(secret) > maxSecret {
		return fmt.Errorf("the secret is longer than %d bytes", maxSecret)
	}
	for i := range len(secret) {
		if secret[i] <= ' ' || secret[i] >= 0x7f {
			return errors.New("the secret holds a space, a line break or a character that no header can carry")
		}
	}
	return nil
}
