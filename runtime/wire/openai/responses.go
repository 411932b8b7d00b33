package openai

import (
	"slices"
	"strconv"

	"github.com/sluicegate/sluice/runtime/strictjson"
	"github.com/sluicegate/sluice/runtime/wire"
	"github.com/sluicegate/sluice/runtime/wire/walk"
)

// Responses is the format of POST /v1/responses. A stream repeats each of its texts: in deltas, whole when it is done, in
// its part, its item and the whole response at the end. All of them are pieces, the whole ones marked as repetitions.
var Responses wire.Format = responses{}

// responses implements wire.Format.
type responses struct{}

// Name is the format's name.
func (responses) Name() string { return "openai.responses" }

// Request reads a body strictly; see wire.Format.
func (f responses) Request(body []byte, limits strictjson.Limits) (*wire.Request, error) {
	doc, err := strictjson.Parse(body, limits)
	if err != nil {
		return nil, walk.Unreadable(err)
	}
	q := &request{}
	q.Request = wire.Request{Operation: wire.Responses, Format: f, Doc: doc, Size: len(body), Segments: q.room[:0]}
	q.walk = walk.New(doc, &q.Request)
	if fault := q.response(); fault != nil {
		doc.Release()
		return nil, fault
	}
	return &q.Request, nil
}

// response reads the body of a request for a response.
func (q *request) response() *wire.Fault {
	root := q.Doc.Root()
	if root.Kind() != strictjson.Object {
		return invalid("", "the body must be a JSON object")
	}
	if fault := q.prompted(root, []string{"input", "prompt", "previous_response_id", "conversation"}); fault != nil {
		return fault
	}
	if fault := q.own(root); fault != nil {
		return fault
	}
	q.Usage = q.Stream // it is a part of the answer, and no event of its own
	switch input := root.Get("input"); input.Kind() {
	case strictjson.String, strictjson.Array, strictjson.Null, strictjson.Invalid:
	default:
		return invalid("input", "must be a string or an array of items")
	}
	if fault := q.walk.Root(root, responseRequest); fault != nil {
		return fault
	}
	q.bare(root.Get("input"))
	return nil
}

// bare notes the reasoning in an input that has nothing but an id: the model server would look up what it kept under it.
// Such an id names state; it stands beside nothing.
func (q *request) bare(input strictjson.Node) {
	i := 0
	for e := range input.Elements() {
		if id := e.Get("id"); e.Get("type").Is("reasoning") && id.Kind() == strictjson.String &&
			e.Get("encrypted_content").Kind() != strictjson.String && e.Get("content").Len() == 0 && e.Get("summary").Len() == 0 {
			at := slices.IndexFunc(q.Given, func(g wire.Given) bool { return g.Node == id })
			q.Reach = append(q.Reach, wire.Reach{Kind: "item_reference", Param: "input[" + strconv.Itoa(i) + "].id", ID: q.Given[at].Text})
			q.Given = slices.Delete(q.Given, at, at+1)
		}
		i++
	}
}

// Render appends a request's body; see wire.Format. The API keeps answers unless it is told not to, so it is told so for
// every request that does not ask for it: what asks for it is a reach.
func (responses) Render(dst []byte, r *wire.Request, how wire.Rendering) []byte {
	var room [4]strictjson.Override
	root := append(room[:0], strictjson.Override{Key: "model", Raw: quoted(how.Model)})
	if k := r.Doc.Root().Get("store").Kind(); k != strictjson.Bool {
		root = append(root, strictjson.Override{Key: "store", Raw: []byte("false")})
	}
	if how.OmitStream {
		root = append(root, strictjson.Override{Key: "stream"}, strictjson.Override{Key: "stream_options"})
	}
	return r.Doc.RenderWith(dst, root)
}

// Amend sets parameters and adds messages; see wire.Format.
func (responses) Amend(r *wire.Request, params []wire.Param, messages []wire.Message) ([]byte, error) {
	if err := set(r, params); err != nil {
		return nil, err
	}
	if len(messages) > 0 {
		input := r.Doc.Root().Get("input")
		var err error
		switch input.Kind() {
		case strictjson.Array:
			err = addTo(r, input, messages)
		case strictjson.String:
			if err = addable(messages); err == nil {
				err = r.Doc.Set(r.Doc.Root(), "input", around(input.Raw(), messages))
			}
		default:
			err = amiss("a filter added a message to a request that has no input")
		}
		if err != nil {
			return nil, err
		}
	}
	return r.Doc.Render(nil), nil
}

// around is the input that has a prompt, as it stands in the body, as a message of the user among those added.
func around(prompt []byte, messages []wire.Message) []byte {
	out := []byte{'['}
	add := func(role string, content []byte) {
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(append(out, `{"role":"`...), role...)
		out = append(append(append(out, `","content":`...), content...), '}')
	}
	for _, last := range []bool{false, true} {
		for _, m := range messages {
			if m.Last == last {
				add(m.Role.String(), strictjson.AppendString(nil, m.Text))
			}
		}
		if !last {
			add("user", prompt)
		}
	}
	return append(out, ']')
}
