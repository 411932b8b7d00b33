package server_test

import (
	"strings"
	"testing"

	"github.com/sluicegate/sluice/runtime/internal/modelserver"
	"github.com/sluicegate/sluice/runtime/wire"
	"github.com/sluicegate/sluice/runtime/wire/openai"
)

// In a stream of a response, at every place of every event, a value that the model makes up is masked before the caller gets
// it, unless the coverage table names the place as no text: in what the stream says of the whole, split over two deltas, in
// each event's own members, and in members that no event has.
func TestWalkResponsesStream(t *testing.T) {
	alone(t)
	s := walked(t)
	base := template(t, "responses.answer")
	asked := streamed(body(t, template(t, "responses.request")))
	told, masked, refused := 0, 0, 0
	try := func(what string, at way, events []string) {
		t.Helper()
		s.m.Script(modelserver.NamedEvents(events...))
		r := s.Post("red", responsesPath, asked, "Cache-Control", "no-store")
		nature := natureOf(wire.Responses, true, at, base)
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
	var leaves, objects []way
	places(base, nil, &leaves, &objects)
	for _, at := range leaves {
		events := responseEvents(t, put(base, at, marker))
		try("streamed", at, events)
		for i, data := range events {
			if d, _ := parsed(t, []byte(data)).(map[string]any)["delta"].(string); d == marker {
				first, second := strings.Replace(data, marker, halves[0], 1), strings.Replace(data, marker, halves[1], 1)
				try("in two deltas", at, append(append(append([]string(nil), events[:i]...), first, second), events[i+1:]...))
			}
		}
	}
	for _, at := range objects {
		try("a key", append(at, "x_key"), responseEvents(t, put(base, append(at, marker), 1)))
	}
	whole, tried := responseEvents(t, base), map[string]bool{}
	anew := func(what string) bool {
		had := tried[what]
		tried[what] = true
		return !had
	}
	for i, data := range whole {
		ev := parsed(t, []byte(data))
		kind, _ := ev.(map[string]any)["type"].(string)
		swap := func(changed any) []string { // between the first event and the last, or in their place
			sent := []string{whole[0], body(t, changed), whole[len(whole)-1]}
			switch i {
			case 0:
				sent = sent[1:]
			case len(whole) - 1:
				sent = sent[:2]
			}
			return sent
		}
		var leaves, objects []way
		places(ev, nil, &leaves, &objects)
		for _, at := range leaves {
			if !anew(kind[strings.LastIndexByte(kind, '.'):] + " " + inAnswer(at, ev).String()) {
				continue
			}
			try("of an event", inAnswer(at, ev), swap(put(ev, at, marker)))
			try("a list in an event", append(inAnswer(at, ev), "x_y"), swap(put(ev, at, []any{[]any{marker}})))
		}
		if !anew(kind) {
			continue
		}
		for _, member := range []string{"x_y", "text", "arguments", "input", "code", "delta", "item", "part", "response", "annotation", "output"} {
			for _, value := range []any{marker, map[string]any{"x_y": marker}, []any{marker}} {
				try("a member of an event", way{"x_y"}, swap(put(ev, way{member}, value)))
			}
		}
	}
	if masked < 2*len(leaves) {
		t.Errorf("of %d places only %d answers came without the value", len(leaves), masked)
	}
	t.Logf("%d places, %d events, %d answers without the value, %d refused, %d with it where it is no text", len(leaves), len(whole), masked, refused, told)
}

// responseEvents are the data of the events of a response.
func responseEvents(t *testing.T, response any) []string {
	t.Helper()
	a, err := openai.Responses.Answer([]byte(body(t, response)))
	if err != nil {
		return []string{body(t, map[string]any{"type": "response.completed", "response": response})} // it has no output
	}
	defer a.Doc.Release()
	events, err := openai.Responses.Split(a)
	if err != nil {
		t.Fatal(err)
	}
	out := make([]string, len(events))
	for i, ev := range events {
		out[i] = string(ev.Doc.Append(nil))
		ev.Doc.Release()
	}
	return out
}

// inAnswer is the place in a whole answer of one in an event.
func inAnswer(at way, ev any) way {
	m := ev.(map[string]any)
	index := func(key string) int {
		n, _ := m[key].(interface{ Int64() (int64, error) }).Int64()
		return int(n)
	}
	switch at[0] {
	case "response":
		return at[1:]
	case "item":
		return append(way{"output", index("output_index")}, at[1:]...)
	case "part":
		if m["summary_index"] != nil {
			return append(way{"output", index("output_index"), "summary", index("summary_index")}, at[1:]...)
		}
		return append(way{"output", index("output_index"), "content", index("content_index")}, at[1:]...)
	}
	return at
}
