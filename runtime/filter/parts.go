package filter

import (
	"github.com/sluicegate/sluice/runtime/strictjson"
	"github.com/sluicegate/sluice/runtime/wire"
)

// parts is a text of an answer as a reader sees it: one piece, or those of adjacent parts of one content, over which a
// value may be split.
type parts struct {
	at   []int // in Pieces
	ends []int // of each in text
	text []byte
}

// join fills in the text that begins at piece i.
func (p *parts) join(pieces []wire.Piece, i int) {
	p.text = pieces[i].Node.Bytes()
	p.at, p.ends = append(p.at[:0], i), append(p.ends[:0], len(p.text))
	if pieces[i].Next > 0 {
		p.text = append([]byte(nil), p.text...) // the piece's own bytes are not ours to append to
	}
	for i = pieces[i].Next; i > 0; i = pieces[i].Next {
		p.text = append(p.text, pieces[i].Node.Bytes()...)
		p.at, p.ends = append(p.at, i), append(p.ends, len(p.text))
	}
}

// apply edits the pieces. An edit that spans several puts its replacement where it starts.
func (p *parts) apply(a *wire.Answer, edits []strictjson.Edit) {
	low := 0
	for k, i := range p.at {
		high, last := p.ends[k], k == len(p.at)-1
		var mine []strictjson.Edit
		for _, e := range edits {
			switch {
			case e.End <= low && e.Start < low, e.Start >= high && (!last || e.Start > high):
				continue
			case e.Start < low:
				e.Start, e.With = low, nil
			}
			mine = append(mine, strictjson.Edit{Start: e.Start - low, End: min(e.End, high) - low, With: e.With})
		}
		if len(mine) > 0 {
			a.SetText(i, applyEdits(p.text[low:high], mine))
		}
		low = high
	}
}
