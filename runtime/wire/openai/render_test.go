package openai

import (
	"errors"
	"strings"
	"testing"

	"github.com/sluicegate/sluice/runtime/strictjson"
	"github.com/sluicegate/sluice/runtime/wire"
)

func TestRender(t *testing.T) {
	f := func(body string, how wire.Rendering, want string) {
		t.Helper()
		r := parse(t, Chat, body)
		for range 2 { // rendering changes nothing
			if got := string(Chat.Render([]byte(">"), r, how)); got != ">"+want {
				t.Errorf("%s\n got %s\nwant >%s", body, got, want)
			}
		}
	}
	const m = `"messages":[{"role":"user","content":"\u0068i"}]`
	// Everything else leaves as it came: order, white space, digits, escapes, unknown fields.
	f(`{ "model" : "a", `+m+`, "temperature": 1.0e0, "x": {"y":[ ]} }`, wire.Rendering{Model: "b"},
		`{ "model" : "b", `+m+`, "temperature": 1.0e0, "x": {"y":[ ]} }`)
	f(`{`+m+`}`, wire.Rendering{Model: `q"`}, `{`+m+`,"model":"q\""}`)
	f(`{"model":"a",`+m+`}`, wire.Rendering{}, `{`+m+`}`)
	// Usage is asked for on streams only, and once.
	f(`{"model":"a",`+m+`}`, wire.Rendering{Model: "a", Usage: true}, `{"model":"a",`+m+`}`)
	f(`{"model":"a","stream":true,`+m+`}`, wire.Rendering{Model: "a", Usage: true},
		`{"model":"a","stream":true,`+m+`,"stream_options":{"include_usage":true}}`)
	f(`{"model":"a","stream":true,"stream_options":null,`+m+`}`, wire.Rendering{Model: "a", Usage: true},
		`{"model":"a","stream":true,"stream_options":{"include_usage":true},`+m+`}`)
	f(`{"model":"a","stream":true,"stream_options":{"include_obfuscation":false,"include_usage":false},`+m+`}`, wire.Rendering{Model: "a", Usage: true},
		`{"model":"a","stream":true,"stream_options":{"include_usage":true,"include_obfuscation":false},`+m+`}`)
	f(`{"model":"a","stream":true,"stream_options":{"include_usage": true},`+m+`}`, wire.Rendering{Model: "a", Usage: true},
		`{"model":"a","stream":true,"stream_options":{"include_usage": true},`+m+`}`)
	// The cache's key: the same for a stream and none.
	f(`{"stream":true,"model":"a",`+m+`,"stream_options":{"include_usage":true}}`, wire.Rendering{OmitStream: true, Usage: true}, `{`+m+`}`)
}

