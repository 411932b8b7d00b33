// Package wire holds the nouns of what travels between a caller and a model: the operation asked for, the request
// and its texts, the answer and its events, usage, and faults with the one table of their codes.
//
// It knows no bytes of any API. Each sub-package knows one format: wire/openai the OpenAI API's bodies, wire/inference
// the plain /inference form. A stage of the pipeline works on these nouns alone.
package wire

import "github.com/sluicegate/sluice/runtime/strictjson"

// Operation is an API path a caller may use, as policies, audit and metrics name it.
type Operation string

// The operations.
const (
	ChatCompletions Operation = "chat_completions"      // POST /v1/chat/completions
	Completions     Operation = "completions"           // POST /v1/completions
	Embeddings      Operation = "embeddings"            // POST /v1/embeddings
	Responses       Operation = "responses"             // POST /v1/responses
	GetResponse     Operation = "responses_get"         // GET /v1/responses/{id}
	DeleteResponse  Operation = "responses_delete"      // DELETE /v1/responses/{id}
	CancelResponse  Operation = "responses_cancel"      // POST /v1/responses/{id}/cancel
	ResponseInput   Operation = "responses_input_items" // GET /v1/responses/{id}/input_items
	Inference       Operation = "inference"             // POST /inference
	Rerank          Operation = "rerank"                // POST /v1/rerank, POST /v1/ranking
	Infer           Operation = "infer"                 // POST /v2/models/{model}/infer
	Messages        Operation = "messages"              // POST /v1/messages
	CountTokens     Operation = "count_tokens"          // POST /v1/messages/count_tokens
	ListModels      Operation = "models"                // GET /v1/models
)

// Kept tells whether the operation is about what a model server keeps under the id that the request names first in what it
// reaches: the model asked for is the one where it is kept.
func (o Operation) Kept() bool {
	switch o {
	case GetResponse, DeleteResponse, CancelResponse, ResponseInput:
		return true
	default:
		return false
	}
}

// GenAI is the operation's gen_ai.operation.name (OpenTelemetry semantic conventions for generative AI).
func (o Operation) GenAI() string {
	switch o {
	case ChatCompletions, Responses, Inference, Messages:
		return "chat"
	case Completions:
		return "text_completion"
	case Embeddings:
		return "embeddings"
	default:
		return string(o)
	}
}

// Role is the class of a text's author, as filters see it (bits 2 to 4 of on_text's flags).
type Role uint8

// The role classes.
const (
	RoleOther      Role = iota // a string outside any message: a parameter, an unknown field
	RoleSystem                 // system and developer messages
	RoleUser                   // user messages, and the prompt of operations without roles
	RoleAssistant              // what the model said, now or earlier
	RoleTool                   // results of tools
	RoleDefinition             // definitions of tools, functions and schemas
)

var roleNames = [...]string{"other", "system", "user", "assistant", "tool", "definition"}

// String is the class's name as filters read it from the fact message.role.
func (r Role) String() string {
	if int(r) < len(roleNames) {
		return roleNames[r]
	}
	return "other"
}

// Request is one parsed request of any operation. Its body is in Format whatever surface it came by.
type Request struct {
	Operation Operation
	Format    Format
	Model     string // as asked for; "" when the policy is to pick
	Stream    bool
	Usage     bool            // a streamed answer's usage was asked for by the caller
	Doc       *strictjson.Doc // the strict document; holds every edit made since
	Segments  []Segment       // all text of the body, in document order
	Opaque    map[string]int  // content no text filter can read, counted by kind (image, audio, file, tokens, ...); nil if none
	Reach     []Reach         // what it reaches on the model server, in document order; nil if nothing
	Given     []Given         // ids beside things that are there whole: where they are the gateway's own, they mean the model server's
	Tools     []string        // names of the tools offered, in order
	Messages  int
	Size      int            // bytes of the body as it came
	Params    map[string]any // parameters as policies read them: bool, json.Number, string; no text of prompts
}

// Given is an id in a request that the gateway may have given out.
type Given struct {
	Node strictjson.Node
	Text *strictjson.Text
}

// Segment is one run of text: the adjacent text parts of one message joined, or one string.
type Segment struct {
	Role      Role
	Arguments bool             // JSON text: the arguments of a tool call
	Tool      string           // the tool's name where Arguments is set
	Prompt    bool             // counts as prompt text (messages, prompt, input), not as a parameter
	Key       bool             // an object's key: edited, it may equal another, so the body must be judged again
	Text      *strictjson.Text // reads and edits
}

// PromptBytes is the length of prompt text.
func (r *Request) PromptBytes() int {
	n := 0
	for i := range r.Segments {
		if r.Segments[i].Prompt {
			n += r.Segments[i].Text.Len()
		}
	}
	return n
}

