package openai

import (
	"bytes"

	"github.com/sluicegate/sluice/runtime/exchange"
	"github.com/sluicegate/sluice/runtime/sse"
	"github.com/sluicegate/sluice/runtime/strictjson"
	"github.com/sluicegate/sluice/runtime/wire"
	"github.com/sluicegate/sluice/runtime/wire/walk"
)

// ChatSurface is the surface of POST /v1/chat/completions.
func ChatSurface() exchange.Surface { return surface{chat, wire.ChatCompletions} }

// CompletionsSurface is the surface of POST /v1/completions.
func CompletionsSurface() exchange.Surface { return surface{completions, wire.Completions} }

// EmbeddingsSurface is the surface of POST /v1/embeddings.
func EmbeddingsSurface() exchange.Surface { return surface{embeddings, wire.Embeddings} }

// RerankSurface is the surface of POST /v1/rerank.
func RerankSurface() exchange.Surface { return surface{rerank, wire.Rerank} }

// RankingSurface is the surface of POST /v1/ranking.
func RankingSurface() exchange.Surface { return surface{ranking, wire.Rerank} }

// ModelsSurface is the surface of GET /v1/models. It has no body to read: its Parse gives a fault. Its list is written
// by AppendModels.
func ModelsSurface() exchange.Surface { return surface{nil, wire.ListModels} }

// surface writes answers and errors as the OpenAI API does.
type surface struct {
	format *format
	op     wire.Operation
}

// Shapes lists the kinds of strings in the operation's bodies; see exchange.Surface.
func (s surface) Shapes() []wire.Shape {
	if s.format == nil {
		return nil
	}
	return walk.Shapes(s.op, s.format.request, s.format.answer, s.format.chunk != "")
}

func (s surface) Operation() wire.Operation { return s.op }

func (s surface) Parse(body []byte, limits strictjson.Limits) (*wire.Request, error) {
	if s.format == nil {
		return nil, invalid("", "this operation takes no body")
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
	dst = append(dst, "data: "...)
	body := len(dst)
	dst = ev.Doc.Append(dst)
	if multiline(dst[body:]) {
		return sse.AppendData(dst[:begin], bytes.Clone(dst[body:]))
	}
	return append(dst, "\n\n"...)
}

// Frame appends an event that is data already. It makes the surface an exchange.Verbatim.
func (s surface) Frame(dst, data []byte) []byte { return sse.AppendData(dst, data) }

// multiline tells whether data has line ends, which are white space between its values as it came.
func multiline(data []byte) bool {
	return bytes.IndexByte(data, '\n') >= 0 || bytes.IndexByte(data, '\r') >= 0
}

// End appends the event that ends a complete stream.
func (s surface) End(dst []byte) []byte { return append(dst, "data: [DONE]\n\n"...) }

// ErrorEvent appends the event that ends a failed stream. No [DONE] follows it, or clients would take the part for the
// whole.
func (s surface) ErrorEvent(dst []byte, f *wire.Fault) []byte {
	dst = append(dst, "data: "...)
	dst = s.Error(dst, f)
	return append(dst, "\n\n"...)
}

// Error appends {"error": {"message", "type", "param", "code"}}, all four always there, since the API's SDKs read them
// unasked; a filter's or policy's own word follows as "reason".
func (s surface) Error(dst []byte, f *wire.Fault) []byte {
	dst = append(dst, `{"error":{"message":`...)
	dst = strictjson.AppendString(dst, f.Message)
	dst = append(dst, `,"type":"`...)
	dst = append(dst, errorType(f.HTTPStatus())...)
	dst = append(dst, `","param":`...)
	if f.Param == "" {
		dst = append(dst, "null"...)
	} else {
		dst = strictjson.AppendString(dst, f.Param)
	}
	dst = append(dst, `,"code":`...)
	dst = strictjson.AppendString(dst, string(f.Code))
	if f.Reason != "" {
		dst = append(dst, `,"reason":`...)
		dst = strictjson.AppendString(dst, f.Reason)
	}
	return append(dst, "}}"...)
}

// errorType is the API's type of error for an HTTP status (OpenAI, "Error codes").
func errorType(status int) string {
	switch {
	case status == 401:
		return "authentication_error"
	case status == 403:
		return "permission_error"
	case status == 404:
		return "not_found_error"
	case status == 429:
		return "rate_limit_error"
	case status >= 500:
		return "server_error"
	default:
		return "invalid_request_error"
	}
}
