package server_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/sluicegate/sluice/runtime/internal/gateway"
	"github.com/sluicegate/sluice/runtime/internal/modelserver"
)

const responsesPath = "/v1/responses"

// answering is a gateway whose model server has responses.
func answering(t *testing.T, steps ...modelserver.Step) *siege {
	t.Helper()
	m := modelserver.New(t, steps...)
	return besiegeWith(t, m, gateway.Callers+answers(m)+gateway.Rest, nil)
}

func answers(m *modelserver.Server) string {
	return strings.Replace(model(m), "requires:", "apis: [chat, responses, embeddings], requires:", 1)
}

// response is a whole answer that says a text, and echoes the instructions that the model server got.
func response(text, instructions string) string {
	return fmt.Sprintf(`{"id":"resp_1","object":"response","created_at":1,"status":"completed","error":null,"instructions":%s,"model":"m",`+
		`"output":[{"id":"msg_1","type":"message","status":"completed","role":"assistant","content":[{"type":"output_text","text":%s,`+
		`"annotations":[{"type":"url_citation","start_index":0,"end_index":3,"url":"https://a.example/x","title":"A"}],"logprobs":[]}]}],`+
		`"store":false,"tools":[],"usage":{"input_tokens":5,"input_tokens_details":{"cached_tokens":2},"output_tokens":7,"total_tokens":12}}`,
		quote(instructions), quote(text))
}

// spoken are the events of a stream that says the pieces of a text, which is repeated as often as the API does.
func spoken(pieces ...string) []string {
	text := strings.Join(pieces, "")
	begun := strings.Replace(strings.Replace(response("", "be brief"), `"status":"completed"`, `"status":"in_progress"`, 1), `"text":""`, `"text":""`, 1)
	begun = begun[:strings.Index(begun, `"output":[`)] + `"output":[]}`
	part := func(text string) string {
		return `{"type":"output_text","text":` + quote(text) + `,"annotations":[],"logprobs":[]}`
	}
	item := func(status, content string) string {
		return `{"id":"msg_1","type":"message","status":"` + status + `","role":"assistant","content":[` + content + `]}`
	}
	at := `"item_id":"msg_1","output_index":0,"content_index":0,`
	out := []string{
		`{"type":"response.created","response":` + begun + `,`,
		`{"type":"response.in_progress","response":` + begun + `,`,
		`{"type":"response.output_item.added","output_index":0,"item":` + item("in_progress", "") + `,`,
		`{"type":"response.content_part.added",` + at + `"part":` + part("") + `,`,
	}
	for _, p := range pieces {
		out = append(out, `{"type":"response.output_text.delta",`+at+`"logprobs":[],"obfuscation":"x9","delta":`+quote(p)+`,`)
	}
	out = append(out,
		`{"type":"response.output_text.done",`+at+`"logprobs":[],"text":`+quote(text)+`,`,
		`{"type":"response.content_part.done",`+at+`"part":`+part(text)+`,`,
		`{"type":"response.output_item.done","output_index":0,"item":`+item("completed", part(text))+`,`,
		`{"type":"response.completed","response":`+response(text, "be brief")+`,`)
	for i := range out {
		out[i] += fmt.Sprintf(`"sequence_number":%d}`, i)
	}
	return out
}

// heard is what a reader of a stream has: the deltas put together, and each repetition. Events are numbered in order.
func heard(t *testing.T, body string) (deltas string, whole []string) {
	t.Helper()
	n := 0
	for _, frame := range strings.Split(strings.TrimSpace(body), "\n\n") {
		name, data, _ := strings.Cut(frame, "\n")
		data = strings.TrimPrefix(data, "data: ")
		var ev struct {
			Type   string
			Delta  string
			Text   *string
			Part   *struct{ Text string }
			Item   *struct{ Content []struct{ Text string } }
			Number int `json:"sequence_number"`
			Answer struct {
				Output []struct{ Content []struct{ Text string } }
			} `json:"response"`
		}
		if err := json.Unmarshal([]byte(data), &ev); err != nil || name != "event: "+ev.Type {
			t.Fatalf("%v: %q", err, frame)
		}
		if ev.Number != n {
			t.Errorf("%s has the number %d, want %d", ev.Type, ev.Number, n)
		}
		n++
		switch {
		case strings.HasSuffix(ev.Type, ".delta"):
			deltas += ev.Delta
		case strings.HasSuffix(ev.Type, ".added"):
		case ev.Text != nil:
			whole = append(whole, *ev.Text)
		case ev.Part != nil:
			whole = append(whole, ev.Part.Text)
		case ev.Item != nil:
			whole = append(whole, ev.Item.Content[0].Text)
		case len(ev.Answer.Output) > 0:
			whole = append(whole, ev.Answer.Output[0].Content[0].Text)
		}
	}
	return deltas, whole
}

