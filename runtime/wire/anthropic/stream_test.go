package anthropic

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/sluicegate/sluice/runtime/wire"
)

// pieces are the texts of an answer or event with their lanes: W whole, A arguments, with the tool's name.
func pieces(list []wire.Piece) (out []string) {
	for _, p := range list {
		s := fmt.Sprintf("%d %s", p.Lane.Choice, p.Lane.Field)
		if p.Whole {
			s += " W"
		}
		if p.Lane.Arguments {
			s += " A"
		}
		if p.Called {
			s += " (" + p.Tool + ")"
		}
		out = append(out, s+" "+string(p.Node.Bytes()))
	}
	return out
}

// message1 is an answer with a block of each kind.
const message1 = `{"id":"msg_1","type":"message","role":"assistant","model":"claude","content":[` +
	`{"type":"thinking","thinking":"hm","signature":"c2ln"},` +
	`{"type":"text","text":"Hello","citations":[{"type":"char_location","cited_text":"d","document_index":0}]},` +
	`{"type":"tool_use","id":"toolu_1","name":"look","input":{"city":"Graz","at":["noon",2],"in":{}}},` +
	`{"type":"tool_use","id":"toolu_2","name":"none","input":{}},` +
	`{"type":"web_search_tool_result","tool_use_id":"s","content":[{"type":"web_search_result","url":"u"}]}],` +
	`"stop_reason":"tool_use","stop_sequence":null,"usage":{"input_tokens":3,"cache_creation_input_tokens":4,"cache_read_input_tokens":5,"output_tokens":7}}`

func TestAnswer(t *testing.T) {
	a, err := Messages.Answer([]byte(message1))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"1 thinking hm", "2 text Hello", "2 citations.0.cited_text W d", "3 input.city W (look) Graz", "3 input.at.0 W (look) noon",
		"5 content.0.type W web_search_result", "5 content.0.url W u",
	}
	got := pieces(a.Pieces)
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if u := a.Usage; u != (wire.Usage{Input: 12, Output: 7, Cached: 5, Known: true}) || a.Model != "claude" || !slices.Equal(a.Finish, []string{"tool_use"}) {
		t.Errorf("%+v %s %v", u, a.Model, a.Finish)
	}
	a.SetText(1, []byte("Bye"))
	if s := string(a.Doc.Append(nil)); !strings.Contains(s, "c2ln") {
		t.Errorf("another block's signature is gone: %s", s)
	}
	a.SetText(0, []byte("***"))
	if s := string(a.Doc.Append(nil)); strings.Contains(s, "c2ln") || !strings.Contains(s, `"thinking":"***","signature":""`) {
		t.Errorf("%s", s)
	}
	for _, bad := range []string{`{`, `[]`, `{}`, `{"content":"x"}`, `{"content":["x"]}`, `{"content":[[]]}`, `{"type":"error","content":[]}`, `{"content":[],"content":[]}`} {
		if a, err := Messages.Answer([]byte(bad)); err == nil {
			t.Errorf("%s was taken: %v", bad, a)
		}
	}
	if a, err := CountTokens.Answer([]byte(`{"input_tokens":14}`)); err != nil || len(a.Pieces) != 0 || a.Usage.Known {
		t.Errorf("%+v %v", a, err)
	}
	if _, err := CountTokens.Answer([]byte(message1)); err == nil {
		t.Error("a message was taken for a count")
	}
}

func eventOf(t *testing.T, data string) *wire.Event {
	t.Helper()
	ev, err := Messages.Event([]byte(data))
	if err != nil {
		t.Fatalf("%s: %v", data, err)
	}
	return ev
}

