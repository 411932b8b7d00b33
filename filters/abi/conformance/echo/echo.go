//go:build wasip1

// The echo filter, in Go: see README.md for what it does. In the folder of a filter of its own, the kit is imported from there.
package main

import (
	"errors"
	"strconv"
	"unicode/utf8"

	sluice "github.com/sluicegate/sluice/filters/sdk/go"
)

const open = 1 << 32 // of the state: a quote is open; the low half counts the dollars

var (
	word = "-"
	flag bool
)

func init() {
	sluice.Register(sluice.Filter{
		Request: true, Answer: true, Text: text, Config: config, OnRequest: request,
		Inert: func(c byte) bool { return c == ' ' || c >= 'a' && c <= 'z' },
	})
}

func main() {}

func config(text []byte) error {
	j, key := sluice.ReadJSON(text), ""
	for j.Object(); j.Member(&key); {
		switch key {
		case "flag":
			flag = j.Bool()
		case "skip":
			j.Skip()
		case "words":
			for j.Array(); j.Element(); {
				word = j.String(16)
			}
		default:
			return errors.New("an unknown key: want flag, skip or words")
		}
	}
	return j.End()
}

func request([]byte) error {
	sluice.Set("seed", "7")
	sluice.AddMessage(false, sluice.RoleSystem, "first é")
	sluice.AddMessage(true, sluice.RoleUser, "last")
	return nil
}

func text(t *sluice.Text) {
	text, state := t.Bytes(), t.State()
	defer func() { t.SetState(state) }()
	for i := t.Left(); i < len(text); i++ {
		c := text[i]
		if state&open != 0 {
			if c == ']' {
				t.Close(i + 1)
				state &^= open
			}
			continue
		}
		switch c {
		case '[':
			t.Open(i, "quote")
			state |= open
		case '^':
			if _, n := utf8.DecodeLastRune(text[:i]); n > 0 {
				t.Replace(i, i+1, string(text[i-n:i]))
			}
		case '$':
			state++
			t.Replace(i, i+1, strconv.Itoa(int(uint32(state))))
		case '@':
			t.Replace(i, i+1, who(t))
		case '%':
			tenant, ok := sluice.Get("principal.tenant")
			if !ok {
				tenant = "-"
			}
			t.Replace(i, i+1, tenant)
		case '&':
			t.Replace(i, i+1, word)
		case '!':
			sluice.Reject("bang", "it holds a bang")
		case '~':
			sluice.Label("tilde", "true")
		case '*':
			kind := "star"
			if flag {
				kind = "flag"
			}
			t.Redact(i, i+1, kind)
		case '-':
			if i+1 == len(text) && !t.End() {
				t.Settle(i)
				return
			}
			if i+1 < len(text) && text[i+1] == '>' {
				t.Replace(i, i+2, "→")
				i++
			}
		}
	}
	if t.End() && state&open != 0 {
		t.Close(len(text))
	}
}

func who(t *sluice.Text) string {
	out := [...]string{"other", "system", "user", "assistant", "tool", "definition"}[t.Role()]
	if t.Answer() {
		out += ",answer"
	}
	if t.Arguments() {
		out += ",arguments"
	}
	return out
}
