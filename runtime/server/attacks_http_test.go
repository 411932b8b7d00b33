package server_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sluicegate/sluice/runtime/internal/gateway"
	"github.com/sluicegate/sluice/runtime/internal/modelserver"
)

// raw sends bytes over a connection of its own and reads the statuses of n answers, and of more if there are.
func (s *siege) raw(text string, n int) (statuses []int, all string) {
	s.t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := io.WriteString(conn, text); err != nil {
		s.t.Logf("the gateway took only a part: %v", err)
	}
	var heard strings.Builder
	in := bufio.NewReader(io.TeeReader(conn, &heard))
	for {
		if len(statuses) == n {
			_ = conn.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
		}
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			return statuses, heard.String()
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		statuses = append(statuses, resp.StatusCode)
	}
}

// TestAttackPaths: a path means one thing, to us and to whoever stands before us.
func TestAttackPaths(t *testing.T) {
	alone(t)
	s := besiege(t)
	f := func(target string, status int) {
		t.Helper()
		got, _ := s.raw(fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nX-Api-Key: %s\r\nContent-Length: %d\r\n\r\n%s", target, s.Key("red"), len(ask("hi")), ask("hi")), 1)
		if len(got) != 1 || got[0] != status {
			t.Errorf("%s: %v, want %d", target, got, status)
		}
	}
	f(chatPath, 200)
	f(chatPath+"?x=%2e%2e", 200)
	f("http://evil.example"+chatPath, 200) // the absolute form names us; nothing is sent there
	f("//v1/chat/completions", 404)
	f("/v1//chat/completions", 404)
	f("/v1/../v1/chat/completions", 404)
	f("/v1/./chat/completions", 404)
	f("/v1/chat/completions/", 404)
	f("/v1/chat/completions;x=y", 404)
	f("/v1%2fchat/completions", 404)
	f("/v1/chat%2Fcompletions", 404)
	f("/v1/chat/%63ompletions", 404)
	f("/v1/chat/completions%00", 404)
	f("/V1/chat/completions", 404)
	f("/x/../inference", 404)
	f("/metrics", 404)
	f("/livez", 404)
	f("/reload", 404)
	f("*", 404)
	f("/v1/models", 405)
	if n := len(s.m.Requests()); n > 1 { // the first is kept
		t.Errorf("%d requests reached the model server", n)
	}
}

// One request is one request, whatever its framing says.
func TestAttackFraming(t *testing.T) {
	s := besiege(t)
	key := "X-Api-Key: " + s.Key("red") + "\r\n"
	post := func(path, headers, body string) string {
		return "POST " + path + " HTTP/1.1\r\nHost: x\r\n" + key + headers + "\r\n" + body
	}
	f := func(name, text string, want ...int) {
		t.Run(name, func(t *testing.T) {
			if got, all := s.raw(text, len(want)); fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("%v, want %v: %s", got, want, all)
			}
		})
	}
	body := ask("hi")
	length := func(s string) string { return fmt.Sprintf("Content-Length: %d\r\n", len(s)) }
	chunked := fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(body), body)
	hidden := "GET /v1/models HTTP/1.1\r\nHost: x\r\n" + key + "\r\n"
	f("chunked", post(chatPath, "Transfer-Encoding: chunked\r\n", chunked), 200)
	f("pipelined", post(chatPath, length(body), body)+hidden+post(chatPath, length(body), body), 200, 200, 200)
	// Chunked decides (RFC 9112, section 6.3). A proxy that counts bytes would take more for the body: nothing that follows is
	// read, whosever it is.
	f("chunked and a length", post(chatPath, length(chunked+hidden)+"Transfer-Encoding: chunked\r\n", chunked+hidden), 200)
	f("a length and chunked, counted short", post(chatPath, "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", chunked+hidden), 200)
	f("chunked and a request behind it", post(chatPath, "Transfer-Encoding: chunked\r\n", chunked+hidden), 200)
	f("two equal lengths", post(chatPath, length(body)+length(body), body), 200) // RFC 9112, section 6.3: one value given twice is that value
	f("chunk extensions", post(chatPath, "Transfer-Encoding: chunked\r\n", fmt.Sprintf("%x;a=b;c=\"d\"\r\n%s\r\n0;e\r\n\r\n", len(body), body)), 200)
	f("endless chunk extensions", post(chatPath, "Transfer-Encoding: chunked\r\n", strings.Repeat("1;"+strings.Repeat("x", 3000)+"\r\n \r\n", 400)), 400)
	f("a bare line feed in a chunk's line", post(chatPath, "Transfer-Encoding: chunked\r\n", fmt.Sprintf("%x;\nGET / HTTP/1.1\r\n%s\r\n0\r\n\r\n", len(body), body)), 400)
	f("a chunk's size over 64 bits", post(chatPath, "Transfer-Encoding: chunked\r\n", "10000000000000001\r\n"+body), 400)
	f("a negative chunk", post(chatPath, "Transfer-Encoding: chunked\r\n", "-1\r\n"+body), 400)
	f("trailers", post(chatPath, "Transfer-Encoding: chunked\r\nTrailer: X-Api-Key\r\n", strings.TrimSuffix(chunked, "\r\n")+"X-Api-Key: other\r\n\r\n"), 200)
	f("a bare carriage return in a header", post(chatPath, "X-A: a\rTransfer-Encoding: chunked\r\n"+length(body), body), 400)
	f("a header with no name", post(chatPath, ": x\r\n"+length(body), body), 400)
	f("a header with no colon", post(chatPath, "Transfer-Encoding\r\n"+length(body), body), 400)
	f("a space before the first header", strings.Replace(post(chatPath, length(body), body), "Host: x", " Host: x", 1), 400)
	f("Expect: something else", post(chatPath, "Expect: 200-ok\r\n"+length(body), body), 417)
	f("a length behind a vertical tab", post(chatPath, "Content-Length:\v5\r\n", body), 400)
	f("a coding behind a vertical tab", post(chatPath, "Transfer-Encoding:\vchunked\r\n", chunked), 400)
	f("an upgrade to HTTP/2", post(chatPath, "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n"+length(body), body), 200)
	f("HTTP/0.9", "GET /v1/models\r\n\r\n", 400)
	f("HTTP/3.0", strings.Replace(post(chatPath, length(body), body), "HTTP/1.1", "HTTP/3.0", 1), 505)
	f("no HTTP", "\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\r\n\r\n", 400)
	f("HEAD", "HEAD /ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 200)
	f("OPTIONS", "OPTIONS "+chatPath+" HTTP/1.1\r\nHost: x\r\n\r\n", 204)
	f("trailing garbage", post(chatPath, length(body), body)+"garbage behind a request\r\n\r\n", 200, 400)
	f("two lengths", post(chatPath, length(body)+"Content-Length: 5\r\n", body), 400)
	f("a list of lengths", post(chatPath, "Content-Length: 5, 5\r\n", body), 400)
	f("a signed length", post(chatPath, "Content-Length: +5\r\n", body), 400)
	f("another coding", post(chatPath, "Transfer-Encoding: gzip, chunked\r\n", chunked), 501)
	f("a coding that looks like chunked", post(chatPath, "Transfer-Encoding: xchunked\r\n", chunked), 501)
	f("two codings", post(chatPath, "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", chunked), 501)
	f("a space before the colon", post(chatPath, "Transfer-Encoding : chunked\r\n", chunked), 400)
	f("a folded header", post(chatPath, "X-A: b\r\n c: d\r\n"+length(body), body), 200)
	f("a length of HTTP/1.0 and chunked", strings.Replace(post(chatPath, "Transfer-Encoding: chunked\r\n", chunked), "1.1", "1.0", 1), 400)
	f("broken chunks", post(chatPath, "Transfer-Encoding: chunked\r\n", "zz\r\n"+body), 400)
	f("two hosts", strings.Replace(post(chatPath, length(body), body), "Host: x", "Host: x\r\nHost: y", 1), 400)
	f("no host", strings.Replace(post(chatPath, length(body), body), "Host: x\r\n", "", 1), 400)
	f("a control character in a header", post(chatPath, "X-A: a\x00b\r\n"+length(body), body), 400)
	f("huge headers", post(chatPath, "X-A: "+strings.Repeat("a", 200<<10)+"\r\n"+length(body), body), 431)
	f("many headers", post(chatPath, strings.Repeat("X-A: aaaaaaaa\r\n", 20000)+length(body), body), 431)
	f("an unread body", strings.Replace(post(chatPath, length(body), body), key, "", 1)+hidden, 401, 200)
	f("a large body, unread", strings.Replace(post(chatPath, "Content-Length: 8388608\r\n", strings.Repeat("x", 8<<20)), key, "", 1), 401)
	f("a body that is too large", post(chatPath, "Content-Length: 999999999\r\n", strings.Repeat("x", 8<<20)), 413)
	f("a compressed body that is none", post(chatPath, "Content-Encoding: gzip\r\n"+length(body), body), 400)
	f("a coding that is not read", post(chatPath, "Content-Encoding: br\r\n"+length(body), body), 415)
}

