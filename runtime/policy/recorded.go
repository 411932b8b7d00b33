package policy

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"slices"
	"strconv"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown/builtins"

	"github.com/sluicegate/sluice/runtime/strictjson"
)

// recordedLimits bound one event: the parameters of a body may be as deep as a body, and stand deeper in the event.
var recordedLimits = strictjson.Limits{MaxBytes: 64 << 20, MaxDepth: 512}

// recording reads the inputs of recorded decisions. Only what an entry point can read is made of the JSON, and answers are
// remembered by it, as with live requests. It belongs to one goroutine.
type recording struct {
	key    []byte
	models recordedModels
	calls  builtins.NDBCache // of the event: what non-deterministic built-ins gave
}

// recordedModels is the last input.models met. They move seldom, so most events have the same bytes there.
type recordedModels struct {
	plan *node
	raw  []byte
	term *ast.Term
	key  [sha256.Size]byte
}

// recorded lets an evaluation have what the event's calls gave, and call nothing itself.
func (r *recording) recorded() outside { return outside{offline: new(bool), calls: r.calls} }

// asked answers about a recorded input, from the memo or by evaluation.
func asked[T any](ctx context.Context, e *entry[T], r *recording, input strictjson.Node) (T, error) {
	if e.memo == nil {
		return offline(ctx, e, r.input(e.plan, input).Value, r.calls, how[T]{within: e.timeout, result: e.result})
	}
	r.key = r.appendKids(r.key[:0], e.plan, input)
	key := memoKey(sha256.Sum256(r.key))
	if t, ok := e.memo.get(key); ok {
		return t, nil
	}
	t, err := e.evaluate(ctx, r.input(e.plan, input).Value)
	if err == nil {
		e.memo.put(key, t)
	}
	return t, err
}

// appendKids appends what the plan reads of an object. What is read as a whole stands as it is written: another spelling of
// the same value is asked about once more, and no two values have one spelling.
func (r *recording) appendKids(dst []byte, n *node, in strictjson.Node) []byte {
	for _, kid := range n.kids {
		dst = r.appendPart(dst, kid, in.Get(kid.key))
	}
	return dst
}

func (r *recording) appendPart(dst []byte, n *node, in strictjson.Node) []byte {
	switch {
	case in.Kind() == strictjson.Invalid:
		return append(dst, tagUndefined)
	case n.moving && in.Kind() == strictjson.Object:
		m := r.modelsOf(n, in)
		return append(append(dst, tagObject), m.key[:]...)
	case len(n.kids) == 0 && n.whole || in.Kind() != strictjson.Object:
		return appendTagged(dst, tagString, string(in.Raw()))
	}
	return r.appendKids(append(dst, tagPart), n, in)
}

// input makes the document that the plan reads.
func (r *recording) input(n *node, in strictjson.Node) *ast.Term {
	items := make([][2]*ast.Term, 0, len(n.kids))
	for _, kid := range n.kids {
		if t := r.part(kid, in.Get(kid.key)); t != nil {
			items = append(items, ast.Item(kid.term, t))
		}
	}
	return ast.ObjectTerm(items...)
}

// part is what n reads of a value; nil where it is undefined.
func (r *recording) part(n *node, in strictjson.Node) *ast.Term {
	switch {
	case in.Kind() == strictjson.Invalid:
		return nil
	case n.moving && in.Kind() == strictjson.Object:
		return r.modelsOf(n, in).term
	case len(n.kids) == 0 && n.whole || in.Kind() != strictjson.Object:
		return nodeTerm(in)
	}
	return r.input(n, in)
}

// modelsOf is input.models as n reads it.
func (r *recording) modelsOf(n *node, in strictjson.Node) *recordedModels {
	m := &r.models
	if m.plan == n && bytes.Equal(m.raw, in.Raw()) {
		return m
	}
	m.plan, m.raw = n, append(m.raw[:0], in.Raw()...)
	m.key = sha256.Sum256(m.raw)
	if n.whole && len(n.kids) == 0 {
		m.term = nodeTerm(in)
	} else {
		m.term = r.input(n, in)
	}
	return m
}

