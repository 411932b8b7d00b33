package anthropic

import "github.com/sluicegate/sluice/runtime/wire/walk"

// The tables; package walk says what the classes mean. Source: the Anthropic API reference (messages, count_tokens,
// streaming, tool use, citations, extended thinking; version 2023-06-01 as of 2026-10).

type row = walk.Row

// The types of content blocks. Those of tools that the model server ran are here too: an earlier answer's blocks are
// sent back with the conversation.
const (
	blockTypes = "text image document search_result tool_use tool_result thinking redacted_thinking " +
		"server_tool_use mcp_tool_use mcp_tool_result web_search_tool_result web_fetch_tool_result " +
		"code_execution_tool_result bash_code_execution_tool_result text_editor_code_execution_tool_result " +
		"tool_search_tool_result container_upload compaction"
	resultTypes = "text image document search_result tool_reference browser_state"
)

// parameterRows are the members around the conversation.
var parameterRows = []row{
	{Path: "model", Class: walk.Own},
	{Path: "stream", Class: walk.Own},
	{Path: "max_tokens"},
	{Path: "temperature"},
	{Path: "top_p"},
	{Path: "top_k"},
	{Path: "stop_sequences"},
	{Path: "metadata.user_id", Class: walk.Ident},
	{Path: "service_tier", Class: walk.Enum, Words: "auto standard_only"},
	{Path: "inference_geo", Class: walk.Ident},
	{Path: "speed", Class: walk.Enum, Words: "standard fast"},
	{Path: "cache_control.type", Class: walk.Enum, Words: "ephemeral"},
	{Path: "cache_control.ttl", Class: walk.Enum, Words: "5m 1h"},
	{Path: "thinking.type", Class: walk.Enum, Words: "enabled disabled adaptive between_tools"},
	{Path: "thinking.budget_tokens"},
	{Path: "thinking.display", Class: walk.Enum, Words: "summarized omitted full"},
	{Path: "output_config.effort", Class: walk.Enum, Words: "low medium high xhigh max"},
	{Path: "output_config.format", Scope: walk.Definition},
	{Path: "output_config.format.type", Class: walk.Enum, Words: "json_schema"},
	{Path: "output_config.format.schema", Class: walk.Schema},
	{Path: "output_format", Scope: walk.Definition},
	{Path: "output_format.type", Class: walk.Enum, Words: "json_schema"},
	{Path: "output_format.schema", Class: walk.Schema},
	{Path: "context_management.edits[].type", Class: walk.Ident},

	// State on the model server, and what makes it fetch or run things.
	{Path: "container", Class: walk.State, Reach: "container"},
	{Path: "container.id", Class: walk.State, Reach: "container"},
	{Path: "container.skills", Reach: "container"},
	{Path: "mcp_servers", Reach: "mcp"},
	{Path: "diagnostics.previous_message_id", Class: walk.State, Reach: "previous_response"},
	{Path: "thread", Reach: "conversation"},
	{Path: "fallbacks", Class: walk.Refused},      // other models, which no policy has judged
	{Path: "anthropic_beta", Class: walk.Refused}, // as other clouds have the header
}

// promptRows are the system prompt and the messages.
var promptRows = []row{
	{Path: "system", Class: walk.Content, Scope: walk.Instructed},
	{Path: "system[]", Class: walk.Part, Words: "text"},
	{Path: "system[].type", Class: walk.Own},
	{Path: "system[].text", Class: walk.Run},
	{Path: "system[].cache_control.type", Class: walk.Enum, Words: "ephemeral"},
	{Path: "system[].cache_control.ttl", Class: walk.Enum, Words: "5m 1h"},
	{Path: "messages[]", Class: walk.Message, Words: "user assistant system"},
	{Path: "messages[].role", Class: walk.Own},
	{Path: "messages[].content", Class: walk.Content},
	{Path: "messages[].content[]", Class: walk.Part, Words: blockTypes},
}

// blockRows are a content block of a request, in a message or in what a tool gave back.
var blockRows = []row{
	{Path: "type", Class: walk.Own},
	{Path: "text", Class: walk.Run},
	{Path: "title"},
	{Path: "context"},
	{Path: "cache_control.type", Class: walk.Enum, Words: "ephemeral"},
	{Path: "cache_control.ttl", Class: walk.Enum, Words: "5m 1h"},
	{Path: "citations"},
	{Path: "citations[].type", Class: walk.Ident},
}

