package server_test

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/sluicegate/sluice/runtime/internal/gateway"
	"github.com/sluicegate/sluice/runtime/internal/modelserver"
	"github.com/sluicegate/sluice/runtime/server"
	"github.com/sluicegate/sluice/runtime/wire"
)

// The walk goes over every place of requests and answers that have all that the API's reference and the model servers
// that follow it document (testdata/walk), puts a value there that the shipped redactor finds, and sees where it comes out.

// marker is what is put into each place. No identifier and no word of a closed list looks like it.
const marker = "eve@leak.example"

// halves are the marker over two events.
var halves = [2]string{"eve@le", "ak.example"}

// way is the way to a place in a body: keys and indexes.
type way []any

// String is the way as the coverage table writes places.
func (w way) String() string {
	var b strings.Builder
	for _, step := range w {
		switch step := step.(type) {
		case string:
			if b.Len() > 0 {
				b.WriteByte('.')
			}
			b.WriteString(step)
		default:
			b.WriteString("[]")
		}
	}
	return b.String()
}

// template reads a body of testdata/walk.
func template(t *testing.T, name string) any {
	t.Helper()
	b, err := os.ReadFile("testdata/walk/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	return parsed(t, b)
}

func parsed(t *testing.T, b []byte) (v any) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(string(b)))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

func body(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// places lists the ways to everything in v that is no object and no array, and to the objects.
func places(v any, at way, leaves, objects *[]way) {
	at = slices.Clip(at)
	switch v := v.(type) {
	case map[string]any:
		*objects = append(*objects, at)
		for k, m := range v {
			places(m, append(at, k), leaves, objects)
		}
	case []any:
		for i, e := range v {
			places(e, append(at, i), leaves, objects)
		}
	default:
		*leaves = append(*leaves, at)
	}
}

// put is v with another value at a place. v is not changed.
func put(v any, at way, value any) any {
	if len(at) == 0 {
		return value
	}
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, m := range v {
			out[k] = m
		}
		out[at[0].(string)] = put(v[at[0].(string)], at[1:], value)
		return out
	case []any:
		out := slices.Clone(v)
		out[at[0].(int)] = put(v[at[0].(int)], at[1:], value)
		return out
	}
	return map[string]any{at[0].(string): put(nil, at[1:], value)}
}

// natureOf is what the coverage table says of a place in base: of itself, or of the nearest above that says something of
// all that it holds.
func natureOf(operation wire.Operation, answer bool, at way, base any) wire.Nature {
	for n := len(at); n > 0; n-- {
		for _, s := range server.Shapes() {
			if s.Operation != operation || s.Answer != answer || !slices.ContainsFunc(s.Places, func(p string) bool { return at[:n].is(p, base) }) {
				continue
			}
			whole := s.Nature == wire.Own || s.Nature == wire.Copied || s.Nature == wire.Banned || s.Nature == wire.Opaque
			if n == len(at) || whole {
				return s.Nature
			}
		}
	}
	return wire.Text
}

// is tells whether the table's place is this one of base. Any name is *; one with a type in <> is of objects of that type.
func (w way) is(place string, base any) bool {
	have, want := strings.Split(w.String(), "."), strings.Split(place, ".")
	if place == "*" || len(have) != len(want) {
		return false
	}
	for i, v := range w.values(base) {
		name, kind, typed := strings.Cut(strings.TrimSuffix(want[i], ">"), "<")
		if name != have[i] && name != "*" {
			return false
		}
		if o, _ := v.(map[string]any); typed && o["type"] != kind {
			return false
		}
	}
	return true
}

// values are those on the way, one for each name with the indexes behind it; nil where there is none.
func (w way) values(v any) (out []any) {
	for i, step := range w {
		switch step := step.(type) {
		case string:
			o, _ := v.(map[string]any)
			v = o[step]
		case int:
			if list, _ := v.([]any); step < len(list) {
				v = list[step]
			} else {
				v = nil
			}
		}
		if i+1 < len(w) {
			if _, more := w[i+1].(int); more {
				continue
			}
		}
		out = append(out, v)
	}
	return out
}

// walked is a gateway with a model that takes text alone, and one that takes all.
func walked(t *testing.T) *siege {
	m := modelserver.New(t)
	all := strings.Replace(model(m), "requires:", "apis: [chat, completions, embeddings, responses, rerank, ranking], requires:", 1)
	open := strings.NewReplacer("models:\n", "", "model-a", "model-open", "endpoints:", "opaque: allow\n    endpoints:").Replace(all)
	tensors := fmt.Sprintf("  - name: tensors\n    endpoints: [{name: one, provider: oip, url: %q, requires: [redact]}]\n", m.URL())
	claudeOpen := strings.NewReplacer("name: claude", "name: claude-open", "endpoints:", "opaque: allow\n    endpoints:").Replace(beside(m))
	return besiegeWith(t, m, gateway.Callers+all+open+tensors+beside(m)+claudeOpen+gateway.Rest, nil)
}

