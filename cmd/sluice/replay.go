package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluicegate/sluice/runtime/policy"
)

// replaying is the flags of replay.
type replaying struct {
	log, html string
	json      bool
	failOn    []string
	options   policy.Options
}

func replayCommand() *cobra.Command {
	var r replaying
	c := &cobra.Command{
		Use:   "replay --log decisions.jsonl --policy DIR",
		Short: "Decide past traffic again with another policy, and print what would change",
		Long: `Decide past traffic again with another policy, and print what would change.

The log is that of policy.decisions in the configuration. Decisions that cannot be made again, because the log does not have
what the new policy reads, are counted and never guessed.

  sluice replay --log decisions.jsonl --policy new/ --fail-on 'newly_denied>0'`,
		Args: noArgs,
	}
	var dir string
	c.RunE = func(c *cobra.Command, _ []string) error {
		limits, err := parseLimits(r.failOn)
		if err != nil {
			return err
		}
		if r.log == "" || dir == "" {
			return errors.New("give the decision log with --log and the new policy's folder with --policy")
		}
		s, _, err := policyFolder(c, []string{dir})
		if err != nil {
			return err
		}
		r.options.Recorded = true
		p, err := policy.Compile(c.Context(), s, r.options)
		if err != nil {
			return policyFaults(c.OutOrStdout(), err)
		}
		report, err := r.run(c.Context(), p, c.ErrOrStderr())
		if err != nil {
			return err
		}
		if err := r.print(c.OutOrStdout(), report); err != nil {
			return err
		}
		return exceeded(report, limits)
	}
	f := c.Flags()
	f.StringVar(&r.log, "log", "", "the decision log; - reads standard input")
	f.StringVar(&dir, "policy", "", "the folder of the new policy, or builtin:default")
	f.StringArrayVar(&r.failOn, "fail-on", nil, "fail where a kind of change is over a number or a share, such as 'newly_denied>0' or 'other_model>5%'")
	f.BoolVar(&r.json, "json", false, "print the report as JSON")
	f.StringVar(&r.html, "html", "", "write the report into this file as a page, too")
	policyOptions(c, &r.options)
	return c
}

// maxEvent bounds one line of a decision log.
const maxEvent = 16 << 20

func (r *replaying) run(ctx context.Context, p *policy.Policy, stderr io.Writer) (policy.ReplayReport, error) {
	in, size := io.Reader(os.Stdin), int64(0)
	if r.log != "-" {
		f, err := os.Open(r.log)
		if err != nil {
			return policy.ReplayReport{}, err
		}
		defer func() { _ = f.Close() }()
		if info, err := f.Stat(); err == nil {
			size = info.Size()
		}
		in = f
	}
	bar := progress{w: stderr, size: size, on: terminal(stderr)}
	replay, lines := policy.NewReplay(p), bufio.NewScanner(in)
	lines.Buffer(make([]byte, 0, 64<<10), maxEvent)
	for lines.Scan() {
		if err := replay.Event(ctx, lines.Bytes()); err != nil {
			return replay.Report(), fmt.Errorf("replay stopped: %w", err)
		}
		bar.add(len(lines.Bytes()) + 1)
	}
	bar.done()
	if err := lines.Err(); err != nil {
		return replay.Report(), fmt.Errorf("reading %s: %w", r.log, err)
	}
	if replay.Report().Events == 0 {
		return replay.Report(), fmt.Errorf("%s has no decisions in it; set policy.decisions.path in the configuration to keep some", r.log)
	}
	return replay.Report(), nil
}

func (r *replaying) print(w io.Writer, report policy.ReplayReport) error {
	if r.html != "" {
		if err := writePage(r.html, report); err != nil {
			return err
		}
	}
	if r.json {
		return writeJSON(w, report)
	}
	printReplay(w, report)
	return nil
}

// printReplay writes a report for a person.
func printReplay(w io.Writer, r policy.ReplayReport) {
	fmt.Fprintf(w, "%d decisions read, %d decided again with policy %s, %d of them the same\n", r.Events, r.Replayed, r.Revision, r.Same)
	for _, why := range sortedByCount(r.Skipped) {
		fmt.Fprintf(w, "  not replayed: %d %s\n", r.Skipped[why], skipTexts[why])
	}
	for _, kind := range policy.ChangeKinds {
		if c := r.Changes[kind]; c != nil {
			printChange(w, kind, c, r.Replayed)
		}
	}
	printCostChange(w, r.Cost)
}

