package control

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/sluicegate/sluice/runtime/audit"
	"github.com/sluicegate/sluice/runtime/cache"
	"github.com/sluicegate/sluice/runtime/config"
	"github.com/sluicegate/sluice/runtime/exchange"
)

// keepers gives the generation the cache and the logs of the one before it, unless their settings changed.
func (b *builder) keepers() {
	was, snap := b.was, b.gen.snap
	if was != nil && cacheOptions(was.config) == cacheOptions(b.cfg) {
		snap.Cache = was.snap.Cache
	} else {
		snap.Cache = cache.New(cacheOptions(b.cfg))
	}
	if was != nil && was.config.Audit == b.cfg.Audit {
		snap.Audit = was.snap.Audit
	} else if !b.openAudit() {
		return
	}
	b.c.logs.take(snap.Audit)
	b.gen.closer = append(b.gen.closer, func() error { return b.c.logs.give(snap.Audit) })
	b.decisions()
}

// decisions opens the decision log, or takes that of the generation before.
func (b *builder) decisions() {
	cfg, was, snap := b.cfg.Policy.Decisions, b.was, b.gen.snap
	switch {
	case cfg == nil:
		return
	case cfg.Path == b.cfg.Audit.Path:
		b.fault("policy.decisions.path", "%s is the audit log; name another file", cfg.Path)
		return
	case was != nil && was.snap.Decisions != nil && *was.config.Policy.Decisions == *cfg:
		snap.Decisions = was.snap.Decisions
	case b.c.dry || len(b.faults) > 0: // as the audit log
		if dir := filepath.Dir(b.cfg.Path(cfg.Path)); !isDir(dir) {
			b.fault("policy.decisions.path", "the folder %s is not there; make it, or name a file in another", dir)
		}
		return
	default:
		log, err := audit.New(audit.Options{
			Path: b.cfg.Path(cfg.Path), Queue: cfg.Queue, Drop: true, Logger: b.c.log,
			Name: "decision log", MaxBytes: int64(cfg.MaxSize), Keep: cfg.Keep, Also: b.c.upload,
		})
		if err != nil {
			b.fault("policy.decisions.path", "%v", err)
			return
		}
		snap.Decisions = log
	}
	b.c.logs.take(snap.Decisions)
	b.gen.closer = append(b.gen.closer, func() error { return b.c.logs.give(snap.Decisions) })
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

func (b *builder) openAudit() bool {
	cfg := b.cfg.Audit
	path := b.cfg.Path(cfg.Path)
	if b.c.dry || len(b.faults) > 0 { // what will not start leaves no file behind
		return b.checkAudit(path)
	}
	log, err := audit.New(audit.Options{Path: path, Queue: cfg.Queue, Drop: cfg.OnFull == "drop", Logger: b.c.log})
	if err != nil {
		b.fault("audit.path", "%v", err)
		return false
	}
	b.gen.snap.Audit = log
	return true
}

// checkAudit makes a log that writes nothing, where one could be.
func (b *builder) checkAudit(path string) bool {
	if path != "" {
		if !isDir(filepath.Dir(path)) {
			b.fault("audit.path", "the folder %s is not there; make it, or name a file in another", filepath.Dir(path))
			return false
		}
	}
	var err error
	b.gen.snap.Audit, err = audit.New(audit.Options{Logger: b.c.log})
	return err == nil // without a path there is nothing to fail
}

// logStore counts the generations on each audit log.
type logStore struct {
	mu   sync.Mutex
	refs map[*audit.Log]int
}

func (s *logStore) take(l *audit.Log) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refs[l]++
}

// give closes a log when the last generation on it has closed.
func (s *logStore) give(l *audit.Log) error {
	s.mu.Lock()
	s.refs[l]--
	last := s.refs[l] == 0
	if last {
		delete(s.refs, l)
	}
	s.mu.Unlock()
	if !last {
		return nil
	}
	return l.Close() // it waits for the disk, so not under the lock
}

func cacheOptions(cfg *config.Config) cache.Options {
	if cfg.Cache == nil {
		return cache.Options{}
	}
	return cache.Options{Bytes: int64(cfg.Cache.Size), TTL: cfg.Cache.TTL, MaxEntry: int(cfg.Cache.MaxEntry)}
}

// ReopenAudit opens the paths of the audit log and the decision log anew, as after rotation.
func (c *Controller) ReopenAudit() error {
	gen := c.generation()
	if gen == nil {
		return errEnded
	}
	if err := gen.snap.Audit.Reopen(); err != nil {
		return fmt.Errorf("the audit log was not opened anew, the old file is still written: %w", err)
	}
	if log := gen.snap.Decisions; log != nil {
		if err := log.Reopen(); err != nil {
			return fmt.Errorf("the decision log was not opened anew, the old file is still written: %w", err)
		}
	}
	return nil
}

// Call is one call of the control listener.
type Call struct {
	Action string // what was called
	Filter string // the filter it is about; "" is none
	From   string // the caller's address
	Start  time.Time
	Status int  // HTTP status answered
	Known  bool // the caller had the credential; refused calls are recorded within the bounds of unknown callers
}

// Controlled records a control call and how it ended.
func (c *Controller) Controlled(call Call) {
	gen := c.generation()
	if gen == nil {
		return
	}
	rec := audit.Record{
		Kind: "control", Start: call.Start, End: time.Now(), Generation: gen.snap.Generation,
		Notes:   map[string]string{"action": call.Action, "from": call.From},
		Outcome: exchange.Outcome{Kind: exchange.Complete, Status: call.Status},
	}
	if filterName.MatchString(call.Filter) {
		rec.Notes["filter"] = call.Filter
	}
	switch {
	case !call.Known:
		rec.Outcome.Kind, rec.Outcome.Code = exchange.Rejected, "control_refused"
		gen.snap.Audit.Stray(&rec)
		return
	case call.Status >= 400:
		rec.Outcome.Kind = exchange.Failed
	}
	gen.snap.Audit.Control(&rec)
}
