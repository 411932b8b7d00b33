package control

import (
	"context"
	"time"

	"github.com/fsnotify/fsnotify"
)

// poll is how often the files' stamps are looked at.
const poll = time.Second

// Watch reloads when the files have changed, until ctx ends. A change is one of contents, of the whole set of files,
// that two looks in a row agree on; events of the file system only make it look sooner, because on the folders that
// matter most (Kubernetes volumes, network shares) they come once or never.
func (c *Controller) Watch(ctx context.Context) {
	wake := c.events(ctx)
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-wake:
		}
		c.metrics.Retired(c.pipeline.Expire(c.maxAge()))
		if c.changed(ctx) {
			_ = c.Reload(ctx, "files changed") // logged, counted and in Status
		}
	}
}

func (c *Controller) maxAge() time.Duration {
	if cfg := c.Config(); cfg != nil {
		return cfg.Drain.MaxAge
	}
	return time.Hour
}

// changed tells whether the files differ from what was last built, and have settled.
func (c *Controller) changed(ctx context.Context) bool {
	c.mu.Lock()
	seen := c.seen
	c.mu.Unlock()
	if stampOf(seen.roots) == seen.stamp {
		return false
	}
	first := look(seen.roots)
	if first.digest == seen.digest {
		c.mu.Lock()
		c.seen.stamp = first.stamp
		c.mu.Unlock()
		return false
	}
	for {
		select {
		case <-ctx.Done():
			return false
		case <-time.After(settle):
		}
		second := look(seen.roots)
		if second.digest == first.digest {
			return true
		}
		first = second
	}
}

// events gives a signal for each burst of events in the folders of the files. Without a working watcher there are none,
// and polling does it alone.
func (c *Controller) events(ctx context.Context) <-chan struct{} {
	wake := make(chan struct{}, 1)
	w, err := fsnotify.NewWatcher()
	if err != nil {
		c.log.Warn("no file events here, changes are found by polling", "error", err)
		return wake
	}
	c.mu.Lock()
	dirs := c.seen.dirs()
	c.mu.Unlock()
	for _, d := range dirs {
		_ = w.Add(d) // a folder that cannot be watched is polled
	}
	go func() {
		defer func() { _ = w.Close() }()
		for {
			select {
			case <-ctx.Done():
				return
			case <-w.Errors:
			case _, ok := <-w.Events:
				if !ok {
					return
				}
				select {
				case wake <- struct{}{}:
				default:
				}
			}
		}
	}()
	return wake
}
