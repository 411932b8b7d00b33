package filter

import (
	"context"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/sluicegate/sluice/runtime/wire"
)

// FuzzSplit shows that a text in pieces comes out as the whole text does, whatever the text and the pieces.
func FuzzSplit(f *testing.F) {
	for _, text := range splitTexts {
		f.Add(text, []byte{3, 1, 7})
	}
	f.Add("ana@x.org<<", []byte{0, 255})
	w := load(f, words(f))
	ctx := context.Background()
	f.Fuzz(func(t *testing.T, text string, cuts []byte) {
		if !utf8.ValidString(text) || strings.Contains(text, "!reject!") || len(text) > windowSize {
			t.Skip()
		}
		p := begin(t, ask(t, "red", "hi"), w)
		defer p.Close()
		r := &p.runs[0]
		r.bytes[OnAnswer] = len(text)
		h, err := r.hold(ctx)
		if err != nil {
			t.Fatal(err)
		}
		whole := newProgress(OnAnswer, wire.RoleAssistant, false, false)
		edits, _, err := h.whole(ctx, &whole, []byte(text), nil)
		h.release()
		if err != nil {
			t.Fatal(err)
		}
		want := string(applyEdits([]byte(text), edits))
		fd, rest := feed{r: r, t: newProgress(OnAnswer, wire.RoleAssistant, false, true)}, []byte(text)
		var got []byte
		for _, cut := range cuts {
			n := min(int(cut), len(rest))
			for !boundary(rest, n) {
				n++
			}
			if got, err = fd.push(ctx, got, rest[:n], false); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		if got, err = fd.push(ctx, got, rest, true); err != nil || string(got) != want || fd.held() != 0 {
			t.Errorf("%q in pieces %v: got %q, want %q; %d bytes held, %v", text, cuts, got, want, fd.held(), err)
		}
	})
}

func TestWindows(t *testing.T) {
	f := func(text string, pos, wantFrom, wantEnd int) {
		t.Helper()
		if from, end := leftFrom([]byte(text), pos), windowEnd([]byte(text), pos); from != wantFrom || end != wantEnd {
			t.Errorf("%d bytes at %d: got %d to %d, want %d to %d", len(text), pos, from, end, wantFrom, wantEnd)
		}
	}
	f("", 0, 0, 0)
	f("abc", 2, 0, 3)
	f(strings.Repeat("a", 200), 100, 36, 200)
	f(strings.Repeat("ü", 100), 102, 38, 200)
	f("a"+strings.Repeat("ü", 100), 103, 39, 201)
	f(strings.Repeat("€", 30), 66, 3, 90)
	f(strings.Repeat("a", 2*windowSize), 10, 0, windowSize+10)
	f("a"+strings.Repeat("ü", windowSize), 0, 0, windowSize-1)
}
