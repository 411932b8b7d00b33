package upstream

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Timeouts of one attempt. Zero means the default; a negative value is refused.
type Timeouts struct {
	Connect   time.Duration // until the connection stands, TLS included; default 5 s
	FirstByte time.Duration // from there until the answer's head came, of a stream its first event; default 60 s
	Idle      time.Duration // between two reads of the rest of the answer; default 30 s
}

// Default timeouts and bounds.
const (
	defaultConnect   = 5 * time.Second
	defaultFirstByte = 60 * time.Second
	defaultIdle      = 30 * time.Second
	defaultMaxAnswer = 32 << 20
	defaultMaxIdle   = 256

	// keepIdle is how long an unused connection is kept. Model servers close theirs after 5 s (uvicorn, Node) to 75 s;
	// one that is closed by then is noticed before use.
	keepIdle = 60 * time.Second

	maxHead   = 64 << 10  // bytes of an answer's status line and header fields
	maxFields = 128       // header fields of an answer
	maxError  = 256 << 10 // bytes read of an answer that is not 2xx
	firstRead = 1 << 20   // bytes of memory given to an answer on the word of its Content-Length alone
)

// TransportOptions describe how one model server is reached.
type TransportOptions struct {
	URL     string // http or https, with the path that operations are appended to; no user, no fragment
	RootCAs []byte // PEM certificates that an https server's must come from; nil: the system's
	// ClientCert is shown to an https server that asks for one; nil: none is.
	ClientCert *ClientCert
	Timeouts   Timeouts
	MaxAnswer  int // bytes of an answer's body; 0 means 32 MiB
	MaxIdle    int // unused connections kept; 0 means 256
}

// ClientCert is a certificate that may be exchanged while it is used.
type ClientCert struct {
	Name string // tells certificates apart: those of one name are one
	Get  func(*tls.CertificateRequestInfo) (*tls.Certificate, error)
}

func (o TransportOptions) withDefaults() TransportOptions {
	def := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	def(&o.Timeouts.Connect, defaultConnect)
	def(&o.Timeouts.FirstByte, defaultFirstByte)
	def(&o.Timeouts.Idle, defaultIdle)
	if o.MaxAnswer == 0 {
		o.MaxAnswer = defaultMaxAnswer
	}
	if o.MaxIdle == 0 {
		o.MaxIdle = defaultMaxIdle
	}
	return o
}

// key tells transports apart: equal keys may share connections.
func (o TransportOptions) key() string {
	name := ""
	if o.ClientCert != nil {
		name = o.ClientCert.Name
	}
	return fmt.Sprintf("%s %x %q %v %d %d", o.URL, sha256.Sum256(o.RootCAs), name, o.Timeouts, o.MaxAnswer, o.MaxIdle)
}

// Transport speaks HTTP to one model server and to no other: redirects are answers like any, proxies named in the
// environment are not used, so that a credential goes to the host it was configured for.
//
// A cleartext server is spoken to over connections of its own (HTTP/1.1, see http1.go), because net/http's two
// goroutines for each connection cost as much as the rest of a forward; an https server through net/http, HTTP/2
// included. Both behave alike.
type Transport struct {
	o        TransportOptions
	base     *url.URL
	exchange interface {
		// send makes one exchange. It does not keep r.Body.
		send(ctx context.Context, t *Transport, r *Request) (*Response, error)
		close()
	}
	registry *Registry // nil: not shared
	refs     int       // the Registry's
}

// NewTransport makes a Transport that is not shared. Close frees its idle connections.
func NewTransport(o TransportOptions) (*Transport, error) {
	o = o.withDefaults()
	u, err := parseBase(o.URL)
	if err != nil {
		return nil, err
	}
	if o.Timeouts.Connect < 0 || o.Timeouts.FirstByte < 0 || o.Timeouts.Idle < 0 || o.MaxAnswer < 0 || o.MaxIdle < 0 {
		return nil, errors.New("endpoint: a timeout or limit is negative: give a positive one, or 0 for the default")
	}
	t := &Transport{o: o, base: u}
	if u.Scheme == "http" {
		if len(o.RootCAs) > 0 {
			return nil, errors.New("endpoint: certificates are given for an http url: use https, or leave them out")
		}
		if o.ClientCert != nil {
			return nil, errors.New("endpoint: a client certificate is given for an http url: use https, or leave it out")
		}
		t.exchange = newHTTP1(u, o)
		return t, nil
	}
	var roots *x509.CertPool
	if len(o.RootCAs) > 0 {
		if roots = x509.NewCertPool(); !roots.AppendCertsFromPEM(o.RootCAs) {
			return nil, errors.New("endpoint: no certificate in the PEM text given as root certificates")
		}
	}
	t.exchange = newHTTPS(o, roots)
	return t, nil
}

// parseBase reads an endpoint's URL. The error does not repeat it: it may hold a credential.
func parseBase(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return nil, errors.New("endpoint: the url cannot be read: want http://host[:port]/path or https://host[:port]/path")
	case u.Scheme != "http" && u.Scheme != "https", u.Hostname() == "":
		return nil, errors.New("endpoint: the url is not complete: want http://host[:port]/path or https://host[:port]/path")
	case u.User != nil:
		return nil, errors.New("endpoint: the url holds a user or password: give the credential by reference instead")
	case u.Fragment != "":
		return nil, errors.New("endpoint: the url has a fragment (#...): leave it out")
	}
	u.Path = strings.TrimRight(u.Path, "/")
	u.RawPath = strings.TrimRight(u.RawPath, "/")
	return u, nil
}

