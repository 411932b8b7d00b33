// Package modelserver is a scripted model server for tests: a real HTTP server that answers each request with the next
// step of a script (a good answer, a stream, a status, a delay, a death at a chosen moment) and records what it was asked.
package modelserver

import (
	"crypto/tls"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Request is one request as it came.
type Request struct {
	Method string
	Path   string // with the query
	Host   string
	Proto  string // "HTTP/1.1" or "HTTP/2.0"
	Header http.Header
	Body   []byte
	Remote string // the client's address: equal for requests over one connection
}

// Step answers one request.
type Step func(w http.ResponseWriter, r *http.Request, body []byte)

// Server is a scripted model server. It is stopped when its test ends.
type Server struct {
	http *httptest.Server
	mu   sync.Mutex
	next int
	step []Step
	seen []Request
	gone chan struct{} // one for each request whose client went away while the step Hang was running
	stop chan struct{}
	once sync.Once
}

// New starts a cleartext server. The steps answer the requests in the order of their coming; the last one answers all
// further requests too.
func New(t testing.TB, steps ...Step) *Server {
	s := newServer(steps)
	s.http.Start()
	t.Cleanup(s.Close)
	return s
}

// NewTLS starts a TLS server with HTTP/2, or with HTTP/1.1 alone. Its certificate is PEM.
func NewTLS(t testing.TB, http2 bool, steps ...Step) *Server {
	s := newServer(steps)
	s.http.EnableHTTP2 = http2
	if !http2 {
		s.http.TLS = &tls.Config{NextProtos: []string{"http/1.1"}, MinVersion: tls.VersionTLS12}
	}
	s.http.StartTLS()
	t.Cleanup(s.Close)
	return s
}

func newServer(steps []Step) *Server {
	if len(steps) == 0 {
		steps = []Step{Answer("hello")}
	}
	s := &Server{step: steps, gone: make(chan struct{}, 1024), stop: make(chan struct{})}
	s.http = httptest.NewUnstartedServer(s)
	s.http.Config.ErrorLog = log.New(io.Discard, "", 0) // what clients do to it is the test's business
	return s
}

// ServeHTTP records the request and runs the next step.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	s.seen = append(s.seen, Request{
		Method: r.Method, Path: r.URL.RequestURI(), Host: r.Host, Proto: r.Proto,
		Header: r.Header.Clone(), Body: body, Remote: r.RemoteAddr,
	})
	step := s.step[min(s.next, len(s.step)-1)]
	s.next++
	s.mu.Unlock()
	step(hanger{w, s}, r, body)
}

// hanger gives steps their server.
type hanger struct {
	http.ResponseWriter
	s *Server
}

// Unwrap is for http.ResponseController.
func (h hanger) Unwrap() http.ResponseWriter { return h.ResponseWriter }

// URL is the base URL an endpoint would be configured with; it ends in /v1.
func (s *Server) URL() string { return s.http.URL + "/v1" }

// Certificate is the TLS server's certificate, PEM.
func (s *Server) Certificate() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.http.Certificate().Raw})
}

// Script replaces what is left of the script.
func (s *Server) Script(steps ...Step) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.step, s.next = steps, 0
}

// Requests lists the requests so far.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Request(nil), s.seen...)
}

// Gone has an element for each client that went away from a Hang.
func (s *Server) Gone() <-chan struct{} { return s.gone }

// CutIdle closes the connections that carry no request, as servers do when one has been idle.
func (s *Server) CutIdle() { s.http.CloseClientConnections() }

// Close stops the server at once, also under running requests.
func (s *Server) Close() {
	s.once.Do(func() {
		close(s.stop)
		s.http.CloseClientConnections()
		s.http.Close()
	})
}