// nodeTerm makes a value of JSON. Number literals stay as they are written.
func nodeTerm(in strictjson.Node) *ast.Term {
	switch in.Kind() {
	case strictjson.Bool:
		b, _ := in.Bool()
		return ast.InternedTerm(b)
	case strictjson.Number:
		return ast.NumberTerm(json.Number(in.Raw()))
	case strictjson.String:
		return ast.InternedTerm(in.Str())
	case strictjson.Array:
		terms := make([]*ast.Term, 0, in.Len())
		for e := range in.Elements() {
			terms = append(terms, nodeTerm(e))
		}
		return ast.ArrayTerm(terms...)
	case strictjson.Object:
		items := make([][2]*ast.Term, 0, in.Len())
		for k, e := range in.Members() {
			items = append(items, ast.Item(ast.InternedTerm(k.Str()), nodeTerm(e)))
		}
		return ast.ObjectTerm(items...)
	default:
		return ast.InternedNullTerm
	}
}

// recorded is one event as it is read; valid until its Doc's Release.
type recorded struct {
	event, input strictjson.Node
	id           strictjson.Node
	admit        bool // the answer was admit's
	then         result

	model, tenant string
	tokens        float64 // usage tokens, estimated
}

// readEvent reads an event; why says for what reason it can't be replayed, and is empty if it can.
func (r *Replay) readEvent(event strictjson.Node) (e recorded, why string) {
	path := event.Get("path")
	e = recorded{event: event, input: event.Get("input"), id: event.Get("decision_id"), admit: path.Is("sluice/admit")}
	result, failure := present(event.Get("result")), present(event.Get("error"))
	then, ok := r.results.read(result)
	switch {
	case event.Kind() != strictjson.Object:
		return e, SkipMalformed
	case !e.admit && !path.Is("sluice/decision"):
		return e, SkipForeign
	case !ok || result.Kind() == strictjson.Invalid && failure.Kind() == strictjson.Invalid:
		return e, SkipMalformed
	case contains(event.Get("masked"), ofInput):
		return e, SkipMasked
	case r.p.log.text || contains(event.Get("erased"), beyondText):
		return e, SkipErased
	case e.input.Kind() != strictjson.Object:
		return e, SkipMalformed
	}
	r.calls = callsOf(event.Get("nd_builtin_cache"))
	e.model, e.tenant = e.input.Get("model").Str(), e.input.Get("principal").Get("tenant").Str()
	e.tokens = float(e.input.Get("prompt").Get("tokens_estimate"))
	e.then = then.settled(e.model)
	return e, ""
}

// present is the node, absent if it is null.
func present(n strictjson.Node) strictjson.Node {
	if n.Kind() == strictjson.Null {
		return strictjson.Node{}
	}
	return n
}

// contains tells whether an array holds a string that is such.
func contains(list strictjson.Node, such func(string) bool) bool {
	for e := range list.Elements() {
		if such(e.Str()) {
			return true
		}
	}
	return false
}

// float is a number's value; 0 for all else.
func float(n strictjson.Node) float64 {
	if n.Kind() != strictjson.Number {
		return 0
	}
	f, _ := strconv.ParseFloat(string(n.Raw()), 64) // out of range: an infinity or 0
	return f
}

// priced is what a usage token of input of that model cost then, in USD per million.
func (e *recorded) priced(model string) float64 {
	return float(e.input.Get("models").Get(model).Get("cost").Get("input"))
}

// results remembers the recorded results, by how they are written: a policy gives few.
type results map[string]result

const maxResults = 1024

// read gives a recorded result; where there is none, what an error was to the caller.
func (s results) read(n strictjson.Node) (result, bool) {
	if n.Kind() == strictjson.Invalid {
		return result{Reasons: []string{"policy_failed"}}, true
	}
	raw := n.Raw()
	if r, ok := s[string(raw)]; ok {
		return r, true
	}
	var r result
	if json.Unmarshal(raw, &r) != nil {
		return r, false
	}
	slices.Sort(r.Reasons)
	if len(s) >= maxResults {
		clear(s)
	}
	s[string(raw)] = r
	return r, true
}
