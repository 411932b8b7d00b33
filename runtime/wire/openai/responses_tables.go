package openai

import (
	"strings"

	"github.com/sluicegate/sluice/runtime/wire/walk"
)

// The tables of responses; see tables.go. Sources: the OpenAI API reference (responses, its items and its streaming
// events; 2026-10), and the models of vLLM, llama.cpp's server and Ollama, which serve a part of it.

// textParts are the rows of the parts of a content, below the place of the content.
func textParts(types string) []row {
	return []row{
		{path: "", class: content},
		{path: "[]", class: part, words: types},
		{path: "[].type", class: own},
		{path: "[].text", class: run},
		{path: "[].refusal", class: run},
		{path: "[].annotations[].type", class: ident},
		{path: "[].annotations[].file_id", class: ident},
		{path: "[].annotations[].container_id", class: ident},
		{path: "[].image_url", class: opaque, words: "image", reach: "image_url"},
		{path: "[].detail", class: enum, words: "auto low high original"},
		{path: "[].file_id", class: state, reach: "file_id"},
		{path: "[].file_data", class: opaque, words: "file"},
		{path: "[].file_url", class: opaque, words: "file", reach: "file_url"},
		{path: "[].filename"},
		{path: "[].input_audio", class: opaque, words: "audio"},
		{path: "[].input_audio.data", class: opaque, words: "audio"},
		{path: "[].input_audio.format", class: enum, words: "wav mp3 flac opus pcm16"},
	}
}

// itemRows are what items of most types have.
var itemRows = []row{
	{path: "type", class: own},
	{path: "id", class: given},
	{path: "status", class: enum, words: "in_progress completed incomplete searching interpreting generating calling failed"},
}

// of are the rows of the items of a type: what they are, and what they have beside itemRows.
func of(kind string, self row, more ...[]row) [][]row {
	place := "input[]<" + kind + ">"
	self.path = place
	out := [][]row{{self}, below(place+".", itemRows)}
	for _, rows := range more {
		out = append(out, below(place, rows))
	}
	return out
}

// spoken are the rows of a message.
func spoken(kind string) [][]row {
	return of(kind, row{class: message, words: "user assistant system developer"},
		[]row{{path: ".role", class: own}, {path: ".phase", class: ident}},
		below(".content", textParts("input_text output_text text refusal input_image input_file input_audio summary_text")))
}

// called are the rows of the call of a tool.
func called(kind string, more ...row) [][]row {
	rows := []row{
		{path: ".name", class: ident},
		{path: ".namespace", class: ident},
		{path: ".call_id", class: ident},
		{path: ".server_label", class: ident},
		{path: ".approval_request_id", class: given},
		{path: ".arguments", class: arguments},
		{path: ".input"},
		{path: ".code"},
		{path: ".output"},
		{path: ".error"},
		{path: ".action.type", class: ident},
		{path: ".action.button", class: ident},
		{path: ".container_id", class: state, reach: "container"},
	}
	return of(kind, row{class: call, scope: predicted}, rows, more)
}

// resulted are the rows of what a tool gave back.
func resulted(kind string, more ...[]row) [][]row {
	rows := []row{{path: ".call_id", class: ident}, {path: ".approval_request_id", class: given}}
	return of(kind, row{scope: walk.Resulted}, append([][]row{rows}, more...)...)
}

var screenRows = []row{
	{path: ".output.type", class: ident},
	{path: ".output.image_url", class: opaque, words: "image", reach: "image_url"},
	{path: ".output.file_id", class: state, reach: "file_id"},
	{path: ".acknowledged_safety_checks[].id", class: ident},
	{path: ".acknowledged_safety_checks[].code", class: ident},
}

