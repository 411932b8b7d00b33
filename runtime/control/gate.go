package control

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sluicegate/sluice/runtime/config"
	"github.com/sluicegate/sluice/runtime/policy"
)

// testsTime bounds all of a policy's own tests together.
const testsTime = time.Minute

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

// pass is the gate, from wherever the policy came: strict compile with what policies may call, schemas, entry points, rules
// that exist, its own tests. must is for one that has to bring tests. The error is policy.Faults where the text is at fault.
// A policy is never evaluated partially: it can exhaust memory.
func (g *gated) pass(ctx context.Context, must bool) (err error) {
	if g.policy, err = policy.Compile(ctx, g.source, g.options); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, testsTime, errTestsTime)
	defer cancel()
	if g.tests, err = g.source.Test(ctx, g.options); err != nil {
		if errors.Is(context.Cause(ctx), errTestsTime) {
			err = policy.Faults{{Stage: policy.StageTests, Message: errTestsTime.Error()}}
		}
		return err
	}
	return testFaults(g.tests, must)
}

var errTestsTime = fmt.Errorf("its own tests did not end within %v; make them fewer or faster", testsTime)

// testFaults are the tests that did not pass, as an error.
func testFaults(r policy.Report, must bool) error {
	var faults policy.Faults
	for _, t := range r.Results {
		if !t.Passed && !t.Skipped {
			faults = append(faults, policy.Fault{
				Stage: policy.StageTests, File: t.File, Line: t.Line, Col: 1, Message: "the policy's own test " + t.Name + " fails: " + t.Message,
			})
		}
	}
	if len(faults) == 0 && must && r.Passed == 0 {
		faults = policy.Faults{{Stage: policy.StageTests, Message: "it has no test of its own; write at least one rule test_... in a file ..._test.rego"}}
	}
	if len(faults) == 0 {
		return nil
	}
	return faults
}

// tried tries a policy with the recorded inputs that the configuration names, unless it was tried with the same before.
func (g *gated) tried(ctx context.Context, cfg *config.Config) error {
	was := g.recorded
	g.recorded = ""
	if cfg.Policy.Recorded == "" {
		return nil
	}
	inputs, err := policy.ReadCorpus(cfg.Path(cfg.Policy.Recorded))
	if err != nil {
		return &corpusError{err}
	}
	if g.recorded = inputs.Digest(); g.recorded == was {
		return nil
	}
	_, err = g.policy.Try(ctx, inputs)
	return err
}

// corpusError is that recorded inputs cannot be read.
type corpusError struct{ error }

// gateFailed counts a policy that did not go live, and says so where one goes on.
func (c *Controller) gateFailed(from string, err error) {
	stage := gateStage(err)
	c.refusals.add(stage)
	if !c.dry && c.generation() != nil {
		c.log.Error("a policy did not pass the gate, the last good one goes on", "policy", from, "stage", stage, "error", err.Error())
	}
}

// gateStage is the stage of the gate that an error is of.
func gateStage(err error) string {
	if corpus := (*corpusError)(nil); errors.As(err, &corpus) {
		return policy.StageRecorded
	}
	return policy.StageOf(err)
}
