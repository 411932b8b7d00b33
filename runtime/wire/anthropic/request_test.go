package anthropic

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sluicegate/sluice/runtime/strictjson"
	"github.com/sluicegate/sluice/runtime/wire"
)

func parse(t *testing.T, body string) *wire.Request {
	t.Helper()
	r, err := Messages.Request([]byte(body), strictjson.Limits{})
	if err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	t.Cleanup(r.Doc.Release)
	return r
}

// segments are a request's texts with their role classes; * before prompt text, key: before keys.
func segments(r *wire.Request) (out []string) {
	for _, s := range r.Segments {
		text := s.Role.String() + " " + string(s.Text.Bytes())
		if s.Prompt {
			text = "*" + text
		}
		if s.Key {
			text = "key:" + text
		}
		out = append(out, text)
	}
	return out
}

// Every string is a text of the right role but for what the table names; adjacent texts are one run.
func TestSegments(t *testing.T) {
	f := func(body string, want ...string) {
		t.Helper()
		if got := segments(parse(t, body)); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", body, got, want)
		}
	}
	turn := func(role, content string) string {
		return `{"model":"m","max_tokens":5,"messages":[{"role":"` + role + `","content":` + content + `}]}`
	}
	f(turn("user", `"hi"`), "*user hi")
	f(turn("assistant", `"hi"`), "*assistant hi")
	f(turn("system", `"hi"`), "*system hi")
	f(turn("user", `[{"type":"text","text":"a"},{"type":"text","text":"b","cache_control":{"type":"ephemeral"}}]`), "*user ab")
	f(turn("user", `[{"type":"text","text":"a"},{"type":"image","source":{"type":"base64","media_type":"image/png","data":"AA"}},{"type":"text","text":"b"}]`),
		"*user a", "*user b")
	f(`{"system":"s","messages":[{"role":"user","content":"hi"}]}`, "*system s", "*user hi")
	f(`{"system":[{"type":"text","text":"s"},{"type":"text","text":"t"}],"messages":[{"role":"user","content":"hi"}]}`, "*system st", "*user hi")
	f(turn("user", `[{"type":"tool_result","tool_use_id":"toolu_1","content":"sunny"}]`), "*tool sunny")
	f(turn("user", `[{"type":"tool_result","tool_use_id":"a b","content":[{"type":"text","text":"c"},{"type":"text","text":"d"}]}]`), "*user a b", "*tool cd")
	f(turn("assistant", `[{"type":"tool_use","id":"toolu_1","name":"look","input":{"city":"Graz","at":[1,{"x y":"noon"}]}}]`),
		"key:*assistant city", "*assistant Graz", "key:*assistant at", "key:*assistant x y", "*assistant noon")
	f(turn("assistant", `[{"type":"thinking","thinking":"hm","signature":"c2ln"}]`), "*assistant hm", "*assistant c2ln")
	f(turn("user", `[{"type":"document","title":"u","source":{"type":"text","media_type":"text/plain","data":"w"}}]`), "*user u", "*user w")
	f(turn("user", `[{"type":"search_result","source":"u","title":"v","content":[{"type":"text","text":"w"}]}]`), "*user u", "*user v", "*user w")
	f(`{"stop_sequences":["END"],"metadata":{"user_id":"a b"},"x":"y","messages":[{"role":"user","content":""}]}`,
		"other END", "other a b", "key:other x", "other y")
	f(`{"tools":[{"name":"look","description":"d","input_schema":{"type":"object","properties":{"city":{"description":"e"}}}}],"messages":[{"role":"user","content":"a"}]}`,
		"definition d", "key:definition city", "definition e", "*user a")
	f(`{"service_tier":"mine","tool_choice":{"type":"odd","name":"a b"},"messages":[{"role":"user","content":"a"}]}`, "other mine", "other odd", "other a b", "*user a")
}

