package cache_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/sluicegate/sluice/runtime/cache"
	"github.com/sluicegate/sluice/runtime/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func key(s string) cache.Key { return cache.Parts{Body: []byte(s)}.Key() }

func frame(size int) cache.Frame { return cache.Frame{Data: bytes.Repeat([]byte("x"), size)} }

func entry(size int) *cache.Entry {
	return &cache.Entry{Model: "m", Endpoint: "e", Frames: []cache.Frame{frame(size)}}
}

// Every part must move the key, and no two lists of parts may meet by shifting a boundary.
func TestKeyCoversEveryPart(t *testing.T) {
	base := cache.Parts{Tenant: "t", Principal: "p", Operation: "o", Model: "m", Filters: "f", Body: []byte("b")}
	seen := map[cache.Key]string{base.Key(): "base"}
	f := func(name string, p cache.Parts) {
		t.Helper()
		if was, ok := seen[p.Key()]; ok {
			t.Errorf("%s has the key of %s", name, was)
		}
		seen[p.Key()] = name
	}
	change := func(set func(*cache.Parts)) cache.Parts {
		p := base
		set(&p)
		return p
	}
	f("tenant", change(func(p *cache.Parts) { p.Tenant = "u" }))
	f("principal", change(func(p *cache.Parts) { p.Principal = "q" }))
	f("the tenant's own", change(func(p *cache.Parts) { p.Principal = "" }))
	f("another's own of the joined name", change(func(p *cache.Parts) { p.Tenant, p.Principal = "tp", "" }))
	f("operation", change(func(p *cache.Parts) { p.Operation = "t" }))
	f("model", change(func(p *cache.Parts) { p.Model = "t" }))
	f("filters", change(func(p *cache.Parts) { p.Filters = "t" }))
	f("body", change(func(p *cache.Parts) { p.Body = []byte("t") }))
	f("shifted", cache.Parts{Tenant: "t", Principal: "po", Model: "m", Filters: "f", Body: []byte("b")})
	f("shifted on", cache.Parts{Tenant: "t", Principal: "p", Operation: "om", Filters: "f", Body: []byte("b")})
	if base.Key() != (cache.Parts{Tenant: "t", Principal: "p", Operation: "o", Model: "m", Filters: "f", Body: []byte("b")}).Key() {
		t.Error("equal parts have different keys")
	}
	if base.Key().At(1) == base.Key().At(2) || base.Key().At(1) == base.Key() {
		t.Error("a flight of one generation would be joined by another")
	}
}

func TestEntriesExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cache.New(cache.Options{Bytes: 1 << 20, TTL: time.Minute})
		c.Put(key("default"), entry(10))
		short := entry(10)
		short.Expires = time.Now().Add(time.Second)
		c.Put(key("short"), short)
		f := func(name string, want bool) {
			t.Helper()
			if got := c.Get(key(name)) != nil; got != want {
				t.Errorf("%s at %s: found %v, want %v", name, time.Now().Format("05"), got, want)
			}
		}
		f("default", true)
		f("short", true)
		time.Sleep(time.Second)
		f("default", true)
		f("short", false)
		time.Sleep(time.Minute)
		f("default", false)
		if st := c.Stats(); st.Entries != 0 || st.Bytes != 0 {
			t.Errorf("expired entries are still counted: %+v", st)
		}
	})
}

func TestLiveEntryIsNotOverwritten(t *testing.T) {
	c := cache.New(cache.Options{Bytes: 1 << 20})
	first, second := entry(1), entry(2)
	if !c.Put(key("k"), first) || c.Put(key("k"), second) {
		t.Fatal("the second entry replaced a live one")
	}
	if c.Get(key("k")) != first {
		t.Fatal("another entry is served than the one stored first")
	}
}

func TestBytesAreBounded(t *testing.T) {
	const budget = 1 << 20
	c := cache.New(cache.Options{Bytes: budget, MaxEntry: 64 << 10})
	for i := range 1000 {
		c.Put(key(fmt.Sprint(i)), entry(10_000))
		if st := c.Stats(); st.Bytes > budget {
			t.Fatalf("after %d entries the cache holds %d bytes, budget %d", i+1, st.Bytes, budget)
		}
	}
	if c.Get(key("999")) == nil {
		t.Error("the newest entry was evicted")
	}
	if c.Get(key("0")) != nil {
		t.Error("the oldest entry outlived the budget")
	}
	if c.Put(key("large"), entry(64<<10+1)) {
		t.Error("an entry over MaxEntry was stored")
	}
	if !c.Put(key("largest"), entry(64<<10)) {
		t.Error("an entry of MaxEntry was not stored")
	}
	c.Purge()
	if st := c.Stats(); st.Entries != 0 || st.Bytes != 0 {
		t.Errorf("after Purge: %+v", st)
	}
}

