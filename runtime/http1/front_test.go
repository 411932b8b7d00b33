package http1_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sluicegate/sluice/runtime/http1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// served is a Front, or net/http alone, with a handler of many paths.
type served struct {
	t      testing.TB
	addr   string
	front  *http1.Front // nil: net/http alone
	logged *lines
	in     chan string // paths whose handler has begun
	out    chan string // whose has ended, and why
	wait   chan struct{}
}

// lines is a log.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func serve(t testing.TB, front bool) *served {
	t.Helper()
	const d = 2 * time.Second
	return serveWith(t, front, &http.Server{ReadHeaderTimeout: d, ReadTimeout: d, WriteTimeout: d, IdleTimeout: d})
}

// serveWith serves within a server's bounds.
func serveWith(t testing.TB, front bool, server *http.Server) *served {
	t.Helper()
	s := &served{t: t, logged: &lines{}, in: make(chan string, 64), out: make(chan string, 64), wait: make(chan struct{})}
	server.Handler, server.ErrorLog, server.Protocols = s, log.New(s.logged, "", 0), new(http.Protocols)
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetUnencryptedHTTP2(true)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = l.Addr().String()
	serving, closing := server.Serve, server.Shutdown
	if front {
		s.front = http1.New(server)
		serving, closing = s.front.Serve, s.front.Shutdown
	}
	done := make(chan error, 1)
	go func() { done <- serving(l) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := closing(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("serve: %v", err)
		}
	})
	return s
}

// ServeHTTP answers by the path.
func (s *served) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h, conn := w.Header(), http.NewResponseController(w)
	h.Set("Content-Type", "text/plain") // a Front does not guess it, or a length
	switch r.URL.Path {
	default:
		dump(w, r)
	case "/echo":
		b, err := io.ReadAll(r.Body)
		h.Set("X-Error", fmt.Sprint(err))
		h.Set("Content-Length", fmt.Sprint(len(b)))
		_, _ = w.Write(b)
	case "/say":
		h.Set("X-B", "two\r\nX-Evil: 1")
		h["X-A"] = []string{"1", "2"}
		h["X bad"] = []string{"dropped"}
		h.Set("Content-Length", "5")
		_, _ = io.WriteString(w, "hello")
	case "/stream":
		for i := range 3 {
			_, _ = fmt.Fprintf(w, "piece %d\n", i)
			_ = conn.Flush()
			_, _ = w.Write(nil) // no chunk: that would be the last one
			_ = conn.Flush()
		}
	case "/end":
		_, _ = io.WriteString(w, "piece")
		_ = conn.Flush()
		_, _ = io.WriteString(w, " and last")
		err := w.(interface{ End() error }).End()
		<-s.wait
		_, more := io.WriteString(w, "more")
		s.out <- fmt.Sprint(err, more != nil, w.(interface{ End() error }).End())
	case "/large":
		_, _ = w.Write([]byte(strings.Repeat("0123456789", 20000)))
	case "/nothing":
		w.WriteHeader(http.StatusNoContent)
	case "/silent":
	case "/unread":
		h.Set("Content-Length", "2")
		_ = conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, "no")
	case "/close":
		h.Set("Connection", "close")
		h.Set("Content-Length", "2")
		_, _ = io.WriteString(w, "ok")
	case "/short":
		h.Set("Content-Length", "10")
		_, _ = io.WriteString(w, "four")
	case "/long":
		h.Set("Content-Length", "2")
		_, err := io.WriteString(w, "four")
		s.out <- fmt.Sprint(err)
	case "/announced":
		h.Set("Content-Length", "10")
	case "/huge":
		for i := range 3 {
			_, _ = w.Write(bytes.Repeat([]byte{byte('a' + i)}, 100<<10))
		}
	case "/huge and known":
		h.Set("Content-Length", fmt.Sprint(200<<10))
		for i := range 2 {
			_, _ = w.Write(bytes.Repeat([]byte{byte('a' + i)}, 100<<10))
		}
	case "/late":
		_, _ = io.WriteString(w, "early ")
		_ = conn.Flush()
		_, err := io.ReadAll(r.Body)
		_, _ = fmt.Fprint(w, err)
	case "/framed":
		h["Content-Length"] = []string{"5", "6"}
		h["Transfer-Encoding"] = []string{"identity"}
		_, _ = io.WriteString(w, "hello")
	case "/flood":
		var err error
		for err == nil {
			_, err = w.Write(make([]byte, 32<<10))
		}
		s.out <- "ended"
	case "/slow":
		_, _ = io.Copy(io.Discard, r.Body)
		_ = conn.SetReadDeadline(time.Time{})
		for range 6 {
			time.Sleep(200 * time.Millisecond)
			_, _ = io.WriteString(w, "x")
			_ = conn.Flush()
		}
		_, _ = fmt.Fprint(w, r.Context().Err())
	case "/panic":
		panic("a defect")
	case "/abort":
		_, _ = io.WriteString(w, "part")
		_ = conn.Flush()
		panic(http.ErrAbortHandler)
	case "/wait":
		s.in <- r.URL.Path
		select {
		case <-r.Context().Done():
			s.out <- "gone"
		case <-s.wait:
			s.out <- "waited"
		}
	}
}

