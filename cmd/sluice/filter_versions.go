package main

import (
	"fmt"
	"net/http"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/sluicegate/sluice/runtime/control"
)

func filterRollbackCommand() *cobra.Command {
	return switchCommand("rollback", "Go back to the version before, at once, or take the canary back")
}

func filterPromoteCommand() *cobra.Command {
	return switchCommand("promote", "Give the canary to all")
}

// switchCommand goes from one version that is loaded to another.
func switchCommand(action, short string) *cobra.Command {
	var f gatewayFlags
	c := &cobra.Command{
		Use:   action + " NAME",
		Short: short,
		Args:  oneArg("the filter's name; sluice filter list shows them"),
		RunE: func(c *cobra.Command, args []string) error {
			g, err := f.client()
			if err != nil {
				return err
			}
			var out control.Deployed
			if err := g.call(c.Context(), http.MethodPost, "/filters/"+url.PathEscape(args[0])+"/"+action, "", nil, &out); err != nil {
				return err
			}
			printDeployed(c.OutOrStdout(), args[0], &out)
			return nil
		},
	}
	f.add(c)
	return c
}

func filterRemoveCommand() *cobra.Command {
	var f gatewayFlags
	c := &cobra.Command{
		Use:   "remove NAME",
		Short: "Take a filter out of the chain that was deployed and that the configuration does not name",
		Args:  oneArg("the filter's name; sluice filter list shows them"),
		RunE: func(c *cobra.Command, args []string) error {
			g, err := f.client()
			if err != nil {
				return err
			}
			var out struct{ Generation uint64 }
			if err := g.call(c.Context(), http.MethodPost, "/filters/"+url.PathEscape(args[0])+"/remove", "", nil, &out); err != nil {
				return err
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "%s is gone (generation %d)\n", args[0], out.Generation)
			return err
		},
	}
	f.add(c)
	return c
}

// listed is one version of a filter, as the admin listener tells it.
type listed struct {
	control.FilterStatus
	Calls, Failures int64
}

func filterListCommand() *cobra.Command {
	var f gatewayFlags
	c := &cobra.Command{
		Use:   "list",
		Short: "Show the versions of each filter on a running gateway, and what they did",
		Args:  noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			g, err := f.client()
			if err != nil {
				return err
			}
			var filters []listed
			if err := g.call(c.Context(), http.MethodGet, "/filters", "", nil, &filters); err != nil {
				return err
			}
			t := table(c.OutOrStdout())
			fmt.Fprintln(t, "FILTER\tVERSION\tSTATE\tSHARE\tCALLS\tFAILURES\tDIGEST\tFROM")
			for _, v := range filters {
				fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%d\t%d\tsha256:%.12s\t%s\n", v.Name, orDash(v.Version), v.State, share(v.FilterStatus), v.Calls, v.Failures, v.Digest, v.Module)
			}
			return t.Flush()
		},
	}
	f.add(c)
	return c
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// share is who gets a version.
func share(s control.FilterStatus) string {
	switch s.State {
	case "canary":
		return fmt.Sprintf("%d %%", s.Share)
	case "live":
		return "all"
	default:
		return "none"
	}
}
