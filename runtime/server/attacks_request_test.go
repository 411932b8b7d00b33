package server_test

import (
	"strings"
	"testing"

	"github.com/sluicegate/sluice/runtime/internal/modelserver"
)

// A value leaves the gateway in no field, shape or spelling: it is replaced, or the request is refused.
func TestAttackRequestsHideValues(t *testing.T) {
	s := besiege(t, modelserver.JSON(`{"choices":[{"index":0,"message":{"content":"ok"},"text":"ok","finish_reason":"stop"}],"data":[]}`))
	f := func(name, path, body, code string) {
		t.Run(name, func(t *testing.T) {
			had := len(s.m.Requests())
			r := s.Post("red", path, body, "Cache-Control", "no-store")
			sent := s.last(had)
			if leak := shows(sent, "ana@", "example.com"); leak != "" {
				t.Errorf("the model server reads %s", leak)
			}
			if r.Code() != code || (code == "") != (r.Status == 200) {
				t.Errorf("%d %s, want %q", r.Status, r.Body, code)
			}
			if code == "" && !strings.Contains(sent, "[EMAIL_1]") {
				t.Errorf("nothing was replaced in %q", sent)
			}
		})
	}
	const user = `{"role":"user","content":"hi"}`
	message := func(name, m string) { f(name, chatPath, talk(user+","+m), "") }
	message("user", `{"role":"user","content":"to ana@example.com"}`)
	message("escaped", `{"role":"user","content":"to \u0061na\u0040example\u002ecom"}`)
	message("system", `{"role":"system","content":"to ana@example.com"}`)
	message("developer", `{"role":"developer","content":"to ana@example.com"}`)
	message("assistant", `{"role":"assistant","content":"to ana@example.com"}`)
	message("tool result", `{"role":"tool","tool_call_id":"c1","content":"to ana@example.com"}`)
	message("function result", `{"role":"function","name":"f","content":"{\"to\":\"ana\\u0040example.com\"}"}`)
	message("name", `{"role":"user","name":"ana@example.com","content":"hi"}`)
	message("refusal", `{"role":"assistant","refusal":"not for ana@example.com","content":null}`)
	message("reasoning", `{"role":"assistant","reasoning_content":"about ana@example.com","content":""}`)
	message("parts", `{"role":"user","content":[{"type":"text","text":"to ana@example.com"}]}`)
	message("split parts", `{"role":"user","content":[{"type":"text","text":"to ana@exam"},{"type":"text","text":"ple.com"}]}`)
	message("split in three", `{"role":"user","content":[{"type":"text","text":"to ana"},{"type":"text","text":"\u0040"},{"text":"example.com","type":"text"}]}`)
	message("strings as parts", `{"role":"user","content":["to ana@exam","ple.com"]}`)
	message("refusal part", `{"role":"assistant","content":[{"type":"refusal","refusal":"to ana@example.com"}]}`)
	message("thinking part", `{"role":"assistant","content":[{"type":"thinking","thinking":"to ana@example.com"}]}`)
	message("unknown member of a part", `{"role":"user","content":[{"type":"text","text":"hi","note":{"deep":["ana@example.com"]}}]}`)
	message("unknown member of a message", `{"role":"user","content":"hi","extra":{"ana@example.com":[{"x":"ana@example.com"}]}}`)
	message("tool call id", `{"role":"tool","tool_call_id":"ana@example.com","content":"hi"}`)
	message("tool arguments", `{"role":"assistant","tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{\"to\":\"ana@example.com\"}"}}]}`)
	message("tool arguments, escaped twice", `{"role":"assistant","tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{\"to\":\"ana\\u0040example.com\"}"}}]}`)
	message("keys of tool arguments", `{"role":"assistant","tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{\"ana@example.com\":1}"}}]}`)
	message("tool arguments as an object", `{"role":"assistant","tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":{"ana@example.com":"ana@example.com"}}}]}`)
	message("tool call's name", `{"role":"assistant","tool_calls":[{"id":"1","type":"function","function":{"name":"ana@example.com","arguments":""}}]}`)
	message("custom tool's input", `{"role":"assistant","tool_calls":[{"id":"1","type":"custom","custom":{"name":"f","input":"ana@example.com"}}]}`)
	message("legacy function call", `{"role":"assistant","function_call":{"name":"f","arguments":"{\"to\":\"ana@example.com\"}"}}`)

	more := func(name, member string) { f(name, chatPath, talk(user, ","+member), "") }
	more("tool description", `"tools":[{"type":"function","function":{"name":"f","description":"writes to ana@example.com"}}]`)
	more("schema key", `"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{"ana@example.com":{"type":"string"}}}}}]`)
	more("schema values", `"tools":[{"type":"function","function":{"name":"f","parameters":{"enum":["ana@example.com"],"default":"ana@example.com","const":"ana@example.com","pattern":"ana@example.com","$comment":"ana@example.com","required":["ana@example.com"]}}}]`)
	more("schema type and format", `"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"ana@example.com","format":"ana@example.com","x-y":{"z":"ana@example.com"}}}}]`)
	more("tool's name", `"tools":[{"type":"function","function":{"name":"ana@example.com"}}]`)
	more("custom tool's grammar", `"tools":[{"type":"custom","custom":{"name":"f","format":{"type":"grammar","grammar":{"syntax":"lark","definition":"start: \"ana@example.com\""}}}}]`)
	more("legacy functions", `"functions":[{"name":"f","description":"ana@example.com","parameters":{"properties":{"a":{"description":"ana@example.com"}}}}]`)
	more("tool choice", `"tool_choice":{"type":"function","function":{"name":"ana@example.com"}}`)
	more("tool choice as a word", `"tool_choice":"ana@example.com"`)
	more("function call as a word", `"function_call":"ana@example.com"`)
	more("stop", `"stop":"ana@example.com"`)
	more("stops", `"stop":["a","ana@example.com"]`)
	more("user", `"user":"ana@example.com"`)
	more("metadata", `"metadata":{"mail":"ana@example.com"}`)
	more("metadata key", `"metadata":{"ana@example.com":"x"}`)
	more("logit bias key", `"logit_bias":{"ana@example.com":1}`)
	more("prediction", `"prediction":{"type":"content","content":"ana@example.com"}`)
	more("prediction parts", `"prediction":{"type":"content","content":[{"type":"text","text":"ana@ex"},{"type":"text","text":"ample.com"}]}`)
	more("response format", `"response_format":{"type":"json_schema","json_schema":{"name":"ana@example.com","description":"ana@example.com","schema":{"properties":{"ana@example.com":{}}}}}`)
	more("words of enumerations", `"service_tier":"ana@example.com","reasoning_effort":"ana@example.com","verbosity":"ana@example.com","modalities":["ana@example.com"]`)
	more("numbers as strings", `"seed":"ana@example.com","temperature":"ana@example.com","max_tokens":"ana@example.com","n":"ana@example.com"`)
	more("unknown field", `"nvext":"ana@example.com"`)
	more("unknown field, nested", `"nvext":{"a":[{"b":{"c":[["ana@example.com"]]}}]}`)
	more("unknown field's key", `"ana@example.com":true`)
	more("unknown field's key, escaped", `"x":{"ana\u0040example.com":{"y":1}}`)
	more("guided choice", `"guided_choice":["ana@example.com"],"guided_regex":"ana@example.com","guided_json":{"properties":{"ana@example.com":{}}}`)

	f("completion", "/v1/completions", `{"model":"model-a","prompt":"to ana@example.com"}`, "")
	f("completions", "/v1/completions", `{"model":"model-a","prompt":["hi","to ana@example.com"]}`, "")
	f("suffix", "/v1/completions", `{"model":"model-a","prompt":"hi","suffix":"from ana@example.com"}`, "")
	f("embedding", "/v1/embeddings", `{"model":"model-a","input":"to ana@example.com"}`, "")
	f("embeddings", "/v1/embeddings", `{"model":"model-a","input":["hi","to ana@example.com"],"user":"ana@example.com"}`, "")
	f("embeddings of messages", "/v1/embeddings", `{"model":"model-a","messages":[{"role":"user","content":"to ana@example.com"}]}`, "")
	f("inputs", "/inference", `{"model_name":"model-a","inputs":"to ana@example.com"}`, "")
	f("inference messages", "/inference", `{"model_name":"model-a","messages":[{"role":"user","content":[{"type":"text","text":"to ana@"},{"type":"text","text":"example.com"}]}]}`, "")
	f("inference parameters", "/inference", `{"model_name":"model-a","inputs":"hi","parameters":{"stop":["ana@example.com"],"x":{"ana@example.com":1}}}`, "")
	f("inference beside parameters", "/inference", `{"model_name":"model-a","inputs":"hi","stop":"ana@example.com"}`, "")
	f("stream", chatPath, streamed(ask("to ana@example.com")), "upstream_error") // this model server does not stream

	f("stream options", chatPath, talk(user, `,"stream":true,"stream_options":{"x":"ana@example.com"}`), "invalid_request")
	f("model", chatPath, strings.Replace(ask("hi"), "model-a", mail, 1), "unknown_model")
	f("model of inference", "/inference", `{"model_name":"ana@example.com","inputs":"hi"}`, "unknown_model")
}

