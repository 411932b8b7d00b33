package server_test

import (
	"maps"
	"strings"
	"testing"

	"github.com/sluicegate/sluice/runtime/internal/modelserver"
	"github.com/sluicegate/sluice/runtime/wire"
)

// In messages, at every place, a value that the model makes up is masked before the caller gets it, unless the coverage
// table names the place as no text: whole, in a stream, split over two deltas, and in members that no event has.
func TestWalkMessages(t *testing.T) {
	alone(t)
	s := walked(t)
	base := template(t, "messages.answer")
	asked := body(t, template(t, "messages.request"))
	told, masked, refused := 0, 0, 0
	try := func(what string, at way, stream bool, step modelserver.Step) {
		t.Helper()
		s.m.Script(step)
		request := asked
		if stream {
			request = streamed(asked)
		}
		r := s.Post("red", messagesPath, request, "Cache-Control", "no-store")
		nature := natureOf(wire.Messages, true, at, base)
		switch leak := shows(r.Body, marker); {
		case leak != "" && (nature == wire.Own || nature == wire.Copied):
			told++
		case leak != "":
			t.Errorf("%s at %s (%s): the caller reads %s", what, at, nature, leak)
		case strings.Contains(r.Body, `"upstream_error"`) || strings.Contains(r.Body, `"stream_interrupted"`):
			refused++
		case r.Status != 200:
			t.Errorf("%s at %s: %d %s", what, at, r.Status, r.Body)
		default:
			masked++
		}
	}
	events := func(v any, at way, parts ...string) modelserver.Step {
		return modelserver.NamedEvents(messageEvents(t, v, at, parts...)...)
	}
	var leaves, objects []way
	places(base, nil, &leaves, &objects)
	for _, at := range leaves {
		try("whole", at, false, modelserver.JSON(body(t, put(base, at, marker))))
		try("a list", append(at, 0), false, modelserver.JSON(body(t, put(base, at, []any{[]any{marker}}))))
		try("streamed", at, true, events(put(base, at, marker), nil))
		switch place := at.String(); {
		case place == "content[].text", place == "content[].thinking", strings.HasPrefix(place, "content[].input."):
			try("in two deltas", at, true, events(base, at, halves[0], halves[1]))
		}
	}
	for _, at := range objects {
		try("a key", append(at, "x_key"), false, modelserver.JSON(body(t, put(base, append(at, marker), 1))))
		try("a key in a stream", append(at, "x_key"), true, events(put(base, append(at, marker), 1), nil))
	}
	whole := messageEvents(t, base, nil)
	for i, data := range whole {
		for _, member := range []string{"x_y", "text", "delta", "content_block", "message", "choices"} {
			for _, value := range []any{marker, map[string]any{"text": marker, "type": "text_delta"}, []any{marker}} {
				ev := parsed(t, []byte(data)).(map[string]any)
				ev[member] = value
				sent := append([]string(nil), whole...)
				sent[i] = body(t, ev)
				try("a member of an event", way{member, "x_y"}, true, modelserver.NamedEvents(sent...))
			}
		}
		if i > 0 {
			ev := strings.Replace(data, `"type":"`+parsed(t, []byte(data)).(map[string]any)["type"].(string), `"type":"x_y`, 1)
			try("an event of another type", way{"x_y"}, true, modelserver.NamedEvents(whole[0], ev, whole[len(whole)-1]))
		}
	}
	for _, delta := range []map[string]any{{"type": "x_y", "text": marker}, {"type": "text_delta", "x_y": marker}, {"type": "text_delta", "text": map[string]any{"a": marker}}} {
		ev := body(t, map[string]any{"type": "content_block_delta", "index": 0, "delta": delta})
		try("a delta", way{"x_y"}, true, modelserver.NamedEvents(append([]string{whole[0], whole[1], ev}, whole[2:]...)...))
	}
	if masked < len(leaves) {
		t.Errorf("of %d places only %d answers came without the value", len(leaves), masked)
	}
	t.Logf("%d places, %d objects, %d answers without the value, %d refused, %d with it where it is no text", len(leaves), len(objects), masked, refused, told)
}

// messageEvents are the data of the events of a message. The text at the place, if there is one, comes in these parts.
func messageEvents(t *testing.T, v any, at way, parts ...string) []string {
	t.Helper()
	message := maps.Clone(v.(map[string]any))
	blocks := message["content"].([]any)
	message["content"] = []any{}
	out := []string{body(t, map[string]any{"type": "message_start", "message": message})}
	for i, b := range blocks {
		block := maps.Clone(b.(map[string]any))
		said := parts
		if len(at) < 3 || at[1] != i {
			said = nil
		}
		deltas := map[string][]string{}
		for key, kind := range map[string]string{"text": "text_delta", "thinking": "thinking_delta", "signature": "signature_delta"} {
			if text, ok := block[key].(string); ok {
				deltas[kind] = []string{text}
				if said != nil && at[2] == key {
					deltas[kind] = said
				}
				block[key] = ""
			}
		}
		if input, ok := block["input"].(map[string]any); ok {
			deltas["input_json_delta"] = []string{body(t, input)}
			if said != nil {
				whole := body(t, put(v, at, "%").(map[string]any)["content"].([]any)[i].(map[string]any)["input"])
				before, after, _ := strings.Cut(whole, "%")
				deltas["input_json_delta"] = []string{before + said[0], said[1] + after}
			}
			block["input"] = map[string]any{}
		}
		out = append(out, body(t, map[string]any{"type": "content_block_start", "index": i, "content_block": block}))
		for _, kind := range []string{"thinking_delta", "signature_delta", "text_delta", "input_json_delta"} {
			key := map[string]string{"input_json_delta": "partial_json"}[kind]
			if key == "" {
				key = strings.TrimSuffix(kind, "_delta")
			}
			for _, text := range deltas[kind] {
				out = append(out, body(t, map[string]any{"type": "content_block_delta", "index": i, "delta": map[string]any{"type": kind, key: text}}))
			}
		}
		out = append(out, body(t, map[string]any{"type": "content_block_stop", "index": i}))
	}
	end := map[string]any{"stop_reason": message["stop_reason"], "stop_sequence": message["stop_sequence"]}
	return append(out, body(t, map[string]any{"type": "message_delta", "delta": end, "usage": message["usage"]}), `{"type":"message_stop"}`)
}
