package server_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/sluicegate/sluice/runtime/internal/gateway"
	"github.com/sluicegate/sluice/runtime/internal/modelserver"
)

// stored makes a response that the model server keeps.
func (s *siege) stored(who, members string) keptSaid {
	s.t.Helper()
	r, made := s.about(who, "POST", responsesPath, `{"model":"model-a","store":true,"input":"hi"`+members+`}`)
	if r.Status != 200 || len(made.Output) != 1 {
		s.t.Fatalf("%d %s", r.Status, r.Body)
	}
	return made
}

// forged is an id with one byte of what it was made of changed.
func forged(t *testing.T, id string, at int) string {
	t.Helper()
	prefix, coded, _ := strings.Cut(id, "_")
	b, err := base64.RawURLEncoding.DecodeString(coded)
	if err != nil {
		t.Fatal(err)
	}
	b[at] ^= 1
	return prefix + "_" + base64.RawURLEncoding.EncodeToString(b)
}

// Nobody reads, deletes or refers to what was kept for another: an id is good for its principal, its kind and its endpoint,
// and for what it is not good for it is as one that there never was.
func TestAttackKept(t *testing.T) {
	s, spare := keeping(t, "hi", mayKeep)
	made := s.stored("red", "")
	sent := func() int { return len(s.m.Requests()) + len(spare.Requests()) }
	unknown := s.Do("red", "GET", responsesPath+"/resp_none", "").Body
	f := func(name, who, id string) {
		t.Helper()
		had := sent()
		for _, ask := range []struct{ method, below string }{{"GET", ""}, {"DELETE", ""}, {"POST", "/cancel"}, {"GET", "/input_items"}} {
			if r := s.Do(who, ask.method, responsesPath+"/"+id+ask.below, ""); r.Status != 404 || r.Body != unknown {
				t.Errorf("%s: %s %s: %d %s, want %s", name, ask.method, ask.below, r.Status, r.Body, unknown)
			}
		}
		for _, input := range []string{`{"type":"item_reference","id":"` + id + `"}`, `{"type":"reasoning","id":"` + id + `","summary":[]}`} {
			if r := s.Post(who, responsesPath, `{"model":"model-a","input":[`+input+`,{"role":"user","content":"x"}]}`); r.Code() != "unsupported_field" {
				t.Errorf("%s: %s: %d %s", name, input, r.Status, r.Body)
			}
		}
		if sent() != had {
			t.Errorf("%s: something was sent", name)
		}
	}
	item := made.Output[0].ID
	for name, who := range map[string]string{"another principal of the tenant": "red2", "another tenant": "blue"} {
		f(name, who, made.ID)
		f(name+", an item", who, item)
	}
	f("the model server's own id", "red", "resp_1")
	f("the model server's own item", "red", "msg_1")
	for _, at := range []int{0, 7, 8, 23, 24, 28} {
		f("forged", "red", forged(t, made.ID, at))
		f("a forged item", "red", forged(t, item, at))
	}
	f("cut", "red", made.ID[:12])
	f("no proof at all", "red", "resp_"+base64.RawURLEncoding.EncodeToString([]byte("resp_1")))

	// An id of one kind is none of another.
	for _, path := range []string{"/" + item, "/" + item + "/input_items"} {
		if r := s.Do("red", "GET", responsesPath+path, ""); r.Status != 404 {
			t.Errorf("an item as a response: %d %s", r.Status, r.Body)
		}
	}
	if r := s.Post("red", responsesPath, `{"model":"model-a","input":[{"type":"item_reference","id":"`+made.ID+`"}]}`); r.Code() != "unsupported_field" {
		t.Errorf("a response as an item: %d %s", r.Status, r.Body)
	}
	// What was kept is still there.
	if r := s.Do("red", "GET", responsesPath+"/"+made.ID, ""); r.Status != 200 {
		t.Errorf("%d %s", r.Status, r.Body)
	}
}

