package pipeline

import (
	"fmt"
	"net/textproto"
	"strconv"
	"strings"
	"time"

	"github.com/sluicegate/sluice/runtime/exchange"
	"github.com/sluicegate/sluice/runtime/wire"
)

// headers are those of a good answer: what the gateway did, and what the policy adds.
func (r *run) headers() []Header {
	x := r.x
	h := append(make([]Header, 0, 8), Header{"X-Request-Id", x.ID}, Header{"X-Sluice-Decision-Id", x.Decision.ID},
		Header{"X-Sluice-Model", x.Model}, Header{"X-Sluice-Cache", string(x.Cache)})
	for _, f := range r.returned {
		h = append(h, Header{textproto.CanonicalMIMEHeaderKey(f.Name), f.Value})
	}
	for name, value := range x.Decision.Headers {
		h = append(h, Header{textproto.CanonicalMIMEHeaderKey(name), value})
	}
	if x.Decision.Debug {
		h = append(h, Header{"X-Sluice-Endpoint", x.Endpoint}, Header{"X-Sluice-Attempts", strconv.Itoa(len(x.Attempts))},
			Header{"Server-Timing", r.clock.String()})
	}
	return h
}

// faultHeaders are those of an error. Clients that retry by themselves are told where it is pointless: after a verdict,
// and after the gateway's own failover.
func (r *run) faultHeaders(f *wire.Fault) []Header {
	h := []Header{{"X-Request-Id", r.x.ID}}
	if r.x.Decision.ID != "" {
		h = append(h, Header{"X-Sluice-Decision-Id", r.x.Decision.ID})
	}
	if f.RetryAfter > 0 {
		h = append(h, Header{"Retry-After", strconv.Itoa(f.RetryAfter)})
	}
	if !f.Code.Retry() || len(r.x.Attempts) > 0 {
		h = append(h, Header{"X-Should-Retry", "false"})
	}
	if f.Code == wire.Unauthenticated {
		h = append(h, Header{"Www-Authenticate", "Bearer"})
	}
	return h
}

// clock takes the time of each stage, for Server-Timing and the histograms.
type clock struct {
	begun time.Time
	last  time.Duration
	laps  []exchange.Lap
	buf   [10]exchange.Lap
}

func (c *clock) start(now time.Time) { c.begun, c.laps = now, c.buf[:0] }

func (c *clock) lap(stage exchange.Stage) {
	now := time.Since(c.begun) // half of what time.Now costs
	c.laps = append(c.laps, exchange.Lap{Stage: stage, Took: now - c.last})
	c.last = now
}

// String is the laps as a Server-Timing header value (W3C Server Timing), in milliseconds.
func (c *clock) String() string {
	parts := make([]string, 0, len(c.laps))
	for _, l := range c.laps {
		parts = append(parts, fmt.Sprintf("%s;dur=%.3f", l.Stage, float64(l.Took)/float64(time.Millisecond)))
	}
	return strings.Join(parts, ", ")
}
