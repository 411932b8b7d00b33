package upstream

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// malformedError says how an answer breaks HTTP/1.1. It quotes nothing of the answer.
type malformedError string

func (e malformedError) Error() string { return "malformed answer: " + string(e) }

// framing is what an answer's head says about its body (RFC 9112, section 6).
type framing struct {
	minor   byte // of the version 1.x
	length  int64
	hasCL   bool
	chunked bool
	close   bool
	encoded bool // a content coding that was not asked for
	fields  int
}

// readHead reads status line and header fields, past interim answers (1xx), into resp and b.
func (c *conn) readHead(resp *Response, b *http1Body) error {
	for interim := 0; interim <= 8; interim++ {
		head, err := c.headSection()
		if err != nil {
			return err
		}
		var f framing
		resp.Header = Header{}
		if resp.Status, err = parseHead(head, &resp.Header, &f); err != nil {
			return err
		}
		c.r += len(head)
		if resp.Status >= 200 {
			return b.frame(resp, &f)
		}
		if resp.Status == 101 {
			return malformedError("it switches protocols, which was not asked for")
		}
	}
	return malformedError("too many interim answers (1xx)")
}

// headSection gives the bytes of the next head, its empty line included, as a view of the buffer.
func (c *conn) headSection() ([]byte, error) {
	for seen := 0; ; {
		have, from := c.buf[c.r:c.w], max(0, seen-3)
		end := bytes.Index(have[from:], crlf2)
		if end >= 0 && from+end > maxHead || end < 0 && len(have) > maxHead {
			return nil, malformedError("its header section is over 64 KiB")
		}
		if end >= 0 {
			return have[:from+end+len(crlf2)], nil
		}
		seen = len(have)
		if err := c.fill(); err != nil {
			if errors.Is(err, io.EOF) && seen > 0 {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
	}
}

var crlf2 = []byte("\r\n\r\n")

// parseHead reads a head section strictly: what two readers could take in two ways is an error. That is a bare CR or LF,
// a folded line, space before a colon, a status that is not three digits, several or odd lengths, a length beside a
// transfer coding, and any transfer coding but chunked.
func parseHead(head []byte, h *Header, f *framing) (status int, err error) {
	line, rest := cutLine(head)
	if status, f.minor, err = parseStatus(line); err != nil {
		return 0, err
	}
	h.limited = status == http.StatusTooManyRequests
	for {
		line, rest = cutLine(rest)
		if len(line) == 0 {
			break
		}
		if f.fields++; f.fields > maxFields {
			return 0, malformedError("it has too many header fields")
		}
		name, value, err := parseField(line)
		if err != nil {
			return 0, err
		}
		if err := f.note(name, value, h); err != nil {
			return 0, err
		}
	}
	if f.chunked && f.hasCL {
		return 0, malformedError("it has both a length and a transfer coding")
	}
	if f.chunked && f.minor == 0 {
		return 0, malformedError("it has a transfer coding under HTTP/1.0")
	}
	return status, nil
}

// cutLine splits at the first CRLF; the head section ends in two, so there is one.
func cutLine(b []byte) (line, rest []byte) {
	i := bytes.Index(b, crlf2[:2])
	if i < 0 {
		return nil, nil
	}
	return b[:i], b[i+2:]
}

// parseStatus reads "HTTP/1.1 200 OK"; the reason may be missing.
func parseStatus(line []byte) (status int, minor byte, err error) {
	const prefix = "HTTP/1."
	bad := malformedError("its first line is not HTTP/1.1's")
	if len(line) < len(prefix)+5 || string(line[:len(prefix)]) != prefix || !cleanValue(line) {
		return 0, 0, bad
	}
	minor = line[len(prefix)] - '0'
	code := line[len(prefix)+2:]
	if minor > 1 || line[len(prefix)+1] != ' ' || len(code) > 3 && code[3] != ' ' {
		return 0, 0, bad
	}
	for _, d := range code[:3] {
		if d < '0' || d > '9' {
			return 0, 0, bad
		}
		status = status*10 + int(d-'0')
	}
	if status < 100 || status > 599 {
		return 0, 0, malformedError("its status is not between 100 and 599")
	}
	return status, minor, nil
}

// parseField reads "Name: value" and trims the space around the value.
func parseField(line []byte) (name, value []byte, err error) {
	i := bytes.IndexByte(line, ':')
	if i <= 0 {
		return nil, nil, malformedError("a header line has no name")
	}
	for _, c := range line[:i] {
		if !tokenChar(c) {
			return nil, nil, malformedError("a header field's name has a character that names may not have")
		}
	}
	value = bytes.Trim(line[i+1:], " \t")
	if !cleanValue(value) {
		return nil, nil, malformedError("a header field's value has a control character")
	}
	return line[:i], value, nil
}

// note takes a field: framing, what the gateway reads, or nothing.
func (f *framing) note(name, value []byte, h *Header) error {
	switch len(name) {
	case len("Content-Length"):
		if is(name, "Content-Length") {
			return f.setLength(value)
		}
	case len("Transfer-Encoding"):
		if is(name, "Transfer-Encoding") {
			if f.chunked || !is(value, "chunked") {
				return malformedError("its transfer coding is not chunked")
			}
			f.chunked = true
			return nil
		}
	case len("Connection"):
		if is(name, "Connection") {
			f.close = f.close || hasWord(value, "close")
			return nil
		}
	}
	switch {
	case is(name, "Content-Encoding"):
		f.encoded = f.encoded || len(value) > 0 && !is(value, "identity")
	case wanted(name), h.limited && hasPrefix(string(name), limitPrefix):
		h.set(string(name), string(value))
	}
	return nil
}

func (f *framing) setLength(value []byte) error {
	n, err := strconv.ParseUint(string(value), 10, 62)
	if err != nil {
		return malformedError("its length is not a number")
	}
	if f.hasCL && int64(n) != f.length {
		return malformedError("it has several lengths")
	}
	f.length, f.hasCL = int64(n), true
	return nil
}

// wanted tells whether Header.set may read the field, so that no other is copied.
func wanted(name []byte) bool {
	if is(name, "Content-Type") || is(name, "Retry-After") || is(name, "Retry-After-Ms") || is(name, usageField) || is(name, loadField) {
		return true
	}
	for _, f := range returnable {
		if is(name, f) {
			return true
		}
	}
	return false
}

// is compares without ASCII case.
func is(b []byte, s string) bool {
	return len(b) == len(s) && strings.EqualFold(string(b), s)
}

// hasWord tells whether a comma-separated list holds the word.
func hasWord(list []byte, word string) bool {
	for part := range bytes.SplitSeq(list, []byte{','}) {
		if is(bytes.Trim(part, " \t"), word) {
			return true
		}
	}
	return false
}

// cleanValue tells whether b has no control character but tab.
func cleanValue(b []byte) bool {
	for _, c := range b {
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// tokenChar tells whether c may stand in a field's name (RFC 9110, section 5.6.2).
func tokenChar(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return true
	default:
		return strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
	}
}