// In requests, at every place, a value is edited before the model server gets it, or the request is refused, as the
// coverage table says.
func TestWalkRequests(t *testing.T) {
	alone(t)
	s := walked(t)
	s.m.Script(modelserver.JSON(`{"choices":[{"index":0,"text":"x","message":{"content":"x"}}],"data":[],"results":[],"outputs":[],"output":[],"content":[],"input_tokens":1}`))
	f := func(path string, operation wire.Operation, name string) {
		base := template(t, name)
		if r := s.Post("red", path, body(t, base)); r.Status != 200 {
			t.Fatalf("%s as it stands: %d %s", name, r.Status, r.Body)
		}
		edited := 0
		try := func(what string, at way, sent any) {
			t.Helper()
			had := len(s.m.Requests())
			r := s.Post("red", path, body(t, sent), "Cache-Control", "no-store")
			nature := natureOf(operation, false, at, base)
			got := s.last(had)
			switch leak := shows(got, marker); {
			case r.Status == 200 && leak != "" && nature != wire.Opaque:
				t.Errorf("%s, %s at %s (%s): the model server gets %s", name, what, at, nature, leak)
			case r.Status == 200 && got != "":
				edited++
			case r.Status != 400 || len(s.m.Requests()) != had:
				t.Errorf("%s, %s at %s: %d %s", name, what, at, r.Status, r.Body)
			default:
				s.refusedRightly(name+", "+what, at, nature, r)
			}
		}
		var leaves, objects []way
		places(base, nil, &leaves, &objects)
		for _, at := range leaves {
			try("a value", at, put(base, at, marker))
			try("a list", at, put(base, at, []any{marker}))
			try("an object", at, put(base, at, map[string]any{"x_y": marker}))
		}
		for _, at := range objects {
			try("a key", append(slices.Clip(at), "x_key"), put(base, append(slices.Clip(at), marker), 1))
			try("an unknown member", append(slices.Clip(at), "x_key"), put(base, append(slices.Clip(at), "x_key"), []any{[]any{marker}}))
		}
		if edited < len(leaves) {
			t.Errorf("%s: of %d places only %d requests went on", name, len(leaves), edited)
		}
		t.Logf("%s: %d places, %d objects, %d requests went on without the value", name, len(leaves), len(objects), edited)
	}
	f(chatPath, wire.ChatCompletions, "chat.request")
	f(chatPath, wire.ChatCompletions, "chat.opaque.request")
	f("/v1/completions", wire.Completions, "completions.request")
	f("/v1/embeddings", wire.Embeddings, "embeddings.request")
	f("/v1/rerank", wire.Rerank, "rerank.request")
	f(responsesPath, wire.Responses, "responses.request")
	f("/v2/models/tensors/infer", wire.Infer, "infer.request")
	f("/inference", wire.Inference, "inference.request")
	f(messagesPath, wire.Messages, "messages.request")
	f(messagesPath, wire.Messages, "messages.opaque.request")
	f(messagesPath+"/count_tokens", wire.CountTokens, "count.request")
}

// refusedRightly holds a refusal against the coverage table, and sees to it that it names the place.
func (s *siege) refusedRightly(what string, at way, nature wire.Nature, r gateway.Reply) {
	s.t.Helper()
	var e struct {
		Error struct{ Param string }
	}
	_ = json.Unmarshal([]byte(r.Body), &e)
	code := r.Code()
	switch {
	case code == "unknown_model" && strings.HasPrefix(at.String(), "model"):
	case code == "opaque_content" && nature == wire.Opaque, code == "opaque_content" && strings.HasPrefix(at.String(), "audio"):
	case code == "unsupported_field" && nature == wire.Banned && named(e.Error.Param, at, len(at)):
	case code == "invalid_request" || code == "missing_field" || code == "unsupported_field":
		if e.Error.Param != "" && !named(e.Error.Param, at, 1) {
			s.t.Errorf("%s at %s: the fault names %s", what, at, e.Error.Param)
		}
		if shows(r.Body, marker) != "" {
			s.t.Errorf("%s at %s: the fault tells the value: %s", what, at, r.Body)
		}
	default:
		s.t.Errorf("%s at %s (%s): refused with %s", what, at, nature, r.Body)
	}
}

// named tells whether a fault's param is the way to a place, to one in it, or to one above it by at least so many steps.
func named(param string, at way, steps int) bool {
	for n := len(at); n >= steps; n-- {
		var b strings.Builder
		for _, step := range at[:n] {
			switch step := step.(type) {
			case int:
				fmt.Fprintf(&b, "[%d]", step)
			case string:
				if b.Len() > 0 {
					b.WriteByte('.')
				}
				b.WriteString(step)
			}
		}
		if rest, ok := strings.CutPrefix(param, b.String()); ok && (rest == "" || n == len(at) && strings.ContainsAny(rest[:1], ".[")) {
			return true
		}
	}
	return false
}

// Each place that the table says is refused, is.
func TestWalkBanned(t *testing.T) {
	s := walked(t)
	paths := map[wire.Operation]string{wire.ChatCompletions: chatPath, wire.Completions: "/v1/completions", wire.Embeddings: "/v1/embeddings"}
	bases := map[wire.Operation]string{wire.ChatCompletions: "chat.opaque.request", wire.Completions: "completions.request", wire.Embeddings: "embeddings.request"}
	tried := 0
	for _, shape := range server.Shapes() {
		if shape.Nature != wire.Banned || paths[shape.Operation] == "" {
			continue
		}
		for _, place := range shape.Places {
			base := template(t, bases[shape.Operation])
			at := way{place}
			switch {
			case shape.Operation == wire.Embeddings && strings.HasPrefix(place, "messages"):
				continue // as in chats
			case place == "messages[].content[].file.file_id":
				at = way{"messages", 0, "content", 3, "file", "file_id"}
			case place == "messages[].audio":
				at = way{"messages", 0, "audio"}
			}
			tried++
			had := len(s.m.Requests())
			r := s.Post("red", paths[shape.Operation], body(t, put(base, at, marker)))
			var e struct {
				Error struct{ Param string }
			}
			if err := json.Unmarshal([]byte(r.Body), &e); err != nil || r.Status != 400 || len(s.m.Requests()) != had || !named(e.Error.Param, at, len(at)) {
				t.Errorf("%s of %s: %d %s", place, shape.Operation, r.Status, r.Body)
			}
		}
	}
	if tried < 20 {
		t.Errorf("%d places", tried)
	}
}
