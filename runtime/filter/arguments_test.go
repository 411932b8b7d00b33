package filter

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/sluicegate/sluice/runtime/strictjson"
	"github.com/sluicegate/sluice/runtime/wire"
	"github.com/sluicegate/sluice/runtime/wire/openai"
)

// toolAnswer is an answer that calls a tool.
func toolAnswer(arguments string) []byte {
	b := []byte(`{"choices":[{"index":0,"message":{"role":"assistant","tool_calls":[{"id":"t","type":"function","function":{"name":"send","arguments":`)
	return append(strictjson.AppendString(b, arguments), `}}]},"finish_reason":"tool_calls"}]}`...)
}

// argumentsOf is the text of an answer's tool call.
func argumentsOf(t testing.TB, a *wire.Answer) string {
	t.Helper()
	for i := range a.Pieces {
		if a.Pieces[i].Lane.Arguments {
			return string(a.Pieces[i].Node.Bytes())
		}
	}
	t.Fatal("no arguments in the answer")
	return ""
}

// Edits in the arguments of tool calls leave JSON, whole and streamed alike, whatever the filter's spans cut.
func TestArguments(t *testing.T) {
	e := engine(t, Options{})
	s := words(t)
	masked := loadWith(t, e, s)
	s.Actions.DefaultAnswer = HMAC
	keyed := loadWith(t, e, s)
	f := func(filter *Filter, arguments, want string) {
		t.Helper()
		p := begin(t, ask(t, "red", "hi"), filter)
		a, err := openai.Chat.Answer(toolAnswer(arguments))
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Answer(context.Background(), a); err != nil {
			t.Fatal(err)
		}
		got := argumentsOf(t, a)
		if want != "" && got != want || json.Valid([]byte(arguments)) && !json.Valid([]byte(got)) {
			t.Errorf("%s: got %s, want %s", arguments, got, want)
		}
		for cut := range len(arguments) {
			ds := []delta{{field: "arguments", text: arguments[:cut]}, {field: "arguments", text: arguments[cut:]}, {finish: true}}
			if streamed := streamed(t, p.Stream(), ds)["0/tool_calls.0.arguments"]; streamed != got {
				t.Fatalf("%s cut at %d: got %s, whole %s", arguments, cut, streamed, got)
			}
		}
		p.Close()
	}
	f(masked, `{"to":"ana@x.org","n":1}`, `{"to":"***","n":1}`)
	f(masked, `{"to":"Hi\nana@x.org"}`, `{"to":"Hi\n***"}`)                     // the span takes in the n of the escape
	f(masked, `{"to":"\u00e9ana@x.org"}`, `{"to":"\u00e9***"}`)                 // and here its digits
	f(masked, `{"to":"<<a","cc":["b",12]}`, `{"to":"***","***":["***","***"]}`) // a span that never ends
	f(masked, `{"to":"<<a","n":12.5e3,"ok":true} `, `{"to":"***","***":"***","***":"***"} `)
	f(masked, `{"a":"x <<k","b":"y>> z"}`, `{"a":"x ***","***":"*** z"}`)
	f(masked, `{"a":"<<k","b":-15>>`, `{"a":"***","***":"***"`) // no JSON, and treated as if it were
	f(masked, `{"<<a":1}`, `{"***":"***"}`)
	f(masked, `{"a":"<<\\","b":"\""}`, `{"a":"***","***":"***"}`)
	f(masked, `["pin 1234"]`, "")
	f(keyed, `{"to":"ana@x.org","cc":"\u0061na@x.org"}`, "")
	f(masked, `print("ana@x.org") <<1, 2`, `print("***") ***`) // no object: edited as any text
	f(masked, "  \n{\"to\":\"ana@x.org\"}", "  \n{\"to\":\"***\"}")
}

