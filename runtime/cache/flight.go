package cache

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync"

	"github.com/sluicegate/sluice/runtime/wire"
)

// ErrLagged ends a reader that fell further behind than the flight keeps.
var ErrLagged = errors.New("cache: reader fell too far behind the answer")

// Flight is one upstream call under way and the answer as it comes in. One producer writes frames at the upstream's
// pace; any number of readers follow, each at its own.
//
//	producer ──Write──► [frame frame frame ...] ──Next──► reader (the leader)
//	                                            ──Next──► reader (a follower, may join late)
//
// The whole answer is kept, for late joiners and for the cache, until it is larger than the cache's MaxEntry. From
// then on nobody can join, only MaxEntry bytes are kept, a reader further behind than that is cut, and the last reader
// left slows the producer down instead. The call is cancelled when the last reader leaves, so a follower survives
// its leader.
//
// While the leader is the only reader it may be the producer too: see Lead.
type Flight struct {
	mu      sync.Mutex
	ready   bool // head is set
	whole   bool
	done    bool
	own     bool    // the producer reads what it writes; see Lead
	frames  []Frame // kept frames; frames[0] has number base
	base    int
	bytes   int    // of all kept frames' data
	joined  func() // to be called when somebody else follows
	readers []*Reader
	first   Reader // the leader's
	space   bell   // rung for a producer that waits

	cache  *Cache
	ctx    context.Context
	cancel context.CancelCauseFunc
	key    Key
	shared bool // registered under key
	head   Head
	err    error
	usage  wire.Usage
}

// Head is what is known when an answer begins.
type Head struct {
	Model    string
	Endpoint string
	Stream   bool // frames are events; else there is one frame, the whole answer
}

// Reader is one caller's place in a Flight's answer. It belongs to one goroutine, but for Close.
type Reader struct {
	f    *Flight
	next int
	cut  bool
	news bell // rung when there is something to read
}

// bell wakes the one goroutine that waits for it. A ring that nobody waits for is kept for the next wait.
type bell chan struct{}

func newBell() bell { return make(bell, 1) }

func (b bell) ring() {
	select {
	case b <- struct{}{}:
	default:
	}
}

// flights are the calls under way that others may join.
type flights struct {
	mu      sync.Mutex
	running map[Key]*Flight
}

func (s *flights) len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.running)
}

// Join follows the flight under way for the key, or starts one: then lead is true and the caller must produce its
// answer under the flight's Context and end it with Finish. The values of ctx reach the flight, its cancellation
// does not.
func (c *Cache) Join(ctx context.Context, k Key) (f *Flight, r *Reader, lead bool) {
	c.flights.mu.Lock()
	defer c.flights.mu.Unlock()
	if f := c.flights.running[k]; f != nil {
		if r := f.follow(); r != nil {
			return f, r, false
		}
	}
	f = c.newFlight(ctx, k)
	f.shared = true
	c.flights.running[k] = f
	return f, f.follow(), true
}

// Alone starts a flight that nobody can join and that fills no entry.
func (c *Cache) Alone(ctx context.Context) (*Flight, *Reader) {
	f := c.newFlight(ctx, Key{})
	r := f.follow()
	f.whole = false // nobody else will read it from the start
	return f, r
}

func (c *Cache) newFlight(ctx context.Context, k Key) *Flight {
	f := &Flight{cache: c, key: k, whole: true, space: newBell()}
	f.ctx, f.cancel = context.WithCancelCause(context.WithoutCancel(ctx))
	return f
}

// Context ends when the last reader has left before the flight was finished, or with Close.
func (f *Flight) Context() context.Context { return f.ctx }

// Close ends the flight's context. It comes after Finish, when the upstream call has been ended in good order.
func (f *Flight) Close() { f.cancel(nil) }

// Lead says that the goroutine which writes the frames is the first reader's own and reads them itself, with Poll, so that
// no frame passes between goroutines. It calls joined once, on a goroutine of its own, when somebody else follows: that
// one is to take the producing over, and says so with TakeOver before it writes.
func (f *Flight) Lead(joined func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.own, f.joined = true, joined
	f.hail()
}

// TakeOver says that the producer is from now on no reader.
func (f *Flight) TakeOver() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.own = false
}

