// Package inference is the surface of POST /inference: the plain form {"model_name", "inputs"} of the gateway that
// Sluice replaces, with parameters, messages and streaming added.
//
// A body is read strictly and turned into that of a chat completion, which wire/openai then reads: filters, policies
// and the cache see one form. Strings are carried over as they stand in the body. Answers are {"output": "..."}, and
// where the caller named no model {"request_id", "model", "output"}; streams are events of {"output": "..."} and
// [DONE]; errors are {"detail": "...", "code": "..."}.
package inference

import (
	"slices"
	"strings"

	"github.com/sluicegate/sluice/runtime/exchange"
	"github.com/sluicegate/sluice/runtime/strictjson"
	"github.com/sluicegate/sluice/runtime/wire"
	"github.com/sluicegate/sluice/runtime/wire/openai"
)

// Surface is the surface of POST /inference.
func Surface() exchange.Surface { return surface{} }

// surface implements exchange.Surface.
type surface struct{}

func (surface) Operation() wire.Operation { return wire.Inference }

// Shapes lists the kinds of strings in a chat's bodies, with the form's own members for them. Of answers only what stands
// in the output reaches a caller.
func (surface) Shapes() []wire.Shape {
	var out []wire.Shape
	for _, s := range openai.ChatSurface().Shapes() {
		s.Operation = wire.Inference
		switch {
		case s.Answer && !slices.ContainsFunc(s.Places, said):
			continue
		case s.Name == "messages: "+wire.RoleUser.String():
			s.Places = append([]string{"inputs"}, s.Places...)
		case slices.Contains(s.Places, "model"):
			s.Places = append([]string{"model_name"}, s.Places...)
		}
		out = append(out, s)
	}
	return out
}

// said tells whether the output is what stands at a place of an answer.
func said(place string) bool {
	field, ok := strings.CutPrefix(place, "choices[].message.")
	return ok && slices.Contains(outputs, field)
}

// outputs are what a choice may say that is output.
var outputs = []string{"content", "refusal"}

// Answer appends the output of the first choice.
func (surface) Answer(dst []byte, x *exchange.Exchange, a *wire.Answer) []byte {
	dst = append(dst, '{')
	if x != nil && x.Request != nil && x.Request.Model == "" {
		dst = append(dst, `"request_id":`...)
		dst = strictjson.AppendString(dst, x.ID)
		dst = append(dst, `,"model":`...)
		dst = strictjson.AppendString(dst, x.Model)
		dst = append(dst, ',')
	}
	text, _ := output(a.Pieces)
	dst = append(dst, `"output":`...)
	dst = strictjson.AppendString(dst, text)
	return append(dst, '}')
}

// Event appends {"output": "..."} with what the event adds to the output, or nothing if it adds nothing.
func (surface) Event(dst []byte, _ *exchange.Exchange, ev *wire.Event) []byte {
	text, _ := output(ev.Pieces)
	if len(text) == 0 {
		return dst
	}
	dst = append(dst, `data: {"output":`...)
	dst = strictjson.AppendString(dst, text)
	return append(dst, "}\n\n"...)
}

// output is the text of the first choice: what the model says, or its refusal to say it.
func output(pieces []wire.Piece) (text []byte, ok bool) {
	for i := range pieces {
		lane := &pieces[i].Lane
		if lane.Choice == 0 && slices.Contains(outputs, lane.Field) {
			if s := pieces[i].Node.Bytes(); len(s) > 0 {
				return s, true
			}
		}
	}
	return nil, false
}

// End appends the event that ends a complete stream.
func (surface) End(dst []byte) []byte { return append(dst, "data: [DONE]\n\n"...) }

// Error appends {"detail", "code"}; a filter's or policy's own word follows as "reason".
func (surface) Error(dst []byte, f *wire.Fault) []byte {
	dst = append(dst, `{"detail":`...)
	dst = strictjson.AppendString(dst, f.Message)
	dst = append(dst, `,"code":`...)
	dst = strictjson.AppendString(dst, string(f.Code))
	if f.Reason != "" {
		dst = append(dst, `,"reason":`...)
		dst = strictjson.AppendString(dst, f.Reason)
	}
	return append(dst, '}')
}

// ErrorEvent appends the event that ends a failed stream. No [DONE] follows it.
func (s surface) ErrorEvent(dst []byte, f *wire.Fault) []byte {
	dst = append(dst, "data: "...)
	dst = s.Error(dst, f)
	return append(dst, "\n\n"...)
}
