package upstream

import "time"

// Breaker says when the circuit before an endpoint opens and for how long, as outlier ejection usually does. So many failures
// in a row, or such a share of the calls of the last seconds, open it: the endpoint is out of the rotation for a time that
// doubles with each further failure. When that is over the circuit is half-open: one call probes, and the next only after the
// same time again. A success closes it. Zero values mean the defaults.
type Breaker struct {
	Failures    int           // in a row: 3
	ErrorRate   float64       // the share of calls that failed, of one to two windows: 0.5
	MinCalls    int           // with fewer there is no telling: 20
	Window      time.Duration // 10 s
	Ejection    time.Duration // the first: 2 s
	MaxEjection time.Duration // 60 s
}

func (b Breaker) withDefaults() Breaker {
	def(&b.Failures, 3)
	def(&b.ErrorRate, 0.5)
	def(&b.MinCalls, 20)
	def(&b.Window, 10*time.Second)
	def(&b.Ejection, 2*time.Second)
	def(&b.MaxEjection, 60*time.Second)
	return b
}

// opens tells whether a closed circuit is to open after so many failures in a row.
func (b *Breaker) opens(failures int, w *window, now time.Time) bool {
	return failures >= b.Failures || w.rate(now, b) >= b.ErrorRate
}

// next is the ejection after one of that length.
func (b *Breaker) next(last time.Duration) time.Duration {
	return min(max(2*last, b.Ejection), b.MaxEjection)
}

// window counts calls and failures, of this span of time and the one before.
type window struct {
	began                         time.Time // of this span
	calls, failed, before, wrongs int       // before and wrongs: of the span before
}

// count notes a call.
func (w *window) count(now time.Time, b *Breaker, failed bool) {
	w.turn(now, b.Window)
	w.calls++
	if failed {
		w.failed++
	}
}

func (w *window) turn(now time.Time, span time.Duration) {
	switch age := now.Sub(w.began); {
	case age < span:
	case age < 2*span:
		*w = window{began: now, before: w.calls, wrongs: w.failed}
	default:
		*w = window{began: now}
	}
}

// rate is the share of calls that failed; 0 while there are too few to tell.
func (w *window) rate(now time.Time, b *Breaker) float64 {
	w.turn(now, b.Window)
	if w.calls+w.before < b.MinCalls {
		return 0
	}
	return float64(w.failed+w.wrongs) / float64(w.calls+w.before)
}
