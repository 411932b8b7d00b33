package anthropic

import (
	"slices"
	"testing"
	"time"

	"github.com/sluicegate/sluice/runtime/strictjson"
	"github.com/sluicegate/sluice/runtime/wire"
)

func TestErrors(t *testing.T) {
	f := func(fault wire.Fault, want string) {
		t.Helper()
		if got := string(MessagesSurface().Error(nil, &fault)); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	f(wire.Fault{Code: wire.Unauthenticated, Message: "m", Request: "id"},
		`{"type":"error","error":{"type":"authentication_error","message":"m","code":"unauthenticated"},"request_id":"id"}`)
	f(wire.Fault{Code: wire.InvalidRequest, Message: "must", Param: "system[0]", Reason: "r"},
		`{"type":"error","error":{"type":"invalid_request_error","message":"system[0]: must","code":"invalid_request","param":"system[0]","reason":"r"}}`)
	types := func(code wire.Code, want string) {
		t.Helper()
		if got := errorType(code.Status()); got != want {
			t.Errorf("%s: %s, want %s", code, got, want)
		}
	}
	types(wire.DeniedByPolicy, "permission_error")
	types(wire.NotFound, "not_found_error")
	types(wire.BodyTooLarge, "request_too_large")
	types(wire.RateLimited, "rate_limit_error")
	types(wire.UpstreamError, "api_error")
	types(wire.Internal, "api_error")
	types(wire.Overloaded, "overloaded_error")
	types(wire.UpstreamTimeout, "timeout_error")
	types(wire.RequestTimeout, "timeout_error")
	types(wire.MethodNotAllowed, "invalid_request_error")
	want := "event: error\ndata: " + `{"type":"error","error":{"type":"api_error","message":"m","code":"stream_interrupted"}}` + "\n\n"
	if got := string(MessagesSurface().ErrorEvent(nil, &wire.Fault{Code: wire.StreamInterrupted, Message: "m"})); got != want {
		t.Errorf("%q", got)
	}
}

// An event goes out under its type, wherever in its data that stands.
func TestFrames(t *testing.T) {
	s := surface{messages, wire.Messages}
	f := func(data, want string) {
		t.Helper()
		if got := string(s.Frame(nil, []byte(data))); got != want {
			t.Errorf("%q, want %q", got, want)
		}
		if got := string(s.Event(nil, nil, eventOf(t, data))); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	f(`{"type":"ping"}`, "event: ping\ndata: {\"type\":\"ping\"}\n\n")
	f(`{"type":"content_block_stop","index":0}`, "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n")
	f(`{"index":0, "type":"content_block_stop"}`, "event: content_block_stop\ndata: {\"index\":0, \"type\":\"content_block_stop\"}\n\n")
	f("{\n\"type\":\"ping\"}", "event: ping\ndata: {\ndata: \"type\":\"ping\"}\n\n")
	if got := string(s.End(nil)); got != "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n" {
		t.Errorf("%q", got)
	}
	for _, data := range []string{``, `{`, `{"type":"`, `{"type":"x"}`, `{"type":7}`, `{"type":"ping","type":"error"}x`} {
		if got := Type([]byte(data)); got != "" && data[len(data)-1] != 'x' {
			t.Errorf("%s: %s", data, got)
		}
	}
}

func TestModels(t *testing.T) {
	at := time.Date(2026, 11, 26, 1, 2, 3, 0, time.UTC)
	if got := string(AppendModels(nil, nil, at)); got != `{"data":[],"has_more":false,"first_id":null,"last_id":null}` {
		t.Error(got)
	}
	want := `{"data":[{"type":"model","id":"a","display_name":"a","created_at":"2026-11-26T01:02:03Z"},` +
		`{"type":"model","id":"b","display_name":"b","created_at":"2026-11-26T01:02:03Z"}],"has_more":false,"first_id":"a","last_id":"b"}`
	if got := string(AppendModels(nil, []string{"a", "b"}, at)); got != want {
		t.Error(got)
	}
	if _, err := ModelsSurface().Parse(nil, strictjson.Limits{}); err == nil || ModelsSurface().Shapes() != nil {
		t.Error("the list of models has a body")
	}
}

// The coverage table has what a message is made of.
func TestShapes(t *testing.T) {
	natures := map[string]wire.Nature{}
	var names []string
	for _, s := range MessagesSurface().Shapes() {
		names = append(names, s.Name)
		for _, p := range s.Places {
			if !s.Answer && natures[p] == "" {
				natures[p] = s.Nature
			}
		}
	}
	f := func(place string, want wire.Nature) {
		t.Helper()
		if natures[place] != want {
			t.Errorf("%s: %q, want %s", place, natures[place], want)
		}
	}
	f("system", wire.Text)
	f("messages[].content", wire.Text)
	f("messages[].content[].thinking", wire.Text)
	f("messages[].content[]<image>.source.data", wire.Opaque)
	f("messages[].content[]<document>.source<text>.data", wire.Text)
	f("messages[].content[]<document>.source.file_id", wire.Banned)
	f("messages[].content[]<tool_result>.content[]<image>.source.data", wire.Opaque)
	f("mcp_servers", wire.Banned)
	f("tools[].name", wire.Ident)
	f("model", wire.Own)
	for _, want := range []string{"messages: user", "messages: assistant", "messages: tool", "prompt: system", "says: text", "says: thinking", "copies of the text"} {
		if !slices.Contains(names, want) {
			t.Errorf("no %q in %q", want, names)
		}
	}
	if slices.Contains(names, "messages: developer") {
		t.Error("messages have a role developer")
	}
}
