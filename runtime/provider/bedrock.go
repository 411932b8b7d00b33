package provider

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/sluicegate/sluice/runtime/upstream"
	"github.com/sluicegate/sluice/runtime/wire"
	"github.com/sluicegate/sluice/runtime/wire/anthropic"
)

// bedrock speaks Amazon Bedrock's Converse, ConverseStream and CountTokens, and InvokeModel of Claude, which takes messages
// as they are, and of models that embed or rank, at
// https://bedrock-runtime.REGION.amazonaws.com. The model is in the path. The secret is a Bedrock API key, or access keys as the JSON that AWS's credential_process writes, with
// which each request is signed (Signature Version 4).
type bedrock struct {
	transport  *upstream.Transport
	credential Credential
	base       string
	region     string
	maxEvent   int
	betas      []string
	family     string
}

func newBedrock(o Options) (upstream.Caller, error) {
	transport, err := transportOf(o)
	if err != nil {
		return nil, err
	}
	if o.MaxEvent == 0 {
		o.MaxEvent = defaultMaxEvent
	}
	return &bedrock{transport: transport, credential: o.Credential, base: strings.TrimRight(o.URL, "/"), region: regionOf(o.URL), maxEvent: o.MaxEvent, betas: o.Betas, family: o.Family}, nil
}

// regionOf is the region in a host's name: the label behind the service's. Others are taken for us-east-1.
func regionOf(address string) string {
	if u, err := url.Parse(address); err == nil {
		labels := strings.Split(u.Hostname(), ".")
		for i, label := range labels[:max(0, len(labels)-1)] {
			if strings.HasPrefix(label, "bedrock-runtime") {
				return labels[i+1]
			}
		}
	}
	return "us-east-1"
}

// Close gives up the connections.
func (d *bedrock) Close() error { return d.transport.Close() }

// bedrockVerb is the end of a call's path; "" if the API has no such operation.
func bedrockVerb(c *upstream.Call) string {
	switch {
	case c.Operation == wire.Messages && c.Stream:
		return "/invoke-with-response-stream"
	case c.Operation == wire.Messages:
		return "/invoke"
	case c.Operation == wire.ChatCompletions && c.Stream:
		return "/converse-stream"
	case c.Operation == wire.ChatCompletions:
		return "/converse"
	case c.Operation == wire.CountTokens:
		return "/count-tokens"
	case c.Operation == wire.Embeddings, c.Operation == wire.Rerank:
		return "/invoke"
	default:
		return ""
	}
}

// The formats of Claude and of other models.
var (
	claudeFormats  = []string{"anthropic.messages", "bedrock.count"}
	bedrockFormats = []string{"bedrock.converse", "bedrock.count", "bedrock.embed", "bedrock.rerank"}
)

// formats are those of a model. They make the dialect a polyglot. The name of an application inference profile or of
// provisioned throughput does not tell what model it is: then the configuration does.
func (d *bedrock) formats(model string) []string {
	if d.family != "" {
		model = d.family
	}
	if strings.Contains(model, "anthropic.claude") {
		return claudeFormats
	}
	return bedrockFormats
}

// Call sends one request.
func (d *bedrock) Call(ctx context.Context, c *upstream.Call) (*upstream.Reply, error) {
	if c.Operation == wire.Messages {
		var err error
		if c, err = d.messages(c); err != nil {
			return nil, err
		}
	}
	verb := bedrockVerb(c)
	if verb == "" {
		return nil, unsupported(c.Operation)
	}
	req := upstream.Request{Path: "/model/" + url.PathEscape(c.Model) + verb, Body: c.Body, RequestID: c.RequestID, Header: c.Header}
	resp, err := send(ctx, d.transport, d.credential, &req, d.sign)
	if err != nil {
		return nil, err
	}
	if resp.Status < 200 || resp.Status > 299 {
		f, _ := resp.Fail() // which field is at fault stands in a text alone
		return nil, f
	}
	if !c.Stream {
		reply, err := whole(resp)
		if err == nil && resp.Header.InputTokens != "" && c.Operation == wire.Embeddings {
			reply.Body = withTokens(reply.Body, resp.Header.InputTokens)
		}
		return reply, err
	}
	if resp.Header.ContentType != "application/vnd.amazon.eventstream" {
		return nil, notStreamed(resp)
	}
	events := &bedrockEvents{resp: resp, source: &io.LimitedReader{R: resp}, decoder: eventstream.NewDecoder(), most: d.maxEvent, chunks: c.Operation == wire.Messages}
	return &upstream.Reply{Status: resp.Status, Header: resp.Header.Fields, Events: events}, nil
}

// withTokens is an answer with the usage that its head told: in the member inputTokens, before its own members.
func withTokens(body []byte, tokens string) []byte {
	_, rest, _ := bytes.Cut(body, []byte("{"))
	out := append(make([]byte, 0, len(body)+len(tokens)+20), `{"inputTokens":`...)
	out = append(out, tokens...)
	if trimmed := bytes.TrimLeft(rest, " \t\r\n"); len(trimmed) > 0 && trimmed[0] != '}' {
		out = append(out, ',')
	}
	return append(out, rest...)
}

