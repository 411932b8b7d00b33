package policy

import (
	"math/bits"
	"net/netip"
	"strings"
	"time"

	"github.com/sluicegate/sluice/runtime/exchange"
	"github.com/sluicegate/sluice/runtime/wire"
)

// field is one field of the input document: how it is read from an exchange, and what its schema says. A field with
// fields is an object that always has them all.
type field struct {
	name   string
	typ    string // JSON Schema type; "strings" is an array of strings, "" anything
	about  string
	late   bool // known to decision only, not to admit
	text   bool // prompt text: only where it is granted
	get    func(*view) val
	fields []field
}

// inputFields is THE input document. The schema, the plan of what is built and the memo's key all come from it.
var inputFields = []field{
	{name: "principal", about: "Who asks.", fields: []field{
		{name: "id", typ: "string", about: "Unique over methods and issuers, such as key:search-app.", get: func(v *view) val { return strVal(v.principal.ID) }},
		{name: "tenant", typ: "string", about: "The tenant; never empty.", get: func(v *view) val { return strVal(v.principal.Tenant) }},
		{name: "roles", typ: "strings", about: "The roles, in the order of the credential.", get: func(v *view) val { return val{kind: stringsKind, list: v.principal.Roles} }},
		{name: "claims", typ: "object", about: "The claims of a JWT; empty for keys.", get: func(v *view) val { return val{kind: anyKind, any: v.principal.Claims} }},
		{name: "auth", typ: "string", about: "How the caller proved who it is: key, jwt, ephemeral or mtls.", get: func(v *view) val { return strVal(v.principal.Method) }},
	}},
	{name: "operation", typ: "string", about: "chat_completions, completions, embeddings, responses, responses_get, responses_delete, responses_cancel, responses_input_items, messages, count_tokens, inference or models.", get: func(v *view) val { return strVal(string(v.x.Operation)) }},
	{name: "model", typ: "string", about: "The model asked for; empty when the policy is to pick.", get: func(v *view) val { return strVal(v.request.Model) }},
	{name: "stream", typ: "boolean", about: "A streamed answer is asked for.", get: func(v *view) val { return val{kind: boolKind, num: bit(v.request.Stream)} }},
	{name: "params", typ: "object", about: "Parameters of the request by name; no text of prompts.", get: func(v *view) val { return val{kind: anyKind, any: v.request.Params} }},
	{name: "sizes", about: "How much was sent.", fields: []field{
		{name: "body", typ: "integer", about: "Bytes of the body as it came.", get: func(v *view) val { return intVal(v.request.Size) }},
		{name: "messages", typ: "integer", about: "Number of messages.", get: func(v *view) val { return intVal(v.request.Messages) }},
		{name: "chars", typ: "integer", about: "Characters of prompt text.", get: func(v *view) val { return intVal(v.characters()) }},
	}},
	{name: "client", about: "The caller's connection.", fields: []field{
		{name: "ip", typ: "string", about: "The address; empty when there is none.", get: func(v *view) val { return val{kind: ipKind, ip: v.x.Client.IP} }},
		{name: "headers", typ: "object", about: "Request headers by lower-case name, values joined by comma; never those that carry credentials.", get: func(v *view) val { return val{kind: headersKind, any: v.x.Client.Headers} }},
	}},
	{name: "time", about: "When the request is judged, in UTC.", fields: []field{
		{name: "hour", typ: "integer", about: "0 to 23.", get: func(v *view) val { return intVal(v.now.UTC().Hour()) }},
		{name: "weekday", typ: "string", about: "Monday to Sunday, spelled as time.weekday does.", get: func(v *view) val { return strVal(v.now.UTC().Weekday().String()) }},
	}},
	{name: "labels", typ: "object", late: true, about: "Facts set by filters: labels.<filter>.<key>; the gateway's own under labels.sluice.", get: func(v *view) val { return val{kind: labelsKind, any: v.x.Labels} }},
	{name: "prompt", late: true, about: "The prompt after the filters.", fields: []field{
		{name: "chars", typ: "integer", about: "Characters of prompt text.", get: func(v *view) val { return intVal(v.characters()) }},
		{name: "tokens_estimate", typ: "integer", about: "Usage tokens, estimated at four characters each.", get: func(v *view) val { return intVal(estimate(v.characters())) }},
		{name: "tokens_bucket", typ: "integer", about: "The estimate rounded up to a power of two, so that decisions can be memoised.", get: func(v *view) val { return intVal(bucket(estimate(v.characters()))) }},
		{name: "tools", typ: "strings", about: "Names of the tools offered.", get: func(v *view) val { return val{kind: stringsKind, list: v.request.Tools} }},
		{name: "opaque", typ: "object", about: "Content that no text filter can read, counted by kind.", get: func(v *view) val { return val{kind: countsKind, any: v.request.Opaque} }},
		{name: "reach", typ: "strings", about: "What the request would reach on the model server: kinds of state it names there and of what it makes it fetch or run, such as web_search; a sorted set.", get: func(v *view) val { return val{kind: stringsKind, list: v.request.Reaches()} }},
		{name: "text", typ: "string", text: true, about: "All prompt text, joined by newlines. Only with reads_text.", get: promptText},
		{name: "messages", typ: "array", text: true, about: "Runs of prompt text with their role class. Only with reads_text.", get: promptMessages},
	}},
	{name: "models", typ: "object", late: true, about: "The configured models by name: labels, cost{input, output} in USD per million usage tokens, context, health (healthy, degraded, down, unknown), latency_bucket (fast, medium, slow, unknown).", get: func(v *view) val { return v.models }},
}

