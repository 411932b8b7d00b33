package server_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/sluicegate/sluice/runtime/internal/gateway"
	"github.com/sluicegate/sluice/runtime/internal/modelserver"
)

const messagesPath = "/v1/messages"

// claude is a models section with model-a at one endpoint that speaks the Anthropic API.
func claude(m *modelserver.Server, more string) string {
	return fmt.Sprintf("models:\n  - name: model-a\n    endpoints: [{name: one, provider: anthropic, url: %q, requires: [redact]%s}]\n", m.URL(), more)
}

// beside is a model claude at such an endpoint, beside other models.
func beside(m *modelserver.Server) string {
	return strings.NewReplacer("models:\n", "", "model-a", "claude").Replace(claude(m, ""))
}

// speaking is a gateway with the Anthropic API behind it.
func speaking(t *testing.T, steps ...modelserver.Step) *siege {
	m := modelserver.New(t, steps...)
	return besiegeWith(t, m, gateway.Callers+claude(m, ", betas: [files-api-2025-04-14]")+gateway.Rest, nil)
}

// told is a request for a message, with more members.
func told(prompt, more string) string {
	return `{"model":"model-a","max_tokens":64,"messages":[{"role":"user","content":` + quote(prompt) + `}]` + more + `}`
}

// read puts a stream of the API together as its clients do: the events' names, and the text of each block by its deltas.
func read(t *testing.T, body string) (names string, texts map[int]string) {
	t.Helper()
	texts = map[int]string{}
	for event := range strings.SplitSeq(strings.TrimSpace(body), "\n\n") {
		name, data, ok := strings.Cut(strings.TrimPrefix(event, "event: "), "\ndata: ")
		var ev struct {
			Type  string
			Index int
			Delta struct {
				Text, Thinking, Signature string
				PartialJSON               string `json:"partial_json"`
			}
		}
		if err := json.Unmarshal([]byte(data), &ev); !ok || err != nil || ev.Type != name {
			t.Fatalf("no event of the API: %q", event)
		}
		names += name + " "
		texts[ev.Index] += ev.Delta.Text + ev.Delta.Thinking + ev.Delta.PartialJSON
	}
	return names, texts
}

// A message goes through the whole gateway as it is, redacted on its way out and restored on its way in; whole and as a
// stream; from the model server and from the cache.
func TestMessages(t *testing.T) {
	s := speaking(t, modelserver.Messages("write to [EMAIL_1] or bob@corp.example please"))
	const want = "write to ana@example.com or *** please"
	r := s.Post("red", messagesPath, told("mail ana@example.com", ""), "Anthropic-Version", "2023-06-01")
	var m struct {
		Content []struct{ Type, Text string }
	}
	if err := json.Unmarshal([]byte(r.Body), &m); err != nil || r.Status != 200 || len(m.Content) != 1 || mask(m.Content[0].Text) != want {
		t.Fatalf("%d %s", r.Status, r.Body)
	}
	sent := s.m.Requests()[0]
	if strings.Contains(string(sent.Body), "ana@") || sent.Path != messagesPath || sent.Header.Get("Anthropic-Version") != "2023-06-01" {
		t.Errorf("the model server gets %s %v %s", sent.Path, sent.Header, sent.Body)
	}
	if id := r.Header.Get("Request-Id"); id == "" || id != r.Header.Get("X-Request-Id") {
		t.Errorf("request ids %q", id)
	}
	const events = "message_start content_block_start content_block_delta content_block_stop message_delta message_stop "
	for _, cache := range []string{"hit", "bypass"} {
		control := "max-age=60"
		if cache == "bypass" {
			control = "no-store"
		}
		r := s.Post("red", messagesPath, told("mail ana@example.com", `,"stream":true`), "Cache-Control", control)
		names, texts := read(t, r.Body)
		if r.Status != 200 || r.Cache() != cache || mask(texts[0]) != want || cache == "hit" && names != events || !strings.HasSuffix(names, "message_stop ") {
			t.Errorf("%s: %d %s %q: %s", cache, r.Status, r.Cache(), mask(texts[0]), r.Body)
		}
	}
	for i, rec := range s.Records(3) {
		usage, _ := json.Marshal(rec["usage"])
		if rec["operation"] != "messages" || !strings.Contains(string(usage), "8") || !strings.Contains(string(usage), "7") {
			t.Errorf("record %d: %v", i, rec)
		}
	}
}

// mask is text with what redact masks an e-mail address with made three stars.
func mask(text string) string {
	return strings.NewReplacer("***@***", "***", "b***@***", "***").Replace(text)
}

func TestMessagesErrors(t *testing.T) {
	s := speaking(t)
	f := func(name string, r gateway.Reply, status int, kind, code string) {
		t.Helper()
		var e struct {
			Type  string
			Error struct{ Type, Message, Code string }
			ID    string `json:"request_id"`
		}
		if err := json.Unmarshal([]byte(r.Body), &e); err != nil || r.Status != status || e.Type != "error" || e.Error.Type != kind || e.Error.Code != code ||
			e.Error.Message == "" || e.ID == "" || e.ID != r.Header.Get("Request-Id") || strings.Contains(r.Body, "SECRET") {
			t.Errorf("%s: %d %s", name, r.Status, r.Body)
		}
	}
	f("no credential", s.Post("", messagesPath, told("hi", "")), 401, "authentication_error", "unauthenticated")
	f("no model", s.Post("red", messagesPath, `{"model":"x","messages":[{"role":"user","content":"hi"}]}`), 400, "invalid_request_error", "unknown_model")
	f("no path", s.Post("red", messagesPath+"/batches", "{}"), 404, "not_found_error", "not_found")
	f("compressed", s.Post("red", messagesPath, "{}", "Content-Encoding", "br"), 415, "invalid_request_error", "invalid_request")
	f("a beta that is not listed", s.Post("red", messagesPath, told("hi", ""), "Anthropic-Beta", "files-api-2025-04-14, code-execution-2025-05-22"), 400, "invalid_request_error", "unsupported_field")
	up := func(status int, kind string, header ...string) gateway.Reply {
		s.m.Script(modelserver.Status(status, modelserver.MessagesError(kind, "messages.0.content: SECRET text"), header...))
		return s.Post("red", messagesPath, told("hi", ""))
	}
	r := up(400, "invalid_request_error")
	f("refused there", r, 400, "invalid_request_error", "upstream_rejected")
	if !strings.Contains(r.Body, `"param":"messages.0.content"`) || r.Header.Get("X-Should-Retry") != "false" {
		t.Errorf("%v %s", r.Header, r.Body)
	}
	f("our key", up(401, "authentication_error"), 502, "api_error", "upstream_error")
	f("broken there", up(500, "api_error"), 502, "api_error", "upstream_error")
}

