package control

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sluicegate/sluice/runtime/exchange"
)

// ToldCandidate is an endpoint, or a whole model, that might have served the request, and what became of it.
type ToldCandidate struct {
	Model    string `json:"model"`
	Endpoint string `json:"endpoint,omitempty"`
	Fate     string `json:"fate"`            // one of the Fates
	State    string `json:"state,omitempty"` // how it stood when the order was made: an exchange.Standing
	Why      string `json:"why,omitempty"`
}

// The fates of candidates.
const (
	FateAnswered   = "answered"
	FateCached     = "cached" // its answer came from the cache, or from an identical request under way
	FateFailed     = "failed"
	FateNotReached = "not_reached" // one before it answered, or the time was up
	FatePassed     = "passed_over"
	FateNotChosen  = "not_chosen" // the decision does not name the model
)

// ToldKey is what the cache's key was made of: names, scopes and digests, never the key or text.
type ToldKey struct {
	Status      string       `json:"status,omitempty"` // what the cache did
	Mode        string       `json:"mode"`             // what the decision lets it do
	Scope       string       `json:"scope,omitempty"`  // whose the entry is: principal or tenant
	Of          string       `json:"of,omitempty"`     // the principal's id, or the tenant
	Operation   string       `json:"operation,omitempty"`
	Model       string       `json:"model,omitempty"`        // the first that the decision allows
	ModelDigest string       `json:"model_digest,omitempty"` // of its definition as it is now
	Filters     []ToldFilter `json:"filters,omitempty"`      // that ran
	Facts       []string     `json:"facts,omitempty"`        // that filters may ask for, and may depend on
	Body        string       `json:"body,omitempty"`
}

// ToldFilter is one filter in the key.
type ToldFilter struct {
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
	Digest  string `json:"digest"` // SHA-256 of the module, hex
}

// told is what is read of an event and of a record.
type told struct {
	event struct {
		Input struct {
			Principal struct{ ID, Tenant string }
			Operation string
			Model     string
			Models    map[string]any
		}
		Result struct {
			Allowed   bool
			Models    []string
			Endpoints struct{ Labels map[string]string }
			Cache     struct{ Mode, Scope string }
		}
	}
	record struct {
		Model, Endpoint string
		Cache           string
		Filters         []ToldFilter
		Candidates      []struct {
			Model, Endpoint string
			State           exchange.Standing
		}
		Attempts []toldAttempt
	}
}

type toldAttempt struct {
	Model, Endpoint, Code string
	Status                int
}

// tell adds what can be told by the event and the record alone, and by the configuration as it is now.
func (g *generation) tell(e *Explained) {
	var t told
	if json.Unmarshal(e.Event, &t.event) != nil || !t.event.Result.Allowed {
		return
	}
	if len(t.event.Result.Models) == 0 {
		t.event.Result.Models = []string{t.event.Input.Model}
	}
	if e.Record != nil && json.Unmarshal(e.Record, &t.record) != nil {
		return
	}
	e.Candidates, e.CacheKey = g.candidates(&t), g.cacheKey(&t)
}

