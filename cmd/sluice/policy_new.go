package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/sluicegate/sluice/policies"
	"github.com/sluicegate/sluice/runtime/policy"
)

func policyNewCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "new [DIR]",
		Short: "Write the shipped policy, its library and the schemas into a new folder, ./policies by default, to change from there",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			dir := "policies"
			if len(args) == 1 {
				dir = args[0]
			}
			if _, err := os.Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("%s is there already; name a new folder", dir)
			}
			if err := os.CopyFS(dir, policies.FS); err != nil {
				return fmt.Errorf("writing the policy: %w", err)
			}
			if err := writeSchemas(filepath.Join(dir, "schemas")); err != nil {
				return fmt.Errorf("writing the schemas: %w", err)
			}
			_, err := fmt.Fprintf(c.OutOrStdout(), `wrote %[1]s
  start with %[1]s/data.json (roles and models), then main.rego; every module in lib has a README
  sluice policy test %[1]s
  opa check --strict --schema %[1]s/schemas/input.json --capabilities %[1]s/schemas/capabilities.json --bundle %[1]s
  in sluice.yaml:  policy: {path: %[1]s}
`, dir)
			return err
		},
	}
}

// writeSchemas writes what other tools need to read a policy as the gateway does.
func writeSchemas(dir string) error {
	capabilities, err := policy.Capabilities()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // it holds no secret
		return err
	}
	for name, text := range map[string][]byte{
		"input.json": policy.InputSchema(), "decision.json": policy.DecisionSchema(), "capabilities.json": capabilities,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil { //nolint:gosec // as above
			return err
		}
	}
	return nil
}