func TestNothingIsStoredWithoutBudget(t *testing.T) {
	c := cache.New(cache.Options{})
	if c.Put(key("k"), entry(1)) || c.Get(key("k")) != nil {
		t.Fatal("a cache of no bytes stored an entry")
	}
}

// read takes a reader to its end.
func read(ctx context.Context, r *cache.Reader) (string, error) {
	var all []cache.Frame
	text := func() string {
		var b strings.Builder
		for _, f := range all {
			b.Write(f.Data)
		}
		return b.String()
	}
	for {
		var err error
		all, err = r.Next(ctx, all)
		if errors.Is(err, io.EOF) {
			return text(), nil
		}
		if err != nil {
			return text(), err
		}
	}
}

func TestFollowersGetTheWholeAnswer(t *testing.T) {
	c := cache.New(cache.Options{Bytes: 1 << 20})
	ctx := t.Context()
	f, leader, lead := c.Join(ctx, key("k"))
	if !lead {
		t.Fatal("the first to join does not lead")
	}
	f.Begin(cache.Head{Model: "m", Endpoint: "e", Stream: true})
	var readers sync.WaitGroup
	follow := func() {
		_, r, lead := c.Join(ctx, key("k"))
		if lead {
			t.Error("a follower leads")
		}
		readers.Go(func() {
			defer r.Close()
			if got, err := read(ctx, r); got != "0123456789" || err != nil {
				t.Errorf("a follower read %q, %v", got, err)
			}
		})
	}
	for i := range 10 {
		follow() // some join late and still get all
		if err := f.Write(cache.Frame{Data: []byte(fmt.Sprint(i))}); err != nil {
			t.Fatal(err)
		}
	}
	if !f.Finish(nil, wire.Usage{Input: 3, Known: true}, key("k"), &cache.Entry{}) {
		t.Error("the answer was not stored")
	}
	readers.Wait()
	if got, err := read(ctx, leader); got != "0123456789" || err != nil || leader.Usage().Input != 3 {
		t.Errorf("the leader read %q, %v, usage %+v", got, err, leader.Usage())
	}
	e := c.Get(key("k"))
	if e == nil || e.Model != "m" || !e.Stream || len(e.Frames) != 10 {
		t.Fatalf("stored: %+v", e)
	}
	if st := c.Stats(); st.Flights != 0 {
		t.Errorf("%d flights are left", st.Flights)
	}
}

func TestFollowerSurvivesItsLeader(t *testing.T) {
	c := cache.New(cache.Options{Bytes: 1 << 20})
	f, leader, _ := c.Join(t.Context(), key("k"))
	_, follower, _ := c.Join(t.Context(), key("k"))
	leader.Close()
	if f.Context().Err() != nil {
		t.Fatal("the call was cancelled although a follower reads it")
	}
	follower.Close()
	if f.Context().Err() == nil {
		t.Fatal("the call goes on although nobody reads it")
	}
	if _, _, lead := c.Join(t.Context(), key("k")); !lead {
		t.Error("a flight that was given up was joined")
	}
}

func TestFailureReachesEveryReaderAndIsNotStored(t *testing.T) {
	c := cache.New(cache.Options{Bytes: 1 << 20})
	f, leader, _ := c.Join(t.Context(), key("k"))
	_, follower, _ := c.Join(t.Context(), key("k"))
	defect := errors.New("upstream died")
	f.Begin(cache.Head{Stream: true})
	_ = f.Write(cache.Frame{Data: []byte("half")})
	if f.Finish(defect, wire.Usage{}, key("k"), &cache.Entry{}) || c.Get(key("k")) != nil {
		t.Error("half an answer was stored")
	}
	for _, r := range []*cache.Reader{leader, follower} {
		if got, err := read(t.Context(), r); got != "half" || !errors.Is(err, defect) {
			t.Errorf("read %q, %v", got, err)
		}
	}
	_, r, lead := c.Join(t.Context(), key("k"))
	if !lead {
		t.Error("a failed flight was joined")
	}
	r.Close()
}

func TestHeadWaitsAndFails(t *testing.T) {
	c := cache.New(cache.Options{})
	f, r := c.Alone(t.Context())
	go f.Begin(cache.Head{Model: "m"})
	if h, err := r.Head(t.Context()); h.Model != "m" || err != nil {
		t.Errorf("head %+v, %v", h, err)
	}
	defect := errors.New("no connection")
	f2, r2 := c.Alone(t.Context())
	f2.Finish(defect, wire.Usage{}, cache.Key{}, nil)
	if _, err := r2.Head(t.Context()); !errors.Is(err, defect) {
		t.Errorf("head of a failed flight: %v", err)
	}
	f.Finish(nil, wire.Usage{}, cache.Key{}, nil)
}

