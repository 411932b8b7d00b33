package policy

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/sluicegate/sluice/runtime/exchange"
	"github.com/sluicegate/sluice/runtime/strictjson"
)

// The kinds of change that a replay finds. An event may have several of the last ones.
const (
	NewlyDenied    = "newly_denied"    // allowed then, denied now
	NewlyAllowed   = "newly_allowed"   // denied then, allowed now
	NewlyFailing   = "newly_failing"   // the policy gives no valid decision now, which denies
	OtherModel     = "other_model"     // another model is tried first
	OtherFallbacks = "other_fallbacks" // the same model first, others or another order behind it
	OtherEndpoints = "other_endpoints" // endpoints must carry other labels
	OtherCache     = "other_cache"     // another mode or scope of the cache
	OtherRestore   = "other_restore"   // other tools get values in their arguments
	OtherReach     = "other_reach"     // something else may be reached on the model server
	OtherReasons   = "other_reasons"   // denied then and now, for other reasons
)

// ChangeKinds lists the kinds, the gravest first.
var ChangeKinds = []string{
	NewlyDenied, NewlyFailing, NewlyAllowed, OtherModel, OtherCache, OtherEndpoints, OtherReach, OtherRestore, OtherFallbacks, OtherReasons,
}

// Why an event can't be replayed. None is guessed at.
const (
	SkipForeign   = "not_ours"          // the decision of another policy
	SkipMalformed = "malformed"         // not a line of JSON of the event format, or one with a number that no policy is asked about
	SkipErased    = "erased"            // the new policy reads what is not in the log: text, or what was erased
	SkipMasked    = "masked"            // a mask changed the input
	SkipCalls     = "calls"             // the new policy calls out, and the event has no answer to it
	SkipDenied    = "denied_in_advance" // admit denied it then and does not now: the filters never saw it
)

// Replay asks a policy about recorded decisions. It belongs to one goroutine.
type Replay struct {
	recording
	tally
	p       *Policy
	report  ReplayReport
	results results
}

// ReplayReport sums up what would be different.
type ReplayReport struct {
	Revision string             `json:"revision"` // of the policy that was asked
	Events   int                `json:"events"`   // lines read
	Replayed int                `json:"replayed"` // of them asked again
	Same     int                `json:"same"`     // of those with the same decision in all that counts
	Skipped  map[string]int     `json:"skipped"`  // by why
	Changes  map[string]*Change `json:"changes"`  // by kind; only those that there are
	Cost     CostChange         `json:"cost"`
}

// CostChange compares what the prompts of the replayed and allowed requests cost with the first model of then and of now:
// in USD, for input tokens as estimated at the time.
type CostChange struct {
	Then float64 `json:"then"`
	Now  float64 `json:"now"`
}

// Change is all changes of one kind.
type Change struct {
	Count    int            `json:"count"`
	ByTenant map[string]int `json:"by_tenant"`
	ByReason map[string]int `json:"by_reason,omitempty"` // the reasons that came; of newly allowed ones those that went
	ByRule   map[string]int `json:"by_rule,omitempty"`   // the rules that gave them, with file and line; of the first inputs of each kind
	Examples []Example      `json:"examples"`
}

// Example is one changed decision.
type Example struct {
	ID     string `json:"decision_id"`
	Tenant string `json:"tenant"`
	Model  string `json:"model,omitempty"` // asked for
	Then   string `json:"then"`
	Now    string `json:"now"`
}

// NewReplay makes a Replay of a policy compiled with Options.Recorded.
func NewReplay(p *Policy) *Replay {
	t := newTally()
	return &Replay{p: p, tally: t, results: results{}, report: ReplayReport{Revision: p.revision, Skipped: map[string]int{}, Changes: t.changes}}
}

// Report is what was found so far.
func (r *Replay) Report() ReplayReport { return r.report }

// Event replays one line of a decision log. The error is the context's.
func (r *Replay) Event(ctx context.Context, line []byte) error {
	if line = bytes.TrimSpace(line); len(line) == 0 {
		return nil
	}
	r.report.Events++
	doc, err := strictjson.Parse(line, recordedLimits)
	if err != nil {
		return r.skip(SkipMalformed)
	}
	defer doc.Release()
	if hasBeyond(line) {
		return r.skip(SkipMalformed)
	}
	e, why := r.readEvent(doc.Root())
	if why != "" {
		return r.skip(why)
	}
	return r.ask(ctx, &e)
}

func ofInput(path string) bool { return path == "/input" || strings.HasPrefix(path, "/input/") }

// beyondText tells whether an erased path is another than the text, which no event has.
func beyondText(path string) bool {
	return ofInput(path) && path != "/input/prompt/text" && path != "/input/prompt/messages"
}

func (r *Replay) skip(why string) error {
	r.report.Skipped[why]++
	return nil
}

// ask asks both entry points as the gateway does, and holds the answer against the recorded one.
func (r *Replay) ask(ctx context.Context, e *recorded) error {
	now, err := r.replayed(ctx, e)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, errNotFiltered):
		return r.skip(SkipDenied)
	case errors.Is(err, errNotRecorded):
		return r.skip(SkipCalls)
	}
	r.report.Replayed++
	kinds := differences(e.then, now, err)
	if len(kinds) == 0 {
		r.report.Same++
	}
	if err != nil {
		now = result{Message: err.Error()}
	}
	rules := r.explained(kinds, now.Reasons, r.inputKey(e), func() []RuleTrace { return r.trace(ctx, e) })
	for _, kind := range kinds {
		r.note(kind, subject{e.id.Str(), e.tenant, e.model}, e.then, now, rules)
	}
	if err == nil && e.then.Allowed && now.Allowed {
		r.report.Cost.Then += e.cost(e.then)
		r.report.Cost.Now += e.cost(now)
	}
	return nil
}

