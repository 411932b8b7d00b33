package bundle

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// held is what is known of one bundle. OPA's plugin takes up one bundle at a time, and it alone touches base, live, came and
// judged; the rest is under Client.mu.
type held struct {
	base   *Bundle // the one that OPA took last, whose ETag it sends: deltas are against it
	live   *Bundle // the one that is part of the live policy
	came   *Bundle // one that was refused, but may pass together with what another server is about to send
	judged bool    // the attempt under way came as far as the gate

	state Status
	noted error // of the attempt under way, found by bounds or gate
	whole bool  // no delta is asked for next time
	fixed bool  // and none ever is
}

// set is one version of each bundle.
type set map[string]*Bundle

// take has the newest of each bundle taken up together or, where that is refused, the new one beside those that are live.
// So bundles that belong together may come one after the other, and a fault is of the bundle that brings it.
func (c *Client) take(ctx context.Context, name string) error {
	newest, beside := c.sets(name)
	if missing := newest.missing(); len(missing) > 0 {
		return &Fault{Stage: StageWait, Message: fmt.Sprintf("%s has not come yet, and all of opa.bundles make up one policy; see why it has not", strings.Join(missing, ", "))}
	}
	used, err := newest, c.opts.Activate(ctx, name, newest.bundles())
	if err != nil && ctx.Err() == nil && len(beside.missing()) == 0 && !maps.Equal(newest, beside) {
		used, err = beside, c.opts.Activate(ctx, name, beside.bundles())
	}
	if err != nil {
		return err
	}
	for n, b := range used {
		if h := c.held[n]; n == name || h.live != b {
			h.live, h.came = b, nil
			c.activated(h, b.Revision)
		}
	}
	return nil
}

// sets are what may be taken up now that a bundle has come.
func (c *Client) sets(name string) (newest, beside set) {
	newest, beside = set{}, set{}
	for n, h := range c.held {
		newest[n], beside[n] = cmp.Or(h.came, h.live), h.live
	}
	beside[name] = c.held[name].came
	return newest, beside
}

// missing are the bundles that have no version yet.
func (s set) missing() []string {
	var out []string
	for name, b := range s {
		if b == nil {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

func (s set) bundles() []Bundle {
	out := make([]Bundle, 0, len(s))
	for _, b := range s {
		out = append(out, *b)
	}
	return out
}

// ended is told by OPA that an attempt ended, after all else of it.
func (h *held) ended() {
	if !h.judged { // the server has another one now, or what is live
		h.came = nil
	}
	h.judged = false
}

// activated notes that a version is live.
func (c *Client) activated(h *held, revision string) {
	c.mu.Lock()
	h.state.Revision, h.state.Activated = revision, time.Now()
	h.state.Fault, h.state.Since = nil, time.Time{}
	c.tell(h)
}
