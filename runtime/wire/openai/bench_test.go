package openai

import (
	"strings"
	"testing"

	"github.com/sluicegate/sluice/runtime/strictjson"
	"github.com/sluicegate/sluice/runtime/wire"
)

var (
	chat1K  = []byte(`{"model":"model-a","messages":[{"role":"system","content":"You are terse."},{"role":"user","content":"` + strings.Repeat("Tell me about rivers. ", 40) + `"}],"temperature":0.2,"max_tokens":64,"stream":true}`)
	delta   = []byte(`{"id":"chatcmpl-7c1f0a2b","object":"chat.completion.chunk","created":1790000000,"model":"llama-3.3","choices":[{"index":0,"delta":{"content":" river"},"logprobs":null,"finish_reason":null}]}`)
	answer1 = []byte(`{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"` + strings.Repeat("A river flows. ", 40) + `"},"finish_reason":"stop"}],"usage":{"prompt_tokens":5,"completion_tokens":6,"total_tokens":11}}`)
)

func BenchmarkChatRequest(b *testing.B) {
	b.ReportAllocs()
	var out []byte
	for b.Loop() {
		r, err := Chat.Request(chat1K, strictjson.Limits{})
		if err != nil {
			b.Fatal(err)
		}
		out = Chat.Render(out[:0], r, wire.Rendering{Model: "llama-3.3", Usage: true})
		r.Doc.Release()
	}
}

func BenchmarkStrictParse(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		d, err := strictjson.Parse(chat1K, strictjson.Limits{})
		if err != nil {
			b.Fatal(err)
		}
		d.Release()
	}
}

func BenchmarkReadReply(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		d, err := strictjson.ReadReply(delta)
		if err != nil {
			b.Fatal(err)
		}
		d.Release()
	}
}

func BenchmarkEvent(b *testing.B) {
	b.ReportAllocs()
	var out []byte
	s := ChatSurface()
	text := []byte(" stream")
	for b.Loop() {
		ev, err := Chat.Event(delta)
		if err != nil {
			b.Fatal(err)
		}
		ev.SetText(0, text)
		out = s.Event(out[:0], nil, ev)
		ev.Doc.Release()
	}
}

func BenchmarkAnswer(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		a, err := Chat.Answer(answer1)
		if err != nil {
			b.Fatal(err)
		}
		a.Doc.Release()
	}
}

// BenchmarkResponseEvent reads a delta of a response's stream.
func BenchmarkResponseEvent(b *testing.B) {
	data := []byte(`{"type":"response.output_text.delta","sequence_number":7,"item_id":"msg_67ccd3acc8d48190a77525dc6de64b41","output_index":0,"content_index":0,"delta":" river","logprobs":[],"obfuscation":"x9"}`)
	b.ReportAllocs()
	for b.Loop() {
		ev, err := Responses.Event(data)
		if err != nil {
			b.Fatal(err)
		}
		ev.Doc.Release()
	}
}
