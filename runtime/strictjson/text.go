package strictjson

import (
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"
)

// Text is the decoded, editable text of one string, or of several that are read as one. Until the first Edit it is
// the body's own memory (one string without escapes) or one decoded copy.
type Text struct {
	d      *Doc
	parts  []uint32 // tape indices of the strings
	cur    []byte   // the joined current text, once known
	known  bool
	edited bool
	orig   []byte  // once edited: the joined text as it came
	pieces []piece // once edited: the current text, in ascending order of parts
}

// piece is a stretch of an edited text: bytes start..end of the text as it came, or new text in place of some. It
// belongs to one part.
type piece struct {
	start, end int
	with       []byte // new text, not empty; nil for a stretch as it came
	part       int
}

func (p piece) len() int {
	if p.with != nil {
		return len(p.with)
	}
	return p.end - p.start
}

const textsPerBlock = 16

// Text makes the editable text of strings that are read as one: values, or a key. Parts that are not strings are left
// out. A string may be edited through one Text only. The Text is valid until the Doc's Release.
func (d *Doc) Text(parts ...Node) *Text {
	first := len(d.parts)
	for _, n := range parts {
		if n.d == d && n.Kind() == String {
			d.parts = append(d.parts, n.i)
		}
	}
	block, slot := d.used/textsPerBlock, d.used%textsPerBlock
	if block == len(d.texts) {
		d.texts = append(d.texts, new([textsPerBlock]Text))
	}
	d.used++
	t := &d.texts[block][slot]
	t.d, t.parts = d, d.parts[first:len(d.parts):len(d.parts)]
	return t
}

// Bytes is the joined current text. It is read only, and valid until the next Edit and the Doc's Release.
func (t *Text) Bytes() []byte {
	if t.known {
		return t.cur
	}
	t.known = true
	switch {
	case t.edited:
		t.cur = t.joinPieces()
	case len(t.parts) == 1:
		t.cur = t.d.text(t.parts[0])
	default:
		t.cur = t.joinParts()
	}
	return t.cur
}

// joinParts is the text as it came, of any number of parts.
func (t *Text) joinParts() []byte {
	room := 0
	for _, i := range t.parts {
		room += len(t.d.raw(i))
	}
	out := t.d.reserve(room)
	for _, i := range t.parts {
		out = appendText(out, t.d.b, t.d.tape[i])
	}
	return out
}

// joinPieces is the edited text.
func (t *Text) joinPieces() []byte {
	room := 0
	for _, p := range t.pieces {
		room += p.len()
	}
	out := t.d.reserve(room)
	for _, p := range t.pieces {
		if p.with != nil {
			out = append(out, p.with...)
		} else {
			out = append(out, t.orig[p.start:p.end]...)
		}
	}
	return out
}

// Len is the length of the current text in bytes.
func (t *Text) Len() int { return len(t.Bytes()) }

// Runes is the length of the current text in Unicode code points.
func (t *Text) Runes() int { return utf8.RuneCount(t.Bytes()) }

// Edited tells whether an Edit has changed the text.
func (t *Text) Edited() bool { return t.edited }

// Edit puts With in the place of bytes Start..End (half-open) of a text.
type Edit struct {
	Start, End int
	With       []byte // UTF-8; copied; nil or empty deletes
}

// Edit applies edits to the current text: in ascending order, not overlapping, on the boundaries of characters. It
// may be called again, with offsets into the text as it then is; one call with all edits is the cheapest, since each
// call costs time proportional to the text. An edit that spans several parts leaves its new text where it starts.
// Where an edit breaks these rules, none is applied.
func (t *Text) Edit(edits []Edit) error {
	if len(edits) == 0 {
		return nil
	}
	if err := checkEdits(t.Bytes(), edits); err != nil {
		return err
	}
	if !t.edited {
		if err := t.claim(); err != nil {
			return err
		}
	}
	t.pieces = t.apply(edits)
	t.cur, t.known = nil, false
	return nil
}

