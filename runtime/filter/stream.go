package filter

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/sluicegate/sluice/runtime/exchange"
	"github.com/sluicegate/sluice/runtime/wire"
)

// Stream takes the events of a streamed answer through the filters, or through restore. Text is held back per choice
// and field until it is settled, and is let go before the event that ends its choice.
//
//	events ─► lanes (choice, field) ─► filter ─► filter ─► events, texts edited
//	                                     └ held back ┘      + events that carry what was held back
//
// It belongs to one goroutine at a time.
type Stream struct {
	lanes []*lane
	few   [1]*lane    // room for the lane of a usual stream
	whole *collector  // the stream is held back until it is complete; nil when it is not
	wait  *wire.Event // an event that waits for the next one; see resume
	mute  bool        // copies of texts pass only beside unchanged text; see silence
	tell  bool        // http-wasm handlers are to be told that there is an answer
	held  int
	waits []*wire.Event // those that close a part of a content and wait; see closed
	out   []*wire.Event
	one   [1]*wire.Event // room for out
	spare []byte
	told  []int // choices whose text a filter has changed

	p     *Pass
	begin func(*wire.Piece) passage // makes the way of a new lane; nil leaves its text alone
	used  *wire.Event               // one that was sent; see Reuse
	names []pieced
	limit Limits
}

// passage is the way of one lane's text. With end, nothing stays held back.
type passage interface {
	push(ctx context.Context, dst, text []byte, end bool) ([]byte, error)
	held() int
}

// Stream makes the Stream of the pass's answer filters. Where a filter needs the whole answer and is configured to
// buffer, the events come out when the stream is complete.
func (p *Pass) Stream() *Stream {
	s := &Stream{p: p, limit: Limits{}.withDefaults()}
	s.lanes, s.out = s.few[:0], s.one[:0]
	var text []*run
	for i := range p.runs {
		r := &p.runs[i]
		if !r.f.hooks.any(OnAnswer) {
			continue
		}
		s.limit.Lanes = min(s.limit.Lanes, r.f.spec.Limits.Lanes)
		s.limit.Held = min(s.limit.Held, r.f.spec.Limits.Held)
		if r.f.spec.Whole != "" {
			s.whole = &collector{p: p}
		}
		if r.f.hooks.text(OnAnswer) {
			text = append(text, r)
		}
		s.tell = s.tell || r.f.hooks&hookHandleResponse != 0
	}
	s.mute = len(text) > 0
	s.begin = func(pc *wire.Piece) passage {
		if len(text) == 0 {
			return nil
		}
		if len(text) == 1 {
			return newFeed(text[0], pc.Lane.Arguments)
		}
		return newCascade(text, pc.Lane.Arguments)
	}
	return s
}

// Event takes the next event and returns those to send on: none while text is held back, more than one where held-back
// text needs an event of its own. The slice is valid until the next call. Errors are as those of Pass.Request; after one
// the stream is over.
//
// What is returned is the caller's to release, and so is ev where it is not kept: see Has.
func (s *Stream) Event(ctx context.Context, ev *wire.Event) ([]*wire.Event, error) {
	s.out = s.out[:0]
	if s.whole != nil {
		return s.whole.event(ctx, ev)
	}
	var err error
	if ev.Plain() && !s.tell && !s.Keeps() {
		err = s.plain(ctx, ev)
	} else {
		err = s.take(ctx, ev)
	}
	if err != nil {
		release(s.out)
		return nil, err
	}
	return s.out, nil
}

// plain takes a Plain event, as nearly all are, where no other waits: its piece is all that there is to it.
func (s *Stream) plain(ctx context.Context, ev *wire.Event) error {
	emptied, err := s.piece(ctx, ev, 0)
	if err == nil && !(emptied && ev.Bare) {
		s.out = append(s.out, ev)
	}
	return err
}

