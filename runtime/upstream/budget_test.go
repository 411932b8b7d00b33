package upstream_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluicegate/sluice/runtime/upstream"
)

// attempts counts the attempts that n requests of a model make, whose two endpoints fail in that way.
func attempts(t *testing.T, p *upstream.Pool, n int) int {
	t.Helper()
	made := 0
	for range n {
		_, _, _ = upstream.Forward(t.Context(), upstream.Errand{Targets: upstream.Plan([]*upstream.Pool{p}, upstream.Constraint{})},
			func(dst []byte, target upstream.Target) *upstream.Call {
				made++
				return build(dst, target)
			}, ignore)
	}
	return made
}

func failing(t *testing.T, r upstream.Retries, f *upstream.Failure) *upstream.Pool {
	t.Helper()
	always := callerFunc(func(context.Context, *upstream.Call) (*upstream.Reply, error) { return nil, f })
	p, err := upstream.NewPool(upstream.PoolOptions{Model: "m", Retries: r, Endpoints: []*upstream.Endpoint{
		upstream.NewEndpoint(upstream.EndpointOptions{Name: "a", Weight: 1, Caller: always}),
		upstream.NewEndpoint(upstream.EndpointOptions{Name: "b", Weight: 1, Caller: always}),
	}})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestRetryBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sent := &upstream.Failure{Code: "upstream_error", Retry: upstream.RetryElsewhere, BodySent: true}
		p := failing(t, upstream.Retries{Share: 0.2, Floor: 1}, sent)
		if got := attempts(t, p, 10); got != 20 {
			t.Errorf("10 requests made %d attempts, want 20: ten seconds' worth of the floor", got)
		}
		if got := attempts(t, p, 1000); got != 1000+202 { // 2 are left of the first ten requests
			t.Errorf("1000 requests made %d attempts, want a fifth more", got)
		}
		time.Sleep(3 * time.Second)
		if got := attempts(t, p, 4); got != 7 {
			t.Errorf("4 requests after 3 s made %d attempts, want 3 more", got)
		}
		time.Sleep(time.Hour)
		if got := attempts(t, p, 20); got != 20+13 {
			t.Errorf("20 requests after an hour made %d attempts, want ten seconds' worth of the floor more and a fifth", got)
		}
		if p.RetriesRefused() == 0 {
			t.Error("what there was no budget for is not counted")
		}
		if got := attempts(t, failing(t, upstream.Retries{}, sent), 100); got != 200 {
			t.Errorf("without a bound 100 requests made %d attempts, want 200", got)
		}
		unsent := &upstream.Failure{Code: "upstream_unreachable", Retry: upstream.RetryElsewhere}
		if got := attempts(t, failing(t, upstream.Retries{Share: 0.2}, unsent), 100); got != 200 {
			t.Errorf("100 requests that no model server saw made %d attempts, want 200", got)
		}
	})
}

// A retry that cannot be made takes nothing from the budget.
func TestRetryBudgetIsSpentOnRetries(t *testing.T) {
	f := &upstream.Failure{Code: "upstream_error", Retry: upstream.RetryElsewhere, BodySent: true}
	always := callerFunc(func(context.Context, *upstream.Call) (*upstream.Reply, error) { return nil, f })
	p, err := upstream.NewPool(upstream.PoolOptions{Model: "m", Retries: upstream.Retries{Share: 0.01}, Endpoints: []*upstream.Endpoint{
		upstream.NewEndpoint(upstream.EndpointOptions{Name: "a", Weight: 1, Caller: always}),
	}})
	if err != nil {
		t.Fatal(err)
	}
	attempts(t, p, 500)
	if n := p.RetriesRefused(); n != 0 {
		t.Errorf("%d retries were refused where there was nowhere to go", n)
	}
}
