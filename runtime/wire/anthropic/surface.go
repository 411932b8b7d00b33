package anthropic

import (
	"bytes"

	"github.com/sluicegate/sluice/runtime/exchange"
	"github.com/sluicegate/sluice/runtime/sse"
	"github.com/sluicegate/sluice/runtime/strictjson"
	"github.com/sluicegate/sluice/runtime/wire"
	"github.com/sluicegate/sluice/runtime/wire/walk"
)

// MessagesSurface is the surface of POST /v1/messages.
func MessagesSurface() exchange.Surface { return surface{messages, wire.Messages} }

// CountTokensSurface is the surface of POST /v1/messages/count_tokens.
func CountTokensSurface() exchange.Surface { return surface{counts, wire.CountTokens} }

// ModelsSurface is the surface of GET /v1/models for the API's own clients. It has no body to read: its Parse gives a
// fault. Its list is written by AppendModels.
func ModelsSurface() exchange.Surface { return surface{nil, wire.ListModels} }

// surface writes answers and errors as the Anthropic API does.
type surface struct {
	format *format
	op     wire.Operation
}

func (s surface) Operation() wire.Operation { return s.op }

// Shapes lists the kinds of strings in the operation's bodies; see exchange.Surface.
func (s surface) Shapes() []wire.Shape {
	switch s.format {
	case nil:
		return nil
	case counts:
		return walk.Shapes(s.op, s.format.request, countRule, false)
	}
	return walk.Shapes(s.op, s.format.request, answerShape, true)
}

func (s surface) Parse(body []byte, limits strictjson.Limits) (*wire.Request, error) {
	if s.format == nil {
		return nil, walk.Invalid("", "this operation takes no body")
	}
	return s.format.Request(body, limits)
}

// Answer appends the answer as the model server gave it, edits applied.
func (s surface) Answer(dst []byte, _ *exchange.Exchange, a *wire.Answer) []byte {
	return a.Doc.Append(dst)
}

// Event appends the event as the model server gave it, edits applied. The end of a stream is End's to write.
func (s surface) Event(dst []byte, _ *exchange.Exchange, ev *wire.Event) []byte {
	if ev.Done || ev.Doc == nil {
		return dst
	}
	begin := len(dst)
	dst = named(dst, kinds[kindOf(ev.Doc.Root().Get("type").Bytes())])
	body := len(dst)
	dst = ev.Doc.Append(dst)
	if multiline(dst[body:]) {
		return s.Frame(dst[:begin], bytes.Clone(dst[body:]))
	}
	return append(dst, "\n\n"...)
}

// Frame appends an event that is data already, under the name that its type is. It makes the surface an
// exchange.Verbatim.
func (s surface) Frame(dst, data []byte) []byte { return sse.AppendEvent(dst, Type(data), data) }

// named begins an event, up to its data.
func named(dst []byte, name string) []byte {
	dst = append(append(dst, "event: "...), name...)
	return append(dst, "\ndata: "...)
}

// multiline tells whether data has line ends, which are white space between its values as it came.
func multiline(data []byte) bool {
	return bytes.IndexByte(data, '\n') >= 0 || bytes.IndexByte(data, '\r') >= 0
}

// End appends the event that ends a complete stream.
func (s surface) End(dst []byte) []byte {
	return append(dst, "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"...)
}

// ErrorEvent appends the event that ends a failed stream. No message_stop follows it.
func (s surface) ErrorEvent(dst []byte, f *wire.Fault) []byte {
	return append(s.Error(named(dst, "error"), f), "\n\n"...)
}

// Error appends {"type": "error", "error": {"type", "message", "code"}, "request_id"}; the field at fault follows as
// "param", a filter's or policy's own word as "reason".
func (s surface) Error(dst []byte, f *wire.Fault) []byte {
	dst = append(dst, `{"type":"error","error":{"type":"`...)
	dst = append(dst, errorType(f.HTTPStatus())...)
	dst = append(dst, `","message":`...)
	dst = strictjson.AppendString(dst, message(f))
	dst = append(dst, `,"code":`...)
	dst = strictjson.AppendString(dst, string(f.Code))
	dst = optional(dst, "param", f.Param)
	dst = optional(dst, "reason", f.Reason)
	dst = append(dst, '}')
	return append(optional(dst, "request_id", f.Request), '}')
}

// message is the fault's sentence, behind the field at fault as the API's own are.
func message(f *wire.Fault) string {
	if f.Param == "" {
		return f.Message
	}
	return f.Param + ": " + f.Message
}

func optional(dst []byte, key, value string) []byte {
	if value == "" {
		return dst
	}
	dst = append(dst, ',')
	dst = append(strictjson.AppendString(dst, key), ':')
	return strictjson.AppendString(dst, value)
}

// errorType is the API's type of error for an HTTP status (Anthropic API, "Errors").
func errorType(status int) string {
	switch {
	case status == 401:
		return "authentication_error"
	case status == 403:
		return "permission_error"
	case status == 404:
		return "not_found_error"
	case status == 413:
		return "request_too_large"
	case status == 429:
		return "rate_limit_error"
	case status == 503, status == 529:
		return "overloaded_error"
	case status == 408, status == 504:
		return "timeout_error"
	case status >= 500:
		return "api_error"
	default:
		return "invalid_request_error"
	}
}
