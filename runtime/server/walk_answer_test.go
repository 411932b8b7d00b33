package server_test

import (
	"maps"
	"strings"
	"testing"

	"github.com/sluicegate/sluice/runtime/internal/modelserver"
	"github.com/sluicegate/sluice/runtime/wire"
)

// In answers, at every place, a value that the model makes up is masked before the caller gets it, unless the coverage
// table names the place as no text: whole, in one event of a stream, and split over two.
func TestWalkAnswers(t *testing.T) {
	alone(t)
	s := walked(t)
	f := func(path string, operation wire.Operation, request, name string, streams bool) {
		base := template(t, name)
		asked := body(t, template(t, request))
		told, masked := 0, 0
		try := func(what string, at way, request string, step modelserver.Step) {
			t.Helper()
			s.m.Script(step)
			r := s.Post("red", path, request, "Cache-Control", "no-store")
			nature := natureOf(operation, true, whole(at), base)
			switch leak := shows(r.Body, marker); {
			case strings.Contains(r.Body, `"upstream_error"`) && (what == "in two events" || len(at) < 3): // a name in pieces; no choices
			case r.Status != 200:
				t.Errorf("%s, %s at %s: %d %s", name, what, at, r.Status, r.Body)
			case leak == "":
				masked++
			case nature == wire.Own || nature == wire.Copied:
				told++
			default:
				t.Errorf("%s, %s at %s (%s): the caller reads %s", name, what, at, nature, leak)
			}
		}
		var leaves, objects []way
		places(base, nil, &leaves, &objects)
		for _, at := range leaves {
			try("whole", at, asked, modelserver.JSON(body(t, put(base, at, marker))))
			try("a list", append(at, 0), asked, modelserver.JSON(body(t, put(base, at, []any{[]any{marker}}))))
			if at[len(at)-1] == "index" || at[len(at)-1] == "finish_reason" {
				continue
			}
			if streams {
				at, base := delta(at), events(base)
				try("in one event", at, streamed(asked), modelserver.Events(0, body(t, put(base, at, marker)), end(t, base), "[DONE]"))
				if grows(at) {
					first, second := put(base, at, halves[0]), put(only(base, at), at, halves[1])
					try("in two events", at, streamed(asked), modelserver.Events(0, body(t, first), body(t, second), end(t, base), "[DONE]"))
				}
			}
		}
		for _, at := range objects {
			try("a key", append(at, "x_key"), asked, modelserver.JSON(body(t, put(base, append(at, marker), 1))))
			if streams && len(at) > 0 {
				at, base := delta(at), events(base)
				try("a key in an event", append(at, "x_key"), streamed(asked), modelserver.Events(0, body(t, put(base, append(at, marker), 1)), end(t, base), "[DONE]"))
			}
		}
		if masked < len(leaves)/2 {
			t.Errorf("%s: of %d places only %d answers came without the value", name, len(leaves), masked)
		}
		t.Logf("%s: %d places, %d objects, %d answers without the value, %d with it where it is no text", name, len(leaves), len(objects), masked, told)
	}
	f(chatPath, wire.ChatCompletions, "chat.request", "chat.answer", true)
	f("/v1/completions", wire.Completions, "completions.request", "completions.answer", true)
	f("/v1/embeddings", wire.Embeddings, "embeddings.request", "embeddings.answer", false)
	f(responsesPath, wire.Responses, "responses.request", "responses.answer", false)
	f("/v1/rerank", wire.Rerank, "rerank.request", "rerank.answer", false)
	f("/v2/models/tensors/infer", wire.Infer, "infer.request", "infer.answer", false)
	f("/inference", wire.Inference, "inference.request", "chat.answer", true)
}

// whole is the place in a whole answer of one in an event.
func whole(at way) way { return renamed(at, "delta", "message") }

// delta is the place in an event of one in a whole answer.
func delta(at way) way { return renamed(at, "message", "delta") }

func renamed(at way, from, to string) way {
	out := append(way{}, at...)
	if len(out) > 2 && out[2] == from {
		out[2] = to
	}
	return out
}

// grows tells whether readers put what stands at a place of several events end to end. The API's SDKs do so with all
// strings of a delta but those called type.
func grows(at way) bool {
	place := at.String()
	return place == "choices[].text" || strings.HasPrefix(place, "choices[].delta.") && at[len(at)-1] != "type"
}

// events is the event that says all that an answer does: messages as deltas, elements with their index.
func events(v any) any {
	out := map[string]any{}
	maps.Copy(out, v.(map[string]any))
	var choices []any
	for _, c := range out["choices"].([]any) {
		choice := map[string]any{}
		maps.Copy(choice, c.(map[string]any))
		delete(choice, "finish_reason")
		if m := choice["message"]; m != nil {
			choice["delta"] = numbered(m)
			delete(choice, "message")
		}
		choices = append(choices, choice)
	}
	out["choices"] = choices
	return out
}

// numbered is v with an index in each object of an array.
func numbered(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, m := range v {
			out[k] = numbered(m)
		}
		return out
	case []any:
		var out []any
		for i, e := range v {
			e := numbered(e)
			if o, ok := e.(map[string]any); ok {
				o["index"] = i
			}
			out = append(out, e)
		}
		return out
	}
	return v
}

// only is an event with nothing but what leads to a place.
func only(v any, at way) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		if v["index"] != nil {
			out["index"] = v["index"]
		}
		if len(at) > 0 {
			out[at[0].(string)] = only(v[at[0].(string)], at[1:])
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			if o, ok := e.(map[string]any); ok {
				out[i] = map[string]any{"index": o["index"]}
			}
		}
		if len(at) > 0 {
			out[at[0].(int)] = only(v[at[0].(int)], at[1:])
		}
		return out
	}
	return v
}

// end is the event that ends all choices.
func end(t *testing.T, base any) string {
	t.Helper()
	var choices []any
	for _, c := range base.(map[string]any)["choices"].([]any) {
		choices = append(choices, map[string]any{"index": c.(map[string]any)["index"], "delta": map[string]any{}, "finish_reason": "stop"})
	}
	return body(t, map[string]any{"id": "c", "choices": choices})
}
