package audit

import (
	"encoding/json"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/sluicegate/sluice/runtime/exchange"
	"github.com/sluicegate/sluice/runtime/wire"
)

// Record is one line of the audit log. It never holds text of a prompt or an answer.
type Record struct {
	ID         string
	Kind       string // "exchange", "control", or "sum" of unauthenticated exchanges
	Start, End time.Time
	Principal  *exchange.Principal // nil: not known
	ClientIP   netip.Addr
	Operation  wire.Operation
	Stream     bool
	ModelAsked string
	Model      string
	Endpoint   string
	DecisionID string
	Policy     string // revision
	Reasons    []string
	Filters    []exchange.FilterRun
	Generation uint64
	Redacted   map[string]int // spans edited in the request, by kind
	RedactedIn map[string]int // spans edited in the answer, by kind
	Attempts   []exchange.Attempt
	Candidates []exchange.Candidate // that were considered; nil where there was no choice
	Stages     []exchange.Lap       // the time of each stage
	Usage      wire.Usage
	Cost       float64 // USD
	Cache      exchange.CacheStatus
	Outcome    exchange.Outcome
	Notes      map[string]string // the decision's annotations; of a control call what was called and from where
	Count      int64             // of a sum: how many, with the one code
}

// append adds the record as one line of JSON. Members without a value are left out.
func (r *Record) append(b []byte) []byte {
	w := line{b: append(b, '{')}
	w.text("kind", r.Kind)
	w.text("id", r.ID)
	w.time("start", r.Start)
	w.time("end", r.End)
	if r.Principal != nil {
		w.text("principal", r.Principal.ID)
		w.text("tenant", r.Principal.Tenant)
		w.text("auth", r.Principal.Method)
	}
	if r.ClientIP.IsValid() {
		w.key("client_ip")
		w.b = append(r.ClientIP.WithZone("").AppendTo(append(w.b, '"')), '"') // a zone is the caller's text, or this host's
	}
	w.text("operation", string(r.Operation))
	w.flag("stream", r.Stream)
	w.text("model_asked", r.ModelAsked)
	w.text("model", r.Model)
	w.text("endpoint", r.Endpoint)
	w.text("decision_id", r.DecisionID)
	w.text("policy", r.Policy)
	w.list("reasons", r.Reasons)
	r.appendFilters(&w)
	w.number("generation", int64(r.Generation))
	w.counts("redacted_request", r.Redacted)
	w.counts("redacted_answer", r.RedactedIn)
	r.appendAttempts(&w)
	r.appendCandidates(&w)
	r.appendStages(&w)
	r.appendUsage(&w)
	w.text("cache", string(r.Cache))
	w.text("outcome", string(r.Outcome.Kind))
	w.text("code", string(r.Outcome.Code))
	w.number("status", int64(r.Outcome.Status))
	w.notes("notes", r.Notes)
	w.number("count", r.Count)
	return append(w.b, '}', '\n')
}

func (r *Record) appendFilters(w *line) {
	if len(r.Filters) == 0 {
		return
	}
	w.key("filters")
	w.b = append(w.b, '[')
	for i, f := range r.Filters {
		if i > 0 {
			w.b = append(w.b, ',')
		}
		w.b = append(w.b, '{')
		w.text("name", f.Name)
		w.text("version", f.Version)
		w.text("digest", f.Digest)
		w.b = append(w.b, '}')
	}
	w.b = append(w.b, ']')
}

func (r *Record) appendAttempts(w *line) {
	if len(r.Attempts) == 0 {
		return
	}
	w.key("attempts")
	w.b = append(w.b, '[')
	for i := range r.Attempts {
		a := &r.Attempts[i]
		if i > 0 {
			w.b = append(w.b, ',')
		}
		w.b = append(w.b, '{')
		w.text("model", a.Model)
		w.text("endpoint", a.Endpoint)
		w.text("code", string(a.Code))
		w.number("status", int64(a.Status))
		w.number("us", a.Duration.Microseconds())
		w.b = append(w.b, '}')
	}
	w.b = append(w.b, ']')
}

// maxCandidates bounds a record: a model may have any number of endpoints.
const maxCandidates = 64

