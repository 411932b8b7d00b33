package pipeline

import (
	"errors"

	"github.com/sluicegate/sluice/runtime/upstream"
	"github.com/sluicegate/sluice/runtime/wire"
)

// heard counts the text of an answer or an event as it comes from the model server, for where that reports no usage.
func (p *producer) heard(pieces []wire.Piece) {
	for i := range pieces {
		if !pieces[i].Name {
			p.said += len(pieces[i].Node.Bytes())
		}
	}
}

// estimate completes the usage: of an answer whose usage was not reported, and of one that was cut, of which the model
// server at best reported how it began.
func (p *producer) estimate(complete bool) {
	if p.usage.Known && complete {
		return
	}
	p.usage = p.usage.AtLeast(p.r.x.Request.PromptBytes(), p.said)
}

// bill charges what was made of an answer to the exchange that had it made, also where it never got to its end.
func (r *run) bill() {
	if u := &r.x.Usage; r.producer == nil || u.Known || u.Estimated {
		return
	}
	r.x.Usage = r.producer.usage
	r.x.Model, r.x.Endpoint = r.producer.head.Model, r.producer.head.Endpoint
}

// unanswered charges the prompt of a call that the caller did not wait for to the endpoint that had it.
func (r *run) unanswered(t upstream.Target, err error) {
	f := (*upstream.Failure)(nil)
	if !errors.As(err, &f) || f.Code != wire.ClientClosed || !f.BodySent {
		return
	}
	r.x.Model, r.x.Endpoint = t.Model, t.Endpoint.Name()
	r.x.Usage = wire.Usage{}.AtLeast(r.x.Request.PromptBytes(), 0)
}
