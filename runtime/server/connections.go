package server

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/sluicegate/sluice/runtime/socket"
)

// bounded is a listener with so many connections at most. One more is closed at once: left waiting, it would hear nothing
// for as long as those that hold the places like.
type bounded struct {
	net.Listener
	max     int64
	first   time.Duration // for the first bytes, which net/http waits for without end to see whether they are HTTP/2's
	open    atomic.Int64
	refused func()
}

// Accept gives the next connection that there is room for.
func (b *bounded) Accept() (net.Conn, error) {
	for {
		conn, err := b.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if b.open.Add(1) <= b.max {
			_ = conn.SetReadDeadline(time.Now().Add(b.first)) // a connection that has none is broken, and will say so
			return &counted{Conn: socket.Direct(conn), open: &b.open}, nil
		}
		b.open.Add(-1)
		b.refused()
		_ = conn.Close() // nothing was said on it
	}
}

// counted is a connection that gives its place back when it is closed.
type counted struct {
	net.Conn
	open *atomic.Int64
	once sync.Once
}

// Close closes the connection.
func (c *counted) Close() error {
	c.once.Do(func() { c.open.Add(-1) })
	return c.Conn.Close()
}

// CloseWrite closes the sending half: net/http does so before it closes a connection with unread bytes, so that its last
// words arrive.
func (c *counted) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// SyscallConn gives the socket itself.
func (c *counted) SyscallConn() (syscall.RawConn, error) {
	if sc, ok := c.Conn.(syscall.Conn); ok {
		return sc.SyscallConn()
	}
	return nil, errors.ErrUnsupported
}
