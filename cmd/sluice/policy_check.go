package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sluicegate/sluice/runtime/policy"
)

func policyCheckCommand() *cobra.Command {
	var o policy.Options
	var recorded string
	c := &cobra.Command{
		Use:   "check [DIR]",
		Short: "Check a policy as the gateway does before it goes live: every fault with its place, what it reads, its own tests",
		RunE: func(c *cobra.Command, args []string) error {
			s, dir, err := policyFolder(c, args)
			if err != nil {
				return err
			}
			p, err := policy.Compile(c.Context(), s, o)
			if err != nil {
				return policyFaults(c.OutOrStdout(), err)
			}
			r, err := s.Test(c.Context(), o)
			if err != nil {
				return policyFaults(c.OutOrStdout(), err)
			}
			tried, err := tryRecorded(c.Context(), p, recorded)
			if err != nil {
				return policyFaults(c.OutOrStdout(), err)
			}
			printPolicy(c.OutOrStdout(), dir, p)
			if recorded != "" {
				fmt.Fprintf(c.OutOrStdout(), "recorded inputs: %d decided on, %d of them from memory (%.1f %%), %d passed over\n",
					tried.Asked, tried.Alike, 100*float64(tried.Alike)/float64(max(tried.Asked, 1)), sum(tried.Skipped))
			}
			return printTests(c.OutOrStdout(), r, false)
		},
	}
	policyOptions(c, &o)
	c.Flags().StringVar(&recorded, "recorded", "", "decision log events, or a folder of them, that the policy must decide on, as policy.recorded in the configuration")
	return c
}

// tryRecorded tries a policy with the recorded inputs of a path; "" is none.
func tryRecorded(ctx context.Context, p *policy.Policy, path string) (policy.CorpusReport, error) {
	if path == "" {
		return policy.CorpusReport{}, nil
	}
	r, err := policy.ReadCorpus(path)
	if err != nil {
		return policy.CorpusReport{}, err
	}
	return p.Try(ctx, r)
}

func sum(counts map[string]int) (n int) {
	for _, c := range counts {
		n += c
	}
	return n
}

func printPolicy(w io.Writer, dir string, p *policy.Policy) {
	fmt.Fprintf(w, "%s: ok, revision %s\n", dir, p.Revision())
	t := table(w)
	for _, e := range p.Entries() {
		reads := "nothing of its input"
		if len(e.Reads) > 0 {
			reads = strings.Join(e.Reads, ", ")
		}
		fmt.Fprintf(t, "  %s\treads %s\n", e.Rule, reads)
		if len(e.NotMemoised) == 0 {
			fmt.Fprintln(t, "  \tits answers are remembered by these values")
		}
		for _, why := range e.LeftToOPA {
			fmt.Fprintf(t, "  \tasked of OPA's evaluator, which takes longer: %s\n", why)
		}
		for _, why := range e.NotMemoised {
			fmt.Fprintf(t, "  \tits answers are NOT remembered: %s\n", why)
		}
	}
	_ = t.Flush() // as in greet
}
