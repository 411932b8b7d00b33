package pipeline_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluicegate/sluice/runtime/internal/gateway"
	"github.com/sluicegate/sluice/runtime/internal/modelserver"
	"github.com/sluicegate/sluice/runtime/wire/openai"
)

// A stream that has begun and is silent gets comments, which are no part of the answer; before it begins there is nothing,
// so that an error still has its own status.
func TestHeartbeats(t *testing.T) {
	words := modelserver.SlowStream(400*time.Millisecond, "one ", "two ")
	m := modelserver.New(t, modelserver.Delay(300*time.Millisecond, modelserver.Status(503, "")), modelserver.Delay(300*time.Millisecond, words))
	g := gateway.Start(t, gateway.Callers+gateway.Model(m.URL())+"timeouts: {heartbeat: 20ms}\n"+gateway.Rest)
	r := g.Post("red", "/v1/chat/completions", chat("model-a", "hi", true))
	if r.Status != 200 || reads(r.Body) != "one two " || !strings.HasPrefix(r.Body, "data: ") || !strings.HasSuffix(r.Body, "data: [DONE]\n\n") {
		t.Errorf("got %d %q", r.Status, r.Body)
	}
	if !strings.Contains(r.Body, "\n\n: ping\n\n") {
		t.Errorf("no heartbeat in a silent stream: %q", r.Body)
	}
	again := g.Post("red", "/v1/chat/completions", chat("model-a", "hi", true))
	if again.Cache() != "hit" || reads(again.Body) != "one two " || strings.Contains(again.Body, "ping") {
		t.Errorf("from the cache: %s %q", again.Cache(), again.Body)
	}
	m.Script(modelserver.Delay(300*time.Millisecond, modelserver.Status(400, "{}")))
	if r := g.Post("red", "/v1/chat/completions", chat("model-a", "bad", true)); r.Status != 400 || strings.Contains(r.Body, "ping") {
		t.Errorf("got %d %q, want an error with its status", r.Status, r.Body)
	}
}

// What is held back leaves in an event like those before it; a role that was said once is not said again.
func TestRestOfAStream(t *testing.T) {
	role := func(s string) string {
		return strings.Replace(modelserver.Delta(s), `"delta":{`, `"delta":{"role":"assistant",`, 1)
	}
	g, m := start(t)
	f := func(roles int, events ...string) {
		t.Helper()
		m.Script(modelserver.Events(0, append(events, modelserver.Finish, "[DONE]")...))
		r := g.Post("red", "/v1/chat/completions", chat("model-a", strings.Join(events, ""), true))
		if reads(r.Body) != "one two bob" || strings.Count(r.Body, `"role"`) != roles {
			t.Errorf("got %d %s, want %d roles", r.Status, r.Body, roles)
		}
	}
	f(1, role("one "), modelserver.Delta("two bob"))
	f(1, role("one two bob"))
	f(4, role("one "), role("two "), role("bob"))
}

// An exchange has so long and no longer, by the configuration or by its caller, whatever it is doing.
func TestDeadline(t *testing.T) {
	m := modelserver.New(t, modelserver.Hang(nil))
	g := gateway.Start(t, gateway.Callers+gateway.Model(m.URL())+"timeouts: {request: 2s}\n"+gateway.Rest)
	f := func(stream bool, header string, least, most time.Duration, status int, code string) {
		t.Helper()
		began := time.Now()
		r := g.Post("red", "/v1/chat/completions", chat("model-a", "hi", stream), "X-Request-Timeout", header)
		if took := time.Since(began); r.Status != status || r.Code() != code || took < least || took > most {
			t.Errorf("x-request-timeout %q, stream %v: got %d %s after %v, want %d %s", header, stream, r.Status, r.Body, took, status, code)
		}
	}
	const never = time.Minute
	f(false, "0.2", 200*time.Millisecond, never, 504, "upstream_timeout")
	f(true, "0.2", 200*time.Millisecond, never, 504, "upstream_timeout")
	f(false, "100", 2*time.Second, never, 504, "upstream_timeout") // the configuration's
	for _, bad := range []string{"soon", "-1", "0", "NaN", "1e99", "5s"} {
		f(false, bad, 0, never, 400, "invalid_request")
	}
	m.Script(modelserver.Hang(modelserver.Events(0, modelserver.Delta("one "))))
	r := g.Post("red", "/v1/chat/completions", chat("model-a", "hi", true), "X-Request-Timeout", "1")
	if r.Status != 200 || !strings.Contains(r.Body, "upstream_timeout") || strings.Contains(r.Body, "[DONE]") {
		t.Errorf("a stream over its time: %d %q, want a terminal error", r.Status, r.Body)
	}
	for range 4 {
		select {
		case <-m.Gone():
		case <-time.After(10 * time.Second):
			t.Fatal("a call that nobody waits for is still under way")
		}
	}
}

