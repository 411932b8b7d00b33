package upstream

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestForwardable(t *testing.T) {
	f := func(in map[string][]string, want ...Field) {
		t.Helper()
		if got := Forwardable(in); !slices.Equal(got, want) {
			t.Errorf("%v: got %v, want %v", in, got, want)
		}
	}
	f(nil)
	f(map[string][]string{"Cookie": {"a"}, "Authorization": {"b"}, "X-Api-Key": {"c"}, "X-Forwarded-For": {"d"}, "Openai-Organization": {"e"}})
	f(map[string][]string{"Traceparent": {"00-1"}, "Tracestate": {"a=b"}}, Field{"Traceparent", "00-1"}, Field{"Tracestate", "a=b"})
	f(map[string][]string{"Traceparent": {"00-1", "00-2"}}) // two that differ: neither
	f(map[string][]string{"Traceparent": {"00-1\r\nX: y"}})
	f(map[string][]string{"Traceparent": {strings.Repeat("x", 9<<10)}})
}

func TestHeaderSet(t *testing.T) {
	f := func(want Header, fields ...string) {
		t.Helper()
		var h Header
		for i := 0; i < len(fields); i += 2 {
			h.set(fields[i], fields[i+1])
		}
		if h.ContentType != want.ContentType || h.RetryAfter != want.RetryAfter || h.InputTokens != want.InputTokens || !slices.Equal(h.Fields, want.Fields) {
			t.Errorf("%q: got %+v, want %+v", fields, h, want)
		}
	}
	f(Header{ContentType: "application/json"}, "content-type", " Application/JSON ; charset=x")
	f(Header{ContentType: "text/event-stream"}, "Content-Type", "text/event-stream;charset=utf-8")
	f(Header{ContentType: "text/html"}, "Content-Type", "TEXT/html")
	f(Header{RetryAfter: 3 * time.Second}, "Retry-After", "3")
	f(Header{RetryAfter: 20 * time.Millisecond}, "Retry-After", "3", "Retry-After-Ms", "20")
	f(Header{RetryAfter: 20 * time.Millisecond}, "Retry-After-Ms", "20", "Retry-After", "3")
	for _, odd := range []string{"", "-1", "1.5", "soon", "99999999999999999999", "Sun, 06 Nov 1994 08:49:37 GMT"} {
		f(Header{}, "Retry-After", odd, "Retry-After-Ms", odd)
	}
	f(Header{Fields: []Field{{"openai-version", "1"}}}, "OpenAI-Version", "1", "X-Other", "2", "Set-Cookie", "3")
	f(Header{InputTokens: "12"}, "x-amzn-bedrock-input-token-count", "12")
	f(Header{}, "X-Amzn-Bedrock-Input-Token-Count", "-1", "X-Amzn-Bedrock-Input-Token-Count", `1,"x":1`)
	f(Header{}, "Openai-Version", strings.Repeat("x", 300))
}

func TestRetryAfterDate(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	if got := retryAfter("Thu, 01 Jan 2026 00:01:00 GMT", now); got != time.Minute {
		t.Errorf("got %v, want a minute", got)
	}
	if got := retryAfter("Thu, 01 Jan 2026 00:00:00 GMT", now); got != 0 {
		t.Errorf("got %v for a date that has passed", got)
	}
}
