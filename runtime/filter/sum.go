package filter

import (
	"bytes"
	"context"

	"github.com/sluicegate/sluice/runtime/wire"
)

// sum tells whether a lane's text leaves as it came, however it was cut and held back on its way.
type sum struct {
	kept    bool   // it is to be told
	changed bool   // the text did not leave as it came
	behind  []byte // what came and has not left
}

func (m *sum) push(came, left []byte) {
	if m.changed {
		return
	}
	m.behind = append(m.behind, came...)
	if !bytes.HasPrefix(m.behind, left) {
		m.changed, m.behind = true, nil
		return
	}
	m.behind = m.behind[:copy(m.behind, m.behind[len(left):])]
}

// sums makes empty what an event says of a whole text that was changed. The text is at its end: what is held back of it
// leaves first.
func (s *Stream) sums(ctx context.Context, ev *wire.Event) (emptied bool, err error) {
	for i := range ev.Copies {
		c := &ev.Copies[i]
		if !c.Sum {
			continue
		}
		if err := s.finish(ctx, ev, c.Choice); err != nil {
			return false, err
		}
		if s.changed(c.Choice) {
			c.Drop()
			emptied = true
		}
	}
	return emptied, nil
}

// changed tells whether a text of a choice did not leave as it came.
func (s *Stream) changed(choice int) bool {
	for _, l := range s.lanes {
		if l.name.Choice == choice && l.sum.kept && (l.sum.changed || len(l.sum.behind) > 0) {
			return true
		}
	}
	return false
}
