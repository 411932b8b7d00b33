package filter

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/sluicegate/sluice/runtime/exchange"
	"github.com/sluicegate/sluice/runtime/filter/token"
	"github.com/sluicegate/sluice/runtime/wire"
)

// run is one filter's part in one pass.
type run struct {
	f      *Filter
	p      *Pass
	canary *Canary // f is this new version; nil: f is the usual one
	used   bool    // it had an instance: there may be text to wipe
	broke  bool    // a call failed
	down   bool    // it failed and is declared open: the rest of the exchange goes on without it
	bytes  [2]int
	spent  [2]time.Duration
	output [2]int
	held   int     // bytes that its streams hold back
	noted  *[]Part // where findings and replacements are, in what a Probe's text became; nil: nobody asks
	labels int
	logs   int
	http   *handling // of an http-wasm handler whose handle_request went on
	hmac   []byte    // the tenant's key, once needed
}

// holding is an instance in use.
type holding struct {
	r    *run
	in   *instance
	gate *gate
}

// hold gets an instance, within the tenant's cap.
func (r *run) hold(ctx context.Context) (holding, error) {
	g, err := r.f.engine.tenants.enter(ctx, r.p.tenant(), r.p.gate)
	if err != nil {
		return holding{}, err
	}
	r.p.gate = g
	in, err := r.f.pool.get(ctx, r.owner())
	if err != nil {
		r.f.engine.tenants.leave(g)
		return holding{}, err
	}
	if !r.used && r.canary != nil {
		r.canary.called()
	}
	r.used = true
	return holding{r, in, g}, nil
}

// owner is whose text the instances may hold that the run used.
func (r *run) owner() owner {
	if r.f.spec.Isolation == IsolateTenant {
		if t := r.p.tenant(); t != "" {
			return owner{tenant: t}
		}
	}
	return owner{pass: r.p.id}
}

func (h holding) release() {
	h.r.f.pool.put(h.in)
	h.r.f.engine.tenants.leave(h.gate)
}

// left is the guest time that the next call in a direction may use: what the filter has for the bytes it saw, and what
// all filters together have.
func (r *run) left(d Direction) time.Duration {
	l := &r.f.spec.Limits
	if r.f.proof {
		return l.Load
	}
	own := l.Total
	if n := time.Duration(r.bytes[d]); n < l.Total/l.PerByte {
		own = min(own, l.Base+n*l.PerByte)
	}
	return min(own-r.spent[d], MaxGuestTime-r.p.spent[d])
}

// call runs a hook over text. Its verdict is an error, too.
func (h holding) call(ctx context.Context, s stage, d Direction, text []byte, more ...uint64) (uint64, error) {
	r, c := h.r, &h.in.call
	c.run, c.dir = r, d
	ret, err := h.in.invoke(ctx, s, text, r.left(d), more...)
	r.spent[d] += c.clock.used
	r.p.spent[d] += c.clock.used
	if err == nil && c.reject != nil {
		r.f.stats.rejections.Add(1)
		return 0, r.rejection(d, c.reject.code, c.reject.message)
	}
	return ret, err
}

// text presents one window to on_text and returns how many of its bytes are settled. The edits are in the call's ops.
func (h holding) text(ctx context.Context, t *progress, window []byte, left int, end bool) (int, error) {
	c := &h.in.call
	c.begin(window, left)
	c.open, c.next, c.role = t.open != nil, t.state, t.role
	flags := t.flags | uint32(left)<<flagLeftShift
	if end {
		flags |= flagEnd
	}
	ret, err := h.call(ctx, inText, t.dir, window, uint64(flags), uint64(t.state))
	if err != nil {
		return 0, err
	}
	n, err := c.settled(int64(ret), end)
	switch {
	case err != nil:
	case end && c.open:
		err = breach("a span is left open at the end of the text")
	default:
		t.state = c.next
		return n, nil
	}
	h.in.broken = true
	return 0, err
}

// progress is how far a filter has come in one text: all that lies between two calls of on_text.
type progress struct {
	dir   Direction
	role  wire.Role
	flags uint32
	state int64
	open  *kind // the kind of the span that is open
	json  jsonText
}

func newProgress(d Direction, role wire.Role, arguments, streamed bool) progress {
	return progress{dir: d, role: role, flags: textFlags(d, role, arguments, streamed), json: jsonText{active: arguments}}
}

// render appends what stands for a finding, and counts it.
func (r *run) render(dst []byte, d Direction, k *kind, value []byte) ([]byte, error) {
	action := k.action[d]
	k.found[d].Add(1)
	if action == Report {
		r.p.count(&r.p.reports[d], k.name)
		return append(dst, value...), nil
	}
	r.p.count(&r.p.counts[d], k.name)
	from := len(dst)
	switch action {
	case Token:
		dst = r.p.tokens().Tokenise(dst, k.name, value)
	case HMAC:
		dst = token.HMAC(dst, r.key(), k.name, value)
	case spellOut:
		dst = append(append(append(append(append(dst, '<'), k.name...), ':'), value...), '>')
		r.note(Part{k.name, string(value), from, len(dst)})
	case Block:
		r.f.stats.rejections.Add(1)
		return dst, r.rejection(d, "contains_"+k.name, "")
	default:
		dst = token.Mask(dst, k.name, value)
	}
	if r.output[d] += len(dst) - from; r.output[d] > r.f.spec.Limits.Output {
		return dst[:from], errOutput
	}
	return dst, nil
}

// key is the tenant's key: equal values of two tenants must not look alike.
func (r *run) key() []byte {
	if r.hmac == nil {
		h := hmac.New(sha256.New, r.f.spec.HMACKey)
		h.Write([]byte(r.p.tenant()))
		r.hmac = h.Sum(nil)
	}
	return r.hmac
}

// rejection is a verdict as an error of the exchange.
func (r *run) rejection(d Direction, code, message string) error {
	text := fmt.Sprintf("the filter %q rejects the %s", r.f.Name(), nouns[d])
	if message != "" {
		text += ": " + message
	}
	return &exchange.Error{Stage: stages[d], Fault: &wire.Fault{Code: wire.RejectedByFilter, Message: text, Reason: code}}
}

var (
	stages = [2]exchange.Stage{exchange.StageFilter, exchange.StageAnswer}
	nouns  = [2]string{"request", "answer"}
)

// failure makes an error of a call what becomes of the exchange. nil means that it goes on without the filter.
func (r *run) failure(ctx context.Context, d Direction, err error) error {
	var verdict *exchange.Error
	if errors.As(err, &verdict) {
		return err
	}
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		return exchange.Fail(stages[d], wire.ClientClosed, "the caller went away", err)
	}
	r.f.stats.failures.Add(1)
	if errors.Is(err, errTrap) {
		r.f.stats.traps.Add(1)
	}
	if !r.broke && r.canary != nil && ctx.Err() == nil {
		r.canary.failed()
	}
	r.broke = true
	if r.f.spec.FailOpen && ctx.Err() == nil {
		if !r.down {
			r.down = true
			r.f.stats.open.Add(1)
			r.f.engine.log.Warn("filter failed open", "filter", r.f.Name(), "request_id", r.p.x.ID, "cause", err.Error())
		}
		return nil
	}
	return exchange.Fail(stages[d], wire.FilterFailed, fmt.Sprintf("the filter %q failed, so the %s was stopped", r.f.Name(), nouns[d]),
		fmt.Errorf("filter %q: %w", r.f.Name(), err))
}
