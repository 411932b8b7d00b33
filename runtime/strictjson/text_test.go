package strictjson

import (
	"strconv"
	"strings"
	"testing"
)

// edit is one Edit, short to write.
func edit(start, end int, with string) Edit { return Edit{start, end, []byte(with)} }

// textOf is the Text of all strings among the elements of the root array, or of the root.
func textOf(d *Doc) *Text {
	var parts []Node
	for e := range d.Root().Elements() {
		parts = append(parts, e)
	}
	if d.Root().Kind() == String {
		parts = append(parts, d.Root())
	}
	return d.Text(parts...)
}

func TestTextEdits(t *testing.T) {
	f := func(body string, edits []Edit, wantText, wantBody string) {
		t.Helper()
		d := mustParse(t, body)
		defer d.Release()
		text := textOf(d)
		if text.Edited() {
			t.Errorf("%s: edited at first", body)
		}
		if err := text.Edit(edits); err != nil {
			t.Errorf("%s: %v", body, err)
			return
		}
		if got := string(text.Bytes()); got != wantText || text.Len() != len(wantText) || text.Runes() != len([]rune(wantText)) {
			t.Errorf("%s: the text is %q (%d, %d), want %q", body, got, text.Len(), text.Runes(), wantText)
		}
		got := string(d.Render(nil))
		if got != wantBody {
			t.Errorf("%s leaves as %s, want %s", body, got, wantBody)
		}
		again := mustParse(t, got)
		defer again.Release()
		if got := string(textOf(again).Bytes()); got != wantText {
			t.Errorf("%s is read again as %q, want %q", body, got, wantText)
		}
	}
	f(`"hello world"`, nil, "hello world", `"hello world"`)
	f(`"hello world"`, []Edit{edit(0, 5, "bye")}, "bye world", `"bye world"`)
	f(`"hello world"`, []Edit{edit(6, 11, "")}, "hello ", `"hello "`)
	f(`"hello"`, []Edit{edit(0, 5, "")}, "", `""`)
	f(`""`, []Edit{edit(0, 0, "x")}, "x", `"x"`)
	f(`"abc"`, []Edit{edit(0, 0, "<"), edit(1, 1, "-"), edit(1, 2, "B"), edit(3, 3, ">")}, "<a-Bc>", `"<a-Bc>"`)
	f(`"abc"`, []Edit{edit(1, 2, "\"\\\n\x01é😀")}, "a\"\\\n\x01é😀c", `"a\"\\\n\u0001é😀c"`)
	// Escapes outside the edit keep their spelling; inside it they are one character each.
	f(`"\u0061\/\u00e9x\ud83d\ude00\n"`, []Edit{edit(4, 5, "Y")}, "a/éY😀\n", `"\u0061\/\u00e9Y\ud83d\ude00\n"`)
	f(`"\u0061\/\u00e9x\ud83d\ude00\n"`, []Edit{edit(0, 2, ""), edit(5, 9, "!")}, "éx!\n", `"\u00e9x!\n"`)
	f(`"\u0061\/\u00e9x\ud83d\ude00\n"`, []Edit{edit(1, 1, "+"), edit(9, 9, "+"), edit(10, 10, "+")}, "a+/éx😀+\n+", `"\u0061+\/\u00e9x\ud83d\ude00+\n+"`)
	// Several parts are one text; what spans them stays where it starts.
	f(`["4111 11", "11 1111 1111"]`, []Edit{edit(0, 19, "[CARD]")}, "[CARD]", `["[CARD]", ""]`)
	f(`["a4111 11", "11 1111 1111b"]`, []Edit{edit(1, 20, "[CARD]")}, "a[CARD]b", `["a[CARD]", "b"]`)
	f(`["a", "b", "c"]`, []Edit{edit(0, 3, "")}, "", `["", "", ""]`)
	f(`["ab", "", "c"]`, []Edit{edit(2, 3, "C")}, "abC", `["ab", "", "C"]`)
	f(`["ab", "cd"]`, []Edit{edit(2, 2, "+")}, "ab+cd", `["ab", "+cd"]`)
	f(`["ab", "\u0063d"]`, []Edit{edit(1, 2, "B"), edit(3, 4, "D")}, "aBcD", `["aB", "\u0063D"]`)
	f(`["\u0061b", 7, "c"]`, []Edit{edit(2, 3, "C")}, "abC", `["\u0061b", 7, "C"]`)
}

