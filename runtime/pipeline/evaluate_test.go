package pipeline_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/sluicegate/sluice/runtime/exchange"
	"github.com/sluicegate/sluice/runtime/internal/modelserver"
	"github.com/sluicegate/sluice/runtime/pipeline"
	"github.com/sluicegate/sluice/runtime/server"
)

// A request that is judged meets what one that is served meets, and the model server hears nothing of it.
func TestEvaluateAgreesWithServing(t *testing.T) {
	g, m := start(t, modelserver.Answer("fine"))
	snap := g.Control.Pipeline().Current()
	f := func(path, body string) {
		t.Helper()
		surface, ok := server.Surface(path)
		if !ok {
			t.Fatalf("no surface at %s", path)
		}
		before := len(m.Requests())
		e := snap.Evaluate(context.Background(), pipeline.Question{
			Surface: surface, Body: []byte(body),
			Principal: &exchange.Principal{ID: "ephemeral:red", Tenant: "red", Roles: []string{"developer"}, Method: "ephemeral"},
			Client:    exchange.Client{IP: netip.MustParseAddr("127.0.0.1")},
		})
		if e.Exchange.Request != nil {
			defer e.Exchange.Request.Doc.Release()
		}
		if n := len(m.Requests()); n != before {
			t.Errorf("%s: %d requests were forwarded", body, n-before)
		}
		code := ""
		var fault *exchange.Error
		if errors.As(e.Err, &fault) {
			code = string(fault.Fault.Code)
		}
		r := g.Post("red", path, body)
		var served struct{ Error struct{ Code string } }
		_ = json.Unmarshal([]byte(r.Body), &served) // an answer has no such member
		if served.Error.Code != code {
			t.Errorf("%s: evaluated %q, served %q", body, code, served.Error.Code)
		}
		if e.Decision == nil {
			return
		}
		for _, part := range []string{string(e.Decision.Input), string(e.Decision.Result)} {
			if strings.Contains(part, "ana@") {
				t.Errorf("the explanation holds text: %s", part)
			}
		}
		if len(e.Decision.Rules) == 0 || e.Exchange.Labels["sluice"]["redacted.email"] != int64(1) {
			t.Errorf("%s: %d rules, labels %v", body, len(e.Decision.Rules), e.Exchange.Labels)
		}
	}
	f("/v1/chat/completions", chat("model-a", prompt, false))
	f("/v1/chat/completions", chat("nope", prompt, false))
	f("/v1/chat/completions", `{"model":"model-a","model":"model-b","messages":[]}`)
	f("/v1/chat/completions", `{"model":"model-a","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,AA=="}}]}]}`)
	f("/v1/completions", `{"model":"model-a","prompt":"`+prompt+`"}`)
}
