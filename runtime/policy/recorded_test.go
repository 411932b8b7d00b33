package policy_test

import (
	"context"
	"fmt"
	"reflect"
	"testing"

	"github.com/sluicegate/sluice/runtime/policy"
)

// What a replay remembers must not change what it finds: a policy of which nothing is remembered finds the same.
func TestReplayRemembersSoundly(t *testing.T) {
	p := shipped(t, 0)
	plain := policy.NewReplay(shippedWith(t, policy.Options{Recorded: true, Memo: -1}))
	quick := policy.NewReplay(shippedWith(t, policy.Options{Recorded: true}))
	facts := threeFacts()
	for round := range 3 {
		facts[0].Health = []string{"healthy", "down", "degraded"}[round]
		for _, x := range many() {
			line := logged(t, p, x, policy.Facts{Models: append([]policy.ModelFacts(nil), facts...)})
			for _, r := range []*policy.Replay{plain, quick} {
				if err := r.Event(context.Background(), line); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	want, got := plain.Report(), quick.Report()
	if !reflect.DeepEqual(got, want) || got.Same != got.Events {
		t.Errorf("%+v\nwithout what is remembered\n%+v", got, want)
	}
}

// What stands in the input in another spelling, of another kind or not at all is told apart.
func TestReplayTellsInputsApart(t *testing.T) {
	const rego = `package sluice

default decision := {"allowed": false, "reasons": ["other"]}

decision := {"allowed": true} if input.params.n == 1

else := {"allowed": false, "reasons": ["none"]} if not input.params.n

else := {"allowed": false, "reasons": ["text"]} if is_string(input.params.n)
`
	r := policy.NewReplay(compile(t, rego, policy.Options{Recorded: true}))
	f := func(params, result string) {
		t.Helper()
		line := fmt.Sprintf(`{"decision_id":"a","path":"sluice/decision","input":{"model":"m","params":%s},"result":%s}`, params, result)
		before := r.Report().Same
		if err := r.Event(context.Background(), []byte(line)); err != nil {
			t.Fatal(err)
		}
		if r.Report().Same != before+1 {
			t.Errorf("%s is not %s: %+v", params, result, r.Report().Changes)
		}
	}
	for range 2 {
		f(`{"n":1}`, `{"allowed":true}`)
		f(`{"n":"1"}`, `{"allowed":false,"reasons":["text"]}`)
		f(`{}`, `{"allowed":false,"reasons":["none"]}`)
		f(`{"n":false}`, `{"allowed":false,"reasons":["none"]}`)
		f(`{"n":null}`, `{"allowed":false,"reasons":["other"]}`)
		f(`[]`, `{"allowed":false,"reasons":["none"]}`)
		f(`{"n":{"n":1}}`, `{"allowed":false,"reasons":["other"]}`)
		f(`"n"`, `{"allowed":false,"reasons":["none"]}`)
	}
}

// BenchmarkReplay is one event of the shipped policy: of a log with 120 sorts of callers and models; of one in which each event
// has roles that no other has, so that nothing that is remembered fits; and of the first without remembering. The aim is 5,000
// a second: 200 us.
func BenchmarkReplay(b *testing.B) {
	live := shipped(b, 0)
	facts := policy.Facts{Models: threeFacts()}
	var usual, distinct [][]byte
	sorts := many()
	for i := range 4096 {
		x := sorts[i%len(sorts)]
		x.ID, x.Request.Size = fmt.Sprintf("r-%d", i), 100+i
		usual = append(usual, logged(b, live, x, facts))
		x = exchangeOf("developer", "model-a")
		x.Principal.Roles = append(x.Principal.Roles, fmt.Sprintf("team-%d", i))
		distinct = append(distinct, logged(b, live, x, facts))
	}
	run := func(name string, lines [][]byte, memo int) {
		b.Run(name, func(b *testing.B) {
			r := policy.NewReplay(shippedWith(b, policy.Options{Recorded: true, Memo: memo}))
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if err := r.Event(context.Background(), lines[i%len(lines)]); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
			if got := r.Report(); got.Same != got.Events {
				b.Errorf("%+v", got)
			}
		})
	}
	run("usual", usual, 0)
	run("distinct", distinct, 64)
	run("unremembered", usual, -1)
}
