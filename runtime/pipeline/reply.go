package pipeline

import (
	"context"
	"errors"
	"io"
	"slices"
	"time"

	"github.com/sluicegate/sluice/runtime/cache"
	"github.com/sluicegate/sluice/runtime/exchange"
	"github.com/sluicegate/sluice/runtime/wire"
)

// reply restores the caller's own values and writes the answer in the caller's shape.
func (r *run) reply(ctx context.Context, src source) error {
	defer src.Close()
	defer r.clock.lap(exchange.StageReply)
	head, err := src.Head(ctx)
	if err != nil {
		return exchange.AsError(exchange.StageForward, err)
	}
	r.x.Model, r.x.Endpoint = head.Model, head.Endpoint
	if r.x.Request.Stream {
		return r.stream(ctx, src, head)
	}
	return r.whole(ctx, src, head)
}

// whole sends a whole answer.
func (r *run) whole(ctx context.Context, src source, head cache.Head) error {
	frames, err := readAll(ctx, src)
	if err != nil {
		return exchange.AsError(exchange.StageForward, err)
	}
	r.x.Usage = src.Usage()
	if r.verbatim(head) != nil {
		r.out = append(r.out[:0], frames[0].Data...)
	} else if err := r.render(frames, head.Stream); err != nil {
		return exchange.AsError(exchange.StageReply, err)
	}
	r.x.FirstByte = time.Now()
	r.begun = true
	if err := r.caller.Reply(200, r.headers(), r.out); err != nil {
		return r.gone(ctx, err)
	}
	r.ended(exchange.Outcome{Kind: exchange.Complete, Status: 200})
	return nil
}

// verbatim is the surface where an answer leaves as it lies in the cache: the surface writes the request's own format,
// nothing is to be restored, and the form is the one asked for. Else it is nil.
func (r *run) verbatim(head cache.Head) exchange.Verbatim {
	v, ok := r.surface.(exchange.Verbatim)
	if !ok || head.Stream != r.x.Request.Stream || r.pass.NeedsRestore() {
		return nil
	}
	return v
}

// render puts a whole answer into r.out, restored and in the surface's shape.
func (r *run) render(frames []cache.Frame, stream bool) error {
	a, err := r.join(frames, stream)
	if err != nil {
		return err
	}
	defer a.Doc.Release()
	if r.pass.NeedsRestore() {
		r.pass.RestoreAnswer(a, r.x.Decision.Restore)
	}
	r.out = r.surface.Answer(r.out[:0], r.x, a)
	return nil
}

