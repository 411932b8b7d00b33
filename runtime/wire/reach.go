package wire

import (
	"slices"

	"github.com/sluicegate/sluice/runtime/strictjson"
)

// Reach is something in a request that names state on the model server, or makes it fetch or run things. All callers of an
// endpoint share its credential, so what one may see or set off there is not the model server's to decide: a reach passes
// only where the decision's allow names its kind, and an id of state only where the gateway gave it to this very principal,
// or the decision names the id itself (kind:id).
type Reach struct {
	Kind  string           // one of Kinds
	Param string           // the way to the field, such as "tools[1].type"
	ID    *strictjson.Text // the id, where the field names state by one; else nil
}

// kinds is THE table of kinds of reach, with what each is.
var kinds = map[string]string{
	"store":             "the model server keeps the answer, which may be had, deleted and cancelled later",
	"background":        "the answer is made later and fetched by its id",
	"previous_response": "an earlier answer that the model server kept",
	"conversation":      "a conversation that the model server keeps",
	"item_reference":    "an item of an earlier answer that the model server kept",
	"prompt_id":         "a prompt that is kept at the model server",
	"file_id":           "a file at the model server",
	"vector_store":      "an index of files at the model server",
	"container":         "a sandbox at the model server",
	"audio_id":          "the audio of an earlier answer",
	"slot":              "a slot of the model server and what it remembers",
	"kv_transfer":       "addresses of other servers' memory",
	"chat_template":     "a program that puts the prompt together",
	"logits_processors": "functions of the model server to call",
	"web_search":        "the model server searches the web",
	"web_fetch":         "the model server fetches pages",
	"file_search":       "the model server searches its files",
	"code_interpreter":  "the model server runs code",
	"shell":             "the model server runs commands",
	"computer_use":      "the model server works a computer",
	"image_generation":  "the model server makes images",
	"mcp":               "the model server calls tools of another server",
	"plugins":           "plugins of the model server",
	"image_url":         "the model server fetches an image",
	"audio_url":         "the model server fetches audio",
	"video_url":         "the model server fetches a video",
	"file_url":          "the model server fetches a file",
}

// Kinds lists the kinds of reach, sorted.
func Kinds() []string {
	out := make([]string, 0, len(kinds))
	for k := range kinds {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// KindAbout says in one clause what the kind is; "" where there is none of that name.
func KindAbout(kind string) string { return kinds[kind] }

// Reaches is the sorted set of the kinds of what the request reaches; nil for most requests.
func (r *Request) Reaches() []string {
	if len(r.Reach) == 0 {
		return nil
	}
	out := make([]string, len(r.Reach))
	for i := range r.Reach {
		out[i] = r.Reach[i].Kind
	}
	slices.Sort(out)
	return slices.Compact(out)
}
