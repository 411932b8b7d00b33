package openai

import (
	"github.com/sluicegate/sluice/runtime/strictjson"
	"github.com/sluicegate/sluice/runtime/wire"
	"github.com/sluicegate/sluice/runtime/wire/walk"
)

// request is a Request with its walk and room for the few segments that most have: one allocation for all.
type request struct {
	wire.Request
	walk walk.Walk
	room [4]wire.Segment
}

// begin reads a body strictly as a document, whose walk is to come.
func begin(f wire.Format, op wire.Operation, body []byte, limits strictjson.Limits) (*request, error) {
	doc, err := strictjson.Parse(body, limits)
	if err != nil {
		return nil, walk.Unreadable(err)
	}
	q := &request{}
	q.Request = wire.Request{Operation: op, Format: f, Doc: doc, Size: len(body), Segments: q.room[:0]}
	q.walk = walk.New(doc, &q.Request)
	return q, nil
}

// Request reads a body strictly; see wire.Format. The Request keeps body, and its texts live until Doc.Release.
func (f *format) Request(body []byte, limits strictjson.Limits) (*wire.Request, error) {
	q, err := begin(f, f.op, body, limits)
	if err != nil {
		return nil, err
	}
	if fault := q.read(f); fault != nil {
		q.Doc.Release()
		return nil, fault
	}
	return &q.Request, nil
}

func (q *request) read(f *format) *wire.Fault {
	root := q.Doc.Root()
	if root.Kind() != strictjson.Object {
		return invalid("", "the body must be a JSON object")
	}
	if fault := q.prompted(root, f.prompts); fault != nil {
		return fault
	}
	if f.beside != "" && root.Get(f.beside).Kind() != strictjson.Array {
		return &wire.Fault{Code: wire.MissingField, Param: f.beside, Message: "the required list '" + f.beside + "' is missing"}
	}
	if fault := q.own(root); fault != nil {
		return fault
	}
	return q.walk.Root(root, f.request)
}

// prompted sees to it that one of the members that hold the prompt is there.
func (q *request) prompted(root strictjson.Node, prompts []string) *wire.Fault {
	for _, key := range prompts {
		n := root.Get(key)
		switch {
		case n.Kind() == strictjson.Invalid || n.Kind() == strictjson.Null:
			continue
		case key == "messages" && n.Kind() != strictjson.Array:
			return invalid(key, "must be an array of messages")
		case key == "messages" && n.Len() == 0:
			return &wire.Fault{Code: wire.MissingField, Param: key, Message: "must hold at least one message"}
		}
		return nil
	}
	return &wire.Fault{Code: wire.MissingField, Param: prompts[0], Message: "the required field '" + prompts[0] + "' is missing"}
}

// own reads what the gateway itself acts on.
func (q *request) own(root strictjson.Node) *wire.Fault {
	if fault := q.walk.Own(root); fault != nil {
		return fault
	}
	options := root.Get("stream_options")
	if k := options.Kind(); k != strictjson.Object && k != strictjson.Null && k != strictjson.Invalid {
		return invalid("stream_options", "must be an object")
	}
	if options.Kind() == strictjson.Object {
		wanted, _ := options.Get("include_usage").Bool()
		q.Usage = wanted && q.Stream
	}
	return nil
}
