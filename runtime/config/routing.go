package config

import (
	"net/url"
	"slices"
	"time"
)

// Queue bounds the exchanges that wait for an endpoint. Tenants take turns in it.
type Queue struct {
	// Size is how many may wait at each endpoint; left out, as many as its max_in_flight, so that the wait is about as long
	// as an answer takes.
	Size *int `yaml:"size" jsonschema:"minimum=0,maximum=100000"`
	// Timeout is the longest wait.
	Timeout time.Duration `yaml:"timeout"`
}

// Retries are a budget: requests fill it, retries empty it.
type Retries struct {
	// Share is how many retries there may be for each request, such as 0.2.
	Share float64 `yaml:"share" jsonschema:"minimum=0,maximum=10"`
	// Floor is how many retries there may be in a second, however few requests there are; it is averaged over ten seconds.
	Floor float64 `yaml:"floor" jsonschema:"minimum=0,maximum=1000"`
}

// Breaker says when an endpoint's circuit opens: it is out of the rotation then, but for one call at a time that tells
// whether it is well again. What the caller is to blame for, and a wish for a pause (429), is no failure.
type Breaker struct {
	// Failures is how many failures in a row open it.
	Failures int `yaml:"failures" jsonschema:"minimum=1,maximum=10000"`
	// ErrorRate is the share of failures among the calls of the last window, or two, that opens it.
	ErrorRate float64 `yaml:"error_rate" jsonschema:"minimum=0,maximum=1"`
	// MinCalls is how many calls there must be for the error rate to count.
	MinCalls int `yaml:"min_calls" jsonschema:"minimum=1,maximum=1000000"`
	// Window is the time that the error rate is of.
	Window time.Duration `yaml:"window"`
	// Ejection is how long it is open at first; each failure of the call that probes doubles it.
	Ejection time.Duration `yaml:"ejection"`
	// MaxEjection is the longest.
	MaxEjection time.Duration `yaml:"max_ejection"`
}

// Health is a check of an endpoint's health. Nothing of any caller's is sent.
type Health struct {
	// Path is what to get from the endpoint's host, such as /health; left out, its list of models.
	Path string `yaml:"path"`
	// Interval is the time between two questions.
	Interval time.Duration `yaml:"interval"`
	// Timeout bounds one question.
	Timeout time.Duration `yaml:"timeout"`
	// Unhealthy is how many failures in a row put the endpoint out of the rotation.
	Unhealthy int `yaml:"unhealthy" jsonschema:"minimum=1,maximum=100"`
	// Healthy is how many good answers in a row bring it back.
	Healthy int `yaml:"healthy" jsonschema:"minimum=1,maximum=100"`
}

// LoadPage is where an endpoint reports how busy it is: one of url and answers.
type LoadPage struct {
	// URL is a page of metrics in Prometheus' text format, such as http://127.0.0.1:8000/metrics.
	URL string `yaml:"url"`
	// Answers asks the endpoint to say it with each answer, in the field endpoint-load-metrics (ORCA), as vLLM and Triton can.
	// A report counts for three intervals.
	Answers bool `yaml:"answers"`
	// Metrics are those whose values are added to the load, such as vllm:num_requests_waiting of a page, or
	// named_metrics.num_requests_waiting of answers.
	Metrics []string `yaml:"metrics" jsonschema:"required"`
	// Interval is the time between two readings.
	Interval time.Duration `yaml:"interval"`
	// Timeout bounds one reading.
	Timeout time.Duration `yaml:"timeout"`
}

func (h *Health) setDefaults() {
	h.Interval, h.Timeout, h.Unhealthy, h.Healthy = 10*time.Second, 3*time.Second, 3, 1
}

func (l *LoadPage) setDefaults() { l.Interval, l.Timeout = 5*time.Second, 2*time.Second }