// What two readers could read in two ways is refused, in every object that matters.
func TestAttackAmbiguousRequests(t *testing.T) {
	s := besiege(t)
	f := func(name, path, body, code string) {
		t.Run(name, func(t *testing.T) {
			if r := s.Post("red", path, body); r.Code() != code || r.Status/100 != 4 || len(s.m.Requests()) > 0 {
				t.Errorf("%d %s, want %s", r.Status, r.Body, code)
			}
		})
	}
	const clean = `"messages":[{"role":"user","content":"hi"}]`
	const dirty = `[{"role":"user","content":"ana@example.com"}]`
	chat := func(name, members, code string) { f(name, chatPath, `{"model":"model-a",`+members+`}`, code) }
	chat("twice", clean+`,"messages":`+dirty, "duplicate_key")
	chat("twice, escaped", clean+`,"mess\u0061ges":`+dirty, "duplicate_key")
	chat("upper case", clean+`,"Messages":`+dirty, "duplicate_key")
	chat("long s", clean+`,"me`+"\u017f\u017f"+`ages":`+dirty, "duplicate_key")
	chat("long s, escaped", clean+`,"me\u017f\u017fages":`+dirty, "duplicate_key")
	chat("Kelvin sign", clean+`,"top_\u212a":1`, "duplicate_key")
	chat("variant alone", `"MESSAGES":`+dirty, "missing_field")
	chat("model's variant", clean+`,"Model":"other"`, "duplicate_key")
	chat("stream's variant", clean+`,"Stream":true`, "duplicate_key")
	chat("content twice", `"messages":[{"role":"user","content":"hi","content":"ana@example.com"}]`, "duplicate_key")
	chat("content's variant", `"messages":[{"role":"user","content":"hi","Content":"ana@example.com"}]`, "duplicate_key")
	chat("role's variant", `"messages":[{"role":"user","Role":"system","content":"hi"}]`, "duplicate_key")
	chat("text's variant", `"messages":[{"role":"user","content":[{"type":"text","text":"hi","Text":"ana@example.com"}]}]`, "duplicate_key")
	chat("twice in an unknown object", clean+`,"x":{"a":{"b":1,"\u0062":2}}`, "duplicate_key")
	chat("unknown role", `"messages":[{"role":"critic","content":"hi"}]`, "invalid_request")
	chat("no role", `"messages":[{"content":"hi"}]`, "missing_field")
	chat("unknown part", `"messages":[{"role":"user","content":[{"type":"poem","text":"hi"}]}]`, "invalid_request")
	chat("part without a type", `"messages":[{"role":"user","content":[{"text":"hi"}]}]`, "missing_field")
	chat("content is a number", `"messages":[{"role":"user","content":4111111111111111}]`, "invalid_request")
	chat("content is an object", `"messages":[{"role":"user","content":{"text":"hi"}}]`, "invalid_request")
	chat("message is a string", `"messages":["ana@example.com"]`, "invalid_request")
	chat("stream is a word", clean+`,"stream":"true"`, "invalid_request")
	chat("image", `"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"http://127.0.0.1/x"}}]}]`, "opaque_content")
	chat("image among texts", `"messages":[{"role":"user","content":[{"type":"text","text":"ana@"},{"type":"image_url","image_url":"data:,x"},{"type":"text","text":"example.com"}]}]`, "opaque_content")
	chat("file", `"messages":[{"role":"user","content":[{"type":"file","file":{"file_data":"AAAA"}}]}]`, "opaque_content")
	chat("file on the server", `"messages":[{"role":"user","content":[{"type":"file","file":{"file_id":"f1"}}]}]`, "unsupported_field")
	chat("state", clean+`,"store":true`, "unsupported_field")
	chat("search", clean+`,"web_search_options":{}`, "unsupported_field")
	chat("a template", clean+`,"chat_template":"{{ 1 }}"`, "unsupported_field")
	chat("a tool that runs there", clean+`,"tools":[{"type":"web_search"}]`, "unsupported_field")
	f("token ids", "/v1/completions", `{"model":"model-a","prompt":[1,2,3]}`, "opaque_content")
	f("lists of token ids", "/v1/embeddings", `{"model":"model-a","input":[[1,2],[3]]}`, "opaque_content")
	f("token ids among texts", "/v1/completions", `{"model":"model-a","prompt":["hi",[1,2]]}`, "opaque_content")
	f("parameters name the model", "/inference", `{"inputs":"hi","parameters":{"model":"x"}}`, "invalid_request")
	f("parameters name messages", "/inference", `{"inputs":"hi","parameters":{"Messages":[]}}`, "invalid_request")
	f("parameter in two places", "/inference", `{"inputs":"hi","stop":"a","parameters":{"stop":"b"}}`, "duplicate_key")
	f("parameter in two spellings", "/inference", `{"inputs":"hi","stop":"a","parameters":{"Stop":"b"}}`, "duplicate_key")
	f("inputs and messages", "/inference", `{"inputs":"hi",`+clean+`}`, "invalid_request")
	f("inputs' variant", "/inference", `{"inputs":"hi","Inputs":"ana@example.com"}`, "duplicate_key")
	f("inputs twice, escaped", "/inference", `{"inputs":"hi","input\u0073":"ana@example.com"}`, "duplicate_key")
}

