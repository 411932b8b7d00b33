package control

import (
	"context"
	"errors"

	"github.com/sluicegate/sluice/runtime/pipeline"
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
