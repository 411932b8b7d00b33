package server_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/sluicegate/sluice/runtime/internal/gateway"
	"github.com/sluicegate/sluice/runtime/internal/modelserver"
)

// reaching starts a gateway whose policy allows what it is told to be reached on the model server.
func reaching(t *testing.T, m *modelserver.Server, allow string) *siege {
	t.Helper()
	policy := "package sluice\n\ndecision := {\"allowed\": true, \"cache\": {\"mode\": \"read-write\"}, \"allow\": " + allow + "}\n"
	config := gateway.Callers + model(m) + strings.Replace(gateway.Rest, `"builtin:default"`, "policy", 1)
	return besiegeWith(t, m, config, map[string]string{"policy/main.rego": policy})
}

// What names state on the model server, or makes it fetch or run things, goes on only where the decision says so, is never
// answered from the cache, and is not sent twice.
func TestAttackReach(t *testing.T) {
	m := modelserver.New(t, modelserver.Answer("hi"))
	s := reaching(t, m, `{"web_search", "store", "file_id:file-1", "previous_response"}`)
	f := func(name, body, param string) {
		t.Helper()
		for range 2 {
			had := len(m.Requests())
			r := s.Post("red", chatPath, body)
			var e struct{ Error struct{ Param string } }
			switch _ = json.Unmarshal([]byte(r.Body), &e); {
			case param == "" && (r.Status != 200 || len(m.Requests()) != had+1):
				t.Errorf("%s: %d %s", name, r.Status, r.Body)
			case param != "" && (r.Code() != "unsupported_field" || e.Error.Param != param || len(m.Requests()) != had):
				t.Errorf("%s: %d %s, want %s refused", name, r.Status, r.Body, param)
			}
		}
	}
	const hi = `{"role":"user","content":"hi"}`
	f("a search that is allowed", talk(hi, `,"tools":[{"type":"web_search"}]`), "")
	f("code that is not", talk(hi, `,"tools":[{"type":"web_search"},{"type":"code_interpreter","container":{"type":"auto"}}]`), "tools[1].type")
	f("store", talk(hi, `,"store":true`), "")
	f("background", talk(hi, `,"store":true,"background":true`), "background")
	file := func(id string) string {
		return talk(`{"role":"user","content":[{"type":"file","file":{"file_id":"` + id + `"}}]}`)
	}
	f("a file that is allowed by its id", file("file-1"), "")
	f("another file", file("file-2"), "messages[0].content[0].file.file_id")
	f("an answer of another caller", talk(hi, `,"previous_response_id":"resp_1"`), "previous_response_id")
	f("a template", talk(hi, `,"chat_template":"{{ x }}"`), "chat_template")

	m.Script(modelserver.Status(503, "{}"))
	had := len(m.Requests())
	if r := s.Post("red", chatPath, talk(hi, `,"store":true`)); r.Status != 502 || len(m.Requests()) != had+1 {
		t.Errorf("after a failure: %d, sent %d times", r.Status, len(m.Requests())-had)
	}
}

// The id of an answer that the model server keeps is the gateway's own, good for the principal that got it alone, and takes
// the request to the endpoint that has it.
func TestAttackStateIDs(t *testing.T) {
	m := modelserver.New(t, modelserver.JSON(response("hi", "x")))
	other := modelserver.New(t, modelserver.JSON(response("other", "x")))
	two := strings.Replace(answers(m), "{name: one", "{name: two, weight: 0, provider: openai, url: \""+other.URL()+"\", apis: [responses]}, {name: one", 1)
	policy := "package sluice\n\ndecision := {\"allowed\": true, \"allow\": {\"store\", \"previous_response\"}}\n"
	config := gateway.Callers + two + strings.Replace(gateway.Rest, `"builtin:default"`, "policy", 1)
	s := besiegeWith(t, m, config, map[string]string{"policy/main.rego": policy})
	ask := func(who, members string) (gateway.Reply, string) {
		t.Helper()
		r := s.Post(who, responsesPath, `{"model":"model-a","input":"hi"`+members+`}`)
		var a struct{ ID string }
		_ = json.Unmarshal([]byte(r.Body), &a)
		return r, a.ID
	}
	_, plain := ask("red", "")
	first, id := ask("red", `,"store":true`)
	if plain != "resp_1" || first.Status != 200 || id == "resp_1" || !strings.HasPrefix(id, "resp_") {
		t.Fatalf("%q %q: %d %s", plain, id, first.Status, first.Body)
	}
	for range 8 {
		had := len(m.Requests())
		r, again := ask("red", `,"previous_response_id":"`+id+`"`)
		if r.Status != 200 || again != id || !strings.Contains(s.last(had), `"previous_response_id":"resp_1"`) {
			t.Errorf("%d %s, sent %s", r.Status, r.Body, s.last(had))
		}
	}
	if n := len(other.Requests()); n > 0 {
		t.Errorf("%d requests went where the answer is not", n)
	}
	f := func(name, who, id string) {
		t.Helper()
		had := len(m.Requests()) + len(other.Requests())
		if r, _ := ask(who, `,"previous_response_id":"`+id+`"`); r.Code() != "unsupported_field" || len(m.Requests())+len(other.Requests()) != had {
			t.Errorf("%s: %d %s", name, r.Status, r.Body)
		}
	}
	f("another principal of the tenant", "red2", id)
	f("another tenant", "blue", id)
	f("the model server's own id", "red", "resp_1")
	f("changed", "red", id[:len(id)-2]+"AA")
	f("cut", "red", id[:12])
	f("empty", "red", "")
	s.m.Script(modelserver.Events(0, spoken("a", "b")...))
	if r := s.Post("red", responsesPath, streamed(`{"model":"model-a","input":"hi","store":true}`)); strings.Contains(r.Body, `"resp_1"`) || strings.Count(r.Body, id) != 3 {
		t.Errorf("a stream: %s", r.Body)
	}
}
