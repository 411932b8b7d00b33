package provider

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/sluicegate/sluice/runtime/sse"
	"github.com/sluicegate/sluice/runtime/strictjson"
	"github.com/sluicegate/sluice/runtime/upstream"
	"github.com/sluicegate/sluice/runtime/wire"
	"github.com/sluicegate/sluice/runtime/wire/openai"
)

// openAI speaks the OpenAI API as OpenAI, vLLM, NIM, Ollama, llama.cpp and others serve it.
type openAI struct {
	transport  *upstream.Transport
	credential Credential
	maxEvent   int
	put        func(*upstream.Request, string) // where the secret goes
}

// defaultMaxEvent bounds one event: a delta has some hundred bytes, one with a whole answer's logprobs some 100 KB.
const defaultMaxEvent = 1 << 20

func newOpenAI(o Options) (upstream.Caller, error) {
	transport, err := transportOf(o)
	if err != nil {
		return nil, err
	}
	if o.MaxEvent == 0 {
		o.MaxEvent = defaultMaxEvent
	}
	return &openAI{transport: transport, credential: o.Credential, maxEvent: o.MaxEvent, put: bearer}, nil
}

// Close gives up the connections.
func (d *openAI) Close() error { return d.transport.Close() }

// openAIFormats are the formats of the APIs that the server has: chat, completions and embeddings where nothing is said.
func openAIFormats(o Options) []string {
	if o.APIs == nil {
		return []string{"openai.chat", "openai.completions", "openai.embeddings"}
	}
	out := make([]string, len(o.APIs))
	for i, api := range o.APIs {
		out[i] = "openai." + api
	}
	if slices.Contains(o.APIs, "responses") {
		out = append(out, openai.KeptName)
	}
	return out
}

// openAIPath is a call's path under the base URL; "" where the API has none. /inference is a chat upstream, and the two
// APIs that order documents are one operation.
func openAIPath(c *upstream.Call) string {
	switch c.Operation {
	case wire.ChatCompletions, wire.Inference:
		return "/chat/completions"
	case wire.Completions:
		return "/completions"
	case wire.Responses:
		return "/responses"
	case wire.Embeddings:
		return "/embeddings"
	case wire.Rerank:
		return strings.Replace(c.Format, "openai.", "/", 1)
	default:
		return ""
	}
}

// Call sends one request.
func (d *openAI) Call(ctx context.Context, c *upstream.Call) (*upstream.Reply, error) {
	if c.Operation.Kept() {
		return d.kept(ctx, c)
	}
	path := openAIPath(c)
	if path == "" {
		return nil, unsupported(c.Operation)
	}
	return d.callAt(ctx, path, c)
}

// callAt sends one request to a path.
func (d *openAI) callAt(ctx context.Context, path string, c *upstream.Call) (*upstream.Reply, error) {
	req := upstream.Request{Path: path, Body: c.Body, Stream: c.Stream, RequestID: c.RequestID, Header: c.Header}
	resp, err := send(ctx, d.transport, d.credential, &req, d.put)
	if err != nil {
		return nil, err
	}
	if resp.Status < 200 || resp.Status > 299 {
		f, text := resp.Fail()
		f.Param = errorParam(text)
		if f.Status == http.StatusNotFound && namesKept(c) {
			gone(f)
		}
		return nil, f
	}
	if c.Stream {
		return d.stream(resp, c.Operation == wire.Responses)
	}
	return whole(resp)
}

// Probe asks for the list of models. A server that has none (404, 405) is there all the same.
func (d *openAI) Probe(ctx context.Context) error { return d.probeAt(ctx, "/models") }

// probeAt asks for a page that holds JSON.
func (d *openAI) probeAt(ctx context.Context, path string) error {
	resp, err := send(ctx, d.transport, d.credential, &upstream.Request{Method: "GET", Path: path}, d.put)
	if err != nil {
		return err
	}
	if resp.Status < 200 || resp.Status > 299 {
		f, _ := resp.Fail()
		if resp.Status == 404 || resp.Status == 405 {
			return nil
		}
		return f
	}
	_, err = whole(resp)
	return err
}

// unsupported is the failure of an operation that a dialect does not have.
func unsupported(op wire.Operation) error {
	return &upstream.Failure{Code: wire.UnsupportedOp, Retry: upstream.RetryElsewhere, Cause: fmt.Errorf("the endpoint has no operation %s", op)}
}

// whole reads an answer that is not streamed. A 2xx that holds no JSON object, such as a login page, or that holds an
// error, is a failure.
func whole(resp *upstream.Response) (*upstream.Reply, error) {
	reply, err := object(resp)
	if err == nil && holdsError(reply.Body) {
		return nil, reported(resp.Status)
	}
	return reply, err
}

// object reads a JSON object.
func object(resp *upstream.Response) (*upstream.Reply, error) {
	defer func() { _ = resp.Close() }() // what matters was read or has failed
	if isHTML(resp.Header.ContentType) {
		return nil, notJSON(resp.Status)
	}
	body, err := resp.ReadAll()
	if err != nil {
		return nil, err
	}
	if text := bytes.TrimLeft(body, " \t\r\n"); len(text) == 0 || text[0] != '{' {
		return nil, notJSON(resp.Status)
	}
	return &upstream.Reply{Status: resp.Status, Header: resp.Header.Fields, Body: body}, nil
}

