// Package upstream forwards a request to model servers: it knows a model's endpoints (Pool), orders those that may
// serve a request (Plan), tries them until one answers (Forward), remembers how each behaves (Registry), and speaks
// HTTP to them (Transport).
//
// It stands last on the way out: the body is final, the decision is made. It promises that
//   - nothing is tried that the plan does not name, and the plan names nothing that the constraint forbids;
//   - an attempt is repeated only while no byte of an answer has gone on: for a stream, until its first event came;
//   - a cancelled context closes the connection to the model server at once;
//   - no text of a model server's error goes into a Failure: only our code, the status and a checked parameter name.
//
// It does not know any vendor's paths or bodies: package provider's dialects do, behind the interface Caller.
package upstream

import (
	"context"

	"github.com/sluicegate/sluice/runtime/wire"
)

// Caller makes one attempt at one endpoint. Package provider implements it, one dialect each. A Caller is safe for
// concurrent use; one that also has a method Close() error is closed with its Endpoint. A Caller that stands before
// another has a method Unwrap() Caller, through which methods beside Call are found.
type Caller interface {
	// Call sends c and gives the answer, or the beginning of a streamed one. Errors are *Failure.
	// It does not keep c.Body once it has returned.
	Call(ctx context.Context, c *Call) (*Reply, error)
}

// Call is one request as it leaves.
type Call struct {
	Operation wire.Operation
	Format    string // the name of Body's wire.Format; "" is the one that the Caller speaks
	Model     string // the model's name at the model server, which the body has too where its format has a place for it
	Stream    bool
	Body      []byte
	RequestID string  // goes out as x-request-id; may be empty
	Header    []Field // see Forwardable; what is not on the list there is not sent
	Once      bool    // has effects at the model server: not sent again once bytes of it were written

	at     *Endpoint // that counts the call; nil: none does
	tenant string
}

// Enter takes a further place at the endpoint for a Caller that makes several requests of the call, beside the one place
// that the call has: one that is free and that nobody waits for. There is none while the endpoint is out of the rotation,
// where the call may be the one that probes, or has asked for a pause; nor for a call that no endpoint counts. Leave gives
// it back.
func (c *Call) Enter() bool {
	return c.at != nil && c.at.record.now() == tierReady && c.at.enter(c.tenant)
}

// Leave gives back a place that Enter took.
func (c *Call) Leave() { c.at.leave(c.tenant) }

// Reply is a model server's answer, with a 2xx status. One of Body and Events is set: Events for a streamed call.
type Reply struct {
	Status int
	Header []Field // those that may travel on to the caller
	Body   []byte  // the whole answer; the receiver owns it
	Events Events
}

// Close ends a streamed answer, also early, and frees or closes its connection; a whole answer needs none.
func (r *Reply) Close() error {
	if r.Events == nil {
		return nil
	}
	return r.Events.Close()
}

// Events is a streamed answer. It is read by one goroutine; Close may come at any time after the last Next.
type Events interface {
	// Next gives the data of the next event, valid until the next call. It gives io.EOF only after a clean end that
	// the dialect can tell from a cut; every other error is a *Failure.
	Next() ([]byte, error)
	// Ready tells whether Next has an event without waiting for the model server; where that cannot be told it is false.
	Ready() bool
	// Close ends the answer, also early, and frees or closes its connection.
	Close() error
}
