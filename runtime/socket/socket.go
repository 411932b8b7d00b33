// Package socket reads and writes TCP connections for less than package net does.
package socket

// Waiter is a connection that can be waited for without memory to read into, as those of Direct can on Linux.
type Waiter interface {
	// Wait waits until a Read has something to tell, be it the end or an error. Its errors are Read's: a deadline that has
	// passed, a connection that is closed.
	Wait() error
}
