package provider_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"

	"github.com/sluicegate/sluice/runtime/internal/modelserver"
	"github.com/sluicegate/sluice/runtime/provider"
	"github.com/sluicegate/sluice/runtime/upstream"
	"github.com/sluicegate/sluice/runtime/wire"
)

// The conformance of the dialect: payloads in the form of the Amazon Bedrock reference (Converse, ConverseStream), by way
// of a chat.

const converseAnswer = `{"output":{"message":{"role":"assistant","content":[{"text":"Hello."}]}},"stopReason":"end_turn",` +
	`"usage":{"inputTokens":4,"outputTokens":2,"totalTokens":6,"cacheReadInputTokens":3},"metrics":{"latencyMs":9}}`

func dialBedrock(t *testing.T, s *modelserver.Server, secret string) upstream.Caller {
	t.Helper()
	c, err := provider.New("bedrock", provider.Options{URL: strings.TrimSuffix(s.URL(), "/v1"), Credential: fixed(secret)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.(io.Closer).Close() })
	return c
}

func bedrockCall(stream bool) *upstream.Call {
	return &upstream.Call{
		Operation: wire.ChatCompletions, Format: "openai.chat", Model: "amazon.nova-v1:0", Stream: stream,
		Body: []byte(`{"model":"amazon.nova-v1:0","max_tokens":9,"messages":[{"role":"user","content":"Hi"}]}`),
	}
}

func TestBedrockRequest(t *testing.T) {
	s := modelserver.New(t, modelserver.JSON(converseAnswer))
	f := func(secret, authorization, token string) {
		t.Helper()
		reply, err := dialBedrock(t, s, secret).Call(t.Context(), bedrockCall(false))
		if err != nil {
			t.Fatal(err)
		}
		seen := s.Requests()
		got := seen[len(seen)-1]
		if got.Path != "/model/amazon.nova-v1:0/converse" || !strings.HasPrefix(got.Header.Get("Authorization"), authorization) ||
			got.Header.Get("X-Amz-Security-Token") != token || (got.Header.Get("X-Amz-Date") != "") != (token != "") ||
			string(got.Body) != `{"messages":[{"role":"user","content":[{"text":"Hi"}]}],"inferenceConfig":{"maxTokens":9}}` {
			t.Errorf("%s %v %s", got.Path, got.Header, got.Body)
		}
		if body := string(reply.Body); !strings.Contains(body, `"content":"Hello."`) || !strings.Contains(body, `"usage":{"prompt_tokens":7,"completion_tokens":2`) {
			t.Errorf("got %s", body)
		}
	}
	f("bedrock-api-key", "Bearer bedrock-api-key", "")
	f(`{"Version":1,"AccessKeyId":"AKID","SecretAccessKey":"s3cr3t","SessionToken":"tok"}`, "AWS4-HMAC-SHA256 Credential=AKID/", "tok")
	if got := s.Requests()[1].Header.Get("Authorization"); !strings.Contains(got, "/us-east-1/bedrock/aws4_request") || !strings.Contains(got, "host;x-amz-date;x-amz-security-token") {
		t.Errorf("signed %s", got)
	}
	s.Script(modelserver.Status(400, `{"message":"SECRET"}`))
	_, err := dialBedrock(t, s, "k").Call(t.Context(), bedrockCall(false))
	if got := failure(t, err); got.Code != wire.UpstreamRejected || strings.Contains(err.Error(), "SECRET") {
		t.Errorf("got %+v", got)
	}
}

// messages streams AWS's event messages: type, payload, ...
func messages(t *testing.T, pairs ...string) modelserver.Step {
	var b bytes.Buffer
	for i := 0; i < len(pairs); i += 2 {
		var m eventstream.Message
		kind, is := ":event-type", "event"
		if strings.HasSuffix(pairs[i], "Exception") {
			kind, is = ":exception-type", "exception"
		}
		m.Headers.Set(":message-type", eventstream.StringValue(is))
		m.Headers.Set(kind, eventstream.StringValue(pairs[i]))
		m.Payload = []byte(pairs[i+1])
		if err := eventstream.NewEncoder().Encode(&b, m); err != nil {
			t.Fatal(err)
		}
	}
	return func(w http.ResponseWriter, _ *http.Request, _ []byte) {
		w.Header().Set("Content-Type", "application/vnd.amazon.eventstream")
		_, _ = w.Write(b.Bytes())
	}
}

