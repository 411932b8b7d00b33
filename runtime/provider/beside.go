package provider

import (
	"context"
	"errors"
	"sync"

	"github.com/sluicegate/sluice/runtime/upstream"
)

// maxBeside is how many of the requests that one call became are under way at once.
const maxBeside = 4

// beside sends the requests that one call became, side by side. One goes in the call's own place at the endpoint, the
// others in places there that are free and that nobody waits for, each given back after its request: what others wait for,
// they get. The first failure cancels those under way, and no other is begun.
type beside struct {
	call *upstream.Call
	n    int                                    // requests
	send func(ctx context.Context, i int) error // sends request i; safe for concurrent use

	cancel context.CancelFunc
	wg     sync.WaitGroup // of the goroutines in further places

	mu      sync.Mutex
	begun   int   // requests
	further int   // places beside the call's own
	sent    bool  // a model server may have seen a request
	first   error // the first failure
	defect  any   // what a goroutine panicked with
}

// run sends all requests and gives the first failure. Nothing is under way when it returns. A panic in any of them is one
// here.
func (b *beside) run(ctx context.Context) error {
	b.inOwnPlace(ctx)
	if b.defect != nil {
		panic(b.defect)
	}
	if f := (*upstream.Failure)(nil); errors.As(b.first, &f) {
		f.BodySent = f.BodySent || b.sent // a repetition repeats all of them
	}
	return b.first
}

func (b *beside) inOwnPlace(ctx context.Context) {
	ctx, b.cancel = context.WithCancel(ctx)
	defer b.wg.Wait()
	defer b.cancel()
	for i, ok := b.take(); ok; i, ok = b.take() {
		for j, ok := b.takeFurther(); ok; j, ok = b.takeFurther() {
			b.wg.Go(func() { b.inFurtherPlaces(ctx, j) })
		}
		b.note(b.send(ctx, i))
	}
	b.wg.Wait() // for those under way, which the end would cancel
}

// inFurtherPlaces sends request i, in a place that is taken, and others while there are places for them.
func (b *beside) inFurtherPlaces(ctx context.Context, i int) {
	defer func() {
		if defect := recover(); defect != nil {
			b.broke(defect)
		}
	}()
	for ok := true; ok; i, ok = b.takeFurther() {
		b.inFurtherPlace(ctx, i)
	}
}

func (b *beside) inFurtherPlace(ctx context.Context, i int) {
	defer b.leave()
	b.note(b.send(ctx, i))
}

// take gives the next request. There is none after a failure.
func (b *beside) take() (i int, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.left() {
		return 0, false
	}
	b.begun++
	return b.begun - 1, true
}

// takeFurther gives the next request with a further place for it, if there are both.
func (b *beside) takeFurther() (i int, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.left() || b.further == maxBeside-1 || !b.call.Enter() {
		return 0, false
	}
	b.further++
	b.begun++
	return b.begun - 1, true
}

// leave gives a further place back.
func (b *beside) leave() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.further--
	b.call.Leave()
}

// left tells whether a request may be begun. The lock is held.
func (b *beside) left() bool { return b.begun < b.n && b.first == nil && b.defect == nil }

// note keeps the first failure, which cancels the others.
func (b *beside) note(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f := (*upstream.Failure)(nil)
	b.sent = b.sent || !errors.As(err, &f) || f.BodySent
	if err != nil && b.first == nil {
		b.first = err
		b.cancel()
	}
}

// broke keeps what a goroutine panicked with, which cancels the others.
func (b *beside) broke(defect any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.defect = defect
	b.cancel()
}
