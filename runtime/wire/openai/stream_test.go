package openai

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluicegate/sluice/runtime/sse"
	"github.com/sluicegate/sluice/runtime/wire"
)

// stream reads the events of a transcript.
func stream(t testing.TB, f wire.Format, transcript []byte) []*wire.Event {
	t.Helper()
	var out []*wire.Event
	for r := sse.NewReader(bytes.NewReader(transcript), 0); ; {
		e, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		ev, err := f.Event(e.Data)
		if err != nil {
			t.Fatalf("%s: %v", e.Data, err)
		}
		out = append(out, ev)
	}
}

// Streams as the servers send them: unedited they leave as they came, and join to the answer beside them.
func TestNativeStreams(t *testing.T) {
	files, err := filepath.Glob("testdata/streams/*.sse")
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			transcript := read(t, file)
			format, surface := Chat, ChatSurface()
			if strings.Contains(file, "completion") {
				format, surface = Completions, CompletionsSurface()
			}
			events := stream(t, format, transcript)
			var out []byte
			for _, ev := range events {
				out = surface.Event(out, nil, ev)
			}
			if out = surface.End(out); !bytes.Equal(out, transcript) {
				t.Errorf("changed:\n got %s\nwant %s", out, transcript)
			}
			a, err := format.Join(events)
			if err != nil {
				t.Fatal(err)
			}
			got := append(a.Doc.Append(nil), '\n')
			if want := read(t, strings.TrimSuffix(file, ".sse")+".json"); !bytes.Equal(got, want) {
				t.Errorf("joined:\n got %s\nwant %s", got, want)
			}
			again(t, format, a)
		})
	}
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// lanes are the texts of pieces, put together by lane.
func lanes(lists ...[]wire.Piece) map[wire.Lane]string {
	out := map[wire.Lane]string{}
	for _, list := range lists {
		for _, p := range list {
			if !p.Whole {
				out[p.Lane] += string(p.Node.Bytes())
			}
		}
	}
	for lane, text := range out {
		if text == "" {
			delete(out, lane)
		}
	}
	return out
}

// again splits an answer and joins it once more: no text, usage or reason may be lost on the way.
func again(t testing.TB, f wire.Format, a *wire.Answer) {
	t.Helper()
	events, err := f.Split(a)
	if err != nil {
		t.Fatalf("split: %v", err)
	}
	var split [][]wire.Piece
	ended := 0
	for _, ev := range events {
		split = append(split, ev.Pieces)
		ended += len(ev.Finished)
	}
	b, err := f.Join(events)
	if err != nil {
		t.Fatalf("join: %v", err)
	}
	want := lanes(a.Pieces)
	same(t, "split", lanes(split...), want)
	same(t, "joined", lanes(b.Pieces), want)
	if b.Usage != a.Usage || b.Model != a.Model || ended != len(a.Finish) {
		t.Errorf("got %+v %q %d, want %+v %q %d", b.Usage, b.Model, ended, a.Usage, a.Model, len(a.Finish))
	}
}

func same(t testing.TB, what string, got, want map[wire.Lane]string) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %d lanes %v, want %d %v", what, len(got), got, len(want), want)
	}
	for lane, text := range want {
		if got[lane] != text {
			t.Errorf("%s: %v is %q, want %q", what, lane, got[lane], text)
		}
	}
}

