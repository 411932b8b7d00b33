package config

import "slices"

// checkBalance finds a way of balancing that has nothing to go by.
func checkBalance(d *decoder, path string, m *Model) {
	if m.Balance == "cost" && m.Cost == (Cost{}) && !slices.ContainsFunc(m.Endpoints, func(e Endpoint) bool { return e.Cost != nil }) {
		d.faultAt(path+".balance", "no endpoint has a cost to go by; give endpoints their cost")
	}
}

// CostOf gives the cost of an endpoint of the model: its own, else the model's.
func (m *Model) CostOf(e *Endpoint) Cost {
	if e.Cost != nil {
		return *e.Cost
	}
	return m.Cost
}
