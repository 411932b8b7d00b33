package policy_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluicegate/sluice/runtime/exchange"
	"github.com/sluicegate/sluice/runtime/policy"
)

// largePolicy is a policy of 1,000 rules over 1 MB of data: one rule for each of 700 tenants, which an index could pick, and
// 298 that must be tried one by one: each looks a limit up in data, where the tenant has one in all of them, and compares.
func largePolicy(t testing.TB) policy.Source {
	t.Helper()
	var rules strings.Builder
	rules.WriteString("package sluice\n\ndefault decision := {\"allowed\": false, \"reasons\": {\"denied\"}}\n\n")
	rules.WriteString("decision := {\"allowed\": true, \"cache\": {\"mode\": \"read\"}} if count(denials) == 0\n\n")
	for i := range 700 {
		fmt.Fprintf(&rules, "denials contains \"tenant_%d\" if {\n\tinput.principal.tenant == \"tenant-%d\"\n\tinput.model in data.tenants[\"tenant-%d\"].forbidden\n}\n\n", i, i, i)
	}
	for i := range 298 {
		fmt.Fprintf(&rules, "denials contains \"size_%d\" if input.sizes.body > data.limits.l%d[input.principal.tenant]\n\n", i, i)
	}
	tenants, limits := map[string]any{}, map[string]any{}
	for i := range 700 {
		tenants[fmt.Sprintf("tenant-%d", i)] = map[string]any{
			"forbidden": []string{"model-x", "model-y", fmt.Sprintf("model-%d", i)},
			"note":      strings.Repeat("what is known of this tenant ", 46),
		}
	}
	for i := range 298 {
		limits[fmt.Sprintf("l%d", i)] = map[string]any{fmt.Sprintf("tenant-%d", i): 1 << 20, "tenant-7": 1<<20 + i}
	}
	data, err := json.Marshal(map[string]any{"tenants": tenants, "limits": limits})
	if err != nil {
		t.Fatal(err)
	}
	if len(data) < 900<<10 || len(data) > 1200<<10 {
		t.Fatalf("%d bytes of data", len(data))
	}
	return sourceOf(t, map[string]string{"main.rego": rules.String(), "data.json": string(data)})
}

func largeExchange() *exchange.Exchange {
	x := exchangeOf("developer", "model-a")
	x.Principal.Tenant = "tenant-7"
	return x
}

// It decides as it should; how fast is for the benchmark.
func TestLargePolicy(t *testing.T) {
	p, err := policy.Compile(t.Context(), largePolicy(t), policy.Options{Timeout: slow})
	if err != nil {
		t.Fatal(err)
	}
	f := func(model string, size int, allowed bool) {
		t.Helper()
		x := largeExchange()
		x.Request.Model, x.Request.Size = model, size
		if d, err := p.Decide(t.Context(), x, policy.Facts{}); err != nil || d.Allowed != allowed {
			t.Errorf("%s, %d bytes: %+v, %v", model, size, d, err)
		}
	}
	f("model-a", 1024, true)
	f("model-7", 1024, false)
	f("model-8", 1024, true)
	f("model-a", 1<<20, true)
	f("model-a", 1<<20+1, false)
}

func benchmarkLarge(b *testing.B, memo int) {
	p, err := policy.Compile(context.Background(), largePolicy(b), policy.Options{Memo: memo, Timeout: slow})
	if err != nil {
		b.Fatal(err)
	}
	x := largeExchange()
	took := make([]time.Duration, 0, 1<<16)
	b.ReportAllocs()
	for b.Loop() {
		begun := time.Now()
		if d, err := p.Decide(context.Background(), x, policy.Facts{}); err != nil || !d.Allowed {
			b.Fatal(d, err)
		}
		if len(took) < cap(took) {
			took = append(took, time.Since(begun))
		}
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-us")
}

// The aim is 1 ms at p99.
func BenchmarkLargeMiss(b *testing.B) { benchmarkLarge(b, -1) }
func BenchmarkLargeHit(b *testing.B)  { benchmarkLarge(b, 0) }