// take takes an event, once those that stand before it are on their way.
func (s *Stream) take(ctx context.Context, ev *wire.Event) error {
	if s.tell {
		s.tell = false
		if err := s.p.handleAnswer(ctx, nil); err != nil {
			return err
		}
	}
	if err := s.resume(ctx, ev); err != nil {
		return err
	}
	if !s.waiting(ev) {
		if err := s.closed(ctx, ev); err != nil {
			return err
		}
	}
	if err := s.said(ctx, ev); err != nil {
		return err
	}
	if s.waiting(ev) { // perhaps now that it closes another part
		s.waits = append(s.waits, ev)
		return nil
	}
	return s.event(ctx, ev)
}

// event takes an event that waits for no other.
func (s *Stream) event(ctx context.Context, ev *wire.Event) error {
	if ev.Done || ev.Last {
		if err := s.flush(ctx); err != nil {
			return err
		}
	}
	emptied, err := s.sums(ctx, ev)
	if err != nil {
		return err
	}
	if s.silence(ev); ev.Lacks() {
		return nil
	}
	if err := s.keys(ctx, ev); err != nil {
		return err
	}
	for i := range ev.Pieces {
		got, err := s.piece(ctx, ev, i)
		if err != nil {
			return err
		}
		emptied = emptied || got
	}
	for _, choice := range ev.Finished {
		if err := s.finish(ctx, ev, choice); err != nil {
			return err
		}
	}
	if emptied && ev.Bare && len(ev.Finished) == 0 && empty(ev) {
		return nil
	}
	if ev.Pause && s.between() {
		s.wait = ev
		return nil
	}
	s.out = append(s.out, ev)
	return nil
}

// End ends a stream that had no [DONE] and returns the events that carry what was held back, which are the caller's. After
// a Done event it returns none.
func (s *Stream) End(ctx context.Context) ([]*wire.Event, error) {
	s.out = s.out[:0]
	if s.whole != nil {
		return s.whole.end(ctx)
	}
	err := s.closed(ctx, nil)
	if err == nil {
		err = s.flush(ctx)
	}
	if err != nil {
		release(s.out)
		return nil, err
	}
	return s.out, nil
}

// piece takes one text of an event through its lane, and tells whether there was text and none is left of it for now.
func (s *Stream) piece(ctx context.Context, ev *wire.Event, i int) (emptied bool, err error) {
	pc := &ev.Pieces[i]
	text := pc.Node.Bytes()
	if pc.Name {
		return false, s.name(ctx, ev, i)
	}
	if pc.Whole || pc.Lane.Choice < 0 {
		if pc.Repeats {
			return false, s.again(ctx, ev, i)
		}
		return false, s.alone(ctx, ev, i)
	}
	l, err := s.lane(ev, pc)
	if err != nil {
		return false, err
	}
	l.seen = l.seen || len(text) > 0
	if l.way == nil {
		return false, nil
	}
	if l.done {
		if len(text) > 0 {
			return false, exchange.Fail(exchange.StageAnswer, wire.UpstreamError, "the model server sent text after the end of a choice", nil)
		}
		return false, nil
	}
	end := slices.Contains(ev.Finished, pc.Lane.Choice) && !slices.ContainsFunc(ev.Pieces[i+1:], func(o wire.Piece) bool { return same(&o, pc) })
	if len(text) == 0 && !end {
		return false, nil
	}
	s.spare, err = s.push(ctx, l, s.spare[:0], text, end)
	if err != nil {
		return false, err
	}
	if !bytes.Equal(s.spare, text) {
		s.set(ev, i)
	}
	return len(text) > 0 && len(s.spare) == 0, nil
}

// set puts what the lane let go in the place of a piece's text.
func (s *Stream) set(ev *wire.Event, i int) {
	ev.SetText(i, s.spare)
	if c := ev.Pieces[i].Lane.Choice; s.mute && !slices.Contains(s.told, c) {
		s.told = append(s.told, c)
	}
}

