package strictjson

import (
	"bytes"
	"hash/maphash"
	"strings"
	"unicode/utf8"
)

// keyFilter is a tiny Bloom filter over the keys of one object: as long as every key falls into a place of its own,
// no two are equal and none need be compared. That is the case for nearly every object of a request.
type keyFilter struct {
	places  uint64
	count   int
	suspect bool // two keys share a place, or a key has escapes
	escaped bool
}

// add takes a key in.
func (f *keyFilter) add(b []byte, key entry) {
	f.count++
	if key.flags&flagEscaped != 0 {
		f.escaped, f.suspect = true, true
		return
	}
	first, last, middle := b[key.start+1], b[key.end-2], b[(key.start+key.end)/2]
	sum := (key.end - key.start) ^ uint32(first)<<8 ^ uint32(last)<<16 ^ uint32(middle)<<24
	place := uint64(1) << (sum * 0x9E3779B1 >> 26) // Knuth's multiplicative hash, six bits
	f.suspect = f.suspect || f.places&place != 0
	f.places |= place
}

// keySet finds duplicate keys. It is kept with a Doc so that its memory is used again.
type keySet struct {
	slots []keySlot
	text  []byte // the key in hand, unescaped
	other []byte // the key it is compared with
}

// keySlot is a place of an open-addressing hash table: the tape index of a key plus one, and its hash.
type keySlot struct{ key, hash uint32 }

// seed makes collisions unpredictable to whoever sends the keys.
var seed = maphash.MakeSeed()

// pairwise is up to how many keys comparing each with each is cheaper than hashing.
const pairwise = 16

// duplicate returns the tape index of the first key of the object at self that is equal to an earlier one, or -1.
func (k *keySet) duplicate(b []byte, tape []entry, self int, seen *keyFilter) int {
	if seen.count <= pairwise && !seen.escaped {
		return duplicatePairwise(b, tape, uint32(self))
	}
	size := 16
	for size < 2*seen.count {
		size *= 2
	}
	if cap(k.slots) < size {
		k.slots = make([]keySlot, size)
	}
	k.slots = k.slots[:size]
	clear(k.slots)
	for i, end := uint32(self)+1, tape[self].next; i < end; i = tape[i+1].next {
		if k.insert(b, tape, i) {
			return int(i)
		}
	}
	return -1
}

// insert adds a key and tells whether an equal one was there.
func (k *keySet) insert(b []byte, tape []entry, i uint32) (found bool) {
	k.text = appendText(k.text[:0], b, tape[i])
	hash := uint32(maphash.Bytes(seed, k.text))
	mask := uint32(len(k.slots) - 1)
	at := hash & mask
	for ; k.slots[at].key != 0; at = (at + 1) & mask {
		if k.slots[at].hash != hash {
			continue
		}
		k.other = appendText(k.other[:0], b, tape[k.slots[at].key-1])
		if bytes.Equal(k.text, k.other) {
			return true
		}
	}
	k.slots[at] = keySlot{key: i + 1, hash: hash}
	return false
}

// duplicatePairwise is duplicate for few keys without escapes.
func duplicatePairwise(b []byte, tape []entry, self uint32) int {
	end := tape[self].next
	for i := tape[self+2].next; i < end; i = tape[i+1].next {
		key := b[tape[i].start:tape[i].end]
		for j := self + 1; j < i; j = tape[j+1].next {
			if bytes.Equal(key, b[tape[j].start:tape[j].end]) {
				return int(i)
			}
		}
	}
	return -1
}

// appendText appends the text of a string entry.
func appendText(dst, b []byte, e entry) []byte {
	content := b[e.start+1 : e.end-1]
	if e.flags&flagEscaped == 0 {
		return append(dst, content...)
	}
	return appendUnescaped(dst, content)
}

// FoldEqual tells whether key and name are equal under Unicode simple case folding, which is how encoding/json and
// parsers like it match keys to fields: "Model" and "me\u017f\u017fages" are found equal to "model" and "messages".
func FoldEqual(key []byte, name string) bool {
	// Simple folding changes a character's length by a factor of three at most (U+212A, the Kelvin sign, to k).
	if len(key) > 3*len(name) || len(name) > 3*len(key) {
		return false
	}
	if len(key) > 0 && key[0] < utf8.RuneSelf && len(name) > 0 && name[0] < utf8.RuneSelf && lower(key[0]) != lower(name[0]) {
		return false
	}
	return strings.EqualFold(string(key), name)
}

func lower(c byte) byte {
	if c-'A' < 26 {
		return c | 0x20
	}
	return c
}
