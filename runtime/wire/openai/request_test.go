package openai

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/sluicegate/sluice/runtime/strictjson"
	"github.com/sluicegate/sluice/runtime/wire"
)

// parse reads a body that must be fine.
func parse(t testing.TB, f wire.Format, body string) *wire.Request {
	t.Helper()
	r, err := f.Request([]byte(body), strictjson.Limits{})
	if err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	return r
}

// covered lists what filters see of a request: role, marks (p prompt, k key, a arguments of a tool) and text.
func covered(r *wire.Request) []string {
	var out []string
	for _, s := range r.Segments {
		marks := ""
		if s.Prompt {
			marks += "p"
		}
		if s.Key {
			marks += "k"
		}
		if s.Arguments {
			marks += "a=" + s.Tool
		}
		out = append(out, fmt.Sprintf("%s %s %s", s.Role, marks, s.Text.Bytes()))
	}
	return out
}

func TestChatCover(t *testing.T) {
	f := func(body string, want ...string) {
		t.Helper()
		r := parse(t, Chat, body)
		if got := covered(r); !slices.Equal(got, want) {
			t.Errorf("%s\n got %q\nwant %q", body, got, want)
		}
	}
	// Roles.
	f(`{"messages":[{"role":"system","content":"a"},{"role":"developer","content":"b"},{"role":"user","content":"c"},
		{"role":"assistant","content":"d"},{"role":"tool","content":"e","tool_call_id":"call_1"},{"role":"function","name":"f","content":"g"}]}`,
		"system p a", "system p b", "user p c", "assistant p d", "tool p e", "tool p f", "tool p g")
	// The role counts wherever it stands.
	f(`{"messages":[{"content":"a","role":"assistant"}]}`, "assistant p a")
	// Null and empty content are no text.
	f(`{"messages":[{"role":"assistant","content":null},{"role":"user","content":""},{"role":"user"}]}`)
	// Escapes are decoded.
	f(`{"messages":[{"role":"user","content":"\u0061\n\ud83d\ude00"}]}`, "user p a\n😀")
	// Parts: adjacent texts are one run.
	f(`{"messages":[{"role":"user","content":[{"type":"text","text":"4111 1111"},{"type":"text","text":" 1111 1111"}]}]}`,
		"user p 4111 1111 1111 1111")
	f(`{"messages":[{"role":"user","content":["a","b"]}]}`, "user p ab")
	f(`{"messages":[{"role":"user","content":[{"type":"text","text":"a"},{"type":"image_url","image_url":{"url":"data:image/png;base64,AA"}},{"type":"text","text":"b"}]}]}`,
		"user p a", "user p b")
	f(`{"messages":[{"role":"user","content":[{"type":"text","text":"a","note":"n"},{"type":"text","text":"b"}]}]}`,
		"user p ab", "user pk note", "user p n")
	f(`{"messages":[{"role":"assistant","content":[{"type":"refusal","refusal":"no"}]}]}`, "assistant p no")
	f(`{"messages":[{"role":"assistant","content":[{"type":"thinking","thinking":[{"type":"text","text":"h"},{"type":"text","text":"m"}]},{"type":"text","text":"x"}]}]}`,
		"assistant p hm", "assistant p x")
	// A part says of itself what it is, but its text is text under any type.
	f(`{"messages":[{"role":"user","content":[{"type":"image_url","text":"hidden"}]}]}`, "user p hidden")
	f(`{"messages":[{"role":"user","content":[{"type":"text","text":"a","cache_control":{"type":"ephemeral"}}]}]}`,
		"user p a")
}

