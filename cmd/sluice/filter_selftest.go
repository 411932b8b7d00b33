package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/sluicegate/sluice/runtime/filter"
)

func filterTestCommand() *cobra.Command {
	var vectors string
	c := &cobra.Command{
		Use:   "test MODULE",
		Short: "Run a filter's self-test vectors, whole and cut at every character",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			s, err := openSource(args[0], vectors)
			if err != nil {
				return err
			}
			vs, err := s.parsed()
			if err != nil {
				return err
			}
			e, err := filter.NewEngine(filter.Options{})
			if err != nil {
				return err
			}
			defer func() { _ = e.Close(c.Context()) }()
			r, err := e.SelfTest(c.Context(), filter.Spec{Name: s.name, Module: s.module}, vs)
			if err != nil {
				return err
			}
			return printSelfTest(c.OutOrStdout(), &r, len(vs))
		},
	}
	c.Flags().StringVar(&vectors, "vectors", "", "the vectors (default: MODULE's path with .vectors.json for .wasm)")
	return c
}

// printSelfTest prints what failed, and the sums.
func printSelfTest(w io.Writer, r *filter.TestReport, vectors int) error {
	runs := 0
	var sum filter.VectorResult
	for i := range r.Vectors {
		v := &r.Vectors[i]
		runs += v.Runs
		sum.Calls, sum.Units, sum.Time, sum.Memory = sum.Calls+v.Calls, sum.Units+v.Units, sum.Time+v.Time, max(sum.Memory, v.Memory)
		if v.Passed() {
			continue
		}
		fmt.Fprintf(w, "FAIL vector %d %q on %s\n", v.Number, v.Name, v.On)
		for j := range v.Differences {
			fmt.Fprintf(w, "  %s\n", v.Differences[j].String())
		}
		if v.More > 0 {
			fmt.Fprintf(w, "  and at %d more cuts\n", v.More)
		}
	}
	fmt.Fprintf(w, "%d of %d vectors passed, in %d runs of %d calls: %d units of fuel, %s, %d KiB of memory\n",
		vectors-r.Failed(), vectors, runs, sum.Calls, sum.Units, sum.Time, sum.Memory>>10)
	if r.Failed() > 0 {
		return errSilent
	}
	return nil
}
