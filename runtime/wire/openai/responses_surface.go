package openai

import (
	"bytes"
	"net/url"

	"github.com/sluicegate/sluice/runtime/exchange"
	"github.com/sluicegate/sluice/runtime/sse"
	"github.com/sluicegate/sluice/runtime/strictjson"
	"github.com/sluicegate/sluice/runtime/wire"
	"github.com/sluicegate/sluice/runtime/wire/walk"
)

// ResponsesSurface is the surface of POST /v1/responses.
func ResponsesSurface() exchange.Surface { return responseSurface{} }

// responseSurface writes errors as the other operations do, and events with their names.
type responseSurface struct{ surface }

func (responseSurface) Operation() wire.Operation { return wire.Responses }

// Shapes lists the kinds of strings in the operation's bodies; see exchange.Surface.
func (responseSurface) Shapes() []wire.Shape {
	return walk.Shapes(wire.Responses, responseRequest, responseShape, true)
}

func (responseSurface) Parse(body []byte, limits strictjson.Limits) (*wire.Request, error) {
	return Responses.Request(body, limits)
}

// KeptSurface is the surface of an operation on the response of an id, with the query that came.
func KeptSurface(op wire.Operation, id string, query url.Values) exchange.Surface {
	return keptSurface{surface{op: op}, id, query}
}

// keptSurface writes answers and errors as the other operations do.
type keptSurface struct {
	surface
	id    string
	query url.Values
}

// Shapes lists the kinds of strings in the operation's bodies; see exchange.Surface.
func (s keptSurface) Shapes() []wire.Shape {
	return walk.Shapes(s.op, keptRequest, kept{s.op}.rule(), false)
}

// Parse makes a request of the id and the query. Clients send no body, or an empty object.
func (s keptSurface) Parse(body []byte, limits strictjson.Limits) (*wire.Request, error) {
	if b := bytes.TrimSpace(body); len(b) > 0 && string(b) != "{}" {
		return nil, invalid("", "this operation takes no body")
	}
	b, fault := keptBody(s.op, s.id, s.query)
	if fault != nil {
		return nil, fault
	}
	return kept{s.op}.Request(b, limits)
}

// Event appends the event with its name.
func (responseSurface) Event(dst []byte, _ *exchange.Exchange, ev *wire.Event) []byte {
	if ev.Done || ev.Doc == nil {
		return dst
	}
	return appendNamed(dst, ev.Doc.Root().Get("type").Bytes(), ev.Doc.Append(nil))
}

// Frame appends an event that is data already. It makes the surface an exchange.Verbatim.
func (responseSurface) Frame(dst, data []byte) []byte {
	if rest, ok := bytes.CutPrefix(data, []byte(`{"type":"`)); ok { // as most are written
		if end := bytes.IndexAny(rest, `"\`); end > 0 && rest[end] == '"' {
			return appendNamed(dst, rest[:end], data)
		}
	}
	doc, err := strictjson.ReadReply(data)
	if err != nil {
		return sse.AppendData(dst, data) // not reached: what is in a frame was read
	}
	defer doc.Release()
	return appendNamed(dst, doc.Root().Get("type").Bytes(), data)
}

func appendNamed(dst, name, data []byte) []byte {
	return sse.AppendEvent(dst, string(name), data)
}

// End appends nothing: the last event says that it is the last.
func (responseSurface) End(dst []byte) []byte { return dst }

// ErrorEvent appends the event that ends a failed stream: {"type": "error", "code", "message", "param"}, as the API has it,
// with the members of an error answer as "error", by which the API's SDKs know that they are to raise it.
func (s responseSurface) ErrorEvent(dst []byte, f *wire.Fault) []byte {
	b := strictjson.AppendString([]byte(`{"type":"error","code":`), string(f.Code))
	b = strictjson.AppendString(append(b, `,"message":`...), f.Message)
	b = append(b, `,"param":`...)
	if f.Param == "" {
		b = append(b, "null"...)
	} else {
		b = strictjson.AppendString(b, f.Param)
	}
	return sse.AppendEvent(dst, "error", append(append(b, ','), s.Error(nil, f)[1:]...))
}
