package control

import (
	"context"
	"errors"
	"reflect"
	"slices"

	"github.com/sluicegate/sluice/policies"
	"github.com/sluicegate/sluice/runtime/config"
	"github.com/sluicegate/sluice/runtime/policy"
)

// builtinPolicy names the policy inside the program.
const builtinPolicy = "builtin:default"

// gated is a policy that came through the gate, and what it is made of.
type gated struct {
	policy   *policy.Policy
	source   policy.Source
	options  policy.Options
	tests    policy.Report
	recorded string // digest of the recorded inputs that it was tried with; "" without any
	path     string // where it came from, for people
	field    string // of the configuration that names it, for faults
}

// policy brings the live policy and the candidate beside it through the gate.
func (b *builder) policy(ctx context.Context) {
	src, err := b.source(b.cfg.Policy.Path)
	if err != nil {
		b.fault("policy.path", "%v", err)
		return
	}
	live := gated{source: src, path: b.cfg.Policy.Path, field: "policy.path"}
	if err = b.rememberPolicy(); err == nil {
		live, err = b.choosePolicy(live)
	}
	if err != nil {
		b.fault("policy.path", "%v", err)
		return
	}
	if !b.gate(ctx, &live) {
		return
	}
	b.gen.live, b.gen.snap.Policy = live, live.policy
	b.gen.status.Policy, b.gen.status.PolicyPath = live.policy.Revision(), live.path
	b.shadow(ctx)
}

// gate takes a policy of the generation before, with all it remembers, if nothing it is made of has changed, and else
// brings the new one through all that a policy must meet: strict compile, schema, entry points, its own tests, recorded
// inputs. Faults are noted.
func (b *builder) gate(ctx context.Context, g *gated) bool {
	g.options = b.policyOptions()
	if was := b.was.gated(g); was != nil {
		g.policy, g.tests, g.recorded = was.policy, was.tests, was.recorded
	} else if !b.compile(ctx, g) {
		return false
	}
	return b.recorded(ctx, g)
}

// gated is a policy of the generation that is made of the same, nil if it has none.
func (g *generation) gated(like *gated) *gated {
	if g == nil {
		return nil
	}
	for _, was := range []*gated{&g.live, &g.candidate.gated} {
		if was.policy != nil && reflect.DeepEqual(was.source, like.source) && reflect.DeepEqual(was.options, like.options) {
			return was
		}
	}
	return nil
}

func (b *builder) compile(ctx context.Context, g *gated) bool {
	var err error
	if g.policy, err = policy.Compile(ctx, g.source, g.options); err != nil {
		b.policyFaults(g, err)
		return false
	}
	if g.tests, err = g.source.Test(ctx, g.options); err != nil {
		b.policyFaults(g, err)
		return false
	}
	for _, t := range g.tests.Results {
		if !t.Passed && !t.Skipped {
			b.policyFault(g, t.File, t.Line, 1, "the policy's own test "+t.Name+" fails: "+t.Message)
		}
	}
	return g.tests.Failed == 0
}

// recorded tries the policy with the recorded inputs, unless the same one was tried with the same ones before.
func (b *builder) recorded(ctx context.Context, g *gated) bool {
	was := g.recorded
	g.recorded = ""
	if b.cfg.Policy.Recorded == "" {
		return true
	}
	inputs, err := policy.ReadCorpus(b.cfg.Path(b.cfg.Policy.Recorded))
	if err != nil {
		b.fault("policy.recorded", "%v", err)
		return false
	}
	if g.recorded = inputs.Digest(); g.recorded == was {
		return true
	}
	if _, err := g.policy.Try(ctx, inputs); err != nil {
		b.policyFaults(g, err)
		return false
	}
	return true
}

func (b *builder) policyOptions() policy.Options {
	o := policy.Options{
		Models: b.gen.snap.Names, ReadsText: b.cfg.Policy.ReadsText, Timeout: b.cfg.Policy.Timeout,
		Grants: b.cfg.Policy.Grants, Hosts: b.cfg.Policy.Hosts,
		KeepCalls: b.cfg.Policy.Decisions != nil && b.cfg.Policy.Decisions.NDBuiltinCache,
	}
	for _, s := range b.gen.slots {
		o.Filters = append(o.Filters, s.name)
	}
	for _, f := range b.cfg.Filters { // one that is at fault has a name all the same
		if !slices.Contains(o.Filters, f.Name) {
			o.Filters = append(o.Filters, f.Name)
		}
	}
	return o
}

func (b *builder) source(path string) (policy.Source, error) {
	if path == builtinPolicy {
		return policy.ReadFS(policies.FS, builtinPolicy)
	}
	return policy.ReadDir(b.cfg.Path(path))
}

// policyFaults notes a policy's faults at their own positions.
func (b *builder) policyFaults(g *gated, err error) {
	var faults policy.Faults
	if !errors.As(err, &faults) {
		b.fault(g.field, "%v", err)
		return
	}
	for _, f := range faults {
		b.policyFault(g, f.File, f.Line, f.Col, f.Message)
	}
}

// policyFault notes a fault at its place in the policy, or, where it has none, at the field that names the policy.
func (b *builder) policyFault(g *gated, file string, line, col int, message string) {
	if file == "" {
		b.fault(g.field, "%s: %s", g.path, message)
		return
	}
	at := config.Position{File: file, Line: line, Col: col}
	b.faults = append(b.faults, &config.Fault{Position: at, Path: "policy", Message: message})
}
