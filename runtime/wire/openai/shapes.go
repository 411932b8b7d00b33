package openai

import (
	"cmp"
	"slices"
	"strings"

	"github.com/sluicegate/sluice/runtime/wire"
)

// Shapes lists the kinds of strings in the operation's bodies; see exchange.Surface. It goes over the very rules by which
// bodies are read, so it cannot say anything else than they do.
func (s surface) Shapes() []wire.Shape {
	if s.format == nil {
		return nil
	}
	g := gathered{op: s.op, streams: s.format.chunk != ""}
	g.rule(s.format.request, "", spot{})
	g.add(otherMembers, wire.Text, "*")
	g.add("keys of free-form objects", wire.Key, "*")
	g.answer = true
	g.said(s.format.answer, "", "")
	g.add(otherMembers, wire.Text, "*")
	g.add("keys that are no identifiers", wire.Key, "*")
	return g.sorted()
}

// otherMembers is the name of the shape that covers what no table names.
const otherMembers = "all else, known or not"

// gathered are the shapes of one operation.
type gathered struct {
	op      wire.Operation
	streams bool
	answer  bool
	shapes  []wire.Shape
}

func (g *gathered) add(name string, n wire.Nature, place string) {
	i := slices.IndexFunc(g.shapes, func(s wire.Shape) bool { return s.Answer == g.answer && s.Name == name && s.Nature == n })
	if i < 0 {
		i = len(g.shapes)
		g.shapes = append(g.shapes, wire.Shape{Operation: g.op, Answer: g.answer, Streams: g.answer && g.streams, Name: name, Nature: n})
	}
	g.shapes[i].Places = append(g.shapes[i].Places, place)
}

// natures is the order that shapes are listed in.
var natures = []wire.Nature{
	wire.Text, wire.Arguments, wire.Key, wire.Opaque, wire.Copied, wire.Ident, wire.Word, wire.Own, wire.Banned,
}

// sorted are the shapes of requests, then those of answers, text first.
func (g *gathered) sorted() []wire.Shape {
	rank := func(s wire.Shape) int {
		n := slices.Index(natures, s.Nature)
		if s.Answer {
			n += len(natures)
		}
		return n
	}
	slices.SortStableFunc(g.shapes, func(a, b wire.Shape) int {
		return cmp.Or(rank(a)-rank(b), group(a.Name)-group(b.Name))
	})
	return g.shapes
}

// group is the place of a name in the order of texts: what a conversation is made of comes first.
func group(name string) int {
	for i, prefix := range []string{"messages", "prompt", "says", "definitions", "parameters"} {
		if strings.HasPrefix(name, prefix) {
			return i
		}
	}
	return 5
}

// spot is what the places above say of the strings in a request.
type spot struct {
	context
	message bool
}

// text adds a place whose strings are text.
func (g *gathered) text(at spot, place string) {
	switch {
	case at.message:
		for i, r := range roles {
			if !slices.ContainsFunc(roles[:i], func(o roleWord) bool { return o.role == r.role }) {
				g.add("messages: "+r.role.String(), wire.Text, place)
			}
		}
	case at.prompt:
		g.add("prompt: "+at.role.String(), wire.Text, place)
	case at.role == wire.RoleDefinition:
		g.add("definitions of tools and schemas", wire.Text, place)
	default:
		g.add("parameters", wire.Text, place)
	}
}

// rule adds what a request's rule names.
func (g *gathered) rule(r *rule, place string, at spot) {
	at.context = r.enter(at.context)
	switch r.class {
	case own, bits:
		g.add("read by the gateway", wire.Own, place)
		return
	case refused:
		g.add("state and actions of the model server", wire.Banned, place)
		return
	case schema:
		g.text(at, place+".*")
		return
	case enum:
		g.add("words of closed lists", wire.Word, place)
	case ident:
		g.add("names and ids", wire.Ident, place)
	case opaque:
		g.add("opaque: "+r.words[0], wire.Opaque, place)
	case tokens:
		g.text(at, place)
		g.add("opaque: tokens", wire.Opaque, place)
	case arguments:
		g.add("arguments of tool calls", wire.Arguments, place)
	case message:
		at.message = true
	case content:
		g.text(at, place)
	case text, run:
		if leaf(r) {
			g.text(at, place)
		}
	}
	g.below(r, place, func(r *rule, place string) { g.rule(r, place, at) })
}

// leaf tells whether nothing is said of what the place holds.
func leaf(r *rule) bool { return len(r.members) == 0 && r.items == free && r.other == free }

// below goes over the rules that a rule has for what it holds.
func (g *gathered) below(r *rule, place string, visit func(*rule, string)) {
	for _, m := range r.members {
		visit(m, strings.TrimPrefix(place+"."+m.key, "."))
	}
	if r.other != free && r.other != r {
		visit(r.other, place+".*")
	}
	if r.items != free && r.items != r {
		visit(r.items, place+"[]")
	}
}

// said adds what an answer's rule names. field is the member of what a choice says that it is in; "" above that.
func (g *gathered) said(r *rule, place, field string) {
	switch {
	case r.class == own:
		g.add("read by the gateway", wire.Own, place)
		return
	case r.class == skip:
		g.add("said by the model server of itself", wire.Own, place)
		return
	case r.class == copied:
		g.add("copies of the text", wire.Copied, place)
		return
	case r.class == ident:
		g.add("names and ids", wire.Ident, place)
	case r.class == arguments:
		g.add("says: arguments of tool calls", wire.Arguments, place)
	case place != "" && field != "" && (r.key == field && !strings.HasSuffix(place, "[]") || leaf(r)):
		g.add("says: "+field, wire.Text, place)
	}
	g.below(r, place, func(m *rule, below string) {
		in := field
		if in == "" && (r.scope == grows || m.scope == grows && len(m.members) == 0) {
			in = m.key
		}
		g.said(m, below, in)
	})
}