func (b *Breaker) setDefaults() {
	*b = Breaker{Failures: 3, ErrorRate: 0.5, MinCalls: 20, Window: 10 * time.Second, Ejection: 2 * time.Second, MaxEjection: time.Minute}
}

func (q *Queue) setDefaults() { q.Timeout = 10 * time.Second }

func (r *Retries) setDefaults() { r.Share, r.Floor = 0.2, 1 }

// checkBalance finds a way of balancing that has nothing to go by.
func checkBalance(d *decoder, path string, m *Model) {
	if m.Balance == "cost" && m.Cost == (Cost{}) && !slices.ContainsFunc(m.Endpoints, func(e Endpoint) bool { return e.Cost != nil }) {
		d.faultAt(path+".balance", "no endpoint has a cost to go by; give endpoints their cost")
	}
	if m.Balance == "load" && d.clean(path+".endpoints") && !slices.ContainsFunc(m.Endpoints, func(e Endpoint) bool { return e.Load != nil }) {
		d.faultAt(path+".balance", "no endpoint says how busy it is; give endpoints their load")
	}
}

// checkWatch finds questions that cannot be put to the endpoint.
func checkWatch(d *decoder, path string, e *Endpoint) {
	if h := e.Health; h != nil {
		switch {
		case e.Provider == demo:
			d.faultAt(path+".health", "the demo model has no health to ask for; remove this")
		case h.Path != "" && !healthPath(h.Path):
			d.faultAt(path+".health.path", "expected a path such as /health, without host, query or fragment")
		}
		if h.Timeout > h.Interval {
			d.faultAt(path+".health.timeout", "longer than the interval; make it at most that")
		}
	}
	if l := e.Load; l != nil {
		switch _, ok := baseURL(l.URL); {
		case e.Provider == demo:
			d.faultAt(path+".load", "the demo model has no load to ask for; remove this")
		case d.clean(path+".load") && (l.URL == "") != l.Answers:
			d.faultAt(path+".load", "expected one of url and answers; write where the endpoint says how busy it is")
		case l.URL != "" && !ok:
			d.faultAt(path+".load.url", "expected a URL such as http://127.0.0.1:8000/metrics, without user, query or fragment")
		}
		if l.Timeout > l.Interval {
			d.faultAt(path+".load.timeout", "longer than the interval; make it at most that")
		}
	}
}

func healthPath(s string) bool {
	u, err := url.Parse(s)
	return err == nil && s[0] == '/' && u.Host == "" && u.RawQuery == "" && !u.ForceQuery && u.Fragment == ""
}

// checkQueue finds a queue that nobody can be in.
func checkQueue(d *decoder, path string, m *Model) {
	if m.Queue.Size != nil && !slices.ContainsFunc(m.Endpoints, func(e Endpoint) bool { return e.MaxInFlight > 0 }) {
		d.faultAt(path+".queue", "no endpoint has a limit to wait for; give endpoints max_in_flight, or remove this")
	}
}

// checkBreaker finds a longest time that is none, and a rate that every call has.
func checkBreaker(d *decoder, path string, b *Breaker) {
	switch {
	case b == nil || !d.clean(path):
	case b.ErrorRate == 0:
		d.faultAt(path+".error_rate", "all calls have at least that; write more than 0, or 1 for those of which none succeeds")
	case b.Ejection > b.MaxEjection:
		d.faultAt(path+".ejection", "longer than max_ejection, which is %v; make it at most that, or raise that", b.MaxEjection)
	}
}

// BreakerOf gives the breaker of an endpoint of the model: its own, else the model's.
func (m *Model) BreakerOf(e *Endpoint) Breaker {
	if e.Breaker != nil {
		return *e.Breaker
	}
	return m.Breaker
}

// CostOf gives the cost of an endpoint of the model: its own, else the model's.
func (m *Model) CostOf(e *Endpoint) Cost {
	if e.Cost != nil {
		return *e.Cost
	}
	return m.Cost
}
