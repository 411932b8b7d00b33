//go:build unix

package admin

import (
	"net"
	"syscall"
)

// listenPrivately makes the socket with mode 0600 from its first moment on: a chmod afterwards would leave one at which
// others could open it. The mask is the process's, so this is for the start, before other parts make files.
func listenPrivately(path string) (net.Listener, error) {
	defer syscall.Umask(syscall.Umask(0o177))
	return net.Listen("unix", path)
}
