package http1_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluicegate/sluice/runtime/http1"
)

// A caller who closes its sending half in the middle of a head hears that it is none, as from net/http.
func TestHalfHead(t *testing.T) {
	for _, front := range []bool{true, false} {
		s := serve(t, front)
		c, in := s.dial()
		_, _ = io.WriteString(c, "GET /say HTTP/1.1\r\nHost: x\r\nX-")
		_ = c.(*net.TCPConn).CloseWrite()
		if all, err := io.ReadAll(in); err != nil || !strings.HasPrefix(string(all), "HTTP/1.1 400 ") {
			t.Errorf("front %t: %q, %v", front, all, err)
		}
	}
}

// HTTP/2 with prior knowledge is net/http's, as the first thing on a connection and nowhere else (RFC 9113, section 3.3).
func TestHTTP2(t *testing.T) {
	s := serve(t, true)
	var only http.Protocols
	only.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: &only}
	defer transport.CloseIdleConnections()
	for range 3 {
		resp, err := (&http.Client{Transport: transport}).Post("http://"+s.addr+"/echo", "text/plain", strings.NewReader("hello"))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if resp.ProtoMajor != 2 || string(body) != "hello" || err != nil {
			t.Errorf("%s %q %v", resp.Proto, body, err)
		}
	}
	c, in := s.dial()
	_, _ = io.WriteString(c, "GET /say HTTP/1.1\r\nHost: x\r\n\r\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00")
	resp, err := http.ReadResponse(in, nil)
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("%v, %v", resp, err)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	if rest, _ := io.ReadAll(in); len(rest) > 0 {
		t.Errorf("behind the answer: %q", rest)
	}
}

// However many framings a handler names, one is sent.
func TestOneFraming(t *testing.T) {
	s := serve(t, true)
	c, _ := s.dial()
	_, _ = io.WriteString(c, "GET /framed HTTP/1.1\r\nHost: x\r\n\r\nGET /close HTTP/1.1\r\nHost: x\r\n\r\n")
	all, err := io.ReadAll(c)
	head, rest, _ := strings.Cut(string(all), "\r\n\r\n")
	if err != nil || strings.Contains(head, "Content-Length") || strings.Count(head, "Transfer-Encoding") != 1 || !strings.Contains(head, "\r\nTransfer-Encoding: chunked") || !strings.HasPrefix(rest, "5\r\nhello\r\n0\r\n\r\nHTTP/1.1 200") {
		t.Errorf("%q, %v", all, err)
	}
}

// Who never reads does not hold its handler for longer than a write may take.
func TestNeverRead(t *testing.T) {
	t.Parallel() // it waits
	s := serve(t, true)
	c, _ := s.dial()
	_, _ = io.WriteString(c, "GET /flood HTTP/1.1\r\nHost: x\r\n\r\n")
	<-s.out
}

// The deadline of a body is none for the answer that follows, nor for the next request; nor is one of a body that is longer
// than a connection may be idle one for that.
func TestDeadlinesEnd(t *testing.T) {
	t.Parallel() // it waits
	const short, long = time.Second, time.Minute
	late := func(s *served, path, want string) (net.Conn, *bufio.Reader) {
		t.Helper()
		c, in := s.dial()
		_, _ = io.WriteString(c, "POST "+path+" HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nx")
		time.Sleep(10 * time.Millisecond) // so that the rest is read from the network
		_, _ = io.WriteString(c, "x")
		answered(t, in, want)
		return c, in
	}
	s := serveWith(t, true, &http.Server{ReadHeaderTimeout: long, ReadTimeout: short, WriteTimeout: long, IdleTimeout: long})
	c, in := late(s, "/slow", "xxxxxx<nil>") // which takes longer than a body may
	_, _ = io.WriteString(c, "POST /slow HTTP/1.1\r\nHost: x\r\n\r\nGET /sl")
	answered(t, in, "xxxxxx<nil>")
	_, _ = io.WriteString(c, "ow HTTP/1.1\r\nHost: x\r\n\r\n")
	answered(t, in, "xxxxxx<nil>")

	s = serveWith(t, true, &http.Server{ReadHeaderTimeout: long, ReadTimeout: long, WriteTimeout: long, IdleTimeout: short / 10})
	_, in = late(s, "/echo", "xx")
	if rest, err := io.ReadAll(in); len(rest) > 0 || err != nil {
		t.Errorf("an idle connection: %q, %v", rest, err)
	}
}

// answered reads one answer.
func answered(t *testing.T, in *bufio.Reader, want string) {
	t.Helper()
	resp, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	all, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if string(all) != want || err != nil {
		t.Errorf("%q, %v, want %q", all, err, want)
	}
}

