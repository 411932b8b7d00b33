package policy

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/sluicegate/sluice/runtime/exchange"
	"github.com/sluicegate/sluice/runtime/strictjson"
)

// Bounds of recorded inputs. Over them nothing is cut off silently: it is a fault that says what to leave out.
const (
	maxRecordedBytes = 64 << 20
	maxRecorded      = 10_000
	recordedTime     = 10 * time.Second
	maxRecordedFault = 10 // told one by one
)

// Corpus is inputs of the past, which a policy must decide on before it goes live.
type Corpus struct {
	events []corpusEvent
	digest string
}

// corpusEvent is one event with its place.
type corpusEvent struct {
	file string
	line int
	text []byte
}

// CorpusReport tells what became of recorded inputs.
type CorpusReport struct {
	Asked   int            // inputs that were decided on
	Alike   int            // of them, those for which decision read just what it had read for one before: answers from the memo
	Skipped map[string]int // by why, as in ReplayReport
}

// ReadCorpus reads recorded inputs: a file of events of the decision log, one a line, or a folder of single events, *.json.
// Of an event, `input` must be there; `path` is sluice/decision where it is absent.
func ReadCorpus(name string) (*Corpus, error) {
	r, sum, left := &Corpus{}, sha256.New(), int64(maxRecordedBytes)
	files, folder, err := corpusFiles(name)
	if err != nil {
		return nil, fmt.Errorf("reading the recorded inputs: %w", err)
	}
	for _, file := range files {
		body, err := readBounded(file, left)
		if err != nil {
			return nil, fmt.Errorf("reading the recorded inputs: %w", err)
		}
		left -= int64(len(body))
		r.add(filepath.ToSlash(file), body, folder)
		fmt.Fprintf(sum, "%d %s %d ", len(file), file, len(body)) // lengths, so that no two sets run together
		sum.Write(body)
	}
	switch {
	case len(r.events) == 0:
		return nil, fmt.Errorf("reading the recorded inputs: %s has none; give a file of decision log events, or a folder of them, *.json", name)
	case len(r.events) > maxRecorded:
		return nil, fmt.Errorf("reading the recorded inputs: %d, over the bound of %d; keep a sample of them", len(r.events), maxRecorded)
	}
	r.digest = hex.EncodeToString(sum.Sum(nil))
	return r, nil
}

// Digest is the hex SHA-256 of paths and contents; "" of nil.
func (r *Corpus) Digest() string {
	if r == nil {
		return ""
	}
	return r.digest
}

// corpusFiles are the files of a path, sorted, and whether it is a folder.
func corpusFiles(name string) (files []string, folder bool, err error) {
	info, err := os.Stat(name)
	if err != nil || !info.IsDir() {
		return []string{name}, false, err
	}
	files, err = filepath.Glob(filepath.Join(name, "*.json"))
	return files, true, err
}

// readBounded reads a regular file of at most so many bytes.
func readBounded(name string, limit int64) ([]byte, error) {
	info, err := os.Stat(name)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is no regular file", name)
	case info.Size() > limit:
		return nil, fmt.Errorf("%s: over %d MiB in all; keep a sample of them", name, maxRecordedBytes>>20)
	}
	return os.ReadFile(name)
}

func (r *Corpus) add(file string, body []byte, single bool) {
	if single {
		r.events = append(r.events, corpusEvent{file, 1, body})
		return
	}
	for i, line := range bytes.Split(body, []byte("\n")) {
		if line = bytes.TrimSpace(line); len(line) > 0 {
			r.events = append(r.events, corpusEvent{file, i + 1, line})
		}
	}
}

// Try asks the policy about recorded inputs, past the memo. Each must give a defined decision that is one; else the error
// is Faults, at the places of the events. Inputs that lack what was masked or erased are passed over and counted, but
// some must be left, or nothing was proven.
func (p *Policy) Try(ctx context.Context, r *Corpus) (CorpusReport, error) {
	t := &trial{p: p, seen: map[memoKey]bool{}, report: CorpusReport{Skipped: map[string]int{}}}
	begun := time.Now()
	for i := range r.events {
		if time.Since(begun) > recordedTime {
			return t.report, Faults{r.events[i].fault("only %d of %d recorded inputs were decided on within %v; keep fewer, or make the policy faster", i, len(r.events), recordedTime)}
		}
		t.event(ctx, &r.events[i])
		if ctx.Err() != nil {
			return t.report, ctx.Err()
		}
	}
	switch {
	case t.failed > maxRecordedFault:
		t.faults[len(t.faults)-1].Message += fmt.Sprintf(" (and %d more recorded inputs fail)", t.failed-maxRecordedFault)
		return t.report, t.faults
	case t.failed > 0:
		return t.report, t.faults
	case t.report.Asked == 0:
		return t.report, Faults{r.events[0].fault("none of the %d recorded inputs can be decided on: %s; record some that can", len(r.events), skippedWords(t.report.Skipped))}
	}
	return t.report, nil
}

