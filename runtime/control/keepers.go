package control

import (
	"time"

	"github.com/sluicegate/sluice/runtime/audit"
	"github.com/sluicegate/sluice/runtime/cache"
	"github.com/sluicegate/sluice/runtime/config"
	"github.com/sluicegate/sluice/runtime/exchange"
)

// keepers gives the generation the cache and the audit log of the one before it, unless their settings changed.
func (b *builder) keepers() {
	was := b.c.current
	snap := b.gen.snap
	if was != nil && cacheOptions(was.config) == cacheOptions(b.cfg) {
		snap.Cache = was.snap.Cache
	} else {
		snap.Cache = cache.New(cacheOptions(b.cfg))
	}
	if was != nil && was.config.Path(was.config.Audit.Path) == b.cfg.Path(b.cfg.Audit.Path) && was.config.Audit == b.cfg.Audit {
		snap.Audit = was.snap.Audit
		b.c.takeLog(snap.Audit)
	} else if !b.openAudit() {
		return
	}
	log := snap.Audit
	b.gen.closer = append(b.gen.closer, func() error { return b.c.giveLog(log) })
}

func (b *builder) openAudit() bool {
	cfg := b.cfg.Audit
	path := ""
	if cfg.Path != "" && !b.c.dry {
		path = b.cfg.Path(cfg.Path)
	}
	log, err := audit.New(audit.Options{Path: path, Queue: cfg.Queue, Drop: cfg.OnFull == "drop", Logger: b.c.log})
	if err != nil {
		b.fault("audit.path", "%v", err)
		return false
	}
	b.gen.snap.Audit = log
	b.c.takeLog(log)
	return true
}

func (c *Controller) takeLog(l *audit.Log) {
	c.logsMu.Lock()
	defer c.logsMu.Unlock()
	c.logs[l]++
}

// giveLog closes an audit log when the last generation on it has closed.
func (c *Controller) giveLog(l *audit.Log) error {
	c.logsMu.Lock()
	defer c.logsMu.Unlock()
	if c.logs[l]--; c.logs[l] > 0 {
		return nil
	}
	delete(c.logs, l)
	return l.Close()
}

func cacheOptions(cfg *config.Config) cache.Options {
	if cfg.Cache == nil {
		return cache.Options{}
	}
	return cache.Options{Bytes: int64(cfg.Cache.Size), TTL: cfg.Cache.TTL, MaxEntry: int(cfg.Cache.MaxEntry)}
}

// ReopenAudit opens the audit log's path anew, as after rotation.
func (c *Controller) ReopenAudit() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.current == nil {
		return
	}
	if err := c.current.snap.Audit.Reopen(); err != nil {
		c.log.Error("the audit log could not be opened anew", "error", err)
	}
}

// Controlled records a control call and how it ended.
func (c *Controller) Controlled(action, from string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.current == nil {
		return
	}
	now := time.Now()
	rec := audit.Record{
		Kind: "control", Start: now, End: now, Generation: c.current.snap.Generation,
		Notes: map[string]string{"action": action, "from": from}, Outcome: exchange.Outcome{Kind: exchange.Complete},
	}
	if err != nil {
		rec.Outcome.Kind = exchange.Failed
	}
	c.current.snap.Audit.Stray(&rec)
}
