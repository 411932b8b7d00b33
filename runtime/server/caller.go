package server

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/sluicegate/sluice/runtime/exchange"
	"github.com/sluicegate/sluice/runtime/pipeline"
	"github.com/sluicegate/sluice/runtime/reuse"
	"github.com/sluicegate/sluice/runtime/wire"
)

// caller is one HTTP request as the pipeline sees it. It implements pipeline.Caller.
type caller struct {
	s       *Server
	w       http.ResponseWriter
	send    flusher   // w, where it is one: conn would ask it each time
	bounded time.Time // when the write deadline was last set
	http2   bool
	read    bool // the body was read to its end
	gone    bool // see Abort

	conn   *http.ResponseController
	r      *http.Request
	body   *[]byte // from bodies; given back by release
	idAlso string  // see route

	stalled *time.Timer // of HTTP/2: bounds one write; nil before the first
	ending  sync.Mutex  // of ended: the timer may be running when the last write returns
	ended   bool        // conn is not to be used any more
}

// flusher sends what was written, as http.ResponseController wants it.
type flusher interface{ FlushError() error }

func newCaller(s *Server, w http.ResponseWriter, r *http.Request) *caller {
	c := &caller{
		s: s, w: w, r: r, conn: http.NewResponseController(w), read: r.ContentLength == 0,
		bounded: time.Now(), // it has just been set
		http2:   r.ProtoMajor == 2,
	}
	c.send, _ = w.(flusher)
	if c.http2 {
		// In HTTP/1.1 a write deadline is for who writes; here it resets the stream when it has passed, also while the model
		// server is being waited for.
		_ = c.conn.SetWriteDeadline(time.Time{}) // as in Body
	}
	return c
}

// bodies holds buffers for request bodies. Those that grew beyond keepBody are left to the collector; nor is more than
// that made ready on a caller's mere word that so much will come.
var bodies = reuse.Pool[[]byte]{Name: "request bodies", New: func() *[]byte { b := make([]byte, 0, 8<<10); return &b }}

const keepBody = 256 << 10

// release ends the caller's part; what is still to be written then is bounded again.
func (c *caller) release() {
	if c.r.ProtoMajor == 2 {
		_ = c.conn.SetWriteDeadline(time.Now().Add(c.s.opts.WriteTime)) // as in Body
		c.ending.Lock()
		c.ended = true
		c.ending.Unlock()
	}
	switch {
	case c.body == nil:
	case cap(*c.body) > keepBody:
		bodies.Drop()
	default:
		*c.body = (*c.body)[:0]
		bodies.Put(c.body)
	}
	c.body = nil
}

// Client tells who calls. The address is the connection's: forwarding headers are the caller's own word. Headers that
// only the gateway speaks in are not listened to.
func (c *caller) Client() exchange.Client {
	for name := range c.r.Header {
		if strings.HasPrefix(name, "X-Sluice-") {
			delete(c.r.Header, name)
		}
	}
	addr, _ := netip.ParseAddrPort(c.r.RemoteAddr) // a listener that has no addresses gives the zero one
	uri := c.r.RequestURI
	if !strings.HasPrefix(uri, "/") {
		uri = c.r.URL.RequestURI() // of a request line that names the host, as those to proxies do
	}
	client := exchange.Client{
		IP: addr.Addr().Unmap(), Port: addr.Port(), Headers: c.r.Header,
		Method: c.r.Method, URI: uri, Protocol: c.r.Proto, Host: c.r.Host,
	}
	if c.r.TLS != nil {
		client.Certificates = c.r.TLS.PeerCertificates
	}
	return client
}

// Body reads the body into a pooled buffer, decompressed. It must arrive within the server's ReadTimeout.
func (c *caller) Body(limit int) ([]byte, error) {
	if c.r.ContentLength > int64(limit) {
		return nil, tooLarge(limit)
	}
	coding, err := coding(c.r.Header)
	if err != nil {
		c.w.Header()["Accept-Encoding"] = []string{codings} // RFC 9110, section 12.5.3
		return nil, err
	}
	c.body = bodies.Get()
	var b []byte
	if coding == "" {
		b, err = readBody((*c.body)[:0], c.r.Body, int(c.r.ContentLength), limit)
	} else {
		b, err = c.inflate((*c.body)[:0], coding, limit)
	}
	*c.body = b
	if err != nil {
		return nil, err
	}
	c.read = true
	// From here on reading tells that the caller goes away. A connection without deadlines is bounded by its own server.
	_ = c.conn.SetReadDeadline(time.Time{})
	return b, nil
}

// inflate reads a compressed body. From here on the headers describe the body as the stages see it.
func (c *caller) inflate(b []byte, coding string, limit int) ([]byte, error) {
	in, release, err := inflate(coding, http.MaxBytesReader(nil, c.r.Body, int64(limit)), c.s.opts.Inflation)
	defer release()
	if err == nil {
		b, err = readBody(b, in, -1, limit)
	}
	if large := (*http.MaxBytesError)(nil); errors.As(err, &large) {
		return b, tooLarge(limit)
	}
	delete(c.r.Header, "Content-Encoding")
	delete(c.r.Header, "Content-Length")
	return b, err
}

