package inference

import (
	"errors"

	"github.com/sluicegate/sluice/runtime/strictjson"
	"github.com/sluicegate/sluice/runtime/wire"
	"github.com/sluicegate/sluice/runtime/wire/openai"
	"github.com/sluicegate/sluice/runtime/wire/walk"
)

// form is a body of the plain form, as it stands.
type form struct {
	model, inputs, messages, stream strictjson.Node
	parameters                      strictjson.Node
	named                           string            // the key that names the model
	more                            []strictjson.Node // other members, key and value in turn: parameters too
}

// Parse reads a body strictly and makes a chat completion of it: Request.Format is openai.Chat. What the form does not
// name is a parameter, as if it stood in "parameters".
func (surface) Parse(body []byte, limits strictjson.Limits) (*wire.Request, error) {
	doc, err := strictjson.Parse(body, limits)
	if err != nil {
		return nil, walk.Unreadable(err)
	}
	defer doc.Release()
	var f form
	if fault := f.read(doc.Root()); fault != nil {
		return nil, fault
	}
	chat, fault := f.chat(make([]byte, 0, len(body)+64))
	if fault != nil {
		return nil, fault
	}
	// The form was within the limits, and what the chat adds to it is the gateway's own.
	if limits.MaxBytes > 0 {
		limits.MaxBytes += len(chat)
	}
	if limits.MaxDepth > 0 {
		limits.MaxDepth += 2
	}
	r, err := openai.Chat.Request(chat, limits)
	if err != nil {
		return nil, blame(err)
	}
	r.Operation, r.Size = wire.Inference, len(body)
	return r, nil
}

// blame says of a fault of the chat what it is in the form: the form itself names no key twice.
func blame(err error) error {
	var f *wire.Fault
	if errors.As(err, &f) && f.Code == wire.DuplicateKey && f.Param == "" {
		f.Param, f.Message = "parameters", "A parameter stands both in 'parameters' and beside it"
	}
	return err
}

// keys are the members of the form.
var keys = []string{"model_name", "model", "inputs", "messages", "parameters", "stream"}

// read takes the members apart.
func (f *form) read(root strictjson.Node) *wire.Fault {
	if root.Kind() != strictjson.Object {
		return invalid("", "The body must be a JSON object")
	}
	for k, v := range root.Members() {
		if fault := f.member(k, v); fault != nil {
			return fault
		}
	}
	switch {
	case given(f.inputs) && given(f.messages):
		return invalid("messages", "'messages' can't stand beside 'inputs': send one of them")
	case !given(f.inputs) && !given(f.messages):
		return &wire.Fault{Code: wire.MissingField, Param: "inputs", Message: "Missing 'inputs' field"}
	case given(f.inputs) && f.inputs.Kind() != strictjson.String:
		return invalid("inputs", "'inputs' must be a string")
	case given(f.model) && f.model.Kind() != strictjson.String:
		return invalid(f.named, "'"+f.named+"' must be a string")
	case given(f.parameters) && f.parameters.Kind() != strictjson.Object:
		return invalid("parameters", "'parameters' must be an object")
	}
	return nil
}

// member takes one member.
func (f *form) member(k, v strictjson.Node) *wire.Fault {
	key := k.Bytes()
	switch string(key) {
	case "model_name", "model":
		if given(f.model) && given(v) {
			return invalid("model", "'model_name' and 'model' both name the model: send one of them")
		}
		if given(v) {
			f.model, f.named = v, k.Str()
		}
	case "inputs":
		f.inputs = v
	case "messages":
		f.messages = v
	case "parameters":
		f.parameters = v
	case "stream":
		f.stream = v
	default:
		if variant(key) {
			return &wire.Fault{
				Code: wire.DuplicateKey, Param: "*",
				Message: "A key is another spelling of a known one; write keys in lower case",
			}
		}
		f.more = append(f.more, k, v)
	}
	return nil
}

// variant tells whether key is another spelling of a key of the form.
func variant(key []byte) bool {
	for _, known := range keys {
		if strictjson.FoldEqual(key, known) {
			return true
		}
	}
	return false
}

func given(n strictjson.Node) bool {
	return n.Kind() != strictjson.Invalid && n.Kind() != strictjson.Null
}

// chat appends the body of the chat completion.
func (f *form) chat(dst []byte) ([]byte, *wire.Fault) {
	dst = append(dst, '{')
	if given(f.model) {
		dst = append(dst, `"model":`...)
		dst = append(append(dst, f.model.Raw()...), ',')
	}
	if given(f.messages) {
		dst = append(dst, `"messages":`...)
		dst = append(dst, f.messages.Raw()...)
	} else {
		dst = append(dst, `"messages":[{"role":"user","content":`...)
		dst = append(dst, f.inputs.Raw()...)
		dst = append(dst, "}]"...)
	}
	if given(f.stream) {
		dst = append(dst, `,"stream":`...)
		dst = append(dst, f.stream.Raw()...)
	}
	for k, v := range f.parameters.Members() {
		var fault *wire.Fault
		if dst, fault = parameter(dst, k, v); fault != nil {
			fault.Param = "parameters." + fault.Param
			return nil, fault
		}
	}
	for i := 0; i < len(f.more); i += 2 {
		var fault *wire.Fault
		if dst, fault = parameter(dst, f.more[i], f.more[i+1]); fault != nil {
			return nil, fault
		}
	}
	return append(dst, '}'), nil
}

// taken are the parameters that the form has its own members for, or no place for in its answers.
var taken = []string{"model", "model_name", "messages", "inputs", "stream", "stream_options", "prompt", "input"}

// parameter appends one parameter.
func parameter(dst []byte, k, v strictjson.Node) ([]byte, *wire.Fault) {
	key := k.Bytes()
	for _, name := range taken {
		if strictjson.FoldEqual(key, name) {
			return nil, invalid(name, "'"+name+"' can't be a parameter")
		}
	}
	if strictjson.FoldEqual(key, "n") && given(v) {
		if n, ok := v.Int64(); !ok || n != 1 {
			return nil, invalid("n", "'n' can't be other than 1: the answer has one output")
		}
	}
	dst = append(append(dst, ','), k.Raw()...)
	return append(append(dst, ':'), v.Raw()...), nil
}

func invalid(param, message string) *wire.Fault {
	return &wire.Fault{Code: wire.InvalidRequest, Param: param, Message: message}
}