// sourceRows are where a block of a type, such as <image>, has its content from.
func sourceRows(block, kind, types string) []row {
	return below(block+".source", []row{
		{Class: walk.Part, Words: types},
		{Path: ".type", Class: walk.Own},
		{Path: ".media_type", Class: walk.Enum, Words: "image/jpeg image/png image/gif image/webp application/pdf text/plain"},
		{Path: ".data", Class: walk.Opaque, Words: kind},
		{Path: ".url", Class: walk.Opaque, Words: kind, Reach: kind + "_url"},
		{Path: ".file_id", Class: walk.State, Reach: "file_id"},
	})
}

// plainRows are a document whose source is text, or blocks of it.
func plainRows(block string) []row {
	return below(block+".source", append([]row{
		{Path: "<text>.data"},
		{Path: "<content>.content", Class: walk.Content},
		{Path: "<content>.content[]", Class: walk.Part, Words: "text image"},
		{Path: "<content>.content[].type", Class: walk.Own},
		{Path: "<content>.content[].text", Class: walk.Run},
	}, sourceRows("<content>.content[]<image>", "image", "base64 url file")...))
}

// mediaRows are the blocks at a place that hold more than text.
func mediaRows(place string) []row {
	out := sourceRows(place+"<image>", "image", "base64 url file")
	out = append(out, sourceRows(place+"<document>", "file", "base64 text content url file")...)
	out = append(out, plainRows(place+"<document>")...)
	return append(out, below(place+"<search_result>.", []row{
		{Path: "source"},
		{Path: "content", Class: walk.Content},
		{Path: "content[]", Class: walk.Part, Words: "text"},
		{Path: "content[].type", Class: walk.Own},
		{Path: "content[].text", Class: walk.Run},
	})...)
}

// callRows are the calls of tools in a message, what they gave back, and the model's thinking.
var callRows = []row{
	{Path: ".id", Class: walk.Ident},
	{Path: ".name", Class: walk.Ident},
	{Path: ".server_name", Class: walk.Ident},
	{Path: ".toolset_name", Class: walk.Ident},
	{Path: ".tool_use_id", Class: walk.Ident},
	{Path: ".input"},
	{Path: ".caller.type", Class: walk.Ident},
	{Path: ".caller.tool_id", Class: walk.Ident},
	{Path: "<container_upload>.file_id", Class: walk.State, Reach: "file_id"},
	{Path: ".is_error"},
	{Path: ".thinking"},
	{Path: ".signature"}, // in base64, which filters read like any text; a vendor's own is random
	{Path: ".data"},      // of redacted_thinking, likewise
	{Path: "<tool_result>.content", Class: walk.Content, Scope: walk.Resulted},
	{Path: "<tool_result>.content[]", Class: walk.Part, Words: resultTypes},
	{Path: "<tool_result>.content[].tool_name", Class: walk.Ident},
	{Path: "<web_fetch_tool_result>.content.content.source<base64>.data", Class: walk.Opaque, Words: "file"},
	{Path: "<mcp_tool_result>.content", Scope: walk.Resulted},
}

// toolRows are the tools offered to the model: the caller runs them, or they go no further than the request itself. Those
// of other types run on the model server.
var toolRows = []row{
	{Path: "tools", Scope: walk.Definition},
	{Path: "tools[]", Class: walk.Offer, Words: "custom bash_20241022 bash_20250124 text_editor_20241022 text_editor_20250124 " +
		"text_editor_20250429 text_editor_20250728 computer_20241022 computer_20250124 computer_20251124 memory_20250818 " +
		"browser_toolset_20260801 computer_toolset_20260801 " +
		"tool_search_tool_regex_20251119 tool_search_tool_bm25_20251119"},
	{Path: "tools[].type", Class: walk.Own},
	{Path: "tools[].name", Class: walk.Ident},
	{Path: "tools[].description"},
	{Path: "tools[].input_schema", Class: walk.Schema},
	{Path: "tools[].cache_control.type", Class: walk.Enum, Words: "ephemeral"},
	{Path: "tools[].cache_control.ttl", Class: walk.Enum, Words: "5m 1h"},
	{Path: "tools[].allowed_callers", Class: walk.Ident},
	{Path: "tools[].strict"},
	{Path: "tool_choice.type", Class: walk.Enum, Words: "auto any tool none"},
	{Path: "tool_choice.name", Class: walk.Ident},
	{Path: "tool_choice.disable_parallel_tool_use"},
}