// Close gives up the transport. When the last of those who share it has, its idle connections are closed at once and
// those in use when their answer ends.
func (t *Transport) Close() error {
	if t.registry == nil || t.registry.drop(t) {
		t.exchange.close()
	}
	return nil
}

// Request is one HTTP request to the transport's server.
type Request struct {
	Method    string  // "" means POST
	Path      string  // appended to the base URL's: "/chat/completions"
	Body      []byte  // JSON; may be nil
	Stream    bool    // the answer is wanted as text/event-stream
	Bearer    string  // goes out as Authorization: Bearer; may be empty
	RequestID string  // goes out as x-request-id; may be empty
	Header    []Field // of the caller's request; see Forwardable
	Own       []Field // the dialect's own, such as its credential and version; all of them are sent
}

// target is the request target: the base URL's path, the operation's, and the base URL's query.
func (t *Transport) target(path string) string {
	p := t.base.EscapedPath() + path
	if t.base.RawQuery != "" {
		sep := "?"
		if strings.Contains(path, "?") {
			sep = "&"
		}
		p += sep + t.base.RawQuery
	}
	return p
}

func (r *Request) method() string {
	if r.Method == "" {
		return http.MethodPost
	}
	return r.Method
}

func (r *Request) accept() string {
	if r.Stream {
		return "text/event-stream"
	}
	return "application/json"
}

// check refuses what would break a header line. The credential is named, never shown.
func (r *Request) check() error {
	what := ""
	switch {
	case !validValue(r.Bearer):
		what = "the endpoint's credential"
	case !validValue(r.RequestID):
		what = "the request id"
	default:
		for _, f := range r.Own {
			if !validValue(f.Value) {
				what = "the endpoint's header " + f.Name
			}
		}
	}
	if what == "" {
		return nil
	}
	f := Broken("%s holds a line break or another control character, or is over 8 KiB", what)
	f.BodySent = false
	return f
}

// Do sends r and gives the answer's head, whatever its status; the body is read from the Response, which must be closed.
// Errors are *Failure.
func (t *Transport) Do(ctx context.Context, r *Request) (*Response, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	return t.exchange.send(ctx, t, r)
}

// Response is a model server's answer: its head, and its body to read once. It belongs to one goroutine.
type Response struct {
	Status int
	Header Header
	ctx    context.Context
	body   body
	length int64 // of the body; -1: not known
	limit  int64 // bytes of body still allowed
}

// body is the rest of an answer on one kind of connection.
type body interface {
	io.ReadCloser
	// begun ends the wait for the first byte: from now on the idle timeout counts, for each read.
	begun()
	// wait waits until Read has something to tell, where it can without memory to read into. Its error is Read's.
	wait() error
	// drain reads the little that may be left after the last byte of interest, so that the connection can be used again.
	drain()
}

// Begun says that the answer has begun: of a stream, its first event came. Until then reads are bounded by the timeout
// of the first byte, which began when the request was sent, from now on each by the idle timeout.
func (r *Response) Begun() { r.body.begun() }

// Drain says that the answer is over for its reader although its framing may not be. It waits only moments for the rest.
func (r *Response) Drain() { r.body.drain() }

// Close ends the answer. A connection with an unread rest is closed, which tells the model server to stop.
func (r *Response) Close() error { return r.body.Close() }

// Read reads the body. The end is io.EOF only if the framing says that it is whole; other errors are *Failure.
func (r *Response) Read(p []byte) (int, error) {
	n, err := r.body.Read(p)
	if r.limit -= int64(n); r.limit < 0 {
		return 0, r.tooLarge()
	}
	return n, r.fault(err)
}

// Wait waits until Read has something to tell, so that nobody need hold memory for it meanwhile. Its error is Read's.
func (r *Response) Wait() error { return r.fault(r.body.wait()) }

// fault is what an error of the body's means to who reads it.
func (r *Response) fault(err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return err
	}
	if gone := abandoned(r.ctx, true); gone != nil {
		return gone
	}
	return err
}

func (r *Response) tooLarge() *Failure {
	f := Broken("the answer is over the limit of bytes")
	f.Status, f.Retry = r.Status, RetryNo
	return f
}

// ReadAll reads the whole body into fresh memory.
func (r *Response) ReadAll() ([]byte, error) {
	r.Begun()
	if r.length > r.limit {
		return nil, r.tooLarge()
	}
	size := 1024
	if r.length >= 0 {
		size = int(min(r.length, firstRead)) + 1 // one more, so that the end is seen without growing
	}
	b := make([]byte, 0, size)
	for {
		n, err := r.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if errors.Is(err, io.EOF) {
			return b, nil
		}
		if err != nil {
			return nil, unbegun(err)
		}
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
	}
}

// Fail is the failure that an answer which is not 2xx stands for, with the first bytes of its body for the dialect to
// find a parameter's name in. It closes the answer.
func (r *Response) Fail() (*Failure, []byte) {
	r.limit = min(r.limit, maxError)
	text, _ := r.ReadAll() // an error's text is of use only when whole and small
	_ = r.Close()
	return FromStatus(r.Status, r.Header.wait()), text
}
