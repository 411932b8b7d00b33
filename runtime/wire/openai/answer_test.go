package openai

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/sluicegate/sluice/runtime/wire"
)

// pieces lists what filters see of an answer or event: choice, field, marks (w whole, a arguments of a tool) and text.
func pieces(list []wire.Piece) []string {
	var out []string
	for _, p := range list {
		marks := ""
		if p.Whole {
			marks += "w"
		}
		if p.Lane.Arguments {
			marks += "a=" + p.Tool
		}
		out = append(out, fmt.Sprintf("%d %s %s %s", p.Lane.Choice, p.Lane.Field, marks, p.Node.Bytes()))
	}
	return out
}

func TestAnswerPieces(t *testing.T) {
	f := func(format wire.Format, body string, want ...string) *wire.Answer {
		t.Helper()
		a, err := format.Answer([]byte(body))
		if err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		if got := pieces(a.Pieces); !slices.Equal(got, want) {
			t.Errorf("%s\n got %q\nwant %q", body, got, want)
		}
		if got := string(a.Doc.Append(nil)); got != body {
			t.Errorf("unedited, but changed:\n got %s\nwant %s", got, body)
		}
		return a
	}
	a := f(Chat, `{"id":"chatcmpl-1","object":"chat.completion","created":1790000000,"model":"gpt-x","choices":[
		{"index":0,"message":{"role":"assistant","content":"hello","refusal":null,"annotations":[]},"logprobs":null,"finish_reason":"stop"},
		{"index":1,"message":{"role":"assistant","content":null,"refusal":"no"},"finish_reason":"length"}],
		"usage":{"prompt_tokens":19,"completion_tokens":10,"total_tokens":29,"prompt_tokens_details":{"cached_tokens":4}},"service_tier":"default","system_fingerprint":"fp"}`,
		"0 content  hello", "1 refusal  no")
	if a.Model != "gpt-x" || a.Usage != (wire.Usage{Input: 19, Output: 10, Cached: 4, Known: true}) || !slices.Equal(a.Finish, []string{"stop", "length"}) {
		t.Errorf("%+v", a)
	}
	// vLLM, with reasoning and a tool call.
	a = f(Chat, `{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":null,"reasoning_content":"think",
		"tool_calls":[{"id":"chatcmpl-tool-1","type":"function","function":{"name":"mail","arguments":"{\"to\":\"a\"}"}}]},"logprobs":null,"finish_reason":"tool_calls","stop_reason":null}],
		"usage":{"prompt_tokens":1,"total_tokens":3,"completion_tokens":2,"prompt_tokens_details":null},"prompt_logprobs":null,"kv_transfer_params":null}`,
		"0 reasoning_content  think", `0 tool_calls.0.arguments a=mail {"to":"a"}`)
	if a.Usage != (wire.Usage{Input: 1, Output: 2, Known: true}) {
		t.Errorf("%+v", a.Usage)
	}
	// llama.cpp, with timings and a verbose copy of the text.
	f(Chat, `{"choices":[{"finish_reason":"stop","index":0,"message":{"role":"assistant","content":"x"}}],"created":1,"model":"m","object":"chat.completion","id":"c",
		"timings":{"prompt_n":1,"predicted_ms":1.5},"__verbose":{"content":"x","prompt":"<s>p"}}`,
		"0 content  x", "-1 __verbose.content w x", "-1 __verbose.prompt w <s>p")
	// Azure: results of its content filter are words of its own.
	f(Chat, `{"choices":[{"content_filter_results":{"hate":{"filtered":false,"severity":"safe"}},"index":0,"message":{"role":"assistant","content":"x"},"finish_reason":"stop"}],
		"prompt_filter_results":[{"prompt_index":0,"content_filter_results":{"hate":{"filtered":false,"severity":"safe"}}}]}`, "0 content  x")
	// Fields that nobody knows are text, on every level.
	f(Chat, `{"citations":["https://a"],"choices":[{"index":0,"note":"n","message":{"role":"assistant","content":"x","annotations":[{"type":"url_citation","url_citation":{"title":"t"}}]}}]}`,
		"-1 citations.0 w https://a", "0 note w n", "0 content  x", "0 annotations.0.url_citation.title w t")
	f(Completions, `{"id":"cmpl-1","object":"text_completion","created":1,"model":"m","choices":[{"text":"abc","index":0,"logprobs":null,"finish_reason":"length","stop_reason":"###"}],"usage":{"prompt_tokens":1,"completion_tokens":2}}`,
		"0 text  abc", "0 stop_reason w ###")
	a = f(Embeddings, `{"object":"list","data":[{"object":"embedding","index":0,"embedding":"AACAPw=="}],"model":"e","usage":{"prompt_tokens":8,"total_tokens":8}}`)
	if a.Usage != (wire.Usage{Input: 8, Known: true}) {
		t.Errorf("%+v", a.Usage)
	}
}

