package provider

import (
	"context"
	"io"
	"slices"
	"strings"

	"github.com/sluicegate/sluice/runtime/strictjson"
	"github.com/sluicegate/sluice/runtime/upstream"
	"github.com/sluicegate/sluice/runtime/wire"
)

// Unknown says what becomes of parameters that the API of a request's format does not list: members of the body's root
// object that are neither in the table below nor in the endpoint's own list.
type Unknown string

// What becomes of them. The zero value is UnknownPass.
const (
	UnknownPass   Unknown = "pass"   // they go to the model server as they are
	UnknownDrop   Unknown = "drop"   // they are left out, and the answer's header x-sluice-dropped names them
	UnknownRefuse Unknown = "refuse" // nothing is sent; the next endpoint is tried
)

// droppedField names the parameters that were left out.
const droppedField = "X-Sluice-Dropped"

// parametersOf are the parameters of each format, from the API references of OpenAI and Anthropic as of November 2026.
// A format without a row has no parameters to tell apart, and all of them pass.
var parametersOf = map[string][]string{
	"openai.chat": words(`model messages stream stream_options n audio frequency_penalty function_call functions logit_bias
		logprobs max_completion_tokens max_tokens metadata modalities parallel_tool_calls prediction presence_penalty
		prompt_cache_key prompt_cache_retention reasoning_effort response_format safety_identifier seed service_tier stop
		store temperature tool_choice tools top_logprobs top_p user verbosity web_search_options`),
	"openai.completions": words(`model prompt stream stream_options n best_of echo frequency_penalty logit_bias logprobs
		max_tokens presence_penalty seed stop suffix temperature top_p user`),
	"openai.embeddings": words(`model input dimensions encoding_format user`),
	"openai.responses": words(`model input stream stream_options background context_management conversation include
		instructions max_output_tokens max_tool_calls metadata parallel_tool_calls previous_response_id prompt
		prompt_cache_key prompt_cache_retention reasoning safety_identifier service_tier store temperature text
		tool_choice tools top_logprobs top_p truncation user`),
	"anthropic.messages": words(`model messages stream max_tokens cache_control container context_management mcp_servers
		metadata output_config output_format service_tier stop_sequences system temperature thinking tool_choice tools
		top_k top_p`),
	"anthropic.count_tokens": words(`model messages cache_control context_management mcp_servers output_config
		output_format system thinking tool_choice tools`),
}

func words(s string) []string { return strings.Fields(s) }

// choosy stands before a dialect and does with unknown parameters what the endpoint's configuration says. It looks at the
// request in the caller's own format, before it may be translated.
type choosy struct {
	next    upstream.Caller
	refuse  bool
	further []string // parameters that the endpoint knows beside the format's
}

// Unwrap gives what it stands before.
func (c *choosy) Unwrap() upstream.Caller { return c.next }

// Close closes it if it can be closed.
func (c *choosy) Close() error {
	if closer, ok := c.next.(io.Closer); ok {
		return closer.Close()
	}
	return nil
}

// Call drops unknown parameters, or refuses the request for the first of them.
func (c *choosy) Call(ctx context.Context, call *upstream.Call) (*upstream.Reply, error) {
	known := parametersOf[call.Format]
	if known == nil {
		return c.next.Call(ctx, call)
	}
	doc, err := strictjson.Parse(call.Body, strictjson.Limits{MaxBytes: len(call.Body) + 1})
	if err != nil {
		return nil, &upstream.Failure{Code: wire.Internal, Cause: err} // the gateway has rendered it
	}
	defer doc.Release()
	unknown := c.unknown(doc.Root(), known)
	if len(unknown) == 0 {
		return c.next.Call(ctx, call)
	}
	if c.refuse {
		return nil, &upstream.Failure{Code: wire.UnsupportedField, Param: presentable(unknown[0]), Retry: upstream.RetryElsewhere}
	}
	rest := make([]strictjson.Override, len(unknown))
	for i, name := range unknown {
		rest[i].Key = name
	}
	less := *call
	less.Body = doc.RenderWith(nil, rest)
	reply, err := c.next.Call(ctx, &less)
	if err == nil {
		reply.Header = append(slices.Clip(reply.Header), upstream.Field{Name: droppedField, Value: listed(unknown)})
	}
	return reply, err
}

// unknown lists the members that are not known, in the order of the body.
func (c *choosy) unknown(root strictjson.Node, known []string) (out []string) {
	if root.Kind() != strictjson.Object {
		return nil
	}
	for key := range root.Members() {
		if name := key.Str(); !slices.Contains(known, name) && !slices.Contains(c.further, name) {
			out = append(out, name)
		}
	}
	return out
}

// The bounds of what is said back of a caller's own names.
const (
	maxListed = 32
	maxName   = 64
)

// listed is the value of the header: names with commas between.
func listed(names []string) string {
	var b strings.Builder
	for i, name := range names[:min(len(names), maxListed)] {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(presentable(name))
	}
	if len(names) > maxListed {
		b.WriteString(",...")
	}
	return b.String()
}

// presentable is a name as it may stand in a header or an error: of other characters than those of names there is a
// question mark in its place.
func presentable(name string) string {
	odd := func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-' || r == '.')
	}
	if name == "" || len(name) > maxName || strings.ContainsFunc(name, odd) {
		return "?"
	}
	return name
}
