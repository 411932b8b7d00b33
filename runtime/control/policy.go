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

// policy takes the policy of the generation before, with all it remembers, if nothing it is made of has changed, and
// else brings the new one through the gate: strict compile, schema, entry points, its own tests, recorded inputs.
func (b *builder) policy(ctx context.Context) {
	src, err := b.source()
	if err != nil {
		b.fault("policy.path", "%v", err)
		return
	}
	b.gen.source, b.gen.options = src, b.policyOptions()
	if was := b.was; was != nil && reflect.DeepEqual(was.source, src) && reflect.DeepEqual(was.options, b.gen.options) {
		b.gen.snap.Policy, b.gen.tests = was.snap.Policy, was.tests
	} else if !b.compile(ctx) {
		return
	}
	if !b.recorded(ctx) {
		return
	}
	b.gen.status.Policy, b.gen.status.PolicyPath = b.gen.snap.Policy.Revision(), b.cfg.Policy.Path
}

func (b *builder) compile(ctx context.Context) bool {
	p, err := policy.Compile(ctx, b.gen.source, b.gen.options)
	if err != nil {
		b.policyFaults(err)
		return false
	}
	b.gen.snap.Policy = p
	if b.gen.tests, err = b.gen.source.Test(ctx, b.gen.options); err != nil {
		b.policyFaults(err)
		return false
	}
	for _, t := range b.gen.tests.Results {
		if !t.Passed && !t.Skipped {
			b.policyFault(t.File, t.Line, 1, "the policy's own test "+t.Name+" fails: "+t.Message)
		}
	}
	return b.gen.tests.Failed == 0
}

// recorded tries the policy with the recorded inputs, unless the same one was tried with the same ones before.
func (b *builder) recorded(ctx context.Context) bool {
	if b.cfg.Policy.Recorded == "" {
		return true
	}
	inputs, err := policy.ReadCorpus(b.cfg.Path(b.cfg.Policy.Recorded))
	if err != nil {
		b.fault("policy.recorded", "%v", err)
		return false
	}
	b.gen.recorded = inputs.Digest()
	if was := b.was; was != nil && was.snap.Policy == b.gen.snap.Policy && was.recorded == b.gen.recorded {
		return true
	}
	if _, err := b.gen.snap.Policy.Try(ctx, inputs); err != nil {
		b.policyFaults(err)
		return false
	}
	return true
}

func (b *builder) policyOptions() policy.Options {
	o := policy.Options{
		Models: b.gen.snap.Names, ReadsText: b.cfg.Policy.ReadsText, Timeout: b.cfg.Policy.Timeout,
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

func (b *builder) source() (policy.Source, error) {
	if b.cfg.Policy.Path == builtinPolicy {
		return policy.ReadFS(policies.FS, builtinPolicy)
	}
	return policy.ReadDir(b.cfg.Path(b.cfg.Policy.Path))
}

// policyFaults notes a policy's faults at their own positions.
func (b *builder) policyFaults(err error) {
	var faults policy.Faults
	if !errors.As(err, &faults) {
		b.fault("policy.path", "%v", err)
		return
	}
	for _, f := range faults {
		b.policyFault(f.File, f.Line, f.Col, f.Message)
	}
}

// policyFault notes a fault at its place in the policy, or, where it has none, at the field that names the policy.
func (b *builder) policyFault(file string, line, col int, message string) {
	if file == "" {
		b.fault("policy.path", "%s: %s", b.cfg.Policy.Path, message)
		return
	}
	at := config.Position{File: file, Line: line, Col: col}
	b.faults = append(b.faults, &config.Fault{Position: at, Path: "policy", Message: message})
}