// A request goes to the endpoint that keeps what it names, and names what one endpoint keeps alone.
func TestAttackKeptElsewhere(t *testing.T) {
	m, other := modelserver.New(t, modelserver.Responses("hi")), modelserver.New(t, modelserver.Responses("hi"))
	policy := "package sluice\n\nother := {\"model-a\": \"model-b\", \"model-b\": \"model-a\"}\n\n" +
		"decision := {\"allowed\": true, \"models\": [input.model, other[input.model]], \"allow\": " + mayKeep + "}\n"
	b := strings.NewReplacer("models:\n", "", "model-a", "model-b").Replace(answers(other))
	config := gateway.Callers + answers(m) + b + strings.Replace(gateway.Rest, `"builtin:default"`, "policy", 1)
	s := besiegeWith(t, m, config, map[string]string{"policy/main.rego": policy})
	ask := func(members string) (gateway.Reply, keptSaid) {
		t.Helper()
		return s.about("red", "POST", responsesPath, `{`+members+`,"store":true}`)
	}
	_, one := ask(`"model":"model-a","input":"hi"`)
	_, two := ask(`"model":"model-b","input":"hi"`)

	had := len(other.Requests())
	r := s.Do("red", "GET", responsesPath+"/"+two.ID, "")
	if r.Status != 200 || len(other.Requests()) != had+1 || r.Header.Get("X-Sluice-Model") != "model-b" {
		t.Errorf("%d %s", r.Status, r.Body)
	}
	if r, _ := ask(`"model":"model-a","previous_response_id":"` + two.ID + `","input":"hi"`); r.Status != 200 || len(other.Requests()) != had+2 {
		t.Errorf("what goes on from what is elsewhere: %d %s", r.Status, r.Body)
	}
	both := `"model":"model-a","previous_response_id":"` + one.ID + `","input":[{"type":"item_reference","id":"` + two.Output[0].ID + `"}]`
	if r, _ := ask(both); r.Code() != "unsupported_field" {
		t.Errorf("what both keep in one request: %d %s", r.Status, r.Body)
	}
	first, _ := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(one.ID, "resp_"))
	second, _ := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(two.ID, "resp_"))
	mixed := "resp_" + base64.RawURLEncoding.EncodeToString(append(append([]byte{}, second[:8]...), first[8:]...))
	if r := s.Do("red", "GET", responsesPath+"/"+mixed, ""); r.Status != 404 {
		t.Errorf("the proof of one at the place of the other: %d %s", r.Status, r.Body)
	}
}

// Ids stand where ids stand: in texts, metadata and tools they are the caller's words.
func TestAttackKeptNested(t *testing.T) {
	s, _ := keeping(t, "hi", mayKeep)
	made := s.stored("red", "")
	id, item := made.ID, made.Output[0].ID
	members := `"metadata":{"id":"` + id + `","previous_response_id":"` + item + `"},` +
		`"tools":[{"type":"function","name":"f","parameters":{"type":"object","properties":{"id":{"type":"string","default":"` + item + `"}}}}],` +
		`"input":[{"role":"user","content":[{"type":"input_text","text":"` + id + `"}]},{"type":"function_call","call_id":"c","name":"f","arguments":"{\"id\":\"` + item + `\"}"},` +
		`{"type":"function_call_output","call_id":"c","output":"` + item + `"}]`
	had := len(s.m.Requests())
	r := s.Post("red", responsesPath, `{"model":"model-a",`+members+`,"store":false}`)
	if want := `{"model":"model-a",` + members + `,"store":false}`; r.Status != 200 || s.last(had) != want {
		t.Errorf("%d %s\n sent %s\n want %s", r.Status, r.Body, s.last(had), want)
	}
}

// What a request goes on from twice is refused unless one endpoint keeps both, each given to this principal.
func TestAttackKeptTwice(t *testing.T) {
	s, _ := keeping(t, "hi", mayKeep)
	talk := strings.Replace(modelserver.Response("resp_9", "msg_9", "hi"), `"model"`, `"conversation":{"id":"conv_1"},"model"`, 1)
	s.m.Script(modelserver.JSON(talk))
	r := s.Post("red", responsesPath, `{"model":"model-a","input":"hi","store":true}`)
	_, rest, _ := strings.Cut(r.Body, `"conversation":{"id":"`)
	conversation, _, _ := strings.Cut(rest, `"`)
	_, rest, _ = strings.Cut(r.Body, `{"id":"`)
	id, _, _ := strings.Cut(rest, `"`)
	if conversation == "conv_1" || !strings.HasPrefix(conversation, "conv_") || !strings.HasPrefix(id, "resp_") {
		t.Fatal(r.Body)
	}
	f := func(name, who, id, conversation, param string) {
		t.Helper()
		had := len(s.m.Requests())
		r := s.Post(who, responsesPath, `{"model":"model-a","input":"hi","previous_response_id":"`+id+`","conversation":"`+conversation+`"}`)
		switch {
		case param == "" && (r.Status != 200 || !strings.Contains(s.last(had), `"previous_response_id":"resp_9","conversation":"conv_1"`)):
			t.Errorf("%s: %d %s, sent %s", name, r.Status, r.Body, s.last(had))
		case param != "" && (r.Code() != "unsupported_field" || !strings.Contains(r.Body, `"param":"`+param+`"`) || len(s.m.Requests()) != had):
			t.Errorf("%s: %d %s", name, r.Status, r.Body)
		}
	}
	f("both of this principal", "red", id, conversation, "")
	f("the other way round", "red", conversation, id, "previous_response_id")
	f("another's conversation", "red", id, "conv_1", "conversation")
	f("both of another", "blue", id, conversation, "previous_response_id")
}

