package http1

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"sync/atomic"
	"time"
)

// response is the http.ResponseWriter of one request. What is written is sent when the answer is complete, on Flush, or when
// much has come together.
type response struct {
	c       *conn
	header  http.Header
	status  int   // 0: not said yet
	last    bool  // no request follows on the connection
	chunked bool  // the length was not said
	left    int64 // of the length that was said
	ended   bool  // it is complete, and sent
	err     error // the first one; it stays
}

// enough is what is gathered before it is sent.
const enough = 16 << 10

// Header gives the headers to be sent.
func (w *response) Header() http.Header { return w.header }

// WriteHeader says the status, once; what Header has then is sent. Those in the hundreds are not sent.
func (w *response) WriteHeader(status int) {
	if w.status != 0 || status < 200 {
		return
	}
	w.status = status
	w.chunked, w.left = true, 0
	if bare(status) {
		w.chunked = false
	} else if said := w.header["Content-Length"]; len(said) == 1 {
		if n, err := strconv.ParseInt(said[0], 10, 64); err == nil && n >= 0 {
			w.chunked, w.left = false, n
		}
	}
	w.begin()
}

// bare tells the statuses whose answers have no body (RFC 9112, section 6.3).
func bare(status int) bool { return status == http.StatusNoContent || status == http.StatusNotModified }

// begin writes the head.
func (w *response) begin() {
	c := w.c
	if slices.Contains(w.header["Connection"], "close") || !c.body.drain() || c.f.closing.Load() {
		w.last = true
		w.header["Connection"] = []string{"close"}
	}
	out := c.buffer()
	b := append(*out, "HTTP/1.1 "...)
	b = strconv.AppendInt(b, int64(w.status), 10)
	b = append(append(append(b, ' '), http.StatusText(w.status)...), "\r\n"...)
	keys := c.keys[:0]
	for key := range w.header {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		if !token(key) || key == "Content-Length" && (w.chunked || bare(w.status)) || key == "Transfer-Encoding" { // one framing
			continue
		}
		for _, value := range w.header[key] {
			b = append(append(b, key...), ": "...)
			b = append(appendValue(b, value), "\r\n"...)
		}
	}
	c.keys = keys
	if w.header["Date"] == nil {
		b = append(append(append(b, "Date: "...), today()...), "\r\n"...)
	}
	if w.chunked {
		b = append(b, "Transfer-Encoding: chunked\r\n"...)
	}
	*out = append(b, "\r\n"...)
}

// appendValue writes a header's value in one line.
func appendValue(b []byte, value string) []byte {
	at := len(b)
	b = append(b, value...)
	for i := at; i < len(b); i++ {
		if b[i] == '\r' || b[i] == '\n' {
			b[i] = ' '
		}
	}
	return b
}

// stamp is a second as the Date header has it.
type stamp struct {
	second int64
	text   string
}

var now atomic.Pointer[stamp]

// today is the Date header's value.
func today() string {
	t := time.Now()
	if s := now.Load(); s != nil && s.second == t.Unix() {
		return s.text
	}
	s := &stamp{t.Unix(), t.UTC().Format(http.TimeFormat)}
	now.Store(s)
	return s.text
}

// Write writes a piece of the body.
func (w *response) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	switch {
	case w.err != nil:
		return 0, w.err
	case w.ended:
		return 0, errEnded
	case len(p) == 0:
		return 0, nil
	case bare(w.status):
		return 0, http.ErrBodyNotAllowed
	case !w.chunked && int64(len(p)) > w.left:
		return 0, http.ErrContentLength
	}
	if len(p) >= keepOut {
		return w.large(p)
	}
	out := w.c.buffer()
	if w.chunked {
		*out = appendChunk(*out, p)
	} else {
		*out = append(*out, p...)
		w.left -= int64(len(p))
	}
	if len(*out) >= enough || !w.chunked && w.left == 0 {
		return len(p), w.send()
	}
	return len(p), nil
}

// large sends a piece that is not copied: a peer who does not read it would have us hold it twice.
func (w *response) large(p []byte) (n int, err error) {
	out := w.c.buffer()
	if w.chunked {
		*out = append(strconv.AppendInt(*out, int64(len(p)), 16), "\r\n"...)
	} else {
		w.left -= int64(len(p))
	}
	if w.send() == nil {
		n, w.err = w.c.nc.Write(p)
	}
	if w.chunked { // the chunk's end goes with what follows
		out = w.c.buffer()
		*out = append(*out, "\r\n"...)
	}
	return n, w.err
}

// appendChunk writes one chunk (RFC 9112, section 7.1).
func appendChunk(b, p []byte) []byte {
	b = append(strconv.AppendInt(b, int64(len(p)), 16), "\r\n"...)
	return append(append(b, p...), "\r\n"...)
}

// send sends what has come together.
func (w *response) send() error {
	if w.err == nil && w.c.out != nil {
		_, w.err = w.c.nc.Write(*w.c.out)
		w.c.release()
	}
	return w.err
}

// FlushError sends what was written so far.
func (w *response) FlushError() error {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	return w.send()
}

// Flush is FlushError for who does not ask.
func (w *response) Flush() { _ = w.FlushError() }

// SetReadDeadline bounds what is read of the body. None takes off one that was set for it.
func (w *response) SetReadDeadline(t time.Time) error {
	c := w.c
	if t.IsZero() && c.body.left == 0 { // nothing is read before the next request, for which it is set anew
		return nil
	}
	c.body.bound, c.until = true, t
	return c.nc.SetReadDeadline(t)
}

// SetWriteDeadline bounds what is written from here on.
func (w *response) SetWriteDeadline(t time.Time) error {
	w.c.written = time.Time{} // the next answer sets its own
	return w.c.nc.SetWriteDeadline(t)
}

var errEnded = errors.New("http1: the answer was ended")

// End completes the answer, with what was written so far, before the handler returns.
func (w *response) End() error {
	if w.ended {
		return w.err
	}
	if w.status == 0 {
		if w.header["Content-Length"] == nil {
			w.header["Content-Length"] = []string{"0"}
		}
		w.WriteHeader(http.StatusOK)
	}
	if w.chunked {
		out := w.c.buffer()
		*out = append(*out, "0\r\n\r\n"...)
	}
	w.ended = true
	return w.send()
}

// finish ends the answer where the handler has not. It says whether another may follow.
func (w *response) finish() (again bool) {
	if w.End() != nil || !w.chunked && w.left > 0 {
		return false
	}
	if w.last {
		w.c.leave()
		return false
	}
	return true
}