// What a stream says in pieces and again as a whole is edited alike, wherever the text is cut: what the model makes up is
// masked, the caller's own values are restored.
func TestResponsesStream(t *testing.T) {
	s := answering(t)
	const text = "ü [EMAIL_1] or bob@corp.example, 4111 1111 1111 1111 [EMAIL_"
	const want = "ü ana@example.com or ***, ***1111 [EMAIL_"
	ask := `{"model":"model-a","instructions":"be brief","input":"to ana@example.com"}`
	step := 1
	if raceDetector {
		step = 7
	}
	for i := 0; i < len(text); i += step {
		for i > 0 && text[i]&0xc0 == 0x80 {
			i++
		}
		s.m.Script(modelserver.Events(0, spoken(text[:i], text[i:])...))
		r := s.Post("red", responsesPath, streamed(ask), "Cache-Control", "no-store")
		deltas, whole := heard(t, r.Body)
		if r.Status != 200 || deltas != want || len(whole) != 4 {
			t.Fatalf("cut at %d: %d %q %q", i, r.Status, deltas, whole)
		}
		for _, w := range whole {
			if w != want {
				t.Errorf("cut at %d: %q, want %q", i, w, want)
			}
		}
		if strings.Contains(r.Body, "url_citation") || !strings.Contains(r.Body, `"annotations":[]`) {
			t.Errorf("offsets in text that was edited: %s", r.Body)
		}
	}
}

// A hit of the cache serves both forms, whichever came first.
func TestResponsesCache(t *testing.T) {
	s := answering(t)
	f := func(name string, step modelserver.Step, first, then string) {
		t.Helper()
		s.m.Script(step)
		had := len(s.m.Requests())
		for i, body := range []string{first, then, first} {
			r := s.Post("red", responsesPath, body)
			text := ""
			if strings.Contains(body, `"stream":true`) {
				deltas, whole := heard(t, r.Body)
				text = deltas
				for _, w := range whole {
					if w != deltas {
						t.Errorf("%s, %d: %q and %q", name, i, deltas, w)
					}
				}
			} else {
				var a struct {
					Output []struct{ Content []struct{ Text string } }
				}
				if err := json.Unmarshal([]byte(r.Body), &a); err != nil || len(a.Output) != 1 {
					t.Fatalf("%s, %d: %v %s", name, i, err, r.Body)
				}
				text = a.Output[0].Content[0].Text
			}
			if want := "for ana@example.com: *** and more"; r.Status != 200 || text != want {
				t.Errorf("%s, %d: %d %q, want %q\n%s", name, i, r.Status, text, want, r.Body)
			}
			if hit := r.Header.Get("X-Sluice-Cache"); (hit == "hit") != (i > 0) {
				t.Errorf("%s, %d: cache %s", name, i, hit)
			}
		}
		if n := len(s.m.Requests()) - had; n != 1 {
			t.Errorf("%s: %d calls", name, n)
		}
	}
	const text = "for [EMAIL_1]: bob@corp.example and more"
	a := `{"model":"model-a","input":"one ana@example.com"}`
	f("whole first", modelserver.JSON(response(text, "be brief")), a, streamed(a))
	b := `{"model":"model-a","input":"two ana@example.com"}`
	f("stream first", modelserver.Events(0, spoken(text[:8], text[8:])...), streamed(b), b)
}

// The model server keeps nothing unless that is asked for and allowed; whatever the gateway does not read is refused there.
func TestResponsesStore(t *testing.T) {
	s := answering(t, modelserver.JSON(response("hi", "x")))
	f := func(members, code, param, sent string) {
		t.Helper()
		had := len(s.m.Requests())
		r := s.Post("red", responsesPath, `{"model":"model-a","input":"hi"`+members+`}`, "Cache-Control", "no-store")
		var e struct{ Error struct{ Param string } }
		_ = json.Unmarshal([]byte(r.Body), &e)
		if r.Code() != code || e.Error.Param != param || sent != "" && s.last(had) != sent {
			t.Errorf("%s: %d %s, sent %s", members, r.Status, r.Body, s.last(had))
		}
	}
	f("", "", "", `{"model":"model-a","input":"hi","store":false}`)
	f(`,"store":false`, "", "", `{"model":"model-a","input":"hi","store":false}`)
	f(`,"store":null`, "", "", `{"model":"model-a","input":"hi","store":false}`)
	f(`,"store":true`, "unsupported_field", "store", "")
	f(`,"background":true`, "unsupported_field", "background", "")
	f(`,"previous_response_id":"resp_1"`, "unsupported_field", "previous_response_id", "")
	f(`,"conversation":{"id":"conv_1"}`, "unsupported_field", "conversation.id", "")
	f(`,"prompt":{"id":"pmpt_1"}`, "unsupported_field", "prompt.id", "")
	f(`,"tools":[{"type":"function","name":"f"},{"type":"mcp","server_label":"x","server_url":"https://x.example"}]`, "unsupported_field", "tools[1].type", "")
	f(`,"tools":[{"type":"file_search","vector_store_ids":["vs_1"]}]`, "unsupported_field", "tools[0].type", "")
}

