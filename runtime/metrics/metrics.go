// Package metrics counts and times exchanges, under the names of OpenTelemetry's gen_ai conventions where it has one.
//
// It is fed by the pipeline at the end of each exchange and read by the admin listener in Prometheus' text format.
// Every label's values come from a closed set: names in the configuration and the words of this program; never from
// a caller.
package metrics

import (
	"fmt"
	"io"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/common/expfmt"

	"github.com/sluicegate/sluice/runtime/exchange"
	"github.com/sluicegate/sluice/runtime/wire"
)

// Metrics is safe for concurrent use.
type Metrics struct {
	registry *prometheus.Registry

	exchanges  *prometheus.CounterVec
	cache      *prometheus.CounterVec
	redactions *prometheus.CounterVec
	attempts   *prometheus.CounterVec
	duration   *prometheus.HistogramVec
	firstToken *prometheus.HistogramVec
	perToken   *prometheus.HistogramVec
	usage      *prometheus.HistogramVec
	cost       *prometheus.CounterVec
	reloads    *prometheus.CounterVec
	generation prometheus.Gauge
	retired    prometheus.Gauge

	mu   sync.RWMutex
	rows map[rowKey]*row
}

// rowKey names the series that one exchange adds to.
type rowKey struct {
	op     wire.Operation
	model  string
	kind   exchange.Kind
	code   wire.Code
	cache  exchange.CacheStatus
	stream bool
}

// row holds those series, found once.
type row struct {
	exchanges, cache, cost prometheus.Counter // cache: nil where the exchange did not get to it
	duration, firstToken   prometheus.Observer
	perToken               prometheus.Observer
	input, output          prometheus.Observer
}

// New makes empty Metrics, the process's and the Go runtime's own among them.
func New() *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry(), rows: map[rowKey]*row{}}
	m.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.define()
	return m
}

// Observe counts an exchange that has ended.
func (m *Metrics) Observe(x *exchange.Exchange, end time.Time) {
	r := m.row(x)
	took := end.Sub(x.Start).Seconds()
	r.exchanges.Inc()
	r.duration.Observe(took)
	if r.cache != nil {
		r.cache.Inc()
	}
	if x.Cost > 0 {
		r.cost.Add(x.Cost)
	}
	if x.Usage.Known {
		r.input.Observe(float64(x.Usage.Input))
		r.output.Observe(float64(x.Usage.Output))
	}
	if x.Request != nil && x.Request.Stream && !x.FirstByte.IsZero() {
		first := x.FirstByte.Sub(x.Start).Seconds()
		r.firstToken.Observe(first)
		if x.Usage.Output > 1 {
			r.perToken.Observe((took - first) / float64(x.Usage.Output-1))
		}
	}
}

// row finds the series of an exchange: under the model that served it, else the one asked for, if the configuration
// knows it.
func (m *Metrics) row(x *exchange.Exchange) *row {
	k := rowKey{op: x.Operation, model: x.Model, kind: x.Outcome.Kind, code: x.Outcome.Code, cache: x.Cache}
	if x.Request != nil {
		k.stream = x.Request.Stream
		if k.model == "" && k.code != wire.UnknownModel {
			k.model = x.Request.Model
		}
	}
	m.mu.RLock()
	r := m.rows[k]
	m.mu.RUnlock()
	if r == nil {
		r = m.addRow(k)
	}
	return r
}

func (m *Metrics) addRow(k rowKey) *row {
	op := k.op.GenAI()
	r := &row{
		exchanges:  m.exchanges.WithLabelValues(string(k.op), k.model, string(k.kind), string(k.code), strconv.FormatBool(k.stream)),
		cost:       m.cost.WithLabelValues(k.model),
		duration:   m.duration.WithLabelValues(op, k.model, string(k.code)),
		firstToken: m.firstToken.WithLabelValues(op, k.model),
		perToken:   m.perToken.WithLabelValues(op, k.model),
		input:      m.usage.WithLabelValues(op, k.model, "input"),
		output:     m.usage.WithLabelValues(op, k.model, "output"),
	}
	if k.cache != exchange.CacheNone {
		r.cache = m.cache.WithLabelValues(string(k.op), string(k.cache))
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.rows[k] = r
	return r
}

// Redacted counts what filters edited, by kind. direction is "request" or "answer".
func (m *Metrics) Redacted(direction string, kinds map[string]int) {
	for kind, n := range kinds {
		m.redactions.WithLabelValues(direction, kind).Add(float64(n))
	}
}

// Attempt counts one try at an endpoint.
func (m *Metrics) Attempt(a exchange.Attempt) {
	code := string(a.Code)
	if code == "" {
		code = "ok"
	}
	m.attempts.WithLabelValues(a.Model, a.Endpoint, code).Inc()
}

// Reload counts a reload and says which generation serves after it.
func (m *Metrics) Reload(ok bool, generation uint64) {
	word := "refused"
	if ok {
		word = "installed"
	}
	m.reloads.WithLabelValues(word).Inc()
	m.generation.Set(float64(generation))
}

// Retired says how many retired generations still have exchanges.
func (m *Metrics) Retired(n int) { m.retired.Set(float64(n)) }

// Gauge adds a figure that is read when the metrics are.
func (m *Metrics) Gauge(name, help string, read func() float64) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, read))
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
