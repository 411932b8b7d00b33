package upstream_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluicegate/sluice/runtime/upstream"
)

// fakePage is a page that a test writes.
type fakePage struct {
	text   atomic.Pointer[string] // nil: it cannot be got
	asked  atomic.Int64
	closed atomic.Bool
}

func (p *fakePage) set(text string) { p.text.Store(&text) }

func (p *fakePage) Get(ctx context.Context) ([]byte, error) {
	p.asked.Add(1)
	if text := p.text.Load(); text != nil {
		return []byte(*text), nil
	}
	<-ctx.Done()
	return nil, errors.New("it does not answer")
}

func (p *fakePage) Close() error {
	p.closed.Store(true)
	return nil
}

func TestHealthCheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		page := &fakePage{}
		page.set("ok")
		e := upstream.NewEndpoint(upstream.EndpointOptions{Name: "e", Weight: 1, WarmUp: time.Minute, Health: &upstream.HealthCheck{
			Page: page, Interval: 10 * time.Second, Timeout: time.Second, Down: 2, Up: 2,
		}})
		other := upstream.NewEndpoint(upstream.EndpointOptions{Name: "other", Weight: 1})
		p := balanced("", "m", e, other)
		var w upstream.Watcher
		w.Watch([]*upstream.Pool{p})
		w.Watch([]*upstream.Pool{p}) // the same generation again starts nothing twice
		want := func(health upstream.Health, sick bool, asked int64) {
			t.Helper()
			synctest.Wait()
			s := e.State(time.Now())
			if s.Health != health || s.Sick != sick || !s.Checked || page.asked.Load() != asked {
				t.Errorf("got %+v after %d questions, want health %s, sick %v, %d questions", s, page.asked.Load(), health, sick, asked)
			}
			if first := firsts(p, upstream.Constraint{}, 30); sick && first["e"] != 0 {
				t.Error("a sick endpoint comes first")
			}
		}
		synctest.Wait()
		time.Sleep(time.Minute) // it is warm; what was asked meanwhile is not counted
		synctest.Wait()
		n := page.asked.Load()
		if n < 6 || n > 7 {
			t.Errorf("%d questions in a minute, want one each ten seconds", n)
		}
		page.text.Store(nil)
		for page.asked.Load() < n+1 {
			time.Sleep(time.Second)
		}
		time.Sleep(2 * time.Second)
		want(upstream.Healthy, false, n+1)
		time.Sleep(12 * time.Second)
		want(upstream.Down, true, n+2)
		page.set("ok")
		time.Sleep(11 * time.Second)
		want(upstream.Down, true, n+3)
		time.Sleep(11 * time.Second)
		want(upstream.Healthy, false, n+4)
		if !e.State(time.Now()).Warming {
			t.Error("an endpoint that has recovered does not warm up")
		}
		w.Watch(nil)
		n = page.asked.Load()
		time.Sleep(time.Hour)
		if page.asked.Load() != n {
			t.Error("an endpoint that nobody watches is asked on")
		}
		w.Close()
		if err := e.Close(); err != nil || !page.closed.Load() {
			t.Error("the page was not closed with its endpoint")
		}
	})
}

// An endpoint that an earlier generation found sick is well for one that does not ask.
func TestSickIsForgottenWithItsCheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		registry := &upstream.Registry{}
		endpoint := func(h *upstream.HealthCheck) *upstream.Endpoint {
			return upstream.NewEndpoint(upstream.EndpointOptions{Name: "e", Weight: 1, Registry: registry, Health: h})
		}
		var w upstream.Watcher
		defer w.Close()
		old := endpoint(&upstream.HealthCheck{Page: &fakePage{}, Down: 1})
		w.Watch([]*upstream.Pool{balanced("", "m", old)})
		time.Sleep(5 * time.Second)
		if old.Health() != upstream.Down {
			t.Fatal("it is not sick")
		}
		next := endpoint(nil)
		w.Watch([]*upstream.Pool{balanced("", "m", next)})
		if next.Health() != upstream.Healthy {
			t.Error("it is sick for a generation that does not ask")
		}
	})
}

func TestLoadBalance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{}
		at := func(name, text string) (*upstream.Endpoint, *fakePage) {
			page := &fakePage{}
			page.set(text)
			return upstream.NewEndpoint(upstream.EndpointOptions{Name: name, Weight: 1, Caller: s, Load: &upstream.LoadCheck{
				Page: page, Metrics: []string{"waiting", "running"}, Interval: 5 * time.Second,
			}}), page
		}
		a, pageA := at("a", "# TYPE waiting gauge\nwaiting{model=\"x}\"} 4\nrunning 2.5e0 1700000000\nothers 9\n")
		b, pageB := at("b", "waiting 3\n")
		silent, pageC := at("silent", "others 0\n")
		p := balanced("load", "m", a, b, silent)
		var w upstream.Watcher
		defer w.Close()
		w.Watch([]*upstream.Pool{p})
		synctest.Wait()
		want := func(plan string) {
			t.Helper()
			if got := names(upstream.Plan([]*upstream.Pool{p}, upstream.Constraint{})); got != plan {
				t.Errorf("the plan is %s, want %s", got, plan)
			}
		}
		want("m/b m/a m/silent")
		if st := a.State(time.Now()); st.Load != 6.5 || !st.HasLoad {
			t.Errorf("the load is %v, want 6.5", st.Load)
		}
		told := upstream.NewEndpoint(upstream.EndpointOptions{Name: "told", Weight: 1, Load: &upstream.LoadCheck{Metrics: []string{"waiting"}}})
		if got := names(upstream.Plan([]*upstream.Pool{balanced("load", "m", b, told)}, upstream.Constraint{})); got != "m/told m/b" {
			t.Errorf("the plan is %s: one that tells with its answers is asked when it has not told", got)
		}
		pageA.set("waiting 0\n")
		time.Sleep(6 * time.Second)
		want("m/a m/b m/silent")
		occupy(t, a, s, 4) // reported only later
		want("m/b m/a m/silent")
		pageA.text.Store(nil)
		pageB.text.Store(nil)
		pageC.set("running 1000000")
		time.Sleep(21 * time.Second)
		want("m/silent m/b m/a") // those two have not said for long
	})
}
