package filter

import (
	"context"
	"slices"

	"github.com/sluicegate/sluice/runtime/wire"
)

// between tells whether text of a part of a content is held back, which the next part may go on with.
func (s *Stream) between() bool {
	return slices.ContainsFunc(s.lanes, func(l *lane) bool { return l.isPart() && l.held > 0 })
}

// isPart tells whether the lane's text comes in parts of one content.
func (l *lane) isPart() bool { return l.run != l.name.Field }

// resume lets the event go that waits, now that it is known what comes behind it: the next part, where what is held back
// leaves, or something else, before which it leaves in the part that it came in.
func (s *Stream) resume(ctx context.Context, ev *wire.Event) error {
	if ev.Idle {
		return nil
	}
	if ev.Breaks {
		for _, l := range s.lanes {
			if !l.isPart() {
				continue
			}
			if err := s.rest(ctx, nil, l); err != nil {
				return err
			}
		}
		s.lanes = slices.DeleteFunc(s.lanes, (*lane).isPart)
	}
	s.release()
	return nil
}

// release lets the event go that waits.
func (s *Stream) release() {
	if s.wait != nil {
		s.out, s.wait = append(s.out, s.wait), nil
	}
}
