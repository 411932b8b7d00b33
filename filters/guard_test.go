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
	if raceDetector {
		t.Skip("under the race detector")
	}
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

func TestGuardVectors(t *testing.T) { selfTest(t, "guard") }

// TestGuardWindows shows texts longer than a window, findings across its end among them.
func TestGuardWindows(t *testing.T) {
	h := newGuard(t, `{"lists": [{"name": "x", "action": "redact", "phrases": ["falcon project"]}]}`)
	for _, before := range []int{65536 - 20, 65536 - 3, 65536, 65536 + 30, 2*65536 - 5} {
		text := strings.Repeat("plain text, ", 12000)[:before] + " falcon 1 project" + strings.Repeat(" and more", 9000)
		o, _ := look(h, text, userText)
		if o.Labels["x"] != 1 || !strings.Contains(o.Text, " <guard_x:falcon 1 project> and") {
			t.Errorf("behind %d bytes: %v", before, o.Labels)
		}
	}
}

// TestGuardBound: whatever the text, what is held back has a bound.
func TestGuardBound(t *testing.T) {
	h := newGuard(t, guardConfig)
	f := func(unit string, want int) {
		t.Helper()
		text := strings.Repeat(unit, 60000/len(unit))
		if _, held := look(h, text, userText, len(text)); held > want {
			t.Errorf("%q...: %d bytes held back, want at most %d", unit, held, want)
		}
	}
	f("plain text, ", 64)
	f("x", 64)
	f("how to ", 320)
	f("build x ", 330)
	f("how a a a ", 330)
	f("build\n\n\n\n\n\n\n\n", 330)
	f("a ", 200)
	f("a.", 200)
	f("ab-", 200)
	f("\u200b", 64)
	f("a\u200b\u200b\u200b\u200b", 700)
	f("<", 64)
	f("<|im_start|", 80)
	f("用", 64)
	f("é ", 200)
	f("'", 64)
	f("red ", 330)
	f("a"+strings.Repeat("'", 50000), 64)
	f("a"+strings.Repeat("!", 50000), 64)
	f("how"+strings.Repeat("\u200b'", 10000), 330)
	f("how"+strings.Repeat("\u200b@", 10000), 330)
}

