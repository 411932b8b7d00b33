package policy

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/sluicegate/sluice/runtime/exchange"
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
	OtherReasons   = "other_reasons"   // denied then and now, for other reasons
)

// ChangeKinds lists the kinds, the gravest first.
var ChangeKinds = []string{
	NewlyDenied, NewlyFailing, NewlyAllowed, OtherModel, OtherCache, OtherEndpoints, OtherRestore, OtherFallbacks, OtherReasons,
}

// Why an event can't be replayed. None is guessed at.
const (
	SkipForeign   = "not_ours"          // the decision of another policy
	SkipMalformed = "malformed"         // not a line of JSON of the event format
	SkipErased    = "erased"            // the new policy reads what is not in the log: text, or what was erased
	SkipMasked    = "masked"            // a mask changed the input
	SkipDenied    = "denied_in_advance" // admit denied it then and does not now: the filters never saw it
)

// Replay asks a policy about recorded decisions. It belongs to one goroutine.
type Replay struct {
	p      *Policy
	report ReplayReport
	traced map[string]int // explanations made, by reasons
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
	ByRule   map[string]int `json:"by_rule,omitempty"`   // the rules that gave them, with file and line; of the first ones
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

// Bounds of a report.
const (
	maxExamples = 10
	maxTraced   = 20 // explanations for each set of reasons
)

// NewReplay makes a Replay of a policy compiled with Options.Recorded.
func NewReplay(p *Policy) *Replay {
	return &Replay{p: p, traced: map[string]int{}, report: ReplayReport{Revision: p.revision, Skipped: map[string]int{}, Changes: map[string]*Change{}}}
}

// Report is what was found so far.
func (r *Replay) Report() ReplayReport { return r.report }

// recorded is one event as it is read.
type recorded struct {
	ID     string          `json:"decision_id"`
	Path   string          `json:"path"`
	Input  json.RawMessage `json:"input"`
	Result json.RawMessage `json:"result"`
	Error  json.RawMessage `json:"error"`
	Erased []string        `json:"erased"`
	Masked []string        `json:"masked"`
}

// facts is what a replay itself reads of an input.
type facts struct {
	model, tenant string
	tokens        float64
	models        ast.Object // nil: none
}

// factsOf reads them; what is not there is empty. It tells false where the input is no object.
func factsOf(input ast.Value) (f facts, ok bool) {
	o, ok := input.(ast.Object)
	if !ok {
		return f, false
	}
	model, _ := at[ast.String](o, "model")
	tenant, _ := at[ast.String](o, "principal", "tenant")
	f.model, f.tenant = string(model), string(tenant)
	if n, ok := at[ast.Number](o, "prompt", "tokens_estimate"); ok {
		f.tokens, _ = n.Float64()
	}
	f.models, _ = at[ast.Object](o, "models")
	return f, true
}

// at is the value at a path of keys, if it is of that kind.
func at[T ast.Value](o ast.Object, path ...string) (out T, ok bool) {
	for i, key := range path {
		t := o.Get(ast.InternedTerm(key))
		if t == nil {
			return out, false
		}
		if i == len(path)-1 {
			out, ok = t.Value.(T)
			return out, ok
		}
		if o, ok = t.Value.(ast.Object); !ok {
			return out, false
		}
	}
	return out, false
}

// Event replays one line of a decision log. The error is the context's.
func (r *Replay) Event(ctx context.Context, line []byte) error {
	if line = bytes.TrimSpace(line); len(line) == 0 {
		return nil
	}
	r.report.Events++
	var e recorded
	then := result{Reasons: []string{"policy_failed"}} // what an error was to the caller
	if json.Unmarshal(line, &e) != nil {
		return r.skip(SkipMalformed)
	}
	switch {
	case e.Path != "sluice/decision" && e.Path != "sluice/admit":
		return r.skip(SkipForeign)
	case e.Result == nil && e.Error == nil || !then.read(e.Result):
		return r.skip(SkipMalformed)
	case slices.ContainsFunc(e.Masked, ofInput):
		return r.skip(SkipMasked)
	case r.p.log.text || slices.ContainsFunc(e.Erased, beyondText):
		return r.skip(SkipErased)
	}
	input, err := ast.ValueFromReader(bytes.NewReader(e.Input))
	f, ok := factsOf(input)
	if err != nil || !ok {
		return r.skip(SkipMalformed)
	}
	return r.ask(ctx, &e, &f, then.settled(&f), input)
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
func (r *Replay) ask(ctx context.Context, e *recorded, f *facts, then result, input ast.Value) error {
	now, err := r.p.replayed(ctx, input, e.Path == "sluice/admit", f)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, errNotFiltered):
		return r.skip(SkipDenied)
	}
	r.report.Replayed++
	kinds := differences(then, now, err)
	if len(kinds) == 0 {
		r.report.Same++
	}
	if err != nil {
		now = result{Message: err.Error()}
	}
	for _, kind := range kinds {
		r.note(ctx, kind, e, f, then, now, input)
	}
	if err == nil && then.Allowed && now.Allowed {
		r.report.Cost.Then += f.cost(then)
		r.report.Cost.Now += f.cost(now)
	}
	return nil
}

