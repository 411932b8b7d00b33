package filter

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/sluicegate/sluice/runtime/strictjson"
	"github.com/sluicegate/sluice/runtime/wire"
	"github.com/sluicegate/sluice/runtime/wire/openai"
)

// delta is one piece of a streamed answer: a choice, a field, a text; finish ends the choice.
type delta struct {
	choice int
	field  string
	text   string
	finish bool
}

func (d delta) event(t testing.TB) *wire.Event {
	t.Helper()
	b := fmt.Appendf(nil, `{"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":%d,"delta":{`, d.choice)
	switch {
	case d.field == "arguments":
		b = append(b, `"tool_calls":[{"index":0,"function":{"arguments":`...)
		b = append(strictjson.AppendString(b, d.text), `}}]`...)
	case d.field != "":
		b = strictjson.AppendString(append(strictjson.AppendString(b, d.field), ':'), d.text)
	}
	b = append(b, `},"logprobs":null,"finish_reason":`...)
	if d.finish {
		b = append(b, `"stop"}]}`...)
	} else {
		b = append(b, `null}]}`...)
	}
	return event(t, string(b))
}

func event(t testing.TB, data string) *wire.Event {
	t.Helper()
	ev, err := openai.Chat.Event([]byte(data))
	if err != nil {
		t.Fatalf("%s: %v", data, err)
	}
	return ev
}

// texts adds what an event carries to the texts of its lanes, in the form "0/content".
func texts(to map[string]string, evs []*wire.Event) {
	for _, ev := range evs {
		for i := range ev.Pieces {
			l := ev.Pieces[i].Lane
			to[fmt.Sprintf("%d/%s", l.Choice, l.Field)] += string(ev.Pieces[i].Node.Bytes())
		}
	}
}

// streamed takes deltas through a stream and returns each lane's text.
func streamed(t testing.TB, s *Stream, deltas []delta) map[string]string {
	t.Helper()
	got := map[string]string{}
	for _, d := range deltas {
		evs, err := s.Event(context.Background(), d.event(t))
		if err != nil {
			t.Fatal(err)
		}
		texts(got, evs)
	}
	evs, err := s.Event(context.Background(), event(t, "[DONE]"))
	if err != nil {
		t.Fatal(err)
	}
	if len(evs) == 0 || !evs[len(evs)-1].Done {
		t.Error("the stream's end is not its last event")
	}
	texts(got, evs)
	return got
}

// wholeAnswer is what the same filters make of a whole answer.
func wholeAnswer(t testing.TB, text string, filters ...*Filter) string {
	t.Helper()
	p := begin(t, ask(t, "red", "hi"), filters...)
	defer p.Close()
	a, err := openai.Chat.Answer(answer(text))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Answer(context.Background(), a); err != nil {
		t.Fatal(err)
	}
	return string(a.Pieces[0].Node.Bytes())
}

var splitTexts = []string{
	"mail ana@x.org, pin 1234 or 1234, key <<a b ana@x.org c>> and ~ end",
	"ünïcödé ana@x.org <<ü>> ü~ü pin 0000",
	"<<never closed ana@x.org",
	"<>< << >> > >> ana@x.orgbob@y.org @ a@ @b",
	strings.Repeat("pin 1234 ", 20) + "<<" + strings.Repeat("k ", 200) + ">>pin 1234",
}

// Whatever the split, a streamed answer gets the edits of the whole one.
func TestStreamEqualsWhole(t *testing.T) {
	e := engine(t, Options{})
	s := words(t)
	a := loadWith(t, e, s)
	s.Name, s.Actions.DefaultAnswer = "second", HMAC
	b := loadWith(t, e, s)
	r := rand.New(rand.NewPCG(1, 2))
	f := func(text string, cuts ...int) {
		t.Helper()
		p := begin(t, ask(t, "red", "hi"), a, b)
		defer p.Close()
		var ds []delta
		from := 0
		for _, cut := range append(cuts, len(text)) {
			for cut < len(text) && cut > from && !boundary([]byte(text), cut) {
				cut--
			}
			ds = append(ds, delta{field: "content", text: text[from:max(from, cut)]})
			from = max(from, cut)
		}
		ds = append(ds, delta{finish: true})
		want := wholeAnswer(t, text, a, b)
		if got := streamed(t, p.Stream(), ds)["0/content"]; got != want {
			t.Fatalf("%q cut at %v: got %q, want %q", text, cuts, got, want)
		}
	}
	for _, text := range splitTexts {
		for i := 0; i < len(text); i += stride() {
			f(text, i)
		}
		for range some(200) {
			var cuts []int
			for at := r.IntN(8); at < len(text); at += 1 + r.IntN(8) {
				cuts = append(cuts, at)
			}
			f(text, cuts...)
		}
	}
}

