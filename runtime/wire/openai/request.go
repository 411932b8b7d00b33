package openai

import (
	"errors"
	"strconv"
	"strings"

	"github.com/sluicegate/sluice/runtime/strictjson"
	"github.com/sluicegate/sluice/runtime/wire"
)

// request is a Request with its walk and room for the few segments that most have: one allocation for all.
type request struct {
	wire.Request
	walk walk
	room [4]wire.Segment
}

// Request reads a body strictly; see wire.Format. The Request keeps body, and its texts live until Doc.Release.
func (f *format) Request(body []byte, limits strictjson.Limits) (*wire.Request, error) {
	doc, err := strictjson.Parse(body, limits)
	if err != nil {
		return nil, Unreadable(err)
	}
	q := &request{}
	q.Request = wire.Request{Operation: f.op, Format: f, Doc: doc, Size: len(body), Segments: q.room[:0]}
	q.walk = walk{doc: doc, r: &q.Request}
	if fault := q.read(f); fault != nil {
		doc.Release()
		return nil, fault
	}
	return &q.Request, nil
}

// Unreadable is the fault of a body that strictjson.Parse refused with err.
func Unreadable(err error) *wire.Fault {
	var e *strictjson.Error
	if !errors.As(err, &e) {
		return &wire.Fault{Code: wire.InvalidJSON, Message: "the body cannot be read as JSON"}
	}
	f := &wire.Fault{Code: wire.Code(e.Code), Message: e.Message}
	if e.Offset >= 0 && e.Code != strictjson.TooLarge {
		f.Message += " at byte " + strconv.Itoa(e.Offset)
	}
	return f
}

func (q *request) read(f *format) *wire.Fault {
	root := q.Doc.Root()
	if root.Kind() != strictjson.Object {
		return invalid("", "the body must be a JSON object")
	}
	if fault := q.prompted(root, f.prompts); fault != nil {
		return fault
	}
	if fault := q.own(root); fault != nil {
		return fault
	}
	return q.walk.root(root, f.request)
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

// own reads what the gateway itself acts on: the model and streaming.
func (q *request) own(root strictjson.Node) *wire.Fault {
	switch n := root.Get("model"); n.Kind() {
	case strictjson.Invalid, strictjson.Null:
	case strictjson.String:
		if !n.Is("auto") {
			q.Model = n.Str()
		}
	default:
		return invalid("model", "must be a string")
	}
	stream := root.Get("stream")
	q.Stream, _ = stream.Bool()
	if k := stream.Kind(); k != strictjson.Bool && k != strictjson.Null && k != strictjson.Invalid {
		return invalid("stream", "must be true or false")
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

// invalid is the fault of a field with a wrong type or value.
func invalid(param, message string) *wire.Fault {
	return &wire.Fault{Code: wire.InvalidRequest, Param: param, Message: message}
}

// under says that a fault lies under key. Only keys of the tables are given: a caller's own words stay out of faults.
func under(f *wire.Fault, key string) *wire.Fault {
	switch {
	case f.Param == "":
		f.Param = key
	case f.Param[0] == '[':
		f.Param = key + f.Param
	default:
		f.Param = key + "." + f.Param
	}
	return f
}

// at says that a fault lies in the i-th element.
func at(f *wire.Fault, i int) *wire.Fault { return under(f, "["+strconv.Itoa(i)+"]") }

// oneOf is "a, b or c".
func oneOf(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}
