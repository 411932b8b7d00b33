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
	m.registry.MustRegister(counters{prometheus.NewDesc(name, help, labels, nil), read})
}

// counters is a prometheus.Collector over figures that are kept elsewhere.
type counters struct {
	desc *prometheus.Desc
	read func(add func(figure float64, values ...string))
}

// Describe is for prometheus.Collector.
func (c counters) Describe(out chan<- *prometheus.Desc) { out <- c.desc }

// Collect is for prometheus.Collector.
func (c counters) Collect(out chan<- prometheus.Metric) {
	c.read(func(figure float64, values ...string) {
		out <- prometheus.MustNewConstMetric(c.desc, prometheus.CounterValue, figure, values...)
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
