package upstream

import (
	"context"
	"maps"
	"math/rand/v2"
	"sync"
	"time"
)

// Page is a page of a model server that tells how it is: its health, its metrics. It is safe for concurrent use.
type Page interface {
	// Get gives the page's text. Errors are *Failure; a status other than 2xx is one.
	Get(ctx context.Context) ([]byte, error)
	// Close frees its connection.
	Close() error
}

// HealthCheck asks an endpoint at intervals whether it is well. Nothing of any caller's is sent. Zero values mean the
// defaults.
type HealthCheck struct {
	Page     Page          // nil: Endpoint.Probe
	Interval time.Duration // 10 s
	Timeout  time.Duration // of one question: 3 s
	Down     int           // so many failures in a row put the endpoint out of the rotation: 3
	Up       int           // so many good answers in a row bring it back: 1
}

func (h HealthCheck) withDefaults() HealthCheck {
	def(&h.Interval, 10*time.Second)
	def(&h.Timeout, 3*time.Second)
	def(&h.Down, 3)
	def(&h.Up, 1)
	return h
}

// LoadCheck reads an endpoint's load at intervals, or from its answers.
type LoadCheck struct {
	Page     Page          // in Prometheus' text format; nil: answers say it, each for three intervals
	Metrics  []string      // whose values are added to the load
	Interval time.Duration // 5 s
	Timeout  time.Duration // 2 s
}

func (l LoadCheck) withDefaults() LoadCheck {
	def(&l.Interval, 5*time.Second)
	def(&l.Timeout, 2*time.Second)
	return l
}

func def[T comparable](v *T, to T) {
	var zero T
	if *v == zero {
		*v = to
	}
}

// loadLasts is how many intervals a reported load counts.
const loadLasts = 3

// Watcher asks endpoints how they are. Its zero value is ready; Close ends it. It is safe for concurrent use.
type Watcher struct {
	mu    sync.Mutex
	watch map[*Endpoint]func() // ends the watching
	wg    sync.WaitGroup
}

// Watch watches the endpoints of these pools from now on, and no others.
func (w *Watcher) Watch(pools []*Pool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	next := map[*Endpoint]func(){}
	for _, p := range pools {
		for _, e := range p.endpoints {
			if stop, ok := w.watch[e]; ok {
				next[e] = stop
				continue
			}
			ctx, stop := context.WithCancel(context.Background())
			next[e] = stop
			w.start(ctx, e)
		}
	}
	for e, stop := range w.watch {
		if next[e] == nil {
			stop()
		}
	}
	w.watch = next
}

// start starts what is to be asked of an endpoint. What an earlier generation asked and this one does not is forgotten.
func (w *Watcher) start(ctx context.Context, e *Endpoint) {
	if h := e.o.Health; h != nil {
		w.wg.Go(func() { e.watchHealth(ctx, h.withDefaults()) })
	} else {
		e.record.checked(true, false, time.Now())
	}
	if l := e.o.Load; l != nil && l.Page != nil {
		w.wg.Go(func() { e.watchLoad(ctx, l.withDefaults()) })
	}
}

// Close ends the watching and waits for it.
func (w *Watcher) Close() {
	w.mu.Lock()
	for stop := range maps.Values(w.watch) {
		stop()
	}
	w.watch = nil
	w.mu.Unlock()
	w.wg.Wait()
}

// every calls ask at once and then at intervals, a little off each time so that many do not ask together.
func every(ctx context.Context, interval, timeout time.Duration, ask func(ctx context.Context)) {
	timer := time.NewTimer(interval)
	defer timer.Stop()
	for {
		one, cancel := context.WithTimeout(ctx, timeout)
		ask(one)
		cancel()
		timer.Reset(interval - interval/20 + rand.N(interval/10+1)) //nolint:gosec // it spreads load and guards no secret
		select {
		case <-timer.C:
		case <-ctx.Done():
			return
		}
	}
}

func (e *Endpoint) watchHealth(ctx context.Context, h HealthCheck) {
	down, up := 0, 0
	every(ctx, h.Interval, h.Timeout, func(one context.Context) {
		err := e.ask(one, h.Page)
		switch {
		case ctx.Err() != nil: // nobody wants to know any more
			return
		case err != nil:
			down, up = down+1, 0
		default:
			down, up = 0, up+1
		}
		if down >= h.Down || up >= h.Up {
			e.record.checked(up > 0, true, time.Now())
		}
	})
}

func (e *Endpoint) ask(ctx context.Context, p Page) error {
	if p == nil {
		return e.Probe(ctx)
	}
	_, err := p.Get(ctx)
	return err
}

func (e *Endpoint) watchLoad(ctx context.Context, l LoadCheck) {
	every(ctx, l.Interval, l.Timeout, func(ctx context.Context) {
		text, err := l.Page.Get(ctx)
		if err != nil {
			return
		}
		if load, ok := readLoad(text, l.Metrics); ok {
			e.record.report(load, time.Now().Add(loadLasts*l.Interval))
		}
	})
}
