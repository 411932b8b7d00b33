package translate

import (
	"bytes"

	"github.com/sluicegate/sluice/runtime/strictjson"
	"github.com/sluicegate/sluice/runtime/wire"
)

// The formats of counts: of how many usage tokens a conversation would be. Sources: Anthropic's reference (Count Message
// tokens), the Gemini API's (countTokens), Vertex AI's Go SDK (google.golang.org/genai v1.77), Amazon Bedrock's
// (CountTokens).
var (
	messagesCount = &format{
		name: "anthropic.count_tokens", operation: wire.CountTokens,
		read: readMessages, writeAnswer: writeCount,
	}
	geminiCount = &format{
		name: "gemini.count", operation: wire.CountTokens, says: gemini.says,
		write: writeGeminiCount, readAnswer: readCount("totalTokens"),
	}
	vertexCount = &format{
		name: "vertex.count", operation: wire.CountTokens, says: gemini.says &^ (uncalled | choices | subset),
		write: writeVertexCount, readAnswer: readCount("totalTokens"),
	}
	bedrockCount = &format{
		name: "bedrock.count", operation: wire.CountTokens, says: bedrock.says &^ (schemas | described | tiers | standard | metadatas),
		write: writeConverseCount, readAnswer: readCount("inputTokens"),
	}
)

// writeCount appends the answer.
func writeCount(dst []byte, a *answer) ([]byte, error) {
	return append(appendInt(append(dst, `{"input_tokens":`...), a.usage.input), '}'), nil
}

// readCount reads an answer whose count is under key.
func readCount(key string) func(strictjson.Value, *answer) error {
	return func(root strictjson.Value, a *answer) error {
		a.usage.input, a.usage.known = root.Get(key).Int64()
		if !a.usage.known {
			return errContent
		}
		return nil
	}
}

// writeGeminiCount appends a request: the one to be counted, which names its model.
func writeGeminiCount(dst []byte, c *conversation, _ Options) []byte {
	dst = append(dst, `{"generateContentRequest":{"model":`...)
	dst = append(writeGeminiModel(dst, c.model), ',')
	dst = writeGeminiTools(writeGeminiSaid(dst, c), c)
	return append(writeGeminiConfig(dst, c), "}}"...)
}

// writeGeminiModel appends a model's name as the API's bodies have it.
func writeGeminiModel(dst, model []byte) []byte {
	dst = append(dst, `"models/`...)
	return append(appendInner(dst, bytes.TrimPrefix(model, []byte("models/"))), '"')
}

// writeVertexCount appends a request, which has no place for which of the tools are to be called: a choice that says more than
// that all may be is refused.
func writeVertexCount(dst []byte, c *conversation, _ Options) []byte {
	dst = writeGeminiFunctions(writeGeminiSaid(append(dst, '{'), c), c)
	return append(writeGeminiConfig(dst, c), '}')
}

// writeConverseCount appends a request, which has no place for how to sample.
func writeConverseCount(dst []byte, c *conversation, _ Options) []byte {
	dst = writeConverseSaid(append(dst, `{"input":{"converse":{`...), c)
	return append(dst, "}}}"...)
}
