package provider_test

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluicegate/sluice/runtime/provider"
	"github.com/sluicegate/sluice/runtime/upstream"
	"github.com/sluicegate/sluice/runtime/wire"
)

const label = "[sluice demo endpoint: this is not a model; it repeats what it received] "

type completion struct {
	Object            string
	Model             string
	SystemFingerprint string `json:"system_fingerprint"`
	Choices           []struct {
		Index        int
		Message      struct{ Role, Content string }
		Delta        struct{ Role, Content string }
		Text         string
		FinishReason *string `json:"finish_reason"`
	}
	Usage *struct {
		Prompt     int `json:"prompt_tokens"`
		Completion int `json:"completion_tokens"`
		Total      int `json:"total_tokens"`
	}
}

func demo(t testing.TB, o provider.Options) upstream.Caller {
	t.Helper()
	c, err := provider.New("demo", o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func decode(t *testing.T, data string) (c completion) {
	t.Helper()
	if err := json.Unmarshal([]byte(data), &c); err != nil {
		t.Fatalf("%v: %s", err, data)
	}
	if c.Model != "sluice-demo" || c.SystemFingerprint != "sluice-demo-not-a-model" {
		t.Errorf("not labelled: %s", data)
	}
	return c
}

func TestDemoChat(t *testing.T) {
	f := func(body, want, finish string, input int) {
		t.Helper()
		c := demo(t, provider.Options{})
		reply, err := c.Call(t.Context(), &upstream.Call{Operation: wire.ChatCompletions, Body: []byte(body), RequestID: "r"})
		if err != nil {
			t.Fatal(err)
		}
		got := decode(t, string(reply.Body))
		choice, words := got.Choices[0], len(strings.Fields(label+want))
		if choice.Message.Content != label+want || choice.Message.Role != "assistant" || *choice.FinishReason != finish || got.Object != "chat.completion" {
			t.Errorf("got %+v, want %q %s", got, want, finish)
		}
		if u := got.Usage; u.Prompt != input || u.Completion != words || u.Total != input+words {
			t.Errorf("usage %+v, want %d and %d", *u, input, words)
		}

		// Streamed, the words come to the same.
		reply, err = c.Call(t.Context(), &upstream.Call{
			Operation: wire.Inference, Stream: true,
			Body: []byte(strings.TrimSuffix(body, "}") + `,"stream_options":{"include_usage":true}}`),
		})
		if err != nil {
			t.Fatal(err)
		}
		events, err := collect(reply)
		if err != nil || events[len(events)-1] != "[DONE]" {
			t.Fatalf("got %q %v", events, err)
		}
		text, ends := "", ""
		for i, e := range events[:len(events)-1] {
			ev := decode(t, e)
			if last := i == len(events)-2; last != (ev.Usage != nil) || last != (len(ev.Choices) == 0) {
				t.Errorf("event %d of %d: %s", i, len(events), e)
			} else if last {
				if ev.Usage.Total != input+words {
					t.Errorf("usage %+v", ev.Usage)
				}
				continue
			}
			text += ev.Choices[0].Delta.Content
			if r := ev.Choices[0].FinishReason; r != nil {
				ends += *r
			}
		}
		if text != label+want || ends != finish || len(events) < words {
			t.Errorf("streamed %q %q in %d events, want %q", text, ends, len(events), label+want)
		}
	}
	f(`{"messages":[{"role":"user","content":"hello  world\n \"q\" \u00e9"}]}`, "hello  world\n \"q\" é", "stop", 4)
	f(`{"messages":[{"role":"system","content":"be nice"},{"role":"user","content":"a b"},{"role":"assistant","content":"c"}]}`, "a b", "stop", 5)
	f(`{"messages":[{"role":"user","content":[{"type":"text","text":"a "},{"type":"image_url"},{"type":"text","text":"b"}]}]}`, "a b", "stop", 2)
	f(`{"messages":[{"role":"system","content":"only"}]}`, "only", "stop", 1)
	f(`{"messages":[{"role":"user","content":"a b c d"}],"max_tokens":2}`, "a b", "length", 4)
	f(`{"messages":[{"role":"user","content":"a b"}],"max_completion_tokens":0}`, "", "length", 2)
	f(`{"messages":[{"role":"user","content":"  a  b  "}],"max_tokens":2,"n":1}`, "  a  b  ", "stop", 2)
}

func TestDemoCompletions(t *testing.T) {
	f := func(prompt string, want ...string) {
		t.Helper()
		for _, stream := range []bool{false, true} {
			reply, err := demo(t, provider.Options{}).Call(t.Context(), &upstream.Call{
				Operation: wire.Completions, Stream: stream, Body: []byte(`{"prompt":` + prompt + `}`),
			})
			if err != nil {
				t.Fatal(err)
			}
			events := []string{string(reply.Body)}
			if stream {
				if events, err = collect(reply); err != nil {
					t.Fatal(err)
				}
				events = events[:len(events)-1]
			}
			got := make([]string, len(want))
			for _, e := range events {
				ev := decode(t, e)
				for _, c := range ev.Choices {
					got[c.Index] += c.Text
				}
				if ev.Object != "text_completion" || stream && ev.Usage != nil {
					t.Errorf("got %s", e)
				}
			}
			for i := range want {
				if got[i] != label+want[i] {
					t.Errorf("stream %v: got %q, want %q", stream, got[i], want[i])
				}
			}
		}
	}
	f(`"one two"`, "one two")
	f(`["one","two three"]`, "one", "two three")
	f(`[1,2,3]`, "[1,2,3]")
	f(`[[1,2],[3]]`, "[1,2]", "[3]")
}

func TestDemoEmbeddings(t *testing.T) {
	ask := func(body string) (out struct {
		Model string
		Data  []struct {
			Index     int
			Embedding json.RawMessage
		}
		Usage map[string]int
	},
	) {
		t.Helper()
		reply, err := demo(t, provider.Options{}).Call(t.Context(), &upstream.Call{Operation: wire.Embeddings, Body: []byte(body)})
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(reply.Body, &out); err != nil {
			t.Fatal(err)
		}
		return out
	}
	got := ask(`{"input":["a b","c","a b"],"dimensions":8}`)
	if got.Model != "sluice-demo" || len(got.Data) != 3 || got.Usage["prompt_tokens"] != 5 || got.Usage["total_tokens"] != 5 {
		t.Errorf("got %+v", got)
	}
	if string(got.Data[0].Embedding) != string(got.Data[2].Embedding) || string(got.Data[0].Embedding) == string(got.Data[1].Embedding) {
		t.Error("equal texts want equal vectors, others others")
	}
	var v []float32
	if err := json.Unmarshal(got.Data[0].Embedding, &v); err != nil || len(v) != 8 {
		t.Fatalf("got %v %v", v, err)
	}
	sum := 0.0
	for _, x := range v {
		sum += float64(x) * float64(x)
	}
	if math.Abs(sum-1) > 1e-5 {
		t.Errorf("the vector's length is %v", sum)
	}

	var text string
	if err := json.Unmarshal(ask(`{"input":"a b","dimensions":8,"encoding_format":"base64"}`).Data[0].Embedding, &text); err != nil {
		t.Fatal(err)
	}
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(raw) != 32 {
		t.Fatalf("got %d bytes, %v", len(raw), err)
	}
	for i := range v {
		if x := math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:])); x != v[i] {
			t.Errorf("component %d: %v in base64, %v as a number", i, x, v[i])
		}
	}
	if n := len(ask(`{"input":"x"}`).Data); n != 1 {
		t.Errorf("got %d vectors", n)
	}
}