func TestReaderLeavesWhenItsContextEnds(t *testing.T) {
	c := cache.New(cache.Options{})
	f, r := c.Alone(context.Background())
	defer f.Finish(nil, wire.Usage{}, cache.Key{}, nil)
	ctx, cancel := context.WithCancelCause(t.Context())
	gone := errors.New("gone")
	cancel(gone)
	if _, err := r.Next(ctx, nil); !errors.Is(err, gone) {
		t.Errorf("Next: %v", err)
	}
	r.Close()
	if f.Context().Err() == nil {
		t.Error("the flight goes on without readers")
	}
}

// Past MaxEntry the answer is neither kept nor joined; the only reader slows the producer down.
func TestLargeStreamWaitsForItsOnlyReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cache.New(cache.Options{Bytes: 1 << 20, MaxEntry: 100})
		f, r, _ := c.Join(t.Context(), key("k"))
		f.Begin(cache.Head{Stream: true})
		written := 0
		go func() {
			for range 50 {
				if f.Write(frame(10)) != nil {
					return
				}
				written++
			}
			if f.Finish(nil, wire.Usage{}, key("k"), &cache.Entry{}) {
				t.Error("an answer over MaxEntry was stored")
			}
		}()
		synctest.Wait()
		if written >= 50 {
			t.Fatal("the producer ran ahead of its only reader without a bound")
		}
		_, other, lead := c.Join(t.Context(), key("k"))
		if !lead {
			t.Error("a flight was joined whose start is gone")
		}
		other.Close()
		if got, err := read(t.Context(), r); len(got) != 500 || err != nil {
			t.Errorf("read %d bytes, %v", len(got), err)
		}
	})
}

func TestLaggardIsCut(t *testing.T) {
	c := cache.New(cache.Options{Bytes: 1 << 20, MaxEntry: 100})
	f, quick, _ := c.Join(t.Context(), key("k"))
	_, slow, _ := c.Join(t.Context(), key("k"))
	f.Begin(cache.Head{Stream: true})
	var got []cache.Frame
	for range 50 {
		if err := f.Write(frame(10)); err != nil {
			t.Fatal(err)
		}
		var err error
		if got, err = quick.Next(t.Context(), got); err != nil {
			t.Fatal(err)
		}
	}
	f.Finish(nil, wire.Usage{}, key("k"), nil)
	if len(got) != 50 {
		t.Errorf("the quick reader got %d frames", len(got))
	}
	if _, err := slow.Next(t.Context(), nil); !errors.Is(err, cache.ErrLagged) {
		t.Errorf("the slow reader: %v", err)
	}
}

func TestWholeAnswerLargerThanMaxEntryPasses(t *testing.T) {
	c := cache.New(cache.Options{Bytes: 1 << 20, MaxEntry: 100})
	f, r, _ := c.Join(t.Context(), key("k"))
	f.Begin(cache.Head{})
	if err := f.Write(frame(1000)); err != nil {
		t.Fatal(err)
	}
	if f.Finish(nil, wire.Usage{}, key("k"), &cache.Entry{}) {
		t.Error("an answer over MaxEntry was stored")
	}
	if got, err := read(t.Context(), r); len(got) != 1000 || err != nil {
		t.Errorf("read %d bytes, %v", len(got), err)
	}
}

func TestEntryOpens(t *testing.T) {
	e := entry(3)
	r := e.Open()
	defer r.Close()
	if h, err := r.Head(t.Context()); h.Model != "m" || err != nil {
		t.Errorf("head %+v, %v", h, err)
	}
	frames, err := r.Next(t.Context(), nil)
	if len(frames) != 1 || err != nil {
		t.Errorf("%d frames, %v", len(frames), err)
	}
	if _, err := r.Next(t.Context(), nil); !errors.Is(err, io.EOF) {
		t.Errorf("after the last frame: %v", err)
	}
}

func BenchmarkKey(b *testing.B) {
	p := cache.Parts{Tenant: "tenant", Principal: "key:app", Operation: "inference", Model: "digest", Filters: "digest", Body: make([]byte, 1200)}
	b.ReportAllocs()
	for b.Loop() {
		p.Key()
	}
}

func BenchmarkGet(b *testing.B) {
	c := cache.New(cache.Options{Bytes: 1 << 24})
	c.Put(key("k"), entry(800))
	k := key("k")
	b.ReportAllocs()
	for b.Loop() {
		if c.Get(k) == nil {
			b.Fatal("miss")
		}
	}
}

