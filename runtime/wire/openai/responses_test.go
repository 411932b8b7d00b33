package openai

import (
	"slices"
	"strings"
	"testing"

	"github.com/sluicegate/sluice/runtime/strictjson"
	"github.com/sluicegate/sluice/runtime/wire"
)

const wholeResponse = `{"id":"resp_1","object":"response","status":"completed","model":"m","instructions":"i","output":[` +
	`{"id":"rs_1","type":"reasoning","summary":[{"type":"summary_text","text":"s"}],"content":[{"type":"reasoning_text","text":"r"}]},` +
	`{"id":"msg_1","type":"message","status":"completed","role":"assistant","content":[{"type":"output_text","text":"a","annotations":[],"logprobs":[]},{"type":"refusal","refusal":"no"}]},` +
	`{"id":"fc_1","type":"function_call","call_id":"c","name":"f","arguments":"{}"},` +
	`{"id":"ct_1","type":"custom_tool_call","call_id":"d","name":"g","input":"x"},` +
	`{"id":"ci_1","type":"code_interpreter_call","code":"y","outputs":null}],` +
	`"usage":{"input_tokens":3,"input_tokens_details":{"cached_tokens":1},"output_tokens":4}}`

// A whole answer made a stream is the whole answer again, and its texts come in the lanes that repeat them.
func TestResponsesSplitAndJoin(t *testing.T) {
	a, err := Responses.Answer([]byte(wholeResponse))
	if err != nil {
		t.Fatal(err)
	}
	if a.Usage != (wire.Usage{Input: 3, Output: 4, Cached: 1, Known: true}) || !slices.Equal(a.Finish, []string{"tool_calls"}) {
		t.Errorf("%+v %v", a.Usage, a.Finish)
	}
	evs, err := Responses.Split(a)
	if err != nil {
		t.Fatal(err)
	}
	said, repeated := map[wire.Lane]string{}, map[wire.Lane]int{}
	for n, ev := range evs {
		if got, _ := ev.Doc.Root().Get("sequence_number").Int64(); int(got) != n {
			t.Errorf("event %d has the number %d", n, got)
		}
		for _, p := range ev.Pieces {
			switch {
			case p.Repeats && !p.Whole:
				said[p.Lane] += string(p.Node.Bytes())
			case p.Repeats:
				if repeated[p.Lane]++; string(p.Node.Bytes()) != said[p.Lane] {
					t.Errorf("%v: %q, in pieces %q", p.Lane, p.Node.Bytes(), said[p.Lane])
				}
			}
		}
	}
	if len(said) != 7 {
		t.Errorf("%d lanes: %v", len(said), said)
	}
	for lane := range said {
		if _, s, _ := placeOf(lane.Choice); repeated[lane] != 4 && (s != inItem || repeated[lane] != 3) {
			t.Errorf("%v comes again %d times", lane, repeated[lane])
		}
	}
	back, err := Responses.Join(evs)
	if err != nil || string(back.Doc.Append(nil)) != wholeResponse {
		t.Errorf("%v\n got %s\nwant %s", err, back.Doc.Append(nil), wholeResponse)
	}
}

// What is held back of a text leaves in an event that readers take for a piece of it.
func TestResponsesCarry(t *testing.T) {
	f := func(like, field, want string) {
		t.Helper()
		ev, err := Responses.Event([]byte(like))
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(ev.Pieces, func(p wire.Piece) bool { return p.Lane.Field == field })
		if i < 0 {
			t.Fatalf("%s has no %s: %+v", like, field, ev.Pieces)
		}
		got, err := Responses.Carry(ev, ev.Pieces[i].Lane, []byte("x"))
		if err != nil || string(got.Doc.Append(nil)) != want || !got.Bare || got.Pieces[0].Lane != ev.Pieces[i].Lane {
			t.Errorf("%v %s", err, got.Doc.Append(nil))
		}
	}
	f(`{"type":"response.output_text.delta","item_id":"m","output_index":2,"content_index":1,"delta":"a"}`, "output_text",
		`{"type":"response.output_text.delta","sequence_number":0,"output_index":2,"item_id":"m","content_index":1,"logprobs":[],"delta":"x"}`)
	f(`{"type":"response.output_item.done","output_index":0,"item":{"id":"f","type":"function_call","name":"g","arguments":"{}"}}`, "function_call_arguments",
		`{"type":"response.function_call_arguments.delta","sequence_number":0,"output_index":0,"item_id":"f","delta":"x"}`)
}

// The parse refuses what it does not know, and reads each item as what it is.
func TestResponsesRequest(t *testing.T) {
	f := func(body, want string) {
		t.Helper()
		r, err := Responses.Request([]byte(body), strictjson.Limits{})
		if err != nil {
			if got := err.Error(); !strings.HasPrefix(got, want) {
				t.Errorf("%s: %s, want %s", body, got, want)
			}
			return
		}
		var got []string
		for _, s := range r.Segments {
			got = append(got, s.Role.String()+" "+string(s.Text.Bytes()))
		}
		if g := strings.Join(got, "; "); g != want {
			t.Errorf("%s: %q, want %q", body, g, want)
		}
		r.Doc.Release()
	}
	f(`{"input":"hi","instructions":"be"}`, "user hi; system be")
	f(`{"input":[{"role":"user","content":[{"type":"input_text","text":"ana@exa"},{"type":"input_text","text":"mple.com"}]}]}`, "user ana@example.com")
	f(`{"input":[{"type":"function_call","call_id":"c","name":"f","arguments":"{}"},{"type":"function_call_output","call_id":"c","output":"o"}]}`, "assistant {}; tool o")
	f(`{"input":[{"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"s"}],"encrypted_content":"e"}]}`, "assistant s; assistant e")
	f(`{"input":[{"type":"poem","text":"x"}]}`, "invalid_request: input[0].type")
	f(`{"input":[{"type":"message","role":"boss","content":"x"}]}`, "invalid_request: input[0].role")
	f(`{"input":[{"content":"x"}]}`, "missing_field: input[0].role")
	f(`{"input":["x"]}`, "invalid_request: input[0]")
	f(`{"input":7}`, "invalid_request: input")
	f(`{"model":"m"}`, "missing_field: input")
	f(`{"input":"a","tools":[{"type":"teleport"}]}`, "unsupported_field: tools[0].type")
	f(`{"input":"a","Input":"b"}`, "duplicate_key")
}

// Whatever a model server sends, it is read or refused.
func FuzzResponsesEvent(f *testing.F) {
	a, err := Responses.Answer([]byte(wholeResponse))
	if err != nil {
		f.Fatal(err)
	}
	evs, _ := Responses.Split(a)
	for _, ev := range evs {
		f.Add(ev.Doc.Append(nil))
	}
	f.Fuzz(func(_ *testing.T, data []byte) {
		ev, err := Responses.Event(data)
		if err != nil || ev.Doc == nil {
			return
		}
		for _, p := range ev.Pieces {
			_, _ = Responses.Carry(ev, p.Lane, []byte("x"))
		}
		if joined, err := Responses.Join([]*wire.Event{ev}); err == nil {
			_, _ = Responses.Split(joined)
		}
	})
}
