// Package openai reads and writes the bodies of the OpenAI API: chat completions, completions, embeddings and the list
// of models, as OpenAI and the model servers that follow it (vLLM, llama.cpp, Ollama, NIM) speak it.
//
// # Requests
//
// A request is read strictly and covered by default: every JSON string of it, and every key of its free-form objects,
// is a text segment that filters see, unless one readable table (tables.go) names it as something else: an enumeration
// whose value is in its closed set, an identifier that looks like one, content no text filter can read. Nothing is
// rewritten: a Request's document leaves byte for byte as it came, but for what was edited.
//
// # Answers
//
// Answers and the events of streams are read leniently, by the same kind of table: what it does not name is text.
// Unknown fields travel on both ways.
//
// The package does no I/O and knows nothing of addresses, headers or credentials.
package openai

import "github.com/sluicegate/sluice/runtime/wire"

// The formats of the API, one for each operation. They are stateless and safe for concurrent use.
//
// Embeddings, Rerank and Ranking do not stream: their Event, Carry, Join and Split give errors. The last two are no API
// of OpenAI's: the first is Cohere's and Jina's, which vLLM and others have beside OpenAI's, the second NVIDIA NIM's.
var (
	Chat        wire.Format = chat
	Completions wire.Format = completions
	Embeddings  wire.Format = embeddings
	Rerank      wire.Format = rerank
	Ranking     wire.Format = ranking
)

var (
	chat = &format{
		name: "openai.chat", op: wire.ChatCompletions, prompts: []string{"messages"},
		request: chatRequest, answer: chatAnswer, items: "choices",
		whole: "chat.completion", chunk: "chat.completion.chunk",
	}
	completions = &format{
		name: "openai.completions", op: wire.Completions, prompts: []string{"prompt", "prompt_embeds"},
		request: completionRequest, answer: completionAnswer, items: "choices",
		whole: "text_completion", chunk: "text_completion",
	}
	embeddings = &format{
		name: "openai.embeddings", op: wire.Embeddings, prompts: []string{"input", "messages"},
		request: embeddingRequest, answer: embeddingAnswer, items: "data",
	}
	rerank = &format{
		name: "openai.rerank", op: wire.Rerank, prompts: []string{"query"}, beside: "documents",
		request: rerankRequest, answer: rerankAnswer, items: "results",
	}
	ranking = &format{
		name: "openai.ranking", op: wire.Rerank, prompts: []string{"query"}, beside: "passages",
		request: rerankRequest, answer: rerankAnswer, items: "rankings",
	}
)

// format is one operation's bodies.
type format struct {
	name    string
	op      wire.Operation
	prompts []string // the members that hold the prompt; one of them is required
	beside  string   // a list that is required beside the prompt; "" for none
	request *rule
	answer  *rule
	items   string // the member of an answer that holds its results
	whole   string // the "object" of a whole answer
	chunk   string // the "object" of an event; "" where nothing streams
}

// Name is the format's name.
func (f *format) Name() string { return f.name }

// streams gives a fault where the format has no streams.
func (f *format) streams() error {
	if f.chunk == "" {
		return &wire.Fault{Code: wire.Internal, Message: f.name + " has no streams"}
	}
	return nil
}
