package upstream

import (
	"bytes"
	"errors"
	"io"
	"math"
	"os"
	"time"

	"github.com/sluicegate/sluice/runtime/wire"
)

// http1Body reads one answer's body off its connection, which it owns until Close.
type http1Body struct {
	conn    *conn
	owner   *http1
	unwatch func() bool
	idle    time.Duration
	each    bool      // the idle timeout counts, set anew for reads from the network
	until   time.Time // set last

	chunked bool
	toClose bool  // the body ends where the connection does
	left    int64 // bytes left of the body, or of this chunk
	behind  bool  // a chunk's data is read, the end of its line is not
	excess  int64 // bytes of framing beyond what the data explains
	done    bool  // the body is whole
	last    bool  // the connection cannot be used again
	closed  bool
	err     error // the first error; it stays
}

// frame takes over what the head said about the body.
func (b *http1Body) frame(resp *Response, f *framing) error {
	b.last = f.close || f.minor == 0
	resp.length = -1
	switch {
	case f.encoded:
		return malformedError("its content is encoded, which was not asked for")
	case resp.Status == 204 || resp.Status == 304:
		b.done, resp.length = true, 0
	case f.chunked:
		b.chunked = true
	case f.hasCL:
		b.left, resp.length = f.length, f.length
		b.done = f.length == 0
	default:
		b.toClose, b.last, b.left = true, true, math.MaxInt64
	}
	return nil
}

func (b *http1Body) begun() { b.each = true }

// Read reads the body. Errors other than io.EOF are *Failure.
func (b *http1Body) Read(p []byte) (int, error) {
	if b.done {
		return 0, io.EOF
	}
	if b.err != nil {
		return 0, b.err
	}
	n, err := b.read(p)
	if errors.Is(err, io.EOF) {
		b.done = true
	} else if err != nil {
		b.err = b.fail(err)
		err = b.err
	}
	return n, err
}

func (b *http1Body) fail(err error) *Failure {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return &Failure{Code: wire.UpstreamTimeout, Retry: RetryElsewhere, BodySent: true, Cause: err}
	}
	var malformed malformedError
	if errors.As(err, &malformed) {
		return broken(err)
	}
	return Interrupted(err)
}

// read reads a piece of the body, and what is buffered behind it: chunks that came together are read together. It gives
// io.EOF at the body's end, io.ErrUnexpectedEOF where the connection ends before it.
func (b *http1Body) read(p []byte) (int, error) {
	n, err := b.piece(p)
	for err == nil && n < len(p) && b.chunked && b.left == 0 && b.lined() {
		var m int
		m, err = b.piece(p[n:])
		n += m
	}
	if n > 0 && err != nil && !errors.Is(err, io.EOF) {
		b.err, err = b.fail(err), nil // told once what came before it is used
	}
	return n, err
}

// lined tells whether the line of the next chunk is buffered with a byte of its data, or, of the last one, with all that
// follows it.
func (b *http1Body) lined() bool {
	rest := b.conn.buf[b.conn.r:b.conn.w]
	if b.behind && len(rest) > 2 {
		rest = rest[2:]
	}
	line, after, ok := bytes.Cut(rest, []byte{'\n'})
	if ok && bytes.HasPrefix(line, []byte{'0'}) {
		return bytes.HasPrefix(after, []byte("\r\n"))
	}
	return ok && len(after) > 0
}

// piece reads from one chunk, or one body that has none.
func (b *http1Body) piece(p []byte) (int, error) {
	if b.chunked && b.left == 0 {
		if err := b.nextChunk(); err != nil {
			return 0, err
		}
	}
	if int64(len(p)) > b.left {
		p = p[:b.left]
	}
	n, err := b.take(p)
	b.left -= int64(n)
	switch {
	case errors.Is(err, io.EOF) && b.toClose:
		return n, io.EOF
	case errors.Is(err, io.EOF):
		return n, io.ErrUnexpectedEOF
	case err != nil:
		return n, err
	case b.left == 0:
		b.behind, b.done = b.chunked, !b.chunked
	}
	return n, nil
}

// take copies what is buffered, or reads past the buffer into p.
func (b *http1Body) take(p []byte) (int, error) {
	c := b.conn
	if c.r == c.w {
		if len(p) < readBuffer {
			if err := b.fill(); err != nil {
				return 0, err
			}
		} else {
			b.extend()
			c.ready = false
			n, err := c.Conn.Read(p)
			if n > 0 {
				err = nil
			}
			return n, err
		}
	}
	n := copy(p, c.buf[c.r:c.w])
	c.r += n
	return n, nil
}

