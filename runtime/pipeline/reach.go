package pipeline

import (
	"slices"

	"github.com/sluicegate/sluice/runtime/exchange"
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

func (r *run) may(reach *wire.Reach) bool {
	allow := r.x.Decision.Allow
	if reach.ID == nil {
		return slices.Contains(allow, reach.Kind)
	}
	return slices.Contains(allow, reach.Kind+":"+string(reach.ID.Bytes()))
}
