package upstream

import (
	"sync"
	"time"

	"github.com/sluicegate/sluice/runtime/wire"
)

// Health is how an endpoint or a model behaves, as policies read it.
type Health string

// The healths.
const (
	Healthy  Health = "healthy"
	Degraded Health = "degraded" // its last call failed, or it asked for a pause
	Warming  Health = "warming"  // scaled to zero, and starting
	Down     Health = "down"     // out of the rotation: several calls in a row failed, or its health checks
)

// Latency is a coarse class of the time to answer, coarse so that a policy's decisions can be remembered by it.
type Latency string

// The latency classes, by the smoothed time until the answer (of a stream: its first event) came.
const (
	LatencyUnknown Latency = "unknown"
	LatencyFast    Latency = "fast"   // under 1 s
	LatencyMedium  Latency = "medium" // under 5 s
	LatencySlow    Latency = "slow"
)

const (
	// defaultPause is kept from an endpoint that answers 429 without Retry-After, longestPause bounds what it may ask for.
	defaultPause = time.Second
	longestPause = 60 * time.Second

	// smoothing is the weight of the newest latency in the moving average.
	smoothing = 0.2
)

// record is what is known of an endpoint's behaviour. It survives reloads in a Registry.
type record struct {
	gate

	mu       sync.Mutex    // not the gate's
	refs     int           // the Registry's
	failures int           // in a row
	ejection time.Duration // the last one's length; 0: none since the last success
	out      time.Time     // out of the rotation until then
	probing  bool          // the call that tells whether it is well again is under way
	window   window        // of calls
	sick     bool          // it does not pass its health checks
	asked    bool          // there are health checks
	pause    time.Time     // asked for a pause until then
	warming  bool          // it is starting, as its last call said
	latency  time.Duration // smoothed
	timed    time.Time     // when latency was last added to
	back     time.Time     // in the rotation since then
	load     float64       // as last reported, and until when that counts
	loaded   time.Time
}

func newRecord() *record { return &record{back: time.Now()} }

// tier orders endpoints: those of a lower one are tried first.
type tier uint8

const (
	tierReady  tier = iota
	tierPaused      // asked for a pause
	tierOut         // ejected
	tierNone        // never to be tried
)

// rank gives the endpoint's tier, and since when it is in the rotation. An endpoint whose ejection is over is ready for
// one call: with claim, that call is the caller's (probe), and the next is due only after the same time again.
func (r *record) rank(now time.Time, claim bool) (t tier, probe bool, back time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.sick, now.Before(r.out):
		return tierOut, false, r.back
	case r.ejection > 0 && claim:
		r.out, r.probing = now.Add(r.ejection), true
		return tierReady, true, r.back
	case r.ejection > 0:
		return tierOut, false, r.back
	case now.Before(r.pause):
		return tierPaused, false, r.back
	default:
		return tierReady, false, r.back
	}
}

// now is the endpoint's tier for all but the call that probes.
func (r *record) now() tier {
	t, _, _ := r.rank(time.Now(), false)
	return t
}

// ejected tells whether the endpoint is out of the rotation.
func (r *record) ejected() bool { return r.now() == tierOut }

// succeeded notes an answer and the time it took.
func (r *record) succeeded(took time.Duration, b *Breaker, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closeCircuit(now)
	r.failures, r.pause, r.timed, r.warming = 0, time.Time{}, now, false
	r.window.count(now, b, false)
	if r.latency == 0 {
		r.latency = took
	} else {
		r.latency += time.Duration(smoothing * float64(took-r.latency))
	}
}

// failed notes a failed attempt. What the caller is to blame for says that the endpoint lives; what nobody waited for,
// or what never went out, says nothing.
func (r *record) failed(f *Failure, b *Breaker, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case f.Code == wire.ClientClosed, f.Code == wire.UnsupportedField, f.Code == wire.UnsupportedOp, f.Code == wire.UpstreamTimeout && f.Retry == RetryNo:
	case f.Code == wire.UpstreamRejected, f.Code == wire.NotFound: // it is well, and says so of a request
		r.closeCircuit(now)
		r.failures = 0
		r.window.count(now, b, false)
	case f.Code == wire.RateLimited, f.Code == wire.Overloaded, f.Code == wire.ModelWarming:
		r.warming = f.Code == wire.ModelWarming
		pause := f.RetryAfter
		if pause <= 0 {
			pause = defaultPause
		}
		r.pause = now.Add(min(pause, longestPause))
	default:
		r.failures++
		r.window.count(now, b, true)
		r.eject(b, now)
	}
}

// eject opens the circuit if the endpoint failed too often, or again where the call that probes failed. Of calls that
// began before it opened it has heard enough. r.mu is held.
func (r *record) eject(b *Breaker, now time.Time) {
	switch open := r.ejection > 0; {
	case open && !r.probing && now.Before(r.out):
		return
	case !open && !b.opens(r.failures, &r.window, now):
		return
	}
	r.ejection = b.next(r.ejection)
	r.out, r.probing, r.window = now.Add(r.ejection), false, window{}
}

// closeCircuit notes that the endpoint is well again; r.mu is held.
func (r *record) closeCircuit(now time.Time) {
	if r.ejection > 0 {
		r.ejection, r.out, r.probing, r.back = 0, time.Time{}, false, now
	}
}

// checked notes what the health checks found, and whether there are any.
func (r *record) checked(well, asked bool, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if well && r.sick {
		r.back = now
	}
	r.sick, r.asked = !well, asked
}

func (r *record) health(now time.Time) Health {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.sick, r.ejection > 0:
		return Down
	case r.warming:
		return Warming
	case r.failures > 0, now.Before(r.pause):
		return Degraded
	default:
		return Healthy
	}
}

func (r *record) smoothed() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.latency
}

// smoothedAt gives the smoothed latency and when it was last added to.
func (r *record) smoothedAt() (time.Duration, time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.latency, r.timed
}

// report notes the load that the endpoint reports, which counts until then.
func (r *record) report(load float64, until time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.load, r.loaded = load, until
}

// loadAt is the load last reported, unless that was too long ago.
func (r *record) loadAt(now time.Time) (float64, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.load, now.Before(r.loaded)
}

func (r *record) latencyClass() Latency { return classOf(r.smoothed()) }

func classOf(d time.Duration) Latency {
	switch {
	case d <= 0:
		return LatencyUnknown
	case d < time.Second:
		return LatencyFast
	case d < 5*time.Second:
		return LatencyMedium
	default:
		return LatencySlow
	}
}
