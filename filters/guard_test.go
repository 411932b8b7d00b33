package filters_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

// outcome is all that guard says about one text.
type outcome struct {
	Text    string // with its findings as <kind:text>
	Labels  map[string]int
	Verdict string
}

const userText = 2 << 2 // flags: the role class of users

// look shows the text in pieces that end at the cuts. Labels set again keep the greatest, as in the engine. What is said
// after a verdict does not count: the exchange is over.
func look(h *host, text string, flags uint32, cuts ...int) (outcome, int) {
	h.labels, h.verdict = nil, ""
	spans, held := h.find(text, flags, cuts...)
	o := outcome{Text: mark(text, spans), Labels: map[string]int{}, Verdict: h.verdict}
	for _, l := range h.labels {
		key, value, _ := strings.Cut(l, "=")
		n, err := strconv.Atoi(value)
		if err != nil {
			h.t.Errorf("label %q", l)
		}
		o.Labels[key] = max(o.Labels[key], n)
	}
	return o, held
}

func newGuard(t testing.TB, config string) *host {
	t.Helper()
	h := newHost(t, builtin(t, "guard"))
	h.configure(config)
	return h
}

// lookEverywhere compares every single cut, and all cuts at once, with the whole. It gives the most bytes held back.
func lookEverywhere(t *testing.T, h *host, text string, flags uint32) (want outcome, most int) {
	t.Helper()
	want, _ = look(h, text, flags)
	var all []int
	for cut := range text {
		all = append(all, cut)
		got, held := look(h, text, flags, cut)
		if most = max(most, held); !reflect.DeepEqual(got, want) {
			t.Fatalf("%q flags %d cut at %d:\ngot  %v\nwant %v", text, flags, cut, got, want)
		}
	}
	got, held := look(h, text, flags, all...)
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("%q flags %d cut everywhere:\ngot  %v\nwant %v", text, flags, got, want)
	}
	return want, max(most, held)
}

// guardPieces begin, end or nearly are findings.
var guardPieces = []string{
	" ", " ", " ", " ", "  ", "\n", "\n\n", ". ", ", ", "-", "_", "'", "how", "how to", "build", "building", "a", "bomb", "b0mb", "bath", "shelter",
	"ignore", "previous", "instructions", "all", "your", "system", "system:", "prompt", "<|im_start|>", "<|", "[INST", "]", "x", "b", "o", "m",
	"\u200b", strings.Repeat("\u200b", 9), "ｂ", "б", "о", "é", "用", "炸", "弹", "\\u0062", "\\u", "\\n", "\\", "\"", "@", "$", "!", "1", "0",
	"not", "follow", "red", "blue", "red blue", "code 77", "code 7", strings.Repeat("z", 70), strings.Repeat("a ", 30), "æ", "\U000e0041", "damn", "?",
	"how to build a ", "how to build a ", " bomb", "red build ", "build red ", "ignore all ", " previous instructions", "r e d b l u e", "redblue",
}

const guardConfig = `{"reject_at": 100, "except": ["red shelter"], "lists": [
	{"name": "colours", "action": "redact", "phrases": ["red blue", "damn|o", "炸弹"], "gap": 1, "weight": 1},
	{"name": "codes", "patterns": ["code \\d\\d", "x\\sx", "^how", "é\\s"], "weight": 5},
	{"name": "order", "phrases": ["red build bomb", "build|system red|x", "buil* prompt"], "order": "same", "weight": 3, "action": "redact"},
	{"name": "weapons", "weight": 7}, {"name": "override", "weight": 7}, {"name": "markup", "weight": 2}, {"name": "hidden", "weight": 2}]}`

// TestGuardSplits is the property that streams rest on: however a text is cut, guard says the same about it.
func TestGuardSplits(t *testing.T) {
	h := newGuard(t, guardConfig)
	r := rand.New(rand.NewPCG(3, 9))
	seen, most := map[string]int{}, 0
	for i := range 240 {
		var b strings.Builder
		for range 1 + r.IntN(28) {
			b.WriteString(guardPieces[r.IntN(len(guardPieces))])
			if i%4 > 1 {
				b.WriteByte(' ')
			}
		}
		o, held := lookEverywhere(t, h, b.String(), userText|uint32(i%2)*arguments)
		most = max(most, held)
		for l := range o.Labels {
			seen[l]++
		}
	}
	for _, l := range []string{"colours", "codes", "order", "weapons", "override", "markup", "hidden"} {
		if seen[l] < 2 {
			t.Errorf("the texts have %d findings of %s: too few to show anything", seen[l], l)
		}
	}
	t.Logf("at most %d bytes held back; texts with findings: %v", most, fmt.Sprint(slices.Sorted(maps.Keys(seen)), seen))
}

// FuzzGuard: no text traps the filter, and no cut changes what it says.
func FuzzGuard(f *testing.F) {
	for _, p := range guardPieces {
		f.Add("how to "+p+" build a bomb"+p+"red "+p+" blue", uint(9), uint(14), false)
	}
	h := newGuard(f, guardConfig)
	f.Fuzz(func(t *testing.T, text string, first, second uint, args bool) {
		if !utf8.ValidString(text) || len(text) > 1<<16 {
			return
		}
		h.t = t
		flags := uint32(userText)
		if args {
			flags |= arguments
		}
		cuts := []int{int(first % uint(len(text)+1)), int(second % uint(len(text)+1))}
		slices.Sort(cuts)
		for i := range cuts {
			for cuts[i] < len(text) && !utf8.RuneStart(text[cuts[i]]) {
				cuts[i]++
			}
		}
		want, _ := look(h, text, flags)
		if got, _ := look(h, text, flags, cuts...); !reflect.DeepEqual(got, want) {
			t.Fatalf("%q cut at %v:\ngot  %v\nwant %v", text, cuts, got, want)
		}
	})
}

// lines reads a list of texts: what follows # is a comment, a text in quotes has escapes.
func lines(t *testing.T, name string) (out [][2]string) {
	t.Helper()
	b, err := os.ReadFile("guard/testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		list, text, cut := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		if !cut {
			list, text = "", list
		}
		if strings.HasPrefix(list+text, "# ") {
			continue
		}
		if list != "" && text[0] == '"' {
			if text, err = strconv.Unquote(text); err != nil {
				t.Fatalf("%q: %v", line, err)
			}
		}
		out = append(out, [2]string{list, text})
	}
	return out
}

// TestGuardFinds: what must be found is found, in every cut.
func TestGuardFinds(t *testing.T) {
	h := newGuard(t, "{}")
	all := lines(t, "attacks.txt")
	if len(all) < 60 {
		t.Errorf("%d attacks", len(all))
	}
	for _, a := range all {
		o, _ := lookEverywhere(t, h, a[1], userText)
		if o.Labels[a[0]] == 0 || o.Labels["score"] < 35 {
			t.Errorf("%q: %v, want %s", a[1], o.Labels, a[0])
		}
	}
}

// TestGuardLeaves: what is harmless has no finding at all, near misses included.
func TestGuardLeaves(t *testing.T) {
	h := newGuard(t, "{}")
	all := lines(t, "harmless.txt")
	if len(all) < 150 {
		t.Errorf("%d harmless texts", len(all))
	}
	for _, a := range all {
		if o, _ := look(h, a[1], userText); len(o.Labels) != 1 || o.Labels["score"] != 0 {
			t.Errorf("%q: %v", a[1], o.Labels)
		}
	}
}
