package pipeline

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/sluicegate/sluice/runtime/exchange"
	"github.com/sluicegate/sluice/runtime/policy"
	"github.com/sluicegate/sluice/runtime/wire"
)

// authenticate comes before the body is read: who is not known costs no more than a look at the headers.
func (r *run) authenticate(ctx context.Context) error {
	defer r.clock.lap(exchange.StageAuthenticate)
	who, err := r.snap.Auth.Identify(ctx, &r.x.Client)
	if err != nil {
		return err
	}
	r.x.Principal = who
	r.principal.Store(who)
	// A generation installed meanwhile has revoked what it does not accept, but could not see this exchange yet.
	if now := r.p.Current(); now != nil && now != r.snap && !now.Auth.Valid(who) {
		return exchange.Fail(exchange.StageAuthenticate, wire.Unauthenticated, "the credential was removed", errRevoked)
	}
	return r.reserve()
}

// reserve takes a place in the audit queue, so that nothing is forwarded that could not be recorded.
func (r *run) reserve() error {
	slot, ok := r.snap.Audit.Reserve()
	if !ok {
		return exchange.Fail(exchange.StageAccept, wire.Overloaded, "the audit log cannot take another record now; try again later", nil)
	}
	r.slot, r.reserved = slot, true
	return nil
}

// parse reads the body through the strict door and finds the model asked for.
func (r *run) parse() error {
	defer r.clock.lap(exchange.StageParse)
	body, err := r.caller.Body(r.snap.Limits.MaxBytes)
	if err != nil {
		return exchange.AsError(exchange.StageParse, err)
	}
	req, err := r.surface.Parse(body, r.snap.Limits)
	if err != nil {
		return exchange.AsError(exchange.StageParse, err)
	}
	r.x.Request = req
	if err := r.given(); err != nil {
		return err
	}
	if req.Operation.Kept() {
		return r.find()
	}
	if req.Model != "" && r.snap.Models[req.Model] == nil {
		return exchange.Fail(exchange.StageParse, wire.UnknownModel, "Unknown model: "+clip(req.Model, 128), nil)
	}
	return nil
}

// clip bounds a caller's own word before it is said back.
func clip(s string, n int) string {
	if len(s) > n {
		s = s[:n] + "..."
	}
	return strings.ToValidUTF8(s, "?")
}

// admit asks the policy before any filter runs: a denied caller costs no WASM.
func (r *run) admit(ctx context.Context) error {
	defer r.clock.lap(exchange.StageAdmit)
	begun := time.Now()
	var err error
	r.x.Admission, err = r.snap.Policy.Admit(ctx, r.x, r.x.Start)
	if a := &r.x.Admission; err != nil || !a.Allowed {
		r.x.Decision.ID = uuid.NewString() // this was the decision
		r.decided(policy.Logged{Admit: true, Took: time.Since(begun), Err: err})
		if err != nil {
			return exchange.AsError(exchange.StageAdmit, err)
		}
		return denied(exchange.StageAdmit, a.HTTPStatus, a.Message, a.Reasons)
	}
	return nil
}

// decided logs the decision, and shows it to the candidate beside the policy. What the exchange may do is not held up by a
// log that is full: it is in the audit log, too.
func (r *run) decided(l policy.Logged) {
	l.Exchange = r.x
	if r.snap.Shadow != nil {
		r.snap.Shadow.Watch(l)
	}
	if r.snap.Decisions == nil {
		return
	}
	line := buffers.Get()
	*line = r.snap.Policy.AppendEvent((*line)[:0], l)
	var mask func([]byte) []byte
	if r.snap.Policy.MasksEvents() {
		mask = r.snap.Policy.MaskEvent
	}
	r.snap.Decisions.Line(*line, mask)
	keep(line)
}

// denied is a policy's verdict as the caller sees it.
func denied(stage exchange.Stage, status int, message string, reasons []string) error {
	if message == "" {
		message = "the policy denies this request"
	}
	return &exchange.Error{Stage: stage, Fault: &wire.Fault{
		Code: wire.DeniedByPolicy, Status: status, Message: message, Reason: strings.Join(reasons, ","),
	}}
}

// filter runs the chain over the request.
func (r *run) filter(ctx context.Context) error {
	defer r.clock.lap(exchange.StageFilter)
	pass, err := r.snap.Chain.Begin(r.x, r.x.Admission.Filters)
	if err != nil {
		return exchange.AsError(exchange.StageFilter, err)
	}
	r.pass = pass
	pass.AllowOpaque = r.mayBeOpaque()
	if keeps(r.x.Request) {
		pass.Numbers = r.numbers
	}
	if err := pass.Request(ctx); err != nil {
		return exchange.AsError(exchange.StageFilter, err)
	}
	return nil
}