func TestRequest(t *testing.T) {
	r := parse(t, `{"model":"m","stream":true,"max_tokens":5,"temperature":0.5,"thinking":{"type":"enabled","budget_tokens":9},"tool_choice":{"type":"any"},
		"tools":[{"name":"a","input_schema":{}},{"type":"bash_20250124","name":"bash"}],"messages":[{"role":"user","content":[
		{"type":"image","source":{"type":"base64","media_type":"image/png","data":"AA"}},
		{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"AA"}},
		{"type":"tool_result","tool_use_id":"t","content":[{"type":"image","source":{"type":"url","url":"https://host.example/x.png"}}]}]},
		{"role":"assistant","content":"x"}]}`)
	opaque := fmt.Sprint(r.Opaque)
	if r.Model != "m" || !r.Stream || !r.Usage || r.Messages != 2 || !slices.Equal(r.Tools, []string{"a", "bash"}) || opaque != "map[file:1 image:2 url:1]" ||
		len(r.Reach) != 1 || r.Reach[0].Kind != "image_url" || r.Reach[0].Param != "messages[0].content[2].content[0].source.url" {
		t.Errorf("%+v %s %+v", r, opaque, r.Reach)
	}
	if got := fmt.Sprint(r.Params); got != "map[max_tokens:5 temperature:0.5 thinking:enabled tool_choice:any]" {
		t.Errorf("%s", got)
	}
	if r := parse(t, `{"model":"auto","messages":[{"role":"user","content":"a"}]}`); r.Model != "" || r.Stream {
		t.Errorf("%+v", r)
	}
}

func TestRefusals(t *testing.T) {
	f := func(body string, code wire.Code, param string) {
		t.Helper()
		_, err := Messages.Request([]byte(body), strictjson.Limits{})
		var fault *wire.Fault
		if !errors.As(err, &fault) || fault.Code != code || fault.Param != param || strings.Contains(fault.Message, "secret") {
			t.Errorf("%s: %v, want %s at %s", body, err, code, param)
		}
	}
	const hi = `"messages":[{"role":"user","content":"hi"}]`
	block := func(b string) string { return `{"messages":[{"role":"user","content":[` + b + `]}]}` }
	f(`{`, wire.InvalidJSON, "")
	f(`[]`, wire.InvalidRequest, "")
	f(`{}`, wire.MissingField, "messages")
	f(`{"messages":null}`, wire.MissingField, "messages")
	f(`{"messages":[]}`, wire.MissingField, "messages")
	f(`{"messages":"secret"}`, wire.InvalidRequest, "messages")
	f(`{"model":7,`+hi+`}`, wire.InvalidRequest, "model")
	f(`{"stream":"secret",`+hi+`}`, wire.InvalidRequest, "stream")
	f(`{"messages":[{"role":"tool","content":"secret"}]}`, wire.InvalidRequest, "messages[0].role")
	f(`{"messages":[{"content":"secret"}]}`, wire.MissingField, "messages[0].role")
	f(block(`{"type":"secret"}`), wire.InvalidRequest, "messages[0].content[0].type")
	f(block(`{"text":"secret"}`), wire.MissingField, "messages[0].content[0].type")
	f(block(`{"type":"tool_addition","file_id":"secret"}`), wire.InvalidRequest, "messages[0].content[0].type")
	f(`{"fallbacks":[{"model":"secret"}],`+hi+`}`, wire.UnsupportedField, "fallbacks")
	f(block(`{"type":"image","source":{"type":"secret"}}`), wire.InvalidRequest, "messages[0].content[0].source.type")
	f(block(`{"type":"image","source":{"type":"text","data":"secret"}}`), wire.InvalidRequest, "messages[0].content[0].source.type")
	f(block(`{"type":"tool_result","content":[{"type":"tool_use"}]}`), wire.InvalidRequest, "messages[0].content[0].content[0].type")
	f(`{"system":[{"type":"image"}],`+hi+`}`, wire.InvalidRequest, "system[0].type")
	f(`{"system":7,`+hi+`}`, wire.InvalidRequest, "system")
	f(`{"tools":[{"type":"secret"}],`+hi+`}`, wire.UnsupportedField, "tools[0].type")
	f(`{"anthropic_beta":["secret"],`+hi+`}`, wire.UnsupportedField, "anthropic_beta")
	f(`{"System":"secret",`+hi+`}`, wire.DuplicateKey, "*")
	f(`{"\u0073ystem":"a","system":"secret",`+hi+`}`, wire.DuplicateKey, "")
	_, err := CountTokens.Request([]byte(`{"stream":true,`+hi+`}`), strictjson.Limits{})
	if err == nil {
		t.Error("a count with a stream was taken")
	}
}