// A stream that fails ends with an error event that the API's clients raise; a failure at its beginning is tried again.
func TestResponsesFailures(t *testing.T) {
	s := answering(t)
	ask := streamed(`{"model":"model-a","input":"hi"}`)
	f := func(name string, steps []modelserver.Step, want, not string) {
		t.Helper()
		s.m.Script(steps...)
		r := s.Post("red", responsesPath, ask, "Cache-Control", "no-store")
		if !strings.Contains(r.Body, want) || not != "" && strings.Contains(r.Body, not) {
			t.Errorf("%s: %d %s", name, r.Status, r.Body)
		}
	}
	good := spoken("a b", "c")
	failed := append(append([]string{}, good[:6]...), `{"type":"response.failed","sequence_number":6,"response":{"id":"r","status":"failed","error":{"code":"x","message":"SECRET upstream text"}}}`)
	f("failed", []modelserver.Step{modelserver.Events(0, failed...)}, "event: error\ndata: {\"type\":\"error\",\"code\":\"stream_interrupted\"", "SECRET")
	f("error", []modelserver.Step{modelserver.Events(0, append(append([]string{}, good[:6]...), `{"type":"error","code":"x","message":"SECRET upstream text","param":null}`)...)}, "event: error", "SECRET")
	f("cut", []modelserver.Step{modelserver.Events(0, good[:7]...)}, "event: error", "response.completed")
	f("cut in good order", []modelserver.Step{modelserver.Events(0, append(append([]string{}, good[:7]...), "[DONE]")...)}, "event: error", "response.completed")
	f("a text of no known kind", []modelserver.Step{modelserver.Events(0, good[0], `{"type":"response.thoughts.delta","delta":"bob@corp.ex"}`, good[len(good)-1])}, "event: error", "bob@")
	f("failed at once", []modelserver.Step{modelserver.Events(0, `{"type":"error","code":"x","message":"m"}`), modelserver.Events(0, good...)}, "event: response.completed", "event: error")
	f("[DONE] behind the end", []modelserver.Step{modelserver.Events(0, append(append([]string{}, good...), "[DONE]")...)}, "event: response.completed", "DONE")
}

// What a tool is called with keeps its tokens unless the policy names the tool, in a stream as in a whole answer, whatever kind
// of tool it is.
func TestResponsesToolInput(t *testing.T) {
	s := answering(t)
	const ask = `{"model":"model-a","input":"to ana@example.com"}`
	f := func(kind, member, field, input string) {
		t.Helper()
		item := `{"id":"c_1","type":"` + kind + `","call_id":"c","name":"send","` + member + `":` + quote(input) + `}`
		begun := strings.Replace(item, quote(input), `""`, 1)
		whole := `{"id":"resp_1","object":"response","status":"completed","output":[` + item + `]}`
		events := []string{`{"type":"response.created","response":{"id":"resp_1","output":[]}}`, `{"type":"response.output_item.added","output_index":0,"item":` + begun + `}`}
		for _, piece := range []string{input[:9], input[9:]} {
			events = append(events, `{"type":"response.`+field+`.delta","item_id":"c_1","output_index":0,"delta":`+quote(piece)+`}`)
		}
		events = append(events,
			`{"type":"response.`+field+`.done","item_id":"c_1","output_index":0,"`+member+`":`+quote(input)+`}`,
			`{"type":"response.output_item.done","output_index":0,"item":`+item+`}`,
			`{"type":"response.completed","response":`+whole+`}`)
		for body, step := range map[string]modelserver.Step{ask: modelserver.JSON(whole), streamed(ask): modelserver.NamedEvents(events...)} {
			s.m.Script(step)
			r := s.Post("red", responsesPath, body, "Cache-Control", "no-store")
			if r.Status != 200 || strings.Contains(r.Body, "ana@") || !strings.Contains(r.Body, "[EMAIL_1]") {
				t.Errorf("%s: %d %s", kind, r.Status, r.Body)
			}
		}
	}
	f("function_call", "arguments", "function_call_arguments", `{"to":"[EMAIL_1]"}`)
	f("custom_tool_call", "input", "custom_tool_call_input", "send to [EMAIL_1] now")
}
