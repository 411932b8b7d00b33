package filter

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/sluicegate/sluice/runtime/exchange"
	"github.com/sluicegate/sluice/runtime/wire"
	"github.com/sluicegate/sluice/runtime/wire/inference"
	"github.com/sluicegate/sluice/runtime/wire/openai"
)

// thorough tells whether to try all splits, which takes minutes: SLUICE_SPLITS=all, as .ci/run sets it.
var thorough = os.Getenv("SLUICE_SPLITS") == "all"

// way is an answer's way through the gateway: the filters of answers, what is stored, and restore of the caller's own
// values, as pipeline takes it.
type way struct {
	t     testing.TB
	chain *Chain
	body  []byte   // of the request
	tools []string // in whose arguments values are restored
	check func(filter, restore *Stream)
}

// theWay is the way through the shipped redactor and the test's own filter, of a caller who sent eleven addresses, a card
// and two literals.
func theWay(t testing.TB) *way {
	var prompt strings.Builder
	for i := range 11 {
		fmt.Fprintf(&prompt, "a%d@example.com ", i+1)
	}
	prompt.WriteString("4111 1111 1111 1111 [EMAIL_1] [X_2]")
	w := words(t)
	w.Actions.Answer["pin"] = Mask
	return &way{
		t: t, chain: NewChain(redactor(t), load(t, w)), tools: []string{"send"},
		body: fmt.Appendf(nil, `{"model":"m","messages":[{"role":"user","content":%q}]}`, prompt.String()),
	}
}

// result is what a caller reads, by lane, and what was redacted on the way.
type result struct {
	texts  map[string]string
	output string // on /inference
	counts map[string]int
	fault  string
}

