package control

import (
	"context"
	"errors"
	"time"

	"github.com/sluicegate/sluice/runtime/pipeline"
	"github.com/sluicegate/sluice/runtime/policy"
)

// Evaluate builds the configuration as Check does and takes one request through it up to its decision; nothing is
// written or forwarded. The error is all the faults of the configuration.
func Evaluate(ctx context.Context, o Options, q pipeline.Question) (e pipeline.Evaluation, err error) {
	c, err := open(ctx, o, true)
	if err != nil {
		return pipeline.Evaluation{}, err
	}
	defer func() { err = errors.Join(err, c.Close(context.WithoutCancel(ctx))) }()
	return c.generation().snap.Evaluate(ctx, q), nil
}

// Measure is Evaluate, and then measures what asking the policy about the request costs. Models count as healthy.
func Measure(ctx context.Context, o Options, q pipeline.Question, long time.Duration) (m policy.Measurement, err error) {
	c, err := open(ctx, o, true)
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, c.Close(context.WithoutCancel(ctx))) }()
	gen := c.generation()
	e := gen.snap.Evaluate(ctx, q)
	if e.Exchange.Request == nil {
		return m, e.Err
	}
	facts := policy.Facts{Now: e.Exchange.Start}
	for _, name := range gen.snap.Names {
		f := gen.snap.Models[name].Facts
		f.Health = "healthy"
		facts.Models = append(facts.Models, f)
	}
	return gen.live.source.MeasureExchange(ctx, gen.live.options, e.Exchange, facts, long)
}
