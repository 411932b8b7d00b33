package strictjson

import (
	"bytes"

	"github.com/valyala/fastjson"
)

// slot is the string of a Reply that changes from one event of a stream to the next, while all else stays: src is read up
// to from and as of to, and between them stands the text, as it is.
type slot struct {
	v        *fastjson.Value // nil: none
	from, to int
	edited   bool
	text     []byte // once edited
	verbatim bool   // text stands in a string as it is
	sought   bool   // there is none for this Reply, or this is it
}

// Again makes the Reply the one that b holds, where that differs from what was read last in the text of the string v alone,
// and says whether it does; else the Reply is as it was. It costs a comparison instead of a reading. All Values stay valid;
// edits of v's text are undone, and with any other edit it says no.
func (r *Reply) Again(b []byte, v Value) bool {
	r.seek(v.v)
	s := &r.slot
	if s.v == nil || s.v != v.v || r.edited || len(b) > maxReply {
		return false
	}
	before, behind := r.src[:s.from], r.src[s.to:]
	if len(b) < len(before)+len(behind) || !bytes.HasPrefix(b, before) || !bytes.HasSuffix(b, behind) {
		return false
	}
	text := b[s.from : len(b)-len(behind)]
	if !verbatim(text) {
		return false
	}
	r.src = append(append(r.src[:s.from], text...), b[len(b)-len(behind):]...)
	s.to, s.edited = s.from+len(text), false
	return true
}

// seek finds, for the first string that asks, where it stands in src: at the one place with those bytes between quotes.
// Without a backslash in all of src every string stands there as it reads, v too, so that the one place is v's.
func (r *Reply) seek(v *fastjson.Value) {
	if r.slot.sought {
		return
	}
	r.slot.sought = true
	if r.ugly || r.edited || v == nil || v.Type() != fastjson.TypeString || bytes.IndexByte(r.src, '\\') >= 0 {
		return
	}
	r.digits = append(append(append(r.digits[:0], '"'), v.GetStringBytes()...), '"')
	at := bytes.Index(r.src, r.digits)
	if at < 0 || bytes.Contains(r.src[at+1:], r.digits) {
		return
	}
	r.slot.v, r.slot.from, r.slot.to = v, at+1, at+len(r.digits)-1
}

// set gives the slot another text.
func (s *slot) set(text []byte) {
	s.edited = true
	if s.verbatim = verbatim(text); s.verbatim {
		s.text = append(s.text[:0], text...)
		return
	}
	s.text = appendValid(s.text[:0], text)
}

// append appends the slot's text, edited, as the content of a string literal.
func (s *slot) append(dst []byte) []byte {
	if s.verbatim {
		return append(dst, s.text...)
	}
	return appendContent(dst, s.text)
}

// current is the slot's text.
func (r *Reply) current() []byte {
	if r.slot.edited {
		return r.slot.text
	}
	return r.src[r.slot.from:r.slot.to]
}
