package pipeline

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/sluicegate/sluice/runtime/exchange"
	"github.com/sluicegate/sluice/runtime/wire"
)

// errLate ends an exchange that took longer than it may.
var errLate = exchange.Fail(exchange.StageForward, wire.UpstreamTimeout, "the answer was not complete in the time that the request has; ask for less, or allow more", nil)

// deadlineHeader is the caller's own word on how many seconds the exchange may take, such as 30 or 2.5.
const deadlineHeader = "X-Request-Timeout"

// within bounds the rest of the exchange, attempts, pauses and the wait for an endpoint included, by the configuration and
// by the caller. done must be called.
func (r *run) within(ctx context.Context) (_ context.Context, done context.CancelFunc, err error) {
	longest := r.snap.Longest
	if v := r.x.Client.Headers[deadlineHeader]; len(v) > 0 {
		asked, err := strconv.ParseFloat(v[0], 64)
		if err != nil || !(asked > 0 && asked <= maxAsked) { // nor NaN
			return ctx, func() {}, &wire.Fault{Code: wire.InvalidRequest, Message: "x-request-timeout: expected a number of seconds, such as 30"}
		}
		if d := time.Duration(asked * float64(time.Second)); longest == 0 || d < longest {
			longest = d
		}
	}
	if longest == 0 {
		return ctx, func() {}, nil
	}
	ctx, done = context.WithDeadlineCause(ctx, r.x.Start.Add(longest), errLate)
	return ctx, done, nil
}

// maxAsked is a day, in seconds.
const maxAsked = 86400

// late is the error of an exchange: that its time was up, where that is why anything failed.
func late(ctx context.Context, err error) error {
	if err != nil && errors.Is(context.Cause(ctx), errLate) {
		return errLate
	}
	return err
}
