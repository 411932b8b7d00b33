package strictjson

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

func TestReplyReads(t *testing.T) {
	// want is what leaves where it differs from what came.
	f := func(body, want string) {
		t.Helper()
		r, err := ReadReply([]byte(body))
		if err != nil {
			t.Errorf("%q: %v", body, err)
			return
		}
		defer r.Release()
		if got := string(r.Append([]byte("<"))); got != "<"+want {
			t.Errorf("%q leaves as %q, want %q", body, got[1:], want)
		}
		tree := standardTree(t, []byte(want))
		if got := valueTree(r.Root()); !reflect.DeepEqual(got, tree) {
			t.Errorf("%q is judged as %v, and leaves as %v", body, got, tree)
		}
		if got := standardTree(t, r.Root().Append(nil)); !reflect.DeepEqual(got, tree) {
			t.Errorf("%q: written anew it is %v, want %v", body, got, tree)
		}
		if r.Edited() {
			t.Errorf("%q: edited", body)
		}
	}
	same := func(body string) { t.Helper(); f(body, body) }
	same(event)
	same(`{"a" : [ 1, -0.50e+7, "\u00e9\/\ud83d\ude00", true, false, null, {}, [] ], "":{"":""} }`)
	same(" \r\n 12345678901234567890123 ")
	same(`"x"`)
	// Strings.
	f(`{"a":"\x41\U00e9\'\u12"}`, `{"a":"\\x41\\U00e9\\'\\u12"}`)
	f(`"\x\\x\"\y"`, `"\\x\\x\"\\y"`)
	f("\"a\nb\x00\x1f\"", `"a\nb\u0000\u001f"`)
	f("\"a\xffb\xc3\"", "\"a\uFFFDb\uFFFD\"")
	f("{\"a\xff\":1}", "{\"a\uFFFD\":1}")
	f(`"\ud83d"`, `"\ufffd"`)
	f(`"\ud83d\u0041 \ude00 \ud83d\ud83d\ude00"`, `"\ufffd\u0041 \ufffd \ufffd\ud83d\ude00"`)
	f(`"\ud83dx"`, `"\ufffdx"`)
	f("{\"\\x\":\"\\x07\x07\"}", `{"\\x":"\\x07\u0007"}`)
	// Numbers.
	f(`[01, -007, +5, .5, -.5, 5., 1.e5, 00, 00.10, -0]`, `[1,-7,5,0.5,-0.5,5,1e5,0,0.10,-0]`)
	f(`[nan, NaN, -nan, inf, -INF]`, `[null,null,null,null,null]`)
	f(`[--1, 1-2, e5, ., 1e, 1.2.3, ++]`, `[null,null,null,null,null,null,null]`)
}

