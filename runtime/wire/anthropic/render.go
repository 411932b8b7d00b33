package anthropic

import (
	"github.com/sluicegate/sluice/runtime/strictjson"
	"github.com/sluicegate/sluice/runtime/wire"
)

// Render appends a request's body; see wire.Format. Of the root only model and stream are rewritten.
func (f *format) Render(dst []byte, r *wire.Request, how wire.Rendering) []byte {
	var room [2]strictjson.Override
	root := append(room[:0], strictjson.Override{Key: "model", Raw: quoted(how.Model)})
	if how.OmitStream {
		root = append(root, strictjson.Override{Key: "stream"})
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

// reserved are the parameters that no filter sets: they name the model, steer the stream or hold the prompt.
var reserved = []string{"model", "stream", "system", "messages"}

// Amend sets parameters and adds messages; see wire.Format. What it refuses is the filter's fault: filter_failed.
// Messages of role system go to the system prompt.
func (f *format) Amend(r *wire.Request, params []wire.Param, messages []wire.Message) ([]byte, error) {
	root := r.Doc.Root()
	for _, p := range params {
		for _, key := range reserved {
			if strictjson.FoldEqual([]byte(p.Name), key) {
				return nil, amiss("a filter set '" + key + "', which no filter may set")
			}
		}
		if err := r.Doc.Set(root, p.Name, p.Value); err != nil {
			return nil, amiss("a filter set a parameter to what is not one JSON value")
		}
	}
	var system []wire.Message
	for _, m := range messages {
		if m.Role == wire.RoleSystem {
			system = append(system, m)
		}
	}
	if err := addSystem(r, system); err != nil {
		return nil, err
	}
	if err := addTurns(r, messages); err != nil {
		return nil, err
	}
	return r.Doc.Render(nil), nil
}

func amiss(message string) *wire.Fault {
	return &wire.Fault{Code: wire.FilterFailed, Message: message}
}

// addTurns adds the messages of the user and the assistant. Those that go first keep their order.
func addTurns(r *wire.Request, messages []wire.Message) error {
	list := r.Doc.Root().Get("messages")
	for i := range messages {
		if m := messages[len(messages)-1-i]; !m.Last && m.Role != wire.RoleSystem {
			if err := insertTurn(r, list, m); err != nil {
				return err
			}
		}
	}
	for _, m := range messages {
		if m.Last && m.Role != wire.RoleSystem {
			if err := insertTurn(r, list, m); err != nil {
				return err
			}
		}
	}
	return nil
}

func insertTurn(r *wire.Request, list strictjson.Node, m wire.Message) error {
	if m.Role != wire.RoleUser && m.Role != wire.RoleAssistant {
		return amiss("a filter added a message of a role that no filter may add")
	}
	raw := append([]byte(`{"role":"`), m.Role.String()...)
	raw = append(raw, `","content":`...)
	raw = append(strictjson.AppendString(raw, m.Text), '}')
	if err := r.Doc.Insert(list, !m.Last, raw); err != nil {
		return amiss("a filter added a message that can't be written")
	}
	return nil
}

// addSystem adds messages to the system prompt: as blocks where it has blocks, else as paragraphs.
func addSystem(r *wire.Request, messages []wire.Message) error {
	if len(messages) == 0 {
		return nil
	}
	system := r.Doc.Root().Get("system")
	switch {
	case system.Kind() == strictjson.Array:
		return addBlocks(r, system, messages)
	case system.Kind() == strictjson.String && len(system.Raw()) > len(`""`):
		return addParagraphs(r, messages)
	}
	var all []byte
	for _, last := range []bool{false, true} {
		for _, m := range messages {
			if m.Last == last {
				all = paragraph(all, m.Text)
			}
		}
	}
	if err := r.Doc.Set(r.Doc.Root(), "system", strictjson.AppendString(nil, all)); err != nil {
		return amiss("a filter added a message that can't be written")
	}
	return nil
}

func paragraph(dst []byte, text string) []byte {
	if len(dst) > 0 {
		dst = append(dst, "\n\n"...)
	}
	return append(dst, text...)
}

func addBlocks(r *wire.Request, system strictjson.Node, messages []wire.Message) error {
	block := func(m wire.Message) error {
		raw := strictjson.AppendString([]byte(`{"type":"text","text":`), m.Text)
		if err := r.Doc.Insert(system, !m.Last, append(raw, '}')); err != nil {
			return amiss("a filter added a message that can't be written")
		}
		return nil
	}
	for i := range messages {
		if m := messages[len(messages)-1-i]; !m.Last {
			if err := block(m); err != nil {
				return err
			}
		}
	}
	for _, m := range messages {
		if m.Last {
			if err := block(m); err != nil {
				return err
			}
		}
	}
	return nil
}

// addParagraphs adds messages before and behind the text of the system prompt, which may be edited already.
func addParagraphs(r *wire.Request, messages []wire.Message) error {
	var first, last []byte
	for _, m := range messages {
		if m.Last {
			last = append(append(last, "\n\n"...), m.Text...)
		} else {
			first = append(append(first, m.Text...), "\n\n"...)
		}
	}
	for _, s := range r.Segments {
		if s.Prompt && s.Role == wire.RoleSystem {
			n := s.Text.Len()
			edits := []strictjson.Edit{{Start: 0, End: 0, With: first}, {Start: n, End: n, With: last}}
			if err := s.Text.Edit(edits); err != nil {
				return amiss("a filter added a message that can't be written")
			}
			return nil
		}
	}
	return amiss("a filter added a message to a system prompt that can't be found")
}
