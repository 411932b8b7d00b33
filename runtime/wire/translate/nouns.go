package translate

import (
	"github.com/sluicegate/sluice/runtime/reuse"
	"github.com/sluicegate/sluice/runtime/strictjson"
	"github.com/sluicegate/sluice/runtime/wire"
)

// conversation is a request for a chat in no format's words. Its bytes are those of the document it was read from.
type conversation struct {
	says feature // what the format that it will be written in can say

	model  []byte
	stream bool
	turns  []turn
	parts  []part // of all turns, in order
	tools  []tool

	choice   choice
	parallel tri // several tool calls at once
	form     form

	maxOutput []byte // a number, as written; nil where there is none; so the next
	sampling  [numSampling][]byte
	stop      [][]byte
	user      []byte
	tier      []byte // service tier in OpenAI's words; nil: not said
	effort    []byte // how much to think, in OpenAI's words: none, minimal, low, medium, high, xhigh, max; nil: not said
	verbosity []byte
	cacheKey  []byte
	metadata  []byte // an object, raw
}

// conversations are reused for their memory.
var conversations = reuse.Pool[conversation]{Name: "conversations", New: func() *conversation { return new(conversation) }}

// reset forgets everything but the room for turns, parts and tools.
func (c *conversation) reset(says feature) {
	clear(c.parts)
	clear(c.tools)
	*c = conversation{says: says, turns: c.turns[:0], parts: c.parts[:0], tools: c.tools[:0], stop: c.stop[:0]}
}

// The sampling parameters, by their names in sampleNames.
const (
	temperature = iota
	topP
	topK
	frequency
	presence
	seed
	numSampling
)

// sampleNames are the names of the sampling parameters; no format spells one otherwise, and some lack some.
var sampleNames = [numSampling]string{"temperature", "top_p", "top_k", "frequency_penalty", "presence_penalty", "seed"}

// tri is a boolean that may be unsaid.
type tri uint8

const (
	unsaid tri = iota
	no
	yes
)

func truth(b bool) tri {
	if b {
		return yes
	}
	return no
}

// role says whose turn it is. Results of tools are parts of a user's turn.
type role uint8

const (
	system role = iota
	user
	assistant
)

// turn is one message: a run of the conversation's parts.
type turn struct {
	role     role
	from, to int
}

type kind uint8

// The kinds of parts.
const (
	text      kind = iota
	image          // of a user or a result
	file           // of a user
	refusal        // what the assistant refused with
	reasoning      // what it thought
	call           // of a tool: id, name and text, which is the JSON of its arguments
	result         // of a call: id, failed, and the parts that follow it, size in number
)

// part is one piece of a turn.
type part struct {
	kind      kind
	text      []byte // of text, refusal, reasoning; a call's arguments; an image's or file's base64
	id, name  []byte // of a call or a result; name is also a file's
	media     []byte // media type of base64
	url       []byte // in place of base64
	detail    []byte // of an image
	signature []byte // of reasoning: what its model server knows it by
	cache     []byte // cache_control, raw: a hint that what stands up to here comes again
	failed    bool   // of a result
	size      int    // of a result: how many of the parts that follow belong to it
}

// tool is one function that the model may call.
type tool struct {
	name, description []byte
	schema            []byte // raw; nil: takes no arguments
	strict            tri
	cache             []byte // as of a part
}

// how says which tools the model is to call.
type how uint8

const (
	unchosen how = iota
	auto
	none
	required
	named
)

// choice is whether and what the model is to call.
type choice struct {
	how     how
	name    []byte   // of named
	allowed [][]byte // where only some of the tools may be called
}

// shape is what an answer's text must be.
type shape uint8

const (
	free shape = iota
	jsonObject
	jsonSchema
)

// form is the response format.
type form struct {
	shape             shape
	name, description []byte
	schema            []byte // raw
	strict            tri
}

// add begins a turn; the parts added until the next one are its.
func (c *conversation) add(r role) {
	c.turns = append(c.turns, turn{r, len(c.parts), len(c.parts)})
}

// put adds a part to the last turn.
func (c *conversation) put(p part) {
	c.parts = append(c.parts, p)
	c.turns[len(c.turns)-1].to = len(c.parts)
}

// finish says why an answer ended.
type finish uint8

const (
	unfinished finish = iota
	done
	length
	called        // tools
	stopped       // at a stop sequence
	filtered      // by the model server, or the model refused
	full          // the context window is
	paused        // to be continued
	failed        // the model server says that it could not go on
	finishesCount // how many there are
)

// usage counts usage tokens. Input holds what was read from a cache or written to one.
type usage struct {
	known                                     bool // the model server says so
	estimated                                 bool // the gateway does, for a format that has to have numbers
	input, cached, written, output, reasoning int64
}

// orEstimate is the usage, or where it is not known what the gateway takes it for, of so many bytes of text.
func (u usage) orEstimate(prompt, said int) usage {
	if u.known {
		return u
	}
	about := wire.Usage{}.AtLeast(prompt, said)
	return usage{estimated: true, input: about.Input, output: about.Output}
}

// answer is a whole answer. Its bytes are those of the reply it was read from.
type answer struct {
	id, model []byte
	created   int64 // Unix time; 0: the format does not say
	parts     []part
	finish    finish
	stop      []byte // the stop sequence, where it is known
	usage     usage
	prompt    int // bytes of text that it answers
}

// happening is what one step of a stream does.
type happening uint8

const (
	begins     happening = iota // id, model, created, and usage if it is known
	says                        // text goes on, as do the next two
	thinks                      //
	refuses                     //
	signs                       // the reasoning's signature
	calls                       // a call begins: call, id, name
	argues                      // its arguments go on: call, text
	ends                        // finish, stop
	reports                     // usage
	terminates                  // the stream is complete
)

// delta is one step of a streamed answer.
type delta struct {
	happening happening
	call      int // the call's number in the answer, from 0
	text      []byte
	id, name  []byte
	model     []byte
	created   int64
	finish    finish
	usage     usage
}

// eventReader reads the events of one stream.
type eventReader interface {
	// read gives the steps of one event to take. An error says that the stream is broken, or that the model server reports a
	// failure in it; it holds no word of the model server's.
	read(data []byte, root strictjson.Value, take func(delta) error) error
}

// eventWriter writes the events of one stream.
type eventWriter interface {
	write(q *queue, d delta) error
}

// queue holds the events that wait to be given out.
type queue struct {
	data []byte
	ends []int
	next int // index in ends
	from int // where the next event begins
}

// end ends an event that was appended to data.
func (q *queue) end() { q.ends = append(q.ends, len(q.data)) }

// reset forgets events that were given out.
func (q *queue) reset() { q.data, q.ends, q.next, q.from = q.data[:0], q.ends[:0], 0, 0 }

// pop gives the next event.
func (q *queue) pop() ([]byte, bool) {
	if q.next == len(q.ends) {
		return nil, false
	}
	end := q.ends[q.next]
	data := q.data[q.from:end:end]
	q.from = end
	q.next++
	return data, true
}
