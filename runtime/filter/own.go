package filter

import (
	"slices"

	"github.com/sluicegate/sluice/runtime/wire"
)

// Keeps tells whether events that Event took are still with the stream.
func (s *Stream) Keeps() bool { return s.whole != nil || s.wait != nil || len(s.waits) > 0 }

// Has tells whether an event that Event took is still with the stream, which then returns it later or releases it.
func (s *Stream) Has(ev *wire.Event) bool {
	return s.wait == ev || slices.Contains(s.waits, ev) || s.whole != nil && s.whole.has(ev)
}

// Reuse gives the stream a Plain event that it returned and that was sent since: the rest of its text may leave in it, which
// costs less than making one. It is the stream's from here on, until it is returned again or another is given.
func (s *Stream) Reuse(ev *wire.Event) {
	if s.used != nil {
		s.used.Doc.Release()
	}
	s.used = ev
}

// Close gives back what the stream keeps, at its end or when nobody wants it any more.
func (s *Stream) Close() {
	s.Reuse(nil)
	if s.wait != nil {
		s.wait.Doc.Release()
	}
	release(s.waits)
	if s.whole != nil {
		release(s.whole.events)
	}
	s.wait, s.waits, s.whole = nil, nil, nil
}

// release gives the memory of events back.
func release(evs []*wire.Event) {
	for _, ev := range evs {
		ev.Doc.Release()
	}
}