func TestChatCoverOfToolsAndParameters(t *testing.T) {
	f := func(members string, want ...string) {
		t.Helper()
		r := parse(t, Chat, `{"model":"m","messages":[{"role":"user","content":"hi"}],`+members+`}`)
		got := covered(r)
		if got[0] != "user p hi" || !slices.Equal(got[1:], want) {
			t.Errorf("%s\n got %q\nwant %q", members, got[1:], want)
		}
	}
	f(`"tools":[{"type":"function","function":{"name":"get_weather","description":"Weather of a city","strict":true,"parameters":
		{"type":"object","properties":{"city":{"type":["string","null"],"description":"its name","enum":["Graz"]}},"required":["city"],"additionalProperties":false}}}]`,
		"definition  Weather of a city", "definition k city", "definition  its name", "definition  Graz", "definition  city")
	f(`"tools":[{"type":"custom","custom":{"name":"sql","description":"d","format":{"type":"grammar","grammar":{"syntax":"lark","definition":"start: x"}}}}]`,
		"definition  d", "definition  start: x")
	f(`"functions":[{"name":"old","description":"d","parameters":{"type":"object","x-note":"n"}}],"function_call":{"name":"old"}`,
		"definition  d", "definition k x-note", "definition  n")
	f(`"tool_choice":{"type":"function","function":{"name":"get_weather"}},"parallel_tool_calls":false`)
	f(`"tool_choice":"auto","reasoning_effort":"low","service_tier":"auto","modalities":["text"],"verbosity":"low"`)
	// A word that an enumeration does not know is text.
	f(`"tool_choice":"tell ana@example.com","reasoning_effort":"extreme"`, "other  tell ana@example.com", "other  extreme")
	// A name that does not look like one is text, and so is one that could be a number of a card, phone or person.
	f(`"tool_choice":{"type":"function","function":{"name":"mail ana@example.com"}}`, "other  mail ana@example.com")
	f(`"tool_choice":{"type":"function","function":{"name":"4111-1111-1111-1111"}}`, "other  4111-1111-1111-1111")
	f(`"response_format":{"type":"json_schema","json_schema":{"name":"out","description":"d","schema":{"type":"object","title":"T"}}}`,
		"definition  d", "definition  T")
	f(`"stop":["END","###"],"user":"ana@example.com"`, "other  END", "other  ###", "other  ana@example.com")
	f(`"prediction":{"type":"content","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}`, "assistant p ab")
	f(`"prediction":{"type":"content","content":"whole"}`, "assistant p whole")
	f(`"logit_bias":{"50256":-100}`)
	f(`"logit_bias":{"mail ana@example.com":1}`, "other k mail ana@example.com")
	// Free-form objects: keys and values.
	f(`"metadata":{"ana@example.com":"x"}`, "other k ana@example.com", "other  x")
	// Unknown fields, as vLLM, llama.cpp and NIM take them.
	f(`"chat_template_kwargs":{"enable_thinking":false},"top_k":40,"cache_prompt":true`,
		"other k chat_template_kwargs", "other k enable_thinking", "other k cache_prompt")
	f(`"nvext":{"guided_regex":"[a-z]+"},"guided_json":{"type":"object","properties":{"mail":{"type":"string"}}}`,
		"other k nvext", "other k guided_regex", "other  [a-z]+", "definition k mail")
	f(`"documents":[{"title":"t","text":"body"}]`, "other k documents", "other k title", "other  t", "other k text", "other  body")
}

func TestChatCoverOfToolCalls(t *testing.T) {
	r := parse(t, Chat, `{"messages":[
		{"role":"assistant","content":null,"reasoning_content":"hm","tool_calls":[
			{"id":"call_9","type":"function","function":{"arguments":"{\"to\":\"ana@example.com\"}","name":"mail"}},
			{"id":"call ten","type":"custom","custom":{"name":"sql","input":"select 1"}}]},
		{"role":"assistant","function_call":{"name":"old","arguments":"{}"}},
		{"role":"tool","tool_call_id":"call_9","content":[{"type":"text","text":"sent"}]}]}`)
	want := []string{
		"assistant p hm", `assistant pa=mail {"to":"ana@example.com"}`, "assistant p call ten", "assistant p select 1",
		"assistant pa=old {}", "tool p sent",
	}
	if got := covered(r); !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
	if r.Messages != 3 {
		t.Errorf("%d messages", r.Messages)
	}
}

