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
	Down     Health = "down"     // out of the rotation: several calls in a row failed
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

// Passive health follows the usual outlier ejection: so many failures in a row put an endpoint out of the rotation for a
// time that doubles with each further failure; when it is over, one call probes.
const (
	failuresToEject = 3
	firstEjection   = 2 * time.Second
	longestEjection = 60 * time.Second

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
	pause    time.Time     // asked for a pause until then
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
	case now.Before(r.out):
		return tierOut, false, r.back
	case r.ejection > 0 && claim:
		r.out = now.Add(r.ejection)
		return tierReady, true, r.back
	case r.ejection > 0:
		return tierOut, false, r.back
	case now.Before(r.pause):
		return tierPaused, false, r.back
	default:
		return tierReady, false, r.back
	}
}

// ejected tells whether the endpoint is out of the rotation.
func (r *record) ejected() bool {
	t, _, _ := r.rank(time.Now(), false)
	return t == tierOut
}

// succeeded notes an answer and the time it took.
func (r *record) succeeded(took time.Duration, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ejection > 0 {
		r.back = now
	}
	r.failures, r.ejection, r.out, r.pause = 0, 0, time.Time{}, time.Time{}
	r.timed = now
	if r.latency == 0 {
		r.latency = took
	} else {
		r.latency += time.Duration(smoothing * float64(took-r.latency))
	}
}

// failed notes a failed attempt. What the caller is to blame for says that the endpoint lives; what nobody waited for,
// or what never went out, says nothing.
func (r *record) failed(f *Failure, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case f.Code == wire.ClientClosed, f.Code == wire.UnsupportedField, f.Code == wire.UnsupportedOp, f.Code == wire.UpstreamTimeout && f.Retry == RetryNo:
	case f.Code == wire.UpstreamRejected:
		r.failures, r.ejection, r.out = 0, 0, time.Time{}
	case f.Code == wire.RateLimited, f.Code == wire.Overloaded:
		pause := f.RetryAfter
		if pause <= 0 {
			pause = defaultPause
		}
		r.pause = now.Add(min(pause, longestPause))
	default:
		r.failures++
		r.eject(now)
	}
}

// eject puts the endpoint out of the rotation if it failed too often; r.mu is held.
func (r *record) eject(now time.Time) {
	if r.failures < failuresToEject {
		return
	}
	r.ejection = min(max(2*r.ejection, firstEjection), longestEjection)
	r.out = now.Add(r.ejection)
}

func (r *record) health(now time.Time) Health {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.ejection > 0:
		return Down
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
