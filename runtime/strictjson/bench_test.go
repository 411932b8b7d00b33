package strictjson

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// chat is a request of n messages, about size bytes each, with the line breaks of ordinary prose.
func chat(n, size int) []byte {
	line := strings.Repeat("The quick brown fox jumps over it. ", 3) + `\n`
	var b bytes.Buffer
	b.WriteString(`{"model":"model-a","temperature":0.7,"max_tokens":256,"stream":true,"messages":[`)
	for i := range n {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, `{"role":"user","content":"%s"}`, strings.Repeat(line, max(size/len(line), 1)))
	}
	b.WriteString(`],"user":"u-1"}`)
	return b.Bytes()
}

// event is an ordinary event of a streamed answer.
const event = `{"id":"chatcmpl-123456789","object":"chat.completion.chunk","created":1694268190,"model":"gpt-4o-mini",` +
	`"system_fingerprint":"fp_44709d6fcb","choices":[{"index":0,"delta":{"content":" Hello"},"logprobs":null,"finish_reason":null}]}`

func BenchmarkParse(b *testing.B) {
	f := func(name string, body []byte) {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				d, err := Parse(body, Limits{})
				if err != nil {
					b.Fatal(err)
				}
				d.Release()
			}
		})
	}
	f("chat1KB", chat(1, 1000))
	f("chat64KB", chat(64, 1000))
	f("escapes", []byte(`["`+strings.Repeat(`a\nb\u00e9\"`, 1000)+`"]`))
	f("cyrillic", []byte(`["`+strings.Repeat(`Съешь ещё этих мягких французских булок `, 100)+`"]`))
	f("numbers", []byte("[0"+strings.Repeat(",1234", 2000)+"]"))
	f("event", []byte(event))
}

func BenchmarkRender(b *testing.B) {
	body := chat(4, 1000)
	override := []Override{{Key: "model", Raw: []byte(`"other"`)}, {Key: "stream"}}
	var out []byte
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		d, err := Parse(body, Limits{})
		if err != nil {
			b.Fatal(err)
		}
		for m := range d.Root().Get("messages").Elements() {
			text := d.Text(m.Get("content"))
			if err := text.Edit([]Edit{{4, 9, []byte("[WORD_1]")}}); err != nil {
				b.Fatal(err)
			}
		}
		out = d.RenderWith(out[:0], override)
		d.Release()
	}
}

func BenchmarkReply(b *testing.B) {
	body := []byte(event)
	var out []byte
	b.Run("read", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			r, err := ReadReply(body)
			if err != nil {
				b.Fatal(err)
			}
			r.Release()
		}
	})
	b.Run("edit", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			r, err := ReadReply(body)
			if err != nil {
				b.Fatal(err)
			}
			r.Root().Get("choices").Index(0).Get("delta", "content").SetBytes([]byte(" World"))
			out = r.Append(out[:0])
			r.Release()
		}
	})
	b.Run("walk", func(b *testing.B) {
		r, err := ReadReply(body)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		for b.Loop() {
			if n := countStrings(r.Root()); n != 5 {
				b.Fatal(n)
			}
		}
	})
}

func countStrings(v Value) int {
	n := 0
	switch v.Kind() {
	case String:
		n = 1
	case Object:
		v.Members(func(_ string, v Value) bool { n += countStrings(v); return true })
	case Array:
		v.Elements(func(_ int, v Value) bool { n += countStrings(v); return true })
	}
	return n
}

func BenchmarkWalk(b *testing.B) {
	d, err := Parse(chat(64, 100), Limits{})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if n := countNodes(d.Root()); n < 64 {
			b.Fatal(n)
		}
	}
}

func countNodes(n Node) int {
	count := 1
	switch n.Kind() {
	case Object:
		for _, v := range n.Members() {
			count += countNodes(v)
		}
	case Array:
		for v := range n.Elements() {
			count += countNodes(v)
		}
	}
	return count
}
