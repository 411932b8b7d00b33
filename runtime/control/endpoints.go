package control

import (
	"time"

	"github.com/sluicegate/sluice/runtime/config"
	"github.com/sluicegate/sluice/runtime/provider"
	"github.com/sluicegate/sluice/runtime/upstream"
)

// pages makes what the endpoint is asked at intervals.
func (b *builder) pages(path string, e *config.Endpoint, o provider.Options) (*upstream.HealthCheck, *upstream.LoadCheck, bool) {
	var health *upstream.HealthCheck
	if h := e.Health; h != nil {
		health = &upstream.HealthCheck{Interval: h.Interval, Timeout: h.Timeout, Down: h.Unhealthy, Up: h.Healthy}
		if h.Path != "" {
			p, err := provider.NewPage(o, h.Path, h.Timeout)
			if err != nil {
				b.fault(path+".health", "%v", err)
				return nil, nil, false
			}
			health.Page = p
		}
	}
	if e.Load == nil {
		return health, nil, true
	}
	if e.Load.Answers {
		return health, &upstream.LoadCheck{Metrics: e.Load.Metrics, Interval: e.Load.Interval}, true
	}
	p, err := provider.NewPage(o, e.Load.URL, e.Load.Timeout)
	if err != nil {
		b.fault(path+".load", "%v", err)
		return health, nil, false
	}
	return health, &upstream.LoadCheck{Page: p, Metrics: e.Load.Metrics, Interval: e.Load.Interval, Timeout: e.Load.Timeout}, true
}

// watch has the generation's endpoints asked how they are, and no others.
func (c *Controller) watch(gen *generation) {
	if c.dry {
		return
	}
	var pools []*upstream.Pool
	for _, name := range gen.snap.Names {
		pools = append(pools, gen.snap.Models[name].Pool)
	}
	c.watcher.Watch(pools)
}

// EndpointState is how an endpoint does at a moment.
type EndpointState struct {
	Model    string `json:"model"`
	Endpoint string `json:"endpoint"`
	Circuit  string `json:"circuit"` // closed, open or half_open
	Health   string `json:"health"`  // as policies read it
	// Until says how long an open circuit stays so, or a pause that the endpoint asked for.
	Until     time.Time `json:"until,omitzero"`
	Checked   string    `json:"checked,omitempty"` // well or sick, by its health checks; "" without
	LatencyMS float64   `json:"latency_ms,omitempty"`
	InFlight  int       `json:"in_flight"`
	Limit     int       `json:"max_in_flight,omitempty"`
	Waiting   int       `json:"waiting,omitempty"`
	Refused   int64     `json:"refused,omitempty"` // exchanges for which there was no room in the queue
	Load      *float64  `json:"load,omitempty"`    // as last reported
	Draining  bool      `json:"draining,omitempty"`
	Warming   bool      `json:"warming,omitempty"`
	Failures  int       `json:"failures,omitempty"`   // in a row
	ErrorRate float64   `json:"error_rate,omitempty"` // of the calls of the last seconds
}

// Endpoints tells how every endpoint of the current generation does, in the configuration's order.
func (c *Controller) Endpoints() []EndpointState {
	out := []EndpointState{}
	c.eachEndpoint(func(model string, e *upstream.Endpoint, s upstream.State) {
		row := EndpointState{
			Model: model, Endpoint: e.Name(), Circuit: string(s.Circuit), Health: string(s.Health), Until: s.Until,
			LatencyMS: float64(s.Latency) / float64(time.Millisecond), InFlight: s.InFlight, Limit: s.Limit, Waiting: s.Waiting,
			Refused: s.Refused, Draining: s.Draining, Warming: s.Warming, Failures: s.Failures, ErrorRate: s.ErrorRate,
		}
		if s.HasLoad {
			row.Load = &s.Load
		}
		if s.Checked {
			row.Checked = "well"
		}
		if s.Sick {
			row.Checked = "sick"
		}
		out = append(out, row)
	})
	return out
}

func (c *Controller) eachEndpoint(do func(model string, e *upstream.Endpoint, s upstream.State)) {
	gen, now := c.generation(), time.Now()
	if gen == nil {
		return
	}
	for _, name := range gen.snap.Names {
		for _, e := range gen.snap.Models[name].Pool.Endpoints() {
			do(name, e, e.State(now))
		}
	}
}

// endpointFigures adds to the metrics how the endpoints do.
func (c *Controller) endpointFigures() {
	labels := []string{"model", "endpoint"}
	gauges := func(name, help string, figure func(s upstream.State) (float64, bool)) {
		c.metrics.Gauges(name, help, labels, func(add func(float64, ...string)) {
			c.eachEndpoint(func(model string, e *upstream.Endpoint, s upstream.State) {
				if v, ok := figure(s); ok {
					add(v, model, e.Name())
				}
			})
		})
	}
	gauges("sluice_endpoint_circuit", "0 where the circuit is closed, 1 where it is half-open, 2 where it is open.",
		func(s upstream.State) (float64, bool) { return circuits[s.Circuit], true })
	gauges("sluice_endpoint_healthy", "1 where the endpoint passes its health checks, 0 where it does not.",
		func(s upstream.State) (float64, bool) { return indicator(!s.Sick), s.Checked })
	gauges("sluice_endpoint_in_flight", "Calls under way, streams included.",
		func(s upstream.State) (float64, bool) { return float64(s.InFlight), true })
	gauges("sluice_endpoint_waiting", "Exchanges that wait for the endpoint.",
		func(s upstream.State) (float64, bool) { return float64(s.Waiting), true })
	gauges("sluice_endpoint_latency_seconds", "Smoothed time to an answer, of a stream to its first event.",
		func(s upstream.State) (float64, bool) { return s.Latency.Seconds(), s.Latency > 0 })
	gauges("sluice_endpoint_load", "Load as the endpoint reports it.",
		func(s upstream.State) (float64, bool) { return s.Load, s.HasLoad })
	c.metrics.Counters("sluice_endpoint_refused_total", "Exchanges for which there was no room in the endpoint's queue.", labels,
		func(add func(float64, ...string)) {
			c.eachEndpoint(func(model string, e *upstream.Endpoint, s upstream.State) { add(float64(s.Refused), model, e.Name()) })
		})
	c.metrics.Counters("sluice_retries_refused_total", "Retries that were not made because the model's budget was used up.",
		[]string{"model"}, c.retriesRefused)
}

var circuits = map[upstream.Circuit]float64{upstream.CircuitClosed: 0, upstream.CircuitHalfOpen: 1, upstream.CircuitOpen: 2}

func indicator(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

func (c *Controller) retriesRefused(add func(float64, ...string)) {
	if gen := c.generation(); gen != nil {
		for _, name := range gen.snap.Names {
			add(float64(gen.snap.Models[name].Pool.RetriesRefused()), name)
		}
	}
}