// hail calls joined if there is somebody else. The lock is held.
func (f *Flight) hail() {
	if f.joined != nil && len(f.readers) > 1 {
		go f.joined()
		f.joined = nil
	}
}

// fewFrames is how many frames there is room for when a stream begins.
const fewFrames = 16

// Begin says where the answer comes from. It must come before the first Write.
func (f *Flight) Begin(h Head) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.head, f.ready = h, true
	if h.Stream {
		f.frames = make([]Frame, 0, fewFrames)
	}
	f.signal()
}

// Write adds one frame, which the flight keeps: the caller must not change it afterwards. It waits while the only
// reader is too far behind, and fails when the flight's context has ended.
func (f *Flight) Write(frame Frame) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.frames = append(f.frames, frame)
	f.bytes += len(frame.Data)
	if f.whole && f.bytes > f.cache.opts.MaxEntry {
		f.whole = false
		f.mu.Unlock()
		f.unregister() // takes the locks in the other order
		f.mu.Lock()
	}
	f.signal()
	for !f.whole && f.head.Stream && !f.own { // a whole answer is one frame, and its producer may be its reader
		f.trim()
		if f.bytes <= f.cache.opts.MaxEntry || f.ctx.Err() != nil {
			break
		}
		if err := f.wait(f.ctx, f.space); err != nil {
			break
		}
	}
	return cause(f.ctx)
}

// cause is context.Cause, which takes a lock, for a context that has mostly not ended.
func cause(ctx context.Context) error {
	if ctx.Err() == nil {
		return nil
	}
	return context.Cause(ctx)
}

// trim drops what every reader has read. While more than MaxEntry is left and there are several readers, it cuts the one
// furthest behind.
func (f *Flight) trim() {
	for {
		low := f.base + len(f.frames)
		for _, r := range f.readers {
			low = min(low, r.next)
		}
		for ; f.base < low; f.base++ {
			f.bytes -= len(f.frames[0].Data)
			f.frames[0] = Frame{}
			f.frames = f.frames[1:]
		}
		if f.bytes <= f.cache.opts.MaxEntry || len(f.readers) < 2 {
			return
		}
		f.readers = slices.DeleteFunc(f.readers, func(r *Reader) bool {
			if r.cut = r.next == low; r.cut {
				r.news.ring()
			}
			return r.cut
		})
	}
}

// Finish ends the answer. With nil it is complete, and stored as entry under key unless entry is nil, the flight was one
// nobody could join, or the answer was larger than is kept. It tells whether it was stored.
func (f *Flight) Finish(err error, usage wire.Usage, key Key, entry *Entry) bool {
	f.mu.Lock()
	f.done, f.err, f.usage = true, err, usage
	keep := entry != nil && err == nil && f.whole && f.shared
	if keep {
		entry.Model, entry.Endpoint, entry.Stream = f.head.Model, f.head.Endpoint, f.head.Stream
		entry.Usage = usage
		f.fill(entry)
	}
	f.signal()
	f.mu.Unlock()
	stored := keep && f.cache.Put(key, entry)
	f.unregister() // after Put: whoever comes between finds the flight or the entry, never neither
	return stored
}

// fill gives the entry the frames, which nobody changes any more. Where they lie in a quarter more memory than they need
// they are copied into one piece.
func (f *Flight) fill(e *Entry) {
	e.Frames = f.frames
	slack := e.Slack
	for _, frame := range f.frames {
		slack += cap(frame.Data) - len(frame.Data)
	}
	if 4*slack <= f.bytes {
		return
	}
	e.Frames, e.Slack = slices.Clone(f.frames), 0
	data := make([]byte, 0, f.bytes)
	for i, frame := range f.frames {
		at := len(data)
		data = append(data, frame.Data...)
		e.Frames[i].Data = data[at:len(data):len(data)]
	}
}

func (f *Flight) unregister() {
	if !f.shared {
		return
	}
	s := &f.cache.flights
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running[f.key] == f {
		delete(s.running, f.key)
	}
}

