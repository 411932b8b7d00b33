package control

import (
	"fmt"
	"slices"

	"github.com/sluicegate/sluice/runtime/config"
	"github.com/sluicegate/sluice/runtime/pipeline"
	"github.com/sluicegate/sluice/runtime/policy"
	"github.com/sluicegate/sluice/runtime/provider"
	"github.com/sluicegate/sluice/runtime/upstream"
)

// models makes a pool of endpoints for each model.
func (b *builder) models() {
	for i := range b.cfg.Models {
		m := &b.cfg.Models[i]
		path := fmt.Sprintf("models[%d]", i)
		st := ModelStatus{Name: m.Name}
		var eps []*upstream.Endpoint
		for j := range m.Endpoints {
			e := &m.Endpoints[j]
			if ep := b.endpoint(fmt.Sprintf("%s.endpoints[%d]", path, j), m, e); ep != nil {
				eps = append(eps, ep)
			}
			st.Endpoints = append(st.Endpoints, EndpointStatus{Name: e.Name, Provider: e.Provider, URL: string(e.URL)})
		}
		pool, err := upstream.NewPool(poolOptions(m, eps))
		if err != nil {
			b.fault(path+".balance", "%v", err)
			continue
		}
		b.gen.closer = append(b.gen.closer, pool.Close)
		b.gen.snap.Models[m.Name] = &pipeline.Model{
			Name: m.Name, Pool: pool, Digest: digest(identity(m)), Opaque: m.Opaque == "allow", Input: m.Cost.Input, Output: m.Cost.Output,
			Prices: prices(m),
			Facts: policy.ModelFacts{
				Name: m.Name, Labels: m.Labels, Input: m.Cost.Input, Output: m.Cost.Output, Context: m.Context,
			},
		}
		b.gen.snap.Names = append(b.gen.snap.Names, m.Name)
		b.gen.status.Models = append(b.gen.status.Models, st)
	}
}

func poolOptions(m *config.Model, eps []*upstream.Endpoint) upstream.PoolOptions {
	size := -1
	if m.Queue.Size != nil {
		size = *m.Queue.Size
	}
	return upstream.PoolOptions{
		Model: m.Name, Endpoints: eps, Balance: m.Balance,
		Queue: upstream.Queue{Size: size, Timeout: m.Queue.Timeout}, Retries: upstream.Retries(m.Retries),
	}
}

// identity is what of a model's definition its answers may depend on: not how its endpoints share the work, which may
// change without making the answers in the cache worthless.
func identity(m *config.Model) config.Model {
	out := *m
	out.Balance, out.Cost, out.Queue, out.Retries, out.Breaker = "", config.Cost{}, config.Queue{}, config.Retries{}, config.Breaker{}
	out.Endpoints = slices.Clone(m.Endpoints)
	for i := range out.Endpoints {
		e := &out.Endpoints[i]
		e.Weight, e.Cost, e.Drain, e.WarmUp, e.MaxInFlight, e.Timeouts = 0, nil, false, 0, 0, config.EndpointTimeouts{}
		e.Health, e.Load, e.Breaker = nil, nil, nil
	}
	return out
}

// prices are those of the endpoints that have one of their own.
func prices(m *config.Model) map[string]pipeline.Price {
	out := map[string]pipeline.Price{}
	for i := range m.Endpoints {
		if e := &m.Endpoints[i]; e.Cost != nil {
			out[e.Name] = pipeline.Price(*e.Cost)
		}
	}
	return out
}

func (b *builder) endpoint(path string, m *config.Model, e *config.Endpoint) *upstream.Endpoint {
	if e.Registered != nil && !b.registered(path, e) {
		return nil
	}
	o := provider.Options{
		URL: string(e.URL), Model: string(e.Model), Registry: b.c.registry, APIs: e.APIs, APIVersion: e.APIVersion, Family: e.Family, MaxOutput: int64(m.MaxOutput),
		Unknown: provider.Unknown(e.UnknownParameters), Parameters: e.Parameters,
		Betas: e.Betas, MaxAnswer: int(b.cfg.Limits.Answer), MaxEvent: int(b.cfg.Limits.Event),
		Timeouts: upstream.Timeouts{Connect: e.Timeouts.Connect, FirstByte: e.Timeouts.FirstByte, Idle: e.Timeouts.Idle},
	}
	if !b.secrets(path, e, &o) {
		return nil
	}
	caller, err := provider.New(e.Provider, o)
	if err != nil {
		b.fault(path, "%v", err)
		return nil
	}
	name := string(e.Model)
	if name == "" {
		name = m.Name
	}
	cost := m.CostOf(e)
	health, load, ok := b.pages(path, e, o)
	if !ok {
		_ = upstream.NewEndpoint(upstream.EndpointOptions{Caller: caller, Health: health}).Close() // the fault says it all
		return nil
	}
	return upstream.NewEndpoint(upstream.EndpointOptions{
		Health: health, Load: load, Breaker: upstream.Breaker(m.BreakerOf(e)),
		Name: e.Name, URL: string(e.URL), Model: name, Labels: e.Labels, Requires: e.Requires, Weight: e.Weight,
		Cost: cost.Input + cost.Output, WarmUp: e.WarmUp, Drain: e.Drain, MaxInFlight: e.MaxInFlight,
		Caller: caller, Registry: b.c.registry,
	})
}

// secrets opens the endpoint's credential and reads its certificates.
func (b *builder) secrets(path string, e *config.Endpoint, o *provider.Options) (ok bool) {
	if e.Credential != nil {
		if o.Credential, ok = b.credential(path+".credential", e.Credential); !ok {
			return false
		}
	}
	if e.ClientCert != "" {
		pair, ok := b.pair(path+".client_cert", e.ClientCert, e.ClientKey)
		if !ok {
			return false
		}
		b.gen.pairs = append(b.gen.pairs, usedPair{path, pair})
		o.ClientCert = &upstream.ClientCert{Name: b.cfg.Path(e.ClientCert) + " " + b.cfg.Path(e.ClientKey), Get: pair.Client}
	}
	o.RootCAs, ok = b.certificates(path+".ca_file", e.CAFile)
	return ok
}
