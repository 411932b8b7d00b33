package strictjson

import (
	"errors"
	"strings"
	"testing"
)

// set and others are edits of the document, short to write.
func set(path, key, raw string) func(*Doc) error {
	return func(d *Doc) error { return d.Set(at(d, path), key, []byte(raw)) }
}

func del(path, key string) func(*Doc) error {
	return func(d *Doc) error { return d.Delete(at(d, path), key) }
}

func insert(path string, first bool, raw string) func(*Doc) error {
	return func(d *Doc) error { return d.Insert(at(d, path), first, []byte(raw)) }
}

func write(path, text string) func(*Doc) error {
	return func(d *Doc) error {
		t := d.Text(at(d, path))
		return t.Edit([]Edit{edit(0, t.Len(), text)})
	}
}

// at follows a path such as "a.b" from the root.
func at(d *Doc, path string) Node {
	n := d.Root()
	for _, key := range strings.FieldsFunc(path, func(r rune) bool { return r == '.' }) {
		n = n.Get(key)
	}
	return n
}

func TestShape(t *testing.T) {
	f := func(body, want string, edits ...func(*Doc) error) {
		t.Helper()
		d := mustParse(t, body)
		defer d.Release()
		for i, e := range edits {
			if err := e(d); err != nil {
				t.Errorf("%s: edit %d: %v", body, i, err)
			}
		}
		for range 2 { // rendering changes nothing
			if got := string(d.Render([]byte("<"))); got != "<"+want {
				t.Errorf("%s leaves as %s, want %s", body, got[1:], want)
			}
		}
		mustParse(t, want).Release()
	}
	f(`{"a":1}`, `{"a":2}`, set("", "a", "2"))
	f(`{"a":1}`, `{"a":3}`, set("", "a", "2"), set("", "a", "3"))
	f(`{"a" : 1 , "b":2}`, `{"a" : [] , "b":2}`, set("", "a", "[]"))
	f(`{"\u0061":1}`, `{"\u0061":2}`, set("", "a", "2"))
	f(`{"a":1}`, `{"a":1,"b":2}`, set("", "b", "2"))
	f(`{"a":1}`, `{"a":1,"b":3,"c\n":[4]}`, set("", "b", "2"), set("", "c\n", "[4]"), set("", "b", "3"))
	f(`{}`, `{"a":1}`, set("", "a", "1"))
	f(` { } `, ` {"a":1 } `, set("", "a", "1"))
	f(`{"a":1}`, `{}`, del("", "a"))
	f(`{ "a":1 }`, `{  }`, del("", "a"))
	f(`{"a":1}`, `{"a":1}`, del("", "b"))
	f(`{"a":1, "b":2, "c":3}`, `{"b":2, "c":3}`, del("", "a"))
	f(`{"a":1, "b":2, "c":3}`, `{"a":1, "c":3}`, del("", "b"))
	f(`{"a":1, "b":2, "c":3}`, `{"a":1, "b":2}`, del("", "c"))
	f(`{"a":1, "b":2, "c":3}`, `{"b":2}`, del("", "a"), del("", "c"))
	f(`{"a":1, "b":2, "c":3}`, `{"c":3}`, del("", "a"), del("", "b"))
	f(`{"a":1, "b":2}`, `{"c":3}`, del("", "a"), del("", "b"), set("", "c", "3"))
	f(`{"a":1, "b":2}`, `{"a":3, "b":2}`, del("", "a"), set("", "a", "3"))
	f(`{"a":1, "b":2}`, `{"b":2}`, set("", "a", "3"), del("", "a"))
	f(`{"a":1, "b":2}`, `{"a":4, "b":2}`, set("", "a", "3"), del("", "a"), del("", "a"), set("", "a", "4"))
	f(`{"a":1}`, `{"a":1}`, set("", "b", "2"), del("", "b"))
	f(`{"a":{"b":{"c":1}}}`, `{"a":{"b":{"c":1,"d":2}}}`, set("a.b", "d", "2"))
	f(`{"a":{"b":{"c":1}},"e":[]}`, `{"a":{"b":9},"e":[]}`, set("a.b", "c", "2"), set("a.b", "d", "3"), set("a", "b", "9"))
	f(`[1, 2]`, `[0,1, 2,3]`, insert("", true, "0"), insert("", false, "3"))
	f(`[]`, `[0,1,2,3]`, insert("", true, "1"), insert("", true, "0"), insert("", false, "2"), insert("", false, "3"))
	f(`[ ]`, `[{"x":[]} ]`, insert("", false, `{"x":[]}`))
	f(`{"m":[ {"a":1} ]}`, `{"m":[ "s",{"a":1},"e" ]}`, insert("m", true, `"s"`), insert("m", false, `"e"`))
	// Text and members together; what stands in a value that is replaced or gone goes with it.
	f(`{"a":"x","b":"y","c":"z"}`, `{"a":"X","c":"Z"}`, write("c", "Z"), del("", "b"), write("b", "Y"), write("a", "X"))
	f(`{"a":"x"}`, `{"a":2}`, write("a", "X"), set("", "a", "2"))
	f(`{"a":{"b":"x"},"c":"y"}`, `{"a":0,"c":"Y"}`, write("a.b", "X"), write("c", "Y"), set("", "a", "0"))
	f(`{"a":{"b":"x","d":1},"c":"y"}`, `{"a":{"b":"X"},"c":"Y"}`, del("a", "d"), write("a.b", "X"), write("c", "Y"))
	f(`"x"`, `"y"`, write("", "y"))
}

