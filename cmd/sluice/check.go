package main

import (
	"fmt"
	"io"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/sluicegate/sluice/runtime/config"
	"github.com/sluicegate/sluice/runtime/control"
	"github.com/sluicegate/sluice/runtime/server"
)

func checkCommand() *cobra.Command {
	var o control.Options
	var probe, coverage bool
	c := &cobra.Command{
		Use:   "check",
		Short: "Check a configuration and all it names with the code that serve runs, and print every fault",
		Args:  noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			o.Logger = func(config.Log) *slog.Logger {
				return slog.New(slog.NewTextHandler(c.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelWarn}))
			}
			o.Shapes = server.Shapes()
			report, err := control.Check(c.Context(), o, probe)
			if err != nil {
				fmt.Fprintln(c.OutOrStdout(), missing(o.Config, err))
				return errSilent
			}
			if err := printReport(c.OutOrStdout(), o.Config, report); err != nil || !coverage {
				return err
			}
			printCoverage(c.OutOrStdout(), report.Coverage)
			return nil
		},
	}
	configFlag(c, &o.Config)
	cacheFlag(c, &o.CacheDir)
	c.Flags().BoolVar(&coverage, "coverage", false, "also print which filter sees what, string by string")
	c.Flags().BoolVar(&probe, "probe", false, "also ask each endpoint for its models")
	return c
}

func printReport(w io.Writer, path string, r control.Report) error {
	fmt.Fprintf(w, "%s: ok\n", path)
	printStatus(w, r.Status)
	printCovered(w, r.Coverage)
	if r.Tests.Passed+r.Tests.Failed > 0 {
		fmt.Fprintf(w, "  policy's own tests: %d passed, %d failed\n", r.Tests.Passed, r.Tests.Failed)
	}
	unreached := 0
	for _, p := range r.Probes {
		if p.Err != nil {
			unreached++
			fmt.Fprintf(w, "  endpoint %s/%s: %v\n", p.Model, p.Endpoint, p.Err)
			continue
		}
		fmt.Fprintf(w, "  endpoint %s/%s: answers in %s\n", p.Model, p.Endpoint, p.Took)
	}
	if unreached > 0 {
		return fmt.Errorf("%d of %d endpoints cannot be used", unreached, len(r.Probes))
	}
	return nil
}