func TestReplyRefuses(t *testing.T) {
	f := func(body string, code Code) {
		t.Helper()
		_, err := ReadReply([]byte(body))
		var got *Error
		if !errors.As(err, &got) || got.Code != code {
			t.Errorf("%.60q: got %v, want %s", body, err, code)
		}
	}
	f("", InvalidJSON)
	f("[1,]", InvalidJSON)
	f("{} {}", InvalidJSON)
	f(`{"a":tru}`, InvalidJSON)
	f(`{"a":t`+strings.Repeat("x", 1<<20), InvalidJSON)
	f(`{"a":1 \n}`, InvalidJSON)
	f(`"a\`, InvalidJSON)
	f(`[Infinity]`, InvalidJSON)
	f(`[-]`, InvalidJSON)
	f(`[nul]`, InvalidJSON)
	f("{'a':1}", InvalidJSON)
	f(`{"a":1,"a":2}`, DuplicateKey)
	f(`[{"content":"x","c\u006fntent":"y"}]`, DuplicateKey)
	f(`{"\x":1,"\\x":2}`, DuplicateKey) // the same text, as they are read
	f(`{"\ud83d":1,"\ude00":2}`, DuplicateKey)
	f("{\"\xff\":1,\"\xfe\":2}", DuplicateKey)
	f("{\"a\x01\":1,\"a\\u0001\":2}", DuplicateKey)
	f(strings.Repeat("[", 129)+strings.Repeat("]", 129), TooDeep)
	f(strings.Repeat(`{"a":`, 129)+"1"+strings.Repeat("}", 129), TooDeep)
	f(strings.Repeat("[", 1<<20), TooDeep)
	f("["+strings.Repeat("1,", maxReplyValues+1)+"1]", TooLarge)
}

func TestValue(t *testing.T) {
	r := mustRead(t, `{"a":{"b\u0063":["x",{"d":7}]},"t":true,"f":false,"n":null,"i":-12,"big":9223372036854775808,"r":1.5,"z":007,"nan":nan}`)
	defer r.Release()
	root := r.Root()
	list := root.Get("a", "bc")
	if list.Kind() != Array || list.Len() != 2 || string(list.Index(0).Bytes()) != "x" {
		t.Errorf("list is %s", list.Append(nil))
	}
	kinds := map[string]Kind{"a": Object, "t": Bool, "f": Bool, "n": Null, "i": Number, "r": Number, "z": Number, "nan": Null, "none": Invalid}
	for key, want := range kinds {
		if got := root.Get(key).Kind(); got != want {
			t.Errorf("%s is %v, want %v", key, got, want)
		}
	}
	f := func(v Value, want int64, wantOK bool) {
		t.Helper()
		if got, ok := v.Int64(); ok != wantOK || ok && got != want {
			t.Errorf("%s is %d, %v, want %d, %v", v.Append(nil), got, ok, want, wantOK)
		}
	}
	f(list.Index(1).Get("d"), 7, true)
	f(root.Get("i"), -12, true)
	f(root.Get("z"), 7, true)
	f(root.Get("big"), 0, false)
	f(root.Get("r"), 0, false)
	f(root.Get("nan"), 0, false)
	f(root.Get("t"), 0, false)
	for key, want := range map[string][2]bool{"t": {true, true}, "f": {false, true}, "n": {false, false}, "none": {false, false}} {
		if value, ok := root.Get(key).Bool(); value != want[0] || ok != want[1] {
			t.Errorf("%s is %v, %v", key, value, ok)
		}
	}
	if root.Len() != 9 || root.Get("t").Len() != 0 {
		t.Errorf("the root has %d members", root.Len())
	}
	var keys []string
	root.Members(func(key string, _ Value) bool {
		keys = append(keys, key)
		return len(keys) < 3
	})
	if got := strings.Join(keys, " "); got != "a t f" {
		t.Errorf("members up to the third: %s", got)
	}
	count := 0
	list.Elements(func(i int, _ Value) bool { count++; return i < 0 })
	if count != 1 {
		t.Errorf("%d elements, though it was to stop", count)
	}
}

func TestAbsentValue(t *testing.T) {
	r := mustRead(t, `{"a":[1]}`)
	defer r.Release()
	for _, v := range []Value{{}, r.Root().Get("b"), r.Root().Get("a", "b"), r.Root().Get("a", "0"), r.Root().Get("a").Index(1), r.Root().Get("a").Index(-1), r.Root().Index(0)} {
		_, isInt := v.Int64()
		_, isBool := v.Bool()
		if v.Kind() != Invalid || v.Bytes() != nil || v.Len() != 0 || isInt || isBool || len(v.Append(nil)) != 0 {
			t.Errorf("an absent value says something: %+v", v)
		}
		v.SetBytes([]byte("x"))
		v.Delete("x")
		v.Members(func(string, Value) bool { t.Error("a member"); return true })
		v.Elements(func(int, Value) bool { t.Error("an element"); return true })
		if err := v.Set("x", []byte("1")); err == nil {
			t.Error("an absent value took a member")
		}
	}
	if r.Edited() {
		t.Error("edited")
	}
}

func TestReplyEdits(t *testing.T) {
	f := func(body, want string, edits ...func(Value)) {
		t.Helper()
		r := mustRead(t, body)
		defer r.Release()
		for _, e := range edits {
			e(r.Root())
		}
		if got := string(r.Append(nil)); got != want {
			t.Errorf("%s leaves as %s, want %s", body, got, want)
		}
		if r.Edited() != (body != want) {
			t.Errorf("%s: Edited is %v", body, r.Edited())
		}
		if got, tree := valueTree(r.Root()), standardTree(t, []byte(want)); !reflect.DeepEqual(got, tree) {
			t.Errorf("%s is judged as %v, and leaves as %v", body, got, tree)
		}
		mustParse(t, want).Release()
	}
	text := func(key, text string) func(Value) {
		return func(v Value) { v.Get(key).SetBytes([]byte(text)) }
	}
	put := func(key, raw string) func(Value) {
		return func(v Value) {
			t.Helper()
			if err := v.Set(key, []byte(raw)); err != nil {
				t.Error(err)
			}
		}
	}
	f(`{"a": "x", "b": "y"}`, `{"a": "X\u0007\"", "b": "y"}`, text("a", "X\a\""))
	f(`{"a": "x", "b": "y"}`, `{"a":"z","b":"X"}`, text("a", "z"), text("b", "X"))
	f(`{"a": "x", "b": "x"}`, `{"a":"z","b":"x"}`, text("a", "z"))
	f(`{"a": "x"}`, `{"a": "z"}`, text("a", "y"), text("a", "z"))
	f(`{"a": "x"}`, `{"a": ""}`, text("a", ""))
	f(`{"a":1}`, `{"a":1}`, text("a", "x"), text("b", "x"))
	f(`{"a":"x"}`, "{\"a\":\"a\uFFFDb\"}", text("a", "a\xffb"))
	f(`{"a\u0062":"x","n":01}`, `{"ab":"X","n":1}`, text("ab", "X"))
	f(`{"a":1}`, `{"a":[2,"é"]}`, put("a", `[2,"\u00e9"]`))
	f(`{"a":1}`, `{"a":1,"b\\":2}`, put("b\\", `2`))
	f(`{"a":1}`, `{"a":1,"b":{"c":"z"}}`, put("b", `{"c":"y"}`), func(v Value) { v.Get("b", "c").SetBytes([]byte("z")) })
	f(`{"a":1,"b":2}`, `{"b":2}`, func(v Value) { v.Delete("a") })
	f(`{"a":1,"b":2}`, `{"a":1,"b":2}`, func(v Value) { v.Delete("c") })
	f(`{"\u0061":1,"b":2}`, `{"b":2}`, func(v Value) { v.Delete("a") })

	r := mustRead(t, `{"a":1}`)
	defer r.Release()
	for raw, code := range map[string]Code{"": InvalidJSON, "1,": InvalidJSON, "01": InvalidNumber, `{"x":1,"x":1}`: DuplicateKey} {
		var got *Error
		if err := r.Root().Set("a", []byte(raw)); !errors.As(err, &got) || got.Code != code {
			t.Errorf("Set to %q: %v, want %s", raw, err, code)
		}
	}
	if err := r.Root().Get("a").Set("x", []byte("1")); err == nil {
		t.Error("a number took a member")
	}
	if r.Edited() {
		t.Error("edited by refused edits")
	}
}

// TestReplyKeepsNothingOfItsInput overwrites the input after reading, as a stream's buffer is.
func TestReplyKeepsNothingOfItsInput(t *testing.T) {
	body := []byte(`{"a":"text","b":[1]}`)
	r, err := ReadReply(body)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Release()
	clear(body)
	if got := string(r.Append(nil)); got != `{"a":"text","b":[1]}` || string(r.Root().Get("a").Bytes()) != "text" {
		t.Errorf("got %s", got)
	}
}

func TestReplyPool(t *testing.T) {
	var names []string
	for range 50 {
		r := mustRead(t, `{"content":"a","other":{"x":"y"}}`)
		r.Root().Members(func(key string, _ Value) bool {
			names = append(names, key)
			return true
		})
		r.Root().Get("content").SetBytes([]byte("edited"))
		if err := r.Root().Set("more", []byte(`"z"`)); err != nil {
			t.Fatal(err)
		}
		if got := string(r.Append(nil)); got != `{"content":"edited","other":{"x":"y"},"more":"z"}` {
			t.Fatalf("got %s", got)
		}
		r.Release()
		r.Release()
		mustRead(t, `{"qqqqqqq":"zzzzzzzzz","rrrrr":0}`).Release()
	}
	for i, name := range names {
		if want := []string{"content", "other"}[i%2]; name != want {
			t.Fatalf("a name became %q after its Reply's Release", name)
		}
	}
	body, text := []byte(event), []byte("x")
	allocs := testing.AllocsPerRun(100, func() {
		r, err := ReadReply(body)
		if err != nil {
			t.Fatal(err)
		}
		r.Root().Get("choices").Index(0).Get("delta", "content").SetBytes(text)
		countStrings(r.Root())
		r.Release()
	})
	if allocs >= 1 && !racing {
		t.Errorf("reading and editing an event allocates %v times", allocs)
	}
}
