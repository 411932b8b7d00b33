package control

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"

	builtin "github.com/sluicegate/sluice/filters"
	"github.com/sluicegate/sluice/runtime/config"
	"github.com/sluicegate/sluice/runtime/filter"
)

// filterStore keeps loaded filters by all that determines them, so that a reload compiles only what changed.
type filterStore struct {
	engine *filter.Engine
	mu     sync.Mutex
	held   map[string]*heldFilter
}

type heldFilter struct {
	filter *filter.Filter
	refs   int
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

// FilterStats is one live filter with its counters.
type FilterStats struct {
	FilterStatus
	filter.Stats
}

// Filters are the current generation's filters with their counters.
func (c *Controller) Filters() []FilterStats {
	gen := c.generation()
	if gen == nil {
		return nil
	}
	out := make([]FilterStats, len(gen.filters))
	for i, f := range gen.filters {
		out[i] = FilterStats{gen.status.Filters[i], f.Stats()}
	}
	return out
}

// filters loads the chain.
func (b *builder) filters(ctx context.Context) {
	var chain []*filter.Filter
	for i := range b.cfg.Filters {
		path := fmt.Sprintf("filters[%d]", i)
		if f := b.filter(ctx, path, &b.cfg.Filters[i]); f != nil {
			chain = append(chain, f)
		}
	}
	b.gen.snap.Chain = filter.NewChain(chain...)
}

func (b *builder) filter(ctx context.Context, path string, cfg *config.Filter) *filter.Filter {
	module, err := b.module(cfg.Module)
	if err != nil {
		b.fault(path+".module", "%v", err)
		return nil
	}
	spec := filterSpec(cfg, module)
	if cfg.HMACKey != nil {
		secret, err := cfg.HMACKey.Resolve(b.cfg.Dir())
		if err != nil {
			b.fault(path+".hmac_key", "%v", err)
			return nil
		}
		spec.HMACKey = []byte(secret)
	}
	f, give, err := b.c.filters.take(ctx, spec)
	if err != nil {
		b.fault(path+".module", "%s: %v", cfg.Module, err)
		return nil
	}
	b.gen.closer = append(b.gen.closer, give)
	b.gen.filters = append(b.gen.filters, f)
	b.gen.status.Filters = append(b.gen.status.Filters, FilterStatus{
		Name: f.Name(), Version: f.Version(), Module: cfg.Module, Digest: f.Digest(), Hooks: f.Hooks(), Required: f.Required(),
	})
	return f
}

// module reads a module's bytes, once.
func (b *builder) module(name string) ([]byte, error) {
	if short, ok := strings.CutPrefix(name, "builtin:"); ok {
		module, ok := builtin.Builtin(short)
		if !ok {
			return nil, fmt.Errorf("no built-in filter %q; there are: %s", short, strings.Join(builtin.Builtins(), ", "))
		}
		return module, nil
	}
	module, err := os.ReadFile(b.cfg.Path(name))
	if err != nil {
		return nil, fmt.Errorf("cannot read the filter: %w; name a .wasm file, relative to the config file", err)
	}
	return module, nil
}

func filterSpec(cfg *config.Filter, module []byte) filter.Spec {
	wants := func(direction string) bool { return len(cfg.On) == 0 || slices.Contains(cfg.On, direction) }
	spec := filter.Spec{
		Name: cfg.Name, Module: module, Request: wants("request"), Answer: wants("response"), Config: cfg.Config.Guest,
		Grants: cfg.Grants, Optional: !cfg.Required, FailOpen: cfg.Fail == "open", View: cfg.View,
		Limits: filter.Limits{
			MemoryPages: int(cfg.Limits.Memory / (64 << 10)), Output: int(cfg.Limits.Output),
			Labels: cfg.Limits.Labels, Logs: cfg.Limits.Logs, Total: cfg.Limits.Time, Base: cfg.Limits.Base, PerByte: cfg.Limits.PerByte,
			Instances: cfg.Limits.Instances, Idle: cfg.Limits.Idle, Held: int(cfg.Limits.Held), Lanes: cfg.Limits.Lanes, Open: int(cfg.Limits.Open),
		},
		Isolation: cfg.Isolation,
	}
	if cfg.Config.Text != "" {
		spec.Config = []byte(cfg.Config.Text)
	}
	if cfg.Stream != "hold" {
		spec.Whole = cfg.Stream
	}
	spec.Actions.Request, spec.Actions.DefaultRequest = actions(cfg.Config.Request)
	spec.Actions.Answer, spec.Actions.DefaultAnswer = actions(cfg.Config.Response)
	return spec
}

// actions splits the kind default from the others.
func actions(from config.Actions) (byKind map[string]filter.Action, byDefault filter.Action) {
	byKind = map[string]filter.Action{}
	for kind, action := range from {
		if kind == "default" {
			byDefault = filter.Action(action)
			continue
		}
		byKind[kind] = filter.Action(action)
	}
	return byKind, byDefault
}
