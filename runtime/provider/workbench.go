package provider

import (
	"context"
	"io"
	"strconv"
	"time"

	"github.com/sluicegate/sluice/runtime/strictjson"
	"github.com/sluicegate/sluice/runtime/upstream"
	"github.com/sluicegate/sluice/runtime/wire"
	"github.com/sluicegate/sluice/runtime/wire/openai"
)

// workbench speaks to a model deployed in Cloudera AI Workbench: one URL for all models (https://modelservice.DOMAIN/model),
// where the access key in the body says which. The model is a function that takes one JSON object, and gets the chat as
// it is; what it gives back may be a chat completion, a string, or an object whose output (or prediction, response, text)
// is one. It streams nothing: where a stream is asked for, the answer is its one event.
//
// A replica takes one request at a time, and the service answers 429 when none was free for a while; max_in_flight with
// a queue at the endpoint keeps callers from it.
type workbench struct {
	transport  *upstream.Transport
	credential Credential
}

func newWorkbench(o Options) (upstream.Caller, error) {
	transport, err := transportOf(o)
	if err != nil {
		return nil, err
	}
	return &workbench{transport: transport, credential: o.Credential}, nil
}

// Close gives up the connections.
func (d *workbench) Close() error { return d.transport.Close() }

// Call sends one request in the service's envelope.
func (d *workbench) Call(ctx context.Context, c *upstream.Call) (*upstream.Reply, error) {
	if c.Operation != wire.ChatCompletions && c.Operation != wire.Inference {
		return nil, unsupported(c.Operation)
	}
	req := upstream.Request{RequestID: c.RequestID, Header: c.Header}
	resp, err := send(ctx, d.transport, d.credential, &req, func(req *upstream.Request, key string) { req.Body = envelope(key, c.Body) })
	if err != nil {
		return nil, err
	}
	if resp.Status < 200 || resp.Status > 299 {
		f, _ := resp.Fail() // what the function raised is in there
		return nil, f
	}
	reply, err := whole(resp)
	if err != nil {
		return nil, err
	}
	return d.opened(c, reply)
}

// envelope is the body that the service wants.
func envelope(key string, request []byte) []byte {
	b := append(make([]byte, 0, len(request)+len(key)+32), `{"accessKey":`...)
	b = strictjson.AppendString(b, key)
	b = append(b, `,"request":`...)
	return append(append(b, request...), '}')
}

// opened is what the function gave, as a chat completion.
func (d *workbench) opened(c *upstream.Call, reply *upstream.Reply) (*upstream.Reply, error) {
	r, err := strictjson.ReadReply(reply.Body)
	if err != nil {
		return nil, notJSON(reply.Status)
	}
	defer r.Release()
	root := r.Root()
	if ok, is := root.Get("success").Bool(); is && !ok {
		return nil, reported(reply.Status)
	}
	switch said := root.Get("response"); {
	case said.Get("choices").Kind() == strictjson.Array:
		reply.Body = said.Append(nil)
	default:
		text, ok := output(said)
		if !ok {
			return nil, upstream.Broken("the model's response is no chat completion, no text, and has no text in output, prediction, response or text")
		}
		reply.Body = completion(c, text)
	}
	if c.Stream {
		return inEvents(reply)
	}
	return reply, nil
}

// inEvents is a whole chat completion as a stream.
func inEvents(reply *upstream.Reply) (*upstream.Reply, error) {
	a, err := openai.Chat.Answer(reply.Body)
	if err != nil {
		return nil, upstream.Broken("the model's response is no chat completion: %w", err)
	}
	defer a.Doc.Release()
	events, err := openai.Chat.Split(a)
	if err != nil {
		return nil, upstream.Broken("the model's response cannot be streamed: %w", err)
	}
	e := &onlyEvents{}
	for _, ev := range events {
		e.left = append(e.left, ev.Doc.Append(nil))
		ev.Doc.Release()
	}
	e.left = append(e.left, doneData)
	return &upstream.Reply{Status: reply.Status, Header: reply.Header, Events: e}, nil
}

// output is the text that a function gave back.
func output(v strictjson.Value) ([]byte, bool) {
	if v.Kind() == strictjson.String {
		return v.Bytes(), true
	}
	var found strictjson.Value
	for _, name := range []string{"output", "prediction", "response", "text"} {
		if found.Kind() != strictjson.String {
			found = v.Get(name)
		}
	}
	return found.Bytes(), found.Kind() == strictjson.String
}

// completion is a text as a chat completion.
func completion(c *upstream.Call, text []byte) []byte {
	b := append(make([]byte, 0, 256+len(text)), `{"id":"chatcmpl-`...)
	b = append(b, c.RequestID...)
	b = append(b, `","object":"chat.completion","created":`...)
	b = strconv.AppendInt(b, time.Now().Unix(), 10)
	b = append(b, `,"model":`...)
	b = strictjson.AppendString(b, c.Model)
	b = append(b, `,"choices":[{"index":0,"message":{"role":"assistant","content":`...)
	b = strictjson.AppendString(b, text)
	return append(b, `},"finish_reason":"stop"}]}`...)
}

// onlyEvents is a stream whose events are there.
type onlyEvents struct{ left [][]byte }

// Next gives the next event.
func (e *onlyEvents) Next() ([]byte, error) {
	if len(e.left) == 0 {
		return nil, io.EOF
	}
	next := e.left[0]
	e.left = e.left[1:]
	return next, nil
}

// Ready is always so.
func (e *onlyEvents) Ready() bool { return true }

// Close has nothing to end.
func (e *onlyEvents) Close() error { return nil }
