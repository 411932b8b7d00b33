package walk

import (
	"bytes"
	"slices"

	"github.com/sluicegate/sluice/runtime/strictjson"
	"github.com/sluicegate/sluice/runtime/wire"
)

// Walk goes over every value of a request's document, each with its rule, and fills in the Request: segments, opaque
// content, tools, messages, parameters. What the rules refuse ends it with a fault whose Param is the way to the place.
type Walk struct {
	doc   *strictjson.Doc
	r     *wire.Request
	texts []strictjson.Node // room for a run's strings
}

// New is a Walk over the document of a request.
func New(doc *strictjson.Doc, r *wire.Request) Walk { return Walk{doc: doc, r: r} }

// Root walks the outermost object, whose members are also the parameters that policies read.
func (w *Walk) Root(n strictjson.Node, r *Rule) *wire.Fault {
	for k, v := range n.Members() {
		key := k.Bytes()
		m, fault := w.member(k, key, r, context{})
		if fault != nil {
			return fault
		}
		w.param(m, key, v)
		had := len(w.r.Reach)
		if fault := w.value(v, m, context{}); fault != nil {
			return Under(fault, m.name())
		}
		w.lies(had, m.name())
	}
	return nil
}

// name is the rule's key as faults may show it.
func (r *Rule) name() string {
	if r.Key == "" {
		return "*"
	}
	return r.Key
}

// member is the rule of a member. A key that no row names is the caller's own word, and so a segment itself.
func (w *Walk) member(k strictjson.Node, key []byte, r *Rule, c context) (*Rule, *wire.Fault) {
	if m := Find(r, key); m != nil {
		return m, nil
	}
	if r.variant(key) {
		return nil, &wire.Fault{
			Code: wire.DuplicateKey, Param: "*",
			Message: "a key is another spelling of a known one; write keys in lower case, as the API does",
		}
	}
	if r.Other.Class != Ident || !Identifier(key) {
		w.segment(wire.Segment{Role: c.role, Prompt: c.prompt, Key: true}, k)
	}
	return r.Other, nil
}

// value walks one value.
func (w *Walk) value(n strictjson.Node, r *Rule, c context) *wire.Fault {
	if r.Scope != Inherit {
		c = r.enter(c)
	}
	if r.reach != "" && r.Class != Opaque && used(n) && !(r.Class == State && r.holds(n)) {
		w.reach(r, n)
	}
	switch r.Class {
	case Own:
		return nil
	case State:
		if !r.holds(n) {
			return named(n)
		}
	case Refused:
		return refuse(n)
	case Bits:
		return switches(n)
	case Tokens:
		return w.tokens(n, c)
	case Item:
		return w.item(n, r, c)
	case Message, Tool, Offer:
		if n.Kind() != strictjson.Object {
			return Invalid("", "must be an object")
		}
	case Content:
		if n.Kind() == strictjson.Number || n.Kind() == strictjson.Bool {
			return Invalid("", "must be a string or an array of parts")
		}
	case Opaque:
		if n.Kind() == strictjson.String || len(r.members) == 0 {
			w.opaque(n, r)
			return nil
		}
	}
	switch n.Kind() {
	case strictjson.String:
		return w.str(n, r, c)
	case strictjson.Array:
		return w.array(n, r, c)
	case strictjson.Object:
		return w.object(n, r, c)
	}
	return nil
}

func (w *Walk) str(n strictjson.Node, r *Rule, c context) *wire.Fault {
	switch r.Class {
	case Enum:
		if r.has(n.Bytes()) {
			return nil
		}
	case Ident:
		if Identifier(n.Bytes()) {
			return nil
		}
	case Given:
		return w.given(n, c)
	}
	s := wire.Segment{Role: c.role, Prompt: c.prompt}
	if r.Class == Arguments {
		s.Arguments, s.Tool = true, c.tool
	}
	w.segment(s, n)
	return nil
}

// given notes an id that the gateway may have given out, which is longer than an identifier then.
func (w *Walk) given(n strictjson.Node, c context) *wire.Fault {
	text := w.doc.Text(n)
	w.r.Given = append(w.r.Given, wire.Given{Node: n, Text: text})
	if s := n.Bytes(); !Identifier(s) && len(s) > 0 {
		w.r.Segments = append(w.r.Segments, wire.Segment{Role: c.role, Prompt: c.prompt, Text: text})
	}
	return nil
}

func (w *Walk) array(n strictjson.Node, r *Rule, c context) *wire.Fault {
	if r.Class == Content {
		return w.content(n, r.Items, c)
	}
	i := 0
	for e := range n.Elements() {
		had := len(w.r.Reach)
		if fault := w.value(e, r.Items, c); fault != nil {
			return At(fault, i)
		}
		w.liesAt(had, i)
		i++
	}
	return nil
}