// Chars is the number of characters (Unicode code points) of prompt text.
func (r *Request) Chars() int {
	n := 0
	for i := range r.Segments {
		if r.Segments[i].Prompt {
			n += r.Segments[i].Text.Runes()
		}
	}
	return n
}

// Param is one parameter set by a filter: Value is JSON.
type Param struct {
	Name  string
	Value []byte
}

// Message is one message added by a filter.
type Message struct {
	Last bool // after the others; else before them
	Role Role // RoleSystem, RoleUser or RoleAssistant
	Text string
}

// Rendering says how a request's body leaves.
type Rendering struct {
	Model      string // replaces the model named in the body; "" leaves it out
	Usage      bool   // ask for the usage of a streamed answer
	OmitStream bool   // leave out stream and stream_options: what the cache's key is made of
}

// Format reads and writes the bodies of one wire format. Implementations are stateless and safe for concurrent use.
type Format interface {
	// Name is the format's name, such as "openai.chat".
	Name() string
	// Request reads a body strictly. Errors are *Fault.
	Request(body []byte, limits strictjson.Limits) (*Request, error)
	// Amend returns the body with parameters set and messages added; the caller parses it again with Request.
	// A parameter that names the model or streaming is refused.
	Amend(r *Request, params []Param, messages []Message) ([]byte, error)
	// Render appends the request's body, edits applied; all that was not edited is byte for byte as it came.
	Render(dst []byte, r *Request, how Rendering) []byte
	// Answer reads a whole answer leniently. It keeps body.
	Answer(body []byte) (*Answer, error)
	// Event reads the data of one event of a streamed answer leniently; data "[DONE]" gives an Event with Done set.
	Event(data []byte) (*Event, error)
	// Carry makes an event like the given one that carries text for one lane and nothing else.
	Carry(like *Event, lane Lane, text []byte) (*Event, error)
	// Join makes the whole answer of a complete stream's events.
	Join(events []*Event) (*Answer, error)
	// Split makes the events of a stream, [DONE] not among them, of a whole answer.
	Split(a *Answer) ([]*Event, error)
}

// Numbered is a Format whose streams number their events.
type Numbered interface {
	Format
	// Number gives an event its number, from 0.
	Number(ev *Event, n int)
}

// Lane names one text that a stream builds up piece by piece: a choice and a field of it.
type Lane struct {
	Choice    int    // -1: outside the choices
	Field     string // "content", "reasoning_content", "tool_calls.0.arguments", ...
	Arguments bool   // JSON text of a tool call's arguments
}

// Piece is one text of an answer or event: where it belongs and the string that holds it.
type Piece struct {
	Lane Lane
	Node strictjson.Value
	// Called says that the text stands in the call of a tool: in its arguments or input, or beside them. Tool is the tool's
	// name, where it is known.
	Called bool
	Tool   string
	// Summed says, in an event, that a Copy with Sum may follow the text.
	Summed bool
	// Whole says that the text is complete in itself: in a stream, neither continued nor continuing another event's.
	Whole bool
	// Repeats says of a stream's text that it comes again, whole, when all its pieces have come; of a whole text that it is
	// such a repetition.
	Repeats bool
	// Name says, in an event, that the text is a name or an id, or a piece of one. It is shown to filters where it does not
	// look like an identifier (Plain), and where what all events gave of it does not pass them.
	Name, Plain bool
	// Run is, in an event, of a text that is a part of one content: how many bytes of Lane.Field name that content. The
	// parts of a content are read as one text, in the order of their coming, and with what came for it as a plain string.
	Run int
	// Part is the part's own number from 1, where it says it; 0 where it does not.
	Part int
	// Next is the place, among the pieces of a whole answer or of an event that repeats one, of the text that continues this
	// one: that of the adjacent part of one content. 0 is none.
	Next int
}

// Copy names a member that repeats a choice's text in another form (log probabilities, token ids), or one whose key is
// the model's own word.
type Copy struct {
	Choice int
	Owner  strictjson.Value
	Key    string
	// Sum says that the member is a string which says something of the whole text, such as a signature. It is not taken
	// out but made empty, since readers look for it, and in an event it comes after the text and by itself.
	Sum bool
	// List says that an empty list stays in its place.
	List bool
}

// Drop takes the member out, or makes it empty.
func (c *Copy) Drop() {
	switch {
	case c.Sum:
		c.Owner.Get(c.Key).SetBytes(nil)
	case !c.List || c.Owner.Set(c.Key, []byte("[]")) != nil:
		c.Owner.Delete(c.Key)
	}
}

