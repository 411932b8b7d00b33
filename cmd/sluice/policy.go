package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sluicegate/sluice/policies"
	"github.com/sluicegate/sluice/runtime/policy"
)

func policyCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "policy",
		Short: "Write, check, test and try policies",
		Args:  cobra.NoArgs, // so that a misspelt subcommand is an error
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(policyNewCommand(), policyCheckCommand(), policyTestCommand(), policyEvalCommand(), policyBenchCommand(), policyFmtCommand(),
		policyShadowCommand(), policyPromoteCommand(), policyRollbackCommand())
	return c
}

// policyOptions are the flags of commands that compile a policy by itself.
func policyOptions(c *cobra.Command, o *policy.Options) {
	c.Flags().BoolVar(&o.ReadsText, "reads-text", false, "give the policy prompt text, as policy.reads_text does in the configuration")
	c.Flags().StringSliceVar(&o.Grants, "grant", nil, "let the policy call a built-in function, as policy.grants does; one of "+strings.Join(policy.Grantable, ", "))
	c.Flags().StringSliceVar(&o.Hosts, "host", nil, "a host that granted functions may reach, as in policy.hosts")
}

// policyFolder is the one argument of such commands: a folder, ./policies if it is left out, or builtin:default.
func policyFolder(c *cobra.Command, args []string) (policy.Source, string, error) {
	dir := "policies"
	switch len(args) {
	case 0:
	case 1:
		dir = args[0]
	default:
		return policy.Source{}, "", fmt.Errorf("%s takes one folder", c.CommandPath())
	}
	if dir == "builtin:default" {
		s, err := policy.ReadFS(policies.FS, dir)
		return s, dir, err
	}
	s, err := policy.ReadDir(dir)
	if err != nil && len(args) == 0 {
		err = fmt.Errorf("%w; name the folder, or write a first one: sluice policy new", err)
	}
	return s, dir, err
}

// policyFaults prints the faults of a policy's text, a line each.
func policyFaults(w io.Writer, err error) error {
	var faults policy.Faults
	if !errors.As(err, &faults) {
		return err
	}
	fmt.Fprintln(w, faults)
	return errSilent
}
