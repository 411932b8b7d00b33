package server_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sluicegate/sluice/runtime/internal/gateway"
	"github.com/sluicegate/sluice/runtime/internal/modelserver"
	"github.com/sluicegate/sluice/runtime/server"
)

func TestMain(m *testing.M) { gateway.Main(m) }

const demo = "models:\n  - {name: model-a, endpoints: [{name: one, provider: demo}]}\n"

func start(t *testing.T, more string) *gateway.Gateway {
	t.Helper()
	return gateway.Start(t, gateway.Callers+demo+gateway.Rest+more)
}

// serve opens a second public listener on a gateway, with options of its own.
func serve(t *testing.T, g *gateway.Gateway, o server.Options) (*server.Server, string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o.Pipeline, o.Logger = g.Control.Pipeline(), slog.New(slog.DiscardHandler)
	s := server.New(o)
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := errors.Join(s.Shutdown(ctx), <-done); err != nil {
			t.Error(err)
		}
	})
	return s, l.Addr().String()
}

// client is a bare connection.
type client struct {
	net.Conn
	t *testing.T
	r *bufio.Reader
}

func dial(t *testing.T, address string) *client {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(address, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	t.Cleanup(func() { _ = c.Close() })
	return &client{c, t, bufio.NewReader(c)}
}

func (c *client) send(text string) {
	c.t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		c.t.Fatal(err)
	}
}

// answer reads one answer with its body.
func (c *client) answer(method string) (gateway.Reply, string) {
	c.t.Helper()
	resp, err := http.ReadResponse(c.r, &http.Request{Method: method})
	if err != nil {
		c.t.Fatal(err)
	}
	body, _ := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	return gateway.Reply{Status: resp.StatusCode, Header: resp.Header, Body: string(body)}, string(body)
}

// post is the text of a request by the key id.
func post(g *gateway.Gateway, id, path, body string) string {
	return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nX-Api-Key: %s\r\nContent-Length: %d\r\n\r\n%s", path, g.Key(id), len(body), body)
}

func code(body string) string { return gateway.Reply{Body: body}.Code() }

const hello = `{"model_name":"model-a","inputs":"hello"}`

// Every method on every kind of path, in the shape of the surface that the path belongs to.
func TestMethodsAndPaths(t *testing.T) {
	g := start(t, "")
	const openai, plain = `{"error":{"message":`, `{"detail":`
	f := func(method, path string, status int, allow, body string) {
		t.Helper()
		c := dial(t, g.URL)
		c.send(fmt.Sprintf("%s %s HTTP/1.1\r\nHost: x\r\n\r\n", method, path))
		resp, got := c.answer(method)
		if resp.Status != status || resp.Header.Get("Allow") != allow || !strings.HasPrefix(got, body) || (body == "") != (got == "") {
			t.Errorf("%s %s: %d Allow %q %s", method, path, resp.Status, resp.Header.Get("Allow"), got)
		}
		if got != "" && (resp.Header.Get("Content-Type") != "application/json" || !json.Valid([]byte(got))) {
			t.Errorf("%s %s: %s %s", method, path, resp.Header.Get("Content-Type"), got)
		}
		if status >= 400 && resp.Header.Get("X-Should-Retry") != "false" {
			t.Errorf("%s %s: x-should-retry %q", method, path, resp.Header.Get("X-Should-Retry"))
		}
	}
	f("GET", "/", 200, "", `{"status":"ok"}`)
	f("GET", "/ping", 200, "", `{"ok":true}`)
	f("GET", "/ping?x=1", 200, "", `{"ok":true}`)
	f("HEAD", "/ping", 200, "", "")
	f("POST", "/ping", 405, "GET, HEAD, OPTIONS", plain)
	f("OPTIONS", "/ping", 204, "GET, HEAD, OPTIONS", "")
	f("GET", "/inference", 405, "POST, OPTIONS", plain)
	f("HEAD", "/inference", 405, "POST, OPTIONS", "")
	f("OPTIONS", "/inference", 204, "POST, OPTIONS", "")
	f("GET", "/v1/chat/completions", 405, "POST, OPTIONS", openai)
	f("PUT", "/v1/embeddings", 405, "POST, OPTIONS", openai)
	f("OPTIONS", "/v1/completions", 204, "POST, OPTIONS", "")
	f("POST", "/v1/models", 405, "GET, HEAD, OPTIONS", openai)
	f("GET", "/v1/models", 401, "", openai)
	f("GET", "/nowhere", 404, "", plain)
	f("GET", "/metrics", 404, "", plain)
	f("GET", "/v1/nowhere", 404, "", openai)
	f("OPTIONS", "/v1/nowhere", 404, "", openai)
	f("GET", "/ping/", 404, "", plain)
	f("GET", "//ping", 404, "", plain)
	f("GET", "/x/../ping", 404, "", plain)
	// An escaped path may be another one to whoever stands between.
	f("POST", "/v1%2Fchat/completions", 404, "", openai)
	f("POST", "/v1/chat%2Fcompletions", 404, "", openai)
	f("POST", "/%69nference", 404, "", plain)
}