// The shipped filter finds card numbers that are JSON numbers. What stands for them is a string.
func TestArgumentsNumbers(t *testing.T) {
	w := redactor(t)
	p := begin(t, ask(t, "red", "hi"), w)
	a, err := openai.Chat.Answer(toolAnswer(`{"card":4111111111111111,"to":"\"ana@example.com\"","n":7}`))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Answer(context.Background(), a); err != nil {
		t.Fatal(err)
	}
	if got, want := argumentsOf(t, a), `{"card":"***1111","to":"\"***\"","n":7}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// A request's arguments get the tokens of the prose around them, and restore puts values back as JSON has them.
func TestArgumentsOfRequests(t *testing.T) {
	s := words(t)
	w := load(t, s)
	x := exchangeOf(t, "red", []byte(`{"model":"m","messages":[{"role":"user","content":"<<say \"hi\">> to ana@x.org"},`+
		`{"role":"assistant","tool_calls":[{"id":"t","type":"function","function":{"name":"send","arguments":"{\"to\":\"ana@x.org\",\"text\":\"<<say \\\"hi\\\">>\"}"}}]}]}`))
	p := begin(t, x, w)
	if err := p.Request(context.Background()); err != nil {
		t.Fatal(err)
	}
	body := string(x.Request.Format.Render(nil, x.Request, wire.Rendering{Model: "m"}))
	for _, want := range []string{`"content":"[BLOCK_1] to [EMAIL_1]"`, `"arguments":"{\"to\":\"[EMAIL_1]\",\"text\":\"[BLOCK_1]\"}"`} {
		if !strings.Contains(body, want) {
			t.Errorf("%s has no %s", body, want)
		}
	}
	a, err := openai.Chat.Answer(toolAnswer(`{"text":"[BLOCK_1]","to":"[EMAIL_1]"}`))
	if err != nil {
		t.Fatal(err)
	}
	p.RestoreAnswer(a, []string{"send"})
	if got, want := argumentsOf(t, a), `{"text":"<<say \"hi\">>","to":"ana@x.org"}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// jsonOf makes a JSON object of random parts.
func jsonOf(r *rand.Rand, depth int) string {
	text := func() string {
		b, _ := json.Marshal([]string{"ana@x.org", "a\"b\\c", "line\nbreak\t", "ünïcödé", "\u0001", "", "😀 4111"}[r.IntN(7)])
		return strings.ReplaceAll(string(b), "ü", `\u00fc`)
	}
	switch n := r.IntN(9); {
	case n < 3 || depth > 2 && n > 5:
		return text()
	case n < 6:
		return []string{"0", "-12.5e+3", "4111111111111111", "0.25", "1E9"}[r.IntN(5)]
	case n < 8:
		return fmt.Sprintf("{%s: %s,%s:%s}", text(), jsonOf(r, depth+1), text(), jsonOf(r, depth+1))
	}
	return fmt.Sprintf("[%s , %s]", jsonOf(r, depth+1), jsonOf(r, depth+1))
}

// Whatever spans a filter finds in JSON, JSON is left, the same however the text comes in pieces.
func TestArgumentsAnySpans(t *testing.T) {
	p := begin(t, ask(t, "red", "hi"), load(t, words(t)))
	run := &p.runs[0]
	h, err := run.hold(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer h.release()
	email := run.f.kinds.find([]byte("email"))
	r := rand.New(rand.NewPCG(5, 6))
	// edited feeds a text in pieces that end at cuts, with one redaction of each span when its last byte is there.
	edited := func(text string, spans [][2]int, cuts []int) (got []byte) {
		fd := feed{r: run, t: newProgress(OnAnswer, wire.RoleAssistant, true, true)}
		from := 0
		for _, cut := range append(cuts, len(text)) {
			settled := cut
			h.in.call.ops = h.in.call.ops[:0]
			fd.buf, fd.left = []byte(text[from:cut]), 0
			for _, s := range spans {
				switch {
				case s[0] >= from && s[1] <= cut:
					h.in.call.ops = append(h.in.call.ops, op{what: opRedact, start: s[0] - from, end: s[1] - from, kind: email})
				case s[0] < cut && s[1] > cut:
					settled = s[0]
				}
			}
			if got, err = fd.apply(h, got, settled-from); err != nil {
				t.Fatal(err)
			}
			from = settled
		}
		return got
	}
	for range some(20_000) {
		text := "{\"k\":" + jsonOf(r, 0) + "}"
		if !json.Valid([]byte(text)) {
			t.Fatal(text)
		}
		var spans [][2]int
		for at := r.IntN(10); at < len(text)-1; at += r.IntN(12) {
			to := min(at+1+r.IntN(14), len(text))
			spans = append(spans, [2]int{at, to})
			at = to
		}
		want := edited(text, spans, nil)
		if !json.Valid(want) {
			t.Fatalf("%s with spans %v: %s is no JSON", text, spans, want)
		}
		var cuts []int
		for at := r.IntN(9); at < len(text); at += 1 + r.IntN(9) {
			cuts = append(cuts, at)
		}
		if got := edited(text, spans, cuts); string(got) != string(want) {
			t.Fatalf("%s with spans %v in pieces %v: got %s, want %s", text, spans, cuts, got, want)
		}
	}
}
