package http1

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/sluicegate/sluice/runtime/reuse"
)

// bufferSize is the longest head, with what comes behind it at once, that is served here.
const bufferSize = 4 << 10

// What a connection is doing.
const (
	idle int32 = iota // it waits for the first byte of a request
	busy
	closed // in idle, by Shutdown
)

// conn is one connection. Its goroutine reads requests and answers them, one after the other.
type conn struct {
	f       *Front
	nc      net.Conn
	out     *[]byte   // what is to be sent next; from outs, nil while there is nothing
	written time.Time // when the write deadline was last set
	unwatch func()
	base    *http.Request // what all its requests share
	gone    context.CancelFunc
	state   atomic.Int32

	buf  []byte
	r, w int // what was read and not yet used

	body body
	keys []string // of the headers of the answer under way

	last  string    // the method of the request before; "": there was none
	until time.Time // the read deadline
}

func newConn(f *Front, nc net.Conn) *conn {
	ctx, cancel := context.WithCancel(context.Background())
	c := &conn{f: f, nc: nc, gone: cancel, buf: make([]byte, bufferSize)}
	c.base = (&http.Request{Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}).WithContext(ctx)
	if from := nc.RemoteAddr(); from != nil {
		c.base.RemoteAddr = from.String()
	}
	return c
}

// serve serves the connection until it ends or is handed over.
func (c *conn) serve() {
	defer c.gone()
	for {
		r, err := c.request()
		if errors.Is(err, errNotPlain) && !c.switches() {
			c.unwatch()
			c.f.remove(c)
			c.f.rest.give(&replay{Conn: c.nc, read: c.buf[c.r:c.w]})
			return
		}
		if err != nil || !c.answer(r) {
			break
		}
	}
	c.unwatch()
	_ = c.nc.Close() // there is nobody to tell
	c.f.remove(c)
}

// switches tells whether HTTP/2 begins behind requests of HTTP/1.1. It may begin a connection only (RFC 9113, section 3.3),
// but net/http would take it for the beginning of one.
func (c *conn) switches() bool {
	return c.last != "" && bytes.HasPrefix(c.buf[c.r:c.w], []byte("PRI * HTTP/2.0\r\n"))
}

// closeIdle closes the connection if it waits for a request.
func (c *conn) closeIdle() {
	if c.state.CompareAndSwap(idle, closed) {
		_ = c.nc.Close() // as in serve
	}
}

var errNotPlain = errors.New("http1: not a plain request")

var blank = []byte("\r\n\r\n")

// request reads the next request up to its body.
func (c *conn) request() (*http.Request, error) {
	for skipped := 0; ; skipped++ {
		if c.r == c.w {
			c.r, c.w = 0, 0
			if err := c.wait(time.Now()); err != nil {
				return nil, err
			}
		}
		if !c.leftover(skipped) {
			break
		}
		c.r++
	}
	bounded := c.last == "" // what waits for a connection's first byte waits for its first head
	for {
		if c.r == c.w || c.buf[c.r] != 'G' && c.buf[c.r] != 'P' {
			return nil, errNotPlain
		}
		if n := bytes.Index(c.buf[c.r:c.w], blank); n >= 0 {
			return c.plain(c.buf[c.r : c.r+n+len(blank)])
		}
		if c.r > 0 {
			c.w, c.r = copy(c.buf, c.buf[c.r:c.w]), 0
		}
		if c.w == len(c.buf) || bareFeed(c.buf[:c.w]) {
			return nil, errNotPlain
		}
		if !bounded {
			bounded = true
			c.bound(time.Now().Add(c.f.server.ReadHeaderTimeout))
		}
		if err := c.fill(); errors.Is(err, io.EOF) {
			return nil, errNotPlain // who has only closed its sending half is told that this is no head
		} else if err != nil {
			return nil, err
		}
	}
}

// leftover tells whether what comes next is the end of a line that old clients send behind a body: it is no part of it, nor of
// the next request. As in net/http, there may be two of them.
func (c *conn) leftover(skipped int) bool {
	return skipped < 4 && c.last == http.MethodPost && c.r < c.w && (c.buf[c.r] == '\r' || c.buf[c.r] == '\n')
}

// bareFeed tells whether a line of an unfinished head ends without a carriage return: its end may have come already, to
// who takes that for one.
func bareFeed(b []byte) bool {
	for {
		n := bytes.IndexByte(b, '\n')
		if n < 0 {
			return false
		}
		if n == 0 || b[n-1] != '\r' {
			return true
		}
		b = b[n+1:]
	}
}