func (w *way) begin() *Pass {
	w.t.Helper()
	x := exchangeOf(w.t, "red", w.body)
	p, err := w.chain.Begin(x, nil)
	if err == nil {
		err = p.Request(context.Background())
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}

// whole takes a whole answer.
func (w *way) whole(f wire.Format, body []byte) result {
	w.t.Helper()
	p := w.begin()
	defer p.Close()
	read := func(b []byte) *wire.Answer {
		a, err := f.Answer(b)
		if err != nil {
			w.t.Fatalf("%s: %v", b, err)
		}
		return a
	}
	a := read(body)
	if err := p.Answer(context.Background(), a); err != nil {
		return result{fault: code(err)}
	}
	a = read(a.Doc.Append(nil))
	p.RestoreAnswer(a, w.tools)
	out := result{texts: map[string]string{}, counts: p.Redactions(OnAnswer)}
	out.output = outputs(string(inference.Surface().Answer(nil, &exchange.Exchange{Request: &wire.Request{Model: "m"}}, a)))
	a = read(a.Doc.Append(nil))
	for i := range a.Pieces {
		out.add(&a.Pieces[i])
	}
	return out
}

func (r *result) add(pc *wire.Piece) {
	if text := pc.Node.Bytes(); len(text) > 0 && !pc.Name {
		r.texts[fmt.Sprintf("%d/%s", pc.Lane.Choice, pc.Lane.Field)] += string(text)
	}
}

// outputs is what {"output": ...} says, whole or in events.
func outputs(s string) string {
	var all strings.Builder
	for line := range strings.Lines(s) {
		var v struct{ Output string }
		if json.Unmarshal([]byte(strings.TrimPrefix(line, "data: ")), &v) == nil {
			all.WriteString(v.Output)
		}
	}
	return all.String()
}

// stream takes the events of a stream.
func (w *way) stream(f wire.Format, datas [][]byte) result {
	w.t.Helper()
	ctx := context.Background()
	p := w.begin()
	defer p.Close()
	out := result{texts: map[string]string{}}
	first, last := p.Stream(), p.RestoreStream(w.tools)
	var plain []byte
	read := func(data []byte) *wire.Event {
		ev, err := f.Event(data)
		if err != nil {
			w.t.Fatalf("%s: %v", data, err)
		}
		return ev
	}
	reach := func(evs []*wire.Event) {
		for _, ev := range evs {
			if ev.Done {
				continue
			}
			plain = inference.Surface().Event(plain, nil, ev)
			again := read(ev.Doc.Append(nil))
			for i := range again.Pieces {
				out.add(&again.Pieces[i])
			}
		}
	}
	pass := func(evs []*wire.Event, err error) error {
		for _, ev := range evs {
			if err == nil && !ev.Done {
				evs, err = last.Event(ctx, read(ev.Doc.Append(nil)))
				reach(evs)
			}
		}
		return err
	}
	var err error
	for _, data := range datas {
		ev := read(data)
		if err = pass(first.Event(ctx, ev)); err != nil {
			break
		}
		if ev.Plain() && ev.Bare && !first.Keeps() { // as the pipeline does
			first.Reuse(ev)
		}
		if w.check != nil {
			w.check(first, last)
		}
	}
	if err == nil {
		err = pass(first.End(ctx))
	}
	if err == nil {
		var evs []*wire.Event
		evs, err = last.End(ctx)
		reach(evs)
	}
	out.fault, out.counts, out.output = code(err), p.Redactions(OnAnswer), outputs(string(plain))
	return out
}

// equal holds a streamed answer against the whole one.
func (w *way) equal(f wire.Format, voices []voice, want result, datas [][]byte) {
	w.t.Helper()
	got := w.stream(f, datas)
	if got.fault != want.fault {
		w.t.Fatalf("%+v\nstreamed %q, whole %q", voices, got.fault, want.fault)
	}
	if want.fault != "" {
		return
	}
	if !maps.Equal(got.texts, want.texts) || !maps.Equal(got.counts, want.counts) || got.output != want.output {
		w.t.Fatalf("%+v\nevents   %s\nstreamed %q %v %q\nwhole    %q %v %q", voices, datas, got.texts, got.counts, got.output, want.texts, want.counts, want.output)
	}
}

// Of one text, however it is cut in two or three over events, and wherever the connection cuts the events' own bytes, a
// caller reads what it would read of the whole.
func TestPropertySplits(t *testing.T) {
	w := theWay(t)
	r := rand.New(rand.NewPCG(1, 2))
	f := func(format wire.Format, v voice) {
		t.Helper()
		if len(v.text) > 200 {
			t.Fatalf("%d bytes", len(v.text))
		}
		voices := []voice{v}
		want := w.whole(format, whole(t, r, format, voices))
		for i := 0; i < len(v.text); i += stride() {
			datas := events(t, r, format, voices, [][]int{snap(v.text, i)})
			w.equal(format, voices, want, framed(t, r, datas, i*13))
		}
		for range doubles(len(v.text)) {
			i := r.IntN(len(v.text))
			w.equal(format, voices, want, events(t, r, format, voices, [][]int{snap(v.text, i, i+r.IntN(len(v.text)-i))}))
		}
		for i := 0; thorough && i < len(v.text); i++ {
			for j := i; j < len(v.text); j++ {
				w.equal(format, voices, want, events(t, r, format, voices, [][]int{snap(v.text, i, j)}))
			}
		}
	}
	f(openai.Chat, voice{field: "content", text: "to [EMAIL_1] or [EMAIL_10], bob@corp.example; card 5500 0000 0000 0004 [CARD_1]. https://x.example/?q=[EMAIL_2] [EMAIL_"})
	f(openai.Chat, voice{field: "content", text: "ü😀[EMAIL_1]\u200bbo\u200bb@corp.example ![x](/[EMAIL_1]) <a href=\"[EMAIL_2]\">[EMAIL_3]</a> 203.0.113.7 pin 1234 <<a [EMAIL_1]>>"})
	f(openai.Chat, voice{field: "call", tool: "send", text: `{"to":"[EMAIL_1]","c\u0063":["bo\u0062@corp.exa\u006dple",5500000000000004],"u":"https:\/\/x.example\/[EMAIL_1]","n":"[EMAIL_11]"}`})
	f(openai.Chat, voice{field: "call", tool: "post", text: `{"to":"[EMAIL_1]","e":"😀 \ud83d\ude00 b\"ob@corp.example"}`})
	f(openai.Chat, voice{field: "refusal", text: "[LITERAL_1] is not [EMAIL_1], [LITERAL_2]; -----BEGIN PRIVATE KEY-----\nMIIEowIB\n-----END PRIVATE KEY----- after"})
	f(openai.Completions, voice{field: "text", text: "www.x.example/[EMAIL_1] [x]: [EMAIL_1]\n\n[EMAIL_1][EMAIL_10] IBAN DE89 3704 0044 0532 0130 00, SSN 536-90-4399"})
}

// doubles is how many of the splits in three are tried at random.
func doubles(n int) int {
	if thorough {
		return 0
	}
	return some(n)
}

// The same for random texts in several choices, fields and tools at once.
func TestPropertyRandomSplits(t *testing.T) {
	n := some(250)
	if thorough {
		n = 10_000
	}
	w := theWay(t)
	w.check = heldIsBounded(t)
	masked, restored := 0, 0
	for seed := range n {
		r := rand.New(rand.NewPCG(uint64(seed), 7))
		format, voices := openai.Chat, []voice{{field: "content", text: babble(r, 1+r.IntN(24))}}
		if r.IntN(5) == 0 {
			format = openai.Completions
			voices = []voice{{field: "text", text: babble(r, 12)}, {choice: 2, field: "text", text: babble(r, 12)}}
		}
		for _, v := range []voice{
			{field: "reasoning_content", text: babble(r, 8)},
			{field: "call", tool: []string{"send", "post"}[r.IntN(2)], text: arguments(r, 3)},
			{field: "custom", tool: "send", text: babble(r, 6)},
			{field: "old", tool: "send", text: arguments(r, 2)},
			{choice: 1, field: "content", text: babble(r, 8)},
			{choice: 1, field: "refusal", text: babble(r, 8)},
		} {
			if format == openai.Chat && r.IntN(3) == 0 {
				if v.field == "custom" && voices[len(voices)-1].field == "call" {
					v.index = 1
				}
				voices = append(voices, v)
			}
		}
		var cuts [][]int
		most := 1 + r.IntN(24)
		for i := range voices {
			cuts = append(cuts, scatter(r, voices[i].text, most))
		}
		want := w.whole(format, whole(t, r, format, voices))
		w.equal(format, voices, want, framed(t, r, events(t, r, format, voices, cuts), -1))
		all := fmt.Sprint(want.texts)
		masked += len(want.counts)
		restored += strings.Count(all, "a1@example.com") + strings.Count(all, "a10@") + strings.Count(all, "a11@")
	}
	if masked < n/2 || restored < n/2 {
		t.Errorf("of %d texts %d kinds were masked and %d values restored: they put nothing to the test", n, masked, restored)
	}
}

// mostHeld is what the shipped redactor may hold back of one text beside open spans: what its README promises for texts
// padded with escapes. Of others it is 320.
const mostHeld = 2 << 10

// heldIsBounded sees to it that no lane holds back more than it may, and that a stream knows what its lanes hold.
func heldIsBounded(t testing.TB) func(filter, restore *Stream) {
	return func(filter, restore *Stream) {
		t.Helper()
		for _, s := range []*Stream{filter, restore} {
			sum := 0
			for _, l := range s.lanes {
				if l.way == nil {
					continue
				}
				sum += l.way.held()
				if f := feedsOf(l.way); len(f) > 0 && len(f[0].buf)-f[0].left > mostHeld {
					t.Fatalf("a lane holds back %d bytes", f[0].held())
				}
				if r, ok := l.way.(restoring); ok && r.held() > 48 {
					t.Fatalf("restore holds back %d bytes", r.held())
				}
			}
			if sum != s.held || s.held > s.limit.Held {
				t.Fatalf("a stream says that it holds back %d bytes; its lanes hold %d", s.held, sum)
			}
		}
	}
}
