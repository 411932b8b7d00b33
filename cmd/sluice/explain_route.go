package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/sluicegate/sluice/runtime/control"
)

// fateWords say what became of a candidate.
var fateWords = map[string]string{
	control.FateAnswered: "answered", control.FateCached: "answered from the cache", control.FateFailed: "failed",
	control.FateNotReached: "not reached", control.FatePassed: "passed over", control.FateNotChosen: "not chosen",
}

// printCandidates writes who might have served the request, a line each, and what became of it.
func printCandidates(w io.Writer, candidates []control.ToldCandidate) {
	if len(candidates) == 0 {
		return
	}
	fmt.Fprintln(w, "\ncandidates, in order")
	t := table(w)
	for _, c := range candidates {
		name, fate := c.Model, fateWords[c.Fate]
		if c.Endpoint != "" {
			name += " at " + c.Endpoint
		}
		if c.State != "" && c.Fate != control.FatePassed && c.State != "ready" {
			fate += " (" + c.State + ")"
		}
		fmt.Fprintf(t, "  %s\t%s\t%s\n", name, fate, c.Why)
	}
	_ = t.Flush() // as in greet
}

// printKey writes what the cache went by.
func printKey(w io.Writer, k *control.ToldKey) {
	if k == nil {
		return
	}
	fmt.Fprintf(w, "\ncache: %s, the decision says %s\n", orDash(k.Status), k.Mode)
	if k.Scope == "" {
		return
	}
	t := table(w)
	fmt.Fprintf(t, "  scope\t%s %s\n  operation\t%s\n  model\t%s, definition sha256:%.12s\n", k.Scope, k.Of, k.Operation, k.Model, k.ModelDigest)
	for _, f := range k.Filters {
		fmt.Fprintf(t, "  filter\t%s, module sha256:%.12s\n", strings.TrimSpace(f.Name+" "+f.Version), f.Digest)
	}
	if len(k.Facts) > 0 {
		fmt.Fprintf(t, "  facts\t%s\n", strings.Join(k.Facts, ", "))
	}
	fmt.Fprintf(t, "  body\t%s\n", k.Body)
	_ = t.Flush() // as above
}

// stageTimes are the times of the stages, in their order.
type stageTimes []string

// UnmarshalJSON keeps the order of the members, which a map would lose.
func (s *stageTimes) UnmarshalJSON(b []byte) error {
	dec := json.NewDecoder(bytes.NewReader(b))
	if _, err := dec.Token(); err != nil { // {
		return err
	}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return err
		}
		var us int64
		if err := dec.Decode(&us); err != nil {
			return err
		}
		*s = append(*s, fmt.Sprintf("%v %v", name, time.Duration(us)*time.Microsecond))
	}
	return nil
}

// String is the times on one line.
func (s stageTimes) String() string { return strings.Join(s, ", ") }
