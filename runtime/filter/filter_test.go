package filter

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sluicegate/sluice/runtime/exchange"
	"github.com/sluicegate/sluice/runtime/strictjson"
	"github.com/sluicegate/sluice/runtime/wire"
	"github.com/sluicegate/sluice/runtime/wire/openai"
)

// compiled is a folder where each module is compiled once for all tests that do not ask for another.
var compiled string

func TestMain(m *testing.M) {
	var err error
	if compiled, err = os.MkdirTemp("", "sluice-filter"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		_ = os.RemoveAll(compiled)
		os.Exit(code)
	}))
}

// alone leaves a long test out under the race detector: all it does is in one goroutine.
func alone(t *testing.T) {
	t.Helper()
	if raceDetector {
		t.Skip("under the race detector")
	}
}

// some is how many of n cases are tried: all, or under the race detector a tenth. The cases are in one goroutine each.
func some(n int) int {
	if raceDetector {
		return max(1, n/10)
	}
	return n
}

// stride is the step through cases that are tried one by one, as some.
func stride() int {
	if raceDetector {
		return 7
	}
	return 1
}

// guest reads a guest from testdata, which build.sh makes.
func guest(t testing.TB, name string) []byte {
	t.Helper()
	code, err := os.ReadFile("testdata/" + name + ".wasm")
	if err != nil {
		t.Fatal(err)
	}
	return code
}

func engine(t testing.TB, o Options) *Engine {
	t.Helper()
	if o.CacheDir == "" {
		o.CacheDir = compiled
	}
	e, err := NewEngine(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close(context.Background()) })
	return e
}

// load loads a filter into an engine of its own.
func load(t testing.TB, s Spec) *Filter {
	t.Helper()
	return loadWith(t, engine(t, Options{}), s)
}