func TestShapeRefuses(t *testing.T) {
	f := func(body string, e func(*Doc) error, want string) {
		t.Helper()
		d := mustParse(t, body)
		defer d.Release()
		if err := e(d); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", body, err, want)
		}
		if got := string(d.Render(nil)); got != body {
			t.Errorf("%s: refused, and yet %s", body, got)
		}
	}
	f(`{"a":1}`, set("", "b", ""), "invalid_json")
	f(`{"a":1}`, set("", "b", "1,"), "invalid_json")
	f(`{"a":1}`, set("", "b", `{"x":1,"x":2}`), "duplicate_key")
	f(`[]`, insert("", true, "01"), "invalid_number")
	f(`[]`, set("", "b", "1"), "the node is array")
	f(`{}`, insert("", true, "1"), "the node is object")
	f(`{}`, set("x", "b", "1"), "the node is absent")
	f(`[]`, del("", "b"), "the node is array")
	other := mustParse(t, `{}`)
	defer other.Release()
	f(`{}`, func(d *Doc) error { return d.Set(other.Root(), "a", []byte("1")) }, "not an object of this document")
}

func TestShapeKeepsTheDepth(t *testing.T) {
	deep := func(n int) string { return strings.Repeat("[", n-1) + "[0]" + strings.Repeat("]", n-1) }
	f := func(body, path string, levels int, want bool) {
		t.Helper()
		d, err := Parse([]byte(body), Limits{MaxDepth: 4})
		if err != nil {
			t.Fatal(err)
		}
		defer d.Release()
		err = d.Set(at(d, path), "new", []byte(deep(levels)))
		var refusal *Error
		if want != (err == nil) || err != nil && (!errors.As(err, &refusal) || refusal.Code != TooDeep) {
			t.Errorf("%d levels in %q of %s: %v", levels, path, body, err)
		}
		if _, err := Parse(d.Render(nil), Limits{MaxDepth: 4}); err != nil {
			t.Errorf("the result of %s: %v", body, err)
		}
	}
	f(`{}`, "", 3, true)
	f(`{}`, "", 4, false)
	f(`{"x":[1,[2]],"a":{"b":{"c":1}}}`, "a.b", 1, true)
	f(`{"x":[1,[2]],"a":{"b":{"c":1}}}`, "a.b", 2, false)
	f(`{"a":{"b":{"c":{}}}}`, "a.b.c", 1, false)
}

func TestRenderWith(t *testing.T) {
	f := func(body, want string, root []Override, edits ...func(*Doc) error) {
		t.Helper()
		d := mustParse(t, body)
		defer d.Release()
		for _, e := range edits {
			if err := e(d); err != nil {
				t.Fatal(err)
			}
		}
		before := string(d.Render(nil))
		if got := string(d.RenderWith([]byte("<"), root)); got != "<"+want {
			t.Errorf("%s leaves as %s, want %s", body, got[1:], want)
		}
		if got := string(d.Render(nil)); got != before {
			t.Errorf("%s: overriding changed the document: %s", body, got)
		}
		mustParse(t, want).Release()
	}
	raw := func(key, raw string) Override { return Override{Key: key, Raw: []byte(raw)} }
	none := func(key string) Override { return Override{Key: key} }
	f(`{"model":"a", "x":1}`, `{"model":"b", "x":1}`, []Override{raw("model", `"b"`)})
	f(` {"x":1} `, ` {"x":1,"model":"b"} `, []Override{raw("model", `"b"`)})
	f(`{"model":"a", "stream":true, "x":{"stream":1}}`, `{"x":{"stream":1}}`, []Override{none("model"), none("stream"), none("gone")})
	f(`{"m\u006fdel":"a"}`, `{"m\u006fdel":"b"}`, []Override{raw("model", `"b"`)})
	f(`{}`, `{"a":1,"b":2}`, []Override{raw("a", "1"), raw("b", "2")})
	f(`{"a":0}`, `{"b":2}`, []Override{none("a"), raw("b", "2")})
	f(`[{"a":0}]`, `[{"a":0}]`, []Override{none("a"), raw("b", "2")})
	// Together with edits: overrides win.
	f(`{"a":"x","b":"y"}`, `{"a":1,"b":"Y"}`, []Override{raw("a", "1")}, write("a", "X"), write("b", "Y"))
	f(`{"a":{"c":"x"},"b":"y"}`, `{"b":"Y"}`, []Override{none("a")}, write("a.c", "X"), write("b", "Y"))
	f(`{"a":1}`, `{"a":3,"c":5,"b":4}`, []Override{raw("a", "3"), raw("b", "4")}, set("", "a", "2"), set("", "b", "2"), set("", "c", "5"))
	f(`{"a":1}`, `{"a":3}`, []Override{raw("a", "3")}, del("", "a"))
	f(`{"a":1,"b":2}`, `{"a":1}`, []Override{none("c"), none("b")}, set("", "c", "2"))
	f(`{"m":[1]}`, `{"m":[1,2],"z":0}`, []Override{raw("z", "0")}, insert("m", false, "2"))
	// A key that an edit made equal to an override's, or to an added member's, is kept apart from it.
	f(`{"x":1}`, `{"model_2":1,"model":2}`, []Override{raw("model", "2")}, writeKey("x", "model"))
	f(`{"x":1,"y":0}`, `{"new_2":1,"y":0,"new":2}`, nil, writeKey("x", "new"), set("", "new", "2"))
	f(`{"xy":1,"y":0}`, `{"y_2":1,"y":0}`, nil, func(d *Doc) error {
		for k := range d.Root().Members() {
			return d.Text(k).Edit([]Edit{edit(0, 1, "")})
		}
		return nil
	})
}

// writeKey gives a member of the root another key.
func writeKey(from, to string) func(*Doc) error {
	return func(d *Doc) error {
		t := d.Text(d.Root().find(from))
		return t.Edit([]Edit{edit(0, t.Len(), to)})
	}
}
