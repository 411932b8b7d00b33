package upstream_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluicegate/sluice/runtime/upstream"
	"github.com/sluicegate/sluice/runtime/wire"
)

// held is a Caller whose calls last until they are let go, one by one.
type held struct {
	release chan struct{}
	running atomic.Int64
	most    atomic.Int64
}

func (h *held) Call(ctx context.Context, _ *upstream.Call) (*upstream.Reply, error) {
	h.most.Store(max(h.most.Load(), h.running.Add(1)))
	defer h.running.Add(-1)
	select {
	case <-h.release:
		return &upstream.Reply{Status: 200, Body: []byte("ok")}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func limited(t testing.TB, limit int, q upstream.Queue, callers ...upstream.Caller) []*upstream.Pool {
	t.Helper()
	var es []*upstream.Endpoint
	for i, c := range callers {
		es = append(es, upstream.NewEndpoint(upstream.EndpointOptions{Name: string(rune('a' + i)), Weight: 1, Caller: c, MaxInFlight: limit}))
	}
	p, err := upstream.NewPool(upstream.PoolOptions{Model: "m", Endpoints: es, Queue: q})
	if err != nil {
		t.Fatal(err)
	}
	return []*upstream.Pool{p}
}

func ask(ctx context.Context, pools []*upstream.Pool, tenant string) (upstream.Target, error) {
	_, target, err := upstream.Forward(ctx, upstream.Errand{Targets: upstream.Plan(pools, upstream.Constraint{}), Tenant: tenant}, build, ignore)
	return target, err
}

// crowd is callers that ask in a known order, and who was answered when.
type crowd struct {
	wg   sync.WaitGroup
	mu   sync.Mutex
	told []string
}

func (c *crowd) ask(ctx context.Context, pools []*upstream.Pool, tenant string) {
	c.wg.Go(func() {
		_, err := ask(ctx, pools, tenant)
		c.mu.Lock()
		defer c.mu.Unlock()
		if err != nil {
			tenant += "!"
		}
		c.told = append(c.told, tenant)
	})
	synctest.Wait()
}

// want says who was answered so far, in order.
func (c *crowd) want(t *testing.T, want string) {
	t.Helper()
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	if got := strings.Join(c.told, " "); got != want {
		t.Errorf("answered in the order %q, want %q", got, want)
	}
}

func TestTenantsTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &held{release: make(chan struct{})}
		p := limited(t, 1, upstream.Queue{Size: 10}, h)
		var c crowd
		for i, tenant := range strings.Split("a a a a b c a b", " ") {
			c.ask(t.Context(), p, fmt.Sprint(tenant))
			if n := p[0].Endpoints()[0].Waiting(); n != i {
				t.Errorf("%d wait, want %d", n, i)
			}
		}
		for range 8 {
			h.release <- struct{}{}
			synctest.Wait()
		}
		c.wg.Wait()
		c.want(t, "a a b c a b a a")
		if h.most.Load() != 1 || p[0].Endpoints()[0].InFlight() != 0 || p[0].Endpoints()[0].Waiting() != 0 {
			t.Error("more than one call was under way, or something was left behind")
		}
	})
}

func TestQueueIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &held{release: make(chan struct{})}
		p := limited(t, 1, upstream.Queue{Size: 3}, h)
		var c crowd
		for range 4 {
			c.ask(t.Context(), p, "noisy")
		}
		began := time.Now()
		_, err := ask(t.Context(), p, "noisy")
		var f *upstream.Failure
		if !errors.As(err, &f) || f.Code != wire.Overloaded || f.Fault().RetryAfter != 1 || time.Since(began) != 0 {
			t.Errorf("a caller for whom there is no room got %v after %v, want overloaded at once", err, time.Since(began))
		}
		c.ask(t.Context(), p, "quiet") // pushes the last of the noisy ones out
		c.want(t, "noisy!")
		c.ask(t.Context(), p, "other")
		c.want(t, "noisy! noisy!")
		c.ask(t.Context(), p, "fourth") // noisy has one under way beside the one that waits
		c.want(t, "noisy! noisy! noisy!")
		c.ask(t.Context(), p, "fifth") // nobody has more than one
		c.want(t, "noisy! noisy! noisy! fifth!")
		for range 4 {
			h.release <- struct{}{}
			synctest.Wait()
		}
		c.wg.Wait()
		c.want(t, "noisy! noisy! noisy! fifth! noisy quiet other fourth")
	})
}

func TestNoQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &held{release: make(chan struct{})}
		p := limited(t, 1, upstream.Queue{}, h)
		var c crowd
		c.ask(t.Context(), p, "a")
		c.ask(t.Context(), p, "b")
		c.want(t, "b!")
		h.release <- struct{}{}
		c.wg.Wait()
		p = limited(t, 2, upstream.Queue{Size: -1}, h) // as many as there may be under way
		c = crowd{}
		for _, tenant := range []string{"a", "b", "c", "d", "e"} {
			c.ask(t.Context(), p, tenant)
		}
		c.want(t, "e!")
		for range 4 {
			h.release <- struct{}{}
			synctest.Wait()
		}
		c.wg.Wait()
	})
}

func TestQueueTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &held{release: make(chan struct{})}
		p := limited(t, 1, upstream.Queue{Size: 5, Timeout: 3 * time.Second}, h)
		var c crowd
		c.ask(t.Context(), p, "a")
		began := time.Now()
		_, err := ask(t.Context(), p, "b")
		var f *upstream.Failure
		if !errors.As(err, &f) || f.Code != wire.Overloaded || time.Since(began) != 3*time.Second {
			t.Errorf("got %v after %v, want overloaded after 3 s", err, time.Since(began))
		}
		ctx, cancel := context.WithCancel(t.Context())
		c.ask(ctx, p, "c")
		cancel()
		c.want(t, "c!")
		if n := p[0].Endpoints()[0].Waiting(); n != 0 {
			t.Errorf("%d wait although all have gone", n)
		}
		h.release <- struct{}{}
		c.wg.Wait()
		c.ask(t.Context(), p, "d")
		h.release <- struct{}{}
		c.wg.Wait()
		c.want(t, "c! a d")
	})
}

func TestWaitsForWhicheverIsFree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := &held{release: make(chan struct{})}, &held{release: make(chan struct{})}
		p := limited(t, 1, upstream.Queue{Size: 5}, a, b)
		var c crowd
		c.ask(t.Context(), p, "1")
		c.ask(t.Context(), p, "2") // the other endpoint is free
		if a.running.Load() != 1 || b.running.Load() != 1 {
			t.Fatal("a free endpoint was not used")
		}
		c.ask(t.Context(), p, "3")
		b.release <- struct{}{}
		synctest.Wait()
		if a.running.Load() != 1 || b.running.Load() != 1 {
			t.Error("the caller that waited was not let in where it was free first")
		}
		for _, e := range p[0].Endpoints() {
			if e.Waiting() != 0 {
				t.Errorf("somebody still waits at %s", e.Name())
			}
		}
		a.release <- struct{}{}
		b.release <- struct{}{}
		c.wg.Wait()
	})
}

// What a reload changes counts at once, for those who wait as well.
func TestLimitAcrossGenerations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &held{release: make(chan struct{})}
		registry := &upstream.Registry{}
		generation := func(limit int) []*upstream.Pool {
			e := upstream.NewEndpoint(upstream.EndpointOptions{Name: "e", Caller: h, Registry: registry, MaxInFlight: limit})
			p, err := upstream.NewPool(upstream.PoolOptions{Model: "m", Endpoints: []*upstream.Endpoint{e}, Queue: upstream.Queue{Size: 9}})
			if err != nil {
				t.Fatal(err)
			}
			return []*upstream.Pool{p}
		}
		old := generation(1)
		var c crowd
		c.ask(t.Context(), old, "a")
		c.ask(t.Context(), old, "b")
		wide := generation(3)
		c.ask(t.Context(), wide, "c") // behind b, who may not go in beside a
		if h.running.Load() != 1 {
			t.Errorf("%d calls under way", h.running.Load())
		}
		h.release <- struct{}{}
		synctest.Wait()
		if h.running.Load() != 2 {
			t.Errorf("%d calls under way, want b's and c's", h.running.Load())
		}
		h.release <- struct{}{}
		h.release <- struct{}{}
		c.wg.Wait()
		narrow := generation(0)
		for range 5 {
			c.ask(t.Context(), narrow, "d")
		}
		if h.running.Load() != 5 {
			t.Error("without a limit all are under way")
		}
		close(h.release)
		c.wg.Wait()
	})
}

