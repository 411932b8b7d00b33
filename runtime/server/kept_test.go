package server_test

import (
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/sluicegate/sluice/runtime/internal/gateway"
	"github.com/sluicegate/sluice/runtime/internal/modelserver"
)

// keeping is a gateway with two endpoints that keep responses, of which the second is a spare, and a policy that allows what
// it is told.
func keeping(t *testing.T, text, allow string) (s *siege, spare *modelserver.Server) {
	t.Helper()
	m, other := modelserver.New(t, modelserver.Responses(text)), modelserver.New(t, modelserver.Responses(text))
	two := strings.Replace(answers(m), "{name: one", "{name: two, weight: 0, provider: openai, url: \""+other.URL()+"\", apis: [responses]}, {name: one", 1)
	policy := "package sluice\n\ndecision := {\"allowed\": true, \"cache\": {\"mode\": \"read-write\"}, \"allow\": " + allow + "}\n"
	config := gateway.Callers + two + strings.Replace(gateway.Rest, `"builtin:default"`, "policy", 1)
	return besiegeWith(t, m, config, map[string]string{"policy/main.rego": policy}), other
}

// keptToken is a text with a token whose number is its value's.
var keptToken = regexp.MustCompile(`^from \[EMAIL_[1-9][0-9]{6}\]$`)

const mayKeep = `{"store", "previous_response", "conversation", "item_reference"}`

// keptSaid is what is read of a response, or of what is said of one.
type keptSaid struct {
	ID      string
	Deleted bool
	Output  []struct {
		ID      string
		Content []struct{ Text string }
	}
	Data []struct {
		ID      string
		Content []struct{ Text string }
	}
	First string `json:"first_id"`
}

// about asks with a method, and reads what is said.
func (s *siege) about(who, method, path, body string) (gateway.Reply, keptSaid) {
	s.t.Helper()
	r := s.Do(who, method, path, body)
	var a keptSaid
	if err := json.Unmarshal([]byte(r.Body), &a); err != nil {
		s.t.Fatalf("%s %s: %d %v %s", method, path, r.Status, err, r.Body)
	}
	return r, a
}

