package main

import (
	"errors"
	"fmt"
	"regexp"

	"github.com/spf13/cobra"

	"github.com/sluicegate/sluice/runtime/auth"
)

// name is what the config takes as an id or a tenant.
var name = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,127}$`)

func keyCommand() *cobra.Command {
	key := &cobra.Command{
		Use:   "key",
		Short: "Make API keys",
		Args:  cobra.NoArgs, // so that a misspelt subcommand is an error
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	var id, tenant string
	create := &cobra.Command{
		Use:   "new",
		Short: "Make a random API key and print both halves: the key for the caller, its digest for the config",
		Args:  noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if !name.MatchString(id) || !name.MatchString(tenant) {
				return errors.New("--id and --tenant take 1 to 128 letters, digits and . _ : / @ + -, beginning with a letter or digit")
			}
			secret, sum := auth.NewKey()
			_, err := fmt.Fprintf(c.OutOrStdout(), `key for the caller (shown once, kept nowhere):
  %s

entry for the config, under auth.keys:
  - {id: %q, tenant: %q, roles: [developer], sha256: %s}
`, secret, id, tenant, sum)
			return err
		},
	}
	create.Flags().StringVar(&id, "id", "my-app", "the key's id in policies and audit records")
	create.Flags().StringVar(&tenant, "tenant", "my-team", "the tenant the key's requests belong to")
	key.AddCommand(create)
	return key
}
