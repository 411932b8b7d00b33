// Package translate turns the bodies of one wire format into another's: requests on their way to a model server that
// speaks another format than the caller, whole answers and the events of streams on their way back.
//
// Every format has files of its own that read its bodies into the nouns of this package (a conversation, an answer, a
// delta) and write them from the nouns, so that any format reaches any other. The promise is that nothing is lost on the
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
}

// format is one wire format. One that only model servers speak has no read, writeAnswer and writer.
type format struct {
	name        string
	operation   wire.Operation
	says        feature
	read        func(root strictjson.Node, c *conversation) *wire.Fault
	write       func(dst []byte, c *conversation, o Options) []byte
	readAnswer  func(root strictjson.Value, a *answer) error
	writeAnswer func(dst []byte, a *answer) ([]byte, error)
	reader      func() eventReader
	writer      func() eventWriter
}

// Pair is a way from the format that a caller speaks to the one that a model server speaks, and back.
type Pair struct{ from, to *format }

// Between finds the way between two formats by their names.
func Between(from, to string) (Pair, bool) {
	p := Pair{find(from), find(to)}
	return p, p.from != nil && p.to != nil && p.from.read != nil && p.from != p.to
}

// find is the format of that name in THE table of formats; nil if it is not there.
func find(name string) *format {
	for _, f := range [...]*format{chat, messages, responses, gemini, bedrock} {
		if f.name == name {
			return f
		}
	}
	return nil
}

// To is the name of the model server's format.
func (p Pair) To() string { return p.to.name }

// Operation is the operation of the model server's format.
func (p Pair) Operation() wire.Operation { return p.to.operation }

// Request appends the caller's request as the model server's format has it. Errors are *wire.Fault: of the code
// unsupported_field with the field's path as Param for what that format cannot say.
func (p Pair) Request(dst, body []byte, o Options) ([]byte, error) {
	doc, err := strictjson.Parse(body, strictjson.Limits{MaxBytes: maxBody})
	if err != nil {
		return nil, &wire.Fault{Code: wire.InvalidJSON, Message: "the body cannot be read as JSON"}
	}
	defer doc.Release()
	c := conversations.Get().(*conversation)
	defer conversations.Put(c)
	defer c.reset(0)
	c.reset(p.to.says)
	if fault := p.from.read(doc.Root(), c); fault != nil {
		return nil, fault
	}
	return p.to.write(dst, c, o), nil
}

// Answer appends the model server's whole answer as the caller's format has it. Errors hold no word of the answer.
func (p Pair) Answer(dst, body []byte) ([]byte, error) {
	reply, err := strictjson.ReadReply(body)
	if err != nil {
		return nil, fmt.Errorf("the answer cannot be read: %w", err)
	}
	defer reply.Release()
	var a answer
	if err := p.to.readAnswer(reply.Root(), &a); err != nil {
		return nil, err
	}
	return p.from.writeAnswer(dst, &a)
}

// Stream begins the translation of a streamed answer.
func (p Pair) Stream() *Stream {
	s := &Stream{reader: p.to.reader(), writer: p.from.writer()}
	s.take = s.step // bound once
	return s
}

// step writes one step. A stream begins once, at the latest before its first step, and nothing follows its end.
func (s *Stream) step(d delta) error {
	switch {
	case s.over, s.begun && d.happening == begins:
		return errOrder
	case !s.begun && d.happening != begins:
		if err := s.writer.write(&s.queue, delta{happening: begins}); err != nil {
			return err
		}
	}
	s.begun, s.over = true, d.happening == terminates
	return s.writer.write(&s.queue, d)
}

// Stream is a streamed answer under translation. It is not safe for concurrent use.
type Stream struct {
	reader eventReader
	writer eventWriter
	take   func(delta) error
	queue  queue
	begun  bool
	over   bool
}

// Event takes the data of one event of the model server's; Next gives what comes of it. An error says that the stream is
// broken, or that the model server reports a failure in it; it holds no word of the model server's.
func (s *Stream) Event(data []byte) error {
	s.queue.reset()
	if isDone(data) {
		return s.reader.read(data, strictjson.Value{}, s.take)
	}
	reply, err := strictjson.ReadReply(data)
	if err != nil {
		return fmt.Errorf("an event cannot be read: %w", err)
	}
	defer reply.Release()
	return s.reader.read(nil, reply.Root(), s.take)
}

// isDone tells whether an event's data is the word that ends the OpenAI API's streams.
func isDone(data []byte) bool {
	for len(data) > 0 && data[0] == ' ' {
		data = data[1:]
	}
	return len(data) >= 6 && string(data[:6]) == "[DONE]"
}

// Next gives the data of the next event for the caller, valid until the next call of Event; false when more of the model
// server's events are needed.
func (s *Stream) Next() ([]byte, bool) { return s.queue.pop() }
