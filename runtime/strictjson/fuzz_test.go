package strictjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"unicode/utf8"
)

// seeds are bodies that between them use every feature of the grammar, and break it.
var seeds = []string{
	event,
	`{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"4111 11"},{"type":"text","text":"11 \u0031111"}]}]}`,
	`{"a":"\u0061\/\ud83d\ude00\n","b":[1,-0.5e+7,[],{}],"c":{"d":null,"\u0065":true}}`,
	`{"a":1,"\u0061":2}`, `[01]`, `[nan]`, `"\ud83d"`, `"\x41"`, "\"\xff\n\"", `[1,2,`, " [ ] ", `{"a@b.c":1,"x":"y"}`,
	`["a","b","a\"b",""]`, `-1.5E-9`, `{"":{"":[""]}}`,
}

// FuzzParse checks the strict door against encoding/json: what it takes is read alike and leaves as it came; what it
// refuses as no JSON, encoding/json does not take either.
func FuzzParse(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		d, err := Parse(body, Limits{})
		if err != nil {
			var refusal *Error
			if !errors.As(err, &refusal) || refusal.Offset < 0 || refusal.Offset > len(body) {
				t.Fatalf("%q: %v", body, err)
			}
			if json.Valid(body) && (refusal.Code == InvalidJSON || refusal.Code == InvalidNumber) {
				t.Fatalf("%q: %v, and yet it is valid", body, err)
			}
			return
		}
		defer d.Release()
		if got, want := nodeTree(d.Root()), standardTree(t, body); !reflect.DeepEqual(got, want) {
			t.Fatalf("%q is read as %v, want %v", body, got, want)
		}
		if !bytes.Equal(d.Render(nil), body) {
			t.Fatalf("%q leaves as %q", body, d.Render(nil))
		}
	})
}

// FuzzEdit edits every string and some containers of a body at random, does the same to its tree, and compares.
func FuzzEdit(f *testing.F) {
	for i, s := range seeds {
		f.Add([]byte(s), uint64(i))
	}
	f.Fuzz(func(t *testing.T, body []byte, seed uint64) {
		d, err := Parse(body, Limits{})
		if err != nil {
			return
		}
		defer d.Release()
		e := editor{t: t, d: d, rand: rand.New(rand.NewPCG(seed, 0))}
		want := e.value(d.Root(), true)
		out := d.Render(nil)
		again, err := Parse(out, Limits{MaxBytes: maxBytes})
		if err != nil {
			t.Fatalf("%q leaves as %q: %v", body, out, err)
		}
		defer again.Release()
		if got := nodeTree(again.Root()); !reflect.DeepEqual(got, want) {
			t.Fatalf("%q leaves as %q = %v, want %v", body, out, got, want)
		}
		if got := standardTree(t, out); !reflect.DeepEqual(got, want) {
			t.Fatalf("%q leaves as %q, which encoding/json reads as %v, want %v", body, out, got, want)
		}
		if !bytes.Equal(d.Bytes(), body) {
			t.Fatalf("the body itself has changed")
		}
	})
}

// editor edits a document and returns the tree it should then be.
type editor struct {
	t    *testing.T
	d    *Doc
	rand *rand.Rand
}

// value edits n, unless nothing of it will leave.
func (e *editor) value(n Node, leaves bool) any {
	switch n.Kind() {
	case String:
		if !leaves {
			return nil
		}
		return e.str(n)
	case Array:
		return e.array(n, leaves)
	case Object:
		return e.object(n, leaves)
	default:
		return nodeTree(n)
	}
}

func (e *editor) str(n Node) string {
	text, want := e.d.Text(n), n.Bytes()
	for range e.rand.IntN(4) {
		edits, edited := e.edits(want)
		if err := text.Edit(edits); err != nil {
			e.t.Fatalf("%q: %v: %v", want, edits, err)
		}
		want = edited
		if !bytes.Equal(text.Bytes(), want) {
			e.t.Fatalf("after %v the text is %q, want %q", edits, text.Bytes(), want)
		}
	}
	return string(want)
}