// TestGuardSays: what is wrong with a configuration is said with its place, and what to do.
func TestGuardSays(t *testing.T) {
	f := func(config, want string) {
		t.Helper()
		h := newHost(t, builtin(t, "guard"))
		code := h.call("on_config", config)
		switch {
		case want == "" && code != 0:
			t.Errorf("%.200s: %d %q", config, code, h.logs)
		case want != "" && (code == 0 || len(h.logs) != 1 || !strings.Contains(h.logs[0], want)):
			t.Errorf("%.200s: %d %q, want %q", config, code, h.logs, want)
		}
	}
	list := func(rest string) string {
		return `{"lists": [{"name": "ok", "phrases": ["red"]}, {"name": "mine"` + rest + `}]}`
	}
	many := func(n int, s string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "%s"+s, strings.Repeat(",", min(i, 1)), i)
		}
		return b.String()
	}
	f(`{}`, "")
	f(` { "builtin" : [ ] } `, "")
	f(`{"builtin": ["injection", "weapons"], "reject_at": 100}`, "")
	f(list(`, "phrases": ["red *"]`), "a * stands alone")
	f(`{"lists": [{"phrases": ["alpha b|c def*"], "name": "x", "action": "reject"}, {"name": "leak", "action": "reject"}], "except": ["red|blue cow"]}`, "")
	f(``, "object is expected")
	f(`[]`, "object is expected")
	f(`{} x`, "follows")
	f(`{"list": []}`, "unknown key: builtin, lists, except and reject_at are known")
	f(`{"reject_at": 0}`, "reject_at: a whole number from 1 to 100")
	f(`{"reject_at": 101}`, "reject_at: a whole number")
	f(`{"reject_at": 9.5}`, "reject_at: a whole number")
	f(`{"reject_at": "9"}`, "reject_at: a whole number")
	f(`{"reject_at": 99999999999999999999}`, "reject_at: a whole number")
	f(`{"builtin": ["harm", "injections"]}`, "builtin entry 2: injection, harm, or the name")
	f(`{"builtin": "harm"}`, "builtin: an array is expected")
	f(`{"lists": [{"phrases": ["a"]}]}`, "lists entry 1: it has no name")
	f(`{"lists": [{"name": "Bad"}]}`, `lists entry 1 ("Bad"): name: 1 to 26`)
	f(`{"lists": [{"name": "`+strings.Repeat("a", 27)+`"}]}`, "name: 1 to 26")
	f(`{"lists": [{"name": "score", "phrases": ["x1"]}]}`, "score is the label of the score")
	f(list(``), `lists entry 2 ("mine"): it has neither phrases nor patterns`)
	f(list(`, "phrase": []`), "unknown key: name, action")
	f(list(`, "phrases": ["red"], "action": "block"`), "action: label, reject or redact")
	f(list(`, "phrases": ["red"], "on": ["answer"]`), "on: a list of request and response")
	f(list(`, "phrases": ["red"], "on": []`), "on: a list of")
	f(list(`, "phrases": ["red"], "roles": ["admin"]`), "roles: a list of user")
	f(list(`, "phrases": ["red"], "order": 1`), "string is expected")
	f(list(`, "phrases": ["red"], "order": "random"`), "order: any or same")
	f(list(`, "phrases": ["red"], "weight": 101`), "weight: a whole number from 0 to 100")
	f(list(`, "phrases": ["red"], "gap": 9`), "gap: a whole number from 0 to 8")
	f(list(`, "phrases": ["red"], "code": "A B"`), "code: 1 to 64")
	f(list(`, "phrases": ["red"], "message": "`+strings.Repeat("m", 201)+`"`), "message: at most 200")
	f(list(`, "phrases": "red"`), `lists entry 2 ("mine"): phrases: an array is expected`)
	f(list(`, "phrases": ["red", "how to", "of the"]`), `lists entry 2 ("mine"): phrases entry 3: it has only filler words`)
	f(list(`, "phrases": ["`+strings.Repeat("xy", 16)+`"]`), "phrases entry 1: a word is longer than 31")
	f(list(`, "phrases": ["`+strings.Repeat("x y ", 70)+`"]`), "phrases entry 1: a string is too long")
	f(list(`, "phrases": ["b1 b2 b3 b4 b5 b6 b7 b8 b9 c1 c2 c3 c4"]`), "more than 12 words")
	f(list(`, "phrases": ["`+strings.TrimSuffix(strings.Repeat("x|xy|", 9), "|")+`"]`), "more than 16 alternatives")
	f(list(`, "phrases": ["red ex*"]`), "fewer than 3 letters stand before *")
	f(list(`, "phrases": [`+many(1100, `"q%dq"`)+`]`), "more than 1024 phrases")
	f(list(`, "phrases": [`+many(300, `"red q%dq"`)+`]`), "is in 256 phrases already")
	f(list(`, "patterns": ["ab*"]`), `patterns entry 1: pattern: no repetition`)
	f(list(`, "patterns": ["a"]`), "fewer than 2 characters")
	f(list(`, "patterns": ["`+strings.Repeat("a", 64)+`"]`), "more than 63 characters")
	f(list(`, "patterns": ["a[b"]`), "[ is not closed")
	f(list(`, "patterns": ["a[z-b]"]`), "runs backwards")
	f(list(`, "patterns": ["a\\b"]`), "an escape is unknown")
	f(list(`, "patterns": ["a用"]`), "put them into a phrase")
	f(list(`, "patterns": ["a\u200b"]`), "invisible character")
	f(list(`, "patterns": [`+many(40, `"`+strings.Repeat("a", 50)+`%d"`)+`]`), "more than 1024 characters in all patterns")
	f(list(`, "patterns": ["ab"], "action": "redact"`), "patterns can't be redacted")
	f(`{"lists": [{"name": "hidden", "action": "redact"}]}`, "hidden can't be redacted")
	f(`{"lists": [{"name": "markup", "action": "redact"}]}`, "patterns can't be redacted")
	f(`{"lists": [{"name": "a", "phrases": ["x1"]}, {"name": "a", "phrases": ["x2"]}]}`, `lists entry 2 ("a"): the name is used twice`)
	f(`{"lists": [`+many(8, `{"name": "a%d", "phrases": ["x1"]}`)+`]}`, "more than 7 lists of your own")
	f(`{"except": ["red"]}`, "except entry 1: two words are expected")
	f(`{"except": [`+many(200, `"q%dq red"`)+`]}`, "more than 192 exceptions")
}