func TestCompletionsCover(t *testing.T) {
	f := func(body string, opaque map[string]int, want ...string) {
		t.Helper()
		r := parse(t, Completions, body)
		if got := covered(r); !slices.Equal(got, want) || !maps.Equal(r.Opaque, opaque) {
			t.Errorf("%s\n got %q %v\nwant %q %v", body, got, r.Opaque, want, opaque)
		}
	}
	f(`{"prompt":"a","suffix":"z","stop":"."}`, nil, "user p a", "other p z", "other  .")
	f(`{"prompt":["a","b"]}`, nil, "user p a", "user p b")
	f(`{"prompt":[1,2,3]}`, map[string]int{"tokens": 1})
	f(`{"prompt":[[1],[2,3]]}`, map[string]int{"tokens": 2})
	f(`{"prompt":["a",[1]]}`, map[string]int{"tokens": 1}, "user p a")
	f(`{"prompt":"a","prompt_embeds":"AAAA"}`, map[string]int{"tensor": 1}, "user p a")
}

func TestEmbeddingsCover(t *testing.T) {
	f := func(body string, opaque map[string]int, want ...string) {
		t.Helper()
		r := parse(t, Embeddings, body)
		if got := covered(r); !slices.Equal(got, want) || !maps.Equal(r.Opaque, opaque) {
			t.Errorf("%s\n got %q %v\nwant %q %v", body, got, r.Opaque, want, opaque)
		}
	}
	f(`{"model":"e","input":"a","encoding_format":"base64"}`, nil, "user p a")
	f(`{"input":["a","b"],"input_type":"query","truncate":"END","dimensions":64}`, nil, "user p a", "user p b")
	f(`{"input":[[1,2],[3]]}`, map[string]int{"tokens": 2})
	f(`{"messages":[{"role":"user","content":"a"}]}`, nil, "user p a")
}

func TestOpaque(t *testing.T) {
	f := func(part string, want map[string]int) {
		t.Helper()
		r := parse(t, Chat, `{"messages":[{"role":"user","content":[`+part+`]}]}`)
		if !maps.Equal(r.Opaque, want) {
			t.Errorf("%s: %v, want %v", part, r.Opaque, want)
		}
	}
	f(`{"type":"text","text":"a"}`, nil)
	f(`{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA","detail":"low"}}`, map[string]int{"image": 1})
	f(`{"type":"image_url","image_url":{"url":"https://example.com/a.png"}}`, map[string]int{"image": 1, "url": 1})
	f(`{"type":"image_url","image_url":"file:///etc/passwd"}`, map[string]int{"image": 1, "url": 1})
	f(`{"type":"input_audio","input_audio":{"data":"AAAA","format":"wav"}}`, map[string]int{"audio": 1})
	f(`{"type":"file","file":{"file_data":"data:application/pdf;base64,AA","filename":"a.pdf"}}`, map[string]int{"file": 1})
	f(`{"type":"video_url","video_url":{"url":"http://example.com/v"}}`, map[string]int{"video": 1, "url": 1})
	f(`{"type":"image_embeds","image_embeds":{"a":"AA","b":"BB"}}`, map[string]int{"tensor": 1})
	r := parse(t, Chat, `{"messages":[{"role":"user","content":"a"}],"modalities":["text","audio"],"audio":{"voice":"x","format":"wav"}}`)
	if !maps.Equal(r.Opaque, map[string]int{"audio": 1}) {
		t.Errorf("an answer in audio: %v", r.Opaque)
	}
}

