package server_test

import (
	"strings"
	"testing"

	"github.com/sluicegate/sluice/runtime/internal/gateway"
	"github.com/sluicegate/sluice/runtime/internal/modelserver"
)

// rotating is a gateway whose state keys are those of the files that a state_key names.
func rotating(t *testing.T) (s *siege, rotate func(keys string) error) {
	t.Helper()
	m := modelserver.New(t, modelserver.Responses("hi"))
	policy := "package sluice\n\ndecision := {\"allowed\": true, \"allow\": " + mayKeep + "}\n"
	rest := gateway.Callers + answers(m) + strings.Replace(gateway.Rest, `"builtin:default"`, "policy", 1)
	s = besiegeWith(t, m, "state_key: {file: old}\n"+rest, map[string]string{
		"policy/main.rego": policy, "old": strings.Repeat("old-key-", 4), "same": strings.Repeat("old-key-", 4) + "\n", "new": strings.Repeat("new-key-", 4), "short": "fifteen-letters",
	})
	return s, func(keys string) error {
		s.Write("sluice.yaml", "state_key: "+keys+"\n"+rest)
		return s.Control.Reload(t.Context(), "test")
	}
}

// An id outlives the key that it was made with for as long as the key stands behind the new one; with the key taken out it is
// an id like another's. Whose it is never changes.
func TestAttackKeyRotation(t *testing.T) {
	s, rotate := rotating(t)
	must := func(keys string) {
		t.Helper()
		if err := rotate(keys); err != nil {
			t.Fatal(err)
		}
	}
	unknown := s.Do("red", "GET", responsesPath+"/resp_none", "").Body
	good := func(name string, made keptSaid) (now keptSaid) {
		t.Helper()
		r, now := s.about("red", "GET", responsesPath+"/"+made.ID, "")
		if r.Status != 200 {
			t.Errorf("%s: %d %s", name, r.Status, r.Body)
		}
		for _, input := range []string{
			`"input":"and?","previous_response_id":"` + made.ID + `"`,
			`"input":[{"type":"item_reference","id":"` + made.Output[0].ID + `"}]`,
		} {
			had := len(s.m.Requests())
			if r := s.Post("red", responsesPath, `{"model":"model-a",`+input+`}`); r.Status != 200 || strings.Contains(s.last(had), made.ID) || strings.Contains(s.last(had), made.Output[0].ID) {
				t.Errorf("%s: %s: %d %s, sent %s", name, input, r.Status, r.Body, s.last(had))
			}
		}
		return now
	}
	bad := func(name, who string, made keptSaid) {
		t.Helper()
		had := len(s.m.Requests())
		if r := s.Do(who, "GET", responsesPath+"/"+made.ID, ""); r.Status != 404 || r.Body != unknown {
			t.Errorf("%s: %d %s, want %s", name, r.Status, r.Body, unknown)
		}
		for _, input := range []string{`"input":"and?","previous_response_id":"` + made.ID + `"`, `"input":[{"type":"item_reference","id":"` + made.Output[0].ID + `"}]`} {
			if r := s.Post(who, responsesPath, `{"model":"model-a",`+input+`}`); r.Code() != "unsupported_field" {
				t.Errorf("%s: %s: %d %s", name, input, r.Status, r.Body)
			}
		}
		if n := len(s.m.Requests()) - had; n > 0 {
			t.Errorf("%s: %d requests were sent", name, n)
		}
	}
	foreign := func(name string, made keptSaid) {
		t.Helper()
		bad(name+", of the same tenant", "red2", made)
		bad(name+", of another tenant", "blue", made)
		made.ID, made.Output[0].ID = forged(t, made.ID, 8), forged(t, made.Output[0].ID, 8)
		bad(name+", with another proof", "red", made)
	}

	old := s.stored("red", "")
	good("of the one key", old)
	must("[{file: old}]")
	good("of the one key in a list", old)
	must("[{file: new}, {file: old}]")
	if now := good("of the old key", old); now.ID == old.ID {
		t.Error("what is had again has the id of the old key still")
	}
	fresh := s.stored("red", "")
	good("of the new key", fresh)
	foreign("of the old key", s.stored("red", ""))
	foreign("of the new key", fresh)
	must("{file: new}")
	bad("of the key that was taken out", "red", old)
	good("of the key that stayed", s.stored("red", ""))
	must("[{file: old}, {file: new}]")
	good("of the key that came back", old)
}

// Keys that cannot be are told by the place, and the keys of before stay.
func TestAttackKeyRotationFaults(t *testing.T) {
	s, rotate := rotating(t)
	made := s.stored("red", "")
	f := func(keys, want string) {
		t.Helper()
		err := rotate(keys)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "-key-") || strings.Contains(err.Error(), "fifteen") {
			t.Errorf("%s: %v, want %s", keys, err, want)
		}
		if r := s.Do("red", "GET", responsesPath+"/"+made.ID, ""); r.Status != 200 {
			t.Errorf("after %s: %d %s", keys, r.Status, r.Body)
		}
	}
	f("[]", "sluice.yaml:2:1: state_key: an empty list")
	f("[{file: new}, {file: old}, {file: old}]", "sluice.yaml:2:39: state_key[2]: the same as state_key[1]; remove one")
	f("[{file: new}, {file: old}, {file: same}]", "sluice.yaml:2:39: state_key[2]: holds the same key as state_key[1]; put a new one first, or take one of them out")
	f("[{file: new}, {file: short}]", "sluice.yaml:2:26: state_key[1]: has 15 bytes, of at least 16; make one: openssl rand -hex 32")
	f("{file: short}", "sluice.yaml:2:1: state_key: has 15 bytes, of at least 16")
	f("[{file: new}, {file: none}]", "sluice.yaml:2:26: state_key[1]: file none cannot be opened")
}

// A token that was made under the old key is restored under the new one where the request has its value; of two values that
// the request has, each keeps its own.
func TestKeyRotationTokens(t *testing.T) {
	s, rotate := rotating(t)
	ask := func(input string) (sent, id string) {
		t.Helper()
		had := len(s.m.Requests())
		r, made := s.about("red", "POST", responsesPath, `{"model":"model-a","store":true,"input":"`+input+`"}`)
		if r.Status != 200 {
			t.Fatalf("%d %s", r.Status, r.Body)
		}
		_, rest, _ := strings.Cut(s.last(had), "[")
		n, _, _ := strings.Cut(rest, "]")
		return "[" + n + "]", made.ID
	}
	ana, id := ask("ana@example.com")
	bob, _ := ask("bob@example.com")
	if err := rotate("[{file: new}, {file: old}]"); err != nil {
		t.Fatal(err)
	}
	now, _ := ask("ana@example.com")
	if now == ana || !strings.HasPrefix(now, "[EMAIL_") {
		t.Fatalf("%s was %s", now, ana)
	}
	s.m.Script(modelserver.JSON(modelserver.Response("resp_9", "msg_9", ana+" is "+now+", not "+bob)))
	_, then := s.about("red", "POST", responsesPath, `{"model":"model-a","previous_response_id":"`+id+`","input":"and ana@example.com?"}`)
	if got := then.Output[0].Content[0].Text; got != "ana@example.com is ana@example.com, not "+bob {
		t.Error(got)
	}
}