// Callers come, wait, are answered, time out and leave at any moment: never too many under way, and nothing is left behind.
func TestGateInvariants(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var running, most atomic.Int64
		work := callerFunc(func(ctx context.Context, _ *upstream.Call) (*upstream.Reply, error) {
			most.Store(max(most.Load(), running.Add(1)))
			defer running.Add(-1)
			select {
			case <-time.After(rand.N(20 * time.Millisecond)):
				return &upstream.Reply{Status: 200, Body: []byte("ok")}, nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		})
		p := limited(t, 3, upstream.Queue{Size: 6, Timeout: 15 * time.Millisecond}, work, work)
		var wg sync.WaitGroup
		var good atomic.Int64
		for i := range 40 {
			wg.Go(func() {
				for range 40 {
					time.Sleep(rand.N(30 * time.Millisecond))
					ctx, cancel := context.WithTimeout(t.Context(), rand.N(40*time.Millisecond))
					if _, err := ask(ctx, p, fmt.Sprint("tenant ", i%5)); err == nil {
						good.Add(1)
					}
					cancel()
				}
			})
		}
		wg.Wait()
		if most.Load() > 6 || good.Load() == 0 {
			t.Errorf("at most %d calls were under way at two endpoints of three each; %d were answered", most.Load(), good.Load())
		}
		for _, e := range p[0].Endpoints() {
			if e.InFlight() != 0 || e.Waiting() != 0 {
				t.Errorf("at the end %d are under way and %d wait at %s", e.InFlight(), e.Waiting(), e.Name())
			}
		}
	})
}

type callerFunc func(context.Context, *upstream.Call) (*upstream.Reply, error)

func (f callerFunc) Call(ctx context.Context, c *upstream.Call) (*upstream.Reply, error) {
	return f(ctx, c)
}

func TestPlaceIsGivenBack(t *testing.T) {
	s := &scripted{}
	p := limited(t, 1, upstream.Queue{}, s)
	f := func(what string, do func()) {
		t.Helper()
		do()
		if n := p[0].Endpoints()[0].InFlight(); n != 0 {
			t.Fatalf("%d calls are under way after %s", n, what)
		}
	}
	f("an answer", func() { _, _ = ask(t.Context(), p, "") })
	f("a failure", func() {
		s.next = []outcome{{err: refused}}
		_, _ = ask(t.Context(), p, "")
	})
	f("a stream that died early", func() {
		s.next = slices.Repeat([]outcome{{cut: wrong}}, 3)
		_, _ = ask(t.Context(), p, "")
	})
	f("a stream", func() {
		s.next = []outcome{{events: []string{"x"}}}
		reply, _, err := upstream.Forward(t.Context(), upstream.Errand{Targets: upstream.Plan(p, upstream.Constraint{})}, build, ignore)
		if err != nil || p[0].Endpoints()[0].InFlight() != 1 {
			t.Fatalf("got %v, and %d calls under way", err, p[0].Endpoints()[0].InFlight())
		}
		_ = reply.Close()
		_ = reply.Close()
	})
	f("a panic", func() {
		defer func() { _ = recover() }()
		_, _, _ = upstream.Forward(t.Context(), upstream.Errand{Targets: upstream.Plan(p, upstream.Constraint{})},
			func([]byte, upstream.Target) *upstream.Call { panic("defect") }, ignore)
	})
}
