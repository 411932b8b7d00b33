package server_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/sluicegate/sluice/runtime/internal/modelserver"
)

// inParts is a whole answer whose message has a text in parts, and the events of its stream, each part in deltas of some bytes.
func inParts(step int, parts ...string) (whole string, events []string) {
	part := func(text string) string {
		return `{"type":"output_text","text":` + quote(text) + `,"annotations":[],"logprobs":[]}`
	}
	var all []string
	add := func(kind, members string) {
		events = append(events, fmt.Sprintf(`{"type":"response.%s","sequence_number":%d,%s}`, kind, len(events), members))
	}
	message := func() string {
		return `{"id":"msg_1","type":"message","role":"assistant","content":[` + strings.Join(all, ",") + `]}`
	}
	add("created", `"response":{"id":"resp_1","object":"response","status":"in_progress","output":[]}`)
	add("output_item.added", `"output_index":0,"item":`+message())
	for i, text := range parts {
		at := fmt.Sprintf(`"item_id":"msg_1","output_index":0,"content_index":%d,`, i)
		add("content_part.added", at+`"part":`+part(""))
		for n := 0; n < len(text); n += step {
			add("output_text.delta", at+`"logprobs":[],"delta":`+quote(text[n:min(n+step, len(text))]))
		}
		add("output_text.done", at+`"text":`+quote(text))
		add("content_part.done", at+`"part":`+part(text))
		add("x_news", `"about":"something else"`)
		all = append(all, part(text))
	}
	add("output_item.done", `"output_index":0,"item":`+message())
	whole = `{"id":"resp_1","object":"response","status":"completed","output":[` + message() + `],"usage":{"input_tokens":1,"output_tokens":1}}`
	add("completed", `"response":`+whole)
	return whole, events
}

// readParts is what readers of a stream have of each part: its deltas put together, and each repetition.
func readParts(t *testing.T, body string) (deltas map[int]string, whole map[int][]string) {
	t.Helper()
	deltas, whole = map[int]string{}, map[int][]string{}
	type message struct{ Content []struct{ Text string } }
	for n, frame := range strings.Split(strings.TrimSpace(body), "\n\n") {
		var ev struct {
			Type   string
			At     int `json:"content_index"`
			Number int `json:"sequence_number"`
			Delta  string
			Text   *string
			Part   *struct{ Text string }
			Item   *message
			Answer *struct{ Output []message } `json:"response"`
		}
		_, data, _ := strings.Cut(frame, "data: ")
		if err := json.Unmarshal([]byte(data), &ev); err != nil || ev.Number != n {
			t.Fatalf("%v: %q is number %d", err, frame, n)
		}
		var said []message
		switch {
		case strings.HasSuffix(ev.Type, ".added"):
		case ev.Text != nil:
			whole[ev.At] = append(whole[ev.At], *ev.Text)
		case ev.Part != nil:
			whole[ev.At] = append(whole[ev.At], ev.Part.Text)
		case ev.Item != nil:
			said = []message{*ev.Item}
		case ev.Answer != nil:
			said = ev.Answer.Output
		}
		if deltas[ev.At] += ev.Delta; ev.Delta != "" && len(whole[ev.At]) > 0 {
			t.Errorf("text of part %d after it was done: %s", ev.At, frame)
		}
		for _, m := range said {
			for i, part := range m.Content {
				whole[i] = append(whole[i], part.Text)
			}
		}
	}
	return deltas, whole
}

// A value that is split over the parts of a message is one to filters and to restore, whole and streamed, and every copy of a
// part in the stream is what its deltas were.
func TestResponsesParts(t *testing.T) {
	s := answering(t)
	const text = "to [EMAIL_1] or bob@corp.example, 4111 1111 1111 1111 [EMAIL_"
	const want = "to ana@example.com or ***, ***1111 [EMAIL_"
	const ask = `{"model":"model-a","input":"to ana@example.com"}`
	f := func(step int, parts ...string) {
		t.Helper()
		whole, events := inParts(step, parts...)
		s.m.Script(modelserver.JSON(whole))
		var a struct {
			Output []struct{ Content []struct{ Text string } }
		}
		r := s.Post("red", responsesPath, ask, "Cache-Control", "no-store")
		_ = json.Unmarshal([]byte(r.Body), &a)
		got := ""
		for _, p := range a.Output[0].Content {
			got += p.Text
		}
		if got != want {
			t.Errorf("%q whole: %q", parts, got)
		}
		s.m.Script(modelserver.NamedEvents(events...))
		r = s.Post("red", responsesPath, streamed(ask), "Cache-Control", "no-store")
		deltas, copies := readParts(t, r.Body)
		got = ""
		for i := range parts {
			got += deltas[i]
			if len(copies[i]) != 4 {
				t.Errorf("%q: part %d comes again %d times: %s", parts, i, len(copies[i]), r.Body)
			}
			for _, c := range copies[i] {
				if c != deltas[i] {
					t.Errorf("%q: part %d is %q in a copy and %q in deltas", parts, i, c, deltas[i])
				}
			}
		}
		if r.Status != 200 || got != want {
			t.Errorf("%q streamed: %d %q", parts, r.Status, got)
		}
	}
	step := 1
	if raceDetector {
		step = 9
	}
	for i := 0; i <= len(text); i += step {
		f(5, text[:i], text[i:])
	}
	for i := 4; i+7 < len(text); i += 3 * step {
		f(3, text[:i], text[i:i+2], text[i+2:i+7], text[i+7:])
		f(100, text[:i], "", text[i:])
	}
}

