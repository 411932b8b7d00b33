package translate_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/sluicegate/sluice/runtime/wire"
	"github.com/sluicegate/sluice/runtime/wire/translate"
)

// section is the table of an operation whose callers have one format.
type section struct {
	title   string
	from    string
	members []string // of a request: the least of them
	columns []column // the first is the caller's own format
	rows    []row
}

// column is a format of endpoints; model is one that it serves.
type column struct{ format, title, model string }

// row is how a request says something, and by format what a request that says it must hold. A format without must refuse,
// unless it is one of those where nothing is to be said.
type row struct {
	name, says string
	evidence   by
}

var sections = []section{
	{
		title: "`/v1/completions`", from: "completions", members: []string{`"prompt":"PROMPT"`},
		columns: []column{{"completions", "completions", "m"}, {"chat", "chat completions", "m"}, {"responses", "responses", "m"}, {"messages", "Anthropic messages", "m"}, {"gemini", "Gemini", "m"}, {"bedrock", "Bedrock", "m"}},
		rows: []row{
			{name: "one prompt", evidence: everywhere("PROMPT")},
			{name: "a list of one prompt", says: `"prompt":["LISTED"]`, evidence: everywhere("LISTED")},
			{name: "several prompts", says: `"prompt":["a","b"]`},
			{name: "a prompt of usage tokens", says: `"prompt":[1,2]`},
			{name: "suffix", says: `"suffix":"s"`},
			{name: "echo", says: `"echo":true`},
			{name: "log probabilities", says: `"logprobs":0`},
			{name: "several choices (n, best_of)", says: `"best_of":2`},
			{name: "logit bias", says: `"logit_bias":{"5":1}`},
			{name: "limit of the answer", says: `"max_tokens":77`, evidence: everywhere(":77")},
			{name: "temperature to 1, top_p", says: `"temperature":0.5,"top_p":0.25`, evidence: everywhere(`"temperature":0.5,"top`)},
			{name: "frequency and presence penalty", says: `"presence_penalty":0.5`, evidence: by{"chat": `"presence_penalty":0.5`, "gemini": `"presencePenalty":0.5`}},
			{name: "seed", says: `"seed":7`, evidence: by{"chat": `"seed":7`, "gemini": `"seed":7`}},
			{name: "stop sequences", says: `"stop":"END"`, evidence: by{"chat": `["END"]`, "messages": `["END"]`, "gemini": `["END"]`, "bedrock": `["END"]`}},
			{name: "id of the end user", says: `"user":"u1"`, evidence: by{"chat": `"user":"u1"`, "responses": `"user":"u1"`, "messages": `"user_id":"u1"`}},
			{name: "streams, with usage", says: `"stream":true`, evidence: by{"chat": `"include_usage":true`, "responses": `"stream":true`, "messages": `"stream":true`, "gemini": "PROMPT", "bedrock": "PROMPT"}},
			{name: "fields that are not known", says: `"guided_json":{}`},
		},
	},
	{
		title: "`/v1/messages/count_tokens`", from: "count", members: []string{`"messages":[{"role":"user","content":"TEXT"}]`},
		columns: []column{{"count", "Anthropic", "m"}, {"geminicount", "Gemini", "m"}, {"vertexcount", "Vertex AI", "m"}, {"bedrockcount", "Bedrock", "m"}},
		rows: []row{
			{name: "messages", evidence: everywhere("TEXT")},
			{name: "system prompt", says: `"system":"SYS"`, evidence: everywhere("SYS")},
			{name: "tools", says: `"tools":[{"name":"f","description":"DESC","input_schema":{"type":"object"}}]`, evidence: everywhere("DESC")},
			{name: "tool choice: any", says: `"tools":[{"name":"f","input_schema":{}}],"tool_choice":{"type":"any"}`, evidence: by{"geminicount": `"ANY"`, "bedrockcount": `{"any":{}}`}},
			{name: "tool choice: one by name", says: `"tools":[{"name":"f","input_schema":{}}],"tool_choice":{"type":"tool","name":"f"}`, evidence: by{"geminicount": `"allowedFunctionNames":["f"]`, "bedrockcount": `{"tool":{"name":"f"}}`}},
			{name: "tool choice: none", says: `"tools":[{"name":"f","input_schema":{}}],"tool_choice":{"type":"none"}`, evidence: by{"geminicount": `"NONE"`}},
			{name: "tool choice: auto", says: `"tools":[{"name":"f","input_schema":{}}],"tool_choice":{"type":"auto"}`, evidence: by{"": `"f"`}},
			{name: "tools that the vendor runs", says: `"tools":[{"type":"web_search_20250305","name":"web_search"}]`},
			{name: "a budget to think", says: `"thinking":{"type":"enabled","budget_tokens":5000}`, evidence: by{"geminicount": `"thinkingBudget":8192`, "vertexcount": `"thinkingBudget":8192`}},
			{name: "answer by a JSON Schema", says: `"output_config":{"format":{"type":"json_schema","schema":{"title":"T"}}}`, evidence: by{"geminicount": `{"title":"T"}`, "vertexcount": `{"title":"T"}`}},
			{name: "fields that are not known", says: `"guided_json":{}`},
		},
	},
	{
		title: "`/v1/embeddings`", from: "embeddings", members: []string{`"input":["TEXT"]`},
		columns: []column{{"embeddings", "embeddings", "m"}, {"geminivectors", "Gemini", "m"}, {"vertexvectors", "Vertex AI", "m"}, {"vertexvectors", "Vertex AI: Gemini 2", "gemini-embedding-2"}, {"bedrockvectors", "Bedrock: Titan", "amazon.titan-embed-text-v2:0"}, {"bedrockvectors", "Bedrock: Cohere", "cohere.embed-v4:0"}, {"bedrockvectors", "Bedrock: others", "amazon.nova"}},
		rows: []row{
			{name: "one text", says: `"input":"ALONE"`, evidence: everywhere("ALONE")},
			{name: "several texts", says: `"input":["TEXT","b"]`, evidence: everywhere("TEXT")},
			{name: "usage tokens", says: `"input":[[1,2]]`},
			{name: "vectors of floats", says: `"encoding_format":"float"`, evidence: everywhere("TEXT")},
			{name: "vectors in base64", says: `"encoding_format":"base64"`, evidence: everywhere("TEXT")},
			{name: "vectors of other numbers (embedding_type)", says: `"embedding_type":"int8"`},
			{name: "dimensions", says: `"dimensions":256`, evidence: everywhere(":256")},
			{name: "input type: query", says: `"input_type":"query"`, evidence: by{"geminivectors": "RETRIEVAL_QUERY", "vertexvectors": "RETRIEVAL_QUERY", "cohere.embed-v4:0": "search_query"}},
			{name: "input type: passage", says: `"input_type":"passage"`, evidence: by{"geminivectors": "RETRIEVAL_DOCUMENT", "vertexvectors": "RETRIEVAL_DOCUMENT", "cohere.embed-v4:0": "search_document"}},
			{name: "input type: classification, clustering", says: `"input_type":"clustering"`, evidence: by{"geminivectors": "CLUSTERING", "vertexvectors": "CLUSTERING", "cohere.embed-v4:0": "clustering"}},
			{name: "truncate: NONE", says: `"truncate":"NONE"`, evidence: by{"vertexvectors": `"autoTruncate":false`, "amazon.titan-embed-text-v2:0": "TEXT", "cohere.embed-v4:0": `"truncate":"NONE"`}},
			{name: "truncate: END", says: `"truncate":"END"`, evidence: by{"vertexvectors": `"autoTruncate":true`, "cohere.embed-v4:0": `"truncate":"END"`}},
			{name: "truncate: START", says: `"truncate":"START"`, evidence: by{"cohere.embed-v4:0": `"truncate":"START"`}},
			{name: "id of the end user", says: `"user":"u1"`},
			{name: "fields that are not known", says: `"late_chunking":true`},
		},
	},
	{
		title: "`/v1/rerank`", from: "rerank", members: []string{`"query":"QUERY"`, `"documents":["DOC"]`},
		columns: []column{{"rerank", "rerank", "m"}, {"ranking", "ranking (NIM)", "m"}, {"bedrockrank", "Bedrock", "cohere.rerank-v3-5:0"}},
		rows: []row{
			{name: "query and documents", evidence: everywhere("DOC")},
			{name: "documents as objects with a text", says: `"documents":[{"text":"OBJECT"}]`, evidence: everywhere("OBJECT")},
			{name: "documents with other members", says: `"documents":[{"text":"a","title":"b"}]`},
			{name: "images", says: `"documents":[{"image":"data:image/png;base64,AA"}]`},
			{name: "how many are wanted (top_n)", says: `"top_n":1`, evidence: everywhere("DOC")},
			{name: "documents in the answer", says: `"return_documents":true`, evidence: everywhere("DOC")},
			{name: "what of a document counts (rank_fields)", says: `"rank_fields":["text"]`},
			{name: "limits of a document's length", says: `"max_tokens_per_doc":10`},
			{name: "fields that are not known", says: `"guided_json":{}`},
		},
	},
	{
		title: "`/v1/ranking`", from: "ranking", members: []string{`"query":{"text":"QUERY"}`, `"passages":[{"text":"DOC"}]`},
		columns: []column{{"ranking", "ranking (NIM)", "m"}, {"rerank", "rerank", "m"}, {"bedrockrank", "Bedrock", "cohere.rerank-v3-5:0"}},
		rows: []row{
			{name: "query and passages", evidence: everywhere("DOC")},
			{name: "images", says: `"passages":[{"image":"data:image/png;base64,AA"}]`},
			{name: "truncate: NONE", says: `"truncate":"NONE"`, evidence: everywhere("DOC")},
			{name: "truncate: END", says: `"truncate":"END"`},
			{name: "fields that are not known", says: `"guided_json":{}`},
		},
	},
}

