package filter

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sluicegate/sluice/runtime/exchange"
	"github.com/sluicegate/sluice/runtime/wire"
)

// What a vector's call may use. Fuel is counted, so a vector gives the same result however busy the machine is; guest
// time, which is what bounds a live filter, is bounded beside it at Limits.Load. The shipped filters use 2 to 30 units a byte.
const (
	proofUnits        = 2_000_000
	proofUnitsPerByte = 2_000
	proofConfigUnits  = 50_000_000 // on_config builds tables, once
)

// spellOut is the action of findings in self-tests: <kind:text>.
const spellOut Action = "spell out"

// SelfTest runs vectors against the Spec's module: each whole and cut in two at every character, as passes like those of
// exchanges, with the instance put back between any two. Of the Spec it takes name, module and limits; configuration,
// directions and grants are the vectors' own. The error says why the module can't be run at all; what a vector found is
// in the TestReport.
func (e *Engine) SelfTest(ctx context.Context, s Spec, vectors []Vector) (TestReport, error) {
	p, err := e.prover(ctx, s)
	if err != nil {
		return TestReport{}, fmt.Errorf("filter %q: %w", s.Name, err)
	}
	defer p.close(ctx)
	r := TestReport{Name: s.Name}
	for i := range vectors {
		if err := p.vector(ctx, &r, i+1, &vectors[i]); err != nil {
			return r, fmt.Errorf("filter %q: self-test: %w", s.Name, err)
		}
	}
	r.Digest, r.Restorable, r.Reasons = p.digest, len(p.mod.unrestorable) == 0, p.mod.unrestorable
	return r, nil
}

// prover runs vectors against one module. Each configuration gets a filter, compiled once for all.
type prover struct {
	e       *Engine
	spec    Spec
	digest  string
	mod     *module
	filters map[string]*Filter
	faults  map[string]error // configurations that the module refuses
}

func (e *Engine) prover(ctx context.Context, s Spec) (*prover, error) {
	p := &prover{e: e, filters: map[string]*Filter{}, faults: map[string]error{}, spec: Spec{
		Name: s.Name, Module: s.Module, Limits: s.Limits, Request: true, Answer: true, Whole: WholeBuffer,
	}}
	f, err := e.prepare(p.spec)
	if err != nil {
		return nil, err
	}
	p.digest = f.digest
	p.mod, err = f.compile(ctx, s.Module)
	return p, err
}

func (p *prover) close(ctx context.Context) {
	for _, f := range p.filters {
		_ = f.pool.close(ctx) // its instances are all idle
	}
	_ = p.mod.close(ctx)
}

// filter gives the filter of a configuration that is granted the facts. The configuration's refusal is an error; what is
// known of its hooks comes with it.
func (p *prover) filter(ctx context.Context, config []byte, facts map[string]string) (*Filter, error) {
	s := p.spec
	s.Config, s.Grants = config, slices.Sorted(maps.Keys(facts))
	key := fmt.Sprintf("%v %q %q", config == nil, config, s.Grants)
	if f := p.filters[key]; f != nil || p.faults[key] != nil {
		return f, p.faults[key]
	}
	f, err := p.e.prepare(s)
	if err != nil {
		return nil, err
	}
	f.proof = true
	f.kinds.init(Actions{DefaultRequest: spellOut, DefaultAnswer: spellOut})
	if err := f.open(ctx, p.mod.share()); err != nil {
		p.faults[key] = err
		return f, err
	}
	p.filters[key] = f
	return f, nil
}

// share gives the same compiled code with a snapshot of its own. It is freed with the module that it came from.
func (m *module) share() *module {
	return &module{rt: m.rt, compiled: m.compiled, info: m.info, unrestorable: m.unrestorable, handler: m.handler}
}

// vector runs one vector in all its directions. The error is the context's.
func (p *prover) vector(ctx context.Context, r *TestReport, number int, v *Vector) error {
	f, err := p.filter(ctx, v.Config, v.Facts)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		r.Vectors = append(r.Vectors, VectorResult{Number: number, Name: v.Name, Differences: []Difference{{Split: Whole, What: "load", Want: "ok", Got: err.Error()}}})
		return nil
	}
	r.Hooks = f.Hooks()
	ran := false
	for d := range Direction(2) {
		if !v.wants(f, d) {
			continue
		}
		ran = true
		res := VectorResult{Number: number, Name: v.Name, On: d}
		before := f.Stats()
		err := f.prove(ctx, &res, v)
		after := f.Stats()
		res.Calls, res.Units, res.Time = after.Calls-before.Calls, after.Units-before.Units, after.Time-before.Time
		res.Memory = f.stats.memory
		r.Vectors = append(r.Vectors, res)
		if err != nil {
			return err
		}
	}
	if !ran {
		r.Vectors = append(r.Vectors, VectorResult{Number: number, Name: v.Name, Differences: []Difference{{
			Split: Whole, What: "hook", Want: v.hook(), Got: "the module has only " + strings.Join(f.Hooks(), ", "),
		}}})
	}
	return nil
}

// wants tells whether a vector runs in a direction.
func (v *Vector) wants(f *Filter, d Direction) bool {
	switch {
	case v.On != nil && *v.On != d:
		return false
	case v.Body == nil:
		return f.hooks.text(d)
	case d == OnRequest:
		return f.hooks&hookRequest != 0 || f.hooks&hookHandleRequest != 0 && v.Set == nil && v.Messages == nil
	}
	return f.hooks&hookResponse != 0 && v.Set == nil && v.Messages == nil
}

// hook says which hook a vector is for.
func (v *Vector) hook() string {
	hook := "on_text"
	if v.Body != nil {
		hook = "a hook for bodies"
	}
	if v.On != nil {
		hook += " for " + v.On.String()
	}
	return hook
}

