package http1

import (
	"bufio"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"
)

// cases are requests, and whether they are plain.
var cases = []struct {
	head  string
	plain bool
}{
	{"GET / HTTP/1.1\r\nHost: x\r\n\r\n", true},
	{"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nContent-Length: 12\r\nx-api-key: abc\r\nContent-Type: application/json\r\n\r\n", true},
	{"POST /a?b=c&d=%20 HTTP/1.1\r\nhost: [::1]:8080\r\nCONTENT-LENGTH: 0\r\nx-stainless-os: Linux\r\nuser-agent: a\r\n\r\n", true},
	{"GET /a%2fb HTTP/1.1\r\nHost: x\r\nAccept: a\r\naccept: b\r\nX: \r\nY:\t z \r\n\r\n", true},
	{"GET / HTTP/1.1\r\nHost: x\r\nConnection: Keep-Alive\r\nCookie: a=b\r\nX: \xff\xfe\r\n\r\n", true},
	{"POST / HTTP/1.1\r\nHost: x\r\n\r\n", true},

	{"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n", false},
	{"get / HTTP/1.1\r\nHost: x\r\n\r\n", false},
	{"GET / HTTP/1.0\r\nHost: x\r\n\r\n", false},
	{"GET  / HTTP/1.1\r\nHost: x\r\n\r\n", false},
	{"GET / HTTP/1.1 \r\nHost: x\r\n\r\n", false},
	{"GET http://x/ HTTP/1.1\r\nHost: x\r\n\r\n", false},
	{"GET //x/ HTTP/1.1\r\nHost: x\r\n\r\n", false},
	{"GET * HTTP/1.1\r\nHost: x\r\n\r\n", false},
	{"GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n", false},
	{"GET /a#b HTTP/1.1\r\nHost: x\r\n\r\n", false},
	{"GET /\xc3\xa4 HTTP/1.1\r\nHost: x\r\n\r\n", false},
	{"GET / HTTP/1.1\r\n\r\n", false},
	{"GET / HTTP/1.1\r\nHost: \r\n\r\n", false},
	{"GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n", false},
	{"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", false},
	{"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n", false},
	{"GET / HTTP/1.1\r\nHost: x\nA: b\r\n\r\n", false},
	{"GET / HTTP/1.1\nHost: x\r\n\r\n", false},
	{"GET / HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n", false},
	{"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n\tfolded\r\n\r\n", false},
	{"GET / HTTP/1.1\r\n Host: x\r\n\r\n", false},
	{"GET / HTTP/1.1\r\nHost : x\r\n\r\n", false},
	{"GET / HTTP/1.1\r\nHost: x\r\n: b\r\n\r\n", false},
	{"GET / HTTP/1.1\r\nHost: x\r\nnothing\r\n\r\n", false},
	{"GET / HTTP/1.1\r\nHost: x\r\nA: b\x00\r\n\r\n", false},
	{"GET / HTTP/1.1\r\nHost: x\r\nA: b\rC: d\r\n\r\n", false},
	{"GET / HTTP/1.1\r\nHost: x\r\nA: b\x7f\r\n\r\n", false},
	{"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", false},
	{"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +1\r\n\r\n", false},
	{"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1, 1\r\n\r\n", false},
	{"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0x1\r\n\r\n", false},
	{"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: \r\n\r\n", false},
	{"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999999999999999\r\n\r\n", false},
	{"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", false},
	{"POST / HTTP/1.1\r\nHost: x\r\ntransfer-encoding: identity\r\nContent-Length: 1\r\n\r\n", false},
	{"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n", false},
	{"POST / HTTP/1.1\r\nHost: x\r\nTrailer: a\r\nContent-Length: 1\r\n\r\n", false},
	{"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n", false},
	{"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n\r\n", false},
	{"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", false},
	{"GET / HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, x-api-key\r\n\r\n", false},
	{"GET / HTTP/1.1\r\nHost: x\r\nPragma: no-cache\r\n\r\n", false},
	{"PRI * HTTP/2.0\r\n\r\n", false},
}

func TestParse(t *testing.T) {
	for _, c := range cases {
		if r, ok := parse(c.head, new(http.Request)); ok != c.plain || ok != (r != nil) {
			t.Errorf("%q: plain is %t", c.head, ok)
		}
		agree(t, c.head)
	}
}

// agree tells where a head that is plain means something else to net/http.
func agree(t *testing.T, head string) {
	t.Helper()
	r, ok := parse(head, &http.Request{Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1})
	if !ok {
		return
	}
	const body = 64
	sent := head + strings.Repeat("x", body)
	in := bufio.NewReader(strings.NewReader(sent))
	want, err := http.ReadRequest(in)
	if err != nil {
		t.Fatalf("%q: net/http refuses it: %v", head, err)
	}
	if len(want.TransferEncoding) > 0 || want.Close || len(want.Trailer) > 0 {
		t.Errorf("%q: net/http reads a coding, an end or a trailer", head)
	}
	for name, pair := range map[string][2]any{
		"method": {r.Method, want.Method}, "target": {r.RequestURI, want.RequestURI}, "URL": {r.URL, want.URL},
		"headers": {r.Header, want.Header}, "host": {r.Host, want.Host}, "length": {r.ContentLength, want.ContentLength},
		"protocol": {r.Proto, want.Proto},
	} {
		if !reflect.DeepEqual(pair[0], pair[1]) {
			t.Errorf("%q: the %s is %#v, to net/http %#v", head, name, pair[0], pair[1])
		}
	}
	if r.ContentLength <= body { // what follows begins at the same byte
		_, _ = io.Copy(io.Discard, want.Body)
		rest, _ := io.ReadAll(in)
		if want := body - int(r.ContentLength); len(rest) != want {
			t.Errorf("%q: net/http leaves %d bytes, want %d", head, len(rest), want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, c := range cases {
		f.Add(c.head)
	}
	f.Fuzz(func(t *testing.T, head string) {
		if n := strings.Index(head, "\r\n\r\n"); n >= 0 { // as conn cuts it
			agree(t, head[:n+4])
		}
	})
}

func BenchmarkParse(b *testing.B) {
	head := cases[1].head
	share := new(http.Request)
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := parse(head, share); !ok {
			b.Fatal("not plain")
		}
	}
}
