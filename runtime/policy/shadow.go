package policy

import (
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
)

// ShadowOptions say how much of the traffic a candidate sees and what it may cost. Sample is required.
type ShadowOptions struct {
	Sample int          // per cent of the decisions
	Logger *slog.Logger // told of differences, a few each second; nil: nobody
	Queue  int          // decisions that may wait; 0 means 256
	// Budget is how long the candidate may be busy in each second; 0 means 200 ms.
	Budget time.Duration
}

// The defaults of ShadowOptions, and bounds that are no options.
const (
	DefaultShadowQueue  = 256
	DefaultShadowBudget = 200 * time.Millisecond

	maxShadowText = 16 << 20 // characters of prompts that wait, where the candidate reads them
	maxShadowLogs = 5        // differences logged each second
)

// Why a decision that was in the sample was not asked again.
const (
	DropQueue  = "queue"  // too many were waiting
	DropBudget = "budget" // the candidate was busy for as long as it may be
	DropText   = "text"   // too much text was waiting
)

// Shadow asks a candidate policy about a sample of live decisions, beside the policy that makes them, and counts where it
// would decide otherwise. A request pays for its place in the queue and for the copy of what the candidate reads of it;
// one goroutine asks the candidate, in its own time and within its own budget. What was read, prompt text with it, is
// gone when the candidate has answered; what is kept is what a ReplayReport has. It is safe for concurrent use.
type Shadow struct {
	p       *Policy
	opts    ShadowOptions
	since   time.Time
	queue   chan *shadowed
	waiting atomic.Int64 // characters of text
	views   sync.Pool
	ctx     context.Context
	stop    context.CancelFunc
	done    chan struct{}

	dropped struct{ queue, budget, text atomic.Int64 }

	mu      sync.Mutex // of what follows
	tally   tally
	asked   int
	same    int
	skipped int
	cost    CostChange

	second time.Time // of what follows, which belongs to the worker
	spent  time.Duration
	logs   int
}

// ShadowReport is what a Shadow found so far.
type ShadowReport struct {
	Revision string             `json:"revision"` // of the candidate
	Since    time.Time          `json:"since"`
	Sample   int                `json:"sample"`  // per cent
	Asked    int                `json:"asked"`   // decisions that the candidate made, too
	Same     int                `json:"same"`    // of them the same in all that counts
	Skipped  int                `json:"skipped"` // denied before the filters saw them, which the candidate would not do
	Dropped  map[string]int     `json:"dropped"` // by why
	Changes  map[string]*Change `json:"changes"` // by kind; only those that there are
	Cost     CostChange         `json:"cost"`
}

// NewShadow begins to ask a candidate, which must have been compiled with the names of the live configuration. Close ends it.
func NewShadow(p *Policy, o ShadowOptions) *Shadow {
	if o.Queue <= 0 {
		o.Queue = DefaultShadowQueue
	}
	if o.Budget <= 0 {
		o.Budget = DefaultShadowBudget
	}
	s := &Shadow{p: p, opts: o, since: time.Now(), queue: make(chan *shadowed, o.Queue), done: make(chan struct{}), tally: newTally()}
	s.ctx, s.stop = context.WithCancel(context.Background())
	go s.run()
	return s
}

// Close ends the asking and waits for it. Decisions that come later are passed over.
func (s *Shadow) Close() {
	s.stop()
	<-s.done
}

// shadowed is a live decision and all that the candidate reads of its request.
type shadowed struct {
	subject
	admit         question
	decide        *question // nil: the request was denied before the filters
	then          result
	tokens        float64
	models        []ModelFacts
	chars         int // of text held
	asksForAModel bool
}

// question is one input of an entry point.
type question struct {
	input ast.Value // nil: it has a number about which no policy is asked
	key   memoKey
}

