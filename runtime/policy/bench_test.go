package policy_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/sluicegate/sluice/policies"
	"github.com/sluicegate/sluice/runtime/exchange"
	"github.com/sluicegate/sluice/runtime/policy"
)

// shipped compiles the shipped policy.
func shipped(t testing.TB, memo int) *policy.Policy {
	t.Helper()
	s, err := policy.ReadFS(policies.FS, "policies")
	if err != nil {
		t.Fatal(err)
	}
	p, err := policy.Compile(context.Background(), s, policy.Options{Models: threeModels, Memo: memo, Timeout: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Decisions that are not remembered stay within the budget of allocations.
func TestAllocationsOfAMiss(t *testing.T) {
	x, facts := exchangeOf("developer", "model-a"), policy.Facts{Models: threeFacts()}
	f := func(name string, p *policy.Policy, x *exchange.Exchange, most float64) {
		t.Helper()
		n := testing.AllocsPerRun(50, func() {
			if d, err := p.Decide(context.Background(), x, facts); err != nil || !d.Allowed {
				t.Fatal(d, err)
			}
		})
		if n > most {
			t.Errorf("%s: %v allocations, want at most %v", name, n, most)
		}
	}
	f("shipped", shipped(t, -1), x, 400)
	p, err := policy.Compile(context.Background(), largePolicy(t), policy.Options{Memo: -1, Timeout: slow})
	if err != nil {
		t.Fatal(err)
	}
	f("1,000 rules", p, largeExchange(), 400)
}

func benchmarkDecide(b *testing.B, memo int, model string) {
	p := shipped(b, memo)
	x := exchangeOf("developer", model)
	facts := policy.Facts{Models: threeFacts()}
	b.ReportAllocs()
	for b.Loop() {
		if d, err := p.Decide(context.Background(), x, facts); err != nil || !d.Allowed {
			b.Fatal(d, err)
		}
	}
}

func BenchmarkDecideHit(b *testing.B)      { benchmarkDecide(b, 0, "model-a") }
func BenchmarkDecideMiss(b *testing.B)     { benchmarkDecide(b, -1, "model-a") }
func BenchmarkDecideMissPick(b *testing.B) { benchmarkDecide(b, -1, "") }

func BenchmarkAdmitHit(b *testing.B) {
	p := shipped(b, 0)
	x := exchangeOf("developer", "model-a")
	b.ReportAllocs()
	for b.Loop() {
		if a, err := p.Admit(context.Background(), x, x.Start); err != nil || !a.Allowed {
			b.Fatal(a, err)
		}
	}
}

// BenchmarkDecideManyModels is a hit among 1,000 models, the same slice of facts each time: its cost must not grow with
// their number.
func BenchmarkDecideManyModels(b *testing.B) {
	names := make([]string, 1000)
	facts := make([]policy.ModelFacts, len(names))
	for i := range names {
		names[i] = fmt.Sprintf("model-%03d", i)
		facts[i] = policy.ModelFacts{Name: names[i], Health: "healthy", LatencyBucket: "fast"}
	}
	src, err := policy.ReadFS(policies.FS, "policies")
	if err != nil {
		b.Fatal(err)
	}
	p, err := policy.Compile(context.Background(), src, policy.Options{Models: names})
	if err != nil {
		b.Fatal(err)
	}
	x := exchangeOf("developer", "model-007")
	b.ReportAllocs()
	for b.Loop() {
		if d, err := p.Decide(context.Background(), x, policy.Facts{Models: facts}); err != nil || !d.Allowed {
			b.Fatal(d, err)
		}
	}
}
