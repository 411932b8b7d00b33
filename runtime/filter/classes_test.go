package filter

import (
	"context"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/sluicegate/sluice/runtime/wire"
)

// inPieces takes a text through one filter in pieces that end at the cuts, and returns what came out after each.
func inPieces(t testing.TB, f *Filter, arguments bool, text string, cuts []int) (after []string, p *Pass) {
	t.Helper()
	p = begin(t, ask(t, "red", "hi"), f)
	fd := feed{r: &p.runs[0], t: newProgress(OnAnswer, wire.RoleAssistant, arguments, true)}
	var got []byte
	from := 0
	for i := range len(cuts) + 1 {
		to, last := len(text), i == len(cuts)
		if !last {
			to = cuts[i]
		}
		var err error
		if got, err = fd.push(context.Background(), got, []byte(text[from:to]), last); err != nil {
			t.Fatal(err)
		}
		after, from = append(after, string(got)), to
	}
	p.Close()
	return after, p
}

// With the guest's table of byte classes and without it, the same text leaves after each piece, with the same findings.
func TestClassesChangeNothing(t *testing.T) {
	e := engine(t, Options{})
	with, without := loadWith(t, e, words(t)), loadWith(t, e, words(t))
	without.inert = nil
	parts := []string{
		" ", "  ", ", ", "\n\n", "ü", "… ", "> ", ">>", "<", "<<", " pin ", "1234", "ana@x.org", "@", "word", "~", "%", "(", ") ", "🙂",
		strings.Repeat(" - ", 40), strings.Repeat("ü", 70), `{"a":`, `"b\n",`, " 12", "\"", "}",
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for range some(3000) {
		var b strings.Builder
		if rng.IntN(3) == 0 {
			b.WriteString(`{"k": "`)
		}
		for range 1 + rng.IntN(20) {
			b.WriteString(parts[rng.IntN(len(parts))])
		}
		text := b.String()
		var cuts []int
		for i := range text {
			if i > 0 && rng.IntN(4) == 0 {
				cuts = append(cuts, i)
			}
		}
		arguments := rng.IntN(2) == 0
		want, p := inPieces(t, without, arguments, text, cuts)
		got, q := inPieces(t, with, arguments, text, cuts)
		for i := range want {
			if got[i] != want[i] {
				t.Fatalf("%q cut at %v: after piece %d came %q, without classes %q", text, cuts, i, got[i], want[i])
			}
		}
		for kind, n := range p.Redactions(OnAnswer) {
			if q.Redactions(OnAnswer)[kind] != n {
				t.Fatalf("%q: findings %v, without classes %v", text, q.Redactions(OnAnswer), p.Redactions(OnAnswer))
			}
		}
	}
	if with.Stats().Skipped == 0 || without.Stats().Skipped != 0 || with.Stats().Calls >= without.Stats().Calls {
		t.Errorf("with classes %+v, without %+v", with.Stats(), without.Stats())
	}
}

// Inert text passes without a call only where nothing is held back, no span is open and the continuation is 0.
func TestClassesWhere(t *testing.T) {
	w := load(t, words(t))
	f := func(skipped int64, pieces ...string) {
		t.Helper()
		var cuts []int
		text := strings.Join(pieces, "")
		for at, i := 0, 0; i < len(pieces)-1; i++ {
			at += len(pieces[i])
			cuts = append(cuts, at)
		}
		before := w.Stats().Skipped
		inPieces(t, w, false, text, cuts)
		if got := w.Stats().Skipped - before; got != skipped {
			t.Errorf("%q: %d bytes passed without a call, want %d", pieces, got, skipped)
		}
	}
	f(0, "  ")            // the end is always told
	f(2, "  ", "")        //
	f(4, "  ", "ü", "x")  //
	f(0, "word", " ", "") // the word is held back
	f(1, "word", " ", ",", "")
	f(0, "<<", " ", ", ", ">>") // a span is open
	f(1, "<<x>>", " ", "")
	f(0, " %", "")
}

// A call for text behind skipped text has its left context.
func TestClassesLeaveContext(t *testing.T) {
	w := load(t, words(t))
	after, p := inPieces(t, w, false, strings.Repeat("ü", 100)+" pin 1234 ", []int{200, 204, 205, 209})
	if got := after[len(after)-1]; strings.Contains(got, "1234") || p.Redactions(OnAnswer)["pin"] != 1 || w.Stats().Skipped != 200 {
		t.Errorf("got %q, %v, %d bytes skipped", got, p.Redactions(OnAnswer), w.Stats().Skipped)
	}
}

// A table that lies outside the memory is refused at load, and so is one whose function does not return.
func TestClassesRefused(t *testing.T) {
	e := engine(t, Options{})
	f := func(want string, body ...byte) {
		t.Helper()
		_, err := e.Load(context.Background(), Spec{Name: "x", Module: minimal().fn("byte_classes", ":i", body...).bytes(), Request: true})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	f("byte_classes returns the address 4294967295: there are no 256 bytes at it, the memory has 196608", 0x41, 0x7f)
	f("byte_classes returns the address 196353", 0x41, 0x81, 0xfe, 0x0b)
	f("byte_classes: start: it trapped", 0x00)
	last := loadWith(t, e, Spec{Name: "x", Module: minimal().fn("byte_classes", ":i", 0x41, 0x80, 0xfe, 0x0b).bytes(), Request: true})
	if last.inert == nil || *last.inert != (classes{}) {
		t.Errorf("the memory's last 256 bytes: %v", last.inert)
	}
	if load(t, Spec{Name: "x", Module: minimal().bytes(), Request: true}).inert != nil {
		t.Error("a module without a table has one")
	}
	_, err := e.Load(context.Background(), Spec{Name: "x", Module: minimal().fn("byte_classes", "i:i", i32(0)...).bytes(), Request: true})
	if err == nil || !strings.Contains(err.Error(), "the export byte_classes is (i32) -> (i32), want () -> (i32)") {
		t.Errorf("a wrong signature: %v", err)
	}
}

// BenchmarkDelta is what a streamed delta costs: one that the guest must see, and one that its classes let pass.
func BenchmarkDelta(b *testing.B) {
	w := load(b, words(b))
	for name, piece := range map[string]string{"called": "word ", "inert": " … — "} {
		b.Run(name, func(b *testing.B) {
			p := begin(b, ask(b, "red", "hi"), w)
			fd := feed{r: &p.runs[0], t: newProgress(OnAnswer, wire.RoleAssistant, false, true)}
			text, dst := []byte(piece), []byte(nil)
			b.ReportAllocs()
			for b.Loop() {
				var err error
				if dst, err = fd.push(context.Background(), dst[:0], text, false); err != nil {
					b.Fatal(err)
				}
				p.spent, p.runs[0].spent = [2]time.Duration{}, [2]time.Duration{}
			}
		})
	}
}