// trial is one Try.
type trial struct {
	recording
	p      *Policy
	seen   map[memoKey]bool // what decision read
	report CorpusReport
	faults Faults
	failed int
}

// event asks about one event and notes what came of it.
func (t *trial) event(ctx context.Context, e *corpusEvent) {
	skipped, err := t.try(ctx, e)
	if skipped != "" {
		t.report.Skipped[skipped]++
		return
	}
	t.report.Asked++
	if err == nil {
		return
	}
	if t.failed++; t.failed <= maxRecordedFault {
		t.faults = append(t.faults, e.fault("%v", err))
	}
}

// skippedWords lists counts by why.
func skippedWords(skipped map[string]int) string {
	var words []string
	for _, why := range []string{SkipForeign, SkipErased, SkipMasked, SkipCalls, SkipDenied, SkipMalformed} {
		if n := skipped[why]; n > 0 {
			words = append(words, fmt.Sprintf("%d %s", n, why))
		}
	}
	return strings.Join(words, ", ")
}

func (e *corpusEvent) fault(format string, args ...any) Fault {
	return Fault{File: e.file, Line: e.line, Col: 1, Message: fmt.Sprintf(format, args...)}
}

// try asks about one event. It tells why the event was passed over, or what is wrong.
func (t *trial) try(ctx context.Context, e *corpusEvent) (skipped string, err error) {
	doc, err := strictjson.Parse(e.text, recordedLimits)
	if err != nil {
		return "", fmt.Errorf("no event of the decision log: %w", err)
	}
	if hasBeyond(e.text) {
		return SkipMalformed, nil
	}
	defer doc.Release()
	event := doc.Root()
	r := &recorded{event: event, input: event.Get("input"), id: event.Get("decision_id"), admit: event.Get("path").Is("sluice/admit")}
	path := event.Get("path")
	switch {
	case path.Kind() != strictjson.Invalid && !r.admit && !path.Is("sluice/decision"):
		return SkipForeign, nil
	case contains(event.Get("masked"), ofInput):
		return SkipMasked, nil
	case contains(event.Get("erased"), beyondText):
		return SkipErased, nil
	case r.input.Kind() != strictjson.Object:
		return "", errors.New("no event of the decision log: input must be an object")
	case t.p.log.text && !r.admit && r.input.Get("prompt").Get("text").Kind() == strictjson.Invalid:
		return SkipErased, nil
	}
	r.model, t.calls = r.input.Get("model").Str(), callsOf(event.Get("nd_builtin_cache"))
	err = t.ask(ctx, r)
	switch {
	case errors.Is(err, errNotFiltered):
		return SkipDenied, nil
	case errors.Is(err, errNotRecorded):
		return SkipCalls, nil
	case err != nil:
		return "", fmt.Errorf("recorded input %s: %w", cmp.Or(r.id.Str(), "without a decision_id"), err)
	}
	return "", nil
}

// ask asks both entry points as the gateway does. A model may be one that is configured now, or was then.
func (t *trial) ask(ctx context.Context, e *recorded) error {
	admit, decide := t.p.admit, t.p.decide
	if admit != nil {
		a, err := offline(ctx, admit, t.input(admit.plan, e.input).Value, t.calls, how[exchange.Admission]{within: explainTime, result: admit.result})
		switch {
		case errors.Is(err, errUndefined): // admits with all filters
		case err != nil:
			return err
		case !a.Allowed:
			return nil
		}
	}
	if e.admit {
		return errNotFiltered
	}
	if decide.memo != nil {
		t.key = t.appendKids(t.key[:0], decide.plan, e.input)
		key := memoKey(sha256.Sum256(t.key))
		if t.seen[key] {
			t.report.Alike++
		}
		t.seen[key] = true
	}
	d, err := offline(ctx, decide, t.input(decide.plan, e.input).Value, t.calls, how[exchange.Decision]{within: explainTime, result: t.p.anyModel})
	switch {
	case errors.Is(err, errUndefined):
		return fmt.Errorf("%s is undefined for it; give it a default", decide.rule)
	case err != nil:
		return err
	case d.Allowed && len(d.Models) == 0 && e.model == "":
		return errNoModel
	}
	return t.p.knows(d.Models, e)
}

// knows tells whether all models are configured, now or at the event's time.
func (p *Policy) knows(models []string, e *recorded) error {
	for i, name := range models {
		if !slices.Contains(p.names.models, name) && e.input.Get("models").Get(name).Kind() == strictjson.Invalid {
			return fmt.Errorf("decision.models[%d]: names no model that is configured now or was then", i)
		}
	}
	return nil
}

// anyModel reads a decision that may name any model.
func (p *Policy) anyModel(v ast.Value) (exchange.Decision, error) {
	n := p.names
	n.any = true
	return n.decision(v)
}
