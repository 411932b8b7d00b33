package upstream_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluicegate/sluice/runtime/upstream"
	"github.com/sluicegate/sluice/runtime/wire"
)

// Each endpoint of the pools is told of once: those on the plan in its order with how they stood, then those passed over.
func TestConsidered(t *testing.T) {
	type o = upstream.EndpointOptions
	synctest.Test(t, func(t *testing.T) {
		caller, eu := &scripted{}, map[string]string{"region": "eu"}
		pools := []*upstream.Pool{
			pool("a", o{Name: "spare", Labels: eu}, o{Name: "us", Weight: 1, Labels: map[string]string{"region": "us"}}, o{Name: "good", Weight: 1, Labels: eu, Caller: caller}),
			pool("b", o{Name: "needs", Weight: 1, Labels: eu, Requires: []string{"redact"}}, o{Name: "drains", Weight: 1, Labels: eu, Drain: true}),
		}
		c := upstream.Constraint{Labels: eu}
		f := func(want string) {
			t.Helper()
			var got []string
			for _, k := range upstream.Considered(pools, c, upstream.Plan(pools, c)) {
				got = append(got, fmt.Sprintf("%s/%s:%s", k.Model, k.Endpoint, k.State))
			}
			if s := strings.Join(got, " "); s != want {
				t.Errorf("got  %s\nwant %s", s, want)
			}
		}
		f("a/good:ready a/spare:spare a/us:labels b/needs:requires b/drains:drains")
		fails(pools[0].Endpoints()[2], caller, &upstream.Failure{Code: wire.UpstreamError, Retry: upstream.RetryElsewhere}, 5)
		f("a/spare:spare a/good:out a/us:labels b/needs:requires b/drains:drains")
		time.Sleep(time.Hour)
		f("a/good:probe a/spare:spare a/us:labels b/needs:requires b/drains:drains")
	})
}
