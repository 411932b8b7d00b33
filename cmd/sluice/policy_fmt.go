package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/sluicegate/sluice/runtime/policy"
)

func policyFmtCommand() *cobra.Command {
	var check bool
	c := &cobra.Command{
		Use:   "fmt [DIR|FILE ...]",
		Short: "Write Rego files as opa fmt does, and name those that changed",
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				args = []string{"policies"}
			}
			changed := 0
			for _, root := range args {
				err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
					if err != nil || d.IsDir() || filepath.Ext(path) != ".rego" {
						return err
					}
					did, err := formatFile(path, !check)
					if did {
						changed++
						fmt.Fprintln(c.OutOrStdout(), path)
					}
					return err
				})
				if err != nil {
					return policyFaults(c.OutOrStdout(), err)
				}
			}
			if check && changed > 0 {
				return fmt.Errorf("%d files are not formatted; run sluice policy fmt", changed)
			}
			return nil
		},
	}
	c.Flags().BoolVar(&check, "check", false, "change nothing, and fail where a file would change")
	return c
}

// formatFile formats one file and tells whether it was not so yet.
func formatFile(path string, write bool) (changed bool, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return false, err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return false, err
	}
	want, err := policy.Format(path, text)
	if err != nil || bytes.Equal(text, want) {
		return false, err
	}
	if write {
		err = os.WriteFile(path, want, info.Mode().Perm()) //nolint:gosec // the file that the user named
	}
	return true, err
}
