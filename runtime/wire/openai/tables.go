package openai

// The tables. A string in a request that no row names, under a known key or an unknown one, is text; so are the keys of
// objects that no row names (metadata, unknown parameters, the properties of a schema). A row with no class makes a
// key known: other spellings of it (Model, me\u017fsages) are refused, since a model server could read them as it.
// Sources: the OpenAI API reference (chat, completions, embeddings; 2026-10) and the request models of vLLM,
// llama.cpp's server, Ollama and NIM, which take the API's fields and more.

// samplingRows are parameters of generation that several operations share.
var samplingRows = []row{
	{path: "model", class: own},
	{path: "stream", class: own},
	{path: "stream_options", class: bits},
	{path: "stream_options.include_usage"},
	{path: "n"},
	{path: "best_of"},
	{path: "max_tokens"},
	{path: "min_tokens"},
	{path: "temperature"},
	{path: "top_p"},
	{path: "top_k"},
	{path: "min_p"},
	{path: "frequency_penalty"},
	{path: "presence_penalty"},
	{path: "repetition_penalty"},
	{path: "logit_bias"},
	{path: "logit_bias.*", class: ident},
	{path: "logprobs"},
	{path: "seed"},
	{path: "stop"},
	{path: "echo"},
	{path: "user"},
	{path: "priority"},
	{path: "ignore_eos"},
	{path: "service_tier", class: enum, words: "auto default flex priority scale"},
	{path: "response_format", scope: definition},
	{path: "response_format.type", class: enum, words: "text json_object json_schema grammar structural_tag"},
	{path: "response_format.schema", class: schema},
	{path: "response_format.json_schema.name", class: ident},
	{path: "response_format.json_schema.description"},
	{path: "response_format.json_schema.strict"},
	{path: "response_format.json_schema.schema", class: schema},
	{path: "guided_json", class: schema, scope: definition},
	{path: "json_schema", class: schema, scope: definition},

	// State on the model server, and what makes it fetch or run things.
	{path: "previous_response_id", class: state, reach: "previous_response"},
	{path: "conversation", class: state, reach: "conversation"},
	{path: "conversation.id", class: state, reach: "conversation"},
	{path: "background", reach: "background"},
	{path: "store", reach: "store"},
	{path: "chat_template", reach: "chat_template"},         // vLLM: a program that puts the prompt together anew
	{path: "logits_processors", reach: "logits_processors"}, // vLLM: names of functions to call
	{path: "kv_transfer_params", reach: "kv_transfer"},      // vLLM: addresses of other servers' memory
	{path: "id_slot", reach: "slot"},                        // llama.cpp: a slot and what it remembers
	{path: "slot_id", reach: "slot"},

	// Embedded prompts: tensors.
	{path: "prompt_embeds", class: opaque, words: "tensor"},
}

// messageRows are the messages of a chat.
var messageRows = []row{
	{path: "messages[]", class: message},
	{path: "messages[].role", class: own},
	{path: "messages[].content", class: content},
	{path: "messages[].content[]", class: part, words: "text image_url input_audio file refusal thinking video_url audio_url image_embeds"},
	{path: "messages[].content[].type", class: own},
	{path: "messages[].content[].text", class: run},
	{path: "messages[].content[].refusal", class: run},
	{path: "messages[].content[].thinking", class: content},
	{path: "messages[].content[].thinking[]", class: part, words: "text"},
	{path: "messages[].content[].thinking[].type", class: own},
	{path: "messages[].content[].thinking[].text", class: run},
	{path: "messages[].content[].image_url", class: opaque, words: "image", reach: "image_url"},
	{path: "messages[].content[].image_url.url", class: opaque, words: "image", reach: "image_url"},
	{path: "messages[].content[].image_url.detail", class: enum, words: "auto low high"},
	{path: "messages[].content[].video_url", class: opaque, words: "video", reach: "video_url"},
	{path: "messages[].content[].video_url.url", class: opaque, words: "video", reach: "video_url"},
	{path: "messages[].content[].audio_url", class: opaque, words: "audio", reach: "audio_url"},
	{path: "messages[].content[].audio_url.url", class: opaque, words: "audio", reach: "audio_url"},
	{path: "messages[].content[].image_embeds", class: opaque, words: "tensor"},
	{path: "messages[].content[].input_audio", class: opaque, words: "audio"},
	{path: "messages[].content[].input_audio.data", class: opaque, words: "audio"},
	{path: "messages[].content[].input_audio.format", class: enum, words: "wav mp3 flac opus pcm16"},
	{path: "messages[].content[].file", class: opaque, words: "file"},
	{path: "messages[].content[].file.file_data", class: opaque, words: "file"},
	{path: "messages[].content[].file.file_id", class: state, reach: "file_id"},
	{path: "messages[].content[].file.filename"},
	{path: "messages[].content[].cache_control.type", class: enum, words: "ephemeral"}, // Anthropic's, by way of others
	{path: "messages[].name"},
	{path: "messages[].refusal"},
	{path: "messages[].reasoning_content"},
	{path: "messages[].tool_call_id", class: ident},
	{path: "messages[].tool_calls[].id", class: ident},
	{path: "messages[].tool_calls[].index"},
	{path: "messages[].tool_calls[].type", class: enum, words: "function custom"},
	{path: "messages[].tool_calls[].function", class: call},
	{path: "messages[].tool_calls[].function.name", class: ident},
	{path: "messages[].tool_calls[].function.arguments", class: arguments},
	{path: "messages[].tool_calls[].custom", class: call},
	{path: "messages[].tool_calls[].custom.name", class: ident},
	{path: "messages[].tool_calls[].custom.input"},
	{path: "messages[].function_call", class: call},
	{path: "messages[].function_call.name", class: ident},
	{path: "messages[].function_call.arguments", class: arguments},
	{path: "messages[].audio", reach: "audio_id"}, // of an earlier answer
	{path: "messages[].audio.id", class: state, reach: "audio_id"},
}

