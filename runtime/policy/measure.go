package policy

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"time"

	"github.com/sluicegate/sluice/runtime/exchange"
	"github.com/sluicegate/sluice/runtime/strictjson"
)

// Measurement is what asking a policy costs, on this machine as busy as it is now.
type Measurement struct {
	Revision string         `json:"revision"`
	Inputs   int            `json:"inputs"`            // requests that were asked about, in turn
	Skipped  map[string]int `json:"skipped,omitempty"` // events that were not, by why, as in ReplayReport
	Entries  []EntryCost    `json:"entries"`
}

// EntryCost is what one entry point costs.
type EntryCost struct {
	Rule        string   `json:"rule"`
	Remembering Cost     `json:"remembering"` // as the gateway asks: answers come from the memo where they can
	Evaluating  Cost     `json:"evaluating"`  // every answer evaluated
	Hits        uint64   `json:"hits"`        // of the first asking about each input: from the memo
	Misses      uint64   `json:"misses"`
	NotMemoised []string `json:"not_memoised,omitempty"` // why no answer is remembered
	LeftToOPA   []string `json:"left_to_opa,omitempty"`  // rules that OPA's evaluator is asked for, and why
	Failed      int      `json:"failed"`                 // inputs without a valid answer
}

// Cost is the cost of one question.
type Cost struct {
	Asked  int           `json:"asked"`
	Mean   time.Duration `json:"mean_ns"`
	P50    time.Duration `json:"p50_ns"`
	P99    time.Duration `json:"p99_ns"`
	Max    time.Duration `json:"max_ns"`
	Allocs float64       `json:"allocs"`
	Bytes  float64       `json:"bytes"`
}

// maxSamples bounds the times that are kept of one Cost.
const maxSamples = 200_000

// ErrNothingToAsk says that no event of a log can be asked about.
var ErrNothingToAsk = errors.New("the log has no decision that this policy can be asked about again")

// MeasureExchange measures a source with one request. Each kind of cost is taken for that long.
func (s Source) MeasureExchange(ctx context.Context, o Options, x *exchange.Exchange, facts Facts, long time.Duration) (Measurement, error) {
	return s.measure(ctx, o, long, func(*Policy) ([]probe, map[string]int) {
		admit := func(p *Policy) error { _, err := p.Admit(ctx, x, x.Start); return err }
		decide := func(p *Policy) error { _, err := p.Decide(ctx, x, facts); return err }
		return []probe{{admit, decide}}, nil
	})
}

// MeasureEvents measures a source with the inputs of events of the decision log.
func (s Source) MeasureEvents(ctx context.Context, o Options, events [][]byte, long time.Duration) (Measurement, error) {
	o.Recorded = true
	var docs []*strictjson.Doc
	defer func() {
		for _, d := range docs {
			d.Release()
		}
	}()
	return s.measure(ctx, o, long, func(p *Policy) ([]probe, map[string]int) {
		r, rec := NewReplay(p), &recording{}
		var out []probe
		for _, line := range events {
			doc, err := strictjson.Parse(line, recordedLimits)
			if err != nil {
				_ = r.skip(SkipMalformed)
				continue
			}
			docs = append(docs, doc)
			e, why := r.readEvent(doc.Root())
			if why != "" {
				_ = r.skip(why)
				continue
			}
			q := probe{admit: func(p *Policy) error { _, err := asked(ctx, p.admit, rec, e.input); return err }}
			if !e.admit {
				q.decide = func(p *Policy) error { _, err := asked(ctx, p.decide, rec, e.input); return err }
			}
			out = append(out, q)
		}
		return out, r.report.Skipped
	})
}

// probe asks about one request; nil where an entry point is not asked.
type probe struct{ admit, decide func(*Policy) error }

func (s Source) measure(ctx context.Context, o Options, long time.Duration, prepare func(*Policy) ([]probe, map[string]int)) (Measurement, error) {
	warm, err := Compile(ctx, s, o)
	if err != nil {
		return Measurement{}, err
	}
	o.Memo = -1
	cold, err := Compile(ctx, s, o)
	if err != nil {
		return Measurement{}, err
	}
	probes, skipped := prepare(warm)
	m := Measurement{Revision: warm.revision, Inputs: len(probes), Skipped: skipped}
	if len(probes) == 0 {
		return m, ErrNothingToAsk
	}
	for _, e := range warm.Entries() {
		c := EntryCost{Rule: e.Rule, NotMemoised: e.NotMemoised, LeftToOPA: e.LeftToOPA}
		c.measure(ctx, warm, cold, questions(probes, e.Rule), long)
		m.Entries = append(m.Entries, c)
	}
	return m, ctx.Err()
}

// questions are the probes' for one rule.
func questions(probes []probe, rule string) []func(*Policy) error {
	var out []func(*Policy) error
	for _, p := range probes {
		switch {
		case rule == "admit":
			out = append(out, p.admit)
		case p.decide != nil:
			out = append(out, p.decide)
		}
	}
	return out
}

func (c *EntryCost) measure(ctx context.Context, warm, cold *Policy, ask []func(*Policy) error, long time.Duration) {
	for _, q := range ask {
		if err := q(warm); err != nil && !errors.Is(err, errUndefined) {
			c.Failed++
		}
	}
	for _, e := range warm.Entries() {
		if e.Rule == c.Rule {
			c.Hits, c.Misses = e.Hits, e.Misses
		}
	}
	c.Remembering = costOf(ctx, warm, ask, long)
	c.Evaluating = costOf(ctx, cold, ask, long)
}

// costOf asks in turn for so long, at least once each.
func costOf(ctx context.Context, p *Policy, ask []func(*Policy) error, long time.Duration) (c Cost) {
	if len(ask) == 0 {
		return c
	}
	times := make([]time.Duration, 0, maxSamples)
	var before, after runtime.MemStats
	runtime.GC() // what was made before is not to be paid for now
	runtime.ReadMemStats(&before)
	begun := time.Now()
	for last := begun; ctx.Err() == nil; c.Asked++ {
		_ = ask[c.Asked%len(ask)](p) // what fails is counted, and costs too
		now := time.Now()
		if len(times) < maxSamples {
			times = append(times, now.Sub(last))
		}
		if last = now; now.Sub(begun) >= long && c.Asked+1 >= len(ask) {
			c.Asked++
			break
		}
	}
	took := time.Since(begun)
	runtime.ReadMemStats(&after)
	if c.Asked == 0 {
		return c
	}
	slices.Sort(times)
	c.Mean, c.P50, c.P99, c.Max = took/time.Duration(c.Asked), times[len(times)/2], times[len(times)*99/100], times[len(times)-1]
	c.Allocs, c.Bytes = float64(after.Mallocs-before.Mallocs)/float64(c.Asked), float64(after.TotalAlloc-before.TotalAlloc)/float64(c.Asked)
	return c
}
