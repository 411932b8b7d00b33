package policy_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluicegate/sluice/runtime/exchange"
	"github.com/sluicegate/sluice/runtime/policy"
	"github.com/sluicegate/sluice/runtime/strictjson"
	"github.com/sluicegate/sluice/runtime/wire/openai"
)

// stricter denies what the shipped policy allows, allows what it denies, and picks others.
const stricter = `package sluice

default decision := {"allowed": false, "reasons": ["other"]}

admit := {"allowed": input.principal.tenant != "blue" , "reasons": ["no_blue"]}

decision := {"allowed": true, "models": ["model-b"], "cache": {"mode": "read", "scope": "tenant"}} if input.model in {"", "model-b"}

decision := {"allowed": to_number(input.model) > 0} if input.model == "model-a"
`

// decided decides as the pipeline does and gives what is to be logged.
func decided(t testing.TB, p *policy.Policy, x *exchange.Exchange, facts policy.Facts) policy.Logged {
	t.Helper()
	a, err := p.Admit(context.Background(), x, x.Start)
	x.Admission = a
	if err != nil || !a.Allowed {
		x.Decision.ID = "early-" + x.ID
		return policy.Logged{Exchange: x, Admit: true, Err: err}
	}
	d, err := p.Decide(context.Background(), x, facts)
	x.Decision = d
	x.Decision.ID = "d-" + x.ID
	return policy.Logged{Exchange: x, Facts: facts, Err: err}
}

// settled waits until the shadow has done with n decisions.
func settled(t *testing.T, s *policy.Shadow, n int) policy.ShadowReport {
	t.Helper()
	for begun := time.Now(); time.Since(begun) < time.Minute; time.Sleep(time.Millisecond) {
		r := s.Report()
		if r.Asked+r.Skipped+r.Dropped["queue"]+r.Dropped["budget"]+r.Dropped["text"] == n {
			return r
		}
	}
	t.Fatalf("%+v after a minute, want %d", s.Report(), n)
	return policy.ShadowReport{}
}

// A shadow finds what a replay of the same decisions finds.
func TestShadowFindsWhatReplayFinds(t *testing.T) {
	live, facts := shipped(t, 0), policy.Facts{Models: threeFacts()}
	o := policy.Options{Models: threeModels, Timeout: 10 * time.Second}
	s := policy.NewShadow(compile(t, stricter, o), policy.ShadowOptions{Sample: 100, Budget: time.Hour})
	defer s.Close()
	o.Recorded = true
	r := policy.NewReplay(compile(t, stricter, o))
	for _, x := range many() {
		l := decided(t, live, x, facts)
		s.Watch(l)
		if err := r.Event(context.Background(), live.AppendEvent(nil, l)); err != nil {
			t.Fatal(err)
		}
	}
	want, got := r.Report(), settled(t, s, len(many()))
	if got.Asked != want.Replayed || got.Same != want.Same || got.Skipped != want.Skipped["denied_in_advance"] || got.Cost != want.Cost {
		t.Errorf("%+v, want %+v", got, want)
	}
	if len(want.Changes) < 4 || want.Skipped["denied_in_advance"] == 0 {
		t.Errorf("the replay finds little: %+v", want)
	}
	if !reflect.DeepEqual(got.Changes, want.Changes) {
		a, _ := json.MarshalIndent(got.Changes, "", " ")
		b, _ := json.MarshalIndent(want.Changes, "", " ")
		t.Errorf("%s\nwant\n%s", a, b)
	}
}

// What does not fit into the queue or the budget is dropped and counted, and nobody waits for it.
func TestShadowIsBounded(t *testing.T) {
	live := shipped(t, 0)
	l := decided(t, live, exchangeOf("developer", "model-a"), policy.Facts{Models: threeFacts()})
	f := func(o policy.ShadowOptions, why string) {
		t.Helper()
		o.Sample = 100
		s := policy.NewShadow(shipped(t, -1), o)
		defer s.Close()
		for range 2000 {
			s.Watch(l)
		}
		if r := settled(t, s, 2000); r.Asked == 0 || r.Dropped[why] == 0 || r.Asked != r.Same {
			t.Errorf("%+v", r)
		}
	}
	f(policy.ShadowOptions{Queue: 1, Budget: time.Hour}, "queue")
	f(policy.ShadowOptions{Queue: 2000, Budget: time.Nanosecond}, "budget")
}

