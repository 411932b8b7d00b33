package translate_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluicegate/sluice/runtime/strictjson"
	"github.com/sluicegate/sluice/runtime/wire"
	"github.com/sluicegate/sluice/runtime/wire/anthropic"
	"github.com/sluicegate/sluice/runtime/wire/openai"
	"github.com/sluicegate/sluice/runtime/wire/translate"
)

// seeds adds the test files whose names end in suffix.
func seeds(f *testing.F, suffix string) {
	files, err := filepath.Glob("testdata/*" + suffix)
	if err != nil || len(files) == 0 {
		f.Fatal("no files", err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
}

// pairs calls f for each way there is.
func pairs(f func(from, to string, p translate.Pair)) {
	for from, a := range spoken {
		for to, b := range spoken {
			if p, ok := translate.Between(a, b); ok && from != to {
				f(from, to, p)
			}
		}
	}
}

// readers are the formats themselves, which read what callers and model servers send.
var readers = map[string]wire.Format{
	"chat": openai.Chat, "messages": anthropic.Messages, "responses": openai.Responses, "completions": openai.Completions,
	"count": anthropic.CountTokens, "embeddings": openai.Embeddings, "rerank": openai.Rerank, "ranking": openai.Ranking,
}

// accepted holds a request against the format that it is in. What it may refuse is what it would have refused of the
// caller as well: an unknown role, an opaque part.
func accepted(t *testing.T, format string, body []byte) {
	t.Helper()
	f, ok := readers[format]
	if !ok {
		return
	}
	r, err := f.Request(body, strictjson.Limits{})
	var fault *wire.Fault
	switch {
	case err == nil:
		r.Doc.Release()
	case errors.As(err, &fault) && fault.Code == wire.MissingField && strings.HasPrefix(fault.Param, "messages"): // the caller named none
	default:
		t.Fatalf("%s is refused by its own reader: %v: %s", format, err, body)
	}
}

// Whatever a request holds, what comes of it is strict JSON that the other format's own reader reads: on its way back it
// says the same as on its way there.
func FuzzRequest(f *testing.F) {
	seeds(f, ".request.json")
	f.Fuzz(func(t *testing.T, body []byte) {
		pairs(func(from, to string, p translate.Pair) {
			out, err := request(p, body, translate.Options{})
			if err != nil {
				return
			}
			doc, err := strictjson.Parse(out, strictjson.Limits{})
			if err != nil {
				t.Fatalf("%s to %s: %v: %s", from, to, err, out)
			}
			doc.Release()
			accepted(t, to, out)
			if names[to] == "" || names[from] == "" {
				return // there is no way back
			}
			back := between(t, to, from)
			again, err := request(back, out, translate.Options{})
			if err != nil {
				return // what the caller's format cannot say of it, such as a last message to continue
			}
			once, err := request(p, again, translate.Options{})
			if err != nil {
				t.Fatalf("%s to %s and back is refused: %v\nfirst %s\nback %s", from, to, err, out, again)
			}
			twice, err := request(back, once, translate.Options{})
			if err != nil || !same(t, twice, again) {
				t.Fatalf("%s to %s, back, and again: %v\n%s\n%s", from, to, err, again, twice)
			}
		})
	})
}

// Whatever a model server answers, what comes of it is strict JSON that the caller's format's own reader reads.
func FuzzAnswer(f *testing.F) {
	seeds(f, ".answer.json")
	f.Fuzz(func(t *testing.T, body []byte) {
		pairs(func(from, to string, p translate.Pair) {
			out, err := p.Answer(nil, translate.Asked{}, body)
			if err != nil {
				return
			}
			doc, err := strictjson.Parse(out, strictjson.Limits{})
			if err != nil {
				t.Fatalf("%s from %s: %v: %s", from, to, err, out)
			}
			doc.Release()
			if f, ok := readers[from]; ok {
				if _, err := f.Answer(out); err != nil {
					t.Fatalf("%s: %v: %s", from, err, out)
				}
			}
			if names[to] == "" || names[from] == "" {
				return // there is no way back
			}
			if _, err := between(t, to, from).Answer(nil, translate.Asked{}, out); err != nil {
				t.Fatalf("%s from %s cannot be read: %v: %s", from, to, err, out)
			}
		})
	})
}

// Whatever events a model server sends, one a line, what comes of them are strict JSON that the caller's format's own
// reader reads.
func FuzzStream(f *testing.F) {
	seeds(f, ".stream.json")
	f.Fuzz(func(t *testing.T, body []byte) {
		lines := strings.Split(string(body), "\n")
		pairs(func(from, to string, p translate.Pair) {
			out, _ := stream(t, p, lines)
			for _, e := range out {
				if e != "[DONE]" && !json.Valid([]byte(e)) {
					t.Fatalf("%s from %s: %s", from, to, e)
				}
				if f, ok := readers[from]; ok {
					if _, err := f.Event([]byte(e)); err != nil {
						t.Fatalf("%s from %s: %v: %s", from, to, err, e)
					}
				}
			}
			if names[to] == "" || names[from] == "" {
				return // there is no way back
			}
			if _, err := stream(t, between(t, to, from), out); err != nil {
				t.Fatalf("%s from %s cannot be read: %v: %s", from, to, err, strings.Join(out, "\n"))
			}
		})
	})
}
