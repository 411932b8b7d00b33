package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluicegate/sluice/runtime/filter"
)

func filterBenchCommand() *cobra.Command {
	var config, on, text string
	var asJSON bool
	var o filter.MeasureOptions
	c := &cobra.Command{
		Use:   "bench MODULE",
		Short: "Measure what a filter costs",
		Long: "Measures time and fuel of texts of 64 B, 1 KB and 16 KB and of a piece of a stream, the reset between exchanges, memory,\n" +
			"and how long the first call takes: from nothing, from the cache of compiled modules, and when no instance is alive.\n" +
			"Times are the best of many rounds and hold for this machine as busy as it is now; fuel is the same everywhere.",
		Args: rangeArgs(1, 1, "the path of a module, or builtin:NAME"),
		RunE: func(c *cobra.Command, args []string) error {
			s, err := openSource(args[0], "")
			if err != nil {
				return err
			}
			if o.On, err = directionOf(on); err != nil {
				return err
			}
			if text != "" {
				b, err := readFile(text, 1<<20)
				if err != nil {
					return err
				}
				if o.Text = string(b); o.Text == "" {
					return fmt.Errorf("%s is empty", text)
				}
			}
			spec := filter.Spec{Name: s.name, Module: s.module}
			if config != "" {
				spec.Config = []byte(config)
			}
			m, err := measure(c.Context(), spec, o)
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			if asJSON {
				return json.NewEncoder(c.OutOrStdout()).Encode(m)
			}
			return printMeasurement(c.OutOrStdout(), args[0], &m)
		},
	}
	c.Flags().StringVar(&config, "config", "", "the filter's configuration, JSON")
	c.Flags().StringVar(&on, "on", "request", "request or response")
	c.Flags().StringVar(&text, "text", "", "a file of text to repeat (default: English prose without findings)")
	c.Flags().DurationVar(&o.For, "for", 500*time.Millisecond, "how long each figure is measured")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON; times in nanoseconds")
	return c
}

// directionOf reads --on.
func directionOf(on string) (filter.Direction, error) {
	switch on {
	case "request":
		return filter.OnRequest, nil
	case "response":
		return filter.OnAnswer, nil
	}
	return 0, fmt.Errorf("--on %q: want request or response", on)
}

// measure measures with a cache of compiled modules that is empty at first.
func measure(ctx context.Context, s filter.Spec, o filter.MeasureOptions) (m filter.Measurement, err error) {
	dir, err := os.MkdirTemp("", "sluice-bench-")
	if err != nil {
		return m, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	o.CacheDir = dir
	return filter.Measure(ctx, s, o)
}

func printMeasurement(w io.Writer, arg string, m *filter.Measurement) error {
	fmt.Fprintf(w, "%s\n", arg)
	t := table(w)
	fmt.Fprintln(t, "  text\tns/exchange\tns/B\tin the guest\tunits of fuel\tunits/B")
	for _, c := range m.Texts {
		printCost(t, size(c.Bytes), &c)
	}
	if m.Delta.Time > 0 {
		printCost(t, "5 B of a stream", &m.Delta)
	}
	if len(m.Texts) == 0 {
		fmt.Fprintln(t, "  (the module has no hook of the native ABI for this direction)")
	}
	_ = t.Flush() // as in greet
	fmt.Fprintln(w)
	switch {
	case !m.Restorable:
		fmt.Fprintln(t, "  reset\tnot possible: each exchange gets a fresh instance")
	case m.Reset > 0:
		fmt.Fprintf(t, "  reset\t%s\tafter a text of 1 KB\n", short(m.Reset))
	}
	fmt.Fprintf(t, "  memory\t%d KiB\tof one instance\n", m.Memory>>10)
	fmt.Fprintf(t, "  instantiate\t%s\ta fresh instance\n", short(m.Instantiate))
	if m.Cold > 0 {
		fmt.Fprintf(t, "  cold\t%s\ta first exchange of 1 KB when no instance is alive\n", short(m.Cold))
	}
	fmt.Fprintf(t, "  from the cache\t%s\tloaded with its compiled code from disk, first exchange answered\n", short(m.FromCache))
	fmt.Fprintf(t, "  compile\t%s\tthe same from nothing\n", short(m.Compile))
	return t.Flush()
}

func printCost(w io.Writer, what string, c *filter.TextCost) {
	if c.Body {
		what += " (in a JSON body)"
	}
	n := float64(c.Bytes)
	fmt.Fprintf(w, "  %s\t%d\t%.1f\t%d\t%d\t%.1f\n", what, c.Time.Nanoseconds(), float64(c.Time.Nanoseconds())/n, c.Guest.Nanoseconds(), c.Units, float64(c.Units)/n)
}

// short is a time with three digits or four, which is more than a measurement is good for.
func short(d time.Duration) time.Duration {
	unit := time.Duration(1)
	for d/unit >= 10_000 {
		unit *= 10
	}
	return d.Round(unit)
}

// size spells a number of bytes.
func size(n int) string {
	if n >= 1<<10 {
		return fmt.Sprintf("%d KB", n>>10)
	}
	return fmt.Sprintf("%d B", n)
}
