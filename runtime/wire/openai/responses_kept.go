package openai

import (
	"strings"

	"github.com/sluicegate/sluice/runtime/strictjson"
	"github.com/sluicegate/sluice/runtime/wire"
	"github.com/sluicegate/sluice/runtime/wire/walk"
)

// KeptName is the name of the format of what is asked about a response that a model server keeps: to have it, to have what
// went into it, to delete it, to have it not go on. A request is an object of the response's id and of the query:
//
//	{"response_id": "resp_1", "include": ["..."], "after": "msg_1", "limit": 20, "order": "asc"}
//
// Source: the OpenAI API reference, responses (get, delete, cancel, list input items; 2026-10).
const KeptName = "openai.responses.kept"

// kept implements wire.Format for one operation. There are no streams: Event, Carry, Join and Split give errors.
type kept struct{ op wire.Operation }

func (kept) Name() string { return KeptName }

// Request reads the object strictly.
func (f kept) Request(body []byte, limits strictjson.Limits) (*wire.Request, error) {
	q, err := begin(f, f.op, body, limits)
	if err != nil {
		return nil, err
	}
	if fault := q.walk.Root(q.Doc.Root(), keptRequest); fault != nil {
		q.Doc.Release()
		return nil, fault
	}
	return &q.Request, nil
}

// Render appends the object. The model is not in it.
func (kept) Render(dst []byte, r *wire.Request, _ wire.Rendering) []byte { return r.Doc.Render(dst) }

// Amend refuses: there is nothing to set or to add to.
func (kept) Amend(*wire.Request, []wire.Param, []wire.Message) ([]byte, error) {
	return nil, amiss("a filter added to a request for what a model server keeps, which has nothing to add to")
}

// Answer reads a response, a list of what went into one, or the word that one is deleted. What it took to make the response
// was counted when it was made, so that nothing was used.
func (f kept) Answer(body []byte) (*wire.Answer, error) {
	doc, err := strictjson.ReadReply(body)
	if err != nil {
		return nil, misread("the model server's answer is not JSON that can be read without doubt")
	}
	root := doc.Root()
	if root.Kind() != strictjson.Object || root.Get(f.has()).Kind() == strictjson.Invalid {
		doc.Release()
		return nil, misread("the model server's answer has no " + f.has())
	}
	a := &answer{}
	a.Answer = wire.Answer{Format: f, Doc: doc, Model: string(root.Get("model").Bytes()), Usage: wire.Usage{Known: true}}
	if root.Get("error").Kind() == strictjson.Object {
		// The member is there and the value is JSON.
		_ = root.Get("error").Set("message", []byte(`"the model server failed to make this response"`))
	}
	s := walk.NewSaid(a.room[:0], nil, a.finish[:0], false)
	if s.Lane = outputLane; f.op == wire.ResponseInput {
		s.Lane = inputLane
	}
	s.Object(root, f.rule(), false)
	a.Pieces, a.Copies, a.Keys = s.Pieces, s.Copies, s.Keys
	s.Done()
	linkParts(a.Pieces)
	a.IDs = f.ids(root)
	return &a.Answer, nil
}

// has is the member without which an answer is none.
func (f kept) has() string {
	switch f.op {
	case wire.DeleteResponse:
		return "deleted"
	case wire.ResponseInput:
		return "data"
	}
	return "output"
}

func (f kept) rule() *rule {
	switch f.op {
	case wire.DeleteResponse:
		return deletedAnswer
	case wire.ResponseInput:
		return inputAnswer
	}
	return responseAnswer
}

func (f kept) ids(root strictjson.Value) (out []wire.ID) {
	if f.op != wire.ResponseInput {
		return stateIDs(root)
	}
	root.Get("data").Elements(func(_ int, item strictjson.Value) bool {
		out = itemIDs(out, item)
		return true
	})
	for _, key := range [...]string{"first_id", "last_id"} {
		if id := root.Get(key); id.Kind() == strictjson.String {
			out = append(out, wire.ID{Kind: "item_reference", Node: id})
		}
	}
	return out
}

func (kept) Event([]byte) (*wire.Event, error) { return nil, errNoStream }

func (kept) Carry(*wire.Event, wire.Lane, []byte) (*wire.Event, error) { return nil, errNoStream }

func (kept) Join([]*wire.Event) (*wire.Answer, error) { return nil, errNoStream }

func (kept) Split(*wire.Answer) ([]*wire.Event, error) { return nil, errNoStream }

var errNoStream = &wire.Fault{Code: wire.Internal, Message: KeptName + " has no streams"}

var keptRequest = compile([]row{
	{path: "response_id", class: state, reach: "store"},
	{path: "include", class: ident},
	{path: "after", class: given},
	{path: "limit"},
	{path: "order", class: enum, words: "asc desc"},
})

var deletedAnswer = compile([]row{
	{path: "id", class: skip},
	{path: "object", class: skip},
	{path: "deleted"},
})

// inputAnswer is a list of the items that went into a response, as the model server got them.
var inputAnswer = compile([]row{
	{path: "object", class: skip},
	{path: "first_id", class: skip},
	{path: "last_id", class: skip},
	{path: "data[]", class: call},
}, below("data[].", outputRows))

// keptQuery are the members of a query that each operation takes; those that ask for a stream are known and refused.
var keptQuery = map[wire.Operation][]string{
	wire.GetResponse:   {"include", "stream", "starting_after", "include_obfuscation"},
	wire.ResponseInput: {"include", "after", "limit", "order"},
}

// keptBody makes the object of an id and a query.
func keptBody(op wire.Operation, id string, query map[string][]string) ([]byte, *wire.Fault) {
	known := keptQuery[op]
	b := strictjson.AppendString([]byte(`{"response_id":`), id)
	read := 0
	for _, name := range known {
		values := query[name]
		if name == "include" {
			values = append(values[:len(values):len(values)], query["include[]"]...)
			if len(query["include[]"]) > 0 && len(query[name]) > 0 {
				read++
			}
		}
		if len(values) == 0 {
			continue
		}
		read++
		var fault *wire.Fault
		if b, fault = appendQuery(b, name, values); fault != nil {
			return nil, fault
		}
	}
	if read != len(query) {
		return nil, invalid("", "the query has a member that is not known here; this operation takes "+listed(known))
	}
	return append(b, '}'), nil
}

// appendQuery appends one member of a query.
func appendQuery(b []byte, name string, values []string) ([]byte, *wire.Fault) {
	v := values[0]
	switch {
	case name == "include":
		b = append(b, `,"include":[`...)
		for i, v := range values {
			if i > 0 {
				b = append(b, ',')
			}
			b = strictjson.AppendString(b, v)
		}
		return append(b, ']'), nil
	case len(values) > 1:
		return nil, invalid(name, "must be there once")
	case name == "after":
	case name == "order":
		if v != "asc" && v != "desc" {
			return nil, invalid(name, "must be asc or desc")
		}
	case name == "limit":
		if len(v) == 0 || len(v) > 3 || v[0] == '0' || strings.Trim(v, "0123456789") != "" {
			return nil, invalid(name, "must be a number from 1 to 100")
		}
		return append(append(b, `,"limit":`...), v...), nil
	case name == "stream" && v == "false":
		return b, nil
	default:
		return nil, &wire.Fault{Code: wire.UnsupportedField, Param: name, Message: "what a model server keeps is not streamed from here; leave it out"}
	}
	b = append(strictjson.AppendString(append(b, ','), name), ':')
	return strictjson.AppendString(b, v), nil
}

// listed is "a, b"; what is none is "none".
func listed(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}
