//go:build !linux

package socket

import (
	"errors"
	"net"
	"syscall"
)

// Direct gives the connection as it is: what it saves is known of Linux alone.
func Direct(nc net.Conn) net.Conn { return nc }

// Watcher is there on Linux alone.
type Watcher struct{}

// NewWatcher fails with errors.ErrUnsupported.
func NewWatcher() (*Watcher, error) { return nil, errors.ErrUnsupported }

// Watch fails with errors.ErrUnsupported.
func (*Watcher) Watch(syscall.Conn, func()) (stop func(), err error) {
	return nil, errors.ErrUnsupported
}

// Close does nothing.
func (*Watcher) Close() error { return nil }
