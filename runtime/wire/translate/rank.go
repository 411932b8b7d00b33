package translate

import (
	"bytes"
	"errors"
	"math"
	"slices"
	"strconv"

	"github.com/sluicegate/sluice/runtime/strictjson"
	"github.com/sluicegate/sluice/runtime/wire"
)

// ranking is a request to order documents by their relevance in no format's words.
type ranking struct {
	model, query []byte
	family       []byte // what chooses among a vendor's formats: see Options.Family
	documents    [][]byte
	top          int  // how many of them are wanted; 0: all
	repeat       bool // their texts as well
	cut          bool // ones that are too long may be cut
}

// ranked is what of such a request its answer needs.
type ranked struct {
	documents [][]byte // where their texts are wanted
	count     int
	top       int
}

// place is a document's in an order.
type place struct {
	index int64
	score float64 // from 0 to 1
}

// rankFormat is one format of rankings. One that only model servers speak has no read and writeAnswer.
type rankFormat struct {
	name        string
	cuts        bool // it can say that documents may be cut
	read        func(root strictjson.Node, r *ranking) *wire.Fault
	write       func(dst []byte, r *ranking) []byte
	items       string // the member of an answer that holds the places
	score       string // the member of a place that holds the score
	logit       bool   // the score is of any size
	writeAnswer func(dst []byte, asked *Asked, places []place) []byte
}

// rankFormats is THE table of the formats of rankings. Sources: Cohere's and Jina's references of /rerank, NVIDIA NIM's of
// /ranking, the Amazon Bedrock user guide's of InvokeModel with Amazon's and Cohere's rerankers.
var rankFormats = [...]*rankFormat{
	{
		name: "openai.rerank", items: "results", score: "relevance_score",
		read: readRerank, write: writeRerank, writeAnswer: writeReranked,
	},
	{
		name: "openai.ranking", items: "rankings", score: "logit", logit: true, cuts: true,
		read: readRanking, write: writeRanking, writeAnswer: writeRankings,
	},
	{name: "bedrock.rerank", items: "results", score: "relevance_score", write: writeBedrockRerank},
}

// ranker is the way between two formats of rankings.
type ranker struct{ from, to *rankFormat }

// rank finds the way.
func rank(from, to string) (way, bool) {
	var w ranker
	for _, f := range rankFormats {
		if f.name == from {
			w.from = f
		}
		if f.name == to {
			w.to = f
		}
	}
	return w, w.from != nil && w.to != nil && w.from != w.to && w.from.read != nil
}

func (w ranker) To() string { return w.to.name }

func (w ranker) Operation() wire.Operation { return wire.Rerank }

func (w ranker) requests(root strictjson.Node, o Options) ([][]byte, Asked, *wire.Fault) {
	var r ranking
	if fault := w.from.read(root, &r); fault != nil {
		return nil, Asked{}, fault
	}
	if r.cut && !w.to.cuts {
		return nil, Asked{}, refuse("truncate")
	}
	asked := Asked{model: bytes.Clone(r.model), ranked: ranked{count: len(r.documents), top: r.top}}
	if r.repeat {
		for _, d := range r.documents {
			asked.documents = append(asked.documents, bytes.Clone(d))
		}
	}
	r.family = o.family(r.model)
	return [][]byte{w.to.write(nil, &r)}, asked, nil
}

// readRerank reads a request as Cohere and Jina have it.
func readRerank(root strictjson.Node, r *ranking) *wire.Fault {
	return object(root, func(key []byte, v strictjson.Node) *wire.Fault {
		switch k := string(key); k {
		case "model":
			return under(str(v, &r.model), k)
		case "query":
			return under(readRankText(v, &r.query), k)
		case "documents":
			return under(readDocuments(v, r), k)
		case "top_n":
			n, ok := v.Int64()
			r.top = int(n)
			return under(unless(ok && n > 0 && n <= math.MaxInt32), k)
		case "return_documents":
			r.repeat, _ = v.Bool()
			return nil
		case "truncate":
			return under(readCut(v, r), k)
		case "user", "rank_fields", "max_tokens_per_doc", "max_chunks_per_doc", "truncate_prompt_tokens", "priority":
			return under(unless(zero(v)), k)
		default:
			return unknown(key)
		}
	})
}

// readRanking reads a request as NIM has it.
func readRanking(root strictjson.Node, r *ranking) *wire.Fault {
	return object(root, func(key []byte, v strictjson.Node) *wire.Fault {
		switch k := string(key); k {
		case "model":
			return under(str(v, &r.model), k)
		case "query":
			return under(readRankText(v, &r.query), k)
		case "passages":
			return under(readDocuments(v, r), k)
		case "truncate":
			return under(readCut(v, r), k)
		default:
			return unknown(key)
		}
	})
}

// readCut reads whether documents that are too long may be cut.
func readCut(v strictjson.Node, r *ranking) *wire.Fault {
	r.cut = v.Is("END")
	return unless(r.cut || v.Is("NONE"))
}

