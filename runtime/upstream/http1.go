package upstream

import (
	"context"
	"errors"
	"io"
	"net"
	"net/url"
	"os"
	"strconv"
	"time"

	"github.com/sluicegate/sluice/runtime/reuse"
	"github.com/sluicegate/sluice/runtime/socket"
	"github.com/sluicegate/sluice/runtime/wire"
)

// http1 speaks HTTP/1.1 (RFC 9112) to one cleartext server over connections of its own: no goroutine a connection, one
// write a request, the answer's head read in place.
//
//	get an idle connection (or dial) -> one write -> read the head -> Response reads the body -> put it back, or close
type http1 struct {
	address string // host:port to dial
	host    string // the Host field
	o       TransportOptions
	dialer  net.Dialer
	idle    idleConns
}

func newHTTP1(u *url.URL, o TransportOptions) *http1 {
	port := u.Port()
	if port == "" {
		port = "80"
	}
	return &http1{
		address: net.JoinHostPort(u.Hostname(), port), host: u.Host, o: o,
		dialer: net.Dialer{Timeout: o.Timeouts.Connect, KeepAlive: 15 * time.Second},
		idle:   idleConns{limit: o.MaxIdle},
	}
}

func (h *http1) close() { h.idle.close() }

// send makes one exchange. A connection that was idle may have been closed by the server at that very moment; if it
// gives no byte of an answer, the request is sent once more over a new one.
func (h *http1) send(ctx context.Context, t *Transport, r *Request) (*Response, error) {
	if gone := abandoned(ctx, false); gone != nil {
		return nil, gone
	}
	if c := h.idle.get(time.Now()); c != nil {
		resp, err := h.roundTrip(ctx, c, t, r)
		if err == nil || c.answered || ctx.Err() != nil || err.Code == wire.UpstreamTimeout {
			return resp, asError(err)
		}
	}
	nc, err := h.dialer.DialContext(ctx, "tcp", h.address)
	if err != nil {
		if gone := abandoned(ctx, false); gone != nil {
			return nil, gone
		}
		return nil, unreachable(err)
	}
	resp, f := h.roundTrip(ctx, newConn(nc), t, r)
	return resp, asError(f)
}

// asError keeps a nil *Failure from becoming an error that is not nil.
func asError(f *Failure) error {
	if f == nil {
		return nil
	}
	return f
}

// unreachable is the failure of an attempt that found no server. The dialer's error names the address, which is ours.
func unreachable(err error) *Failure {
	return &Failure{Code: wire.UpstreamUnreachable, Retry: RetryAnywhere, Cause: err}
}

// roundTrip writes r and reads the answer's head. On failure the connection is closed.
func (h *http1) roundTrip(ctx context.Context, c *conn, t *Transport, r *Request) (*Response, *Failure) {
	b := &http1Body{conn: c, owner: h, idle: h.o.Timeouts.Idle}
	b.unwatch = context.AfterFunc(ctx, func() { _ = c.Close() }) // ends a write or read under way
	// One deadline bounds the write and the wait for the first byte. An error says nothing that the write will not.
	_ = c.SetDeadline(time.Now().Add(h.o.Timeouts.FirstByte))
	werr := h.write(c, t, r)
	if werr != nil {
		// A server may refuse a large body and close before it has read it: its answer is worth a look.
		_ = c.SetReadDeadline(time.Now().Add(graceAfterWrite))
	}
	resp := &Response{ctx: ctx, body: b, limit: int64(h.o.MaxAnswer)}
	if err := c.readHead(resp, b); err != nil {
		_ = b.Close()
		if gone := abandoned(ctx, true); gone != nil {
			return nil, gone
		}
		if werr != nil {
			err = werr
		}
		return nil, broken(err)
	}
	if werr != nil {
		b.last = true
	}
	return resp, nil
}

// graceAfterWrite is how long an answer is waited for after the request could not be written to its end.
const graceAfterWrite = 100 * time.Millisecond

// broken is the failure of a connection that stood: a timeout, a reset, or an answer that is not HTTP.
func broken(err error) *Failure {
	f := &Failure{Code: wire.UpstreamError, Retry: RetryAnywhere, BodySent: true, Cause: err}
	var malformed malformedError
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		f.Code, f.Retry = wire.UpstreamTimeout, RetryElsewhere
	case errors.As(err, &malformed):
		f.Retry = RetryElsewhere
	}
	return f
}

