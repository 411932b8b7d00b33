package strictjson

import (
	"fmt"

	"github.com/sluicegate/sluice/runtime/reuse"
)

// Doc is a strictly parsed body together with the edits made to it since.
type Doc struct {
	b       []byte
	tape    []entry
	keys    keySet
	limits  Limits
	deepest int
	live    bool

	arena    []byte // decoded and edited text; grows by new blocks, so what it gave out stays
	parts    []uint32
	texts    []*[textsPerBlock]Text
	used     int // Texts handed out
	ops      []op
	sorted   bool
	keyEdits bool
}

var docs = reuse.Pool[Doc]{Name: "JSON requests", New: func() *Doc { return new(Doc) }}

// What a Doc may keep in the pool: more than a large chat needs, less than one huge body costs.
const (
	keepEntries = 1 << 14 // of the index, and of the lists of edits
	keepArena   = 1 << 18 // bytes
	keepTexts   = 64      // blocks
)

// Parse reads b strictly. The error is an *Error. The Doc keeps b and reads it until Release, so b must not be
// changed before.
func Parse(b []byte, l Limits) (*Doc, error) {
	l = l.withDefaults()
	if len(b) > l.MaxBytes {
		return nil, &Error{Code: TooLarge, Offset: l.MaxBytes, Message: fmt.Sprintf("the body is over %d bytes", l.MaxBytes)}
	}
	d := docs.Get()
	d.b, d.limits, d.live = b, l, true
	s := scanner{b: b, tape: d.tape[:0], keys: &d.keys, limit: l.MaxDepth}
	err := s.document()
	d.tape, d.deepest = s.tape, s.deepest
	if err != nil {
		d.Release()
		return nil, err
	}
	return d, nil
}

// Root is the body's value.
func (d *Doc) Root() Node { return Node{d, 0} }

// Bytes is the body as it came. Read only.
func (d *Doc) Bytes() []byte { return d.b }

// Release gives the Doc's memory back. Neither the Doc nor any Node, Text or bytes from it may be used afterwards. A
// Doc that is never released is left to the garbage collector.
func (d *Doc) Release() {
	if !d.live {
		return
	}
	d.b, d.live = nil, false
	if cap(d.tape) > keepEntries {
		d.tape = nil
	}
	if cap(d.keys.slots) > keepEntries || cap(d.keys.text)+cap(d.keys.other) > keepArena {
		d.keys = keySet{}
	}
	if cap(d.arena) > keepArena {
		d.arena = nil
	}
	d.releaseTexts()
	clear(d.ops)
	if cap(d.ops) > keepEntries || cap(d.parts) > keepEntries {
		d.ops, d.parts = nil, nil
	}
	d.arena, d.parts, d.ops = d.arena[:0], d.parts[:0], d.ops[:0]
	d.sorted, d.keyEdits = false, false
	docs.Put(d)
}

func (d *Doc) releaseTexts() {
	if len(d.texts) > keepTexts {
		clear(d.texts[keepTexts:])
		d.texts = d.texts[:keepTexts]
	}
	for i := range min(d.used, len(d.texts)*textsPerBlock) {
		d.texts[i/textsPerBlock][i%textsPerBlock] = Text{}
	}
	d.used = 0
}

// reserve returns an empty slice of the arena with room for n bytes. What is appended to it within that room stays
// the Doc's until Release.
func (d *Doc) reserve(n int) []byte {
	if cap(d.arena)-len(d.arena) < n {
		d.arena = make([]byte, 0, max(n, min(2*cap(d.arena), keepArena), 1024))
	}
	start := len(d.arena)
	d.arena = d.arena[:start+n]
	return d.arena[start : start : start+n]
}

// keep copies p into the arena.
func (d *Doc) keep(p []byte) []byte { return append(d.reserve(len(p)), p...) }