// extend sets the idle timeout anew, once it counts. It is set an eighth longer, so that not every read has to.
func (b *http1Body) extend() {
	if !b.each {
		return
	}
	if time.Until(b.until) < b.idle {
		b.until = time.Now().Add(b.idle + b.idle/8)
		_ = b.conn.SetReadDeadline(b.until) // fails on a closed connection only, as the read will
	}
}

// wait waits until Read has something to tell. What ends the chunk before is read on the way.
func (b *http1Body) wait() error {
	if b.done || b.err != nil {
		return nil
	}
	c, err := b.conn, error(nil)
	if b.behind && c.w-c.r >= 2 {
		err = b.pass()
	}
	if err == nil && c.r == c.w {
		b.extend()
		err = c.wait()
	}
	if err != nil {
		b.err = b.fail(err)
		return b.err
	}
	return nil
}

// pass reads past the end of the chunk whose data is read.
func (b *http1Body) pass() error {
	if !b.behind {
		return nil
	}
	if err := b.lineEnd(); err != nil {
		return err
	}
	b.behind = false
	return nil
}

func (b *http1Body) fill() error {
	b.extend()
	return b.conn.fill()
}

// Bounds of chunked framing: a line is a size and perhaps an extension, which is skipped.
const (
	maxChunkLine = 256
	maxTrailer   = 32 // lines
	maxExcess    = 16 << 10
)

// nextChunk reads the line that begins a chunk; after the last chunk it reads the trailer and gives io.EOF.
func (b *http1Body) nextChunk() error {
	if err := b.pass(); err != nil {
		return err
	}
	line, err := b.line()
	if err != nil {
		return err
	}
	size, err := chunkSize(line)
	if err != nil {
		return err
	}
	// A server that sends much framing for little data keeps us reading at no cost to its answer's limit (CVE-2023-39326).
	if b.excess = max(0, b.excess+int64(len(line))-16-2*size); b.excess > maxExcess {
		return malformedError("its chunks are more framing than data")
	}
	if b.left = size; size > 0 {
		return nil
	}
	for range maxTrailer {
		line, err := b.line()
		if err != nil {
			return err
		}
		if len(line) == 0 {
			return io.EOF
		}
	}
	return malformedError("its trailer is too long")
}

// chunkSize reads the hexadecimal size at the start of a chunk's line.
func chunkSize(line []byte) (int64, error) {
	var n int64
	i := 0
	for ; i < len(line); i++ {
		d := unhex(line[i])
		if d < 0 {
			break
		}
		if i == 15 {
			return 0, malformedError("a chunk is too large")
		}
		n = n<<4 | int64(d)
	}
	rest := line[i:]
	for len(rest) > 0 && (rest[0] == ' ' || rest[0] == '\t') {
		rest = rest[1:]
	}
	if i == 0 || len(rest) > 0 && rest[0] != ';' || !cleanValue(rest) {
		return 0, malformedError("a chunk's size is not a number")
	}
	return n, nil
}

func unhex(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	default:
		return -1
	}
}

// lineEnd reads the CRLF behind a chunk.
func (b *http1Body) lineEnd() error {
	line, err := b.line()
	if err == nil && len(line) > 0 {
		err = malformedError("a chunk is longer than its size")
	}
	return err
}

// line reads one line of the framing, valid until the next read. Only CRLF ends it.
func (b *http1Body) line() ([]byte, error) {
	c := b.conn
	for {
		have := c.buf[c.r:c.w]
		end := bytes.IndexByte(have, '\n')
		if end > maxChunkLine || end < 0 && len(have) > maxChunkLine {
			return nil, malformedError("a line of its chunks is too long")
		}
		if end == 0 || end > 0 && have[end-1] != '\r' {
			return nil, malformedError("a line of its chunks ends without CR")
		}
		if end > 0 {
			c.r += end + 1
			return have[:end-1], nil
		}
		if err := b.fill(); err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
	}
}

// Draining waits this long for this much: the end of a chunked body normally follows its last event at once.
const (
	drainTime  = 20 * time.Millisecond
	drainBytes = 4 << 10
)

func (b *http1Body) drain() {
	if b.done || b.err != nil || b.toClose {
		return
	}
	b.each = false
	_ = b.conn.SetReadDeadline(time.Now().Add(drainTime))
	var junk [512]byte
	for n := 0; n < drainBytes; {
		m, err := b.Read(junk[:])
		if err != nil {
			return
		}
		n += m
	}
}

// Close puts the connection back if the answer was read to its end and nothing follows it, else closes it.
func (b *http1Body) Close() error {
	if b.closed {
		return nil
	}
	b.closed = true
	kept := b.unwatch() // false: the context has ended and the connection is being closed
	c := b.conn
	clean := b.done && !b.last && c.r == c.w
	c.lay()
	if kept && clean && b.owner.idle.put(c, time.Now()) {
		return nil
	}
	return c.Close()
}
