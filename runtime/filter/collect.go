package filter

import (
	"context"
	"fmt"

	"github.com/sluicegate/sluice/runtime/exchange"
	"github.com/sluicegate/sluice/runtime/wire"
)

// Bounds of a stream that is held back whole.
const (
	maxCollected = 8 << 20 // bytes of text
	maxEvents    = 1 << 18
)

// collector holds a whole stream back, for filters that need the whole answer.
type collector struct {
	p      *Pass
	events []*wire.Event
	size   int
}

func (c *collector) event(ctx context.Context, ev *wire.Event) ([]*wire.Event, error) {
	if ev.Error {
		return []*wire.Event{ev}, nil
	}
	if !ev.Done {
		for i := range ev.Pieces {
			c.size += len(ev.Pieces[i].Node.Bytes())
		}
		c.events = append(c.events, ev)
		if c.size > maxCollected || len(c.events) > maxEvents {
			return nil, exchange.Fail(exchange.StageAnswer, wire.FilterFailed, "the answer was stopped: it is too long for a filter that needs it whole",
				fmt.Errorf("a stream held back whole is over %d bytes of text or %d events", maxCollected, maxEvents))
		}
		return nil, nil
	}
	out, err := c.end(ctx)
	if err != nil {
		return nil, err
	}
	return append(out, ev), nil
}

// has tells whether the event is the last that was collected.
func (c *collector) has(ev *wire.Event) bool {
	return len(c.events) > 0 && c.events[len(c.events)-1] == ev
}

// end filters what was collected as one answer and splits it into events again.
func (c *collector) end(ctx context.Context) ([]*wire.Event, error) {
	if len(c.events) == 0 {
		return nil, nil
	}
	format := c.events[0].Format
	a, err := format.Join(c.events)
	if err != nil {
		return nil, exchange.AsError(exchange.StageAnswer, err)
	}
	defer func() { a.Doc.Release() }() // the handlers may put another in its place
	release(c.events)
	c.events = nil
	if err := c.p.Answer(ctx, a); err != nil {
		return nil, err
	}
	out, err := format.Split(a)
	if err != nil {
		return nil, exchange.AsError(exchange.StageAnswer, err)
	}
	return out, nil
}
