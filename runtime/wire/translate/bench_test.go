package translate_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sluicegate/sluice/runtime/wire/translate"
)

// BenchmarkTranslate is what a KB of requests, whole answers and streams costs, tool calls among them.
func BenchmarkTranslate(b *testing.B) {
	text := strings.Repeat(`words and \"words\", some of them \u00fcber. `, 24)
	call := `{"id":"call_1","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}}`
	turn := `{"role":"user","content":"` + text + `"},{"role":"assistant","content":"` + text + `","tool_calls":[` + call + `]},{"role":"tool","tool_call_id":"call_1","content":"` + text + `"},`
	body := []byte(`{"model":"m","messages":[` + strings.Repeat(turn, 4) + `{"role":"user","content":"x"}],"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}]}`)
	answer := []byte(`{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"` + text + text + `"},{"type":"tool_use","id":"t","name":"f","input":{"a":1}}],"stop_reason":"tool_use","usage":{"input_tokens":3,"output_tokens":4}}`)
	events := [][]byte{[]byte(`{"type":"message_start","message":{"id":"msg_1","model":"m","usage":{"input_tokens":3,"output_tokens":1}}}`), []byte(`{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}`)}
	for i := range 40 {
		events = append(events, []byte(fmt.Sprintf(`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"some words %d"}}`, i)))
	}
	events = append(events, []byte(`{"type":"content_block_stop","index":0}`), []byte(`{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":11}}`), []byte(`{"type":"message_stop"}`))
	size := 0
	for _, e := range events {
		size += len(e)
	}
	run := func(name string, p translate.Pair, bytes int, f func(p translate.Pair, dst []byte) ([]byte, error)) {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(bytes))
			b.ReportAllocs()
			var dst []byte
			var err error
			for b.Loop() {
				if dst, err = f(p, dst[:0]); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)*1024/float64(bytes), "us/KB")
		})
	}
	for _, to := range []string{"messages", "responses"} {
		run("request/chat_to_"+to, between(b, "chat", to), len(body), func(p translate.Pair, _ []byte) ([]byte, error) {
			return request(p, body, translate.Options{})
		})
	}
	for _, from := range []string{"chat", "responses"} {
		p := between(b, from, "messages")
		run("answer/messages_to_"+from, p, len(answer), func(p translate.Pair, dst []byte) ([]byte, error) { return p.Answer(dst, translate.Asked{}, answer) })
		run("stream/messages_to_"+from, p, size, func(p translate.Pair, dst []byte) ([]byte, error) {
			s := p.Stream(translate.Asked{})
			for _, e := range events {
				if err := s.Event(e); err != nil {
					return nil, err
				}
				for ok := true; ok; {
					_, ok = s.Next()
				}
			}
			return dst, nil
		})
	}
	vectors := []byte(`{"embeddings":[` + strings.Repeat(`{"values":[`+strings.Repeat("-0.012345678,", 767)+`0.5]},`, 9) + `{"values":[0.5]}]}`)
	for _, encoding := range []string{"float", "base64"} {
		p := between(b, "embeddings", "geminivectors")
		_, asked, err := p.Requests([]byte(`{"model":"m","input":[`+strings.Repeat(`"x",`, 9)+`"x"],"encoding_format":"`+encoding+`"}`), translate.Options{})
		if err != nil {
			b.Fatal(err)
		}
		run("answer/gemini_to_embeddings_"+encoding, p, len(vectors), func(p translate.Pair, dst []byte) ([]byte, error) { return p.Answer(dst, asked, vectors) })
	}
}
