package inference

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/sluicegate/sluice/runtime/exchange"
	"github.com/sluicegate/sluice/runtime/strictjson"
	"github.com/sluicegate/sluice/runtime/wire"
	"github.com/sluicegate/sluice/runtime/wire/openai"
)

func TestParse(t *testing.T) {
	f := func(body, model, want string) *wire.Request {
		t.Helper()
		r, err := Surface().Parse([]byte(body), strictjson.Limits{})
		if err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		if r.Operation != wire.Inference || r.Format != openai.Chat || r.Size != len(body) || r.Model != model {
			t.Errorf("%s: %+v", body, r)
		}
		if got := string(r.Format.Render(nil, r, wire.Rendering{Model: "m"})); got != want {
			t.Errorf("%s\n got %s\nwant %s", body, got, want)
		}
		return r
	}
	const hi = `"messages":[{"role":"user","content":"hi"}]`
	f(`{"model_name":"model-a","inputs":"hi"}`, "model-a", `{"model":"m",`+hi+`}`)
	f(`{"inputs":"hi","model":"model-a"}`, "model-a", `{"model":"m",`+hi+`}`)
	f(`{"inputs":"hi"}`, "", `{`+hi+`,"model":"m"}`)
	f(`{"inputs":"hi","model":"auto"}`, "", `{"model":"m",`+hi+`}`)
	f(`{"inputs":"hi","model_name":"auto","model":null}`, "", `{"model":"m",`+hi+`}`)
	f(`{"inputs":"hi","messages":null,"parameters":null,"stream":null}`, "", `{`+hi+`,"model":"m"}`)
	// Strings and numbers are carried over as they stand.
	r := f(`{"inputs":"h\u0069 \"\n","parameters":{"temperature":0.20,"max_tokens":5,"n":1},"top_k":7}`, "",
		`{"messages":[{"role":"user","content":"h\u0069 \"\n"}],"temperature":0.20,"max_tokens":5,"n":1,"top_k":7,"model":"m"}`)
	if r.Params["temperature"] != json.Number("0.20") || r.Params["top_k"] != json.Number("7") {
		t.Errorf("params %v", r.Params)
	}
	if len(r.Segments) != 1 || string(r.Segments[0].Text.Bytes()) != "hi \"\n" || r.Segments[0].Role != wire.RoleUser || !r.Segments[0].Prompt {
		t.Errorf("segments %+v", r.Segments)
	}
	r = f(`{"messages":[{"role":"system","content":"s"},{"role":"user","content":"u"}],"stream":true}`, "",
		`{"messages":[{"role":"system","content":"s"},{"role":"user","content":"u"}],"stream":true,"model":"m"}`)
	if !r.Stream || r.Usage || r.Messages != 2 {
		t.Errorf("%+v", r)
	}
}

func TestRefusals(t *testing.T) {
	f := func(body string, code wire.Code, param, message string) {
		t.Helper()
		_, err := Surface().Parse([]byte(body), strictjson.Limits{})
		var fault *wire.Fault
		if !errors.As(err, &fault) {
			t.Errorf("%s: got %v, want %s", body, err, code)
			return
		}
		if fault.Code != code || fault.Param != param || !strings.Contains(fault.Message, message) || strings.Contains(fault.Error(), "secret") {
			t.Errorf("%s: got %s %q %q, want %s %q %q", body, fault.Code, fault.Param, fault.Message, code, param, message)
		}
	}
	// The exact text of the gateway that this one replaces.
	f(`{"model_name":"model-a"}`, wire.MissingField, "inputs", "Missing 'inputs' field")
	f(`{"inputs":null}`, wire.MissingField, "inputs", "Missing 'inputs' field")
	f(`{`, wire.InvalidJSON, "", "")
	f(`model_name=a&inputs=b`, wire.InvalidJSON, "", "")
	f(`"secret"`, wire.InvalidRequest, "", "object")
	f(`{"inputs":["secret"]}`, wire.InvalidRequest, "inputs", "'inputs' must be a string")
	f(`{"inputs":"a","messages":[]}`, wire.InvalidRequest, "messages", "beside")
	f(`{"inputs":"a","model_name":"a","model":"b"}`, wire.InvalidRequest, "model", "both")
	f(`{"inputs":"a","model_name":7}`, wire.InvalidRequest, "model_name", "string")
	f(`{"inputs":"a","parameters":"secret"}`, wire.InvalidRequest, "parameters", "object")
	f(`{"inputs":"a","stream":"secret"}`, wire.InvalidRequest, "stream", "true or false")
	// What the form has members for, and more answers than it has outputs.
	for _, name := range []string{"model", "messages", "stream", "stream_options", "inputs", "prompt"} {
		f(`{"inputs":"a","parameters":{"`+name+`":"secret"}}`, wire.InvalidRequest, "parameters."+name, name)
		f(`{"inputs":"a","parameters":{"`+strings.ToUpper(name)+`":"secret"}}`, wire.InvalidRequest, "parameters."+name, name)
	}
	f(`{"inputs":"a","parameters":{"n":2}}`, wire.InvalidRequest, "parameters.n", "one output")
	f(`{"inputs":"a","n":1.5}`, wire.InvalidRequest, "n", "one output")
	// One key, one meaning.
	f(`{"inputs":"a","inputs":"b"}`, wire.DuplicateKey, "", "")
	f(`{"Inputs":"secret"}`, wire.DuplicateKey, "*", "spelling")
	f(`{"inputs":"a","\u017ftream":true}`, wire.DuplicateKey, "*", "spelling")
	f(`{"inputs":"a","parameters":{"seed":1},"seed":2}`, wire.DuplicateKey, "parameters", "beside")
	f(`{"inputs":"a","parameters":{"Seed":1}}`, wire.DuplicateKey, "*", "spelling")
	f(`{"messages":[{"role":"boss","content":"secret"}]}`, wire.InvalidRequest, "messages[0].role", "")
}

