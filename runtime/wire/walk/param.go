package walk

import (
	"encoding/json"

	"github.com/sluicegate/sluice/runtime/strictjson"
)

// param keeps one member of the root as policies read it: numbers, booleans, and words of enumerations, also where
// they are the type of an object (response_format, tool_choice). No other string is kept, nor an unknown key that does
// not look like an identifier: both may be text.
func (w *Walk) param(m *Rule, key []byte, v strictjson.Node) {
	if m.Class == Own || m.Class == Bits || m.Class == Refused || m.Class == State {
		return
	}
	var value any
	switch v.Kind() {
	case strictjson.Number:
		value = json.Number(v.Raw())
	case strictjson.Bool:
		value, _ = v.Bool()
	case strictjson.String:
		value = word(m, v)
	case strictjson.Object:
		if t := Find(m, "type"); t != nil {
			value = word(t, v.Get("type"))
		}
	}
	if value == nil || m.Key == "" && !Identifier(key) {
		return
	}
	name := m.Key
	if name == "" {
		name = string(key)
	}
	if w.r.Params == nil {
		w.r.Params = make(map[string]any, many)
	}
	w.r.Params[name] = value
}

// word is the string as the rule's enumeration spells it, or nil.
func word(r *Rule, n strictjson.Node) any {
	if r.Class != Enum || n.Kind() != strictjson.String {
		return nil
	}
	for _, s := range r.words {
		if n.Is(s) {
			return s
		}
	}
	return nil
}
