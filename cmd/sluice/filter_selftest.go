package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/sluicegate/sluice/runtime/filter"
)

func filterTestCommand() *cobra.Command {
	t := &vectorRun{}
	c := &cobra.Command{
		Use:   "test MODULE|FOLDER",
		Short: "Run a filter's self-test vectors, whole and cut at every character",
		Long: "Runs the vectors beside a module (X.vectors.json beside X.wasm) or of every module in a folder. Each text is shown whole\n" +
			"and cut in two at every character; between any two runs the instance is put back, and its memory is held against the\n" +
			"snapshot. Exit code 1 if anything differs.",
		Args: rangeArgs(1, 1, "the path of a module, a folder of modules, or builtin:NAME"),
		RunE: func(c *cobra.Command, args []string) error {
			t.out, t.colour = c.OutOrStdout(), colours(c.OutOrStdout())
			return t.run(c.Context(), args[0])
		},
	}
	c.Flags().StringVar(&t.vectors, "vectors", "", "the vectors (default: MODULE's path with .vectors.json for .wasm)")
	c.Flags().BoolVarP(&t.verbose, "verbose", "v", false, "also list the vectors that pass, with what each costs")
	return c
}

// vectorRun is what sluice filter test was asked for.
type vectorRun struct {
	vectors string
	verbose bool
	out     io.Writer
	colour  bool
}

func (t *vectorRun) run(ctx context.Context, arg string) error {
	modules, err := t.modules(arg)
	if err != nil {
		return err
	}
	e, err := filterEngine()
	if err != nil {
		return err
	}
	defer func() { _ = e.Close(ctx) }()
	failed := false
	for _, path := range modules {
		ok, err := t.module(ctx, e, path)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		failed = failed || !ok
	}
	if failed {
		return errSilent
	}
	return nil
}

// modules are those that an argument names.
func (t *vectorRun) modules(arg string) ([]string, error) {
	info, err := os.Stat(arg)
	if err != nil || !info.IsDir() {
		return []string{arg}, nil //nolint:nilerr // what is no folder is a module, and said so where it is read
	}
	if t.vectors != "" {
		return nil, errors.New("--vectors is for one module, not for a folder")
	}
	all, err := filepath.Glob(filepath.Join(arg, "*.wasm"))
	if err != nil {
		return nil, err
	}
	var out []string
	for _, path := range all {
		if _, err := os.Stat(strings.TrimSuffix(path, ".wasm") + ".vectors.json"); err != nil {
			fmt.Fprintf(t.out, "%s: no vectors beside it, skipped\n", path)
			continue
		}
		out = append(out, path)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s holds no module with vectors: X.wasm with X.vectors.json", arg)
	}
	return out, nil
}

// module tests one module and tells whether all vectors passed.
func (t *vectorRun) module(ctx context.Context, e *filter.Engine, path string) (bool, error) {
	s, err := openSource(path, t.vectors)
	if err != nil {
		return false, err
	}
	vs, err := s.parsed()
	if err != nil {
		return false, err
	}
	r, err := e.SelfTest(ctx, filter.Spec{Name: s.name, Module: s.module}, vs)
	if err != nil {
		return false, err
	}
	for i := range r.Vectors {
		t.vector(&r.Vectors[i], vs)
	}
	t.sum(path, &r, len(vs))
	return r.Failed() == 0, nil
}

// vector prints what became of one vector in one direction.
func (t *vectorRun) vector(v *filter.VectorResult, vs []filter.Vector) {
	if v.Passed() {
		if t.verbose {
			fmt.Fprintf(t.out, "%s %d %q on %s: %s, %d units of fuel, %s\n", t.paint(greenText, "ok"), v.Number, v.Name, v.On, count(v.Runs, "run"), v.Units, short(v.Time))
		}
		return
	}
	fmt.Fprintf(t.out, "%s vector %d %q on %s\n", t.paint(boldText+redText, "FAIL"), v.Number, v.Name, v.On)
	for i := range v.Differences {
		t.difference(&v.Differences[i], vs[v.Number-1].Text)
	}
	if v.More > 0 {
		fmt.Fprintf(t.out, "  and at %s more\n", count(v.More, "cut"))
	}
}

// difference prints want over got, and where the text was cut.
func (t *vectorRun) difference(d *filter.Difference, text *string) {
	where := "whole"
	if d.Split != filter.Whole && text != nil {
		where = fmt.Sprintf("cut at byte %d, %s", d.Split, cutAt(*text, d.Split))
	}
	want, got := d.Excerpts()
	fmt.Fprintf(t.out, "  %s: %s\n    want %s\n    got  %s\n", where, d.What, t.paint(greenText, want), t.paint(redText, got))
}

// cutAt shows both sides of a cut.
func cutAt(text string, at int) string {
	from, to := max(0, at-20), min(len(text), at+20)
	for from > 0 && !utf8.RuneStart(text[from]) {
		from++
	}
	for to < len(text) && !utf8.RuneStart(text[to]) {
		to--
	}
	return fmt.Sprintf("%q | %q", text[from:at], text[at:to])
}

func (t *vectorRun) paint(colour, text string) string {
	if !t.colour {
		return text
	}
	return colour + text + plainText
}

// sum prints what all vectors of a module came to.
func (t *vectorRun) sum(path string, r *filter.TestReport, vectors int) {
	runs, memory := 0, 0
	var sum filter.VectorResult
	for i := range r.Vectors {
		v := &r.Vectors[i]
		runs, memory = runs+v.Runs, max(memory, v.Memory)
		sum.Calls, sum.Units, sum.Time = sum.Calls+v.Calls, sum.Units+v.Units, sum.Time+v.Time
	}
	passed := vectors - r.Failed()
	colour := greenText
	if passed < vectors {
		colour = boldText + redText
	}
	fmt.Fprintf(t.out, "%s: %s\n", t.paint(colour, fmt.Sprintf("%d of %d vectors passed", passed, vectors)), path)
	fmt.Fprintf(t.out, "  runs    %d, with %s\n", runs, count(int(sum.Calls), "call"))
	fmt.Fprintf(t.out, "  fuel    %d units, %d a call, in %s of guest time\n", sum.Units, sum.Units/max(sum.Calls, 1), short(sum.Time))
	fmt.Fprintf(t.out, "  memory  %d KiB\n", memory>>10)
	if r.Restorable {
		fmt.Fprintf(t.out, "  reset   the instance was put back %s, and was the snapshot each time it was looked at\n", count(runs, "time"))
	} else {
		fmt.Fprintf(t.out, "  reset   not possible, each run had a fresh instance: the module has %s\n", strings.Join(r.Reasons, ", "))
	}
}
