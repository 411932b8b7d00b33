// Package walk reads bodies by tables: what a table does not name is text.
//
// A table is rows of a place and what is there (Row); Compile makes a Rule of it. A Walk takes a request's document over
// it and fills in the request: its texts, what is opaque, tools, messages, parameters. A Said gathers the texts of a whole
// answer or of an event. Shapes says of the same Rules what they cover. The formats of package wire's sub-packages are
// made of these, each with tables of its own; the package itself knows no API.
package walk

import (
	"strings"

	"github.com/sluicegate/sluice/runtime/strictjson"
	"github.com/sluicegate/sluice/runtime/wire"
)

// Class says what the strings at one place of a body are. The zero value is Text: what no table names is covered.
type Class uint8

// The classes.
const (
	Text      Class = iota // text that filters see
	Own                    // read by the gateway itself: model, stream
	Enum                   // not text while it is one of the row's words
	Ident                  // not text while it looks like an identifier
	Given                  // as Ident; the id of something that is there whole, noted in the request's Given
	Arguments              // text: the JSON of a tool call's arguments
	Run                    // text that is joined with that of adjacent parts
	Opaque                 // content no text filter can read, counted under the row's word
	Tokens                 // numbers are opaque (token ids), strings are text
	Bits                   // an object of switches: no strings in it
	Refused                // may be absent, null or false only
	State                  // a string: the id of state on the model server, which no filter sees; see wire.Reach
	Message                // an object whose role is one of the row's words; of all that there are if it has none
	Content                // a string, or an array of parts whose texts form runs
	Part                   // an object whose type is one of the row's words
	Item                   // an object whose type is one that rows name, which say what it is; a row of no type, <>, is of those without
	Tool                   // an object whose type is one of the row's words: others run on the model server
	Offer                  // as Tool, but the type may be absent, and the object has the name of the tool that is offered
	Define                 // an object with the name of a tool that is offered
	Call                   // an object with the name of a tool that is called
	Schema                 // a JSON Schema
	Skip                   // of answers: not text
	Copied                 // of answers: the text once more in another form
	Sum                    // of answers: says something of the whole text of its choice, such as a signature
	Offsets                // of answers: says where in the text things are, so that it goes when that is edited; its strings are text
)

// Scope is what a place says of the strings in it.
type Scope uint8

// The scopes.
const (
	Inherit    Scope = iota
	Asked            // prompt text of the user
	Beside           // prompt text of no role
	Predicted        // prompt text of the model
	Instructed       // prompt text of the system
	Resulted         // prompt text of a tool: what it gave back
	Definition       // a tool or schema
	Grows            // of answers: strings in it grow from event to event
	Settled          // of answers: strings in it come whole, also where all around it grows
	Input            // of answers: strings in it are what a tool is called with
)

// Row is one line of a table: a place, and what is there. A path names members joined by dots; [] after a name stands
// for the elements of its array, and the name * for the members that no other row names. A word in <> after a name or
// after [] stands for the objects of that type there, which have what rows say of them beside what rows say of all.
type Row struct {
	Path  string
	Class Class
	Words string // see Class
	Scope Scope
	Reach string // the kind of reach of what is there and neither null nor false; of opaque content where it is no data URL
}

// Rule is the compiled form of a place.
type Rule struct {
	Key   string
	Class Class
	Scope Scope
	Other *Rule // members that have no rule
	Items *Rule // elements

	words   []string
	reach   string
	members []*Rule
	index   map[string]*Rule // members by key, where they are many
	types   []*Rule          // objects of a type, which is the rule's kind
	kind    string
	loose   bool // keys are the client's own words: their spelling variants are words too
	done    bool // finished
}

// free is the rule of all that no table names.
var free = freeRule()

func freeRule() *Rule {
	r := &Rule{loose: true, done: true}
	r.Other, r.Items = r, r
	return r
}

// many is the number of members from which a map is faster than going over them.
const many = 16

// Compile makes rules of rows. It panics on a table that contradicts itself, which is a defect of the program.
func Compile(groups ...[]Row) *Rule {
	root := &Rule{}
	for _, rows := range groups {
		for _, row := range rows {
			root.add(row)
		}
	}
	root.finish()
	return root
}

func (r *Rule) add(row Row) {
	at := r
	for name := range strings.SplitSeq(row.Path, ".") {
		at = at.step(name, row.Path)
	}
	if at.Class != Text || at.Scope != Inherit || at.reach != "" {
		panic("walk: two rows for " + row.Path)
	}
	at.Class, at.Scope, at.words, at.reach = row.Class, row.Scope, strings.Fields(row.Words), row.Reach
}

// step goes from a place to one below it: name, name[], name<type> and name[]<type>.
func (r *Rule) step(name, path string) *Rule {
	name, kind, typed := strings.Cut(strings.TrimSuffix(name, ">"), "<")
	bare := strings.TrimRight(name, "[]")
	if strings.ToLower(bare) != bare {
		panic("walk: a table's key is not in lower case: " + path)
	}
	at := r.child(bare)
	for range strings.Count(name, "[]") {
		if at.Items == nil {
			at.Items = &Rule{Key: at.Key}
		}
		at = at.Items
	}
	if typed {
		return at.of(kind)
	}
	return at
}

