package provider

import (
	"context"
	"net/url"
	"strings"

	"github.com/sluicegate/sluice/runtime/upstream"
	"github.com/sluicegate/sluice/runtime/wire"
)

// oip speaks the Open Inference Protocol, version 2, over HTTP, as Triton, KServe, MLServer and the predictive models of
// Cloudera AI Inference serve it. The base URL ends in /v2.
type oip struct {
	transport  *upstream.Transport
	credential Credential
}

func newOIP(o Options) (upstream.Caller, error) {
	transport, err := transportOf(o)
	if err != nil {
		return nil, err
	}
	return &oip{transport: transport, credential: o.Credential}, nil
}

// transportOf makes the connections to an endpoint, shared with those of other generations.
func transportOf(o Options) (*upstream.Transport, error) {
	if o.Registry == nil {
		o.Registry = new(upstream.Registry)
	}
	return o.Registry.Transport(upstream.TransportOptions{URL: o.URL, RootCAs: o.RootCAs, ClientCert: o.ClientCert, Timeouts: o.Timeouts, MaxAnswer: o.MaxAnswer})
}

// Close gives up the connections.
func (d *oip) Close() error { return d.transport.Close() }

// oipPath is the path of a model, which may be of a version: churn, or churn/versions/3.
func oipPath(model, verb string) string {
	name, version, ok := strings.Cut(model, "/versions/")
	path := "/models/" + url.PathEscape(name)
	if ok {
		path += "/versions/" + url.PathEscape(version)
	}
	return path + verb
}

// Call sends one request.
func (d *oip) Call(ctx context.Context, c *upstream.Call) (*upstream.Reply, error) {
	if c.Operation != wire.Infer {
		return nil, unsupported(c.Operation)
	}
	req := upstream.Request{Path: oipPath(c.Model, "/infer"), Body: c.Body, RequestID: c.RequestID, Header: c.Header}
	resp, err := send(ctx, d.transport, d.credential, &req, bearer)
	if err != nil {
		return nil, err
	}
	if resp.Status < 200 || resp.Status > 299 {
		f, _ := resp.Fail() // the protocol's errors are one string, which may quote anything
		return nil, f
	}
	return whole(resp)
}

// Probe asks whether the server is ready. One that does not say (404, 405) is there all the same.
func (d *oip) Probe(ctx context.Context) error {
	resp, err := send(ctx, d.transport, d.credential, &upstream.Request{Method: "GET", Path: "/health/ready"}, bearer)
	if err != nil {
		return err
	}
	return lives(resp)
}
