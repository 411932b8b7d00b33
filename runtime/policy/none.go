package policy

import (
	"context"
	"errors"

	"github.com/sluicegate/sluice/runtime/exchange"
	"github.com/sluicegate/sluice/runtime/wire"
)

// None is the policy of a gateway that has none yet: every request is refused with the code policy_failed and status 503.
// why is for the log.
func None(ctx context.Context, why string) (*Policy, error) {
	p, err := Compile(ctx, Source{name: "none", files: []file{{path: "none.rego", body: []byte(noneText)}}}, Options{Memo: -1})
	if err != nil {
		return nil, err
	}
	p.revision, p.missing = "none", why
	return p, nil
}

// unavailable is the status 503 (RFC 9110, 15.6.4): it passes.
const unavailable = 503

const noneText = `package sluice

decision := {"allowed": false}
`

// Missing tells why there is no policy yet; "" when there is one.
func (p *Policy) Missing() string { return p.missing }

// none is the error of asking a policy that is not there.
func (p *Policy) none(stage exchange.Stage) error {
	return &exchange.Error{
		Stage: stage, Cause: errors.New(p.missing),
		Fault: &wire.Fault{Code: wire.PolicyFailed, Status: unavailable, Message: "there is no policy yet"},
	}
}
