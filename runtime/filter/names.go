package filter

import (
	"context"
	"errors"

	"github.com/sluicegate/sluice/runtime/exchange"
	"github.com/sluicegate/sluice/runtime/wire"
)

// pieced is what the events of a stream gave of one name or id.
type pieced struct {
	lane wire.Lane
	text []byte
}

// maxName bounds what is kept of a name that comes in pieces: its end.
const maxName = 512

var errName = errors.New("a name that came in pieces holds what a filter finds")

// name takes a name or id, such as that of a tool. It goes on at once, since callers need it before what follows; so a
// value that a model splits over several pieces of one is found too late to be masked, and stops the stream.
func (s *Stream) name(ctx context.Context, ev *wire.Event, i int) error {
	pc := &ev.Pieces[i]
	text := pc.Node.Bytes()
	if len(text) == 0 {
		return nil
	}
	if s.mute {
		if err := s.joined(ctx, pc, text); err != nil {
			return err
		}
	}
	if pc.Plain {
		return nil
	}
	return s.alone(ctx, ev, i)
}

// joined judges a name together with what came of it before.
func (s *Stream) joined(ctx context.Context, pc *wire.Piece, text []byte) error {
	var n *pieced
	for i := range s.names {
		if s.names[i].lane == pc.Lane {
			n = &s.names[i]
		}
	}
	switch {
	case n == nil && len(s.names) >= s.limit.Lanes:
		return exchange.Fail(exchange.StageAnswer, wire.FilterFailed, "the answer was stopped: it has too many names", errName)
	case n == nil:
		s.names = append(s.names, pieced{pc.Lane, append([]byte(nil), text...)})
		return nil
	case string(n.text) == string(text): // repeated, as some model servers do
		return nil
	}
	n.text = append(n.text, text...)
	from := max(0, len(n.text)-max(maxName, len(text)))
	for !boundary(n.text, from) {
		from++
	}
	n.text = n.text[from:]
	var err error
	if s.spare, err = s.begin(pc).push(ctx, s.spare[:0], n.text, true); err != nil {
		return err
	}
	if string(s.spare) != string(n.text) {
		return exchange.Fail(exchange.StageAnswer, wire.UpstreamError, "the model server gave a name in pieces that cannot be passed on", errName)
	}
	return nil
}
