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
	report := CorpusReport{Skipped: map[string]int{}}
	var faults Faults
	failed, begun := 0, time.Now()
	for i := range r.events {
		if time.Since(begun) > recordedTime {
			return report, Faults{r.events[i].fault("only %d of %d recorded inputs were decided on within %v; keep fewer, or make the policy faster", i, len(r.events), recordedTime)}
		}
		f, skipped := p.try(ctx, &r.events[i])
		switch {
		case ctx.Err() != nil:
			return report, ctx.Err()
		case skipped != "":
			report.Skipped[skipped]++
		default:
			report.Asked++
		}
		if f == nil {
			continue
		}
		if failed++; failed <= maxRecordedFault {
			faults = append(faults, *f)
		}
	}
	switch {
	case failed > maxRecordedFault:
		last := &faults[len(faults)-1]
		last.Message += fmt.Sprintf(" (and %d more recorded inputs fail)", failed-maxRecordedFault)
		return report, faults
	case failed > 0:
		return report, faults
	case report.Asked == 0:
		return report, Faults{r.events[0].fault("none of the %d recorded inputs can be decided on: %s; record some that can", len(r.events), skippedWords(report.Skipped))}
	}
	return report, nil
}

// skippedWords lists counts by why.
func skippedWords(skipped map[string]int) string {
	var words []string
	for _, why := range []string{SkipForeign, SkipErased, SkipMasked, SkipDenied} {
		if n := skipped[why]; n > 0 {
			words = append(words, fmt.Sprintf("%d %s", n, why))
		}
	}
	return strings.Join(words, ", ")
}

func (e *corpusEvent) fault(format string, args ...any) Fault {
	return Fault{File: e.file, Line: e.line, Col: 1, Message: fmt.Sprintf(format, args...)}
}

// try asks about one event. It gives a fault, or why the event was passed over, or neither.
func (p *Policy) try(ctx context.Context, e *corpusEvent) (fault *Fault, skipped string) {
	bad := func(format string, args ...any) (*Fault, string) {
		f := e.fault(format, args...)
		return &f, ""
	}
	doc, err := strictjson.Parse(e.text, recordedLimits)
	if err != nil {
		return bad("no event of the decision log: %v", err)
	}
	defer doc.Release()
	event := doc.Root()
	r := &recorded{event: event, input: event.Get("input"), id: event.Get("decision_id"), admit: event.Get("path").Is("sluice/admit")}
	path := event.Get("path")
	switch {
	case path.Kind() != strictjson.Invalid && !r.admit && !path.Is("sluice/decision"):
		return nil, SkipForeign
	case contains(event.Get("masked"), ofInput):
		return nil, SkipMasked
	case contains(event.Get("erased"), beyondText):
		return nil, SkipErased
	case r.input.Kind() != strictjson.Object:
		return bad("no event of the decision log: input must be an object")
	case p.log.text && !r.admit && r.input.Get("prompt").Get("text").Kind() == strictjson.Invalid:
		return nil, SkipErased
	}
	r.model = r.input.Get("model").Str()
	err = p.tryInput(ctx, r)
	switch {
	case errors.Is(err, errNotFiltered):
		return nil, SkipDenied
	case err != nil:
		return bad("recorded input %s: %v", cmp.Or(r.id.Str(), "without a decision_id"), err)
	}
	return nil, ""
}

// tryInput asks both entry points as the gateway does. A model may be one that is configured now, or was then.
func (p *Policy) tryInput(ctx context.Context, e *recorded) error {
	var r recording
	if p.admit != nil {
		a, err := p.admit.evaluateIn(ctx, r.input(p.admit.plan, e.input).Value, explainTime, p.admit.result)
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
	d, err := p.decide.evaluateIn(ctx, r.input(p.decide.plan, e.input).Value, explainTime, p.anyModel)
	if errors.Is(err, errUndefined) {
		return fmt.Errorf("%s is undefined for it; give it a default", p.decide.rule)
	}
	if err != nil {
		return err
	}
	for i, name := range d.Models {
		if !slices.Contains(p.names.models, name) && e.input.Get("models").Get(name).Kind() == strictjson.Invalid {
			return fmt.Errorf("decision.models[%d]: names no model that is configured now or was then", i)
		}
	}
	if d.Allowed && len(d.Models) == 0 && e.model == "" {
		return errNoModel
	}
	return nil
}

// anyModel reads a decision that may name any model.
func (p *Policy) anyModel(v ast.Value) (exchange.Decision, error) {
	n := p.names
	n.any = true
	return n.decision(v)
}