// dial connects, with a bound on everything.
func (s *served) dial() (net.Conn, *bufio.Reader) {
	s.t.Helper()
	c, err := net.Dial("tcp", s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	return c, bufio.NewReader(c)
}

// exchange sends text and gives all that comes until the connection ends, without dates, or, after n answers, those.
func (s *served) exchange(text string, n int) string {
	s.t.Helper()
	c, in := s.dial()
	go func() { _, _ = io.WriteString(c, text) }()
	var all strings.Builder
	for i := range n {
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			fmt.Fprintf(&all, "answer %d: %v", i, errors.Is(err, io.ErrUnexpectedEOF))
			return all.String()
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode == 200 && resp.Header.Get("Date") == "" {
			s.t.Errorf("%.80q: no date", text)
		}
		resp.Header.Del("Date")
		fmt.Fprintf(&all, "%s %v chunked %v length %d close %t %.40q %x %v\n", resp.Status, resp.Header, resp.TransferEncoding, resp.ContentLength, resp.Close, body, sha256.Sum256(body), err)
	}
	return all.String()
}

// What comes back is what net/http alone sends, whatever the request is and however it comes.
func TestAsNetHTTP(t *testing.T) {
	ours, theirs := serve(t, true), serve(t, false)
	get := func(path string) string { return "GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n" }
	post := func(path, headers, body string) string {
		return "POST " + path + " HTTP/1.1\r\nHost: x\r\n" + headers + fmt.Sprintf("Content-Length: %d\r\n\r\n", len(body)) + body
	}
	for _, c := range []struct {
		name, text string
		answers    int
	}{
		{"get", get("/say"), 1},
		{"echo", post("/echo", "", "hello"), 1},
		{"no body", post("/echo", "", ""), 1},
		{"large", post("/echo", "", strings.Repeat("x", 1<<20)), 1},
		{"pipelined", post("/echo", "", "one") + post("/echo", "", "two") + get("/say") + post("/echo", "", "three"), 4},
		{"stream and again", get("/stream") + get("/say"), 2},
		{"large answer", get("/large") + get("/say"), 2},
		{"no content", get("/nothing") + get("/say"), 2},
		{"silent", get("/silent") + get("/say"), 2},
		{"unread and there", post("/unread", "", "hello") + get("/say"), 2},
		{"handler closes", get("/close") + get("/say"), 1},
		{"short", get("/short"), 1},
		{"handed over", post("/echo", "", "one") + "HEAD /say HTTP/1.1\r\nHost: x\r\n\r\n" + get("/say"), 2},
		{"chunked", "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n" + post("/echo", "", "after"), 2},
		{"expects", post("/echo", "Expect: 100-continue\r\n", "hello"), 1},
		{"asks to close", post("/echo", "Connection: close\r\n", "hello"), 1},
		{"HTTP/1.0", "GET /say HTTP/1.0\r\nHost: x\r\n\r\n", 1},
		{"long head", "GET /say HTTP/1.1\r\nHost: x\r\nX-Long: " + strings.Repeat("x", 10<<10) + "\r\n\r\n", 1},
		{"malformed", "GET /say HTTP/1.1\r\nHost: x\r\nX y\r\n\r\n", 1},
		{"after one", post("/echo", "", "one") + "garbage behind a request\r\n\r\n", 2},
		{"an empty line behind a body", post("/echo", "", "one") + "\r\n" + get("/say"), 2},
		{"two of them", post("/echo", "", "one") + "\r\n\r\n" + post("/echo", "", "two") + "\n" + get("/say"), 3},
		{"three of them", post("/echo", "", "one") + "\r\n\r\n\r\n" + get("/say"), 2},
		{"one behind no body", get("/say") + "\r\n" + get("/say"), 2},
		{"bare line feeds", "GET /say HTTP/1.1\nHost: x\n\n", 1},
		{"a bare end of the head", "GET /say HTTP/1.1\r\nHost: x\r\n\n", 1},
		{"a request behind a bare end", post("/echo", "", "one") + "GET /say HTTP/1.1\r\nHost: x\n\n" + get("/echo"), 3},
		{"announced and not written", get("/announced"), 1},
		{"huge pieces", get("/huge") + get("/say"), 2},
		{"huge pieces of a known length", get("/huge%20and%20known") + get("/say"), 2},
		{"read after the answer began", post("/late", "", "hello") + get("/say"), 2},
		{"large and unread", post("/unread", "", strings.Repeat("x", 8<<20)), 1},
		{"unread and expected", post("/unread", "Expect: 100-continue\r\n", ""), 1},
		{"HTTP/1.0 behind HTTP/1.1", get("/say") + "GET /say HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" + get("/say"), 3},
		{"a method in small letters", get("/say") + "get /say HTTP/1.1\r\nHost: x\r\n\r\n", 2},
		{"GET with a body", "GET /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc" + get("/say"), 2},
		{"a length with zeros before it", "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 0003\r\n\r\nabc" + get("/say"), 2},
		{"a head that fills the buffer", "GET /say HTTP/1.1\r\nHost: x\r\nX-Long: " + strings.Repeat("x", 4096-42) + "\r\n\r\n" + get("/say"), 2},
		{"a head longer than it by one", "GET /say HTTP/1.1\r\nHost: x\r\nX-Long: " + strings.Repeat("x", 4097-42) + "\r\n\r\n" + get("/say"), 2},
		{"many, then something else", strings.Repeat(post("/echo", "", "abcdefghij"), 200) + "DELETE /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nzz" + get("/say"), 202},
		{"panic", get("/panic"), 1},
		{"abort", get("/abort"), 1},
	} {
		if got, want := ours.exchange(c.text, c.answers), theirs.exchange(c.text, c.answers); got != want {
			t.Errorf("%s:\n%s of net/http:\n%s", c.name, got, want)
		}
	}
	if log := ours.logged.String(); strings.Count(log, "panic serving") != 1 || !strings.Contains(log, "a defect") {
		t.Errorf("the log: %s", log)
	}
	if ours.exchange(get("/long"), 1); <-ours.out != http.ErrContentLength.Error() {
		t.Error("more than was announced could be written")
	}
}

// A request may come byte by byte, and its body long after its head.
func TestByteByByte(t *testing.T) {
	s := serve(t, true)
	c, in := s.dial()
	for range 2 {
		for _, b := range []byte("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello") {
			if _, err := c.Write([]byte{b}); err != nil {
				t.Fatal(err)
			}
		}
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if string(body) != "hello" {
			t.Errorf("%q", body)
		}
	}
}

// Heads, bodies and next requests that do not come end the connection in their time.
func TestLate(t *testing.T) {
	t.Parallel() // it waits
	s := serve(t, true)
	f := func(name, text, want string) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, in := s.dial()
			begun := time.Now()
			_, _ = io.WriteString(c, text)
			all, err := io.ReadAll(in)
			if took := time.Since(begun); err != nil || took < time.Second || took > 8*time.Second || !strings.Contains(string(all), want) || want == "" && len(all) > 0 {
				t.Errorf("%q, %v after %v", all, err, took)
			}
		})
	}
	t.Run("all", func(*testing.T) {
		f("nothing", "", "")
		f("half a head", "GET /say HT", "")
		f("half a body", "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhe", "X-Error: read tcp")
		f("no second request", "GET /say HTTP/1.1\r\nHost: x\r\n\r\n", "hello")
		f("half a second head", "GET /say HTTP/1.1\r\nHost: x\r\n\r\nPOST /", "hello")
	})
	c, in := s.dial()
	_, _ = io.WriteString(c, "POST /unread HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhe")
	resp, err := http.ReadResponse(in, nil)
	if err != nil || resp.StatusCode != 401 || !resp.Close {
		t.Fatalf("%v, %v", resp, err)
	}
	_ = resp.Body.Close()
}