func TestShadowSamples(t *testing.T) {
	l := decided(t, shipped(t, 0), exchangeOf("developer", "model-a"), policy.Facts{Models: threeFacts()})
	s := policy.NewShadow(shipped(t, 0), policy.ShadowOptions{Sample: 10, Queue: 4000, Budget: time.Hour})
	for range 4000 {
		s.Watch(l)
	}
	for begun := time.Now(); s.Report().Asked < 200 && time.Since(begun) < time.Minute; {
		time.Sleep(time.Millisecond)
	}
	s.Close()
	s.Watch(l)                                                                    // too late, but no harm
	if n := s.Report().Asked; n < 200 || n > 700 || len(s.Report().Changes) > 0 { // 400; these are ten standard deviations off
		t.Errorf("%d of 4000 are no tenth", n)
	}
}

// The text that a candidate reads is in nothing that is kept, nor in the log.
func TestShadowKeepsNoText(t *testing.T) {
	const rego = `package sluice

decision := {"allowed": false, "reasons": ["found"], "message": input.prompt.text} if contains(input.prompt.text, "aardvark")

decision := {"allowed": false, "message": input.prompt.text} if contains(input.prompt.text, "wombat")

default decision := {"allowed": false}
`
	var log bytes.Buffer
	s := policy.NewShadow(compile(t, rego, policy.Options{Models: threeModels, ReadsText: true, Timeout: 10 * time.Second}),
		policy.ShadowOptions{Sample: 100, Budget: time.Hour, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	live := shipped(t, 0)
	for _, word := range []string{"aardvark", "wombat"} {
		req, err := openai.Chat.Request([]byte(`{"model":"model-a","messages":[{"role":"user","content":"an `+word+`"}]}`), strictjson.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		x := exchangeOf("developer", "model-a")
		x.ID, x.Request = word[:1], req
		s.Watch(decided(t, live, x, policy.Facts{Models: threeFacts()}))
		req.Doc.Release()
	}
	r := settled(t, s, 2)
	s.Close()
	text, err := json.Marshal(r)
	if err != nil || r.Changes[policy.NewlyDenied] == nil || r.Changes[policy.NewlyDenied].Count != 2 {
		t.Fatalf("%s %v", text, err)
	}
	if all := string(text) + log.String(); strings.Contains(all, "aardvark") || strings.Contains(all, "wombat") {
		t.Error(all)
	}
	if !strings.Contains(log.String(), "decision_id=d-a") || !strings.Contains(log.String(), "newly_denied") {
		t.Error(log.String())
	}
}

// Requests, reports and the end may come from anywhere at once.
func TestShadowConcurrently(t *testing.T) {
	live, facts := shipped(t, 0), policy.Facts{Models: threeFacts()}
	s := policy.NewShadow(shipped(t, 0), policy.ShadowOptions{Sample: 50})
	var all sync.WaitGroup
	for n := range 4 {
		all.Go(func() {
			for i := range 50 {
				x := exchangeOf("developer", "model-a")
				x.ID, x.Principal.Roles = fmt.Sprint(n, "-", i), []string{"developer", fmt.Sprint(i % 7)}
				s.Watch(decided(t, live, x, facts))
				s.Report()
			}
		})
	}
	all.Wait()
	s.Close()
}

// BenchmarkShadowWatch is what a sampled request pays: the copy and the place in the queue.
func BenchmarkShadowWatch(b *testing.B) {
	l := decided(b, shipped(b, 0), exchangeOf("developer", "model-a"), policy.Facts{Models: threeFacts()})
	run := func(name string, sample int) {
		b.Run(name, func(b *testing.B) {
			s := policy.NewShadow(shipped(b, 0), policy.ShadowOptions{Sample: sample, Queue: 1 << 16, Budget: time.Hour})
			defer s.Close()
			b.ReportAllocs()
			for b.Loop() {
				s.Watch(l)
			}
		})
	}
	run("sampled", 100)
	run("passed over", 0)
}