func TestTextEditsCompose(t *testing.T) {
	d := mustParse(t, `{"x":["my \u006dail a@b.c, card 4111", " 1111 and more"]}`)
	defer d.Release()
	var parts []Node
	for e := range d.Root().Get("x").Elements() {
		parts = append(parts, e)
	}
	text := d.Text(parts...)
	f := func(from, with, want string) {
		t.Helper()
		at := strings.Index(string(text.Bytes()), from)
		if err := text.Edit([]Edit{edit(at, at+len(from), with)}); err != nil {
			t.Fatal(err)
		}
		if got := string(text.Bytes()); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	f("a@b.c", "[EMAIL_1]", "my mail [EMAIL_1], card 4111 1111 and more")
	f("4111 1111", "[CARD_1]", "my mail [EMAIL_1], card [CARD_1] and more")
	f("IL_1], card [CA", "=", "my mail [EMA=RD_1] and more") // across what was put in
	f("my", "My", "My mail [EMA=RD_1] and more")
	f("", ">", ">My mail [EMA=RD_1] and more")
	f("[EMA=RD_1] and", "", ">My mail  more")
	if got, want := string(d.Render(nil)), `{"x":[">My \u006dail ", " more"]}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if string(d.Bytes()) != `{"x":["my \u006dail a@b.c, card 4111", " 1111 and more"]}` {
		t.Error("the body itself has changed")
	}
}

func TestTextRefusesBadEdits(t *testing.T) {
	f := func(want string, edits ...Edit) {
		t.Helper()
		d := mustParse(t, `"a\u00e9b 😀 secret"`)
		defer d.Release()
		text := textOf(d)
		err := text.Edit(edits)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%v: %v, want %q", edits, err, want)
		}
		if text.Edited() || string(d.Render(nil)) != string(d.Bytes()) {
			t.Errorf("%v: refused, and yet applied", edits)
		}
	}
	f("out of range", edit(-1, 0, ""))
	f("out of range", edit(0, 100, ""))
	f("out of range", edit(3, 1, ""))
	f("out of order", edit(4, 5, ""), edit(0, 1, ""))
	f("out of order", edit(0, 3, ""), edit(1, 4, ""))
	f("cuts a character", edit(2, 3, ""))
	f("cuts a character", edit(0, 2, ""))
	f("cuts a character", edit(7, 9, ""))
	f("not UTF-8", edit(0, 1, "\xff"))
	f("not UTF-8", edit(0, 1, "ok"), edit(1, 3, "\xc3"))
}

func TestTextOwnsItsStrings(t *testing.T) {
	d := mustParse(t, `["a","b"]`)
	defer d.Release()
	first, second := textOf(d), textOf(d)
	if err := first.Edit([]Edit{edit(0, 1, "A")}); err != nil {
		t.Fatal(err)
	}
	if err := second.Edit([]Edit{edit(1, 2, "B")}); err == nil {
		t.Error("a string is edited through two Texts")
	}
	if err := d.Text().Edit([]Edit{edit(0, 0, "x")}); err == nil {
		t.Error("a Text of nothing is edited")
	}
	if err := d.Text(d.Root(), Node{}).Edit([]Edit{edit(0, 0, "x")}); err == nil {
		t.Error("a Text of no strings is edited")
	}
	if got := string(d.Render(nil)); got != `["A","b"]` {
		t.Errorf("got %s", got)
	}
}

// TestTextCopiesNothingUnedited reads and checks that the text is the body's own memory.
func TestTextCopiesNothingUnedited(t *testing.T) {
	body := []byte(`"plain text"`)
	d, err := Parse(body, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Release()
	if got := textOf(d).Bytes(); &got[0] != &body[1] {
		t.Error("an unedited text was copied")
	}
}

func TestEditedKeys(t *testing.T) {
	f := func(body, want string, edits map[string]string) {
		t.Helper()
		d := mustParse(t, body)
		defer d.Release()
		for k := range d.Root().Members() {
			if with, ok := edits[k.Str()]; ok {
				text := d.Text(k)
				if err := text.Edit([]Edit{edit(0, text.Len(), with)}); err != nil {
					t.Fatal(err)
				}
			}
		}
		got := string(d.Render(nil))
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		mustParse(t, got).Release()
	}
	f(`{"a@b.c":1,"x":2}`, `{"[EMAIL]":1,"x":2}`, map[string]string{"a@b.c": "[EMAIL]"})
	f(`{"a":1,"b":2,"c":3}`, `{"[X]":1,"[X]_2":2,"[X]_3":3}`, map[string]string{"a": "[X]", "b": "[X]", "c": "[X]"})
	f(`{"a":1,"b":2}`, `{"b_2":1,"b":2}`, map[string]string{"a": "b"})
	f(`{"a":1,"b":2,"b_2":3}`, `{"b_3":1,"b":2,"b_2":3}`, map[string]string{"a": "b"})
	f(`{"a":1,"\u0062":2}`, `{"b_2":1,"\u0062":2}`, map[string]string{"a": "b"})
	f(`{"a":1,"b":{"c":2}}`, `{"c":1,"b":{"c":2}}`, map[string]string{"a": "c"})
}

func TestManyEqualEditedKeys(t *testing.T) {
	var b strings.Builder
	const n = 20_000
	for i := range n {
		b.WriteString(`,"` + strings.Repeat("k", i%7) + strconv.Itoa(i) + `":{"a":0}`)
	}
	d := mustParse(t, "{"+b.String()[1:]+"}")
	defer d.Release()
	for k := range d.Root().Members() {
		text := d.Text(k)
		if err := text.Edit([]Edit{edit(0, text.Len(), "[X]")}); err != nil {
			t.Fatal(err)
		}
	}
	again := mustParse(t, string(d.Render(nil)))
	defer again.Release()
	if again.Root().Len() != n || again.Root().Get("[X]_"+strconv.Itoa(n)).Kind() != Object {
		t.Errorf("%d members", again.Root().Len())
	}
}