// Who goes away while its request is being answered is told to the handler; so it is of one who closed its sending half.
func TestGone(t *testing.T) {
	s := serve(t, true)
	for _, leave := range []func(*net.TCPConn) error{
		(*net.TCPConn).Close, (*net.TCPConn).CloseWrite,
		func(c *net.TCPConn) error { return errors.Join(c.SetLinger(0), c.Close()) },
	} {
		c, _ := s.dial()
		_, _ = io.WriteString(c, "GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
		<-s.in
		if err := leave(c.(*net.TCPConn)); err != nil {
			t.Fatal(err)
		}
		if why := <-s.out; why != "gone" {
			t.Error(why)
		}
	}
}

// An answer may end before its handler does; nothing is added to it then, and the connection goes on.
func TestEnd(t *testing.T) {
	s := serve(t, true)
	c, in := s.dial()
	for range 2 {
		_, _ = io.WriteString(c, "GET /end HTTP/1.1\r\nHost: x\r\n\r\n")
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		if body, err := io.ReadAll(resp.Body); string(body) != "piece and last" || err != nil {
			t.Errorf("got %q, %v", body, err)
		}
		_ = resp.Body.Close()
		s.wait <- struct{}{}
		if got := <-s.out; got != "<nil> true <nil>" {
			t.Errorf("the handler saw %s", got)
		}
	}
}

// Shutdown closes idle connections at once and waits for answers under way; Close does not wait.
func TestShutdown(t *testing.T) {
	s := serve(t, true)
	still, in := s.dial()
	_, _ = io.WriteString(still, "GET /say HTTP/1.1\r\nHost: x\r\n\r\n")
	idle, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, idle.Body)
	_ = idle.Body.Close()
	working, answer := s.dial()
	_, _ = io.WriteString(working, "GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
	<-s.in
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.front.Shutdown(ctx) }()
	if _, err := io.Copy(io.Discard, in); err != nil {
		t.Errorf("an idle connection: %v", err)
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("shutdown: %v", err)
	}
	close(s.wait)
	resp, err := http.ReadResponse(answer, nil)
	if err != nil || resp.StatusCode != 200 || !resp.Close {
		t.Fatalf("%v, %v", resp, err)
	}
	_ = resp.Body.Close()
	if _, err := net.Dial("tcp", s.addr); err == nil {
		t.Error("it still listens")
	}
}

