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
		if reach := &r.x.Request.Reach[i]; !r.may(reach) {
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
	if slices.Contains(allow, reach.Kind+":"+given) {
		return true
	}
	if !slices.Contains(allow, reach.Kind) {
		return false
	}
	at, id, ok := r.snap.take(reach.Kind, r.x.Principal, given)
	if !ok || !slices.Contains(r.x.Decision.Models, at.model) || r.pin != nil && *r.pin != at {
		return false
	}
	r.pin = &at
	return reach.ID.Edit([]strictjson.Edit{{End: len(given), With: []byte(id)}}) == nil
}

// pinned are the targets at the endpoint that keeps what the request names; all of them where it names nothing.
func (r *run) pinned(targets []upstream.Target) []upstream.Target {
	if r.pin == nil {
		return targets
	}
	return slices.DeleteFunc(targets, func(t upstream.Target) bool { return place{t.Model, t.Endpoint.Name()} != *r.pin })
}
