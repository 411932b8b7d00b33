package anthropic

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/sluicegate/sluice/runtime/strictjson"
	"github.com/sluicegate/sluice/runtime/wire"
)

// A request that is taken leaves as it came, and reads again.
func FuzzRequest(f *testing.F) {
	for _, body := range []string{
		`{"model":"m","system":"s","messages":[{"role":"user","content":"hi"}]}`,
		`{"messages":[{"role":"user","content":[{"type":"document","source":{"type":"text","data":"w"}},{"type":"tool_result","content":[{"type":"text","text":"a"}]}]}]}`,
		`{"messages":[{"role":"assistant","content":[{"type":"tool_use","name":"a","input":{"a":["b"]}}]}],"tools":[{"name":"x","input_schema":{"properties":{"a":{}}}}]}`,
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := Messages.Request(body, strictjson.Limits{})
		if err != nil {
			return
		}
		defer r.Doc.Release()
		again := Messages.Render(nil, r, wire.Rendering{Model: r.Model})
		if r.Model != "" && !bytes.Equal(again, body) {
			t.Fatalf("%s left as %s", body, again)
		}
		q, err := Messages.Request(again, strictjson.Limits{})
		if err != nil || len(q.Segments) < len(r.Segments)-1 { // the name auto leaves with its member
			t.Fatalf("%s does not read again: %v", again, err)
		}
		q.Doc.Release()
	})
}

// What is read of events and answers is written as JSON, and a message survives being split and joined.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte(message1))
	f.Add([]byte(`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a"}}`))
	f.Add([]byte(`{"type":"message_start","message":{"content":[]}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if ev, err := Messages.Event(body); err == nil && ev.Doc != nil {
			for i := range ev.Pieces {
				ev.SetText(i, []byte("x"))
			}
			if out := ev.Doc.Append(nil); !json.Valid(out) || Type(out) == "" {
				t.Fatalf("%s", out)
			}
		}
		a, err := Messages.Answer(body)
		if err != nil {
			return
		}
		events, err := Messages.Split(a)
		if err != nil {
			return // a member of a block, such as an index, that no event may have
		}
		b, err := Messages.Join(events)
		if err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		if len(b.Finish) != len(a.Finish) || b.Usage != a.Usage {
			t.Fatalf("%s became %s", body, b.Doc.Append(nil))
		}
	})
}