func TestSplit(t *testing.T) {
	f := func(format wire.Format, answer string, want ...string) {
		t.Helper()
		a, err := format.Answer([]byte(answer))
		if err != nil {
			t.Fatal(err)
		}
		events, err := format.Split(a)
		if err != nil {
			t.Fatal(err)
		}
		for i, ev := range events {
			if got := string(ev.Doc.Append(nil)); i >= len(want) || got != want[i] {
				t.Errorf("event %d: %s", i, got)
			}
		}
		if len(events) != len(want) {
			t.Errorf("%d events, want %d", len(events), len(want))
		}
		again(t, format, a)
	}
	const head = `{"id":"c","object":"chat.completion.chunk","created":1,"model":"m",`
	f(Chat, `{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"hi","tool_calls":[
		{"id":"call_1","type":"function","function":{"name":"f","arguments":"{}"}}]},"logprobs":null,"finish_reason":"tool_calls"}],"usage":{"prompt_tokens":1,"completion_tokens":2},"timings":{"ms":1}}`,
		head+`"choices":[{"index":0,"delta":{"role":"assistant","content":"hi","tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"name":"f","arguments":"{}"}}]},"logprobs":null,"finish_reason":null}]}`,
		head+`"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}`,
		head+`"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2},"timings":{"ms":1}}`)
	f(Chat, `{"choices":[]}`, `{"object":"chat.completion.chunk","choices":[]}`)
	f(Completions, `{"id":"c","object":"text_completion","choices":[{"text":"a","index":0,"finish_reason":"stop"},{"text":"b","index":1,"finish_reason":"stop"}]}`,
		`{"id":"c","object":"text_completion","choices":[{"index":0,"text":"a","finish_reason":null}]}`,
		`{"id":"c","object":"text_completion","choices":[{"index":0,"text":"","finish_reason":"stop"}]}`,
		`{"id":"c","object":"text_completion","choices":[{"index":1,"text":"b","finish_reason":null}]}`,
		`{"id":"c","object":"text_completion","choices":[{"index":1,"text":"","finish_reason":"stop"}]}`)
}

// Events of an edited answer hold the edited text.
func TestSplitEdited(t *testing.T) {
	a, err := Chat.Answer([]byte(`{"choices":[{"index":0,"message":{"role":"assistant","content":"old"},"logprobs":{"content":[{"token":"old"}]},"finish_reason":"stop"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	a.SetText(0, []byte("new"))
	events, err := Chat.Split(a)
	if err != nil {
		t.Fatal(err)
	}
	for _, ev := range events {
		if b := ev.Doc.Append(nil); bytes.Contains(b, []byte("old")) {
			t.Errorf("%s", b)
		}
	}
}

func TestJoinRefuses(t *testing.T) {
	f := func(format wire.Format, data ...string) {
		t.Helper()
		var events []*wire.Event
		for _, d := range data {
			ev, err := format.Event([]byte(d))
			if err != nil {
				t.Fatal(err)
			}
			events = append(events, ev)
		}
		if a, err := format.Join(events); err == nil {
			t.Errorf("%q joined to %s", data, a.Doc.Append(nil))
		}
	}
	f(Chat)
	f(Chat, `[DONE]`)
	f(Chat, `{"choices":[{"index":0,"delta":{"content":"a"}}]}`, `{"error":{"message":"boom"}}`)
	if _, err := Embeddings.Join(nil); err == nil {
		t.Error("embeddings do not stream")
	}
	if _, err := Embeddings.Split(nil); err == nil {
		t.Error("embeddings do not stream")
	}
	if _, err := Embeddings.Carry(nil, wire.Lane{}, nil); err == nil {
		t.Error("embeddings do not stream")
	}
}

// Choices may come in any order, and a server may repeat at the end what the deltas said.
func TestJoinOrderAndRepetition(t *testing.T) {
	const transcript = `data: {"id":"c","choices":[{"index":1,"delta":{"content":"b"},"finish_reason":null}]}

data: {"id":"c","choices":[{"index":0,"delta":{"content":"a"},"message":{"content":"a"},"finish_reason":"stop"}]}

`
	a, err := Chat.Join(stream(t, Chat, []byte(transcript)))
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"id":"c","choices":[{"index":0,"message":{"content":"a","role":"assistant"},"finish_reason":"stop"},` +
		`{"index":1,"message":{"content":"b","role":"assistant"},"finish_reason":null}],"object":"chat.completion"}`
	if got := string(a.Doc.Append(nil)); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}
