package filter

import (
	"context"
	"fmt"
)

// classes says of each byte whether text of such bytes can matter to a filter: 0 is inert. Where nothing is held back,
// no span is open and the continuation is 0, new text of inert bytes alone is settled at once, without a finding or an
// edit, whatever stands before it or follows. The guest need not be asked.
type classes [256]byte

// readClasses asks a guest that is configured for its table, if it has one.
func (f *Filter) readClasses(ctx context.Context, in *instance) error {
	said, ok, err := in.says(ctx, classExport)
	if !ok || err != nil {
		return err
	}
	ptr := uint32(said)
	table, ok := in.mem.Read(ptr, uint32(len(classes{})))
	if !ok {
		return at(StageABI, fmt.Errorf("%s returns the address %d: there are no 256 bytes at it, the memory has %d", classExport, ptr, in.mem.Size()))
	}
	own := classes(table)
	f.inert = &own
	return nil
}

// has tells whether all of text is inert.
func (c *classes) has(text []byte) bool {
	for _, b := range text {
		if c[b] != 0 {
			return false
		}
	}
	return true
}

// inert tells whether text may pass without a call of the guest.
func (f *feed) inert(text []byte) bool {
	c := f.r.f.inert
	return c != nil && f.t.state == 0 && f.t.open == nil && len(f.buf) == f.left && c.has(text)
}

// skip lets inert text pass. It earns no guest time, as no guest sees it, but is left context of what follows.
func (f *feed) skip(dst, text []byte) []byte {
	f.r.f.stats.skipped.Add(int64(len(text)))
	context := text
	if len(text) > leftSize {
		context = text[leftFrom(text, len(text)):]
	}
	f.buf = append(f.buf, context...)
	if f.left = len(f.buf); f.left > maxSkipped {
		f.settle(f.left)
	}
	return f.t.json.pass(dst, text)
}

// maxSkipped is how much skipped text may pile up before it is cut down to the left context, which the next call does
// anyway.
const maxSkipped = 8 * leftSize
