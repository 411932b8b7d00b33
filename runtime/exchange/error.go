package exchange

import (
	"errors"

	"github.com/sluicegate/sluice/runtime/wire"
)

// Kind is how an exchange ended.
type Kind string

// The kinds of Outcome.
const (
	Complete  Kind = "complete"
	Rejected  Kind = "rejected"  // a verdict: the caller, policy or a filter said no
	Failed    Kind = "failed"    // a breakage
	Truncated Kind = "truncated" // the answer began and was cut
	Cancelled Kind = "cancelled" // the caller went away, or its credential was removed
)

// Outcome is how an exchange ended, with the code of the fault if there was one.
type Outcome struct {
	Kind   Kind
	Code   wire.Code
	Status int // HTTP status answered
}

// Stage names a station of the pipeline.
type Stage string

// The stages, in order.
const (
	StageAccept       Stage = "accept"
	StageAuthenticate Stage = "authenticate"
	StageParse        Stage = "parse"
	StageAdmit        Stage = "admit"
	StageFilter       Stage = "filter"
	StageDecide       Stage = "decide"
	StageCache        Stage = "cache"
	StageRoute        Stage = "route"
	StageForward      Stage = "forward"
	StageAnswer       Stage = "answer"
	StageReply        Stage = "reply"
)

// Error is a fault with the stage it happened in and its cause. The fault is for the caller; the cause is for the log.
type Error struct {
	Stage Stage
	Fault *wire.Fault
	Cause error // may be nil; never shown to a caller
}

// Error gives stage, fault and cause.
func (e *Error) Error() string {
	s := string(e.Stage) + ": " + e.Fault.Error()
	if e.Cause != nil {
		s += ": " + e.Cause.Error()
	}
	return s
}

// Unwrap gives the cause and the fault.
func (e *Error) Unwrap() []error {
	if e.Cause == nil {
		return []error{e.Fault}
	}
	return []error{e.Fault, e.Cause}
}

// Fail makes an Error of a code and a safe message.
func Fail(stage Stage, code wire.Code, message string, cause error) *Error {
	return &Error{Stage: stage, Fault: &wire.Fault{Code: code, Message: message}, Cause: cause}
}

// AsError makes any error an *Error: one that carries a Fault keeps it, anything else is an internal fault of stage.
func AsError(stage Stage, err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	var f *wire.Fault
	if errors.As(err, &f) {
		return &Error{Stage: stage, Fault: f}
	}
	return Fail(stage, wire.Internal, "internal error", err)
}
