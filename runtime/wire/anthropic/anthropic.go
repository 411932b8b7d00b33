// Package anthropic reads and writes the bodies of the Anthropic API, version 2023-06-01: messages, streamed and not,
// counts of usage tokens, and the list of models.
//
// # Requests
//
// A request is read strictly and covered by default, as package walk does it: what the table (tables.go) does not name
// as something else is text that filters see. The system prompt, a string or blocks, is of role system; what a
// tool_result holds is of role tool. Roles and the types of content blocks and sources are those of the API, and any
// other is refused.
//
// # Answers
//
// A content block is a choice: what it says are lanes of its own, and what is held back of them leaves before the block's
// end; but the texts of adjacent blocks are one text, as the parts of a content are. The signature of a thinking block is
// made empty where its text was changed. A stream's events are told apart by the type in their data, which is also their
// name; an event or delta of a type that the API does not have is refused, since nobody could say how readers put its text
// together.
//
// The package does no I/O and knows nothing of addresses, headers or credentials.
package anthropic

import (
	"github.com/sluicegate/sluice/runtime/wire"
	"github.com/sluicegate/sluice/runtime/wire/walk"
)

// The formats of the API, one for each operation. They are stateless and safe for concurrent use.
//
// Counts do not stream: the Event, Carry, Join and Split of CountTokens give errors.
var (
	Messages    wire.Format = messages
	CountTokens wire.Format = counts
)

var (
	messages = &format{name: "anthropic.messages", op: wire.Messages, request: messagesRequest, streams: true}
	counts   = &format{name: "anthropic.count_tokens", op: wire.CountTokens, request: countRequest}
)

// format is one operation's bodies.
type format struct {
	name    string
	op      wire.Operation
	request *walk.Rule
	streams bool
}

// Name is the format's name.
func (f *format) Name() string { return f.name }

// streaming gives a fault where the format has no streams.
func (f *format) streaming() error {
	if !f.streams {
		return &wire.Fault{Code: wire.Internal, Message: f.name + " has no streams"}
	}
	return nil
}
