package translate

import (
	"bytes"
	"strings"

	"github.com/sluicegate/sluice/runtime/strictjson"
)

// The vendors' formats of embeddings. The model is in their paths, but for Gemini in the bodies as well.

// geminiVectors is the Gemini API's batchEmbedContents. Source: its reference (v1beta) and Go SDK (google.golang.org/genai
// v1.77). Where a text that is too long is cut is not the caller's to say.
var geminiVectors = &vectorFormat{
	name: "gemini.embed", most: 100, sized: true, used: true, write: writeGeminiVectors, read: readGeminiVectors,
}

// taskTypes are what vectors are for in Google's words.
var taskTypes = [numUses]string{
	query: "RETRIEVAL_QUERY", passage: "RETRIEVAL_DOCUMENT", classification: "CLASSIFICATION", clustering: "CLUSTERING",
}

func writeGeminiVectors(dst []byte, e *embedding) []byte {
	dst = append(dst, `{"requests":[`...)
	for _, t := range e.texts {
		dst = writeGeminiModel(append(comma(dst), `{"model":`...), e.model)
		dst = strictjson.AppendString(append(dst, `,"content":{"parts":[{"text":`...), t)
		dst = append(dst, "}]}"...)
		if e.use != anyUse {
			dst = memberString(dst, "taskType", taskTypes[e.use])
		}
		dst = append(memberRaw(dst, "outputDimensionality", e.dimensions), '}')
	}
	return append(dst, "]}"...)
}

func readGeminiVectors(root strictjson.Value, take func(strictjson.Value)) (tokens int64, known bool) {
	root.Get("embeddings").Elements(func(_ int, v strictjson.Value) bool {
		take(v.Get("values"))
		return true
	})
	return root.Get("usageMetadata", "promptTokenCount").Int64()
}

// vertexVectors is Vertex AI's predict of its first models, of which gemini-embedding-001 takes one text at a time, and its
// embedContent of later ones, which all do. Source: its Go SDK.
var vertexVectors = &vectorFormat{name: "vertex.embed", of: func(model []byte) *vectorFormat {
	if VertexEmbedsContent(string(model)) {
		return contentVectors
	}
	return predictVectors
}, read: readVertexVectors}

// VertexEmbedsContent tells whether a model at Vertex AI embeds by embedContent, and not by predict.
func VertexEmbedsContent(model string) bool {
	return strings.Contains(model, "gemini") && model != "gemini-embedding-001" || strings.Contains(model, "maas")
}

var (
	predictVectors = &vectorFormat{most: 1, sized: true, used: true, truncate: " NONE END ", write: writeVertexVectors, read: readVertexVectors}
	contentVectors = &vectorFormat{most: 1, sized: true, used: true, truncate: " NONE END ", write: writeContentVectors, read: readContentVectors}
)

func writeVertexVectors(dst []byte, e *embedding) []byte {
	dst = append(dst, `{"instances":[`...)
	for _, t := range e.texts {
		dst = strictjson.AppendString(append(comma(dst), `{"content":`...), t)
		if e.use != anyUse {
			dst = memberString(dst, "task_type", taskTypes[e.use])
		}
		dst = append(dst, '}')
	}
	return append(writeVertexLimits(append(dst, `],"parameters":{`...), e), "}}"...)
}

// writeVertexLimits appends the members that say how long a vector is and where a text is cut.
func writeVertexLimits(dst []byte, e *embedding) []byte {
	if e.dimensions != nil {
		dst = append(append(comma(dst), `"outputDimensionality":`...), e.dimensions...)
	}
	switch {
	case string(e.truncate) == "NONE":
		dst = append(comma(dst), `"autoTruncate":false`...)
	case e.truncate != nil:
		dst = append(comma(dst), `"autoTruncate":true`...)
	}
	return dst
}

func readVertexVectors(root strictjson.Value, take func(strictjson.Value)) (tokens int64, known bool) {
	known = true
	root.Get("predictions").Elements(func(_ int, v strictjson.Value) bool {
		take(v.Get("embeddings", "values"))
		n, ok := v.Get("embeddings", "statistics", "token_count").Int64()
		tokens, known = tokens+n, known && ok
		return true
	})
	return tokens, known
}

func writeContentVectors(dst []byte, e *embedding) []byte {
	dst = strictjson.AppendString(append(dst, `{"content":{"parts":[{"text":`...), e.texts[0])
	dst = append(dst, `}]},"embedContentConfig":{`...)
	if e.use != anyUse {
		dst = strictjson.AppendString(append(dst, `"taskType":`...), taskTypes[e.use])
	}
	return append(writeVertexLimits(dst, e), "}}"...)
}

func readContentVectors(root strictjson.Value, take func(strictjson.Value)) (tokens int64, known bool) {
	take(root.Get("embedding", "values"))
	return root.Get("usageMetadata", "promptTokenCount").Int64()
}

// bedrockVectors is Amazon Bedrock's InvokeModel of models that embed, each of which has a format of its own.
var bedrockVectors = &vectorFormat{name: "bedrock.embed", of: func(model []byte) *vectorFormat {
	switch {
	case bytes.Contains(model, []byte("titan-embed-text")):
		return titanVectors
	case bytes.Contains(model, []byte("cohere.embed")):
		return cohereVectors
	default:
		return nil
	}
}, read: readTitanVectors}

// titanVectors is Amazon Titan Text Embeddings: one text at a time. Dimensions are V2's, and V1 refuses them. Source: the
// Amazon Bedrock user guide.
var titanVectors = &vectorFormat{most: 1, sized: true, truncate: " NONE ", write: writeTitanVectors, read: readTitanVectors}

func writeTitanVectors(dst []byte, e *embedding) []byte {
	dst = strictjson.AppendString(append(dst, `{"inputText":`...), e.texts[0])
	return append(memberRaw(dst, "dimensions", e.dimensions), '}')
}

func readTitanVectors(root strictjson.Value, take func(strictjson.Value)) (tokens int64, known bool) {
	take(root.Get("embedding"))
	return root.Get("inputTextTokenCount").Int64()
}

// cohereVectors is Cohere Embed 3 and 4. They have to be told what for: passages, where nothing is said. Dimensions are
// those of 4, and 3 refuses them. Sources: the Amazon Bedrock user guide, Cohere's Go SDK (v2.15).
var cohereVectors = &vectorFormat{
	most: 96, sized: true, used: true, truncate: " NONE START END ", write: writeCohereVectors, read: readCohereVectors,
}

// inputTypes are what vectors are for in Cohere's words.
var inputTypes = [numUses]string{
	anyUse: "search_document", query: "search_query", passage: "search_document", classification: "classification", clustering: "clustering",
}

func writeCohereVectors(dst []byte, e *embedding) []byte {
	dst = append(writeStrings(append(dst, `{"texts":[`...), e.texts), ']')
	dst = memberString(dst, "input_type", inputTypes[e.use])
	if e.truncate != nil {
		dst = memberString(dst, "truncate", e.truncate)
	}
	return append(memberRaw(dst, "output_dimension", e.dimensions), '}')
}

// readCohereVectors reads either of the forms that the answers have. Their usage stands in a field of the head, which the
// dialect puts under inputTokens.
func readCohereVectors(root strictjson.Value, take func(strictjson.Value)) (tokens int64, known bool) {
	all := root.Get("embeddings")
	if all.Kind() == strictjson.Object {
		all = all.Get("float")
	}
	all.Elements(func(_ int, v strictjson.Value) bool {
		take(v)
		return true
	})
	return root.Get("inputTokens").Int64()
}
