package pipeline

import (
	"context"

	"github.com/sluicegate/sluice/runtime/exchange"
	"github.com/sluicegate/sluice/runtime/policy"
)

// Question is a request to be judged and not served.
type Question struct {
	Surface   exchange.Surface
	Principal *exchange.Principal // taken as given
	Client    exchange.Client
	Body      []byte
}

// Evaluation is what a request would meet up to its decision.
type Evaluation struct {
	Exchange *exchange.Exchange  // as far as it came; its Request, if any, is the caller's to release
	Admit    *policy.Explanation // nil where it was not asked
	Decision *policy.Explanation
	Err      error // why the exchange would end there, an *exchange.Error; nil where it would go on
}

// Evaluate takes a request through parse, admit, filter and decide, the very stages of flow, and explains the policy's
// answers. Nobody is authenticated, nothing is recorded, looked up or forwarded.
func (s *Snapshot) Evaluate(ctx context.Context, q Question) Evaluation {
	p := &Pipeline{}
	r := p.begin(s, q.Surface, asked{q})
	r.x.Principal = q.Principal
	defer func() {
		if r.pass != nil {
			r.pass.Close()
		}
		r.lay()
	}()
	e := Evaluation{Exchange: r.x}
	e.Err = r.judge(ctx, &e)
	return e
}

func (r *run) judge(ctx context.Context, e *Evaluation) error {
	if err := r.parse(); err != nil {
		return err
	}
	e.Admit, _ = r.snap.Policy.ExplainAdmit(ctx, r.x, r.x.Start) // admit tells the same error
	if err := r.admit(ctx); err != nil {
		return err
	}
	if err := r.filter(ctx); err != nil {
		return err
	}
	e.Decision, _ = r.snap.Policy.ExplainDecision(ctx, r.x, r.snap.facts(r.x.Start)) // as above, with decide
	return r.decide(ctx)
}

// asked is a Caller that only asks.
type asked struct{ q Question }

func (a asked) Client() exchange.Client           { return a.q.Client }
func (a asked) Body(int) ([]byte, error)          { return a.q.Body, nil }
func (a asked) Reply(int, []Header, []byte) error { return nil }
func (a asked) Begin([]Header) error              { return nil }
func (a asked) Send([]byte) error                 { return nil }
func (a asked) End([]byte) error                  { return nil }
func (a asked) Abort()                            {}
