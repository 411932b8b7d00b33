package server_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/sluicegate/sluice/runtime/internal/gateway"
	"github.com/sluicegate/sluice/runtime/internal/modelserver"
)

// What a message names of state at the model server, or makes it fetch or run, and the betas that open more of it, go on
// only where policy and config say so.
func TestAttackMessagesReach(t *testing.T) {
	m := modelserver.New(t, modelserver.Messages("hi"))
	policy := "package sluice\n\ndecision := {\"allowed\": true, \"allow\": {\"web_search\", \"image_url\", \"container:c1\"}}\n"
	open := strings.Replace(claude(m, ", betas: [files-api-2025-04-14]"), "    endpoints:", "    opaque: allow\n    endpoints:", 1)
	config := gateway.Callers + open + strings.Replace(gateway.Rest, `"builtin:default"`, "policy", 1)
	s := besiegeWith(t, m, config, map[string]string{"policy/main.rego": policy})
	f := func(name, content, more, param string, header ...string) {
		t.Helper()
		had := len(m.Requests())
		r := s.Post("red", messagesPath, `{"model":"model-a","max_tokens":9,"messages":[{"role":"user","content":`+content+`}]`+more+`}`, header...)
		var e struct {
			Error struct{ Param, Message string }
		}
		switch _ = json.Unmarshal([]byte(r.Body), &e); {
		case param == "" && (r.Status != 200 || len(m.Requests()) != had+1):
			t.Errorf("%s: %d %s", name, r.Status, r.Body)
		case param != "" && (r.Code() != "unsupported_field" || e.Error.Param != param || !strings.HasPrefix(e.Error.Message, param) || len(m.Requests()) != had):
			t.Errorf("%s: %d %s, want %s refused", name, r.Status, r.Body, param)
		}
	}
	source := func(block, source string) string { return fmt.Sprintf(`[{"type":%q,"source":%s}]`, block, source) }
	f("a search that is allowed", `"hi"`, `,"tools":[{"type":"web_search_20250305","name":"web_search","max_uses":1}]`, "")
	f("a fetch that is not", `"hi"`, `,"tools":[{"type":"web_fetch_20250910","name":"web_fetch"}]`, "tools[0].type")
	f("code", `"hi"`, `,"tools":[{"name":"a","input_schema":{}},{"type":"code_execution_20250825","name":"code_execution"}]`, "tools[1].type")
	f("tools of another server", `"hi"`, `,"mcp_servers":[{"type":"url","url":"https://mcp.example","name":"x"}]`, "mcp_servers")
	f("a toolset of it", `"hi"`, `,"tools":[{"type":"mcp_toolset","mcp_server_name":"x"}]`, "tools[0].type")
	f("a tool that nobody knows", `"hi"`, `,"tools":[{"type":"x_20250101","name":"x"}]`, "tools[0].type")
	f("a container by its id", `"hi"`, `,"container":"c1"`, "")
	f("another container", `"hi"`, `,"container":"c2"`, "container")
	f("a container with skills", `"hi"`, `,"container":{"skills":[{"type":"anthropic","skill_id":"pptx"}]}`, "container.skills")
	f("an image to fetch", source("image", `{"type":"url","url":"https://host.example/x.png"}`), "", "")
	f("a document to fetch", source("document", `{"type":"url","url":"https://host.example/x.pdf"}`), "", "messages[0].content[0].source.url")
	f("a file", source("document", `{"type":"file","file_id":"file_1"}`), "", "messages[0].content[0].source.file_id")
	f("a file in a result", `[{"type":"tool_result","tool_use_id":"t","content":[{"type":"image","source":{"type":"file","file_id":"file_1"}}]}]`, "",
		"messages[0].content[0].content[0].source.file_id")
	f("an upload into a container", `[{"type":"container_upload","file_id":"file_1"}]`, "", "messages[0].content[0].file_id")
	f("another's message", `"hi"`, `,"diagnostics":{"previous_message_id":"msg_1"}`, "diagnostics.previous_message_id")
	f("a thread", `"hi"`, `,"thread":{"id":"t"}`, "thread")
	f("another model", `"hi"`, `,"fallbacks":[{"model":"claude-opus"}]`, "fallbacks")
	f("a computer that the caller works", `"hi"`, `,"tools":[{"type":"computer_20250124","name":"computer","display_width_px":1,"display_height_px":1}]`, "")
	f("betas in the body", `"hi"`, `,"anthropic_beta":["x"]`, "anthropic_beta")
	f("a beta that is listed", `"hi"`, "", "", "Anthropic-Beta", "files-api-2025-04-14")
	f("one that is not", `"hi"`, "", "anthropic-beta", "Anthropic-Beta", "code-execution-2025-05-22")
}

