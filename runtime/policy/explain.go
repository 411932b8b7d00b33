package policy

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/topdown"

	"github.com/sluicegate/sluice/runtime/exchange"
	"github.com/sluicegate/sluice/runtime/strictjson"
)

// Explanation is why an entry point answers as it does for one exchange.
type Explanation struct {
	Rule   string          `json:"rule"`             // "admit" or "decision"
	Input  json.RawMessage `json:"input"`            // what the policy was given: only what it can read
	Result json.RawMessage `json:"result,omitempty"` // the rule's value; none where it is undefined or failed
	Rules  []RuleTrace     `json:"rules"`            // every rule that was asked, by file and line
}

// RuleTrace is what became of one rule of the policy.
type RuleTrace struct {
	Name   string      `json:"name"` // data.sluice.access.denials
	Head   string      `json:"head"` // as it is written, up to its body
	File   string      `json:"file"`
	Line   int         `json:"line"`
	Asked  int         `json:"asked"`            // times it was evaluated; a function is for each of its operands
	Fired  int         `json:"fired"`            // times its body held
	Failed []Condition `json:"failed,omitempty"` // where its body did not hold, by line
}

// Condition is one expression of a rule's body that stopped it.
type Condition struct {
	Line  int    `json:"line"`
	Text  string `json:"text"` // as it is written, on one line
	Times int    `json:"times"`
}

// explainTime bounds an evaluation that is traced, which takes some ten times as long.
const explainTime = 2 * time.Second

// ExplainAdmit evaluates the rule admit once more, traced, past the memo. It gives nil for a policy without that rule.
// The error is the evaluation's; what is known of it by then is in the Explanation all the same.
func (p *Policy) ExplainAdmit(ctx context.Context, x *exchange.Exchange, now time.Time) (*Explanation, error) {
	if p.admit == nil {
		return nil, nil
	}
	return p.admit.traced(ctx, x, Facts{Now: now})
}

// ExplainDecision evaluates the rule decision once more, traced, past the memo, as ExplainAdmit does.
func (p *Policy) ExplainDecision(ctx context.Context, x *exchange.Exchange, facts Facts) (*Explanation, error) {
	if facts.Now.IsZero() {
		facts.Now = x.Start
	}
	return p.decide.traced(ctx, x, facts)
}

// traced evaluates the entry point with every rule looked at: without the index, which passes over rules that cannot
// match, and without the early ends that leave some unasked.
func (e *entry[T]) traced(ctx context.Context, x *exchange.Exchange, f Facts) (*Explanation, error) {
	v := &view{}
	v.set(x, f.Now)
	var models modelsValue
	if e.models != nil {
		models = *e.cell.get(f.Models, e.models)
	}
	if v.appendPlan(nil, e.plan, models.key); v.beyond {
		return &Explanation{Rule: e.rule, Rules: []RuleTrace{}}, fmt.Errorf("%s: %w", e.rule, errNumber)
	}
	return e.trace(ctx, v.build(e.plan, models.term).Value, outside{})
}

// trace evaluates the entry point over an input.
func (e *entry[T]) trace(ctx context.Context, input ast.Value, o outside) (*Explanation, error) {
	out := &Explanation{Rule: e.rule, Input: asJSON(input)}
	ctx, stop := context.WithTimeout(ctx, explainTime)
	defer stop()
	t := &tracer{runs: map[uint64]*ruleRun{}, rules: map[*ast.Location]*RuleTrace{}}
	options := []rego.EvalOption{rego.EvalParsedInput(input), rego.EvalQueryTracer(t), rego.EvalRuleIndexing(false), rego.EvalEarlyExit(false)}
	rs, err := e.query.Eval(ctx, append(options, e.options(o)...)...)
	out.Rules = t.sorted()
	switch {
	case err != nil:
		return out, e.explain(ctx, err, explainTime)
	case len(rs) == 0:
		return out, fmt.Errorf("%s: %w", e.rule, errUndefined)
	}
	value, ok := rs[0].Expressions[0].Value.(ast.Value)
	if !ok {
		return out, fmt.Errorf("%s: the evaluation gave no value", e.rule)
	}
	out.Result = asJSON(value)
	return out, nil
}

// asJSON writes a value; a set becomes a sorted array.
func asJSON(v ast.Value) json.RawMessage {
	plain, err := ast.JSON(v)
	if err != nil {
		return nil
	}
	b, err := json.Marshal(plain)
	if err != nil {
		return nil
	}
	return b
}

// tracer gathers what became of each rule from the evaluator's events.
type tracer struct {
	runs  map[uint64]*ruleRun // by query
	rules map[*ast.Location]*RuleTrace
}

// ruleRun is one evaluation of a rule's body. Backtracking fails many a condition before one holds: what counts is
// whether the end was reached, and if not, the condition that was got furthest to.
type ruleRun struct {
	trace *RuleTrace
	fired bool
	stop  *ast.Expr
}