func BenchmarkFlight(b *testing.B) {
	c := cache.New(cache.Options{Bytes: 1 << 24})
	answer := frame(800)
	b.ReportAllocs()
	for b.Loop() {
		f, r, _ := c.Join(b.Context(), key("k"))
		f.Begin(cache.Head{})
		_ = f.Write(answer)
		f.Finish(nil, wire.Usage{}, key("k"), nil)
		if _, err := r.Next(b.Context(), nil); err != nil {
			b.Fatal(err)
		}
		r.Close()
	}
}

// A producer that reads what it writes is not held up by itself, however large the answer, and is told of the first who
// follows.
func TestLeaderProduces(t *testing.T) {
	c := cache.New(cache.Options{Bytes: 1 << 20, MaxEntry: 100})
	lead := func() (*cache.Flight, *cache.Reader, chan struct{}) {
		f, r, _ := c.Join(t.Context(), key("k"))
		f.Begin(cache.Head{Stream: true})
		joined := make(chan struct{})
		f.Lead(func() { close(joined) }) // twice would panic
		return f, r, joined
	}
	f, r, joined := lead()
	var got []cache.Frame
	for i := range 50 {
		if err := f.Write(frame(60)); err != nil {
			t.Fatal(err)
		}
		var ok bool
		var err error
		if got, ok, err = r.Poll(got); !ok || err != nil || len(got) != i+1 {
			t.Fatalf("after frame %d: %d frames, %v, %v", i, len(got), ok, err)
		}
	}
	if got, ok, err := r.Poll(nil); len(got) > 0 || ok || err != nil {
		t.Errorf("polled %d frames, %v, %v, before the end", len(got), ok, err)
	}
	f.Finish(nil, wire.Usage{}, key("k"), nil)
	if _, ok, err := r.Poll(nil); ok || !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %v, %v", ok, err)
	}
	if f.Context().Err() != nil {
		t.Error("the call was ended before it was closed")
	}
	if f.Close(); f.Context().Err() == nil {
		t.Error("Close did not end the context")
	}
	select {
	case <-joined:
		t.Error("told of somebody, where nobody followed")
	default:
	}

	f, _, joined = lead()
	for range 2 {
		_, other, lead := c.Join(t.Context(), key("k"))
		if lead {
			t.Fatal("a follower leads")
		}
		defer other.Close()
	}
	<-joined
	f.Finish(nil, wire.Usage{}, key("k"), nil)
}

// Who follows is woken also when it has become the only reader while the leader's goroutine still makes the answer.
func TestOnlyFollowerIsWoken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cache.New(cache.Options{Bytes: 1 << 20})
		f, leader, _ := c.Join(t.Context(), key("k"))
		defer f.Close()
		f.Begin(cache.Head{Stream: true})
		f.Lead(func() {})
		_, follower, _ := c.Join(t.Context(), key("k"))
		leader.Close()
		read := 0
		go func() {
			for frames, err := follower.Next(t.Context(), nil); err == nil; frames, err = follower.Next(t.Context(), nil) {
				read += len(frames)
			}
			follower.Close()
			read = -read
		}()
		for range 2 {
			synctest.Wait() // it waits
			if err := f.Write(frame(10)); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		f.Finish(nil, wire.Usage{}, key("k"), nil)
		synctest.Wait()
		if read != -2 {
			t.Errorf("%d, want two frames and the end", read)
		}
	})
}

// An entry takes the frames where they lie, and what it holds beside them counts; where that is over a quarter they are
// copied.
func TestEntryMemory(t *testing.T) {
	f := func(slack int, bytes int64, copied bool) {
		t.Helper()
		c := cache.New(cache.Options{Bytes: 1 << 20})
		flight, r, _ := c.Join(t.Context(), key("k"))
		defer flight.Close()
		defer r.Close()
		flight.Begin(cache.Head{Stream: true})
		room := make([]byte, 400+slack)
		if err := flight.Write(cache.Frame{Data: room[:400:400]}); err != nil {
			t.Fatal(err)
		}
		if !flight.Finish(nil, wire.Usage{}, key("k"), &cache.Entry{Slack: slack}) {
			t.Fatal("it was not stored")
		}
		got := c.Get(key("k")).Frames
		if same := &got[0].Data[0] == &room[0]; same == copied || len(got[0].Data) != 400 || c.Stats().Bytes != bytes {
			t.Errorf("slack %d: copied %t, %d bytes, want %t, %d", slack, !same, c.Stats().Bytes, copied, bytes)
		}
	}
	const entry, frame = 512, 32
	f(0, entry+16*frame+400, false)
	f(100, entry+16*frame+500, false)
	f(101, entry+frame+400, true)
}
