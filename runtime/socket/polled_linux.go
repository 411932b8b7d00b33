package socket

import (
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// polled is a TCP connection that waits by a poller of this package. One goroutine reads and writes at a time, so that one
// deadline is enough; others may set it, or close.
type polled struct {
	local, remote net.Addr
	ready         chan struct{} // told of whatever may let a read or write go on
	ended         atomic.Bool   // the peer's end has been seen: what is left is to be read, and then the end

	mu       sync.Mutex
	fd       int
	closed   bool
	dry      bool // nothing was left to read when it was last read
	poller   *poller
	slot     int32
	deadline time.Time
	late     bool // the deadline has passed
	timer    *time.Timer
	armed    time.Time // when timer fires; zero: it is not set
}

// Polled gives a TCP connection whose goroutine, where it must wait, waits for a poller of this package in place of the
// runtime's. That spares a look that finds nothing after each read that took all there was, and lets reads be Paced. It
// takes the connection over. A connection of another kind, or on another system, comes back as it is.
func Polled(nc net.Conn) net.Conn {
	tcp, ok := nc.(*net.TCPConn)
	if !ok {
		return nc
	}
	if err := shared.enter(); err != nil {
		return Direct(nc)
	}
	fd, err := duplicate(tcp)
	if err != nil {
		shared.leave()
		return Direct(nc)
	}
	c := &polled{local: tcp.LocalAddr(), remote: tcp.RemoteAddr(), ready: make(chan struct{}, 1), fd: fd, poller: shared.prompt}
	if err := c.poller.add(c); err != nil {
		_ = syscall.Close(fd)
		shared.leave()
		return Direct(nc)
	}
	_ = tcp.Close() // the runtime forgets it; the connection stands as long as fd does
	return c
}

// duplicate gives the connection a second descriptor.
func duplicate(tcp *net.TCPConn) (fd int, err error) {
	raw, err := tcp.SyscallConn()
	if err != nil {
		return -1, err
	}
	failed := raw.Control(func(of uintptr) {
		n, _, errno := syscall.RawSyscall(syscall.SYS_FCNTL, of, syscall.F_DUPFD_CLOEXEC, 0)
		if fd = int(n); errno != 0 {
			err = os.NewSyscallError("fcntl", errno)
		}
	})
	if failed != nil {
		return -1, failed
	}
	return fd, err
}

// Pace has reads of a Polled connection wait for the paced poller, or no more. Paced, what comes within a millisecond of
// what came before, on whichever connections, is told of together.
func Pace(nc net.Conn, on bool) {
	c, ok := nc.(*polled)
	if !ok {
		return
	}
	to := shared.prompt
	if on {
		to = shared.paced
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || c.poller == to {
		return
	}
	c.poller.remove(c)
	c.poller = to
	if err := to.add(c); err != nil {
		c.shut()
	}
}

// Quiet tells of a connection between two uses whether it stands and nothing has come. It does not wait.
func Quiet(nc net.Conn) bool {
	c, ok := nc.(*polled)
	if !ok {
		return quiet(nc)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	var b [1]byte
	_, err := read(c.fd, b[:])
	c.dry = err == syscall.EAGAIN
	return c.dry
}

// Read reads what there is, waiting for at least a byte.
func (c *polled) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for {
		n, wait, err := c.take(p)
		if !wait {
			return n, err
		}
		c.wait()
	}
}

// take reads without waiting.
func (c *polled) take(p []byte) (n int, wait bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.usable("read"); err != nil {
		return 0, false, err
	}
	if c.dry && !c.ended.Load() {
		return 0, true, nil
	}
	n, errno := read(c.fd, p)
	switch {
	case errno == syscall.EAGAIN:
		c.dry = true
		return 0, true, nil
	case errno != 0:
		return 0, false, c.failed("read", errno)
	case n == 0:
		return 0, false, io.EOF
	}
	// What comes from here on is told of, as every end is; but one that came with the data may have been told of already.
	c.dry = n < len(p)
	return n, false, nil
}

// Write writes all of p.
func (c *polled) Write(p []byte) (int, error) {
	for n := 0; ; {
		m, wait, err := c.give(p[n:])
		if n += m; !wait {
			return n, err
		}
		c.wait()
	}
}

// give writes what goes without waiting.
func (c *polled) give(p []byte) (n int, wait bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for n < len(p) {
		if err := c.usable("write"); err != nil {
			return n, false, err
		}
		m, errno := write(c.fd, p[n:])
		switch errno {
		case 0:
			n += m
		case syscall.EAGAIN:
			return n, true, nil
		default:
			return n, false, c.failed("write", errno)
		}
	}
	return n, false, nil
}

func (c *polled) usable(op string) error {
	switch {
	case c.closed:
		return c.failed(op, net.ErrClosed)
	case c.late:
		return c.failed(op, os.ErrDeadlineExceeded)
	}
	return nil
}

// wait waits for something to happen. Whatever it was for, there may be something to read now.
func (c *polled) wait() {
	<-c.ready
	c.mu.Lock()
	c.dry = false
	c.mu.Unlock()
}

// tell ends a wait, now or the next one.
func (c *polled) tell() {
	select {
	case c.ready <- struct{}{}:
	default:
	}
}

func (c *polled) failed(op string, err error) error {
	return &net.OpError{Op: op, Net: "tcp", Source: c.local, Addr: c.remote, Err: err}
}

func (c *polled) LocalAddr() net.Addr  { return c.local }
func (c *polled) RemoteAddr() net.Addr { return c.remote }

// SetDeadline sets when reads and writes end; the zero time means never. So do the other two, each for both.
func (c *polled) SetDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return c.failed("set", net.ErrClosed)
	}
	c.deadline, c.late = t, false
	// A timer that fires earlier looks again then: so most exchanges set none.
	if !t.IsZero() && (c.armed.IsZero() || t.Before(c.armed)) {
		c.arm()
	}
	return nil
}

func (c *polled) SetReadDeadline(t time.Time) error  { return c.SetDeadline(t) }
func (c *polled) SetWriteDeadline(t time.Time) error { return c.SetDeadline(t) }

func (c *polled) arm() {
	c.armed = c.deadline
	if left := time.Until(c.deadline); c.timer == nil {
		c.timer = time.AfterFunc(left, c.expire)
	} else {
		c.timer.Reset(left)
	}
}

func (c *polled) expire() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.armed = time.Time{}
	switch {
	case c.closed || c.deadline.IsZero():
	case time.Now().Before(c.deadline):
		c.arm()
	default:
		c.late = true
		c.tell()
	}
}

// Close ends reads and writes that are under way.
func (c *polled) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return c.failed("close", net.ErrClosed)
	}
	c.poller.remove(c)
	c.shut()
	return nil
}

// shut frees what a connection has that no poller knows any more.
func (c *polled) shut() {
	c.closed = true
	_ = syscall.Close(c.fd) // the kernel frees it whatever it says
	if c.timer != nil {
		c.timer.Stop()
	}
	c.tell()
	shared.leave()
}
