package filter

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sluicegate/sluice/filters"
	"github.com/sluicegate/sluice/runtime/wire"
)

// What metering costs, and what a call of a filter costs. On a quiet machine:
//
//	go test ./runtime/filter -run '^$' -bench 'FuelCost|Call'

// nativeWords is what the guest words does, in Go: the same loop over a whole text, with the spans in a slice.
func nativeWords(text []byte, spans [][2]int) [][2]int {
	word := func(c byte) bool {
		return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '@' || c == '.' || c == '-' || c == '!'
	}
	open := -1
	for i := 0; i < len(text); {
		switch {
		case open >= 0:
			if text[i] == '>' && i+1 < len(text) && text[i+1] == '>' {
				spans = append(spans, [2]int{open, i + 2})
				open, i = -1, i+2
				continue
			}
			i++
		case text[i] == '<' && i+1 < len(text) && text[i+1] == '<':
			open, i = i, i+2
		case word(text[i]):
			from, at, digits := i, 0, 0
			for ; i < len(text) && word(text[i]); i++ {
				if text[i] == '@' {
					at++
				}
				if text[i] >= '0' && text[i] <= '9' {
					digits++
				}
			}
			if at == 1 && text[from] != '@' && text[i-1] != '@' || digits == 4 && i-from == 4 && from >= 4 && string(text[from-4:from]) == "pin " {
				spans = append(spans, [2]int{from, i})
			}
		default:
			i++
		}
	}
	if open >= 0 {
		spans = append(spans, [2]int{open, len(text)})
	}
	return spans
}

// nativeWords finds what the guest finds: the comparison is fair.
func TestNativeWords(t *testing.T) {
	w := load(t, words(t))
	for _, text := range []string{prose, secrets, "mail ana@x.org and pin 1234", "a <<b>> c <<d", "@ a@ <1>"} {
		p := begin(t, ask(t, "red", text), w)
		h, err := p.runs[0].hold(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		progress := newProgress(OnRequest, wire.RoleUser, false, false)
		edits, _, err := h.whole(context.Background(), &progress, []byte(text), nil)
		h.release()
		spans := nativeWords([]byte(text), nil)
		if err != nil || len(spans) != len(edits) {
			t.Fatalf("%q: %d spans, the guest has %d, %v", text, len(spans), len(edits), err)
		}
		for i, e := range edits {
			if spans[i] != [2]int{e.Start, e.End} {
				t.Errorf("%q: span %v, the guest's %d to %d", text, spans[i], e.Start, e.End)
			}
		}
	}
}

// BenchmarkFuelCost compares guests as they are, metered, with the runtime's own guard (WithCloseOnContextDone), and
// in Go, side by side: they take turns, and of each the fastest turn counts, so that a busy machine does them no
// injustice. The text is handed over anew in each call. cost-% is what metering adds to the guest as it is.
func BenchmarkFuelCost(b *testing.B) {
	guests := map[string][]byte{"words": guest(b, "words")}
	for _, name := range filters.Builtins() {
		guests[name], _ = filters.Builtin(name)
	}
	for name, code := range guests {
		for _, size := range []int{1 << 10, 16 << 10} {
			text := strings.Repeat(prose, size/len(prose))
			way := map[string]func(){}
			for _, m := range []mode{asItIs, metered, guarded} {
				g := m.run(b, code, 0)
				if g.noting = false; g.fn == nil {
					continue
				}
				way[string(m)] = func() {
					if err := g.text(text, flagEnd); err != nil {
						b.Fatal(err)
					}
				}
			}
			if name == "words" {
				var spans [][2]int
				body := []byte(text)
				way["native"] = func() { spans = nativeWords(body, spans[:0]) }
			}
			if len(way) > 0 {
				b.Run(fmt.Sprintf("%s/%dK", name, size>>10), func(b *testing.B) { takeTurns(b, way) })
			}
		}
	}
}

// takeTurns runs each way for a while, one after the other, and reports the fastest turn of each.
func takeTurns(b *testing.B, way map[string]func()) {
	best := turns(b, way)
	for name, took := range best {
		b.ReportMetric(float64(took.Nanoseconds()), name+"-ns")
	}
	b.ReportMetric(100*(float64(best[string(metered)])/float64(best[string(asItIs)])-1), "cost-%")
}

// BenchmarkCall is what the shipped redactor costs in a call as the engine makes it, fuel and copies included: the
// instance is at hand (call), or put back after each exchange (exchange).
func BenchmarkCall(b *testing.B) {
	f := redactor(b)
	ctx := context.Background()
	for _, size := range []int{1 << 10, 16 << 10} {
		text := []byte(strings.Repeat(prose, size/len(prose)))
		p := begin(b, ask(b, "red", "hi"), f)
		r := &p.runs[0]
		do := func(b *testing.B) {
			h, err := r.hold(ctx)
			if err != nil {
				b.Fatal(err)
			}
			t := newProgress(OnRequest, wire.RoleUser, false, false)
			if _, err := h.text(ctx, &t, text, 0, true); err != nil {
				b.Fatal(err)
			}
			h.release()
			p.spent, r.spent = [2]time.Duration{}, [2]time.Duration{}
		}
		b.Run(fmt.Sprintf("call/%dK", size>>10), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				do(b)
			}
		})
		b.Run(fmt.Sprintf("exchange/%dK", size>>10), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				do(b)
				p.Close()
			}
		})
	}
}
