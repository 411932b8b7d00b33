package filter

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sluicegate/sluice/runtime/exchange"
	"github.com/sluicegate/sluice/runtime/filter/token"
	"github.com/sluicegate/sluice/runtime/strictjson"
	"github.com/sluicegate/sluice/runtime/wire"
)

// ownLabels is under what the gateway's own labels stand.
const ownLabels = "sluice"

// Request takes the request through the chain: http-wasm handlers first, then the on_request hooks, each seeing what
// those before it changed, then on_text filter by filter over every text, so that nothing is inserted unseen. It edits
// x.Request and sets x.Labels and x.Filters. A verdict is an *exchange.Error with the code rejected_by_filter and the filter's own word in
// Fault.Reason; a breakage is one with the code filter_failed.
func (p *Pass) Request(ctx context.Context) error {
	if err := p.admissible(); err != nil {
		return err
	}
	if err := p.handleRequest(ctx); err != nil {
		return err
	}
	for i := range p.runs {
		if r := &p.runs[i]; r.f.hooks&hookRequest != 0 {
			if err := r.failed(ctx, OnRequest, r.onRequest(ctx)); err != nil {
				return err
			}
		}
	}
	if p.tokenising() {
		if err := p.literals(); err != nil {
			return err
		}
	}
	for i := range p.runs {
		if r := &p.runs[i]; r.f.hooks&hookRequestText != 0 && !r.down {
			if err := r.failed(ctx, OnRequest, r.segments(ctx)); err != nil {
				return err
			}
		}
	}
	if err := p.judgeKeys(); err != nil {
		return err
	}
	p.record()
	return nil
}

// judgeKeys reads the request again where a key of an object was edited: two keys may now be equal, and then nobody
// can say what the model server reads.
func (p *Pass) judgeKeys() error {
	req := p.x.Request
	if !slices.ContainsFunc(req.Segments, func(s wire.Segment) bool { return s.Key && s.Text.Edited() }) {
		return nil
	}
	body := req.Format.Render(nil, req, wire.Rendering{Model: req.Model})
	again, err := req.Format.Request(body, strictjson.Limits{MaxBytes: len(body)})
	if err != nil {
		return exchange.Fail(exchange.StageFilter, wire.FilterFailed, "the filters' edits of the keys of an object leave no valid request", err)
	}
	again.Doc.Release()
	return nil
}

// failed is failure for what may be nil.
func (r *run) failed(ctx context.Context, d Direction, err error) error {
	if err == nil {
		return nil
	}
	return r.failure(ctx, d, err)
}

// admissible refuses what the chain can't do: content that a required text filter can't read, and streams of filters
// that need whole answers.
func (p *Pass) admissible() error {
	req := p.x.Request
	for i := range p.runs {
		f := p.runs[i].f
		if len(req.Opaque) > 0 && !p.AllowOpaque && f.Required() && f.hooks.text(OnRequest) {
			kinds := strings.Join(slices.Sorted(maps.Keys(req.Opaque)), ", ")
			return exchange.Fail(exchange.StageFilter, wire.OpaqueContent,
				fmt.Sprintf("the request has content that the required filter %q can't read (%s): send text", f.Name(), kinds), nil)
		}
		if req.Stream && f.spec.Whole == WholeRefuse && f.hooks.any(OnAnswer) {
			return &exchange.Error{Stage: exchange.StageFilter, Fault: &wire.Fault{
				Code: wire.InvalidRequest, Param: "stream",
				Message: fmt.Sprintf("the filter %q needs the whole answer: ask without stream", f.Name()),
			}}
		}
	}
	return nil
}

// Required tells whether a filter reads the request's text that may not be left out: then content which no text filter
// can read may go only to models that allow it.
func (p *Pass) Required() bool {
	return slices.ContainsFunc(p.runs, func(r run) bool { return r.f.Required() && r.f.hooks.text(OnRequest) })
}

