package policy_test

import (
	"context"
	"testing"
	"time"

	"github.com/sluicegate/sluice/policies"
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