// prove runs a vector in one direction: whole, and at every split where it is a text.
func (f *Filter) prove(ctx context.Context, res *VectorResult, v *Vector) error {
	whole := f.once(ctx, v, res.On, 0, provers[0])
	res.Runs++
	res.Differences = whole.against(v)
	if v.Body == nil {
		f.cuts(ctx, res, v, &whole)
	}
	again := f.once(ctx, v, res.On, 0, provers[1])
	res.Runs++
	if d := again.differs(&whole); d != nil && ctx.Err() == nil {
		d.What = "after a reset, " + d.What
		res.Differences = append(res.Differences, *d)
	}
	if at := f.pool.unclean(); at != "" {
		res.Differences = append(res.Differences, Difference{What: "reset", Want: "the snapshot", Got: at})
	}
	return ctx.Err()
}

// provers are the tenants whose exchanges vectors pass for: where one's follows the other's, the instance is put back
// under either isolation.
var provers = [2]string{"self-test", "another"}

// cuts runs a text at every split, and holds each run against the whole one.
func (f *Filter) cuts(ctx context.Context, res *VectorResult, v *Vector, whole *outcome) {
	for at := 1; at < len(*v.Text) && ctx.Err() == nil; at++ {
		if !boundary([]byte(*v.Text), at) {
			continue
		}
		got := f.once(ctx, v, res.On, at, provers[at%2])
		res.Runs++
		if d := got.differs(whole); d != nil {
			if d.Split = at; res.shown < maxSplitsShown {
				res.Differences = append(res.Differences, *d)
				res.shown++
			} else {
				res.More++
			}
		}
	}
}

// maxSplitsShown is how many splits of one vector are told of, where they differ.
const maxSplitsShown = 3

// outcome is what one run gave.
type outcome struct {
	text     string
	labels   map[string]any
	reject   string // the verdict's code
	wrote    []byte // the body that an http-wasm handler wrote
	failed   string // why the filter failed
	set      map[string][]byte
	messages []VectorMessage
}

// once runs a vector as one exchange; its text is cut at a position, or shown whole where that is 0.
func (f *Filter) once(ctx context.Context, v *Vector, d Direction, at int, tenant string) (o outcome) {
	p, err := f.alone(v.Facts, tenant)
	if err != nil {
		return outcome{failed: err.Error()}
	}
	defer p.Close()
	r := &p.runs[0]
	switch {
	case v.Body != nil:
		err = o.body(ctx, r, v, d)
	case at == 0:
		o.text, err = r.proveWhole(ctx, v, d)
	default:
		o.text, err = r.proveCut(ctx, v, d, at)
	}
	o.judge(p, err)
	return o
}

// alone begins a pass of one filter, for nobody's exchange, with facts in the place of an exchange's.
func (f *Filter) alone(facts map[string]string, tenant string) (*Pass, error) {
	x := &exchange.Exchange{ID: "self-test", Principal: &exchange.Principal{Tenant: tenant}}
	if f.lone == nil {
		f.lone = NewChain(f)
	}
	p, err := f.lone.Begin(x, nil)
	if err != nil {
		return nil, err
	}
	if p.facts = facts; facts == nil {
		p.facts = map[string]string{}
	}
	return p, nil
}

// judge takes what a pass ended with.
func (o *outcome) judge(p *Pass, err error) {
	o.labels = p.x.Labels[p.runs[0].f.Name()]
	var e *exchange.Error
	switch {
	case err == nil:
	case errors.As(err, &e) && e.Fault.Code == wire.RejectedByFilter:
		o.text, o.reject = "", e.Fault.Reason
	case errors.As(err, &e) && e.Cause != nil:
		o.failed = e.Cause.Error()
	default:
		o.failed = err.Error()
	}
}

// progress begins a vector's text. Its findings are spelled as they stand, also where the text is JSON.
func (v *Vector) progress(d Direction, streamed bool) progress {
	role := wire.RoleUser
	if d == OnAnswer {
		role = wire.RoleAssistant
	}
	if v.Role != nil {
		role = *v.Role
	}
	t := newProgress(d, role, v.Arguments, streamed)
	t.json = jsonText{}
	return t
}

func (r *run) proveWhole(ctx context.Context, v *Vector, d Direction) (string, error) {
	h, err := r.hold(ctx)
	if err != nil {
		return "", err
	}
	defer h.release()
	t := v.progress(d, false)
	text := []byte(*v.Text)
	r.bytes[d] += len(text)
	edits, _, err := h.whole(ctx, &t, text, nil)
	if err != nil {
		return "", err
	}
	return string(applyEdits(text, edits)), nil
}

func (r *run) proveCut(ctx context.Context, v *Vector, d Direction, at int) (string, error) {
	f := feed{r: r, t: v.progress(d, true)}
	out, err := f.push(ctx, nil, []byte((*v.Text)[:at]), false)
	if err == nil {
		out, err = f.push(ctx, out, []byte((*v.Text)[at:]), true)
	}
	return string(out), err
}

// body runs on_request or on_response.
func (o *outcome) body(ctx context.Context, r *run, v *Vector, d Direction) error {
	if r.f.mod.handler {
		var err error
		o.wrote, err = r.proveHandler(ctx, v.Body)
		return err
	}
	s := inRequest
	if d == OnAnswer {
		s = inResponse
	}
	params, messages, err := r.body(ctx, s, d, v.Body)
	if len(params) > 0 {
		o.set = map[string][]byte{}
	}
	for _, p := range params {
		o.set[p.Name] = p.Value
	}
	for _, m := range messages {
		where := "first"
		if m.Last {
			where = "last"
		}
		o.messages = append(o.messages, VectorMessage{where, m.Role.String(), m.Text})
	}
	return err
}
