package oip

import (
	"github.com/sluicegate/sluice/runtime/strictjson"
	"github.com/sluicegate/sluice/runtime/wire"
	"github.com/sluicegate/sluice/runtime/wire/walk"
)

// Request reads a body strictly; see wire.Format. The Request names no model: the path does.
func (f infer) Request(body []byte, limits strictjson.Limits) (*wire.Request, error) {
	doc, err := strictjson.Parse(body, limits)
	if err != nil {
		return nil, walk.Unreadable(err)
	}
	r := &wire.Request{Operation: wire.Infer, Format: f, Doc: doc, Size: len(body)}
	if fault := read(r); fault != nil {
		doc.Release()
		return nil, fault
	}
	return r, nil
}

func read(r *wire.Request) *wire.Fault {
	root := r.Doc.Root()
	if root.Kind() != strictjson.Object {
		return walk.Invalid("", "the body must be a JSON object")
	}
	inputs := root.Get("inputs")
	switch {
	case inputs.Kind() == strictjson.Invalid:
		return &wire.Fault{Code: wire.MissingField, Param: "inputs", Message: "the required field 'inputs' is missing"}
	case inputs.Kind() != strictjson.Array:
		return walk.Invalid("inputs", "must be an array of tensors")
	}
	i := 0
	for tensor := range inputs.Elements() {
		if tensor.Kind() != strictjson.Object {
			return walk.Invalid("inputs", "must be an array of tensors: objects with name, shape, datatype and data")
		}
		if numeric(tensor.Get("data")) {
			if r.Opaque == nil {
				r.Opaque = map[string]int{}
			}
			r.Opaque["tensor"]++
		}
		i++
	}
	w := walk.New(r.Doc, r)
	return w.Root(root, requestRule)
}

// numeric tells whether there is a number among the elements of a tensor, however nested.
func numeric(data strictjson.Node) bool {
	if data.Kind() != strictjson.Array {
		return data.Kind() == strictjson.Number
	}
	for e := range data.Elements() {
		if numeric(e) {
			return true
		}
	}
	return false
}

// Render appends a request's body; see wire.Format. It is the same for every model.
func (infer) Render(dst []byte, r *wire.Request, _ wire.Rendering) []byte { return r.Doc.Render(dst) }

// Amend refuses messages, which tensors have no place for, and sets parameters; see wire.Format.
func (infer) Amend(r *wire.Request, params []wire.Param, messages []wire.Message) ([]byte, error) {
	if len(messages) > 0 {
		return nil, &wire.Fault{Code: wire.FilterFailed, Message: "a filter added a message to a request that has no messages"}
	}
	for _, p := range params {
		if p.Name == "inputs" || p.Name == "outputs" || p.Name == "id" {
			return nil, &wire.Fault{Code: wire.FilterFailed, Message: "a filter set '" + p.Name + "', which no filter may set"}
		}
		if err := r.Doc.Set(r.Doc.Root(), p.Name, p.Value); err != nil {
			return nil, &wire.Fault{Code: wire.FilterFailed, Message: "a filter set a parameter to what is not one JSON value"}
		}
	}
	return r.Doc.Render(nil), nil
}

// Answer reads a whole answer leniently; see wire.Format. The strings of its tensors are text.
func (f infer) Answer(body []byte) (*wire.Answer, error) {
	doc, err := strictjson.ReadReply(body)
	if err != nil {
		return nil, walk.Misread("the model server's answer is not JSON that can be read without doubt")
	}
	root := doc.Root()
	if root.Kind() != strictjson.Object || root.Get("outputs").Kind() != strictjson.Array || root.Get("error").Kind() != strictjson.Invalid {
		doc.Release()
		return nil, walk.Misread("the model server's answer has no outputs")
	}
	a := &wire.Answer{Format: f, Doc: doc, Model: string(root.Get("model_name").Bytes())}
	s := walk.NewSaid(nil, nil, nil, false)
	s.Object(root, answerRule, false)
	a.Pieces, a.Copies, a.Keys, a.Finish = s.Pieces, s.Copies, s.Keys, s.Finish
	s.Done()
	return a, nil
}
