package strictjson

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

func TestParseTakes(t *testing.T) {
	f := func(body string) {
		t.Helper()
		d, err := Parse([]byte(body), Limits{})
		if err != nil {
			t.Errorf("%q: %v", body, err)
			return
		}
		defer d.Release()
		if got, want := nodeTree(d.Root()), standardTree(t, []byte(body)); !reflect.DeepEqual(got, want) {
			t.Errorf("%q is read as %v, want %v", body, got, want)
		}
		if got := d.Render(nil); string(got) != body {
			t.Errorf("%q leaves as %q", body, got)
		}
	}
	for _, literal := range []string{"null", "true", "false", `""`, "{}", "[]", " \t\r\n1 \n"} {
		f(literal)
	}
	for _, number := range []string{"0", "-0", "10", "-1.5", "0.10", "1e5", "1E+5", "1.25e-300", "123456789012345678901234567890", "1e999"} {
		f(number)
		f("[" + number + "]")
	}
	f(`"plain, with 'quotes' and / and ` + "\x7f" + `"`)
	f(`"\"\\\/\b\f\n\r\t\u0041\u00e9\u20AC\uFFFF\u0000"`)
	f(`"\ud83d\ude00 \uD83D\uDE00 😀 é 漢"`)
	f(`"` + strings.Repeat("12345678", 3) + `\n` + strings.Repeat("x", 7) + `"`)
	f(`{"a":1,"b":[1,2,{"c":null}],"":{},"A":2,"\u0062x":3}`)
	f(" {\r\n\t\"a\" : [ ] , \"b\" : [ 1 , 2 ] }\n")
	f(`{"model":1,"Model":2,"mode\u017f":3}`) // variants are the caller's matter
}

func TestParseRefuses(t *testing.T) {
	f := func(body string, code Code, offset int) {
		t.Helper()
		d, err := Parse([]byte(body), Limits{})
		var got *Error
		if !errors.As(err, &got) {
			t.Errorf("%q: got %v, %v, want %s", body, d, err, code)
			return
		}
		if got.Code != code || got.Offset != offset {
			t.Errorf("%q: got %v, want %s at byte %d", body, err, code, offset)
		}
	}
	// Structure.
	f("", InvalidJSON, 0)
	f("  ", InvalidJSON, 2)
	f("\uFEFF{}", InvalidJSON, 0)
	f("{} {}", InvalidJSON, 3)
	f("[1,]", InvalidJSON, 3)
	f("[1 2]", InvalidJSON, 3)
	f("[", InvalidJSON, 1)
	f("[1", InvalidJSON, 2)
	f("]", InvalidJSON, 0)
	f("[}", InvalidJSON, 1)
	f(`{"a":1,}`, InvalidJSON, 7)
	f(`{"a" 1}`, InvalidJSON, 5)
	f(`{"a":}`, InvalidJSON, 5)
	f(`{a:1}`, InvalidJSON, 1)
	f(`{'a':1}`, InvalidJSON, 1)
	f(`{"a":1 "b":2}`, InvalidJSON, 7)
	f(`{"a":1`, InvalidJSON, 6)
	f(`{"a"`, InvalidJSON, 4)
	f(`{1:2}`, InvalidJSON, 1)
	f("// x\n1", InvalidJSON, 0)
	f("tru", InvalidJSON, 0)
	f("True", InvalidJSON, 0)
	f("nullx", InvalidJSON, 4)
	f("nan", InvalidJSON, 0)
	f("NaN", InvalidJSON, 0)
	f("Infinity", InvalidJSON, 0)
	f("[\v1]", InvalidJSON, 1)
	f("\x00", InvalidJSON, 0)
	// Numbers.
	f("01", InvalidNumber, 0)
	f("-01", InvalidNumber, 1)
	f("[-]", InvalidNumber, 2)
	f("--1", InvalidNumber, 1)
	f("-", InvalidNumber, 1)
	f("1.", InvalidNumber, 2)
	f("1.e5", InvalidNumber, 2)
	f("1e", InvalidNumber, 2)
	f("1e+", InvalidNumber, 3)
	f("+1", InvalidJSON, 0)
	f(".5", InvalidJSON, 0)
	f("0x10", InvalidJSON, 1)
	f("1.2.3", InvalidJSON, 3)
	f("-Infinity", InvalidNumber, 1)
	// Strings.
	f(`"abc`, InvalidJSON, 4)
	f(`"abc\`, InvalidJSON, 4)
	f(`"abc\"`, InvalidJSON, 6)
	f(`"\x41"`, InvalidJSON, 1)
	f(`"\'"`, InvalidJSON, 1)
	f(`"\u12"`, InvalidJSON, 1)
	f(`"\u12G4"`, InvalidJSON, 1)
	f(`"\U0041"`, InvalidJSON, 1)
	f("\"a\nb\"", InvalidJSON, 2)
	f("\"12345678\x1f\"", InvalidJSON, 9)
	f("\"\x00\"", InvalidJSON, 1)
	f(`"\ud83d"`, LoneSurrogate, 1)
	f(`"\ude00"`, LoneSurrogate, 1)
	f(`"\ude00\ud83d"`, LoneSurrogate, 1)
	f(`"a\ud83d\u0041"`, LoneSurrogate, 2)
	f(`"\ud83d\ud83d\ude00"`, LoneSurrogate, 1)
	f(`"\ud83d\n"`, LoneSurrogate, 1)
	f(`{"\udc00":1}`, LoneSurrogate, 2)
	// UTF-8, wherever it stands.
	f("\"\xff\"", InvalidUTF8, 1)
	f("\"é\xc3\"", InvalidUTF8, 3)
	f("\"\xc3\xc3\xa9\"", InvalidUTF8, 1)
	f("\"\xed\xa0\x80\"", InvalidUTF8, 1) // a surrogate encoded
	f("\"\xc0\x80\"", InvalidUTF8, 1)     // an overlong form
	f("{} \xff", InvalidUTF8, 3)
	// Keys.
	f(`{"a":1,"a":1}`, DuplicateKey, 7)
	f(`{"model":1,"mod\u0065l":2}`, DuplicateKey, 11)
	f(`{"\u0061":1,"a":2}`, DuplicateKey, 12)
	f(`{"a":{"b":1,"c":[{"d":1,"d":2}]}}`, DuplicateKey, 24)
	f(`{"":1,"b":2,"":3}`, DuplicateKey, 12)
	f(`{"/":1,"\/":2}`, DuplicateKey, 7)
	f(`{"😀":1,"\ud83d\ude00":2}`, DuplicateKey, 10)
}

func TestParseFindsDuplicatesAmongMany(t *testing.T) {
	f := func(n, twin int, spelling string) {
		t.Helper()
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `,"key%d":%d`, i, i)
		}
		body := "{" + b.String()[1:]
		if twin >= 0 {
			body += "," + fmt.Sprintf(spelling, twin) + ":0"
		}
		_, err := Parse([]byte(body+"}"), Limits{})
		if twin < 0 && err != nil {
			t.Errorf("%d keys: %v", n, err)
		}
		var got *Error
		if twin >= 0 && (!errors.As(err, &got) || got.Code != DuplicateKey || got.Offset != len(body)-len(fmt.Sprintf(spelling, twin))-2) {
			t.Errorf("%d keys and %s: %v", n, fmt.Sprintf(spelling, twin), err)
		}
	}
	for _, n := range []int{2, 15, 16, 17, 63, 64, 65, 1000, 20_000} {
		f(n, -1, "")
		for _, twin := range []int{0, 1, n / 2, n - 1} {
			f(n, twin, `"key%d"`)
			f(n, twin, `"k\u0065y%d"`)
		}
	}
}

