package openai

import (
	"slices"
	"strings"
	"testing"

	"github.com/sluicegate/sluice/runtime/exchange"
	"github.com/sluicegate/sluice/runtime/wire"
)

// Every row of the tables that says what its strings are is in the shapes, under the nature of its class.
func TestShapesHaveEveryRow(t *testing.T) {
	f := func(s exchange.Surface, answer bool, groups ...[]row) {
		t.Helper()
		has := map[string]wire.Nature{}
		for _, s := range s.Shapes() {
			if s.Answer != answer {
				continue
			}
			for _, p := range s.Places {
				if n, twice := has[p]; twice && n != s.Nature && n != wire.Text && p != "*" {
					t.Errorf("%s is both %s and %s", p, n, s.Nature)
				}
				has[p] = s.Nature
			}
		}
		want := map[class]wire.Nature{
			own: wire.Own, bits: wire.Own, enum: wire.Word, ident: wire.Ident, arguments: wire.Arguments, run: wire.Text, opaque: wire.Opaque,
			tokens: wire.Opaque, refused: wire.Banned, content: wire.Text, skip: wire.Own, copied: wire.Copied,
		}
		for _, r := range slices.Concat(groups...) {
			place := strings.TrimSuffix(r.path, "[]")
			if n := want[r.class]; n != "" && has[place] != n && has[r.path] != n {
				t.Errorf("%s: %q, want %s", r.path, has[place], n)
			}
			if r.class == schema && has[r.path+".*"] != wire.Text {
				t.Errorf("%s: the strings of a schema are no text", r.path)
			}
		}
		if has["*"] == "" {
			t.Error("nothing on what no row names")
		}
	}
	f(ChatSurface(), false, samplingRows, messageRows, toolRows)
	f(CompletionsSurface(), false, samplingRows, promptRows)
	f(EmbeddingsSurface(), false, inputRows, messageRows)
	f(ChatSurface(), true, rootRows, below("choices[].message.", saidRows), below("choices[].delta.", saidRows))
	f(CompletionsSurface(), true, rootRows)
	f(EmbeddingsSurface(), true, embeddingRows)
	if s := ModelsSurface().Shapes(); s != nil {
		t.Errorf("the list of models has %v", s)
	}
}

func TestShapesOfChat(t *testing.T) {
	var got []string
	for _, s := range ChatSurface().Shapes() {
		if s.Operation != wire.ChatCompletions || s.Streams != s.Answer {
			t.Errorf("%+v", s)
		}
		got = append(got, s.Name)
	}
	for _, want := range []string{
		"messages: system", "messages: user", "messages: assistant", "messages: tool", "prompt: assistant", "definitions of tools and schemas",
		"parameters", "arguments of tool calls", "keys of free-form objects", "opaque: image", "says: content", "says: refusal",
		"says: reasoning_content", "says: arguments of tool calls", "copies of the text",
	} {
		if !slices.Contains(got, want) {
			t.Errorf("no %q in %q", want, got)
		}
	}
}
