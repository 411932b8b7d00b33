package server_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sluicegate/sluice/runtime/internal/gateway"
	"github.com/sluicegate/sluice/runtime/internal/modelserver"
	"github.com/sluicegate/sluice/runtime/server"
)

// The frames of HTTP/2 (RFC 9113, section 6), as far as the tests speak them.
const (
	frameData, frameHeaders, frameReset, frameSettings, framePing, frameGoAway, frameWindow, frameContinuation = 0, 1, 3, 4, 6, 7, 8, 9

	endStream, endHeaders, ack = 0x1, 0x4, 0x1
)

// h2 is a bare HTTP/2 connection.
type h2 struct {
	net.Conn
	t *testing.T
}

// dialH2 begins with the preface and empty settings.
func dialH2(t *testing.T, url string) *h2 {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	t.Cleanup(func() { _ = conn.Close() })
	c := &h2{conn, t}
	if _, err := io.WriteString(conn, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	c.write(frameSettings, 0, 0, nil)
	return c
}

// write writes a frame and tells whether the other end still takes it.
func (c *h2) write(kind, flags byte, stream uint32, payload []byte) bool {
	head := []byte{byte(len(payload) >> 16), byte(len(payload) >> 8), byte(len(payload)), kind, flags, 0, 0, 0, 0}
	binary.BigEndian.PutUint32(head[5:], stream)
	_, err := c.Write(append(head, payload...))
	return err == nil
}

// frame is what was read.
type frame struct {
	kind, flags byte
	stream      uint32
	payload     []byte
}

func (c *h2) read() (frame, error) {
	head := make([]byte, 9)
	if _, err := io.ReadFull(c, head); err != nil {
		return frame{}, err
	}
	f := frame{kind: head[3], flags: head[4], stream: binary.BigEndian.Uint32(head[5:])}
	f.payload = make([]byte, int(head[0])<<16|int(head[1])<<8|int(head[2]))
	_, err := io.ReadFull(c, f.payload)
	return f, err
}

// until reads frames until one is of that kind; "" is the end of the connection.
func (c *h2) until(kind byte) (frame, bool) {
	for {
		f, err := c.read()
		if err != nil {
			return frame{}, false
		}
		if f.kind == kind && (kind != frameSettings || f.flags&ack == 0) {
			return f, true
		}
	}
}

// headers is a header block of literals that are not indexed (RFC 7541, section 6.2.2).
func headers(fields ...string) (b []byte) {
	text := func(s string) {
		if len(s) < 127 {
			b = append(b, byte(len(s)))
		} else {
			b = append(b, 127)
			n := len(s) - 127
			for ; n >= 128; n /= 128 {
				b = append(b, byte(n%128+128))
			}
			b = append(b, byte(n))
		}
		b = append(b, s...)
	}
	for i := 0; i < len(fields); i += 2 {
		b = append(b, 0)
		text(fields[i])
		text(fields[i+1])
	}
	return b
}

// asking are the headers of a request for a chat.
func asking(key string, more ...string) []byte {
	return headers(append([]string{":method", "POST", ":scheme", "http", ":path", chatPath, ":authority", "x", "x-api-key", key}, more...)...)
}

// ask2 sends a whole request.
func (c *h2) ask2(stream uint32, key, body string) {
	c.t.Helper()
	if !c.write(frameHeaders, endHeaders, stream, asking(key)) || !c.write(frameData, endStream, stream, []byte(body)) {
		c.t.Fatal("the connection is gone")
	}
}

// overProtocol is a client of one protocol.
func overProtocol(t *testing.T, set func(*http.Protocols)) *http.Client {
	p := new(http.Protocols)
	set(p)
	tr := &http.Transport{Protocols: p}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

func (s *siege) via(ctx context.Context, client *http.Client, body string) (*http.Response, error) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL+chatPath, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("X-Api-Key", s.Key("red"))
	return client.Do(req)
}

// In the clear, HTTP/2 is spoken to who begins with it, unless the configuration says not to.
func TestHTTP2InTheClear(t *testing.T) {
	m := modelserver.New(t)
	f := func(more string, want bool) {
		t.Helper()
		s := besiegeWith(t, m, gateway.Callers+model(m)+gateway.Rest+more, nil)
		c := overProtocol(t, func(p *http.Protocols) { p.SetUnencryptedHTTP2(true) })
		resp, err := s.via(t.Context(), c, ask("hi"))
		if (err == nil) != want {
			t.Fatalf("%q: %v", more, err)
		}
		if err != nil {
			return
		}
		body, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if resp.ProtoMajor != 2 || resp.StatusCode != 200 || !strings.Contains(string(body), "hello") {
			t.Errorf("%s %d %s", resp.Proto, resp.StatusCode, body)
		}
	}
	f("", true)
	f("http2: false\n", false)
}

// Every event of a stream is there as soon as the model server has sent it, and a caller who resets its stream ends the
// call of the model server. The order shows it: the second event is sent when the first has been read.
func TestHTTP2Streams(t *testing.T) {
	next := make(chan struct{})
	step := modelserver.Hang(func(w http.ResponseWriter, r *http.Request, body []byte) {
		for _, word := range []string{"one ", "two ", "three "} {
			modelserver.Events(0, modelserver.Delta(word))(w, r, body)
			<-next
		}
	})
	s := besiege(t, step)
	c := overProtocol(t, func(p *http.Protocols) { p.SetUnencryptedHTTP2(true) })
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	resp, err := s.via(ctx, c, streamed(ask("hi")))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	for _, word := range []string{"one ", "two ", "three "} {
		got, buf := "", make([]byte, 4096)
		for !strings.Contains(got, quote(word)) {
			n, err := resp.Body.Read(buf)
			if err != nil {
				t.Fatalf("%v after %s", err, got)
			}
			got += string(buf[:n])
		}
		next <- struct{}{}
	}
	cancel()
	select {
	case <-s.m.Gone():
	case <-time.After(10 * time.Second):
		t.Fatal("the call of the model server goes on")
	}
	s.quiet()
	if rec := s.Records(1)[0]; fmt.Sprint(rec["outcome"]) == "" || !strings.Contains(fmt.Sprint(rec), "cancelled") {
		t.Errorf("recorded as %v", rec)
	}
}

// So many streams as the settings say, and no more.
func TestHTTP2StreamsAreBounded(t *testing.T) {
	m := modelserver.New(t, modelserver.Hang(nil))
	s := besiegeWith(t, m, gateway.Callers+model(m)+gateway.Rest+"limits: {streams: 3}\n", nil)
	c := dialH2(t, s.URL)
	settings, ok := c.until(frameSettings)
	if !ok {
		t.Fatal("no settings")
	}
	said := map[uint16]uint32{}
	for p := settings.payload; len(p) >= 6; p = p[6:] {
		said[binary.BigEndian.Uint16(p)] = binary.BigEndian.Uint32(p[2:])
	}
	if said[3] != 3 || said[6] == 0 || said[6] > 128<<10 { // SETTINGS_MAX_CONCURRENT_STREAMS, SETTINGS_MAX_HEADER_LIST_SIZE
		t.Errorf("settings %v", said)
	}
	c.write(frameSettings, ack, 0, nil) // only who has read the limit can be held to it
	for stream := uint32(1); stream <= 7; stream += 2 {
		c.ask2(stream, s.Key("red"), ask(fmt.Sprint("question ", stream)))
	}
	if f, ok := c.until(frameReset); !ok || f.stream != 7 {
		t.Errorf("%+v %v", f, ok)
	}
}

// Streams that are reset as fast as they are opened (CVE-2023-44487) get the connection closed, and cost no more calls of
// the model server than streams may be open.
func TestHTTP2RapidReset(t *testing.T) {
	s := besiege(t, modelserver.Hang(nil))
	c := dialH2(t, s.URL)
	go func() { _, _ = io.Copy(io.Discard, c) }()
	stream, sent, most := uint32(1), 0, 5000
	if raceDetector {
		most = 500
	}
	for ; sent < most; sent++ {
		if !c.write(frameHeaders, endHeaders, stream, asking(s.Key("red"))) || !c.write(frameData, endStream, stream, []byte(ask(fmt.Sprint(sent)))) ||
			!c.write(frameReset, 0, stream, []byte{0, 0, 0, 8}) {
			break
		}
		stream += 2
	}
	_ = c.Close()
	s.quiet()
	t.Logf("%d streams were opened, %d reached the model server", sent, len(s.m.Requests()))
	s.m.Script(modelserver.Answer("still here"))
	if r := s.Post("red", chatPath, ask("and now?")); r.Status != 200 {
		t.Errorf("afterwards: %d %s", r.Status, r.Body)
	}
}

// What floods is cut, and costs no memory to speak of.
func TestHTTP2Floods(t *testing.T) {
	if raceDetector {
		t.Skip("frames by the hundred thousand, which net/http alone reads")
	}
	s := besiege(t)
	f := func(name string, most int, begin func(c *h2), flood func(c *h2, i int) bool) {
		t.Run(name, func(t *testing.T) {
			c := dialH2(t, s.URL)
			_ = c.Conn.(*net.TCPConn).SetReadBuffer(4096) // nothing is read, and the system keeps little for later
			if begin != nil {
				begin(c)
			}
			_ = c.SetDeadline(time.Now().Add(20 * time.Second))
			for i := range most {
				if !flood(c, i) {
					return
				}
			}
			t.Errorf("%d frames were taken", most)
		})
	}
	big := headers("x-a", strings.Repeat("a", 8000))
	f("continuation", 4000, func(c *h2) { c.write(frameHeaders, 0, 1, asking("x")) }, func(c *h2, _ int) bool { return c.write(frameContinuation, 0, 1, big) })
	f("pings", 500000, nil, func(c *h2, _ int) bool { return c.write(framePing, 0, 0, make([]byte, 8)) })
	f("a frame of 16 MiB", 100, nil, func(c *h2, _ int) bool { return c.write(frameData, 0, 1, make([]byte, 1<<24-1)) })
	// These cost what reading them costs, one connection's share of a core, and hold nothing: they need not be cut.
	for _, kind := range []byte{frameSettings, frameContinuation} {
		c := dialH2(t, s.URL)
		c.write(frameHeaders, 0, 1, asking("x"))
		for range 20000 {
			if !c.write(kind, 0, uint32(kind/frameContinuation), nil) {
				break
			}
		}
	}
	if r := s.Post("red", chatPath, ask("and now?")); r.Status != 200 {
		t.Errorf("afterwards: %d %s", r.Status, r.Body)
	}
}

// A request that means two things to two readers is none.
func TestHTTP2Malformed(t *testing.T) {
	s := besiege(t)
	key := s.Key("red")
	body := ask("hi")
	f := func(name string, block []byte, data string) {
		t.Run(name, func(t *testing.T) {
			c := dialH2(t, s.URL)
			c.write(frameHeaders, endHeaders, 1, block)
			c.write(frameData, endStream, 1, []byte(data))
			for {
				f, err := c.read()
				if err != nil || f.kind == frameReset || f.kind == frameGoAway {
					return
				}
				if f.kind == frameHeaders {
					if f.payload[0] == 0x88 { // :status 200, in the static table
						t.Error("it was answered")
					}
					return
				}
			}
		})
	}
	f("a name in upper case", asking(key, "X-Upper", "a"), body)
	f("a line break in a value", asking(key, "x-a", "b\r\ntransfer-encoding: chunked"), body)
	f("a line break in a name", asking(key, "x-a\r\nx-b", "c"), body)
	f("a colon in a name", asking(key, "x-a: b", "c"), body)
	f("an empty name", asking(key, "", "c"), body)
	f("transfer-encoding", asking(key, "transfer-encoding", "chunked"), body)
	f("connection", asking(key, "connection", "close"), body)
	f("a pseudo-header behind others", asking(key, ":path", "/ping"), body)
	f("an unknown pseudo-header", append(headers(":extra", "a"), asking(key)...), body)
	f("two paths", append(headers(":path", "/ping"), asking(key)...), body)
	f("no path", headers(":method", "POST", ":scheme", "http", "x-api-key", key), body)
	f("a relative path", headers(":method", "POST", ":scheme", "http", ":path", "v1/models", "x-api-key", key), body)
	f("a length that is too long", asking(key, "content-length", fmt.Sprint(len(body)+5)), body)
	f("a length that is too short", asking(key, "content-length", "5"), body)
	f("two lengths", asking(key, "content-length", "5", "content-length", fmt.Sprint(len(body))), body)
	f("huge headers", asking(key, "x-a", strings.Repeat("a", 12000), "x-b", strings.Repeat("a", 300)), body+" garbage")
	if n := len(s.m.Requests()); n > 0 {
		t.Errorf("%d requests reached the model server: %s", n, s.last(0))
	}
}

// A caller who sends its body too slowly, or takes nothing, holds nothing for long.
func TestHTTP2SlowCallers(t *testing.T) {
	m := modelserver.New(t, modelserver.SlowStream(0, strings.Split(strings.Repeat("word ", 40000), " ")...))
	g := besiegeWith(t, m, gateway.Callers+model(m)+strings.Replace(gateway.Rest, "cache:", "limits: {answer: 64MiB}\ncache:", 1), nil)
	_, address := serve(t, g.Gateway, server.Options{BodyTime: 300 * time.Millisecond, WriteTime: 300 * time.Millisecond, HeaderTime: 300 * time.Millisecond, IdleTime: time.Second})

	c := dialH2(t, address)
	c.write(frameHeaders, endHeaders, 1, asking(g.Key("red"), "content-length", "1000"))
	c.write(frameData, 0, 1, []byte(`{"model":`))
	if f, ok := c.until(frameHeaders); !ok || f.payload[0] == 0x88 {
		t.Errorf("a slow body: %+v", f)
	}

	c = dialH2(t, address) // reads frames, but gives no window for the answer's
	c.ask2(1, g.Key("red"), streamed(ask("hi")))
	if _, ok := c.until(frameReset); !ok {
		t.Log("the connection was closed")
	}
	g.quiet()

	silent, err := net.Dial("tcp", address) // not even enough to tell which HTTP it is
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = silent.Close() }()
	_, _ = io.WriteString(silent, "PRI * HT")
	_ = silent.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.ReadAll(silent); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a silent connection is kept: %v", err)
	}

	m.Script(modelserver.Delay(time.Second, modelserver.Answer("at last"))) // longer than any of its own times
	c = dialH2(t, address)
	c.ask2(1, g.Key("red"), ask("slowly"))
	if f, ok := c.until(frameHeaders); !ok || f.payload[0] != 0x88 {
		t.Errorf("a slow model server: %+v %v", f, ok)
	}
}

// One connection more than there may be is closed, and there is room again when one has gone.
func TestConnectionsAreBounded(t *testing.T) {
	g := start(t, "")
	_, address := serve(t, g, server.Options{Connections: 2})
	ping := func(c net.Conn) bool {
		_ = c.SetDeadline(time.Now().Add(10 * time.Second))
		_, _ = io.WriteString(c, "GET /ping HTTP/1.1\r\nHost: x\r\n\r\n")
		_, err := io.ReadFull(c, make([]byte, 12))
		return err == nil
	}
	connect := func() net.Conn {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	one, two := connect(), connect()
	if !ping(one) || !ping(two) {
		t.Fatal("no answer")
	}
	if ping(connect()) {
		t.Error("a third connection is served")
	}
	_ = one.Close()
	until(t, "room", func() bool { return ping(connect()) })
}