// The limits hold for the body as it came, not for what is made of it.
func TestLimits(t *testing.T) {
	const body = `{"inputs":"0123456789"}`
	if _, err := Surface().Parse([]byte(body), strictjson.Limits{MaxBytes: len(body), MaxDepth: 1}); err != nil {
		t.Errorf("at the limit: %v", err)
	}
	var fault *wire.Fault
	_, err := Surface().Parse([]byte(body), strictjson.Limits{MaxBytes: len(body) - 1})
	if !errors.As(err, &fault) || fault.Code != wire.BodyTooLarge {
		t.Errorf("over the limit: %v", err)
	}
}

func TestAnswer(t *testing.T) {
	f := func(asked, answer, want string) {
		t.Helper()
		a, err := openai.Chat.Answer([]byte(answer))
		if err != nil {
			t.Fatal(err)
		}
		x := &exchange.Exchange{ID: "4f6c", Model: "model-a", Request: &wire.Request{Model: asked}}
		if got := string(Surface().Answer(nil, x, a)); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	const hello = `{"choices":[{"index":0,"message":{"role":"assistant","reasoning_content":"hm","content":"hel\"lo"}},{"index":1,"message":{"content":"other"}}]}`
	f("model-a", hello, `{"output":"hel\"lo"}`)
	f("", hello, `{"request_id":"4f6c","model":"model-a","output":"hel\"lo"}`)
	f("model-a", `{"choices":[{"index":0,"message":{"content":null,"refusal":"no"}}]}`, `{"output":"no"}`)
	f("model-a", `{"choices":[{"index":0,"message":{"content":null,"tool_calls":[]}}]}`, `{"output":""}`)
	f("model-a", `{"choices":[]}`, `{"output":""}`)
}

func TestStream(t *testing.T) {
	var out []byte
	for _, data := range []string{
		`{"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}`,
		`{"choices":[{"index":0,"delta":{"content":"a\n"}}]}`,
		`{"choices":[{"index":0,"delta":{"reasoning_content":"hm"}}]}`,
		`{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`,
		`{"choices":[],"usage":{"prompt_tokens":1}}`,
		`[DONE]`,
	} {
		ev, err := openai.Chat.Event([]byte(data))
		if err != nil {
			t.Fatal(err)
		}
		out = Surface().Event(out, nil, ev)
	}
	out = Surface().End(out)
	if got, want := string(out), "data: {\"output\":\"a\\n\"}\n\ndata: [DONE]\n\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestErrors(t *testing.T) {
	f := func(fault wire.Fault, want string) {
		t.Helper()
		if got := string(Surface().Error(nil, &fault)); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		if got := string(Surface().ErrorEvent(nil, &fault)); got != "data: "+want+"\n\n" {
			t.Errorf("got %q", got)
		}
	}
	f(wire.Fault{Code: wire.UnknownModel, Message: "Unknown model: X", Param: "model"}, `{"detail":"Unknown model: X","code":"unknown_model"}`)
	f(wire.Fault{Code: wire.RejectedByFilter, Message: "no", Reason: "weapons"}, `{"detail":"no","code":"rejected_by_filter","reason":"weapons"}`)
	if Surface().Operation() != wire.Inference {
		t.Error("operation")
	}
}

// What is accepted says to encoding/json what the body said, and no more.
func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"model_name":"model-a","inputs":"text","parameters":{"temperature":0.5},"stream":true,"x":[1]}`))
	f.Add([]byte(`{"messages":[{"role":"user","content":["a",{"type":"text","text":"b"}]}],"model":"auto"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := Surface().Parse(body, strictjson.Limits{MaxBytes: 1 << 16})
		if err != nil {
			return
		}
		defer r.Doc.Release()
		var in, out map[string]any
		if err := json.Unmarshal(body, &in); err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		if err := json.Unmarshal(r.Format.Render(nil, r, wire.Rendering{Model: "m"}), &out); err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		if text, ok := in["inputs"].(string); ok {
			message := out["messages"].([]any)[0].(map[string]any)
			if message["content"] != text || message["role"] != "user" {
				t.Errorf("%s: %v", body, message)
			}
		}
		for k, v := range in {
			if k != "model" && k != "model_name" && k != "inputs" && k != "parameters" && v != nil && fmt.Sprint(out[k]) != fmt.Sprint(v) {
				t.Errorf("%s: %q is %v", body, k, out[k])
			}
		}
	})
}