// usage is the record's.
type usage struct {
	Outcome, Endpoint string
	Cost              float64 `json:"cost_usd"`
	Usage             *struct {
		Input, Output int
		Estimated     bool
	}
}

func lastUsage(t *testing.T, g *gateway.Gateway, n int) usage {
	t.Helper()
	b, _ := json.Marshal(g.Records(n)[n-1])
	var out usage
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// What was made of an answer is billed, also where the caller left or the model server reports nothing: then by an estimate
// that says so.
func TestUsageIsAlwaysKnown(t *testing.T) {
	m := modelserver.New(t)
	g := gateway.Start(t, gateway.Callers+strings.Replace(gateway.Model(m.URL()), "    endpoints", "    cost: {input: 1, output: 1}\n    endpoints", 1)+gateway.Rest)
	n := 0
	f := func(what string, step modelserver.Step, stream, leave bool, outcome string, input, output int, estimated bool) {
		t.Helper()
		n++
		m.Script(step)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		if leave && !stream {
			before := len(m.Requests())
			go func() {
				for len(m.Requests()) == before {
					time.Sleep(time.Millisecond)
				}
				cancel()
			}()
			req, _ := http.NewRequestWithContext(ctx, http.MethodPost, g.URL+"/v1/chat/completions", strings.NewReader(chat("model-a", what+" to eight", stream)))
			req.Header.Set("X-Api-Key", g.Key("red"))
			if resp, err := http.DefaultClient.Do(req); err == nil {
				_ = resp.Body.Close()
			}
			http.DefaultClient.CloseIdleConnections()
		} else {
			resp := g.Open(ctx, "red", "/v1/chat/completions", chat("model-a", what+" to eight", stream))
			if leave {
				_, _ = resp.Body.Read(make([]byte, 1))
				cancel()
			}
			_, _ = io.ReadAll(resp.Body)
			_ = resp.Body.Close()
		}
		got := lastUsage(t, g, n)
		if got.Outcome != outcome || got.Usage == nil || got.Usage.Input != input || got.Usage.Output != output || got.Usage.Estimated != estimated ||
			got.Cost != float64(input+output)/1e6 || got.Endpoint != "one" {
			t.Errorf("%s: got %+v %+v, want %s, %d, %d, estimated %v", what, got, got.Usage, outcome, input, output, estimated)
		}
	}
	const bare = `{"id":"1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"eight characters, twice over, ok"},"finish_reason":"stop"}]}`
	f("reported", modelserver.Answer("one two"), false, false, "complete", 3, 2, false)
	f("streamed", modelserver.Answer("one two"), true, false, "complete", 3, 2, false)
	f("nothing!", modelserver.JSON(bare), false, false, "complete", 5, 8, true)
	f("nostream", modelserver.Stream("four", "four"), true, false, "complete", 5, 2, true)
	f("breakoff", modelserver.Die(modelserver.Events(0, modelserver.Delta("four five six "), modelserver.Delta("four five six "))), true, false, "truncated", 5, 7, true)
	f("departed", modelserver.Hang(modelserver.Events(0, modelserver.Delta("four five six "))), true, true, "cancelled", 5, 4, true)
	f("too long", modelserver.Hang(nil), false, true, "cancelled", 5, 0, true)
}

// The model server's connection is used again after a stream, for as many streams as come one after the other.
func TestStreamsUseOneConnection(t *testing.T) {
	m := modelserver.New(t, modelserver.Stream("one ", "two"))
	g := gateway.Start(t, gateway.Callers+gateway.Model(m.URL())+gateway.Rest)
	for _, text := range []string{"a", "b", "c", "d"} {
		if r := g.Post("red", "/v1/chat/completions", chat("model-a", text, true)); r.Status != 200 || reads(r.Body) != "one two" {
			t.Fatalf("got %d %q", r.Status, r.Body)
		}
	}
	seen := m.Requests()
	for i := range seen {
		if seen[i].Remote != seen[0].Remote {
			t.Errorf("stream %d came over another connection", i)
		}
	}
}

// Whoever follows a stream gets all of it although its leader, which made it so far, takes nothing of it.
func TestFollowerOfAStalledLeader(t *testing.T) {
	const events, size = 160, 64 << 10 // more than two sockets hold
	more := make(chan struct{})
	enough := sync.OnceFunc(func() { close(more) })
	defer enough()
	word := strings.Repeat("word ", size/5)
	m := modelserver.New(t, func(w http.ResponseWriter, r *http.Request, body []byte) {
		modelserver.Events(0, modelserver.Delta("first "))(w, r, body)
		for range more {
			modelserver.Events(0, modelserver.Delta(word))(w, r, body)
		}
		modelserver.Events(0, modelserver.Finish, "[DONE]")(w, r, body)
	})
	g := gateway.Start(t, gateway.Callers+gateway.Model(m.URL())+gateway.Rest)
	body := chat("model-a", "hi", true)
	leader := g.Open(t.Context(), "red", "/v1/chat/completions", body)
	defer func() { _ = leader.Body.Close() }()
	follower := g.Open(t.Context(), "red", "/v1/chat/completions", body) // it has the first event
	defer func() { _ = follower.Body.Close() }()
	var text []byte
	buffer := make([]byte, size)
	for i := range events { // each when the follower has the one before: it never is the one furthest behind
		for len(text) < i*len(word) {
			n, err := follower.Body.Read(buffer)
			if text = append(text, buffer[:n]...); err != nil {
				t.Fatalf("the follower reads %d events, %v: %.300q", i, err, text[max(0, len(text)-300):])
			}
		}
		more <- struct{}{}
	}
	enough()
	rest, err := io.ReadAll(follower.Body)
	text = append(text, rest...)
	if got := reads(string(text)); err != nil || len(got) != len("first ")+events*len(word) || !strings.HasSuffix(string(text), "[DONE]\n\n") {
		t.Errorf("the follower reads %d bytes of text, %v", len(got), err)
	}
	if n := len(m.Requests()); n != 1 {
		t.Errorf("%d requests reached the model server", n)
	}
	_ = leader.Body.Close()
	whole := 0
	for _, rec := range g.Records(2) {
		if rec["outcome"] == "complete" {
			whole++
		}
	}
	if whole != 1 {
		t.Errorf("%d of the two exchanges are complete: the leader was to be stalled", whole)
	}
}

// leaver goes away as soon as it has all of its stream.
type leaver struct {
	desk
	leave func()
}

func (l *leaver) End(p []byte) error {
	l.leave()
	time.Sleep(20 * time.Millisecond) // whoever looks after its going has seen it
	return l.Send(p)
}

// Who has all of an answer may go: that is no exchange that was broken off.
func TestLeavesAtTheEnd(t *testing.T) {
	m := modelserver.New(t, modelserver.Stream("one ", "two "))
	g := gateway.Start(t, gateway.Callers+gateway.Model(m.URL())+gateway.Rest)
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	l := &leaver{desk{headers: map[string][]string{"X-Api-Key": {g.Key("red")}}, body: []byte(chat("model-a", "hi", true))}, leave}
	g.Control.Pipeline().Serve(ctx, openai.ChatSurface(), l)
	if text := l.out.String(); reads(text) != "one two " || !strings.HasSuffix(text, "data: [DONE]\n\n") {
		t.Errorf("it got %q", text)
	}
	if rec := g.Records(1)[0]; rec["outcome"] != "complete" {
		t.Errorf("the record says %v", rec["outcome"])
	}
}

// A caller whose time is up is told so at once, also while its goroutine waits for the model server on behalf of another.
func TestLeaderIsToldWhileOthersFollow(t *testing.T) {
	more := make(chan struct{})
	release := sync.OnceFunc(func() { close(more) })
	defer release()
	m := modelserver.New(t, func(w http.ResponseWriter, r *http.Request, body []byte) {
		modelserver.Events(0, modelserver.Delta("one "))(w, r, body)
		<-more
		modelserver.Events(0, modelserver.Delta("two"), modelserver.Finish, "[DONE]")(w, r, body)
	})
	g := gateway.Start(t, gateway.Callers+gateway.Model(m.URL())+gateway.Rest)
	body := chat("model-a", "hi", true)
	leader := g.Open(t.Context(), "red", "/v1/chat/completions", body, "X-Request-Timeout", "1.5")
	defer func() { _ = leader.Body.Close() }()
	follower := g.Open(t.Context(), "red", "/v1/chat/completions", body)
	defer func() { _ = follower.Body.Close() }()
	told := make([]byte, 0, 4096)
	for !strings.Contains(string(told), "upstream_timeout") {
		n, err := leader.Body.Read(told[len(told):cap(told)])
		if told = told[:len(told)+n]; n == 0 && err != nil {
			t.Fatalf("the leader reads %q, %v", told, err)
		}
	}
	release()
	rest, _ := io.ReadAll(leader.Body)
	if got := string(told) + string(rest); reads(got) != "one " || strings.Contains(got, "[DONE]") {
		t.Errorf("the leader got %q", got)
	}
	if text, err := io.ReadAll(follower.Body); err != nil || reads(string(text)) != "one two" || follower.Header.Get("X-Sluice-Cache") != "coalesced" {
		t.Errorf("the follower got %q, %v", text, err)
	}
}
