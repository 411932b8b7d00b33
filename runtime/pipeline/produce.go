package pipeline

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/sluicegate/sluice/runtime/cache"
	"github.com/sluicegate/sluice/runtime/exchange"
	"github.com/sluicegate/sluice/runtime/filter"
	"github.com/sluicegate/sluice/runtime/strictjson"
	"github.com/sluicegate/sluice/runtime/upstream"
	"github.com/sluicegate/sluice/runtime/wire"
)

// producer turns one upstream reply into the frames of a flight: read, filtered, not yet restored.
//
// A stream is made by whoever reads it, event by event: handing each over to another goroutine would cost as much as
// reading it. Once somebody else follows the flight, a goroutine of its own takes over, so that the answer comes in at the
// model server's pace however slow this caller is, and goes on for the others when it leaves.
type producer struct {
	leader leader // where it makes a stream

	r       *run
	flight  *cache.Flight
	reply   *upstream.Reply
	events  upstream.Events // of the reply, where it is a stream
	turn    sync.Mutex      // held by the leader while it makes an event
	room    []byte          // what frames are cut from, one behind the other: an allocation for each would cost as much as writing it
	slack   int             // bytes left behind the frames of the rooms before
	lanes   *filter.Stream
	numbers wire.Numbered // nil: its events have none
	like    *wire.Event   // the last one, where the next may be read by its likeness
	often   bool          // the one before was like it, too
	taken   bool          // the goroutine of its own makes it
	ended   bool          // all is made
	sent    int           // events so far
	said    int           // bytes of text that came

	head  cache.Head
	key   cache.Key
	usage wire.Usage
}

var errDefect = exchange.Fail(exchange.StageAnswer, wire.Internal, "internal error", nil)

// whole produces a whole answer.
func (p *producer) whole() error {
	frame, err := p.filtered()
	if err == nil {
		p.flight.Begin(p.head)
		err = p.flight.Write(cache.Frame{Data: frame})
	}
	p.finish(err)
	if err != nil {
		return exchange.AsError(exchange.StageAnswer, err)
	}
	return nil
}

func (p *producer) filtered() ([]byte, error) {
	a, err := p.r.x.Request.Format.Answer(p.reply.Body)
	if err != nil {
		return nil, exchange.Fail(exchange.StageAnswer, wire.UpstreamError, "the model server's answer cannot be read", err)
	}
	defer func() { a.Doc.Release() }() // the filters may put another in its place
	p.usage = a.Usage
	p.heard(a.Pieces)
	if p.r.pass.NeedsAnswer() {
		if err := p.r.pass.Answer(p.flight.Context(), a); err != nil {
			return nil, err
		}
	}
	p.mint(a.IDs)
	return a.Doc.Append(nil), nil
}

// stream begins a stream, which the leader makes as it reads it.
func (p *producer) stream(ctx context.Context, reader *cache.Reader) source {
	p.r.leave()
	p.r.leave = context.AfterFunc(ctx, func() { p.left(ctx, reader) })
	p.events, p.lanes = p.reply.Events, p.r.pass.Stream()
	p.numbers, _ = p.r.x.Request.Format.(wire.Numbered)
	p.flight.Begin(p.head)
	p.r.produced = make(chan struct{}) // from here on somebody closes it
	p.flight.Lead(p.takeOver)
	p.leader = leader{reader, p}
	return &p.leader
}

// leader is the reader that makes the stream, while it is the only one.
type leader struct {
	*cache.Reader
	p *producer
}

// Next makes what comes next, and reads it.
func (l *leader) Next(ctx context.Context, dst []cache.Frame) ([]cache.Frame, error) {
	for l.p.step() {
		if ctx.Err() != nil {
			return dst, context.Cause(ctx)
		}
		if dst, ok, err := l.Poll(dst); ok || err != nil {
			return dst, err
		}
	}
	return l.Reader.Next(ctx, dst)
}

// left says that the leader's exchange has ended, whatever its goroutine does: where others follow, that may be waiting for
// the model server still, on their behalf.
func (p *producer) left(ctx context.Context, reader *cache.Reader) {
	reader.Close()
	if p.flight.Context().Err() != nil {
		return
	}
	err := late(ctx, context.Cause(ctx))
	if errors.Is(err, errLate) { // its time is up, and the caller is there
		ctx = context.WithoutCancel(ctx)
	}
	p.r.fail(ctx, err)
}

// Close leaves the stream, and ends it unless somebody else reads it.
func (l *leader) Close() {
	l.Reader.Close()
	p := l.p
	p.turn.Lock()
	defer p.turn.Unlock()
	if p.taken {
		return
	}
	if cause := context.Cause(p.flight.Context()); cause != nil {
		p.finish(cause)
	}
	if p.ended {
		p.close()
	}
}

// takeOver makes the rest of the stream.
func (p *producer) takeOver() {
	if !p.take() {
		return
	}
	for !p.ended {
		p.advance()
	}
	p.close()
}

// take takes the stream from its leader, once the event under way is made.
func (p *producer) take() bool {
	p.turn.Lock()
	defer p.turn.Unlock()
	if p.ended {
		return false
	}
	p.taken = true
	p.flight.TakeOver()
	return true
}

// enough is how many events are made before they are sent, where more have come already.
const enough = 64

// step makes the events that are there, or waits for one. It says false where that is not the leader's to do (any more).
func (p *producer) step() bool {
	p.turn.Lock()
	defer p.turn.Unlock()
	if p.taken || p.ended {
		return false
	}
	for range enough {
		if p.advance(); p.ended || !p.events.Ready() {
			break
		}
	}
	return true
}

