package control

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"time"

	"github.com/sluicegate/sluice/policies"
	"github.com/sluicegate/sluice/runtime/config"
	"github.com/sluicegate/sluice/runtime/filter"
	"github.com/sluicegate/sluice/runtime/pipeline"
	"github.com/sluicegate/sluice/runtime/policy"
	"github.com/sluicegate/sluice/runtime/strictjson"
)

// builtinPolicy names the policy inside the program.
const builtinPolicy = "builtin:default"

// generation is a built Snapshot with what it is made of.
type generation struct {
	config  *config.Config
	snap    *pipeline.Snapshot
	status  *Status
	filters []*filter.Filter
	closer  []func() error // ends what only this generation uses
}

func (g *generation) close() error {
	var errs []error
	for i := len(g.closer) - 1; i >= 0; i-- {
		errs = append(errs, g.closer[i]())
	}
	g.closer = nil
	return errors.Join(errs...)
}

// builder makes one generation. Its steps add what they open to gen.closer and what they find wrong to faults, so that
// one run tells everything.
type builder struct {
	c      *Controller
	cfg    *config.Config
	gen    *generation
	faults config.Faults
}

// build makes a generation of the files as they are. What it opened is closed again when anything is at fault.
func (c *Controller) build(ctx context.Context) (*generation, error) {
	cfg, err := config.Load(c.opts.Config)
	if err != nil {
		c.seen = look(append([]string{c.opts.Config}, c.seen.roots...))
		return nil, err
	}
	c.seen = look(filesOf(c.opts.Config, cfg)) // before they are read: a change made meanwhile is seen by the next look
	b := &builder{c: c, cfg: cfg, gen: &generation{config: cfg, status: &Status{Since: time.Now()}}}
	b.run(ctx)
	if err := b.faults.Err(); err != nil {
		_ = b.gen.close() // the faults are what matters
		return nil, err
	}
	c.next++
	b.gen.snap.Generation, b.gen.status.Generation = c.next, c.next
	return b.gen, nil
}

func (b *builder) run(ctx context.Context) {
	b.gen.snap = &pipeline.Snapshot{
		Created: b.gen.status.Since,
		Limits:  strictjson.Limits{MaxBytes: int(b.cfg.Limits.Body), MaxDepth: b.cfg.Limits.Depth},
		Models:  map[string]*pipeline.Model{},
	}
	b.auth()
	b.models()
	b.filters(ctx)
	b.policy(ctx)
	b.keepers()
	gen := b.gen
	gen.snap.Close = func() {
		if err := gen.close(); err != nil {
			b.c.log.Warn("closing a retired generation", "generation", gen.snap.Generation, "error", err)
		}
	}
}

// fault notes what is wrong with a field.
func (b *builder) fault(path, format string, args ...any) {
	b.faults = append(b.faults, b.cfg.Fault(path, format, args...))
}

// policy compiles the policy and notes all that is wrong with it.
func (b *builder) policy(ctx context.Context) {
	src, err := b.source()
	if err != nil {
		b.fault("policy.path", "%v", err)
		return
	}
	p, err := policy.Compile(ctx, src, b.policyOptions())
	if err != nil {
		b.policyFaults(err)
		return
	}
	b.gen.snap.Policy = p
	b.gen.status.Policy, b.gen.status.PolicyPath = p.Revision(), b.cfg.Policy.Path
}

func (b *builder) policyOptions() policy.Options {
	o := policy.Options{
		Models: b.gen.snap.Names, ReadsText: b.cfg.Policy.ReadsText, Timeout: b.cfg.Policy.Timeout,
	}
	for _, f := range b.cfg.Filters {
		o.Filters = append(o.Filters, f.Name)
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
		b.faults = append(b.faults, &config.Fault{
			Position: config.Position{File: f.File, Line: f.Line, Col: f.Col}, Path: "policy", Message: f.Message,
		})
	}
}

// digest is the SHA-256 of anything that JSON can write, in hex.
func digest(parts ...any) string {
	h := sha256.New()
	enc := json.NewEncoder(h)
	for _, p := range parts {
		_ = enc.Encode(p) // plain data into a hash: neither fails
	}
	return hex.EncodeToString(h.Sum(nil))
}