func TestEvent(t *testing.T) {
	f := func(data string, want ...string) *wire.Event {
		t.Helper()
		ev := eventOf(t, data)
		if got := pieces(ev.Pieces); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", data, got, want)
		}
		return ev
	}
	if ev := f(`{"type":"message_start","message":{"id":"m","content":[],"stop_sequence":"END","usage":{"input_tokens":3,"output_tokens":1}}}`, "-1 stop_sequence W END"); ev.Usage.Input != 3 || ev.Bare {
		t.Errorf("%+v", ev)
	}
	f(`{"type":"content_block_start","index":1,"content_block":{"type":"text","text":""}}`, "0 content.1.text ")
	f(`{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"t","name":"look","input":{}}}`, "2 partial_json A (look) ")
	if ev := f(`{"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"a"}}`, "0 content.1.text a"); !ev.Bare || ev.Pieces[0].Summed {
		t.Errorf("%+v", ev)
	}
	if ev := f(`{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"a"}}`, "1 thinking a"); !ev.Pieces[0].Summed {
		t.Errorf("%+v", ev)
	}
	f(`{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"a"}}`, `2 partial_json A () {"a`)
	f(`{"type":"content_block_delta","index":1,"delta":{"type":"citations_delta","citation":{"type":"x","cited_text":"c"}}}`, "2 citation.cited_text W c")
	if ev := f(`{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"c2ln"}}`); len(ev.Copies) != 1 || !ev.Copies[0].Sum || !ev.Bare {
		t.Errorf("%+v", ev)
	}
	if ev := f(`{"type":"content_block_stop","index":3}`); !slices.Equal(ev.Finished, []int{4}) {
		t.Errorf("%+v", ev)
	}
	if ev := f(`{"type":"message_delta","delta":{"stop_reason":"stop_sequence","stop_sequence":"END"},"usage":{"output_tokens":9}}`, "-1 stop_sequence W END"); ev.Usage.Output != 9 || ev.Finish[0] != "stop_sequence" {
		t.Errorf("%+v", ev)
	}
	f(`{"type":"ping"}`)
	f(`{"type":"ping","note":"x"}`, "-1 note W x")
	if ev := eventOf(t, `{"type":"message_stop"}`); !ev.Done {
		t.Errorf("%+v", ev)
	}
	if ev := eventOf(t, `{"type":"error","error":{"type":"overloaded_error"}}`); !ev.Error {
		t.Errorf("%+v", ev)
	}
	for _, bad := range []string{
		`{`, `[]`, `{}`, `"x"`, `{"type":"x"}`, `{"type":"content_block_stop"}`, `{"type":"content_block_stop","index":-1}`, `{"type":"content_block_stop","index":"0"}`,
		`{"type":"content_block_delta","index":0,"delta":"x"}`, `{"type":"content_block_delta","index":0,"delta":{"type":"x_delta","text":"x"}}`,
		`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":{"x":"y"}}}`, `{"type":"content_block_start","index":0,"content_block":"x"}`,
		`{"type":"message_start","message":{"content":[{"type":"text","text":"x"}]}}`, `{"type":"message_delta","delta":{"content":[]}}`, `{"type":"ping","delta":{"text":"x"}}`,
	} {
		if ev, err := Messages.Event([]byte(bad)); err == nil {
			t.Errorf("%s was taken: %q", bad, pieces(ev.Pieces))
		}
	}
}

// A carried text is an event that says it in the lane it is for.
func TestCarry(t *testing.T) {
	for _, lane := range []wire.Lane{{Field: "content.2.text"}, {Field: "content.22.text"}, {Choice: 1, Field: "thinking"}, {Choice: 2, Field: "partial_json", Arguments: true}} {
		ev, err := Messages.Carry(nil, lane, []byte(`a"b`))
		if err != nil || len(ev.Pieces) != 1 || ev.Pieces[0].Lane != lane || string(ev.Pieces[0].Node.Bytes()) != `a"b` {
			t.Errorf("%+v: %v %v", lane, ev, err)
		}
	}
	if _, err := Messages.Carry(nil, wire.Lane{Choice: -1, Field: "stop_sequence"}, nil); err == nil {
		t.Error("text outside the blocks is carried")
	}
}

