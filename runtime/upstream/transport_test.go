package upstream_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sluicegate/sluice/runtime/internal/modelserver"
	"github.com/sluicegate/sluice/runtime/upstream"
	"github.com/sluicegate/sluice/runtime/wire"
)

// kinds are the three ways to a model server, which must behave alike.
var kinds = []string{"http", "https", "http2"}

// over runs a test over each kind of transport; start starts a server of the kind.
func over(t *testing.T, f func(t *testing.T, start func(o upstream.TransportOptions, steps ...modelserver.Step) (*modelserver.Server, *upstream.Transport))) {
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			f(t, func(o upstream.TransportOptions, steps ...modelserver.Step) (*modelserver.Server, *upstream.Transport) {
				return startKind(t, kind, o, steps...)
			})
		})
	}
}

func startKind(t testing.TB, kind string, o upstream.TransportOptions, steps ...modelserver.Step) (*modelserver.Server, *upstream.Transport) {
	t.Helper()
	var s *modelserver.Server
	if kind == "http" {
		s = modelserver.New(t, steps...)
	} else {
		s = modelserver.NewTLS(t, kind == "http2", steps...)
		o.RootCAs = s.Certificate()
	}
	if o.URL == "" {
		o.URL = s.URL()
	}
	tr, err := upstream.NewTransport(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tr.Close() })
	return s, tr
}

// get makes one exchange and reads its answer whole.
func get(ctx context.Context, tr *upstream.Transport, r *upstream.Request) (int, []byte, error) {
	resp, err := tr.Do(ctx, r)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Close()
	body, err := resp.ReadAll()
	return resp.Status, body, err
}

func chat(body string) *upstream.Request {
	return &upstream.Request{Path: "/chat/completions", Body: []byte(body)}
}

func wantFailure(t *testing.T, err error, code wire.Code, retry upstream.Retry) *upstream.Failure {
	t.Helper()
	var f *upstream.Failure
	if !errors.As(err, &f) {
		t.Fatalf("got error %v, want a failure %s", err, code)
	}
	if f.Code != code || f.Retry != retry {
		t.Fatalf("got %v (retry %d), want %s (retry %d)", f, f.Retry, code, retry)
	}
	return f
}

func TestTransportSends(t *testing.T) {
	over(t, func(t *testing.T, start func(upstream.TransportOptions, ...modelserver.Step) (*modelserver.Server, *upstream.Transport)) {
		s, tr := start(upstream.TransportOptions{}, modelserver.JSON(`{"a":1}`))
		t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
		t.Setenv("HTTPS_PROXY", "http://127.0.0.1:1")
		status, body, err := get(t.Context(), tr, &upstream.Request{
			Path: "/chat/completions", Body: []byte(`{"model":"m"}`), Bearer: "k-1", RequestID: "id-1",
			Header: []upstream.Field{
				{Name: "Traceparent", Value: "00-1-2-01"},
				{Name: "Cookie", Value: "a=b"},
				{Name: "Authorization", Value: "Bearer stolen"},
				{Name: "Tracestate", Value: "a\r\nX-Evil: 1"},
			},
		})
		if err != nil || status != 200 || string(body) != `{"a":1}` {
			t.Fatalf("got %d %q %v", status, body, err)
		}
		got := s.Requests()[0]
		if got.Method != "POST" || got.Path != "/v1/chat/completions" || string(got.Body) != `{"model":"m"}` {
			t.Errorf("sent %s %s %q", got.Method, got.Path, got.Body)
		}
		want := http.Header{
			"Accept": {"application/json"}, "Accept-Encoding": {"identity"}, "Authorization": {"Bearer k-1"},
			"Content-Length": {"13"}, "Content-Type": {"application/json"}, "Traceparent": {"00-1-2-01"},
			"User-Agent": {"sluice"}, "X-Request-Id": {"id-1"},
		}
		for name := range got.Header {
			if want[name] == nil {
				t.Errorf("sent header %s: %q", name, got.Header[name])
			}
		}
		for name, v := range want {
			if got.Header.Get(name) != v[0] {
				t.Errorf("header %s: got %q, want %q", name, got.Header.Get(name), v[0])
			}
		}
		if !strings.HasSuffix(s.URL(), got.Host+"/v1") {
			t.Errorf("host %q, url %q", got.Host, s.URL())
		}
	})
}