func isHTML(mediaType string) bool {
	return mediaType == "text/html" || mediaType == "application/xhtml+xml"
}

func notJSON(status int) error {
	f := upstream.Broken("the answer is not JSON: is the url the model server's, and is the credential valid?")
	f.Status = status
	return f
}

// notStreamed ends an answer that is whole where a stream was asked for.
func notStreamed(resp *upstream.Response) error {
	_ = resp.Close() // the failure says it all
	f := upstream.Broken("the answer is not an event stream although one was asked for")
	f.Status = resp.Status
	return f
}

// lives tells of the answer to a probe whether the server is there; one that has no such page (404, 405) is.
func lives(resp *upstream.Response) error {
	if resp.Status >= 200 && resp.Status <= 299 {
		return resp.Close()
	}
	f, _ := resp.Fail()
	if resp.Status == 404 || resp.Status == 405 {
		return nil
	}
	return f
}

// reported is the failure of a model server that answers 200 and then says that it failed.
func reported(status int) error {
	f := upstream.Broken("the answer reports an error under status %d", status)
	f.Status, f.Retry = status, upstream.RetryAnywhere
	return f
}

// stream begins a streamed answer. One whose events are typed ends with the last of a response.
func (d *openAI) stream(resp *upstream.Response, typed bool) (*upstream.Reply, error) {
	if resp.Header.ContentType != "text/event-stream" {
		return nil, notStreamed(resp)
	}
	events := &openAIEvents{resp: resp, reader: sse.NewReader(resp, d.maxEvent), typed: typed}
	return &upstream.Reply{Status: resp.Status, Header: resp.Header.Fields, Events: events}, nil
}

// openAIEvents reads a stream that ends with the event [DONE]. One that ends without was cut, whatever its framing says:
// a server that is stopped may close its answers in good order.
type openAIEvents struct {
	resp   *upstream.Response
	reader *sse.Reader
	typed  bool // the end is an event of its own, with or without [DONE] behind it
	begun  bool
	done   bool
	err    error
	closed bool
}

var doneData = []byte("[DONE]")

// ends tells whether an event's data is [DONE]. Most are objects, and then that is all there is to see.
func ends(data []byte) bool {
	return !bytes.HasPrefix(data, []byte{'{'}) && bytes.Equal(bytes.TrimSpace(data), doneData)
}

// Next gives an event's data, [DONE] included.
func (e *openAIEvents) Next() ([]byte, error) {
	if e.done {
		return nil, io.EOF
	}
	if e.err != nil {
		return nil, e.err
	}
	ev, err := e.reader.Next()
	if err != nil {
		e.err = e.fail(err)
		return nil, e.err
	}
	if !e.begun {
		e.begun = true
		e.resp.Begun()
		if holdsError(ev.Data) || e.typed && slices.Contains(failures, eventType(ev.Data)) {
			e.err = reported(e.resp.Status)
			return nil, e.err
		}
	}
	e.done = ends(ev.Data)
	if e.typed {
		if e.done {
			e.err = upstream.Interrupted(io.ErrUnexpectedEOF)
			return nil, e.err
		}
		e.done = slices.Contains(endings, eventType(ev.Data))
	}
	return ev.Data, nil
}

// Ready tells whether the next event has come.
func (e *openAIEvents) Ready() bool { return e.done || e.reader.Ready() }

// The types of a response's events that end its stream, and those of them that say it failed.
var (
	endings  = []string{"response.completed", "response.incomplete", "response.failed", "error"}
	failures = endings[2:]
)

// eventType is the type of a typed event where it may be one that ends the stream; else "". Only what has such a word in
// it is worth reading for it.
func eventType(data []byte) string {
	if !slices.ContainsFunc(endings, func(word string) bool { return bytes.Contains(data, []byte(`"`+word+`"`)) }) {
		return ""
	}
	r, err := strictjson.ReadReply(data)
	if err != nil {
		return "" // whoever reads the event will say so
	}
	defer r.Release()
	return string(r.Root().Get("type").Bytes())
}

func (e *openAIEvents) fail(err error) error {
	var f *upstream.Failure
	switch {
	case errors.As(err, &f):
		return f
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return upstream.Interrupted(io.ErrUnexpectedEOF)
	default:
		return upstream.Broken("the event stream cannot be read: %w", err)
	}
}

// Close ends the stream; after [DONE] its connection is kept.
func (e *openAIEvents) Close() error {
	if e.closed {
		return nil
	}
	e.closed = true
	e.reader.Release()
	if e.done {
		e.resp.Drain()
	}
	return e.resp.Close()
}

// holdsError tells whether an answer or event is an error object, {"error": {...}} or {"object": "error"}, in place of
// what was asked for. Only one that says so early and has none of an answer's members is worth reading for it.
func holdsError(body []byte) bool {
	front := body[:min(len(body), 256)]
	if !bytes.Contains(front, []byte(`"error"`)) || bytes.Contains(front, []byte(`"choices"`)) {
		return false
	}
	r, err := strictjson.ReadReply(body)
	if err != nil {
		return false // whoever reads the answer will say so
	}
	defer r.Release()
	root := r.Root()
	if root.Get("choices").Kind() != strictjson.Invalid || root.Get("data").Kind() != strictjson.Invalid {
		return false
	}
	k := root.Get("error").Kind()
	return k == strictjson.Object || k == strictjson.String || string(root.Get("object").Bytes()) == "error"
}