// settled fills in what the gateway takes for granted.
func (r result) settled(model string) result {
	if r.Allowed && len(r.Models) == 0 && model != "" {
		r.Models = []string{model}
	}
	if r.Cache == nil {
		r.Cache = &cached{Mode: "off", Scope: "principal"}
	}
	return r
}

func (e *recorded) cost(r result) float64 {
	if len(r.Models) == 0 {
		return 0
	}
	return e.tokens * e.priced(r.Models[0]) / 1e6
}

// errNotFiltered says that a decision would be needed of a request that the filters never saw.
var errNotFiltered = errors.New("the request was denied before the filters")

// replayed asks admit and then decision about one input.
func (r *Replay) replayed(ctx context.Context, e *recorded) (result, error) {
	if r.p.admit != nil {
		a, err := asked(ctx, r.p.admit, &r.recording, e.input)
		switch {
		case errors.Is(err, errUndefined):
		case err != nil:
			return result{}, err
		case !a.Allowed:
			return result{Reasons: a.Reasons, Message: a.Message, HTTPStatus: a.HTTPStatus}.settled(e.model), nil
		}
	}
	if e.admit {
		return result{}, errNotFiltered
	}
	d, err := asked(ctx, r.p.decide, &r.recording, e.input)
	if err != nil {
		return result{}, err
	}
	return e.sound(&d)
}

// sound holds a decision against what the gateway asks of one.
func (e *recorded) sound(d *exchange.Decision) (result, error) {
	for _, name := range d.Models {
		if e.input.Get("models").Get(name).Kind() == strictjson.Invalid {
			return result{}, errors.New("decision.models names a model that was not configured then")
		}
	}
	if d.Allowed && len(d.Models) == 0 && e.model == "" {
		return result{}, errNoModel
	}
	return resultOf(d).settled(e.model), nil
}

// differences are the kinds of change between two decisions.
func differences(then, now result, err error) []string {
	switch {
	case err != nil && !then.Allowed && slices.Equal(then.Reasons, []string{"policy_failed"}):
		return nil
	case err != nil:
		return []string{NewlyFailing}
	case then.Allowed && !now.Allowed:
		return []string{NewlyDenied}
	case !then.Allowed && now.Allowed:
		return []string{NewlyAllowed}
	case !then.Allowed:
		return when(!slices.Equal(then.Reasons, now.Reasons), OtherReasons, nil)
	}
	first := func(r result) string { return strings.Join(r.Models[:min(1, len(r.Models))], "") }
	var out []string
	out = when(first(then) != first(now), OtherModel, out)
	out = when(first(then) == first(now) && !slices.Equal(then.Models, now.Models), OtherFallbacks, out)
	out = when(then.Cache.Mode != now.Cache.Mode || then.Cache.Scope != now.Cache.Scope && then.Cache.Mode != "off", OtherCache, out)
	out = when(!maps.Equal(then.labels(), now.labels()), OtherEndpoints, out)
	out = when(!sameNames(then.Allow, now.Allow), OtherReach, out)
	return when(!sameNames(then.tools(), now.tools()), OtherRestore, out)
}

func when(is bool, kind string, kinds []string) []string {
	if is {
		return append(kinds, kind)
	}
	return kinds
}

func (r result) labels() map[string]string {
	if r.Endpoints == nil {
		return nil
	}
	return r.Endpoints.Labels
}

func (r result) tools() []string {
	if r.Restore == nil {
		return nil
	}
	return r.Restore.Tools
}

func sameNames(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

// trace gives the rules that were asked for the event, traced, whatever came of it.
func (r *Replay) trace(ctx context.Context, e *recorded) []RuleTrace {
	var rules []RuleTrace
	if r.p.admit != nil {
		x, _ := r.p.admit.trace(ctx, r.input(r.p.admit.plan, e.input).Value, r.recorded())
		rules = append(rules, x.Rules...)
	}
	if !e.admit {
		x, _ := r.p.decide.trace(ctx, r.input(r.p.decide.plan, e.input).Value, r.recorded())
		rules = append(rules, x.Rules...)
	}
	return rules
}

// inputKey stands for all that the policy can read of the event; nil where its answers may depend on more.
func (r *Replay) inputKey(e *recorded) *memoKey {
	if r.p.decide.memo == nil || r.p.admit != nil && r.p.admit.memo == nil {
		return nil
	}
	r.key = r.key[:0]
	if r.p.admit != nil {
		r.key = r.appendKids(r.key, r.p.admit.plan, e.input)
	}
	if !e.admit {
		r.key = r.appendKids(append(r.key, tagPart), r.p.decide.plan, e.input)
	}
	key := memoKey(sha256.Sum256(r.key))
	return &key
}

// brief is a decision in one line; of a denial without reasons its message, which may be the evaluation's error.
func (r result) brief() string {
	if !r.Allowed && len(r.Reasons) == 0 {
		return strings.TrimSpace("denied " + r.Message)
	}
	if !r.Allowed {
		return strings.TrimSpace("denied " + strings.Join(r.Reasons, ", "))
	}
	out := "allowed " + strings.Join(r.Models, ", ") + ", cache " + r.Cache.Mode
	if r.Cache.Mode != "off" {
		out += " by " + r.Cache.Scope
	}
	for _, label := range slices.Sorted(maps.Keys(r.labels())) {
		out += ", " + label + "=" + r.labels()[label]
	}
	return out
}
