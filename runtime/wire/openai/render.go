package openai

import (
	"github.com/sluicegate/sluice/runtime/strictjson"
	"github.com/sluicegate/sluice/runtime/wire"
)

// Render appends a request's body; see wire.Format. Of the root only model, stream and stream_options are rewritten.
func (f *format) Render(dst []byte, r *wire.Request, how wire.Rendering) []byte {
	var room [3]strictjson.Override
	root := append(room[:0], strictjson.Override{Key: "model", Raw: quoted(how.Model)})
	switch {
	case how.OmitStream:
		root = append(root, strictjson.Override{Key: "stream"}, strictjson.Override{Key: "stream_options"})
	case how.Usage && r.Stream && !r.Usage:
		raw := withUsage(r.Doc.Root().Get("stream_options"))
		root = append(root, strictjson.Override{Key: "stream_options", Raw: raw})
	}
	return r.Doc.RenderWith(dst, root)
}

// quoted is the name as a JSON string; nil, which leaves the member out, where there is none.
func quoted(name string) []byte {
	if name == "" {
		return nil
	}
	return strictjson.AppendString(make([]byte, 0, len(name)+2), name)
}

var usageAlone = []byte(`{"include_usage":true}`)

// withUsage is the stream_options with include_usage true. They hold no strings (see switches), so their raw form is
// what they are after all edits.
func withUsage(options strictjson.Node) []byte {
	if options.Kind() != strictjson.Object {
		return usageAlone
	}
	raw := []byte(`{"include_usage":true`)
	for k, v := range options.Members() {
		if !k.Is("include_usage") {
			raw = append(append(raw, ','), k.Raw()...)
			raw = append(append(raw, ':'), v.Raw()...)
		}
	}
	return append(raw, '}')
}

// reserved are the parameters that no filter sets: they name the model, steer the stream or hold the prompt.
var reserved = []string{"model", "stream", "stream_options", "messages", "prompt", "input"}

// Amend sets parameters and adds messages; see wire.Format. What it refuses is the filter's fault: filter_failed.
func (f *format) Amend(r *wire.Request, params []wire.Param, messages []wire.Message) ([]byte, error) {
	if err := set(r, params); err != nil {
		return nil, err
	}
	if len(messages) > 0 {
		add := f.addToPrompt
		if list := r.Doc.Root().Get("messages"); list.Kind() == strictjson.Array {
			add = func(r *wire.Request, messages []wire.Message) error { return addTo(r, list, messages) }
		}
		if err := add(r, messages); err != nil {
			return nil, err
		}
	}
	return r.Doc.Render(nil), nil
}

// set sets parameters.
func set(r *wire.Request, params []wire.Param) error {
	for _, p := range params {
		for _, key := range reserved {
			if strictjson.FoldEqual([]byte(p.Name), key) {
				return amiss("a filter set '" + key + "', which no filter may set")
			}
		}
		if err := r.Doc.Set(r.Doc.Root(), p.Name, p.Value); err != nil {
			return amiss("a filter set a parameter to what is not one JSON value")
		}
	}
	return nil
}

func amiss(message string) *wire.Fault {
	return &wire.Fault{Code: wire.FilterFailed, Message: message}
}

// addable sees to it that filters may add messages of those roles.
func addable(messages []wire.Message) error {
	for _, m := range messages {
		if m.Role != wire.RoleSystem && m.Role != wire.RoleUser && m.Role != wire.RoleAssistant {
			return amiss("a filter added a message of a role that no filter may add")
		}
	}
	return nil
}

// addTo adds messages to those of a conversation. Those that go first keep their order.
func addTo(r *wire.Request, list strictjson.Node, messages []wire.Message) error {
	if err := addable(messages); err != nil {
		return err
	}
	insert := func(m wire.Message) error {
		raw := append([]byte(`{"role":"`), m.Role.String()...)
		raw = append(raw, `","content":`...)
		raw = append(strictjson.AppendString(raw, m.Text), '}')
		if err := r.Doc.Insert(list, !m.Last, raw); err != nil {
			return amiss("a filter added a message that can't be written")
		}
		return nil
	}
	for i := range messages {
		if m := messages[len(messages)-1-i]; !m.Last {
			if err := insert(m); err != nil {
				return err
			}
		}
	}
	for _, m := range messages {
		if m.Last {
			if err := insert(m); err != nil {
				return err
			}
		}
	}
	return nil
}

// addToPrompt adds messages to a prompt, which knows no roles: as paragraphs of their own.
func (f *format) addToPrompt(r *wire.Request, messages []wire.Message) error {
	if f.op != wire.Completions {
		return amiss("a filter added a message to a request that has no messages")
	}
	var first, last []byte
	for _, m := range messages {
		if m.Last {
			last = append(append(last, "\n\n"...), m.Text...)
		} else {
			first = append(append(first, m.Text...), "\n\n"...)
		}
	}
	added := false
	for _, s := range r.Segments {
		if s.Prompt && s.Role == wire.RoleUser { // the suffix is of no role
			added = true
			n := s.Text.Len()
			edits := []strictjson.Edit{{Start: 0, End: 0, With: first}, {Start: n, End: n, With: last}}
			if err := s.Text.Edit(edits); err != nil {
				return amiss("a filter added a message that can't be written")
			}
		}
	}
	if !added {
		return amiss("a filter added a message to a prompt that is not text")
	}
	return nil
}