// toolRows are the tools offered to the model, and other parameters of chats.
var toolRows = []row{
	{path: "tools", scope: definition},
	{path: "tools[]", class: tool, words: "function custom"},
	{path: "tools[].type", class: own},
	{path: "tools[].function", class: define},
	{path: "tools[].function.name", class: ident},
	{path: "tools[].function.description"},
	{path: "tools[].function.strict"},
	{path: "tools[].function.parameters", class: schema},
	{path: "tools[].custom", class: define},
	{path: "tools[].custom.name", class: ident},
	{path: "tools[].custom.description"},
	{path: "tools[].custom.format.type", class: enum, words: "text grammar"},
	{path: "tools[].custom.format.grammar.syntax", class: enum, words: "lark regex"},
	{path: "tools[].custom.format.grammar.definition"},
	{path: "functions", scope: definition},
	{path: "functions[]", class: define},
	{path: "functions[].name", class: ident},
	{path: "functions[].description"},
	{path: "functions[].parameters", class: schema},
	{path: "tool_choice", class: enum, words: "none auto required any"},
	{path: "tool_choice.type", class: enum, words: "function custom allowed_tools"},
	{path: "tool_choice.function.name", class: ident},
	{path: "tool_choice.custom.name", class: ident},
	{path: "tool_choice.allowed_tools.mode", class: enum, words: "auto required"},
	{path: "tool_choice.allowed_tools.tools[].type", class: enum, words: "function custom"},
	{path: "tool_choice.allowed_tools.tools[].function.name", class: ident},
	{path: "function_call", class: enum, words: "none auto"},
	{path: "function_call.name", class: ident},
	{path: "parallel_tool_calls"},
	{path: "max_completion_tokens"},
	{path: "top_logprobs"},
	{path: "reasoning_effort", class: enum, words: "none minimal low medium high xhigh"},
	{path: "verbosity", class: enum, words: "low medium high"},
	{path: "modalities", class: enum, words: "text audio"},
	{path: "audio", class: opaque, words: "audio"}, // asks for an answer in audio
	{path: "prediction", scope: predicted},
	{path: "prediction.type", class: enum, words: "content"},
	{path: "prediction.content", class: content},
	{path: "prediction.content[]", class: part, words: "text"},
	{path: "prediction.content[].type", class: own},
	{path: "prediction.content[].text", class: run},
	{path: "web_search_options", reach: "web_search"},
	{path: "plugins", reach: "plugins"}, // OpenRouter: web search, file parsing
	{path: "metadata"},
}

// promptRows are the prompt of a completion.
var promptRows = []row{
	{path: "prompt", class: tokens, scope: asked},
	{path: "suffix", scope: beside},
}

// inputRows are the input of embeddings.
var inputRows = []row{
	{path: "model", class: own},
	{path: "stream", class: refused},
	{path: "input", class: tokens, scope: asked},
	{path: "encoding_format", class: enum, words: "float base64"},
	{path: "input_type", class: enum, words: "query passage document search_query search_document classification clustering"},
	{path: "truncate", class: enum, words: "NONE START END"},
	{path: "embedding_type", class: enum, words: "float binary int8 uint8 ubinary"},
	{path: "dimensions"},
	{path: "user"},
	{path: "chat_template", reach: "chat_template"},
}