func readDocuments(v strictjson.Node, r *ranking) *wire.Fault {
	return list(v, func(v strictjson.Node) *wire.Fault {
		var d []byte
		fault := readRankText(v, &d)
		r.documents = append(r.documents, d)
		return fault
	})
}

// readRankText reads a text, or an object that has nothing but one.
func readRankText(v strictjson.Node, to *[]byte) *wire.Fault {
	if v.Kind() == strictjson.String {
		return str(v, to)
	}
	return object(v, func(key []byte, v strictjson.Node) *wire.Fault {
		if string(key) != "text" {
			return unknown(key)
		}
		return under(str(v, to), "text")
	})
}

func writeRerank(dst []byte, r *ranking) []byte {
	dst = strictjson.AppendString(append(dst, `{"model":`...), r.model)
	return append(writeRanked(append(dst, ','), r), '}')
}

// writeRanked appends the members that hold what is to be ordered. How many are wanted is the caller's: the answer says
// all, and those beyond are left out of it.
func writeRanked(dst []byte, r *ranking) []byte {
	dst = strictjson.AppendString(append(dst, `"query":`...), r.query)
	return append(writeStrings(append(dst, `,"documents":[`...), r.documents), ']')
}

func writeRanking(dst []byte, r *ranking) []byte {
	dst = strictjson.AppendString(append(dst, `{"model":`...), r.model)
	dst = strictjson.AppendString(append(dst, `,"query":{"text":`...), r.query)
	dst = append(dst, `},"passages":[`...)
	for _, d := range r.documents {
		dst = append(strictjson.AppendString(append(comma(dst), `{"text":`...), d), '}')
	}
	dst = append(dst, ']')
	if r.cut {
		dst = append(dst, `,"truncate":"END"`...)
	}
	return append(dst, '}')
}

// writeBedrockRerank appends a request of InvokeModel. Cohere's models want to be told the version of their API.
func writeBedrockRerank(dst []byte, r *ranking) []byte {
	dst = writeRanked(append(dst, '{'), r)
	if bytes.Contains(r.family, []byte("cohere.")) {
		dst = append(dst, `,"api_version":2`...)
	}
	return append(dst, '}')
}

// digits are those of a score or logit that every machine computes alike.
const digits = 12

var errPlaces = errors.New("the answer has not one place for each document")

func (w ranker) answer(dst []byte, asked *Asked, replies []strictjson.Value) ([]byte, error) {
	if len(replies) != 1 {
		return nil, errPlaces
	}
	places, err := w.to.places(replies[0].Get(w.to.items))
	if err != nil {
		return nil, err
	}
	if asked.count > 0 {
		if len(places) != asked.count || slices.ContainsFunc(places, func(p place) bool { return p.index < 0 || p.index >= int64(asked.count) }) {
			return nil, errPlaces
		}
	}
	slices.SortStableFunc(places, func(a, b place) int {
		switch {
		case a.score > b.score:
			return -1
		case a.score < b.score:
			return 1
		default:
			return 0
		}
	})
	if asked.top > 0 && asked.top < len(places) {
		places = places[:asked.top]
	}
	return w.from.writeAnswer(dst, asked, places), nil
}

// places reads the places of an answer.
func (f *rankFormat) places(items strictjson.Value) (out []place, err error) {
	if items.Kind() != strictjson.Array {
		return nil, errPlaces
	}
	items.Elements(func(_ int, v strictjson.Value) bool {
		index, ok := v.Get("index").Int64()
		score, fault := strconv.ParseFloat(string(v.Get(f.score).Append(nil)), 64)
		if !ok || fault != nil {
			err = errPlaces
			return false
		}
		if f.logit {
			score = 1 / (1 + math.Exp(-score))
		}
		out = append(out, place{index, score})
		return true
	})
	return out, err
}

func writeReranked(dst []byte, asked *Asked, places []place) []byte {
	dst = strictjson.AppendString(append(dst, `{"model":`...), asked.model)
	dst = append(dst, `,"results":[`...)
	for _, p := range places {
		dst = appendInt(append(comma(dst), `{"index":`...), p.index)
		dst = strconv.AppendFloat(append(dst, `,"relevance_score":`...), p.score, 'g', digits, 64)
		if asked.documents != nil {
			dst = strictjson.AppendString(append(dst, `,"document":{"text":`...), asked.documents[p.index])
			dst = append(dst, '}')
		}
		dst = append(dst, '}')
	}
	return append(dst, "]}"...)
}

// certain is the score nearest to 0 or 1 that is told apart from it: a logit of 20.7.
const certain = 1e-9

func writeRankings(dst []byte, _ *Asked, places []place) []byte {
	dst = append(dst, `{"rankings":[`...)
	for _, p := range places {
		score := min(max(p.score, certain), 1-certain)
		dst = appendInt(append(comma(dst), `{"index":`...), p.index)
		dst = append(strconv.AppendFloat(append(dst, `,"logit":`...), math.Log(score/(1-score)), 'g', digits, 64), '}')
	}
	return append(dst, "]}"...)
}

func (w ranker) stream(*Asked) *Stream { return nil }
