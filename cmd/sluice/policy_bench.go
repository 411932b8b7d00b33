package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluicegate/sluice/runtime/control"
	"github.com/sluicegate/sluice/runtime/policy"
)

// maxBenched bounds the events that are measured with.
const maxBenched = 10_000

func policyBenchCommand() *cobra.Command {
	var a asking
	var log string
	var o policy.Options
	long := time.Second
	c := &cobra.Command{
		Use:   "bench [DIR]",
		Short: "Measure what deciding costs: with one request as curl would send it, or with a decision log",
		Long: `Measure what deciding costs: with one request as curl would send it, or with a decision log.

With a request, the policy and the filters are the configuration's. With a log, the policy is a folder's, and it is asked about
the recorded inputs in turn. Each is asked as the gateway does, which remembers answers, and with every answer evaluated. Times
hold for this machine as busy as it is now; allocations are the same everywhere.

  sluice policy bench --role developer -d '{"model_name":"model-a","inputs":"hello"}'
  sluice policy bench --log decisions.jsonl new/`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			m, err := benchPolicy(c, &a, o, log, args, long)
			var faults policy.Faults
			switch {
			case errors.As(err, &faults):
				return policyFaults(c.OutOrStdout(), err)
			case err != nil:
				return err
			case a.json:
				return writeJSON(c.OutOrStdout(), m)
			}
			printPolicyCost(c.OutOrStdout(), &m)
			return nil
		},
	}
	a.add(c)
	policyOptions(c, &o)
	c.Flags().StringVar(&log, "log", "", "ask about the inputs of this decision log; - reads standard input")
	c.Flags().DurationVar(&long, "time", long, "how long each cost is taken for")
	return c
}

func benchPolicy(c *cobra.Command, a *asking, o policy.Options, log string, args []string, long time.Duration) (policy.Measurement, error) {
	switch {
	case log != "" && a.data != "":
		return policy.Measurement{}, errors.New("give a request with -d or a decision log with --log, not both")
	case log == "" && len(args) > 0:
		return policy.Measurement{}, errors.New("a folder goes with --log; for a request the policy is the configuration's")
	case log == "":
		q, err := a.question(c.InOrStdin())
		if err != nil {
			return policy.Measurement{}, err
		}
		a.Logger = warnings(c.ErrOrStderr())
		m, err := control.Measure(c.Context(), a.Options, q, long)
		return m, err
	}
	s, _, err := policyFolder(c, args)
	if err != nil {
		return policy.Measurement{}, err
	}
	events, err := readEvents(log, c.InOrStdin())
	if err != nil {
		return policy.Measurement{}, err
	}
	return s.MeasureEvents(c.Context(), o, events, long)
}

// readEvents reads the first lines of a decision log.
func readEvents(log string, stdin io.Reader) ([][]byte, error) {
	in := stdin
	if log != "-" {
		f, err := os.Open(log)
		if err != nil {
			return nil, err
		}
		defer func() { _ = f.Close() }() // it was only read
		in = f
	}
	lines := bufio.NewScanner(in)
	lines.Buffer(make([]byte, 0, 64<<10), maxEvent)
	var out [][]byte
	for lines.Scan() && len(out) < maxBenched {
		if line := bytes.TrimSpace(lines.Bytes()); len(line) > 0 {
			out = append(out, bytes.Clone(line))
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("reading %s: %w", log, err)
	}
	return out, nil
}

func printPolicyCost(w io.Writer, m *policy.Measurement) {
	fmt.Fprintf(w, "policy %s, inputs: %d\n", m.Revision, m.Inputs)
	for _, why := range sortedByCount(m.Skipped) {
		fmt.Fprintf(w, "  not asked about: %d %s\n", m.Skipped[why], skipTexts[why])
	}
	t := table(w)
	fmt.Fprintln(t, "\n\t\tEACH\tP50\tP99\tMOST\tALLOCS\tBYTES")
	for _, e := range m.Entries {
		row := func(rule, how string, c policy.Cost) {
			fmt.Fprintf(t, "%s\t%s\t%v\t%v\t%v\t%v\t%.0f\t%.0f\n", rule, how, short(c.Mean), short(c.P50), short(c.P99), short(c.Max), c.Allocs, c.Bytes)
		}
		if len(e.NotMemoised) == 0 {
			row(e.Rule, "remembering", e.Remembering)
			row("", "evaluating", e.Evaluating)
		} else {
			row(e.Rule, "evaluating", e.Evaluating)
		}
	}
	_ = t.Flush() // as in greet
	fmt.Fprintln(w)
	for _, e := range m.Entries {
		if len(e.NotMemoised) == 0 {
			fmt.Fprintf(w, "%s: of the first asking about each input, %d answers were remembered, %d evaluated\n", e.Rule, e.Hits, e.Misses)
		}
		for _, why := range e.NotMemoised {
			fmt.Fprintf(w, "%s: its answers are NOT remembered: %s\n", e.Rule, why)
		}
		for _, why := range e.LeftToOPA {
			fmt.Fprintf(w, "%s: asked of OPA's evaluator, which takes longer: %s\n", e.Rule, why)
		}
		if e.Failed > 0 {
			fmt.Fprintf(w, "%s: %d inputs have no valid answer\n", e.Rule, e.Failed)
		}
	}
}
