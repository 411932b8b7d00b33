package credential

import "sync"

// Store shares Sources between generations of the configuration, so that a token lives through a reload. The zero value is
// ready, and it is safe for concurrent use.
type Store struct {
	mu   sync.Mutex
	held map[string]*held
}

type held struct {
	source *Source
	refs   int
}

// Open gives the Source of that key, a new one if there is none. Whoever opened it calls release once, the last of which
// closes it.
func (s *Store) Open(key string, o Options) (src *Source, release func() error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.held[key]
	if h == nil {
		h = &held{source: New(o)}
		if s.held == nil {
			s.held = map[string]*held{}
		}
		s.held[key] = h
	}
	h.refs++
	return h.source, func() error { return s.release(key, h) }
}

func (s *Store) release(key string, h *held) error {
	s.mu.Lock()
	h.refs--
	last := h.refs == 0
	if last {
		delete(s.held, key)
	}
	s.mu.Unlock()
	if !last {
		return nil
	}
	return h.source.Close()
}