func TestTransportReusesConnections(t *testing.T) {
	over(t, func(t *testing.T, start func(upstream.TransportOptions, ...modelserver.Step) (*modelserver.Server, *upstream.Transport)) {
		s, tr := start(upstream.TransportOptions{}, modelserver.JSON(`{}`), modelserver.Status(429, `{}`),
			modelserver.Status(204, ""), modelserver.JSON(strings.Repeat(" ", 100_000)), modelserver.JSON(`{}`))
		for range 5 {
			if _, _, err := get(t.Context(), tr, chat(`{}`)); err != nil {
				t.Fatal(err)
			}
		}
		for _, r := range s.Requests()[1:] {
			if r.Remote != s.Requests()[0].Remote {
				t.Fatalf("a second connection was made: %s, %s", r.Remote, s.Requests()[0].Remote)
			}
		}
	})
}

// A server closes an idle connection; the next request must not fail for it.
func TestTransportStaleConnection(t *testing.T) {
	over(t, func(t *testing.T, start func(upstream.TransportOptions, ...modelserver.Step) (*modelserver.Server, *upstream.Transport)) {
		s, tr := start(upstream.TransportOptions{}, modelserver.JSON(`{}`))
		for i := range 10 {
			if _, _, err := get(t.Context(), tr, chat(`{}`)); err != nil {
				t.Fatalf("request %d: %v", i, err)
			}
			s.CutIdle()
		}
	})
}

func TestTransportFollowsNoRedirect(t *testing.T) {
	over(t, func(t *testing.T, start func(upstream.TransportOptions, ...modelserver.Step) (*modelserver.Server, *upstream.Transport)) {
		other := modelserver.New(t)
		_, tr := start(upstream.TransportOptions{}, modelserver.Status(302, "", "Location", other.URL()))
		resp, err := tr.Do(t.Context(), &upstream.Request{Path: "/x", Bearer: "secret"})
		if err != nil || resp.Status != 302 {
			t.Fatalf("got %v %v", resp, err)
		}
		f, _ := resp.Fail()
		_ = wantFailure(t, f, wire.UpstreamError, upstream.RetryElsewhere)
		if n := len(other.Requests()); n != 0 {
			t.Errorf("the redirect was followed %d times", n)
		}
	})
}

func TestTransportLargeBodies(t *testing.T) {
	over(t, func(t *testing.T, start func(upstream.TransportOptions, ...modelserver.Step) (*modelserver.Server, *upstream.Transport)) {
		echo := func(w http.ResponseWriter, _ *http.Request, body []byte) { _, _ = w.Write(body) }
		_, tr := start(upstream.TransportOptions{MaxAnswer: 3 << 20}, echo)
		for _, n := range []int{0, 1, 4095, 8192, 65536, 65537, 3 << 20} {
			sent := bytes.Repeat([]byte("abcdefg\n"), n/8+1)[:n]
			_, got, err := get(t.Context(), tr, chat(string(sent)))
			if err != nil || !bytes.Equal(got, sent) {
				t.Fatalf("%d bytes: got %d, %v", n, len(got), err)
			}
		}
		_, _, err := get(t.Context(), tr, chat(strings.Repeat("x", 3<<20+1)))
		_ = wantFailure(t, err, wire.UpstreamError, upstream.RetryNo)
	})
}

func TestTransportTimeouts(t *testing.T) {
	half := modelserver.Status(200, `{"a":`)
	f := func(name string, o upstream.Timeouts, step modelserver.Step) {
		t.Run(name, func(t *testing.T) {
			over(t, func(t *testing.T, start func(upstream.TransportOptions, ...modelserver.Step) (*modelserver.Server, *upstream.Transport)) {
				s, tr := start(upstream.TransportOptions{Timeouts: o}, step)
				began := time.Now()
				_, _, err := get(t.Context(), tr, chat(`{}`))
				_ = wantFailure(t, err, wire.UpstreamTimeout, upstream.RetryElsewhere)
				if took := time.Since(began); took > 5*time.Second {
					t.Errorf("it took %v", took)
				}
				<-s.Gone() // the call was ended at the model server too
			})
		})
	}
	f("first byte", upstream.Timeouts{Connect: 500 * time.Millisecond, FirstByte: 30 * time.Millisecond}, modelserver.Hang(nil))
	f("idle", upstream.Timeouts{Idle: 30 * time.Millisecond}, modelserver.Hang(half))
}

// The timeout of the first byte bounds the wait for the first event of a stream, comments before it or not.
func TestTransportFirstEventTimeout(t *testing.T) {
	over(t, func(t *testing.T, start func(upstream.TransportOptions, ...modelserver.Step) (*modelserver.Server, *upstream.Transport)) {
		beat := func(w http.ResponseWriter, r *http.Request, _ []byte) {
			for r.Context().Err() == nil {
				if _, err := io.WriteString(w, ": wait\n\n"); err != nil {
					return
				}
				_ = http.NewResponseController(w).Flush()
				<-time.After(5 * time.Millisecond)
			}
		}
		_, tr := start(upstream.TransportOptions{Timeouts: upstream.Timeouts{Connect: 500 * time.Millisecond, FirstByte: 50 * time.Millisecond}}, beat)
		resp, err := tr.Do(t.Context(), chat(`{}`))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Close()
		_, err = io.Copy(io.Discard, resp)
		_ = wantFailure(t, err, wire.UpstreamTimeout, upstream.RetryElsewhere)
	})
}