func printCostChange(w io.Writer, c policy.CostChange) {
	if c.Then != c.Now {
		fmt.Fprintf(w, "\ncost of the prompts, by the first model: %.6f USD then, %.6f now (%+.6f)\n", c.Then, c.Now, c.Now-c.Then)
	}
}

// skipTexts says in words why events were not replayed.
var skipTexts = map[string]string{
	policy.SkipForeign:   "of other policies",
	policy.SkipMalformed: "that are no decision log events",
	policy.SkipErased:    "whose text, which the new policy reads, the log does not have",
	policy.SkipMasked:    "whose input was masked",
	policy.SkipCalls:     "for which the new policy calls out, and the log has no answer to it",
	policy.SkipDenied:    "that were denied before the filters saw them, and would not be now",
}

func printChange(w io.Writer, kind string, c *policy.Change, of int) {
	fmt.Fprintf(w, "\n%s: %d (%.2f %%)\n", kind, c.Count, 100*float64(c.Count)/float64(max(of, 1)))
	for _, group := range []struct {
		name   string
		counts map[string]int
	}{{"tenant", c.ByTenant}, {"reason", c.ByReason}, {"rule", c.ByRule}} {
		for i, key := range sortedByCount(group.counts) {
			if i == maxRows {
				fmt.Fprintf(w, "  %-7s ... and %d more\n", group.name, len(group.counts)-maxRows)
				break
			}
			fmt.Fprintf(w, "  %-7s %s: %d\n", group.name, key, group.counts[key])
		}
	}
	for _, e := range c.Examples {
		fmt.Fprintf(w, "  example %s tenant %s: %s -> %s\n", e.ID, e.Tenant, e.Then, e.Now)
	}
}

// maxRows is how many rows of a group are printed.
const maxRows = 10

// limit is one --fail-on.
type limit struct {
	text, kind string
	over       float64
	share      bool // over is a percentage
}

var limitText = regexp.MustCompile(`^\s*([a-z_]+)\s*>\s*([0-9]+(?:\.[0-9]+)?)\s*(%?)\s*$`)

func parseLimits(texts []string) ([]limit, error) {
	var out []limit
	for _, text := range texts {
		m := limitText.FindStringSubmatch(text)
		if m == nil || !known(m[1]) {
			return nil, fmt.Errorf("--fail-on %q: write a kind, > and a number or a share, such as newly_denied>0 or other_model>5%%; the kinds are %s",
				text, strings.Join(policy.ChangeKinds, ", "))
		}
		over, _ := strconv.ParseFloat(m[2], 64) // digits
		out = append(out, limit{text: strings.TrimSpace(text), kind: m[1], over: over, share: m[3] != ""})
	}
	return out, nil
}

func known(kind string) bool {
	for _, k := range policy.ChangeKinds {
		if k == kind {
			return true
		}
	}
	return false
}

// exceeded is the error of a report that is over a limit.
func exceeded(r policy.ReplayReport, limits []limit) error {
	var over []string
	for _, l := range limits {
		c := r.Changes[l.kind]
		if c == nil {
			continue
		}
		n := float64(c.Count)
		if l.share {
			n = 100 * n / float64(max(r.Replayed, 1))
		}
		if n > l.over {
			over = append(over, fmt.Sprintf("%s (%d of %d)", l.text, c.Count, r.Replayed))
		}
	}
	if len(over) > 0 {
		return fmt.Errorf("too much would change: %s", strings.Join(over, ", "))
	}
	return nil
}

// progress shows on a terminal how far a file has been read.
type progress struct {
	w          io.Writer
	size, read int64
	events     int
	last       time.Time
	on         bool
}

func (p *progress) add(n int) {
	p.read += int64(n)
	p.events++
	if p.on && time.Since(p.last) > 200*time.Millisecond {
		p.last = time.Now()
		fmt.Fprintf(p.w, "\r%d decisions, %.0f %% ", p.events, 100*float64(p.read)/float64(max(p.size, p.read)))
	}
}

func (p *progress) done() {
	if p.on && !p.last.IsZero() {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}
