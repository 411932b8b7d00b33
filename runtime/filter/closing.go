package filter

import (
	"context"
	"slices"

	"github.com/sluicegate/sluice/runtime/exchange"
	"github.com/sluicegate/sluice/runtime/wire"
)

// Some streams say the text of a part of a content again, whole, when it is complete, and then the next part may go on with
// it: a value may be split over both. What is held back of the one leaves in the other, if there is one.
//
//	delta (part 0) ─► done, part done ─ wait ─► part 1 begins: they say what has left so far, the rest leaves in part 1
//	                                       └──► anything else: the rest leaves, then they

// maxWaits is how many events wait: the two that close a part, and some that say nothing of where its text goes on.
const maxWaits = 16

// waiting tells whether the event has to wait for what comes behind it: it closes a part, or it stands behind one that does
// and says of no text that it goes on or ends.
func (s *Stream) waiting(ev *wire.Event) bool {
	switch {
	case len(s.waits) >= maxWaits:
		return false
	case ev.Closes && (len(s.waits) == 0 || slices.Equal(ev.Finished, s.waits[0].Finished)):
		return slices.ContainsFunc(s.lanes, func(l *lane) bool {
			return l.way != nil && !l.done && slices.Contains(ev.Finished, l.name.Choice)
		})
	case len(s.waits) == 0 || ev.Done || ev.Last || len(ev.Finished) > 0:
		return false
	}
	return !slices.ContainsFunc(ev.Pieces, func(p wire.Piece) bool { return !p.Whole })
}

// closed lets the events go that wait, now that it is known what comes behind them; nil is the end of the stream.
func (s *Stream) closed(ctx context.Context, ev *wire.Event) error {
	if len(s.waits) == 0 {
		return nil
	}
	waiting := s.waits
	s.waits = nil
	for _, l := range s.lanes {
		switch {
		case !slices.Contains(waiting[0].Finished, l.name.Choice):
		case ev != nil && slices.ContainsFunc(ev.Pieces, l.goesOnIn):
			l.done, l.open = true, true
		default:
			l.over = true
			if err := s.rest(ctx, waiting[0], l); err != nil {
				release(waiting)
				return err
			}
		}
	}
	for i, w := range waiting {
		err := s.event(ctx, w)
		if s.wait != w && !slices.Contains(s.out, w) { // nothing is left of it
			w.Doc.Release()
		}
		if err != nil {
			release(waiting[i+1:])
			return err
		}
	}
	return nil
}

// goesOnIn tells whether a piece is of the part behind the lane's.
func (l *lane) goesOnIn(p wire.Piece) bool {
	return (!p.Whole || p.Repeats) && p.Lane == wire.Lane{Choice: l.name.Choice + 1, Field: l.name.Field}
}

// said begins the lanes of texts of parts that come whole and came in no pieces before: what the next part goes on with is
// held back of them, too, and they are told again as they left.
func (s *Stream) said(ctx context.Context, ev *wire.Event) error {
	for i := range ev.Pieces {
		pc := &ev.Pieces[i]
		if !pc.Whole || !pc.Repeats || !ev.Closes && !linked(ev, i) && !s.goesOn(pc) {
			continue
		}
		pieced := *pc
		pieced.Whole = false
		l, err := s.lane(ev, &pieced)
		if err != nil {
			return err
		}
		if l.seen || l.way == nil || l.done {
			continue
		}
		text := pc.Node.Bytes()
		l.said = l.after || len(text) > 0 // of one without text none can tell, and then it is as one that comes in pieces
		l.seen = l.said
		if s.spare, err = s.push(ctx, l, s.spare[:0], text, false); err != nil {
			return err
		}
		if pc.Next > 0 {
			l.done, l.open = true, true
		}
	}
	return nil
}

// linked tells whether a piece of an event is continued by another of its pieces, or continues one.
func linked(ev *wire.Event, i int) bool {
	return ev.Pieces[i].Next > 0 || slices.ContainsFunc(ev.Pieces[:i], func(p wire.Piece) bool { return p.Next == i })
}

// goesOn tells whether a piece goes on with the text of a part that is open, or is of a part that has begun without a text.
func (s *Stream) goesOn(pc *wire.Piece) bool {
	return slices.ContainsFunc(s.lanes, func(l *lane) bool {
		return l.open && l.goesOnIn(*pc) || l.way != nil && !l.seen && l.takes(pc)
	})
}

// inherit has a lane go on with the text of the part before it, if that is open. Where it has left, a filter would read the
// two apart, and what is split over them would pass.
func (s *Stream) inherit(l *lane) error {
	for _, before := range s.lanes {
		if !before.goesOnIn(wire.Piece{Lane: l.name}) {
			continue
		}
		if before.over && before.seen && s.mute {
			return exchange.Fail(exchange.StageAnswer, wire.UpstreamError, "the model server went on with a content whose text has left", nil)
		}
		if before.open {
			l.way, l.held, l.after = before.way, before.held, before.said
			before.open, before.held = false, 0
		}
	}
	return nil
}
