package control

import (
	"context"
	"time"
)

const (
	// poll is how often the files' stamps are looked at.
	poll = time.Second
	// thorough is at which of these looks the contents are read whatever the stamps say: a file can be exchanged for
	// another of the same size and time.
	thorough = 15
	// settle is how long the files must stay as they are before they are taken.
	settle = 100 * time.Millisecond
)

// Watch reloads when the files have changed, until ctx ends. A change is one of contents, of the whole set of files,
// that two looks in a row agree on; events of the file system only make it look sooner, because on the folders that
// matter most (Kubernetes volumes, network shares) they come once or never.
func (c *Controller) Watch(ctx context.Context) {
	events := newEvents(c.log)
	defer events.close()
	events.follow(c.lastSeen())
	tick := time.NewTicker(poll)
	defer tick.Stop()
	var w watch
	for n := 1; ; n++ {
		deep := false
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			c.metrics.Retired(c.pipeline.Expire(c.maxAge()))
			c.settle()
			_ = c.Status() // looks at the certificates, also where nobody connects
			deep = n%thorough == 0
		case <-c.tripped:
			c.settle()
			continue
		case <-events.wake:
			deep = true
		case <-w.again:
		}
		if c.due(&w, deep) {
			c.reloadChanged(ctx)
			events.follow(c.lastSeen())
		}
	}
}

// reloadChanged reloads, unless somebody did while it waited for its turn: one change is one generation.
func (c *Controller) reloadChanged(ctx context.Context) {
	c.building.Lock()
	defer c.building.Unlock()
	c.images.refresh(false)
	if seen := c.lastSeen(); !look(seen.roots).same(seen) {
		_ = c.reload(ctx, "files changed") // logged, counted and in Status
	}
}

// watch is a change that waits to settle.
type watch struct {
	pending bool
	files   fileSet // as they were last seen
	at      time.Time
	again   <-chan time.Time // when the next look is due
}

// due looks at the files and tells whether they differ from what was last built and have settled. deep says to read
// them even if their stamps are as they were.
func (c *Controller) due(w *watch, deep bool) bool {
	seen := c.lastSeen()
	if !w.pending && !deep && stampOf(seen.roots) == seen.stamp {
		return false
	}
	now := look(seen.roots)
	if now.same(seen) {
		*w = watch{}
		c.setSeen(now) // its stamp
		return false
	}
	if !w.pending || !now.same(w.files) {
		*w = watch{pending: true, files: now, at: time.Now()}
	}
	if wait := settle - time.Since(w.at); wait > 0 {
		w.again = time.After(wait)
		return false
	}
	*w = watch{}
	return true
}

func (c *Controller) lastSeen() fileSet {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.seen
}

func (c *Controller) setSeen(s fileSet) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen = s
}

func (c *Controller) maxAge() time.Duration {
	if cfg := c.Config(); cfg != nil {
		return cfg.Drain.MaxAge
	}
	return time.Hour // after Close, which ends them itself
}

// pause waits, but not longer than ctx lasts.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
