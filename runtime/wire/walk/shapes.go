package walk

import (
	"cmp"
	"slices"
	"strings"

	"github.com/sluicegate/sluice/runtime/wire"
)

// Shapes lists the kinds of strings in an operation's bodies; see exchange.Surface. It goes over the very rules by which
// bodies are read, so it cannot say anything else than they do. streams tells whether answers are streamed, too.
func Shapes(op wire.Operation, request, answer *Rule, streams bool) []wire.Shape {
	g := gathered{op: op, streams: streams}
	g.rule(request, "", spot{})
	g.add(otherMembers, wire.Text, "*")
	g.add("keys of free-form objects", wire.Key, "*")
	g.answer = true
	g.said(answer, "", "")
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
	message *Rule // nil outside messages
}

// text adds a place whose strings are text.
func (g *gathered) text(at spot, place string) {
	switch {
	case at.message != nil && at.role != wire.RoleOther:
		g.add("messages: "+at.role.String(), wire.Text, place)
	case at.message != nil:
		for i, r := range roles {
			if at.message.takes(r.word) && !slices.ContainsFunc(roles[:i], func(o roleWord) bool { return o.role == r.role }) {
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
func (g *gathered) rule(r *Rule, place string, at spot) {
	at.context = r.enter(at.context)
	if r.reach != "" && r.Class != Opaque {
		g.add("reaches out: "+r.reach, wire.Banned, place)
		return
	}
	switch r.Class {
	case Own, Bits:
		g.add("read by the gateway", wire.Own, place)
		return
	case Refused:
		g.add("not possible here", wire.Banned, place)
		return
	case Schema:
		g.text(at, place+".*")
		return
	case Enum:
		g.add("words of closed lists", wire.Word, place)
	case Ident, Given:
		g.add("names and ids", wire.Ident, place)
	case Opaque:
		g.add("opaque: "+r.words[0], wire.Opaque, place)
	case Tokens:
		g.text(at, place)
		g.add("opaque: tokens", wire.Opaque, place)
	case Arguments:
		g.add("arguments of tool calls", wire.Arguments, place)
	case Message:
		at.message = r
	case Content:
		g.text(at, place)
	case Text, Run:
		if leaf(r) {
			g.text(at, place)
		}
	}
	g.below(r, place, func(r *Rule, place string) { g.rule(r, place, at) })
}

// leaf tells whether nothing is said of what the place holds.
func leaf(r *Rule) bool { return len(r.members) == 0 && r.Items == free && r.Other == free }

// below goes over the rules that a rule has for what it holds.
func (g *gathered) below(r *Rule, place string, visit func(*Rule, string)) {
	for _, m := range r.members {
		visit(m, strings.TrimPrefix(place+"."+m.Key, "."))
	}
	for _, t := range r.types {
		if r.Class == Item {
			visit(t, place+"<"+t.kind+">")
			continue
		}
		for _, m := range t.members {
			if !slices.Contains(r.members, m) {
				visit(m, place+"<"+t.kind+">."+m.Key)
			}
		}
	}
	if r.Other != free && r.Other != r {
		visit(r.Other, place+".*")
	}
	if r.Items != free && r.Items != r {
		visit(r.Items, place+"[]")
	}
}

// said adds what an answer's rule names. field is the member of what a choice says that it is in; "" above that.
func (g *gathered) said(r *Rule, place, field string) {
	switch {
	case r.Class == Own:
		g.add("read by the gateway", wire.Own, place)
		return
	case r.Class == Skip:
		g.add("said by the model server of itself", wire.Own, place)
		return
	case r.Class == Copied, r.Class == Sum:
		g.add("copies of the text", wire.Copied, place)
		return
	case r.Class == Ident:
		g.add("names and ids", wire.Ident, place)
	case r.Class == Arguments:
		g.add("says: arguments of tool calls", wire.Arguments, place)
	case place != "" && field != "" && (r.Key == field && !strings.HasSuffix(place, "[]") || leaf(r)):
		g.add("says: "+field, wire.Text, place)
	}
	g.below(r, place, func(m *Rule, below string) {
		in := field
		if in == "" && (r.Scope == Grows || m.Scope == Grows && len(m.members) == 0) {
			in = m.Key
		}
		g.said(m, below, in)
	})
}
