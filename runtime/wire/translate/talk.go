package translate

import (
	"bytes"

	"github.com/sluicegate/sluice/runtime/strictjson"
	"github.com/sluicegate/sluice/runtime/wire"
)

// format is one wire format of conversations. One that only model servers speak has no read, writeAnswer and writer, and
// one that only callers speak no write, readAnswer and reader.
type format struct {
	name        string
	operation   wire.Operation
	says        feature
	read        func(root strictjson.Node, c *conversation) *wire.Fault
	write       func(dst []byte, c *conversation, o Options) []byte
	readAnswer  func(root strictjson.Value, a *answer) error
	writeAnswer func(dst []byte, a *answer) ([]byte, error)
	reader      func() eventReader
	writer      func(asked *Asked) eventWriter
}

// formats is THE table of the formats of conversations.
var formats = [...]*format{chat, completions, messages, responses, gemini, bedrock, messagesCount, geminiCount, vertexCount, bedrockCount}

// talk is the way between two formats of conversations.
type talk struct{ from, to *format }

// converse finds the way. A conversation is answered, or its usage tokens are counted, and neither is the other.
func converse(from, to string) (way, bool) {
	w := talk{}
	for _, f := range formats {
		if f.name == from {
			w.from = f
		}
		if f.name == to {
			w.to = f
		}
	}
	return w, w.from != nil && w.to != nil && w.from != w.to && w.from.read != nil && w.to.write != nil &&
		(w.from.operation == wire.CountTokens) == (w.to.operation == wire.CountTokens)
}

func (w talk) To() string { return w.to.name }

func (w talk) Operation() wire.Operation { return w.to.operation }

func (w talk) requests(root strictjson.Node, o Options) ([][]byte, Asked, *wire.Fault) {
	c := conversations.Get()
	defer conversations.Put(c)
	defer c.reset(0)
	c.reset(w.to.says)
	if fault := w.from.read(root, c); fault != nil {
		return nil, Asked{}, fault
	}
	body := make([]byte, 0, len(root.Raw())+len(root.Raw())/8+256)
	return [][]byte{w.to.write(body, c, o)}, Asked{model: bytes.Clone(c.model), prompt: c.size()}, nil
}

// size counts the bytes of the conversation's text.
func (c *conversation) size() (n int) {
	for i := range c.parts {
		if k := c.parts[i].kind; k != image && k != file {
			n += len(c.parts[i].text)
		}
	}
	return n
}

func (w talk) answer(dst []byte, asked *Asked, replies []strictjson.Value) ([]byte, error) {
	if len(replies) != 1 {
		return nil, errChoices
	}
	var a answer
	if err := w.to.readAnswer(replies[0], &a); err != nil {
		return nil, err
	}
	a.prompt = asked.prompt
	if len(a.model) == 0 {
		a.model = asked.model
	}
	return w.from.writeAnswer(dst, &a)
}

func (w talk) stream(asked *Asked) *Stream {
	if w.to.reader == nil || w.from.writer == nil {
		return nil // counts
	}
	s := &Stream{reader: w.to.reader(), writer: w.from.writer(asked), model: asked.model}
	s.take = s.step // bound once
	return s
}