// write writes the request.
func (h *http1) write(c *conn, t *Transport, r *Request) error {
	room := rooms.Get()
	out := h.appendRequest((*room)[:0], t, r)
	defer func() {
		clear(out) // no text and no credential rests here
		if cap(out) > maxRoom {
			rooms.Drop()
			return
		}
		*room = out[:0]
		rooms.Put(room)
	}()
	if len(r.Body) <= maxOneWrite {
		out = append(out, r.Body...)
		_, err := c.Write(out)
		return err
	}
	both := net.Buffers{out, r.Body}
	_, err := both.WriteTo(c.Conn)
	return err
}

// appendRequest appends the request's head.
func (h *http1) appendRequest(dst []byte, t *Transport, r *Request) []byte {
	dst = append(append(append(dst, r.method()...), ' '), t.target(r.Path)...)
	dst = append(append(dst, " HTTP/1.1\r\nHost: "...), h.host...)
	dst = append(dst, "\r\nUser-Agent: "+userAgent+"\r\nAccept-Encoding: identity\r\nAccept: "...)
	dst = append(append(dst, r.accept()...), "\r\n"...)
	if r.Bearer != "" {
		dst = appendField(dst, "Authorization: Bearer ", r.Bearer)
	}
	if r.RequestID != "" {
		dst = appendField(dst, "X-Request-Id: ", r.RequestID)
	}
	for _, f := range r.Own {
		dst = appendField(append(append(dst, f.Name...), ':'), " ", f.Value)
	}
	for _, f := range r.Header {
		if mayForward(f.Name) && validValue(f.Value) {
			dst = appendField(append(append(dst, f.Name...), ':'), " ", f.Value)
		}
	}
	if r.Body != nil || r.method() == "POST" {
		dst = append(dst, "Content-Type: application/json\r\nContent-Length: "...)
		dst = append(strconv.AppendInt(dst, int64(len(r.Body)), 10), "\r\n"...)
	}
	return append(dst, "\r\n"...)
}

func appendField(dst []byte, name, value string) []byte {
	return append(append(append(dst, name...), value...), "\r\n"...)
}

// userAgent names the gateway to model servers.
const userAgent = "sluice"

// conn is one connection. Between exchanges it belongs to the idle list, else to one http1Body. It has a buffer while there
// is something in it: what waits for a model server holds none.
type conn struct {
	net.Conn
	buf      []byte // what was read: buf[r:w] is not consumed yet; nil where room is
	r, w     int
	most     int           // how far it was ever filled
	room     *[]byte       // what buf was at first; from rooms
	waiter   socket.Waiter // nil: Conn waits in a Read only
	ready    bool          // it has waited
	answered bool          // a byte came for the exchange under way
	quiet    func() bool   // nothing came since, and the server is there
	since    time.Time     // idle since
}

// rooms holds buffers for what is read and written.
var rooms = reuse.Pool[[]byte]{Name: "model servers' connections", New: func() *[]byte { b := make([]byte, readBuffer); return &b }}

const (
	readBuffer  = 8 << 10
	maxRoom     = 64 << 10 // a larger one is not kept
	maxOneWrite = 64 << 10 // a larger body is not copied behind its head but written with it in one vector
)

func newConn(nc net.Conn) *conn {
	c := &conn{Conn: socket.Direct(nc), quiet: socket.Quiet(nc)}
	c.waiter, _ = c.Conn.(socket.Waiter)
	return c
}

// wait waits until there is something to read. The buffer is empty.
func (c *conn) wait() error {
	if c.ready || c.waiter == nil {
		return nil
	}
	c.lay()
	err := c.waiter.Wait()
	c.ready = err == nil
	return err
}

// lay gives the buffer back. No text rests in it.
func (c *conn) lay() {
	if c.room == nil {
		return
	}
	clear((*c.room)[:min(c.most, len(*c.room))])
	rooms.Put(c.room)
	c.buf, c.r, c.w, c.most, c.room = nil, 0, 0, 0, nil
}

// fill reads more into the buffer, making room first. It gives io.EOF when the server has closed.
func (c *conn) fill() error {
	if c.r == c.w {
		if err := c.wait(); err != nil {
			return err
		}
	}
	if c.room == nil {
		c.room = rooms.Get()
		*c.room = (*c.room)[:cap(*c.room)]
		c.buf = *c.room
	}
	if c.r > 0 {
		c.w = copy(c.buf, c.buf[c.r:c.w])
		c.r = 0
	}
	if c.w == len(c.buf) {
		c.buf = append(c.buf, make([]byte, len(c.buf))...)
	}
	c.ready = false
	n, err := c.Read(c.buf[c.w:])
	c.w += n
	c.most = max(c.most, c.w)
	if n > 0 {
		c.answered = true
		return nil
	}
	if err == nil {
		return io.ErrNoProgress
	}
	return err
}
