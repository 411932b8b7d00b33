package pipeline_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluicegate/sluice/runtime/internal/gateway"
	"github.com/sluicegate/sluice/runtime/internal/modelserver"
)

func TestMain(m *testing.M) { gateway.Main(m) }

const (
	address = "ana@example.com"
	card    = "4111 1111 1111 1111"
	prompt  = "Write to " + address + " about card " + card
)

func chat(model, text string, stream bool) string {
	b, _ := json.Marshal(map[string]any{
		"model": model, "stream": stream, "messages": []any{map[string]any{"role": "user", "content": text}},
	})
	return string(b)
}

func start(t *testing.T, steps ...modelserver.Step) (*gateway.Gateway, *modelserver.Server) {
	t.Helper()
	m := modelserver.New(t, steps...)
	return gateway.Start(t, gateway.Callers+gateway.Model(m.URL())+gateway.Rest), m
}

// reads tells what the caller reads of an answer, whole or streamed, of any surface.
func reads(body string) string {
	var text strings.Builder
	for line := range strings.Lines(body) {
		line = strings.TrimSpace(strings.TrimPrefix(line, "data: "))
		var v struct {
			Output  string
			Choices []struct{ Message, Delta struct{ Content string } }
		}
		if json.Unmarshal([]byte(line), &v) != nil {
			continue
		}
		text.WriteString(v.Output)
		for _, c := range v.Choices {
			text.WriteString(c.Message.Content + c.Delta.Content)
		}
	}
	return text.String()
}

// The model never sees the values, the caller gets them back, on every surface, streamed or not, at every split.
func TestValuesAreHiddenFromTheModelAndRestored(t *testing.T) {
	f := func(name, path, body string, answer modelserver.Step, want string) {
		t.Run(name, func(t *testing.T) {
			g, m := start(t, answer)
			r := g.Post("red", path, body)
			if r.Status != http.StatusOK || reads(r.Body) != want {
				t.Errorf("%d %q, want %q\n%s", r.Status, reads(r.Body), want, r.Body)
			}
			sent := string(m.Requests()[0].Body)
			if strings.Contains(sent, address) || strings.Contains(sent, "4111") || !strings.Contains(sent, "[EMAIL_1]") {
				t.Errorf("the model server got %s", sent)
			}
			audit, err := os.ReadFile(filepath.Join(g.Dir, "audit.jsonl"))
			if err != nil || strings.Contains(string(audit)+g.Log.String(), "ana@") {
				t.Errorf("a value is in the audit log or the log, or there is none: %v", err)
			}
		})
	}
	const answer = "Mail [EMAIL_1], card [CARD_1]."
	const want = "Mail " + address + ", card " + card + "."
	pieces := strings.Split(answer, "") // every character an event of its own
	inference := fmt.Sprintf(`{"model_name":"model-a","inputs":%q}`, prompt)
	f("inference", "/inference", inference, modelserver.Answer(answer), want)
	f("inference stream", "/inference", strings.Replace(inference, "{", `{"stream":true,`, 1), modelserver.Stream(pieces...), want)
	f("chat", "/v1/chat/completions", chat("model-a", prompt, false), modelserver.Answer(answer), want)
	f("chat stream", "/v1/chat/completions", chat("model-a", prompt, true), modelserver.Stream(pieces...), want)
	f("a token that was never made stays text", "/v1/chat/completions", chat("model-a", prompt, false),
		modelserver.Answer("[EMAIL_2] [CARD_10]"), "[EMAIL_2] [CARD_10]")
}

