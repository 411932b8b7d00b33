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

// spoken are the fields that say which version of its API a caller speaks. A dialect of that API reads them and sends what
// it takes as fields of its own; they go to no other.
var spoken = [...]string{"Anthropic-Version", "Anthropic-Beta"}

// returnable are the only fields of a model server's answer that travel back, besides those the gateway reads itself.
var returnable = [...]string{"openai-processing-ms", "openai-version"}

// Forwardable picks the fields of a caller's request (canonical names) that may go to a model server, and those that a
// dialect may read.
func Forwardable(headers map[string][]string) []Field {
	var out []Field
	for _, name := range spoken {
		if v := headers[name]; len(v) > 0 {
			out = append(out, Field{name, strings.Join(v, ",")})
		}
	}
	for _, name := range forwardable {
		if v := headers[name]; len(v) == 1 && validValue(v[0]) {
			out = append(out, Field{name, v[0]})
		}
	}
	return out
}

func mayForward(name string) bool {
	if strings.EqualFold(loadFormat, name) { // ours: no caller's passes Forwardable
		return true
	}
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
	InputTokens string        // digits: how many usage tokens were read, where the head says so; "": it does not

	limited bool    // the status says that a limit is reached: which one is of interest
	spent   string  // the limit of anthropic-ratelimit-* that nothing remains of
	resets  []reset // of those limits
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
	case strings.EqualFold(name, usageField):
		if _, err := strconv.ParseUint(value, 10, 62); err == nil {
			h.InputTokens = value
		}
	case strings.EqualFold(name, loadField):
		if len(value) <= maxReport {
			h.Fields = append(h.Fields, Field{loadField, value})
		}
	case h.limited && hasPrefix(name, limitPrefix):
		h.limit(strings.ToLower(name[len(limitPrefix):]), value)
	default:
		for _, f := range returnable {
			if strings.EqualFold(f, name) && len(value) <= 256 {
				h.Fields = append(h.Fields, Field{f, value})
			}
		}
	}
}

// hasPrefix is strings.HasPrefix without ASCII case.
func hasPrefix(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}

// usageField is the field with which Amazon Bedrock tells usage where its models' answers have no place for it.
const usageField = "X-Amzn-Bedrock-Input-Token-Count"

// limitPrefix is what the fields of Anthropic's limits begin with; then come the limit's name and limit, remaining or reset
// (Anthropic API, "Rate limits").
const limitPrefix = "anthropic-ratelimit-"

// limit takes a field of a limit, in any order.
func (h *Header) limit(name, value string) {
	if limit, ok := strings.CutSuffix(name, "-remaining"); ok && value == "0" {
		h.spent = limit
	}
	if limit, ok := strings.CutSuffix(name, "-reset"); ok && len(h.resets) < maxLimits {
		if at, err := time.Parse(time.RFC3339, value); err == nil {
			h.resets = append(h.resets, reset{limit, at})
		}
	}
}

// maxLimits is more than any API has.
const maxLimits = 16

// reset is when a limit is full again.
type reset struct {
	limit string
	at    time.Time
}

// wait is how long the model server asks to be left alone: what it says, or else until the limit that nothing remains of
// is full again.
func (h *Header) wait() time.Duration {
	if h.RetryAfter > 0 {
		return h.RetryAfter
	}
	for _, r := range h.resets {
		if r.limit == h.spent {
			return max(time.Until(r.at), 0)
		}
	}
	return 0
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
