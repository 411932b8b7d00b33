package token_test

import (
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"

	"github.com/sluicegate/sluice/runtime/filter/token"
)

func TestTokenise(t *testing.T) {
	var table token.Table
	f := func(kind, value, want string) {
		t.Helper()
		got := string(table.Tokenise([]byte("> "), kind, []byte(value)))
		if got != "> "+want {
			t.Errorf("%s %q: %s, want %s", kind, value, got, want)
		}
		if back, ok := table.Lookup([]byte(want)); !ok || back != value {
			t.Errorf("%s stands for %q, %v", want, back, ok)
		}
	}
	f("email", "ana@example.com", "[EMAIL_1]")
	f("email", "bob@example.com", "[EMAIL_2]")
	f("email", "ana@example.com", "[EMAIL_1]")
	f("card", "ana@example.com", "[CARD_1]")
	f("us_ssn", "1", "[US_SSN_1]")
	f("us_ssn_1", "1", "[US_SSN_1_1]")
	f("e-mail", "x", "[E_MAIL_1]")
	f("", "x", "[X_1]")
	f("7", "x", "[X7_1]")
	f("email", "", "[EMAIL_3]")
	f("email", "a\x00b", "[EMAIL_4]")
	f(strings.Repeat("k", 40), "x", "["+strings.Repeat("K", 32)+"_1]")
	f(token.Literal, "[EMAIL_1]", "[LITERAL_1]")
	if n := table.Len(); n != 12 {
		t.Errorf("%d tokens", n)
	}
	if _, ok := table.Lookup([]byte("[EMAIL_9]")); ok {
		t.Error("a token that was never given has a value")
	}
}

// A value's own token is of its first number, or behind it; tokens of its other numbers are read as it where they are free.
func TestTokeniseNumbers(t *testing.T) {
	table := token.Table{Numbers: func(_, value string) []int {
		return map[string][]int{"ana": {7, 3}, "bob": {7, 9}, "eve": {3, 8, 9}}[value]
	}}
	f := func(value, want string) {
		t.Helper()
		if got := string(table.Tokenise(nil, "name", []byte(value))); got != want {
			t.Errorf("%s: %s, want %s", value, got, want)
		}
	}
	f("ana", "[NAME_7]")
	f("bob", "[NAME_8]")
	f("eve", "[NAME_4]")
	f("ana", "[NAME_7]")
	for n, want := range map[int]string{3: "ana", 4: "eve", 7: "ana", 8: "bob", 9: "bob"} {
		if got, _ := table.Lookup(fmt.Appendf(nil, "[NAME_%d]", n)); got != want {
			t.Errorf("%d is read as %q, want %q", n, got, want)
		}
	}
}

func TestTokeniseCopiesTheValue(t *testing.T) {
	var table token.Table
	value := []byte("ana")
	table.Tokenise(nil, "name", value)
	copy(value, "bob")
	if got, _ := table.Lookup([]byte("[NAME_1]")); got != "ana" {
		t.Errorf("the value changed to %q", got)
	}
}

func TestTableHidesItsValues(t *testing.T) {
	var table token.Table
	table.Tokenise(nil, "email", []byte("ana@example.com"))
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "table", &table)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "table", &table)
	fmt.Fprintf(&log, "%v %+v %s %#v", &table, &table, &table, &table)
	if strings.Contains(log.String(), "ana") {
		t.Errorf("a value is in %s", log.String())
	}
}

