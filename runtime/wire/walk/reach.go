package walk

import (
	"strconv"
	"strings"

	"github.com/sluicegate/sluice/runtime/strictjson"
	"github.com/sluicegate/sluice/runtime/wire"
)

// reach notes what the request reaches on the model server. The way to it is filled in on the way back; see lies.
func (w *Walk) reach(r *Rule, n strictjson.Node) {
	reach := wire.Reach{Kind: r.reach}
	if r.Class == State && n.Kind() == strictjson.String {
		reach.ID = w.doc.Text(n)
	}
	w.r.Reach = append(w.r.Reach, reach)
}

// lies says that what was reached since there was so much lies under key.
func (w *Walk) lies(had int, key string) {
	for i := had; i < len(w.r.Reach); i++ {
		w.r.Reach[i].Param = path(key, w.r.Reach[i].Param)
	}
}

// liesAt says that it lies in the i-th element.
func (w *Walk) liesAt(had, i int) {
	if had < len(w.r.Reach) {
		w.lies(had, "["+strconv.Itoa(i)+"]")
	}
}

// path is the way to a place under key.
func path(key, rest string) string {
	if rest == "" || rest[0] == '[' {
		return key + rest
	}
	return key + "." + rest
}

// holds tells whether the rule says what n holds.
func (r *Rule) holds(n strictjson.Node) bool {
	return n.Kind() == strictjson.Object && len(r.members) > 0 || n.Kind() == strictjson.Array && r.Items != free
}

// named sees to it that what names state is a string.
func named(n strictjson.Node) *wire.Fault {
	if n.Kind() == strictjson.String || !used(n) {
		return nil
	}
	return Invalid("", "must be a string")
}

// hosted are the tools that the model server runs itself, by their type, each with the kind of reach that it is.
var hosted = map[string]string{
	"web_search":                    "web_search",
	"web_search_2025_08_26":         "web_search",
	"web_search_preview":            "web_search",
	"web_search_preview_2025_03_11": "web_search",
	"file_search":                   "file_search",
	"code_interpreter":              "code_interpreter",
	"computer_use_preview":          "computer_use",
	"computer":                      "computer_use",
	"image_generation":              "image_generation",
	"mcp":                           "mcp",
	"shell":                         "shell",
	"web_fetch":                     "web_fetch",
	"code_execution":                "code_interpreter",
	"mcp_toolset":                   "mcp",
}

// hosted notes the type of a tool that the model server runs itself, and tells whether it is one.
func (w *Walk) hosted(n strictjson.Node) bool {
	t := n.Get("type")
	if t.Kind() != strictjson.String {
		return false
	}
	kind, ok := hosted[t.Str()]
	if !ok {
		kind, ok = hosted[undated(t.Str())]
	}
	if ok {
		w.r.Reach = append(w.r.Reach, wire.Reach{Kind: kind, Param: "type"})
	}
	return ok
}

// undated is the type without the date of its version, such as web_search_20250305 has.
func undated(t string) string {
	name, date := t[:max(len(t)-9, 0)], t[max(len(t)-9, 0):]
	if len(date) == 9 && date[0] == '_' && strings.Trim(date[1:], "0123456789") == "" {
		return name
	}
	return t
}

// item walks an object by the rule of its type.
func (w *Walk) item(n strictjson.Node, r *Rule, c context) *wire.Fault {
	if n.Kind() != strictjson.Object {
		return Invalid("", "must be an object")
	}
	t := n.Get("type")
	if k := t.Kind(); k != strictjson.String && k != strictjson.Null && k != strictjson.Invalid {
		return Invalid("type", "must be a string")
	}
	of := r.typed(t.Bytes())
	if of == r {
		return Invalid("type", "is not one of the types that are known here")
	}
	return w.value(n, of, c)
}
