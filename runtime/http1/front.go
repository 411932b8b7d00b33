// Package http1 stands before net/http's server in the clear: it answers plain requests of HTTP/1.1 itself, for less than half
// of what they cost there, and hands a connection over, with all that came on it, as soon as a request is anything else.
//
// Plain is a GET, or a POST with a length, whose head fits a buffer and can be read in one way only (see parse). So nothing
// is decided here that two readers of HTTP could see differently: chunked bodies, Expect, Upgrade, HTTP/1.0, HTTP/2 with
// prior knowledge, and whatever is malformed are net/http's, which answers as it always did.
//
// What it saves: net/http reads in a goroutine of its own during each request, to see that the client goes away, where here
// a socket.Watcher looks after all connections; it sets four deadlines a request, where here one is set now and then; and a
// request's strings, maps and buffers are fewer.
package http1

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/sluicegate/sluice/runtime/socket"
)

// Front serves connections with the handler and within the bounds of an http.Server: ReadHeaderTimeout, ReadTimeout (for a
// body), WriteTimeout and IdleTimeout, all of which must be set, and ErrorLog.
type Front struct {
	server  *http.Server
	rest    *handed
	watcher *socket.Watcher // nil: there is none on this system, and net/http serves all
	closing atomic.Bool

	mu       sync.Mutex
	listener net.Listener
	conns    map[*conn]struct{}
	empty    chan struct{} // closed when Front is closing and no connection is left
	finished chan struct{} // closed when nothing of it runs any more; nil: it has not begun
}

// New makes a Front before a server, which is served and shut down through it alone.
func New(server *http.Server) *Front {
	return &Front{server: server, rest: newHanded(), conns: map[*conn]struct{}{}, empty: make(chan struct{})}
}

// Serve takes connections from l until Shutdown or Close; it then returns http.ErrServerClosed. When l fails, it returns l's
// error, and what is under way comes to its end.
func (f *Front) Serve(l net.Listener) error {
	if f.closing.Load() {
		return http.ErrServerClosed
	}
	watcher, err := socket.NewWatcher()
	if errors.Is(err, errors.ErrUnsupported) {
		return f.server.Serve(l)
	}
	if err != nil {
		return err
	}
	if !f.begin(l, watcher) {
		_ = watcher.Close() // nothing is watched yet
		return http.ErrServerClosed
	}
	go func() {
		defer close(f.finished)
		_ = f.server.Serve(f.rest) // until rest is closed: it has no other error
		<-f.empty
		_ = watcher.Close() // nothing is watched any more
	}()
	defer func() { _ = l.Close() }() // as in net/http: it may be closed already
	return f.accept(l)
}

// begin says what Serve works with. It fails when Front was told to close meanwhile.
func (f *Front) begin(l net.Listener, w *socket.Watcher) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closing.Load() {
		return false
	}
	f.watcher, f.listener, f.rest.addr, f.finished = w, l, l.Addr(), make(chan struct{})
	return true
}

// longest is how long Serve waits after an error that passes, such as too many open files, before it takes connections again.
const longest = time.Second

func (f *Front) accept(l net.Listener) error {
	var pause time.Duration
	for {
		nc, err := l.Accept()
		if f.closing.Load() {
			if err == nil {
				_ = nc.Close() // nothing was said on it
			}
			return http.ErrServerClosed
		}
		if err != nil {
			if passing := (interface{ Temporary() bool })(nil); !errors.As(err, &passing) || !passing.Temporary() {
				f.close()
				_ = f.rest.Close() // which has no error
				return err
			}
			pause = min(max(2*pause, 5*time.Millisecond), longest)
			f.server.ErrorLog.Printf("http1: accept: %v; trying again in %v", err, pause)
			time.Sleep(pause)
			continue
		}
		pause = 0
		f.take(nc)
	}
}

// take begins to serve a connection; one that cannot be watched is net/http's.
func (f *Front) take(nc net.Conn) {
	sc, ok := nc.(syscall.Conn)
	if !ok {
		f.rest.give(nc)
		return
	}
	c := newConn(f, nc)
	if !f.add(c) {
		_ = nc.Close() // nothing was said on it
		return
	}
	stop, err := f.watcher.Watch(sc, c.gone)
	if err != nil {
		f.remove(c)
		f.rest.give(nc)
		return
	}
	c.unwatch = stop
	go c.serve()
}

// add counts a connection among those that close finds, unless it has looked for them.
func (f *Front) add(c *conn) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closing.Load() {
		return false
	}
	f.conns[c] = struct{}{}
	return true
}

// remove forgets a connection that has ended or was handed over.
func (f *Front) remove(c *conn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.conns, c)
	f.check()
}

// check closes empty where nothing is left. f.mu is held.
func (f *Front) check() {
	if !f.closing.Load() || len(f.conns) > 0 {
		return
	}
	select {
	case <-f.empty:
	default:
		close(f.empty)
	}
}

// close stops taking connections and gives those that Serve has left to their end.
func (f *Front) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closing.Store(true)
	if f.listener != nil {
		_ = f.listener.Close() // whatever it says, it is over
	}
	for c := range f.conns {
		c.closeIdle()
	}
	f.check()
}

// Shutdown stops taking connections, closes those that wait for a request, and returns when the others have answered theirs,
// or with ctx's error.
func (f *Front) Shutdown(ctx context.Context) error {
	f.close()
	err := f.server.Shutdown(ctx)
	f.mu.Lock()
	finished := f.finished
	f.mu.Unlock()
	if finished == nil {
		return err
	}
	select {
	case <-finished:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close breaks all connections off.
func (f *Front) Close() error {
	f.close()
	f.mu.Lock()
	for c := range f.conns {
		c.gone()         // of what one closes oneself, a Watcher does not tell
		_ = c.nc.Close() // its goroutine finds out
	}
	f.mu.Unlock()
	return f.server.Close()
}

// handed is the listener from which net/http takes the connections that are handed over to it.
type handed struct {
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
	addr  net.Addr
}

func newHanded() *handed {
	return &handed{conns: make(chan net.Conn), done: make(chan struct{})}
}

// give hands a connection over, or closes it where nobody takes it any more.
func (h *handed) give(nc net.Conn) {
	select {
	case h.conns <- nc:
	case <-h.done:
		_ = nc.Close() // as in net/http
	}
}

// Accept gives the next connection.
func (h *handed) Accept() (net.Conn, error) {
	select {
	case nc := <-h.conns:
		return nc, nil
	case <-h.done:
		return nil, net.ErrClosed
	}
}

// Close ends it.
func (h *handed) Close() error {
	h.once.Do(func() { close(h.done) })
	return nil
}

// Addr is the address that the connections came to.
func (h *handed) Addr() net.Addr { return h.addr }

// replay is a connection of which some bytes were read already.
type replay struct {
	net.Conn
	read []byte
}

// Read reads them again, first.
func (r *replay) Read(p []byte) (int, error) {
	if len(r.read) == 0 {
		return r.Conn.Read(p)
	}
	n := copy(p, r.read)
	if r.read = r.read[n:]; len(r.read) == 0 {
		r.read = nil
	}
	return n, nil
}

// CloseWrite closes the sending half: net/http does so before it closes a connection with unread bytes.
func (r *replay) CloseWrite() error { return closeWrite(r.Conn) }

func closeWrite(nc net.Conn) error {
	if half, ok := nc.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}
