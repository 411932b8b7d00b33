package anthropic

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

// Request reads a body strictly; see wire.Format. The Request keeps body, and its texts live until Doc.Release.
func (f *format) Request(body []byte, limits strictjson.Limits) (*wire.Request, error) {
	doc, err := strictjson.Parse(body, limits)
	if err != nil {
		return nil, walk.Unreadable(err)
	}
	q := &request{}
	q.Request = wire.Request{Operation: f.op, Format: f, Doc: doc, Size: len(body), Segments: q.room[:0]}
	q.walk = walk.New(doc, &q.Request)
	if fault := q.read(f); fault != nil {
		doc.Release()
		return nil, fault
	}
	return &q.Request, nil
}

func (q *request) read(f *format) *wire.Fault {
	root := q.Doc.Root()
	if root.Kind() != strictjson.Object {
		return walk.Invalid("", "the body must be a JSON object")
	}
	switch list := root.Get("messages"); {
	case list.Kind() == strictjson.Invalid || list.Kind() == strictjson.Null:
		return &wire.Fault{Code: wire.MissingField, Param: "messages", Message: "the required field 'messages' is missing"}
	case list.Kind() != strictjson.Array:
		return walk.Invalid("messages", "must be an array of messages")
	case list.Len() == 0:
		return &wire.Fault{Code: wire.MissingField, Param: "messages", Message: "must hold at least one message"}
	}
	if fault := q.own(root, f); fault != nil {
		return fault
	}
	return q.walk.Root(root, f.request)
}

// own reads what the gateway itself acts on. Streams of the API always tell their usage.
func (q *request) own(root strictjson.Node, f *format) *wire.Fault {
	if fault := q.walk.Own(root); fault != nil {
		return fault
	}
	q.Stream = q.Stream && f.streams
	q.Usage = q.Stream
	return nil
}
