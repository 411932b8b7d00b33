package server_test

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/sluicegate/sluice/runtime/internal/gateway"
	"github.com/sluicegate/sluice/runtime/internal/modelserver"
)

func gzipped(parts ...string) string {
	var b bytes.Buffer
	for _, p := range parts {
		w := gzip.NewWriter(&b)
		_, _ = io.WriteString(w, p)
		_ = w.Close()
	}
	return b.String()
}

func deflated(text string) string {
	var b bytes.Buffer
	w := zlib.NewWriter(&b)
	_, _ = io.WriteString(w, text)
	_ = w.Close()
	return b.String()
}

// A compressed body is judged, filtered and forwarded as what it says.
func TestCompressedBodies(t *testing.T) {
	if raceDetector {
		t.Skip("nothing concurrent is in it")
	}
	m := modelserver.New(t, echo)
	s := besiegeWith(t, m, gateway.Callers+model(m)+gateway.Rest+"limits: {body: 256KiB}\n", nil)
	var words strings.Builder
	for i := range 4000 {
		fmt.Fprintf(&words, "word %d ", i*i)
	}
	long := words.String()
	f := func(coding, body string, status int, code string) {
		t.Helper()
		before := len(s.m.Requests())
		r := s.Post("red", chatPath, body, "Content-Encoding", coding)
		if r.Status != status || r.Code() != code {
			t.Errorf("%s %.40q: %d %.200s, want %d %s", coding, body, r.Status, r.Body, status, code)
		}
		if reached := len(s.m.Requests()) > before; reached != (status == 200) {
			t.Errorf("%s %.40q: reached the model server: %v", coding, body, reached)
		}
		if status == 200 && strings.Contains(s.last(before), mail) {
			t.Errorf("%s: the filters did not see the body: %s", coding, s.last(before))
		}
		if status == 415 && r.Header.Get("Accept-Encoding") != "gzip, deflate" {
			t.Errorf("%s: %v", coding, r.Header)
		}
	}
	f("gzip", gzipped(ask("one "+mail)), 200, "")
	f("X-GZIP", gzipped(ask("two "+mail)), 200, "")
	f("gzip", gzipped(ask("in three")[:20], ask("in three")[20:]), 200, "") // members are one text (RFC 1952, section 2.2)
	f("deflate", deflated(ask("four "+mail)), 200, "")
	f("identity", ask("five "+mail), 200, "")
	f("gzip", gzipped(ask(long)), 200, "")
	f("gzip", "", 400, "invalid_request")
	f("gzip", ask("plain"), 400, "invalid_request")
	f("deflate", gzipped(ask("other")), 400, "invalid_request")
	f("gzip", gzipped(ask("cut"))[:30], 400, "invalid_request")
	f("deflate", deflated(ask("cut"))[:30], 400, "invalid_request")
	f("gzip", gzipped(ask("and more"))+"garbage", 400, "invalid_request")
	f("deflate", deflated(ask("and more"))+"garbage", 400, "invalid_request")
	broken := []byte(gzipped(ask("sum")))
	broken[len(broken)-6] ^= 1
	f("gzip", string(broken), 400, "invalid_request")
	f("gzip", gzipped(`{"a":1,"a":2}`), 400, "duplicate_key")
	f("br", ask("x"), 415, "invalid_request")
	f("zstd", ask("x"), 415, "invalid_request")
	f("gzip, gzip", gzipped(gzipped(ask("x"))), 415, "invalid_request")
	f("gzip", gzipped(strings.Repeat(" ", 200<<10)+ask("x")), 413, "body_too_large")         // a small thing made large: over the ratio
	f("gzip", gzipped(ask(strings.Repeat(long, 9))), 413, "body_too_large")                  // over the size
	f("deflate", deflated(ask(strings.Repeat(long, 9))), 413, "body_too_large")              // over the size
	f("gzip", gzipped(gzipped(strings.Repeat(" ", 100<<10)), ask("x")), 400, "invalid_utf8") // a bomb in a bomb is not unpacked
	if r := s.Post("", chatPath, "no matter what", "Content-Encoding", "br"); r.Status != 401 {
		t.Errorf("an unknown caller: %d %s", r.Status, r.Body)
	}
}

// How far a body may swell is the configuration's.
func TestInflation(t *testing.T) {
	alone(t)
	m := modelserver.New(t)
	s := besiegeWith(t, m, gateway.Callers+model(m)+gateway.Rest+"limits: {inflation: 1100}\n", nil)
	if r := s.Post("red", chatPath, gzipped(strings.Repeat(" ", 1<<20)+ask("x")), "Content-Encoding", "gzip"); r.Status != 200 {
		t.Errorf("%d %s", r.Status, r.Body)
	}
}

// An unknown caller's compressed body is not even asked for, over HTTP/1.1 and HTTP/2.
func TestUnknownCallersCompressedBody(t *testing.T) {
	s := besiege(t)
	c := dial(t, s.URL)
	c.send("POST " + chatPath + " HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nContent-Length: 1000000\r\nExpect: 100-continue\r\n\r\n")
	if r, _ := c.answer("POST"); r.Status != 401 {
		t.Errorf("%d %s", r.Status, r.Body)
	}
	two := dialH2(t, s.URL)
	two.write(frameHeaders, endHeaders, 1, asking("nobody", "content-length", "1000000", "expect", "100-continue"))
	if f, ok := two.until(frameHeaders); !ok || f.payload[0] == 0x88 || len(f.payload) < 30 { // no 100: that would be a short one
		t.Errorf("%+v %v", f, ok)
	}
	_ = net.Conn(two).SetDeadline(time.Now())
	if n := len(s.m.Requests()); n > 0 {
		t.Error(fmt.Sprint(n, " requests reached the model server"))
	}
}