// follow adds a reader from the start, or nil when the start is gone or everybody has left.
func (f *Flight) follow() *Reader {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.whole || f.ctx.Err() != nil && !f.done {
		return nil
	}
	r := &f.first
	if r.f != nil {
		r = new(Reader)
	}
	*r = Reader{f: f, news: newBell()}
	f.readers = append(f.readers, r)
	f.hail()
	return r
}

// signal wakes the readers. One that produces the frames itself waits for none while nobody has joined; after that the only
// reader may be one who did. The lock is held.
func (f *Flight) signal() {
	if f.joined != nil && len(f.readers) == 1 {
		return
	}
	for _, r := range f.readers {
		r.news.ring()
	}
}

// wait gives the lock up until the bell rings or ctx ends.
func (f *Flight) wait(ctx context.Context, b bell) error {
	f.mu.Unlock()
	defer f.mu.Lock()
	select {
	case <-b:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Head waits until the answer begins. It returns the producer's error when the answer never does.
func (r *Reader) Head(ctx context.Context) (Head, error) {
	f := r.f
	f.mu.Lock()
	defer f.mu.Unlock()
	for !f.ready {
		if f.done {
			return Head{}, f.err
		}
		if err := f.wait(ctx, r.news); err != nil {
			return Head{}, err
		}
	}
	return f.head, nil
}

// Next appends to dst all frames that are there and not yet read, waiting for at least one. The frames are shared and
// must not be changed. After the last one it returns io.EOF for a complete answer, else the producer's error.
func (r *Reader) Next(ctx context.Context, dst []Frame) ([]Frame, error) {
	f := r.f
	f.mu.Lock()
	defer f.mu.Unlock()
	for {
		dst, ok, err := r.take(dst)
		if ok || err != nil {
			return dst, err
		}
		if err := f.wait(ctx, r.news); err != nil {
			return dst, err
		}
	}
}

// Poll is Next without waiting: ok is false where there is nothing yet.
func (r *Reader) Poll(dst []Frame) (_ []Frame, ok bool, err error) {
	r.f.mu.Lock()
	defer r.f.mu.Unlock()
	return r.take(dst)
}

// take appends what is there. The lock is held.
func (r *Reader) take(dst []Frame) (_ []Frame, ok bool, err error) {
	f := r.f
	if r.cut {
		return dst, false, ErrLagged
	}
	n := f.base + len(f.frames)
	switch {
	case r.next < n:
		dst = append(dst, f.frames[r.next-f.base:]...)
		r.next = n
		if f.own && !f.whole {
			f.trim()
		} else if !f.whole {
			f.space.ring()
		}
		return dst, true, nil
	case !f.done:
		return dst, false, nil
	case f.err != nil:
		return dst, false, f.err
	default:
		return dst, false, io.EOF
	}
}

// Usage is the answer's usage, once Next has returned io.EOF.
func (r *Reader) Usage() wire.Usage {
	r.f.mu.Lock()
	defer r.f.mu.Unlock()
	return r.f.usage
}

// Close leaves the flight; the last to leave cancels it.
func (r *Reader) Close() {
	f := r.f
	f.mu.Lock()
	defer f.mu.Unlock()
	if i := slices.Index(f.readers, r); i >= 0 {
		f.readers = slices.Delete(f.readers, i, i+1)
	}
	if len(f.readers) == 0 && !f.done {
		f.cancel(context.Canceled)
	}
	f.space.ring()
}

// Open reads a stored answer as if it were a flight that has ended.
func (e *Entry) Open() *EntryReader { return &EntryReader{e: e} }

// EntryReader reads an Entry. It never waits.
type EntryReader struct {
	e    *Entry
	read bool
}

// Head tells where the answer came from.
func (r *EntryReader) Head(context.Context) (Head, error) {
	return Head{Model: r.e.Model, Endpoint: r.e.Endpoint, Stream: r.e.Stream}, nil
}

// Next appends all frames to dst, then returns io.EOF. The frames are shared and must not be changed.
func (r *EntryReader) Next(_ context.Context, dst []Frame) ([]Frame, error) {
	if r.read {
		return dst, io.EOF
	}
	r.read = true
	return append(dst, r.e.Frames...), nil
}

// Usage is the usage of the exchange that made the answer.
func (r *EntryReader) Usage() wire.Usage { return r.e.Usage }

// Close does nothing.
func (r *EntryReader) Close() {}
