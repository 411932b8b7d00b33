package control

import "github.com/sluicegate/sluice/runtime/policy"

// policyFigures adds the metrics of the policy. They begin again at 0 with each new policy.
func (c *Controller) policyFigures() {
	c.metrics.Counters("sluice_decisions_withheld_total", "Events that data.system.log kept out of the decision log: dropped by it, or because it failed.",
		[]string{"reason"}, func(add func(float64, ...string)) {
			if p := c.policyNow(); p != nil {
				s := p.LogStats()
				add(float64(s.Dropped), "dropped")
				add(float64(s.Failed), "failed")
			}
		})
	c.metrics.Counters("sluice_policy_memo_total", "Decisions asked of the memo, by what came of it.", []string{"rule", "result"},
		func(add func(float64, ...string)) {
			c.eachEntry(func(e policy.Entry) {
				add(float64(e.Hits), e.Rule, "hit")
				add(float64(e.Misses), e.Rule, "miss")
			})
		})
	c.metrics.Gauges("sluice_policy_memo_hit_ratio", "Share of the memo's answers among those asked of it; 0 before the first.", []string{"rule"},
		func(add func(float64, ...string)) {
			c.eachEntry(func(e policy.Entry) { add(e.HitRatio(), e.Rule) })
		})
	c.metrics.Gauges("sluice_policy_not_memoised", "How many places of the policy keep a rule's answers from being remembered, by why.", []string{"rule", "reason"},
		func(add func(float64, ...string)) {
			c.eachEntry(func(e policy.Entry) {
				for _, why := range policy.BlockReasons {
					add(float64(e.Blocks[why]), e.Rule, why)
				}
			})
		})
}

func (c *Controller) policyNow() *policy.Policy {
	if gen := c.generation(); gen != nil {
		return gen.snap.Policy
	}
	return nil
}

// eachEntry calls do for each entry point of the policy.
func (c *Controller) eachEntry(do func(policy.Entry)) {
	if p := c.policyNow(); p != nil {
		for _, e := range p.Entries() {
			do(e)
		}
	}
}
