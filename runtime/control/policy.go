package control

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/sluicegate/sluice/policies"
	"github.com/sluicegate/sluice/runtime/config"
	"github.com/sluicegate/sluice/runtime/policy"
)

// builtinPolicy names the policy inside the program.
const builtinPolicy = "builtin:default"

// policy brings the live policy and the candidate beside it through the gate.
func (b *builder) policy(ctx context.Context) {
	live := gated{path: b.cfg.Policy.Path, field: "policy.path"}
	names := b.cfg.Policy.Bundle
	if len(names) > 0 {
		live.path, live.field = bundlePath(names), "policy.bundle"
	}
	if len(names) > 0 && (b.was == nil || b.was.snap.Policy.Missing() != "") {
		b.noPolicy(ctx, &live)
	} else if !b.reads(&live) || !b.gate(ctx, &live, guarded(b.cfg)) {
		return
	}
	b.gen.live, b.gen.snap.Policy = live, live.policy
	b.gen.status.Policy, b.gen.status.PolicyPath = live.policy.Revision(), live.path
	b.shadow(ctx)
}

// bundlePrefix begins what names a bundle, for people.
const bundlePrefix = "bundle:"

// bundlePath names a policy that is made of bundles.
func bundlePath(names []string) string { return bundlePrefix + strings.Join(names, "+") }

// reads reads the live policy. Of a bundle it is the one that is live, or whatever decided before, until the feed brings
// another.
func (b *builder) reads(g *gated) bool {
	var err error
	if len(b.cfg.Policy.Bundle) > 0 {
		g.source = b.was.live.source
	} else if g.source, err = b.source(g.path); err == nil && b.cfg.Policy.Signing != nil {
		err = b.verify(g.source)
	}
	if err == nil && !guarded(b.cfg) {
		if err = b.rememberPolicy(); err == nil {
			*g, err = b.choosePolicy(*g)
		}
	}
	if err != nil {
		b.policyFailed(g, err)
	}
	return err == nil
}

// guarded tells whether the policy must come from where the configuration says, and bring tests: a bundle, or a folder that
// must be signed.
func guarded(cfg *config.Config) bool { return len(cfg.Policy.Bundle) > 0 || cfg.Policy.Signing != nil }

// noPolicy stands in until the first bundle is there.
func (b *builder) noPolicy(ctx context.Context, g *gated) {
	why := "no " + g.path + " has been activated yet"
	var err error
	if g.policy, err = policy.None(ctx, why); err != nil {
		panic("control: " + err.Error()) // its text is ours
	}
	g.options, b.gen.status.NoPolicy = b.policyOptions(), why
}

// gate takes a policy of the generation before, with all it remembers, if nothing it is made of has changed, and else
// brings the new one through all that a policy must meet. Faults are noted.
func (b *builder) gate(ctx context.Context, g *gated, must bool) bool {
	g.options = b.policyOptions()
	var err error
	if was := b.was.gated(g); was != nil {
		g.policy, g.tests, g.recorded = was.policy, was.tests, was.recorded
	} else {
		err = g.pass(ctx, b.c.tested, must)
	}
	if err == nil {
		err = g.tried(ctx, b.cfg)
	}
	if err != nil {
		b.policyFailed(g, err)
	}
	return err == nil
}

// gated is a policy of the generation that is made of the same, nil if it has none.
func (g *generation) gated(like *gated) *gated {
	if g == nil {
		return nil
	}
	for _, was := range []*gated{&g.live, &g.candidate.gated} {
		if was.policy != nil && was.madeAs(like) {
			return was
		}
	}
	return nil
}

// policyFailed notes why a policy does not go live.
func (b *builder) policyFailed(g *gated, err error) {
	b.c.gateFailed(g.path, err)
	if corpus := (*corpusError)(nil); errors.As(err, &corpus) {
		b.fault("policy.recorded", "%v", corpus.error)
		return
	}
	b.policyFaults(g, err)
}

func (b *builder) policyOptions() policy.Options {
	o := policy.Options{
		Models: b.gen.snap.Names, ReadsText: b.cfg.Policy.ReadsText, Timeout: b.cfg.Policy.Timeout,
		Labels: b.cfg.OPA.Labels(), Grants: b.cfg.Policy.Grants, Hosts: b.cfg.Policy.Hosts,
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

// verify checks the signature of a folder.
func (b *builder) verify(src policy.Source) error {
	s := b.cfg.Policy.Signing
	text, err := b.cfg.OPA.Resolve(b.cfg.Dir())
	if err != nil {
		return err
	}
	var opa struct{ Keys map[string]policy.Key }
	if err := json.Unmarshal(text, &opa); err != nil {
		return err
	}
	return src.Verify(policy.Signing{Keys: opa.Keys, KeyID: s.KeyID, Scope: s.Scope, Exclude: s.ExcludeFiles}, time.Now())
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