// tokenising tells whether a filter of the pass may put tokens into the request.
func (p *Pass) tokenising() bool {
	for i := range p.runs {
		if f := p.runs[i].f; f.hooks.text(OnRequest) && f.spec.Actions.tokens() {
			return true
		}
	}
	return false
}

// tokens is the exchange's table.
func (p *Pass) tokens() *token.Table {
	if p.table == nil {
		p.table = &token.Table{Numbers: p.Numbers}
	}
	return p.table
}

// literals replaces what the caller wrote in token grammar by tokens for it, before there is any other token: each
// token in an answer is then the table's own.
func (p *Pass) literals() error {
	var spans []token.Span
	for i := range p.x.Request.Segments {
		text := p.x.Request.Segments[i].Text
		body := text.Bytes()
		find, json := token.FindLiterals, jsonText{active: p.x.Request.Segments[i].Arguments}
		if json.is(body) {
			find = token.FindLiteralsJSON
		}
		if spans = find(spans[:0], body); len(spans) == 0 {
			continue
		}
		edits := make([]strictjson.Edit, len(spans))
		for j, s := range spans {
			value := body[s.Start:s.End]
			if json.is(body) {
				value = unescaped(value)
			}
			edits[j] = strictjson.Edit{Start: s.Start, End: s.End, With: p.tokens().Tokenise(nil, token.Literal, value)}
		}
		if err := text.Edit(edits); err != nil {
			return exchange.Fail(exchange.StageFilter, wire.Internal, "internal error", fmt.Errorf("edit a literal token: %w", err))
		}
	}
	return nil
}

// segments takes a filter over every text of the request.
func (r *run) segments(ctx context.Context) error {
	segments := r.p.x.Request.Segments
	h, err := r.hold(ctx)
	if err != nil {
		return err
	}
	defer h.release()
	var arena []byte
	for i := range segments {
		s := &segments[i]
		if s.Text.Len() == 0 {
			continue
		}
		t := newProgress(OnRequest, s.Role, s.Arguments, false)
		text := s.Text.Bytes()
		r.bytes[OnRequest] += len(text)
		var edits []strictjson.Edit
		if edits, arena, err = h.whole(ctx, &t, text, arena[:0]); err != nil {
			return err
		}
		if len(edits) == 0 {
			continue
		}
		if err := s.Text.Edit(edits); err != nil {
			return fmt.Errorf("edit a text: %w", err)
		}
	}
	return nil
}

// onRequest runs the hook over the request as it stands, and makes the request anew when the hook changes it.
func (r *run) onRequest(ctx context.Context) error {
	req := r.p.x.Request
	body := req.Format.Render(nil, req, wire.Rendering{Model: req.Model})
	params, messages, err := r.body(ctx, inRequest, OnRequest, body)
	if err != nil || len(params)+len(messages) == 0 {
		return err
	}
	if body, err = req.Format.Amend(req, params, messages); err != nil {
		return fmt.Errorf("on_request: %w", err)
	}
	amended, err := req.Format.Request(body, strictjson.Limits{MaxBytes: len(body)})
	if err != nil {
		return fmt.Errorf("on_request: read the amended request: %w", err)
	}
	amended.Operation, amended.Model, amended.Stream, amended.Usage, amended.Size = req.Operation, req.Model, req.Stream, req.Usage, req.Size
	r.p.x.Request = amended
	req.Doc.Release()
	return nil
}

