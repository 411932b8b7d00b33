package metrics

import (
	"fmt"
	"io"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"
)

// Gauge adds a figure that is read when the metrics are.
func (m *Metrics) Gauge(name, help string, read func() float64) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, read))
}

// Counter adds a figure that only grows, read when the metrics are. It may begin again at 0.
func (m *Metrics) Counter(name, help string, read func() float64) {
	m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, read))
}

// Counters adds figures that only grow, one for each set of values of the labels, read when the metrics are: read calls
// add once for each, with the values in the labels' order.
func (m *Metrics) Counters(name, help string, labels []string, read func(add func(figure float64, values ...string))) {
	m.registry.MustRegister(figures{prometheus.NewDesc(name, help, labels, nil), prometheus.CounterValue, read})
}

// Gauges is Counters for figures that go up and down.
func (m *Metrics) Gauges(name, help string, labels []string, read func(add func(figure float64, values ...string))) {
	m.registry.MustRegister(figures{prometheus.NewDesc(name, help, labels, nil), prometheus.GaugeValue, read})
}

// Buckets is a histogram that is kept elsewhere.
type Buckets struct {
	Bounds []float64 // upper bounds, ascending
	Counts []uint64  // of each bucket alone; one more than Bounds, for what is over the last
	Sum    float64
}

// Histograms is Counters for histograms.
func (m *Metrics) Histograms(name, help string, labels []string, read func(add func(b Buckets, values ...string))) {
	m.registry.MustRegister(histograms{prometheus.NewDesc(name, help, labels, nil), read})
}

// figures is a prometheus.Collector over figures that are kept elsewhere.
type figures struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	read func(add func(figure float64, values ...string))
}

// Describe is for prometheus.Collector.
func (f figures) Describe(out chan<- *prometheus.Desc) { out <- f.desc }

// Collect is for prometheus.Collector.
func (f figures) Collect(out chan<- prometheus.Metric) {
	f.read(func(figure float64, values ...string) {
		out <- prometheus.MustNewConstMetric(f.desc, f.kind, figure, values...)
	})
}

// histograms is figures for histograms.
type histograms struct {
	desc *prometheus.Desc
	read func(add func(b Buckets, values ...string))
}

// Describe is for prometheus.Collector.
func (h histograms) Describe(out chan<- *prometheus.Desc) { out <- h.desc }

// Collect is for prometheus.Collector.
func (h histograms) Collect(out chan<- prometheus.Metric) {
	h.read(func(b Buckets, values ...string) {
		upTo, n := make(map[float64]uint64, len(b.Bounds)), uint64(0)
		for i, bound := range b.Bounds {
			n += b.Counts[i]
			upTo[bound] = n
		}
		n += b.Counts[len(b.Bounds)]
		out <- prometheus.MustNewConstHistogram(h.desc, n, b.Sum, upTo, values...)
	})
}

// WriteText writes all metrics in Prometheus' text format, version 0.0.4.
func (m *Metrics) WriteText(w io.Writer) error {
	families, err := m.registry.Gather()
	if err != nil {
		return fmt.Errorf("metrics: gather: %w", err)
	}
	enc := expfmt.NewEncoder(w, expfmt.NewFormat(expfmt.TypeTextPlain))
	for _, f := range families {
		if err := enc.Encode(f); err != nil {
			return fmt.Errorf("metrics: write: %w", err)
		}
	}
	return nil
}
