package openai

import (
	"slices"

	"github.com/sluicegate/sluice/runtime/strictjson"
	"github.com/sluicegate/sluice/runtime/wire"
	"github.com/sluicegate/sluice/runtime/wire/walk"
)

// tree is a JSON value being put together from those of a stream's events.
type tree struct {
	kind  strictjson.Kind
	raw   []byte // of numbers and booleans
	text  []byte // of strings
	keys  []string
	kids  []*tree // members or elements
	index int     // of an element, as the events number it; -1 for none
}

// Join makes the whole answer of a complete stream's events; see wire.Format. Texts that grow are put end to end, names
// and ids too unless they are repeated, arrays are joined by their elements' index or else end to end; of all else the last
// value stays.
func (f *format) Join(events []*wire.Event) (*wire.Answer, error) {
	if err := f.streams(); err != nil {
		return nil, err
	}
	t := &tree{kind: strictjson.Object}
	for _, ev := range events {
		if ev.Error {
			return nil, misread("the model server's stream reports a failure")
		}
		if ev.Doc != nil {
			t.join(ev.Doc.Root(), f.answer, false)
		}
	}
	f.shape(t)
	return f.Answer(t.append(nil))
}

// join adds what one event says.
func (t *tree) join(v strictjson.Value, r *rule, growing bool) {
	growing = growing || r.Scope == grows || r.Class == copied
	switch v.Kind() {
	case strictjson.Object:
		t.become(strictjson.Object)
		v.Members(func(key string, m strictjson.Value) bool {
			to := walk.Find(r, key)
			if to == nil {
				to = r.Other
			}
			t.member(key).join(m, to, growing)
			return true
		})
	case strictjson.Array:
		t.become(strictjson.Array)
		v.Elements(func(i int, e strictjson.Value) bool {
			t.element(e, i, growing).join(e, r.Items, growing)
			return true
		})
	case strictjson.String:
		t.joinText(v, r, growing)
	case strictjson.Null, strictjson.Invalid:
	default:
		t.become(v.Kind())
		t.raw = v.Append(t.raw[:0])
	}
}

func (t *tree) joinText(v strictjson.Value, r *rule, growing bool) {
	fresh := t.kind != strictjson.String
	t.become(strictjson.String)
	switch {
	case r.Class == ident && string(t.text) == string(v.Bytes()): // some model servers repeat names and ids in each event
	case growing && r.Class != skip:
		t.text = append(t.text, v.Bytes()...)
	case fresh || len(t.text) == 0 || r.Class != skip:
		t.text = append(t.text[:0], v.Bytes()...)
	}
}

// become makes t of a kind; what it was of another is lost.
func (t *tree) become(k strictjson.Kind) {
	if t.kind != k {
		*t = tree{kind: k, index: t.index}
	}
}

// member is the member of that name, made if there is none. It starts as null.
func (t *tree) member(key string) *tree {
	if i := slices.Index(t.keys, key); i >= 0 {
		return t.kids[i]
	}
	t.keys = append(t.keys, string([]byte(key))) // key is gone when the event's document is released
	t.kids = append(t.kids, &tree{kind: strictjson.Null})
	return t.kids[len(t.kids)-1]
}

// element is the element that e adds to: the one of its index, or of its place, or a new one where elements without an
// index are put end to end.
func (t *tree) element(e strictjson.Value, i int, end bool) *tree {
	if n, ok := e.Get("index").Int64(); ok && n >= 0 {
		i = int(n)
	} else if end {
		i = -1
	}
	if i >= 0 {
		for _, kid := range t.kids {
			if kid.index == i {
				return kid
			}
		}
	}
	kid := &tree{kind: strictjson.Null, index: i}
	t.kids = append(t.kids, kid)
	return kid
}

// child is the member of that name, or nil.
func (t *tree) child(key string) *tree {
	if i := slices.Index(t.keys, key); i >= 0 {
		return t.kids[i]
	}
	return nil
}

// drop takes a member out.
func (t *tree) drop(key string) {
	if i := slices.Index(t.keys, key); i >= 0 {
		t.keys = slices.Delete(t.keys, i, i+1)
		t.kids = slices.Delete(t.kids, i, i+1)
	}
}

// put sets a member to a string.
func (t *tree) put(key, text string) {
	m := t.member(key)
	*m = tree{kind: strictjson.String, text: []byte(text)}
}

// shape turns the sum of a stream's events into the form of a whole answer.
func (f *format) shape(t *tree) {
	t.put("object", f.whole)
	choices := t.child("choices")
	if choices == nil {
		return
	}
	slices.SortStableFunc(choices.kids, func(a, b *tree) int { return a.index - b.index })
	for _, c := range choices.kids {
		c.become(strictjson.Object)
		c.member("finish_reason")
		if f == chat {
			c.speak()
		}
	}
}

// speak turns a choice's delta into a message.
func (t *tree) speak() {
	if t.child("delta") != nil {
		t.drop("message") // repeats what the deltas said
		t.keys[slices.Index(t.keys, "delta")] = "message"
	}
	m := t.member("message")
	m.become(strictjson.Object)
	m.member("content")
	if m.member("role").kind != strictjson.String {
		m.put("role", "assistant")
	}
	if calls := m.child("tool_calls"); calls != nil {
		for _, call := range calls.kids {
			call.drop("index")
		}
	}
}

// append appends t as JSON.
func (t *tree) append(dst []byte) []byte {
	switch t.kind {
	case strictjson.String:
		return strictjson.AppendString(dst, t.text)
	case strictjson.Object:
		dst = append(dst, '{')
		for i, m := range t.kids {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(strictjson.AppendString(dst, t.keys[i]), ':')
			dst = m.append(dst)
		}
		return append(dst, '}')
	case strictjson.Array:
		dst = append(dst, '[')
		for i, e := range t.kids {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = e.append(dst)
		}
		return append(dst, ']')
	case strictjson.Number, strictjson.Bool:
		return append(dst, t.raw...)
	}
	return append(dst, "null"...)
}
