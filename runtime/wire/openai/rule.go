package openai

import (
	"strings"

	"github.com/sluicegate/sluice/runtime/strictjson"
	"github.com/sluicegate/sluice/runtime/wire"
)

// class says what the strings at one place of a body are. The zero value is text: what no table names is covered.
type class uint8

const (
	text      class = iota // text that filters see
	own                    // read by the gateway itself: model, stream
	enum                   // not text while it is one of the row's words
	ident                  // not text while it looks like an identifier
	arguments              // text: the JSON of a tool call's arguments
	run                    // text that is joined with that of adjacent parts
	opaque                 // content no text filter can read, counted under the row's word
	tokens                 // numbers are opaque (token ids), strings are text
	bits                   // an object of switches: no strings in it
	refused                // may be absent, null or false only
	message                // an object whose role is one of the known
	content                // a string, or an array of parts whose texts form runs
	part                   // an object whose type is one of the row's words
	tool                   // an object whose type is one of the row's words: others run on the model server
	define                 // an object with the name of a tool that is offered
	call                   // an object with the name of a tool that is called
	schema                 // a JSON Schema
	skip                   // of answers: not text
	copied                 // of answers: the text once more in another form
)

// scope is what a place says of the strings in it.
type scope uint8

const (
	inherit    scope = iota
	asked            // prompt text of the user
	beside           // prompt text of no role
	predicted        // prompt text of the model
	definition       // a tool or schema
	grows            // of answers: strings in it grow from event to event
	settled          // of answers: strings in it come whole, also where all around it grows
)

// row is one line of a table: a place, and what is there. A path names members joined by dots; [] after a name stands
// for the elements of its array, and the name * for the members that no other row names.
type row struct {
	path  string
	class class
	words string // see class
	scope scope
}

// rule is the compiled form of a place.
type rule struct {
	key     string
	class   class
	scope   scope
	words   []string
	members []*rule
	index   map[string]*rule // members by key, where they are many
	other   *rule            // members that have no rule
	items   *rule            // elements
	loose   bool             // keys are the client's own words: their spelling variants are words too
}

// free is the rule of all that no table names.
var free = freeRule()

func freeRule() *rule {
	r := &rule{loose: true}
	r.other, r.items = r, r
	return r
}

// many is the number of members from which a map is faster than going over them.
const many = 8

// compile makes rules of rows. It panics on a table that contradicts itself, which is a defect of the program.
func compile(groups ...[]row) *rule {
	root := &rule{}
	for _, rows := range groups {
		for _, row := range rows {
			root.add(row)
		}
	}
	root.finish()
	return root
}

func (r *rule) add(row row) {
	at := r
	for name := range strings.SplitSeq(row.path, ".") {
		bare := strings.TrimRight(name, "[]")
		if strings.ToLower(bare) != bare {
			panic("openai: a table's key is not in lower case: " + row.path)
		}
		at = at.child(bare)
		for range strings.Count(name, "[]") {
			if at.items == nil {
				at.items = &rule{key: at.key}
			}
			at = at.items
		}
	}
	if at.class != text || at.scope != inherit {
		panic("openai: two rows for " + row.path)
	}
	at.class, at.scope, at.words = row.class, row.scope, strings.Fields(row.words)
}

func (r *rule) child(key string) *rule {
	if key == "*" {
		if r.other == nil {
			r.other = &rule{key: key, loose: true}
		}
		return r.other
	}
	for _, m := range r.members {
		if m.key == key {
			return m
		}
	}
	m := &rule{key: key}
	r.members = append(r.members, m)
	return m
}

// finish fills in what rows leave open: elements of enumerations are of the enumeration, all else is free.
func (r *rule) finish() {
	if r.class == schema {
		key, in := r.key, r.scope
		*r = *schemaRule
		r.key, r.scope = key, in
		return
	}
	r.loose = r.loose || len(r.members) == 0
	for _, m := range r.members {
		m.finish()
	}
	if len(r.members) > many {
		r.index = make(map[string]*rule, len(r.members))
		for _, m := range r.members {
			r.index[m.key] = m
		}
	}
	switch {
	case r.other != nil:
		r.other.finish()
	default:
		r.other = free
	}
	switch {
	case r.items != nil:
		r.items.finish()
	case r.class == enum || r.class == ident || r.class == skip:
		r.items = r
	default:
		r.items = free
	}
}

// find is the member's own rule, or nil.
func find[K ~string | ~[]byte](r *rule, key K) *rule {
	if r.index != nil {
		return r.index[string(key)]
	}
	for _, m := range r.members {
		if m.key == string(key) {
			return m
		}
	}
	return nil
}

// variant tells whether key is another spelling of an interpreted key. Keys of tables are in lower case, so a key
// without upper case and non-ASCII letters is itself or another word.
func (r *rule) variant(key []byte) bool {
	if r.loose || lower(key) {
		return false
	}
	for _, m := range r.members {
		if strictjson.FoldEqual(key, m.key) {
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
func (r *rule) has(s []byte) bool {
	for _, w := range r.words {
		if w == string(s) {
			return true
		}
	}
	return false
}

// identifier tells whether s looks like an identifier made by a program: up to 64 of the characters that the API
// allows in names and ids, and not nine digits in a row, dashes between them not counted, as in numbers of cards,
// phones and people.
func identifier[T ~string | ~[]byte](s T) bool {
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
func (r *rule) enter(c context) context {
	switch r.scope {
	case asked:
		c.role, c.prompt = wire.RoleUser, true
	case beside:
		c.prompt = true
	case predicted:
		c.role, c.prompt = wire.RoleAssistant, true
	case definition:
		c.role = wire.RoleDefinition
	}
	return c
}
