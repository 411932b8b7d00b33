package policy

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Bounds of what is told of changes. What is over them is counted in all, but under no name of its own.
const (
	maxExamples = 10
	maxTraced   = 20   // explanations for each set of reasons
	maxSets     = 256  // sets of reasons that are explained
	maxNames    = 4096 // tenants, reasons and rules of a kind
)

// tally counts the changes between two policies' decisions.
type tally struct {
	changes map[string]*Change
	traced  map[string]int       // explanations made, by reasons
	rules   map[memoKey][]string // what they found, by the input; at most maxSets times maxTraced
}

func newTally() tally {
	return tally{changes: map[string]*Change{}, traced: map[string]int{}, rules: map[memoKey][]string{}}
}

// subject is the request that two decisions are about.
type subject struct{ id, tenant, model string }

// note counts one change. rules are those that explain it, if any.
func (t *tally) note(kind string, s subject, then, now result, rules []string) {
	c := t.changes[kind]
	if c == nil {
		c = &Change{ByTenant: map[string]int{}, ByReason: map[string]int{}, ByRule: map[string]int{}}
		t.changes[kind] = c
	}
	c.Count++
	count(c.ByTenant, s.tenant)
	reasons := now.Reasons
	if kind == NewlyAllowed {
		reasons = then.Reasons
	}
	for _, code := range reasons {
		count(c.ByReason, code)
	}
	for _, rule := range rules {
		count(c.ByRule, rule)
	}
	if len(c.Examples) < maxExamples {
		c.Examples = append(c.Examples, Example{ID: s.id, Tenant: s.tenant, Model: s.model, Then: then.brief(), Now: now.brief()})
	}
}

// explained gives the rules behind a change to a denial, as trace finds them: for the first of each set of reasons, and for
// all that have the key of one of those. No key stands for an input by which no answer may be remembered.
func (t *tally) explained(kinds, reasons []string, key *memoKey, trace func() []RuleTrace) []string {
	if !slices.ContainsFunc(kinds, func(kind string) bool { return kind == NewlyDenied || kind == OtherReasons }) {
		return nil
	}
	if key != nil {
		if rules, ok := t.rules[*key]; ok {
			return rules
		}
	}
	if !t.mayTrace(reasons) {
		return nil
	}
	rules := giving(reasons, trace())
	if key != nil {
		t.rules[*key] = rules
	}
	return rules
}

// giving are the rules that fired and whose heads give the reasons, with file and line.
func giving(reasons []string, rules []RuleTrace) []string {
	var out []string
	for _, rule := range rules {
		for _, code := range reasons {
			if rule.Fired > 0 && strings.Contains(rule.Head, strconv.Quote(code)) {
				out = append(out, rule.File+":"+strconv.Itoa(rule.Line)+" "+rule.Head)
			}
		}
	}
	return out
}

// count adds one under a name, unless there are too many names.
func count(counts map[string]int, name string) {
	if _, ok := counts[name]; ok || len(counts) < maxNames {
		counts[name]++
	}
}

// mayTrace tells whether one more decision with these reasons is to be explained.
func (t *tally) mayTrace(reasons []string) bool {
	key := strings.Join(reasons, " ")
	n, known := t.traced[key]
	if n >= maxTraced || !known && len(t.traced) >= maxSets {
		return false
	}
	t.traced[key] = n + 1
	return true
}

// clone is a copy of the changes for somebody else to keep.
func (t *tally) clone() map[string]*Change {
	out := make(map[string]*Change, len(t.changes))
	for kind, c := range t.changes {
		out[kind] = &Change{
			Count: c.Count, ByTenant: maps.Clone(c.ByTenant), ByReason: maps.Clone(c.ByReason), ByRule: maps.Clone(c.ByRule),
			Examples: slices.Clone(c.Examples),
		}
	}
	return out
}