// Watch takes a decision into the sample, or passes it over. It is called on a request's time, and keeps nothing of the
// exchange.
func (s *Shadow) Watch(l Logged) {
	if rand.IntN(100) >= s.opts.Sample { //nolint:gosec // a sample, no secret
		return
	}
	if len(s.queue) == cap(s.queue) {
		s.dropped.queue.Add(1)
		return
	}
	q, ok := s.capture(&l)
	if !ok {
		s.dropped.text.Add(1)
		return
	}
	select {
	case s.queue <- q:
	default:
		s.waiting.Add(-int64(q.chars))
		s.dropped.queue.Add(1)
	}
}

// capture copies what the candidate reads; false where too much text is waiting.
func (s *Shadow) capture(l *Logged) (*shadowed, bool) {
	x := l.Exchange
	v, _ := s.views.Get().(*view)
	if v == nil {
		v = &view{}
	}
	defer s.views.Put(v)
	defer v.clear()
	now := l.Facts.Now
	if now.IsZero() {
		now = x.Start
	}
	v.set(x, now)
	q := &shadowed{
		subject: subject{id: x.Decision.ID, tenant: v.principal.Tenant, model: v.request.Model},
		then:    l.result().quiet().settled(v.request.Model), models: l.Facts.Models, tokens: float64(estimate(v.characters())),
		asksForAModel: v.request.Model != "",
	}
	if s.p.log.text {
		q.chars = v.characters()
		if s.waiting.Add(int64(q.chars)) > maxShadowText {
			s.waiting.Add(-int64(q.chars))
			return nil, false
		}
	}
	if s.p.admit != nil {
		q.admit = captured(s.p.admit, v, nil)
	}
	if !l.Admit {
		d := captured(s.p.decide, v, l.Facts.Models)
		q.decide = &d
	}
	return q, true
}

// captured makes the input of an entry point.
func captured[T any](e *entry[T], v *view, facts []ModelFacts) question {
	var models modelsValue
	if e.models != nil {
		models = *e.cell.get(facts, e.models)
	}
	v.key = v.appendPlan(v.key[:0], e.plan, models.key)
	if v.beyond {
		return question{}
	}
	return question{v.build(e.plan, models.term).Value, sha256.Sum256(v.key)}
}

// answer is what the entry point says, from the memo or by evaluation.
func answer[T any](ctx context.Context, e *entry[T], q question) (none T, err error) {
	if q.input == nil {
		return none, errNumber
	}
	if e.memo != nil {
		if t, ok := e.memo.get(q.key); ok {
			return t, nil
		}
	}
	t, err := e.evaluate(ctx, q.input)
	if err == nil && e.memo != nil {
		e.memo.put(q.key, t)
	}
	return t, err
}

// run is the one worker.
func (s *Shadow) run() {
	defer close(s.done)
	for {
		select {
		case <-s.ctx.Done():
			return
		case q := <-s.queue:
			s.take(q)
			s.waiting.Add(-int64(q.chars))
		}
	}
}

// take asks about one decision, if there is time left in this second.
func (s *Shadow) take(q *shadowed) {
	begun := time.Now()
	if begun.Sub(s.second) >= time.Second {
		s.second, s.spent, s.logs = begun, 0, 0
	}
	if s.spent >= s.opts.Budget {
		s.dropped.budget.Add(1)
		return
	}
	s.judge(q)
	s.spent += time.Since(begun)
}

// judge holds the candidate's decision against the live one.
func (s *Shadow) judge(q *shadowed) {
	now, err := s.decided(q)
	if s.ctx.Err() != nil {
		return
	}
	if errors.Is(err, errNotFiltered) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.skipped++
		return
	}
	kinds := differences(q.then, now, err)
	if err != nil {
		now = result{Message: err.Error()}
	}
	rules := s.tally.explained(kinds, now.Reasons, s.inputKey(q), func() []RuleTrace { return s.rules(q) })
	s.count(q, kinds, now, rules, err)
	if len(kinds) > 0 {
		s.tell(q, kinds, now)
	}
}

