package policy_test

import (
	"context"
	"net/netip"
	"testing"
	"testing/fstest"
	"time"

	"github.com/sluicegate/sluice/runtime/exchange"
	"github.com/sluicegate/sluice/runtime/policy"
	"github.com/sluicegate/sluice/runtime/wire"
)

var threeModels = []string{"model-a", "model-b", "model-restricted"}

func threeFacts() []policy.ModelFacts {
	return []policy.ModelFacts{
		{Name: "model-a", Labels: map[string]string{"region": "on-prem"}, Input: 0.4, Output: 1.6, Context: 8192, Health: "healthy", LatencyBucket: "fast"},
		{Name: "model-b", Labels: map[string]string{"region": "eu"}, Input: 0.1, Output: 0.2, Context: 8192, Health: "healthy", LatencyBucket: "fast"},
		{Name: "model-restricted", Input: 3, Output: 9, Health: "degraded"},
	}
}

// exchangeOf is an exchange of one role, asking for a model.
func exchangeOf(role, model string) *exchange.Exchange {
	return &exchange.Exchange{
		Start:     time.Date(2026, 3, 2, 14, 30, 0, 0, time.UTC), // a Monday
		Operation: wire.ChatCompletions,
		Client: exchange.Client{
			IP:      netip.MustParseAddr("192.0.2.7"),
			Headers: map[string][]string{"X-Team": {"red", "blue"}, "Authorization": {"Bearer secret"}},
		},
		Principal: &exchange.Principal{ID: "key:app", Tenant: "search", Roles: []string{role}, Method: "key"},
		Request:   &wire.Request{Operation: wire.ChatCompletions, Model: model, Size: 1024, Messages: 2},
	}
}

// sourceOf makes a source of files.
func sourceOf(t testing.TB, files map[string]string) policy.Source {
	t.Helper()
	fsys := fstest.MapFS{}
	for name, text := range files {
		fsys[name] = &fstest.MapFile{Data: []byte(text)}
	}
	s, err := policy.ReadFS(fsys, "p")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// compile compiles one module. Where nothing is said of its time, it has more than a busy machine needs.
func compile(t testing.TB, module string, o policy.Options) *policy.Policy {
	t.Helper()
	if o.Timeout == 0 {
		o.Timeout = slow
	}
	p, err := policy.Compile(context.Background(), sourceOf(t, map[string]string{"main.rego": module}), o)
	if err != nil {
		t.Fatalf("%v\nin:\n%s", err, module)
	}
	return p
}
