package filter

import (
	"context"
	"encoding/json"
	"errors"
	"time"
	"unicode/utf8"

	"github.com/sluicegate/sluice/runtime/wire"
)

// Probe runs texts through one filter for its developer: findings are spelled <kind:text>, nothing is tokenised, and fuel
// is bounded where else time is, as in a self-test. It is for one goroutine at a time.
type Probe struct {
	p     *prover
	f     *Filter
	facts map[string]string
}

// Probe loads a module for trying out. Of the Spec it takes name, module, configuration and limits; facts are granted
// with their values. Close it.
func (e *Engine) Probe(ctx context.Context, s Spec, facts map[string]string) (*Probe, error) {
	p, err := e.prover(ctx, s)
	if err != nil {
		return nil, err
	}
	f, err := p.filter(ctx, s.Config, facts)
	if err != nil {
		p.close(ctx)
		return nil, err
	}
	return &Probe{p, f, facts}, nil
}

// Close frees the module.
func (p *Probe) Close(ctx context.Context) { p.p.close(ctx) }

// Filter is the filter that is tried out, for what it tells of itself.
func (p *Probe) Filter() *Filter { return p.f }

// Part is one finding or replacement, and where its spelling stands in the text that came out.
type Part struct {
	Kind     string // "" is a replacement
	Text     string // what was found, or replaced
	From, To int
}

func (r *run) note(p Part) {
	if r.noted != nil {
		*r.noted = append(*r.noted, p)
	}
}

// Probed is what came of a text or a body.
type Probed struct {
	Labels   map[string]any
	Reject   string // the verdict's code; "" for none
	Set      map[string]json.RawMessage
	Messages []VectorMessage
	Body     []byte // what an http-wasm handler wrote in the body's place; nil if nothing

	Calls, Units int64
	Time         time.Duration // guest time
	Memory       int           // bytes of linear memory
}

// Text shows a filter one text in chunks, the last of which ends it. out gets what each chunk let go, the parts in it and
// how many bytes are held back. The error says why the filter failed, or that it has no hook for the direction.
func (p *Probe) Text(ctx context.Context, d Direction, role wire.Role, chunks []string, out func(text string, parts []Part, held int)) (Probed, error) {
	if !p.f.hooks.text(d) {
		return Probed{}, errors.New("the module has no on_text for " + d.String())
	}
	return p.pass(func(pass *Pass, _ *outcome) error {
		r, parts := &pass.runs[0], []Part{}
		r.noted = &parts
		f := feed{r: r, t: newProgress(d, role, false, len(chunks) > 1)}
		for i, chunk := range chunks {
			text, err := f.push(ctx, nil, []byte(chunk), i == len(chunks)-1)
			if err != nil {
				return err
			}
			out(string(text), parts, f.held())
			parts = parts[:0]
		}
		return nil
	})
}

// Body shows a filter a JSON body, as on_request or on_response gets it.
func (p *Probe) Body(ctx context.Context, d Direction, body json.RawMessage) (Probed, error) {
	v := &Vector{Body: body}
	if !v.wants(p.f, d) {
		return Probed{}, errors.New("the module has no hook for the bodies of " + d.String())
	}
	return p.pass(func(pass *Pass, o *outcome) error { return o.body(ctx, &pass.runs[0], v, d) })
}

// pass takes one exchange through the filter.
func (p *Probe) pass(do func(*Pass, *outcome) error) (Probed, error) {
	pass, err := p.f.alone(p.facts, provers[0])
	if err != nil {
		return Probed{}, err
	}
	before := p.f.Stats()
	var o outcome
	o.judge(pass, do(pass, &o))
	pass.Close()
	after := p.f.Stats()
	out := Probed{
		Labels: o.labels, Reject: o.reject, Messages: o.messages, Body: o.wrote, Set: map[string]json.RawMessage{},
		Calls: after.Calls - before.Calls, Units: after.Units - before.Units, Time: after.Time - before.Time, Memory: p.f.stats.memory,
	}
	for name, value := range o.set {
		out.Set[name] = value
	}
	if o.failed != "" {
		return out, errors.New(o.failed)
	}
	return out, nil
}

// Chunks cuts a text into pieces of at most n bytes, none of which ends inside a character.
func Chunks(text string, n int) []string {
	var out []string
	for len(text) > n {
		at := n
		for at > 0 && !utf8.RuneStart(text[at]) {
			at--
		}
		if at == 0 { // one character of more than n bytes
			_, at = utf8.DecodeRuneInString(text)
		}
		out, text = append(out, text[:at]), text[at:]
	}
	if text != "" || out == nil {
		out = append(out, text)
	}
	return out
}
