package policy

import (
	"crypto/sha256"
	"maps"
	"slices"
	"sync/atomic"

	"github.com/open-policy-agent/opa/v1/ast"
)

// modelsCell holds input.models as one entry point reads it: built and hashed when the facts change, which is seldom,
// instead of at each request. It is safe for concurrent use; two requests that meet a change may both build.
type modelsCell struct {
	current atomic.Pointer[modelsValue]
}

type modelsValue struct {
	given *ModelFacts // the first of the slice it was made of; the same slice again needs no comparison
	facts []ModelFacts
	term  *ast.Term
	key   []byte // SHA-256 of the encoding
}

// get gives the value for those facts.
func (c *modelsCell) get(facts []ModelFacts, n *node) *modelsValue {
	m := c.current.Load()
	if m != nil && len(facts) > 0 && len(facts) == len(m.facts) && &facts[0] == m.given {
		return m
	}
	if m != nil && slices.EqualFunc(m.facts, facts, sameFacts) {
		return m
	}
	m = newModelsValue(facts, n)
	c.current.Store(m)
	return m
}

func sameFacts(a, b ModelFacts) bool {
	return a.Name == b.Name && a.Health == b.Health && a.LatencyBucket == b.LatencyBucket && a.Context == b.Context &&
		a.Input == b.Input && a.Output == b.Output && maps.Equal(a.Labels, b.Labels)
}

func newModelsValue(facts []ModelFacts, n *node) *modelsValue {
	doc := make(map[string]any, len(facts))
	for i := range facts {
		doc[facts[i].Name] = facts[i].document()
	}
	value := val{kind: anyKind, any: doc}
	var v view
	sum := sha256.Sum256(v.appendPart(nil, value, n))
	m := &modelsValue{facts: slices.Clone(facts), term: buildPart(value, n), key: sum[:]}
	if len(facts) > 0 {
		m.given = &facts[0]
	}
	for i := range m.facts {
		m.facts[i].Labels = maps.Clone(m.facts[i].Labels)
	}
	return m
}

// document is one model as policies see it; every field is always there.
func (f *ModelFacts) document() map[string]any {
	labels := make(map[string]any, len(f.Labels))
	for k, v := range f.Labels {
		labels[k] = v
	}
	return map[string]any{
		"labels":         labels,
		"cost":           map[string]any{"input": f.Input, "output": f.Output},
		"context":        f.Context,
		"health":         orUnknown(f.Health),
		"latency_bucket": orUnknown(f.LatencyBucket),
	}
}

func orUnknown(s string) string {
	if s == "" {
		return "unknown"
	}
	return s
}