// Nothing is rewritten but the model's name and what was edited.
func TestRender(t *testing.T) {
	body := `{ "model": "m", "stream": true, "max_tokens": 5, "messages": [ {"role": "user", "content": "a\u0062c"} ], "x": 1.50 }`
	r := parse(t, body)
	f := func(how wire.Rendering, want string) {
		t.Helper()
		if got := string(Messages.Render(nil, r, how)); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	f(wire.Rendering{Model: "m"}, body)
	f(wire.Rendering{Model: "n", Usage: true}, strings.Replace(body, `"m"`, `"n"`, 1))
	f(wire.Rendering{OmitStream: true}, `{ "max_tokens": 5, "messages": [ {"role": "user", "content": "a\u0062c"} ], "x": 1.50 }`)
	if err := r.Segments[0].Text.Edit([]strictjson.Edit{{Start: 0, End: 3, With: []byte("***")}}); err != nil {
		t.Fatal(err)
	}
	f(wire.Rendering{Model: "m"}, strings.Replace(body, `a\u0062c`, "***", 1))
}

// What a filter adds of the system goes to the system prompt, in whichever form it is.
func TestAmend(t *testing.T) {
	add := []wire.Message{
		{Role: wire.RoleSystem, Text: "A"},
		{Role: wire.RoleSystem, Text: "B"},
		{Role: wire.RoleSystem, Text: "Y", Last: true},
		{Role: wire.RoleUser, Text: "u"},
		{Role: wire.RoleAssistant, Text: "v", Last: true},
	}
	f := func(system, want string) {
		t.Helper()
		r := parse(t, `{`+system+`"messages":[{"role":"user","content":"hi"}]}`)
		got, err := Messages.Amend(r, []wire.Param{{Name: "temperature", Value: []byte("0.5")}}, add)
		if err != nil {
			t.Fatal(err)
		}
		again := parse(t, string(got))
		text := strings.ReplaceAll(strings.Join(segments(again), "|"), "\n\n", "/")
		if text != want || again.Params["temperature"] == nil {
			t.Errorf("%s: %s gives %q, want %q", system, got, text, want)
		}
	}
	const turns = "*user u|*user hi|*assistant v"
	f(`"system":"s",`, "*system A/B/s/Y|"+turns)
	f(`"system":[{"type":"text","text":"s"}],`, "*system ABsY|"+turns)
	f(`"system":"",`, "*system A/B/Y|"+turns)
	f(`"system":null,`, "*system A/B/Y|"+turns)
	f(`"system":[],`, "*system ABY|"+turns)
	f(``, turns+"|*system A/B/Y")
	refused := func(params []wire.Param, messages []wire.Message) {
		t.Helper()
		var fault *wire.Fault
		if _, err := Messages.Amend(parse(t, `{"messages":[{"role":"user","content":"hi"}]}`), params, messages); !errors.As(err, &fault) || fault.Code != wire.FilterFailed {
			t.Errorf("%v %v: %v", params, messages, err)
		}
	}
	for _, key := range []string{"model", "stream", "system", "Messages"} {
		refused([]wire.Param{{Name: key, Value: []byte("1")}}, nil)
	}
	refused([]wire.Param{{Name: "x", Value: []byte("{")}}, nil)
	refused(nil, []wire.Message{{Role: wire.RoleTool, Text: "x"}})
}
