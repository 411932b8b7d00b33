package server_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/sluicegate/sluice/runtime/internal/modelserver"
)

// On every surface, through the whole gateway, a stream says what the whole answer says, however the text is cut over
// events and the events over the reads of a connection: at a character, inside one, inside an escape.
func TestStreamsSayWhatWholeAnswersSay(t *testing.T) {
	const prompt = "to ana@example.com and bea@example.org"
	const text = "ü [EMAIL_1], [EMAIL_2] [EMAIL_10] 😀bob@corp.example 5500 0000 0000 0004 ![x](/[EMAIL_1]) www.x.example/[EMAIL_1] [EMAIL_"
	s := sharing(t)
	step := 5
	if os.Getenv("SLUICE_SPLITS") == "all" {
		step = 1
	}
	f := func(path, body, whole string, head []string, event string, tail []string, read func(string) string) {
		t.Helper()
		post := func(body string, step modelserver.Step) string {
			s.m.Script(step)
			r := s.Post("red", path, body, "Cache-Control", "no-store")
			if r.Status != 200 {
				t.Fatalf("%s: %d %s", path, r.Status, r.Body)
			}
			return read(r.Body)
		}
		want := post(body, modelserver.JSON(fmt.Sprintf(whole, quote(text))))
		if !strings.Contains(want, "ü ana@example.com, bea@example.org [EMAIL_10] 😀***") || strings.Contains(want, "5500") || !strings.HasSuffix(want, "(/[EMAIL_1]) www.x.example/[EMAIL_1] [EMAIL_") {
			t.Errorf("%s: the whole answer reads %q", path, want)
		}
		for i := 0; i < len(text); i += step {
			at := i
			for at > 0 && text[at]&0xc0 == 0x80 {
				at--
			}
			sent := streamHead
			for _, data := range slices.Concat(head, []string{fmt.Sprintf(event, quote(text[:at])), fmt.Sprintf(event, escaped(text[at:]))}, tail) {
				sent += "data: " + data + "\n\n"
			}
			cut := len(streamHead) + (i*7)%(len(sent)-len(streamHead))
			if got := post(streamed(body), modelserver.Raw(sent[:cut], sent[cut:])); got != want {
				t.Errorf("%s, cut at %d and the connection's bytes at %d: reads %q, want %q", path, at, cut-len(streamHead), got, want)
			}
		}
	}
	stopped := []string{stop(0), "[DONE]"}
	f(chatPath, ask(prompt), `{"choices":[{"index":0,"message":{"content":%s},"finish_reason":"stop"}]}`,
		nil, `{"choices":[{"index":0,"delta":{"content":%s},"finish_reason":null}]}`, stopped, says)
	f("/inference", `{"inputs":`+quote(prompt)+`}`, `{"choices":[{"index":0,"message":{"content":%s},"finish_reason":"stop"}]}`,
		nil, `{"choices":[{"index":0,"delta":{"content":%s},"finish_reason":null}]}`, stopped, says)
	f("/v1/completions", `{"model":"model-a","prompt":`+quote(prompt)+`}`, `{"choices":[{"index":0,"text":%s,"finish_reason":"stop"}]}`,
		nil, `{"choices":[{"index":0,"text":%s,"finish_reason":null}]}`, []string{`{"choices":[{"index":0,"text":"","finish_reason":"stop"}]}`, "[DONE]"},
		func(body string) string { return texts(body)[".choices#0.text"] })
	ends := modelserver.MessageEvents()
	f(messagesPath, `{"model":"claude","max_tokens":9,"messages":[{"role":"user","content":`+quote(prompt)+`}]}`,
		`{"type":"message","role":"assistant","content":[{"type":"text","text":%s}],"stop_reason":"end_turn"}`,
		ends[:2], `{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":%s}}`, ends[3:],
		func(body string) string { return texts(body)[".content[0].text"] + texts(body)[".delta.text"] })
}

// escaped is s as a JSON string in which every character is an escape, those beyond the first plane two.
func escaped(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range s {
		if c > 0xffff {
			c -= 0x10000
			fmt.Fprintf(&b, `\u%04x\u%04x`, 0xd800+(c>>10), 0xdc00+(c&0x3ff))
			continue
		}
		fmt.Fprintf(&b, `\u%04x`, c)
	}
	b.WriteByte('"')
	return b.String()
}
