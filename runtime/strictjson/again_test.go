package strictjson

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
)

// again tries to make the reply of a, whose string at the path is its slot, that of b. Where that goes, all must be as if b
// had been read, before and after an edit.
func again(t *testing.T, a, b string, path ...string) bool {
	t.Helper()
	r, err := ReadReply([]byte(a))
	if err != nil {
		t.Skip()
	}
	defer r.Release()
	v := r.Root().Get(path...)
	if !r.Again([]byte(b), v) {
		if got := string(r.Root().Append(nil)); got != string(mustRead(t, a).Root().Append(nil)) {
			t.Errorf("%s was changed by the try to make it %s: %s", a, b, got)
		}
		return false
	}
	want := mustRead(t, b)
	defer want.Release()
	if r.Edited() || !bytes.Equal(r.Append(nil), want.Append(nil)) || !reflect.DeepEqual(valueTree(r.Root()), valueTree(want.Root())) {
		t.Errorf("%s made %s is %s", a, b, r.Append(nil))
	}
	for _, text := range []string{"", "other \"text\"\n", "\xff"} {
		v.SetBytes([]byte(text))
		want.Root().Get(path...).SetBytes([]byte(text))
		if !r.Edited() || !reflect.DeepEqual(standardTree(t, r.Append(nil)), standardTree(t, want.Append(nil))) || !bytes.Equal(v.Bytes(), want.Root().Get(path...).Bytes()) {
			t.Errorf("%s made %s with the text %q is %s", a, b, text, r.Append(nil))
		}
	}
	if !r.Again([]byte(b), v) || r.Edited() || !bytes.Equal(r.Append(nil), []byte(b)) {
		t.Errorf("%s made %s once more is %s", a, b, r.Append(nil))
	}
	v.SetBytes([]byte("x"))
	r.Root().Delete("n")
	want.Root().Get(path...).SetBytes([]byte("x"))
	want.Root().Delete("n")
	if !reflect.DeepEqual(standardTree(t, r.Append(nil)), standardTree(t, want.Append(nil))) {
		t.Errorf("%s made %s without a member is %s", a, b, r.Append(nil))
	}
	if strings.Contains(b, `"n"`) && r.Again([]byte(b), v) {
		t.Errorf("%s was made again without its member", b)
	}
	return true
}

func TestAgain(t *testing.T) {
	f := func(a, b string, want bool) {
		t.Helper()
		if got := again(t, a, b, "s"); got != want {
			t.Errorf("%s made %s: %v", a, b, got)
		}
	}
	f(`{"n":1, "s":"abc"}`, `{"n":1, "s":"xyz and more"}`, true)
	f(`{"n":1,"s":"abc","t":[true]}`, `{"n":1,"s":"","t":[true]}`, true)
	f(`{"n":1,"s":"","t":2}`, `{"n":1,"s":"é","t":2}`, true)
	f(`{"n":1,"s":"abc"}`, `{"n":1,"s":"abc"}`, true)
	f(`{"n":1,"s":"abc"}`, `{"n":2,"s":"abc"}`, false)
	f(`{"n":1,"s":"abc"}`, `{"n":1,"s":"a\nc"}`, false)
	f(`{"n":1,"s":"abc"}`, "{\"n\":1,\"s\":\"a\nc\"}", false)
	f(`{"n":1,"s":"abc"}`, "{\"n\":1,\"s\":\"a\xffc\"}", false)
	f(`{"n":1,"s":"abc"}`, `{"n":1,"s":"","x":"abc"}`, false)
	f(`{"n":1,"s":"abc"}`, `{"n":1,"s":"`, false)
	f(`{"n":1,"s":"abc"}`, `{"n":1,"s":"ab}`, false)
	f(`{"n":1,"s":"aba"}`, `{"n":1,"s":"aba"`, false)
	f(`{"n":1,"s":7}`, `{"n":1,"s":7}`, false)
	f(`{"n":1}`, `{"n":1}`, false)
	f(`{"n":01,"s":"abc"}`, `{"n":01,"s":"abc"}`, false)
	// The text stands at another place too, as a member's name, another's text, or between two strings.
	f(`{"s":"s"}`, `{"s":"t"}`, false)
	f(`{"t":"abc","s":"abc"}`, `{"t":"xyz","s":"abc"}`, false)
	f(`{"s":",","t":"x"}`, `{"s":",","t":"y"}`, false)
	f(`{"t":"x","u":"y","s":"\u002c"}`, `{"t":"x!","u":"y","s":"\u002c"}`, false)
}

// An event whose text was edited when it was read is the model for the next all the same, one that lost a member is not.
func TestAgainAfterEdits(t *testing.T) {
	r := mustRead(t, `{"n":1,"s":"abc","t":"def"}`)
	defer r.Release()
	v := r.Root().Get("s")
	v.SetBytes([]byte("edited"))
	if !r.Again([]byte(`{"n":1,"s":"xyz","t":"def"}`), v) || string(v.Bytes()) != "xyz" || string(r.Append(nil)) != `{"n":1,"s":"xyz","t":"def"}` {
		t.Errorf("got %s", r.Append(nil))
	}
	if r.Again([]byte(`{"n":1,"s":"xyz","t":"xyz"}`), r.Root().Get("t")) {
		t.Error("a second string changes")
	}
	for _, edit := range []func(Value){
		func(v Value) { v.Delete("n") },
		func(v Value) { v.Get("t").SetBytes([]byte("x")) },
		func(v Value) {
			if err := v.Set("n", []byte("2")); err != nil {
				t.Error(err)
			}
		},
	} {
		r := mustRead(t, `{"n":1,"s":"abc","t":"def"}`)
		edit(r.Root())
		was := string(r.Append(nil))
		if r.Again([]byte(`{"n":1,"s":"xyz","t":"def"}`), r.Root().Get("s")) || string(r.Append(nil)) != was {
			t.Errorf("%s was made another", was)
		}
		r.Release()
	}
}

// FuzzAgain holds what Again says against a reading, for any two bodies.
func FuzzAgain(f *testing.F) {
	f.Add(`{"n":1,"s":"abc","t":[true]}`, `{"n":1,"s":"xyz","t":[true]}`)
	f.Add(`{"s":",","t":"x"}`, `{"s":"","t":"x"}`)
	f.Add(`{"t":"\u002c","s":","}`, `{"t":"\u002c","s":""}`)
	f.Add(`{"n":1,"s":"a\u0062"}`, `{"n":1,"s":"ab"}`)
	f.Fuzz(func(t *testing.T, a, b string) {
		again(t, a, b, "s")
		if _, err := ReadReply([]byte(a)); err == nil {
			again(t, a, strings.Replace(a, "a", "bc", 1), "s")
			again(t, a, strings.Replace(a, "s\":\"", "s\":\"x", 1), "s")
		}
	})
}

func BenchmarkAgain(b *testing.B) {
	data, next := []byte(event), []byte(strings.Replace(event, `"content":"`, `"content":"more `, 1))
	r, err := ReadReply(data)
	if err != nil {
		b.Fatal(err)
	}
	defer r.Release()
	v := r.Root().Get("choices").Index(0).Get("delta", "content")
	b.ReportAllocs()
	for b.Loop() {
		if !r.Again(next, v) {
			b.Fatal("not the same but for its text")
		}
		v.SetBytes([]byte("text"))
	}
}