// An id dies with the key that it was made with.
func TestAttackKeptRotation(t *testing.T) {
	t.Setenv("SLUICE_TEST_STATE", strings.Repeat("old-key-", 4))
	m := modelserver.New(t, modelserver.Responses("hi"))
	policy := "package sluice\n\ndecision := {\"allowed\": true, \"allow\": " + mayKeep + "}\n"
	config := "state_key: {env: SLUICE_TEST_STATE}\n" + gateway.Callers + answers(m) + strings.Replace(gateway.Rest, `"builtin:default"`, "policy", 1)
	s := besiegeWith(t, m, config, map[string]string{"policy/main.rego": policy})
	made := s.stored("red", "")
	reload := func() {
		t.Helper()
		if err := s.Control.Reload(t.Context(), "test"); err != nil {
			t.Fatal(err)
		}
	}
	reload()
	if r := s.Do("red", "GET", responsesPath+"/"+made.ID, ""); r.Status != 200 {
		t.Errorf("under the same key: %d %s", r.Status, r.Body)
	}
	t.Setenv("SLUICE_TEST_STATE", strings.Repeat("new-key-", 4))
	reload()
	had := len(m.Requests())
	if r := s.Do("red", "GET", responsesPath+"/"+made.ID, ""); r.Status != 404 || len(m.Requests()) != had {
		t.Errorf("under another: %d %s", r.Status, r.Body)
	}
	if r := s.Post("red", responsesPath, `{"model":"model-a","input":[{"type":"item_reference","id":"`+made.Output[0].ID+`"}]}`); r.Code() != "unsupported_field" {
		t.Errorf("an item under another: %d %s", r.Status, r.Body)
	}
	again := s.stored("red", "")
	if r := s.Do("red", "GET", responsesPath+"/"+again.ID, ""); r.Status != 200 {
		t.Errorf("a new one: %d %s", r.Status, r.Body)
	}
}

// The policy decides about what is kept by operation and kind, each time anew, and no cache answers for it.
func TestAttackKeptPolicy(t *testing.T) {
	m := modelserver.New(t, modelserver.Responses("hi"))
	policy := `package sluice

default decision := {"allowed": false, "reasons": ["no"]}

decision := {"allowed": true, "allow": {"store"}} if input.operation in {"responses", "responses_get"}

decision := {"allowed": true} if input.operation == "responses_input_items"

decision := {"allowed": true, "models": ["model-b"], "allow": {"store"}} if input.operation == "responses_cancel"
`
	b := strings.NewReplacer("models:\n", "", "model-a", "model-b").Replace(answers(m))
	config := gateway.Callers + answers(m) + b + strings.Replace(gateway.Rest, `"builtin:default"`, "policy", 1)
	s := besiegeWith(t, m, config, map[string]string{"policy/main.rego": policy})
	made := s.stored("red", "")
	f := func(method, below string, status int) {
		t.Helper()
		had := len(m.Requests())
		r := s.Do("red", method, responsesPath+"/"+made.ID+below, "")
		if r.Status != status || status != 200 && (r.Code() != "denied_by_policy" || len(m.Requests()) != had) {
			t.Errorf("%s %s: %d %s", method, below, r.Status, r.Body)
		}
	}
	f("GET", "", 200)
	f("DELETE", "", 403)
	f("GET", "/input_items", 403)
	f("POST", "/cancel", 403)
	for _, rec := range s.Records(5)[1:] {
		if rec["model_asked"] != "model-a" || rec["operation"] == "responses" {
			t.Errorf("a record: %v", rec)
		}
	}
}

// Every copy of an id in a stream is the same, and none is the model server's.
func TestAttackKeptStream(t *testing.T) {
	s, _ := keeping(t, "one two three four", mayKeep)
	r := s.Post("red", responsesPath, `{"model":"model-a","stream":true,"store":true,"input":"hi"}`)
	if r.Status != 200 || strings.Contains(r.Body, `"msg_1"`) || strings.Contains(r.Body, `"resp_1"`) {
		t.Fatalf("%d %s", r.Status, r.Body)
	}
	_, rest, _ := strings.Cut(r.Body, `"item_id":"`)
	item, _, _ := strings.Cut(rest, `"`)
	if n := strings.Count(r.Body, item); n != strings.Count(r.Body, `"msg_`) || n < 9 {
		t.Errorf("%s %d times: %s", item, n, r.Body)
	}
	had := len(s.m.Requests())
	if r := s.Post("red", responsesPath, `{"model":"model-a","input":[{"type":"item_reference","id":"`+item+`"}]}`); r.Status != 200 || !strings.Contains(s.last(had), `"id":"msg_1"`) {
		t.Errorf("%d %s", r.Status, r.Body)
	}
}
