package provider_test

import (
	"strings"
	"testing"

	"github.com/sluicegate/sluice/runtime/internal/modelserver"
	"github.com/sluicegate/sluice/runtime/provider"
	"github.com/sluicegate/sluice/runtime/upstream"
	"github.com/sluicegate/sluice/runtime/wire"
)

// What an API does not list passes, is left out by name, or is refused by name.
func TestUnknownParameters(t *testing.T) {
	f := func(o provider.Options, format, body, sent, dropped, refused string) {
		t.Helper()
		s := modelserver.New(t, modelserver.JSON(`{}`))
		c := dial(t, s, o)
		reply, err := c.Call(t.Context(), &upstream.Call{Operation: wire.ChatCompletions, Format: format, Body: []byte(body)})
		if refused != "" {
			if f := failure(t, err); f.Code != wire.UnsupportedField || f.Param != refused || f.Retry != upstream.RetryElsewhere || f.BodySent || len(s.Requests()) > 0 {
				t.Errorf("%s: %+v, want %s", body, f, refused)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		told := ""
		for _, h := range reply.Header {
			if h.Name == "X-Sluice-Dropped" {
				told = h.Value
			}
		}
		if got := string(s.Requests()[0].Body); got != sent || told != dropped {
			t.Errorf("%s: sent %s, told %q; want %s, %q", body, got, told, sent, dropped)
		}
	}
	const chat = "openai.chat"
	pass, drop, refuse := provider.Options{}, provider.Options{Unknown: provider.UnknownDrop}, provider.Options{Unknown: provider.UnknownRefuse}
	plain := `{"model":"m","messages":[],"temperature":0.5}`
	odd := `{"model":"m", "guided_json":{"a":[1,2]}, "messages":[] , "top_k":4}`
	f(pass, chat, odd, odd, "", "")
	f(drop, chat, plain, plain, "", "")
	f(drop, chat, odd, `{"model":"m", "messages":[]}`, "guided_json,top_k", "")
	f(refuse, chat, plain, plain, "", "")
	f(refuse, chat, odd, "", "", "guided_json")
	f(refuse, chat, `{"model":"m","a b":1}`, "", "", "?")
	drop.Parameters, refuse.Parameters = []string{"guided_json"}, []string{"guided_json", "top_k"}
	f(drop, chat, odd, `{"model":"m", "guided_json":{"a":[1,2]}, "messages":[]}`, "top_k", "")
	f(refuse, chat, odd, odd, "", "")
	f(drop, chat, `{"a\u000d\u000aX-Forged: b":1,"Model":2,"m\u006fdel":"m"}`, `{"m\u006fdel":"m"}`, "?,Model", "")
}

// However many were left out, the header stays small.
func TestManyUnknownParameters(t *testing.T) {
	var b strings.Builder
	b.WriteString(`{"model":"m"`)
	for i := range 1000 {
		b.WriteString(`,"p` + strings.Repeat("x", i%80) + strings.Repeat("y", i/80) + `":1`)
	}
	b.WriteString("}")
	s := modelserver.New(t, modelserver.JSON(`{}`))
	c := dial(t, s, provider.Options{Unknown: provider.UnknownDrop})
	reply, err := c.Call(t.Context(), &upstream.Call{Operation: wire.ChatCompletions, Format: "openai.chat", Body: []byte(b.String())})
	if err != nil {
		t.Fatal(err)
	}
	if h := reply.Header[len(reply.Header)-1]; len(h.Value) > 3000 || !strings.HasSuffix(h.Value, ",...") {
		t.Errorf("%d bytes: %s", len(h.Value), h.Value)
	}
	if got := string(s.Requests()[0].Body); got != `{"model":"m"}` {
		t.Errorf("sent %s", got)
	}
}
