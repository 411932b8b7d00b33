package filter

import (
	"context"
	"slices"

	"github.com/sluicegate/sluice/runtime/filter/token"
	"github.com/sluicegate/sluice/runtime/wire"
)

// Restore puts the caller's own values back where an answer has tokens. It is the last step: what the cache holds, and
// what goes to anybody else, has the tokens. In arguments of tool calls values are put back only for the tools named.

// RestoreAnswer restores a whole answer.
func (p *Pass) RestoreAnswer(a *wire.Answer, tools []string) {
	if !p.NeedsRestore() {
		return
	}
	var buf []byte
	continued := map[int]bool{}
	for i := range a.Pieces {
		if continued[i] {
			continue
		}
		way := p.restorer(&a.Pieces[i], tools)
		if way == nil {
			continue
		}
		for at, last := i, false; !last; at = a.Pieces[at].Next { // adjacent parts of a content are read as one text
			if last = a.Pieces[at].Next == 0; !last {
				continued[a.Pieces[at].Next] = true
			}
			text := a.Pieces[at].Node.Bytes()
			if buf = way.Push(buf[:0], text, last); string(buf) != string(text) {
				a.SetText(at, buf)
			}
		}
	}
}

// RestoreStream makes the Stream that restores a streamed answer.
func (p *Pass) RestoreStream(tools []string) *Stream {
	s := &Stream{p: p, limit: Limits{}.withDefaults()}
	s.begin = func(pc *wire.Piece) passage {
		if r := p.restorer(pc, tools); r != nil {
			return restoring{r}
		}
		return nil
	}
	return s
}

// restorer makes the Restorer of a text; nil where nothing may be restored.
func (p *Pass) restorer(pc *wire.Piece, tools []string) *token.Restorer {
	switch {
	case !p.NeedsRestore():
		return nil
	case pc.Called && !slices.Contains(tools, pc.Tool):
		return nil
	case pc.Lane.Arguments:
		return token.NewRestorer(p.table, token.JSON)
	}
	return token.NewRestorer(p.table, token.Text)
}

// restoring is a lane's way through restore.
type restoring struct{ r *token.Restorer }

func (r restoring) push(_ context.Context, dst, text []byte, end bool) ([]byte, error) {
	return r.r.Push(dst, text, end), nil
}

func (r restoring) held() int { return r.r.Held() }
