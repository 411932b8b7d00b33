package filter

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/sluicegate/sluice/runtime/exchange"
	"github.com/sluicegate/sluice/runtime/strictjson"
	"github.com/sluicegate/sluice/runtime/wire"
	"github.com/sluicegate/sluice/runtime/wire/openai"
)

// answeredBy takes a model's answer through a pass and returns the text of its first choice.
func answeredBy(t testing.TB, p *Pass, text string) (string, error) {
	t.Helper()
	a, err := openai.Chat.Answer(answer(text))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Answer(context.Background(), a); err != nil {
		return "", err
	}
	return string(a.Pieces[len(a.Pieces)-1].Node.Bytes()), nil
}

// buffered is handler with an answer side for which streams are held back.
func buffered(t testing.TB, config string) Spec {
	s := handler(t, config)
	s.Whole = WholeBuffer
	return s
}

// exchanged takes a request through a handler and then an answer.
func exchanged(t testing.TB, e *Engine, s Spec, more ...*Filter) (string, error) {
	t.Helper()
	p := begin(t, called(t, "hi"), append([]*Filter{loadWith(t, e, s)}, more...)...)
	if err := p.Request(context.Background()); err != nil {
		t.Fatal(err)
	}
	return answeredBy(t, p, "mail bob@x.org")
}

// handle_response gets the word that handle_request returned, and the answer where it asked to buffer it.
func TestHandlerAnswers(t *testing.T) {
	e := engine(t, Options{})
	f := func(config, want, wantCode string) {
		t.Helper()
		got, err := exchanged(t, e, buffered(t, config))
		if code(err) != wantCode || !strings.HasPrefix(got, want) || want == "" && got != "" {
			t.Errorf("%s: got %q, %v; want %q, %q", config, got, err, want, wantCode)
		}
	}
	const mail = "mail bob@x.org"
	f("asks/ctx", "7 0 200 ", "")
	f("asks/body", "{?id?:", "")
	f("asks/names", "1 13 content-type;", "")
	f("asks/asked", strings.ReplaceAll(asked, `"`, "?")+"|1 ", "")
	f("asks/set", mail, "")
	f("asks/nothing", mail, "")
	f("asks/uri", "20 20 20 /v1/chat/completions", "")
	f("asks/mail", "ana@x.org", "")
	f("nothing/nothing", mail, "")
	f("nothing/body", "", "filter_failed")
	f("nothing/ctx", "", "filter_failed")
	f("nothing/asked", "", "filter_failed")
	f("nothing/set", "", "filter_failed")
	f("nothing/403", "", "filter_failed")
	f("asks/trap", "", "filter_failed")
	f("asks/late", "", "filter_failed")
	f("asks/late_body", "", "filter_failed")
	f("asks/no_json", "", "filter_failed")
	f("asks/204", "", "filter_failed")
	f("asks/403", "", "rejected_by_filter status_403")
	f("dynamic/mail", "ana@x.org", "") // it asks in handle_request, for this exchange
}

// What a handler writes into an answer is seen by the native filters behind it.
func TestHandlerAnswerIsFiltered(t *testing.T) {
	e := engine(t, Options{})
	w := loadWith(t, e, words(t))
	got, err := exchanged(t, e, buffered(t, "asks/mail"), w)
	if err != nil || strings.Contains(got, "ana@x.org") || got == "" {
		t.Errorf("got %q, %v", got, err)
	}
}

