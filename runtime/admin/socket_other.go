//go:build !unix

package admin

import (
	"errors"
	"net"
)

// listenPrivately refuses: where files have no mode, anybody might open the socket.
func listenPrivately(string) (net.Listener, error) {
	return nil, errors.New("sockets are private on Unix systems only; use admin.listen with a token")
}