// edits makes edits of a text, and the text they should make of it.
func (e *editor) edits(text []byte) (edits []Edit, edited []byte) {
	words := []string{"", "x", "[EMAIL_1]", "\"\\\n\x00", "é😀"}
	at := 0
	next := func() int {
		i := at + e.rand.IntN(len(text)-at+1)
		for i < len(text) && !utf8.RuneStart(text[i]) {
			i++
		}
		return i
	}
	for range e.rand.IntN(4) {
		start := next()
		edited = append(edited, text[at:start]...)
		at = start
		at = next()
		with := words[e.rand.IntN(len(words))]
		edits = append(edits, Edit{start, at, []byte(with)})
		edited = append(edited, with...)
	}
	return edits, append(edited, text[at:]...)
}

func (e *editor) array(n Node, leaves bool) []any {
	out := []any{}
	for v := range n.Elements() {
		out = append(out, e.value(v, leaves))
	}
	if leaves && e.rand.IntN(3) == 0 {
		first := e.rand.IntN(2) == 0
		if e.d.Insert(n, first, []byte(` "in\u0073" `)) != nil {
			e.t.Fatal("not inserted")
		}
		if first {
			return slices.Insert(out, 0, any("ins"))
		}
		return append(out, "ins")
	}
	return out
}

func (e *editor) object(n Node, leaves bool) map[string]any {
	out := map[string]any{}
	for k, v := range n.Members() {
		action := e.rand.IntN(6)
		if !leaves {
			action = -1
		}
		key := k.Str()
		out[key] = e.value(v, leaves && action > 1)
		switch action {
		case 0:
			delete(out, key)
			if err := e.d.Delete(n, key); err != nil {
				e.t.Fatal(err)
			}
		case 1:
			out[key] = []any{json.Number("1")}
			if err := e.d.Set(n, key, []byte(`[1]`)); err != nil {
				delete(out, key) // too deep
				_ = e.d.Delete(n, key)
			}
		}
	}
	if leaves && e.rand.IntN(3) == 0 {
		out["new"] = "member"
		if e.d.Set(n, "new", []byte(`"member"`)) != nil {
			e.t.Fatal("not set")
		}
	}
	return out
}

// FuzzReply checks that whatever the lenient door takes leaves as JSON that says what was judged, that it takes what
// the strict door takes and reads it alike, and that writing it anew changes nothing more.
func FuzzReply(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := ReadReply(body)
		d, strictErr := Parse(body, Limits{})
		if err != nil {
			if strictErr == nil {
				t.Fatalf("%q: %v", body, err)
			}
			return
		}
		defer r.Release()
		out, judged := r.Append(nil), valueTree(r.Root())
		if got := standardTree(t, out); !reflect.DeepEqual(got, judged) {
			t.Fatalf("%q is judged as %v and leaves as %q", body, judged, out)
		}
		if anew := standardTree(t, r.Root().Append(nil)); !reflect.DeepEqual(anew, judged) {
			t.Fatalf("%q is judged as %v and written anew as %v", body, judged, anew)
		}
		if again, err := Parse(out, Limits{MaxBytes: maxBytes}); err != nil {
			t.Fatalf("%q leaves as %q: %v", body, out, err)
		} else {
			again.Release()
		}
		if strictErr == nil {
			defer d.Release()
			if !bytes.Equal(out, body) || !reflect.DeepEqual(judged, nodeTree(d.Root())) {
				t.Fatalf("%q is judged as %v and leaves as %q", body, judged, out)
			}
		}
		editReply(t, r)
	})
}

// editReply gives every string of a reply another text, and compares.
func editReply(t *testing.T, r *Reply) {
	var edit func(v Value)
	edit = func(v Value) {
		if v.Kind() == String {
			v.SetBytes(append([]byte("<\"\x07"), v.Bytes()...))
		}
		v.Members(func(_ string, v Value) bool { edit(v); return true })
		v.Elements(func(_ int, v Value) bool { edit(v); return true })
	}
	edit(r.Root())
	out := r.Append(nil)
	if got, want := standardTree(t, out), valueTree(r.Root()); !reflect.DeepEqual(got, want) {
		t.Fatalf("edited to %v, it leaves as %q", want, out)
	}
}
