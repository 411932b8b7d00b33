package openai

import (
	"errors"
	"testing"

	"github.com/sluicegate/sluice/runtime/strictjson"
	"github.com/sluicegate/sluice/runtime/wire"
)

// Queries and documents are prompt text, in whichever form the two APIs have them, and bodies leave as they came.
func TestRerankRequest(t *testing.T) {
	f := func(format wire.Format, body, leaves string, texts int, opaque map[string]int) {
		t.Helper()
		r, err := format.Request([]byte(body), strictjson.Limits{})
		if err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		prompts := 0
		for _, s := range r.Segments {
			if s.Prompt && !s.Key && s.Role == wire.RoleUser {
				prompts++
			}
		}
		if r.Operation != wire.Rerank || r.Model != "m" || prompts != texts || len(r.Opaque) != len(opaque) {
			t.Errorf("%s: %q %q, %d texts, opaque %v", body, r.Operation, r.Model, prompts, r.Opaque)
		}
		if got := string(format.Render(nil, r, wire.Rendering{Model: "n"})); got != leaves {
			t.Errorf("got %s\nwant %s", got, leaves)
		}
	}
	f(Rerank, `{"model":"m","query":"who?","documents":["a","b"],"top_n":1,"return_documents":true}`,
		`{"model":"n","query":"who?","documents":["a","b"],"top_n":1,"return_documents":true}`, 3, nil)
	f(Rerank, `{"model":"m","query":{"text":"who?"},"documents":[{"text":"a","title":"t"},{"image":"data:image/png;base64,AA"}]}`,
		`{"model":"n","query":{"text":"who?"},"documents":[{"text":"a","title":"t"},{"image":"data:image/png;base64,AA"}]}`, 3, map[string]int{"image": 1})
	f(Ranking, `{"model":"m","query":{"text":"who?"},"passages":[{"text":"a"},{"text":"b"}],"truncate":"END"}`,
		`{"model":"n","query":{"text":"who?"},"passages":[{"text":"a"},{"text":"b"}],"truncate":"END"}`, 3, nil)
}

func TestRerankRefusals(t *testing.T) {
	f := func(format wire.Format, body string, code wire.Code, param string) {
		t.Helper()
		_, err := format.Request([]byte(body), strictjson.Limits{})
		var fault *wire.Fault
		if !errors.As(err, &fault) || fault.Code != code || fault.Param != param {
			t.Errorf("%s: got %v, want %s of %q", body, err, code, param)
		}
	}
	f(Rerank, `{"model":"m","documents":["a"]}`, wire.MissingField, "query")
	f(Rerank, `{"model":"m","query":"q"}`, wire.MissingField, "documents")
	f(Rerank, `{"model":"m","query":"q","passages":[]}`, wire.MissingField, "documents")
	f(Ranking, `{"model":"m","query":{"text":"q"},"documents":[]}`, wire.MissingField, "passages")
	f(Ranking, `{"model":"m","query":{"text":"q"},"passages":[],"Passages":[]}`, wire.DuplicateKey, "*")
}

// The documents that an answer repeats are text; what orders them is not.
func TestRerankAnswer(t *testing.T) {
	f := func(format wire.Format, body string, pieces int, usage wire.Usage) {
		t.Helper()
		a, err := format.Answer([]byte(body))
		if err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		defer a.Doc.Release()
		if len(a.Pieces) != pieces || a.Usage != usage {
			t.Errorf("%s: %d pieces, usage %+v", body, len(a.Pieces), a.Usage)
		}
	}
	f(Rerank, `{"id":"r","model":"m","usage":{"prompt_tokens":7,"total_tokens":7},"results":[{"index":1,"relevance_score":0.9,"document":{"text":"b"}}]}`,
		1, wire.Usage{Input: 7, Known: true})
	f(Rerank, `{"id":"r","results":[{"index":0,"relevance_score":1e-5}],"meta":{"api_version":{"version":"2"}}}`, 0, wire.Usage{})
	f(Ranking, `{"rankings":[{"index":0,"logit":3.25}]}`, 0, wire.Usage{})
	if _, err := Ranking.Answer([]byte(`{"results":[]}`)); err == nil {
		t.Error("the other API's answer was taken")
	}
}
