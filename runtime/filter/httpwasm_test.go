package filter

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/sluicegate/sluice/runtime/exchange"
	"github.com/sluicegate/sluice/runtime/wire"
)

// handler is the Spec of the http-wasm test guest, which does what its configuration says: a word for handle_request
// and, behind a slash, one for handle_response.
func handler(t testing.TB, config string) Spec {
	return Spec{Name: "handler", Module: guest(t, "handler"), Request: true, Answer: strings.Contains(config, "/"), Config: []byte(config)}
}

// called is a request as a caller sent it, with everything that a handler might look for.
func called(t testing.TB, text string) *exchange.Exchange {
	t.Helper()
	x := ask(t, "red", text)
	x.Client = exchange.Client{
		IP: netip.MustParseAddr("203.0.113.9"), Port: 41000, Method: "POST", URI: "/v1/chat/completions?key=q1", Protocol: "HTTP/2.0", Host: "gateway.example",
		Headers: map[string][]string{
			"Accept": {"text/event-stream", "*/*"}, "User-Agent": {"curl/8"}, "Content-Type": {"text/plain"}, "Content-Length": {"999"},
			"Authorization": {"Bearer s3cret"}, "Cookie": {"session=s3cret"}, "X-Api-Key": {"s3cret"}, "X-Forwarded-For": {"198.51.100.1"},
		},
	}
	return x
}

// handled takes a request through one handler and returns the request's last message.
func handled(t testing.TB, e *Engine, s Spec, x *exchange.Exchange) (string, error) {
	t.Helper()
	p := begin(t, x, loadWith(t, e, s))
	err := p.Request(context.Background())
	return sent(t, x.Request), err
}

const asked = `{"model":"m","messages":[{"role":"user","content":"hi"}]}`

// Every function of the ABI does what its specification says, with its rule of lengths: the result is the whole length,
// and nothing is written where the limit is smaller. "|" ends a piece read, ";" stands for NUL.
func TestHandlerFunctions(t *testing.T) {
	e := engine(t, Options{Logger: slog.New(slog.NewTextHandler(new(bytes.Buffer), &slog.HandlerOptions{Level: slog.LevelInfo}))})
	f := func(config, want string) {
		t.Helper()
		got, err := handled(t, e, handler(t, config), called(t, "hi"))
		if err != nil || got != want {
			t.Errorf("%s: got %q, %v; want %q", config, got, err, want)
		}
	}
	quoted := strings.ReplaceAll(asked, `"`, "?")
	f("method", "4 4 4 POST")
	f("uri", "20 20 20 /v1/chat/completions")
	f("protocol", "8 8 8 HTTP/1.1")
	f("source", "13 13 13 203.0.113.9:0")
	f("config", "6 6 6 config")
	f("status", "200 ")
	f("features", "3 ") // trailers are not among them
	f("names", "3 31 accept;content-type;user-agent;")
	f("accept", "2 22 text/event-stream;*/*;")
	f("absent", "0 0 ")
	f("secrets", strings.Repeat("0 0 ", 5))
	f("trailers", strings.Repeat("0 0 ", 2)+"0 ")
	f("same", "same")
	f("body", quoted[:16]+"|"+quoted[16:32]+"|"+quoted[32:48]+"|"+quoted[48:]+"|1 ")
	f("whole", quoted+"|1 ")
	f("levels", "0 1 1 1 0 0 ")
	f("log", quoted[:16]+"|"+quoted[16:32]+"|"+quoted[32:48]+"|"+quoted[48:]+"|1 logged")
	f("edit", "3 26 accept;content-type;x-new;2 4 1;2;1 4 a/b;")
	f("answers", "1 4 x-a;")
	f("write", "ana@x.org pin 1234")
	f("nothing", "hi") // it does nothing at all
	f("asks", "hi")
	f("uri_empty_is_another", "hi")
}

// A trusted handler sees the request as it came.
func TestHandlerFullView(t *testing.T) {
	e := engine(t, Options{})
	f := func(config, want string) {
		t.Helper()
		s := handler(t, config)
		s.View = ViewFull
		got, err := handled(t, e, s, called(t, "hi"))
		if err != nil || got != want {
			t.Errorf("%s: got %q, %v; want %q", config, got, err, want)
		}
	}
	f("method", "4 4 4 POST")
	f("uri", "27 27 27 /v1/chat/completions?key=q1")
	f("protocol", "8 8 8 HTTP/2.0")
	f("source", "17 17 17 203.0.113.9:41000")
	f("names", "9 98 accept;authorization;content-length;content-type;cookie;host;user-agent;x-api-key;x-forwarded-for;")
	f("secrets", "1 14 Bearer s3cret;1 15 session=s3cret;1 7 s3cret;1 13 198.51.100.1;1 16 gateway.example;")
}

