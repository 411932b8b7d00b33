package strictjson

import (
	"errors"
	"strconv"

	"github.com/valyala/fastjson"
)

// Value is one value of a Reply; edits show in it. The zero Value is absent: its kind is Invalid, and all its methods
// may be called. A Value is valid until its Reply's Release, or until Set or Delete takes it out.
type Value struct {
	r *Reply
	v *fastjson.Value
}

// in makes a Value of what fastjson found, which may be nothing.
func (r *Reply) in(v *fastjson.Value) Value {
	if v == nil {
		return Value{}
	}
	return Value{r, v}
}

// Kind is the value's type; Invalid if it is absent. A number that says nothing in JSON, such as NaN, is Null.
func (v Value) Kind() Kind {
	if v.v == nil {
		return Invalid
	}
	switch v.v.Type() {
	case fastjson.TypeObject:
		return Object
	case fastjson.TypeArray:
		return Array
	case fastjson.TypeString:
		return String
	case fastjson.TypeTrue, fastjson.TypeFalse:
		return Bool
	case fastjson.TypeNumber:
		if !v.r.ugly || string(v.r.number(v.v)) != "null" {
			return Number
		}
	}
	return Null
}

// Get follows keys through objects; absent if one is missing.
func (v Value) Get(keys ...string) Value {
	at := v.v
	for _, key := range keys {
		if at == nil || at.Type() != fastjson.TypeObject {
			return Value{}
		}
		at = at.GetObject().Get(key)
	}
	return v.r.in(at)
}

// Index is an array's element; absent if there is none.
func (v Value) Index(i int) Value {
	elements := v.array()
	if i < 0 || i >= len(elements) {
		return Value{}
	}
	return Value{v.r, elements[i]}
}

func (v Value) array() []*fastjson.Value {
	if v.v == nil {
		return nil
	}
	return v.v.GetArray()
}

func (v Value) object() *fastjson.Object {
	if v.v == nil {
		return nil
	}
	return v.v.GetObject()
}

// Len counts an object's members or an array's elements; 0 for all else.
func (v Value) Len() int {
	if o := v.object(); o != nil {
		return o.Len()
	}
	return len(v.array())
}

// Members calls f for each member of an object, in order, until it returns false. key stays valid.
func (v Value) Members(f func(key string, v Value) bool) {
	o := v.object()
	if o == nil {
		return
	}
	going := true
	o.Visit(func(key []byte, member *fastjson.Value) {
		going = going && f(v.r.name(key), Value{v.r, member})
	})
}

// Elements calls f for each element of an array, in order, until it returns false.
func (v Value) Elements(f func(i int, v Value) bool) {
	for i, element := range v.array() {
		if !f(i, Value{v.r, element}) {
			return
		}
	}
}

// Bytes is a string's text, always UTF-8; nil for other kinds. It is read only.
func (v Value) Bytes() []byte {
	if !v.isString() {
		return nil
	}
	return v.r.text(v.v)
}

// isString asks the slot first, which is at hand in an event read Again.
func (v Value) isString() bool {
	return v.v != nil && (v.v == v.r.slot.v || v.v.Type() == fastjson.TypeString)
}

// text is the current text of a string.
func (r *Reply) text(v *fastjson.Value) []byte {
	if v == r.slot.v {
		return r.current()
	}
	if len(r.texts) > 0 {
		if text, ok := r.texts[v]; ok {
			return text
		}
	}
	return v.GetStringBytes()
}

// Bool is a boolean's value; ok is false for other kinds.
func (v Value) Bool() (value, ok bool) {
	switch v.Kind() {
	case Bool:
		return v.v.GetBool(), true
	default:
		return false, false
	}
}

// Int64 is the value of a number written without fraction and exponent; ok is false for all else and for what does
// not fit.
func (v Value) Int64() (value int64, ok bool) {
	if v.Kind() != Number {
		return 0, false
	}
	value, err := strconv.ParseInt(string(v.r.number(v.v)), 10, 64)
	return value, err == nil
}

// SetBytes gives a string another text, which is copied; in it, bytes that are not UTF-8 become U+FFFD. It does
// nothing to other kinds.
func (v Value) SetBytes(text []byte) {
	if !v.isString() {
		return
	}
	r := v.r
	if r.seek(v.v); v.v == r.slot.v {
		r.slot.set(text)
		return
	}
	r.edited = true
	start := len(r.arena)
	r.arena = appendValid(r.arena, text)
	r.texts[v.v] = r.arena[start:len(r.arena):len(r.arena)]
}

// Set gives an object's member a new value, or puts a new member last. raw is copied after it was read strictly: the
// error says what is wrong with it (an *Error), or that this is no object.
func (v Value) Set(key string, raw []byte) error {
	o := v.object()
	if o == nil {
		return errors.New("cannot set a member: the value is not an object")
	}
	checked, err := Parse(raw, Limits{MaxBytes: maxReply, MaxDepth: maxReplyDepth})
	if err != nil {
		return err
	}
	checked.Release()
	value, err := v.r.parse(raw)
	if err != nil {
		return err
	}
	v.r.edited = true
	o.Set(key, value)
	return nil
}

// parse makes a value of strictly valid JSON that lives as long as the Reply.
func (r *Reply) parse(raw []byte) (*fastjson.Value, error) {
	if r.inUse == len(r.added) {
		r.added = append(r.added, new(fastjson.Parser))
	}
	value, err := r.added[r.inUse].ParseBytes(raw)
	if err != nil {
		return nil, &Error{Code: InvalidJSON, Offset: -1, Message: "the value is not JSON"}
	}
	r.inUse++
	return value, nil
}

// Delete takes a member out of an object. One that is not there is left alone.
func (v Value) Delete(key string) {
	o := v.object()
	if o == nil || o.Get(key) == nil {
		return
	}
	v.r.edited = true
	o.Del(key)
}

// Append appends the value alone as JSON, written anew; nothing if it is absent.
func (v Value) Append(dst []byte) []byte {
	if v.v == nil {
		return dst
	}
	return v.r.emit(dst, v.v)
}