func TestRenderEdited(t *testing.T) {
	r := parse(t, Chat, `{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"card 4111 "},{"type":"text","text":"1111 \u003c"}]}],"user":"ana"}`)
	if err := r.Segments[0].Text.Edit([]strictjson.Edit{{Start: 5, End: 14, With: []byte("[CARD_1]")}}); err != nil {
		t.Fatal(err)
	}
	const want = `{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"card [CARD_1]"},{"type":"text","text":" \u003c"}]}],"user":"ana"}`
	if got := string(Chat.Render(nil, r, wire.Rendering{Model: "m"})); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

func TestAmend(t *testing.T) {
	f := func(format wire.Format, body string, params []wire.Param, messages []wire.Message, want string) {
		t.Helper()
		got, err := format.Amend(parse(t, format, body), params, messages)
		if err != nil {
			t.Errorf("%s: %v", body, err)
			return
		}
		if string(got) != want {
			t.Errorf("%s\n got %s\nwant %s", body, got, want)
		}
		if _, err := format.Request(got, strictjson.Limits{}); err != nil {
			t.Errorf("%s: what was amended is refused: %v", got, err)
		}
	}
	system := func(text string) wire.Message { return wire.Message{Role: wire.RoleSystem, Text: text} }
	last := wire.Message{Role: wire.RoleUser, Last: true, Text: "be\nbrief"}
	const hi = `{"role":"user","content":"hi"}`
	f(Chat, `{"messages":[`+hi+`]}`, nil, nil, `{"messages":[`+hi+`]}`)
	f(Chat, `{"temperature":1,"messages":[`+hi+`]}`,
		[]wire.Param{{Name: "temperature", Value: []byte(`0.5`)}, {Name: "seed", Value: []byte(`7`)}}, nil,
		`{"temperature":0.5,"messages":[`+hi+`],"seed":7}`)
	f(Chat, `{"messages":[`+hi+`]}`, nil, []wire.Message{system("one"), last, system("two")},
		`{"messages":[{"role":"system","content":"one"},{"role":"system","content":"two"},`+hi+`,{"role":"user","content":"be\nbrief"}]}`)
	f(Completions, `{"prompt":"hi","suffix":"end"}`, nil, []wire.Message{system("one"), last},
		`{"prompt":"one\n\nhi\n\nbe\nbrief","suffix":"end"}`)
	f(Completions, `{"prompt":["a","b"]}`, nil, []wire.Message{system("one")}, `{"prompt":["one\n\na","one\n\nb"]}`)
	f(Embeddings, `{"input":"a"}`, []wire.Param{{Name: "dimensions", Value: []byte(`8`)}}, nil, `{"input":"a","dimensions":8}`)
}

func TestAmendRefuses(t *testing.T) {
	f := func(format wire.Format, body string, p *wire.Param, m *wire.Message) {
		t.Helper()
		var params []wire.Param
		var messages []wire.Message
		if p != nil {
			params = append(params, *p)
		}
		if m != nil {
			messages = append(messages, *m)
		}
		_, err := format.Amend(parse(t, format, body), params, messages)
		var fault *wire.Fault
		if !errors.As(err, &fault) || fault.Code != wire.FilterFailed {
			t.Errorf("%v %v: got %v, want %s", p, m, err, wire.FilterFailed)
		}
	}
	const chat = `{"messages":[{"role":"user","content":"hi"}]}`
	for _, name := range []string{"model", "Model", "stream", "stream_options", "messages", "me\u017fsages"} {
		f(Chat, chat, &wire.Param{Name: name, Value: []byte(`true`)}, nil)
	}
	for _, value := range []string{``, `1,"model":"x"`, `{`, `nan`, `"\ud800"`} {
		f(Chat, chat, &wire.Param{Name: "seed", Value: []byte(value)}, nil)
	}
	f(Chat, chat, nil, &wire.Message{Role: wire.RoleTool, Text: "x"})
	f(Completions, `{"prompt":[1,2]}`, nil, &wire.Message{Role: wire.RoleSystem, Text: "x"})
	f(Embeddings, `{"input":"x"}`, nil, &wire.Message{Role: wire.RoleSystem, Text: "x"})
}

// What a request as the model servers' own documents show it leaves as it came, but for the model.
func TestNativeRequestsPass(t *testing.T) {
	for name, body := range nativeRequests {
		t.Run(name, func(t *testing.T) {
			r := parse(t, Chat, body)
			want := strings.Replace(body, `"the-model"`, `"other"`, 1)
			if got := string(Chat.Render(nil, r, wire.Rendering{Model: "other"})); got != want {
				t.Errorf("got %s\nwant %s", got, want)
			}
			if len(r.Segments) == 0 || !r.Segments[0].Prompt {
				t.Error("no prompt")
			}
		})
	}
}

// nativeRequests are chat requests with the fields that each server adds to the API's.
var nativeRequests = map[string]string{
	"openai": `{"model": "the-model", "messages": [{"role": "developer", "content": "Be brief."}, {"role": "user", "content": [
		{"type": "text", "text": "What is this?"}]}], "max_completion_tokens": 300, "metadata": {"app": "x"}, "store": false,
		"service_tier": "auto", "safety_identifier": "u-1", "prompt_cache_key": "k", "stream": true, "stream_options": {"include_usage": true, "include_obfuscation": false}}`,
	"vllm": `{"messages":[{"role":"user","content":"9.11 or 9.8?"}],"model":"the-model","chat_template_kwargs":{"enable_thinking":true},
		"top_k":20,"min_p":0.0,"repetition_penalty":1.05,"guided_choice":["9.11","9.8"],"structured_outputs":{"regex":"[0-9.]+"},"return_token_ids":true,
		"skip_special_tokens":true,"stop_token_ids":[1,2],"add_generation_prompt":true,"echo":false,"priority":0,"mm_processor_kwargs":{"num_crops":4}}`,
	"llama.cpp": `{"messages":[{"role":"user","content":"hi"}],"model":"the-model","cache_prompt":true,"samplers":["top_k","temperature"],
		"dry_multiplier":0.0,"mirostat":2,"n_predict":-1,"grammar":"root ::= [0-9]+","timings_per_token":true,"reasoning_format":"auto","lora":[{"id":0,"scale":0.5}],
		"response_format":{"type":"json_object","schema":{"type":"object"}},"parse_tool_calls":true}`,
	"ollama": `{"messages":[{"role":"user","content":"hi"}],"model":"the-model","keep_alive":"5m","options":{"num_ctx":8192},"reasoning_effort":"high"}`,
	"nim": `{"messages":[{"role":"user","content":"hi","name":"ana"}],"model":"the-model","nvext":{"guided_json":{"type":"object","properties":{"a":{"type":"string"}}},
		"top_k":1,"special_tokens":[]},"ignore_eos":false}`,
	"langchain": `{"messages":[{"content":"hi","role":"user"}],"model":"the-model","n":1,"stream":false,"temperature":0.7,"stop":["\n"],
		"tools":[{"type":"function","function":{"name":"add","description":"Adds.","parameters":{"properties":{"a":{"type":"integer"}},"required":["a"],"type":"object"},"strict":false}}],
		"tool_choice":"auto","parallel_tool_calls":true}`,
}
