package upstream

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"testing"
	"time"
)

// script is a connection that gives fixed bytes, so many at a time.
type script struct {
	net.Conn
	rest []byte
	step int
}

func (s *script) Read(p []byte) (int, error) {
	if len(s.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), s.step)], s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

func (s *script) Write(p []byte) (int, error)      { return len(p), nil }
func (s *script) Close() error                     { return nil }
func (s *script) SetDeadline(time.Time) error      { return nil }
func (s *script) SetReadDeadline(time.Time) error  { return nil }
func (s *script) SetWriteDeadline(time.Time) error { return nil }

// readOurs reads an answer with our parser.
func readOurs(answer []byte, step int) (status int, body []byte, rest int, err error) {
	u := &url.URL{Scheme: "http", Host: "h"}
	o := TransportOptions{URL: "http://h"}.withDefaults()
	h := newHTTP1(u, o)
	defer h.close()
	c := newConn(&script{rest: answer, step: step})
	resp, f := h.roundTrip(context.Background(), c, &Transport{base: u}, &Request{})
	if f != nil {
		return 0, nil, 0, f
	}
	body, err = resp.ReadAll()
	left := c.w - c.r + len(c.Conn.(*script).rest)
	_ = resp.Close()
	return resp.Status, body, left, err
}

// readTheirs reads it with net/http's, past interim answers.
func readTheirs(answer []byte) (status int, body []byte, rest int, err error) {
	in := bytes.NewReader(answer)
	r := bufio.NewReader(in)
	for {
		res, err := http.ReadResponse(r, &http.Request{Method: http.MethodPost}) //nolint:bodyclose // it is made of bytes, with no connection behind it
		if err != nil {
			return 0, nil, 0, err
		}
		if res.StatusCode < 200 {
			continue
		}
		body, err = io.ReadAll(res.Body)
		return res.StatusCode, body, in.Len() + r.Buffered(), err
	}
}

// FuzzAnswer holds our parser against net/http's: it never panics, what it takes net/http takes too and reads the same,
// down to where the answer ends, and how the bytes are split does not matter.
func FuzzAnswer(f *testing.F) {
	for _, s := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
		"HTTP/1.0 200 OK\r\n\r\nhi",
		"HTTP/1.1 204 No\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
		"HTTP/1.1 100 C\r\n\r\nHTTP/1.1 429 No\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: text/event-stream\r\n\r\n2;x\r\nhi\r\n0\r\nA: b\r\n\r\nmore",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n0a \t\r\n0123456789\r\n0\r\n\r\n",
	} {
		f.Add([]byte(s), 1)
		f.Add([]byte(s), 7)
	}
	f.Fuzz(func(t *testing.T, answer []byte, step int) {
		status, body, rest, err := readOurs(answer, max(step, 1))
		status2, body2, rest2, err2 := readOurs(answer, len(answer)+1)
		if (err == nil) != (err2 == nil) || err == nil && (status != status2 || !bytes.Equal(body, body2) || rest != rest2) {
			t.Fatalf("%q: by %d bytes %d %q %d %v, whole %d %q %d %v", answer, step, status, body, rest, err, status2, body2, rest2, err2)
		}
		if err != nil {
			return
		}
		status2, body2, rest2, err2 = readTheirs(answer)
		if err2 != nil || status != status2 || !bytes.Equal(body, body2) || rest != rest2 {
			t.Fatalf("%q: ours %d %q %d, net/http %d %q %d %v", answer, status, body, rest, status2, body2, rest2, err2)
		}
	})
}

// BenchmarkHead is the reading of one answer's head and body, ours and net/http's.
func BenchmarkHead(b *testing.B) {
	answer := []byte("HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nServer: uvicorn\r\nContent-Type: application/json\r\n" +
		"X-Request-Id: 0123456789\r\nContent-Length: 815\r\n\r\n" + string(bytes.Repeat([]byte("x"), 815)))
	b.Run("ours", func(b *testing.B) {
		b.ReportAllocs()
		h := newHTTP1(&url.URL{Scheme: "http", Host: "h"}, TransportOptions{URL: "http://h"}.withDefaults())
		c := newConn(&script{step: 1 << 20})
		t := &Transport{base: &url.URL{Scheme: "http", Host: "h"}}
		for b.Loop() {
			c.Conn.(*script).rest = answer
			c.r, c.w = 0, 0
			resp, f := h.roundTrip(context.Background(), c, t, &Request{})
			if f != nil {
				b.Fatal(f)
			}
			if _, err := resp.ReadAll(); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("net/http", func(b *testing.B) {
		b.ReportAllocs()
		in := bytes.NewReader(nil)
		r := bufio.NewReader(in)
		for b.Loop() {
			in.Reset(answer)
			r.Reset(in)
			res, err := http.ReadResponse(r, &http.Request{Method: http.MethodPost}) //nolint:bodyclose // it is made of bytes, with no connection behind it
			if err != nil {
				b.Fatal(err)
			}
			if _, err := io.ReadAll(res.Body); err != nil {
				b.Fatal(err)
			}
		}
	})
}
