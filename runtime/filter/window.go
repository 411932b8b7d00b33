package filter

import (
	"context"

	"github.com/sluicegate/sluice/runtime/strictjson"
)

// Whole texts and streams go through the same windows: up to windowSize new bytes with up to leftSize settled ones in
// front. What a filter settles is done with; the rest is shown again with what follows it.
//
//	text     ......settled......|......held back......|......to come......
//	window           [ left ctx |          new           ]

// leftFrom is where the left context of a window begins whose new bytes begin at pos.
func leftFrom(text []byte, pos int) int {
	from := max(0, pos-leftSize)
	for from < pos && !boundary(text, from) {
		from++
	}
	return from
}

// windowEnd is where a window ends whose new bytes begin at pos.
func windowEnd(text []byte, pos int) int {
	if len(text)-pos <= windowSize {
		return len(text)
	}
	end := pos + windowSize
	for !boundary(text, end) {
		end--
	}
	return end
}

// whole takes a filter over a whole text and returns its edits, in bytes of the text. Replacements are appended to
// arena, which the edits refer to; it is returned for the next text.
func (h holding) whole(ctx context.Context, t *progress, text, arena []byte) ([]strictjson.Edit, []byte, error) {
	var edits []strictjson.Edit
	start, done := 0, 0 // where the open span starts, and up to where the text is edited
	for pos, end := 0, false; !end; {
		from, to := leftFrom(text, pos), windowEnd(text, pos)
		end = to == len(text)
		n, err := h.text(ctx, t, text[from:to], pos-from, end)
		if err == nil && !end && n == pos-from {
			err = errStuck
		}
		if err != nil {
			return nil, arena, err
		}
		for i := range h.in.call.ops {
			o := &h.in.call.ops[i]
			e := strictjson.Edit{Start: max(from+o.start, done), End: max(from+o.end, done)}
			at, k := len(arena), o.kind
			if o.what == opOpen {
				start, t.open = e.Start, o.kind
				continue
			}
			if o.what == opClose {
				e.Start, k, t.open = start, t.open, nil
			}
			if e.Start == e.End && o.what != opReplace {
				continue // all of it was dropped with what stands before it
			}
			t.json.skip(text[done:e.Start])
			if o.what == opReplace {
				t.json.skip(text[e.Start:e.End])
				arena = append(arena, h.in.call.arena[o.with[0]:o.with[1]]...)
			} else if arena, err = h.redact(arena, t, k, text[e.Start:e.End]); err != nil {
				return nil, arena, err
			}
			if done = e.End; k != nil && k.action[t.dir] == Report {
				arena = arena[:at]
				continue
			}
			e.End += t.json.rest(text[e.End:])
			t.json.skip(text[done:e.End])
			e.With, done = arena[at:len(arena):len(arena)], e.End
			edits = append(edits, e)
		}
		pos = from + n
		if t.open != nil && pos-start > h.r.f.spec.Limits.Open {
			return nil, arena, errOpen
		}
	}
	return edits, arena, nil
}

const (
	errOpen  = breach("a span is longer than its limit")
	errStuck = breach("on_text settles nothing of a full window")
)

// finding renders one finding of any length.
func (h holding) finding(dst []byte, t *progress, k *kind, value []byte) ([]byte, error) {
	if len(value) > h.r.f.spec.Limits.Open {
		return dst, errOpen
	}
	return h.r.render(dst, t.dir, k, value)
}

// feed is one filter at work on one text that comes in pieces.
type feed struct {
	r    *run
	t    progress
	buf  []byte // left context, then what is not settled
	left int    // bytes of left context
	hold []byte // what the open span covers so far
	any  bool   // the text is not empty
}

// held is how many bytes wait.
func (f *feed) held() int { return len(f.buf) - f.left + len(f.hold) }

