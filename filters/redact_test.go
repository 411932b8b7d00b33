package filters_test

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

// vector is one of redact/redact.vectors.json: a text, and the same text with its findings as <kind:text>.
type vector struct {
	Name      string          `json:"name"`
	Config    json.RawMessage `json:"config"`
	Arguments bool            `json:"arguments"`
	Text      string          `json:"text"`
	Want      string          `json:"want"`
}

func vectors(t testing.TB) []vector {
	t.Helper()
	b, err := os.ReadFile("redact/redact.vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []vector
	if err := json.Unmarshal(b, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

// TestRedactVectors runs every vector whole, at every split, and character by character.
func TestRedactVectors(t *testing.T) {
	if raceDetector {
		t.Skip("under the race detector")
	}
	plain := newHost(t, builtin(t, "redact"))
	for _, v := range vectors(t) {
		t.Run(v.Name, func(t *testing.T) {
			h := plain
			if v.Config != nil {
				h = newHost(t, builtin(t, "redact"))
				h.configure(string(v.Config))
			}
			var flags uint32
			if v.Arguments {
				flags = arguments
			}
			want, _ := h.find(v.Text, flags)
			if got := mark(v.Text, want); got != v.Want {
				t.Fatalf("got  %s\nwant %s", got, v.Want)
			}
			checkSplits(t, h, v.Text, flags, want)
		})
	}
}

// checkSplits compares every single split of the text, and all of them at once, with the whole. It gives the most bytes held.
func checkSplits(t *testing.T, h *host, text string, flags uint32, want []span) (most int) {
	t.Helper()
	var all []int
	for cut := range text {
		all = append(all, cut)
		got, held := h.find(text, flags, cut)
		most = max(most, held)
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("text %q flags %d cut %d:\ngot  %s\nwant %s", text, flags, cut, mark(text, got), mark(text, want))
		}
	}
	got, held := h.find(text, flags, all...)
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("text %q flags %d, cut everywhere:\ngot  %s\nwant %s", text, flags, mark(text, got), mark(text, want))
	}
	return max(most, held)
}

// pieces begin, end or nearly are findings.
var pieces = []string{
	" ", " ", "a", "b@c.de", "@", ".", "-", "4111", " 1111", "4111111111111111", "123-45-6789", "+1 212 555 0147", "(", ")",
	"10.0.0.1", "::1", "fe80:", "DE89", " 3704 0044 0532 0130 00", "password", "=", ": ", "\"", "Xy7", "kQ29dkLmW02xPq7", "sk-",
	"abcDEF1234567890abcDEF", "ghp_", "-----BEGIN", " PRIVATE KEY-----", "-----END PRIVATE KEY-----", "\n", "eyJhbGciOiJub25lIn0",
	".eyJ", "%40", "%", "\\u0040", "\\u", "\\", "\\n", "\u200b", "\uff14", "é", "用", "。", "x", "tel ", "0", "20 7946 0958", "com", "/",
	"zzzzzzzzzzzzzzzz", "Bearer ", "00", "AKIAIOSFODNN7EXAMPLE", "token", strings.Repeat("Ab0", 40), strings.Repeat("q", 50), "\x00", "😀",
	"YW5hQGV4YW1wbGUuY29t", "d3JpdGUgdG8gYW5hQGV4YW1wbGUuY29tIG5vdw==", "AAAA", "/", "AB 12 34 56 C", "bsn ", "111222333", "131052-308T",
	"00:1b:44:11:3a:b7", "756.9217.0769.85", "bic ", "DEUTDEFF", "0xde0B295669a9FD93d5F28D9Ec85E40f4cb697BAe", "RSSMRA85T10A562S", strings.Repeat("Zm9v", 30),
}

func sprinkle(r *rand.Rand, n int) string {
	var b strings.Builder
	for range n {
		b.WriteString(pieces[r.IntN(len(pieces))])
	}
	return b.String()
}

// TestRedactSplits is the property that streams rest on: however a text is cut, the findings are the whole text's.
func TestRedactSplits(t *testing.T) {
	if raceDetector {
		t.Skip("under the race detector")
	}
	configs := []string{"{}", `{"hold": 96, "kinds": ["default", "lei"]}`, `{"words": [{"kind": "word", "words": ["4111", "x用"]}], "patterns": [{"kind": "pat", "pattern": "(b@c|[a-z]{2,50}0|é+)\\b"}]}`}
	most := 0
	for seed, config := range configs {
		h := newHost(t, builtin(t, "redact"))
		h.configure(config)
		r := rand.New(rand.NewPCG(uint64(seed), 7))
		for i := range 100 {
			text, flags := sprinkle(r, 1+r.IntN(24)), uint32(i%2)*arguments
			want, _ := h.find(text, flags)
			most = max(most, checkSplits(t, h, text, flags, want))
		}
	}
	if most > 330 {
		t.Errorf("%d bytes were held back", most)
	}
}

// TestRedactCalm: what is passed over as calm, by itself or before an escape has the text normalised, changes no finding and
// not how much is held back. Where words are configured all of a text is looked at.
func TestRedactCalm(t *testing.T) {
	h, all := newHost(t, builtin(t, "redact")), newHost(t, builtin(t, "redact"))
	all.configure(`{"words": [{"kind": "word", "words": ["\u0001\u0001"]}]}`)
	r := rand.New(rand.NewPCG(3, 7))
	words := strings.Fields("the I of error: Bearer token= DNI AB ID U.S.A. well-known a:b fe80:: ab:cd face:b00c eyes skill bc1 bc1pfeessrawgf (1 +( -- 1. responsibilities getElementById 'r x1y2 http://a-b.c/d")
	for range 3000 {
		var b strings.Builder
		for range 1 + r.IntN(20) {
			if r.IntN(4) == 0 {
				b.WriteString(pieces[r.IntN(len(pieces))])
			} else {
				b.WriteString(words[r.IntN(len(words))])
			}
			b.WriteString([]string{" ", ", ", "", "\n", ":"}[r.IntN(5)])
		}
		text := b.String()
		var cuts []int
		for cut := range text {
			if cut > 0 && r.IntN(6) == 0 {
				cuts = append(cuts, cut)
			}
		}
		want, most := all.find(text, 0, cuts...)
		if got, held := h.find(text, 0, cuts...); !reflect.DeepEqual(got, want) || held != most {
			t.Fatalf("text %q cuts %d:\ngot  %s, %d held\nwant %s, %d held", text, cuts, mark(text, got), held, mark(text, want), most)
		}
	}
}

// TestRedactStateEnds: what was folded is remembered while it is in the left context, and no longer: byte classes count again.
func TestRedactStateEnds(t *testing.T) {
	h := newHost(t, builtin(t, "redact"))
	text := "so — " + strings.Repeat("plain words, ", 12)
	settled, state := 0, []bool{}
	for _, cut := range []int{10, 40, 65, 80, 120, 130} {
		settled = h.window(text, settled, cut, 0, false)
		state = append(state, h.state != 0)
	}
	if want := []bool{true, true, true, false, false, false}; !reflect.DeepEqual(state, want) {
		t.Errorf("a state stays after each window: %v, want %v", state, want)
	}
}

// TestRedactWindows shows texts longer than a window, findings across its end among them.
func TestRedactWindows(t *testing.T) {
	h := newHost(t, builtin(t, "redact"))
	for _, v := range []string{"ana@example.com", "4111 1111 1111 1111", "\u200bａｎａ@example.com", "-----BEGIN PRIVATE KEY-----\n" + strings.Repeat(strings.Repeat("Ab0/", 16)+"\n", 40) + "-----END PRIVATE KEY-----"} {
		for _, before := range []int{65536 - 20, 65536 - 3, 65536, 65536 + 30} {
			text := strings.Repeat("plain text, ", 6000)[:before] + " " + v + strings.Repeat(" and more", 9000)
			got, _ := h.find(text, 0)
			at := before + 1
			if len(got) != 1 || text[got[0].Start:got[0].End] != v && got[0].Start != at+len("\u200b") {
				t.Errorf("%.20q behind %d bytes: %d findings", v, before, len(got))
			}
		}
	}
}

// TestRedactBound: text without an end of word, and characters that are left out, are held back within a bound.
func TestRedactBound(t *testing.T) {
	h := newHost(t, builtin(t, "redact"))
	f := func(text string, want int) {
		t.Helper()
		if _, held := h.find(text, 0, len(text)); held > want {
			t.Errorf("%.20q...: %d bytes held back, want at most %d", text, held, want)
		}
	}
	f(strings.Repeat("a", 60000), 330)
	f(strings.Repeat("用", 20000), 64)
	f(strings.Repeat("a@", 30000), 330)
	f("a@"+strings.Repeat("b.", 30000), 330)
	f("sk-ant-"+strings.Repeat("aB3_", 15000), 0)
	f("-----BEGIN PRIVATE KEY-----"+strings.Repeat("aB3/", 15000), 0)
	f("eyJ"+strings.Repeat("aB3_", 15000), 330)
	f("password="+strings.Repeat("aB3!", 15000), 64)
	f(strings.Repeat("4\u200b\u200b\u200b\u200b", 4000), 330)
	f("4111"+strings.Repeat("\u200b", 20000), 0)
}

func TestRedactConfig(t *testing.T) {
	f := func(config, want string) {
		t.Helper()
		h := newHost(t, builtin(t, "redact"))
		code := h.call("on_config", config)
		switch {
		case want == "" && code != 0:
			t.Errorf("%s: %d %q", config, code, h.logs)
		case want != "" && (code == 0 || len(h.logs) != 1 || !strings.Contains(h.logs[0], want)):
			t.Errorf("%s: %d %q, want %q", config, code, h.logs, want)
		}
	}
	f(`{}`, "")
	f(` { "kinds" : [ ] } `, "")
	f(`{"kinds": ["email", "private_key"]}`, "")
	f(`{"words": [{"words": ["ab"], "kind": "w", "case": true}, {"kind": "w", "words": ["cd", "ef"]}]}`, "")
	f(`{"patterns": [{"pattern": "(?i)\\b(a|b[^c-d\\]]){2,}x?\\d+\\b", "kind": "p_1"}]}`, "")
	f(``, "object is expected")
	f(`[]`, "object is expected")
	f(`{} x`, "follows")
	f(`{"kinds": ["email",]}`, "comma")
	f(`{"kinds": ["emial"]}`, "kinds: unknown")
	f(`{"kinds": ["default", "lei"], "hold": 96}`, "")
	f(`{"hold": 2048}`, "")
	f(`{"hold": 95}`, "from 96 to 2048")
	f(`{"hold": 2049}`, "from 96 to 2048")
	f(`{"hold": 1e2}`, "from 96 to 2048")
	f(`{"hold": 99999999999}`, "from 96 to 2048")
	f(`{"hold": "320"}`, "value is expected")
	f(`{"kind": []}`, "unknown key")
	f(`{"words": [{"words": ["ab"]}]}`, "no kind")
	f(`{"words": [{"kind": "Bad", "words": ["ab"]}]}`, "lower-case")
	f(`{"words": [{"kind": "email", "words": ["ab"]}]}`, "built-in")
	f(`{"words": [{"kind": "w", "words": ["a"]}]}`, "2 to 64")
	f(`{"words": [{"kind": "w", "case": 1, "words": ["ab"]}]}`, "true or false")
	f(`{"words": [{"kind": "w", "word": ["ab"]}]}`, "unknown key")
	f(`{"patterns": [{"kind": "p"}]}`, "empty or missing")
	f(`{"patterns": [{"kind": "p", "pattern": "\ud800"}]}`, "surrogate")
	for pattern, want := range map[string]string{
		"a*": "empty text", "(a|)": "empty text", "^a": "^ and $", "a$": "^ and $", "(?=a)": "only (?: )", "(?P<n>a)": "only (?: )",
		`(a)\\1`: "escape", `a\\bc`: "escape", "[a": "not closed", "(a": "not closed", "a)": "not opened", "[z-a]": "backwards", "a{2": "{m}",
		"a{3,2}": "{m}", "a**": "repetition", "*a": "nothing to repeat", "a{64}": "63 positions", "((((((((((a))))))))))": "too deep", "[é]": "ASCII",
		"a{0}b": "repeats nothing", `a|b\\b`: "in a group",
	} {
		f(`{"patterns": [{"kind": "p", "pattern": "`+pattern+`"}]}`, want)
	}
}

// FuzzRedact: no text traps the filter, however it is cut the findings are the same, and they never overlap (host.add). The
// cuts are as many as the seed says, where it says.
func FuzzRedact(f *testing.F) {
	for i, p := range pieces {
		f.Add(p+"x"+p, uint64(i), i%2 == 0)
	}
	for _, v := range vectors(f) {
		f.Add(v.Text, uint64(len(v.Text)), v.Arguments)
	}
	plain, short := newHost(f, builtin(f, "redact")), newHost(f, builtin(f, "redact"))
	short.configure(`{"hold": 96, "kinds": ["default", "lei", "au_abn", "br_cnpj"], "words": [{"kind": "w", "words": ["blue heron"]}]}`)
	f.Fuzz(func(t *testing.T, text string, seed uint64, args bool) {
		if !utf8.ValidString(text) || len(text) > 1<<16 {
			return
		}
		var flags uint32
		if args {
			flags = arguments
		}
		r := rand.New(rand.NewPCG(seed, 1))
		var cuts []int
		for one, cut := 1+r.IntN(1+len(text)), 0; cut < len(text); cut += 1 + r.IntN(one) {
			for cut < len(text) && !utf8.RuneStart(text[cut]) {
				cut++
			}
			cuts = append(cuts, cut)
		}
		for _, h := range []*host{plain, short} {
			h.t = t
			want, _ := h.find(text, flags)
			if got, _ := h.find(text, flags, cuts...); !reflect.DeepEqual(got, want) {
				t.Fatalf("%q cut at %d: got %s, want %s", text, cuts, mark(text, got), mark(text, want))
			}
		}
	})
}