func loadWith(t testing.TB, e *Engine, s Spec) *Filter {
	t.Helper()
	f, err := e.Load(context.Background(), s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return f
}

// words is the Spec of the well-behaved test guest.
func words(t testing.TB) Spec {
	return Spec{
		Name: "words", Module: guest(t, "words"), Request: true, Answer: true, HMACKey: []byte("key"),
		Actions: Actions{DefaultRequest: Token, DefaultAnswer: Mask, Answer: map[string]Action{"pin": HMAC}},
	}
}

// hostile is the Spec of the guest that misbehaves on demand.
func hostile(t testing.TB) Spec {
	return Spec{Name: "hostile", Module: guest(t, "hostile"), Request: true, Answer: true, Whole: WholeBuffer, Grants: []string{"operation"}}
}

// ask makes an exchange whose request has one message of the user.
func ask(t testing.TB, tenant, text string) *exchange.Exchange {
	t.Helper()
	body := append(strictjson.AppendString([]byte(`{"model":"m","messages":[{"role":"user","content":`), text), "}]}"...)
	return exchangeOf(t, tenant, body)
}

func exchangeOf(t testing.TB, tenant string, body []byte) *exchange.Exchange {
	t.Helper()
	r, err := openai.Chat.Request(body, strictjson.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return &exchange.Exchange{
		ID: "x-" + tenant, Operation: wire.ChatCompletions, Request: r,
		Principal: &exchange.Principal{ID: "key:" + tenant, Tenant: tenant, Roles: []string{"developer", "reader"}},
	}
}

func begin(t testing.TB, x *exchange.Exchange, filters ...*Filter) *Pass {
	t.Helper()
	p, err := NewChain(filters...).Begin(x, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// run takes one user message through filters and returns what the model server would get of it.
func pass(t testing.TB, text string, filters ...*Filter) (string, *Pass, error) {
	t.Helper()
	p := begin(t, ask(t, "red", text), filters...)
	err := p.Request(context.Background())
	return sent(t, p.x.Request), p, err
}

// sent is the content of the last message of the request as it would leave.
func sent(t testing.TB, r *wire.Request) string {
	t.Helper()
	var body struct{ Messages []struct{ Content string } }
	if err := json.Unmarshal(r.Format.Render(nil, r, wire.Rendering{Model: r.Model}), &body); err != nil {
		t.Fatal(err)
	}
	return body.Messages[len(body.Messages)-1].Content
}

// code is the code and reason of an error, "" for none.
func code(err error) string {
	var e *exchange.Error
	if !errors.As(err, &e) {
		if err != nil {
			return "not an exchange error: " + err.Error()
		}
		return ""
	}
	return strings.TrimSuffix(string(e.Fault.Code)+" "+e.Fault.Reason, " ")
}

func TestRequestEdits(t *testing.T) {
	w := load(t, words(t))
	f := func(text, want string) {
		t.Helper()
		got, p, err := pass(t, text, w)
		if err != nil || got != want {
			t.Errorf("%q: got %q, %v; want %q", text, got, err, want)
		}
		p.Close()
	}
	f("nothing to see", "nothing to see")
	f("", "")
	f("mail ana@x.org and bob@x.org, ana@x.org", "mail [EMAIL_1] and [EMAIL_2], [EMAIL_1]")
	f("pin 1234 but 1234", "pin [PIN_1] but 1234")
	f("key <<secret stuff>> end", "key [BLOCK_1] end")
	f("key <<never closed", "key [BLOCK_1]")
	f("a ~ b", "a TILDE b")
	f("Grüße ana@x.org ü", "Grüße [EMAIL_1] ü")
	f("my own [EMAIL_1] and ana@x.org", "my own [LITERAL_1] and [EMAIL_1]")
	f(strings.Repeat("ü ", 100_000)+"ana@x.org "+strings.Repeat("ü ", 100_000), strings.Repeat("ü ", 100_000)+"[EMAIL_1] "+strings.Repeat("ü ", 100_000))
	f("<<"+strings.Repeat("x ", 100_000)+">>.", "[BLOCK_1].")
}

func TestRequestFacts(t *testing.T) {
	w := load(t, words(t))
	_, p, err := pass(t, "ana@x.org bob@x.org pin 1234 %", w)
	if err != nil {
		t.Fatal(err)
	}
	x := p.x
	if got := p.Redactions(OnRequest); got["email"] != 2 || got["pin"] != 1 || len(got) != 2 {
		t.Errorf("redactions: %v", got)
	}
	if x.Labels["sluice"]["redacted.email"] != int64(2) || x.Labels["words"]["percent"] != true {
		t.Errorf("labels: %v", x.Labels)
	}
	if len(x.Filters) != 1 || x.Filters[0].Name != "words" || x.Filters[0].Digest != w.Digest() || len(w.Digest()) != 64 {
		t.Errorf("filters: %v", x.Filters)
	}
	if !p.NeedsAnswer() || !p.NeedsRestore() || p.Redactions(OnAnswer) != nil {
		t.Error("the pass does not say what is left to do")
	}
	if got := w.Stats(); got.Calls != 1 || got.Time <= 0 || got.Failures != 0 {
		t.Errorf("stats: %+v", got)
	}
}

func TestActions(t *testing.T) {
	e := engine(t, Options{})
	f := func(a Action, text, want, wantCode string) {
		t.Helper()
		s := words(t)
		s.Actions = Actions{Request: map[string]Action{"email": a}}
		got, p, err := pass(t, text, loadWith(t, e, s))
		if code(err) != wantCode || (want != "" && got != want) {
			t.Errorf("%s %q: got %q, %q; want %q, %q", a, text, got, code(err), want, wantCode)
		}
		p.Close()
	}
	f(Token, "ana@x.org", "[EMAIL_1]", "")
	f(Report, "ana@x.org", "ana@x.org", "")
	f(Report, "<<ana@x.org", "***", "") // "block" is masked, as what has no action is
	f(Block, "ana@x.org", "", "rejected_by_filter contains_email")
	f(Block, "no address", "no address", "")

	s := words(t)
	s.Actions = Actions{DefaultRequest: HMAC}
	h := loadWith(t, e, s)
	one, _, _ := pass(t, "ana@x.org", h)
	same, _, _ := pass(t, "ana@x.org", h)
	p := begin(t, ask(t, "blue", "ana@x.org"), h)
	if err := p.Request(context.Background()); err != nil {
		t.Fatal(err)
	}
	if other := sent(t, p.x.Request); one != same || one == other || strings.Contains(one, "ana") {
		t.Errorf("hmac: %q, again %q, another tenant %q", one, same, other)
	}
}

func TestReports(t *testing.T) {
	s := words(t)
	s.Actions = Actions{DefaultRequest: Report}
	_, p, err := pass(t, "ana@x.org", load(t, s))
	if err != nil || p.Reports(OnRequest)["email"] != 1 || p.Redactions(OnRequest) != nil || p.NeedsRestore() {
		t.Errorf("reports %v, redactions %v, %v", p.Reports(OnRequest), p.Redactions(OnRequest), err)
	}
	if p.x.Labels["sluice"]["reported.email"] != int64(1) {
		t.Errorf("labels: %v", p.x.Labels)
	}
}

func TestVerdict(t *testing.T) {
	_, _, err := pass(t, "some !reject! words", load(t, words(t)))
	var e *exchange.Error
	if !errors.As(err, &e) || e.Fault.HTTPStatus() != 403 || e.Fault.Reason != "unwanted" || !strings.Contains(e.Fault.Message, "unwanted words") {
		t.Errorf("got %v", err)
	}
}

func TestOpaque(t *testing.T) {
	w := load(t, words(t))
	s := words(t)
	s.Optional = true
	optional := load(t, s)
	f := func(allow bool, w *Filter, want string) {
		t.Helper()
		x := exchangeOf(t, "red", []byte(`{"model":"m","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}}]}]}`))
		p := begin(t, x, w)
		p.AllowOpaque = allow
		if got := code(p.Request(context.Background())); got != want {
			t.Errorf("allow %t, required %t: got %q, want %q", allow, w.Required(), got, want)
		}
	}
	f(false, w, "opaque_content")
	f(true, w, "")
	f(false, optional, "")
}

func TestChainNames(t *testing.T) {
	e := engine(t, Options{})
	s := words(t)
	a := loadWith(t, e, s)
	s.Name, s.Optional = "second", true
	b := loadWith(t, e, s)
	c := NewChain(a, b)
	if got := strings.Join(c.Names(), " "); got != "words second" {
		t.Errorf("names: %q", got)
	}
	f := func(only []string, want string) {
		t.Helper()
		_, err := c.Begin(ask(t, "red", "x"), only)
		if got := code(err); got != want {
			t.Errorf("%v: got %q, want %q", only, got, want)
		}
	}
	f(nil, "")
	f([]string{"words"}, "")
	f([]string{"words", "second"}, "")
	f([]string{}, "policy_failed")
	f([]string{"second"}, "policy_failed")
	f([]string{"words", "third"}, "policy_failed")
}

func TestRequestHooks(t *testing.T) {
	e := engine(t, Options{})
	h, w := loadWith(t, e, hostile(t)), loadWith(t, e, words(t))
	f := func(text, want, wantCode string) {
		t.Helper()
		x := ask(t, "red", text)
		p := begin(t, x, h, w)
		if got := code(p.Request(context.Background())); got != wantCode {
			t.Errorf("%q: got %q, want %q", text, got, wantCode)
		}
		got := string(x.Request.Format.Render(nil, x.Request, wire.Rendering{Model: x.Request.Model}))
		if want != "" && !strings.Contains(got, want) {
			t.Errorf("%q: %s has no %s", text, got, want)
		}
		p.Close()
	}
	f("hello", `{"role":"user","content":"hello"}`, "")
	f("add !1", `[EMAIL_1]`, "") // what a hook adds is filtered, too
	f("add !1", `"role":"system"`, "")
	f("add !2", `Thanks.`, "")
	f("set !3", `"temperature":0.5`, "")
	f("set !4", "", "filter_failed")
	f("set !5", "", "filter_failed")
	f("fail !6", "", "filter_failed")
	f("redact !7", "", "filter_failed")
	f("where !8", "", "filter_failed")
}

func TestAnswer(t *testing.T) {
	e := engine(t, Options{})
	w, h := loadWith(t, e, words(t)), loadWith(t, e, hostile(t))
	f := func(text, want, wantCode string) {
		t.Helper()
		p := begin(t, ask(t, "red", "hi"), w, h)
		a, err := openai.Chat.Answer(answer(text))
		if err != nil {
			t.Fatal(err)
		}
		if got := code(p.Answer(context.Background(), a)); got != wantCode {
			t.Errorf("%q: got %q, want %q", text, got, wantCode)
		}
		if got := string(a.Pieces[0].Node.Bytes()); wantCode == "" && got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
		p.Close()
	}
	f("nothing", "nothing", "")
	f("ask ana@x.org <<now>>", "ask *** ***", "")
	f("!reject!", "", "rejected_by_filter unwanted")
	f("see !9", "", "rejected_by_filter bad_answer")
	f("!t", "", "filter_failed")
}

func answer(text string) []byte {
	return append(strictjson.AppendString([]byte(`{"id":"1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":`), text), `},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}`...)
}

func TestLogsAndLabels(t *testing.T) {
	var buf bytes.Buffer
	e := engine(t, Options{Logger: slog.New(slog.NewTextHandler(&buf, nil))})
	s := hostile(t)
	s.Limits.Logs, s.Limits.Base = 3, MaxGuestTime
	h := loadWith(t, e, s)
	buf.Reset()
	if _, _, err := pass(t, "!L", h); err != nil {
		t.Error(err)
	}
	if n := strings.Count(buf.String(), "line=\"line  forged\""); n != 3 {
		t.Errorf("%d lines in the log, want 3, on one line each:\n%s", n, buf.String())
	}
	buf.Reset()
	if _, _, err := pass(t, "!c my secret prompt", h); err != nil {
		t.Error(err)
	}
	if strings.Contains(buf.String(), "secret") || !strings.Contains(buf.String(), "withheld_bytes=19") {
		t.Errorf("text of the prompt in the log: %s", buf.String())
	}
	_, p, err := pass(t, "!S", h)
	if err != nil || p.x.Labels["hostile"]["redacted.email"] != int64(0) || p.x.Labels["sluice"] != nil {
		t.Errorf("labels of the host: %v, %v", p.x.Labels, err)
	}
	_, _, err = pass(t, "!R my secret prompt", h)
	if code(err) != "rejected_by_filter no" || strings.Contains(err.Error(), "secret") {
		t.Errorf("a verdict's message: %v", err)
	}
	_, _, err = pass(t, "!q", h)
	if err == nil || !strings.Contains(err.Error(), "not here") {
		t.Errorf("a verdict's message: %v", err)
	}
}

func TestCacheKey(t *testing.T) {
	e := engine(t, Options{})
	s := hostile(t)
	plain := loadWith(t, e, s)
	s.Grants = []string{"principal.tenant"}
	granted := loadWith(t, e, s)
	key := func(tenant string, f *Filter) string { return begin(t, ask(t, tenant, "x"), f).CacheKey() }
	if key("red", plain) != key("blue", plain) {
		t.Error("the key tells tenants apart whose name no filter can read")
	}
	if key("red", granted) == key("blue", granted) {
		t.Error("the key does not hold a granted fact")
	}
	if key("red", plain) == key("red", granted) || plain.Key() == granted.Key() {
		t.Error("the key does not hold the filter's configuration")
	}
}

func TestCancelled(t *testing.T) {
	h := load(t, hostile(t))
	ctx, cancel := context.WithCancel(context.Background())
	p := begin(t, ask(t, "red", "!s"), h)
	time.AfterFunc(10*time.Millisecond, cancel)
	start := time.Now()
	if got := code(p.Request(ctx)); got != "client_closed" {
		t.Errorf("got %q", got)
	}
	if took := time.Since(start); took > 200*time.Millisecond {
		t.Errorf("a cancelled call went on for %v", took)
	}
}

// What a caller wrote in token grammar in the arguments of an earlier tool call is a literal however it is spelled, and the
// same one as in prose.
func TestLiteralsInArguments(t *testing.T) {
	w := load(t, words(t))
	f := func(arguments, want string) {
		t.Helper()
		body := strictjson.AppendString([]byte(`{"model":"m","messages":[{"role":"user","content":"ana@x.org [EMAIL_1]"},{"role":"assistant","tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":`), arguments)
		p := begin(t, exchangeOf(t, "red", append(body, `}}]}]}`...)), w)
		defer p.Close()
		if err := p.Request(context.Background()); err != nil {
			t.Fatal(err)
		}
		for _, s := range p.x.Request.Segments {
			if s.Arguments && string(s.Text.Bytes()) != want {
				t.Errorf("%s became %s, want %s", arguments, s.Text.Bytes(), want)
			}
		}
	}
	f(`{"a":"[EMAIL_1]"}`, `{"a":"[LITERAL_1]"}`)
	f(`{"a":"\u005bEMAIL_\u0031]","b":"[X_1]"}`, `{"a":"[LITERAL_1]","b":"[LITERAL_2]"}`)
	f(`\u005bEMAIL_1] [EMAIL_1]`, `\u005bEMAIL_1] [LITERAL_1]`)
}