func readAll(ctx context.Context, src source) (frames []cache.Frame, err error) {
	for {
		frames, err = src.Next(ctx, frames)
		if errors.Is(err, io.EOF) {
			return frames, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// join makes a whole answer of frames.
func (r *run) join(frames []cache.Frame, stream bool) (*wire.Answer, error) {
	format := r.x.Request.Format
	if !stream {
		return format.Answer(frames[0].Data)
	}
	evs := make([]*wire.Event, 0, len(frames))
	defer func() { release(evs) }()
	for _, f := range frames {
		ev, err := format.Event(f.Data)
		if err != nil {
			return nil, err
		}
		evs = append(evs, ev)
	}
	return format.Join(evs)
}

// editor is a stage of a stream: it takes an event and gives those that may go on.
type editor interface {
	Event(ctx context.Context, ev *wire.Event) ([]*wire.Event, error)
	End(ctx context.Context) ([]*wire.Event, error)
	Has(ev *wire.Event) bool // one that it took is still there
	Close()
}

// release gives the memory of events back.
func release(evs []*wire.Event) {
	for _, ev := range evs {
		ev.Doc.Release()
	}
}

// stream sends a streamed answer, each event as soon as it is there.
func (r *run) stream(ctx context.Context, src source, head cache.Head) error {
	w := writer{r: r, stream: head.Stream, hide: !r.x.Request.Usage, verbatim: r.verbatim(head), beat: r.heartbeat(src)}
	w.numbers, _ = r.x.Request.Format.(wire.Numbered)
	defer w.beat.stop()
	if r.pass.NeedsRestore() {
		w.restore = r.pass.RestoreStream(r.x.Decision.Restore)
		defer w.restore.Close()
	}
	var frames []cache.Frame
	for {
		r.lay() // all streams of a processor share one while they wait
		var err error
		frames, err = src.Next(ctx, frames[:0])
		r.take()
		if err != nil {
			if errors.Is(err, io.EOF) {
				return w.end(ctx, src)
			}
			return exchange.AsError(exchange.StageForward, err)
		}
		for _, f := range frames {
			if err := w.frame(ctx, f); err != nil {
				return exchange.AsError(exchange.StageReply, err)
			}
		}
		if err := w.beat.send(ctx, r, false); err != nil {
			return err
		}
	}
}

// writer adds the frames of one streamed answer to r.out.
type writer struct {
	r        *run
	stream   bool              // a frame is one event; else it is a whole answer, to be split
	hide     bool              // the usage was asked for by the gateway, not by this caller
	verbatim exchange.Verbatim // nil where frames must be read
	restore  editor            // nil where there is nothing to restore
	beat     *pulse
	numbers  wire.Numbered // nil: its events have none
	sent     int           // events that were read and written so far
}

func (w *writer) frame(ctx context.Context, f cache.Frame) error {
	if f.Usage && w.hide {
		return nil
	}
	if w.verbatim != nil {
		w.r.out = w.verbatim.Frame(w.r.out, f.Data)
		return nil
	}
	evs, err := w.events(f.Data)
	if err != nil {
		return err
	}
	for i, ev := range evs {
		if ev.UsageEnd && w.hide {
			ev.Doc.Release()
			continue
		}
		out := evs[i : i+1]
		if w.restore != nil {
			out, err = w.restore.Event(ctx, ev)
			if !w.restore.Has(ev) && !slices.Contains(out, ev) { // nothing is left of it
				ev.Doc.Release()
			}
			if err != nil {
				release(evs[i+1:])
				return err
			}
		}
		w.add(out)
	}
	return nil
}

// events reads a frame.
func (w *writer) events(data []byte) ([]*wire.Event, error) {
	format := w.r.x.Request.Format
	if w.stream {
		ev, err := format.Event(data)
		return []*wire.Event{ev}, err
	}
	a, err := format.Answer(data)
	if err != nil {
		return nil, err
	}
	defer a.Doc.Release()
	return format.Split(a)
}

func (w *writer) add(evs []*wire.Event) {
	for _, ev := range evs {
		if w.numbers != nil {
			w.numbers.Number(ev, w.sent)
		}
		w.sent++
		w.r.out = w.r.surface.Event(w.r.out, w.r.x, ev)
		ev.Doc.Release()
	}
}

// end ends a complete stream.
func (w *writer) end(ctx context.Context, src source) error {
	r := w.r
	if w.restore != nil {
		evs, err := w.restore.End(ctx)
		if err != nil {
			return exchange.AsError(exchange.StageReply, err)
		}
		w.add(evs)
	}
	r.x.Usage = src.Usage()
	r.out = r.surface.End(r.out)
	return w.beat.send(ctx, r, true)
}

// send writes r.out, the head of the answer first. With the last of it the exchange is complete: that the caller, who has all,
// goes away then is no news.
func (r *run) send(ctx context.Context, last bool) error {
	if len(r.out) == 0 && !last {
		return nil
	}
	r.speaking.Lock()
	defer r.speaking.Unlock()
	if r.told {
		return r.gone(ctx, errTold)
	}
	if !r.begun {
		r.begun = true
		r.x.FirstByte = time.Now()
		if err := r.caller.Begin(r.headers()); err != nil {
			return r.gone(ctx, err)
		}
	}
	if !last {
		if err := r.caller.Send(r.out); err != nil {
			return r.gone(ctx, err)
		}
		return nil
	}
	if err := r.caller.End(r.out); err != nil {
		return r.gone(ctx, err)
	}
	r.end(exchange.Outcome{Kind: exchange.Complete, Status: 200})
	return nil
}

// gone is the error of a caller who cannot be written to.
func (r *run) gone(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	return exchange.Fail(exchange.StageReply, wire.ClientClosed, "the caller went away", err)
}

var errTold = errors.New("pipeline: the exchange has ended")

// fail answers with an error: as a whole answer, or, when the answer has begun, as its last event. It may come from another
// goroutine than the exchange's own, and does nothing where the caller was told an end already.
func (r *run) fail(ctx context.Context, err error) {
	r.speaking.Lock()
	defer r.speaking.Unlock()
	if r.told {
		return
	}
	defer func() {
		if r.caught(recover()) { // not even that can be told
			r.end(exchange.Outcome{Kind: exchange.Failed, Code: wire.Internal, Status: 500})
			r.caller.Abort()
		}
	}()
	e := r.explain(ctx, err)
	fault := *e.Fault // shared, it may be
	fault.Request = r.x.ID
	r.p.logFault(r.x, e)
	status := e.Fault.HTTPStatus()
	r.end(exchange.Outcome{Kind: kindOf(e, r.begun), Code: e.Fault.Code, Status: status})
	if e.Fault.Code == wire.ClientClosed {
		r.caller.Abort()
		return
	}
	if !r.begun {
		r.begun = true
		_ = r.caller.Reply(status, r.faultHeaders(&fault), r.surface.Error(nil, &fault)) // the caller may be gone; the record says what happened
		return
	}
	if r.x.Request != nil && r.x.Request.Stream {
		_ = r.caller.Send(r.surface.ErrorEvent(nil, &fault))
		return
	}
	r.caller.Abort() // a whole answer that broke off
}

// explain finds the fault behind an error. When the exchange's own context has ended, that is the reason for whatever
// failed since.
func (r *run) explain(ctx context.Context, err error) *exchange.Error {
	switch cause := context.Cause(ctx); {
	case cause == nil, isTimeout(err): // a body that is late ends the context too, but its caller is there
		return exchange.AsError(exchange.StageReply, err)
	case errors.Is(cause, errRevoked):
		return exchange.Fail(exchange.StageAuthenticate, wire.Unauthenticated, "the credential was removed", cause)
	case errors.Is(cause, errTooOld), errors.Is(cause, errDrained):
		return exchange.Fail(exchange.StageReply, wire.Overloaded, "the gateway ended this exchange; try again", cause)
	default:
		return exchange.Fail(exchange.StageReply, wire.ClientClosed, "the caller went away", cause)
	}
}

func isTimeout(err error) bool {
	var f *wire.Fault
	return errors.As(err, &f) && f.Code == wire.RequestTimeout
}

// kindOf is the kind of outcome a fault makes.
func kindOf(e *exchange.Error, begun bool) exchange.Kind {
	switch {
	case e.Fault.Code == wire.ClientClosed, errors.Is(e.Cause, errRevoked):
		return exchange.Cancelled
	case begun:
		return exchange.Truncated
	case e.Fault.HTTPStatus() < 500:
		return exchange.Rejected
	default:
		return exchange.Failed
	}
}
