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
	Status   Status
	Coverage Coverage
	Tests    policy.Report // the policy's own
	Probes   []Probe       // in the config's order; nil unless asked for
}

// Probe is one endpoint asked whether it is there.
type Probe struct {
	Model    string
	Endpoint string
	Took     time.Duration
	Err      error // nil when it answered
}

// Check builds a generation with the code that Open runs, and closes it again; with probe it also asks each endpoint
// whether it is there. It writes nothing but compiled filters. The error is all the faults found.
func Check(ctx context.Context, o Options, probe bool) (r Report, err error) {
	c, err := open(ctx, o, true)
	if err != nil {
		return Report{}, err
	}
	defer func() { err = errors.Join(err, c.Close(context.WithoutCancel(ctx))) }()
	gen := c.generation()
	r = Report{Status: c.Status(), Coverage: c.Coverage(), Tests: gen.live.tests}
	if probe {
		r.Probes = gen.probe(ctx)
	}
	return r, nil
}

// probeTime bounds the question to one endpoint.
const probeTime = 10 * time.Second

func (g *generation) probe(ctx context.Context) []Probe {
	var out []Probe
	for _, name := range g.snap.Names {
		for _, ep := range g.snap.Models[name].Pool.Endpoints() {
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
	return plainly(ep.Probe(ctx))
}

// plainly says of an endpoint that failed what to look at.
func plainly(err error) error {
	f := (*upstream.Failure)(nil)
	switch {
	case !errors.As(err, &f):
		return err
	case f.Status == 401 || f.Status == 403:
		return fmt.Errorf("refuses the credential (status %d); set the endpoint's credential to one that it accepts", f.Status)
	case f.Status != 0:
		return fmt.Errorf("answers with status %d; check that the endpoint's url is the base of its API", f.Status)
	case f.Cause != nil:
		return fmt.Errorf("%w; check that the model server runs and that the endpoint's url is right", f.Cause)
	default:
		return err
	}
}