func TestDemoRefuses(t *testing.T) {
	f := func(op wire.Operation, body, param string) {
		t.Helper()
		_, err := demo(t, provider.Options{}).Call(t.Context(), &upstream.Call{Operation: op, Body: []byte(body)})
		if got := failure(t, err); got.Code != wire.UpstreamRejected || got.Status != 400 || got.Param != param {
			t.Errorf("%s: got %+v, want param %q", body, got, param)
		}
	}
	f(wire.ChatCompletions, `{`, "")
	f(wire.ChatCompletions, `{}`, "messages")
	f(wire.ChatCompletions, `{"messages":[]}`, "messages")
	f(wire.ChatCompletions, `{"messages":[{"role":"user","content":"x"}],"n":2}`, "n")
	f(wire.Completions, `{"prompt":1}`, "prompt")
	f(wire.Embeddings, `{"input":[]}`, "input")
	f(wire.Embeddings, `{"input":"x","dimensions":0}`, "dimensions")
	f(wire.Embeddings, `{"input":"x","dimensions":5000}`, "dimensions")
	_, err := demo(t, provider.Options{}).Call(t.Context(), &upstream.Call{Operation: wire.ListModels, Body: []byte(`{}`)})
	if got := failure(t, err); got.Code != wire.UnsupportedOp {
		t.Errorf("got %+v", got)
	}
}

func TestDemoDelayAndCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		reply, err := demo(t, provider.Options{WordDelay: time.Second}).Call(ctx, &upstream.Call{
			Operation: wire.ChatCompletions, Stream: true, Body: []byte(`{"messages":[{"role":"user","content":"a"}]}`),
		})
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		for i := range 4 {
			if _, err := reply.Events.Next(); err != nil {
				t.Fatal(err)
			}
			if got := time.Since(began); got != time.Duration(i)*time.Second {
				t.Errorf("word %d came after %v", i, got)
			}
		}
		time.AfterFunc(time.Second/2, cancel)
		_, err = reply.Events.Next()
		if got := failure(t, err); got.Code != wire.ClientClosed {
			t.Errorf("got %v", got)
		}
		reply.Close()
	})
}
