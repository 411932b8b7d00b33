package main

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sluicegate/sluice/filters/sdk"
)

func filterNewCommand() *cobra.Command {
	var lang string
	c := &cobra.Command{
		Use:   "new NAME [DIR]",
		Short: "Lay out a new filter's folder: source, vectors, and the kit of its language",
		Long: "Lays out a new filter's folder (DIR, else NAME): a filter that works, its vectors, and the kit of its language, so\n" +
			"that nothing but a compiler is needed. Nothing is overwritten.",
		Args: rangeArgs(1, 2, "a name, and a folder where it is not to be NAME"),
		RunE: func(c *cobra.Command, args []string) error {
			dir := args[len(args)-1]
			files, err := sdk.New(dir, args[0], lang)
			if err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "wrote %s:\n", dir)
			for _, f := range files {
				fmt.Fprintf(c.OutOrStdout(), "  %s\n", f)
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "next: sluice filter build %s\n", filepath.Clean(dir))
			return err
		},
	}
	c.Flags().StringVar(&lang, "lang", "go", "the language: "+strings.Join(sdk.Languages(), ", "))
	return c
}

// rangeArgs takes from least to most arguments, and says what they are where there are others.
func rangeArgs(least, most int, what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) < least || len(args) > most {
			return fmt.Errorf("%s takes %s: %s", c.CommandPath(), what, c.UseLine())
		}
		return nil
	}
}
