// Package translate turns the bodies of one wire format into another's: requests on their way to a model server that
// speaks another format than the caller, whole answers and the events of streams on their way back.
//
// Every format is one file that reads its bodies into the nouns of this package (a conversation, an answer, a delta) and
// writes them from the nouns, so that any format reaches any other. The promise is that nothing is lost on the quiet:
// what a request asks for and the other format cannot say is refused with the field's path, and so is a field that the
// reader does not know.
//
// The functions are pure: bytes in, bytes out.
package translate

import (
	"github.com/sluicegate/sluice/runtime/wire"
)

// Options are what the other end's configuration says.
type Options struct {
	// MaxOutput is the limit of usage tokens for an answer where the format asked for needs one and the request has none;
	// 0 means 4096.
	MaxOutput int64
}

// format is one wire format.
type format struct {
	name      string
	operation wire.Operation
}

// formats is THE table of formats.
var formats = map[string]*format{}

// Pair is a way from the format that a caller speaks to the one that a model server speaks, and back.
type Pair struct{ from, to *format }

// Between finds the way between two formats by their names.
func Between(from, to string) (Pair, bool) {
	p := Pair{formats[from], formats[to]}
	return p, p.from != nil && p.to != nil
}

// To is the name of the model server's format.
func (p Pair) To() string { return p.to.name }

// Operation is the operation of the model server's format.
func (p Pair) Operation() wire.Operation { return p.to.operation }

// Request appends the caller's request as the model server's format has it. Errors are *wire.Fault: of the code
// unsupported_field with the field's path as Param for what that format cannot say.
func (p Pair) Request(_, _ []byte, _ Options) ([]byte, error) {
	return nil, &wire.Fault{Code: wire.UnsupportedField, Message: "no such translation"}
}

// Answer appends the model server's whole answer as the caller's format has it.
func (p Pair) Answer(_, _ []byte) ([]byte, error) {
	return nil, &wire.Fault{Code: wire.Internal, Message: "no such translation"}
}

// Stream begins the translation of a streamed answer.
func (p Pair) Stream() *Stream { return &Stream{} }

// Stream is a streamed answer under translation. It is not safe for concurrent use.
type Stream struct{}

// Event takes the data of one event of the model server's.
func (s *Stream) Event(_ []byte) error {
	return &wire.Fault{Code: wire.Internal, Message: "no such translation"}
}

// Next gives the data of the next event for the caller, valid until the next call of Event; false when more of the model
// server's events are needed.
func (s *Stream) Next() ([]byte, bool) { return nil, false }