// count adds one decision to the report.
func (s *Shadow) count(q *shadowed, kinds []string, now result, rules []string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	if len(kinds) == 0 {
		s.same++
	}
	for _, kind := range kinds {
		s.tally.note(kind, q.subject, q.then, now, rules)
	}
	if err == nil && q.then.Allowed && now.Allowed {
		s.cost.Then += q.cost(q.then)
		s.cost.Now += q.cost(now)
	}
}

// tell logs a difference.
func (s *Shadow) tell(q *shadowed, kinds []string, now result) {
	if s.logs++; s.opts.Logger == nil || s.logs > maxShadowLogs {
		return
	}
	s.opts.Logger.Info("the shadow policy decides otherwise", "decision_id", q.id, "tenant", q.tenant, "changes", strings.Join(kinds, " "),
		"then", q.then.verdict(), "now", now.verdict())
}

// quiet is the result without its message, which is the policy's own word and may repeat what it read.
func (r result) quiet() result {
	r.Message = ""
	return r
}

// verdict is a decision in one word or its reasons.
func (r result) verdict() string {
	if r.Allowed {
		return "allowed " + strings.Join(r.Models, ", ")
	}
	return strings.TrimSpace("denied " + strings.Join(r.Reasons, ", "))
}

// decided asks the candidate as the gateway would.
func (s *Shadow) decided(q *shadowed) (result, error) {
	if s.p.admit != nil {
		a, err := answer(s.ctx, s.p.admit, q.admit)
		switch {
		case errors.Is(err, errUndefined):
		case err != nil:
			return result{}, err
		case !a.Allowed:
			return result{Reasons: a.Reasons, HTTPStatus: a.HTTPStatus}.settled(q.model), nil
		}
	}
	if q.decide == nil {
		return result{}, errNotFiltered
	}
	d, err := answer(s.ctx, s.p.decide, *q.decide)
	switch {
	case err != nil:
		return result{}, err
	case d.Allowed && len(d.Models) == 0 && !q.asksForAModel:
		return result{}, errNoModel
	}
	return resultOf(&d).quiet().settled(q.model), nil
}

// inputKey is Replay.inputKey for a live decision.
func (s *Shadow) inputKey(q *shadowed) *memoKey {
	if s.p.decide.memo == nil || s.p.admit != nil && s.p.admit.memo == nil {
		return nil
	}
	both := q.admit.key[:]
	if q.decide != nil {
		both = append(both, q.decide.key[:]...)
	}
	key := memoKey(sha256.Sum256(both))
	return &key
}

// rules are those that the candidate was asked for, traced, whatever came of it.
func (s *Shadow) rules(q *shadowed) []RuleTrace {
	var rules []RuleTrace
	if s.p.admit != nil {
		x, _ := s.p.admit.trace(s.ctx, q.admit.input, outside{offline: new(bool)})
		rules = append(rules, x.Rules...)
	}
	if q.decide != nil {
		x, _ := s.p.decide.trace(s.ctx, q.decide.input, outside{offline: new(bool)})
		rules = append(rules, x.Rules...)
	}
	return rules
}

// cost is that of the prompt with the first model, in USD.
func (q *shadowed) cost(r result) float64 {
	for i := range q.models {
		if len(r.Models) > 0 && q.models[i].Name == r.Models[0] {
			return q.tokens * q.models[i].Input / 1e6
		}
	}
	return 0
}

// Report is what was found so far.
func (s *Shadow) Report() ShadowReport {
	s.mu.Lock()
	defer s.mu.Unlock()
	return ShadowReport{
		Revision: s.p.revision, Since: s.since, Sample: s.opts.Sample, Asked: s.asked, Same: s.same, Skipped: s.skipped,
		Dropped: map[string]int{
			DropQueue: int(s.dropped.queue.Load()), DropBudget: int(s.dropped.budget.Load()), DropText: int(s.dropped.text.Load()),
		},
		Changes: s.tally.clone(), Cost: s.cost,
	}
}
