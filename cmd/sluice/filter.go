package main

import (
	"github.com/spf13/cobra"
)

// filterCommand is all that a filter's developer and operator type, one file for each subcommand.
func filterCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "filter",
		Short: "Make, test, sign, deploy and run filters",
		Args:  cobra.NoArgs, // so that a misspelt subcommand is an error
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(
		filterNewCommand(),
		filterBuildCommand(),
		filterTestCommand(),
		filterRunCommand(),
		filterBenchCommand(),
		filterInspectCommand(),
		filterSignCommand(),
		filterVerifyCommand(),
		filterPushCommand(),
		filterDeployCommand(),
		filterListCommand(),
		filterPromoteCommand(),
		filterRollbackCommand(),
		filterRemoveCommand(),
	)
	return c
}
