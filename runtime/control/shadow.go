package control

import (
	"context"
	"log/slog"

	"github.com/sluicegate/sluice/runtime/policy"
)

// candidate is a policy that is asked beside the live one, and never decides.
type candidate struct {
	gated
	sample int            // per cent of the decisions
	sent   *Candidate     // it was sent to the running gateway; nil: the configuration names it
	shadow *policy.Shadow // nil: there is no candidate
	hold   *held
}

// held is a Shadow that generations share.
type held struct {
	shadow *policy.Shadow
	refs   int // under Controller.mu
}

// shadow brings the candidate through the gate and puts it beside the live policy. What it has found so far is taken on
// where neither of the two has changed. A candidate that is what is live already is none.
func (b *builder) shadow(ctx context.Context) {
	k, ok := b.wanted()
	b.gen.policies.Beside = nil
	if !ok || k.source.Digest() == b.gen.live.source.Digest() {
		return
	}
	faults := len(b.faults)
	if b.gate(ctx, &k.gated, false) {
		b.beside(k)
		return
	}
	if k.sent != nil && b.change.beside == nil { // one that was sent long ago is no reason to refuse a configuration
		b.c.log.Warn("the candidate beside the policy does not go with the configuration any more and is dropped; mend it and send it again", "candidate", k.path, "fault", b.faults[faults:].Err())
		b.faults = b.faults[:faults]
	}
}

// wanted is the candidate: the one that was sent last, or else the configuration's.
func (b *builder) wanted() (candidate, bool) {
	sent := b.change.beside
	switch {
	case sent != nil || b.change.promote || b.change.stop:
	case b.was != nil:
		sent = b.was.candidate.sent
	default:
		sent = b.sentBefore()
	}
	if sent != nil {
		return candidate{gated: gated{source: sent.Source, path: sent.From, field: "policy"}, sample: sent.Sample, sent: sent}, true
	}
	cfg := b.cfg.Policy.Shadow
	if cfg == nil {
		return candidate{}, false
	}
	src, err := b.source(cfg.Path)
	if err != nil {
		b.fault("policy.shadow.path", "%v", err)
		return candidate{}, false
	}
	return candidate{gated: gated{source: src, path: cfg.Path, field: "policy.shadow.path"}, sample: cfg.Sample}, true
}

// sentBefore is the candidate that was sent before a restart. One that can't be read any more is no reason not to start.
func (b *builder) sentBefore() *Candidate {
	h := b.gen.policies.Beside
	if h == nil {
		return nil
	}
	g, err := b.keptPolicy(&h.policyRef)
	if err != nil {
		b.c.log.Warn("the candidate beside the policy is dropped; send it again", "candidate", h.From, "error", err)
		return nil
	}
	return &Candidate{Source: g.source, From: h.From, Sample: h.Sample}
}

// beside begins to ask a candidate, or goes on.
func (b *builder) beside(k candidate) {
	if b.c.dry || len(b.faults) > 0 {
		return
	}
	if was := b.was; was != nil && was.candidate.policy == k.policy && was.candidate.sample == k.sample && was.live.policy == b.gen.live.policy {
		k.hold = was.candidate.hold
	} else {
		k.hold = &held{shadow: policy.NewShadow(k.policy, policy.ShadowOptions{Sample: k.sample, Logger: b.c.log})}
	}
	k.shadow = k.hold.shadow
	if k.sent != nil && !guarded(b.cfg) {
		b.gen.policies.Beside = &besideRef{refOfPolicy(&k.gated), k.sample}
	}
	b.gen.candidate, b.gen.snap.Shadow = k, k.shadow
	b.c.take(k.hold)
	b.gen.closer = append(b.gen.closer, func() error { b.c.give(k.hold); return nil })
}

// anew begins the asking anew, beside another live policy.
func (k candidate) anew(log *slog.Logger) candidate {
	if k.policy != nil {
		k.hold = &held{shadow: policy.NewShadow(k.policy, policy.ShadowOptions{Sample: k.sample, Logger: log})}
		k.shadow = k.hold.shadow
	}
	return k
}

func (c *Controller) take(h *held) {
	c.mu.Lock()
	defer c.mu.Unlock()
	h.refs++
}

// give ends the asking when the last generation has closed.
func (c *Controller) give(h *held) {
	c.mu.Lock()
	h.refs--
	last := h.refs == 0
	c.mu.Unlock()
	if last {
		h.shadow.Close()
	}
}

// ShadowStatus is the candidate beside the live policy and what it would do otherwise.
type ShadowStatus struct {
	Live string `json:"live"` // revision of the policy that decides
	Path string `json:"path"` // where the candidate came from
	Kept bool   `json:"kept"` // it is there again after a restart: the configuration names it, or the deploy folder has it
	policy.ShadowReport
}

// Shadow tells what the candidate would do otherwise; false where there is none.
func (c *Controller) Shadow() (ShadowStatus, bool) {
	gen := c.generation()
	if gen == nil || gen.candidate.shadow == nil {
		return ShadowStatus{}, false
	}
	kept := gen.candidate.sent == nil || gen.policies.Beside != nil && deployDir(gen.config) != ""
	return ShadowStatus{gen.live.policy.Revision(), gen.candidate.path, kept, gen.candidate.shadow.Report()}, true
}

// shadowFigures adds to the metrics what the candidate would do otherwise. They begin anew with another candidate.
func (c *Controller) shadowFigures() {
	read := func(add func(float64, ...string), figures func(ShadowStatus) map[string]int) {
		if st, ok := c.Shadow(); ok {
			for word, n := range figures(st) {
				add(float64(n), word)
			}
		}
	}
	c.metrics.Counters("sluice_policy_shadow_decisions_total", "Decisions that the candidate policy was to be asked about, by what became of it.",
		[]string{"result"}, func(add func(float64, ...string)) {
			read(add, func(st ShadowStatus) map[string]int {
				return map[string]int{
					"same": st.Same, "changed": st.Asked - st.Same, "skipped": st.Skipped, "dropped_queue": st.Dropped[policy.DropQueue],
					"dropped_budget": st.Dropped[policy.DropBudget], "dropped_text": st.Dropped[policy.DropText],
				}
			})
		})
	c.metrics.Counters("sluice_policy_shadow_changes_total", "What the candidate policy would do otherwise, by kind.",
		[]string{"kind"}, func(add func(float64, ...string)) {
			read(add, func(st ShadowStatus) map[string]int {
				counts := map[string]int{}
				for _, kind := range policy.ChangeKinds {
					if counts[kind] = 0; st.Changes[kind] != nil {
						counts[kind] = st.Changes[kind].Count
					}
				}
				return counts
			})
		})
}
