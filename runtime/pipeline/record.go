package pipeline

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/sluicegate/sluice/runtime/audit"
	"github.com/sluicegate/sluice/runtime/exchange"
	"github.com/sluicegate/sluice/runtime/filter"
	"github.com/sluicegate/sluice/runtime/wire"
)

var errNotReady = exchange.Fail(exchange.StageAccept, wire.Overloaded, "the gateway is starting; try again", nil)

// notReady answers before the first generation.
func notReady(s exchange.Surface, c Caller) {
	_ = c.Reply(errNotReady.Fault.HTTPStatus(), []Header{{"Retry-After", "1"}}, s.Error(nil, errNotReady.Fault))
}

// ended sets how the exchange ended, once: the first word is the true one.
func (r *run) ended(o exchange.Outcome) {
	r.speaking.Lock()
	defer r.speaking.Unlock()
	r.end(o)
}

// end is ended for who speaks.
func (r *run) end(o exchange.Outcome) {
	r.told = true
	if r.x.Outcome.Kind == "" {
		r.x.Outcome = o
	}
}

// finish runs once for every exchange, whatever happened: it waits for the end of the upstream's stream, which may
// go on for others, writes the record, counts, logs, and gives back what the exchange held.
func (r *run) finish() {
	if r.produced != nil {
		<-r.produced
	}
	x := r.x
	r.ended(exchange.Outcome{Kind: exchange.Failed, Code: wire.Internal, Status: 500})
	r.bill()
	if m := r.snap.Models[x.Model]; m != nil && (x.Cache == exchange.CacheMiss || x.Cache == exchange.CacheBypass) {
		x.Cost = m.cost(x.Endpoint, x.Usage)
	}
	end := time.Now()
	r.record(end)
	r.p.Metrics.Observe(x, end)
	r.log(end)
	if r.pass != nil {
		r.pass.Close()
	}
	if x.Request != nil {
		x.Request.Doc.Release()
	}
	r.lay()
}

// record hands the audit record over: to the place reserved, or, for a caller who is not known, beside it.
func (r *run) record(end time.Time) {
	x := r.x
	rec := audit.Record{
		ID: x.ID, Kind: "exchange", Start: x.Start, End: end, Principal: x.Principal, ClientIP: x.Client.IP,
		Operation: x.Operation, Model: x.Model, Endpoint: x.Endpoint, DecisionID: x.Decision.ID, Policy: r.snap.Policy.Revision(),
		Reasons: x.Decision.Reasons, Filters: x.Filters, Generation: x.Generation, Attempts: x.Attempts, Usage: x.Usage,
		Cost: x.Cost, Cache: x.Cache, Outcome: x.Outcome, Notes: x.Decision.Annotations, Candidates: r.considered, Stages: r.clock.laps,
	}
	if len(rec.Reasons) == 0 {
		rec.Reasons = x.Admission.Reasons
	}
	if x.Request != nil {
		rec.Stream = x.Request.Stream
		rec.ModelAsked = r.asked(x.Request.Model)
	}
	if r.pass != nil {
		rec.Redacted, rec.RedactedIn = r.pass.Redactions(filter.OnRequest), r.pass.Redactions(filter.OnAnswer)
		r.p.Metrics.Redacted("request", rec.Redacted)
		r.p.Metrics.Redacted("answer", rec.RedactedIn)
	}
	if !r.reserved {
		r.snap.Audit.Stray(&rec)
		return
	}
	r.slot.Commit(&rec)
}

// asked is the model asked for as the record may name it: a configured name, or a word that looks like one. Anything else
// is the caller's text, which may hold what records never do.
func (r *run) asked(model string) string {
	if model == "" || r.snap.Models[model] != nil || modelName(model) {
		return model
	}
	return "(not a model's name)"
}

// modelName tells whether s looks like the name of a model, such as meta/llama-3.3:70b: at most 64 of the characters
// that names are made of, and not nine digits in a row, dashes and dots between them not counted, as in numbers of cards,
// phones and people.
func modelName(s string) bool {
	digits := 0
	for i := range len(s) {
		switch c := s[i]; {
		case '0' <= c && c <= '9':
			digits++
		case c == '-' || c == '.':
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', c == '_', c == ':', c == '/':
			digits = 0
		default:
			return false
		}
		if digits == 9 {
			return false
		}
	}
	return len(s) <= 64
}

// log writes the access line. The record goes to the handler itself: the Logger would look up this line's place in the
// source for each.
func (r *run) log(end time.Time) {
	ctx, handler := context.Background(), r.p.Logger.Handler()
	if !r.p.Access || !handler.Enabled(ctx, slog.LevelInfo) {
		return
	}
	x := r.x
	tenant := ""
	if x.Principal != nil {
		tenant = x.Principal.Tenant
	}
	line := slog.NewRecord(end, slog.LevelInfo, "exchange", 0)
	line.AddAttrs(
		slog.String("id", x.ID), slog.String("operation", string(x.Operation)), slog.String("tenant", tenant),
		slog.String("model", x.Model), slog.String("endpoint", x.Endpoint), slog.String("cache", string(x.Cache)),
		slog.String("outcome", string(x.Outcome.Kind)), slog.String("code", string(x.Outcome.Code)),
		slog.Int("status", x.Outcome.Status), slog.Duration("took", end.Sub(x.Start)))
	_ = handler.Handle(ctx, line) // a log that cannot be written has nowhere to say so
}

// logFault logs a breakage with its cause. A verdict is in the access line and the record already.
func (p *Pipeline) logFault(x *exchange.Exchange, e *exchange.Error) {
	if e.Fault.HTTPStatus() < 500 && !errors.Is(e.Cause, errRevoked) {
		return
	}
	cause := ""
	if e.Cause != nil {
		cause = e.Cause.Error()
	}
	p.Logger.Warn("exchange failed", "id", x.ID, "stage", string(e.Stage), "code", string(e.Fault.Code), "cause", cause)
}