// A stream is complete where it says that the message stopped, and cut where it does not.
func TestBedrockStream(t *testing.T) {
	begun := []string{"messageStart", `{"role":"assistant"}`, "contentBlockDelta", `{"contentBlockIndex":0,"delta":{"text":"Hello."}}`, "contentBlockStop", `{"contentBlockIndex":0}`}
	all := append(begun, "messageStop", `{"stopReason":"end_turn"}`, "metadata", `{"usage":{"inputTokens":4,"outputTokens":2,"totalTokens":6},"metrics":{"latencyMs":9}}`)
	s := modelserver.New(t, messages(t, all...))
	c := dialBedrock(t, s, "k")
	read := func() (text, last string, err error) {
		reply, err := c.Call(t.Context(), bedrockCall(true))
		if err != nil {
			return "", "", err
		}
		defer reply.Close()
		for {
			data, err := reply.Events.Next()
			if err != nil {
				return text, last, err
			}
			last = string(data)
			text += last
		}
	}
	if text, last, err := read(); !errors.Is(err, io.EOF) || last != "[DONE]" || !strings.Contains(text, `"content":"Hello."`) || !strings.Contains(text, `"prompt_tokens":4`) {
		t.Errorf("got %s %v", text, err)
	}
	if got := s.Requests()[0]; got.Path != "/model/amazon.nova-v1:0/converse-stream" {
		t.Errorf("asked at %s", got.Path)
	}
	s.Script(messages(t, begun...))
	if _, last, err := read(); failure(t, err).Code != wire.StreamInterrupted || last == "[DONE]" {
		t.Errorf("got %s %v", last, err)
	}
	s.Script(messages(t, append(begun, "modelStreamErrorException", `{"message":"SECRET"}`)...))
	if _, _, err := read(); failure(t, err).Code != wire.StreamInterrupted || strings.Contains(err.Error(), "SECRET") {
		t.Errorf("got %v", err)
	}
	s.Script(messages(t, "throttlingException", `{"message":"SECRET"}`))
	if _, _, err := read(); failure(t, err).Code != wire.RateLimited {
		t.Errorf("got %v", err)
	}
}

// Counts, embeddings and rankings go to the paths of their own, each model's in its form; texts that a model takes one at a
// time leave one after the other where no endpoint has further places for them, and what fails of them fails the whole.
func TestBedrockOperations(t *testing.T) {
	s := modelserver.New(t)
	c := dialBedrock(t, s, "k")
	call := func(op wire.Operation, format, model, rest string) *upstream.Call {
		return &upstream.Call{Operation: op, Format: format, Model: model, Body: []byte(`{"model":"` + model + `",` + rest + `}`)}
	}
	f := func(call *upstream.Call, want string, steps ...modelserver.Step) []modelserver.Request {
		t.Helper()
		had := len(s.Requests())
		s.Script(steps...)
		reply, err := c.Call(t.Context(), call)
		if err != nil {
			t.Fatal(err)
		}
		if string(reply.Body) != want {
			t.Errorf("got %s", reply.Body)
		}
		return s.Requests()[had:]
	}
	sent := func(got []modelserver.Request, path string, bodies ...string) {
		t.Helper()
		if len(got) != len(bodies) {
			t.Fatalf("%d requests, want %d", len(got), len(bodies))
		}
		for i, b := range bodies {
			if got[i].Path != path || string(got[i].Body) != b {
				t.Errorf("asked at %s for %s", got[i].Path, got[i].Body)
			}
		}
	}
	got := f(call(wire.CountTokens, "anthropic.count_tokens", "amazon.nova-v1:0", `"messages":[{"role":"user","content":"Hi"}]`),
		`{"input_tokens":15}`, modelserver.JSON(`{"inputTokens":15}`))
	sent(got, "/model/amazon.nova-v1:0/count-tokens", `{"input":{"converse":{"messages":[{"role":"user","content":[{"text":"Hi"}]}]}}}`)

	const titan, path = "amazon.titan-embed-text-v2:0", "/model/amazon.titan-embed-text-v2:0/invoke"
	two := call(wire.Embeddings, "openai.embeddings", titan, `"input":["a","b"],"dimensions":256`)
	got = f(two, `{"object":"list","data":[{"object":"embedding","index":0,"embedding":[1]},{"object":"embedding","index":1,"embedding":[2]}],"model":"`+titan+`","usage":{"prompt_tokens":7,"total_tokens":7}}`,
		modelserver.JSON(`{"embedding":[1],"inputTextTokenCount":3}`), modelserver.JSON(`{"embedding":[2],"inputTextTokenCount":4}`))
	sent(got, path, `{"inputText":"a","dimensions":256}`, `{"inputText":"b","dimensions":256}`)
	s.Script(modelserver.JSON(`{"embedding":[1],"inputTextTokenCount":3}`), modelserver.Status(429, `{"message":"SECRET"}`))
	if _, err := c.Call(t.Context(), two); failure(t, err).Code != wire.RateLimited {
		t.Errorf("got %v", err)
	}

	got = f(call(wire.Embeddings, "openai.embeddings", "cohere.embed-v4:0", `"input":"a","input_type":"query","encoding_format":"base64"`),
		`{"object":"list","data":[{"object":"embedding","index":0,"embedding":"AACAPw=="}],"model":"cohere.embed-v4:0","usage":{"prompt_tokens":5,"total_tokens":5}}`,
		func(w http.ResponseWriter, r *http.Request, body []byte) {
			w.Header().Set("X-Amzn-Bedrock-Input-Token-Count", "5")
			modelserver.JSON(`{"embeddings":[[1]],"id":"x","response_type":"embeddings_floats","texts":["SECRET"]}`)(w, r, body)
		})
	sent(got, "/model/cohere.embed-v4:0/invoke", `{"texts":["a"],"input_type":"search_query"}`)

	got = f(call(wire.Rerank, "openai.rerank", "cohere.rerank-v3-5:0", `"query":"q","documents":["a","b"],"top_n":1`),
		`{"model":"cohere.rerank-v3-5:0","results":[{"index":1,"relevance_score":0.75}]}`,
		modelserver.JSON(`{"results":[{"index":1,"relevance_score":0.75},{"index":0,"relevance_score":0.5}]}`))
	sent(got, "/model/cohere.rerank-v3-5:0/invoke", `{"query":"q","documents":["a","b"],"api_version":2}`)
	if _, err := c.Call(t.Context(), call(wire.Embeddings, "openai.embeddings", "amazon.nova", `"input":"a"`)); failure(t, err).Param != "model" {
		t.Errorf("got %v", err)
	}
}

