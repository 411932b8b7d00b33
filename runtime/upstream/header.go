package upstream

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Field is one header field.
type Field struct{ Name, Value string }

// forwardable are the only fields of a caller's request that travel on: the trace context (W3C Trace Context). All others
// are ours to set or would speak for the credential that all callers of an endpoint share.
var forwardable = [...]string{"Traceparent", "Tracestate"}

// returnable are the only fields of a model server's answer that travel back, besides those the gateway reads itself.
var returnable = [...]string{"openai-processing-ms", "openai-version"}

// Forwardable picks the fields of a caller's request (canonical names) that may go to a model server.
func Forwardable(headers map[string][]string) []Field {
	var out []Field
	for _, name := range forwardable {
		if v := headers[name]; len(v) == 1 && validValue(v[0]) {
			out = append(out, Field{name, v[0]})
		}
	}
	return out
}

func mayForward(name string) bool {
	for _, f := range forwardable {
		if strings.EqualFold(f, name) {
			return true
		}
	}
	return false
}

// validValue tells whether v can stand in a header without breaking its line: visible ASCII, space, tab and bytes over
// 0x7f (RFC 9110, section 5.5), within a sane length.
func validValue(v string) bool {
	if len(v) > 8<<10 {
		return false
	}
	for i := 0; i < len(v); i++ {
		if c := v[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// Header is what the gateway reads of an answer's header section.
type Header struct {
	ContentType string        // lower case, without parameters
	RetryAfter  time.Duration // 0: none
	Fields      []Field       // those that may travel on to the caller
}

// set takes one field if it is of interest; name is compared without case.
func (h *Header) set(name, value string) {
	switch {
	case strings.EqualFold(name, "Content-Type"):
		h.ContentType = mediaType(value)
	case strings.EqualFold(name, "Retry-After-Ms"):
		if ms, err := strconv.ParseUint(value, 10, 31); err == nil {
			h.RetryAfter = time.Duration(ms) * time.Millisecond
		}
	case strings.EqualFold(name, "Retry-After"):
		if h.RetryAfter == 0 {
			h.RetryAfter = retryAfter(value, time.Now())
		}
	default:
		for _, f := range returnable {
			if strings.EqualFold(f, name) && len(value) <= 256 {
				h.Fields = append(h.Fields, Field{f, value})
			}
		}
	}
}

// mediaType is a Content-Type without its parameters. The two that answers normally have cost no allocation.
func mediaType(v string) string {
	v, _, _ = strings.Cut(v, ";")
	v = strings.TrimSpace(v)
	for _, known := range [...]string{"application/json", "text/event-stream"} {
		if strings.EqualFold(v, known) {
			return known
		}
	}
	return strings.ToLower(v)
}

// retryAfter reads Retry-After: seconds or an HTTP date (RFC 9110, section 10.2.3); 0 for anything else.
func retryAfter(v string, now time.Time) time.Duration {
	if s, err := strconv.ParseUint(v, 10, 31); err == nil {
		return time.Duration(s) * time.Second
	}
	if at, err := http.ParseTime(v); err == nil && at.After(now) {
		return at.Sub(now)
	}
	return 0
}