// wait waits for the first bytes of the next request. A connection that has just come has as long as a head.
func (c *conn) wait(now time.Time) error {
	if c.last == "" {
		c.bound(now.Add(c.f.server.ReadHeaderTimeout))
	} else {
		c.state.Store(idle)
		if c.f.closing.Load() {
			return http.ErrServerClosed
		}
		// A deadline is set an eighth later than it need be, so that not every request has to.
		d := c.f.server.IdleTimeout
		if left := c.until.Sub(now); left < d || left > d+d/8 { // the latter is one for a body
			c.bound(now.Add(d + d/8))
		}
	}
	if err := c.fill(); err != nil {
		return err
	}
	if !c.state.CompareAndSwap(idle, busy) {
		return http.ErrServerClosed
	}
	return nil
}

// bound sets the read deadline. It fails on a closed connection only, as the read will.
func (c *conn) bound(t time.Time) {
	c.until = t
	_ = c.nc.SetReadDeadline(t)
}

// fill reads what there is into the buffer, which has room.
func (c *conn) fill() error {
	n, err := c.nc.Read(c.buf[c.w:])
	c.w += n
	if n > 0 {
		return nil
	}
	return err
}

// plain makes the request of a head.
func (c *conn) plain(head []byte) (*http.Request, error) {
	r, ok := parse(string(head), c.base)
	if !ok {
		return nil, errNotPlain
	}
	c.r += len(head)
	c.last = r.Method
	if c.body = (body{c: c, left: r.ContentLength}); r.ContentLength > 0 {
		r.Body = &c.body
	}
	return r, nil
}

// answer has the handler answer a request. It says whether another may follow on the connection.
func (c *conn) answer(r *http.Request) (again bool) {
	if d := c.f.server.WriteTimeout; time.Since(c.written) > d/8 {
		c.written = time.Now()
		_ = c.nc.SetWriteDeadline(c.written.Add(d + d/8)) // as in bound
	}
	w := response{c: c, header: make(http.Header, 8)}
	defer func() {
		if defect := recover(); defect != nil {
			again = false
			if defect != http.ErrAbortHandler { //nolint:errorlint // it is this very value, as in net/http
				c.f.server.ErrorLog.Printf("http1: panic serving %v: %v\n%s", c.base.RemoteAddr, defect, debug.Stack())
			}
		}
		c.release()
	}()
	c.f.server.Handler.ServeHTTP(&w, r)
	return w.finish()
}

// outs holds buffers for what is sent. One that grew beyond keepOut is left to the collector.
var outs = reuse.Pool[[]byte]{Name: "server answers", New: func() *[]byte { b := make([]byte, 0, 4<<10); return &b }}

const keepOut = 64 << 10

// buffer is where to put what is to be sent, behind what is there already.
func (c *conn) buffer() *[]byte {
	if c.out == nil {
		c.out = outs.Get()
	}
	return c.out
}

// release gives the buffer back, with what it holds.
func (c *conn) release() {
	switch {
	case c.out == nil:
		return
	case cap(*c.out) > keepOut:
		outs.Drop()
	default:
		*c.out = (*c.out)[:0]
		outs.Put(c.out)
	}
	c.out = nil
}

// body reads the body of the request under way.
type body struct {
	c     *conn
	left  int64
	bound bool  // a deadline was set for it
	err   error // stays
}

// Read reads the body, from the network where the buffer is empty.
func (b *body) Read(p []byte) (int, error) {
	switch {
	case b.err != nil:
		return 0, b.err
	case b.left == 0:
		return 0, io.EOF
	}
	c := b.c
	p = p[:min(int64(len(p)), b.left)]
	if c.r < c.w {
		n := copy(p, c.buf[c.r:c.w])
		c.r += n
		b.left -= int64(n)
		return n, nil
	}
	if !b.bound {
		b.bound = true
		c.bound(time.Now().Add(c.f.server.ReadTimeout))
	}
	n, err := c.nc.Read(p)
	if b.left -= int64(n); n > 0 {
		return n, nil
	}
	if b.err = err; errors.Is(err, io.EOF) {
		b.err = io.ErrUnexpectedEOF
	}
	return 0, b.err
}

// Close leaves the rest unread.
func (b *body) Close() error { return nil }

// drained is how much of a body that nobody wanted is read, so that the connection can be used again.
const drained = 256 << 10

// drain reads what is left of the body, if that is little and comes within the deadline. It says whether nothing is left.
func (b *body) drain() bool {
	if b.left > 0 && b.left <= drained {
		_, _ = io.Copy(io.Discard, b) // what is left says how it went
		b.err = http.ErrBodyReadAfterClose
	}
	return b.left == 0
}

// farewell is how long the peer may take to read the last answer before the connection closes.
const farewell = 500 * time.Millisecond

// leave lets the peer read the last answer: closing with unread bytes would have the kernel break the connection off, and
// what is on its way with it (RFC 9112, section 9.6).
func (c *conn) leave() {
	if c.body.left == 0 && c.r == c.w {
		return
	}
	_ = closeWrite(c.nc) // whether it is heard or not
	c.bound(time.Now().Add(farewell))
	_, _ = io.Copy(io.Discard, c.nc) // until then
}