// What the model makes up by itself is masked, at every split.
func TestAnswersAreFiltered(t *testing.T) {
	const made = "ask bob@corp.example or 5500 0000 0000 0004 now"
	f := func(name string, stream bool, answer modelserver.Step) {
		t.Run(name, func(t *testing.T) {
			g, _ := start(t, answer)
			r := g.Post("red", "/v1/chat/completions", chat("model-a", "hi", stream))
			got := reads(r.Body)
			if strings.Contains(r.Body, "bob@") || strings.Contains(got, "5500") || !strings.HasPrefix(got, "ask ") || !strings.HasSuffix(got, " now") {
				t.Errorf("the caller reads %q", got)
			}
		})
	}
	f("whole", false, modelserver.Answer(made))
	f("by words", true, modelserver.Answer(made))
	f("by characters", true, modelserver.Stream(strings.Split(made, "")...))
}

func TestCacheIsByTenantAndPrincipal(t *testing.T) {
	g, m := start(t, modelserver.Answer("Mail [EMAIL_1]"))
	f := func(who, text, wantCache, wantText string) {
		t.Helper()
		r := g.Post(who, "/v1/chat/completions", chat("model-a", text, false))
		if r.Cache() != wantCache || reads(r.Body) != wantText {
			t.Errorf("%s: %s %q, want %s %q", who, r.Cache(), reads(r.Body), wantCache, wantText)
		}
	}
	f("red", "Write to ana@example.com", "miss", "Mail ana@example.com")
	f("red", "Write to ana@example.com", "hit", "Mail ana@example.com")
	f("blue", "Write to ana@example.com", "miss", "Mail ana@example.com")
	f("red2", "Write to ana@example.com", "miss", "Mail ana@example.com")
	// Equal but for the value: the same prompt to the model, so a hit, and each gets its own value back.
	f("red", "Write to bea@example.com", "hit", "Mail bea@example.com")
	f("red", "Write to ana@example.com!", "miss", "Mail ana@example.com")
	if n := len(m.Requests()); n != 4 {
		t.Errorf("%d requests reached the model server, want 4", n)
	}
}

// A hit serves whole or streamed, whichever is asked.
func TestHitServesEitherForm(t *testing.T) {
	f := func(name string, first, second bool) {
		t.Run(name, func(t *testing.T) {
			g, m := start(t, modelserver.Answer("one two three"))
			a := g.Post("red", "/v1/chat/completions", chat("model-a", "hi", first))
			b := g.Post("red", "/v1/chat/completions", chat("model-a", "hi", second))
			if a.Cache() != "miss" || b.Cache() != "hit" || reads(b.Body) != "one two three" || len(m.Requests()) != 1 {
				t.Errorf("%s then %s %q, %d upstream\n%s", a.Cache(), b.Cache(), reads(b.Body), len(m.Requests()), b.Body)
			}
			if second != strings.HasSuffix(b.Body, "data: [DONE]\n\n") {
				t.Errorf("the hit has the wrong form: %s", b.Body)
			}
			if !second && !strings.Contains(b.Body, `"total_tokens"`) {
				t.Errorf("the hit has no usage: %s", b.Body)
			}
		})
	}
	f("whole, streamed", false, true)
	f("streamed, whole", true, false)
	f("streamed, streamed", true, true)
}

func TestCacheControlSkipsAndDoesNotOverwrite(t *testing.T) {
	g, m := start(t, modelserver.Answer("first"), modelserver.Answer("second"))
	post := func(header ...string) (string, string) {
		r := g.Post("red", "/v1/chat/completions", chat("model-a", "hi", false), header...)
		return r.Cache(), reads(r.Body)
	}
	f := func(wantCache, wantText string, header ...string) {
		t.Helper()
		if cache, text := post(header...); cache != wantCache || text != wantText {
			t.Errorf("%s %q, want %s %q", cache, text, wantCache, wantText)
		}
	}
	f("miss", "first")
	f("bypass", "second", "Cache-Control", "no-cache")
	f("hit", "first")
	if n := len(m.Requests()); n != 2 {
		t.Errorf("%d requests reached the model server", n)
	}
}

