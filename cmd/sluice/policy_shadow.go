package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluicegate/sluice/runtime/control"
	"github.com/sluicegate/sluice/runtime/policy"
)

func policyShadowCommand() *cobra.Command {
	var f gatewayFlags
	var asJSON bool
	c := &cobra.Command{
		Use:   "shadow",
		Short: "Show what the candidate beside a running gateway's policy would decide otherwise",
		Long: `Show what the candidate beside a running gateway's policy would decide otherwise.

The candidate is policy.shadow in the configuration. It is asked about a sample of the decisions, after they were made, and
decides nothing itself.`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			g, err := f.client()
			if err != nil {
				return err
			}
			var st control.ShadowStatus
			if err := g.call(c.Context(), http.MethodGet, "/policy/shadow", "", nil, &st); err != nil {
				return err
			}
			if asJSON {
				return writeJSON(c.OutOrStdout(), st)
			}
			printShadow(c.OutOrStdout(), &st)
			return nil
		},
	}
	f.add(c)
	c.Flags().BoolVar(&asJSON, "json", false, "print the report as JSON")
	return c
}

// writeJSON prints a value for programs.
func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

func printShadow(w io.Writer, st *control.ShadowStatus) {
	fmt.Fprintf(w, "candidate %s from %s beside policy %s, asked about %d %% of the decisions since %s\n", st.Revision, st.Path, st.Live, st.Sample,
		st.Since.Local().Format(time.DateTime))
	fmt.Fprintf(w, "%d asked, %d of them the same\n", st.Asked, st.Same)
	if st.Skipped > 0 {
		fmt.Fprintf(w, "  not asked: %d %s\n", st.Skipped, skipTexts[policy.SkipDenied])
	}
	for _, why := range sortedByCount(st.Dropped) {
		if st.Dropped[why] > 0 {
			fmt.Fprintf(w, "  not asked: %d, for %s\n", st.Dropped[why], dropTexts[why])
		}
	}
	for _, kind := range policy.ChangeKinds {
		if c := st.Changes[kind]; c != nil {
			printChange(w, kind, c, st.Asked)
		}
	}
	printCostChange(w, st.Cost)
}

// dropTexts says in words why decisions of the sample were not asked again.
var dropTexts = map[string]string{
	policy.DropQueue:  "too many were waiting",
	policy.DropBudget: "the candidate had been busy for as long as it may be in a second",
	policy.DropText:   "too much text was waiting",
}