// mayBeOpaque tells whether any model that may still serve takes content that no filter can read. route drops the
// models that do not.
func (r *run) mayBeOpaque() bool {
	if m := r.snap.Models[r.x.Request.Model]; m != nil {
		return m.Opaque
	}
	for _, m := range r.snap.Models {
		if m.Opaque {
			return true
		}
	}
	return false
}

// decide asks the policy about what would really be sent, and which models may serve it.
func (r *run) decide(ctx context.Context) error {
	defer r.clock.lap(exchange.StageDecide)
	begun, facts := time.Now(), r.snap.facts(r.x.Start)
	d, err := r.snap.Policy.Decide(ctx, r.x, facts)
	if err != nil {
		d.ID = uuid.NewString()
	}
	r.x.Decision = d
	r.decided(policy.Logged{Facts: facts, Took: time.Since(begun), Err: err})
	if err != nil {
		return exchange.AsError(exchange.StageDecide, err)
	}
	if !d.Allowed {
		return denied(exchange.StageDecide, d.HTTPStatus, d.Message, d.Reasons)
	}
	if len(d.Models) == 0 {
		if r.x.Request.Model == "" {
			return exchange.Fail(exchange.StageDecide, wire.NoEndpoint, "the policy picked no model; name one", nil)
		}
		r.x.Decision.Models = []string{r.x.Request.Model}
	}
	return nil
}

// factsAge is how old what policies know of the models' health may get: asking each pool for every request would cost
// in proportion to the number of models.
const factsAge = 50 * time.Millisecond

// seen is what was known of the models at a moment.
type seen struct {
	at    time.Time
	facts policy.Facts
}

// facts are the models as policies see them, with live health.
func (s *Snapshot) facts(now time.Time) policy.Facts {
	last := s.seen.Load()
	if last != nil && now.Sub(last.at) < factsAge {
		return last.facts
	}
	models := make([]policy.ModelFacts, len(s.Names))
	for i, name := range s.Names {
		m := s.Models[name]
		models[i] = m.Facts
		models[i].Health, models[i].LatencyBucket = string(m.Pool.Health()), string(m.Pool.Latency())
	}
	same := func(a, b policy.ModelFacts) bool { return a.Health == b.Health && a.LatencyBucket == b.LatencyBucket }
	if last != nil && slices.EqualFunc(models, last.facts.Models, same) {
		models = last.facts.Models // the slice that the policy knows already
	}
	next := &seen{at: now, facts: policy.Facts{Models: models}}
	s.seen.Store(next)
	return next.facts
}

// list is the way of a request for the models: those for which the policy allows the operation wire.ListModels.
func (r *run) list(ctx context.Context, render func([]string, time.Time) []byte) error {
	if err := r.authenticate(ctx); err != nil {
		return err
	}
	var names []string
	for _, name := range r.snap.Names {
		if r.mayUse(ctx, name) {
			names = append(names, name)
		}
	}
	return r.listed(ctx, render(names, r.snap.Created))
}

// model is the way of a request for one model.
func (r *run) model(ctx context.Context, name string, render func([]string, time.Time) []byte) error {
	if err := r.authenticate(ctx); err != nil {
		return err
	}
	if r.snap.Models[name] == nil || !r.mayUse(ctx, name) {
		e := exchange.Fail(exchange.StageParse, wire.UnknownModel, "Unknown model: "+clip(name, 128), nil)
		e.Fault.Status = 404
		return e
	}
	return r.listed(ctx, render([]string{name}, r.snap.Created))
}

func (r *run) listed(ctx context.Context, body []byte) error {
	r.begun = true
	if err := r.caller.Reply(200, []Header{{"X-Request-Id", r.x.ID}}, body); err != nil {
		return r.gone(ctx, err)
	}
	r.ended(exchange.Outcome{Kind: exchange.Complete, Status: 200})
	return nil
}

// mayUse tells whether the policy lets the caller use the model.
func (r *run) mayUse(ctx context.Context, name string) bool {
	x := *r.x
	x.Request = &wire.Request{Operation: wire.ListModels, Model: name}
	return r.snap.mayUse(ctx, &x)
}

func (s *Snapshot) mayUse(ctx context.Context, x *exchange.Exchange) bool {
	if a, err := s.Policy.Admit(ctx, x, x.Start); err != nil || !a.Allowed {
		return false
	}
	d, err := s.Policy.Decide(ctx, x, s.facts(x.Start))
	return err == nil && d.Allowed
}