func TestParseLimits(t *testing.T) {
	f := func(body string, l Limits, want Code) {
		t.Helper()
		_, err := Parse([]byte(body), l)
		var got *Error
		if want == "" && err != nil || want != "" && (!errors.As(err, &got) || got.Code != want) {
			t.Errorf("%d bytes under %+v: %v, want %q", len(body), l, err, want)
		}
	}
	nested := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	objects := func(n int) string { return strings.Repeat(`{"a":`, n) + "1" + strings.Repeat("}", n) }
	f(nested(128), Limits{}, "")
	f(nested(129), Limits{}, TooDeep)
	f(objects(128), Limits{}, "")
	f(objects(129), Limits{}, TooDeep)
	f(nested(1_000_000), Limits{}, TooDeep)
	f(nested(3), Limits{MaxDepth: 3}, "")
	f(nested(4), Limits{MaxDepth: 3}, TooDeep)
	f(nested(4), Limits{MaxDepth: -1}, "")
	f(`"12345678"`, Limits{MaxBytes: 10}, "")
	f(`"123456789"`, Limits{MaxBytes: 10}, TooLarge)
	f(`"`+strings.Repeat("x", 8<<20-2)+`"`, Limits{}, "")
	f(`"`+strings.Repeat("x", 8<<20-1)+`"`, Limits{}, TooLarge)
}