// push takes the next piece and appends to dst what is settled by it. With end, nothing stays held back. When the
// filter is down, or goes down here, text passes as it is.
func (f *feed) push(ctx context.Context, dst, text []byte, end bool) ([]byte, error) {
	f.any = f.any || len(text) > 0
	if !end && !f.r.down && f.inert(text) {
		return f.skip(dst, text), nil // nothing was held back, and nothing is
	}
	was := f.held()
	dst, err := f.pushed(ctx, dst, text, end)
	f.r.holds(f.held(), was)
	return dst, err
}

func (f *feed) pushed(ctx context.Context, dst, text []byte, end bool) ([]byte, error) {
	if f.left > leftSize {
		f.settle(f.left)
	}
	f.buf = append(f.buf, text...)
	if f.r.down {
		return f.open(dst), nil
	}
	if !f.any || len(text) == 0 && !end {
		return dst, nil
	}
	f.r.bytes[f.t.dir] += len(text)
	dst, err := f.advance(ctx, dst, end)
	if err == nil {
		return dst, nil
	}
	if err = f.r.failure(ctx, f.t.dir, err); err != nil {
		return dst, err
	}
	return f.open(dst), nil
}

// open lets everything go that is held back.
func (f *feed) open(dst []byte) []byte {
	dst = append(dst, f.hold...)
	dst = append(dst, f.buf[f.left:]...)
	f.hold, f.buf, f.left, f.t.open = nil, f.buf[:0], 0, nil
	return dst
}

// advance shows the filter all windows that there are.
func (f *feed) advance(ctx context.Context, dst []byte, end bool) ([]byte, error) {
	h, err := f.r.hold(ctx)
	if err != nil {
		return dst, err
	}
	defer h.release()
	for {
		to := windowEnd(f.buf, f.left)
		last := to == len(f.buf)
		n, err := h.text(ctx, &f.t, f.buf[:to], f.left, end && last)
		if err == nil && !last && n == f.left {
			err = errStuck
		}
		if err != nil {
			return dst, err
		}
		if dst, err = f.apply(h, dst, n); err != nil {
			return dst, err
		}
		f.settle(n)
		if last {
			return dst, nil
		}
	}
}

// settle drops the first n bytes of the buffer but for the left context of what follows.
func (f *feed) settle(n int) {
	from := leftFrom(f.buf, n)
	f.buf = f.buf[:copy(f.buf, f.buf[from:])]
	f.left = n - from
}

// apply appends the first n bytes of the window, edited. On an error dst comes back as it was.
func (f *feed) apply(h holding, dst []byte, n int) ([]byte, error) {
	was, hold, open, pos := dst, f.hold, f.t.open, f.left
	back := func(err error) ([]byte, error) {
		f.hold, f.t.open = hold, open
		return was, err
	}
	for i := range h.in.call.ops {
		o := &h.in.call.ops[i]
		var err error
		switch o.what {
		case opRedact:
			dst = f.t.json.pass(dst, f.buf[pos:o.start])
			dst, err = h.redact(dst, &f.t, o.kind, f.buf[o.start:o.end])
		case opReplace:
			dst = f.t.json.pass(dst, f.buf[pos:o.start])
			from := len(dst)
			dst = append(dst, h.in.call.arena[o.with[0]:o.with[1]]...)
			if f.r.noted != nil {
				f.r.note(Part{"", string(f.buf[o.start:o.end]), from, len(dst)})
			}
			f.t.json.skip(f.buf[o.start:o.end])
		case opOpen:
			dst = f.t.json.pass(dst, f.buf[pos:o.start])
			f.t.open = o.kind
		case opClose:
			if f.hold = append(f.hold, f.buf[pos:o.end]...); len(f.hold) > 0 { // what is closed where it was opened is no finding
				dst, err = h.redact(dst, &f.t, f.t.open, f.hold)
			}
			f.t.open, f.hold = nil, nil
		}
		if err != nil {
			return back(err)
		}
		pos = o.end
	}
	if f.t.open == nil {
		return f.t.json.pass(dst, f.buf[pos:n]), nil
	}
	if f.hold = append(f.hold, f.buf[pos:n]...); len(f.hold) > f.r.f.spec.Limits.Open {
		return back(errOpen)
	}
	return dst, nil
}
