package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluicegate/sluice/runtime/config"
	"github.com/sluicegate/sluice/runtime/control"
	"github.com/sluicegate/sluice/runtime/policy"
)

func policyShadowCommand() *cobra.Command {
	var f gatewayFlags
	var asJSON, stop bool
	var sample int
	c := &cobra.Command{
		Use:   "shadow [DIR]",
		Short: "Put a candidate beside a running gateway's policy, and show what it would decide otherwise",
		Long: `Put a candidate beside a running gateway's policy, and show what it would decide otherwise.

A candidate is asked about a sample of the decisions, after they were made, and decides nothing itself. With a folder, that
one is sent to the gateway, which keeps it until it is stopped or promoted: over restarts, too, if deploy.path is set and
the policy is no bundle and need not be signed. policy.shadow in the configuration names one for good. Without a folder, what
was found so far is shown; after a restart, that begins anew.

  sluice policy shadow new/ --sample 25
  sluice policy shadow
  sluice policy promote`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			g, err := f.client()
			if err != nil {
				return err
			}
			switch {
			case len(args) == 1:
				return sendShadow(c, g, args[0], sample)
			case stop:
				return changePolicy(c, g, "/policy/shadow/stop", nil)
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
	c.Flags().BoolVar(&stop, "stop", false, "take a candidate away that was sent")
	c.Flags().IntVar(&sample, "sample", config.DefaultSample(), "the percentage of the decisions that the candidate is asked about")
	return c
}

func policyPromoteCommand() *cobra.Command {
	return policySwitchCommand("promote", "Make the candidate the policy that decides on a running gateway, until the configuration names another one than it does now")
}

func policyRollbackCommand() *cobra.Command {
	return policySwitchCommand("rollback", "Go back to the policy before on a running gateway")
}

func policySwitchCommand(action, short string) *cobra.Command {
	var f gatewayFlags
	c := &cobra.Command{Use: action, Short: short, Args: noArgs, RunE: func(c *cobra.Command, _ []string) error {
		g, err := f.client()
		if err != nil {
			return err
		}
		return changePolicy(c, g, "/policy/"+action, nil)
	}}
	f.add(c)
	return c
}

// sendShadow sends a folder as the candidate.
func sendShadow(c *cobra.Command, g *gatewayClient, dir string, sample int) error {
	s, _, err := policyFolder(c, []string{dir})
	if err != nil {
		return err
	}
	archive, err := s.Archive()
	if err != nil {
		return err
	}
	q := url.Values{"name": {filepath.ToSlash(filepath.Clean(dir))}, "sample": {strconv.Itoa(sample)}}
	return changePolicy(c, g, "/policy/shadow?"+q.Encode(), bytes.NewReader(archive))
}

// changePolicy makes a call that changes policies and says what stands now.
func changePolicy(c *cobra.Command, g *gatewayClient, path string, body io.Reader) error {
	var st control.PolicyStatus
	if err := g.call(c.Context(), http.MethodPost, path, "application/zip", body, &st); err != nil {
		return err
	}
	w := c.OutOrStdout()
	fmt.Fprintf(w, "policy %s from %s decides (generation %d)\n", st.Revision, st.From, st.Generation)
	if st.Pinned {
		fmt.Fprintln(w, "  it is not what policy.path names, and stays until that changes")
	}
	if st.Previous != "" {
		fmt.Fprintf(w, "  sluice policy rollback  goes back to %s\n", st.Previous)
	}
	if k := st.Shadow; k != nil {
		fmt.Fprintf(w, "candidate %s from %s is asked about %d %% of the decisions\n", k.Revision, k.Path, k.Sample)
		if !k.Kept {
			fmt.Fprintln(w, "  it is gone when the gateway stops; policy.shadow.path in the configuration names one for good")
		}
		fmt.Fprintln(w, "  sluice policy shadow    shows what it would decide otherwise")
		fmt.Fprintln(w, "  sluice policy promote   makes it decide")
	}
	return nil
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
