package translate_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/sluicegate/sluice/runtime/wire"
	"github.com/sluicegate/sluice/runtime/wire/translate"
)

var update = flag.Bool("update", false, "write the golden files and TABLE.md anew")

// The formats by the names that test files use.
var names = map[string]string{"chat": "openai.chat", "messages": "anthropic.messages", "responses": "openai.responses"}

// Those that callers or model servers alone speak are among these.
var spoken = map[string]string{
	"chat": "openai.chat", "messages": "anthropic.messages", "responses": "openai.responses", "completions": "openai.completions",
	"gemini": "gemini.generate", "bedrock": "bedrock.converse",
	"count": "anthropic.count_tokens", "geminicount": "gemini.count", "vertexcount": "vertex.count", "bedrockcount": "bedrock.count",
	"embeddings": "openai.embeddings", "geminivectors": "gemini.embed", "vertexvectors": "vertex.embed", "bedrockvectors": "bedrock.embed",
	"rerank": "openai.rerank", "ranking": "openai.ranking", "bedrockrank": "bedrock.rerank",
}

func between(t testing.TB, from, to string) translate.Pair {
	t.Helper()
	p, ok := translate.Between(spoken[from], spoken[to])
	if !ok {
		t.Fatalf("no way from %s to %s", from, to)
	}
	return p
}

// request is the body that a request becomes.
func request(p translate.Pair, body []byte, o translate.Options) ([]byte, error) {
	bodies, _, err := p.Requests(body, o)
	if err != nil {
		return nil, err
	}
	return bodies[0], nil
}

// stream translates events and gives those that come of them.
func stream(t testing.TB, p translate.Pair, events []string) (out []string, err error) {
	t.Helper()
	s := p.Stream(translate.Asked{})
	if s == nil {
		return nil, nil
	}
	for _, e := range events {
		if err := s.Event([]byte(e)); err != nil {
			return out, err
		}
		for {
			data, ok := s.Next()
			if !ok {
				break
			}
			out = append(out, string(data))
		}
	}
	return out, nil
}

// dated are the parts of an answer that differ from run to run.
var dated = regexp.MustCompile(`"(created|created_at)":1[0-9]{9}|call_[A-Z2-7]{26}|(resp|msg|rs|fc)_[A-Z2-7]{26}`)

func undated(b []byte) []byte {
	return dated.ReplaceAllFunc(b, func(m []byte) []byte {
		if i := bytes.IndexByte(m, ':'); i > 0 {
			return append(m[:i:i], ":0"...)
		}
		return append(m[:bytes.IndexByte(m, '_')+1:bytes.IndexByte(m, '_')+1], "RANDOM"...)
	})
}

// golden holds each file of testdata against what came of it when it was last looked at. A file is one body or a stream,
// one event a line; its name is format.case.{request,answer,stream}, and for each other format there is one of what it
// becomes.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.*.*.json")
	if err != nil || len(files) == 0 {
		t.Fatal("no files", err)
	}
	for _, file := range files {
		format, rest, _ := strings.Cut(filepath.Base(file), ".")
		if strings.Contains(rest, ".to_") {
			continue
		}
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for other := range spoken {
			from, to := format, other
			if !strings.HasSuffix(rest, ".request.json") {
				from, to = other, format
			}
			if _, ok := translate.Between(spoken[from], spoken[to]); !ok {
				continue
			}
			name := strings.TrimSuffix(file, ".json") + ".to_" + other + ".json"
			t.Run(filepath.Base(name), func(t *testing.T) {
				goldenFile(t, name, undated(translated(t, rest, format, other, body)))
			})
		}
	}
}

// translated is what a test file becomes in another format: a fault as well.
func translated(t *testing.T, name, format, other string, body []byte) []byte {
	var out []byte
	var err error
	switch {
	case strings.HasSuffix(name, ".request.json"):
		var bodies [][]byte
		bodies, _, err = between(t, format, other).Requests(body, translate.Options{})
		out = bytes.Join(bodies, []byte("\n"))
	case strings.HasSuffix(name, ".answer.json"):
		out, err = between(t, other, format).Answer(nil, translate.Asked{}, body)
	default:
		lines := strings.Split(strings.TrimSpace(string(body)), "\n")
		var events []string
		events, err = stream(t, between(t, other, format), lines)
		out = []byte(strings.Join(events, "\n"))
	}
	if err != nil {
		return append(out, "\n! "+err.Error()...)
	}
	return out
}