// Counting usage tokens is an exchange: the text leaves as it would for an answer, and where no endpoint can count nobody
// guesses.
func TestCountTokens(t *testing.T) {
	alone(t)
	s := speaking(t, modelserver.Messages("x"))
	body := `{"model":"model-a","messages":[{"role":"user","content":"mail ana@example.com"}]}`
	for range 2 {
		r := s.Post("red", messagesPath+"/count_tokens", body)
		if r.Status != 200 || r.Body != `{"input_tokens":14}` || r.Cache() != "bypass" {
			t.Errorf("%d %s %s", r.Status, r.Cache(), r.Body)
		}
	}
	sent := s.m.Requests()
	if len(sent) != 2 || strings.Contains(string(sent[0].Body), "ana@") || sent[0].Path != "/v1/messages/count_tokens" {
		t.Errorf("%d: %s", len(sent), sent[0].Body)
	}
	if rec := s.Records(2)[0]; rec["operation"] != "count_tokens" || rec["redacted_request"] == nil {
		t.Errorf("%v", rec)
	}
	none := besiegeWith(t, s.m, gateway.Callers+gateway.Model(s.m.URL())+gateway.Rest, nil)
	had := len(s.m.Requests())
	if r := none.Post("red", messagesPath+"/count_tokens", body); r.Code() != "unsupported_operation" || r.Status != 400 || len(s.m.Requests()) != had {
		t.Errorf("%d %s", r.Status, r.Body)
	}
}

// The list of models is in the shape of the API that the caller speaks.
func TestModelsInTwoShapes(t *testing.T) {
	s := speaking(t)
	f := func(header, want string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/v1/models", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Api-Key", s.Key("red"))
		if header != "" {
			req.Header.Set(header, "2023-06-01")
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body)
		if resp.StatusCode != 200 || !strings.Contains(string(b), want) {
			t.Errorf("%s: %d %s", header, resp.StatusCode, b)
		}
	}
	f("", `{"object":"list","data":[{"id":"model-a","object":"model"`)
	f("Anthropic-Version", `{"data":[{"type":"model","id":"model-a","display_name":"model-a","created_at":"20`)
}

// What a tool is called with is masked like any text, and the caller's own values come back only for the tools that the
// decision names; a stream says what a whole answer says, however its text is cut.
func TestMessagesTools(t *testing.T) {
	s := sharing(t)
	input := `{"to":"[EMAIL_1]","cc":["bob@corp.example"],"note":"ü \"q\" \\ 5500 0000 0000 0004"}`
	request := func(tool string) string {
		return `{"model":"claude","max_tokens":9,"messages":[{"role":"user","content":"to ana@example.com"}],"tools":[{"name":` + quote(tool) + `,"input_schema":{"type":"object"}}]}`
	}
	for tool, to := range map[string]string{"send": "ana@example.com", "keep": "[EMAIL_1]"} {
		head := `{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"toolu_1","name":` + quote(tool) + `,"input":{}}}`
		check := func(name, got string) {
			t.Helper()
			var v struct {
				To, Note string
				CC       []string
			}
			if err := json.Unmarshal([]byte(got), &v); err != nil || v.To != to || len(v.CC) != 1 || strings.Contains(v.CC[0], "bob@") ||
				!strings.HasPrefix(v.Note, `ü "q" \ `) || strings.Contains(v.Note, "5500") {
				t.Errorf("%s, %s: %s", tool, name, got)
			}
		}
		s.m.Script(modelserver.JSON(`{"type":"message","content":[{"type":"tool_use","id":"toolu_1","name":` + quote(tool) + `,"input":` + input + `}],"stop_reason":"tool_use"}`))
		r := s.Post("red", messagesPath, request(tool), "Cache-Control", "no-store")
		var m struct {
			Content []struct{ Input json.RawMessage }
		}
		if err := json.Unmarshal([]byte(r.Body), &m); err != nil || len(m.Content) != 1 {
			t.Fatalf("%d %s", r.Status, r.Body)
		}
		check("whole", string(m.Content[0].Input))
		for at := 0; at < len(input); at += 9 {
			events := []string{modelserver.MessageStart, head}
			for _, part := range []string{"", input[:at], input[at:]} {
				events = append(events, `{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":`+quote(part)+`}}`)
			}
			events = append(events, `{"type":"content_block_stop","index":0}`, modelserver.MessageEnd, `{"type":"message_stop"}`)
			s.m.Script(modelserver.NamedEvents(events...))
			_, texts := read(t, s.Post("red", messagesPath, streamed(request(tool)), "Cache-Control", "no-store").Body)
			check(fmt.Sprint("cut at ", at), texts[0])
		}
	}
}
