package filter

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/sluicegate/sluice/runtime/sse"
	"github.com/sluicegate/sluice/runtime/wire"
	"github.com/sluicegate/sluice/runtime/wire/openai"
)

// voice is one text that a model says: in which choice and field, in the arguments of which tool.
type voice struct {
	choice int
	field  string // content, reasoning_content, refusal, call (arguments of the tool), custom (input), old (function_call), text
	tool   string
	text   string
	index  int // of the tool call
}

// quoted writes s as a JSON string, some characters of it escaped, those beyond the first plane as surrogate pairs.
func quoted(r *rand.Rand, s string) json.RawMessage {
	b := []byte{'"'}
	for _, c := range s {
		switch {
		case r.IntN(6) == 0:
			for _, u := range utf16.Encode([]rune{c}) {
				b = fmt.Appendf(b, `\u%04x`, u)
			}
		case c == '"' || c == '\\':
			b = append(b, '\\', byte(c))
		case c < ' ':
			b = fmt.Appendf(b, `\u%04x`, c)
		default:
			b = utf8.AppendRune(b, c)
		}
	}
	return append(b, '"')
}

type object = map[string]any

// member puts a text of the voice into what its choice says. first says that nothing of it was said before.
func (v *voice) member(said object, text json.RawMessage, first bool) {
	named := func(key string) object {
		o := object{key: text}
		if first {
			o["name"] = v.tool
		}
		return o
	}
	call := func(kind string, o object) {
		c := object{"index": v.index, kind: o}
		if first {
			c["id"], c["type"] = "call_1", kind
		}
		calls, _ := said["tool_calls"].([]object)
		said["tool_calls"] = append(calls, c)
	}
	switch v.field {
	case "call":
		call("function", named("arguments"))
	case "custom":
		call("custom", named("input"))
	case "old":
		said["function_call"] = named("arguments")
	default:
		said[v.field] = text
	}
}

// choice is a choice that says what is in said.
func choice(i int, key string, said object) object {
	c := object{"index": i}
	if key == "" {
		for k, m := range said {
			c[k] = m
		}
		return c
	}
	c[key] = said
	return c
}

// said is the member of a choice under which a format has what it says, in a whole answer and in an event.
func said(f wire.Format) (whole, event string) {
	if f == openai.Completions {
		return "", ""
	}
	return "message", "delta"
}

func encode(t testing.TB, v any) []byte {
	t.Helper()
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		t.Fatal(err)
	}
	return bytes.TrimSpace(b.Bytes())
}

// whole is the body of an answer in which all voices are heard to their end.
func whole(t testing.TB, r *rand.Rand, f wire.Format, voices []voice) []byte {
	t.Helper()
	says := map[int]object{}
	for i := range voices {
		v := &voices[i]
		if says[v.choice] == nil {
			says[v.choice] = object{}
		}
		v.member(says[v.choice], quoted(r, v.text), true)
	}
	key, _ := said(f)
	var choices []object
	for i := range 8 {
		if says[i] != nil {
			c := choice(i, key, says[i])
			c["finish_reason"] = "stop"
			choices = append(choices, c)
		}
	}
	return encode(t, object{"id": "c", "model": "m", "choices": choices})
}

// events is the data of a stream's events in which voice i says its text in pieces cut at cuts[i], the voices
// interleaved at random and sometimes in one event.
func events(t testing.TB, r *rand.Rand, f wire.Format, voices []voice, cuts [][]int) [][]byte {
	t.Helper()
	_, key := said(f)
	at := make([]int, len(voices)) // pieces said
	var left []int                 // voices that go on
	for i := range voices {
		left = append(left, i)
	}
	var out [][]byte
	for len(left) > 0 {
		says, spoke := map[int]object{}, []int(nil)
		for range 1 + r.IntN(2)*r.IntN(3) { // mostly one piece in an event
			if len(left) == 0 {
				break
			}
			k := r.IntN(len(left))
			i := left[k]
			if slices.Contains(spoke, i) {
				continue
			}
			spoke = append(spoke, i)
			v := &voices[i]
			if says[v.choice] == nil {
				says[v.choice] = object{}
			}
			from, to := 0, len(v.text)
			if at[i] > 0 {
				from = cuts[i][at[i]-1]
			}
			if at[i] < len(cuts[i]) {
				to = cuts[i][at[i]]
			}
			v.member(says[v.choice], quoted(r, v.text[from:to]), at[i] == 0)
			if at[i]++; at[i] > len(cuts[i]) {
				left = slices.Delete(left, k, k+1)
			}
		}
		var choices []object
		for i, s := range says {
			choices = append(choices, choice(i, key, s))
		}
		out = append(out, encode(t, object{"id": "c", "model": "m", "choices": choices}))
	}
	ended := map[int]bool{}
	for _, v := range voices {
		if !ended[v.choice] && r.IntN(8) > 0 { // some model servers leave it out
			ended[v.choice] = true
			c := choice(v.choice, key, object{})
			c["finish_reason"] = "stop"
			out = append(out, encode(t, object{"id": "c", "choices": []object{c}}))
		}
	}
	return append(out, []byte("[DONE]"))
}

