package audit

import (
	"maps"
	"slices"
	"time"

	"github.com/sluicegate/sluice/runtime/wire"
)

// straysPerSecond is how many exchanges of unknown callers are recorded one by one in a second.
const straysPerSecond = 50

// strays bounds the records of unknown callers.
type strays struct {
	second int64
	taken  int
	over   map[wire.Code]int64 // of the second, beyond the bound
}

// take tells whether the record may stand for itself; otherwise it counts it.
func (s *strays) take(r *Record) bool {
	if s.taken++; s.taken <= straysPerSecond {
		return true
	}
	if s.over == nil {
		s.over = map[wire.Code]int64{}
	}
	s.over[r.Outcome.Code]++
	return false
}

// sums appends the sums of seconds that have passed.
func (s *strays) sums(b []byte, now time.Time) []byte {
	if now.Unix() == s.second {
		return b
	}
	start := time.Unix(s.second, 0)
	for _, code := range slices.Sorted(maps.Keys(s.over)) {
		sum := Record{Kind: "sum", Start: start, End: start.Add(time.Second), Count: s.over[code]}
		sum.Outcome.Code = code
		b = sum.append(b)
	}
	s.second, s.taken, s.over = now.Unix(), 0, nil
	return b
}
