package strictjson

import (
	"bytes"

	"github.com/valyala/fastjson"

	"github.com/sluicegate/sluice/runtime/reuse"
)

const (
	maxReply = 64 << 20
	// maxReplyValues bounds the memory a reply takes once parsed: a fastjson value takes about 90 bytes.
	maxReplyValues = 4 << 20
	maxReplyDepth  = defaultMaxDepth
)

// Reply is a model server's answer, or the data of one event of a streamed one: leniently read, and editable.
type Reply struct {
	parser fastjson.Parser
	src    []byte // the body as it is read: valid UTF-8, valid escapes
	root   *fastjson.Value
	ugly   bool // src is not strictly valid
	edited bool
	live   bool

	slot slot // see Again

	texts  map[*fastjson.Value][]byte // strings that were given another text
	arena  []byte                     // those texts; what it held before it grew stays valid
	added  []*fastjson.Parser         // of values put in by Set; the first inUse of them hold some
	inUse  int
	names  map[string]string // keys met before, so that naming them again allocates nothing
	digits []byte            // the number in hand
	tape   []entry           // of the scan that comes before fastjson's
	keys   keySet
}

var replies = reuse.Pool[Reply]{Name: "JSON answers", New: func() *Reply {
	return &Reply{texts: make(map[*fastjson.Value][]byte), names: make(map[string]string)}
}}

// What a Reply may keep in the pool.
const (
	keepReply = 1 << 18 // bytes of body
	keepEdits = 64
	keepNames = 256
	keepName  = 32 // bytes
)

// ReadReply reads b leniently; it copies b. The error is an *Error: for what is no JSON even with much good will, an
// object that names a key twice, nesting over 128, over 64 MiB or over four million values. Its offset is that in b
// with what is ugly put right.
//
// What is ugly is read as follows, and leaves as it is read: a byte that is not UTF-8 and half a surrogate pair are
// U+FFFD; an escape that JSON does not have is the text of its two characters; a raw control character is itself;
// NaN and infinities are null; superfluous signs, zeros and points of numbers are left out.
func ReadReply(b []byte) (*Reply, error) {
	if len(b) > maxReply || bytes.Count(b, []byte{','}) > maxReplyValues {
		return nil, &Error{Code: TooLarge, Offset: -1, Message: "the answer is too large"}
	}
	r := replies.Get()
	r.live = true
	r.src = appendTidy(r.src[:0], b)
	if err := r.read(); err != nil {
		r.Release()
		return nil, err
	}
	return r, nil
}

// read scans src and then has fastjson make its tree of it. The scan comes first because it finds what fastjson does
// not look for, and because fastjson's errors quote the body, at a cost that grows with its length times its depth.
func (r *Reply) read() error {
	s := scanner{b: r.src, tape: r.tape[:0], keys: &r.keys, limit: maxReplyDepth, lenient: true}
	err := s.document()
	r.tape, r.ugly = s.tape, s.ugly
	if err != nil {
		return err
	}
	root, parseErr := r.parser.ParseBytes(r.src)
	if parseErr != nil {
		return &Error{Code: InvalidJSON, Offset: -1, Message: "the answer is not JSON"}
	}
	r.root = root
	return nil
}

// Root is the outermost value.
func (r *Reply) Root() Value { return Value{r, r.root} }

// Edited tells whether anything was changed since it was read.
func (r *Reply) Edited() bool { return r.edited || r.slot.edited }

// Append appends the reply as JSON that every parser reads alike. Unedited and strictly valid, it is the body as it
// came, and so is all but the text where the first one to be edited is all that was, and stands alone in a body without
// escapes; else it is written anew from what was read, without white space.
func (r *Reply) Append(dst []byte) []byte {
	switch s := &r.slot; {
	case r.edited || r.ugly:
		return r.emit(dst, r.root)
	case s.edited:
		return append(s.append(append(dst, r.src[:s.from]...)), r.src[s.to:]...)
	default:
		return append(dst, r.src...)
	}
}

// Release gives the Reply's memory back. Neither it nor any Value or bytes from it may be used afterwards. A Reply that
// is never released is left to the garbage collector. Releasing nil does nothing.
func (r *Reply) Release() {
	if r == nil {
		return
	}
	if !r.live {
		return
	}
	large := cap(r.src) > keepReply || cap(r.arena) > keepReply || cap(r.slot.text) > keepReply || cap(r.tape) > keepEntries ||
		len(r.texts) > keepEdits || len(r.added) > keepEdits
	r.live, r.edited, r.root = false, false, nil
	r.slot = slot{text: r.slot.text[:0]}
	r.src, r.arena, r.inUse = r.src[:0], r.arena[:0], 0
	if len(r.texts) > 0 {
		clear(r.texts)
	}
	if large {
		replies.Drop()
		return
	}
	replies.Put(r)
}

// name is key as a string of its own.
func (r *Reply) name(key []byte) string {
	if name, ok := r.names[string(key)]; ok {
		return name
	}
	name := string(key)
	if len(name) <= keepName && len(r.names) < keepNames {
		r.names[name] = name
	}
	return name
}