// rerankRows are a request to order documents by their relevance, as Cohere, Jina and vLLM have it (/rerank) and as NIM's
// ranking has it.
var rerankRows = []row{
	{path: "model", class: own},
	{path: "stream", class: refused},
	{path: "query", scope: asked},
	{path: "query.text"},
	{path: "query.image", class: opaque, words: "image"},
	{path: "query.content[].image_url", class: opaque, words: "image"},
	{path: "query.content[].video_url", class: opaque, words: "video"},
	{path: "documents", scope: asked},
	{path: "documents[].text"},
	{path: "documents[].image", class: opaque, words: "image"},
	{path: "documents.content[].image_url", class: opaque, words: "image"},
	{path: "documents.content[].video_url", class: opaque, words: "video"},
	{path: "passages", scope: asked},
	{path: "passages[].text"},
	{path: "passages[].image", class: opaque, words: "image"},
	{path: "top_n"},
	{path: "return_documents"},
	{path: "rank_fields[]", class: ident},
	{path: "max_tokens_per_doc"},
	{path: "max_chunks_per_doc"},
	{path: "truncate_prompt_tokens"},
	{path: "truncate", class: enum, words: "NONE END"},
	{path: "user"},
	{path: "priority"},
	{path: "chat_template", class: refused},
}

var (
	rerankRequest     = compile(rerankRows)
	chatRequest       = compile(samplingRows, messageRows, toolRows)
	completionRequest = compile(samplingRows, promptRows)
	embeddingRequest  = compile(inputRows, messageRows)
)

// rootRows are the members of an answer, or of a stream's event, around its choices.
var rootRows = []row{
	{path: "id", class: skip},
	{path: "object", class: skip},
	{path: "created", class: skip},
	{path: "model", class: skip},
	{path: "system_fingerprint", class: skip},
	{path: "service_tier", class: skip},
	{path: "usage", class: skip},
	{path: "timings", class: skip}, // llama.cpp: milliseconds and counts
	{path: "choices[].index", class: own},
	{path: "choices[].finish_reason", class: own},
	{path: "choices[].logprobs", class: copied},
	{path: "choices[].token_ids", class: copied}, // vLLM
	{path: "choices[].content_filter_results.*.severity", class: skip},
	{path: "prompt_filter_results[].content_filter_results.*.severity", class: skip},
}

// embeddingRows are an answer that holds no text: what no row names is, as everywhere.
var embeddingRows = []row{
	{path: "id", class: skip},
	{path: "object", class: skip},
	{path: "created", class: skip},
	{path: "model", class: skip},
	{path: "usage", class: skip},
	{path: "data[].object", class: skip},
	{path: "data[].index", class: skip},
	{path: "data[].embedding", class: skip}, // numbers, or the same in base64
}

// rerankedRows are an answer that orders documents; the documents in it are text.
var rerankedRows = []row{
	{path: "id", class: skip},
	{path: "object", class: skip},
	{path: "created", class: skip},
	{path: "model", class: skip},
	{path: "usage", class: skip},
	{path: "meta", class: skip}, // Cohere: its version and what it bills
	{path: "results[].index"},
	{path: "rankings[].index"},
}

// saidRows are what the model says in a chat: under "message" in a whole answer, "delta" in an event.
var saidRows = []row{
	{path: "role", class: skip},
	{path: "content"},
	{path: "content[].index", class: own}, // parts, as Mistral streams them
	{path: "content[].type", class: ident, scope: settled},
	{path: "content[].thinking[].index", class: own},
	{path: "content[].thinking[].type", class: ident, scope: settled},
	{path: "refusal"},
	{path: "annotations", scope: settled},
	{path: "annotations[].type", class: ident, scope: settled},
	{path: "reasoning_content"},
	{path: "reasoning"},
	{path: "tool_calls[].index", class: own},
	{path: "tool_calls[].id", class: ident},
	{path: "tool_calls[].type", class: skip},
	{path: "tool_calls[].function", class: call},
	{path: "tool_calls[].function.name", class: ident},
	{path: "tool_calls[].function.arguments", class: arguments},
	{path: "tool_calls[].custom", class: call},
	{path: "tool_calls[].custom.name", class: ident},
	{path: "function_call", class: call},
	{path: "function_call.name", class: ident},
	{path: "function_call.arguments", class: arguments},
	{path: "audio.id", class: skip},
	{path: "audio.data", class: skip},
	{path: "reasoning_details[].type", class: skip}, // OpenRouter
	{path: "reasoning_details[].format", class: skip},
	{path: "reasoning_details[].id", class: skip},
}

var (
	chatAnswer = compile(rootRows,
		[]row{{path: "choices[].message", scope: grows}, {path: "choices[].delta", scope: grows}},
		below("choices[].message.", saidRows), below("choices[].delta.", saidRows))
	completionAnswer = compile(rootRows, []row{{path: "choices[].text", scope: grows}})
	embeddingAnswer  = compile(embeddingRows)
	rerankAnswer     = compile(rerankedRows)
)

// below puts rows under a place.
func below(place string, rows []row) []row {
	out := make([]row, len(rows))
	for i, r := range rows {
		r.path = place + r.path
		out[i] = r
	}
	return out
}
