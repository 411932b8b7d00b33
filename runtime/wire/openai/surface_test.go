package openai

import (
	"encoding/json"
	"testing"

	"github.com/sluicegate/sluice/runtime/strictjson"
	"github.com/sluicegate/sluice/runtime/wire"
)

func TestErrors(t *testing.T) {
	f := func(fault wire.Fault, want string) {
		t.Helper()
		got := string(ChatSurface().Error(nil, &fault))
		if got != want || !json.Valid([]byte(got)) {
			t.Errorf("got %s\nwant %s", got, want)
		}
		if ev := string(ModelsSurface().ErrorEvent(nil, &fault)); ev != "data: "+want+"\n\n" {
			t.Errorf("event %q", ev)
		}
	}
	f(wire.Fault{Code: wire.MissingField, Message: "no \"messages\"", Param: "messages"},
		`{"error":{"message":"no \"messages\"","type":"invalid_request_error","param":"messages","code":"missing_field"}}`)
	f(wire.Fault{Code: wire.Unauthenticated}, `{"error":{"message":"","type":"authentication_error","param":null,"code":"unauthenticated"}}`)
	f(wire.Fault{Code: wire.RejectedByFilter, Reason: "weapons"},
		`{"error":{"message":"","type":"permission_error","param":null,"code":"rejected_by_filter","reason":"weapons"}}`)
	f(wire.Fault{Code: wire.NotFound}, `{"error":{"message":"","type":"not_found_error","param":null,"code":"not_found"}}`)
	f(wire.Fault{Code: wire.DeniedByPolicy, Status: 429}, `{"error":{"message":"","type":"rate_limit_error","param":null,"code":"denied_by_policy"}}`)
	f(wire.Fault{Code: wire.UpstreamTimeout}, `{"error":{"message":"","type":"server_error","param":null,"code":"upstream_timeout"}}`)
}

func TestSurfaces(t *testing.T) {
	for op, s := range map[wire.Operation]struct {
		parse func([]byte, strictjson.Limits) (*wire.Request, error)
		op    wire.Operation
		body  string
	}{
		wire.ChatCompletions: {ChatSurface().Parse, ChatSurface().Operation(), `{"messages":[{"role":"user","content":"hi"}]}`},
		wire.Completions:     {CompletionsSurface().Parse, CompletionsSurface().Operation(), `{"prompt":"hi"}`},
		wire.Embeddings:      {EmbeddingsSurface().Parse, EmbeddingsSurface().Operation(), `{"input":"hi"}`},
	} {
		r, err := s.parse([]byte(s.body), strictjson.Limits{})
		if err != nil || r.Operation != op || s.op != op || r.Size != len(s.body) {
			t.Errorf("%s: %v", op, err)
		}
	}
	if _, err := ModelsSurface().Parse(nil, strictjson.Limits{}); err == nil || ModelsSurface().Operation() != wire.ListModels {
		t.Error("the list of models takes no body")
	}
}

func TestSurfaceAnswer(t *testing.T) {
	const body = `{ "choices": [] }`
	a, err := Chat.Answer([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	if got := string(ChatSurface().Answer([]byte(">"), nil, a)); got != ">"+body {
		t.Errorf("got %s", got)
	}
}

// White space in an event's data may hold line ends, which would cut the event.
func TestSurfaceEventOfManyLines(t *testing.T) {
	ev, err := Chat.Event([]byte("{\"choices\":\n[]}"))
	if err != nil {
		t.Fatal(err)
	}
	if got := string(ChatSurface().Event(nil, nil, ev)); got != "data: {\"choices\":\ndata: []}\n\n" {
		t.Errorf("got %q", got)
	}
}

func TestAppendModels(t *testing.T) {
	f := func(names []string, want string) {
		t.Helper()
		if got := string(AppendModels(nil, names, 7)); got != want {
			t.Errorf("got %s\nwant %s", got, want)
		}
	}
	f(nil, `{"object":"list","data":[]}`)
	f([]string{"a", `b"`}, `{"object":"list","data":[{"id":"a","object":"model","created":7,"owned_by":"sluice"},{"id":"b\"","object":"model","created":7,"owned_by":"sluice"}]}`)
}