// accessKeys are what AWS's credential_process writes.
type accessKeys struct {
	AccessKeyID     string `json:"AccessKeyId"`
	SecretAccessKey string
	SessionToken    string
}

// sign puts the secret into a request: a key as bearer, or the signature that access keys make. What cannot be signed is
// sent unsigned, and refused there.
func (d *bedrock) sign(req *upstream.Request, secret string) {
	if !strings.HasPrefix(strings.TrimSpace(secret), "{") {
		req.Bearer = secret
		return
	}
	var keys accessKeys
	r, err := http.NewRequest(http.MethodPost, d.base+req.Path, bytes.NewReader(req.Body)) //nolint:noctx // it is signed, not sent
	if err != nil || json.Unmarshal([]byte(secret), &keys) != nil {
		return
	}
	sum := sha256.Sum256(req.Body)
	own := aws.Credentials{AccessKeyID: keys.AccessKeyID, SecretAccessKey: keys.SecretAccessKey, SessionToken: keys.SessionToken}
	if v4.NewSigner().SignHTTP(context.Background(), own, r, hex.EncodeToString(sum[:]), "bedrock", d.region, time.Now()) != nil {
		return
	}
	req.Own = nil
	for _, name := range [...]string{"Authorization", "X-Amz-Date", "X-Amz-Security-Token"} {
		if v := r.Header.Get(name); v != "" {
			req.Own = append(req.Own, upstream.Field{Name: name, Value: v})
		}
	}
}

// bedrockEvents reads a stream of AWS's event messages. It is complete where messageStop came, and then [DONE] is given
// after the last message; one of InvokeModel with message_stop; one that ends without was cut.
type bedrockEvents struct {
	resp    *upstream.Response
	source  *io.LimitedReader
	decoder *eventstream.Decoder
	most    int
	chunks  bool // of InvokeModel: each message holds an event of the Anthropic API
	payload []byte
	out     []byte
	begun   bool
	stopped bool
	done    bool
	err     error
	closed  bool
}

// Next gives an event as {"TYPE": PAYLOAD}.
func (e *bedrockEvents) Next() ([]byte, error) {
	switch {
	case e.done:
		return nil, io.EOF
	case e.err != nil:
		return nil, e.err
	}
	e.source.N = int64(e.most) + 4096
	msg, err := e.decoder.Decode(e.source, e.payload[:0])
	if errors.Is(err, io.EOF) && e.stopped && e.source.N > 0 {
		e.done = true
		return doneData, nil
	}
	if err != nil {
		e.err = cut(err)
		return nil, e.err
	}
	e.payload = msg.Payload
	kind, name := header(msg, ":message-type"), header(msg, ":event-type")
	if kind != "event" {
		e.err = e.exception(header(msg, ":exception-type"))
		return nil, e.err
	}
	if e.chunks {
		return e.chunk()
	}
	if !e.begun {
		e.begun = true
		e.resp.Begun()
	}
	e.stopped = e.stopped || name == "messageStop"
	e.out = append(append(append(append(e.out[:0], `{"`...), lettered(name)...), `":`...), msg.Payload...)
	return append(e.out, '}'), nil
}

// chunk gives the event that a message of InvokeModel's holds.
func (e *bedrockEvents) chunk() ([]byte, error) {
	var err error
	if e.out, err = chunk(e.out[:0], e.payload); err != nil {
		e.err = upstream.Broken("the event stream cannot be read: %w", err)
		return nil, e.err
	}
	kind := anthropic.Type(e.out)
	if kind == "error" {
		e.err = streamed(e.out, e.begun)
		return nil, e.err
	}
	if !e.begun {
		e.begun = true
		e.resp.Begun()
	}
	e.done = kind == "message_stop"
	return e.out, nil
}

// Ready cannot tell: the messages are cut by their decoder.
func (e *bedrockEvents) Ready() bool { return false }

// exception is the failure that an exception in the stream stands for.
func (e *bedrockEvents) exception(name string) error {
	if e.begun {
		return upstream.Interrupted(errors.New("the model server reports an exception"))
	}
	switch name {
	case "throttlingException":
		return upstream.FromStatus(http.StatusTooManyRequests, 0)
	case "validationException":
		return upstream.FromStatus(http.StatusBadRequest, 0)
	default:
		return upstream.FromStatus(http.StatusInternalServerError, 0)
	}
}

func header(m eventstream.Message, name string) string {
	if v, ok := m.Headers.Get(name).(eventstream.StringValue); ok {
		return string(v)
	}
	return ""
}

// lettered is a name of letters alone; one with anything else is none.
func lettered(name string) string {
	for i := range len(name) {
		if c := name[i] | 0x20; c < 'a' || c > 'z' {
			return "unknown"
		}
	}
	return name
}

// Close ends the stream; after its end its connection is kept.
func (e *bedrockEvents) Close() error {
	if e.closed {
		return nil
	}
	e.closed = true
	if e.done {
		e.resp.Drain()
	}
	return e.resp.Close()
}
