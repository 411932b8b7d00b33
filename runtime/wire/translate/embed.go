package translate

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"math"
	"strconv"

	"github.com/sluicegate/sluice/runtime/strictjson"
	"github.com/sluicegate/sluice/runtime/wire"
)

// embedding is a request for vectors in no format's words.
type embedding struct {
	model      []byte
	texts      [][]byte
	dimensions []byte // a number, as written; nil where there is none; so the next
	use        use
	truncate   []byte // where to cut a text that is too long: NONE, START, END
	base64     bool   // the caller reads vectors in base64
}

// use is what vectors are for.
type use uint8

const (
	anyUse use = iota
	query
	passage
	classification
	clustering
	numUses
)

// uses are the words for it (input_type): NIM's and Cohere's.
var uses = map[string]use{
	"query": query, "search_query": query, "passage": passage, "document": passage, "search_document": passage,
	"classification": classification, "clustering": clustering,
}

// vectors is what of a request for vectors its answer needs.
type vectors struct {
	base64 bool
	texts  int
	by     *vectorFormat
}

// vectorFormat is a model server's format of embeddings.
type vectorFormat struct {
	name     string
	most     int    // how many texts a request takes
	sized    bool   // it can say dimensions
	used     bool   // it can say what for
	truncate string // the words of truncate that it can say, as isWord has them
	write    func(dst []byte, e *embedding) []byte
	// read gives the vectors of a reply to take, and how many usage tokens the texts were; known is false where it does not
	// say.
	read func(root strictjson.Value, take func(strictjson.Value)) (tokens int64, known bool)
	// of gives the format of a model where every model has its own; nil if it has none.
	of func(model []byte) *vectorFormat
}

// vectorFormats is THE table of the formats of embeddings that model servers alone speak.
var vectorFormats = [...]*vectorFormat{geminiVectors, vertexVectors, bedrockVectors}

// maxRequests is how many requests one request may become.
const maxRequests = 128

// embedder is the way from the OpenAI API's embeddings. Source: its reference, and for input_type and truncate that of
// NVIDIA NIM.
type embedder struct{ to *vectorFormat }

// embed finds the way.
func embed(from, to string) (way, bool) {
	for _, f := range vectorFormats {
		if from == "openai.embeddings" && f.name == to {
			return embedder{f}, true
		}
	}
	return nil, false
}

func (w embedder) To() string { return w.to.name }

func (w embedder) Operation() wire.Operation { return wire.Embeddings }

func (w embedder) requests(root strictjson.Node, o Options) ([][]byte, Asked, *wire.Fault) {
	var e embedding
	f := w.to
	if fault := readEmbedding(root, &e); fault != nil {
		return nil, Asked{}, fault
	}
	if f.of != nil {
		if f = f.of(o.family(e.model)); f == nil {
			return nil, Asked{}, refuse("model")
		}
	}
	if fault := f.refuses(&e); fault != nil {
		return nil, Asked{}, fault
	}
	asked := Asked{model: bytes.Clone(e.model), vectors: vectors{base64: e.base64, texts: len(e.texts), by: f}}
	var bodies [][]byte
	for all := e.texts; len(all) > 0; all = all[len(e.texts):] {
		e.texts = all[:min(len(all), f.most)]
		for _, t := range e.texts {
			asked.prompt += len(t)
		}
		bodies = append(bodies, f.write(nil, &e))
	}
	return bodies, asked, nil
}

// refuses gives the fault of what the format cannot say.
func (f *vectorFormat) refuses(e *embedding) *wire.Fault {
	switch {
	case len(e.texts) == 0:
		return invalid("input", "must hold at least one text")
	case e.dimensions != nil && !f.sized:
		return refuse("dimensions")
	case e.use != anyUse && !f.used:
		return refuse("input_type")
	case e.truncate != nil && !isWord(f.truncate, e.truncate):
		return refuse("truncate")
	case len(e.texts) > f.most*maxRequests:
		return refuse("input")
	default:
		return nil
	}
}