func TestFacts(t *testing.T) {
	r := parse(t, Chat, `{"model":"model-a","stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"hi"}],
		"temperature":0.20,"max_tokens":64,"logprobs":true,"tool_choice":{"type":"function","function":{"name":"b"}},"response_format":{"type":"json_object"},
		"reasoning_effort":"low","service_tier":"my words","user":"ana","top_k":7,"x_new":1e3,"mail ana@example.com":1,"stop":"x",
		"tools":[{"type":"function","function":{"name":"a"}},{"type":"custom","custom":{"name":"b"}}],"functions":[{"name":"c"}]}`)
	if r.Model != "model-a" || !r.Stream || !r.Usage || r.Messages != 1 || r.Operation != wire.ChatCompletions || r.Format != Chat {
		t.Errorf("%+v", r)
	}
	if !slices.Equal(r.Tools, []string{"a", "b", "c"}) {
		t.Errorf("tools %q", r.Tools)
	}
	want := map[string]any{
		"temperature": json.Number("0.20"), "max_tokens": json.Number("64"), "logprobs": true, "tool_choice": "function",
		"response_format": "json_object", "reasoning_effort": "low", "top_k": json.Number("7"), "x_new": json.Number("1e3"),
	}
	if !reflect.DeepEqual(r.Params, want) {
		t.Errorf("params %v\nwant %v", r.Params, want)
	}
}

func TestModel(t *testing.T) {
	f := func(member, want string) {
		t.Helper()
		if r := parse(t, Chat, `{`+member+`"messages":[{"role":"user","content":"hi"}]}`); r.Model != want || r.Stream || r.Usage {
			t.Errorf("%s: %q %v %v", member, r.Model, r.Stream, r.Usage)
		}
	}
	f(``, "")
	f(`"model":null,`, "")
	f(`"model":"auto",`, "")
	f(`"model":"org/model:8b",`, "org/model:8b")
	f(`"mod\u0065l":"m","stream":false,"stream_options":null,`, "m")
	f(`"stream_options":{"include_usage":true},`, "") // of no use without a stream
}

