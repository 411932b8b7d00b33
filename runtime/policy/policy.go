// Package policy asks a Rego policy what may be done with a request: admit before the filters run, decision after them.
//
// A Policy is compiled once from a Source and never changes; a new text is a new Policy. Its input is built by hand and
// holds only what the compiled rules can read. Decisions are memoised by exactly those values, so that most requests
// are never evaluated at all.
//
// Everything fails closed. A denial is a value (Allowed false); a policy that is undefined, fails, conflicts, takes too
// long or answers with something that is no decision is an *exchange.Error with the code policy_failed. The policy
// reaches nothing outside its input and data: no network, no files, no environment, no printing.
package policy

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/sluicegate/sluice/runtime/exchange"
)

// Options says what a policy may name and how it is run. The zero value knows no model and no filter.
type Options struct {
	// Models and Filters are the names that a decision or an admission may use; any other name is a failure.
	Models  []string
	Filters []string
	// Recorded is for a policy that is asked about recorded inputs: it may name any model and filter.
	Recorded bool
	// Data holds further documents, merged into the source's; a key that both have is a fault.
	Data map[string]any
	// ReadsText grants input.prompt.text and input.prompt.messages. Without it, naming them is a fault.
	ReadsText bool
	// Grants names built-in functions of Grantable that the policy may call, which it has not otherwise. Hosts are those
	// that http.send and net.lookup_ip_addr may reach, without ports.
	Grants []string
	Hosts  []string
	// KeepCalls keeps what non-deterministic built-ins gave for the decision log: Decision.Calls.
	KeepCalls bool
	// Timeout bounds one evaluation; 0 means 50 ms.
	Timeout time.Duration
	// Labels are what events of the decision log tell the gateway from others by.
	Labels map[string]string
	// Memo bounds the memoised decisions of each entry point; 0 means 8192, less than 0 turns memoising off.
	Memo int
}

// The defaults of Options.
const (
	DefaultTimeout = 50 * time.Millisecond
	DefaultMemo    = 8192
)

// Policy is a compiled policy. It is safe for concurrent use.
type Policy struct {
	revision string
	missing  string                     // why there is no policy yet; "" when this is one
	admit    *entry[exchange.Admission] // nil when the policy has no rule admit
	decide   *entry[exchange.Decision]
	names    names
	log      eventLog
	logs     logPolicy
}

// Revision names the policy's text, as Source.Revision does.
func (p *Policy) Revision() string { return p.revision }

// Facts is what the gateway knows at the time of a decision beside the exchange itself.
type Facts struct {
	Models []ModelFacts // must not be changed once passed; passing the same slice again is quickest
	Now    time.Time    // zero: the exchange's start
}

// ModelFacts is what a policy may know of one model. Values that move (health, latency) come in coarse steps, because
// every new value is a new memo key. Empty ones are "unknown" to policies.
type ModelFacts struct {
	Name          string
	Labels        map[string]string
	Input, Output float64 // cost, USD per million usage tokens
	Context       int     // usage tokens; 0: unknown
	Health        string  // "healthy", "degraded", "warming" or "down"
	LatencyBucket string  // "fast", "medium" or "slow"
}

// Admit asks the rule admit, before any filter has run. A policy without that rule, or for which it is undefined,
// admits with all filters. The answer's slices are shared and must not be changed.
func (p *Policy) Admit(ctx context.Context, x *exchange.Exchange, now time.Time) (exchange.Admission, error) {
	if p.missing != "" {
		return exchange.Admission{}, p.none(exchange.StageAdmit)
	}
	if p.admit == nil {
		return exchange.Admission{Allowed: true}, nil
	}
	calls := p.admit.newCalls()
	a, err := p.admit.ask(ctx, x, Facts{Now: now}, calls)
	if errors.Is(err, errUndefined) {
		a, err = exchange.Admission{Allowed: true}, nil
	}
	if err != nil {
		a, err = exchange.Admission{}, p.admit.fail(err)
	}
	a.Calls = callsJSON(calls)
	return a, err
}

// Decide asks the rule decision. Each answer has an ID of its own, memoised or not; its slices and maps are shared and
// must not be changed. An allowed decision names the models to try, unless the request itself names one.
func (p *Policy) Decide(ctx context.Context, x *exchange.Exchange, facts Facts) (exchange.Decision, error) {
	if p.missing != "" {
		return exchange.Decision{}, p.none(exchange.StageDecide)
	}
	if facts.Now.IsZero() {
		facts.Now = x.Start
	}
	calls := p.decide.newCalls()
	d, err := p.decide.ask(ctx, x, facts, calls)
	if err == nil && d.Allowed && d.Models == nil && x.Request != nil && x.Request.Model == "" {
		err = errNoModel
	}
	if err != nil {
		return exchange.Decision{Calls: callsJSON(calls)}, p.decide.fail(err)
	}
	d.Calls = callsJSON(calls)
	d.ID = uuid.NewString()
	d.Revision = p.revision
	return d, nil
}

var errNoModel = errors.New("decision.models: the request names no model and the policy picked none; give models when input.model is empty")

// Entry describes one entry point of a policy.
type Entry struct {
	Rule        string         // "admit" or "decision"
	Reads       []string       // the parts of input it can read, such as "input.principal.roles"
	NotMemoised []string       // why its answers are not memoised, with positions; empty when they are
	Blocks      map[string]int // how many of those there are, by BlockReasons
	LeftToOPA   []string       // rules that OPA's evaluator is asked for, since no closures are made of them, and why, with the place
	Hits        uint64         // answers given from the memo
	Misses      uint64         // answers that had to be evaluated although they are memoised
}

// HitRatio is the share of hits, 0 to 1; 0 before the first answer.
func (e *Entry) HitRatio() float64 {
	if e.Hits == 0 {
		return 0
	}
	return float64(e.Hits) / float64(e.Hits+e.Misses)
}

// Entries tells for each entry point what it reads and how its memo does.
func (p *Policy) Entries() []Entry {
	if p.admit == nil {
		return []Entry{p.decide.describe()}
	}
	return []Entry{p.admit.describe(), p.decide.describe()}
}
