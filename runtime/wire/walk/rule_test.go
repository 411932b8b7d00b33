package walk

import (
	"strings"
	"testing"
)

func TestIdentifier(t *testing.T) {
	f := func(s string, want bool) {
		t.Helper()
		if got := Identifier([]byte(s)); got != want {
			t.Errorf("%q: %v", s, got)
		}
	}
	f("get_weather", true)
	f("call_hPqLkAx2b0Ee3yD8sQ", true)
	f("chatcmpl-tool-1f2e3d4c5b6a7988", true)
	f("functions.add:0", true)
	f("", false)
	f("two words", false)
	f("ana@example.com", false)
	f("größe", false)
	f("4111111111111111", false)
	f("078-05-1120", false)
	f("+43 664 1234567", false)
	f(strings.Repeat("a", 65), false)
}

func TestPaths(t *testing.T) {
	for _, names := range [][]string{{"content"}, {"a.b", "~x", "0", "9z", "", "c"}} {
		var path []byte
		for _, n := range names {
			path = appendName(path, n)
		}
		rest := string(path)
		for _, want := range names {
			var got string
			var index int
			if got, index, rest = Step(rest); got != want || index != -1 {
				t.Errorf("%q: got %q %d, want %q", path, got, index, want)
			}
		}
	}
	if name, index, rest := Step("12.x"); name != "" || index != 12 || rest != "x" {
		t.Errorf("got %q %d %q", name, index, rest)
	}
}

func TestVariant(t *testing.T) {
	known := Compile([]Row{{Path: "model"}, {Path: "stream"}, {Path: "messages[].content"}})
	f := func(key string, want bool) {
		t.Helper()
		if got := known.variant([]byte(key)); got != want {
			t.Errorf("%q: %v", key, got)
		}
	}
	f("Model", true)
	f("STREAM", true)
	f("me\u017fsages", true)
	f("to\u212Aen", false)
	f("modell", false)
	f("größe", false)
	f("chatTemplateKwargs", false)
}

// A table that names a place twice, or a key that is not in lower case, is a defect that shows at start.
func TestCompileRefusesContradictions(t *testing.T) {
	f := func(rows ...Row) {
		t.Helper()
		defer func() {
			if recover() == nil {
				t.Errorf("%v was taken", rows)
			}
		}()
		Compile(rows)
	}
	f(Row{Path: "a", Class: Enum}, Row{Path: "a", Class: Ident})
	f(Row{Path: "Model", Class: Own})
}
