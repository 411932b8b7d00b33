package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/sluicegate/sluice/filters/sdk"
)

func filterBuildCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "build [DIR]",
		Short: "Compile the filter in a folder with the toolchain of its language",
		Long: "Compiles the filter in DIR (else in this folder) into NAME.wasm there. The language is that of the sources; NAME is\n" +
			"the stem of X.vectors.json, else the folder's name. A missing compiler is named, with the command that installs it.",
		Args: rangeArgs(0, 1, "a folder, or none for this one"),
		RunE: func(c *cobra.Command, args []string) error {
			dir := "."
			if len(args) > 0 {
				dir = args[0]
			}
			built, err := sdk.Build(c.Context(), dir)
			if err != nil {
				return err
			}
			module := shortest(built.Module)
			_, err = fmt.Fprintf(c.OutOrStdout(), "wrote %s: %d bytes, from %s by %s\nnext: sluice filter test %s\n", module, built.Size, built.Language, built.Tool, module)
			return err
		},
	}
}

// shortest spells a path relative to where the user stands, unless that is longer.
func shortest(path string) string {
	here, err := os.Getwd()
	if err != nil {
		return path
	}
	if rel, err := filepath.Rel(here, path); err == nil && len(rel) < len(path) {
		return rel
	}
	return path
}
