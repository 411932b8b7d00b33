package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluicegate/sluice/runtime/config"
	"github.com/sluicegate/sluice/runtime/control"
)

func explainCommand() *cobra.Command {
	var o control.Options
	var asJSON, all bool
	c := &cobra.Command{
		Use:   "explain ID",
		Short: "Tell why a decision was as it was, by the x-sluice-decision-id or x-request-id of an answer",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errors.New("explain takes one id: the x-sluice-decision-id or the x-request-id of an answer")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			o.Logger = func(config.Log) *slog.Logger {
				return slog.New(slog.NewTextHandler(c.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelWarn}))
			}
			e, err := control.Explain(c.Context(), o, args[0])
			switch {
			case errors.Is(err, control.ErrNoDecisions), errors.Is(err, control.ErrUnknownDecision):
				return fmt.Errorf("%s: %w", args[0], err)
			case err != nil:
				return missing(o.Config, err)
			case asJSON:
				return writeJSON(c.OutOrStdout(), e)
			}
			printExplained(c.OutOrStdout(), e, all)
			return nil
		},
	}
	configFlag(c, &o.Config)
	cacheFlag(c, &o.CacheDir)
	c.Flags().BoolVar(&asJSON, "json", false, "print everything as one JSON object")
	c.Flags().BoolVarP(&all, "verbose", "v", false, "print the rules that did not fire, too, where something failed in them")
	return c
}

// toldEvent is what is told of an event in words.
type toldEvent struct {
	ID    string `json:"decision_id"`
	Time  time.Time
	Input struct {
		Principal struct {
			ID, Tenant string
			Roles      []string
		}
		Operation, Model string
	}
	Result struct {
		Allowed         bool
		Message         string
		Reasons, Models []string
	}
	Error struct{ Message string }
}

// toldRecord is what is told of an audit record in words.
type toldRecord struct {
	Start, End             time.Time
	Model, Endpoint, Cache string
	Outcome, Code          string
	Status                 int
	RedactedRequest        map[string]int `json:"redacted_request"`
	RedactedAnswer         map[string]int `json:"redacted_answer"`
	Filters                []struct{ Name, Version string }
	Attempts               []struct {
		Model, Endpoint, Code string
		Status                int
		US                    int64
	}
	Stages stageTimes `json:"stages_us"`
}

// printExplained writes it for a person.
func printExplained(w io.Writer, e control.Explained, all bool) {
	var told toldEvent
	_ = json.Unmarshal(e.Event, &told) // it was read before
	p := told.Input.Principal
	fmt.Fprintf(w, "decision %s\n  %s of tenant %s (%s) asked for %s, model %q\n", told.ID, p.ID, p.Tenant, strings.Join(p.Roles, ", "),
		told.Input.Operation, told.Input.Model)
	switch {
	case told.Error.Message != "":
		fmt.Fprintf(w, "  policy %s gave no valid decision: %s\n", e.Then, told.Error.Message)
	case told.Result.Allowed:
		fmt.Fprintf(w, "  policy %s allowed it, models in order: %s\n", e.Then, strings.Join(told.Result.Models, ", "))
	default:
		fmt.Fprintf(w, "  policy %s denied it: %s: %s\n", e.Then, strings.Join(told.Result.Reasons, ", "), told.Result.Message)
	}
	printRecord(w, e.Record)
	printCandidates(w, e.Candidates)
	printKey(w, e.CacheKey)
	if e.Then != e.Now {
		fmt.Fprintf(w, "\nThe policy has changed since: what follows is what the current one, %s, makes of it.\n", e.Now)
	}
	printExplanation(w, e.Admit, all)
	printExplanation(w, e.Decision, all)
}

// printRecord writes what became of the exchange.
func printRecord(w io.Writer, record json.RawMessage) {
	var r toldRecord
	if record == nil || json.Unmarshal(record, &r) != nil {
		return
	}
	fmt.Fprintf(w, "  %s, status %d", r.Outcome, r.Status)
	if r.Code != "" {
		fmt.Fprintf(w, ", %s", r.Code)
	}
	fmt.Fprintf(w, ", after %s\n", r.End.Sub(r.Start).Round(time.Microsecond))
	if len(r.Stages) > 0 {
		fmt.Fprintf(w, "  time    %s\n", r.Stages)
	}
	for _, f := range r.Filters {
		fmt.Fprintf(w, "  filter  %s\n", strings.TrimSpace(f.Name+" "+f.Version))
	}
	for _, side := range []struct {
		name   string
		counts map[string]int
	}{{"request", r.RedactedRequest}, {"answer", r.RedactedAnswer}} {
		for _, kind := range sortedByCount(side.counts) {
			fmt.Fprintf(w, "  found   %s in the %s: %d\n", kind, side.name, side.counts[kind])
		}
	}
	for _, a := range r.Attempts {
		fmt.Fprintf(w, "  tried   %s at %s: status %d %s in %s\n", a.Model, a.Endpoint, a.Status, a.Code, time.Duration(a.US)*time.Microsecond)
	}
}