// TestStringEnds puts each interesting byte at each offset, so that it falls into every place of the eight bytes that
// are looked at together and into the rest behind them.
func TestStringEnds(t *testing.T) {
	for length := range 40 {
		for at := range length {
			for _, c := range []byte{'"', '\\', 0x00, 0x01, 0x1f, 0x20, 0x21, 0x23, 0x5b, 0x5d, 0x7f, 0x80, 0xa2, 0xdc, 0xff} {
				b := []byte(strings.Repeat("x", length))
				b[at] = c
				want := length
				if c == '"' || c == '\\' || c < 0x20 {
					want = at
				}
				if got := plainEnd(b, 0); got != want {
					t.Fatalf("byte %#x at %d of %d: ends at %d, want %d", c, at, length, got, want)
				}
				if got := verbatim(b); got != (want == length && c < 0x80) {
					t.Fatalf("byte %#x at %d of %d: verbatim is %v", c, at, length, got)
				}
				if copy(b[at:], "\u00e9") == 2 && !verbatim(b) {
					t.Fatalf("a letter of two bytes at %d of %d is not verbatim", at, length)
				}
			}
		}
	}
}

func TestErrorsSayNothingOfTheBody(t *testing.T) {
	for _, body := range []string{`{"sesame":1,"sesame":2}`, `"sesame`, `sesame`, `["sesame" 1]`, `{"a":sesame}`, `"sesame\x"`, "\"sesame\xff\""} {
		_, err := Parse([]byte(body), Limits{})
		if err == nil || strings.Contains(err.Error(), "sesame") {
			t.Errorf("%q: %v", body, err)
		}
		if _, err := ReadReply([]byte(body)); err != nil && strings.Contains(err.Error(), "sesame") {
			t.Errorf("%q: %v", body, err)
		}
	}
	if got := (&Error{Code: TooLarge, Offset: -1, Message: "the answer is too large"}).Error(); got != "body_too_large: the answer is too large" {
		t.Errorf("without an offset: %q", got)
	}
	want := `duplicate_key at byte 7: an object names this key twice`
	if _, err := Parse([]byte(`{"a":1,"a":2}`), Limits{}); err.Error() != want {
		t.Errorf("got %q, want %q", err, want)
	}
}

func TestPoolKeepsDocumentsApart(t *testing.T) {
	for i := range 100 {
		body := fmt.Sprintf(`{"n":%d,"s":"\u0041%d"}`, i, i)
		d := mustParse(t, body)
		text := d.Text(d.Root().Get("s"))
		if err := text.Edit([]Edit{{0, 1, []byte("B")}}); err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprintf(`{"n":%d,"s":"B%d"}`, i, i); string(d.Render(nil)) != want {
			t.Fatalf("got %s, want %s", d.Render(nil), want)
		}
		d.Release()
		d.Release() // a second time changes nothing
	}
}

func TestFoldEqual(t *testing.T) {
	f := func(key, name string) {
		t.Helper()
		got := FoldEqual([]byte(key), name)
		// What encoding/json does with a field of that name is what counts.
		field := reflect.StructOf([]reflect.StructField{{Name: "F", Type: reflect.TypeFor[int](), Tag: reflect.StructTag(`json:"` + name + `"`)}})
		v := reflect.New(field)
		if err := json.Unmarshal(append(AppendString([]byte("{"), key), ":1}"...), v.Interface()); err != nil {
			t.Fatal(err)
		}
		if want := v.Elem().Field(0).Int() == 1; got != want {
			t.Errorf("FoldEqual(%q, %q) is %v, encoding/json says %v", key, name, got, want)
		}
	}
	for _, key := range []string{
		"model", "Model", "MODEL", "models", "mode", "", "m\u00f6del", "meſſages", "me\u017fsages", "MESSAGES", "toKens", "to\u212aens", "TO\u212aENS",
		"to\u212bens", "\u017ftream", "[odel", "{odel",
	} {
		for _, name := range []string{"model", "messages", "tokens", "stream"} {
			f(key, name)
		}
	}
}

func TestAppendString(t *testing.T) {
	f := func(s string) {
		t.Helper()
		got := AppendString(nil, s)
		if again := AppendString([]byte{}, []byte(s)); string(again) != string(got) {
			t.Errorf("%q: as string %s, as bytes %s", s, got, again)
		}
		var read string
		if err := json.Unmarshal(got, &read); err != nil || read != string([]rune(s)) {
			t.Errorf("%q is written as %s and read as %q, %v", s, got, read, err)
		}
		if _, err := Parse(got, Limits{}); err != nil {
			t.Errorf("%q is written as %s: %v", s, got, err)
		}
	}
	for c := range 256 {
		f("a" + string([]byte{byte(c)}) + "b")
		f(string(rune(c)))
	}
	f("")
	f("\"\\/\n\r\t\b\f\x00\x1f\x7f\u2028\u2029<>&")
	f("é漢😀\U0010FFFF\uFFFD")
	f("\xed\xa0\x80")
	f("😀\xf0\x9f\x98")
	if got := string(AppendString(nil, "\xff\xff")); got != `"`+"\uFFFD\uFFFD"+`"` {
		t.Errorf("two bad bytes give %s", got)
	}
}