func TestModels(t *testing.T) {
	g := start(t, "")
	c := dial(t, g.URL)
	c.send("GET /v1/models HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + g.Key("red") + "\r\n\r\n")
	resp, body := c.answer("GET")
	var list struct {
		Object string
		Data   []struct {
			ID      string
			Created int64
		}
	}
	if err := json.Unmarshal([]byte(body), &list); err != nil || resp.Status != 200 || len(list.Data) != 1 || list.Data[0].ID != "model-a" || list.Data[0].Created == 0 {
		t.Errorf("%d %s %v", resp.Status, body, err)
	}
	c.send("GET /v1/models HTTP/1.1\r\nHost: x\r\nX-Api-Key: wrong\r\n\r\n")
	if resp, body := c.answer("GET"); resp.Status != 401 || resp.Header.Get("Www-Authenticate") != "Bearer" || code(body) != "unauthenticated" {
		t.Errorf("%d %s", resp.Status, body)
	}
}

// Bodies that are refused, with their codes, in both shapes.
func TestBadBodies(t *testing.T) {
	g := start(t, "limits: {body: 4KiB, depth: 8}\n")
	f := func(body string, status int, want string) {
		t.Helper()
		for path, shape := range map[string]string{"/inference": `{"detail":`, "/v1/chat/completions": `{"error":{"message":`} {
			r := g.Post("red", path, body)
			if r.Status != status || r.Code() != want || !strings.HasPrefix(r.Body, shape) || r.Header.Get("X-Should-Retry") != "false" {
				t.Errorf("%s %.40q: %d %s", path, body, r.Status, r.Body)
			}
		}
	}
	f("", 400, "invalid_json")
	f("hello", 400, "invalid_json")
	f(`{"model":"model-a"`, 400, "invalid_json")
	f(`{"model":"a","model":"b"}`, 400, "duplicate_key")
	f(`{"model":"a","mod\u0065l":"b"}`, 400, "duplicate_key")
	f(`{"x":01}`, 400, "invalid_number")
	f("{\"x\":\"\xff\"}", 400, "invalid_utf8")
	f(`{"x":"\ud800"}`, 400, "lone_surrogate")
	f(`{"x":`+strings.Repeat("[", 9)+strings.Repeat("]", 9)+`}`, 400, "too_deep")
	f(`{"x":"`+strings.Repeat("x", 4<<10)+`"}`, 413, "body_too_large")
	f(`{}`, 400, "missing_field")
	f(`[]`, 400, "invalid_request")
	f(`{"model":"nobody","messages":[{"role":"user","content":"x"}]}`, 400, "unknown_model")
}

// The length is bounded whether it is announced or not, and whatever Content-Type a form comes with is no matter.
func TestBodiesInManyWays(t *testing.T) {
	g := start(t, "limits: {body: 4KiB}\n")
	f := func(name, head, body string, status int) {
		t.Helper()
		c := dial(t, g.URL)
		c.send("POST /inference HTTP/1.1\r\nHost: x\r\nX-Api-Key: " + g.Key("red") + "\r\n" + head + "\r\n" + body)
		if resp, got := c.answer("POST"); resp.Status != status {
			t.Errorf("%s: %d %s", name, resp.Status, got)
		}
	}
	chunked := func(pieces ...string) string {
		var b strings.Builder
		for _, p := range append(pieces, "") {
			fmt.Fprintf(&b, "%x\r\n%s\r\n", len(p), p)
		}
		return b.String()
	}
	length := fmt.Sprintf("Content-Length: %d\r\n", len(hello))
	f("plain", length, hello, 200)
	f("form", length+"Content-Type: application/x-www-form-urlencoded\r\n", hello, 200)
	f("multipart", length+"Content-Type: multipart/form-data; boundary=x\r\n", hello, 200)
	f("chunked", "Transfer-Encoding: chunked\r\n", chunked(hello[:5], hello[5:]), 200)
	f("identity", length+"Content-Encoding: identity\r\n", hello, 200)
	f("gzip that is none", length+"Content-Encoding: gzip\r\n", hello, 400)
	f("br", length+"Content-Encoding: br\r\n", hello, 415)
	f("chunked and too large", "Transfer-Encoding: chunked\r\n", chunked(strings.Repeat("x", 5000)), 413)
	f("announced too large", "Content-Length: 5000\r\n", "", 413)
	f("broken chunk", "Transfer-Encoding: chunked\r\n", "zz\r\n", 400)
}

// Headers in the gateway's own name are not listened to, and not passed on.
func TestOwnHeadersAreDropped(t *testing.T) {
	m := modelserver.New(t, modelserver.Answer("ok"))
	rest := strings.Replace(gateway.Rest, "builtin:default", "policies", 1)
	g := gateway.StartWith(t, gateway.Callers+gateway.Model(m.URL())+rest, map[string]string{"policies/main.rego": `package sluice
decision := {"allowed": true, "models": ["model-a"], "annotations": {"seen": seen}}
default seen := "nothing"
seen := input.client.headers["x-sluice-trick"]
`})
	r := g.Post("red", "/inference", hello, "X-Sluice-Trick", "1", "x-sluice-model", "other", "X-Other", "2")
	if r.Status != 200 || r.Header.Get("X-Sluice-Model") != "model-a" {
		t.Errorf("%d %v", r.Status, r.Header)
	}
	for name := range m.Requests()[0].Header {
		if strings.HasPrefix(name, "X-Sluice") {
			t.Errorf("the model server got %s", name)
		}
	}
	if rec := g.Records(1)[0]; fmt.Sprint(rec["notes"]) != "map[seen:nothing]" {
		t.Errorf("the policy saw it: %v", rec["notes"])
	}
}

// Who is not known is answered before the body is sent, or while it is not coming.
func TestUnauthenticatedBeforeTheBody(t *testing.T) {
	g := start(t, "")
	f := func(name, head, body string) {
		t.Helper()
		c := dial(t, g.URL)
		begin := time.Now()
		c.send("POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nX-Api-Key: wrong\r\n" + head + "\r\n" + body)
		resp, got := c.answer("POST")
		if resp.Status != 401 || code(got) != "unauthenticated" || time.Since(begin) > 2*time.Second {
			t.Errorf("%s: %d %s after %s", name, resp.Status, got, time.Since(begin))
		}
	}
	f("expects to be asked", "Content-Length: 1000\r\nExpect: 100-continue\r\n", "")
	f("body does not come", "Content-Length: 1000\r\n", `{"mod`)
	f("chunks do not come", "Transfer-Encoding: chunked\r\n", "5\r\n{\"mod\r\n")
	f("large body does not come", "Content-Length: 8000000\r\n", "{")
}

func TestExpectContinue(t *testing.T) {
	g := start(t, "")
	c := dial(t, g.URL)
	c.send(fmt.Sprintf("POST /inference HTTP/1.1\r\nHost: x\r\nX-Api-Key: %s\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n", g.Key("red"), len(hello)))
	if line, err := c.r.ReadString('\n'); err != nil || !strings.HasPrefix(line, "HTTP/1.1 100 ") {
		t.Fatalf("%q %v", line, err)
	}
	if _, err := c.r.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	c.send(hello)
	if resp, body := c.answer("POST"); resp.Status != 200 {
		t.Errorf("%d %s", resp.Status, body)
	}
}

// Requests sent at once over one connection are answered in order, refused ones among them.
func TestPipelined(t *testing.T) {
	g := start(t, "")
	c := dial(t, g.URL)
	c.send(post(g, "red", "/inference", hello) + post(g, "nobody", "/inference", hello) + post(g, "blue", "/inference", hello))
	for i, want := range []int{200, 401, 200} {
		if resp, body := c.answer("POST"); resp.Status != want {
			t.Errorf("answer %d: %d %s", i, resp.Status, body)
		}
	}
}

func TestSlowBody(t *testing.T) {
	g := start(t, "")
	_, address := serve(t, g, server.Options{BodyTime: 100 * time.Millisecond})
	f := func(head, body string) {
		t.Helper()
		c := dial(t, address)
		c.send("POST /inference HTTP/1.1\r\nHost: x\r\nX-Api-Key: " + g.Key("red") + "\r\n" + head + "\r\n" + body)
		if resp, got := c.answer("POST"); resp.Status != 408 || code(got) != "request_timeout" {
			t.Errorf("%d %s", resp.Status, got)
		}
	}
	f("Content-Length: 1000\r\n", `{"mod`)
	f("Transfer-Encoding: chunked\r\n", "5\r\n{\"mod\r\n")
	// A body that came in time leaves no deadline behind: the answer may take longer.
	m := modelserver.New(t, modelserver.Delay(300*time.Millisecond, modelserver.Answer("late")))
	g.Write("sluice.yaml", gateway.Callers+gateway.Model(m.URL())+gateway.Rest)
	if err := g.Control.Reload(t.Context(), "test"); err != nil {
		t.Fatal(err)
	}
	c := dial(t, address)
	c.send(post(g, "red", "/inference", hello))
	if resp, body := c.answer("POST"); resp.Status != 200 || !strings.Contains(body, "late") {
		t.Errorf("%d %s", resp.Status, body)
	}
}

// A connection that waited longer than the deadline of its last answer works as before.
func TestDeadlineOfTheLastAnswer(t *testing.T) {
	g := start(t, "")
	_, address := serve(t, g, server.Options{WriteTime: 100 * time.Millisecond})
	c := dial(t, address)
	for range 2 {
		c.send(fmt.Sprintf("POST /inference HTTP/1.1\r\nHost: x\r\nX-Api-Key: %s\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n", g.Key("red"), len(hello)))
		if line, err := c.r.ReadString('\n'); err != nil || !strings.HasPrefix(line, "HTTP/1.1 100 ") {
			t.Fatalf("%q %v", line, err)
		}
		_, _ = c.r.ReadString('\n')
		c.send(hello)
		if resp, body := c.answer("POST"); resp.Status != 200 {
			t.Errorf("%d %s", resp.Status, body)
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// A caller who does not take the answer is given up, and the model server with it.
func TestSlowReader(t *testing.T) {
	big := modelserver.Delta(strings.Repeat("word ", 50_000))
	events := make([]string, 200)
	for i := range events {
		events[i] = big
	}
	m := modelserver.New(t, modelserver.Events(0, events...))
	rest := gateway.Rest[strings.Index(gateway.Rest, "policy:"):]
	g := gateway.Start(t, gateway.Callers+strings.Replace(gateway.Model(m.URL()), ", requires: [redact]", "", 1)+rest)
	_, address := serve(t, g, server.Options{WriteTime: 200 * time.Millisecond})
	c := dial(t, address)
	c.send(post(g, "red", "/v1/chat/completions", `{"model":"model-a","stream":true,"messages":[{"role":"user","content":"hi"}]}`))
	if rec := g.Records(1)[0]; rec["outcome"] != "cancelled" || rec["code"] != "client_closed" {
		t.Errorf("record %v", rec)
	}
}

func TestMaxExchanges(t *testing.T) {
	m := modelserver.New(t, modelserver.Hang(modelserver.Events(0, modelserver.Delta("first "))))
	g := gateway.Start(t, gateway.Callers+gateway.Model(m.URL())+gateway.Rest)
	_, address := serve(t, g, server.Options{MaxExchanges: 1})
	stream := `{"model":"model-a","stream":true,"messages":[{"role":"user","content":"hi"}]}`
	held := dial(t, address)
	held.send(post(g, "red", "/v1/chat/completions", stream))
	if line, err := held.r.ReadString('\n'); err != nil || !strings.HasPrefix(line, "HTTP/1.1 200") {
		t.Fatalf("%q %v", line, err)
	}
	c := dial(t, address)
	c.send(post(g, "red", "/v1/chat/completions", stream))
	resp, body := c.answer("POST")
	if resp.Status != 503 || code(body) != "overloaded" || resp.Header.Get("Retry-After") != "1" || resp.Header.Get("X-Should-Retry") != "" {
		t.Errorf("%d %v %s", resp.Status, resp.Header, body)
	}
	var text bytes.Buffer
	if err := g.Control.Metrics().WriteText(&text); err != nil || !strings.Contains(text.String(), `sluice_refused_total{code="overloaded"} 1`) {
		t.Errorf("it is not counted: %v", err)
	}
	_ = held.Close()
	for g.Control.Pipeline().Running() > 0 {
		time.Sleep(time.Millisecond)
	}
	m.Script(modelserver.Answer("free again"))
	if body := retry(t, c, post(g, "red", "/v1/chat/completions", stream)); !strings.Contains(body, "free") {
		t.Errorf("%s", body)
	}
}

// retry sends until it is not refused for load: the place is given back just after the exchange ends.
func retry(t *testing.T, c *client, text string) string {
	t.Helper()
	for range 100 {
		c.send(text)
		resp, body := c.answer("POST")
		if resp.Status != 503 {
			return body
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatal("still refused")
	return ""
}

// Shutdown lets a stream finish, takes no new connection, and ends with an error event what takes too long.
func TestShutdown(t *testing.T) {
	f := func(name string, patience time.Duration, step modelserver.Step, want, without string) {
		t.Run(name, func(t *testing.T) {
			m := modelserver.New(t, step)
			g := gateway.Start(t, gateway.Callers+gateway.Model(m.URL())+gateway.Rest)
			s, address := serve(t, g, server.Options{})
			c := dial(t, address)
			c.send(post(g, "red", "/v1/chat/completions", `{"model":"model-a","stream":true,"messages":[{"role":"user","content":"hi"}]}`))
			if line, err := c.r.ReadString('\n'); err != nil || !strings.HasPrefix(line, "HTTP/1.1 200") {
				t.Fatalf("%q %v", line, err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			if err := s.Shutdown(ctx); err != nil {
				t.Error(err)
			}
			rest, _ := io.ReadAll(c.r)
			if !strings.Contains(string(rest), want) || strings.Contains(string(rest), without) {
				t.Errorf("the stream ended with %q", rest)
			}
			if conn, err := net.Dial("tcp", address); err == nil {
				_ = conn.Close()
				t.Error("still listening")
			}
			if n := len(g.Records(1)); n != 1 {
				t.Errorf("%d records", n)
			}
		})
	}
	f("finishes", 5*time.Second, modelserver.SlowStream(50*time.Millisecond, "one ", "two ", "three"), "data: [DONE]", `"error"`)
	f("takes too long", 100*time.Millisecond, modelserver.Hang(modelserver.Events(0, modelserver.Delta("first "))), `"code":"overloaded"`, "[DONE]")
}

// A connection without any request, or with half a head, does not hold up Shutdown.
func TestShutdownWithIdleConnections(t *testing.T) {
	g := start(t, "")
	s, address := serve(t, g, server.Options{})
	dial(t, address)
	half := dial(t, address)
	half.send("POST /inference HTTP/1.1\r\nHost:")
	used := dial(t, address)
	used.send(post(g, "red", "/inference", hello))
	used.answer("POST")
	begin := time.Now()
	if err := s.Shutdown(t.Context()); err != nil || time.Since(begin) > 4*time.Second {
		t.Errorf("%v after %s", err, time.Since(begin))
	}
}

type panicking struct{}

func (panicking) Read([]byte) (int, error) { panic("defect") }

// A defect in an exchange fails that exchange, with an answer and a record.
func TestPanic(t *testing.T) {
	g := start(t, "")
	r := httptest.NewRequest(http.MethodPost, "/inference", panicking{})
	r.Header.Set("X-Api-Key", g.Key("red"))
	r.RemoteAddr = "127.0.0.1:9"
	w := httptest.NewRecorder()
	g.Server.ServeHTTP(w, r)
	if w.Code != 500 || code(w.Body.String()) != "internal" || strings.Contains(w.Body.String(), "defect") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if rec := g.Records(1)[0]; rec["outcome"] != "failed" || rec["code"] != "internal" || rec["status"] != 500.0 {
		t.Errorf("record %v", rec)
	}
	if reply := g.Post("red", "/inference", hello); reply.Status != 200 {
		t.Errorf("afterwards: %d %s", reply.Status, reply.Body)
	}
}

// Heads are bounded in size and time.
func TestHeads(t *testing.T) {
	g := start(t, "")
	_, address := serve(t, g, server.Options{HeaderBytes: 4 << 10, HeaderTime: 200 * time.Millisecond})
	c := dial(t, address)
	c.send("GET /ping HTTP/1.1\r\nHost: x\r\nX-Large: " + strings.Repeat("x", 16<<10) + "\r\n\r\n")
	if resp, _ := c.answer("GET"); resp.Status != 431 {
		t.Errorf("a large head: %d", resp.Status)
	}
	c = dial(t, address)
	c.send("GET /ping HTTP/1.1\r\nHost: x\r\n")
	begin := time.Now()
	_, _ = io.ReadAll(c.r) // the server closes
	if time.Since(begin) > 3*time.Second {
		t.Error("a slow head holds its connection")
	}
}

func TestServeFails(t *testing.T) {
	g := start(t, "")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	if err := server.New(server.Options{Pipeline: g.Control.Pipeline(), Logger: slog.New(slog.DiscardHandler)}).Serve(l); err == nil {
		t.Error("serving a closed listener is no error")
	}
}
