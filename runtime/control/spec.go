package control

import (
	"slices"

	"github.com/sluicegate/sluice/runtime/config"
	"github.com/sluicegate/sluice/runtime/filter"
)

// filterSpec is what the engine is told of a filter, by its settings.
func filterSpec(cfg *config.Filter, module []byte) filter.Spec {
	spec := filter.Spec{
		Name: cfg.Name, Module: module, Config: cfg.Config.Guest, Any: len(cfg.On) == 0,
		Request: slices.Contains(cfg.On, "request"), Answer: slices.Contains(cfg.On, "response"),
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
