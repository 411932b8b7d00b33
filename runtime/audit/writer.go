package audit

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// retryEvery is the pause after a write failed.
const retryEvery = time.Second

// write is the writer: it takes what has gathered and writes it with one call.
func (l *Log) write() {
	defer close(l.done)
	second := time.NewTicker(time.Second) // when sums are due
	defer second.Stop()
	var spare, edited []byte
	for {
		select {
		case <-l.wake:
			l.pause(FlushEvery)
		case <-second.C:
		case <-l.stop:
		}
		stopping := l.stopping()
		batch := l.take(spare, stopping)
		text := batch.text
		if len(batch.edits) > 0 {
			edited = batch.edited(edited[:0])
			text = edited
		}
		if err := l.flush(text); err != nil {
			lines := batch.lines + l.take(nil, true).lines
			l.lost = fmt.Errorf("%d lines of the %s could not be written: %w", lines, l.opts.Name, err)
			l.dropped.Add(lines)
			return
		}
		l.written.Add(batch.lines)
		if l.opts.Also != nil {
			for line := range bytes.Lines(text) {
				l.opts.Also(line)
			}
		}
		l.free.Add(batch.places)
		l.rotate()
		spare = batch.text[:0]
		if stopping {
			return
		}
	}
}

// take takes what waits and leaves an empty buffer.
func (l *Log) take(spare []byte, last bool) waiting {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.strays.sum(&l.waiting, time.Now(), last)
	l.strays.waiting = 0
	batch := l.waiting
	l.waiting = waiting{text: spare}
	return batch
}

// flush writes text, trying again until it is written, or the Log is closed and it failed once more.
func (l *Log) flush(text []byte) error {
	for w := (writing{text: text}); ; {
		stopping := l.stopping()
		err := l.out.write(&w)
		if err == nil {
			l.broken.Store(false)
			return nil
		}
		if !l.broken.Swap(true) {
			l.opts.Logger.Error("a log cannot be written, exchanges are refused or go unrecorded", "log", l.opts.Name,
				"path", l.opts.Path, "drop", l.opts.Drop, "error", err)
		}
		if stopping {
			return err
		}
		l.pause(retryEvery)
	}
}

// pause waits, but not beyond Close, nor until the queue is full.
func (l *Log) pause(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-l.hurry:
	case <-l.stop:
	}
}

func (l *Log) stopping() bool {
	select {
	case <-l.stop:
		return true
	default:
		return false
	}
}

// output is the file, which Reopen may swap between two writes.
type output struct {
	mu   sync.Mutex
	file *os.File // nil when closed
}

// writing is a text of whole lines, part of which may be written.
type writing struct {
	text []byte
	done int
	file *os.File // that holds the part
}

// write writes what is left. A line that was cut in a file since replaced is written whole into the new one.
func (o *output) write(w *writing) error {
	if w.done == len(w.text) {
		return nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if w.file != o.file {
		w.done = bytes.LastIndexByte(w.text[:w.done], '\n') + 1
		w.file = o.file
	}
	n, err := o.file.Write(w.text[w.done:])
	w.done += n
	return err
}

func (o *output) swap(f *os.File) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.file == nil {
		return errors.Join(ErrClosed, f.Close())
	}
	old := o.file
	o.file = f
	return old.Close()
}

func (o *output) close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	f := o.file
	o.file = nil
	if f == nil {
		return nil
	}
	return f.Close()
}

// rotate renames the file once it has grown to its bound, and opens a new one. Where that fails, the old one goes on.
func (l *Log) rotate() {
	if l.opts.MaxBytes <= 0 || l.out.size() < l.opts.MaxBytes {
		return
	}
	numbered := func(n int) string { return fmt.Sprintf("%s.%d", l.opts.Path, n) }
	_ = os.Remove(numbered(l.opts.Keep)) // the oldest; it may not be there yet
	for n := l.opts.Keep; n > 1; n-- {
		_ = os.Rename(numbered(n-1), numbered(n)) // as above
	}
	var err error
	if l.opts.Keep > 0 {
		err = os.Rename(l.opts.Path, numbered(1))
	} else {
		err = os.Remove(l.opts.Path)
	}
	if err == nil {
		err = l.Reopen()
	}
	if err != nil {
		l.opts.Logger.Error("a log cannot be rotated, its file grows on", "log", l.opts.Name, "path", l.opts.Path, "error", err)
	}
}

// size is the file's, 0 where it can't be had.
func (o *output) size() int64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.file == nil {
		return 0
	}
	info, err := o.file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return 0
	}
	return info.Size()
}

func open(name, path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cannot open the %s: %w; name a file in a folder that can be written to", name, err)
	}
	if err := endLine(f); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot open the %s: %w", name, err), f.Close())
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
