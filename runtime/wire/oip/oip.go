// Package oip reads and writes the bodies of the Open Inference Protocol, version 2 (KServe's, of 2024; its JSON over HTTP),
// as Triton, KServe, MLServer and the predictive models of Cloudera AI Inference speak it: tensors in, tensors out.
//
// The elements of a tensor of BYTES are strings, and text that filters see. Numbers are content that no text filter
// reads, since a text can be written in them: the request counts them as opaque, of the kind tensor. The extensions of
// the protocol that put tensors behind the JSON or into memory shared with the server are refused, and so is a sequence,
// which is state on the model server.
//
// The model is named by the path and not in the body. Nothing streams.
package oip

import "github.com/sluicegate/sluice/runtime/wire"

// Infer is the format of an inference request and its answer. It is stateless and safe for concurrent use. Its Event,
// Carry, Join and Split give errors.
var Infer wire.Format = infer{}

// infer implements wire.Format.
type infer struct{}

// Name is the format's name.
func (infer) Name() string { return "oip.infer" }

func noStreams() error {
	return &wire.Fault{Code: wire.Internal, Message: "oip.infer has no streams"}
}

// Event gives an error: nothing streams.
func (infer) Event([]byte) (*wire.Event, error) { return nil, noStreams() }

// Carry gives an error: nothing streams.
func (infer) Carry(*wire.Event, wire.Lane, []byte) (*wire.Event, error) { return nil, noStreams() }

// Join gives an error: nothing streams.
func (infer) Join([]*wire.Event) (*wire.Answer, error) { return nil, noStreams() }

// Split gives an error: nothing streams.
func (infer) Split(*wire.Answer) ([]*wire.Event, error) { return nil, noStreams() }
