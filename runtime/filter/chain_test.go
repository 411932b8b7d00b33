package filter

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sluicegate/sluice/runtime/wire"
	"github.com/sluicegate/sluice/runtime/wire/openai"
)

// asking is a guest that puts the value of a fact in front of each text.
func asking(fact string) *asm {
	a := new(asm).imp("sluice", "get", "iiii:i").imp("sluice", "replace", "iiii:i")
	a.memory().fn("sluice_abi_v1", ":i", i32(3)...).fn("alloc", "i:i", address(65_536)...)
	var body []byte
	for i, c := range []byte(fact) {
		body = slices.Concat(body, i32(byte(i)), address(int(c)), []byte{0x3a, 0, 0}) // i32.store8
	}
	at := []byte{0x20, 2, 0x41, 16, 0x76, 0x41, 0xff, 1, 0x71} // flags >> 16 & 255: behind the left context
	body = slices.Concat(
		body, at, at, address(1024), i32(0), address(len(fact)), address(1024), address(256), []byte{0x10, 0, 0x21, 4}, // get
		[]byte{0x20, 4, 0x41, 0, 0x20, 4, 0x41, 0, 0x4a, 0x1b}, // its length, 0 where it is absent: select
		[]byte{0x10, 1, 0x1a, 0x20, 1, 0xad},                   // replace
	)
	a.locals = map[string][]byte{"on_text": {1, 1, 0x7f}}
	return a.fn("on_text", "iiiI:I", body...)
}

// A filter reads the facts that it is granted, and those alone.
func TestGrants(t *testing.T) {
	e := engine(t, Options{})
	f := func(fact, want string, grants ...string) {
		t.Helper()
		w := loadWith(t, e, Spec{Name: "asking", Module: asking(fact).bytes(), Request: true, Grants: grants})
		p := begin(t, ask(t, "red", "."), w)
		if err := p.Request(context.Background()); code(err) != "" {
			if want != "" || code(err) != "filter_failed" {
				t.Errorf("%s: %v", fact, err)
			}
			return
		}
		if got := sent(t, p.x.Request); got != want {
			t.Errorf("%s: got %q, want %q", fact, got, want)
		}
	}
	f("principal.tenant", "red.", "principal.tenant")
	f("principal.roles", "developer,reader.", "principal.tenant", "principal.roles")
	f("operation", "chat_completions.", "operation")
	f("model", "m.", "model")
	f("stream", "false.", "stream")
	f("message.role", "user.", "message.role")
}

// A pass of all filters has its key and its record at hand. They are what is worked out otherwise.
func TestCacheKeyAtHand(t *testing.T) {
	e := engine(t, Options{})
	s := words(t)
	a := loadWith(t, e, s)
	s.Name, s.Optional = "second", true
	b := loadWith(t, e, s)
	c := NewChain(a, b)
	pass := func(only []string, text string) *Pass {
		t.Helper()
		p, err := c.Begin(ask(t, "red", text), only)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.Close)
		if err := p.Request(context.Background()); err != nil {
			t.Fatal(err)
		}
		return p
	}
	all, named, one := pass(nil, "x"), pass([]string{"second", "words"}, "x"), pass([]string{"words"}, "x")
	if all.CacheKey() != all.digest() || all.CacheKey() != named.CacheKey() || len(all.CacheKey()) != 64 {
		t.Errorf("keys %s, %s, %s", all.CacheKey(), all.digest(), named.CacheKey())
	}
	if one.CacheKey() == all.CacheKey() || len(one.x.Filters) != 1 || one.x.Filters[0].Name != "words" {
		t.Errorf("a pass of one filter has the key of all, or the record %v", one.x.Filters)
	}
	if len(all.x.Filters) != 2 || all.x.Filters[1].Digest != b.Digest() {
		t.Errorf("recorded %v", all.x.Filters)
	}
	down := pass(nil, "x")
	down.runs[1].down = true
	if down.CacheKey() == all.CacheKey() {
		t.Error("a pass with a filter that failed open has the key of one where none did")
	}
	if got := NewChain().key; got != "" {
		t.Errorf("the key of no filters is %q", got)
	}
}

