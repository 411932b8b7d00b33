package server_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"strings"
	"time"

	"github.com/sluicegate/sluice/runtime/internal/modelserver"
)

const jsonHead = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n"

// sse is a stream of those bytes, which ends by the connection's end.
func sse(text ...string) modelserver.Step {
	return modelserver.Raw(append([]string{streamHead}, text...)...)
}

// flowing is a stream with those events as they stand.
func flowing(events ...string) modelserver.Step { return modelserver.Events(0, events...) }

// drip sends a text byte by byte with pauses, and at last the rest.
func drip(head, text string, n int, pause time.Duration) modelserver.Step {
	pieces := []string{head}
	for i := range n {
		pieces = append(pieces, text[i:i+1])
	}
	return modelserver.Slow(pause, append(pieces, text[n:])...)
}

// faultsOf lists the faults.
func faultsOf(pems pemFiles) []fault {
	good := modelserver.Answer("hello there")
	said, fin := chunk(0, `"content":"hello there"`), stop(0)
	body := `{"id":"c","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"hello there"},"finish_reason":"stop"}]}`
	length := func(n int) string { return fmt.Sprintf("%sContent-Length: %d\r\n\r\n", jsonHead, n) }
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, _ = z.Write([]byte(body))
	_ = z.Close()
	many := `{"choices":[` + strings.Repeat(`{"index":0,"message":{"content":"x"}},`, 9_999) + `{"index":0,"message":{"content":"x"}}]}`
	manyEvents := `{"choices":[` + strings.Repeat(`{"index":0,"delta":{"content":"x"}},`, 9_999) + `{"index":0,"delta":{"content":"x"}}]}`
	status := func(code int, header ...string) modelserver.Step {
		return modelserver.Status(code, `{"error":{"message":"SECRET upstream text"}}`, header...)
	}
	raw := modelserver.Raw
	letters := "data: " + chunk(0, `"content":"grün"`) + "\n\ndata: [DONE]\n\n"
	return []fault{
		{name: "nothing goes wrong", whole: good},
		{name: "refused", url: "http://127.0.0.1:1/v1"}, // nobody listens there, and nobody is given that port
		{name: "no such host", url: "http://" + strings.Repeat("a", 64) + ".example/v1"},
		{name: "TLS: expired", url: pems.urls["expired"], ca: "expired.pem"},
		{name: "TLS: another host's certificate", url: pems.urls["otherhost"], ca: "otherhost.pem"},
		{name: "TLS: a certificate that nobody vouches for", url: pems.urls["good"]},
		{name: "TLS asked of a server that has none", url: pems.urls["plain"], ca: "good.pem"},
		{name: "closed before the answer", whole: raw()},
		{name: "reset before the answer", whole: modelserver.Die(nil)},
		{name: "closed in the status line", whole: raw("HTTP/1.1 20")},
		{name: "closed in the header", whole: raw("HTTP/1.1 200 OK\r\nConte")},
		{name: "closed before the body", whole: raw(length(len(body))), flow: sse()},
		{name: "closed in the body", whole: raw(length(len(body)), body[:60]), flow: sse("data: " + said + "\n\n")},
		{name: "closed in an event", whole: raw(length(len(body)), body[:9]), flow: sse("data: "+said+"\n\n", "data: "+said[:20])},
		{name: "reset in the body", whole: modelserver.Die(raw(length(len(body)), body[:60])), flow: modelserver.Die(flowing(said))},
		{name: "closed before [DONE]", whole: good, flow: sse("data: " + said + "\n\ndata: " + fin + "\n\n")},
		{name: "never answers", slow: true, whole: modelserver.Hang(nil)},
		{name: "stops in the header", slow: true, whole: modelserver.Slow(3*time.Second, "HTTP/1.1 200 OK\r\n", "Content-Length: 2\r\n\r\n{}")},
		{name: "header byte by byte, in time", whole: drip("", length(len(body))+body, 20, 5*time.Millisecond), flow: drip("", streamHead+"data: "+said+"\n\ndata: [DONE]\n\n", 20, 5*time.Millisecond)},
		{name: "body byte by byte, in time", whole: drip(length(len(body)), body, 40, 5*time.Millisecond), flow: drip(streamHead, "data: "+said+"\n\ndata: [DONE]\n\n", 40, 5*time.Millisecond)},
		{name: "stops in the body", slow: true, whole: modelserver.Slow(3*time.Second, length(len(body))+body[:60], body[60:]), flow: modelserver.Slow(3*time.Second, streamHead+"data: "+said+"\n\n", "data: [DONE]\n\n")},
		{name: "half open: takes the request, says nothing", slow: true, whole: modelserver.Hang(nil)},
		{name: "Content-Length too small", whole: raw(length(20), body), flow: sse("data: " + said + "\n\ndata: [DONE]\n\n")},
		{name: "Content-Length too large", whole: raw(length(len(body)+100), body)},
		{name: "Content-Length twice", whole: raw(jsonHead, "Content-Length: 5\r\nContent-Length: 6\r\n\r\n", body)},
		{name: "Content-Length and chunked", whole: raw(jsonHead, "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", "2\r\n{}\r\n0\r\n\r\n")},
		{name: "Content-Length is no number", whole: raw(jsonHead, "Content-Length: ten\r\n\r\n", body)},
		{name: "a chunk is cut", whole: raw(jsonHead, "Transfer-Encoding: chunked\r\n\r\nff\r\n{\"cho")},
		{name: "chunks without their end", whole: raw(jsonHead, fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n", len(body), body))},
		{name: "a chunk's size is no number", whole: raw(jsonHead, "Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n")},
		{name: "an unknown transfer encoding", whole: raw(jsonHead, "Transfer-Encoding: gzip\r\n\r\n", body)},
		{name: "gzip that nobody asked for", whole: modelserver.Status(200, zipped.String(), "Content-Encoding", "gzip")},
		{name: "gzip that is none", whole: modelserver.Status(200, body, "Content-Encoding", "gzip")},
		{name: "100 and 103 before the answer", whole: raw("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n", length(len(body)), body), flow: raw("HTTP/1.1 100 Continue\r\n\r\n", streamHead, "data: "+said+"\n\ndata: [DONE]\n\n")},
		{name: "a flood of 103", whole: raw(strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 2000), length(len(body)), body)},
		{name: "a header without an end", whole: raw("HTTP/1.1 200 OK\r\nX: "+strings.Repeat("x", 1<<20)+"\r\n\r\n", body)},
		{name: "a thousand header fields", whole: raw("HTTP/1.1 200 OK\r\n"+strings.Repeat("X: y\r\n", 1000)+"\r\n", body)},
		{name: "HTTP/0.9", whole: raw(body)},
		{name: "another protocol", whole: raw("SSH-2.0-OpenSSH_9.2\r\n")},
		{name: "204", whole: raw("HTTP/1.1 204 No Content\r\n\r\n")},
		{name: "a redirect to another host", whole: modelserver.Status(302, "", "Location", "http://model.example/v1/chat/completions")},
		{name: "a redirect to a login page", whole: modelserver.Status(307, "<html>", "Location", "/login", "Content-Type", "text/html")},
		{name: "400", whole: status(400)},
		{name: "401", whole: status(401)},
		{name: "403", whole: status(403)},
		{name: "404", whole: status(404)},
		{name: "422", whole: status(422)},
		{name: "429", whole: status(429)},
		{name: "429, wait an hour", whole: status(429, "Retry-After", "3600")},
		{name: "429, wait until a date long past", whole: status(429, "Retry-After", "Wed, 21 Oct 2015 07:28:00 GMT")},
		{name: "500", whole: status(500)},
		{name: "502 with HTML", whole: modelserver.Status(502, "<html>SECRET upstream text</html>", "Content-Type", "text/html")},
		{name: "503, wait an hour", whole: status(503, "Retry-After", "3600")},
		{name: "529", whole: status(529)},
		{name: "600", whole: status(600)},
		{name: "200 with HTML", whole: modelserver.Status(200, "<html>SECRET upstream text</html>", "Content-Type", "text/html")},
		{name: "200 with nothing", whole: modelserver.Status(200, "")},
		{name: "200 with an error", whole: status(200), flow: flowing(`{"error":{"message":"SECRET upstream text"}}`)},
		{name: "an error in the middle", whole: good, flow: flowing(said, `{"error":{"message":"SECRET upstream text"}}`)},
		{name: "JSON that is cut", whole: modelserver.JSON(body[:60]), flow: flowing(said[:30], "[DONE]")},
		{name: "JSON with a tail", whole: modelserver.JSON(body + "}"), flow: flowing(said+"}", "[DONE]")},
		{name: "JSON that is no object", whole: modelserver.JSON(`["SECRET"]`), flow: flowing(`"SECRET"`, "[DONE]")},
		{name: "JSON that is not UTF-8", whole: modelserver.JSON(strings.Replace(body, "hello", "\xff\xfe", 1)), flow: flowing(strings.Replace(said, "hello", "\xff\xfe", 1), "[DONE]")},
		{name: "JSON nested too deep", whole: modelserver.JSON(strings.Repeat(`{"a":`, 5000) + "1" + strings.Repeat("}", 5000)), flow: flowing(strings.Repeat(`{"a":`, 5000)+"1"+strings.Repeat("}", 5000), "[DONE]")},
		{name: "a key twice", whole: modelserver.JSON(`{"choices":[],"choices":[{"index":0,"message":{"content":"SECRET"}}]}`), flow: flowing(`{"choices":[],"choices":[{"index":0,"delta":{"content":"SECRET"}}]}`, "[DONE]")},
		{name: "usage and ids missing", whole: modelserver.JSON(`{"choices":[{"message":{"content":"hello"}}]}`), flow: flowing(`{"choices":[{"delta":{"content":"hello"}}]}`, "[DONE]")},
		{name: "usage that is none", whole: modelserver.JSON(`{"usage":"none","choices":[{"message":{"content":"hello"}}]}`), flow: flowing(`{"usage":-1,"choices":[{"delta":{"content":"hello"}}]}`, "[DONE]")},
		{name: "no choices", whole: modelserver.JSON(`{"choices":[]}`), flow: flowing(`{"choices":[]}`, "[DONE]")},
		{name: "choices that are none", whole: modelserver.JSON(`{"choices":"SECRET"}`), flow: flowing(`{"choices":{"0":"x"}}`, "[DONE]")},
		{name: "10,000 choices", loose: true, whole: modelserver.JSON(many), flow: flowing(manyEvents, "[DONE]")},
		{name: "an answer where a stream was asked for, and the reverse", whole: flowing(said, "[DONE]"), flow: modelserver.JSON(body)},
		{name: "events without the blank line", whole: good, flow: sse("data: " + said + "\ndata: [DONE]\n")},
		{name: "events that end in CR", whole: good, flow: sse("data: " + said + "\r\rdata: [DONE]\r\r")},
		{name: "events that end in CRLF", whole: good, flow: sse("data: " + said + "\r\n\r\ndata: [DONE]\r\n\r\n")},
		{name: "a byte order mark", whole: good, flow: sse("\ufeffdata: " + said + "\n\ndata: [DONE]\n\n")},
		{name: "an event of 16 MiB", whole: good, flow: flowing(chunk(0, `"content":"`+strings.Repeat("x", 16<<20)+`"`), "[DONE]")},
		{name: "data cut inside a character", whole: good, flow: sse(letters[:strings.Index(letters, "ü")+1], letters[strings.Index(letters, "ü")+1:])},
		{name: "comments, ids and retries", whole: good, flow: sse(": wait\n\nid: 7\nretry: 1\nevent: x\ndata: " + said + "\n\n: more\n\ndata: [DONE]\n\n")},
		{name: "[DONE] twice", whole: good, flow: flowing(said, fin, "[DONE]", "[DONE]")},
		{name: "text after [DONE]", whole: good, flow: flowing(said, fin, "[DONE]", chunk(0, `"content":"SECRET"`))},
		{name: "[DONE] alone", whole: good, flow: flowing("[DONE]")},
		{name: "events of nothing", whole: good, flow: sse("data:\n\ndata: \n\ndata: [DONE]\n\n")},
		{name: "an event's data over two lines", whole: good, flow: sse("data: " + said[:30] + "\ndata: " + said[30:] + "\n\ndata: [DONE]\n\n")},
	}
}
