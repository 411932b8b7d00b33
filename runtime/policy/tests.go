package policy

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/cover"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/tester"
)

// Report is the outcome of a policy's own tests.
type Report struct {
	Passed, Failed, Skipped int
	Coverage                float64  // per cent of the policy's lines, tests aside, that the tests ran
	Uncovered               []string // the lines that they did not, as file:line or file:from-to, sorted
	Results                 []TestResult
}

// TestResult is the outcome of one test rule.
type TestResult struct {
	Name     string // "data.sluice_test.test_denied"
	File     string
	Line     int
	Passed   bool
	Skipped  bool   // its name begins with todo_
	Message  string // why it failed
	Duration time.Duration
}

// testTimeout bounds one test.
const testTimeout = 5 * time.Second

// Test runs the source's own tests: the rules named test_ in its _test.rego files, under the same language, schema and
// strictness as the policy itself. The error is Faults when the text is at fault; tests that fail are in the Report.
func (s Source) Test(ctx context.Context, o Options) (Report, error) {
	l, faults := load(s, o, true)
	if len(faults) > 0 {
		return Report{}, faults.sorted()
	}
	txn, err := l.store.NewTransaction(ctx)
	if err != nil {
		return Report{}, fmt.Errorf("running the policy's tests: %w", err)
	}
	defer l.store.Abort(ctx, txn)
	return l.test(ctx, o, txn)
}

func (l *loaded) test(ctx context.Context, o Options, txn storage.Transaction) (Report, error) {
	coverage := cover.New()
	// The runner adds stages of its own, so it compiles the parsed modules again.
	results, err := tester.NewRunner().
		SetCompiler(newCompiler(o, nil, true)).
		SetStore(l.store).
		SetModules(l.modules).
		SetTimeout(testTimeout).
		SetCoverageQueryTracer(coverage).
		RaiseBuiltinErrors(true).
		RunTests(ctx, txn)
	if err != nil {
		return Report{}, faultsOf("", err).sorted()
	}
	var r Report
	for t := range results {
		r.add(t)
	}
	if err := ctx.Err(); err != nil {
		return r, fmt.Errorf("running the policy's tests: %w", err)
	}
	slices.SortFunc(r.Results, func(a, b TestResult) int {
		return cmp.Or(strings.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), strings.Compare(a.Name, b.Name))
	})
	for name := range l.modules {
		if isTest(name) {
			delete(l.modules, name)
		}
	}
	report := coverage.Report(l.modules)
	r.Coverage, r.Uncovered = report.Coverage, uncovered(report)
	return r, nil
}

// uncovered lists the lines that no test ran.
func uncovered(report cover.Report) []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(report.Files)) {
		for _, r := range report.Files[name].NotCovered {
			place := fmt.Sprintf("%s:%d", name, r.Start.Row)
			if r.End.Row > r.Start.Row {
				place += fmt.Sprintf("-%d", r.End.Row)
			}
			out = append(out, place)
		}
	}
	return out
}

// add counts one result.
func (r *Report) add(t *tester.Result) {
	out := TestResult{Name: t.Package + "." + t.Name, Passed: t.Pass(), Skipped: t.Skip, Duration: t.Duration}
	if t.Location != nil {
		out.File, out.Line = t.Location.File, t.Location.Row
	}
	switch {
	case t.Skip:
		r.Skipped++
	case out.Passed:
		r.Passed++
	default:
		r.Failed++
		out.Message = "the rule is false or undefined"
		if t.Error != nil {
			out.Message = t.Error.Error()
		}
		if t.FailedAt != nil && t.FailedAt.Location != nil {
			out.Message += fmt.Sprintf(", at line %d", t.FailedAt.Location.Row)
		}
	}
	r.Results = append(r.Results, out)
}
