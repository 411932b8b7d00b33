package exchange

import (
	"github.com/sluicegate/sluice/runtime/strictjson"
	"github.com/sluicegate/sluice/runtime/wire"
)

// Surface is a format a client speaks: it reads a request's body and writes answers, events and errors in its shape.
// Implementations are stateless and safe for concurrent use.
type Surface interface {
	// Operation is the operation the surface stands for.
	Operation() wire.Operation
	// Shapes lists the kinds of strings in the operation's requests, then those in its answers, as the tables have it by
	// which both are read.
	Shapes() []wire.Shape
	// Parse reads a body strictly. Errors are *wire.Fault.
	Parse(body []byte, limits strictjson.Limits) (*wire.Request, error)
	// Answer appends a whole answer.
	Answer(dst []byte, x *Exchange, a *wire.Answer) []byte
	// Event appends one event of a stream, framed, or nothing where the surface has no such event.
	Event(dst []byte, x *Exchange, ev *wire.Event) []byte
	// End appends what ends a complete stream.
	End(dst []byte) []byte
	// Error appends the body of an error answer.
	Error(dst []byte, f *wire.Fault) []byte
	// ErrorEvent appends the event that ends a stream which failed, framed.
	ErrorEvent(dst []byte, f *wire.Fault) []byte
}

// Verbatim is a Surface that writes answers and events as the request's format has them, so that what nobody edits need
// not be read again.
type Verbatim interface {
	Surface
	// Frame appends the data of one event, framed.
	Frame(dst, data []byte) []byte
}