// candidates are those on the plan and those passed over, as recorded, and the models that the decision does not name.
func (g *generation) candidates(t *told) []ToldCandidate {
	var out []ToldCandidate
	switch r := &t.record; {
	case r.Cache == string(exchange.CacheHit) || r.Cache == string(exchange.CacheCoalesced):
		out = append(out, ToldCandidate{Model: r.Model, Endpoint: r.Endpoint, Fate: FateCached})
	case len(r.Candidates) > 0:
		for _, c := range r.Candidates {
			out = append(out, g.fate(t, c.Model, c.Endpoint, c.State))
		}
	default:
		for _, a := range r.Attempts {
			out = append(out, g.fate(t, a.Model, a.Endpoint, ""))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(t.event.Input.Models)) {
		if !slices.Contains(t.event.Result.Models, name) {
			out = append(out, ToldCandidate{Model: name, Fate: FateNotChosen, Why: "the decision does not name the model"})
		}
	}
	return out
}

// fate tells what became of one.
func (g *generation) fate(t *told, model, endpoint string, state exchange.Standing) ToldCandidate {
	c := ToldCandidate{Model: model, Endpoint: endpoint, State: string(state), Fate: FateNotReached}
	if state.Passed() {
		c.Fate, c.Why = FatePassed, g.passed(t, model, endpoint, state)
		return c
	}
	tried := 0
	for _, a := range t.record.Attempts {
		if a.Model != model || a.Endpoint != endpoint {
			continue
		}
		tried++
		c.Fate, c.Why = FateAnswered, ""
		if a.Code != "" {
			c.Fate, c.Why = FateFailed, strings.TrimSpace(fmt.Sprintf("%s %s", a.Code, statusOf(a.Status)))
		}
	}
	switch {
	case tried > 1:
		c.Why = strings.TrimSpace(fmt.Sprintf("%s, tried %d times", c.Why, tried))
	case tried == 0 && len(t.record.Attempts) > 0:
		c.Why = "the attempts ended before it"
	}
	return c
}

func statusOf(n int) string {
	if n == 0 {
		return "without an answer"
	}
	return fmt.Sprintf("with status %d", n)
}

// passed says why an endpoint was never to be tried: as recorded, with what the configuration says of it now.
func (g *generation) passed(t *told, model, endpoint string, state exchange.Standing) string {
	switch state {
	case exchange.PassedOpaque:
		return "the request holds what no text filter can read, and the model does not say opaque: allow"
	case exchange.PassedDrains:
		return "the configuration takes it out of use"
	case exchange.PassedLabels:
		return "the decision asks for endpoints with " + labelWords(t.event.Result.Endpoints.Labels) + g.labelsOf(model, endpoint)
	default:
		return "a filter that it requires did not run" + g.requiredBy(model, endpoint)
	}
}

func (g *generation) labelsOf(model, endpoint string) string {
	for _, m := range g.config.Models {
		for _, e := range m.Endpoints {
			if m.Name == model && e.Name == endpoint {
				return "; it has " + labelWords(e.Labels)
			}
		}
	}
	return ""
}

func (g *generation) requiredBy(model, endpoint string) string {
	for _, m := range g.config.Models {
		for _, e := range m.Endpoints {
			if m.Name == model && e.Name == endpoint && len(e.Requires) > 0 {
				return ": it requires " + strings.Join(e.Requires, ", ")
			}
		}
	}
	return ""
}

func labelWords(labels map[string]string) string {
	var words []string
	for _, k := range slices.Sorted(maps.Keys(labels)) {
		words = append(words, k+"="+labels[k])
	}
	if len(words) == 0 {
		return "no labels"
	}
	return strings.Join(words, ", ")
}

// cacheKey tells the parts of the key; nil where nobody knows what became of the exchange.
func (g *generation) cacheKey(t *told) *ToldKey {
	d, in := &t.event.Result, &t.event.Input
	k := &ToldKey{Status: t.record.Cache, Mode: d.Cache.Mode}
	if k.Mode == "" || k.Mode == "off" {
		k.Mode = "off"
		return k
	}
	k.Scope, k.Of = "principal", in.Principal.ID
	if d.Cache.Scope == string(exchange.ScopeTenant) {
		k.Scope, k.Of = d.Cache.Scope, in.Principal.Tenant
	}
	k.Operation, k.Model, k.Filters = in.Operation, d.Models[0], t.record.Filters
	if m := g.snap.Models[k.Model]; m != nil {
		k.ModelDigest = m.Digest
	}
	for _, f := range g.config.Filters {
		k.Facts = append(k.Facts, f.Grants...)
	}
	slices.Sort(k.Facts)
	k.Facts = slices.Compact(k.Facts)
	k.Body = "the request as it would be sent, without stream and stream_options"
	return k
}