// Enabled is part of topdown.QueryTracer.
func (t *tracer) Enabled() bool { return true }

// Config is part of topdown.QueryTracer.
func (t *tracer) Config() topdown.TraceConfig { return topdown.TraceConfig{} }

// TraceEvent is part of topdown.QueryTracer.
func (t *tracer) TraceEvent(ev topdown.Event) {
	switch node := ev.Node.(type) {
	case *ast.Rule:
		switch ev.Op {
		case topdown.EnterOp:
			t.runs[ev.QueryID] = &ruleRun{trace: t.rule(node)}
		case topdown.ExitOp:
			if run := t.runs[ev.QueryID]; run != nil {
				run.fired = true
			}
		}
	case *ast.Expr:
		run := t.runs[ev.QueryID]
		if ev.Op == topdown.FailOp && run != nil && node.Location != nil && (run.stop == nil || node.Index >= run.stop.Index) {
			run.stop = node
		}
	}
}

// rule finds the rule's line, or begins it.
func (t *tracer) rule(r *ast.Rule) *RuleTrace {
	loc := r.Location
	if loc == nil {
		loc = &ast.Location{}
	}
	out := t.rules[loc]
	if out == nil {
		out = &RuleTrace{Name: r.Ref().String(), Head: headOf(r), File: loc.File, Line: loc.Row}
		t.rules[loc] = out
	}
	return out
}

// headOf is a rule as it is written, up to its body.
func headOf(r *ast.Rule) string {
	text := r.Head.String()
	switch {
	case r.Default:
		text = "default " + text
	case r.Location != nil && len(r.Location.Text) > 0:
		text = string(r.Location.Text)
	}
	text, _, _ = strings.Cut(text, "\n")
	if head, _, ok := strings.Cut(text, " if "); ok {
		text = head
	}
	return strings.TrimSpace(strings.TrimSuffix(text, "{"))
}

// sorted sums the evaluations up.
func (t *tracer) sorted() []RuleTrace {
	for _, run := range t.runs {
		run.trace.Asked++
		switch {
		case run.fired:
			run.trace.Fired++
		case run.stop != nil:
			run.trace.fail(run.stop)
		}
	}
	out := make([]RuleTrace, 0, len(t.rules))
	for _, r := range t.rules {
		slices.SortFunc(r.Failed, func(a, b Condition) int { return cmp.Or(cmp.Compare(a.Line, b.Line), strings.Compare(a.Text, b.Text)) })
		out = append(out, *r)
	}
	slices.SortFunc(out, func(a, b RuleTrace) int {
		return cmp.Or(strings.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), strings.Compare(a.Name, b.Name))
	})
	return out
}

// fail counts one condition that stopped the rule.
func (r *RuleTrace) fail(e *ast.Expr) {
	text := strings.Join(strings.Fields(string(e.Location.Text)), " ")
	for i := range r.Failed {
		if c := &r.Failed[i]; c.Line == e.Location.Row && c.Text == text {
			c.Times++
			return
		}
	}
	r.Failed = append(r.Failed, Condition{Line: e.Location.Row, Text: text, Times: 1})
}

// ExplainEvent asks the policy about the input of an event of the decision log again, traced. revision is that of the
// policy that decided then. What the log does not have, prompt text above all, is undefined to the policy.
func (p *Policy) ExplainEvent(ctx context.Context, event []byte) (revision string, admit, decision *Explanation, err error) {
	doc, err := strictjson.Parse(event, recordedLimits)
	if err != nil {
		return "", nil, nil, fmt.Errorf("reading the event: %w", err)
	}
	defer doc.Release()
	e, r := doc.Root(), &recording{}
	input := e.Get("input")
	if input.Kind() != strictjson.Object {
		return "", nil, nil, errors.New("reading the event: its input is no object")
	}
	if hasBeyond(input.Raw()) {
		return "", nil, nil, errNumber
	}
	then := outside{offline: new(bool)}
	if calls := e.Get("nd_builtin_cache"); calls.Kind() == strictjson.Object {
		then.calls = callsOf(calls)
	}
	if p.admit != nil {
		admit, _ = p.admit.trace(ctx, r.input(p.admit.plan, input).Value, then) // why it failed shows in its rules
	}
	if !e.Get("path").Is("sluice/admit") {
		decision, _ = p.decide.trace(ctx, r.input(p.decide.plan, input).Value, then) // as above
	}
	if bundles := e.Get("bundles"); bundles.Kind() == strictjson.Object {
		var parts []*part
		for name, b := range bundles.Members() {
			parts = append(parts, &part{name: name.Str(), revision: b.Get("revision").Str()})
		}
		revision = revisionOf(parts)
	}
	return revision, admit, decision, ctx.Err()
}