func (r *Record) appendCandidates(w *line) {
	if len(r.Candidates) == 0 {
		return
	}
	w.key("candidates")
	w.b = append(w.b, '[')
	for i := range r.Candidates[:min(len(r.Candidates), maxCandidates)] {
		c := &r.Candidates[i]
		if i > 0 {
			w.b = append(w.b, ',')
		}
		w.b = append(w.b, '{')
		w.text("model", c.Model)
		w.text("endpoint", c.Endpoint)
		w.text("state", string(c.State))
		w.b = append(w.b, '}')
	}
	w.b = append(w.b, ']')
}

// appendStages adds the stages' times, in microseconds, in their order.
func (r *Record) appendStages(w *line) {
	if len(r.Stages) == 0 {
		return
	}
	w.key("stages_us")
	w.b = append(w.b, '{')
	for _, l := range r.Stages {
		w.key(string(l.Stage))
		w.b = strconv.AppendInt(w.b, l.Took.Microseconds(), 10)
	}
	w.b = append(w.b, '}')
}

func (r *Record) appendUsage(w *line) {
	if !r.Usage.Known && !r.Usage.Estimated {
		return
	}
	w.key("usage")
	w.b = append(w.b, '{')
	w.number("input", r.Usage.Input)
	w.number("output", r.Usage.Output)
	w.number("cached", r.Usage.Cached)
	if r.Usage.Estimated {
		w.key("estimated")
		w.b = append(w.b, "true"...)
	}
	w.b = append(w.b, '}')
	if r.Cost > 0 && !math.IsInf(r.Cost, 1) { // JSON has no infinity
		w.key("cost_usd")
		w.b = strconv.AppendFloat(w.b, r.Cost, 'g', -1, 64)
	}
}

// line writes one JSON object.
type line struct{ b []byte }

// key begins a member. Names are this package's own words.
func (w *line) key(name string) {
	if w.b[len(w.b)-1] != '{' {
		w.b = append(w.b, ',')
	}
	w.b = append(append(append(w.b, '"'), name...), '"', ':')
}

func (w *line) text(name, value string) {
	if value == "" {
		return
	}
	w.key(name)
	w.quoted(value)
}

// quoted appends a JSON string. Plain ASCII, which nearly every value is, is copied as it stands.
func (w *line) quoted(s string) {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c > '~' {
			q, _ := json.Marshal(s) // a string never fails
			w.b = append(w.b, q...)
			return
		}
	}
	w.b = append(append(append(w.b, '"'), s...), '"')
}

func (w *line) number(name string, n int64) {
	if n != 0 {
		w.key(name)
		w.b = strconv.AppendInt(w.b, n, 10)
	}
}

func (w *line) flag(name string, on bool) {
	if on {
		w.key(name)
		w.b = append(w.b, "true"...)
	}
}

func (w *line) time(name string, t time.Time) {
	if !t.IsZero() {
		w.key(name)
		w.b = append(t.UTC().AppendFormat(append(w.b, '"'), time.RFC3339Nano), '"')
	}
}

func (w *line) list(name string, values []string) {
	if len(values) == 0 {
		return
	}
	w.key(name)
	w.b = append(w.b, '[')
	for i, v := range values {
		if i > 0 {
			w.b = append(w.b, ',')
		}
		w.quoted(v)
	}
	w.b = append(w.b, ']')
}

func (w *line) counts(name string, m map[string]int) {
	if len(m) == 0 {
		return
	}
	w.key(name)
	w.b = append(w.b, '{')
	var few [8]string
	for i, k := range sorted(few[:0], m) {
		if i > 0 {
			w.b = append(w.b, ',')
		}
		w.quoted(k)
		w.b = strconv.AppendInt(append(w.b, ':'), int64(m[k]), 10)
	}
	w.b = append(w.b, '}')
}

// sorted appends the keys of a map in order. It spares the allocations that iterators make.
func sorted[V any](keys []string, m map[string]V) []string {
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func (w *line) notes(name string, m map[string]string) {
	if len(m) == 0 {
		return
	}
	w.key(name)
	w.b = append(w.b, '{')
	var few [8]string
	for i, k := range sorted(few[:0], m) {
		if i > 0 {
			w.b = append(w.b, ',')
		}
		w.quoted(k)
		w.b = append(w.b, ':')
		w.quoted(m[k])
	}
	w.b = append(w.b, '}')
}