// A caller who must wait for "100 Continue" learns that it is not known before it sends a body.
func TestAttackUnknownCallersBodyIsNotRead(t *testing.T) {
	s := besiege(t)
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	_, _ = io.WriteString(conn, "POST "+chatPath+" HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\nExpect: 100-continue\r\n\r\n")
	if line, err := bufio.NewReader(conn).ReadString('\n'); !strings.Contains(line, " 401 ") {
		t.Errorf("%q %v", line, err)
	}
}

// Nothing a caller sends chooses where the request goes or what goes with it.
func TestAttackHeadersGoNowhere(t *testing.T) {
	s := besiege(t)
	trap := modelserver.New(t)
	body := talk(`{"role":"user","content":"hi"}`, fmt.Sprintf(`,"api_base":%[1]q,"base_url":%[1]q,"endpoint":%[1]q,"api_key":"x","user_config":{"url":%[1]q}`, trap.URL()))
	r := s.Post("red", chatPath, body, "X-Sluice-Model", "other", "X-Sluice-Tenant", "blue", "X-Sluice-Cache", "hit", "X-Sluice-Debug", "true",
		"X-Upstream", trap.URL(), "X-Forwarded-Host", "evil.example", "X-Original-Url", "/metrics", "X-Rewrite-Url", "/metrics", "X-Http-Method-Override", "GET",
		"Cookie", "a=b", "Openai-Organization", "org", "X-Forwarded-Proto", "https", "Connection", "authorization, content-type", "X-Request-Id", "chosen",
		"Accept-Encoding", "br", "Range", "bytes=0-1", "If-None-Match", "*", "Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "Baggage", "mail=ana@example.com")
	if r.Status != 200 || r.Header.Get("X-Sluice-Model") != "model-a" || r.Header.Get("X-Sluice-Cache") != "miss" || r.Header.Get("X-Request-Id") == "chosen" {
		t.Errorf("%d %v %s", r.Status, r.Header, r.Body)
	}
	if r.Header.Get("X-Sluice-Endpoint") != "" || r.Header.Get("Server-Timing") != "" {
		t.Errorf("a header made the answer talk: %v", r.Header)
	}
	if len(trap.Requests()) > 0 || len(s.m.Requests()) != 1 {
		t.Fatal("the request went elsewhere")
	}
	got := s.m.Requests()[0]
	if got.Header.Get("Authorization") != "Bearer "+credential || got.Path != "/v1/chat/completions" || !strings.HasPrefix(s.m.URL(), "http://"+got.Host) {
		t.Errorf("%s %s %v", got.Host, got.Path, got.Header)
	}
	for name := range got.Header {
		switch name {
		case "Authorization", "Content-Type", "Content-Length", "Accept", "Accept-Encoding", "User-Agent", "X-Request-Id", "Traceparent":
		default:
			t.Errorf("the header %s travelled on: %v", name, got.Header[name])
		}
	}
	if key := s.Key("red"); strings.Contains(fmt.Sprint(got.Header), key) || strings.Contains(got.Path, key) {
		t.Error("the caller's key travelled on")
	}
}

// A model server can't send the credential elsewhere, or to anybody.
func TestAttackUpstreamRedirects(t *testing.T) {
	trap := modelserver.New(t)
	s := besiege(t)
	for _, status := range []int{301, 302, 303, 307, 308, 201, 204} {
		for _, body := range []string{ask("hi"), streamed(ask("hi"))} {
			s.m.Script(modelserver.Status(status, "", "Location", trap.URL()+"/chat/completions", "Refresh", "0; url="+trap.URL()))
			if r := s.Post("red", chatPath, body); r.Status != 502 || r.Header.Get("Location") != "" {
				t.Errorf("%d: %d %v", status, r.Status, r.Header)
			}
		}
	}
	if got := trap.Requests(); len(got) > 0 {
		t.Errorf("the redirect was followed with %v", got[0].Header)
	}
}

// What a model server sends beside the answer stays here: the credential, its own words, its headers.
func TestAttackUpstreamTalks(t *testing.T) {
	alone(t)
	s := besiege(t)
	tell := []string{
		"X-Echo", "Bearer " + credential, "Set-Cookie", "a=" + credential, "Www-Authenticate", credential, "X-Sluice-Model", "forged", "X-Request-Id", "forged",
		"Server", gossip, "X-Api-Key", credential, "Openai-Organization", gossip, "Access-Control-Allow-Origin", "*", "X-Sluice-Cache", "hit", "X-Ratelimit-Remaining-Requests", "7",
	}
	f := func(status int, body, code string, header ...string) {
		t.Helper()
		for _, b := range []string{ask("hi"), streamed(ask("hi"))} {
			s.m.Script(modelserver.Status(status, body, append(header, tell...)...))
			r := s.Post("red", chatPath, b, "Cache-Control", "no-store")
			all := fmt.Sprint(r.Header) + r.Body
			for _, word := range []string{"5b1f09c2", "SECRET", "forged", "ana@", "Set-Cookie", "Allow-Origin"} {
				if strings.Contains(all, word) {
					t.Errorf("%d: the caller gets %q: %s", status, word, all)
				}
			}
			if r.Code() != code && r.Status != 200 {
				t.Errorf("%d: %d %s, want %s", status, r.Status, r.Body, code)
			}
		}
	}
	words := fmt.Sprintf(`{"error":{"message":"SECRET %s","type":"SECRET","param":"SECRET %s ana@example.com","code":"SECRET"},"detail":"SECRET"}`, credential, credential)
	f(200, modelserver.Chat("m", "hi"), "upstream_error")
	f(200, words, "upstream_error")
	f(400, words, "upstream_rejected")
	f(401, words, "upstream_error")
	f(403, words, "upstream_error")
	f(404, words, "upstream_error")
	f(413, words, "upstream_rejected")
	f(422, words, "upstream_rejected")
	f(500, words, "upstream_error")
	f(529, "SECRET "+credential, "overloaded", "Content-Type", "text/plain")
	f(600, "SECRET", "upstream_error")
	s.m.Script(modelserver.Raw("HTTP/1.1 200 SECRET " + credential + "\r\nX: " + credential + "\r\nSECRET\r\n\r\n"))
	if r := s.Post("red", chatPath, ask("hi"), "Cache-Control", "no-store"); r.Status != 502 || strings.Contains(r.Body, "SECRET") {
		t.Errorf("%d %s", r.Status, r.Body)
	}
}

// A policy's headers can't frame the answer, speak for the gateway or break a line.
func TestAttackDecisionHeaders(t *testing.T) {
	m := modelserver.New(t)
	names := []string{
		"Content-Length", "content-type", "Content-Encoding", "TRANSFER-ENCODING", "Connection", "Upgrade", "Trailer", "Te", "Keep-Alive", "Set-Cookie",
		"X-Sluice-Cache", "X-Request-Id", "Www-Authenticate", "Date", "bad name", "", "X:", "Proxy-Authenticate",
	}
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = quote(n)
	}
	rego := "package sluice\ndecision := {\"allowed\": true, \"models\": [\"model-a\"], \"headers\": headers}\nnames := [" + strings.Join(quoted, ",") + `]
default headers := {"x-ok": "y"}
headers := {names[input.params.seed]: "0"} if input.params.seed < count(names)
headers := {"x-line": "a\r\nx-forged: b"} if input.params.seed == 99
`
	s := besiegeWith(t, m, gateway.Callers+model(m)+strings.Replace(gateway.Rest, "builtin:default", "policies", 1), map[string]string{"policies/main.rego": rego})
	f := func(seed, status int) {
		t.Helper()
		r := s.Post("red", chatPath, strings.Replace(ask("hi"), "{", fmt.Sprintf(`{"seed":%d,`, seed), 1))
		if r.Status != status || status != 200 && r.Code() != "policy_failed" || r.Header.Get("X-Forged") != "" {
			t.Errorf("seed %d: %d %v %s", seed, r.Status, r.Header, r.Body)
		}
		if status == 200 && r.Header.Get("X-Ok") != "y" {
			t.Errorf("the policy's header is missing: %v", r.Header)
		}
	}
	f(50, 200)
	had := len(m.Requests())
	for i := range names {
		f(i, 500)
	}
	f(99, 500)
	if n := len(m.Requests()); n != had {
		t.Errorf("%d requests reached the model server", n-had)
	}
}

