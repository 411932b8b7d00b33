package pipeline

import (
	"slices"

	"github.com/sluicegate/sluice/runtime/exchange"
	"github.com/sluicegate/sluice/runtime/strictjson"
	"github.com/sluicegate/sluice/runtime/upstream"
	"github.com/sluicegate/sluice/runtime/wire"
)

// permit refuses what the request would reach on the model server where the decision does not allow it. An id of state
// there must be one that the gateway gave to this principal, or one that the decision names itself: all callers share the
// endpoint's credential, so the model server gives any of them whatever any of them left there.
func (r *run) permit() error {
	for i := range r.x.Request.Reach {
		switch reach := &r.x.Request.Reach[i]; {
		case r.may(reach):
		case r.x.Operation.Kept():
			return exchange.Fail(exchange.StageDecide, wire.DeniedByPolicy,
				"the policy does not allow to reach what the model server keeps ("+reach.Kind+")", nil)
		default:
			return &exchange.Error{Stage: exchange.StageDecide, Fault: &wire.Fault{
				Code: wire.UnsupportedField, Param: reach.Param,
				Message: "names state on the model server, or makes it fetch or run things (" + reach.Kind + "), which is not allowed here; leave it out",
			}}
		}
	}
	return nil
}

// may tells whether something may be reached. An id that was minted becomes the model server's own, and the request goes
// to the endpoint that knows it.
func (r *run) may(reach *wire.Reach) bool {
	allow := r.x.Decision.Allow
	if reach.ID == nil {
		return slices.Contains(allow, reach.Kind)
	}
	given := string(reach.ID.Bytes())
	if !r.x.Operation.Kept() && slices.Contains(allow, reach.Kind+":"+given) {
		return true
	}
	if !slices.Contains(allow, reach.Kind) {
		return false
	}
	at, id, ok := r.snap.take(proven(reach.Kind), r.x.Principal, given)
	if !ok || !slices.Contains(r.x.Decision.Models, at.model) || r.pin != nil && *r.pin != at {
		return false
	}
	r.pin = &at
	return reach.ID.Edit([]strictjson.Edit{{End: len(given), With: []byte(id)}}) == nil
}

// proven is the kind that an id's proof is over. What is stored is had by the id that a later request goes on from.
func proven(kind string) string {
	if kind == "store" {
		return "previous_response"
	}
	return kind
}

// find makes the model that keeps a response the one that is asked for, so that the policy judges about that. Of an id that
// was not given to this principal nothing is said but that there is no such thing, whether or not it is another's.
func (r *run) find() error {
	at, _, ok := r.snap.take(proven("store"), r.x.Principal, string(r.x.Request.Reach[0].ID.Bytes()))
	if !ok {
		return exchange.Fail(exchange.StageParse, wire.NotFound, "nothing of that id is kept for this caller", nil)
	}
	r.x.Request.Model = at.model
	return nil
}

// pinned are the targets at the endpoint that keeps what the request names; all of them where it names nothing.
func (r *run) pinned(targets []upstream.Target) []upstream.Target {
	if r.pin == nil {
		return targets
	}
	return slices.DeleteFunc(targets, func(t upstream.Target) bool { return place{t.Model, t.Endpoint.Name()} != *r.pin })
}
