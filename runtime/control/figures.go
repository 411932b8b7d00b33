package control

import (
	"log/slog"
	"os"
	"path/filepath"

	"github.com/sluicegate/sluice/runtime/audit"
	"github.com/sluicegate/sluice/runtime/cache"
	"github.com/sluicegate/sluice/runtime/filter"
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
	c.filterFigures()
}

func (c *Controller) filterFigures() {
	add := func(name, help string, figure func(filter.Stats) float64) {
		c.metrics.Counters(name, help, []string{"filter", "version"}, func(add func(float64, ...string)) {
			seen := map[[2]string]bool{}
			for _, f := range c.Filters() {
				series := [2]string{f.Name, f.label()}
				if seen[series] { // other bytes that call themselves the same version
					series[1] += "+" + f.Digest[:12]
				}
				seen[series] = true
				add(figure(f.Stats), series[:]...)
			}
		})
	}
	add("sluice_filter_calls_total", "Calls of a filter's hooks.", func(s filter.Stats) float64 { return float64(s.Calls) })
	add("sluice_filter_seconds_total", "Time spent in a filter.", func(s filter.Stats) float64 { return s.Time.Seconds() })
	add("sluice_filter_failures_total", "Calls of a filter that failed.", func(s filter.Stats) float64 { return float64(s.Failures) })
	add("sluice_filter_rejections_total", "Verdicts of a filter.", func(s filter.Stats) float64 { return float64(s.Rejections) })
	add("sluice_filter_failed_open_total", "Exchanges that went on without a filter that failed.",
		func(s filter.Stats) float64 { return float64(s.FailedOpen) })
}

func (c *Controller) cacheStats() cache.Stats {
	if gen := c.generation(); gen != nil {
		return gen.snap.Cache.Stats()
	}
	return cache.Stats{}
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
