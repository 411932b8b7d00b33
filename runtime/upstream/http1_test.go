package upstream_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/sluicegate/sluice/runtime/internal/modelserver"
	"github.com/sluicegate/sluice/runtime/upstream"
	"github.com/sluicegate/sluice/runtime/wire"
)

func TestHTTP1Answers(t *testing.T) {
	s := modelserver.New(t)
	tr, err := upstream.NewTransport(upstream.TransportOptions{URL: s.URL()})
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	ask := func(pieces []string) (int, []byte, error) {
		s.Script(modelserver.Raw(pieces...))
		return get(t.Context(), tr, chat(`{}`))
	}
	good := func(body string, pieces ...string) {
		t.Helper()
		status, got, err := ask(pieces)
		if err != nil || status != 200 || string(got) != body {
			t.Errorf("%q: got %d %q %v, want %q", pieces, status, got, err, body)
		}
	}
	good("hi", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
	good("hi", "HTTP/1.1 200\r\ncontent-length:2\r\n\r\nhi")
	good("hi", "HTTP/1.0 200 OK\r\n\r\nhi")
	good("hi", "HTTP/1.1 200 OK\r\n\r\n", "h", "i")
	good("hi", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nhi")
	good("", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	good("hi", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
	good("hello", "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n2\r\nhe\r\n3;a=b\r\nllo\r\n0\r\nTrailer: x\r\n\r\n")
	good("hello", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5", "\r", "\n", "hel", "lo", "\r\n0", "\r\n\r", "\n")
	good("0123456789", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n00A \r\n0123456789\r\n0 ; x\r\n\r\n")
	good("hi", "HTTP/1.1 200 OK\r\nContent-Encoding: identity\r\nContent-Length: 2\r\n\r\nhi")
	good("hi", "HTTP/1.1 200 OK\r\nX: "+strings.Repeat("y", 30_000)+"\r\nContent-Length: 2\r\n\r\nhi")

	bad := func(retry upstream.Retry, cause string, pieces ...string) {
		t.Helper()
		_, _, err := ask(pieces)
		if err == nil {
			t.Errorf("%q: was taken, want %q", pieces, cause)
			return
		}
		f := wantFailure(t, err, wire.UpstreamError, retry)
		if !strings.Contains(f.Error(), cause) {
			t.Errorf("%q: got %v, want %q", pieces, f, cause)
		}
		if strings.Contains(f.Error(), "EVIL") {
			t.Errorf("%q: the failure quotes the answer: %v", pieces, f)
		}
	}
	head := func(fields string) string { return "HTTP/1.1 200 OK\r\n" + fields + "\r\n\r\n" }
	chunks := func(s string) string { return head("Transfer-Encoding: chunked") + s }
	const elsewhere, anywhere = upstream.RetryElsewhere, upstream.RetryAnywhere
	bad(elsewhere, "both a length and a transfer coding", head("Content-Length: 2\r\nTransfer-Encoding: chunked")+"0\r\n\r\n")
	bad(elsewhere, "several lengths", head("Content-Length: 2\r\nContent-Length: 3")+"hi!")
	for _, n := range []string{"", "-1", "+2", "0x2", "2, 2", "2 2", "99999999999999999999", "EVIL"} {
		bad(elsewhere, "length is not a number", head("Content-Length: "+n)+"hi")
	}
	for _, c := range []string{"gzip, chunked", "identity", "chunked, chunked", "x-chunked", "chunked\r\nTransfer-Encoding: chunked"} {
		bad(elsewhere, "transfer coding is not chunked", head("Transfer-Encoding: "+c)+"0\r\n\r\n")
	}
	bad(elsewhere, "HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
	bad(elsewhere, "a character that names may not have", head("Content-Length : 2")+"hi")
	bad(elsewhere, "a character that names may not have", head("A: b\r\n folded: x")+"hi")
	bad(elsewhere, "no name", head("A: b\r\nEVIL")+"hi")
	bad(elsewhere, "no name", head(": EVIL")+"hi")
	bad(elsewhere, "control character", head("A: b\nContent-Length: 2")+"hi")
	bad(elsewhere, "control character", head("A: b\x00")+"hi")
	for _, line := range []string{"HTTP/2 200 OK", "HTTP/1.2 200 OK", "HTTP/1.1  200 OK", "HTTP/1.1 20 OK", "HTTP/1.1 2000 OK", "EVIL", "HTTP/1.1 2x0 OK", "http/1.1 200 OK"} {
		bad(elsewhere, "first line", line+"\r\nContent-Length: 2\r\n\r\nhi")
	}
	bad(elsewhere, "between 100 and 599", "HTTP/1.1 600 OK\r\n\r\n")
	bad(elsewhere, "protocols", "HTTP/1.1 101 Switching\r\n\r\n")
	bad(elsewhere, "interim", strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 20))
	bad(elsewhere, "64 KiB", "HTTP/1.1 200 OK\r\nX: "+strings.Repeat("EVIL", 20_000))
	bad(elsewhere, "too many header fields", head(strings.Repeat("A: b\r\n", 200)+"A: b"))
	bad(elsewhere, "encoded", head("Content-Encoding: gzip\r\nContent-Length: 2")+"hi")
	for _, size := range []string{"EVIL", "", "-1", "1 x", "0x1", "+1"} {
		bad(elsewhere, "size is not a number", chunks(size+"\r\nhi\r\n0\r\n\r\n"))
	}
	bad(elsewhere, "too large", chunks("1000000000000000\r\n"))
	bad(elsewhere, "longer than its size", chunks("1\r\nhi\r\n0\r\n\r\n"))
	bad(elsewhere, "without CR", chunks("2\nhi\r\n0\r\n\r\n"))
	bad(elsewhere, "without CR", chunks("2\r\nhi\n0\r\n\r\n"))
	bad(elsewhere, "too long", chunks("2;"+strings.Repeat("x", 300)+"\r\nhi\r\n0\r\n\r\n"))
	bad(elsewhere, "more framing than data", chunks(strings.Repeat("1;"+strings.Repeat("x", 200)+"\r\na\r\n", 200)))
	bad(elsewhere, "trailer", chunks("0\r\n"+strings.Repeat("A: b\r\n", 100)+"\r\n"))
	bad(anywhere, "unexpected EOF", chunks("5\r\nhel"))
	bad(anywhere, "unexpected EOF", chunks("5\r\nhello\r\n"))
	bad(anywhere, "unexpected EOF", chunks("5\r\nhello\r\n0\r\n"))
	bad(anywhere, "unexpected EOF", head("Content-Length: 3")+"hi")
	bad(anywhere, "unexpected EOF", "HTTP/1.1 200 OK\r\nContent-Le")
	bad(anywhere, "EOF", "")
}

// An answer that nobody asked for must not become the answer to the next request.
func TestHTTP1UnaskedAnswer(t *testing.T) {
	const extra = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nPOISON"
	for _, apart := range []bool{false, true} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		more, wrote := make(chan struct{}), make(chan struct{})
		over := make(chan struct{})
		go func() {
			defer close(over)
			serve := func(n int) {
				c, err := l.Accept()
				if err != nil {
					return
				}
				defer c.Close()
				for range n {
					_, _ = c.Read(make([]byte, 4096))
					answer := "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nGOOD"
					if n == 2 && !apart {
						answer += extra
					}
					_, _ = io.WriteString(c, answer)
					if n == 2 && apart {
						<-more
						_, _ = io.WriteString(c, extra)
						close(wrote)
					}
					if n == 2 {
						_, _ = c.Read(make([]byte, 1)) // until the client closes it
						return
					}
				}
			}
			serve(2)
			serve(1)
		}()
		tr, err := upstream.NewTransport(upstream.TransportOptions{URL: "http://" + l.Addr().String()})
		if err != nil {
			t.Fatal(err)
		}
		defer tr.Close()
		for i := range 2 {
			if i == 1 && apart {
				close(more)
				<-wrote
			}
			_, body, err := get(t.Context(), tr, chat(`{}`))
			if err != nil || string(body) != "GOOD" {
				t.Fatalf("apart %v, request %d: got %q %v", apart, i, body, err)
			}
		}
		<-over
	}
}

// A stream's connection is used again although its reader stops at the last event.
func TestHTTP1Drain(t *testing.T) {
	s := modelserver.New(t, modelserver.Stream("a", "b"))
	tr, err := upstream.NewTransport(upstream.TransportOptions{URL: s.URL()})
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	for range 3 {
		resp, err := tr.Do(t.Context(), chat(`{}`))
		if err != nil {
			t.Fatal(err)
		}
		var got strings.Builder
		for buf := make([]byte, 512); !strings.Contains(got.String(), "[DONE]"); {
			n, err := resp.Read(buf)
			if err != nil && !errors.Is(err, io.EOF) { // the end may have come with the last event
				t.Fatal(err)
			}
			got.Write(buf[:n])
		}
		resp.Drain()
		resp.Close()
	}
	seen := s.Requests()
	if seen[0].Remote != seen[2].Remote {
		t.Errorf("the connection was not kept: %s, %s", seen[0].Remote, seen[2].Remote)
	}
}

// An answer that is given up ends its connection.
func TestHTTP1CloseEarly(t *testing.T) {
	s := modelserver.New(t, modelserver.Hang(modelserver.Events(0, "1")))
	tr, err := upstream.NewTransport(upstream.TransportOptions{URL: s.URL()})
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	resp, err := tr.Do(t.Context(), chat(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := resp.Read(make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	resp.Close()
	<-s.Gone()
	if took := time.Since(began); took > 100*time.Millisecond {
		t.Errorf("the model server noticed after %v", took)
	}
}

func TestHTTP1Closed(t *testing.T) {
	s := modelserver.New(t)
	var registry upstream.Registry
	o := upstream.TransportOptions{URL: s.URL()}
	a, err := registry.Transport(o)
	if err != nil {
		t.Fatal(err)
	}
	b, err := registry.Transport(o)
	if err != nil || a != b {
		t.Fatalf("the transport is not shared: %v", err)
	}
	for range 2 {
		if _, _, err := get(t.Context(), a, chat(`{}`)); err != nil {
			t.Fatal(err)
		}
	}
	a.Close()
	for range 2 { // b keeps the connection
		if _, _, err := get(t.Context(), b, chat(`{}`)); err != nil {
			t.Fatal(err)
		}
	}
	b.Close()
	for range 2 { // what a drained generation still asks is answered, over connections that are not kept
		if _, _, err := get(t.Context(), b, chat(`{}`)); err != nil {
			t.Fatal(err)
		}
	}
	remotes := map[string]bool{}
	for _, r := range s.Requests() {
		remotes[r.Remote] = true
	}
	if len(remotes) != 3 {
		t.Errorf("got %d connections, want 1 shared and 2 that were not kept", len(remotes))
	}
	if c, err := registry.Transport(o); err != nil || c == a {
		t.Errorf("a closed transport was given again: %v", err)
	} else {
		c.Close()
	}
}

func ExampleTransport() {
	s := modelserver.New(exampleTB{}, modelserver.JSON(`{"ok":true}`))
	defer s.Close()
	tr, err := upstream.NewTransport(upstream.TransportOptions{URL: s.URL()})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer tr.Close()
	resp, err := tr.Do(exampleContext, &upstream.Request{Path: "/chat/completions", Body: []byte(`{}`)})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Close()
	body, err := resp.ReadAll()
	fmt.Println(resp.Status, string(body), err)
	// Output: 200 {"ok":true} <nil>
}