// messageRows are the blocks of messages.
func messageRows() []row {
	const block, result = "messages[].content[]", "messages[].content[]<tool_result>.content[]"
	out := below(block+".", blockRows)
	out = append(out, mediaRows(block)...)
	out = append(out, below(block, callRows)...)
	out = append(out, below(result+".", blockRows)...)
	return append(out, mediaRows(result)...)
}

var (
	messagesRequest = walk.Compile(parameterRows, promptRows, messageRows(), toolRows)
	countRequest    = walk.Compile(only(parameterRows), promptRows, messageRows(), toolRows)
)

// only are the parameters of a count: it has no stream.
func only(rows []row) []row {
	out := append([]row(nil), rows...)
	for i := range out {
		if out[i].Path == "stream" {
			out[i].Class = walk.Refused
		}
	}
	return out
}

// headRows are an answer without its content, which is also what a stream's first event holds.
var headRows = []row{
	{Path: "id", Class: walk.Skip},
	{Path: "type", Class: walk.Skip},
	{Path: "role", Class: walk.Skip},
	{Path: "model", Class: walk.Skip},
	{Path: "stop_reason", Class: walk.Own},
	{Path: "stop_sequence"},
	{Path: "usage", Class: walk.Skip},
	{Path: "stop_details.type", Class: walk.Skip},
	{Path: "stop_details.category", Class: walk.Ident},
	{Path: "container.id", Class: walk.Skip},
	{Path: "container.expires_at", Class: walk.Skip},
}

// saidRows are what a content block says.
var saidRows = []row{
	{Path: "type", Class: walk.Own},
	{Path: "text", Scope: walk.Grows},
	{Path: "thinking", Scope: walk.Grows},
	{Path: "signature", Class: walk.Sum},
	{Path: "id", Class: walk.Ident},
	{Path: "name", Class: walk.Ident},
	{Path: "server_name", Class: walk.Ident},
	{Path: "tool_use_id", Class: walk.Ident},
	{Path: "input", Scope: walk.Input},
	{Path: "caller.type", Class: walk.Own},
	{Path: "citations[].type", Class: walk.Own},
}

// deltaRows are what an event adds to a content block.
var deltaRows = []row{
	{Path: "type", Class: walk.Own},
	{Path: "text", Scope: walk.Grows},
	{Path: "thinking", Scope: walk.Grows},
	{Path: "partial_json", Class: walk.Arguments, Scope: walk.Grows},
	{Path: "signature", Class: walk.Sum},
	{Path: "citation", Scope: walk.Settled},
	{Path: "citation.type", Class: walk.Own},
}

// eventRows are the members of an event; the objects among them have rules of their own.
var eventRows = []row{
	{Path: "type", Class: walk.Own},
	{Path: "index", Class: walk.Own},
	{Path: "message", Class: walk.Own},
	{Path: "content_block", Class: walk.Own},
	{Path: "delta", Class: walk.Own},
	{Path: "usage", Class: walk.Skip},
}

// countRows are the answer of a count.
var countRows = []row{{Path: "input_tokens", Class: walk.Skip}}

var (
	headRule  = walk.Compile(headRows, []row{{Path: "content", Class: walk.Own}})
	saidRule  = walk.Compile(saidRows)
	deltaRule = walk.Compile(deltaRows)
	eventRule = walk.Compile(eventRows)
	countRule = walk.Compile(countRows)
	// The same as one, for Shapes.
	answerShape = walk.Compile(headRows, below("content[].", saidRows), []row{{Path: "content[].input.*", Scope: walk.Input}})
)

// below puts rows under a place.
func below(place string, rows []row) []row {
	out := make([]row, len(rows))
	for i, r := range rows {
		r.Path = place + r.Path
		out[i] = r
	}
	return out
}
