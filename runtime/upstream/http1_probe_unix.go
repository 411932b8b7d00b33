//go:build unix

package upstream

import (
	"net"
	"syscall"
)

// probe looks at an idle connection without waiting. A server that has closed it, or has sent anything that no request
// asked for, must not get the next request: the bytes would be taken for its answer.
type probe struct {
	raw  syscall.RawConn
	look func(fd uintptr)
	ok   *bool
}

func newProbe(nc net.Conn) probe {
	sc, ok := nc.(syscall.Conn)
	if !ok {
		return probe{}
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return probe{}
	}
	quiet := new(bool)
	return probe{raw: raw, ok: quiet, look: func(fd uintptr) {
		var b [1]byte // Go's connections do not block, so this read does not either
		n, err := syscall.Read(int(fd), b[:])
		*quiet = n < 0 && (err == syscall.EAGAIN || err == syscall.EWOULDBLOCK)
	}}
}

// quiet tells whether the connection stands and nothing waits to be read.
func (c *conn) quiet() bool {
	if c.probe.raw == nil {
		return false
	}
	*c.probe.ok = false
	return c.probe.raw.Control(c.probe.look) == nil && *c.probe.ok
}
