package policy

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/metrics"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/topdown"
	"github.com/open-policy-agent/opa/v1/topdown/builtins"

	"github.com/sluicegate/sluice/runtime/exchange"
	"github.com/sluicegate/sluice/runtime/policy/rules"
	"github.com/sluicegate/sluice/runtime/wire"
)

// entry is one entry point: a rule, what it reads, and what it answered before.
type entry[T any] struct {
	rule    string
	stage   exchange.Stage
	query   rego.PreparedEvalQuery
	direct  *rules.Program // asked first; nil when only OPA can be asked
	left    []string       // the rules that OPA is asked for, and why
	plan    *node
	models  *node // plan's node of input.models; nil when they are not read
	reads   reads
	timeout time.Duration
	memo    *memo[T] // nil when answers are not memoised
	result  func(ast.Value) (T, error)
	cell    modelsCell
	views   sync.Pool

	transport *http.Transport // of what was granted to reach out; nil: nothing was
	keeps     bool            // what non-deterministic built-ins give is kept for the decision log
}

// errUndefined says that the rule has no value for this input.
var errUndefined = errors.New("undefined")

var errNoValue = errors.New("the evaluation gave no value")

// ask answers from the memo or by evaluation. What non-deterministic built-ins give is added to calls, unless it is nil.
func (e *entry[T]) ask(ctx context.Context, x *exchange.Exchange, f Facts, calls builtins.NDBCache) (T, error) {
	v, _ := e.views.Get().(*view)
	if v == nil {
		v = &view{}
	}
	defer e.views.Put(v)
	defer v.clear()
	v.set(x, f.Now)
	var models modelsValue
	if e.models != nil {
		models = *e.cell.get(f.Models, e.models)
	}
	v.key = v.appendPlan(v.key[:0], e.plan, models.key)
	if v.beyond {
		var none T
		return none, fmt.Errorf("%s: %w", e.rule, errNumber)
	}
	if e.memo == nil {
		return e.evaluateIn(ctx, v.build(e.plan, models.term).Value, how[T]{e.timeout, e.result, outside{calls: calls}})
	}
	key := memoKey(sha256.Sum256(v.key))
	if t, ok := e.memo.get(key); ok {
		return t, nil
	}
	t, err := e.evaluate(ctx, v.build(e.plan, models.term).Value)
	if err == nil {
		e.memo.put(key, t)
	}
	return t, err
}

// how says in what way an evaluation is made.
type how[T any] struct {
	within time.Duration
	result func(ast.Value) (T, error)
	outside
}

// evaluate asks the policy itself.
func (e *entry[T]) evaluate(ctx context.Context, input ast.Value) (T, error) {
	return e.evaluateIn(ctx, input, how[T]{within: e.timeout, result: e.result})
}

// evaluateIn asks the policy itself, in another way.
func (e *entry[T]) evaluateIn(ctx context.Context, input ast.Value, h how[T]) (t T, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%s: the evaluation panicked (%T)", e.rule, r)
		}
	}()
	cancel := topdown.NewCancel()
	timer := time.AfterFunc(h.within, cancel.Cancel)
	defer timer.Stop()
	defer context.AfterFunc(ctx, cancel.Cancel)()
	value, err := e.value(ctx, input, cancel, h)
	switch {
	case err != nil:
		return t, e.explain(ctx, err, h.within)
	case value == nil:
		return t, errUndefined
	}
	if t, err = h.result(value); err != nil {
		return t, fmt.Errorf("%s%w", e.rule, err)
	}
	return t, nil
}

// value gives the rule's value; nil where it is undefined.
func (e *entry[T]) value(ctx context.Context, input ast.Value, cancel topdown.Cancel, h how[T]) (ast.Value, error) {
	if e.direct != nil {
		if value, ok := e.direct.Eval(ctx, input, cancel); ok {
			return value, nil
		}
	}
	inner, stop := e.within(ctx, h.within)
	defer stop()
	options := append([]rego.EvalOption{rego.EvalParsedInput(input), rego.EvalExternalCancel(cancel), rego.EvalMetrics(metrics.NoOp())}, e.options(h.outside)...)
	return valueOf(e.query.Eval(inner, options...))
}

// valueOf takes the value out of what a query gave; nil where it is undefined.
func valueOf(rs rego.ResultSet, err error) (ast.Value, error) {
	if err != nil || len(rs) == 0 {
		return nil, err
	}
	value, ok := rs[0].Expressions[0].Value.(ast.Value)
	if !ok {
		return nil, errNoValue
	}
	return value, nil
}

// explain makes an error of the evaluator fit for a log: where and why, without the values that were at hand.
func (e *entry[T]) explain(ctx context.Context, err error, within time.Duration) error {
	var t *topdown.Error
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case topdown.IsCancel(err):
		return fmt.Errorf("%s: not decided within %v", e.rule, within)
	case errors.Is(err, errNoValue):
		return fmt.Errorf("%s: %w", e.rule, errNoValue)
	case !errors.As(err, &t):
		return fmt.Errorf("%s: the evaluation failed (%T)", e.rule, err)
	}
	where := ""
	if t.Location != nil {
		where = fmt.Sprintf("%s:%d:%d: ", t.Location.File, t.Location.Row, t.Location.Col)
	}
	return fmt.Errorf("%s: %s%s: %s", e.rule, where, t.Code, safeMessage(t))
}

// safeMessage says what failed. The evaluator's own words quote operands and the values of rules, so of them only the
// name of a built-in is kept, which stands in front.
func safeMessage(t *topdown.Error) string {
	switch t.Code {
	case topdown.ConflictErr:
		return "two rules give different values for the same input; let their conditions exclude each other"
	case topdown.BuiltinErr:
		name, _, _ := strings.Cut(t.Message, ":")
		return name + " failed on its operands; guard it or give it others"
	default:
		return "the evaluation failed"
	}
}

// fail makes the exchange's error of an evaluation's.
func (e *entry[T]) fail(err error) error {
	if errors.Is(err, context.Canceled) {
		return exchange.Fail(e.stage, wire.ClientClosed, "the caller went away", err)
	}
	if errors.Is(err, errUndefined) {
		err = fmt.Errorf("%s: undefined for this input; give it a default", e.rule)
	}
	return exchange.Fail(e.stage, wire.PolicyFailed, "the policy gave no valid decision", err)
}

// describe tells what the entry point reads and how its memo does.
func (e *entry[T]) describe() Entry {
	d := Entry{Rule: e.rule, Reads: e.plan.paths(ast.InputRootRef), Blocks: map[string]int{}, LeftToOPA: e.left}
	for _, b := range e.reads.blockers {
		d.NotMemoised = append(d.NotMemoised, b.text)
		d.Blocks[b.reason]++
	}
	if e.memo != nil {
		d.Hits, d.Misses = e.memo.hits.Load(), e.memo.misses.Load()
	}
	return d
}