// unread is how long net/http may wait for the rest of a body that nobody wants, which it reads before it answers so
// that the connection can be used again.
const unread = 50 * time.Millisecond

// answering bounds what happens around the answer: the caller has so long to take it, and little to send what it
// announced.
func (c *caller) answering() {
	if !c.read {
		_ = c.conn.SetReadDeadline(time.Now().Add(unread)) // as in Body
	}
	if c.http2 {
		c.watch()
		return
	}
	// Setting a deadline costs as much as parsing an event: one that is little used up will do.
	if time.Since(c.bounded) > c.s.opts.WriteTime/8 {
		c.bounded = time.Now()
		_ = c.conn.SetWriteDeadline(c.bounded.Add(c.s.opts.WriteTime))
	}
}

// watch bounds the write that follows, until written is called.
func (c *caller) watch() {
	if c.stalled == nil {
		c.stalled = time.AfterFunc(c.s.opts.WriteTime, c.cut)
		return
	}
	c.stalled.Reset(c.s.opts.WriteTime)
}

// cut ends a write that has taken too long.
func (c *caller) cut() {
	c.ending.Lock()
	defer c.ending.Unlock()
	if !c.ended {
		_ = c.conn.SetWriteDeadline(time.Now()) // as in Body
	}
}

// written ends what watch began.
func (c *caller) written() {
	if c.stalled != nil {
		c.stalled.Stop()
	}
}

// readBody appends at most limit bytes of src to b. want is the announced length, or less than 0.
func readBody(b []byte, src io.Reader, want, limit int) ([]byte, error) {
	if want >= cap(b) {
		b = make([]byte, 0, min(want+1, keepBody)) // one more than announced, so that the end is seen without growing
	}
	for {
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
		n, err := src.Read(b[len(b):min(cap(b), limit+1)])
		b = b[:len(b)+n]
		if len(b) > limit {
			return b, tooLarge(limit)
		}
		if errors.Is(err, io.EOF) {
			return b, nil
		}
		if err != nil {
			return b, broken(err)
		}
	}
}

func tooLarge(limit int) error {
	return &wire.Fault{Code: wire.BodyTooLarge, Message: "the body is larger than " + strconv.Itoa(limit) + " bytes"}
}

// broken is the fault of a body that did not arrive whole.
func broken(err error) error {
	if large := (*http.MaxBytesError)(nil); errors.As(err, &large) {
		return err
	}
	if f := (*wire.Fault)(nil); errors.As(err, &f) {
		return f
	}
	var timeout net.Error
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout() {
		return &wire.Fault{Code: wire.RequestTimeout, Message: "the body did not arrive in time"}
	}
	return &wire.Fault{Code: wire.InvalidRequest, Message: "the body did not arrive whole"}
}

// Reply sends a whole answer.
func (c *caller) Reply(status int, headers []pipeline.Header, body []byte) error {
	c.set(headers)
	return c.json(status, body)
}

func (c *caller) json(status int, body []byte) error {
	h := c.w.Header()
	h["Content-Type"] = jsonType
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	c.answering()
	defer c.written()
	c.w.WriteHeader(status)
	_, err := c.w.Write(body) //nolint:gosec // JSON, and said to be
	return err
}

// Begin sends the head of a stream.
func (c *caller) Begin(headers []pipeline.Header) error {
	c.set(headers)
	h := c.w.Header()
	h["Content-Type"] = streamType
	h["Cache-Control"] = noStore
	h["X-Accel-Buffering"] = noBuffering
	c.w.WriteHeader(http.StatusOK)
	return nil
}

// Abort has the connection broken off once the exchange has ended: net/http would end the answer in good order.
func (c *caller) Abort() { c.gone = true }

// Send sends a piece of a stream at once. What was written of a piece that could not be sent whole cannot be taken back:
// the server ends the connection.
func (c *caller) Send(p []byte) error {
	c.answering()
	defer c.written()
	if _, err := c.w.Write(p); err != nil {
		return err
	}
	if c.send != nil {
		return c.send.FlushError()
	}
	return c.conn.Flush()
}

// End sends the last piece of a stream. net/http adds the answer's end when the handler returns, http1 with the piece.
func (c *caller) End(p []byte) error {
	ender, ok := c.w.(interface{ End() error })
	if !ok {
		return c.Send(p)
	}
	c.answering()
	if _, err := c.w.Write(p); err != nil {
		return err
	}
	return ender.End()
}

var (
	jsonType    = []string{"application/json"}
	streamType  = []string{"text/event-stream; charset=utf-8"}
	noStore     = []string{"no-store"}
	closing     = []string{"close"}
	noBuffering = []string{"no"} // nginx and others hold streams back without it
)

func (c *caller) set(headers []pipeline.Header) {
	h := c.w.Header()
	values := make([]string, len(headers))
	for i, f := range headers {
		values[i] = f.Value
		h[f.Name] = values[i : i+1 : i+1]
		if f.Name == "X-Request-Id" && c.idAlso != "" {
			h[c.idAlso] = values[i : i+1 : i+1]
		}
	}
}
