// Package audit writes one record for every exchange, however it ended.
//
// A place in the queue is reserved before anything is forwarded, so an exchange that cannot be recorded is not served
// (or, where the configuration says drop, is counted). Records are single lines of JSON, appended to a file that only
// this user can read; they never hold text of a prompt or an answer, and no policy can mask or drop them.
//
//	exchange ─► Reserve ─► ... ─► Commit ─► buffer ─► writer ─► file
//
// Nobody but the writer waits for the disk. While it cannot be written, the writer tries again and Reserve says no.
//
// Lines are handed to the operating system within FlushEvery and are not synced to the disk one by one: they survive
// an orderly end of the process, those of the last FlushEvery not its being killed, and the last moments may not survive
// the end of the machine.
//
// A second Log, of lines that others made (Line), keeps the decision log: it drops when its queue is full, and rotates.
package audit

import (
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// FlushEvery is the longest time a record waits before it is written. A write and its waking cost as much as 70 us.
const FlushEvery = 50 * time.Millisecond

// ErrClosed is the error of opening a Log anew that has been closed.
var ErrClosed = errors.New("audit: the log is closed")

// Options configure a Log.
type Options struct {
	Path   string       // appended to, made with mode 0600; "" keeps no file and records nothing
	Queue  int          // records reserved or waiting at once; 0 means 4096
	Drop   bool         // when the queue is full, drop and count records instead of refusing exchanges
	Logger *slog.Logger // required

	Name     string // in messages; "" means "audit log"
	MaxBytes int64  // a file that has grown to so many is renamed to Path.1, Path.1 to Path.2 and so on; 0 never is
	Keep     int    // how many renamed files are kept

	Also func(line []byte) // gets each line after it was written, its end included, and must not keep it; nil is nobody
}

// Log is safe for concurrent use.
type Log struct {
	opts    Options
	free    atomic.Int64 // places left
	dropped atomic.Int64
	written atomic.Int64
	broken  atomic.Bool // the last write failed

	mu      sync.Mutex // of what waits
	waiting waiting
	strays  strays
	closed  bool

	out   output
	wake  chan struct{} // something waits
	hurry chan struct{} // a quarter of the queue waits
	stop  chan struct{} // closed by Close
	done  chan struct{} // closed by the writer at its end
	lost  error         // what the writer could not write; read after done
}

// waiting is lines on their way to the file.
type waiting struct {
	text   []byte
	lines  int64
	places int64  // lines that hold a place
	edits  []edit // in the order of their lines
}

// edit is what is still to be done to a line.
type edit struct {
	from, to int // the line in the text
	do       func(line []byte) []byte
}

// edited makes the text of lines as their edits leave them, appended to dst.
func (w *waiting) edited(dst []byte) []byte {
	at := 0
	for _, e := range w.edits {
		dst = append(dst, w.text[at:e.from]...)
		line := e.do(w.text[e.from:e.to:e.to])
		if line == nil {
			w.lines--
		}
		dst = append(dst, line...)
		at = e.to
	}
	return append(dst, w.text[at:]...)
}

// New opens the file and starts the writer; Close ends both.
func New(o Options) (*Log, error) {
	if o.Queue == 0 {
		o.Queue = 4096
	}
	if o.Name == "" {
		o.Name = "audit log"
	}
	l := &Log{opts: o, wake: make(chan struct{}, 1), hurry: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{})}
	l.free.Store(int64(o.Queue))
	if o.Path == "" {
		close(l.done)
		return l, nil
	}
	f, err := open(o.Name, o.Path)
	if err != nil {
		return nil, err
	}
	l.out.file = f
	go l.write()
	return l, nil
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

// Commit hands the record over. It waits for no disk.
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

// Control records a call of the control listener. It takes a place even when none is left: whoever repairs a full or
// broken log must not be shut out by it, nor go unrecorded.
func (l *Log) Control(r *Record) {
	if l.opts.Path != "" {
		l.free.Add(-1)
		l.add(r)
	}
}

// Line writes a line that is made already, its end included, unless the queue is full or the file cannot be written: then
// it is dropped and counted. The line is not kept. do may change it before it is written, or leave it out by giving nil; it
// is called by the writer, so nobody waits for it, and must not keep the line; nil leaves lines as they are.
func (l *Log) Line(line []byte, do func(line []byte) []byte) {
	slot, _ := l.Reserve()
	switch {
	case slot.l == nil:
	case !slot.counted:
		l.dropped.Add(1)
	default:
		l.enqueue(func(w *waiting) {
			if do != nil {
				w.edits = append(w.edits, edit{len(w.text), len(w.text) + len(line), do})
			}
			w.text = append(w.text, line...)
			w.lines++
		})
	}
}

func (l *Log) add(r *Record) { l.enqueue(func(w *waiting) { w.add(r) }) }

// enqueue adds a line that holds a place.
func (l *Log) enqueue(add func(*waiting)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		l.dropped.Add(1)
		return
	}
	add(&l.waiting)
	l.waiting.places++
	signal(l.wake)
	if 4*l.waiting.places > int64(l.opts.Queue) {
		signal(l.hurry)
	}
}

func (w *waiting) add(r *Record) {
	w.text = r.append(w.text)
	w.lines++
}

// signal wakes the writer, if it waits for that.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
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
	if l.closed {
		l.dropped.Add(1)
		return
	}
	l.strays.sum(&l.waiting, r.End, false)
	if l.strays.take(r) {
		l.waiting.add(r)
		signal(l.wake)
	}
}

// Stats are a Log's counters.
type Stats struct {
	Written int64 // lines
	Dropped int64
	Free    int64 // places left
	Broken  bool  // the last write failed
}

// Stats reads the counters.
func (l *Log) Stats() Stats {
	return Stats{Written: l.written.Load(), Dropped: l.dropped.Load(), Free: l.free.Load(), Broken: l.broken.Load()}
}

// Reopen closes the file and opens the path anew, as after rotation. When the path cannot be opened, the old file stays.
func (l *Log) Reopen() error {
	if l.opts.Path == "" {
		return nil
	}
	f, err := open(l.opts.Name, l.opts.Path)
	if err != nil {
		return err
	}
	return l.out.swap(f)
}

// Close writes what waits and closes the file. The error tells how many records could not be written, and why. Records
// that come later are dropped and counted.
func (l *Log) Close() error {
	l.mu.Lock()
	first := !l.closed
	l.closed = true
	l.mu.Unlock()
	if first {
		close(l.stop)
	}
	<-l.done
	return errors.Join(l.lost, l.out.close())
}