// of is the rule of the objects of a type, made if there is none.
func (r *Rule) of(kind string) *Rule {
	for _, t := range r.types {
		if t.kind == kind {
			return t
		}
	}
	t := &Rule{Key: r.Key, kind: kind}
	r.types = append(r.types, t)
	return t
}

// typed is the rule of an object by its type.
func (r *Rule) typed(kind []byte) *Rule {
	for _, t := range r.types {
		if t.kind == string(kind) {
			return t
		}
	}
	return r
}

func (r *Rule) child(key string) *Rule {
	if key == "*" {
		if r.Other == nil {
			r.Other = &Rule{Key: key, loose: true}
		}
		return r.Other
	}
	for _, m := range r.members {
		if m.Key == key {
			return m
		}
	}
	m := &Rule{Key: key}
	r.members = append(r.members, m)
	return m
}

// finish fills in what rows leave open: elements of enumerations are of the enumeration, all else is free.
func (r *Rule) finish() {
	if r.done {
		return
	}
	r.done = true
	if r.Class == Schema {
		key, in := r.Key, r.Scope
		*r = *schemaRule
		r.Key, r.Scope = key, in
		return
	}
	for _, t := range r.types {
		t.inherit(r)
		t.finish()
	}
	r.loose = r.loose || len(r.members) == 0
	for _, m := range r.members {
		m.finish()
	}
	if len(r.members) > many {
		r.index = make(map[string]*Rule, len(r.members))
		for _, m := range r.members {
			r.index[m.Key] = m
		}
	}
	switch {
	case r.Other != nil:
		r.Other.finish()
	default:
		r.Other = free
	}
	switch {
	case r.Items != nil:
		r.Items.finish()
	case r.Class == Enum || r.Class == Ident || r.Class == Given || r.Class == Skip:
		r.Items = r
	default:
		r.Items = free
	}
}

// inherit gives the rule of a type what rows say of all objects there and not of those of the type.
func (r *Rule) inherit(all *Rule) {
	if r.Class == Text && r.Scope == Inherit && r.reach == "" && all.Class != Item {
		r.Class, r.Scope, r.words = all.Class, all.Scope, all.words
	}
	for _, m := range all.members {
		if Find(r, m.Key) == nil {
			r.members = append(r.members, m)
		}
	}
	if r.Other == nil {
		r.Other = all.Other
	}
}

// Find is the member's own rule, or nil.
func Find[K ~string | ~[]byte](r *Rule, key K) *Rule {
	if r.index != nil {
		return r.index[string(key)]
	}
	for _, m := range r.members {
		if m.Key == string(key) {
			return m
		}
	}
	return nil
}

// variant tells whether key is another spelling of an interpreted key. Keys of tables are in lower case, so a key
// without upper case and non-ASCII letters is itself or another word.
func (r *Rule) variant(key []byte) bool {
	if r.loose || lower(key) {
		return false
	}
	for _, m := range r.members {
		if strictjson.FoldEqual(key, m.Key) {
			return true
		}
	}
	return false
}

func lower(key []byte) bool {
	for _, c := range key {
		if c >= 0x80 || 'A' <= c && c <= 'Z' {
			return false
		}
	}
	return true
}

// has tells whether s is one of the row's words.
func (r *Rule) has(s []byte) bool {
	for _, w := range r.words {
		if w == string(s) {
			return true
		}
	}
	return false
}

// Identifier tells whether s looks like an identifier made by a program: up to 64 of the characters that the API
// allows in names and ids, and not nine digits in a row, dashes between them not counted, as in numbers of cards,
// phones and people.
func Identifier[T ~string | ~[]byte](s T) bool {
	if len(s) == 0 || len(s) > 64 {
		return false
	}
	digits := 0
	for i := range len(s) {
		switch c := s[i]; {
		case '0' <= c && c <= '9':
			if digits++; digits == 9 {
				return false
			}
		case c == '-' || c == '_' || c == '.' || c == ':':
		case 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z':
			digits = 0
		default:
			return false
		}
	}
	return true
}

// context is what the places above say of a string.
type context struct {
	role   wire.Role
	prompt bool
	tool   string // the called tool's name
}

// enter is the context inside the rule's place.
func (r *Rule) enter(c context) context {
	switch r.Scope {
	case Asked:
		c.role, c.prompt = wire.RoleUser, true
	case Beside:
		c.prompt = true
	case Predicted:
		c.role, c.prompt = wire.RoleAssistant, true
	case Instructed:
		c.role, c.prompt = wire.RoleSystem, true
	case Resulted:
		c.role, c.prompt = wire.RoleTool, true
	case Definition:
		c.role = wire.RoleDefinition
	}
	return c
}