// What a model server keeps can be had, gone on from, referred to by its items, and deleted, with ids of the gateway's own
// alone, and what it says is filtered each time.
func TestKeptResponses(t *testing.T) {
	s, _ := keeping(t, "mail bob@corp.example", mayKeep)
	const masked = "mail ***"
	r, made := s.about("red", "POST", responsesPath, `{"model":"model-a","store":true,"input":"from ana@example.com"}`)
	if r.Status != 200 || made.Output[0].Content[0].Text != masked || !strings.HasPrefix(made.Output[0].ID, "msg_") || strings.Contains(r.Body, `"msg_1"`) {
		t.Fatalf("%d %s", r.Status, r.Body)
	}
	f := func(method, below, sent string, check func(keptSaid) bool) {
		t.Helper()
		had := len(s.m.Requests())
		r, got := s.about("red", method, responsesPath+"/"+made.ID+below, "")
		if r.Status != 200 || !check(got) || strings.Contains(r.Body, "bob@") || r.Cache() != "bypass" {
			t.Errorf("%s %s: %d %s", method, below, r.Status, r.Body)
		}
		seen := s.m.Requests()[had:]
		if len(seen) != 1 || seen[0].Method+" "+seen[0].Path != sent || len(seen[0].Body) > 0 {
			t.Errorf("%s %s: sent %+v, want %s", method, below, seen, sent)
		}
	}
	whole := func(a keptSaid) bool {
		return a.ID == made.ID && a.Output[0].ID == made.Output[0].ID && a.Output[0].Content[0].Text == masked
	}
	f("GET", "", "GET /v1/responses/resp_1", whole)
	f("GET", "?include[]=message.output_text.logprobs&include[]=x&stream=false", "GET /v1/responses/resp_1?include%5B%5D=message.output_text.logprobs&include%5B%5D=x", whole)
	f("POST", "/cancel", "POST /v1/responses/resp_1/cancel", whole)
	var first string
	f("GET", "/input_items?limit=5&order=asc", "GET /v1/responses/resp_1/input_items?limit=5&order=asc", func(a keptSaid) bool {
		first = a.First
		return len(a.Data) == 1 && a.Data[0].ID == a.First && strings.HasPrefix(first, "resp_") && first != "resp_1_in" && keptToken.MatchString(a.Data[0].Content[0].Text)
	})
	f("GET", "/input_items?after="+first, "GET /v1/responses/resp_1/input_items?after=resp_1_in", func(a keptSaid) bool { return len(a.Data) == 1 })

	for _, body := range []string{
		`{"model":"model-a","input":[{"type":"item_reference","id":"` + made.Output[0].ID + `"},{"role":"user","content":"and?"}]}`,
		`{"model":"model-a","input":[{"type":"message","role":"assistant","id":"` + made.Output[0].ID + `","content":[{"type":"output_text","text":"x"}]}]}`,
		`{"model":"model-a","input":[{"type":"reasoning","id":"` + made.Output[0].ID + `","summary":[]}]}`,
	} {
		had := len(s.m.Requests())
		if r, _ := s.about("red", "POST", responsesPath, body); r.Status != 200 || !strings.Contains(s.last(had), `"id":"msg_1"`) {
			t.Errorf("%s: %d %s, sent %s", body, r.Status, r.Body, s.last(had))
		}
	}
	f("DELETE", "", "DELETE /v1/responses/resp_1", func(a keptSaid) bool { return a.Deleted && a.ID == made.ID })
	for _, method := range []string{"GET", "DELETE"} {
		if r, _ := s.about("red", method, responsesPath+"/"+made.ID, ""); r.Status != 404 || r.Code() != "not_found" || r.Header.Get("X-Should-Retry") != "false" {
			t.Errorf("%s of what is deleted: %d %s", method, r.Status, r.Body)
		}
	}
	// Nor can the endpoint be worn out by what it does not keep any more.
	for range 12 {
		if r, _ := s.about("red", "POST", responsesPath, `{"model":"model-a","input":"x","previous_response_id":"`+made.ID+`"}`); r.Status != 404 || r.Code() != "not_found" {
			t.Fatalf("%d %s", r.Status, r.Body)
		}
	}
	if health := s.Do("red", "GET", responsesPath+"/"+made.ID, ""); health.Code() != "not_found" {
		t.Errorf("%d %s", health.Status, health.Body)
	}
	fetched := 0
	for _, rec := range s.Records(25) {
		if o, _ := rec["operation"].(string); strings.HasPrefix(o, "responses_") {
			fetched++
			usage, _ := rec["usage"].(map[string]any)
			for what, n := range usage {
				if n != 0.0 {
					t.Errorf("what is had again is counted again: %s %v in %v", what, n, rec)
				}
			}
		}
	}
	if fetched != 9 {
		t.Errorf("%d records of what was kept", fetched)
	}
}

// What is asked in a way that is not known is refused by its name, and nothing is sent.
func TestKeptRefused(t *testing.T) {
	s, _ := keeping(t, "hi", mayKeep)
	_, made := s.about("red", "POST", responsesPath, `{"model":"model-a","store":true,"input":"x"}`)
	f := func(method, below, body string, status int, code, param string) {
		t.Helper()
		had := len(s.m.Requests())
		r := s.Do("red", method, responsesPath+"/"+made.ID+below, body)
		var e struct{ Error struct{ Param string } }
		_ = json.Unmarshal([]byte(r.Body), &e)
		if r.Status != status || r.Code() != code || e.Error.Param != param || len(s.m.Requests()) != had {
			t.Errorf("%s %s: %d %s", method, below, r.Status, r.Body)
		}
	}
	f("GET", "?stream=true", "", 400, "unsupported_field", "stream")
	f("GET", "?starting_after=3", "", 400, "unsupported_field", "starting_after")
	f("GET", "?x=1", "", 400, "invalid_request", "")
	f("GET", "?limit=1", "", 400, "invalid_request", "")
	f("DELETE", "?include[]=x", "", 400, "invalid_request", "")
	f("GET", "/input_items?limit=a", "", 400, "invalid_request", "limit")
	f("GET", "/input_items?order=up", "", 400, "invalid_request", "order")
	f("GET", "/input_items?after=a&after=b", "", 400, "invalid_request", "after")
	f("POST", "/cancel", `{"a":1}`, 400, "invalid_request", "")
	f("PUT", "", "", 405, "method_not_allowed", "")
	f("POST", "", "", 405, "method_not_allowed", "")
	f("GET", "/cancel", "", 405, "method_not_allowed", "")
	f("GET", "/other", "", 404, "not_found", "")
	f("GET", "/", "", 404, "not_found", "")
	f("GET", "/cancel/x", "", 404, "not_found", "")
	if r := s.Do("red", "PUT", responsesPath+"/"+made.ID, ""); r.Header.Get("Allow") != "GET, HEAD, DELETE, OPTIONS" {
		t.Errorf("Allow: %s", r.Header.Get("Allow"))
	}
}