func (w *Walk) object(n strictjson.Node, r *Rule, c context) *wire.Fault {
	fault := w.enter(n, r, &c)
	if len(r.types) > 0 {
		r = r.typed(n.Get("type").Bytes())
	}
	if fault != nil {
		return fault
	}
	for k, v := range n.Members() {
		m, fault := w.member(k, k.Bytes(), r, c)
		if fault != nil {
			return fault
		}
		had := len(w.r.Reach)
		if fault := w.value(v, m, c); fault != nil {
			return Under(fault, m.name())
		}
		w.lies(had, m.name())
	}
	return nil
}

// enter does what an object of the rule's class asks for before its members are walked.
func (w *Walk) enter(n strictjson.Node, r *Rule, c *context) *wire.Fault {
	switch r.Class {
	case Message:
		w.r.Messages++
		c.prompt = true
		return w.role(n.Get("role"), r, c)
	case Content:
		return Invalid("", "must be a string or an array of parts")
	case Part:
		return typed(n, r, wire.InvalidRequest, "the type must be ")
	case Tool:
		if w.hosted(n) {
			return nil
		}
		return typed(n, r, wire.UnsupportedField, unknownTool)
	case Offer:
		return w.offer(n, r)
	case Define:
		if name := n.Get("name"); name.Kind() == strictjson.String {
			w.r.Tools = append(w.r.Tools, name.Str())
		}
	case Call:
		if name := n.Get("name"); name.Kind() == strictjson.String {
			c.tool = name.Str()
		}
	}
	return nil
}

const unknownTool = "this tool is not known here; the type must be "

// offer reads a tool that is offered.
func (w *Walk) offer(n strictjson.Node, r *Rule) *wire.Fault {
	if name := n.Get("name"); name.Kind() == strictjson.String {
		w.r.Tools = append(w.r.Tools, name.Str())
	}
	if k := n.Get("type").Kind(); k == strictjson.Invalid || k == strictjson.Null {
		return nil
	}
	fault := typed(n, r, wire.UnsupportedField, unknownTool)
	if fault != nil && w.hosted(n) {
		return nil
	}
	return fault
}

// roleWord is a role as the API spells it, with its class.
type roleWord struct {
	word string
	role wire.Role
}

// roles are the roles of the API.
var roles = [...]roleWord{
	{"system", wire.RoleSystem},
	{"developer", wire.RoleSystem},
	{"user", wire.RoleUser},
	{"assistant", wire.RoleAssistant},
	{"tool", wire.RoleTool},
	{"function", wire.RoleTool},
}

// role reads a message's role. Every role of the API is of a class; any other is refused, since filters and policies
// could not say what its text is.
func (w *Walk) role(n strictjson.Node, r *Rule, c *context) *wire.Fault {
	if n.Kind() == strictjson.Invalid || n.Kind() == strictjson.Null {
		return &wire.Fault{Code: wire.MissingField, Param: "role", Message: "a message needs a role"}
	}
	for i := range roles {
		if n.Is(roles[i].word) && r.takes(roles[i].word) {
			c.role = roles[i].role
			return nil
		}
	}
	return Invalid("role", "must be "+oneOf(r.roles()))
}

// takes tells whether a message may be of a role.
func (r *Rule) takes(role string) bool { return len(r.words) == 0 || slices.Contains(r.words, role) }

// roles are the roles that a message may be of.
func (r *Rule) roles() []string {
	if len(r.words) > 0 {
		return r.words
	}
	var all []string
	for i := range roles {
		all = append(all, roles[i].word)
	}
	return all
}

// typed sees to it that the object's type is one of the rule's words.
func typed(n strictjson.Node, r *Rule, code wire.Code, why string) *wire.Fault {
	t := n.Get("type")
	switch {
	case t.Kind() == strictjson.Invalid:
		return &wire.Fault{Code: wire.MissingField, Param: "type", Message: "the type is missing; it must be " + oneOf(r.words)}
	case t.Kind() == strictjson.String && r.has(t.Bytes()):
		return nil
	}
	return &wire.Fault{Code: code, Param: "type", Message: why + oneOf(r.words)}
}

// content walks the parts of one content. Adjacent texts are one run, so that a value split over two parts is one
// value to filters; any other part ends the run. A run stands in the order of segments where it begins.
func (w *Walk) content(n strictjson.Node, r *Rule, c context) *wire.Fault {
	texts, begin, i := w.texts, -1, 0
	w.texts = nil // a content within a part needs room of its own
	for e := range n.Elements() {
		had := len(texts)
		if e.Kind() == strictjson.String || e.Kind() == strictjson.Object {
			if begin < 0 {
				begin = len(w.r.Segments)
				w.r.Segments = append(w.r.Segments, wire.Segment{Role: c.role, Prompt: c.prompt})
			}
		}
		var fault *wire.Fault
		reach := len(w.r.Reach)
		if texts, fault = w.part(e, r, c, texts); fault != nil {
			return At(fault, i)
		}
		w.liesAt(reach, i)
		if len(texts) == had {
			w.close(begin, texts)
			texts, begin = texts[:0], -1
		}
		i++
	}
	w.close(begin, texts)
	w.texts = texts[:0]
	return nil
}