// inputItems are the items of an input.
func inputItems() [][]row {
	output := below(".output", textParts("input_text output_text input_image input_file"))
	groups := [][][]row{
		spoken(""), spoken("message"),
		called("function_call"), resulted("function_call_output", output),
		called("custom_tool_call"), resulted("custom_tool_call_output", output),
		called("computer_call"), resulted("computer_call_output", screenRows),
		called("local_shell_call"), resulted("local_shell_call_output"),
		called("shell_call"), resulted("shell_call_output"),
		called("apply_patch_call"), resulted("apply_patch_call_output"),
		called("web_search_call"), called("file_search_call", row{path: ".results[].file_id", class: ident}),
		called("code_interpreter_call"),
		called("image_generation_call", row{path: ".result", class: opaque, words: "image"}),
		called("mcp_call"), called("mcp_approval_request"),
		of("mcp_list_tools", row{scope: definition}, []row{{path: ".server_label", class: ident}, {path: ".tools[].name", class: ident}}),
		of("mcp_approval_response", row{reach: "mcp"}, []row{{path: ".approval_request_id", class: given}}),
		of("reasoning", row{scope: predicted}, []row{
			{path: ".summary[].type", class: ident},
			{path: ".summary[].text"},
			{path: ".content[].type", class: ident},
			{path: ".content[].text"},
			{path: ".encrypted_content"},
		}),
		of("compaction", row{scope: predicted}, []row{{path: ".encrypted_content"}}),
		{{{path: "input[]<item_reference>", class: call}, {path: "input[]<item_reference>.type", class: own}, {path: "input[]<item_reference>.id", class: state, reach: "item_reference"}}},
	}
	out := [][]row{{{path: "input", scope: asked}, {path: "input[]", class: item}}}
	for _, g := range groups {
		out = append(out, g...)
	}
	return out
}

// responseRows are the parameters of a response.
var responseRows = []row{
	{path: "model", class: own},
	{path: "stream", class: own},
	{path: "stream_options", class: bits},
	{path: "instructions", scope: walk.Instructed},
	{path: "background", reach: "background"},
	{path: "store", reach: "store"},
	{path: "previous_response_id", class: state, reach: "previous_response"},
	{path: "conversation", class: state, reach: "conversation"},
	{path: "conversation.id", class: state, reach: "conversation"},
	{path: "prompt.id", class: state, reach: "prompt_id"},
	{path: "prompt.version", class: ident},
	{path: "prompt.variables", scope: asked},
	{path: "prompt.variables.*.type", class: ident},
	{path: "prompt.variables.*.image_url", class: opaque, words: "image", reach: "image_url"},
	{path: "prompt.variables.*.file_id", class: state, reach: "file_id"},
	{path: "prompt.variables.*.file_data", class: opaque, words: "file"},
	{path: "prompt.variables.*.file_url", class: opaque, words: "file", reach: "file_url"},
	{path: "include", class: ident},
	{path: "truncation", class: enum, words: "auto disabled"},
	{path: "max_output_tokens"},
	{path: "max_tool_calls"},
	{path: "parallel_tool_calls"},
	{path: "temperature"},
	{path: "top_p"},
	{path: "top_logprobs"},
	{path: "service_tier", class: enum, words: "auto default flex priority scale"},
	{path: "metadata"},
	{path: "user"},
	{path: "safety_identifier"},
	{path: "prompt_cache_key"},
	{path: "prompt_cache_retention", class: ident},
	{path: "context_management[].type", class: ident},
	{path: "reasoning.effort", class: enum, words: "none minimal low medium high xhigh"},
	{path: "reasoning.summary", class: enum, words: "auto concise detailed none"},
	{path: "reasoning.generate_summary", class: enum, words: "auto concise detailed"},
	{path: "text.format", scope: definition},
	{path: "text.format.type", class: enum, words: "text json_object json_schema grammar"},
	{path: "text.format.name", class: ident},
	{path: "text.format.description"},
	{path: "text.format.schema", class: schema},
	{path: "text.format.strict"},
	{path: "text.verbosity", class: enum, words: "low medium high"},
	{path: "tools", scope: definition},
	{path: "tools[]", class: walk.Offer, words: "function custom local_shell apply_patch"},
	{path: "tools[].type", class: own},
	{path: "tools[].name", class: ident},
	{path: "tools[].description"},
	{path: "tools[].strict"},
	{path: "tools[].parameters", class: schema},
	{path: "tools[].format.type", class: enum, words: "text grammar"},
	{path: "tools[].format.syntax", class: enum, words: "lark regex"},
	{path: "tools[].format.definition"},
	{path: "tools[].vector_store_ids", class: state, reach: "vector_store"},
	{path: "tools[].vector_store_ids[]", class: state, reach: "vector_store"},
	{path: "tools[].container", class: state, reach: "container"},
	{path: "tools[].container.type", class: ident},
	{path: "tools[].container.file_ids", class: state, reach: "file_id"},
	{path: "tools[].container.file_ids[]", class: state, reach: "file_id"},
	{path: "tools[].environment", class: state, reach: "container"},
	{path: "tools[].environment.type", class: ident},
	{path: "tools[].environment.container_id", class: state, reach: "container"},
	{path: "tools[].input_image_mask.image_url", class: opaque, words: "image", reach: "image_url"},
	{path: "tools[].input_image_mask.file_id", class: state, reach: "file_id"},
	{path: "tool_choice", class: enum, words: "none auto required"},
	{path: "tool_choice.type", class: ident},
	{path: "tool_choice.name", class: ident},
	{path: "tool_choice.server_label", class: ident},
	{path: "tool_choice.mode", class: enum, words: "auto required"},
	{path: "tool_choice.tools[].type", class: ident},
	{path: "tool_choice.tools[].name", class: ident},
	{path: "tool_choice.tools[].server_label", class: ident},
	{path: "chat_template", reach: "chat_template"},
	{path: "kv_transfer_params", reach: "kv_transfer"},
	{path: "logits_processors", reach: "logits_processors"},
}