// silence takes out what repeats a choice's text in another form where it may lag behind that text or run ahead of it:
// it would tell what a filter changes in another event. It stays beside text of its choice, none of which was changed
// so far; when that text is changed, SetText takes it out.
func (s *Stream) silence(ev *wire.Event) {
	if !s.mute {
		return
	}
	for _, c := range ev.Copies {
		if c.Sum {
			continue
		}
		beside := slices.ContainsFunc(ev.Pieces, func(p wire.Piece) bool {
			return p.Lane.Choice == c.Choice && !p.Name && len(p.Node.Bytes()) > 0
		})
		if !beside || slices.Contains(s.told, c.Choice) {
			c.Drop()
		}
	}
}

// keys takes out the members in whose keys the filters find something.
func (s *Stream) keys(ctx context.Context, ev *wire.Event) (err error) {
	if !s.mute {
		return nil
	}
	for _, k := range ev.Keys {
		way := s.begin(&wire.Piece{Lane: wire.Lane{Choice: k.Choice}})
		if s.spare, err = way.push(ctx, s.spare[:0], []byte(k.Key), true); err != nil {
			return err
		}
		if string(s.spare) != k.Key {
			k.Owner.Delete(k.Key)
		}
	}
	return nil
}

// alone takes a text that no other event continues. Nothing of it is held back.
func (s *Stream) alone(ctx context.Context, ev *wire.Event, i int) error {
	text := ev.Pieces[i].Node.Bytes()
	way := s.begin(&ev.Pieces[i])
	if way == nil || len(text) == 0 {
		return nil
	}
	var err error
	if s.spare, err = way.push(ctx, s.spare[:0], text, true); err == nil && !bytes.Equal(s.spare, text) {
		s.set(ev, i)
	}
	return err
}

// again takes a text that repeats what a lane gave piece by piece: what was made of the pieces is made of it. It ends the
// lane. What repeats nothing is a text of its own.
func (s *Stream) again(ctx context.Context, ev *wire.Event, i int) error {
	pc := &ev.Pieces[i]
	n := slices.IndexFunc(s.lanes, func(l *lane) bool { return l.takes(pc) })
	if n < 0 {
		return s.alone(ctx, ev, i)
	}
	l := s.lanes[n]
	if err := s.rest(ctx, ev, l); err != nil {
		return err
	}
	text := pc.Node.Bytes()
	if l.way == nil && l.seen {
		return nil
	}
	if l.way == nil || !bytes.Equal(l.in, text) {
		return s.alone(ctx, ev, i)
	}
	if !bytes.Equal(l.out, text) {
		s.spare = append(s.spare[:0], l.out...)
		s.set(ev, i)
	}
	return nil
}

// push takes text through a lane and keeps the sum of what is held back within its limit.
func (s *Stream) push(ctx context.Context, l *lane, dst, text []byte, end bool) ([]byte, error) {
	from := len(dst)
	dst, err := l.way.push(ctx, dst, text, end)
	if err != nil {
		return dst, err
	}
	if l.sum.kept {
		l.sum.push(text, dst[from:])
	}
	if l.repeats {
		l.in, l.out = append(l.in, text...), append(l.out, dst[from:]...)
	}
	l.done = end
	was := l.held
	l.held = l.way.held()
	if s.held += l.held - was; s.held > s.limit.Held {
		return dst, exchange.Fail(exchange.StageAnswer, wire.FilterFailed, "the answer was stopped: its filters hold back too much text",
			fmt.Errorf("a stream holds back %d bytes, over the limit of %d", s.held, s.limit.Held))
	}
	return dst, nil
}

