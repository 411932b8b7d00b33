// Package metrics counts and times exchanges, under the names of OpenTelemetry's gen_ai conventions where it has one.
//
// It is fed by the pipeline at the end of each exchange and read by the admin listener in Prometheus' text format.
// Every label's values come from a closed set: names in the configuration and the words of this program; never from
// a caller, nor without bound from a filter.
package metrics

import (
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

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
	refused    *prometheus.CounterVec
	reloads    *prometheus.CounterVec
	generation prometheus.Gauge
	retired    prometheus.Gauge

	mu     sync.RWMutex
	rows   map[rowKey]*row
	tries  map[attemptKey]prometheus.Counter
	models map[string]bool // those that were ever configured
	kinds  map[string]bool // those that filters found, up to maxKinds
}

// maxKinds bounds the kinds of redactions told apart, which are words of the filters; others are counted as "other".
const maxKinds = 64

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
	m := &Metrics{registry: prometheus.NewRegistry(), rows: map[rowKey]*row{}, tries: map[attemptKey]prometheus.Counter{}, models: map[string]bool{}, kinds: map[string]bool{}}
	m.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.define()
	return m
}

// Models tells which models are configured. Those of earlier configurations stay known: exchanges may still run on them.
func (m *Metrics) Models(names []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, name := range names {
		m.models[name] = true
	}
}

// Observe counts an exchange that has ended. Usage and cost are counted once, where a model server made the answer.
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
	if x.Usage.Known && !x.Usage.Estimated && (x.Cache == exchange.CacheMiss || x.Cache == exchange.CacheBypass) {
		r.input.Observe(float64(x.Usage.Input))
		r.output.Observe(float64(x.Usage.Output))
	}
	if x.Request != nil && x.Request.Stream && !x.FirstByte.IsZero() {
		first := x.FirstByte.Sub(x.Start).Seconds()
		r.firstToken.Observe(first)
		if x.Usage.Output > 1 && x.Usage.Known {
			r.perToken.Observe((took - first) / float64(x.Usage.Output-1))
		}
	}
}

// row finds the series of an exchange: under the model that served it, else the one asked for. A name that no
// configuration knows, which is the caller's own word, is left out.
func (m *Metrics) row(x *exchange.Exchange) *row {
	k := rowKey{op: x.Operation, model: x.Model, kind: x.Outcome.Kind, code: x.Outcome.Code, cache: x.Cache}
	if x.Request != nil {
		k.stream = x.Request.Stream
		if k.model == "" {
			k.model = x.Request.Model
		}
	}
	m.mu.RLock()
	if !m.models[k.model] {
		k.model = ""
	}
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
		m.redactions.WithLabelValues(direction, m.kind(kind)).Add(float64(n))
	}
}

// kind is the label of a kind.
func (m *Metrics) kind(kind string) string {
	m.mu.RLock()
	known := m.kinds[kind]
	m.mu.RUnlock()
	if known {
		return kind
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.kinds) >= maxKinds {
		return "other"
	}
	m.kinds[kind] = true
	return kind
}

// Refused counts a request that was refused before it became an exchange.
func (m *Metrics) Refused(code wire.Code) { m.refused.WithLabelValues(string(code)).Inc() }

// Attempt counts one try at an endpoint.
func (m *Metrics) Attempt(a exchange.Attempt) {
	code := string(a.Code)
	if code == "" {
		code = "ok"
	}
	k := attemptKey{a.Model, a.Endpoint, code}
	m.mu.RLock()
	c := m.tries[k]
	m.mu.RUnlock()
	if c == nil {
		c = m.attempts.WithLabelValues(k.model, k.endpoint, k.code)
		m.mu.Lock()
		m.tries[k] = c
		m.mu.Unlock()
	}
	c.Inc()
}

// attemptKey names the series that one attempt adds to.
type attemptKey struct{ model, endpoint, code string }

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
