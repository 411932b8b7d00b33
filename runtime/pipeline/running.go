package pipeline

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Causes of an exchange ended by the gateway itself.
var (
	errRevoked = errors.New("pipeline: the credential was removed")
	errTooOld  = errors.New("pipeline: its generation was retired too long ago")
	errDrained = errors.New("pipeline: the gateway is shutting down")
)

// running knows every exchange on its way, so that a removed credential, a generation that lingers and a shutdown can
// end them.
type running struct {
	mu      sync.Mutex
	runs    map[*run]struct{}
	retired []retired
	idle    chan struct{} // closed when runs becomes empty while someone waits
}

type retired struct {
	snap *Snapshot
	at   time.Time
}

func (s *running) add(r *run) {
	s.mu.Lock()
	s.runs[r] = struct{}{}
	s.mu.Unlock()
}

func (s *running) remove(r *run) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.runs, r)
	if len(s.runs) == 0 && s.idle != nil {
		close(s.idle)
		s.idle = nil
	}
}

func (s *running) len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.runs)
}

// revoke ends the exchanges whose principal the generation does not accept.
func (s *running) revoke(snap *Snapshot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for r := range s.runs {
		if who := r.principal.Load(); who != nil && !snap.Auth.Valid(who) {
			r.cancel(errRevoked)
		}
	}
}

func (s *running) retire(snap *Snapshot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.retired = append(s.retired, retired{snap, time.Now()})
}

// expire forgets retired generations that have closed, ends the exchanges on those retired longer than maxAge, and
// returns how many retired generations still have exchanges.
func (s *running) expire(maxAge time.Duration) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := map[*Snapshot]bool{}
	kept := s.retired[:0]
	for _, g := range s.retired {
		if g.snap.refs.Load() == 0 {
			continue
		}
		kept = append(kept, g)
		if time.Since(g.at) > maxAge {
			old[g.snap] = true
		}
	}
	clear(s.retired[len(kept):])
	s.retired = kept
	for r := range s.runs {
		if old[r.snap] {
			r.cancel(errTooOld)
		}
	}
	return len(kept)
}

// drain waits until no exchange is running. When ctx ends first it ends those that are left and waits for them.
func (s *running) drain(ctx context.Context) {
	for {
		s.mu.Lock()
		if len(s.runs) == 0 {
			s.mu.Unlock()
			return
		}
		if s.idle == nil {
			s.idle = make(chan struct{})
		}
		idle := s.idle
		if ctx.Err() != nil {
			for r := range s.runs {
				r.cancel(errDrained)
			}
		}
		s.mu.Unlock()
		if ctx.Err() != nil {
			<-idle
			continue
		}
		select {
		case <-idle:
		case <-ctx.Done():
		}
	}
}
