//go:build unix && !linux

package socket

import (
	"errors"
	"syscall"
)

// empty tells whether a read would have to wait. Go's sockets do not block, so this one does not either.
func empty(fd uintptr) bool {
	n, err := syscall.Read(int(fd), make([]byte, 1))
	return n < 0 && errors.Is(err, syscall.EAGAIN)
}
