package admin

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
)

// ListenSocket makes a unix socket that only this user can open. A socket that nobody listens on is left from a process
// that was killed, and is replaced; any other file that has the name stays.
func ListenSocket(path string) (net.Listener, error) {
	if err := vacate(path); err != nil {
		return nil, err
	}
	l, err := listenPrivately(path)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on the socket: %w", err)
	}
	return l, nil
}

// vacate removes a socket that nobody listens on.
func vacate(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode()&fs.ModeSocket == 0:
		return fmt.Errorf("%s is there and is no socket; name another path", path)
	}
	if c, err := net.Dial("unix", path); err == nil {
		return errors.Join(fmt.Errorf("another process listens on %s; stop it, or name another path", path), c.Close())
	}
	return os.Remove(path)
}
