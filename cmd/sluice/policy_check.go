package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sluicegate/sluice/runtime/policy"
)

func policyCheckCommand() *cobra.Command {
	var o policy.Options
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
			printPolicy(c.OutOrStdout(), dir, p)
			return printTests(c.OutOrStdout(), r, false)
		},
	}
	policyOptions(c, &o)
	return c
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
		for _, why := range e.NotMemoised {
			fmt.Fprintf(t, "  \tits answers are NOT remembered: %s\n", why)
		}
	}
	_ = t.Flush() // as in greet
}
