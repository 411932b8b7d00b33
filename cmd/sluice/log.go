package main

import (
	"io"
	"sync"
	"time"
)

// A line of the log waits at most logDelay for others to be written with it, unless logBytes wait already: with a line
// for each exchange, a write for each line would cost as much as the line itself.
const (
	logDelay = 50 * time.Millisecond
	logBytes = 32 << 10
)

// batch gathers what is written to it. It is safe for concurrent use; Close writes what waits.
type batch struct {
	mu    sync.Mutex
	to    io.Writer
	buf   []byte
	timer *time.Timer
	armed bool
}

func newBatch(to io.Writer) *batch {
	b := &batch{to: to}
	b.timer = time.AfterFunc(time.Hour, b.flush)
	b.timer.Stop()
	return b
}

// Write takes p. What later becomes of it cannot be told here: a log that cannot be written has nowhere to say so.
func (b *batch) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.buf = append(b.buf, p...)
	switch {
	case len(b.buf) >= logBytes:
		b.write()
	case !b.armed:
		b.armed = true
		b.timer.Reset(logDelay)
	}
	return len(p), nil
}

func (b *batch) flush() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.armed = false
	b.write()
}

// write hands over what waits. The lock is held.
func (b *batch) write() {
	if len(b.buf) > 0 {
		_, _ = b.to.Write(b.buf)
		b.buf = b.buf[:0]
	}
}

// Close writes what waits. Whatever is written later waits for the timer as before.
func (b *batch) Close() error {
	b.flush()
	return nil
}