// What a request pays beside its filters' work.
func TestPassAllocations(t *testing.T) {
	w := load(t, words(t))
	c, x := NewChain(w), ask(t, "red", "nothing to see")
	got := testing.AllocsPerRun(100, func() {
		x.Filters = nil
		p, err := c.Begin(x, nil)
		if err != nil || p.Request(context.Background()) != nil || p.CacheKey() == "" {
			t.Error("the pass failed")
		}
		p.Close()
	})
	if got > 1 {
		t.Errorf("%v allocations for a text without findings, want 1", got)
	}
}

// What findings become counts against the output of the filter, on requests, answers and streams.
func TestOutputLimit(t *testing.T) {
	e := engine(t, Options{})
	s := words(t)
	s.Limits.Output = 60 // six tokens of ten bytes
	w := loadWith(t, e, s)
	f := func(n int, want string) {
		t.Helper()
		text := strings.Repeat("a@b.c ", n)
		_, p, err := pass(t, text, w)
		if got := code(err); got != want {
			t.Errorf("a request of %d findings: got %v, want %q", n, err, want)
		}
		p.Close()
		p = begin(t, ask(t, "red", "hi"), w)
		a, err := openai.Chat.Answer(answer(strings.Repeat(text, 3)))
		if err != nil {
			t.Fatal(err)
		}
		if got := code(p.Answer(context.Background(), a)); got != want {
			t.Errorf("an answer of %d findings: got %q, want %q", 3*n, got, want)
		}
	}
	f(5, "")
	f(7, "filter_failed")
}

// The actions of answers, whole and streamed: reports leave the text alone, a block ends it before the finding leaves.
func TestAnswerActions(t *testing.T) {
	e := engine(t, Options{})
	s := words(t)
	s.Actions = Actions{DefaultAnswer: Mask, Answer: map[string]Action{"email": Report, "pin": HMAC, "block": Block}}
	w := loadWith(t, e, s)
	p := begin(t, ask(t, "red", "hi"), w)
	got := streamed(t, p.Stream(), []delta{{field: "content", text: "ana@x."}, {field: "content", text: "org pin 12"}, {field: "content", text: "34", finish: true}})["0/content"]
	if !strings.HasPrefix(got, "ana@x.org pin [PIN:") || p.Reports(OnAnswer)["email"] != 1 || p.Redactions(OnAnswer)["pin"] != 1 {
		t.Errorf("got %q, reports %v, redactions %v", got, p.Reports(OnAnswer), p.Redactions(OnAnswer))
	}
	if want := wholeAnswer(t, "ana@x.org pin 1234", w); got != want {
		t.Errorf("streamed %q, whole %q", got, want)
	}
	q := begin(t, ask(t, "red", "hi"), w)
	st, left := q.Stream(), map[string]string{}
	var err error
	for _, text := range []string{"so <<my se", "cret", ">> end"} {
		var evs []*wire.Event
		if evs, err = st.Event(context.Background(), delta{field: "content", text: text}.event(t)); err != nil {
			break
		}
		texts(left, evs)
	}
	if code(err) != "rejected_by_filter contains_block" || left["0/content"] != "so " {
		t.Errorf("what left: %q, %v", left["0/content"], err)
	}
}

// Filters of a chain see what those before them made of the text, whole and streamed.
func TestChainOrder(t *testing.T) {
	e := engine(t, Options{})
	first := loadWith(t, e, Spec{Name: "asking", Module: asking("principal.tenant").bytes(), Request: true, Answer: true, Grants: []string{"principal.tenant"}})
	w := loadWith(t, e, words(t))
	f := func(want string, filters ...*Filter) {
		t.Helper()
		x := ask(t, "ana", "@x.org")
		p := begin(t, x, filters...)
		if err := p.Request(context.Background()); err != nil {
			t.Fatal(err)
		}
		if got := sent(t, x.Request); got != want {
			t.Errorf("%s: got %q, want %q", fmt.Sprint(NewChain(filters...).Names()), got, want)
		}
	}
	f("[EMAIL_1]", first, w)
	f("ana@x.org", w, first)
}