// lane finds a piece's lane, or begins it.
func (s *Stream) lane(ev *wire.Event, pc *wire.Piece) (*lane, error) {
	for _, l := range s.lanes {
		if !l.takes(pc) {
			continue
		}
		if err := l.goOn(pc); err != nil {
			return nil, err
		}
		if l.way == nil && !l.seen && l.tool != pc.Tool {
			s.enter(ev, pc, l)
		}
		return l, nil
	}
	if len(s.lanes) >= s.limit.Lanes {
		return nil, exchange.Fail(exchange.StageAnswer, wire.FilterFailed, "the answer was stopped: it has too many texts side by side",
			fmt.Errorf("a stream has more than %d lanes", s.limit.Lanes))
	}
	l := &lane{name: pc.Lane, run: textOf(pc), part: pc.Part, sum: sum{kept: pc.Summed}, repeats: pc.Repeats}
	if err := s.inherit(l); err != nil {
		return nil, err
	}
	s.lanes = append(s.lanes, l)
	s.enter(ev, pc, l)
	return l, nil
}

// enter gives a lane its way, once it is known which tool it is for.
func (s *Stream) enter(ev *wire.Event, pc *wire.Piece, l *lane) {
	if l.tool = pc.Tool; l.way == nil {
		l.way = s.begin(pc)
	}
	if l.way != nil {
		l.format, l.like = ev.Format, ev.Doc.Append(l.like[:0])
	}
}

// finish lets go what the lanes of a choice hold back, before the event that ends it.
func (s *Stream) finish(ctx context.Context, ev *wire.Event, choice int) error {
	for _, l := range s.lanes {
		if l.name.Choice == choice {
			if err := s.rest(ctx, ev, l); err != nil {
				return err
			}
		}
	}
	return nil
}

// flush lets go what all lanes hold back.
func (s *Stream) flush(ctx context.Context) error {
	for _, l := range s.lanes {
		if err := s.rest(ctx, nil, l); err != nil {
			return err
		}
	}
	s.release()
	return nil
}

// rest ends a lane and sends what is left of its text, in the event given for that or in one that is made.
func (s *Stream) rest(ctx context.Context, like *wire.Event, l *lane) error {
	if l.done || l.way == nil {
		return nil
	}
	var err error
	if s.spare, err = s.push(ctx, l, s.spare[:0], nil, true); err != nil || len(s.spare) == 0 || l.said {
		return err
	}
	if ev := s.used; ev != nil && ev.Pieces[0].Lane == l.name {
		ev.SetText(0, s.spare)
		s.used, s.out = nil, append(s.out, ev)
		return nil
	}
	if like == nil {
		if like, err = l.format.Event(l.like); err != nil {
			return exchange.AsError(exchange.StageAnswer, err)
		}
		defer like.Doc.Release()
	}
	ev, err := l.format.Carry(like, l.name, s.spare)
	if err != nil {
		return exchange.AsError(exchange.StageAnswer, err)
	}
	s.out = append(s.out, ev)
	return nil
}

// empty tells whether an event carries no text at all.
func empty(ev *wire.Event) bool {
	for i := range ev.Pieces {
		if len(ev.Pieces[i].Node.Bytes()) > 0 {
			return false
		}
	}
	return true
}

// newFeed is a lane's way through one filter.
func newFeed(r *run, arguments bool) *feed {
	return &feed{r: r, t: newProgress(OnAnswer, wire.RoleAssistant, arguments, true)}
}

// cascade is a lane's way through several filters, each fed by the one before.
type cascade struct {
	feeds []*feed
	spare [2][]byte
}

func newCascade(runs []*run, arguments bool) *cascade {
	c := &cascade{feeds: make([]*feed, len(runs))}
	for i, r := range runs {
		c.feeds[i] = newFeed(r, arguments)
	}
	return c
}

func (c *cascade) push(ctx context.Context, dst, text []byte, end bool) ([]byte, error) {
	last := len(c.feeds) - 1
	for i := range c.feeds[:last] {
		to := &c.spare[i%2]
		var err error
		if *to, err = c.feeds[i].push(ctx, (*to)[:0], text, end); err != nil {
			return dst, err
		}
		text = *to
	}
	return c.feeds[last].push(ctx, dst, text, end)
}

func (c *cascade) held() int {
	n := 0
	for i := range c.feeds {
		n += c.feeds[i].held()
	}
	return n
}