func TestIdenticalRequestsShareOneCall(t *testing.T) {
	release := make(chan struct{})
	hold := func(w http.ResponseWriter, r *http.Request, body []byte) {
		<-release
		modelserver.Answer("shared")(w, r, body)
	}
	g, m := start(t, hold)
	var callers sync.WaitGroup
	statuses := make(chan string, 8)
	for i := range cap(statuses) {
		callers.Go(func() {
			r := g.Post("red", "/v1/chat/completions", chat("model-a", "hi", i%2 == 0))
			if reads(r.Body) != "shared" {
				t.Errorf("read %q of %s", reads(r.Body), r.Body)
			}
			statuses <- r.Cache()
		})
	}
	for g.Control.Pipeline().Running() < cap(statuses) {
		time.Sleep(time.Millisecond)
	}
	close(release)
	callers.Wait()
	close(statuses)
	count := map[string]int{}
	for s := range statuses {
		count[s]++
	}
	if len(m.Requests()) != 1 || count["miss"] != 1 {
		t.Errorf("%d upstream calls, statuses %v", len(m.Requests()), count)
	}
}

func TestCallerGoneEndsTheCallWithin100ms(t *testing.T) {
	g, m := start(t, modelserver.Hang(modelserver.Events(0, modelserver.Delta("first word "))), modelserver.Answer("x"))
	ctx, cancel := context.WithCancel(t.Context())
	resp := g.Open(ctx, "red", "/v1/chat/completions", chat("model-a", "hi", true))
	defer func() { _ = resp.Body.Close() }()
	if _, err := resp.Body.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	left := time.Now()
	cancel()
	select {
	case <-m.Gone():
		if took := time.Since(left); took > 100*time.Millisecond {
			t.Errorf("the model server noticed after %s", took)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("the model server still generates")
	}
	rec := g.Records(1)[0]
	if rec["outcome"] != "cancelled" || rec["code"] != "client_closed" {
		t.Errorf("record: %v", rec)
	}
}

// A stream that dies ends in an error event and without [DONE], and is not cached.
func TestUpstreamDeathMidStream(t *testing.T) {
	g, _ := start(t, modelserver.Die(modelserver.Events(0, modelserver.Delta("one "), modelserver.Delta("two "))), modelserver.Answer("whole"))
	f := func(path, body string) {
		t.Helper()
		r := g.Post("red", path, body)
		if !strings.Contains(r.Body, "stream_interrupted") || strings.Contains(r.Body, "[DONE]") || !strings.Contains(r.Body, "one ") {
			t.Errorf("%s: %d %s", path, r.Status, r.Body)
		}
	}
	f("/v1/chat/completions", chat("model-a", "hi", true))
	if rec := g.Records(1)[0]; rec["outcome"] != "truncated" || rec["code"] != "stream_interrupted" {
		t.Errorf("record: %v", rec)
	}
	if r := g.Post("red", "/v1/chat/completions", chat("model-a", "hi", true)); r.Cache() != "miss" || reads(r.Body) != "whole" {
		t.Errorf("after the death: %s %s", r.Cache(), r.Body)
	}
}

func TestUpstreamFailures(t *testing.T) {
	f := func(name string, step modelserver.Step, status int, code string) {
		t.Run(name, func(t *testing.T) {
			g, m := start(t, step)
			if step == nil {
				m.Close()
			}
			r := g.Post("red", "/inference", `{"model_name":"model-a","inputs":"hi"}`)
			if r.Status != status || r.Code() != code || r.Header.Get("X-Should-Retry") != "false" {
				t.Errorf("%d %s %q, want %d %s", r.Status, r.Code(), r.Body, status, code)
			}
			if strings.Contains(r.Body, "detail of the failure") {
				t.Errorf("the model server's own words reach the caller: %s", r.Body)
			}
		})
	}
	f("down", nil, 502, "upstream_unreachable")
	f("500", modelserver.Status(500, `{"error":{"message":"detail of the failure"}}`), 502, "upstream_error")
	f("refused", modelserver.Error(400, "temperature"), 400, "upstream_rejected")
	f("redirect", modelserver.Status(302, "", "Location", "http://127.0.0.1:1/"), 502, "upstream_error")
	f("html", modelserver.Status(200, "<html>detail of the failure</html>", "Content-Type", "text/html"), 502, "upstream_error")
	f("duplicate key", modelserver.JSON(`{"choices":[],"choices":[]}`), 502, "upstream_error")
}

func TestSlowModelServer(t *testing.T) {
	m := modelserver.New(t, modelserver.Hang(nil))
	model := strings.Replace(gateway.Model(m.URL()), "requires:", "timeouts: {first_byte: 50ms}, requires:", 1)
	g := gateway.Start(t, gateway.Callers+model+gateway.Rest)
	if r := g.Post("red", "/inference", `{"model_name":"model-a","inputs":"hi"}`); r.Status != 504 || r.Code() != "upstream_timeout" {
		t.Errorf("%d %s", r.Status, r.Body)
	}
}

func TestPolicyPicksAndDenies(t *testing.T) {
	m := modelserver.New(t, modelserver.Answer("ok"))
	models := fmt.Sprintf(`
models:
  - {name: dear, endpoints: [{name: d, provider: openai, url: %[1]q}], cost: {input: 5, output: 5}}
  - {name: cheap, endpoints: [{name: c, provider: openai, url: %[1]q}], cost: {input: 1, output: 1}}
  - {name: x-restricted, endpoints: [{name: r, provider: openai, url: %[1]q}]}
`, m.URL())
	g := gateway.Start(t, gateway.Callers+models+gateway.Rest)
	f := func(model string, status int, served string) {
		t.Helper()
		r := g.Post("red", "/v1/chat/completions", chat(model, "hi "+model, false))
		if r.Status != status || r.Header.Get("X-Sluice-Model") != served {
			t.Errorf("%s: %d by %q, want %d by %q: %s", model, r.Status, r.Header.Get("X-Sluice-Model"), status, served, r.Body)
		}
	}
	f("auto", 200, "cheap")
	f("dear", 200, "dear")
	f("x-restricted", 403, "")
	f("nobody", 400, "")
	if got := string(m.Requests()[0].Body); !strings.Contains(got, `"model":"cheap"`) {
		t.Errorf("the model server was asked %s", got)
	}
	if len(m.Requests()) != 2 {
		t.Errorf("%d requests reached the model server: a denied one was forwarded", len(m.Requests()))
	}
}

// An endpoint whose required filter the policy left out gets nothing.
func TestRequiredFilterThatDidNotRun(t *testing.T) {
	m := modelserver.New(t, modelserver.Answer("ok"))
	rest := strings.NewReplacer("required: true", "required: false", "builtin:default", "policies").Replace(gateway.Rest)
	g := gateway.StartWith(t, gateway.Callers+gateway.Model(m.URL())+rest, map[string]string{"policies/main.rego": `package sluice
admit := {"allowed": true, "filters": []}
decision := {"allowed": true, "models": ["model-a"]}
`})
	if r := g.Post("red", "/inference", `{"inputs":"hi"}`); r.Status != 503 || r.Code() != "no_endpoint" || len(m.Requests()) != 0 {
		t.Errorf("%d %s, %d upstream", r.Status, r.Body, len(m.Requests()))
	}
}

func TestOneRecordForEveryExchange(t *testing.T) {
	g, _ := start(t, modelserver.Answer("Mail [EMAIL_1]"))
	g.Post("red", "/inference", `{"model_name":"model-a","inputs":"to ana@example.com"}`)
	g.Post("red", "/inference", `{"model_name":"model-a","inputs":"to ana@example.com"}`)
	g.Post("", "/inference", `{"model_name":"model-a","inputs":"hi"}`)
	g.Post("red", "/inference", `{"model_name":"nobody","inputs":"hi"}`)
	g.Post("red", "/inference", `{`)
	recs := g.Records(5)
	f := func(i int, want map[string]any) {
		t.Helper()
		for k, v := range want {
			if fmt.Sprint(recs[i][k]) != fmt.Sprint(v) {
				t.Errorf("record %d: %s is %v, want %v", i, k, recs[i][k], v)
			}
		}
	}
	f(0, map[string]any{
		"outcome": "complete", "cache": "miss", "model": "model-a", "endpoint": "one", "tenant": "red", "principal": "ephemeral:red",
		"redacted_request": map[string]any{"email": 1}, "generation": 1, "status": 200, "operation": "inference",
	})
	f(1, map[string]any{"outcome": "complete", "cache": "hit", "cost_usd": nil})
	f(2, map[string]any{"outcome": "rejected", "code": "unauthenticated", "status": 401, "principal": nil})
	f(3, map[string]any{"code": "unknown_model", "model_asked": "nobody", "model": nil})
	f(4, map[string]any{"code": "invalid_json", "status": 400})
	if len(recs) != 5 {
		t.Errorf("%d records for 5 exchanges", len(recs))
	}
}

// Usage is asked for when streaming, and hidden from a caller who did not ask.
func TestUsageOfStreams(t *testing.T) {
	g, m := start(t, modelserver.Answer("one two"))
	quiet := g.Post("red", "/v1/chat/completions", chat("model-a", "hi", true))
	loud := g.Post("red", "/v1/chat/completions", strings.Replace(chat("model-a", "hi", true), "{", `{"stream_options":{"include_usage":true},`, 1))
	if strings.Contains(quiet.Body, "total_tokens") || !strings.Contains(loud.Body, "total_tokens") {
		t.Errorf("quiet: %s\nloud: %s", quiet.Body, loud.Body)
	}
	if loud.Cache() != "hit" {
		t.Errorf("stream_options parts the cache: %s", loud.Cache())
	}
	if !strings.Contains(string(m.Requests()[0].Body), `"include_usage":true`) {
		t.Errorf("usage was not asked for: %s", m.Requests()[0].Body)
	}
	if rec := g.Records(2)[0]; rec["usage"] == nil {
		t.Errorf("record without usage: %v", rec)
	}
}

// Removing a credential ends its running exchanges; others go on.
func TestRemovedCredentialEndsItsExchanges(t *testing.T) {
	step := modelserver.Hang(modelserver.Events(0, modelserver.Delta("first word ")))
	m := modelserver.New(t, step)
	config := gateway.Callers + gateway.Model(m.URL()) + gateway.Rest
	g := gateway.Start(t, config)
	open := func(id string) *http.Response {
		resp := g.Open(t.Context(), id, "/v1/chat/completions", chat("model-a", "hi", true))
		if _, err := resp.Body.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		return resp
	}
	red, blue := open("red"), open("blue")
	defer func() { _, _ = red.Body.Close(), blue.Body.Close() }()
	g.Write("sluice.yaml", strings.Replace(config, "    - {id: red, tenant: red, roles: [developer]}\n", "", 1))
	if err := g.Control.Reload(t.Context(), "test"); err != nil {
		t.Fatal(err)
	}
	rest, _ := io.ReadAll(red.Body)
	if !strings.Contains(string(rest), "unauthenticated") {
		t.Errorf("the removed key's stream ended with %q", rest)
	}
	if n := g.Control.Pipeline().Running(); n != 1 {
		t.Errorf("%d exchanges run, want blue's alone", n)
	}
}

// A stream under way is joined from its first event, whatever form is asked for.
func TestStreamsAreJoinedUnderWay(t *testing.T) {
	g, m := start(t, modelserver.SlowStream(20*time.Millisecond, strings.SplitAfter("one two three four five six seven eight ", " ")...))
	first := g.Open(t.Context(), "red", "/v1/chat/completions", chat("model-a", "hi", true))
	defer func() { _ = first.Body.Close() }()
	if _, err := first.Body.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	var callers sync.WaitGroup
	for _, stream := range []bool{true, false} {
		callers.Go(func() {
			r := g.Post("red", "/v1/chat/completions", chat("model-a", "hi", stream))
			if r.Cache() != "coalesced" || reads(r.Body) != "one two three four five six seven eight " {
				t.Errorf("stream %v: %s %q", stream, r.Cache(), reads(r.Body))
			}
		})
	}
	callers.Wait()
	if n := len(m.Requests()); n != 1 {
		t.Errorf("%d requests reached the model server", n)
	}
}

// The leader of a flight may leave; who follows gets the whole answer.
func TestFollowersOutliveTheLeader(t *testing.T) {
	g, m := start(t, modelserver.SlowStream(20*time.Millisecond, strings.SplitAfter("one two three four five six seven eight ", " ")...))
	ctx, leave := context.WithCancel(t.Context())
	leader := g.Open(ctx, "red", "/v1/chat/completions", chat("model-a", "hi", true))
	if _, err := leader.Body.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	follower := g.Open(t.Context(), "red", "/v1/chat/completions", chat("model-a", "hi", true))
	leave()
	_ = leader.Body.Close()
	text, err := io.ReadAll(follower.Body)
	_ = follower.Body.Close()
	if err != nil || reads(string(text)) != "one two three four five six seven eight " || !strings.HasSuffix(string(text), "[DONE]\n\n") {
		t.Errorf("the follower reads %q, %v", reads(string(text)), err)
	}
	if n := len(m.Requests()); n != 1 {
		t.Errorf("%d requests reached the model server", n)
	}
}

// debug: true shows endpoint, attempts and the time of each stage; without it they stay hidden.
func TestDebugHeaders(t *testing.T) {
	m := modelserver.New(t, modelserver.Answer("ok"))
	rest := strings.Replace(gateway.Rest, "builtin:default", "policies", 1)
	f := func(debug bool) {
		t.Helper()
		g := gateway.StartWith(t, gateway.Callers+gateway.Model(m.URL())+rest, map[string]string{"policies/main.rego": fmt.Sprintf(`package sluice
decision := {"allowed": true, "debug": %v, "headers": {"x-team": "search"}, "annotations": {"ticket": "T-1"}}
`, debug)})
		r := g.Post("red", "/inference", `{"model_name":"model-a","inputs":"hi"}`)
		shown := r.Header.Get("X-Sluice-Endpoint") == "one" && r.Header.Get("X-Sluice-Attempts") == "1" && strings.Contains(r.Header.Get("Server-Timing"), "decide;dur=")
		if shown != debug || r.Header.Get("X-Team") != "search" || r.Header.Get("X-Sluice-Cache") != "bypass" {
			t.Errorf("debug %v: %v", debug, r.Header)
		}
		if rec := g.Records(1)[0]; fmt.Sprint(rec["notes"]) != "map[ticket:T-1]" {
			t.Errorf("record: %v", rec)
		}
	}
	f(true)
	f(false)
}

// The models that a caller may use, and no others.
func TestModelsAreThoseTheCallerMayUse(t *testing.T) {
	m := modelserver.New(t)
	models := fmt.Sprintf(`
models:
  - {name: free, endpoints: [{name: d, provider: openai, url: %[1]q}]}
  - {name: x-restricted, endpoints: [{name: r, provider: openai, url: %[1]q}]}
`, m.URL())
	g := gateway.Start(t, gateway.Callers+models+gateway.Rest)
	f := func(key string, status int, want string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, g.URL+"/v1/models", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+key)
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		defer http.DefaultTransport.(*http.Transport).CloseIdleConnections()
		defer func() { _ = resp.Body.Close() }()
		var list struct{ Data []struct{ ID string } }
		_ = json.NewDecoder(resp.Body).Decode(&list)
		var ids []string
		for _, d := range list.Data {
			ids = append(ids, d.ID)
		}
		if resp.StatusCode != status || strings.Join(ids, " ") != want {
			t.Errorf("%d %v, want %d %s", resp.StatusCode, ids, status, want)
		}
	}
	f(g.Key("red"), 200, "free")
	f("wrong", 401, "")
}