// read replaces a result by a recorded one, if there is one.
func (r *result) read(recorded json.RawMessage) bool {
	if recorded == nil {
		return true
	}
	*r = result{}
	return json.Unmarshal(recorded, r) == nil
}

// settled fills in what the gateway takes for granted.
func (r result) settled(f *facts) result {
	if r.Allowed && len(r.Models) == 0 && f.model != "" {
		r.Models = []string{f.model}
	}
	if r.Cache == nil {
		r.Cache = &cached{Mode: "off", Scope: "principal"}
	}
	slices.Sort(r.Reasons)
	return r
}

func (f *facts) cost(r result) float64 {
	if len(r.Models) == 0 {
		return 0
	}
	if f.models == nil {
		return 0
	}
	price, _ := at[ast.Number](f.models, r.Models[0], "cost", "input")
	usd, _ := price.Float64()
	return f.tokens * usd / 1e6
}

// errNotFiltered says that a decision would be needed of a request that the filters never saw.
var errNotFiltered = errors.New("the request was denied before the filters")

// replayed asks admit and then decision about one input.
func (p *Policy) replayed(ctx context.Context, input ast.Value, early bool, f *facts) (result, error) {
	if p.admit != nil {
		a, err := p.admit.evaluate(ctx, input)
		switch {
		case errors.Is(err, errUndefined):
		case err != nil:
			return result{}, err
		case !a.Allowed:
			return result{Reasons: a.Reasons, Message: a.Message, HTTPStatus: a.HTTPStatus}.settled(f), nil
		}
	}
	if early {
		return result{}, errNotFiltered
	}
	d, err := p.decide.evaluate(ctx, input)
	if err != nil {
		return result{}, err
	}
	return p.sound(&d, f)
}

// sound holds a decision against what the gateway asks of one.
func (p *Policy) sound(d *exchange.Decision, f *facts) (result, error) {
	for _, name := range d.Models {
		if f.models == nil || f.models.Get(ast.InternedTerm(name)) == nil {
			return result{}, errors.New("decision.models names a model that was not configured then")
		}
	}
	if d.Allowed && len(d.Models) == 0 && f.model == "" {
		return result{}, errNoModel
	}
	return resultOf(d).settled(f), nil
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

// note counts one change.
func (r *Replay) note(ctx context.Context, kind string, e *recorded, f *facts, then, now result, input ast.Value) {
	c := r.report.Changes[kind]
	if c == nil {
		c = &Change{ByTenant: map[string]int{}, ByReason: map[string]int{}, ByRule: map[string]int{}}
		r.report.Changes[kind] = c
	}
	c.Count++
	c.ByTenant[f.tenant]++
	reasons := now.Reasons
	if kind == NewlyAllowed {
		reasons = then.Reasons
	}
	for _, code := range reasons {
		c.ByReason[code]++
	}
	if kind == NewlyDenied || kind == OtherReasons {
		r.rules(ctx, c, now.Reasons, input)
	}
	if len(c.Examples) < maxExamples {
		c.Examples = append(c.Examples, Example{ID: e.ID, Tenant: f.tenant, Model: f.model, Then: then.brief(), Now: now.brief()})
	}
}

// rules finds, for the first events of each set of reasons, the rules whose heads give them.
func (r *Replay) rules(ctx context.Context, c *Change, reasons []string, input ast.Value) {
	key := strings.Join(reasons, " ")
	if r.traced[key]++; r.traced[key] > maxTraced {
		return
	}
	var fired []RuleTrace
	if r.p.admit != nil {
		e, _ := r.p.admit.trace(ctx, input) // whatever came of it
		fired = append(fired, e.Rules...)
	}
	e, _ := r.p.decide.trace(ctx, input)
	for _, rule := range append(fired, e.Rules...) {
		for _, code := range reasons {
			if rule.Fired > 0 && strings.Contains(rule.Head, strconv.Quote(code)) {
				c.ByRule[rule.File+":"+strconv.Itoa(rule.Line)+" "+rule.Head]++
			}
		}
	}
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
