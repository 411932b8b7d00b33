// Package translate turns the bodies of one wire format into another's: requests on their way to a model server that
// speaks another format than the caller, whole answers and the events of streams on their way back.
//
// Every format has files of its own that read its bodies into the nouns of this package (a conversation, an answer, a
// delta; texts to embed; documents to rank) and write them from the nouns, so that any format reaches any other of its
// family. The promise is that nothing is lost on the
// quiet: what a request asks for and the other format cannot say is refused with the field's path, and so is a field
// that the reader does not know. TABLE.md says what is carried, translated and refused.
//
// The functions are pure: bytes in, bytes out; but an answer of a format that does not say when it was made is dated now.
package translate

import (
	"fmt"

	"github.com/sluicegate/sluice/runtime/strictjson"
	"github.com/sluicegate/sluice/runtime/wire"
)

// Options are what the other end's configuration says.
type Options struct {
	// MaxOutput is the limit of usage tokens for an answer where the format asked for needs one and the request has none;
	// 0 means 4096.
	MaxOutput int64
	// CompletionLimit says that a chat's limit is max_completion_tokens, which OpenAI's own servers want; others know
	// max_tokens.
	CompletionLimit bool
	// Family is what model stands behind a name that does not tell, such as cohere.embed; "" where the name does.
	Family string
}

// family is the name by which a model's own format is chosen.
func (o Options) family(model []byte) []byte {
	if o.Family != "" {
		return []byte(o.Family)
	}
	return model
}

// Asked is what of a request its answer needs. The zero value asks for nothing.
type Asked struct {
	model  []byte // for answers that do not name theirs
	prompt int    // bytes of text, for answers that do not say their usage
	vectors
	ranked
}

// Pair is a way from the format that a caller speaks to the one that a model server speaks, and back.
type Pair struct{ way }

// way goes between two formats of one family: those of conversations, those of embeddings, those that rank documents.
type way interface {
	// To is the name of the model server's format.
	To() string
	// Operation is the operation of the model server's format.
	Operation() wire.Operation
	// requests are the bodies to send for one request.
	requests(root strictjson.Node, o Options) ([][]byte, Asked, *wire.Fault)
	// answer appends the answer that the bodies' replies make together.
	answer(dst []byte, asked *Asked, replies []strictjson.Value) ([]byte, error)
	// stream begins the translation of a streamed answer; nil where answers have no streams.
	stream(asked *Asked) *Stream
}

// Between finds the way between two formats by their names.
func Between(from, to string) (Pair, bool) {
	for _, family := range [...]func(from, to string) (way, bool){converse, embed, rank} {
		if w, ok := family(from, to); ok {
			return Pair{w}, true
		}
	}
	return Pair{}, false
}

// Requests gives the caller's request as the model server's format has it: one body, or several where that takes fewer
// texts at a time, whose replies Answer takes in their order. Errors are *wire.Fault: of the code unsupported_field with the field's
// path as Param for what that format cannot say.
func (p Pair) Requests(body []byte, o Options) ([][]byte, Asked, error) {
	doc, err := strictjson.Parse(body, strictjson.Limits{MaxBytes: maxBody})
	if err != nil {
		return nil, Asked{}, &wire.Fault{Code: wire.InvalidJSON, Message: "the body cannot be read as JSON"}
	}
	defer doc.Release()
	bodies, asked, fault := p.requests(doc.Root(), o)
	if fault != nil {
		return nil, Asked{}, fault
	}
	return bodies, asked, nil
}

// Answer appends the model server's whole answer, one reply for each body, as the caller's format has it. Errors hold no
// word of the answer.
func (p Pair) Answer(dst []byte, asked Asked, replies ...[]byte) ([]byte, error) {
	roots := make([]strictjson.Value, len(replies))
	for i, body := range replies {
		reply, err := strictjson.ReadReply(body)
		if err != nil {
			return nil, fmt.Errorf("the answer cannot be read: %w", err)
		}
		defer reply.Release()
		roots[i] = reply.Root()
	}
	return p.answer(dst, &asked, roots)
}

// Stream begins the translation of a streamed answer; nil where answers have no streams.
func (p Pair) Stream(asked Asked) *Stream { return p.stream(&asked) }
