package oip

import (
	"github.com/sluicegate/sluice/runtime/exchange"
	"github.com/sluicegate/sluice/runtime/strictjson"
	"github.com/sluicegate/sluice/runtime/wire"
	"github.com/sluicegate/sluice/runtime/wire/walk"
)

// Surface is the surface of POST /v2/models/{model}/infer for the model of that name.
func Surface(model string) exchange.Surface { return surface{model} }

// ModelSurface is the surface of GET /v2/models/{model} and of its page ready. It has no body to read: its Parse gives a
// fault. AppendModel and AppendReady write what is answered.
func ModelSurface() exchange.Surface { return about{} }

// about is the surface of what is told of a model.
type about struct{ surface }

// Operation is wire.ListModels: who may use a model may be told of it.
func (about) Operation() wire.Operation { return wire.ListModels }

// Shapes is nil: there are no bodies.
func (about) Shapes() []wire.Shape { return nil }

// Parse gives a fault.
func (about) Parse([]byte, strictjson.Limits) (*wire.Request, error) {
	return nil, walk.Invalid("", "this operation takes no body")
}

// AppendModel appends a model's metadata. What its tensors are the gateway does not know, so it names none.
func AppendModel(dst []byte, name string) []byte {
	dst = strictjson.AppendString(append(dst, `{"name":`...), name)
	return append(dst, `,"versions":[],"platform":"sluice","inputs":[],"outputs":[]}`...)
}

// AppendReady appends that a model is ready.
func AppendReady(dst []byte, name string) []byte {
	dst = strictjson.AppendString(append(dst, `{"name":`...), name)
	return append(dst, `,"ready":true}`...)
}

// surface writes answers and errors as the protocol has them.
type surface struct{ model string }

// Operation is wire.Infer.
func (surface) Operation() wire.Operation { return wire.Infer }

// Shapes lists the kinds of strings in the operation's bodies; see exchange.Surface.
func (surface) Shapes() []wire.Shape { return walk.Shapes(wire.Infer, requestRule, answerRule, false) }

// Parse reads a body strictly; the model is the path's.
func (s surface) Parse(body []byte, limits strictjson.Limits) (*wire.Request, error) {
	r, err := Infer.Request(body, limits)
	if err != nil {
		return nil, err
	}
	r.Model = s.model
	return r, nil
}

// Answer appends the answer as the model server gave it, edits applied.
func (surface) Answer(dst []byte, _ *exchange.Exchange, a *wire.Answer) []byte {
	return a.Doc.Append(dst)
}

// Event, End and Frame have nothing to append: nothing streams.
func (surface) Event(dst []byte, _ *exchange.Exchange, _ *wire.Event) []byte { return dst }

// End appends nothing.
func (surface) End(dst []byte) []byte { return dst }

// Frame appends nothing. It makes the surface an exchange.Verbatim.
func (surface) Frame(dst, _ []byte) []byte { return dst }

// Error appends {"error", "code"}: the protocol's one member, and the gateway's stable code; a filter's or policy's own
// word follows as "reason".
func (surface) Error(dst []byte, f *wire.Fault) []byte {
	message := f.Message
	if f.Param != "" {
		message = f.Param + ": " + message
	}
	dst = append(dst, `{"error":`...)
	dst = strictjson.AppendString(dst, message)
	dst = append(dst, `,"code":`...)
	dst = strictjson.AppendString(dst, string(f.Code))
	if f.Reason != "" {
		dst = append(dst, `,"reason":`...)
		dst = strictjson.AppendString(dst, f.Reason)
	}
	return append(dst, '}')
}

// ErrorEvent appends nothing: nothing streams.
func (surface) ErrorEvent(dst []byte, _ *wire.Fault) []byte { return dst }
