package modelserver

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
)

// Responses answers as the OpenAI API's responses do, with text, and keeps those that are to be stored: they can be had,
// deleted and cancelled by their ids, and later requests may name them and their items. The ids are resp_1, msg_1, resp_2
// and so on; what nobody stored is not found.
func Responses(text string) Step {
	k := &keeper{text: text, kept: map[string]response{}}
	return k.step
}

// keeper keeps responses.
type keeper struct {
	mu   sync.Mutex
	text string
	n    int
	kept map[string]response
}

// response is one that is kept, with what went into it.
type response struct{ body, input string }

// item is an item of an input, as far as it is read.
type item struct{ Type, ID string }

func (k *keeper) step(w http.ResponseWriter, r *http.Request, body []byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	_, path, _ := strings.Cut(r.URL.Path, "/responses")
	id, rest, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if id == "" {
		k.create(w, r, body)
		return
	}
	have, ok := k.kept[id]
	switch what := r.Method + " " + rest; {
	case !ok:
		k.missing(w, r, body)
	case what == "GET " || what == "POST cancel":
		JSON(have.body)(w, r, body)
	case what == "DELETE ":
		delete(k.kept, id)
		JSON(fmt.Sprintf(`{"id":%q,"object":"response","deleted":true}`, id))(w, r, body)
	case what == "GET input_items":
		JSON(`{"object":"list","data":[`+have.input+`],"first_id":"`+id+`_in","last_id":"`+id+`_in","has_more":false}`)(w, r, body)
	default:
		Error(http.StatusMethodNotAllowed, "")(w, r, body)
	}
}

func (k *keeper) missing(w http.ResponseWriter, r *http.Request, body []byte) {
	Error(http.StatusNotFound, "")(w, r, body)
}

func (k *keeper) create(w http.ResponseWriter, r *http.Request, body []byte) {
	var req struct {
		Stream, Store bool
		Previous      string `json:"previous_response_id"`
		Input         json.RawMessage
	}
	var items []item
	_ = json.Unmarshal(body, &req)
	_ = json.Unmarshal(req.Input, &items) // a string is no list
	for _, it := range items {
		if it.Type == "item_reference" && !k.has(it.ID) {
			k.missing(w, r, body)
			return
		}
	}
	if _, ok := k.kept[req.Previous]; !ok && req.Previous != "" {
		k.missing(w, r, body)
		return
	}
	k.n++
	id, whole := fmt.Sprintf("resp_%d", k.n), Response(fmt.Sprintf("resp_%d", k.n), fmt.Sprintf("msg_%d", k.n), k.text)
	if req.Store {
		in := `{"id":"` + id + `_in","type":"message","role":"user","content":[{"type":"input_text","text":` + string(req.Input) + `}]}`
		if len(items) > 0 {
			in = strings.Trim(string(req.Input), "[]")
		}
		k.kept[id] = response{whole, in}
	}
	if req.Stream {
		NamedEvents(ResponseEvents(fmt.Sprintf("msg_%d", k.n), whole, strings.SplitAfter(k.text, " ")...)...)(w, r, body)
		return
	}
	JSON(whole)(w, r, body)
}

// has tells whether an item is of a response that is kept.
func (k *keeper) has(id string) bool {
	for _, have := range k.kept {
		if strings.Contains(have.body, `"`+id+`"`) {
			return true
		}
	}
	return false
}

// Response is a response whose one message says a text.
func Response(id, item, text string) string {
	return fmt.Sprintf(`{"id":%q,"object":"response","created_at":1,"status":"completed","error":null,"model":"m","output":[%s],`+
		`"usage":{"input_tokens":5,"output_tokens":7,"total_tokens":12}}`, id, said(item, "completed", text))
}

func said(item, status, text string) string {
	return fmt.Sprintf(`{"id":%q,"type":"message","status":%q,"role":"assistant","content":[{"type":"output_text","text":%s,"annotations":[]}]}`,
		item, status, quoted(text))
}

// ResponseEvents are the data of the events of a stream that ends with a whole response, whose message's text comes in pieces.
func ResponseEvents(item, whole string, pieces ...string) []string {
	at := fmt.Sprintf(`"item_id":%q,"output_index":0,"content_index":0,`, item)
	text := quoted(strings.Join(pieces, ""))
	begun := whole[:strings.Index(whole, `"output":[`)] + `"output":[]}`
	out := []string{
		`{"type":"response.created","response":` + begun + `}`,
		fmt.Sprintf(`{"type":"response.output_item.added","output_index":0,"item":{"id":%q,"type":"message","role":"assistant","content":[]}}`, item),
		`{"type":"response.content_part.added",` + at + `"part":{"type":"output_text","text":"","annotations":[]}}`,
	}
	for _, p := range pieces {
		out = append(out, `{"type":"response.output_text.delta",`+at+`"delta":`+quoted(p)+`}`)
	}
	return append(out,
		`{"type":"response.output_text.done",`+at+`"text":`+text+`}`,
		`{"type":"response.content_part.done",`+at+`"part":{"type":"output_text","text":`+text+`,"annotations":[]}}`,
		`{"type":"response.output_item.done","output_index":0,"item":`+said(item, "completed", strings.Join(pieces, ""))+`}`,
		`{"type":"response.completed","response":`+whole+`}`)
}