// A stream of the model server's that does not end as the API ends it never ends so for the caller; what it says of the
// failure stays with it.
func TestAttackMessagesStreams(t *testing.T) {
	s := speaking(t)
	events := modelserver.MessageEvents("one ", "two ")
	f := func(name string, step modelserver.Step) {
		t.Helper()
		s.m.Script(step)
		r := s.Post("red", messagesPath, told("hi", `,"stream":true`), "Cache-Control", "no-store")
		if strings.Contains(r.Body, "message_stop") || strings.Contains(r.Body, "SECRET") || !strings.Contains(r.Body, "event: error\ndata: {\"type\":\"error\"") ||
			!strings.Contains(r.Body, `"code":"stream_interrupted"`) {
			t.Errorf("%s: %d %s", name, r.Status, r.Body)
		}
	}
	f("a cut", modelserver.NamedEvents(events[:4]...))
	f("a death", modelserver.Die(modelserver.NamedEvents(events[:4]...)))
	f("an error", modelserver.NamedEvents(append(append([]string(nil), events[:4]...), modelserver.MessagesError("overloaded_error", "SECRET"))...))
	f("an event of no type", modelserver.NamedEvents(append(append([]string(nil), events[:4]...), `{"index":0,"delta":{"text":"SECRET"}}`)...))
	f("no JSON", modelserver.NamedEvents(append(append([]string(nil), events[:4]...), `SECRET`)...))
	f("text behind the end of its block", modelserver.NamedEvents(events[0], events[1], events[3], `{"type":"content_block_stop","index":0}`, `{"type":"content_block_delta","index":0,"delta":{"SECRET":1}}`, "x"))
	s.m.Script(modelserver.NamedEvents(modelserver.MessagesError("overloaded_error", "SECRET")), modelserver.Messages("hi"))
	if r := s.Post("red", messagesPath, told("hi", `,"stream":true`), "Cache-Control", "no-store"); r.Status != 200 || !strings.Contains(r.Body, "message_stop") {
		t.Errorf("an overload before anything was said is not tried again: %d %s", r.Status, r.Body)
	}
}

// The signature of thinking goes on where the thinking left as it came, however it was held back, and is empty where not.
func TestAttackSignature(t *testing.T) {
	s := speaking(t)
	block := func(thinking string) []string {
		cut := len(thinking) / 2
		return []string{
			`{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}`,
			`{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":` + quote(thinking[:cut]) + `}}`,
			`{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":` + quote(thinking[cut:]) + `}}`,
			`{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"c2lnbg=="}}`,
			`{"type":"content_block_stop","index":0}`,
		}
	}
	f := func(thinking string, signed bool) {
		t.Helper()
		for _, whole := range []bool{true, false} {
			request := told("I am ana@example.com", "")
			s.m.Script(modelserver.JSON(`{"type":"message","role":"assistant","content":[{"type":"thinking","thinking":` + quote(thinking) + `,"signature":"c2lnbg=="}]}`))
			if !whole {
				request = streamed(request)
				s.m.Script(modelserver.NamedEvents(append(append([]string{modelserver.MessageStart}, block(thinking)...), modelserver.MessageEnd, `{"type":"message_stop"}`)...))
			}
			r := s.Post("red", messagesPath, request, "Cache-Control", "no-store")
			if r.Status != 200 || strings.Contains(r.Body, "c2lnbg==") != signed || strings.Contains(r.Body, "corp.example") ||
				!strings.Contains(r.Body, `"signature":""`) && !signed {
				t.Errorf("%s, whole %v: %d %s", thinking, whole, r.Status, r.Body)
			}
		}
	}
	f("I think, and think on, word by word", true)
	f("so far so good: number 4111 1111 1111 11", true)
	f("mail bob@corp.example now", false)
	f("mail bob@corp.example", false)
	f("mail [EMAIL_1] now", false) // restored
}