func goldenFile(t *testing.T, name string, got []byte) {
	t.Helper()
	got = append(bytes.TrimSpace(pretty(got)), '\n')
	if *update {
		if err := os.WriteFile(name, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs; got:\n%s", name, got)
	}
}

// pretty is one body, indented; streams stay one event a line.
func pretty(b []byte) []byte {
	var out bytes.Buffer
	if bytes.Contains(b, []byte("\n")) || json.Indent(&out, b, "", "  ") != nil {
		return b
	}
	return out.Bytes()
}

// What both formats have comes back the same after a way there and back.
func TestThereAndBack(t *testing.T) {
	f := func(from, to, body string) {
		t.Helper()
		there, err := request(between(t, from, to), []byte(body), translate.Options{})
		if err != nil {
			t.Errorf("%s to %s: %v", from, to, err)
			return
		}
		back, err := request(between(t, to, from), there, translate.Options{})
		if err != nil {
			t.Errorf("%s back to %s: %v: %s", to, from, err, there)
			return
		}
		if !same(t, back, []byte(body)) {
			t.Errorf("%s to %s and back:\n got %s\nwant %s\n by way of %s", from, to, back, body, there)
		}
	}
	for from := range names {
		for to := range names {
			if from == to {
				continue
			}
			for _, body := range common[from] {
				f(from, to, body)
			}
		}
	}
}

// same tells whether two bodies say the same.
func same(t *testing.T, a, b []byte) bool {
	var x, y any
	if err := errors.Join(json.Unmarshal(a, &x), json.Unmarshal(b, &y)); err != nil {
		t.Fatal(err)
	}
	return reflect.DeepEqual(x, y)
}

// common are requests in each format that say what all formats can.
var common = map[string][]string{
	"chat": {
		`{"model":"m","messages":[{"role":"user","content":"hi"}],"max_tokens":10}`,
		`{"model":"m","messages":[{"role":"system","content":"s"},{"role":"user","content":"hi"},{"role":"assistant","content":"yes"},{"role":"user","content":"so?"}],"max_tokens":10,"temperature":0.5,"top_p":0.9}`,
		`{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"see \"\\\u00e9\u0001"},{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw0="}},{"type":"image_url","image_url":{"url":"https://example.com/a.png"}}]}],"max_tokens":10}`,
		`{"model":"m","messages":[{"role":"user","content":"w"},{"role":"assistant","content":"I look","tool_calls":[{"id":"call_1","type":"function","function":{"name":"f","arguments":"{\"a\": [1, 2.50, \"x\"]}"}},{"id":"call_2","type":"function","function":{"name":"g","arguments":"{}"}}]},{"role":"tool","tool_call_id":"call_1","content":"one"},{"role":"tool","tool_call_id":"call_2","content":"two"},{"role":"user","content":"and?"}],"max_tokens":10,"tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object","properties":{"a":{"type":"array"}}},"strict":true}}],"tool_choice":"required","parallel_tool_calls":false}`,
		`{"model":"m","messages":[{"role":"user","content":"w"}],"max_tokens":10,"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}],"tool_choice":{"type":"function","function":{"name":"f"}}}`,
		`{"model":"m","messages":[{"role":"user","content":"w"}],"max_tokens":10,"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}],"tool_choice":"none"}`,
		`{"model":"m","messages":[{"role":"user","content":"w"}],"max_tokens":10,"stream":true,"stream_options":{"include_usage":true},"reasoning_effort":"high","user":"u-1"}`,
		`{"model":"m","messages":[{"role":"user","content":[{"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,JVBERi0="}}]}],"max_tokens":10}`,
	},
	"responses": {
		`{"model":"m","store":false,"input":[{"type":"message","role":"user","content":"hi"}],"max_output_tokens":10}`,
		`{"model":"m","store":false,"input":[{"type":"message","role":"system","content":"s"},{"type":"message","role":"user","content":[{"type":"input_text","text":"see"},{"type":"input_image","image_url":"data:image/png;base64,iVBORw0=","detail":"auto"}]},{"type":"message","role":"assistant","content":"I look"},{"type":"function_call","call_id":"call_1","name":"f","arguments":"{\"a\":1}"},{"type":"function_call","call_id":"call_2","name":"f","arguments":"{}"},{"type":"function_call_output","call_id":"call_1","output":"one"},{"type":"function_call_output","call_id":"call_2","output":"two"},{"type":"message","role":"user","content":"and?"}],"max_output_tokens":10,"tools":[{"type":"function","name":"f","parameters":{"type":"object"},"strict":false}],"tool_choice":{"type":"function","name":"f"},"parallel_tool_calls":false,"temperature":0.1}`,
		`{"model":"m","store":false,"input":[{"type":"message","role":"user","content":"hi"}],"max_output_tokens":10,"stream":true,"user":"u","service_tier":"default","reasoning":{"effort":"low"},"include":["reasoning.encrypted_content"],"text":{"format":{"type":"json_schema","name":"answer","schema":{"type":"object"},"strict":true}}}`,
	},
	"messages": {
		`{"model":"m","max_tokens":10,"messages":[{"role":"user","content":"hi"}]}`,
		`{"model":"m","max_tokens":10,"system":"s","messages":[{"role":"user","content":"hi"},{"role":"assistant","content":"yes"},{"role":"user","content":"so?"}],"temperature":0.5,"top_p":0.9}`,
		`{"model":"m","max_tokens":10,"messages":[{"role":"user","content":[{"type":"text","text":"see"},{"type":"image","source":{"type":"base64","media_type":"image/png","data":"iVBORw0="}},{"type":"image","source":{"type":"url","url":"https://example.com/a.png"}}]}]}`,
		`{"model":"m","max_tokens":10,"messages":[{"role":"user","content":"w"},{"role":"assistant","content":[{"type":"text","text":"I look"},{"type":"tool_use","id":"toolu_1","name":"f","input":{"a":[1,2.5,"x"]}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"toolu_1","content":[{"type":"text","text":"one"}]},{"type":"text","text":"and?"}]}],"tools":[{"name":"f","description":"d","input_schema":{"type":"object"},"strict":true}],"tool_choice":{"type":"any","disable_parallel_tool_use":true}}`,
		`{"model":"m","max_tokens":10,"messages":[{"role":"user","content":"w"}],"tools":[{"name":"f","input_schema":{"type":"object"}}],"tool_choice":{"type":"tool","name":"f"}}`,
		`{"model":"m","max_tokens":10,"messages":[{"role":"user","content":"w"}],"stream":true,"thinking":{"type":"adaptive"},"output_config":{"effort":"low","format":{"type":"json_schema","schema":{"type":"object"}}},"metadata":{"user_id":"u-1"}}`,
	},
}

// What the other format cannot say is refused by its path, and so is what the reader does not know.
func TestRefused(t *testing.T) {
	f := func(from, to, body, param string) {
		t.Helper()
		_, err := request(between(t, from, to), []byte(body), translate.Options{})
		var fault *wire.Fault
		if !errors.As(err, &fault) || fault.Param != param {
			t.Errorf("%s to %s: got %v, want %s: %s", from, to, err, param, body)
		}
	}
	chat := func(field, param string) {
		t.Helper()
		f("chat", "messages", `{"messages":[{"role":"user","content":"x"}],`+field+`}`, param)
	}
	message := func(m, param string) {
		t.Helper()
		f("chat", "messages", `{"messages":[{"role":"user","content":"x"},`+m+`]}`, param)
	}
	chat(`"n":2`, "n")
	chat(`"logprobs":true`, "logprobs")
	chat(`"seed":7`, "seed")
	chat(`"temperature":1.5`, "temperature")
	chat(`"frequency_penalty":0.5`, "frequency_penalty")
	chat(`"logit_bias":{"5":1}`, "logit_bias")
	chat(`"response_format":{"type":"json_object"}`, "response_format.type")
	chat(`"functions":[{"name":"f"}]`, "functions")
	chat(`"tools":[{"type":"custom","custom":{"name":"f"}}]`, "tools[0].type")
	chat(`"tools":[{"type":"function","function":{"name":"f","examples":[]}}]`, "tools[0].function.examples")
	chat(`"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[]}}`, "tool_choice.allowed_tools")
	chat(`"max_tokens":1,"max_completion_tokens":2`, "max_completion_tokens")
	chat(`"metadata":{"a":"b"}`, "metadata")
	chat(`"verbosity":"low"`, "verbosity")
	chat(`"service_tier":"flex"`, "service_tier")
	chat(`"guided_json":{}`, "guided_json")
	chat(`"modalities":["audio"]`, "modalities[0]")
	chat(`"a text, not a name":1`, "")
	message(`{"role":"user","name":"n","content":"x"}`, "messages[1].name")
	message(`{"role":"user","content":""}`, "messages[1].content")
	message(`{"role":"function","name":"f","content":"x"}`, "messages[1].name")
	message(`{"role":"assistant","content":"a","function_call":{"name":"f","arguments":"{}"}}`, "messages[1].function_call")
	message(`{"role":"assistant","content":"a","reasoning_content":"t"}`, "messages[1].reasoning_content")
	message(`{"role":"assistant","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"[1]"}}]}`, "messages[1].tool_calls[0].function.arguments")
	message(`{"role":"assistant","tool_calls":[{"id":"c","type":"custom","custom":{"name":"f","input":""}}]}`, "messages[1].tool_calls[0].type")
	message(`{"role":"user","content":[{"type":"input_audio","input_audio":{"data":"","format":"wav"}}]}`, "messages[1].content[0].type")
	message(`{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://x/y","detail":"high"}}]}`, "messages[1].content[0].image_url.detail")
	message(`{"role":"user","content":[{"type":"file","file":{"file_id":"file-1"}}]}`, "messages[1].content[0].file.file_id")
	message(`{"role":"user","content":[{"type":"file","file":{"file_data":"data:text/csv;base64,YQ=="}}]}`, "messages[1].content[0].file.file_data")

	anthropic := func(field, param string) {
		t.Helper()
		f("messages", "chat", `{"max_tokens":5,"messages":[{"role":"user","content":"x"}],`+field+`}`, param)
	}
	block := func(role, b, param string) {
		t.Helper()
		f("messages", "chat", `{"max_tokens":5,"messages":[{"role":"`+role+`","content":[`+b+`]},{"role":"user","content":"x"}]}`, param)
	}
	anthropic(`"container":"c"`, "container")
	anthropic(`"mcp_servers":[{"type":"url"}]`, "mcp_servers")
	anthropic(`"inference_geo":"eu"`, "inference_geo")
	anthropic(`"thinking":{"type":"enabled","budget_tokens":2000,"display":"omitted"}`, "thinking.display")
	anthropic(`"thinking":{"type":"between_tools"}`, "thinking.type")
	anthropic(`"metadata":{"other":"x"}`, "metadata.other")
	anthropic(`"tools":[{"type":"web_search_20250305","name":"web_search"}]`, "tools[0].type")
	anthropic(`"tools":[{"name":"f","input_schema":{},"defer_loading":true}]`, "tools[0].defer_loading")
	f("messages", "chat", `{"max_tokens":5,"messages":[{"role":"user","content":"x"},{"role":"assistant","content":"{"}]}`, "messages[1]")
	block("assistant", `{"type":"thinking","thinking":"t","signature":"sig"}`, "messages[0].content[0].signature")
	block("assistant", `{"type":"redacted_thinking","data":"x"}`, "messages[0].content[0].type")
	block("user", `{"type":"tool_result","tool_use_id":"t","content":[{"type":"image","source":{"type":"url","url":"https://x/y"}}]}`, "messages[0].content[0].content[0].type")
	block("user", `{"type":"document","source":{"type":"url","url":"https://x/y"}}`, "messages[0].content[0].source.url")
	block("user", `{"type":"document","title":"T","source":{"type":"text","media_type":"text/plain","data":"x"}}`, "messages[0].content[0].title")
	block("user", `{"type":"search_result","source":"x"}`, "messages[0].content[0].type")
	block("assistant", `{"type":"text","text":"x","citations":[{"type":"char_location"}]}`, "messages[0].content[0].citations")
}

// What asks for nothing is no reason to refuse.
func TestNeutral(t *testing.T) {
	const body = `{"model":"m","messages":[{"role":"user","content":"x","name":null}],"n":1,"logprobs":false,"presence_penalty":0.0,` +
		`"frequency_penalty":0,"store":false,"logit_bias":{},"seed":null,"verbosity":"medium","service_tier":"auto","tools":[],` +
		`"functions":[],"metadata":{},"modalities":["text"],"stop":[],"response_format":{"type":"text"},"parallel_tool_calls":false}`
	got, err := request(between(t, "chat", "messages"), []byte(body), translate.Options{MaxOutput: 100})
	const want = `{"model":"m","max_tokens":100,"messages":[{"role":"user","content":"x"}]}`
	if err != nil || string(got) != want {
		t.Errorf("got %s %v, want %s", got, err, want)
	}
}