func TestRefusals(t *testing.T) {
	f := func(format wire.Format, body string, code wire.Code, param string) {
		t.Helper()
		r, err := format.Request([]byte(body), strictjson.Limits{})
		var fault *wire.Fault
		if !errors.As(err, &fault) || r != nil {
			t.Errorf("%s: got %v, want %s", body, err, code)
			return
		}
		if fault.Code != code || fault.Param != param || fault.Message == "" {
			t.Errorf("%s: got %s %q (%s), want %s %q", body, fault.Code, fault.Param, fault.Message, code, param)
		}
		if strings.Contains(fault.Error(), "secret") {
			t.Errorf("the fault tells the caller's text: %v", fault)
		}
	}
	const hi = `"messages":[{"role":"user","content":"secret"}]`
	// The strict door.
	f(Chat, `{`, wire.InvalidJSON, "")
	f(Chat, `{"model":"secret","model":"m",`+hi+`}`, wire.DuplicateKey, "")
	f(Chat, `{"n":01,`+hi+`}`, wire.InvalidNumber, "")
	f(Chat, `{"messages":[{"role":"user","content":"\ud800"}]}`, wire.LoneSurrogate, "")
	f(Chat, "{\"messages\":\"\xff\"}", wire.InvalidUTF8, "")
	f(Chat, strings.Repeat("[", 200)+strings.Repeat("]", 200), wire.TooDeep, "")
	f(Chat, `[]`, wire.InvalidRequest, "")
	// No prompt.
	f(Chat, `{"model":"m"}`, wire.MissingField, "messages")
	f(Chat, `{"messages":null}`, wire.MissingField, "messages")
	f(Chat, `{"messages":[]}`, wire.MissingField, "messages")
	f(Chat, `{"messages":"secret"}`, wire.InvalidRequest, "messages")
	f(Completions, `{"messages":[]}`, wire.MissingField, "prompt")
	f(Embeddings, `{"prompt":"x"}`, wire.MissingField, "input")
	// Wrong types.
	f(Chat, `{"model":1,`+hi+`}`, wire.InvalidRequest, "model")
	f(Chat, `{"stream":"yes",`+hi+`}`, wire.InvalidRequest, "stream")
	f(Chat, `{"stream_options":[],`+hi+`}`, wire.InvalidRequest, "stream_options")
	f(Chat, `{"stream_options":{"x":"secret"},`+hi+`}`, wire.InvalidRequest, "stream_options")
	f(Chat, `{"messages":["secret"]}`, wire.InvalidRequest, "messages[0]")
	f(Chat, `{"messages":[{"role":"user","content":{"text":"secret"}}]}`, wire.InvalidRequest, "messages[0].content")
	f(Chat, `{"messages":[{"role":"user","content":7}]}`, wire.InvalidRequest, "messages[0].content")
	f(Chat, `{"messages":[{"role":"user","content":[7]}]}`, wire.InvalidRequest, "messages[0].content[0]")
	f(Completions, `{"prompt":{"a":"secret"}}`, wire.InvalidRequest, "prompt")
	f(Completions, `{"prompt":[["secret"]]}`, wire.InvalidRequest, "prompt[0]")
	f(Embeddings, `{"input":["a",{"image":"secret"}]}`, wire.InvalidRequest, "input[1]")
	// Roles, types of parts and of tools.
	f(Chat, `{"messages":[{"role":"user","content":"a"},{"content":"secret"}]}`, wire.MissingField, "messages[1].role")
	f(Chat, `{"messages":[{"role":"secret","content":"a"}]}`, wire.InvalidRequest, "messages[0].role")
	f(Chat, `{"messages":[{"role":"User","content":"a"}]}`, wire.InvalidRequest, "messages[0].role")
	f(Chat, `{"messages":[{"role":7,"content":"a"}]}`, wire.InvalidRequest, "messages[0].role")
	f(Chat, `{"messages":[{"role":"user","content":[{"type":"secret"}]}]}`, wire.InvalidRequest, "messages[0].content[0].type")
	f(Chat, `{"messages":[{"role":"user","content":[{"text":"secret"}]}]}`, wire.MissingField, "messages[0].content[0].type")
	f(Chat, `{"tools":[{"type":"secret"}],`+hi+`}`, wire.UnsupportedField, "tools[0].type")
	f(Chat, `{"tools":[{"function":{"name":"a"}}],`+hi+`}`, wire.MissingField, "tools[0].type")
	f(Chat, `{"tools":["secret"],`+hi+`}`, wire.InvalidRequest, "tools[0]")
	f(Chat, `{"previous_response_id":7,`+hi+`}`, wire.InvalidRequest, "previous_response_id")
	f(Chat, `{"previous_response_id":["secret"],`+hi+`}`, wire.InvalidRequest, "previous_response_id")
	f(Chat, `{"conversation":{"id":{"x":"secret"}},`+hi+`}`, wire.InvalidRequest, "conversation.id")
	f(Embeddings, `{"input":"a","stream":true}`, wire.UnsupportedField, "stream")
	// Spelling variants of what the gateway reads, also alone.
	f(Chat, `{"Model":"m",`+hi+`}`, wire.DuplicateKey, "*")
	f(Chat, "{\"me\u017f\u017fages\":[],"+hi+`}`, wire.DuplicateKey, "*")
	f(Chat, `{"me\u017fsages":[],`+hi+`}`, wire.DuplicateKey, "*")
	f(Chat, `{"MAX_TOKENS":5,`+hi+`}`, wire.DuplicateKey, "*")
	f(Chat, "{\"to\u212Aen\":1,\"Stream\":true,"+hi+`}`, wire.DuplicateKey, "*")
	f(Chat, `{"messages":[{"role":"user","Content":"secret"}]}`, wire.DuplicateKey, "messages[0].*")
	f(Chat, `{"messages":[{"role":"assistant","tool_calls":[{"function":{"Arguments":"secret"}}]}]}`,
		wire.DuplicateKey, "messages[0].tool_calls[0].function.*")
	f(Chat, `{"Messages":[{"role":"user","content":"secret"}]}`, wire.MissingField, "messages")
}

