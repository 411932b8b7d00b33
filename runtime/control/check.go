package control

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sluicegate/sluice/runtime/policy"
	"github.com/sluicegate/sluice/runtime/upstream"
)

// Report is what Check found good.
type Report struct {
	Status Status
	Tests  policy.Report
	Probes []Probe // in the config's order; nil unless asked for
}

// Probe is one endpoint asked whether it is there.
type Probe struct {
	Model    string
	Endpoint string
	Took     time.Duration
	Err      error // nil when it answered
}

// Check builds a generation as Reload does, runs the policy's own tests, and closes it again; with probe it also asks
// each endpoint for its models. The error is all the faults found.
func Check(ctx context.Context, o Options, probe bool) (r Report, err error) {
	c, err := New(o)
	if err != nil {
		return Report{}, err
	}
	c.dry = true
	defer func() { err = errors.Join(err, c.Close(context.WithoutCancel(ctx))) }()
	if err := c.Reload(ctx, "check"); err != nil {
		return Report{}, err
	}
	r.Status = c.Status()
	if r.Tests, err = c.testPolicy(ctx); err != nil {
		return Report{}, err
	}
	if probe {
		r.Probes = c.probe(ctx)
	}
	return r, nil
}

// testPolicy runs the policy's own tests. One that fails is a fault.
func (c *Controller) testPolicy(ctx context.Context) (policy.Report, error) {
	b := &builder{c: c, cfg: c.current.config, gen: c.current}
	src, err := b.source()
	if err != nil {
		return policy.Report{}, err
	}
	report, err := src.Test(ctx, b.policyOptions())
	if err != nil {
		return report, err
	}
	var failed []error
	for _, t := range report.Results {
		if !t.Passed && !t.Skipped {
			failed = append(failed, fmt.Errorf("%s:%d: %s failed: %s", t.File, t.Line, t.Name, t.Message))
		}
	}
	return report, errors.Join(failed...)
}

// probeTime bounds the question to one endpoint.
const probeTime = 10 * time.Second

func (c *Controller) probe(ctx context.Context) []Probe {
	var out []Probe
	for _, name := range c.current.snap.Names {
		for _, ep := range c.current.snap.Models[name].Pool.Endpoints() {
			start := time.Now()
			err := probeOne(ctx, ep)
			out = append(out, Probe{Model: name, Endpoint: ep.Name(), Took: time.Since(start).Round(time.Millisecond), Err: err})
		}
	}
	return out
}

func probeOne(ctx context.Context, ep *upstream.Endpoint) error {
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	return errors.ErrUnsupported //PROBE
}
