package walk

import (
	"github.com/sluicegate/sluice/runtime/strictjson"
	"github.com/sluicegate/sluice/runtime/wire"
)

// Own reads what the gateway itself acts on in a body of any API: the model, and whether to stream.
func (w *Walk) Own(root strictjson.Node) *wire.Fault {
	switch n := root.Get("model"); n.Kind() {
	case strictjson.Invalid, strictjson.Null:
	case strictjson.String:
		if !n.Is("auto") { // the policy is to pick
			w.r.Model = n.Str()
		}
	default:
		return Invalid("model", "must be a string")
	}
	stream := root.Get("stream")
	w.r.Stream, _ = stream.Bool()
	if k := stream.Kind(); k != strictjson.Bool && k != strictjson.Null && k != strictjson.Invalid {
		return Invalid("stream", "must be true or false")
	}
	return nil
}