// saidAs is which of the events that tell of a part a stream has.
type saidAs struct{ added, deltas, text, part bool }

// saying leaves out the events that tell of the parts from a stream, but for those that how names for each part.
func saying(events []string, how []saidAs, item bool) (out []string) {
	for _, ev := range events {
		var at struct {
			Type string
			Part int `json:"content_index"`
		}
		_ = json.Unmarshal([]byte(ev), &at)
		h := how[at.Part]
		switch strings.TrimPrefix(at.Type, "response.") {
		case "content_part.added":
			if !h.added {
				continue
			}
		case "output_text.delta":
			if !h.deltas {
				continue
			}
		case "output_text.done":
			if !h.text {
				continue
			}
		case "content_part.done":
			if !h.part {
				continue
			}
		case "output_item.done":
			if !item {
				continue
			}
		}
		out = append(out, ev)
	}
	return out
}

// A value that is split over parts is one to filters and to restore also where a part comes whole, in no deltas, and whichever
// of the events that repeat it tells it first; and all that tell it tell the same.
func TestResponsesPartsThatComeWhole(t *testing.T) {
	s := answering(t)
	const text = "to [EMAIL_1] or bob@corp.example, 4111 1111 1111 1111 [EMAIL_"
	const want = "to ana@example.com or ***, ***1111 [EMAIL_"
	const ask = `{"model":"model-a","input":"to ana@example.com"}`
	f := func(how []saidAs, item bool, parts ...string) {
		t.Helper()
		_, events := inParts(5, parts...)
		s.m.Script(modelserver.NamedEvents(saying(events, how, item)...))
		r := s.Post("red", responsesPath, streamed(ask), "Cache-Control", "no-store")
		deltas, copies := readParts(t, r.Body)
		got := ""
		for i := range parts {
			if len(copies[i]) == 0 {
				t.Fatalf("%+v: part %d does not come: %d %s", how, i, r.Status, r.Body)
			}
			got += copies[i][0]
			for _, c := range copies[i] {
				if c != copies[i][0] || how[i].deltas && parts[i] != "" && c != deltas[i] {
					t.Errorf("%+v: %q: part %d is %q in copies and %q in deltas", how, parts, i, copies[i], deltas[i])
				}
			}
			if !how[i].deltas && deltas[i] != "" && parts[i] != "" {
				t.Errorf("%+v: %q: part %d has deltas %q", how, parts, i, deltas[i])
			}
		}
		if r.Status != 200 || got != want {
			t.Errorf("%+v, item %v: %q: %d %q", how, item, parts, r.Status, got)
		}
	}
	all := saidAs{true, true, true, true}
	forms := [][]saidAs{
		{{}, {}},
		{{text: true}, {text: true}},
		{{part: true}, {part: true}},
		{{text: true, part: true}, {text: true, part: true}},
		{{added: true, text: true, part: true}, {added: true, text: true, part: true}},
		{all, {text: true}},
		{all, {added: true, part: true}},
		{all, {}},
		{{text: true}, all},
		{{added: true, part: true}, {added: true, deltas: true}},
		{{text: true}, {}},
	}
	step := 1
	if raceDetector {
		step = 7
	}
	for n, how := range forms {
		for i := n % step; i <= len(text); i += step {
			f(how, true, text[:i], text[i:])
			f(how, false, text[:i], text[i:])
		}
	}
	for i := 4; i+7 < len(text); i += 3 * step {
		f([]saidAs{{text: true}, all, {part: true}, {}}, true, text[:i], text[i:i+2], text[i+2:i+7], text[i+7:])
		f([]saidAs{all, {text: true}, all, {added: true}}, false, text[:i], text[i:i+2], text[i+2:i+7], text[i+7:])
	}
}

// Where a part's text has left before the next part comes, a value split over both could only be seen too late: the stream
// ends.
func TestResponsesPartsThatComeTooLate(t *testing.T) {
	s := answering(t)
	const think = `{"type":"response.reasoning_text.delta","sequence_number":0,"item_id":"rs_1","output_index":1,"content_index":0,"delta":"so"}`
	whole := saidAs{added: true, deltas: true, text: true, part: true}
	for _, h := range [][]saidAs{{{text: true}, {text: true}}, {whole, whole}, {whole, {part: true}}, {whole, {}}, {{part: true}, {}}} {
		_, events := inParts(5, "mail bob@corp", ".example now")
		var out []string
		between := think
		for _, ev := range saying(events, h, true) {
			if (strings.Contains(ev, `"content_index":1`) || strings.Contains(ev, "output_item.done")) && between != "" {
				out, between = append(out, between), ""
			}
			out = append(out, ev)
		}
		s.m.Script(modelserver.NamedEvents(out...))
		r := s.Post("red", responsesPath, streamed(`{"model":"model-a","input":"hi"}`), "Cache-Control", "no-store")
		if strings.Contains(r.Body, ".example") || !strings.Contains(r.Body, "event: error") || strings.Contains(r.Body, "response.completed") {
			t.Errorf("%+v: %d %s", h, r.Status, r.Body)
		}
	}
}
