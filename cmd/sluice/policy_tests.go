package main

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluicegate/sluice/runtime/policy"
)

func policyTestCommand() *cobra.Command {
	var o policy.Options
	var all bool
	c := &cobra.Command{
		Use:   "test [DIR]",
		Short: "Run a policy's own tests, the rules test_... in its _test.rego files, and tell which lines they did not reach",
		RunE: func(c *cobra.Command, args []string) error {
			s, _, err := policyFolder(c, args)
			if err != nil {
				return err
			}
			r, err := s.Test(c.Context(), o)
			if err != nil {
				return policyFaults(c.OutOrStdout(), err)
			}
			if len(r.Results) == 0 {
				return errors.New("the policy has no tests: write rules test_... into files ..._test.rego beside it")
			}
			err = printTests(c.OutOrStdout(), r, all)
			for _, place := range r.Uncovered {
				fmt.Fprintf(c.OutOrStdout(), "  not reached: %s\n", place)
			}
			return err
		},
	}
	policyOptions(c, &o)
	c.Flags().BoolVarP(&all, "verbose", "v", false, "print the tests that pass, too")
	return c
}

// printTests prints the outcome of a policy's tests; failed ones are an error.
func printTests(w io.Writer, r policy.Report, all bool) error {
	for _, t := range r.Results {
		switch {
		case t.Skipped:
			fmt.Fprintf(w, "%s:%d: skip %s\n", t.File, t.Line, t.Name)
		case !t.Passed:
			fmt.Fprintf(w, "%s:%d: FAIL %s: %s\n", t.File, t.Line, t.Name, t.Message)
		case all:
			fmt.Fprintf(w, "%s:%d: pass %s (%s)\n", t.File, t.Line, t.Name, t.Duration.Round(time.Microsecond))
		}
	}
	fmt.Fprintf(w, "  tests: %d passed, %d failed, %d skipped; they reach %.1f %% of the policy's lines\n", r.Passed, r.Failed, r.Skipped, r.Coverage)
	if r.Failed > 0 {
		return errSilent
	}
	return nil
}
