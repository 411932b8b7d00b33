package filter

import "slices"

// places counts those who are inside, up to a limit; who comes then waits in line. A lock of its owner's guards it, which
// is held for nothing else than to look and to count: with a channel of slots it was nearly three times the instructions.
type places struct {
	taken int
	line  []chan struct{} // of those who wait, longest first; closed for who has got a place. Empty unless all are taken
}

// take takes a place, if there is one.
func (s *places) take(limit int) bool {
	if s.taken >= limit {
		return false
	}
	s.taken++
	return true
}

// wait stands in line. The place is the caller's once the channel is closed; who waits no longer says so with leaveLine.
func (s *places) wait() chan struct{} {
	turn := make(chan struct{})
	s.line = append(s.line, turn)
	return turn
}

// leave gives a place to who has waited longest, if anybody does, else back.
func (s *places) leave() {
	if len(s.line) == 0 {
		s.taken--
		return
	}
	close(s.line[0])
	s.line = slices.Delete(s.line, 0, 1)
}

// leaveLine ends a wait, and gives the place on that it may have got meanwhile.
func (s *places) leaveLine(turn chan struct{}) {
	if i := slices.Index(s.line, turn); i >= 0 {
		s.line = slices.Delete(s.line, i, i+1)
		return
	}
	s.leave()
}
