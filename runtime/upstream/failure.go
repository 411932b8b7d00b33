package upstream

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/sluicegate/sluice/runtime/wire"
)

// Retry says where a failed attempt may be repeated, as long as nothing of an answer has gone on to the caller.
type Retry uint8

// The places for another attempt.
const (
	RetryNo        Retry = iota // nowhere: the next endpoint would say the same, or nobody waits any more
	RetryElsewhere              // at another endpoint only: this one is misconfigured, or too slow
	RetryAnywhere               // also at this endpoint, after a pause
)

// Failure is a failed attempt. It holds nothing that a model server wrote but its status and a checked parameter name.
type Failure struct {
	Code       wire.Code
	Status     int           // HTTP status of the model server; 0 when none came
	RetryAfter time.Duration // what the model server asked us to wait; 0: nothing
	Retry      Retry
	BodySent   bool   // bytes of the request may have reached the model server
	Param      string // the field at fault, such as "messages[0].role"; may be empty
	Cause      error  // for the log; may be nil
}

// Error gives code, status and cause.
func (f *Failure) Error() string {
	s := "upstream: " + string(f.Code)
	if f.Status != 0 {
		s += " (status " + strconv.Itoa(f.Status) + ")"
	}
	if f.Cause != nil {
		s += ": " + f.Cause.Error()
	}
	return s
}

// Unwrap gives the fault for the caller and the cause.
func (f *Failure) Unwrap() []error {
	if f.Cause == nil {
		return []error{f.Fault()}
	}
	return []error{f.Fault(), f.Cause}
}

// messages says for each code of this package what happened and what to do, without a word of the model server's.
var messages = map[wire.Code]string{
	wire.UpstreamUnreachable: "the model server cannot be reached; try again later",
	wire.UpstreamTimeout:     "the model server did not answer in time; try again later or ask for less",
	wire.UpstreamError:       "the model server failed; if it goes on, tell whoever runs the gateway",
	wire.UpstreamCredential:  "the gateway has no credential for the model server now; try again later, and if it goes on, tell whoever runs the gateway",
	wire.UpstreamRejected:    "the model server refused the request; check its parameters and its length",
	wire.StreamInterrupted:   "the model server's answer ended early; what came so far is not complete",
	wire.RateLimited:         "the model server is at its limit; wait before trying again",
	wire.Overloaded:          "the model's endpoints have as much to do as they can; try again later",
	wire.ModelWarming:        "the model is starting; try again in a minute",
	wire.NoEndpoint:          "no endpoint may serve this request now",
	wire.ClientClosed:        "the caller went away",
	wire.UnsupportedOp:       "the model's endpoints have no such operation; ask for another model",
	wire.NotFound:            "nothing of that id is kept for this caller",
	wire.UnsupportedField:    "the model's endpoint speaks an API that cannot say this; leave it out, or ask for another model",
}

// Fault is the failure as a caller may see it.
func (f *Failure) Fault() *wire.Fault {
	msg, ok := messages[f.Code]
	if !ok {
		msg = "the request could not be forwarded"
	}
	out := &wire.Fault{Code: f.Code, Message: msg, Param: f.Param}
	if f.Code == wire.UpstreamRejected {
		out.Status = f.Status // 4xx about the request itself, see FromStatus
	}
	if f.RetryAfter > 0 {
		out.RetryAfter = int((f.RetryAfter + time.Second - 1) / time.Second)
	}
	return out
}

// statusOverloaded is what Anthropic and others answer when they have too much to do.
const statusOverloaded = 529

// FromStatus is the failure that a status other than 2xx stands for. The model server's word about our own credential,
// path or redirects (3xx, 401, 403, 404, ...) is its failure in the caller's eyes, never the caller's.
func FromStatus(status int, retryAfter time.Duration) *Failure {
	f := &Failure{Code: wire.UpstreamError, Status: status, RetryAfter: retryAfter, Retry: RetryAnywhere, BodySent: true}
	switch {
	case status == http.StatusBadRequest, status == http.StatusRequestEntityTooLarge, status == http.StatusUnprocessableEntity:
		f.Code, f.Retry = wire.UpstreamRejected, RetryNo
	case status == http.StatusTooManyRequests:
		f.Code = wire.RateLimited
	case status == statusOverloaded:
		f.Code = wire.Overloaded
	case status == http.StatusRequestTimeout, status == http.StatusGatewayTimeout:
		f.Code = wire.UpstreamTimeout
	case status == http.StatusConflict, status >= 500:
	default:
		f.Retry = RetryElsewhere
	}
	return f
}

// asFailure makes any error of a Caller a *Failure.
func asFailure(err error) *Failure {
	var f *Failure
	if errors.As(err, &f) {
		return f
	}
	return &Failure{Code: wire.UpstreamError, Retry: RetryElsewhere, BodySent: true, Cause: err}
}

// Broken is the failure of an answer that is not what the dialect expects. The text is ours, never the model server's.
func Broken(format string, args ...any) *Failure {
	return &Failure{Code: wire.UpstreamError, Retry: RetryElsewhere, BodySent: true, Cause: fmt.Errorf(format, args...)}
}

// Interrupted is the failure of a stream that ended before its end.
func Interrupted(cause error) *Failure {
	return &Failure{Code: wire.StreamInterrupted, Retry: RetryAnywhere, BodySent: true, Cause: cause}
}

// unbegun makes an interrupted stream of which nothing has gone on what it is to the caller: a failed attempt.
func unbegun(err error) error {
	if f := asFailure(err); f.Code == wire.StreamInterrupted {
		f.Code = wire.UpstreamError
		return f
	}
	return err
}

// abandoned is the failure of an attempt whose context ended, or nil while it has not.
func abandoned(ctx context.Context, sent bool) *Failure {
	switch err := ctx.Err(); {
	case err == nil:
		return nil
	case errors.Is(err, context.DeadlineExceeded):
		return &Failure{Code: wire.UpstreamTimeout, BodySent: sent, Cause: err}
	default:
		return &Failure{Code: wire.ClientClosed, BodySent: sent, Cause: err}
	}
}
