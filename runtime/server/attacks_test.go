package server_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluicegate/sluice/runtime/internal/gateway"
	"github.com/sluicegate/sluice/runtime/internal/modelserver"
)

// The attacks: each test tries to break one promise from the outside, through the public listener, with a scripted
// model server behind the gateway. After every one of them the log and the audit log are searched for what may not be
// there.

const (
	mail       = "ana@example.com"     // a value of the caller's
	made       = "bob@corp.example"    // a value the model makes up
	number     = "4111 1111 1111 1111" // a card
	credential = "sk-upstream-5b1f09c2d7e84a63"
	gossip     = "SECRET upstream text" // what the model server says of a failure
)

const chatPath = "/v1/chat/completions"

// unsaid are the words that may stand neither in the log nor in the audit log.
var unsaid = []string{"ana@", "bob@", "4111 1111", "5b1f09c2", "SECRET", "prompt-word", "answer-word"}

// siege is a gateway under attack and the model server behind it.
type siege struct {
	*gateway.Gateway
	m    *modelserver.Server
	t    *testing.T
	want int // audit records there must be at the end, if not 0
}

// model is a models section with model-a at one endpoint, which gets a credential.
func model(m *modelserver.Server) string {
	return strings.Replace(gateway.Model(m.URL()), "requires:", "credential: {env: SLUICE_TEST_UPSTREAM}, requires:", 1)
}

// alone leaves a test out under the race detector: in it one caller asks after the other, through code that the others try
// all at once.
func alone(t *testing.T) {
	t.Helper()
	if raceDetector {
		t.Skip("nothing is concurrent in it")
	}
}

// besiege starts a gateway with keys for red, red2 and blue, model-a, redaction both ways and a cache.
func besiege(t *testing.T, steps ...modelserver.Step) *siege {
	t.Helper()
	m := modelserver.New(t, steps...)
	return besiegeWith(t, m, gateway.Callers+model(m)+gateway.Rest, nil)
}

// besiegeWith starts a gateway on a config of its own.
func besiegeWith(t *testing.T, m *modelserver.Server, config string, files map[string]string) *siege {
	t.Helper()
	t.Setenv("SLUICE_TEST_UPSTREAM", credential)
	s := &siege{m: m, t: t}
	t.TempDir() // made here, the folder outlives the search
	t.Cleanup(s.search)
	s.Gateway = gateway.StartWith(t, config, files)
	return s
}

// search looks for what may not be said, after the gateway has stopped.
func (s *siege) search() {
	if s.Gateway == nil {
		return
	}
	audit, err := os.ReadFile(filepath.Join(s.Dir, "audit.jsonl"))
	if err != nil && !os.IsNotExist(err) {
		s.t.Error(err)
	}
	said := append(slices.Clone(unsaid), s.Key("red"), s.Key("blue"))
	for _, where := range []struct{ name, text string }{{"log", s.Log.String()}, {"audit log", string(audit)}} {
		for _, word := range said {
			if at := strings.Index(where.text, word); word != "" && at >= 0 {
				s.t.Errorf("%q is in the %s: ...%s...", word, where.name, where.text[max(0, at-80):min(len(where.text), at+80)])
			}
		}
	}
	if n := strings.Count(string(audit), "\n"); s.want > 0 && n != s.want {
		s.t.Errorf("%d audit records, want %d:\n%s", n, s.want, audit)
	}
}

// last is the body of the last request that reached the model server since there were n.
func (s *siege) last(n int) string {
	if seen := s.m.Requests(); len(seen) > n {
		return string(seen[len(seen)-1].Body)
	}
	return ""
}

// quiet waits until no exchange is running.
func (s *siege) quiet() {
	s.t.Helper()
	for end := time.Now().Add(5 * time.Second); s.Control.Pipeline().Running() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			s.t.Fatal("exchanges still run")
		}
	}
}

// until waits for something that must come soon.
func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within 5 s", what)
		}
	}
}

// ask is the body of a chat with one message.
func ask(text string) string { return talk(`{"role":"user","content":` + quote(text) + `}`) }

// talk is the body of a chat with those messages; more are further members, each with a comma before it.
func talk(messages string, more ...string) string {
	return `{"model":"model-a","messages":[` + messages + `]` + strings.Join(more, "") + `}`
}

// streamed is the body, asking for a stream.
func streamed(body string) string { return strings.Replace(body, "{", `{"stream":true,`, 1) }

func quote(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}

// texts gathers every string of a body, whole or streamed, by its place: the strings that one place gets over the
// events of a stream are joined, as a reader would. Keys of objects are gathered too, and JSON inside strings is read.
func texts(body string) map[string]string {
	out := map[string]string{}
	for line := range strings.Lines(strings.ReplaceAll(body, "\r", "\n")) {
		line = strings.TrimSpace(strings.TrimPrefix(line, "data:"))
		var v any
		if json.Unmarshal([]byte(line), &v) == nil {
			gather(out, "", v)
		}
	}
	for place, text := range out {
		var v any
		if strings.ContainsAny(text, `{["`) && json.Unmarshal([]byte(text), &v) == nil {
			gather(out, place+"(json)", v)
		}
	}
	return out
}

func gather(out map[string]string, place string, v any) {
	switch v := v.(type) {
	case string:
		out[place] += v
	case []any:
		for i, e := range v {
			if o, ok := e.(map[string]any); ok && o["index"] != nil {
				gather(out, fmt.Sprint(place, "#", o["index"]), e)
				continue
			}
			gather(out, fmt.Sprint(place, "[", i, "]"), e)
		}
	case map[string]any:
		for k, e := range v {
			out[place+" keys"] += k + " "
			gather(out, place+"."+k, e)
		}
	}
}

// shows tells where a body shows one of the words to a reader, or "".
func shows(body string, words ...string) string {
	for _, w := range words {
		for place, text := range texts(body) {
			if strings.Contains(text, w) {
				return place + " = " + text
			}
		}
		if strings.Contains(body, w) {
			return body
		}
	}
	return ""
}

// says is what the model says in an answer, whole or streamed, in choice 0.
func says(body string) string {
	all := texts(body)
	return all[".choices#0.message.content"] + all[".choices#0.delta.content"] + all[".output"]
}

// echo answers a chat with its last message, by characters where a stream is asked for.
func echo(w http.ResponseWriter, r *http.Request, body []byte) {
	var req struct {
		Stream   bool
		Messages []struct{ Content string }
	}
	_ = json.Unmarshal(body, &req)
	text := req.Messages[len(req.Messages)-1].Content
	if req.Stream {
		modelserver.Stream(strings.Split(text, "")...)(w, r, body)
		return
	}
	modelserver.JSON(modelserver.Chat("m", text))(w, r, body)
}
