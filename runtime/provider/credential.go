package provider

import (
	"context"

	"github.com/sluicegate/sluice/runtime/upstream"
	"github.com/sluicegate/sluice/runtime/wire"
)

// Credential is an endpoint's secret, which may change at any time; package credential makes them. A dialect asks for
// the secret for every call.
type Credential interface {
	// Secret gives the secret to send now. It may wait, as long as ctx lasts.
	Secret(ctx context.Context) (string, error)
	// Version tells secrets apart: it changes with the secret.
	Version() uint64
	// Refused hears that the secret of that version was refused, and tells whether there is another by now.
	Refused(ctx context.Context, version uint64) bool
}

// bearer is where most APIs want the secret: Authorization: Bearer.
func bearer(req *upstream.Request, secret string) { req.Bearer = secret }

// send sends a request with the endpoint's secret, which put places in it. One that is answered 401 is sent once more if
// there is another secret by then: it may have been rotated. A model server that answers 401 has done nothing, so nothing
// is done twice. c may be nil.
func send(ctx context.Context, t *upstream.Transport, c Credential, req *upstream.Request, put func(*upstream.Request, string)) (*upstream.Response, error) {
	if c == nil {
		return t.Do(ctx, req)
	}
	version := c.Version()
	resp, err := sendOnce(ctx, t, c, req, put)
	if err == nil && resp.Status == 401 && c.Refused(ctx, version) {
		_ = resp.Close() // nothing of it is wanted
		return sendOnce(ctx, t, c, req, put)
	}
	return resp, err
}

// sendOnce sends a request with the secret as it is now. The failure never holds it.
func sendOnce(ctx context.Context, t *upstream.Transport, c Credential, req *upstream.Request, put func(*upstream.Request, string)) (*upstream.Response, error) {
	secret, err := c.Secret(ctx)
	if err != nil {
		return nil, &upstream.Failure{Code: wire.UpstreamCredential, Retry: upstream.RetryElsewhere, Cause: err}
	}
	put(req, secret)
	return t.Do(ctx, req)
}
