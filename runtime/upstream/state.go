package upstream

import "time"

// Circuit is what the breaker before an endpoint does.
type Circuit string

// The circuits' states.
const (
	CircuitClosed   Circuit = "closed"    // calls go there
	CircuitOpen     Circuit = "open"      // it failed: calls go there only when there is nothing else
	CircuitHalfOpen Circuit = "half_open" // the next call, or the one under way, tells whether it is well again
)

// State is what is known of an endpoint at a moment, for people to look at.
type State struct {
	Circuit   Circuit
	Health    Health
	Until     time.Time     // of an open circuit, or of a pause that it asked for: how long; else zero
	Sick      bool          // it does not pass its health checks
	Checked   bool          // there are health checks
	Latency   time.Duration // smoothed; 0: not known
	InFlight  int
	Limit     int // of InFlight; 0: none
	Waiting   int
	Refused   int64 // callers for whom there was no room in the queue
	Load      float64
	HasLoad   bool
	Draining  bool
	Warming   bool
	Failures  int     // in a row
	ErrorRate float64 // of the calls of the last seconds; 0 while there are few
}

// State tells what is known of the endpoint.
func (e *Endpoint) State(now time.Time) State {
	s := State{
		Health: e.record.health(now), InFlight: e.InFlight(), Limit: e.o.MaxInFlight, Waiting: e.Waiting(),
		Refused: e.record.refused.Load(), Draining: e.o.Drain,
	}
	r := e.record
	r.mu.Lock()
	defer r.mu.Unlock()
	s.Sick, s.Checked, s.Latency, s.Failures = r.sick, r.asked, r.latency, r.failures
	s.Load, s.HasLoad = r.load, now.Before(r.loaded)
	s.ErrorRate = r.window.rate(now, &e.o.Breaker)
	s.Warming = e.o.WarmUp > 0 && now.Sub(r.back) < e.o.WarmUp
	s.Circuit = r.circuit(now)
	switch {
	case s.Circuit == CircuitOpen:
		s.Until = r.out
	case now.Before(r.pause):
		s.Until = r.pause
	}
	return s
}

// circuit is the breaker's state; r.mu is held.
func (r *record) circuit(now time.Time) Circuit {
	switch {
	case r.ejection == 0:
		return CircuitClosed
	case r.probing || !now.Before(r.out):
		return CircuitHalfOpen
	default:
		return CircuitOpen
	}
}