func TestAnswerRefuses(t *testing.T) {
	f := func(format wire.Format, body string) {
		t.Helper()
		_, err := format.Answer([]byte(body))
		var fault *wire.Fault
		if !errors.As(err, &fault) || fault.Code != wire.UpstreamError {
			t.Errorf("%s: got %v, want %s", body, err, wire.UpstreamError)
		}
	}
	f(Chat, `<html>Sign in</html>`)
	f(Chat, ``)
	f(Chat, `[]`)
	f(Chat, `{}`)
	f(Chat, `{"choices":{}}`)
	f(Chat, `{"choices":[],"choices":[]}`)
	f(Chat, `{"error":{"message":"boom"}}`)
	f(Chat, `{"choices":[],"error":{"message":"boom"}}`)
	f(Chat, `{"object":"error","message":"boom","choices":[]}`)
	f(Embeddings, `{"choices":[]}`)
}

// An edit takes out every copy of the choice's text, and no other's.
func TestEditedAnswerLosesCopies(t *testing.T) {
	a, err := Chat.Answer([]byte(`{"choices":[
		{"index":0,"message":{"role":"assistant","content":"ana@example.com"},"logprobs":{"content":[{"token":"ana","logprob":-1}]},"token_ids":[1,2]},
		{"index":1,"message":{"role":"assistant","content":"b"},"logprobs":{"content":[{"token":"b","logprob":-1}]}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	a.SetText(0, []byte("***"))
	const want = `{"choices":[{"index":0,"message":{"role":"assistant","content":"***"}},` +
		`{"index":1,"message":{"role":"assistant","content":"b"},"logprobs":{"content":[{"token":"b","logprob":-1}]}}]}`
	if got := string(a.Doc.Append(nil)); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

func TestEvent(t *testing.T) {
	type event struct {
		pieces   []string
		finished []int
		finish   []string
		usage    *wire.Usage
		marks    string
	}
	f := func(data string, want event) {
		t.Helper()
		ev, err := Chat.Event([]byte(data))
		if err != nil {
			t.Fatalf("%s: %v", data, err)
		}
		got := event{pieces: pieces(ev.Pieces), finished: ev.Finished, finish: ev.Finish, usage: ev.Usage}
		for mark, on := range map[string]bool{"bare": ev.Bare, "usage": ev.UsageEnd, "error": ev.Error, "done": ev.Done} {
			if on {
				got.marks += mark
			}
		}
		same := slices.Equal(got.pieces, want.pieces) && slices.Equal(got.finished, want.finished) && slices.Equal(got.finish, want.finish) && got.marks == want.marks
		if same = same && (got.usage == nil) == (want.usage == nil); same && got.usage != nil {
			same = *got.usage == *want.usage
		}
		if !same {
			t.Errorf("%s\n got %+v\nwant %+v", data, got, want)
		}
		if ev.Doc != nil && string(ev.Doc.Append(nil)) != data {
			t.Errorf("unedited, but changed: %s", ev.Doc.Append(nil))
		}
	}
	f(`[DONE]`, event{marks: "done"})
	// The first, with the role; deltas; the end; usage alone.
	f(`{"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"logprobs":null,"finish_reason":null}],"usage":null}`,
		event{pieces: []string{"0 content  "}})
	f(`{"choices":[{"index":0,"delta":{"content":"He"},"finish_reason":null}],"usage":null,"obfuscation":null}`, event{pieces: []string{"0 content  He"}, marks: "bare"})
	f(`{"choices":[{"index":1,"delta":{"content":"x"},"logprobs":{"content":[{"token":"x","logprob":-0.1,"bytes":[120],"top_logprobs":[]}]},"finish_reason":null}]}`,
		event{pieces: []string{"1 content  x"}, marks: "bare"})
	f(`{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`, event{finished: []int{0}, finish: []string{"stop"}})
	f(`{"choices":[{"index":0,"delta":{"content":"!"},"finish_reason":"eos"},{"index":1,"delta":{},"finish_reason":"length"}]}`,
		event{pieces: []string{"0 content  !"}, finished: []int{0, 1}, finish: []string{"eos", "length"}})
	f(`{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}}`,
		event{usage: &wire.Usage{Input: 3, Output: 4, Known: true}, marks: "usage"})
	// vLLM's continuous usage is no end.
	f(`{"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}],"usage":{"prompt_tokens":3,"completion_tokens":1}}`,
		event{pieces: []string{"0 content  a"}, usage: &wire.Usage{Input: 3, Output: 1, Known: true}})
	// Azure's first event.
	f(`{"choices":[],"created":0,"id":"","model":"","object":"","prompt_filter_results":[{"prompt_index":0,"content_filter_results":{"hate":{"filtered":false,"severity":"safe"}}}]}`, event{})
	// Ollama repeats the role in every event.
	f(`{"choices":[{"index":0,"delta":{"role":"assistant","content":"He"},"finish_reason":null}]}`, event{pieces: []string{"0 content  He"}})
	// Tool calls, each under its own index.
	f(`{"choices":[{"index":0,"delta":{"tool_calls":[{"index":1,"id":"call_1","type":"function","function":{"name":"mail","arguments":""}}]},"finish_reason":null}]}`,
		event{pieces: []string{"0 tool_calls.1.id w call_1", "0 tool_calls.1.name w mail", "0 tool_calls.1.arguments a=mail "}})
	f(`{"choices":[{"index":0,"delta":{"tool_calls":[{"index":1,"function":{"arguments":"{\"to\""}}]},"finish_reason":null}]}`,
		event{pieces: []string{`0 tool_calls.1.arguments a= {"to"`}, marks: "bare"})
	f(`{"choices":[{"index":0,"delta":{"function_call":{"arguments":"{}"}}}]}`, event{pieces: []string{"0 function_call.arguments a= {}"}, marks: "bare"})
	f(`{"choices":[{"index":0,"delta":{"reasoning_content":"hm","refusal":"no"}}]}`,
		event{pieces: []string{"0 reasoning_content  hm", "0 refusal  no"}, marks: "bare"})
	// Parts: their type is no text; annotations come whole.
	f(`{"choices":[{"index":0,"delta":{"content":[{"type":"thinking","thinking":[{"type":"text","text":"hm"}]},{"type":"text","text":"a"}]}}]}`,
		event{pieces: []string{"0 content.0.thinking.0.text  hm", "0 content.1.text  a"}})
	f(`{"choices":[{"index":0,"delta":{"annotations":[{"type":"url_citation","url_citation":{"title":"t","start_index":1}}]}}]}`,
		event{pieces: []string{"0 annotations.0.url_citation.title w t"}})
	// Failures.
	f(`{"error":{"message":"boom","type":"server_error"}}`, event{marks: "error"})
	f(`{"object":"error","message":"boom","code":500}`, event{marks: "error"})
	f(`{"error":null,"choices":[]}`, event{})
}

func TestEventRefuses(t *testing.T) {
	for _, data := range []string{``, `{`, `[]`, `done`, `{"a":1,"\u0061":2}`} {
		var fault *wire.Fault
		if _, err := Chat.Event([]byte(data)); !errors.As(err, &fault) || fault.Code != wire.UpstreamError {
			t.Errorf("%q: %v", data, err)
		}
	}
	if _, err := Embeddings.Event([]byte(`{}`)); err == nil {
		t.Error("embeddings do not stream")
	}
}

func TestCarry(t *testing.T) {
	f := func(format wire.Format, like, field, want string) {
		t.Helper()
		ev, err := format.Event([]byte(like))
		if err != nil {
			t.Fatal(err)
		}
		lane := wire.Lane{Choice: 2, Field: field, Arguments: len(field) > 9 && field[len(field)-9:] == "arguments"}
		made, err := format.Carry(ev, lane, []byte(`a"b`))
		if err != nil {
			t.Fatal(err)
		}
		if got := string(made.Doc.Append(nil)); got != want {
			t.Errorf("%s\n got %s\nwant %s", field, got, want)
		}
		if len(made.Pieces) != 1 || made.Pieces[0].Lane != lane || string(made.Pieces[0].Node.Bytes()) != `a"b` || !made.Bare {
			t.Errorf("%s: %+v", field, made)
		}
	}
	const like = `{"id":"c","object":"chat.completion.chunk","created":5,"model":"m","choices":[],"usage":{"prompt_tokens":1}}`
	const head = `{"id":"c","object":"chat.completion.chunk","created":5,"model":"m","choices":[{"index":2,"delta":{`
	const tail = `},"finish_reason":null}]}`
	f(Chat, like, "content", head+`"content":"a\"b"`+tail)
	f(Chat, like, "tool_calls.3.arguments", head+`"tool_calls":[{"index":3,"function":{"arguments":"a\"b"}}]`+tail)
	f(Chat, like, "tool_calls.3.custom.input", head+`"tool_calls":[{"index":3,"custom":{"input":"a\"b"}}]`+tail)
	f(Chat, like, "function_call.arguments", head+`"function_call":{"arguments":"a\"b"}`+tail)
	f(Chat, like, "audio.transcript", head+`"audio":{"transcript":"a\"b"}`+tail)
	f(Chat, like, "x.~25.~1y", head+`"x":{"5":{".y":"a\"b"}}`+tail)
	f(Chat, `{"choices":[]}`, "content", `{"object":"chat.completion.chunk","choices":[{"index":2,"delta":{"content":"a\"b"`+tail)
	f(Chat, `[DONE]`, "content", `{"object":"chat.completion.chunk","choices":[{"index":2,"delta":{"content":"a\"b"`+tail)
	f(Completions, `{"id":"c","choices":[]}`, "text", `{"id":"c","object":"text_completion","choices":[{"index":2,"text":"a\"b","finish_reason":null}]}`)
	if _, err := Chat.Carry(nil, wire.Lane{Choice: -1, Field: "x"}, nil); err == nil {
		t.Error("text outside the choices was carried")
	}
}

// The parts of a content are one text, in whole answers and in events.
func TestParts(t *testing.T) {
	const parts = `[{"type":"text","text":"a"},{"index":4,"type":"text","text":"b"},{"type":"image_url"},"c",{"thinking":[{"text":"d"}]}]`
	ev, err := Chat.Event([]byte(`{"choices":[{"index":0,"delta":{"content":` + parts + `,"x":[{"note":"e"}]}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range ev.Pieces {
		got = append(got, fmt.Sprint(p.Lane.Field, " ", p.Lane.Field[:p.Run], " ", p.Part))
	}
	want := []string{"content.0.text content 0", "content.4.text content 5", "content.3 content 0", "content.4.thinking.0.text content.4.thinking 0", "x.0.note  0"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	a, err := Chat.Answer([]byte(`{"choices":[{"index":0,"message":{"content":["a",{"type":"text","text":"b"},{"type":"image_url"},"c"]}},{"index":1,"message":{"content":["d"]}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if next := []int{a.Pieces[0].Next, a.Pieces[1].Next, a.Pieces[2].Next}; !slices.Equal(next, []int{1, 0, 0}) {
		t.Errorf("the texts that follow: %v", next)
	}
}
