package sluice

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func TestJSON(t *testing.T) {
	j, key := ReadJSON([]byte(` {"a": "x\u00e9\ud83d\ude00\n", "b": [true, false, [], {"c": -1.5e+3}], "d": null} `)), ""
	j.Object()
	if !j.Member(&key) || key != "a" || j.String(8) != "xé😀\n" {
		t.Errorf("a is read wrong: %q, %v", key, j.End())
	}
	if !j.Member(&key) || key != "b" {
		t.Errorf("b is read wrong: %q", key)
	}
	j.Array()
	if !j.Element() || !j.Bool() || !j.Element() || j.Bool() || !j.Element() || string(j.Skip()) != "[]" || !j.Element() || string(j.Skip()) != `{"c": -1.5e+3}` || j.Element() {
		t.Errorf("the list is read wrong: %v", j.End())
	}
	if !j.Member(&key) || key != "d" || string(j.Skip()) != "null" || j.Member(&key) {
		t.Errorf("d is read wrong: %q", key)
	}
	if err := j.End(); err != nil {
		t.Error(err)
	}
}

func TestJSONFaults(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		j := ReadJSON([]byte(text))
		j.Skip()
		if err := j.End(); err == nil || err.Error() != want {
			t.Errorf("%.40s: %v, want %s", text, err, want)
		}
	}
	f("", "a value is expected")
	f("nul", "a value is expected")
	f("+1", "a value is expected")
	f("01", "text follows the value")
	f("1.", "a number is broken")
	f("1e", "a number is broken")
	f("tru", "true or false is expected")
	f("[1 2]", "a comma or the closing bracket is expected")
	f("[1,]", "a comma stands before a closing bracket")
	f(`{"a" 1}`, "a colon is expected")
	f(`{1: 1}`, "a string is expected")
	f(`"a`, "a string is not closed")
	f("\"\t\"", "a control character stands in a string")
	f(`"\q"`, "an escape is unknown")
	f(`"\u12"`, "four hex digits are expected")
	f(`"\ud800x"`, "a surrogate is alone")
	f(`"\udc00"`, "a surrogate is alone")
	f(`"\ud800\u0041"`, "a surrogate is alone")
	f(strings.Repeat("[", 17)+strings.Repeat("]", 17), "nested too deep")
}

// FuzzJSON: what the reader takes, encoding/json takes, and the other way round but for depth and lone surrogates.
func FuzzJSON(f *testing.F) {
	for _, s := range []string{`{"a": ["b", 1.5e3, true, null, {}], "c": "\u00e9\ud83d\ude00"}`, `[[]]`, `"\ud800"`, `-0.0`, `{"a":1,"a":2}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		j := ReadJSON(text)
		got := string(j.Skip())
		err := j.End()
		valid := json.Valid(text)
		if err == nil && (!valid || got != strings.Trim(string(text), " \t\r\n")) {
			t.Errorf("%q is taken as %q", text, got)
		}
		if err != nil && valid && err.Error() != "nested too deep" && err.Error() != "a surrogate is alone" {
			t.Errorf("%q is refused: %v", text, err)
		}
	})
}

func ExampleReadJSON() {
	j, key, prefix := ReadJSON([]byte(`{"prefix": "TCK"}`)), "", ""
	for j.Object(); j.Member(&key); {
		if key == "prefix" {
			prefix = j.String(8)
		} else {
			j.Skip()
		}
	}
	fmt.Println(prefix, j.End())
	// Output: TCK <nil>
}