// What a handler may not do ends the exchange, closed, with a reason in the log, and leaves the pool intact.
func TestHandlerMisbehaves(t *testing.T) {
	e := engine(t, Options{})
	f := func(config, wantCode, why string) {
		t.Helper()
		s := handler(t, config)
		s.Limits = Limits{Total: 200 * time.Millisecond, Output: 100_000}
		h := loadWith(t, e, s)
		for range 2 {
			x := called(t, "hi")
			p := begin(t, x, h)
			err := p.Request(context.Background())
			if code(err) != wantCode || !strings.Contains(fmt.Sprint(err), why) || strings.Contains(fmt.Sprint(err), "\n") {
				t.Errorf("%s: got %q (%v), want %q with %q", config, code(err), err, wantCode, why)
			}
			p.Close()
		}
		if n := h.Stats().Instances; n > 1 {
			t.Errorf("%s: %d instances", config, n)
		}
	}
	failed := func(config, why string) { t.Helper(); f(config, "filter_failed", why) }
	failed("trap", "handle_request: it trapped")
	failed("output", "more bytes than its limit")
	failed("headers", "too many headers")
	failed("bigheader", "more bytes than its limit")
	failed("method_change", "no filter changes the request's method")
	failed("uri_change", "no filter changes the request's uri")
	failed("uri_empty", "no filter changes the request's uri")
	failed("empty_name", "name is empty")
	failed("kind", "a header kind is 0 to 3")
	failed("body_kind", "a body kind is 0 or 1")
	failed("read_zero", "limit of 0")
	failed("read_outside", "outside the memory")
	failed("get_outside", "outside the memory")
	failed("write_outside", "outside the memory")
	failed("log_outside", "outside the memory")
	failed("set_trailer", "trailers can't be set")
	failed("add_trailer", "trailers can't be set")
	failed("no_status", "no HTTP status")
	failed("next2", "neither 0 nor 1")
	failed("nothing_written", "is refused: invalid_json")
	failed("no_json", "is refused: invalid_json")
	failed("twice", "is refused: duplicate_key")
	failed("model", "names another model")
	failed("stream", "asks for a stream where there was none")
	f("logs", "", "nil")
	f("grow", "", "nil")
	f("picture", "", "nil") // no text filter is in this chain
}

// A handler that never comes back is stopped by its budget, in whichever way it spends it.
func TestHandlerBudget(t *testing.T) {
	e := engine(t, Options{})
	for _, config := range []string{"spin", "fill", "calls"} {
		s := handler(t, config)
		s.Limits = Limits{Base: 20 * time.Millisecond, PerByte: 1, Load: 100 * time.Millisecond}
		if _, err := e.Load(context.Background(), s); err == nil || !strings.Contains(err.Error(), "budget") {
			t.Errorf("%s: it loads, with %v", config, err)
		}
	}
	s := handler(t, "spin_on_short")
	s.Limits = Limits{Base: 20 * time.Millisecond, PerByte: 1}
	h := loadWith(t, e, s)
	p := begin(t, called(t, "hi"), h)
	if err := p.Request(context.Background()); code(err) != "filter_failed" || !strings.Contains(err.Error(), "handle_request: its budget") {
		t.Errorf("got %v", err)
	}
	if got := h.Stats(); got.Failures != 1 || got.Discarded != 1 || got.Instances != 0 {
		t.Errorf("%+v", got)
	}
	s = handler(t, "nothing/spin")
	s.Limits = Limits{Base: 20 * time.Millisecond, PerByte: 1, Load: 100 * time.Millisecond}
	if _, err := e.Load(context.Background(), s); err == nil || !strings.Contains(err.Error(), "handle_response: its budget") {
		t.Errorf("it loads, with %v", err)
	}
}