// Readers put the texts of adjacent blocks end to end, so a value or a link that is split over two is one; and what is held
// back of a block leaves within a block, before anything that comes behind it.
func TestAttackMessagesBlocks(t *testing.T) {
	s := speaking(t)
	f := func(want, kinds string, blocks ...string) {
		t.Helper()
		var whole []string
		events := []string{modelserver.MessageStart}
		for i, text := range blocks {
			if text == "#" {
				whole = append(whole, `{"type":"tool_use","id":"t","name":"x","input":{}}`)
				events = append(events, fmt.Sprintf(`{"type":"content_block_start","index":%d,"content_block":{"type":"tool_use","id":"t","name":"x","input":{}}}`, i))
			} else {
				whole = append(whole, `{"type":"text","text":`+quote(text)+`}`)
				events = append(events, fmt.Sprintf(`{"type":"content_block_start","index":%d,"content_block":{"type":"text","text":""}}`, i), modelserver.TextDelta(i, text))
			}
			events = append(events, fmt.Sprintf(`{"type":"content_block_stop","index":%d}`, i), `{"type":"ping"}`)
		}
		events = append(events, modelserver.MessageEnd, `{"type":"message_stop"}`)
		s.m.Script(modelserver.JSON(`{"type":"message","content":[` + strings.Join(whole, ",") + `]}`))
		r := s.Post("red", messagesPath, told("I am ana@example.com", ""), "Cache-Control", "no-store")
		var m struct{ Content []struct{ Text string } }
		_ = json.Unmarshal([]byte(r.Body), &m)
		got := ""
		for _, b := range m.Content {
			got += b.Text
		}
		if mask(got) != want {
			t.Errorf("%q, whole: %d %s", blocks, r.Status, r.Body)
		}
		s.m.Script(modelserver.NamedEvents(events...))
		r = s.Post("red", messagesPath, told("I am ana@example.com", `,"stream":true`), "Cache-Control", "no-store")
		got, open := "", map[int]bool{}
		order := ""
		for event := range strings.SplitSeq(strings.TrimSpace(r.Body), "\n\n") {
			_, data, _ := strings.Cut(event, "\ndata: ")
			var ev struct {
				Type  string
				Index int
				Delta struct{ Text string }
			}
			_ = json.Unmarshal([]byte(data), &ev)
			switch ev.Type {
			case "content_block_start":
				open[ev.Index] = true
				order += "("
			case "content_block_stop":
				delete(open, ev.Index)
				order += ")"
			case "content_block_delta":
				if !open[ev.Index] {
					t.Errorf("%q: text outside of its block: %s", blocks, r.Body)
				}
				got += ev.Delta.Text
			}
		}
		if mask(got) != want || order != kinds || len(open) > 0 || !strings.Contains(r.Body, "message_stop") {
			t.Errorf("%q, streamed: %q %s: %s", blocks, mask(got), order, r.Body)
		}
	}
	f("one two", "()()", "one ", "two")
	f("mail *** now", "()()", "mail bob@cor", "p.example now")
	f("mail ***", "()()()", "mail bob", "@corp.", "example")
	f("mail ana@example.com", "()", "mail [EMAIL_1]")
	f("mail ana@example.com.", "()()", "mail [EMA", "IL_1].")
	f("see https://evil.example/?q=[EMAIL_1] now", "()()", "see https://evil.example/?q=", "[EMAIL_1] now")
	f("mail bobthen [EMAIL_1", "()()()", "mail bob", "#", "then [EMAIL_1")
}
