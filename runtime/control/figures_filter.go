package control

import (
	"github.com/sluicegate/sluice/runtime/filter"
	"github.com/sluicegate/sluice/runtime/metrics"
)

// maxSpanKinds bounds the kinds of findings told apart in the metrics of one filter; later ones are counted as "other".
const maxSpanKinds = 64

// filterFigures adds the metrics of filters, each by its version.
func (c *Controller) filterFigures() {
	c.filterCounters()
	c.filterGauges()
	c.metrics.Counters("sluice_filter_spans_total", "Findings of a filter, by kind.", []string{"filter", "version", "direction", "kind"},
		func(add func(float64, ...string)) {
			c.eachFilter(func(f FilterStats, name, version string) { addSpans(add, f.Spans, name, version) })
		})
	histogram := func(name, help string, figure func(filter.Stats) filter.Histogram) {
		c.metrics.Histograms(name, help, []string{"filter", "version"}, func(add func(metrics.Buckets, ...string)) {
			c.eachFilter(func(f FilterStats, name, version string) { add(metrics.Buckets(figure(f.Stats)), name, version) })
		})
	}
	histogram("sluice_filter_call_seconds", "Guest time of the calls of a filter's hooks.", func(s filter.Stats) filter.Histogram { return s.CallTime })
	histogram("sluice_filter_call_units", "Fuel of the calls of a filter's hooks.", func(s filter.Stats) filter.Histogram { return s.CallUnits })
}

// eachFilter calls do for each live filter and version, with what tells them apart.
func (c *Controller) eachFilter(do func(f FilterStats, name, version string)) {
	seen := map[[2]string]bool{}
	for _, f := range c.Filters() {
		series := [2]string{f.Name, f.Label()}
		if seen[series] { // other bytes that call themselves the same version
			series[1] += "+" + f.Digest[:12]
		}
		if !seen[series] {
			seen[series] = true
			do(f, series[0], series[1])
		}
	}
}

func (c *Controller) filterCounters() {
	add := func(name, help string, figure func(filter.Stats) float64) {
		c.metrics.Counters(name, help, []string{"filter", "version"}, func(add func(float64, ...string)) {
			c.eachFilter(func(f FilterStats, name, version string) { add(figure(f.Stats), name, version) })
		})
	}
	add("sluice_filter_calls_total", "Calls of a filter's hooks.", func(s filter.Stats) float64 { return float64(s.Calls) })
	add("sluice_filter_seconds_total", "Time spent in a filter.", func(s filter.Stats) float64 { return s.Time.Seconds() })
	add("sluice_filter_units_total", "Fuel spent in a filter.", func(s filter.Stats) float64 { return float64(s.Units) })
	add("sluice_filter_failures_total", "Calls of a filter that failed.", func(s filter.Stats) float64 { return float64(s.Failures) })
	add("sluice_filter_traps_total", "Those of them in which the guest trapped.", func(s filter.Stats) float64 { return float64(s.Traps) })
	add("sluice_filter_rejections_total", "Verdicts of a filter.", func(s filter.Stats) float64 { return float64(s.Rejections) })
	add("sluice_filter_failed_open_total", "Exchanges that went on without a filter that failed.",
		func(s filter.Stats) float64 { return float64(s.FailedOpen) })
	add("sluice_filter_skipped_bytes_total", "Bytes of streams that passed a filter without a call, as none of them can be in a finding.",
		func(s filter.Stats) float64 { return float64(s.Skipped) })
	add("sluice_filter_instances_created_total", "Instances made.", func(s filter.Stats) float64 { return float64(s.Created) })
	add("sluice_filter_cold_starts_total", "Instances made for a call when none was alive.", func(s filter.Stats) float64 { return float64(s.ColdStarts) })
	add("sluice_filter_instances_reclaimed_total", "Instances given back after they were idle.", func(s filter.Stats) float64 { return float64(s.Reclaimed) })
	add("sluice_filter_instances_discarded_total", "Instances thrown away: trapped, grown, or of a module that cannot be put back.",
		func(s filter.Stats) float64 { return float64(s.Discarded) })
	add("sluice_filter_waits_total", "Calls that had to wait for an instance.", func(s filter.Stats) float64 { return float64(s.Waits) })
}

func (c *Controller) filterGauges() {
	add := func(name, help string, figure func(filter.Stats) int64) {
		c.metrics.Gauges(name, help, []string{"filter", "version"}, func(add func(float64, ...string)) {
			c.eachFilter(func(f FilterStats, name, version string) { add(float64(figure(f.Stats)), name, version) })
		})
	}
	add("sluice_filter_instances", "Instances alive.", func(s filter.Stats) int64 { return s.Instances })
	add("sluice_filter_instances_idle", "Instances that no call uses.", func(s filter.Stats) int64 { return s.Idle })
	add("sluice_filter_waiting", "Calls that wait for an instance.", func(s filter.Stats) int64 { return s.Waiting })
	add("sluice_filter_memory_bytes", "Linear memory of the instances, and of the state they are put back to.", func(s filter.Stats) int64 { return s.Memory })
	add("sluice_filter_held_bytes", "Bytes that streams hold back for a filter.", func(s filter.Stats) int64 { return s.Held })
	add("sluice_filter_held_bytes_max", "The most that one text of a stream held back.", func(s filter.Stats) int64 { return s.HeldMost })
}

// addSpans adds the findings of one filter. A kind is a word of the filter's, which is why not all of them get a series.
func addSpans(add func(float64, ...string), spans []filter.KindCount, name, version string) {
	other := filter.KindCount{Kind: "other"}
	rest := false
	for i, k := range spans {
		if i >= maxSpanKinds || k.Kind == other.Kind {
			other.Request, other.Answer, rest = other.Request+k.Request, other.Answer+k.Answer, true
			continue
		}
		add(float64(k.Request), name, version, "request", k.Kind)
		add(float64(k.Answer), name, version, "answer", k.Kind)
	}
	if rest {
		add(float64(other.Request), name, version, "request", other.Kind)
		add(float64(other.Answer), name, version, "answer", other.Kind)
	}
}