func TestFindLiterals(t *testing.T) {
	f := func(text string, want ...string) {
		t.Helper()
		var got []string
		for _, s := range token.FindLiterals(nil, []byte(text)) {
			got = append(got, text[s.Start:s.End])
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	f("")
	f("see [EMAIL_1] and [EMAIL_10]", "[EMAIL_1]", "[EMAIL_10]")
	f("[A_1][B_2_3]", "[A_1]", "[B_2_3]")
	f("[[A_1]]", "[A_1]")
	f("[A_[A_1]", "[A_1]")
	f("[A__9]", "[A__9]")
	f("[A1_20]", "[A1_20]")
	f("[A_1 ] [A_0] [A_01] [_1] [1_1] [a_1] [A1] [A_] [] [A_1")
	f("["+strings.Repeat("K", 32)+"_1234567890123]", "["+strings.Repeat("K", 32)+"_1234567890123]")
	f("[" + strings.Repeat("K", 33) + "_1234567890123]")
}

func TestFindLiteralsJSON(t *testing.T) {
	f := func(text string, want ...string) {
		t.Helper()
		var got []string
		for _, s := range token.FindLiteralsJSON(nil, []byte(text)) {
			got = append(got, text[s.Start:s.End])
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	f(`{"a":"[EMAIL_1]"}`, `[EMAIL_1]`)
	f(`{"a":"\n[EMAIL_1]\n","b":"\u005bEMAIL_1]"}`, `[EMAIL_1]`, `\u005bEMAIL_1]`)
	f(`"\u005B\u0045MAIL\u005f\u0031\u005D"`, `\u005B\u0045MAIL\u005f\u0031\u005D`)
	f(`"\\u005bEMAIL_1]"`)
	f(`"[\u005bA_1]"`, `\u005bA_1]`)
	f(`"[EMAIL\n_1] [EMAIL\u00e9_1] \u005b \u00"`)
	f(`"\`)
}

func TestEveryTokenIsALiteral(t *testing.T) {
	var table token.Table
	for _, kind := range []string{"email", "us_ssn_1", "", "7", "é", strings.Repeat("z", 99), "a_", "_"} {
		for n := range 120 {
			tok := table.Tokenise(nil, kind, fmt.Append(nil, n))
			spans := token.FindLiterals(nil, tok)
			if len(spans) != 1 || spans[0] != (token.Span{End: len(tok)}) {
				t.Fatalf("%s is not in token grammar", tok)
			}
		}
	}
}

func TestMask(t *testing.T) {
	f := func(kind, value, want string) {
		t.Helper()
		if got := string(token.Mask([]byte("a"), kind, []byte(value))); got != "a"+want {
			t.Errorf("%s %q: %s, want %s", kind, value, got, want)
		}
	}
	f("email", "ana@example.com", "***")
	f("email", "", "***")
	f("card", "4111 1111 1111 1234", "***1234")
	f("card", "4111-1111-1111", "***1111")
	f("card", "4111 1111 111", "***")
	f("iban", "DE89 3704 0044 0532 0130 00", "***3000")
	f("us_ssn", "078-05-1120 078-05-1120", "***")
}

func TestHMAC(t *testing.T) {
	f := func(key, kind, value string) string {
		return string(token.HMAC(nil, []byte(key), kind, []byte(value)))
	}
	base := f("key", "email", "ana@example.com")
	// By another implementation: printf 'EMAIL\0ana@example.com' | openssl dgst -sha256 -hmac key
	if base != "[EMAIL:a6a1db43eef94909e218]" {
		t.Errorf("got %s", base)
	}
	if again := f("key", "email", "ana@example.com"); again != base {
		t.Errorf("equal values give %s and %s", base, again)
	}
	seen := map[string]bool{base: true}
	for _, other := range []string{f("key2", "email", "ana@example.com"), f("key", "name", "ana@example.com"), f("key", "email", "bob@example.com")} {
		if _, digest, _ := strings.Cut(other, ":"); seen[digest] {
			t.Errorf("%s is not new", other)
		}
		seen[other] = true
	}
	if len(token.FindLiterals(nil, []byte(base))) > 0 {
		t.Error("a pseudonym is in token grammar")
	}
}

func FuzzFindLiterals(f *testing.F) {
	f.Add([]byte("a [EMAIL_1] [[B_2]"))
	f.Fuzz(func(t *testing.T, text []byte) {
		end := 0
		for _, s := range token.FindLiterals(nil, text) {
			if s.Start < end || s.End <= s.Start || s.End > len(text) || text[s.Start] != '[' || text[s.End-1] != ']' {
				t.Fatalf("span %v behind %d", s, end)
			}
			end = s.End
		}
	})
}
