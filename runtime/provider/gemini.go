package provider

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/url"
	"strings"

	"github.com/sluicegate/sluice/runtime/sse"
	"github.com/sluicegate/sluice/runtime/strictjson"
	"github.com/sluicegate/sluice/runtime/upstream"
	"github.com/sluicegate/sluice/runtime/wire"
	"github.com/sluicegate/sluice/runtime/wire/translate"
)

// gemini speaks Google's generateContent, countTokens and embeddings, at the Gemini API
// (https://generativelanguage.googleapis.com/v1beta) and at Vertex AI (.../v1/projects/P/locations/L/publishers/google),
// whose counts and embeddings are said otherwise. The model is in the path.
type gemini struct {
	transport  *upstream.Transport
	credential Credential
	maxEvent   int
	vertex     bool
}

// isVertex tells whether an endpoint is Vertex AI's.
func isVertex(url string) bool { return strings.Contains(url, "/publishers/") }

// geminiFormats are the formats of either API.
func geminiFormats(o Options) []string {
	if isVertex(o.URL) {
		return []string{"gemini.generate", "vertex.count", "vertex.embed"}
	}
	return []string{"gemini.generate", "gemini.count", "gemini.embed"}
}

func newGemini(o Options) (upstream.Caller, error) {
	transport, err := transportOf(o)
	if err != nil {
		return nil, err
	}
	if o.MaxEvent == 0 {
		o.MaxEvent = defaultMaxEvent
	}
	return &gemini{transport: transport, credential: o.Credential, maxEvent: o.MaxEvent, vertex: isVertex(o.URL)}, nil
}

// Close gives up the connections.
func (d *gemini) Close() error { return d.transport.Close() }

// googleKey is where the API wants the secret: a key in a field of its own, and an OAuth token, which Google's begin with
// ya29, as bearer.
func googleKey(req *upstream.Request, secret string) {
	if strings.HasPrefix(secret, "ya29.") {
		req.Bearer = secret
		return
	}
	req.Own = []upstream.Field{{Name: "X-Goog-Api-Key", Value: secret}}
}

// verb is the end of a call's path; "" if the API has no such operation.
func (d *gemini) verb(c *upstream.Call) string {
	switch {
	case c.Operation == wire.ChatCompletions && c.Stream:
		return ":streamGenerateContent?alt=sse"
	case c.Operation == wire.ChatCompletions:
		return ":generateContent"
	case c.Operation == wire.CountTokens:
		return ":countTokens"
	case c.Operation == wire.Embeddings && d.vertex && translate.VertexEmbedsContent(c.Model):
		return ":embedContent"
	case c.Operation == wire.Embeddings && d.vertex:
		return ":predict"
	case c.Operation == wire.Embeddings:
		return ":batchEmbedContents"
	default:
		return ""
	}
}

// Call sends one request.
func (d *gemini) Call(ctx context.Context, c *upstream.Call) (*upstream.Reply, error) {
	verb := d.verb(c)
	if verb == "" {
		return nil, unsupported(c.Operation)
	}
	path := "/models/" + url.PathEscape(strings.TrimPrefix(c.Model, "models/"))
	req := upstream.Request{Path: path + verb, Body: c.Body, Stream: c.Stream, RequestID: c.RequestID, Header: c.Header}
	resp, err := send(ctx, d.transport, d.credential, &req, googleKey)
	if err != nil {
		return nil, err
	}
	if resp.Status < 200 || resp.Status > 299 {
		f, _ := resp.Fail() // which field is at fault stands in a text alone
		return nil, f
	}
	if !c.Stream {
		return whole(resp)
	}
	if resp.Header.ContentType != "text/event-stream" {
		return nil, notStreamed(resp)
	}
	return &upstream.Reply{Status: resp.Status, Header: resp.Header.Fields, Events: &geminiEvents{resp: resp, reader: sse.NewReader(resp, d.maxEvent)}}, nil
}

// Probe asks for the list of models. A server that has none (404, 405) is there all the same.
func (d *gemini) Probe(ctx context.Context) error {
	resp, err := send(ctx, d.transport, d.credential, &upstream.Request{Method: "GET", Path: "/models"}, googleKey)
	if err != nil {
		return err
	}
	return lives(resp)
}

// geminiEvents reads a stream. The API has no word that ends one: it is complete where an event has told why the answer
// ended, and then [DONE] is given for it; one that ends without was cut.
type geminiEvents struct {
	resp     *upstream.Response
	reader   *sse.Reader
	begun    bool
	finished bool // why was told
	done     bool
	err      error
	closed   bool
}

// Next gives an event's data, and [DONE] after the last one.
func (e *geminiEvents) Next() ([]byte, error) {
	switch {
	case e.done:
		return nil, io.EOF
	case e.err != nil:
		return nil, e.err
	}
	ev, err := e.reader.Next()
	if errors.Is(err, io.EOF) && e.finished {
		e.done = true
		return doneData, nil
	}
	if err != nil {
		e.err = cut(err)
		return nil, e.err
	}
	if !e.begun {
		e.begun = true
		e.resp.Begun()
		if holdsError(ev.Data) {
			e.err = reported(e.resp.Status)
			return nil, e.err
		}
	}
	e.finished = e.finished || toldWhy(ev.Data)
	return ev.Data, nil
}

// Ready tells whether the next event has come.
func (e *geminiEvents) Ready() bool { return e.done || e.reader.Ready() }

// toldWhy tells whether an event says why the answer, or the prompt, ended.
func toldWhy(data []byte) bool {
	if !bytes.Contains(data, []byte(`"finishReason"`)) && !bytes.Contains(data, []byte(`"blockReason"`)) {
		return false
	}
	r, err := strictjson.ReadReply(data)
	if err != nil {
		return false // whoever reads the event will say so
	}
	defer r.Release()
	root := r.Root()
	return root.Get("candidates").Index(0).Get("finishReason").Kind() == strictjson.String ||
		root.Get("promptFeedback", "blockReason").Kind() == strictjson.String
}

// Close ends the stream; after its end its connection is kept.
func (e *geminiEvents) Close() error {
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
