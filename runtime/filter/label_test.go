package filter

import (
	"strings"
	"testing"
)

func TestMergeLabel(t *testing.T) {
	f := func(was, is, want any) {
		t.Helper()
		if got := mergeLabel(was, is); got != want {
			t.Errorf("%v, then %v: got %v, want %v", was, is, got, want)
		}
	}
	f(nil, int64(-3), int64(-3))
	f(int64(7), int64(3), int64(7))
	f(int64(3), int64(7), int64(7))
	f(true, false, true)
	f(false, true, true)
	f(nil, false, false)
	f("a", "b", "b")
	f("a", int64(1), int64(1))
	f(true, int64(1), int64(1))
	f(int64(1), true, true)
}

func TestLabelWord(t *testing.T) {
	for word, want := range map[string]bool{
		"a": true, "A-Z_.9": true, strings.Repeat("x", 64): true,
		"": false, strings.Repeat("x", 65): false, "a b": false, "ä": false, "a\n": false, "[": false, "@": false, "`": false, "{": false,
	} {
		if got := labelWord([]byte(word)); got != want {
			t.Errorf("labelWord(%q) = %v", word, got)
		}
	}
}

// TestLabelsOfManyTexts: a label set for each of many texts is one label.
func TestLabelsOfManyTexts(t *testing.T) {
	s := words(t)
	s.Limits.Labels = 1
	_, p, err := pass(t, strings.Repeat("% ", 100), load(t, s))
	if err != nil || p.x.Labels["words"]["percent"] != true {
		t.Errorf("%v, %v", p.x.Labels, err)
	}
}
