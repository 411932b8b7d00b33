// Package sse reads and writes text/event-stream, the format of streamed answers, as the HTML standard defines it
// (https://html.spec.whatwg.org/multipage/server-sent-events.html).
//
// Reader is for what model servers send: it bounds lines and events, gives out an event as soon as the blank line
// that ends it has come, and tells a clean end from a cut. The Append functions are for what callers get.
package sse

import (
	"bytes"
	"errors"
	"io"

	"github.com/sluicegate/sluice/runtime/reuse"
)

// ErrTooLong is the error for an event, or a line of any kind, that is longer than the reader allows.
var ErrTooLong = errors.New("sse: the event is too long")

const (
	defaultMaxEvent = 4 << 20
	firstBuffer     = 4 << 10
	maxEmptyReads   = 100 // as bufio has it
	fieldRoom       = 16  // what a line may be longer than an event: a byte order mark and "event: "
)

// Event is one event of a stream.
type Event struct {
	Name []byte // its event field; empty if there was none
	Data []byte // its data fields, joined by line feeds
}

// Reader reads the events of one stream. It is not safe for concurrent use. While it waits for a source that has a method
// Wait() error, which returns when Read has something to tell, it holds no buffer.
type Reader struct {
	src      io.Reader
	waits    waiter  // src, where it is one
	room     *[]byte // from rooms: what buf is, until that has grown
	buf      []byte
	pos, end int  // what is read and not yet used
	skipLF   bool // the last line ended with a carriage return, so a line feed that follows belongs to it
	started  bool // the place of a byte order mark is passed
	lfFound  bool // see lfSeen
	hasData  bool // of the event in hand
	inside   bool // a field was read since the last event's end

	err        error // from src; reported when what came before is used up
	crSeen     int   // no carriage return in buf[pos:crSeen]
	lfSeen     int   // no line feed in buf[pos:lfSeen]; there is one at lfSeen if lfFound
	max        int
	name, data []byte // of the event in hand
}

// NewReader reads events from src, each of at most maxEvent bytes of name and data; 0 means 4 MiB. No line of
// any kind may be much longer either.
func NewReader(src io.Reader, maxEvent int) *Reader {
	if maxEvent <= 0 {
		maxEvent = defaultMaxEvent
	}
	r := &Reader{src: src, max: maxEvent}
	r.waits, _ = src.(waiter)
	return r
}

type waiter interface{ Wait() error }

// rooms holds buffers.
var rooms = reuse.Pool[[]byte]{Name: "event streams", New: func() *[]byte { b := make([]byte, firstBuffer); return &b }}

// Release gives the buffer back. Neither the Reader nor an event of its may be used afterwards.
func (r *Reader) Release() {
	if r.room != nil {
		rooms.Put(r.room)
		r.room, r.buf, r.pos, r.end = nil, nil, 0, 0
	}
}

// Next reads the next event that has data; comments, other fields and events without data are passed over. It never
// waits for more input than the event's blank line. The event's slices are valid until the next call.
//
// The error is io.EOF at an end between two events; ErrTooLong; or what the source failed with. An end inside an
// event is io.ErrUnexpectedEOF, and what was complete of that event comes with it: a caller may know by its data that
// it was the last one.
func (r *Reader) Next() (Event, error) {
	if r.pos == r.end {
		if err := r.fill(); err != nil {
			r.inside = false
			return r.atEnd(err)
		}
	}
	if data, ok := r.single(); ok {
		return Event{Data: data}, nil
	}
	r.name, r.data, r.hasData, r.inside = r.name[:0], r.data[:0], false, false
	for {
		line, err := r.line()
		if err != nil {
			return r.atEnd(err)
		}
		if len(line) > 0 {
			if err := r.field(line); err != nil {
				return Event{}, err
			}
			continue
		}
		if r.hasData {
			return Event{Name: r.name, Data: r.data}, nil
		}
		r.name, r.inside = r.name[:0], false
	}
}

// single is the data of the next event where that is one line and all there, as nearly all are: it is not copied.
func (r *Reader) single() ([]byte, bool) {
	rest := r.buf[r.pos:r.end]
	if r.skipLF || !r.started || !bytes.HasPrefix(rest, dataField) {
		return nil, false
	}
	end := bytes.IndexByte(rest, '\n')
	if end < 0 || end+1 == len(rest) || rest[end+1] != '\n' || end > r.max || bytes.IndexByte(rest[:end], '\r') >= 0 {
		return nil, false
	}
	r.pos += end + 2
	return bytes.TrimPrefix(rest[len(dataField):end], []byte{' '}), true
}

var dataField = []byte("data:")

