//go:build unix

package socket

import (
	"net"
	"syscall"
)

// quiet tells whether a connection stands and nothing waits to be read.
func quiet(nc net.Conn) bool {
	sc, ok := nc.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return false
	}
	var nothing bool
	err = raw.Control(func(fd uintptr) {
		var b [1]byte // Go's connections do not block, so this read does not either
		n, err := syscall.Read(int(fd), b[:])
		nothing = n < 0 && (err == syscall.EAGAIN || err == syscall.EWOULDBLOCK)
	})
	return err == nil && nothing
}
