package control

import (
	"context"
	"sync"

	"github.com/sluicegate/sluice/runtime/filter"
)

// filterStore keeps loaded filters by all that determines them, so that a reload compiles only what changed.
type filterStore struct {
	engine *filter.Engine
	mu     sync.Mutex
	held   map[string]*heldFilter
	loads  int64 // filters loaded since the start
}

type heldFilter struct {
	filter   *filter.Filter
	refs     int
	canaries []heldCanary
}

// heldCanary is a canary with its counts, which belong to no generation.
type heldCanary struct {
	share, minCalls int
	maxFailures     float64
	canary          *filter.Canary
}

// take gives the filter of a Spec, loading it if no generation has it. give gives it back.
func (s *filterStore) take(ctx context.Context, spec filter.Spec) (f *filter.Filter, give func() error, err error) {
	key := digest(spec)
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.held[key]
	if h == nil {
		f, err := s.engine.Load(ctx, spec)
		if err != nil {
			return nil, nil, err
		}
		s.loads++
		h = &heldFilter{filter: f}
		s.held[key] = h
	}
	h.refs++
	return h.filter, func() error { return s.give(key) }, nil
}

func (s *filterStore) give(key string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.held[key]
	if h.refs--; h.refs > 0 {
		return nil
	}
	delete(s.held, key)
	return h.filter.Close(context.Background())
}

// canary gives a held filter's canary of those settings, with what it has counted so far.
func (s *filterStore) canary(f *filter.Filter, o filter.CanaryOptions) *filter.Canary {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, h := range s.held {
		if h.filter != f {
			continue
		}
		for _, k := range h.canaries {
			if k.share == o.Share && k.minCalls == o.MinCalls && k.maxFailures == o.MaxFailures && !k.canary.Off() {
				return k.canary
			}
		}
		k := filter.NewCanary(f, o)
		h.canaries = append(h.canaries, heldCanary{o.Share, o.MinCalls, o.MaxFailures, k})
		return k
	}
	return filter.NewCanary(f, o)
}

// loaded counts the filters loaded since the start.
func (s *filterStore) loaded() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.loads
}

// The states of a version.
const (
	stateLive     = "live"
	stateCanary   = "canary"
	statePrevious = "previous"     // warm, to be gone back to
	stateOff      = "switched_off" // a canary that was taken back
)

// FilterStats is one version of a filter with its counters.
type FilterStats struct {
	FilterStatus
	filter.Stats
}

// Filters are the versions of the current generation's filters that are loaded, with their counters, in the chain's order:
// of each filter the live one first.
func (c *Controller) Filters() []FilterStats {
	gen := c.generation()
	if gen == nil {
		return nil
	}
	out := []FilterStats{}
	for _, s := range gen.slots {
		for _, st := range s.all() {
			out = append(out, FilterStats{st.status, st.filter.Stats()})
		}
	}
	return out
}

// versionStatus is a loaded version and what is said of it.
type versionStatus struct {
	status FilterStatus
	filter *filter.Filter
}

// all are the slot's versions, the live one first.
func (s *slot) all() []versionStatus {
	out := []versionStatus{{s.live.status(stateLive), s.live.filter}}
	if s.canary != nil {
		st := s.canary.status(stateCanary)
		st.Share = s.share
		if s.switcher.Off() {
			st.State, st.Share = stateOff, 0
		}
		out = append(out, versionStatus{st, s.canary.filter})
	}
	if s.previous != nil {
		out = append(out, versionStatus{s.previous.status(statePrevious), s.previous.filter})
	}
	return out
}

func (v *version) status(state string) FilterStatus {
	f := v.filter
	return FilterStatus{
		Name: f.Name(), Version: v.Version, Module: v.Source, Digest: f.Digest(), Hooks: f.Hooks(), Required: f.Required(), State: state,
	}
}

// chain makes the generation's chain of its slots.
func (g *generation) chain() {
	links := make([]filter.Link, len(g.slots))
	g.status.Filters = nil
	for i, s := range g.slots {
		links[i] = s.link()
		for _, v := range s.all() {
			if v.status.State != statePrevious {
				g.status.Filters = append(g.status.Filters, v.status)
			}
		}
	}
	g.snap.Chain = filter.NewChainOf(links...)
}