// A handler that answers by itself gives a verdict. Its answer does not reach the caller, but for a constant of the
// module; the statuses on which clients try again become 403.
func TestHandlerVerdicts(t *testing.T) {
	e := engine(t, Options{})
	f := func(config string, status int, reason, message string) {
		t.Helper()
		h := loadWith(t, e, handler(t, config))
		x := called(t, "my secret")
		p := begin(t, x, h)
		err := p.Request(context.Background())
		var got *exchange.Error
		if !errors.As(err, &got) || got.Fault.Code != wire.RejectedByFilter || got.Fault.HTTPStatus() != status || got.Fault.Reason != reason ||
			got.Fault.Message != message || got.Stage != exchange.StageFilter {
			t.Errorf("%s: got %+v", config, err)
		}
		if s := h.Stats(); s.Rejections != 1 || s.Failures != 0 || s.Discarded != 0 {
			t.Errorf("%s: %+v", config, s)
		}
	}
	const says = `the filter "handler" rejects the request`
	f("403", 403, "status_403", says+": not at this hour")
	f("401", 403, "status_401", says)
	f("200", 403, "status_200", says+": not at this hour")
	f("413", 413, "status_413", says)
	f("echo", 400, "status_400", says) // a body made of the request's is not shown
}

// Nothing is left in a handler's memory for the exchange after.
func TestHandlerForgets(t *testing.T) {
	for _, shape := range []string{"remember", "remember/nothing"} {
		s := handler(t, shape)
		s.Limits.Instances = 1
		h := load(t, s)
		var first string
		for i := range 4 {
			x := called(t, fmt.Sprintf("secret %d of a tenant", i))
			p := begin(t, x, h)
			if err := p.Request(context.Background()); err != nil {
				t.Fatal(err)
			}
			got := sent(t, x.Request)
			if i == 0 {
				first = got
			}
			if got != first || strings.Contains(got, "secret") {
				t.Errorf("%s: exchange %d sees %q, the first %q", shape, i, got, first)
			}
			p.Close()
		}
	}
}

// What a handler writes is read strictly and then seen by every native filter, wherever they stand in the chain.
func TestHandlerBeforeTextFilters(t *testing.T) {
	e := engine(t, Options{})
	w, h := loadWith(t, e, words(t)), loadWith(t, e, handler(t, "write"))
	for _, chain := range [][]*Filter{{w, h}, {h, w}} {
		x := called(t, "hi")
		p := begin(t, x, chain...)
		if err := p.Request(context.Background()); err != nil {
			t.Fatal(err)
		}
		if got := sent(t, x.Request); got != "[EMAIL_1] pin [PIN_1]" {
			t.Errorf("the model would get %q", got)
		}
		if len(x.Filters) != 2 {
			t.Errorf("recorded: %v", x.Filters)
		}
	}
	// A picture that a handler puts in is as opaque to a required text filter as one that the caller sent.
	x := called(t, "hi")
	p := begin(t, x, w, loadWith(t, e, handler(t, "picture")))
	if err := p.Request(context.Background()); code(err) != "opaque_content" {
		t.Errorf("a picture put in behind the check: %v", err)
	}
}

// A handler's log lines follow the native filters' rules: bounded, and no text of an exchange in them.
func TestHandlerLogs(t *testing.T) {
	var out bytes.Buffer
	e := engine(t, Options{Logger: slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	h := loadWith(t, e, handler(t, "log"))
	out.Reset()
	p := begin(t, called(t, "my secret"), h)
	if err := p.Request(context.Background()); err != nil {
		t.Fatal(err)
	}
	got := out.String()
	for _, level := range []string{"DEBUG", "INFO", "WARN", "ERROR"} {
		if strings.Count(got, "level="+level+" msg=filter filter=handler request_id=x-red line=\"a constant\"") != 1 {
			t.Errorf("no line of level %s in:\n%s", level, got)
		}
	}
	if !strings.Contains(got, "withheld_bytes=16") || strings.Contains(got, "secret") || strings.Contains(got, "messages") {
		t.Errorf("logged:\n%s", got)
	}
	out.Reset()
	p = begin(t, called(t, "hi"), loadWith(t, e, handler(t, "logs")))
	if err := p.Request(context.Background()); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(out.String(), "request_id="); n != 16 {
		t.Errorf("%d lines", n)
	}
}

// A handler that fails and is declared open is left out, and counted.
func TestHandlerFailsOpen(t *testing.T) {
	s := handler(t, "trap/nothing")
	s.FailOpen = true
	h := load(t, s)
	x := called(t, "hi")
	p := begin(t, x, h)
	if err := p.Request(context.Background()); err != nil || sent(t, x.Request) != "hi" {
		t.Errorf("%v, %q", err, sent(t, x.Request))
	}
	if got := p.FailedOpen(); len(got) != 1 || h.Stats().FailedOpen != 1 || len(x.Filters) != 0 {
		t.Errorf("%v, %+v, %v", got, h.Stats(), x.Filters)
	}
	if _, err := answeredBy(t, p, "fine"); err != nil {
		t.Errorf("the answer: %v", err)
	}
}
