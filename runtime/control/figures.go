package control

import (
	"log/slog"
	"os"
	"path/filepath"

	"github.com/sluicegate/sluice/runtime/audit"
	"github.com/sluicegate/sluice/runtime/cache"
)

// figures adds to the metrics what is read when they are: the sizes and counters that other parts keep.
func (c *Controller) figures() {
	gauge := func(name, help string, read func() float64) { c.metrics.Gauge(name, help, read) }
	gauge("sluice_exchanges_running", "Exchanges under way.", func() float64 { return float64(c.pipeline.Running()) })
	gauge("sluice_cache_entries", "Answers in the cache.", func() float64 { return float64(c.cacheStats().Entries) })
	gauge("sluice_cache_bytes", "Bytes of the answers in the cache.", func() float64 { return float64(c.cacheStats().Bytes) })
	gauge("sluice_cache_flights", "Calls of model servers that identical requests may share.",
		func() float64 { return float64(c.cacheStats().Flights) })
	gauge("sluice_audit_free", "Places left in the audit log's queue.", func() float64 { return float64(c.auditStats().Free) })
	gauge("sluice_audit_broken", "1 while the audit log cannot be written.", func() float64 {
		if c.auditStats().Broken {
			return 1
		}
		return 0
	})
	c.metrics.Counter("sluice_audit_written_total", "Lines written to the audit log.",
		func() float64 { return float64(c.auditStats().Written) })
	c.metrics.Counter("sluice_audit_dropped_total", "Records that could not be kept.",
		func() float64 { return float64(c.auditStats().Dropped) })
	c.metrics.Counter("sluice_decisions_written_total", "Lines written to the decision log.",
		func() float64 { return float64(c.decisionStats().Written) })
	c.metrics.Counter("sluice_decisions_dropped_total", "Decisions that the decision log could not keep.",
		func() float64 { return float64(c.decisionStats().Dropped) })
	c.policyFigures()
	c.shadowFigures()
	c.endpointFigures()
	c.filterFigures()
	c.metrics.Counter("sluice_filter_loads_total", "Filters compiled and loaded.", func() float64 { return float64(c.filters.loaded()) })
	c.metrics.Counters("sluice_filter_load_failures_total", "Filters that did not go live, by the stage that failed.",
		[]string{"filter", "stage"}, c.failed.read)
	c.metrics.Counters("sluice_policy_gate_failures_total", "Policies that did not go live, by the stage of the gate that failed.",
		[]string{"stage"}, c.refusals.read)
	c.metrics.Counters("sluice_bundle_failures_total", "Bundles that were asked for and not taken, by the stage that failed.",
		[]string{"bundle", "stage"}, c.fetches.read)
	c.metrics.Counter("sluice_decision_uploads_dropped_total", "Decisions that found no place on their way to OPA's uploads.", func() float64 {
		if f := c.feed.Load(); f != nil {
			return float64(f.client.Dropped())
		}
		return 0
	})
	c.metrics.Gauges("sluice_bundle_activated_seconds", "When the active version of a bundle was activated, as Unix time; 0 without one.",
		[]string{"bundle"}, c.bundlesActivated)
	c.metrics.Counters("sluice_filter_rollbacks_total", "Versions of filters taken back, by the operator or for their failures.",
		[]string{"filter", "reason"}, c.rollbacks.read)
}

func (c *Controller) bundlesActivated(add func(float64, ...string)) {
	for _, b := range c.bundleStatus() {
		at := 0.0
		if !b.Activated.IsZero() {
			at = float64(b.Activated.UnixMilli()) / 1000
		}
		add(at, b.Name)
	}
}

func (c *Controller) cacheStats() cache.Stats {
	if gen := c.generation(); gen != nil {
		return gen.snap.Cache.Stats()
	}
	return cache.Stats{}
}

func (c *Controller) decisionStats() audit.Stats {
	if gen := c.generation(); gen != nil && gen.snap.Decisions != nil {
		return gen.snap.Decisions.Stats()
	}
	return audit.Stats{}
}

func (c *Controller) auditStats() audit.Stats {
	if gen := c.generation(); gen != nil {
		return gen.snap.Audit.Stats()
	}
	return audit.Stats{}
}

// cacheDir is the folder for compiled filters. It holds native code, so it belongs to this user alone. Without one,
// filters are compiled into memory, which only costs time at each start.
func cacheDir(dir string, log *slog.Logger) string {
	if dir != "" {
		return dir
	}
	base, err := os.UserCacheDir()
	if err == nil {
		dir = filepath.Join(base, "sluice", "wasm")
		err = os.MkdirAll(dir, 0o700)
	}
	if err != nil {
		log.Info("filters are compiled anew at each start, for there is no folder to keep them in", "error", err)
		return ""
	}
	return dir
}