func TestTransportCancel(t *testing.T) {
	steps := map[string]modelserver.Step{
		"before the head": modelserver.Hang(nil),
		"in the body":     modelserver.Hang(modelserver.Status(200, `{"a":`)),
	}
	for name, step := range steps {
		t.Run(name, func(t *testing.T) {
			over(t, func(t *testing.T, start func(upstream.TransportOptions, ...modelserver.Step) (*modelserver.Server, *upstream.Transport)) {
				came := make(chan struct{})
				s, tr := start(upstream.TransportOptions{}, func(w http.ResponseWriter, r *http.Request, body []byte) {
					close(came)
					step(w, r, body)
				})
				ctx, cancel := context.WithCancel(t.Context())
				failed := make(chan error)
				go func() {
					_, _, err := get(ctx, tr, chat(`{}`))
					failed <- err
				}()
				<-came
				began := time.Now()
				cancel()
				_ = wantFailure(t, <-failed, wire.ClientClosed, upstream.RetryNo)
				<-s.Gone()
				if took := time.Since(began); took > 100*time.Millisecond {
					t.Errorf("the model server noticed after %v", took)
				}
			})
		})
	}
}

func TestTransportDeadline(t *testing.T) {
	over(t, func(t *testing.T, start func(upstream.TransportOptions, ...modelserver.Step) (*modelserver.Server, *upstream.Transport)) {
		_, tr := start(upstream.TransportOptions{}, modelserver.Hang(nil))
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		_, _, err := get(ctx, tr, chat(`{}`))
		_ = wantFailure(t, err, wire.UpstreamTimeout, upstream.RetryNo)
	})
}

func TestTransportBrokenAnswers(t *testing.T) {
	over(t, func(t *testing.T, start func(upstream.TransportOptions, ...modelserver.Step) (*modelserver.Server, *upstream.Transport)) {
		f := func(step modelserver.Step, retry upstream.Retry) {
			t.Helper()
			_, tr := start(upstream.TransportOptions{}, step)
			_, _, err := get(t.Context(), tr, chat(`{}`))
			failure := wantFailure(t, err, wire.UpstreamError, retry)
			if !failure.BodySent {
				t.Error("the failure does not say that the body was sent")
			}
		}
		f(modelserver.Die(nil), upstream.RetryAnywhere)
		f(modelserver.Die(modelserver.Status(200, `{"a":`)), upstream.RetryAnywhere)
		f(modelserver.Die(modelserver.Status(200, `{"a":`, "Content-Length", "100")), upstream.RetryAnywhere)
		f(modelserver.Status(200, "\x1f\x8bgarbage", "Content-Encoding", "gzip"), upstream.RetryElsewhere)
	})
}