// framed takes events through the bytes of a connection that arrive in pieces cut at random, wherever that is, or at cut
// alone, and through the reader of streams.
func framed(t testing.TB, r *rand.Rand, datas [][]byte, cut int) [][]byte {
	t.Helper()
	newline := []string{"\n", "\r\n", "\r"}[r.IntN(3)]
	var b []byte
	for _, d := range datas {
		b = append(append(append(b, "data: "...), d...), newline+newline...)
	}
	src := &torn{b: b, r: r}
	if cut >= 0 {
		src.r, src.cut = nil, 1+cut%len(b)
	}
	in := sse.NewReader(src, 0)
	var out [][]byte
	for {
		ev, err := in.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, bytes.Clone(ev.Data))
	}
}

// torn reads bytes in two pieces, or in random ones.
type torn struct {
	b   []byte
	cut int
	r   *rand.Rand
}

func (s *torn) Read(p []byte) (int, error) {
	if len(s.b) == 0 {
		return 0, io.EOF
	}
	n := len(s.b)
	switch {
	case s.r != nil:
		n = 1 + s.r.IntN(64)
	case s.cut > 0:
		n, s.cut = s.cut, 0
	}
	n = copy(p, s.b[:min(n, len(s.b))])
	s.b = s.b[n:]
	return n, nil
}

// snap moves cuts onto the beginnings of characters: a JSON string holds whole ones.
func snap(text string, cuts ...int) []int {
	for i := range cuts {
		for cuts[i] < len(text) && !utf8.RuneStart(text[cuts[i]]) {
			cuts[i]--
		}
	}
	return cuts
}

// scatter cuts a text at random, in pieces of up to most bytes.
func scatter(r *rand.Rand, text string, most int) []int {
	var cuts []int
	for at := r.IntN(most); at < len(text); at += 1 + r.IntN(most) {
		cuts = append(cuts, at)
	}
	return snap(text, cuts...)
}

// atoms are what adversarial texts are made of: values, halves of values, tokens and what looks like them, places where
// nothing may be restored, and characters that are spelled in more than one way.
var atoms = []string{
	"ana@example.com", "bob@", "corp.example", "@", "a.b@c", "4111 1111 1111 1111", "4111", " 1111", "1111-", "5500000000000004",
	"DE89 3704 0044 0532 0130 00", "DE89", "203.0.113.7", "203.0.", "536-90-4399", "536-", "+1 202 555 0143", "+1 202",
	"ghp_16C7e42F292c6912E7710c838347Ae178B4a", "AKIAIOSFODNN7EXAMPLE", "api_key = ", "8f3kQ9zLm2Xv7Rt4Wp6Yb1Nc",
	"-----BEGIN PRIVATE KEY-----\nMIIEowIB\n-----END PRIVATE KEY-----", "-----BEGIN RSA PRIVATE ", "-----END",
	"[EMAIL_1]", "[EMAIL_10]", "[EMAIL_11]", "[EMAIL_1", "[EMAIL", "_1]", "_1", "0]", "[", "]", "[CARD_1]", "[LITERAL_1]", "[LITERAL_2]", "[[EMAIL_2]]", "[EMAIL_99]",
	"https://x.example/?q=", "https://", "//", "www.", "mailto:", "x.example/", "](", "![x](", ")", "<a href=\"", "\">", "<", ">", "[x]: ", "\n", "\n\n",
	"%40", "\\u0040", "\\", "\"", "'", "&#64;", "%5BEMAIL_1%5D", " ", " ", "  ", ", ", ". ", "é", "ü@ü.example", "😀", "\U0001d7d9", "\uff20", "\u200b", "\u200d", "\ufeff", "\u202e", "\u0301",
	"pin 1234", "pin ", "12", "<<", ">>", "~", "%", "<<a b>>", "word", "The quick brown fox", "0", "A", "_",
}

// babble is a text of n atoms.
func babble(r *rand.Rand, n int) string {
	var b strings.Builder
	for range n {
		b.WriteString(atoms[r.IntN(len(atoms))])
	}
	return b.String()
}

// arguments is JSON whose strings, keys and numbers are made of atoms.
func arguments(r *rand.Rand, n int) string {
	var b strings.Builder
	b.WriteString("{")
	for i := range n {
		if i > 0 {
			b.WriteString(",")
		}
		fmt.Fprintf(&b, "%s: ", quoted(r, fmt.Sprint("k", i, babble(r, r.IntN(2)))))
		switch r.IntN(4) {
		case 0:
			fmt.Fprintf(&b, "[%s,4111111111111111, -1.5e3,null]", quoted(r, babble(r, 1)))
		case 1:
			fmt.Fprintf(&b, `{"x":%s}`, quoted(r, babble(r, 3)))
		default:
			fmt.Fprintf(&b, "%s", quoted(r, babble(r, 3)))
		}
	}
	b.WriteString("}")
	return b.String()
}