// A response that failed at the model server is told of in the gateway's words.
func TestKeptFailure(t *testing.T) {
	s, _ := keeping(t, "hi", `{"store", "background"}`)
	_, made := s.about("red", "POST", responsesPath, `{"model":"model-a","store":true,"background":true,"input":"x"}`)
	s.m.Script(modelserver.JSON(`{"id":"resp_1","object":"response","status":"failed","error":{"code":"server_error","message":"SECRET upstream text"},"output":[]}`))
	r, got := s.about("red", "GET", responsesPath+"/"+made.ID, "")
	if r.Status != 200 || got.ID != made.ID || strings.Contains(r.Body, "SECRET") || !strings.Contains(r.Body, `"status":"failed"`) || !strings.Contains(r.Body, `"server_error"`) {
		t.Errorf("%d %s", r.Status, r.Body)
	}
	s.m.Script(modelserver.JSON(`{"object":"list"}`))
	if r, _ := s.about("red", "GET", responsesPath+"/"+made.ID, ""); r.Status != 502 || r.Code() != "upstream_error" {
		t.Errorf("no response: %d %s", r.Status, r.Body)
	}
}

// An answer that goes on from a text of an earlier exchange is restored with the values of this one alone: a token that stood
// for another value then is no token of this one's, and one of the same value is the same.
func TestKeptTokens(t *testing.T) {
	s, _ := keeping(t, "hi", mayKeep)
	token := func(who, input, members string) string {
		t.Helper()
		had := len(s.m.Requests())
		if r := s.Post(who, responsesPath, `{"model":"model-a","input":"`+input+`"`+members+`}`); r.Status != 200 {
			t.Fatalf("%d %s", r.Status, r.Body)
		}
		_, rest, _ := strings.Cut(s.last(had), "[EMAIL_")
		n, _, _ := strings.Cut(rest, "]")
		return "[EMAIL_" + n + "]"
	}
	ana := token("red", "to ana@example.com", `,"store":true`)
	bob := token("red", "to bob@example.com", `,"store":true`)
	if ana == bob || ana == "[EMAIL_1]" || token("red", "ana@example.com again", `,"store":true`) != ana || token("red2", "to ana@example.com", `,"store":true`) == ana {
		t.Errorf("%s and %s", ana, bob)
	}
	if got := token("red", "to ana@example.com", ""); got != "[EMAIL_1]" {
		t.Errorf("%s where nothing is kept", got)
	}
	made := s.stored("red", "")
	s.m.Script(modelserver.JSON(modelserver.Response("resp_9", "msg_9", "both "+ana+" and "+bob)))
	_, then := s.about("red", "POST", responsesPath, `{"model":"model-a","previous_response_id":"`+made.ID+`","input":"and ana@example.com?"}`)
	if got := then.Output[0].Content[0].Text; got != "both ana@example.com and "+bob {
		t.Error(got)
	}
	// No filter takes a token for a number of a card, a phone or an account.
	var tokens []string
	for n := 1_000_003; n < 10_000_000; n += 9_973 {
		tokens = append(tokens, "[EMAIL_"+strconv.Itoa(n)+"]", "[PHONE_"+strconv.Itoa(n)+"]", "[CARD_"+strconv.Itoa(n)+"]")
	}
	text := strings.Join(tokens, ", ")
	s.m.Script(modelserver.JSON(modelserver.Response("resp_9", "msg_9", text)))
	if _, then := s.about("red", "POST", responsesPath, `{"model":"model-a","store":true,"input":"x"}`); then.Output[0].Content[0].Text != text {
		t.Errorf("%s\n became %s", text, then.Output[0].Content[0].Text)
	}
}
