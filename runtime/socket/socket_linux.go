package socket

import (
	"io"
	"net"
	"syscall"
	"unsafe"
)

// Direct gives a TCP connection whose reads and writes go to the kernel without a word to the scheduler, which takes every
// system call for one that may block: a socket of Go's never does. What it saves, the leaving and coming back of the
// processor and the waking of the runtime's monitor thread, is a tenth of what a forwarded event costs. One goroutine may read and one
// may write at a time. A connection of another kind comes back as it is.
func Direct(nc net.Conn) net.Conn {
	tcp, ok := nc.(*net.TCPConn)
	if !ok {
		return nc
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nc
	}
	c := &direct{TCPConn: tcp, raw: raw}
	c.in.step, c.out.step, c.look = c.in.read, c.out.write, c.in.wait
	return c
}

type direct struct {
	raw syscall.RawConn
	in  transfer // with raw what a read needs, in 64 bytes: one line of the processor's cache
	out transfer
	*net.TCPConn
	look func(fd uintptr) bool
}

// transfer is a read or write under way.
type transfer struct {
	step func(fd uintptr) bool // bound once
	p    []byte
	n    int
	err  syscall.Errno
}

func (t *transfer) read(fd uintptr) bool {
	for {
		n, err := call(syscall.SYS_READ, fd, t.p)
		switch err {
		case 0:
			t.n = n
			return true
		case syscall.EINTR:
		case syscall.EAGAIN:
			return false
		default:
			t.err = err
			return true
		}
	}
}

// wait looks whether there is something to read. When it is called again there is.
func (t *transfer) wait(fd uintptr) bool {
	if t.n++; t.n > 1 {
		return true
	}
	err := peek(fd)
	if err == syscall.EAGAIN {
		return false
	}
	t.err = err // which the kernel tells once
	return true
}

// empty tells whether a read would have to wait.
func empty(fd uintptr) bool { return peek(fd) == syscall.EAGAIN }

// peek is the error of a read, which it leaves to be done.
func peek(fd uintptr) syscall.Errno {
	var b [1]byte
	for {
		_, _, err := syscall.RawSyscall6(syscall.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(&b)), 1, syscall.MSG_PEEK|syscall.MSG_DONTWAIT, 0, 0) //nolint:gosec // as in call
		if err != syscall.EINTR {
			return err
		}
	}
}

func (t *transfer) write(fd uintptr) bool {
	for t.n < len(t.p) {
		rest := t.p[t.n:]
		n, err := call(syscall.SYS_WRITE, fd, rest)
		switch err {
		case 0:
			t.n += n
		case syscall.EINTR:
		case syscall.EAGAIN:
			return false
		default:
			t.err = err
			return true
		}
	}
	return true
}

// call reads into b or writes it. b is not empty, and nothing moves it: the kernel comes back before a stack could grow.
func call(trap, fd uintptr, b []byte) (n int, err syscall.Errno) {
	r, _, err := syscall.RawSyscall(trap, fd, uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b))) //nolint:gosec // as package syscall does it
	return int(r), err
}

// Read reads what there is, waiting for at least a byte.
func (c *direct) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	t := &c.in
	t.p, t.n, t.err = p, 0, 0
	err := c.raw.Read(t.step)
	t.p = nil
	switch {
	case err != nil:
		return 0, err
	case t.err != 0:
		return 0, c.failed("read", t.err)
	case t.n == 0:
		return 0, io.EOF
	}
	return t.n, nil
}

// Wait implements Waiter.
func (c *direct) Wait() error {
	t := &c.in
	t.n, t.err = 0, 0
	err := c.raw.Read(c.look)
	if err == nil && t.err != 0 {
		err = c.failed("read", t.err)
	}
	return err
}

// Write writes all of p.
func (c *direct) Write(p []byte) (int, error) {
	t := &c.out
	t.p, t.n, t.err = p, 0, 0
	err := c.raw.Write(t.step)
	t.p = nil
	if err == nil && t.err != 0 {
		err = c.failed("write", t.err)
	}
	return t.n, err
}

func (c *direct) failed(op string, err syscall.Errno) error {
	return &net.OpError{Op: op, Net: "tcp", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: err}
}
