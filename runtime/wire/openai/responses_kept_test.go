package openai

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/sluicegate/sluice/runtime/strictjson"
	"github.com/sluicegate/sluice/runtime/wire"
)

// The texts of adjacent parts of one content go on one another, in an answer and in what went into one; those of other items,
// of another kind and of a summary do not.
func TestResponsesParts(t *testing.T) {
	f := func(op wire.Operation, body, want string) {
		t.Helper()
		format := wire.Format(kept{op})
		if op == wire.Responses {
			format = Responses
		}
		a, err := format.Answer([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		continued := map[int]bool{}
		for i := range a.Pieces {
			if continued[i] {
				continue
			}
			text := string(a.Pieces[i].Node.Bytes())
			for n := a.Pieces[i].Next; n > 0; n = a.Pieces[n].Next {
				continued[n] = true
				text += "+" + string(a.Pieces[n].Node.Bytes())
			}
			got = append(got, text)
		}
		if g := strings.Join(got, " "); g != want {
			t.Errorf("%s: %q, want %q", body, g, want)
		}
	}
	part := func(kind, member, text string) string {
		return `{"type":"` + kind + `","` + member + `":"` + text + `"}`
	}
	item := func(member string, parts ...string) string {
		return `{"type":"message","` + member + `":[` + strings.Join(parts, ",") + `]}`
	}
	text := func(s string) string { return part("output_text", "text", s) }
	f(wire.Responses, `{"output":[`+item("content", text("a"), text("b"), part("refusal", "refusal", "c"), text("d"))+`,`+item("content", text("e"))+`]}`, "a+b c d e")
	f(wire.Responses, `{"output":[`+item("content", `{"type":"output_text","text":"a","annotations":[{"type":"url_citation","url":"u"}]}`, text("b"))+`]}`, "a+b u")
	f(wire.Responses, `{"output":[`+item("summary", part("summary_text", "text", "a"), part("summary_text", "text", "b"))+`]}`, "a b")
	f(wire.GetResponse, `{"output":[`+item("content", text("a"), text("b"))+`]}`, "a+b")
	f(wire.ResponseInput, `{"object":"list","data":[`+item("content", part("input_text", "text", "a"), part("input_text", "text", "b"))+`]}`, "a+b")
	f(wire.DeleteResponse, `{"id":"resp_1","object":"response","deleted":true,"note":"a"}`, "a")
}

// A query is read into the object that is sent on, whatever stands in it.
func TestKeptQuery(t *testing.T) {
	f := func(op wire.Operation, id, query, want string) {
		t.Helper()
		q, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		r, err := KeptSurface(op, id, q).Parse(nil, strictjson.Limits{})
		if err != nil {
			if got := err.Error(); !strings.HasPrefix(got, want) {
				t.Errorf("%s: %s, want %s", query, got, want)
			}
			return
		}
		defer r.Doc.Release()
		if got := string(r.Format.Render(nil, r, wire.Rendering{Model: "m"})); got != want || !slices.Equal(r.Reaches(), []string{"store"}) {
			t.Errorf("%s: %s, want %s; %v", query, got, want, r.Reaches())
		}
	}
	f(wire.GetResponse, "resp_1", "", `{"response_id":"resp_1"}`)
	f(wire.GetResponse, `a"b`, "include=a&include[]=b", `{"response_id":"a\"b","include":["a","b"]}`)
	f(wire.ResponseInput, "r", "limit=100&after=x&order=desc", `{"response_id":"r","after":"x","limit":100,"order":"desc"}`)
	f(wire.ResponseInput, "r", "limit=0", "invalid_request: limit")
	f(wire.ResponseInput, "r", "limit=", "invalid_request: limit")
	f(wire.ResponseInput, "r", "limit=5&limit=6", "invalid_request: limit")
	f(wire.GetResponse, "r", "stream=true", "unsupported_field: stream")
	f(wire.GetResponse, "r", "response_id=x", "invalid_request: the query")
	f(wire.DeleteResponse, "r", "include=a", "invalid_request: the query")
}