// What names state on the model server, or makes it fetch or run things, is told by its kind and place, and its strings are
// text all the same, but for ids of state.
func TestReach(t *testing.T) {
	f := func(format wire.Format, body string, want ...string) *wire.Request {
		t.Helper()
		r := parse(t, format, body)
		var got []string
		for _, reach := range r.Reach {
			s := reach.Kind + " " + reach.Param
			if reach.ID != nil {
				s += " " + string(reach.ID.Bytes())
			}
			got = append(got, s)
			if wire.KindAbout(reach.Kind) == "" {
				t.Errorf("%s is in no table", reach.Kind)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", body, got, want)
		}
		return r
	}
	const hi = `"messages":[{"role":"user","content":"hi"}]`
	f(Chat, `{"store":true,`+hi+`}`, "store store")
	f(Chat, `{"background":true,`+hi+`}`, "background background")
	f(Chat, `{"previous_response_id":"r1",`+hi+`}`, "previous_response previous_response_id r1")
	f(Chat, `{"conversation":"c1",`+hi+`}`, "conversation conversation c1")
	f(Chat, `{"conversation":{"id":"c1"},`+hi+`}`, "conversation conversation.id c1")
	f(Chat, `{"web_search_options":{},`+hi+`}`, "web_search web_search_options")
	f(Chat, `{"tools":[{"type":"function","function":{"name":"a"}},{"type":"web_search"}],`+hi+`}`, "web_search tools[1].type")
	f(Chat, `{"logits_processors":["os.system"],`+hi+`}`, "logits_processors logits_processors")
	f(Chat, `{"kv_transfer_params":{"remote_host":"x"},`+hi+`}`, "kv_transfer kv_transfer_params")
	f(Chat, `{"id_slot":1,`+hi+`}`, "slot id_slot")
	f(Chat, `{"messages":[{"role":"user","content":[{"type":"file","file":{"file_id":"f"}}]}]}`, "file_id messages[0].content[0].file.file_id f")
	f(Chat, `{"messages":[{"role":"user","content":"a"},{"role":"assistant","audio":{"id":"a"}}]}`, "audio_id messages[1].audio", "audio_id messages[1].audio.id a")
	image := func(url string) string {
		return `{"messages":[{"role":"user","content":["a",{"type":"image_url","image_url":{"url":"` + url + `"}}]}]}`
	}
	f(Chat, image("https://host.example/x.png"), "image_url messages[0].content[1].image_url.url")
	f(Chat, image("file:///etc/passwd"), "image_url messages[0].content[1].image_url.url")
	f(Chat, image("data:image/png;base64,AA"))
	f(Embeddings, `{"input":"a","chat_template":"x"}`, "chat_template chat_template")
	// null and false do not use a field.
	f(Chat, `{"store":false,"previous_response_id":null,"messages":[{"role":"assistant","content":"a","audio":null}]}`)
	r := f(Chat, `{"chat_template":"{{secret}}","conversation":"a@b.example",`+hi+`}`, "chat_template chat_template", "conversation conversation a@b.example")
	if len(r.Segments) != 2 || string(r.Segments[0].Text.Bytes()) != "{{secret}}" {
		t.Errorf("segments %+v", r.Segments)
	}
	if got := r.Reaches(); !slices.Equal(got, []string{"chat_template", "conversation"}) {
		t.Errorf("kinds %q", got)
	}
}

func TestLimits(t *testing.T) {
	body := []byte(`{"messages":[{"role":"user","content":"aaaaaaaaaa"}]}`)
	_, err := Chat.Request(body, strictjson.Limits{MaxBytes: 20})
	var fault *wire.Fault
	if !errors.As(err, &fault) || fault.Code != wire.BodyTooLarge || fault.HTTPStatus() != 413 {
		t.Errorf("got %v", err)
	}
	if _, err = Chat.Request(body, strictjson.Limits{MaxDepth: 2}); !errors.As(err, &fault) || fault.Code != wire.TooDeep {
		t.Errorf("got %v", err)
	}
}