// same tells whether two bodies say the same.
func same(t *testing.T, a, b []byte) bool {
	t.Helper()
	var x, y any
	if err := json.Unmarshal(a, &x); err != nil {
		t.Fatalf("%s: %v", a, err)
	}
	if err := json.Unmarshal(b, &y); err != nil {
		t.Fatalf("%s: %v", b, err)
	}
	return reflect.DeepEqual(x, y)
}

// A message split into events and joined again is the same message.
func TestSplitJoin(t *testing.T) {
	f := func(body string) {
		t.Helper()
		a, err := Messages.Answer([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		events, err := Messages.Split(a)
		if err != nil {
			t.Fatal(err)
		}
		b, err := Messages.Join(events)
		if err != nil {
			t.Fatal(err)
		}
		if got := b.Doc.Append(nil); !same(t, got, []byte(body)) || b.Usage != a.Usage {
			t.Errorf("%s, want %s", got, body)
		}
	}
	f(message1)
	f(`{"content":[]}`)
	f(`{"type":"message","content":[{"type":"text","text":""}],"stop_reason":"end_turn","stop_sequence":"x","more":{"a":1}}`)
	f(`{"content":[{"type":"redacted_thinking","data":"x"},{"type":"compaction","content":"y"},{"type":"text","text":"a","citations":null}]}`)
}

// A stream as the API's reference shows it, joined.
func TestJoin(t *testing.T) {
	var events []*wire.Event
	for _, data := range []string{
		`{"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"claude","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":25,"output_tokens":1}}}`,
		`{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}`,
		`{"type":"ping"}`,
		`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Let me "}}`,
		`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"look"}}`,
		`{"type":"content_block_stop","index":0}`,
		`{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"toolu_1","name":"get_weather","input":{}}}`,
		`{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":""}}`,
		`{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"location\":"}}`,
		`{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":" \"Graz\"}"}}`,
		`{"type":"content_block_stop","index":1}`,
		`{"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"output_tokens":89}}`,
		`{"type":"message_stop"}`,
	} {
		events = append(events, eventOf(t, data))
	}
	a, err := Messages.Join(events)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"id":"msg_1","type":"message","role":"assistant","model":"claude","content":[{"type":"text","text":"Let me look"},` +
		`{"type":"tool_use","id":"toolu_1","name":"get_weather","input":{"location":"Graz"}}],"stop_reason":"tool_use","stop_sequence":null,"usage":{"input_tokens":25,"output_tokens":89}}`
	if got := a.Doc.Append(nil); !same(t, got, []byte(want)) {
		t.Errorf("%s", got)
	}
	for _, bad := range [][]*wire.Event{
		{},
		{eventOf(t, `{"type":"ping"}`)},
		{eventOf(t, `{"type":"error","error":{}}`)},
		{events[0], events[6], events[8], eventOf(t, `{"type":"content_block_stop","index":1}`)}, // input cut short
	} {
		if a, err := Messages.Join(bad); err == nil {
			t.Errorf("joined: %s", a.Doc.Append(nil))
		}
	}
}

// Counts have no streams.
func TestCountsDoNotStream(t *testing.T) {
	_, event := CountTokens.Event([]byte(`{"type":"ping"}`))
	_, carry := CountTokens.Carry(nil, wire.Lane{}, nil)
	_, join := CountTokens.Join(nil)
	_, split := CountTokens.Split(nil)
	if event == nil || carry == nil || join == nil || split == nil {
		t.Errorf("%v %v %v %v", event, carry, join, split)
	}
}

// What reading one event of a stream costs; the common one is a delta.
func BenchmarkEvent(b *testing.B) {
	data := []byte(`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hello"}}`)
	b.ReportAllocs()
	for b.Loop() {
		ev, err := Messages.Event(data)
		if err != nil {
			b.Fatal(err)
		}
		ev.Doc.Release()
	}
}