func TestStreamLanes(t *testing.T) {
	w := load(t, words(t))
	p := begin(t, ask(t, "red", "hi"), w)
	got := streamed(t, p.Stream(), []delta{
		{choice: 0, field: "content", text: "one ana@"},
		{choice: 1, field: "content", text: "two bob"},
		{choice: 0, field: "reasoning_content", text: "<<th"},
		{choice: 0, field: "content", text: "x.org"},
		{choice: 1, field: "content", text: "@y.org", finish: true},
		{choice: 0, field: "reasoning_content", text: "ink>>"},
		{choice: 0, field: "arguments", text: `{"to":"ana@x.`},
		{choice: 0, field: "arguments", text: `org"}`},
		{choice: 0, finish: true},
	})
	want := map[string]string{"0/content": "one ***", "1/content": "two ***", "0/reasoning_content": "***", "0/tool_calls.0.arguments": `{"to":"***"}`}
	for lane, text := range want {
		if got[lane] != text {
			t.Errorf("%s: got %q, want %q", lane, got[lane], text)
		}
	}
	if n := p.Redactions(OnAnswer)["email"]; n != 3 {
		t.Errorf("%d e-mail addresses counted, want 3", n)
	}
}

// What is held back leaves before the event that ends its choice, or before [DONE] where there is none.
func TestStreamOrder(t *testing.T) {
	w := load(t, words(t))
	f := func(deltas []delta, want ...string) {
		t.Helper()
		p := begin(t, ask(t, "red", "hi"), w)
		defer p.Close()
		s := p.Stream()
		var got []string
		take := func(evs []*wire.Event, err error) {
			if err != nil {
				t.Fatal(err)
			}
			for _, ev := range evs {
				m := map[string]string{}
				texts(m, []*wire.Event{ev})
				got = append(got, fmt.Sprintf("%s finish=%v", m["0/content"], len(ev.Finished) > 0))
			}
		}
		for _, d := range deltas {
			take(s.Event(context.Background(), d.event(t)))
		}
		take(s.End(context.Background()))
		if strings.Join(got, "|") != strings.Join(want, "|") {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	f([]delta{{field: "content", text: "hel"}, {field: "content", text: "lo"}, {finish: true}}, "hello finish=false", " finish=true")
	f([]delta{{field: "content", text: "hi ana@x.org", finish: true}}, "hi *** finish=true")
	f([]delta{{field: "content", text: "hi ana@x.org"}}, "hi  finish=false", "*** finish=false")
	f([]delta{{field: "content", text: "word "}, {field: "content", text: "next "}}, "word  finish=false", "next  finish=false")
}

// The rest of a text leaves in an event that the stream may use again, where that one is of the same text.
func TestStreamReuse(t *testing.T) {
	w := load(t, words(t))
	f := func(end delta, field string, reused bool, want string) {
		t.Helper()
		p := begin(t, ask(t, "red", "hi"), w)
		defer p.Close()
		s := p.Stream()
		defer s.Close()
		next := func(d delta) []*wire.Event {
			t.Helper()
			evs, err := s.Event(context.Background(), d.event(t))
			if err != nil {
				t.Fatal(err)
			}
			return evs
		}
		sent := next(delta{field: "content", text: "hi "})[0]
		next(delta{field: field, text: "ana@x.org"})
		s.Reuse(sent)
		evs := next(end)
		if len(evs) == 0 || (evs[0] == sent) != reused {
			t.Fatalf("%s: got %v, the event given is %v", field, evs, sent)
		}
		if got := string(evs[0].Pieces[0].Node.Bytes()); got != want || !strings.Contains(string(evs[0].Doc.Append(nil)), want) {
			t.Errorf("%s: got %s in %s, want %s", field, got, evs[0].Doc.Append(nil), want)
		}
	}
	f(delta{finish: true}, "content", true, "***")
	f(delta{finish: true}, "refusal", false, "***")
	f(delta{field: "content", text: " b"}, "content", false, "*** ")
}

func TestStreamAfterEnd(t *testing.T) {
	w := load(t, words(t))
	p := begin(t, ask(t, "red", "hi"), w)
	s := p.Stream()
	for i, d := range []delta{{field: "content", text: "a "}, {finish: true}, {field: "content", text: ""}, {field: "content", text: "more"}} {
		_, err := s.Event(context.Background(), d.event(t))
		if want := ""; i < 3 && code(err) != want || i == 3 && code(err) != "upstream_error" {
			t.Errorf("event %d: %v", i, err)
		}
	}
}

func TestStreamBounds(t *testing.T) {
	e := engine(t, Options{})
	f := func(l Limits, deltas []delta, want string) {
		t.Helper()
		s := words(t)
		s.Limits = l
		p := begin(t, ask(t, "red", "hi"), loadWith(t, e, s))
		defer p.Close()
		st := p.Stream()
		var err error
		for _, d := range deltas {
			if _, err = st.Event(context.Background(), d.event(t)); err != nil {
				break
			}
		}
		if got := code(err); got != want {
			t.Errorf("%+v: got %v, want %q", l, err, want)
		}
	}
	many := []delta{{choice: 0, field: "content", text: "a"}, {choice: 1, field: "content", text: "b"}, {choice: 2, field: "content", text: "c"}}
	f(Limits{Lanes: 3}, many, "")
	f(Limits{Lanes: 2}, many, "filter_failed")
	long := []delta{{field: "content", text: strings.Repeat("x", 60)}, {field: "content", text: strings.Repeat("x", 60)}}
	f(Limits{Held: 120}, long, "")
	f(Limits{Held: 100}, long, "filter_failed")
	open := []delta{{field: "content", text: "<<" + strings.Repeat("x ", 100)}, {field: "content", text: ">>"}}
	f(Limits{Open: 204}, open, "")
	f(Limits{Open: 100}, open, "filter_failed")
	endless := []delta{{field: "content", text: strings.Repeat("x", windowSize)}, {field: "content", text: "x"}}
	f(Limits{}, endless, "filter_failed")
}

func TestStreamFailures(t *testing.T) {
	e := engine(t, Options{})
	s := hostile(t)
	s.Answer, s.Whole = true, WholeBuffer
	h := loadWith(t, e, s)
	f := func(text, want string) {
		t.Helper()
		p := begin(t, ask(t, "red", "hi"), h)
		defer p.Close()
		st := p.Stream()
		evs, err := st.Event(context.Background(), delta{field: "content", text: text}.event(t))
		if err != nil || len(evs) > 0 {
			t.Errorf("%q: an event came out of a stream that is held back whole, or %v", text, err)
		}
		evs, err = st.Event(context.Background(), delta{finish: true}.event(t))
		if err == nil && len(evs) == 0 {
			evs, err = st.Event(context.Background(), event(t, "[DONE]"))
		}
		got := map[string]string{}
		texts(got, evs)
		if code(err) != want || want == "" && got["0/content"] != text {
			t.Errorf("%q: got %q, %v; want %q", text, got, err, want)
		}
	}
	f("fine", "")
	f("!t", "filter_failed")
	f("so !9", "rejected_by_filter bad_answer")
}

// A filter that fails open lets go what it holds back, and the rest as it comes.
func TestStreamFailOpen(t *testing.T) {
	s := words(t)
	s.FailOpen, s.Limits.Open = true, 10
	w := load(t, s)
	p := begin(t, ask(t, "red", "hi"), w)
	got := streamed(t, p.Stream(), []delta{
		{field: "content", text: "ana@x.org <<12"}, {field: "content", text: "3456789012345>> b"}, {field: "content", text: "ob@x.org"}, {finish: true},
	})
	if want := "*** <<123456789012345>> bob@x.org"; got["0/content"] != want || len(p.FailedOpen()) != 1 {
		t.Errorf("got %q, want %q; failed open: %v", got["0/content"], want, p.FailedOpen())
	}
}

func TestStreamVerdict(t *testing.T) {
	w := load(t, words(t))
	p := begin(t, ask(t, "red", "hi"), w)
	s := p.Stream()
	if _, err := s.Event(context.Background(), delta{field: "content", text: "a !rej"}.event(t)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Event(context.Background(), delta{field: "content", text: "ect! b"}.event(t)); code(err) != "rejected_by_filter unwanted" {
		t.Errorf("got %v", err)
	}
}

func TestRefusesStreams(t *testing.T) {
	s := hostile(t)
	s.Whole = WholeRefuse
	h := load(t, s)
	x := exchangeOf(t, "red", []byte(`{"model":"m","stream":true,"messages":[{"role":"user","content":"hi"}]}`))
	if got := code(begin(t, x, h).Request(context.Background())); got != "invalid_request" {
		t.Errorf("got %q", got)
	}
}

func TestRestore(t *testing.T) {
	w := load(t, words(t))
	_, p, err := pass(t, "ana@x.org bob@x.org", w)
	if err != nil {
		t.Fatal(err)
	}
	f := func(text, want string) {
		t.Helper()
		a, err := openai.Chat.Answer(answer(text))
		if err != nil {
			t.Fatal(err)
		}
		p.RestoreAnswer(a, nil)
		if got := string(a.Pieces[0].Node.Bytes()); got != want {
			t.Errorf("whole %q: got %q, want %q", text, got, want)
		}
		for cut := range len(text) {
			got := streamed(t, p.RestoreStream(nil), []delta{{field: "content", text: text[:cut]}, {field: "content", text: text[cut:]}, {finish: true}})
			if got["0/content"] != want {
				t.Fatalf("%q cut at %d: got %q, want %q", text, cut, got["0/content"], want)
			}
		}
	}
	f("to [EMAIL_1] and [EMAIL_2].", "to ana@x.org and bob@x.org.")
	f("no [EMAIL_3] or [EMAIL_1", "no [EMAIL_3] or [EMAIL_1")
	f("[link](https://x.org/[EMAIL_1])", "[link](https://x.org/[EMAIL_1])")
}

// In arguments of tool calls values are put back for the tools that are named, and no others.
func TestRestoreTools(t *testing.T) {
	w := load(t, words(t))
	_, p, err := pass(t, "ana@x.org", w)
	if err != nil {
		t.Fatal(err)
	}
	f := func(tools []string, want string) {
		t.Helper()
		s, got := p.RestoreStream(tools), map[string]string{}
		for _, data := range []string{
			`{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"t","type":"function","function":{"name":"send","arguments":""}}]},"finish_reason":null}]}`,
			`{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"to\":\"[EMA"}}]},"finish_reason":null}]}`,
			`{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"IL_1]\"}"}}]},"finish_reason":null}]}`,
			`{"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}`, `[DONE]`,
		} {
			evs, err := s.Event(context.Background(), event(t, data))
			if err != nil {
				t.Fatal(err)
			}
			texts(got, evs)
		}
		if got["0/tool_calls.0.arguments"] != want {
			t.Errorf("%v: got %q, want %q", tools, got, want)
		}
	}
	f(nil, `{"to":"[EMAIL_1]"}`)
	f([]string{"other"}, `{"to":"[EMAIL_1]"}`)
	f([]string{"send"}, `{"to":"ana@x.org"}`)
}

// The parts of a content are one text on streams, too: for filters, and for restore, where a URL may begin in one part
// and a token stand in the next.
func TestStreamParts(t *testing.T) {
	w := load(t, words(t))
	_, p, err := pass(t, "ana@x.org", w)
	if err != nil {
		t.Fatal(err)
	}
	f := func(st *Stream, want string, contents ...string) {
		t.Helper()
		got := ""
		var err error
		for _, c := range append(contents, "") {
			data := `{"choices":[{"index":0,"delta":{"content":` + c + `}}]}`
			if c == "" {
				data = "[DONE]"
			}
			var evs []*wire.Event
			if evs, err = st.Event(context.Background(), event(t, data)); err != nil {
				got = code(err)
				break
			}
			for _, ev := range evs {
				for i := range ev.Pieces {
					got += string(ev.Pieces[i].Node.Bytes())
				}
			}
		}
		if got != want {
			t.Errorf("%q: got %q, want %q", contents, got, want)
		}
	}
	part := func(i int, text string) string {
		if i < 0 {
			return `[{"type":"text","text":"` + text + `"}]`
		}
		return fmt.Sprintf(`[{"index":%d,"type":"text","text":%q}]`, i, text)
	}
	f(p.Stream(), "to *** now", part(0, "to bob@"), part(1, "x.org now"))
	f(p.Stream(), "to *** now", part(-1, "to bob@"), part(-1, "x.org now"))
	f(p.Stream(), "to *** now", `[{"type":"text","text":"to "},{"type":"text","text":"bob@"}]`, part(-1, "x.org now"))
	f(p.Stream(), "to *** now", `"to bob@"`, part(0, "x.org now"))
	f(p.Stream(), "to *** now", part(2, "to bob@"), `"x.org now"`)
	f(p.Stream(), "upstream_error", part(1, "bob@"), part(0, "x.org"))
	r := p.RestoreStream
	f(r(nil), "upstream_error", part(1, "https://x.org/"), part(0, "[EMAIL_1]"))
	f(r(nil), "https://x.org/[EMAIL_1] ana@x.org", part(0, "https://x.org/"), part(1, "[EMAIL_1] [EMA"), part(2, "IL_1]"))
	f(r(nil), "https://x.org/[EMAIL_1]", `"https://"`, part(-1, "x.org"), part(-1, "/[EMAIL_1]"))
}

// In a whole answer as on a stream.
func TestRestoreParts(t *testing.T) {
	w := load(t, words(t))
	_, p, err := pass(t, "ana@x.org", w)
	if err != nil {
		t.Fatal(err)
	}
	a, err := openai.Chat.Answer([]byte(`{"choices":[{"index":0,"message":{"content":[{"type":"text","text":"https://x.org/"},{"type":"text","text":"[EMAIL_1] [EMA"},{"type":"text","text":"IL_1] [EMAIL_1"}]}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	p.RestoreAnswer(a, nil)
	if got := string(a.Pieces[0].Node.Bytes()) + string(a.Pieces[1].Node.Bytes()) + string(a.Pieces[2].Node.Bytes()); got != "https://x.org/[EMAIL_1] ana@x.org [EMAIL_1" {
		t.Errorf("got %q", got)
	}
}