// modelFields are the fields of one model under input.models.
var modelFields = []string{"labels", "cost", "context", "health", "latency_bucket"}

// view is what the fields read from: one exchange, and buffers that are kept between exchanges.
type view struct {
	x         *exchange.Exchange
	principal *exchange.Principal // never nil
	request   *wire.Request       // never nil
	now       time.Time
	models    val
	chars     int // characters of prompt text, -1 while not counted
	key       []byte
	names     []string // a stack of sorted keys, for encoding maps in one order
	beyond    bool     // a number is out of bounds; see numbers.go
}

var (
	nobody    = &exchange.Principal{}
	noRequest = &wire.Request{}
)

// set points v at an exchange.
func (v *view) set(x *exchange.Exchange, now time.Time) {
	v.x, v.now, v.chars = x, now, -1
	v.principal, v.request = x.Principal, x.Request
	if v.principal == nil {
		v.principal = nobody
	}
	if v.request == nil {
		v.request = noRequest
	}
}

// clear drops what v points at, so that a pooled view keeps no request alive.
func (v *view) clear() {
	clear(v.names[:cap(v.names)])
	*v = view{key: v.key[:0], names: v.names[:0]}
}

func (v *view) characters() int {
	if v.chars < 0 {
		v.chars = v.request.Chars()
	}
	return v.chars
}

// estimate is the number of usage tokens of so many characters: four each is the usual rule of thumb for English text.
func estimate(chars int) int { return (chars + 3) / 4 }

// bucket rounds up to a power of two; 0 stays 0.
func bucket(n int) int {
	if n <= 1 {
		return n
	}
	return 1 << bits.Len(uint(n-1))
}

func bit(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

func promptText(v *view) val {
	var b strings.Builder
	for i := range v.request.Segments {
		if s := &v.request.Segments[i]; s.Prompt {
			if b.Len() > 0 {
				b.WriteByte('\n')
			}
			b.Write(s.Text.Bytes())
		}
	}
	return strVal(b.String())
}

func promptMessages(v *view) val {
	list := []any{}
	for i := range v.request.Segments {
		if s := &v.request.Segments[i]; s.Prompt {
			list = append(list, map[string]any{"role": s.Role.String(), "text": string(s.Text.Bytes())})
		}
	}
	return val{kind: anyKind, any: list}
}

// credentialHeaders never reach a policy, and so never a decision log. They are canonical names.
var credentialHeaders = map[string]bool{
	"Authorization": true, "Proxy-Authorization": true, "X-Api-Key": true, "Api-Key": true, "Cookie": true,
}

// val is one value of the input before it is built: only what its kind says is set.
type val struct {
	kind kind
	num  int64
	str  string
	list []string
	any  any
	ip   netip.Addr
}

type kind uint8

const (
	undefined   kind = iota
	boolKind         // num is 0 or 1
	intKind          // num
	numberKind       // str is the literal
	stringKind       // str
	stringsKind      // list
	ipKind           // ip, a string
	anyKind          // any: a JSON value as Go decodes it
	headersKind      // any: map[string][]string
	labelsKind       // any: exchange.Labels
	countsKind       // any: map[string]int
)

func strVal(s string) val { return val{kind: stringKind, str: s} }
func intVal(n int) val    { return val{kind: intKind, num: int64(n)} }

// member is the value of a key of an object; undefined where there is none. The second result is false when v is no
// object at all.
func (v val) member(n *node) (val, bool) {
	switch v.kind {
	case headersKind:
		values, ok := v.any.(map[string][]string)[n.header]
		if !ok || n.header == "" || credentialHeaders[n.header] {
			return val{}, true
		}
		return strVal(joinHeader(values)), true
	case labelsKind:
		m, ok := v.any.(exchange.Labels)[n.key]
		if !ok {
			return val{}, true
		}
		return val{kind: anyKind, any: m}, true
	case countsKind:
		c, ok := v.any.(map[string]int)[n.key]
		if !ok {
			return val{}, true
		}
		return intVal(c), true
	case anyKind:
		m, ok := v.any.(map[string]any)
		if !ok {
			return val{}, false
		}
		e, ok := m[n.key]
		if !ok {
			return val{}, true
		}
		return val{kind: anyKind, any: e}, true
	default:
		return val{}, false
	}
}

func joinHeader(values []string) string {
	if len(values) == 1 {
		return values[0]
	}
	return strings.Join(values, ", ")
}

// visibleHeaders is the whole of input.client.headers.
func visibleHeaders(headers map[string][]string) map[string]any {
	out := make(map[string]any, len(headers))
	for name, values := range headers {
		if !credentialHeaders[name] {
			out[strings.ToLower(name)] = joinHeader(values)
		}
	}
	return out
}
