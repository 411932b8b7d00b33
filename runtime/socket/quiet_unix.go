//go:build unix

package socket

import (
	"net"
	"syscall"
)

// Quiet gives a look at an idle connection that does not wait: it tells whether the connection stands and nothing waits to be
// read. A server that has closed it, or has sent anything that no request asked for, must not get the next request: the
// bytes would be taken for its answer.
func Quiet(nc net.Conn) (look func() bool) {
	sc, ok := nc.(syscall.Conn)
	if !ok {
		return never
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return never
	}
	var quiet bool
	ask := func(fd uintptr) { quiet = empty(fd) }
	return func() bool {
		quiet = false
		return raw.Control(ask) == nil && quiet
	}
}

func never() bool { return false }