// readEmbedding reads a request.
func readEmbedding(root strictjson.Node, e *embedding) *wire.Fault {
	return object(root, func(key []byte, v strictjson.Node) *wire.Fault {
		fault, known := readEmbeddingField(e, string(key), v)
		if !known {
			return unknown(key)
		}
		return under(fault, string(key))
	})
}

func readEmbeddingField(e *embedding, key string, v strictjson.Node) (fault *wire.Fault, known bool) {
	switch key {
	case "model":
		return str(v, &e.model), true
	case "input":
		return readTexts(v, &e.texts), true
	case "encoding_format":
		e.base64 = v.Is("base64")
		return unless(e.base64 || v.Is("float")), true
	case "embedding_type":
		return unless(v.Is("float")), true
	case "dimensions":
		return num(v, &e.dimensions), true
	case "input_type":
		var ok bool
		e.use, ok = uses[v.Str()]
		return unless(ok), true
	case "truncate":
		return str(v, &e.truncate), true
	case "user":
		return unless(zero(v)), true
	default:
		return nil, false
	}
}

// readTexts reads a text or a list of texts. Lists of usage tokens are refused: only their model can read them.
func readTexts(v strictjson.Node, to *[][]byte) *wire.Fault {
	one := func(v strictjson.Node) *wire.Fault {
		if v.Kind() != strictjson.String {
			return refuse("")
		}
		*to = append(*to, v.Bytes())
		return nil
	}
	if v.Kind() != strictjson.Array {
		return one(v)
	}
	return list(v, one)
}

// What an answer of vectors can be wrong in.
var (
	errVectors = errors.New("the answer has not one vector for each text")
	errNumbers = errors.New("a vector is not a list of numbers")
)

func (w embedder) answer(dst []byte, asked *Asked, replies []strictjson.Value) ([]byte, error) {
	by := asked.by
	if by == nil {
		by = w.to
	}
	dst = append(dst, `{"object":"list","data":[`...)
	n, tokens, known := 0, int64(0), len(replies) > 0
	var err error
	for _, root := range replies {
		of, said := by.read(root, func(v strictjson.Value) {
			dst = appendInt(append(comma(dst), `{"object":"embedding","index":`...), int64(n))
			var fault error
			if dst, fault = appendVector(append(dst, `,"embedding":`...), v, asked.base64); fault != nil {
				err = fault
			}
			dst = append(dst, '}')
			n++
		})
		tokens, known = tokens+of, known && said
	}
	switch {
	case err != nil:
		return nil, err
	case n == 0 || asked.texts > 0 && n != asked.texts:
		return nil, errVectors
	}
	u := usage{known: known, input: tokens}.orEstimate(asked.prompt, 0)
	dst = memberString(append(dst, ']'), "model", asked.model)
	dst = appendInt(append(dst, `,"usage":{"prompt_tokens":`...), u.input)
	dst = memberInt(dst, "total_tokens", u.input)
	if u.estimated {
		dst = append(dst, `,"estimated":true`...)
	}
	return append(dst, "}}"...), nil
}

// appendVector appends a vector: the numbers as they came, or as the API has them in base64: 32-bit floats, the least byte
// first.
func appendVector(dst []byte, v strictjson.Value, inBase64 bool) ([]byte, error) {
	if v.Kind() != strictjson.Array {
		return dst, errNumbers
	}
	if !inBase64 {
		sound := true
		v.Elements(func(_ int, n strictjson.Value) bool {
			sound = n.Kind() == strictjson.Number
			return sound
		})
		if !sound {
			return dst, errNumbers
		}
		return v.Append(dst), nil
	}
	floats := make([]byte, 0, 4*v.Len())
	var room [32]byte
	var err error
	v.Elements(func(_ int, n strictjson.Value) bool {
		var f float64
		if f, err = strconv.ParseFloat(string(n.Append(room[:0])), 32); err != nil {
			err = errNumbers
			return false
		}
		floats = binary.LittleEndian.AppendUint32(floats, math.Float32bits(float32(f)))
		return true
	})
	return append(base64.StdEncoding.AppendEncode(append(dst, '"'), floats), '"'), err
}

func (w embedder) stream(*Asked) *Stream { return nil }
