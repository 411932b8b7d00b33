package config

import (
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

func (q *Queue) setDefaults() { q.Timeout = 10 * time.Second }

func (r *Retries) setDefaults() { r.Share, r.Floor = 0.2, 1 }

// checkBalance finds a way of balancing that has nothing to go by.
func checkBalance(d *decoder, path string, m *Model) {
	if m.Balance == "cost" && m.Cost == (Cost{}) && !slices.ContainsFunc(m.Endpoints, func(e Endpoint) bool { return e.Cost != nil }) {
		d.faultAt(path+".balance", "no endpoint has a cost to go by; give endpoints their cost")
	}
}

// checkQueue finds a queue that nobody can be in.
func checkQueue(d *decoder, path string, m *Model) {
	if m.Queue.Size != nil && !slices.ContainsFunc(m.Endpoints, func(e Endpoint) bool { return e.MaxInFlight > 0 }) {
		d.faultAt(path+".queue", "no endpoint has a limit to wait for; give endpoints max_in_flight, or remove this")
	}
}

// CostOf gives the cost of an endpoint of the model: its own, else the model's.
func (m *Model) CostOf(e *Endpoint) Cost {
	if e.Cost != nil {
		return *e.Cost
	}
	return m.Cost
}