func TestClose(t *testing.T) {
	s := serve(t, true)
	c, in := s.dial()
	_, _ = io.WriteString(c, "GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
	<-s.in
	if err := s.front.Close(); err != nil {
		t.Error(err)
	}
	if all, err := io.ReadAll(in); len(all) > 0 {
		t.Errorf("%q, %v", all, err)
	}
	if why := <-s.out; why != "gone" {
		t.Error(why)
	}
}

// failing is a listener that gives errors.
type failing struct {
	net.Listener
	errs chan error
}

func (f failing) Accept() (net.Conn, error) {
	if err, ok := <-f.errs; ok {
		return nil, err
	}
	return f.Listener.Accept()
}

type passing struct{ error }

func (passing) Temporary() bool { return true }

// An error that passes is waited out; another ends Serve.
func TestAcceptFails(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	logged := &lines{}
	f := http1.New(&http.Server{ReadHeaderTimeout: time.Second, ErrorLog: log.New(logged, "", 0)})
	errs := make(chan error, 2)
	errs <- passing{errors.New("too many open files")}
	errs <- errors.New("broken for good")
	if err := f.Serve(failing{l, errs}); err == nil || err.Error() != "broken for good" {
		t.Error(err)
	}
	if !strings.Contains(logged.String(), "too many open files; trying again") {
		t.Error(logged.String())
	}
	if err := f.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if err := f.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		t.Error(err)
	}
}