// A caller that sends on when it has been refused can read why.
func TestRefusedWhileSending(t *testing.T) {
	s := serve(t, true)
	for _, size := range []int{100, 300 << 10, 16 << 20} {
		c, in := s.dial()
		_, err := io.WriteString(c, "POST /unread HTTP/1.1\r\nHost: x\r\nContent-Length: "+strings.Repeat("0", 4)+"99999999\r\n\r\n"+strings.Repeat("x", size))
		resp, why := http.ReadResponse(in, nil)
		if why != nil || resp.StatusCode != 401 || !resp.Close {
			t.Fatalf("%d bytes sent (%v): %v, %v", size, err, resp, why)
		}
		if said, err := io.ReadAll(resp.Body); string(said) != "no" || err != nil {
			t.Errorf("%q, %v", said, err)
		}
		_ = resp.Body.Close()
		_ = c.Close()
	}
}

// Serve returns however Shutdown and connections come in between.
func TestShutdownAtAnyTime(t *testing.T) {
	const d = 20 * time.Second
	for i := range 300 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		front := http1.New(&http.Server{Handler: http.NotFoundHandler(), ReadHeaderTimeout: d, ReadTimeout: d, WriteTimeout: d, IdleTimeout: d})
		counting := &counting{Listener: l}
		var all sync.WaitGroup
		all.Go(func() {
			if err := front.Serve(counting); !errors.Is(err, http.ErrServerClosed) {
				t.Error(err)
			}
			_ = l.Close() // Serve was perhaps too late to see it
		})
		for j := range i % 4 {
			all.Go(func() {
				c, err := net.Dial("tcp", l.Addr().String())
				if err != nil {
					return
				}
				defer c.Close()
				_, _ = io.WriteString(c, []string{"", "GET /", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "DELETE / HTTP/1.1\r\nHost: x\r\n\r\n"}[(i+j)%4])
				if j == 2 {
					_ = c.SetReadDeadline(time.Now().Add(time.Millisecond)) // and it leaves
				}
				_, _ = io.Copy(io.Discard, c)
			})
		}
		all.Go(func() {
			time.Sleep(time.Duration(i%7) * 50 * time.Microsecond)
			ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
			defer cancel()
			_ = front.Shutdown(ctx)
			_ = front.Close()
			if err := front.Shutdown(context.Background()); err != nil {
				t.Error(err)
			}
		})
		all.Wait()
		for end := time.Now().Add(10 * time.Second); counting.open.Load() != 0; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%d connections are left open", counting.open.Load())
			}
		}
	}
}

// counting is a listener that counts its connections that are open.
type counting struct {
	net.Listener
	open atomic.Int64
}

func (l *counting) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.open.Add(1)
	return &counted{TCPConn: c.(*net.TCPConn), open: &l.open}, nil
}

type counted struct {
	*net.TCPConn
	open *atomic.Int64
	once sync.Once
}

func (c *counted) Close() error {
	c.once.Do(func() { c.open.Add(-1) })
	return c.TCPConn.Close()
}

// Whatever ends a connection, its descriptor is closed.
func TestDescriptors(t *testing.T) {
	open := func() int {
		names, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Skip("there is no list of descriptors here")
		}
		return len(names)
	}
	s := serve(t, true)
	s.exchange("GET /close HTTP/1.1\r\nHost: x\r\n\r\n", 1) // the Front has what it needs itself
	before := open()
	texts := []string{
		"", "G", "\r\n", "GET /say HTTP/1.1\r\nHost: x\r\n\r\n", "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nfour",
		"GET /say HTTP/1.1\r\nHost: x\r\n\r\nDELETE /say HTTP/1.1\r\nHost: x\r\n\r\n", "GET /abort HTTP/1.1\r\nHost: x\r\n\r\n", "GET /close HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /short HTTP/1.1\r\nHost: x\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "GET /large HTTP/1.1\r\nHost: x\r\n\r\n",
	}
	for i := range 20 * len(texts) {
		c, err := net.Dial("tcp", s.addr)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(c, texts[i%len(texts)])
		switch i % 3 {
		case 0:
			_ = c.(*net.TCPConn).SetLinger(0)
		case 1:
			_ = c.(*net.TCPConn).CloseWrite()
			_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
			_, _ = io.Copy(io.Discard, c)
		}
		_ = c.Close()
	}
	for end := time.Now().Add(10 * time.Second); open() > before; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d descriptors are open, %d were", open(), before)
		}
	}
}