// body runs on_request or on_response over JSON and returns what it asks for.
func (r *run) body(ctx context.Context, s stage, d Direction, body []byte) ([]wire.Param, []wire.Message, error) {
	h, err := r.hold(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer h.release()
	r.bytes[d] += len(body)
	c := &h.in.call
	c.begin(nil, 0)
	ret, err := h.call(ctx, s, d, body)
	if err == nil && uint32(ret) != 0 {
		err = fmt.Errorf("%s returned %d", s, int32(ret))
	}
	return c.params, c.msgs, err
}

// Answer takes a whole answer through the chain: http-wasm handlers first, then on_text filter by filter over every text,
// then the on_response hooks, which judge what would be sent. What handlers write takes the place of a's content, document
// included: the old one is given back.
func (p *Pass) Answer(ctx context.Context, a *wire.Answer) error {
	if err := p.handleAnswer(ctx, a); err != nil {
		return err
	}
	for i := range p.runs {
		if r := &p.runs[i]; r.f.hooks&hookAnswerText != 0 && !r.down {
			if err := r.failed(ctx, OnAnswer, r.pieces(ctx, a)); err != nil {
				return err
			}
		}
	}
	for i := range p.runs {
		if r := &p.runs[i]; r.f.hooks&hookResponse != 0 && !r.down {
			_, _, err := r.body(ctx, inResponse, OnAnswer, a.Doc.Append(nil))
			if err := r.failed(ctx, OnAnswer, err); err != nil {
				return err
			}
		}
	}
	return nil
}

// pieces takes a filter over every text of a whole answer.
func (r *run) pieces(ctx context.Context, a *wire.Answer) error {
	h, err := r.hold(ctx)
	if err != nil {
		return err
	}
	defer h.release()
	var arena []byte
	var p parts
	continued := map[int]bool{}
	for i := range a.Pieces {
		if n := a.Pieces[i].Next; n > 0 {
			continued[n] = true
		}
		if continued[i] {
			continue
		}
		p.join(a.Pieces, i)
		text := p.text
		if len(text) == 0 {
			continue
		}
		t := newProgress(OnAnswer, wire.RoleAssistant, a.Pieces[i].Lane.Arguments, false)
		r.bytes[OnAnswer] += len(text)
		var edits []strictjson.Edit
		if edits, arena, err = h.whole(ctx, &t, text, arena[:0]); err != nil {
			return err
		}
		if len(edits) > 0 {
			p.apply(a, edits)
		}
	}
	for _, k := range a.Keys {
		t := newProgress(OnAnswer, wire.RoleAssistant, false, false)
		r.bytes[OnAnswer] += len(k.Key)
		var edits []strictjson.Edit
		if edits, arena, err = h.whole(ctx, &t, []byte(k.Key), arena[:0]); err != nil {
			return err
		}
		if len(edits) > 0 {
			k.Owner.Delete(k.Key)
		}
	}
	return nil
}

// applyEdits makes a new text.
func applyEdits(text []byte, edits []strictjson.Edit) []byte {
	size, pos := len(text), 0
	for i := range edits {
		size += len(edits[i].With)
	}
	out := make([]byte, 0, size)
	for i := range edits {
		out = append(out, text[pos:edits[i].Start]...)
		out = append(out, edits[i].With...)
		pos = edits[i].End
	}
	return append(out, text[pos:]...)
}

// count adds one finding of a kind.
func (p *Pass) count(to *map[string]int, kind string) {
	if *to == nil {
		*to = map[string]int{}
	}
	(*to)[kind]++
}

// record says in the exchange which filters ran and what they found.
func (p *Pass) record() {
	if len(p.x.Filters) == 0 && p.whole() {
		p.x.Filters = slices.Clip(p.c.ran) // shared: who appends to it makes a copy
	} else {
		p.recordRuns()
	}
	for kind, n := range p.counts[OnRequest] {
		p.x.Labels.Set(ownLabels, "redacted."+kind, int64(n))
	}
	for kind, n := range p.reports[OnRequest] {
		p.x.Labels.Set(ownLabels, "reported."+kind, int64(n))
	}
}

// recordRuns says which filters of the chain ran, where not all did.
func (p *Pass) recordRuns() {
	for i := range p.runs {
		if f := p.runs[i].f; !p.runs[i].down {
			p.x.Filters = append(p.x.Filters, f.ran())
		}
	}
}
