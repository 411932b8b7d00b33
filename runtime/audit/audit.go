// Package audit writes one record for every exchange, however it ended.
//
// A place in the queue is reserved before anything is forwarded, so an exchange that cannot be recorded is not served
// (or, where the configuration says drop, is counted). Records are single lines of JSON, appended to a file that only
// this user can read; they never hold text of a prompt or an answer, and no policy can mask or drop them.
//
//	exchange ─► Reserve ─► ... ─► Commit ─► buffer ─► writer ─► file
//
// Lines are handed to the operating system within FlushEvery and are not synced to the disk one by one: they survive
// the end of the process, the last moments may not survive the end of the machine.
package audit

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// FlushEvery is the longest time a record waits before it is written.
const FlushEvery = 10 * time.Millisecond

// retryEvery is the pause after a write failed.
const retryEvery = time.Second

// Options configure a Log.
type Options struct {
	Path   string // appended to, made with mode 0600; "" keeps no file and records nothing
	Queue  int    // records reserved or waiting at once; 0 means 4096
	Drop   bool   // when the queue is full, drop and count records instead of refusing exchanges
	Logger *slog.Logger
}

// Log is safe for concurrent use.
type Log struct {
	opts    Options
	free    atomic.Int64 // places left
	dropped atomic.Int64
	written atomic.Int64
	broken  atomic.Bool // the last write failed

	mu     sync.Mutex
	file   *os.File
	buf    []byte // lines waiting
	lines  int64  // of them
	strays strays
	closed bool
	wake   chan struct{}
	done   chan struct{}
}

// New opens the file and starts the writer; Close ends both.
func New(o Options) (*Log, error) {
	if o.Queue == 0 {
		o.Queue = 4096
	}
	l := &Log{opts: o, wake: make(chan struct{}, 1), done: make(chan struct{})}
	l.free.Store(int64(o.Queue))
	if o.Path == "" {
		close(l.done)
		return l, nil
	}
	var err error
	if l.file, err = open(o.Path); err != nil {
		return nil, err
	}
	go l.write()
	return l, nil
}

func open(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cannot open the audit log: %w; name a file in a folder that can be written to", err)
	}
	if err := endLine(f); err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

// endLine ends a last line that a crash cut short, so that the next record starts its own.
func endLine(f *os.File) error {
	info, err := f.Stat()
	if err != nil || info.Size() == 0 || !info.Mode().IsRegular() {
		return err
	}
	var last [1]byte
	if _, err := f.ReadAt(last[:], info.Size()-1); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if last[0] != '\n' {
		_, err = f.WriteString("\n")
	}
	return err
}

// Slot is a reserved place. Commit or Release it once.
type Slot struct {
	l       *Log
	counted bool
}

// Reserve takes a place. It tells false when the exchange must be refused: the queue is full, or the file cannot be
// written, and the Log is not one that drops.
func (l *Log) Reserve() (Slot, bool) {
	if l.opts.Path == "" {
		return Slot{}, true
	}
	if !l.broken.Load() {
		if l.free.Add(-1) >= 0 {
			return Slot{l: l, counted: true}, true
		}
		l.free.Add(1)
	}
	return Slot{l: l}, l.opts.Drop
}

// Commit hands the record over.
func (s Slot) Commit(r *Record) {
	switch {
	case s.l == nil:
	case !s.counted:
		s.l.dropped.Add(1)
	default:
		s.l.add(r)
	}
}

// Release gives an unused place back.
func (s Slot) Release() {
	if s.l != nil && s.counted {
		s.l.free.Add(1)
	}
}

func (l *Log) add(r *Record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.buf = r.append(l.buf)
	l.lines++
	l.signal()
}

func (l *Log) signal() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// Stray records an exchange that has no place reserved because its caller is not known. Such records have a bound of
// their own: beyond it they are counted by code and recorded as sums, so that a flood of bad credentials can neither
// fill the disk nor push out the records of others.
func (l *Log) Stray(r *Record) {
	if l.opts.Path == "" {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.buf = l.strays.sums(l.buf, r.End)
	if l.strays.take(r) {
		l.buf = r.append(l.buf)
	}
	l.signal()
}

// Stats are a Log's counters.
type Stats struct {
	Written int64
	Dropped int64
	Free    int64 // places left
	Broken  bool  // the last write failed
}

// Stats reads the counters.
func (l *Log) Stats() Stats {
	return Stats{Written: l.written.Load(), Dropped: l.dropped.Load(), Free: l.free.Load(), Broken: l.broken.Load()}
}

// Reopen closes the file and opens the path anew, as after rotation.
func (l *Log) Reopen() error {
	if l.opts.Path == "" {
		return nil
	}
	f, err := open(l.opts.Path)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	old := l.file
	l.file = f
	return old.Close()
}

// Close writes what waits and closes the file.
func (l *Log) Close() error {
	if l.opts.Path == "" {
		return nil
	}
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil
	}
	l.closed = true
	l.mu.Unlock()
	l.signal()
	<-l.done
	return l.file.Close()
}

// write is the writer: it takes what has gathered and writes it with one call.
func (l *Log) write() {
	defer close(l.done)
	var batch []byte
	for {
		<-l.wake
		time.Sleep(FlushEvery)
		l.mu.Lock()
		batch, l.buf = l.strays.sums(l.buf, time.Now()), batch[:0]
		lines, closed := l.lines, l.closed
		l.lines = 0
		l.mu.Unlock()
		if !l.flush(batch, closed) {
			return
		}
		l.written.Add(lines)
		l.free.Add(lines)
		if closed {
			return
		}
	}
}

// flush writes a batch, trying again until it succeeds or the Log is closed.
func (l *Log) flush(batch []byte, closing bool) bool {
	for len(batch) > 0 {
		l.mu.Lock()
		n, err := l.file.Write(batch)
		closing = closing || l.closed
		l.mu.Unlock()
		batch = batch[n:]
		if err == nil {
			l.broken.Store(false)
			continue
		}
		if !l.broken.Swap(true) && l.opts.Logger != nil {
			l.opts.Logger.Error("the audit log cannot be written", "path", l.opts.Path, "error", err)
		}
		if closing {
			return false
		}
		time.Sleep(retryEvery)
	}
	return true
}