// Ready tells whether Next has an event without reading more. Where that is not plain it says no.
func (r *Reader) Ready() bool {
	if r.skipLF || !r.started {
		return false
	}
	event, _, whole := bytes.Cut(r.buf[r.pos:r.end], []byte("\n\n"))
	return whole && (bytes.HasPrefix(event, dataField) || bytes.Contains(event, []byte("\ndata:")))
}

// atEnd says how the stream ended.
func (r *Reader) atEnd(err error) (Event, error) {
	if !errors.Is(err, io.EOF) || !r.inside && r.pos == r.end {
		return Event{}, err
	}
	if !r.hasData {
		return Event{}, io.ErrUnexpectedEOF
	}
	return Event{Name: r.name, Data: r.data}, io.ErrUnexpectedEOF
}

// field takes one line that is not blank.
func (r *Reader) field(line []byte) error {
	name, value, _ := bytes.Cut(line, []byte{':'})
	if len(name) == 0 { // a comment
		return nil
	}
	r.inside = true
	value = bytes.TrimPrefix(value, []byte{' '})
	switch string(name) {
	case "data":
		if r.hasData {
			r.data = append(r.data, '\n')
		}
		r.hasData = true
		r.data = append(r.data, value...)
	case "event":
		r.name = append(r.name[:0], value...)
	}
	if len(r.name)+len(r.data) > r.max {
		return ErrTooLong
	}
	return nil
}

// line is the next line without its end. It is valid until the next call.
func (r *Reader) line() ([]byte, error) {
	for {
		r.passLF()
		if end, ok := r.lineEnd(); ok {
			line := r.buf[r.pos:end]
			r.skipLF = r.buf[end] == '\r'
			r.pos = end + 1
			if len(line) > r.max+fieldRoom {
				return nil, ErrTooLong
			}
			return r.withoutMark(line), nil
		}
		if r.end-r.pos > r.max+fieldRoom {
			return nil, ErrTooLong
		}
		if err := r.fill(); err != nil {
			return nil, err
		}
	}
}

// passLF passes the line feed of a line end that came in two halves.
func (r *Reader) passLF() {
	if r.skipLF && r.pos < r.end {
		if r.buf[r.pos] == '\n' {
			r.pos++
		}
		r.skipLF = false
	}
}

// lineEnd finds the first carriage return or line feed. What was searched is remembered, so that each byte is looked
// at once for each of the two however the input is cut.
func (r *Reader) lineEnd() (int, bool) {
	if r.lfSeen < r.pos {
		r.lfSeen, r.lfFound = r.pos, false
	}
	if !r.lfFound {
		i := bytes.IndexByte(r.buf[r.lfSeen:r.end], '\n')
		r.lfFound = i >= 0
		if r.lfFound {
			r.lfSeen += i
		} else {
			r.lfSeen = r.end
		}
	}
	r.crSeen = max(r.crSeen, r.pos)
	if r.crSeen < r.lfSeen {
		if i := bytes.IndexByte(r.buf[r.crSeen:r.lfSeen], '\r'); i >= 0 {
			r.crSeen += i
			return r.crSeen, true
		}
		r.crSeen = r.lfSeen
	}
	return r.lfSeen, r.lfFound
}

// withoutMark takes the byte order mark off the stream's first line.
func (r *Reader) withoutMark(line []byte) []byte {
	if r.started {
		return line
	}
	r.started = true
	return bytes.TrimPrefix(line, []byte("\uFEFF"))
}

// fill reads more input, making room first.
func (r *Reader) fill() error {
	if r.err != nil {
		return r.err
	}
	if r.pos == r.end || r.end == len(r.buf) { // each event is read to where the one before lay, if nothing is left of it
		r.makeRoom()
	}
	if r.end == 0 && r.waits != nil {
		r.Release()
		if r.err = r.waits.Wait(); r.err != nil {
			return r.err
		}
	}
	if r.buf == nil {
		r.room = rooms.Get()
		r.buf = *r.room
	}
	for range maxEmptyReads {
		n, err := r.src.Read(r.buf[r.end:])
		r.end += n
		r.err = err
		if n > 0 {
			return nil
		}
		if err != nil {
			return err
		}
	}
	r.err = io.ErrNoProgress
	return r.err
}

// makeRoom moves what is not yet used to the front, and grows the buffer where that frees less than half of it.
func (r *Reader) makeRoom() {
	kept := r.buf[r.pos:r.end]
	if r.buf != nil && 2*len(kept) >= len(r.buf) {
		grown := make([]byte, 2*len(r.buf))
		copy(grown, kept)
		if r.room != nil {
			rooms.Put(r.room)
		}
		r.room, r.buf = nil, grown
	} else {
		copy(r.buf, kept)
	}
	r.lfFound = r.lfFound && r.lfSeen >= r.pos
	r.crSeen, r.lfSeen = max(r.crSeen-r.pos, 0), max(r.lfSeen-r.pos, 0)
	r.pos, r.end = 0, len(kept)
}