// checkEdits tells which rule an edit breaks.
func checkEdits(text []byte, edits []Edit) error {
	last := 0
	for i, e := range edits {
		switch {
		case e.Start < last || e.End < e.Start || e.End > len(text):
			return fmt.Errorf("edit %d of %d, bytes %d to %d of %d: it is out of range or out of order", i+1, len(edits), e.Start, e.End, len(text))
		case !boundary(text, e.Start) || !boundary(text, e.End):
			return fmt.Errorf("edit %d of %d, bytes %d to %d: it cuts a character", i+1, len(edits), e.Start, e.End)
		case !utf8.Valid(e.With):
			return fmt.Errorf("edit %d of %d: the new text is not UTF-8", i+1, len(edits))
		}
		last = e.End
	}
	return nil
}

func boundary(text []byte, i int) bool { return i == len(text) || utf8.RuneStart(text[i]) }

// claim readies the text for its first edit: its strings become edited ones, to be rendered from pieces.
func (t *Text) claim() error {
	if len(t.parts) == 0 {
		return errors.New("the text has no string to edit")
	}
	for _, i := range t.parts {
		if t.d.tape[i].flags&flagEdited != 0 {
			return errors.New("the string is edited through another Text already")
		}
	}
	t.orig, t.edited = t.Bytes(), true
	base := 0
	for part, i := range t.parts {
		e := &t.d.tape[i]
		e.flags |= flagEdited
		t.d.keyEdits = t.d.keyEdits || e.flags&flagKey != 0
		t.d.addOp(op{at: i, kind: opText, text: t, part: part, base: base})
		if n := t.d.textLen(i); n > 0 {
			t.pieces = append(t.pieces, piece{start: base, end: base + n, part: part})
			base += n
		}
	}
	return nil
}

// apply returns the pieces after the edits.
func (t *Text) apply(edits []Edit) []piece {
	out := make([]piece, 0, len(t.pieces)+2*len(edits))
	cut := cutter{pieces: t.pieces}
	for _, e := range edits {
		out = cut.keep(out, e.Start)
		if len(e.With) > 0 {
			out = append(out, piece{part: cut.part(), with: t.d.keep(e.With)})
		}
		cut.skip(e.End)
	}
	return cut.keep(out, -1)
}

// cutter goes once over a list of pieces.
type cutter struct {
	pieces []piece
	i      int // the piece in hand
	used   int // how much of it has been passed
	at     int // offset in the current text
}

// part is the part that text put here belongs to: that of the byte that stands here, or at the end the last.
func (c *cutter) part() int {
	if len(c.pieces) == 0 {
		return 0
	}
	return c.pieces[min(c.i, len(c.pieces)-1)].part
}

// keep appends the pieces up to an offset (-1: all that is left) as they are.
func (c *cutter) keep(out []piece, to int) []piece {
	for c.i < len(c.pieces) && c.at != to {
		p, from := c.pieces[c.i], c.used
		n := c.step(to)
		if p.with != nil {
			p.with = p.with[from : from+n]
		} else {
			p.start += from
			p.end = p.start + n
		}
		out = append(out, p)
	}
	return out
}

// skip passes over the pieces up to an offset.
func (c *cutter) skip(to int) {
	for c.i < len(c.pieces) && c.at != to {
		c.step(to)
	}
}

// step passes what is left of the piece in hand, but not beyond an offset.
func (c *cutter) step(to int) int {
	left := c.pieces[c.i].len() - c.used
	n := left
	if to >= 0 {
		n = min(n, to-c.at)
	}
	c.at += n
	c.used += n
	if n == left {
		c.i, c.used = c.i+1, 0
	}
	return n
}

// appendPart appends the string literal of an edited text's part, whose text began at base of the text as it came.
// Stretches as they came keep their spelling, escapes included; suffix, which needs none, is put behind the text.
func (t *Text) appendPart(dst []byte, part, base int, suffix string) []byte {
	raw := t.d.raw(t.parts[part])
	written := rawText{content: raw[1 : len(raw)-1]}
	first, _ := slices.BinarySearchFunc(t.pieces, part, func(p piece, part int) int { return p.part - part })
	dst = append(dst, '"')
	for _, p := range t.pieces[first:] {
		if p.part != part {
			break
		}
		if p.with != nil {
			dst = appendContent(dst, p.with)
			continue
		}
		from := written.seek(p.start - base)
		dst = append(dst, written.content[from:written.seek(p.end-base)]...)
	}
	return append(append(dst, suffix...), '"')
}