// everywhere is evidence that is the same in every format.
func everywhere(s string) by { return by{"": s} }

// write appends the section's table.
func (s *section) write(t *testing.T, b *strings.Builder) {
	fmt.Fprintf(b, "\n## From %s\n\n| a request says |", s.title)
	for _, c := range s.columns {
		fmt.Fprintf(b, " %s |", c.title)
	}
	fmt.Fprintf(b, "\n|---|%s\n", strings.Repeat("---|", len(s.columns)))
	for i := range s.rows {
		fmt.Fprintf(b, "| %s |", s.rows[i].name)
		for _, c := range s.columns {
			fmt.Fprintf(b, " %s |", s.cell(t, &s.rows[i], c))
		}
		b.WriteByte('\n')
	}
}

// cell says what becomes of a row in a column, and holds it against the row's evidence.
func (s *section) cell(t *testing.T, r *row, c column) string {
	if c.format == s.from {
		return "carried"
	}
	body := fmt.Sprintf(`{"model":%q`, c.model)
	for _, m := range s.members {
		if key, _, _ := strings.Cut(m, ":"); !strings.HasPrefix(r.says, key+":") {
			body += "," + m
		}
	}
	if r.says != "" {
		body += "," + r.says
	}
	body += "}"
	out, err := request(between(t, s.from, c.format), []byte(body), translate.Options{})
	var fault *wire.Fault
	if errors.As(err, &fault) && fault.Code == wire.UnsupportedField && fault.Param == "model" {
		return "refused: `model`"
	}
	want, ok := r.evidence[c.format]
	if !ok {
		want, ok = r.evidence[c.model]
	}
	if !ok {
		want, ok = r.evidence[""]
	}
	switch {
	case fault != nil && (ok || fault.Code != wire.UnsupportedField || fault.Param == ""):
		t.Errorf("%s to %s, %s: %v", s.from, c.title, r.name, err)
	case fault != nil:
		return "refused: `" + fault.Param + "`"
	case !ok:
		t.Errorf("%s to %s, %s is not refused, and nothing shows that it was said: %s", s.from, c.title, r.name, out)
	case !strings.Contains(string(out), want):
		t.Errorf("%s to %s, %s: %s is not in %s", s.from, c.title, r.name, want, out)
	}
	return "translated"
}