// A server that refuses a large body without reading it is heard, not only its closing of the connection.
func TestTransportEarlyRefusal(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	over := make(chan struct{})
	go func() {
		defer close(over)
		c, err := l.Accept()
		if err != nil {
			return
		}
		_, _ = c.Read(make([]byte, 100))
		_, _ = io.WriteString(c, "HTTP/1.1 413 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
		_ = c.(*net.TCPConn).CloseWrite()
		_, _ = c.Read(make([]byte, 1))
		_ = c.Close() // with bytes unread: a reset
	}()
	tr, err := upstream.NewTransport(upstream.TransportOptions{URL: "http://" + l.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	status, _, err := get(t.Context(), tr, chat(strings.Repeat("x", 16<<20)))
	if err == nil && status != 413 {
		t.Errorf("got %d", status)
	}
	if err != nil { // a reset may overtake the answer
		_ = wantFailure(t, err, wire.UpstreamError, upstream.RetryAnywhere)
	}
	<-over
}

func TestTransportUnreachable(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	for _, url := range []string{"http://" + address, "https://" + address, "http://host.invalid/v1"} {
		tr, err := upstream.NewTransport(upstream.TransportOptions{URL: url})
		if err != nil {
			t.Fatal(err)
		}
		defer tr.Close()
		_, _, err = get(t.Context(), tr, chat(`{}`))
		if f := wantFailure(t, err, wire.UpstreamUnreachable, upstream.RetryAnywhere); f.BodySent {
			t.Errorf("%s: the failure says that the body was sent", url)
		}
	}
}

func TestTransportUnknownCertificate(t *testing.T) {
	s := modelserver.NewTLS(t, true)
	tr, err := upstream.NewTransport(upstream.TransportOptions{URL: s.URL()})
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	_, _, err = get(t.Context(), tr, &upstream.Request{Path: "/x", Bearer: "secret"})
	_ = wantFailure(t, err, wire.UpstreamUnreachable, upstream.RetryAnywhere)
	if n := len(s.Requests()); n != 0 {
		t.Errorf("%d requests were sent to a server that is not trusted", n)
	}
}

func TestTransportBadCredential(t *testing.T) {
	over(t, func(t *testing.T, start func(upstream.TransportOptions, ...modelserver.Step) (*modelserver.Server, *upstream.Transport)) {
		s, tr := start(upstream.TransportOptions{})
		_, _, err := get(t.Context(), tr, &upstream.Request{Path: "/x", Bearer: "top-secret\r\nX-A: b"})
		f := wantFailure(t, err, wire.UpstreamError, upstream.RetryElsewhere)
		if strings.Contains(f.Error(), "top-secret") || f.BodySent || len(s.Requests()) > 0 {
			t.Errorf("got %v, %d requests", f, len(s.Requests()))
		}
	})
}

func TestTransportHeader(t *testing.T) {
	over(t, func(t *testing.T, start func(upstream.TransportOptions, ...modelserver.Step) (*modelserver.Server, *upstream.Transport)) {
		_, tr := start(upstream.TransportOptions{}, modelserver.Status(429, `{}`, "Content-Type", "Application/JSON; charset=utf-8",
			"Retry-After", "7", "Openai-Version", "2020-10-01", "Set-Cookie", "a=b", "X-Secret", "1"))
		resp, err := tr.Do(t.Context(), chat(`{}`))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Close()
		h := resp.Header
		if h.ContentType != "application/json" || h.RetryAfter != 7*time.Second || len(h.Fields) != 1 ||
			h.Fields[0] != (upstream.Field{Name: "openai-version", Value: "2020-10-01"}) {
			t.Errorf("got %+v", h)
		}
	})
}

func TestNewTransportRefuses(t *testing.T) {
	f := func(o upstream.TransportOptions, want string) {
		t.Helper()
		_, err := upstream.NewTransport(o)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: got %v, want %q", o, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the error shows the password: %v", err)
		}
	}
	f(upstream.TransportOptions{}, "not complete")
	f(upstream.TransportOptions{URL: "ftp://h/v1"}, "not complete")
	f(upstream.TransportOptions{URL: "http:///v1"}, "not complete")
	f(upstream.TransportOptions{URL: "http://u:hunter2@h/v1"}, "by reference")
	f(upstream.TransportOptions{URL: "http://hunter2 x/%zz"}, "cannot be read")
	f(upstream.TransportOptions{URL: "http://h/v1#x"}, "fragment")
	f(upstream.TransportOptions{URL: "http://h/v1", RootCAs: []byte("x")}, "use https")
	f(upstream.TransportOptions{URL: "https://h/v1", RootCAs: []byte("x")}, "no certificate")
	f(upstream.TransportOptions{URL: "http://h/v1", Timeouts: upstream.Timeouts{Idle: -1}}, "negative")
}

func TestTransportQueryInURL(t *testing.T) {
	over(t, func(t *testing.T, start func(upstream.TransportOptions, ...modelserver.Step) (*modelserver.Server, *upstream.Transport)) {
		s, _ := start(upstream.TransportOptions{})
		o := upstream.TransportOptions{URL: s.URL() + "/a%2Fb/?api-version=1"}
		if strings.HasPrefix(s.URL(), "https") {
			o.RootCAs = s.Certificate()
		}
		tr, err := upstream.NewTransport(o)
		if err != nil {
			t.Fatal(err)
		}
		defer tr.Close()
		if _, _, err := get(t.Context(), tr, chat(`{}`)); err != nil {
			t.Fatal(err)
		}
		if got := s.Requests()[0].Path; got != "/v1/a%2Fb/chat/completions?api-version=1" {
			t.Errorf("sent to %s", got)
		}
	})
}

// BenchmarkTransport is one call of 1 KB with an answer of 815 bytes, the server's half included.
func BenchmarkTransport(b *testing.B) {
	for _, kind := range []string{"http", "https", "http2"} {
		b.Run(kind, func(b *testing.B) {
			_, tr := startKind(b, kind, upstream.TransportOptions{}, modelserver.JSON(strings.Repeat(" ", 815)))
			body := bytes.Repeat([]byte("x"), 1024)
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := get(b.Context(), tr, &upstream.Request{Path: "/chat/completions", Body: body, Bearer: "k"}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