// close makes the run that began at a segment of the texts, or takes the segment out again if there are none.
func (w *Walk) close(begin int, texts []strictjson.Node) {
	switch {
	case begin < 0:
	case len(texts) > 0:
		w.r.Segments[begin].Text = w.doc.Text(texts...)
	default:
		w.r.Segments = append(w.r.Segments[:begin], w.r.Segments[begin+1:]...)
	}
}

// part walks one part of a content and appends its texts to those of the run.
func (w *Walk) part(n strictjson.Node, r *Rule, c context, texts []strictjson.Node) ([]strictjson.Node, *wire.Fault) {
	switch n.Kind() {
	case strictjson.String:
		return append(texts, n), nil
	case strictjson.Object:
	default:
		return texts, Invalid("", "must be a part: an object with a type")
	}
	if fault := typed(n, r, wire.InvalidRequest, "the type must be "); fault != nil {
		return texts, fault
	}
	if len(r.types) > 0 {
		r = r.typed(n.Get("type").Bytes())
	}
	for k, v := range n.Members() {
		m, fault := w.member(k, k.Bytes(), r, c)
		if fault != nil {
			return texts, fault
		}
		if m.Class == Run && v.Kind() == strictjson.String {
			texts = append(texts, v)
			continue
		}
		had := len(w.r.Reach)
		if fault := w.value(v, m, c); fault != nil {
			return texts, Under(fault, m.name())
		}
		w.lies(had, m.name())
	}
	return texts, nil
}

// tokens walks a prompt or input: a text or several, or token ids, which are text in a form that no text filter reads.
func (w *Walk) tokens(n strictjson.Node, c context) *wire.Fault {
	switch n.Kind() {
	case strictjson.String:
		w.segment(wire.Segment{Role: c.role, Prompt: c.prompt}, n)
	case strictjson.Array:
		return w.tokenLists(n, c)
	case strictjson.Null:
	default:
		return Invalid("", "must be a string, an array of strings, or token ids")
	}
	return nil
}

func (w *Walk) tokenLists(n strictjson.Node, c context) *wire.Fault {
	ids, i := false, 0
	for e := range n.Elements() {
		switch {
		case e.Kind() == strictjson.String:
			w.segment(wire.Segment{Role: c.role, Prompt: c.prompt}, e)
		case e.Kind() == strictjson.Number:
			ids = true
		case e.Kind() == strictjson.Array && numbers(e):
			w.count("tokens")
		default:
			return At(Invalid("", "must be a string or token ids"), i)
		}
		i++
	}
	if ids {
		w.count("tokens")
	}
	return nil
}

func numbers(n strictjson.Node) bool {
	for e := range n.Elements() {
		if e.Kind() != strictjson.Number {
			return false
		}
	}
	return true
}

// segment adds one string. Empty strings are none.
func (w *Walk) segment(s wire.Segment, n strictjson.Node) {
	if len(n.Raw()) == len(`""`) {
		return
	}
	s.Text = w.doc.Text(n)
	w.r.Segments = append(w.r.Segments, s)
}

// opaque counts content of the rule's kind. What is no data URL is also a URL that the model server would fetch.
func (w *Walk) opaque(n strictjson.Node, r *Rule) {
	if n.Kind() == strictjson.Null {
		return
	}
	w.count(r.words[0])
	s := n.Bytes()
	if n.Kind() != strictjson.String || bytes.HasPrefix(s, []byte("data:")) {
		return
	}
	if r.reach != "" {
		w.reach(r, n)
	}
	if bytes.Contains(s, []byte("://")) {
		w.count("url")
	}
}

func (w *Walk) count(kind string) {
	if w.r.Opaque == nil {
		w.r.Opaque = map[string]int{}
	}
	w.r.Opaque[kind]++
}

// refuse is the fault of a field that may not be used.
func refuse(n strictjson.Node) *wire.Fault {
	if !used(n) {
		return nil
	}
	return &wire.Fault{Code: wire.UnsupportedField, Message: "is not possible here; leave it out"}
}

// used tells whether a field is used: null and false do not use it.
func used(n strictjson.Node) bool {
	on, isBool := n.Bool()
	return n.Kind() != strictjson.Null && (!isBool || on)
}

// switches sees to it that an object holds no strings. It is rewritten from its raw form, so no filter edits it.
func switches(n strictjson.Node) *wire.Fault {
	for _, v := range n.Members() {
		if k := v.Kind(); k != strictjson.Bool && k != strictjson.Number && k != strictjson.Null {
			return Invalid("", "must hold nothing but booleans and numbers")
		}
	}
	return nil
}