// What an endpoint does not know is dropped there and told, refused where the configuration says so, and left to the
// endpoint that takes it.
func TestUnknownParametersByEndpoint(t *testing.T) {
	alone(t)
	m := modelserver.New(t)
	config := func(first, more string) string {
		return gateway.Callers + "models:\n  - name: model-a\n    endpoints:\n      - {name: one, provider: openai, url: " + quote(m.URL()) + ", requires: [redact], unknown_parameters: " + first + "}\n" + more + gateway.Rest
	}
	body := talk(`{"role":"user","content":"hi"}`, `,"guided_json":{"mail":"ana@example.com"},"top_k":4`)
	f := func(config string, status int, dropped, param string, reached int) {
		t.Helper()
		s := besiegeWith(t, m, config, nil)
		before := len(m.Requests())
		r := s.Post("red", chatPath, body)
		if r.Status != status || r.Header.Get("X-Sluice-Dropped") != dropped || !strings.Contains(r.Body, param) {
			t.Errorf("%d %v %s", r.Status, r.Header, r.Body)
		}
		if got := m.Requests()[before:]; len(got) != reached || reached > 0 && strings.Contains(string(got[0].Body), "top_k") != (dropped == "") {
			t.Errorf("%d requests, %s", len(got), s.last(before))
		}
		if status == 400 && r.Code() != "unsupported_field" {
			t.Errorf("%s", r.Body)
		}
	}
	spare := "      - {name: two, provider: openai, url: " + quote(m.URL()) + ", requires: [redact], weight: 0}\n"
	f(config("pass", ""), 200, "", "", 1)
	f(config("drop", ""), 200, "guided_json,top_k", "", 1)
	f(config("refuse", ""), 400, "", `"param":"guided_json"`, 0)
	f(config("refuse", spare), 200, "", "", 1)
	f(config("drop, parameters: [top_k, guided_json]", ""), 200, "", "", 1)
}