// setText replaces the text of one piece and takes out the copies of its choice's text, which would tell the old one.
func setText(p *Piece, copies []Copy, text []byte) {
	p.Node.SetBytes(text)
	for i := range copies {
		if copies[i].Choice == p.Lane.Choice {
			copies[i].Drop()
		}
	}
}

// Answer is one whole answer of a model, read leniently and editable.
type Answer struct {
	Format Format
	Doc    *strictjson.Reply
	Pieces []Piece // every text, in document order
	Model  string  // as the model server names it
	Usage  Usage
	Finish []string // finish reasons by choice
	Copies []Copy
	Keys   []Copy // members whose key may be text: what a filter finds in a key is taken out with its member
	IDs    []ID   // of state on the model server
}

// ID is an id of state on the model server, in an answer or event, of a kind of Reach.
type ID struct {
	Kind string
	Node strictjson.Value
}

// SetText replaces the text of Pieces[i]; what repeats it in another form is taken out.
func (a *Answer) SetText(i int, text []byte) { setText(&a.Pieces[i], a.Copies, text) }

// Event is one event of a streamed answer, read leniently and editable.
type Event struct {
	Doc      *strictjson.Reply // nil when Done
	Pieces   []Piece
	Finished []int // choices that end with this event
	again    bool  // it is what Again made of it
	Pause    bool  // ends a part of a content: what is held back of it may leave in the next, so the event waits for the one behind it
	Closes   bool  // says again the whole text of a part of a content, which the next part may go on with: it waits for what is behind those that do
	Breaks   bool  // no text goes on that is a part of a content
	Idle     bool  // says nothing
	Bare     bool  // nothing but empty texts: may be dropped when all its pieces are empty
	UsageEnd bool  // the event exists only to report usage (no choices)
	Error    bool  // the model server reports a failure in the stream
	Done     bool
	Last     bool   // nothing follows it but what the stream's framing asks for: all texts end before it
	Usage    *Usage // the usage this event reports, if any
	IDs      []ID   // of state on the model server
	Format   Format
	Finish   []string
	Needs    string // a member of the root without which the event says nothing; "" is none
	Copies   []Copy
	Keys     []Copy // as those of Answer
}

// Lacks tells whether the event says nothing any more, since what it was about was taken out.
func (e *Event) Lacks() bool {
	return e.Needs != "" && e.Doc.Root().Get(e.Needs).Kind() == strictjson.Invalid
}

// Again makes e, which is Plain, the event that data holds, where that is e as it came with another text in its only piece,
// and tells whether it is: most events of a stream are such, and need not be read. Else e is as it was.
func (e *Event) Again(data []byte) bool {
	e.again = e.Doc.Again(data, e.Pieces[0].Node)
	return e.again
}

// Plain tells whether the event carries a piece of one text that goes on, and says nothing else.
func (e *Event) Plain() bool {
	return e.again || e.Doc != nil && len(e.Pieces) == 1 && !e.Pieces[0].Name && !e.Pieces[0].Whole && e.Usage == nil && e.Needs == "" &&
		len(e.Finished)+len(e.Finish)+len(e.IDs)+len(e.Copies)+len(e.Keys) == 0 &&
		!(e.Pause || e.Closes || e.Breaks || e.Idle || e.UsageEnd || e.Error || e.Done || e.Last)
}

// SetText replaces the text of Pieces[i]; what repeats it in another form is taken out.
func (e *Event) SetText(i int, text []byte) { setText(&e.Pieces[i], e.Copies, text) }

// Usage counts the usage tokens of one exchange.
type Usage struct {
	Input  int64
	Output int64
	Cached int64 // part of Input that the model server had cached
	Known  bool  // reported by the model server
	// Estimated says that the model server did not report all of it, because it never does or because its answer was cut,
	// and what is missing is the gateway's estimate.
	Estimated bool
}

// Then is the usage after a later report on the same answer: what that does not tell stays.
func (u Usage) Then(later Usage) Usage {
	if later.Input > 0 {
		u.Input, u.Cached, u.Estimated = later.Input, later.Cached, later.Estimated
	}
	if later.Output > 0 {
		u.Output = later.Output
	}
	u.Known = u.Known || later.Known
	return u
}

// AtLeast is the usage where the model server did not report all of it: what the gateway counted, in bytes of text, stands
// in at four bytes a usage token, the usual rule of thumb.
func (u Usage) AtLeast(input, output int) Usage {
	more := func(n *int64, bytes int) {
		if estimate := (int64(bytes) + 3) / 4; estimate > *n {
			*n, u.Estimated = estimate, true
		}
	}
	if u.Input == 0 {
		more(&u.Input, input)
	}
	more(&u.Output, output)
	return u
}

// Total is input and output together.
func (u Usage) Total() int64 { return u.Input + u.Output }