// The name of an inference profile of one's own does not tell what model it is. The configuration does, and then its own
// formats are spoken; without, it is spoken to by Converse, and what has no common format is refused.
func TestBedrockFamily(t *testing.T) {
	s := modelserver.New(t)
	const arn = "arn:aws:bedrock:eu-west-1:123456789012:application-inference-profile/a1b2c3"
	const path = "/model/arn:aws:bedrock:eu-west-1:123456789012:application-inference-profile%2Fa1b2c3"
	ask := func(family, answer string, call *upstream.Call) (string, string, error) {
		t.Helper()
		s.Script(modelserver.JSON(answer))
		c, err := provider.New("bedrock", provider.Options{URL: strings.TrimSuffix(s.URL(), "/v1"), Credential: fixed("k"), Family: family})
		if err != nil {
			t.Fatal(err)
		}
		defer c.(io.Closer).Close()
		before := len(s.Requests())
		if _, err = c.Call(t.Context(), call); err != nil {
			return "", "", err
		}
		seen := s.Requests()[before:]
		if len(seen) != 1 {
			t.Fatalf("%d requests", len(seen))
		}
		return seen[0].Path, string(seen[0].Body), nil
	}
	f := func(family, answer string, call *upstream.Call, verb, body string) {
		t.Helper()
		if at, got, err := ask(family, answer, call); err != nil || at != path+verb || got != body {
			t.Errorf("%s: asked at %s for %s, %v", family, at, got, err)
		}
	}
	call := func(op wire.Operation, format, members string) *upstream.Call {
		return &upstream.Call{Operation: op, Format: format, Model: arn, Body: []byte(`{"model":"` + arn + `",` + members + `}`)}
	}
	const said = `"max_tokens":9,"messages":[{"role":"user","content":"Hi"}]`
	messages, chat := call(wire.Messages, "anthropic.messages", said), call(wire.ChatCompletions, "openai.chat", said)
	f("anthropic.claude", modelserver.Message("Hello."), messages, "/invoke", `{`+said+`,"anthropic_version":"bedrock-2023-05-31"}`)
	f("anthropic.claude", modelserver.Message("Hello."), chat, "/invoke", `{`+said+`,"anthropic_version":"bedrock-2023-05-31"}`)
	const converse = `{"messages":[{"role":"user","content":[{"text":"Hi"}]}],"inferenceConfig":{"maxTokens":9}}`
	f("", converseAnswer, messages, "/converse", converse)
	f("", converseAnswer, chat, "/converse", converse)
	embed := call(wire.Embeddings, "openai.embeddings", `"input":"a"`)
	f("amazon.titan-embed-text", `{"embedding":[0.5],"inputTextTokenCount":1}`, embed, "/invoke", `{"inputText":"a"}`)
	f("cohere.embed", `{"embeddings":[[0.5]]}`, embed, "/invoke", `{"texts":["a"],"input_type":"search_document"}`)
	if _, _, err := ask("", "{}", embed); failure(t, err).Param != "model" || failure(t, err).BodySent {
		t.Errorf("embeddings of a model that nobody knows: %v", err)
	}
	const ranked = `{"results":[{"index":0,"relevance_score":0.5}]}`
	rerank := call(wire.Rerank, "openai.rerank", `"query":"q","documents":["a"]`)
	f("cohere.rerank", ranked, rerank, "/invoke", `{"query":"q","documents":["a"],"api_version":2}`)
	f("", ranked, rerank, "/invoke", `{"query":"q","documents":["a"]}`)
}