// Status answers with a status and a body; the body is JSON unless header names another type. header is name, value, ...
func Status(status int, body string, header ...string) Step {
	return func(w http.ResponseWriter, _ *http.Request, _ []byte) {
		w.Header().Set("Content-Type", "application/json")
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// JSON answers 200 with that body.
func JSON(body string) Step { return Status(http.StatusOK, body) }

// Error answers with a status and an OpenAI error that names param.
func Error(status int, param string, header ...string) Step {
	return Status(status, fmt.Sprintf(`{"error":{"message":"SECRET upstream text","type":"x","param":%q,"code":null}}`, param), header...)
}

// Answer answers a chat with text, or streams its words where a stream is asked for, with its usage where that is.
// Usage counts words.
func Answer(text string) Step {
	return func(w http.ResponseWriter, r *http.Request, body []byte) {
		var req struct {
			Model   string
			Stream  bool
			Options struct {
				Usage bool `json:"include_usage"`
			} `json:"stream_options"`
		}
		_ = json.Unmarshal(body, &req)
		if req.Stream {
			data := deltas(strings.SplitAfter(text, " "))
			if req.Options.Usage {
				data = append(data, usage(len(strings.Fields(text))))
			}
			Events(0, append(data, "[DONE]")...)(w, r, body)
			return
		}
		JSON(Chat(req.Model, text))(w, r, body)
	}
}

// Chat is the body of a chat's answer.
func Chat(model, text string) string {
	n := len(strings.Fields(text))
	return fmt.Sprintf(`{"id":"chatcmpl-1","object":"chat.completion","created":1700000000,"model":%q,"choices":[{"index":0,`+
		`"message":{"role":"assistant","content":%q},"finish_reason":"stop"}],`+
		`"usage":{"prompt_tokens":3,"completion_tokens":%d,"total_tokens":%d}}`, model, text, n, n+3)
}

// Delta is the data of one event of a chat's stream.
func Delta(text string) string {
	return `{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"m","choices":[{"index":0,` +
		`"delta":{"content":` + strconv.Quote(text) + `},"finish_reason":null}]}`
}

// Finish is the data of the event that ends a chat's choice.
const Finish = `{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"m","choices":[{"index":0,` +
	`"delta":{},"finish_reason":"stop"}]}`

// Stream streams the deltas, the finish and [DONE].
func Stream(deltas ...string) Step { return SlowStream(0, deltas...) }

// SlowStream is Stream with a pause before every event but the first.
func SlowStream(pause time.Duration, text ...string) Step {
	return Events(pause, append(deltas(text), "[DONE]")...)
}

// deltas are the events of a chat's stream up to its finish.
func deltas(text []string) []string {
	data := make([]string, 0, len(text)+3)
	for _, d := range text {
		data = append(data, Delta(d))
	}
	return append(data, Finish)
}

// usage is the event that reports the usage of a stream of n words.
func usage(n int) string {
	return fmt.Sprintf(`{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"m","choices":[],`+
		`"usage":{"prompt_tokens":3,"completion_tokens":%d,"total_tokens":%d}}`, n, n+3)
}

// Events streams events with that data and ends the answer properly, with a pause before every event but the first.
func Events(pause time.Duration, data ...string) Step {
	return func(w http.ResponseWriter, r *http.Request, _ []byte) {
		w.Header().Set("Content-Type", "text/event-stream")
		rc := http.NewResponseController(w)
		for i, d := range data {
			if i > 0 && !wait(r, pause) {
				return
			}
			_, _ = io.WriteString(w, "data: "+d+"\n\n")
			_ = rc.Flush()
		}
	}
}

// wait waits unless the client leaves.
func wait(r *http.Request, d time.Duration) bool {
	if d == 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.Context().Done():
		return false
	}
}

// Delay waits before the step.
func Delay(d time.Duration, step Step) Step {
	return func(w http.ResponseWriter, r *http.Request, body []byte) {
		if wait(r, d) {
			step(w, r, body)
		}
	}
}

// Hang runs first (nil: nothing) and then sends nothing more until the client goes away, which Gone tells.
func Hang(first Step) Step {
	return func(w http.ResponseWriter, r *http.Request, body []byte) {
		if first != nil {
			first(w, r, body)
			_ = http.NewResponseController(w).Flush()
		}
		h := w.(hanger)
		select {
		case <-r.Context().Done():
			h.s.gone <- struct{}{}
		case <-h.s.stop:
		}
	}
}

// Die runs first (nil: nothing) and then breaks the connection.
func Die(first Step) Step {
	return func(w http.ResponseWriter, r *http.Request, body []byte) {
		if first != nil {
			first(w, r, body)
			_ = http.NewResponseController(w).Flush()
		}
		panic(http.ErrAbortHandler)
	}
}

// sleep waits unless the server is stopped.
func (s *Server) sleep(d time.Duration) bool {
	if d == 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-s.stop:
		return false
	}
}

// Raw sends exactly those bytes, piece by piece, over the bare connection and closes it. It needs HTTP/1.1.
func Raw(pieces ...string) Step { return Slow(0, pieces...) }

// Slow is Raw with a pause before every piece but the first.
func Slow(pause time.Duration, pieces ...string) Step {
	return func(w http.ResponseWriter, _ *http.Request, _ []byte) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		defer func() { _ = conn.Close() }() // the script may have left it broken
		for i, p := range pieces {
			if i > 0 && !w.(hanger).s.sleep(pause) {
				return
			}
			if _, err := io.WriteString(conn, p); err != nil {
				return
			}
		}
	}
}
