package audit

import (
	"maps"
	"slices"
	"time"

	"github.com/sluicegate/sluice/runtime/wire"
)

// Bounds of the records of unknown callers.
const (
	straysPerSecond = 50   // recorded one by one
	straysWaiting   = 1000 // for the writer, at most; it may be held up by a disk that is full
)

// strays bounds the records of unknown callers.
type strays struct {
	second  int64 // that taken counts, Unix time
	taken   int
	waiting int
	over    map[wire.Code]int64 // beyond the bounds
	since   time.Time           // of the first in over
}

// take tells whether the record may stand for itself; otherwise it counts it.
func (s *strays) take(r *Record) bool {
	if s.taken < straysPerSecond && s.waiting < straysWaiting {
		s.taken++
		s.waiting++
		return true
	}
	if s.over == nil {
		s.over, s.since = map[wire.Code]int64{}, r.End
	}
	s.over[r.Outcome.Code]++
	return false
}

// sum begins a new second if now is in one, and adds the sums of those before, unless too much waits already. last says
// that there will be no other chance.
func (s *strays) sum(w *waiting, now time.Time, last bool) {
	if now.Unix() == s.second && !last {
		return
	}
	s.second, s.taken = now.Unix(), 0
	if s.waiting >= straysWaiting && !last {
		return
	}
	for _, code := range slices.Sorted(maps.Keys(s.over)) {
		sum := Record{Kind: "sum", Start: s.since, End: now, Count: s.over[code]}
		sum.Outcome.Code = code
		w.add(&sum)
		s.waiting++
	}
	s.over = nil
}
