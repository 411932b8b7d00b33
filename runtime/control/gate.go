package control

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"
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
func (g *gated) pass(ctx context.Context, tested *Tested, must bool) (err error) {
	if g.policy, err = policy.Compile(ctx, g.source, g.options); err != nil {
		return err
	}
	if was, ok := tested.find(g); ok {
		g.tests = was
		return testFaults(g.tests, must)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, testsTime, errTestsTime)
	defer cancel()
	if g.tests, err = g.source.Test(ctx, g.options); err != nil {
		if errors.Is(context.Cause(ctx), errTestsTime) {
			err = policy.Faults{{Stage: policy.StageTests, Message: errTestsTime.Error()}}
		}
		return err
	}
	tested.add(g)
	return testFaults(g.tests, must)
}

// Tested holds the reports of policies' own tests, by what the policies are made of. Its zero value is empty; it is safe for
// concurrent use and only ever grows.
type Tested struct {
	mu  sync.Mutex
	all []gated // source, options, tests
}

// find gives the report of a policy made of the same, if there is one.
func (t *Tested) find(like *gated) (policy.Report, bool) {
	if t == nil {
		return policy.Report{}, false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range t.all {
		if t.all[i].madeAs(like) {
			return t.all[i].tests, true
		}
	}
	return policy.Report{}, false
}

func (t *Tested) add(g *gated) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.all = append(t.all, gated{source: g.source, options: g.options, tests: g.tests})
}

// madeAs tells whether a policy is made of the same as another.
func (g *gated) madeAs(other *gated) bool {
	return reflect.DeepEqual(g.source, other.source) && reflect.DeepEqual(g.options, other.options)
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