// advance makes one event, or the end. After a panic nothing is known of whose the events in hand are: they are left to the
// collector, as memory given back twice would be two callers'.
func (p *producer) advance() {
	defer func() {
		if p.r.caught(recover()) {
			p.like = nil
			p.finish(errDefect)
		}
	}()
	more, err := p.event(p.flight.Context())
	if err != nil || !more {
		p.finish(err)
	}
}

// event makes one event of the model server's. It says false at the stream's end.
func (p *producer) event(ctx context.Context) (more bool, err error) {
	data, err := p.events.Next()
	if err != nil {
		if errors.Is(err, io.EOF) {
			return false, p.write(p.lanes.End(ctx))
		}
		return false, p.interrupted(err)
	}
	ev, err := p.read(data)
	if err != nil {
		return false, exchange.Fail(exchange.StageAnswer, wire.StreamInterrupted, "the model server sent an event that cannot be read", err)
	}
	if ev.Error {
		ev.Doc.Release()
		return false, exchange.Fail(exchange.StageAnswer, wire.StreamInterrupted, "the model server reported a failure in the stream", nil)
	}
	if ev.Done {
		ev.Doc.Release()
		return false, p.write(p.lanes.End(ctx))
	}
	if ev.Usage != nil {
		p.usage = p.usage.Then(*ev.Usage)
	}
	p.heard(ev.Pieces)
	evs, err := p.lanes.Event(ctx, ev)
	if p.lanes.Keeps() || ev != p.like && !ev.Plain() {
		p.like = nil
	} else {
		p.like = ev
	}
	if ev != p.like && !p.lanes.Has(ev) && !slices.Contains(evs, ev) { // nothing is left of it
		ev.Doc.Release()
	}
	return true, p.write(evs, err)
}

// read reads an event.
func (p *producer) read(data []byte) (*wire.Event, error) {
	if p.like != nil {
		if p.like.Again(data) {
			p.often = true
			return p.like, nil
		}
		if p.often { // else what it says beside its text may be said once only, such as a role
			p.lanes.Reuse(p.like)
		} else {
			p.like.Doc.Release()
		}
		p.like, p.often = nil, false
	}
	return p.r.x.Request.Format.Event(data)
}

func (p *producer) write(evs []*wire.Event, err error) error {
	if err != nil {
		return err
	}
	for i, ev := range evs {
		p.mint(ev.IDs)
		if p.numbers != nil { // some were dropped on the way, or added
			p.numbers.Number(ev, p.sent)
		}
		p.sent++
		frame := cache.Frame{Data: p.frame(ev.Doc), Usage: ev.UsageEnd}
		p.release(ev)
		if err := p.flight.Write(frame); err != nil {
			p.release(evs[i+1:]...)
			return err
		}
	}
	return nil
}

// What room is made for frames, in bytes: for a few at first, and then twice as much each time. Large ones have their own.
const (
	leastRoom = 1 << 10
	mostRoom  = 16 << 10
)

// frame is the data of a frame, which stays as it is.
func (p *producer) frame(doc *strictjson.Reply) []byte {
	spare := buffers.Get()
	defer keep(spare)
	*spare = doc.Append((*spare)[:0])
	data := *spare
	if len(data) > mostRoom/4 {
		return bytes.Clone(data)
	}
	if left := cap(p.room) - len(p.room); left < len(data) {
		p.slack += left
		p.room = make([]byte, 0, max(min(2*cap(p.room), mostRoom), leastRoom, len(data)))
	}
	from := len(p.room)
	p.room = append(p.room, data...)
	return p.room[from:len(p.room):len(p.room)]
}

// release gives the memory of events back, but for the one that the next may be like.
func (p *producer) release(evs ...*wire.Event) {
	for _, ev := range evs {
		if ev != p.like {
			ev.Doc.Release()
		}
	}
}

// interrupted is the fault of a stream that ended before its end.
func (p *producer) interrupted(err error) error {
	if cause := context.Cause(p.flight.Context()); cause != nil {
		return cause
	}
	return exchange.Fail(exchange.StageAnswer, wire.StreamInterrupted, "the model server's stream ended early", err)
}

// finish ends the flight, once, and stores the answer where the decision says so. An answer of another model than the first
// allowed one is not stored: it would be found under the first one's name. Nor is one that a filter failed open on.
func (p *producer) finish(err error) {
	if p.ended {
		return
	}
	p.ended = true
	p.estimate(err == nil)
	d := &p.r.x.Decision
	var entry *cache.Entry
	if err == nil && d.Cache.Mode == exchange.CacheReadWrite && p.head.Model == d.Models[0] && len(p.r.pass.FailedOpen()) == 0 {
		entry = &cache.Entry{Slack: p.slack + cap(p.room) - len(p.room)}
		if d.Cache.TTL > 0 {
			entry.Expires = time.Now().Add(d.Cache.TTL)
		}
	}
	p.flight.Finish(err, p.usage, p.key, entry)
}

// close ends a stream's call, after finish: its connection is used again, which nobody has to wait for. That it could not be
// closed in good order changes nothing any more, nor does a defect in closing it.
func (p *producer) close() {
	defer func() {
		p.r.caught(recover())
		p.flight.Close()
		close(p.r.produced)
	}()
	defer func() { _ = p.reply.Close() }()
	if p.like != nil {
		p.like.Doc.Release()
	}
	p.lanes.Close()
}