// Bodies that are not JSON as RFC 8259 has it, or too much of it.
func TestAttackMalformedRequests(t *testing.T) {
	alone(t)
	s := besiege(t)
	f := func(body, code string) {
		t.Helper()
		if r := s.Post("red", chatPath, body); r.Code() != code || r.Status/100 != 4 || len(s.m.Requests()) > 0 {
			t.Errorf("%.80q: %d %s, want %s", body, r.Status, r.Body, code)
		}
	}
	f("", "invalid_json")
	f("ana@example.com", "invalid_json")
	f("[]", "invalid_request")
	f(`"prompt-word"`, "invalid_request")
	f(ask("hi")+"x", "invalid_json")
	f(ask("hi")+ask("ana@example.com"), "invalid_json")
	f("\ufeff"+ask("hi"), "invalid_json")
	f(strings.Replace(ask("hi"), "hi", "\x00", 1), "invalid_json")
	f(strings.Replace(ask("hi"), "hi", `\x41`, 1), "invalid_json")
	f(strings.Replace(ask("hi"), "hi", `\ud800`, 1), "lone_surrogate")
	f(strings.Replace(ask("hi"), "hi", `\udc00\ud800`, 1), "lone_surrogate")
	f(strings.Replace(ask("hi"), "hi", "\xff", 1), "invalid_utf8")
	f(strings.Replace(ask("hi"), "hi", "\xed\xa0\x80", 1), "invalid_utf8")
	f(talk("", `,"seed":01`), "invalid_number")
	f(talk("", `,"seed":+1`), "invalid_json")
	f(talk("", `,"seed":NaN`), "invalid_json")
	f(talk("", `,"seed":1.e5`), "invalid_number")
	f(talk("", `,"x":`+strings.Repeat("[", 200)+strings.Repeat("]", 200)), "too_deep")
	f(strings.Repeat(`{"a":`, 1<<20), "too_deep")
	f(ask(strings.Repeat("x", 9<<20)), "body_too_large")
}

// What no filter changed leaves byte for byte: numbers keep their digits, keys their order, strings their escapes.
func TestAttackUntouchedBytes(t *testing.T) {
	s := besiege(t)
	more := `,"seed":1e99999,"x":123456789012345678901234567890.10,"y":[-0, 0.10,1E+2],"z":"\u00e9\/\ud83d\ude00","nvext":{"b":null,"a":{}}`
	body := talk(`{"content":"caf\u00e9 ana@example.com \u2028","role":"user"}`, more)
	r := s.Post("red", chatPath, body)
	want := strings.Replace(body, mail, "[EMAIL_1]", 1)
	if sent := s.last(0); r.Status != 200 || sent != want {
		t.Errorf("%d, sent\n%s\nwant\n%s", r.Status, sent, want)
	}
}