// kept handlers read in handle_response what handle_request left in memory, whatever other exchanges did meanwhile with
// the only instance that there is.
func TestHandlerKeeps(t *testing.T) {
	e := engine(t, Options{})
	f := func(config, isolation string, want func(i int) string) {
		t.Helper()
		s := buffered(t, config)
		s.Limits.Instances, s.Isolation = 1, isolation
		h := loadWith(t, e, s)
		passes := make([]*Pass, 3)
		for i := range passes {
			passes[i] = begin(t, called(t, strings.Repeat(string(rune('a'+i)), 3)), h)
			if err := passes[i].Request(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
		for i := range passes {
			if got, err := answeredBy(t, passes[i], "fine"); err != nil || !strings.Contains(got, want(i)) {
				t.Errorf("%s: exchange %d got %q, %v; want %q", config, i, got, err, want(i))
			}
			passes[i].Close()
		}
		if n := h.Stats().Instances; n > 1 {
			t.Errorf("%s: %d instances", config, n)
		}
	}
	for _, isolation := range []string{IsolateExchange, IsolateTenant} {
		f("keep/kept", isolation, func(i int) string { return "content?:?" + strings.Repeat(string(rune('a'+i)), 3) })
		f("keep_grown/grown", isolation, func(int) string { return "G" })
	}
}

// What an exchange may leave in memory while its model thinks is bounded.
func TestHandlerKeepsNotTooMuch(t *testing.T) {
	e := engine(t, Options{})
	s := buffered(t, "keep_much/nothing")
	s.Limits.Held = 32 << 10
	p := begin(t, called(t, "hi"), loadWith(t, e, s))
	if err := p.Request(context.Background()); code(err) != "filter_failed" || !strings.Contains(err.Error(), "leaves more in memory") {
		t.Errorf("64 KiB kept where 32 may be: %v", err)
	}
	s.Limits.Held = 128 << 10
	p = begin(t, called(t, "hi"), loadWith(t, e, s))
	if err := p.Request(context.Background()); err != nil {
		t.Errorf("64 KiB kept where 128 may be: %v", err)
	}
}

// streamingBy takes a stream through a handler.
func streamingBy(t testing.TB, e *Engine, s Spec) (string, error) {
	t.Helper()
	x := called(t, "hi")
	r, err := openai.Chat.Request([]byte(strings.Replace(asked, `"model"`, `"stream":true,"model"`, 1)), strictjson.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	x.Request = r
	p := begin(t, x, loadWith(t, e, s))
	if err := p.Request(context.Background()); err != nil {
		return "", err
	}
	st := p.Stream()
	got := map[string]string{}
	for _, d := range []delta{{0, "content", "mail bob", false}, {0, "content", "@x.org", false}, {0, "", "", true}} {
		evs, err := st.Event(context.Background(), d.event(t))
		if err != nil {
			return got["0/content"], err
		}
		texts(got, evs)
	}
	evs, err := st.End(context.Background())
	texts(got, evs)
	return got["0/content"], err
}

// http-wasm knows no streams. A handler that asks to buffer the response is configured to buffer or refuse them, or
// refused; one that does not, lets them pass as they come and learns only that there is an answer.
func TestHandlerStreams(t *testing.T) {
	e := engine(t, Options{})
	f := func(config, whole, want, wantCode string) {
		t.Helper()
		s := handler(t, config)
		s.Whole = whole
		got, err := streamingBy(t, e, s)
		if code(err) != wantCode || got != want {
			t.Errorf("%s, stream %q: got %q, %v; want %q, %q", config, whole, got, err, want, wantCode)
		}
	}
	const text = "mail bob@x.org"
	f("asks", "", text, "") // on requests alone
	f("nothing", "", text, "")
	f("nothing/nothing", "", text, "")
	f("nothing/trap", "", "", "filter_failed") // before the first text is out
	f("asks/mail", WholeBuffer, "ana@x.org", "")
	f("asks/nothing", WholeBuffer, text, "")
	f("asks/403", WholeBuffer, "", "rejected_by_filter status_403")
	f("asks/mail", WholeRefuse, "", "invalid_request")
	f("dynamic/mail", WholeBuffer, "ana@x.org", "")
	f("dynamic/mail", "", "", "filter_failed")

	_, err := e.Load(context.Background(), handler(t, "asks/mail"))
	if err == nil || !strings.Contains(err.Error(), "http-wasm knows no streams: say what to do with them, stream: buffer or stream: refuse, or keep it off answers with on: [request]") {
		t.Errorf("it loads, with %v", err)
	}
}

// An answer that a handler made may depend on all that it saw: equal requests of unequal views don't share one.
func TestHandlerCacheKey(t *testing.T) {
	e := engine(t, Options{})
	key := func(h *Filter, change func(*exchange.Exchange)) string {
		x := called(t, "hi")
		change(x)
		p := begin(t, x, h)
		if err := p.Request(context.Background()); err != nil {
			t.Fatal(err)
		}
		return p.CacheKey()
	}
	same := func(*exchange.Exchange) {}
	agent := func(x *exchange.Exchange) { x.Client.Headers["User-Agent"] = []string{"other"} }
	cookie := func(x *exchange.Exchange) { x.Client.Headers["Cookie"] = []string{"other"} }
	text := func(x *exchange.Exchange) { x.Request = called(t, "ho").Request }
	f := func(config, view string, change func(*exchange.Exchange), equal bool) {
		t.Helper()
		s := handler(t, config)
		s.View = view
		h := loadWith(t, e, s)
		if got := key(h, same) == key(h, change); got != equal {
			t.Errorf("%s, view %q: equal keys: %t", config, view, got)
		}
	}
	f("nothing/nothing", "", same, true)
	f("nothing/nothing", "", agent, false)
	f("nothing/nothing", "", text, false) // what a text filter makes equal was not equal to a handler
	f("nothing/nothing", "", cookie, true)
	f("nothing/nothing", ViewFull, cookie, false)
	f("nothing", "", agent, true) // all that handle_request did is in the request
	f("nothing", "", text, true)

	s := handler(t, "nothing")
	plain := loadWith(t, e, s)
	s.View = ViewFull
	if plain.Key() == loadWith(t, e, s).Key() {
		t.Error("a filter's key does not depend on its view")
	}
}

func TestHandlerVerdictOnAnswer(t *testing.T) {
	e := engine(t, Options{})
	_, err := exchanged(t, e, buffered(t, "asks/403"))
	var got *exchange.Error
	if !errors.As(err, &got) || got.Stage != exchange.StageAnswer || got.Fault.HTTPStatus() != 403 || got.Fault.Code != wire.RejectedByFilter {
		t.Errorf("got %+v", err)
	}
}

// An exchange that ends without an answer is told to the handlers that let its request go on, once.
func TestHandlerLearnsOfFailure(t *testing.T) {
	var out bytes.Buffer
	e := engine(t, Options{Logger: slog.New(slog.NewTextHandler(&out, nil))})
	h := loadWith(t, e, handler(t, "nothing/error"))
	f := func(kind exchange.Kind, answered bool, want int) {
		t.Helper()
		out.Reset()
		x := called(t, "hi")
		p := begin(t, x, h)
		if err := p.Request(context.Background()); err != nil {
			t.Fatal(err)
		}
		if answered {
			if _, err := answeredBy(t, p, "fine"); err != nil {
				t.Fatal(err)
			}
		}
		x.Outcome = exchange.Outcome{Kind: kind, Status: 502}
		p.Close()
		p.Close()
		if got := strings.Count(out.String(), "no answer came"); got != want {
			t.Errorf("%s, answered %t: told %d times, want %d", kind, answered, got, want)
		}
	}
	f(exchange.Failed, false, 1)
	f(exchange.Rejected, false, 1)
	f(exchange.Cancelled, false, 1)
	f(exchange.Truncated, true, 0)
	f(exchange.Complete, true, 0)
	f(exchange.Complete, false, 0) // out of the cache
}

// Exchanges side by side, more than there are instances, each get back what is their own.
func TestHandlerSideBySide(t *testing.T) {
	s := buffered(t, "keep/kept")
	s.Limits.Instances = 2
	e := engine(t, Options{TenantCalls: 8})
	h := loadWith(t, e, s)
	chain := NewChain(h)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for n := range 20 {
				mine := fmt.Sprintf("%c%02d", 'a'+i, n)
				p, err := chain.Begin(called(t, mine), nil)
				if err != nil {
					t.Error(err)
					return
				}
				err = p.Request(context.Background())
				if err == nil {
					var got string
					if got, err = answeredBy(t, p, "fine"); err == nil && !strings.Contains(got, mine) {
						t.Errorf("%s got %q", mine, got)
					}
				}
				if err != nil {
					t.Errorf("%s: %v", mine, err)
				}
				p.Close()
			}
		})
	}
	wg.Wait()
	if got := h.Stats(); got.Instances > 2 || got.Failures != 0 {
		t.Errorf("%+v", got)
	}
}
