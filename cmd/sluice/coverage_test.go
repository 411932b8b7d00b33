package main

import (
	"flag"
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/sluicegate/sluice/runtime/config"
	"github.com/sluicegate/sluice/runtime/control"
	"github.com/sluicegate/sluice/runtime/filter"
	"github.com/sluicegate/sluice/runtime/server"
	"github.com/sluicegate/sluice/runtime/wire"
)

var update = flag.Bool("update", false, "write the golden files anew")

// What check prints of the quickstart's filters is what the committed page says, and fits a terminal of 80 columns.
func TestCoverageOfQuickstart(t *testing.T) {
	quiet := func(config.Log) *slog.Logger { return slog.New(slog.DiscardHandler) }
	o := control.Options{Config: "../../examples/quickstart/sluice.yaml", CacheDir: t.TempDir(), Shapes: server.Shapes(), Logger: quiet}
	if err := os.Chmod(o.CacheDir, 0o700); err != nil {
		t.Fatal(err)
	}
	r, err := control.Check(t.Context(), o, false)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	printCovered(&b, r.Coverage)
	printCoverage(&b, r.Coverage)
	const golden = "testdata/coverage.golden"
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got := b.String(); got != string(want) {
		t.Errorf("the coverage is not that of %s; if it should be this, go test ./cmd/sluice -run CoverageOfQuickstart -update:\n%s", golden, got)
	}
	for line := range strings.Lines(b.String()) {
		if len(line) > 81 {
			t.Errorf("over 80 columns: %s", line)
		}
	}
}

// Cells of filters with other hooks than the shipped one's.
func TestCoverageCells(t *testing.T) {
	row := func(in string, sees ...filter.Sight) control.CoverageRow {
		return control.CoverageRow{Operation: "chat_completions", In: in, Strings: "x", Nature: wire.Text, Sees: sees}
	}
	c := control.Coverage{Filters: []string{"judge", "all", "none"}, Rows: []control.CoverageRow{
		row(control.InRequest, filter.Reads, filter.Sees, filter.Blind),
		row(control.InAnswer, filter.Reads, filter.Sees, filter.Blind),
		row(control.InStream, filter.Buffered, filter.Buffered, filter.Blind),
	}}
	var b strings.Builder
	printCovered(&b, c)
	printCoverage(&b, c)
	for _, want := range []string{
		"  coverage            judge                                                   all                                      none\n",
		"    chat_completions  requests (reads), answers (reads), streams (buffered)  requests, answers, streams (buffered)  nothing\n",
		"    x                                       reads           yes           no\n",
		"    x                                       reads/buffered  yes/buffered  no\n",
	} {
		if !strings.Contains(squeezed(b.String()), squeezed(want)) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
	b.Reset()
	if printCovered(&b, control.Coverage{}); b.Len() > 0 {
		t.Errorf("without a filter: %s", b.String())
	}
}

// squeezed is s with single spaces.
func squeezed(s string) string { return strings.Join(strings.Fields(s), " ") }
