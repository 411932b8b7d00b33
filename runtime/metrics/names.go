package metrics

import "github.com/prometheus/client_golang/prometheus"

// The names and buckets of OpenTelemetry's gen_ai semantic conventions (status: development), with dots and units
// written as Prometheus wants them. They stand here and nowhere else.
//
//nolint:gosec // G101 takes the word token in a metric's name for a credential
const (
	nameDuration   = "gen_ai_server_request_duration_seconds"
	nameFirstToken = "gen_ai_server_time_to_first_token_seconds"
	namePerToken   = "gen_ai_server_time_per_output_token_seconds"
	nameUsage      = "gen_ai_client_token_usage"

	labelOperation = "gen_ai_operation_name"
	labelModel     = "gen_ai_request_model"
	labelTokenType = "gen_ai_token_type"
	labelError     = "error_type"
)

var (
	bucketsDuration   = prometheus.ExponentialBuckets(0.01, 2, 14) // 0.01 to 81.92 s
	bucketsFirstToken = []float64{.001, .005, .01, .02, .04, .06, .08, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10}
	bucketsPerToken   = []float64{.01, .025, .05, .075, .1, .15, .2, .3, .4, .5, .75, 1, 2.5}
	bucketsUsage      = prometheus.ExponentialBuckets(1, 4, 14) // 1 to 67,108,864
)

// define makes and registers every metric.
func (m *Metrics) define() {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		v := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
		m.registry.MustRegister(v)
		return v
	}
	histogram := func(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
		v := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, labels)
		m.registry.MustRegister(v)
		return v
	}
	gauge := func(name, help string) prometheus.Gauge {
		v := prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
		m.registry.MustRegister(v)
		return v
	}
	m.exchanges = counter("sluice_exchanges_total", "Exchanges that ended, by how.", "operation", "model", "outcome", "code", "stream")
	m.cache = counter("sluice_cache_total", "What the cache did for exchanges that got to it.", "operation", "status")
	m.redactions = counter("sluice_redactions_total", "Spans of text edited by filters.", "direction", "kind")
	m.attempts = counter("sluice_upstream_attempts_total", "Tries at endpoints, by the code they ended with.", "model", "endpoint", "code")
	m.cost = counter("sluice_cost_usd_total", "Price of the usage at the configured cost.", "model")
	m.refused = counter("sluice_refused_total", "Requests refused before they became an exchange.", "code")
	m.reloads = counter("sluice_reloads_total", "Reloads of the configuration.", "result")
	m.generation = gauge("sluice_generation", "The generation that serves.")
	m.retired = gauge("sluice_generations_retired", "Retired generations that still have exchanges.")
	m.duration = histogram(nameDuration, "Time from a request's arrival to the end of its answer.", bucketsDuration,
		labelOperation, labelModel, labelError)
	m.firstToken = histogram(nameFirstToken, "Time from a request's arrival to the first byte of its streamed answer.",
		bucketsFirstToken, labelOperation, labelModel)
	m.perToken = histogram(namePerToken, "Time for each usage token of a streamed answer after the first.", bucketsPerToken,
		labelOperation, labelModel)
	m.usage = histogram(nameUsage, "Usage tokens of an answer that a model server made.", bucketsUsage, labelOperation, labelModel, labelTokenType)
}