var responseRequest = compile(append(inputItems(), responseRows)...)

// outputRows are an item of an answer's output, of whichever type. What it says is what readers put together over the
// events of a stream.
var outputRows = []row{
	{path: "id", class: skip},
	{path: "type", class: skip},
	{path: "status", class: skip},
	{path: "role", class: skip},
	{path: "phase", class: skip},
	{path: "name", class: ident},
	{path: "namespace", class: ident},
	{path: "call_id", class: ident},
	{path: "server_label", class: ident},
	{path: "approval_request_id", class: skip},
	{path: "container_id", class: skip},
	{path: "arguments", class: arguments},
	{path: "input", scope: walk.Input},
	{path: "action", scope: walk.Input},
	{path: "action.type", class: ident},
	{path: "pending_safety_checks[].id", class: skip},
	{path: "pending_safety_checks[].code", class: ident},
	{path: "results[].file_id", class: skip},
	{path: "result", class: skip}, // an image in base64
	{path: "content[].type", class: skip},
	{path: "content[].logprobs", class: copied, words: "[]"},
	{path: "content[].annotations", class: walk.Offsets, words: "[]"},
	{path: "content[].annotations[].type", class: ident},
	{path: "content[].annotations[].file_id", class: ident},
	{path: "content[].annotations[].container_id", class: ident},
	{path: "summary[].type", class: skip},
}

// answeredRows are an answer around its output. Instructions, tools and other parameters of the request come back in it;
// what the gateway had put there in the place of the caller's text is text here.
var answeredRows = []row{
	{path: "id", class: skip},
	{path: "object", class: skip},
	{path: "created_at", class: skip},
	{path: "completed_at", class: skip},
	{path: "status", class: skip},
	{path: "model", class: skip},
	{path: "service_tier", class: skip},
	{path: "truncation", class: skip},
	{path: "usage", class: skip},
	{path: "previous_response_id", class: skip},
	{path: "conversation.id", class: skip},
	{path: "incomplete_details.reason", class: ident},
	{path: "reasoning.effort", class: ident},
	{path: "reasoning.summary", class: ident},
	{path: "text.format.type", class: ident},
	{path: "text.format.name", class: ident},
	{path: "text.verbosity", class: ident},
	{path: "tool_choice", class: ident},
	{path: "tools[].type", class: ident},
	{path: "tools[].name", class: ident},
	{path: "output[]", class: call},
}

var responseAnswer = compile(answeredRows, below("output[].", outputRows))

// eventRows are an event of a stream beside the answer, item or part that it has.
var eventRows = []row{
	{path: "type", class: own},
	{path: "item_id", class: skip},
	{path: "call_id", class: ident},
	{path: "name", class: ident},
	{path: "obfuscation", class: skip}, // characters at random, so that lengths tell nothing
	{path: "logprobs", class: copied, words: "[]"},
	{path: "partial_image_b64", class: skip},
	{path: "annotation", class: walk.Offsets},
	{path: "annotation.type", class: ident},
	{path: "annotation.file_id", class: ident},
	{path: "annotation.container_id", class: ident},
	{path: "arguments", class: arguments},
	{path: "input", scope: walk.Input},
	{path: "delta", scope: grows},
}

// responseEvent is an event: what it has of the answer is read by the answer's own rows.
var responseEvent = compile(eventRows, below("response.", answeredRows), below("response.output[].", outputRows),
	[]row{{path: "item", class: call}}, below("item.", outputRows), below("part.", partRows()))

// partRows are a part of an item's content or summary.
func partRows() (out []row) {
	for _, r := range outputRows {
		if rest, ok := strings.CutPrefix(r.path, "content[]."); ok {
			r.path = rest
			out = append(out, r)
		}
	}
	return out
}

// responseShape is an answer and what its events have beside it, for the table of what is covered.
var responseShape = compile(answeredRows, below("output[].", outputRows), eventRows)
