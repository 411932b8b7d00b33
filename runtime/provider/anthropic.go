package provider

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/sluicegate/sluice/runtime/sse"
	"github.com/sluicegate/sluice/runtime/strictjson"
	"github.com/sluicegate/sluice/runtime/upstream"
	"github.com/sluicegate/sluice/runtime/wire"
	"github.com/sluicegate/sluice/runtime/wire/anthropic"
)

// anthropicAPI speaks the Anthropic API, version 2023-06-01, at Anthropic's and at Vertex AI
// (https://LOCATION-aiplatform.googleapis.com/v1/projects/P/locations/L/publishers/anthropic).
type anthropicAPI struct {
	transport  *upstream.Transport
	credential Credential
	maxEvent   int
	betas      []string
	vertex     bool
}

// anthropicVersion is the API's version where the caller names none: one that speaks another API, or a probe.
const anthropicVersion = "2023-06-01"

func newAnthropic(o Options) (upstream.Caller, error) {
	// The API's own clients are given the address without the version, others with it.
	o.URL = strings.TrimSuffix(strings.TrimRight(o.URL, "/"), "/v1")
	transport, err := transportOf(o)
	if err != nil {
		return nil, err
	}
	if o.MaxEvent == 0 {
		o.MaxEvent = defaultMaxEvent
	}
	return &anthropicAPI{transport: transport, credential: o.Credential, maxEvent: o.MaxEvent, betas: o.Betas, vertex: isVertex(o.URL)}, nil
}

// Close gives up the connections.
func (d *anthropicAPI) Close() error { return d.transport.Close() }

// Call sends one request.
func (d *anthropicAPI) Call(ctx context.Context, c *upstream.Call) (*upstream.Reply, error) {
	req := upstream.Request{Body: c.Body, Stream: c.Stream, RequestID: c.RequestID, Header: c.Header}
	switch c.Operation {
	case wire.Messages:
		req.Path = "/v1/messages"
	case wire.CountTokens:
		req.Path = "/v1/messages/count_tokens"
	default:
		return nil, unsupported(c.Operation)
	}
	own, err := d.spoken(c.Header)
	if err != nil {
		return nil, err
	}
	req.Own = own
	put := apiKey
	if d.vertex {
		put = bearer
		if req.Path, req.Body, err = vertexPath(c); err != nil {
			return nil, err
		}
	}
	resp, err := send(ctx, d.transport, d.credential, &req, put)
	if err != nil {
		return nil, err
	}
	if resp.Status < 200 || resp.Status > 299 {
		f, text := resp.Fail()
		f.Param = messageParam(text)
		return nil, f
	}
	if c.Stream {
		return d.stream(resp)
	}
	return whole(resp)
}

// apiKey is where the API wants the secret.
func apiKey(req *upstream.Request, secret string) {
	req.Own = append(slices.Clip(req.Own), upstream.Field{Name: "X-Api-Key", Value: secret})
}

// spoken are the fields that say which version of the API a request is written for: the caller's where it names one, and
// those of its betas that the configuration lists.
func (d *anthropicAPI) spoken(header []upstream.Field) ([]upstream.Field, error) {
	version := anthropicVersion
	for _, f := range header {
		if f.Name == "Anthropic-Version" && dated(f.Value) {
			version = f.Value
		}
	}
	own := []upstream.Field{{Name: "Anthropic-Version", Value: version}}
	betas, err := betasOf(header, d.betas)
	if err != nil {
		return nil, err
	}
	if len(betas) > 0 {
		own = append(own, upstream.Field{Name: "Anthropic-Beta", Value: strings.Join(betas, ",")})
	}
	return own, nil
}

// dated tells whether s is a version, which is a date.
func dated(s string) bool {
	_, err := time.Parse(time.DateOnly, s)
	return err == nil
}

// Probe asks for the list of models. A server that has none (404, 405) is there all the same.
func (d *anthropicAPI) Probe(ctx context.Context) error {
	if d.vertex {
		return nil // it has no page that tells
	}
	own, _ := d.spoken(nil) // without a beta there is nothing to refuse
	resp, err := send(ctx, d.transport, d.credential, &upstream.Request{Method: "GET", Path: "/v1/models", Own: own}, apiKey)
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

// stream begins a streamed answer.
func (d *anthropicAPI) stream(resp *upstream.Response) (*upstream.Reply, error) {
	if resp.Header.ContentType != "text/event-stream" {
		return nil, notStreamed(resp)
	}
	events := &anthropicEvents{resp: resp, reader: sse.NewReader(resp, d.maxEvent)}
	return &upstream.Reply{Status: resp.Status, Header: resp.Header.Fields, Events: events}, nil
}

// anthropicEvents reads a stream that ends with the event message_stop. One that ends without was cut, whatever its
// framing says; one with an event error has failed.
type anthropicEvents struct {
	resp   *upstream.Response
	reader *sse.Reader
	begun  bool
	done   bool
	err    error
	closed bool
}

// Next gives an event's data, that of message_stop included.
func (e *anthropicEvents) Next() ([]byte, error) {
	if e.done {
		return nil, io.EOF
	}
	if e.err != nil {
		return nil, e.err
	}
	ev, err := e.reader.Next()
	if err != nil {
		e.err = cut(err)
		return nil, e.err
	}
	switch anthropic.Type(ev.Data) {
	case "message_stop":
		e.done = true
	case "error":
		e.err = streamed(ev.Data, e.begun)
		return nil, e.err
	}
	if !e.begun {
		e.begun = true
		e.resp.Begun()
	}
	return ev.Data, nil
}

// Ready tells whether the next event has come.
func (e *anthropicEvents) Ready() bool { return e.done || e.reader.Ready() }

// cut is the failure of a stream that cannot be read on.
func cut(err error) error {
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

// errorStatus are the statuses that the API's types of error stand for (Anthropic API, "Errors").
var errorStatus = map[string]int{
	"invalid_request_error": 400, "authentication_error": 401, "billing_error": 402, "permission_error": 403, "not_found_error": 404,
	"request_too_large": 413, "rate_limit_error": 429, "api_error": 500, "timeout_error": 504, "overloaded_error": 529,
}

// streamed is the failure that an event of type error stands for: what its type says as long as nothing has gone on, and
// then an answer that ended early.
func streamed(data []byte, begun bool) error {
	if begun {
		return upstream.Interrupted(errors.New("the model server reported an error in the stream"))
	}
	r, err := strictjson.ReadReply(data)
	if err != nil {
		return reported(200)
	}
	defer r.Release()
	status, ok := errorStatus[string(r.Root().Get("error", "type").Bytes())]
	if !ok {
		status = 500
	}
	f := upstream.FromStatus(status, 0)
	f.Param = messageParam(data)
	return f
}

// Close ends the stream; after message_stop its connection is kept.
func (e *anthropicEvents) Close() error {
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

// messageParam finds the field at fault in an error's body. The API has no member for it: its messages begin with the
// path, as in "messages.0.content.1.text: Field required"; "" if there is none that is safe.
func messageParam(body []byte) string {
	r, err := strictjson.ReadReply(body)
	if err != nil {
		return ""
	}
	defer r.Release()
	path, _, ok := bytes.Cut(r.Root().Get("error", "message").Bytes(), []byte(": "))
	if !ok {
		return ""
	}
	return safeParam(string(path))
}
